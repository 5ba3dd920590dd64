"""What the functions are put together from: the other components of the stack."""

from dataclasses import dataclass

import pulumi

from ..alerts import Alerts
from ..keys import Keys
from ..naming import Place
from ..secret_key import SecretKey
from ..storage import Storage
from ..stream import Stream
from ..tables import Tables
from ..webhooks import Webhooks
from .function import Packaging


@dataclass(frozen=True)
class Parts:
    place: Place
    keys: Keys
    storage: Storage
    stream: Stream
    tables: Tables
    alerts: Alerts
    fingerprint_key: SecretKey
    receipt_key: SecretKey
    # None where nobody is to be told.
    webhooks: Webhooks | None
    packaging: Packaging
    aggregate_bytes: int | None
    fold_paused: bool
    # Another table of transactions is in use than the stack's own.
    in_use_elsewhere: bool
    # Clients and merchants that have metrics of their own; the others are counted together.
    metrics_names: str

    def tables_of(self, *variables: str) -> dict[str, pulumi.Input[str]]:
        """The variables that name these tables."""
        return {variable: self.tables.variables[variable] for variable in variables}
