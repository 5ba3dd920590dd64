"""The stack: every component, in the order in which they need each other."""

import pulumi
from pulumi_aws import get_caller_identity, get_partition, get_region

from .alerts import Alerts, AlertsArgs
from .analytics import Analytics, AnalyticsArgs
from .api import Api, ApiArgs
from .clients import Clients, ClientsArgs
from .functions import FUNCTIONS, Functions, Packaging, Parts
from .functions.function import RESERVED_CONCURRENCY
from .keys import Keys, KeysArgs
from .naming import Place
from .observability import Observability, ObservabilityArgs
from .preflight import check_concurrency
from .secret_key import SecretKey, SecretKeyArgs
from .settings import TapStackArgs
from .storage import Storage, StorageArgs
from .stream import Stream, StreamArgs
from .tables import Tables, TablesArgs
from .webhooks import Webhooks, WebhooksArgs

# The functions take no more.
METRICS_NAMES_MAX = 20

__all__ = ["TapStack", "TapStackArgs"]


class TapStack(pulumi.ComponentResource):
    """The transaction processor of one environment."""

    keys: Keys
    storage: Storage
    stream: Stream
    tables: Tables
    alerts: Alerts
    fingerprint_key: SecretKey
    receipt_key: SecretKey
    # None where nobody is to be told.
    webhooks: Webhooks | None
    functions: Functions
    api: Api
    clients: Clients
    analytics: Analytics
    observability: Observability

    def __init__(
        self,
        name: str,
        args: TapStackArgs | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ):
        super().__init__("transaction-processor:index:TapStack", name, None, opts)
        args = args or TapStackArgs()
        if args.reserved_concurrency:
            check_concurrency(RESERVED_CONCURRENCY * len(FUNCTIONS))
        place = find_place(args)
        child = place.child(self)
        keys = self.keys = Keys("keys", KeysArgs(place), child)
        self.storage = Storage(
            "storage",
            StorageArgs(place, keys, args.rules_file, args.shadow_rules_file, args.allowed_origins),
            child,
        )
        self.stream = Stream(
            "stream",
            StreamArgs(
                place, keys, args.stream_mode, args.stream_shards, args.stream_retention_days
            ),
            child,
        )
        self.tables = Tables(
            "tables",
            TablesArgs(place, keys, args.warm_write_units, args.transactions_table),
            child,
        )
        self.alerts = Alerts(
            "alerts", AlertsArgs(place, keys, args.alert_emails, args.on_call_topic), child
        )
        self.fingerprint_key = SecretKey(
            "fingerprint",
            SecretKeyArgs(
                place,
                keys,
                "fingerprint-key",
                "The key of card fingerprints; without it, cards are not recognised",
            ),
            child,
        )
        self.receipt_key = SecretKey(
            "receipt",
            SecretKeyArgs(
                place,
                keys,
                "receipt-key",
                "The key that signs receipts; with it, they can be forged",
            ),
            child,
        )
        self.webhooks = (
            Webhooks("webhooks", WebhooksArgs(place, keys, args.webhooks), child)
            if args.webhooks
            else None
        )
        self.functions = Functions("functions", self._parts(place, args), child)
        self.api = Api(
            "api",
            ApiArgs(place, keys, self.functions.api.function, args.api_gateway_account),
            child,
        )
        self.clients = Clients(
            "clients",
            ClientsArgs(place, args.clients, self.tables.clients, self.api.usage_plan),
            child,
        )
        self.analytics = Analytics("analytics", AnalyticsArgs(place, keys, self.storage), child)
        self.observability = Observability(
            "observability",
            ObservabilityArgs(place, args.dashboards_dir, self.alerts.alarm_actions),
            child,
        )
        self.register_outputs({"api_endpoint": self.api.endpoint})

    def _parts(self, place: Place, args: TapStackArgs) -> Parts:
        return Parts(
            place=place,
            keys=self.keys,
            storage=self.storage,
            stream=self.stream,
            tables=self.tables,
            alerts=self.alerts,
            fingerprint_key=self.fingerprint_key,
            receipt_key=self.receipt_key,
            webhooks=self.webhooks,
            packaging=Packaging(args.zips, args.architecture, args.reserved_concurrency),
            aggregate_bytes=args.aggregate_bytes,
            fold_paused=args.fold_paused,
            in_use_elsewhere=args.transactions_table is not None,
            metrics_names=",".join(metrics_names(args)),
        )


def metrics_names(args: TapStackArgs) -> list[str]:
    """The first clients and merchants that are named: each is a metric that costs money."""
    names = [client.name for client in args.clients]
    names += [name for client in args.clients for name in client.merchants if name != "*"]
    return list(dict.fromkeys(names))[:METRICS_NAMES_MAX]


def find_place(args: TapStackArgs) -> Place:
    """The account and region that the provider is configured for."""
    return Place(
        environment=args.environment_suffix,
        bucket_suffix=args.bucket_suffix,
        account=get_caller_identity().account_id,
        region=get_region().region,
        partition=get_partition().partition,
        tags=args.tags,
        keeps_data=not args.delete_data,
    )
