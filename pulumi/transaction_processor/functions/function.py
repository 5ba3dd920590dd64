"""One place makes a function: role, log group, failure queue, and what every function has alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_aws import cloudwatch, iam, lambda_, sqs

from ..documents import Statement, document, trust
from ..keys import Keys
from ..naming import Place
from . import access

RUNTIME = "provided.al2023"
MEMORY_MB = 512
RESERVED_CONCURRENCY = 10
LOG_DAYS = 7
# Two tries more at an asynchronous event, for as long as Lambda keeps one.
ASYNC_RETRIES = 2
ASYNC_AGE_SECONDS = 6 * 3600
# As long as SQS keeps a message: a failure must outlive a holiday.
FAILURE_SECONDS = 14 * 86400


@dataclass(frozen=True)
class Packaging:
    """Where zips are, what they were built for, and whether concurrency is reserved."""

    lambda_dir: Path
    architecture: str
    reserved_concurrency: bool

    def code(self, purpose: str) -> pulumi.FileArchive:
        path = self.lambda_dir / purpose / "bootstrap.zip"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: run `cargo xtask package` first")
        return pulumi.FileArchive(str(path))


@dataclass(frozen=True)
class LambdaFunctionArgs:
    place: Place
    keys: Keys
    packaging: Packaging
    purpose: str
    description: str
    timeout_seconds: int
    variables: Mapping[str, pulumi.Input[str]]
    # Beside what every function may: its logs, its trace, its failures.
    statements: Sequence[Statement]
    # Lambda stops a function that calls itself, unless it says so.
    continues_itself: bool = False
    depends_on: Sequence[pulumi.Resource] = ()


class LambdaFunction(pulumi.ComponentResource):
    """A function with its role, logs and failures."""

    function: lambda_.Function
    failures: sqs.Queue

    def __init__(
        self, name: str, args: LambdaFunctionArgs, opts: pulumi.ResourceOptions | None = None
    ):
        super().__init__("transaction-processor:index:LambdaFunction", name, None, opts)
        place, purpose = args.place, args.purpose
        child = place.child(self)
        logs = cloudwatch.LogGroup(
            f"{name}-logs",
            name=f"/aws/lambda/{place.function(purpose)}",
            retention_in_days=LOG_DAYS,
            kms_key_id=args.keys.data.arn,
            tags=place.tags,
            opts=child,
        )
        self.failures = self._queue(name, args)
        role = iam.Role(
            f"{name}-role",
            name=place.role(purpose),
            assume_role_policy=trust("lambda.amazonaws.com"),
            tags=place.tags,
            opts=child,
        )
        policy = iam.RolePolicy(
            f"{name}-policy",
            name="work",
            role=role.name,
            policy=document([*args.statements, *self._common(args, logs)]),
            opts=child,
        )
        self.function = lambda_.Function(
            name,
            name=place.function(purpose),
            description=args.description,
            runtime=RUNTIME,
            handler="bootstrap",
            architectures=[args.packaging.architecture],
            code=args.packaging.code(purpose),
            memory_size=MEMORY_MB,
            timeout=args.timeout_seconds,
            reserved_concurrent_executions=RESERVED_CONCURRENCY
            if args.packaging.reserved_concurrency
            else None,
            role=role.arn,
            environment={"variables": {**args.variables, "METRICS_NAMESPACE": metrics(place)}},
            tracing_config={"mode": "Active"},
            logging_config={"log_format": "JSON", "log_group": logs.name},
            tags=place.tags,
            # Without its policy the first invocation fails, without its log group Lambda makes one
            # that keeps logs for ever.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy, logs, *args.depends_on]),
        )
        lambda_.FunctionEventInvokeConfig(
            f"{name}-asynchronous",
            function_name=self.function.name,
            maximum_retry_attempts=ASYNC_RETRIES,
            maximum_event_age_in_seconds=ASYNC_AGE_SECONDS,
            destination_config={"on_failure": {"destination": self.failures.arn}},
            opts=child,
        )
        if args.continues_itself:
            lambda_.FunctionRecursionConfig(
                f"{name}-recursion",
                function_name=self.function.name,
                recursive_loop="Allow",
                opts=child,
            )
        self.register_outputs({"name": self.function.name, "arn": self.function.arn})

    def _queue(self, name: str, args: LambdaFunctionArgs) -> sqs.Queue:
        return sqs.Queue(
            f"{name}-failures",
            name=args.place.name(f"{args.purpose}-failures"),
            kms_master_key_id=args.keys.data.arn,
            message_retention_seconds=FAILURE_SECONDS,
            tags=args.place.tags,
            opts=args.place.child(self),
        )

    def _common(self, args: LambdaFunctionArgs, group: cloudwatch.LogGroup) -> list[Statement]:
        key = args.keys.data.arn
        return [
            access.logs(group.arn),
            access.trace(),
            access.reports_failures(self.failures.arn),
            access.uses_key(args.place, "FailuresKey", key, ["Decrypt", "GenerateDataKey"], "sqs"),
        ]


def metrics(place: Place) -> str:
    """The namespace of metrics: environments of one account are apart."""
    return place.name("transaction-processor")
