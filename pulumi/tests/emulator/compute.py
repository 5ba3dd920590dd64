"""Functions, and what wakes them. Mappings are made as they are asked for, but disabled if the
deployment says so: the emulator's own pollers drop what a function reports as failed.
"""

from pathlib import Path

from .aws import Aws, Inputs, Made, pascal
from .checks import needs_permission, needs_source

# By which a function finds the emulator. What the emulator itself is given would be forced on every
# function, past proxies.
ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"

READS_KINESIS = (
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
)
READS_CHANGES = (
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
)


def function(aws: Aws, _: str, given: Inputs) -> Made:
    client, name = aws.client("lambda"), given["name"]
    made = client.create_function(
        FunctionName=name,
        Description=given["description"],
        Runtime=given["runtime"],
        Handler=given["handler"],
        Role=given["role"],
        Code={"ZipFile": Path(given["code"]["path"]).read_bytes()},
        MemorySize=int(given["memorySize"]),
        Timeout=int(given["timeout"]),
        Architectures=given["architectures"],
        Environment={
            "Variables": {
                **given["environment"]["variables"],
                ENDPOINT_VARIABLE: aws.calls or aws.endpoint,
            }
        },
        TracingConfig=pascal(given["tracingConfig"]),
        LoggingConfig=pascal(given["loggingConfig"]),
        Tags=given["tags"],
    )
    if "reservedConcurrentExecutions" in given:
        client.put_function_concurrency(
            FunctionName=name,
            ReservedConcurrentExecutions=int(given["reservedConcurrentExecutions"]),
        )
    arn = made["FunctionArn"]
    path = f"path/2015-03-31/functions/{arn}/invocations"
    invoke_arn = f"arn:aws:apigateway:{aws.region}:lambda:{path}"
    return Made(name, {"arn": arn, "invokeArn": invoke_arn, "version": "$LATEST"})


def asynchronous(aws: Aws, _: str, given: Inputs) -> Made:
    destination = given["destinationConfig"]["onFailure"]["destination"]
    aws.client("lambda").put_function_event_invoke_config(
        FunctionName=given["functionName"],
        MaximumRetryAttempts=int(given["maximumRetryAttempts"]),
        MaximumEventAgeInSeconds=int(given["maximumEventAgeInSeconds"]),
        DestinationConfig={"OnFailure": {"Destination": destination}},
    )
    return Made(given["functionName"])


def recursion(aws: Aws, _: str, given: Inputs) -> Made:
    aws.client("lambda").put_function_recursion_config(
        FunctionName=given["functionName"], RecursiveLoop=given["recursiveLoop"]
    )
    return Made(given["functionName"])


def permission(aws: Aws, name: str, given: Inputs) -> Made:
    more = {"SourceAccount": given["sourceAccount"]} if "sourceAccount" in given else {}
    aws.client("lambda").add_permission(
        FunctionName=given["function"],
        StatementId=name,
        Action=given["action"],
        Principal=given["principal"],
        SourceArn=given["sourceArn"],
        **more,
    )
    return Made(name, {"statementId": name})


def mapping(aws: Aws, _: str, given: Inputs) -> Made:
    source = given["eventSourceArn"]
    reads = READS_KINESIS if ":kinesis:" in source else READS_CHANGES
    needs_source(aws, given["functionName"], source, reads)
    more: Inputs = {}
    if "filterCriteria" in given:
        more["FilterCriteria"] = pascal(given["filterCriteria"])
    made = aws.client("lambda").create_event_source_mapping(
        EventSourceArn=source,
        FunctionName=given["functionName"],
        Enabled=False,
        StartingPosition=given["startingPosition"],
        BatchSize=int(given["batchSize"]),
        MaximumBatchingWindowInSeconds=int(given["maximumBatchingWindowInSeconds"]),
        ParallelizationFactor=int(given["parallelizationFactor"]),
        MaximumRetryAttempts=int(given["maximumRetryAttempts"]),
        MaximumRecordAgeInSeconds=int(given["maximumRecordAgeInSeconds"]),
        BisectBatchOnFunctionError=given["bisectBatchOnFunctionError"],
        FunctionResponseTypes=given["functionResponseTypes"],
        DestinationConfig={
            "OnFailure": {"Destination": given["destinationConfig"]["onFailure"]["destinationArn"]}
        },
        **more,
    )
    return Made(made["UUID"], {"uuid": made["UUID"]})


def rule(aws: Aws, _: str, given: Inputs) -> Made:
    # Off: the emulator would wake functions while a test looks.
    made = aws.client("events").put_rule(
        Name=given["name"],
        Description=given["description"],
        ScheduleExpression=given["scheduleExpression"],
        State="DISABLED",
    )
    return Made(given["name"], {"arn": made["RuleArn"]})


def target(aws: Aws, name: str, given: Inputs) -> Made:
    needs_permission(
        aws, given["arn"], "events.amazonaws.com", aws.arn("events", f"rule/{given['rule']}")
    )
    aws.client("events").put_targets(
        Rule=given["rule"], Targets=[{"Id": name, "Arn": given["arn"]}]
    )
    return Made(f"{given['rule']}-{name}", {"targetId": name})


HANDLERS = {
    "lambda.Function": function,
    "lambda.FunctionEventInvokeConfig": asynchronous,
    "lambda.FunctionRecursionConfig": recursion,
    "lambda.Permission": permission,
    "lambda.EventSourceMapping": mapping,
    "cloudwatch.EventRule": rule,
    "cloudwatch.EventTarget": target,
}
