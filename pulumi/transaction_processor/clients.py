"""The clients: an API key each, and an item that says what the key's bearer may do.

The item's attributes are those that the crate `txp-aws` reads. The key's value is nowhere in the
program or its outputs: it is read from API Gateway by whoever hands it over.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import apigateway, dynamodb

from .naming import Place
from .settings import ClientArgs


@dataclass(frozen=True)
class ClientsArgs:
    place: Place
    clients: Sequence[ClientArgs]
    table: dynamodb.Table
    usage_plan: apigateway.UsagePlan


class Clients(pulumi.ComponentResource):
    """The keys of every client."""

    # Name of a client to the id of its key.
    key_ids: Mapping[str, pulumi.Output[str]]
    first_key_id: pulumi.Output[str]

    def __init__(self, name: str, args: ClientsArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("transaction-processor:index:Clients", name, None, opts)
        self.key_ids = {client.name: self._key(args, client) for client in args.clients}
        self.first_key_id = self.key_ids[args.clients[0].name]
        self.register_outputs({"key_ids": self.key_ids})

    def _key(self, args: ClientsArgs, client: ClientArgs) -> pulumi.Output[str]:
        place = args.place
        child = place.child(self)
        key = apigateway.ApiKey(
            f"client-{client.name}-key",
            name=place.name(f"transaction-api-key-{client.name}"),
            description=f"Key of the client {client.name}",
            tags=place.tags,
            opts=child,
        )
        apigateway.UsagePlanKey(
            f"client-{client.name}-plan",
            key_id=key.id,
            key_type="API_KEY",
            usage_plan_id=args.usage_plan.id,
            opts=child,
        )
        dynamodb.TableItem(
            f"client-{client.name}",
            table_name=args.table.name,
            hash_key=args.table.hash_key,
            item=key.id.apply(lambda key_id: json.dumps(item(key_id, client))),
            opts=child,
        )
        return key.id


def item(key_id: str, client: ClientArgs) -> dict[str, object]:
    """The client as DynamoDB's JSON."""
    attributes: dict[str, object] = {
        "api_key_id": {"S": key_id},
        "client_id": {"S": client.name},
        "merchants": {"L": [{"S": merchant} for merchant in sorted(set(client.merchants))]},
    }
    if client.default_currency is not None:
        attributes["default_currency"] = {"S": client.default_currency}
    if client.default_time_zone is not None:
        attributes["default_time_zone"] = {"S": client.default_time_zone}
    if client.long_number_ids_allowed:
        attributes["long_number_ids_allowed"] = {"BOOL": True}
    return attributes
