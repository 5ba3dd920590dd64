"""One place makes a bucket: versioned, encrypted, private, reached by TLS only, in one account."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import s3

from .documents import Statement, document
from .naming import Place

# Parts of an upload that was never completed.
ABANDONED_PARTS_DAYS = 1
# How long a version that was deleted or overwritten can be brought back.
NONCURRENT_DAYS = 7
TLS_MIN = "1.2"


@dataclass(frozen=True)
class Expiry:
    """Objects under a prefix end after so many days."""

    id: str
    prefix: str
    days: int


@dataclass(frozen=True)
class PrivateBucketArgs:
    place: Place
    purpose: str
    key_arn: pulumi.Input[str]
    expiries: Sequence[Expiry] = ()
    # Beside those that every bucket has.
    denials: Sequence[Statement] = ()
    cors: s3.BucketCorsConfigurationCorsRuleArgs | None = None


class PrivateBucket(pulumi.ComponentResource):
    """A bucket with its settings."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: PrivateBucketArgs, opts: pulumi.ResourceOptions | None = None
    ):
        super().__init__("transaction-processor:index:PrivateBucket", name, None, opts)
        place = args.place
        # Settings stay with a bucket that a destroy keeps: its expiry, its encryption, its locks.
        kept = place.kept(self)
        bucket = s3.Bucket(
            name,
            bucket=place.bucket(args.purpose),
            force_destroy=not place.keeps_data,
            tags=place.tags,
            opts=kept,
        )
        self.name, self.arn = bucket.bucket, bucket.arn
        s3.BucketVersioning(
            f"{name}-versioning",
            bucket=bucket.id,
            versioning_configuration={"status": "Enabled"},
            opts=kept,
        )
        s3.BucketOwnershipControls(
            f"{name}-ownership",
            bucket=bucket.id,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=kept,
        )
        block = s3.BucketPublicAccessBlock(
            f"{name}-private",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=kept,
        )
        s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket.id,
            rules=[
                {
                    "apply_server_side_encryption_by_default": {
                        "sse_algorithm": "aws:kms",
                        "kms_master_key_id": args.key_arn,
                    },
                    "bucket_key_enabled": True,
                }
            ],
            opts=kept,
        )
        s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=bucket.id,
            rules=[*(expiry_rule(expiry) for expiry in args.expiries), remains_rule()],
            opts=kept,
        )
        s3.BucketPolicy(
            f"{name}-policy",
            bucket=bucket.id,
            policy=document([*transport_denials(self.arn), *args.denials]),
            # Two changes of one bucket's access at a time are refused.
            opts=pulumi.ResourceOptions.merge(kept, pulumi.ResourceOptions(depends_on=[block])),
        )
        if args.cors is not None:
            s3.BucketCorsConfiguration(
                f"{name}-cors", bucket=bucket.id, cors_rules=[args.cors], opts=kept
            )
        self.register_outputs({"name": self.name, "arn": self.arn})

    def under(self, prefix: str) -> pulumi.Output[str]:
        """The ARN of the objects under a prefix."""
        return pulumi.Output.concat(self.arn, "/", prefix, "*")


def expiry_rule(expiry: Expiry) -> s3.BucketLifecycleConfigurationRuleArgsDict:
    return {
        "id": expiry.id,
        "status": "Enabled",
        "filter": {"prefix": expiry.prefix},
        "expiration": {"days": expiry.days},
    }


def remains_rule() -> s3.BucketLifecycleConfigurationRuleArgsDict:
    """What an expiry leaves on a versioned bucket: old versions, markers, parts."""
    return {
        "id": "remains",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "expiration": {"expired_object_delete_marker": True},
        "noncurrent_version_expiration": {"noncurrent_days": NONCURRENT_DAYS},
        "abort_incomplete_multipart_upload": {"days_after_initiation": ABANDONED_PARTS_DAYS},
    }


def transport_denials(arn: pulumi.Output[str]) -> list[Statement]:
    everything = [arn, pulumi.Output.concat(arn, "/*")]

    def deny(sid: str, operator: str, key: str, value: str) -> Statement:
        # A denial of everything is as narrow as the bucket: `s3:*` cannot be said shorter.
        return Statement(
            sid, ["s3:*"], everything, {operator: {key: value}}, effect="Deny", principal="*"
        )

    return [
        deny("TlsOnly", "Bool", "aws:SecureTransport", "false"),
        deny("TlsOfToday", "NumericLessThan", "s3:TlsVersion", TLS_MIN),
    ]
