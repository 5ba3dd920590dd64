"""What can be configured, and how the configuration is read. Every fault says which key to set."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi

from .naming import PROJECT, check_names

PROGRAM = Path(__file__).resolve().parent.parent

TAGS: Mapping[str, str] = {"Environment": "production", "Project": PROJECT}

# Kinesis keeps records for 1 to 365 days.
RETENTION_DAYS_MAX = 365
ARCHITECTURES = ("x86_64", "arm64")
STREAM_MODES = ("on-demand", "provisioned")
# API Gateway has at most this many keys in an account and region, unless asked.
CLIENTS_MAX = 10_000
# One in use, and while a key is changed the next one beside it.
KEYS_PER_CLIENT_MAX = 2
KEY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
# A part of the keys of uploads.
CLIENT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
# What a webhook may be told, and how many there may be: nobody watches more.
WEBHOOK_EVENTS = ("uploads", "alerts")
WEBHOOKS_MAX = 20
URL_CHARS_MAX = 2000
# Standard Webhooks: this, and base64 of as many bytes.
SECRET_PREFIX = "whsec_"  # noqa: S105 no secret
SECRET_BYTES = range(24, 65)
# What a client may have beside name and merchants.
CLIENT_KEYS: Mapping[str, type] = {
    "default_currency": str,
    "default_time_zone": str,
    "long_number_ids_allowed": bool,
}


@dataclass(frozen=True)
class ClientArgs:
    """A merchant's system: gets an API key and may send for these merchants; `*` is all."""

    name: str
    merchants: Sequence[str] = ("*",)
    # Names of its keys: two while one takes the other's place.
    keys: Sequence[str] = ("first",)
    # What a row means that does not say.
    default_currency: str | None = None
    default_time_zone: str | None = None
    # Its ids may look like card numbers.
    long_number_ids_allowed: bool = False

    def __post_init__(self) -> None:
        if not CLIENT_NAME.fullmatch(self.name):
            raise ValueError(
                f"the client `{self.name}` must be 1 to 64 letters, digits, dashes and "
                "underscores, and start with a letter: set `clients`"
            )
        if not 1 <= len(self.keys) <= KEYS_PER_CLIENT_MAX or len(set(self.keys)) != len(self.keys):
            raise ValueError(
                f"the client `{self.name}` must have one key, or two of different names while "
                "one takes the other's place: set `keys` of the client"
            )
        for key in self.keys:
            if not KEY_NAME.fullmatch(key):
                raise ValueError(
                    f"the key `{key}` of the client `{self.name}` must be 1 to 32 letters, digits, "
                    "dashes and underscores: set `keys` of the client"
                )
        if "*" in self.merchants and len(self.merchants) > 1:
            raise ValueError(f"the client `{self.name}` has `*` beside names: `*` alone is all")


@dataclass(frozen=True)
class WebhookArgs:
    """An address that is told of uploads' ends, alerts, or both."""

    name: str
    url: str
    # Each signs: two while one takes the other's place.
    secrets: Sequence[str]
    events: Sequence[str] = WEBHOOK_EVENTS

    def __post_init__(self) -> None:
        if not CLIENT_NAME.fullmatch(self.name):
            raise ValueError(
                f"the webhook `{self.name}` must be 1 to 64 letters, digits, dashes and "
                "underscores, and start with a letter: set `webhooks`"
            )
        host = re.match(r"https://([^/?#]+)", self.url)
        if host is None or "@" in host[1] or len(self.url) > URL_CHARS_MAX:
            raise ValueError(
                f"the url of the webhook `{self.name}` must begin with https:// and a host, "
                f"without a user's name, and have at most {URL_CHARS_MAX} characters: "
                "set `webhooks`"
            )
        if not self.events or not set(self.events) <= set(WEBHOOK_EVENTS):
            raise ValueError(
                f"the webhook `{self.name}` may be told {', '.join(WEBHOOK_EVENTS)}: "
                "set its `events`"
            )
        if not 1 <= len(self.secrets) <= KEYS_PER_CLIENT_MAX or not all(
            is_secret(text) for text in self.secrets
        ):
            raise ValueError(
                f"the webhook `{self.name}` must have one secret, or two while one takes the "
                f"other's place, each `{SECRET_PREFIX}` and base64 of {SECRET_BYTES[0]} to "
                f"{SECRET_BYTES[-1]} bytes: set its `secrets`"
            )


def is_secret(text: str) -> bool:
    try:
        decoded = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        return False
    return text.startswith(SECRET_PREFIX) and len(decoded) in SECRET_BYTES


@dataclass(frozen=True)
class TapStackArgs:
    """What a stack is made of; everything has a default that works in a fresh account."""

    environment_suffix: str = "dev"
    tags: Mapping[str, str] = field(default_factory=lambda: dict(TAGS))
    bucket_suffix: str = ""
    architecture: str = "x86_64"
    # Unset, where `cargo xtask package` puts the zips of the architecture.
    lambda_dir: Path | None = None
    # Ten for each function. Off where the account has not enough to reserve from.
    reserved_concurrency: bool = True
    stream_mode: str = "on-demand"
    stream_shards: int = 4
    stream_retention_days: int = 7
    # Bytes of an aggregated Kinesis record; unset, the function's own default.
    aggregate_bytes: int | None = None
    # Write units a second that the transactions table takes from its first second on.
    warm_write_units: int | None = None
    # The table of transactions in use, made by `txp replay`; unset, the stack's own.
    transactions_table: str | None = None
    # On while a table takes over: the stream keeps what comes, and nothing is folded.
    fold_paused: bool = False
    alert_emails: Sequence[str] = ()
    # Where alarms go beside the topic of alerts: the topic of a rota, by ARN.
    on_call_topic: str | None = None
    clients: Sequence[ClientArgs] = (ClientArgs("default"),)
    # Told over https of uploads' ends and alerts.
    webhooks: Sequence[WebhookArgs] = ()
    # Pages that may PUT to upload links.
    allowed_origins: Sequence[str] = ("*",)
    rules_file: Path = PROGRAM.parent / "crates/txp-pipeline/src/rulefile/default.json"
    # Rules that are tried beside them; what they find is recorded, and that is all.
    shadow_rules_file: Path | None = None
    dashboards_dir: Path = PROGRAM.parent / "dashboards"
    # One role per account and region by which API Gateway writes logs; off where it is set already.
    api_gateway_account: bool = True
    # Off: a destroy leaves buckets, keys, the fingerprint key and the receipt key.
    delete_data: bool = False

    def __post_init__(self) -> None:
        check_names(self.environment_suffix, self.bucket_suffix)
        one_of("architecture", self.architecture, ARCHITECTURES)
        one_of("stream_mode", self.stream_mode, STREAM_MODES)
        if not 1 <= self.stream_retention_days <= RETENTION_DAYS_MAX:
            raise ValueError(
                f"stream_retention_days is {self.stream_retention_days}: "
                f"Kinesis keeps 1 to {RETENTION_DAYS_MAX} days"
            )
        if self.stream_shards < 1:
            raise ValueError(f"stream_shards is {self.stream_shards}: a stream has at least one")
        names = [client.name for client in self.clients]
        if not 1 <= len(names) <= CLIENTS_MAX or len(set(names)) != len(names):
            raise ValueError("clients must name at least one client, each once")
        told = [webhook.name for webhook in self.webhooks]
        if len(told) > WEBHOOKS_MAX or len(set(told)) != len(told):
            raise ValueError(f"webhooks must name at most {WEBHOOKS_MAX} webhooks, each once")

    @property
    def zips(self) -> Path:
        """Where the functions' zips are."""
        folders = {"x86_64": "lambda", "arm64": "lambda-arm64"}
        return self.lambda_dir or PROGRAM.parent / "target" / folders[self.architecture]


def one_of(key: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ValueError(f"{key} is `{value}`: it is one of {', '.join(allowed)}")


def read_config(config: pulumi.Config) -> TapStackArgs:
    """The arguments that `pulumi config` says; what it does not say has its default."""
    given: dict[str, object] = {}

    def take(field_name: str, value: object | None) -> None:
        if value is not None:
            given[field_name] = value

    take("environment_suffix", config.get("env"))
    for key in (
        "bucket_suffix",
        "architecture",
        "stream_mode",
        "on_call_topic",
        "transactions_table",
    ):
        take(key, config.get(key))
    for key in ("stream_shards", "stream_retention_days", "aggregate_bytes", "warm_write_units"):
        take(key, config.get_int(key))
    for key in ("reserved_concurrency", "api_gateway_account", "delete_data", "fold_paused"):
        take(key, config.get_bool(key))
    for key in ("lambda_dir", "rules_file", "shadow_rules_file", "dashboards_dir"):
        path = config.get(key)
        take(key, None if path is None else PROGRAM / path)
    for key in ("alert_emails", "allowed_origins"):
        value: object = config.get_object(key)
        take(key, None if value is None else texts(key, value))
    clients: object = config.get_object("clients")
    take("clients", None if clients is None else read_clients(clients))
    webhooks: object = config.get_object("webhooks")
    take("webhooks", None if webhooks is None else read_webhooks(webhooks))
    return TapStackArgs(**given)  # pyright: ignore[reportArgumentType]


def texts(key: str, value: object) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, list):
        raise ValueError(f'{key} must be a JSON list of texts, like ["a", "b"]')
    found: list[str] = []
    for item in value:  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(item, str) or not item:
            raise ValueError(f'{key} must be a JSON list of texts, like ["a", "b"]')
        found.append(item)
    return tuple(found)


def read_clients(value: object) -> tuple[ClientArgs, ...]:
    """`[{"name": "shop", "merchants": ["m-1"]}]`; without merchants, all of them."""
    wrong = 'clients must be a JSON list like [{"name": "shop", "merchants": ["m-1"]}]'
    if not isinstance(value, list):
        raise ValueError(wrong)
    clients: list[ClientArgs] = []
    for item in value:  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(item, dict):
            raise ValueError(wrong)
        entry: dict[str, object] = {**item}
        name = entry.pop("name", None)
        merchants = texts("merchants of a client", entry.pop("merchants", ["*"]))
        keys = texts("keys of a client", entry.pop("keys", ["first"]))
        for key, given in entry.items():
            if key not in CLIENT_KEYS or not isinstance(given, CLIENT_KEYS[key]):
                raise ValueError(f"{wrong}; `{key}` is not known, or of another type")
        if not isinstance(name, str):
            raise ValueError(wrong)
        clients.append(ClientArgs(name, merchants, keys, **entry))  # pyright: ignore[reportArgumentType]
    return tuple(clients)


def read_webhooks(value: object) -> tuple[WebhookArgs, ...]:
    """`[{"name": "shop", "url": "https://...", "secrets": ["whsec_..."]}]`; what is wrong with one
    is said without its secrets.
    """
    wrong = (
        'webhooks must be a JSON list like [{"name": "shop", "url": "https://example.com/hook", '
        '"secrets": ["whsec_..."], "events": ["uploads", "alerts"]}]'
    )
    if not isinstance(value, list):
        raise ValueError(wrong)
    webhooks: list[WebhookArgs] = []
    for item in value:  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(item, dict):
            raise ValueError(wrong)
        entry: dict[str, object] = {**item}
        name, url = entry.pop("name", None), entry.pop("url", None)
        secrets = texts("secrets of a webhook", entry.pop("secrets", None))
        events = texts("events of a webhook", entry.pop("events", list(WEBHOOK_EVENTS)))
        if not isinstance(name, str) or not isinstance(url, str) or entry:
            raise ValueError(wrong)
        webhooks.append(WebhookArgs(name, url, secrets, events))
    return tuple(webhooks)
