"""A secret key: made once, read by one function, kept on a destroy.

Under the fingerprint key card numbers are fingerprinted: with it, card numbers can be tried;
without it, new sales of a card cannot be told to be of the same card as old ones. With the receipt
key receipts are signed: with it, they can be forged; without it, merchants must be given another
public key. So neither is ever made again.
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
# What the component was when there was one key only: what a stack made then stays the same thing.
FORMER_TYPE = "transaction-processor:index:FingerprintKey"


@dataclass(frozen=True)
class SecretKeyArgs:
    place: Place
    keys: Keys
    # What it is called.
    purpose: str
    description: str


class SecretKey(pulumi.ComponentResource):
    """The secret."""

    secret: secretsmanager.Secret
    version: secretsmanager.SecretVersion

    def __init__(self, name: str, args: SecretKeyArgs, opts: pulumi.ResourceOptions | None = None):
        former = pulumi.ResourceOptions(aliases=[pulumi.Alias(type_=FORMER_TYPE)])
        opts = pulumi.ResourceOptions.merge(opts, former)
        super().__init__("transaction-processor:index:SecretKey", name, None, opts)
        place = args.place
        kept = place.kept(self)
        self.secret = secretsmanager.Secret(
            args.purpose,
            name=place.name(args.purpose),
            description=args.description,
            kms_key_id=args.keys.data.arn,
            recovery_window_in_days=RECOVERY_DAYS if place.keeps_data else 0,
            tags=place.tags,
            opts=kept,
        )
        # Made anew in every run of the program, and taken in the first alone.
        once = pulumi.ResourceOptions(ignore_changes=["secret_string"])
        self.version = secretsmanager.SecretVersion(
            f"{args.purpose}-version",
            secret_id=self.secret.id,
            secret_string=pulumi.Output.secret(secrets.token_hex(KEY_BYTES)),
            opts=pulumi.ResourceOptions.merge(kept, once),
        )
        self.register_outputs({"arn": self.secret.arn})
