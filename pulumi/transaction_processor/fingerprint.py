"""The key that card numbers are fingerprinted under: made once, read by validation alone.

With it, card numbers can be tried; without it, new sales of a card cannot be told to be of the same
card as old ones. So it is never made again, and a destroy keeps it.
"""

import secrets
from dataclasses import dataclass

import pulumi
from pulumi_aws import secretsmanager

from .keys import Keys
from .naming import Place

# 256 bits, written as 64 hexadecimal digits, as a file of the key holds them.
KEY_BYTES = 32
# Days in which a deletion can be taken back, and the name is not free.
RECOVERY_DAYS = 30


@dataclass(frozen=True)
class FingerprintKeyArgs:
    place: Place
    keys: Keys


class FingerprintKey(pulumi.ComponentResource):
    """The secret."""

    secret: secretsmanager.Secret
    version: secretsmanager.SecretVersion

    def __init__(
        self, name: str, args: FingerprintKeyArgs, opts: pulumi.ResourceOptions | None = None
    ):
        super().__init__("transaction-processor:index:FingerprintKey", name, None, opts)
        place = args.place
        kept = place.kept(self)
        self.secret = secretsmanager.Secret(
            "fingerprint-key",
            name=place.name("fingerprint-key"),
            description="The key of card fingerprints; without it, cards are not recognised",
            kms_key_id=args.keys.data.arn,
            recovery_window_in_days=RECOVERY_DAYS if place.keeps_data else 0,
            tags=place.tags,
            opts=kept,
        )
        # Made anew in every run of the program, and taken in the first alone.
        once = pulumi.ResourceOptions(ignore_changes=["secret_string"])
        self.version = secretsmanager.SecretVersion(
            "fingerprint-key-version",
            secret_id=self.secret.id,
            secret_string=pulumi.Output.secret(secrets.token_hex(KEY_BYTES)),
            opts=pulumi.ResourceOptions.merge(kept, once),
        )
        self.register_outputs({"arn": self.secret.arn})
