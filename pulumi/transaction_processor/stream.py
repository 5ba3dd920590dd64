"""The history's stream: encrypted, kept for days, on demand unless shards are asked for."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import kinesis

from .keys import Keys
from .naming import Place

HOURS_PER_DAY = 24


@dataclass(frozen=True)
class StreamArgs:
    place: Place
    keys: Keys
    mode: str
    shards: int
    retention_days: int


class Stream(pulumi.ComponentResource):
    """The stream of events."""

    stream: kinesis.Stream

    def __init__(self, name: str, args: StreamArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("transaction-processor:index:Stream", name, None, opts)
        provisioned = args.mode == "provisioned"
        self.stream = kinesis.Stream(
            "transaction-events",
            name=args.place.name("transaction-events"),
            stream_mode_details={"stream_mode": "PROVISIONED" if provisioned else "ON_DEMAND"},
            shard_count=args.shards if provisioned else None,
            retention_period=args.retention_days * HOURS_PER_DAY,
            encryption_type="KMS",
            kms_key_id=args.keys.data.arn,
            tags=args.place.tags,
            opts=args.place.child(self),
        )
        self.register_outputs({"name": self.stream.name, "arn": self.stream.arn})
