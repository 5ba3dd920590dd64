"""The clients: an API key each, two while one takes the other's place, and for each key an item
that says what its bearer may do.

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

    # Name of a client to the names of its keys to their ids.
    key_ids: Mapping[str, Mapping[str, pulumi.Output[str]]]
    first_key_id: pulumi.Output[str]

    def __init__(self, name: str, args: ClientsArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("transaction-processor:index:Clients", name, None, opts)
        self.key_ids = {
            client.name: {key: self._key(args, client, key) for key in client.keys}
            for client in args.clients
        }
        first = args.clients[0]
        self.first_key_id = self.key_ids[first.name][first.keys[0]]
        self.register_outputs({"key_ids": self.key_ids})

    def _key(self, args: ClientsArgs, client: ClientArgs, key_name: str) -> pulumi.Output[str]:
        place = args.place
        child = place.child(self)
        named = f"client-{client.name}-{key_name}"
        key = apigateway.ApiKey(
            f"{named}-key",
            name=place.name(f"transaction-api-key-{client.name}-{key_name}"),
            description=f"Key {key_name} of the client {client.name}",
            tags=place.tags,
            opts=child,
        )
        apigateway.UsagePlanKey(
            f"{named}-plan",
            key_id=key.id,
            key_type="API_KEY",
            usage_plan_id=args.usage_plan.id,
            opts=child,
        )
        dynamodb.TableItem(
            named,
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
