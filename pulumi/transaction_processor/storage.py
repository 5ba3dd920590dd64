"""The buckets: raw uploads, the history's archive, masked reports, and the rules that judge.

The rules have a bucket of their own: functions write to `reports` and its objects expire, while
who may write a rule decides what is judged, and a rule file never expires.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_aws import s3

from .bucket import Expiry, PrivateBucket, PrivateBucketArgs
from .documents import Statement
from .keys import Keys
from .naming import Place

UPLOADS_PREFIX = "uploads/"
REJECTS_PREFIX = "rejects/"
QUARANTINE_PREFIX = "quarantine/"
TEMPORARY_PREFIX = "tmp/"
QUERY_RESULTS_PREFIX = "athena/"
RULES_KEY = "rules.json"
# Rules that are tried; none are while there is no such object.
SHADOW_RULES_KEY = "shadow.json"

UPLOADS_DAYS = 90
REJECTS_DAYS = 90
QUARANTINE_DAYS = 365
TEMPORARY_DAYS = 1
QUERY_RESULTS_DAYS = 7

# How long a browser remembers what it may send.
PREFLIGHT_SECONDS = 3000


@dataclass(frozen=True)
class StorageArgs:
    place: Place
    keys: Keys
    rules_file: Path
    shadow_rules_file: Path | None
    allowed_origins: Sequence[str]


class Storage(pulumi.ComponentResource):
    """The buckets and the rule file."""

    uploads: PrivateBucket
    archive: PrivateBucket
    reports: PrivateBucket
    rules: PrivateBucket
    rules_object: pulumi.Output[str]
    shadow_rules_object: pulumi.Output[str]

    def __init__(self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("transaction-processor:index:Storage", name, None, opts)
        place, keys = args.place, args.keys

        def bucket(
            purpose: str,
            key_arn: pulumi.Output[str],
            expiries: Sequence[Expiry] = (),
            denials: Sequence[Statement] = (),
            cors: s3.BucketCorsConfigurationCorsRuleArgs | None = None,
        ) -> PrivateBucket:
            return PrivateBucket(
                purpose,
                PrivateBucketArgs(place, purpose, key_arn, expiries, denials, cors),
                place.child(self),
            )

        self.uploads = bucket(
            "transaction-uploads",
            keys.uploads.arn,
            [Expiry("raw", "", UPLOADS_DAYS)],
            [validation_alone_reads(place)],
            browsers_put(args.allowed_origins),
        )
        self.archive = bucket("transaction-archive", keys.data.arn)
        self.reports = bucket(
            "transaction-reports",
            keys.data.arn,
            [
                Expiry("rejects", REJECTS_PREFIX, REJECTS_DAYS),
                Expiry("quarantine", QUARANTINE_PREFIX, QUARANTINE_DAYS),
                Expiry("temporary", TEMPORARY_PREFIX, TEMPORARY_DAYS),
                Expiry("query-results", QUERY_RESULTS_PREFIX, QUERY_RESULTS_DAYS),
            ],
        )
        self.rules = bucket("transaction-rules", keys.data.arn)

        def rule_file(name: str, key: str, file: Path, kept: bool) -> s3.BucketObject:
            return s3.BucketObject(
                name,
                bucket=self.rules.name,
                key=key,
                # By its content, not its path: the same file from another folder is no change.
                content=file.read_text(encoding="utf-8"),
                content_type="application/json",
                tags=place.tags,
                opts=pulumi.ResourceOptions(
                    parent=self, depends_on=[self.rules], retain_on_delete=kept
                ),
            )

        rules = rule_file("transaction-rules-file", RULES_KEY, args.rules_file, place.keeps_data)
        self.rules_object = pulumi.Output.concat("s3://", self.rules.name, "/", rules.key)
        if args.shadow_rules_file is not None:
            # Without the setting the object goes, and with it the trial.
            rule_file(
                "transaction-shadow-rules-file", SHADOW_RULES_KEY, args.shadow_rules_file, False
            )
        self.shadow_rules_object = pulumi.Output.concat(
            "s3://", self.rules.name, "/", SHADOW_RULES_KEY
        )
        self.register_outputs({"uploads": self.uploads.name, "archive": self.archive.name})


def validation_alone_reads(place: Place) -> Statement:
    """Raw uploads are cardholder data: not even an administrator's role reads them by chance."""
    return Statement(
        "ValidationAloneReads",
        ["s3:GetObject", "s3:GetObjectVersion"],
        [f"arn:{place.partition}:s3:::{place.bucket('transaction-uploads')}/*"],
        {"ArnNotEquals": {"aws:PrincipalArn": place.role_arn("validation")}},
        effect="Deny",
        principal="*",
    )


def browsers_put(origins: Sequence[str]) -> s3.BucketCorsConfigurationCorsRuleArgs:
    """A page may PUT to a link; what a link binds, its headers carry."""
    return s3.BucketCorsConfigurationCorsRuleArgs(
        allowed_methods=["PUT"],
        allowed_origins=list(origins),
        allowed_headers=["content-type", "if-none-match", "x-amz-*", "x-amzn-trace-id"],
        expose_headers=["ETag", "x-amz-version-id"],
        max_age_seconds=PREFLIGHT_SECONDS,
    )
