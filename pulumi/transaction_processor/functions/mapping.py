"""Event source mappings: how batches of a stream come to a function.

A window is how long Lambda waits for a fuller batch: it costs delay and saves calls while records
trickle. All of them report the lowest failed record, halve a batch that fails as a whole, begin at
the oldest record, and tell the function's failure queue what they give up on.
"""

from dataclasses import dataclass

import pulumi
from pulumi_aws import lambda_

from ..naming import Place
from .function import LambdaFunction

# Until it works, or for as long as the stream keeps the record.
UNLIMITED = -1


@dataclass(frozen=True)
class MappingArgs:
    place: Place
    source_arn: pulumi.Input[str]
    target: LambdaFunction
    batch_records: int
    window_seconds: int
    # Batches of one shard at a time; the order of a partition key is kept.
    parallel: int = 1
    age_max_seconds: int = UNLIMITED
    # A pattern that records must match; others never reach the function.
    pattern: str | None = None
    enabled: bool = True


def mapping(name: str, args: MappingArgs, parent: pulumi.Resource) -> lambda_.EventSourceMapping:
    """The mapping of a stream to a function."""
    return lambda_.EventSourceMapping(
        name,
        event_source_arn=args.source_arn,
        function_name=args.target.function.arn,
        starting_position="TRIM_HORIZON",
        batch_size=args.batch_records,
        enabled=args.enabled,
        maximum_batching_window_in_seconds=args.window_seconds,
        parallelization_factor=args.parallel,
        maximum_retry_attempts=UNLIMITED,
        maximum_record_age_in_seconds=args.age_max_seconds,
        bisect_batch_on_function_error=True,
        function_response_types=["ReportBatchItemFailures"],
        destination_config={"on_failure": {"destination_arn": args.target.failures.arn}},
        filter_criteria={"filters": [{"pattern": args.pattern}]} if args.pattern else None,
        tags=args.place.tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )
