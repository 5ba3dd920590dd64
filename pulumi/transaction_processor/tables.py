"""The tables, as `tables.json` says, which the crate `txp-aws` prints: what a table is, its code
alone knows. Here is how they are kept: paid per request, encrypted, with point-in-time recovery.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NotRequired, TypedDict, cast

import pulumi
from pulumi_aws import dynamodb

from .keys import Keys
from .naming import Place

DATA = Path(__file__).with_name("tables.json")

# A table takes 4,000 write units a second when it is new, so a wish for less changes nothing, and
# 12,000 read units; the units that it was warmed to can be raised and never lowered.
NEW_WRITE_UNITS = 4_000
NEW_READ_UNITS = 12_000


# Both keys of an index, in the order and the words of DynamoDB.
INDEX_KEYS: tuple[Literal["hash", "range"], ...] = ("hash", "range")


class KeyShape(TypedDict):
    name: str
    type: str


class IndexShape(TypedDict):
    name: str
    hash: KeyShape
    range: KeyShape
    projection: str


class TableShape(TypedDict):
    base: str
    variable: str
    hash: KeyShape
    range: KeyShape | None
    indexes: list[IndexShape]
    has_stream: bool
    # The attribute that says when an item may go, where items age.
    expires: NotRequired[str | None]


def shapes() -> list[TableShape]:
    """Every table as the code knows it."""
    return cast(list[TableShape], json.loads(DATA.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class TablesArgs:
    place: Place
    keys: Keys
    warm_write_units: int | None
    # Another table of transactions to be in use than the stack's own: one that a replay has made.
    transactions_table: str | None = None


@dataclass(frozen=True)
class InUse:
    """The table of transactions that the functions write and read."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]
    stream_arn: pulumi.Output[str]


class Tables(pulumi.ComponentResource):
    """The tables, by the name that the code gives them."""

    # The stack's own, which stays when another one is in use.
    transactions: dynamodb.Table
    in_use: InUse
    uploads: dynamodb.Table
    profiles: dynamodb.Table
    alerts: dynamodb.Table
    clients: dynamodb.Table
    names: Mapping[str, pulumi.Output[str]]
    # Environment variable of the functions to name.
    variables: Mapping[str, pulumi.Output[str]]

    def __init__(self, name: str, args: TablesArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("transaction-processor:index:Tables", name, None, opts)
        made = {shape["base"]: self._table(args, shape) for shape in shapes()}
        self.transactions = made["transactions"]
        self.uploads = made["uploads"]
        self.profiles = made["profiles"]
        self.alerts = made["alerts"]
        self.clients = made["clients"]
        self.names = {base: table.name for base, table in made.items()}
        self.in_use = in_use(args.transactions_table, self.transactions)
        self.variables = {shape["variable"]: made[shape["base"]].name for shape in shapes()} | {
            "TRANSACTIONS_TABLE": self.in_use.name
        }
        self.register_outputs({"names": self.names})

    def _table(self, args: TablesArgs, shape: TableShape) -> dynamodb.Table:
        ranges = shape["range"]
        expires = shape.get("expires")
        warm = args.warm_write_units if shape["base"] == "transactions" else None
        return dynamodb.Table(
            shape["base"],
            name=args.place.name(shape["base"]),
            billing_mode="PAY_PER_REQUEST",
            attributes=attributes(shape),
            hash_key=shape["hash"]["name"],
            range_key=ranges["name"] if ranges else None,
            global_secondary_indexes=[
                dynamodb.TableGlobalSecondaryIndexArgs(
                    name=index["name"],
                    key_schemas=[
                        dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(
                            attribute_name=index[key]["name"], key_type=key.upper()
                        )
                        for key in INDEX_KEYS
                    ],
                    projection_type=index["projection"],
                )
                for index in shape["indexes"]
            ],
            stream_enabled=shape["has_stream"],
            stream_view_type="NEW_AND_OLD_IMAGES" if shape["has_stream"] else None,
            ttl={"attribute_name": expires, "enabled": True} if expires else None,
            point_in_time_recovery={"enabled": True},
            server_side_encryption={"enabled": True, "kms_key_arn": args.keys.data.arn},
            warm_throughput={
                "write_units_per_second": max(warm, NEW_WRITE_UNITS),
                "read_units_per_second": NEW_READ_UNITS,
            }
            if warm
            else None,
            tags=args.place.tags,
            opts=args.place.child(self),
        )


def in_use(name: str | None, own: dynamodb.Table) -> InUse:
    """The table of this name, which is there already; without one, the stack's own."""
    if name is None:
        return InUse(own.name, own.arn, own.stream_arn)
    found = dynamodb.get_table_output(name=name)
    return InUse(found.name, found.arn, found.stream_arn)


def attributes(shape: TableShape) -> list[dynamodb.TableAttributeArgs]:
    """The attributes of all keys, each once."""
    keys = [shape["hash"], *([shape["range"]] if shape["range"] else [])]
    for index in shape["indexes"]:
        keys += [index["hash"], index["range"]]
    types = {key["name"]: key["type"] for key in keys}
    return [dynamodb.TableAttributeArgs(name=name, type=type_) for name, type_ in types.items()]
