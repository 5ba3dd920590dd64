"""Who is told of uploads' ends and alerts over https: a list that the function `anomaly` alone
reads.

One secret, since what messages are signed with stands in it. It is made of the configuration, so a
destroy takes it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import secretsmanager

from .keys import Keys
from .naming import Place
from .settings import WebhookArgs


@dataclass(frozen=True)
class WebhooksArgs:
    place: Place
    keys: Keys
    endpoints: Sequence[WebhookArgs]


class Webhooks(pulumi.ComponentResource):
    """The secret, and whether uploads' ends are told to anyone."""

    secret: secretsmanager.Secret
    version: secretsmanager.SecretVersion
    tells_uploads: bool

    def __init__(self, name: str, args: WebhooksArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("transaction-processor:index:Webhooks", name, None, opts)
        place = args.place
        self.tells_uploads = any("uploads" in one.events for one in args.endpoints)
        self.secret = secretsmanager.Secret(
            "webhooks",
            name=place.name("webhooks"),
            description="Who is told over webhooks, and what messages are signed with",
            kms_key_id=args.keys.data.arn,
            recovery_window_in_days=0,
            tags=place.tags,
            opts=place.child(self),
        )
        self.version = secretsmanager.SecretVersion(
            "webhooks-version",
            secret_id=self.secret.id,
            secret_string=pulumi.Output.secret(written(args.endpoints)),
            opts=place.child(self),
        )
        self.register_outputs({"arn": self.secret.arn})


def written(endpoints: Sequence[WebhookArgs]) -> str:
    """As the code reads it."""
    return json.dumps(
        [
            {
                "name": one.name,
                "url": one.url,
                "events": list(one.events),
                "secrets": list(one.secrets),
            }
            for one in endpoints
        ]
    )
