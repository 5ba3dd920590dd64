"""What things are called, and where they are: `{resource-type}-{purpose}-{environment}`.

ARNs that can be known before the thing exists are made here, so that two things that name each
other (a role and the key that it may use) need no order.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

PROJECT = "transaction-processor"

# S3 takes 63 characters of a bucket's name; the longest of ours is `transaction-uploads-` with an
# environment, a dash and a suffix.
ENVIRONMENT = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
ENVIRONMENT_CHARS_MAX = 20
SUFFIX = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
SUFFIX_CHARS_MAX = 20


def check_names(environment: str, bucket_suffix: str) -> None:
    """Refuses what would make a name that AWS refuses later, half-way through a deployment."""
    if not ENVIRONMENT.fullmatch(environment) or len(environment) > ENVIRONMENT_CHARS_MAX:
        raise ValueError(
            f"the environment `{environment}` must be lower-case letters, digits and single "
            f"dashes, start with a letter and have at most {ENVIRONMENT_CHARS_MAX} characters: "
            "set `env`"
        )
    if bucket_suffix and (
        not SUFFIX.fullmatch(bucket_suffix) or len(bucket_suffix) > SUFFIX_CHARS_MAX
    ):
        raise ValueError(
            f"the bucket suffix `{bucket_suffix}` must be lower-case letters, digits and single "
            f"dashes, at most {SUFFIX_CHARS_MAX} characters: set `bucket_suffix`"
        )


@dataclass(frozen=True)
class Place:
    """An environment in an account and region: what makes every name and ARN."""

    environment: str
    bucket_suffix: str
    account: str
    region: str
    partition: str
    tags: Mapping[str, str]
    # Whether buckets, keys and secret keys outlive the stack.
    keeps_data: bool

    def name(self, purpose: str) -> str:
        return f"{purpose}-{self.environment}"

    def bucket(self, purpose: str) -> str:
        """Names of buckets are global: a suffix tells two accounts apart."""
        name = self.name(purpose)
        return f"{name}-{self.bucket_suffix}" if self.bucket_suffix else name

    def function(self, purpose: str) -> str:
        return self.name(f"{purpose}-lambda")

    def function_arn(self, purpose: str) -> str:
        return self.arn("lambda", f"function:{self.function(purpose)}")

    def role(self, purpose: str) -> str:
        return self.name(f"{purpose}-lambda-role")

    def role_arn(self, purpose: str) -> str:
        return f"arn:{self.partition}:iam::{self.account}:role/{self.role(purpose)}"

    def log_group_arn(self, name: str) -> str:
        return self.arn("logs", f"log-group:{name}")

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    @property
    def account_root(self) -> str:
        """The account as a principal: what its IAM policies allow is allowed."""
        return f"arn:{self.partition}:iam::{self.account}:root"

    def child(self, parent: pulumi.Resource) -> pulumi.ResourceOptions:
        """A part of a component."""
        return pulumi.ResourceOptions(parent=parent)

    def kept(self, parent: pulumi.Resource) -> pulumi.ResourceOptions:
        """A part of a component that a destroy leaves, unless `delete_data` is set."""
        return pulumi.ResourceOptions(parent=parent, retain_on_delete=self.keeps_data)
