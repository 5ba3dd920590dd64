"""What each function may do, as IAM statements: the only place where permissions are written.

Every action is one that the function calls, every resource the narrowest that AWS knows. `*` as a
resource stands where the action takes no resource at all; `NO_RESOURCE` names those and why.
"""

# Actions whose resource can only be `*`, by AWS's own service authorization reference.
NO_RESOURCE = {
    "xray:PutTraceSegments": "X-Ray's segments belong to no resource",
    "xray:PutTelemetryRecords": "X-Ray's telemetry belongs to no resource",
    "dynamodb:ListStreams": "lists by table name, authorised on `*`",
}


def allow(actions, resources, condition=None):
    if isinstance(resources, str):
        resources = [resources]
    statement = {"Effect": "Allow", "Action": sorted(actions), "Resource": resources}
    return statement | ({"Condition": condition} if condition else {})


def finds_out_what_is_missing(names, purpose):
    """Without it S3 calls an object that is not there forbidden. No condition on the prefix: a request
    for an object has none, so the condition would never hold."""
    return allow(["s3:ListBucket"], names.bucket_arn(purpose))


def of_every_function(names, function):
    """Its own log streams, and its part of the trace."""
    group = f"arn:aws:logs:{names.region}:{names.account}:log-group:/aws/lambda/{names.function(function)}"
    return [
        allow(["logs:CreateLogStream", "logs:PutLogEvents"], f"{group}:*"),
        allow(["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "*"),
    ]


def reads_the_stream(names):
    """What Lambda's poller does in the function's name."""
    return [
        allow(
            [
                "kinesis:DescribeStream",
                "kinesis:DescribeStreamSummary",
                "kinesis:GetRecords",
                "kinesis:GetShardIterator",
                "kinesis:ListShards",
            ],
            names.stream_arn,
        ),
    ]


def appends_to_the_stream(names):
    return [allow(["kinesis:ListShards", "kinesis:PutRecords"], names.stream_arn)]


def quarantines(names, stage):
    return [allow(["s3:PutObject"], f"{names.bucket_arn('reports')}/quarantine/{stage}/*")]


def validation(names):
    uploads = names.table_arn("uploads")
    reports = names.bucket_arn("reports")
    return [
        # Card numbers: this function alone reads them, by the version that the event names.
        allow(["s3:GetObject", "s3:GetObjectVersion"], f"{names.bucket_arn('uploads')}/uploads/*"),
        finds_out_what_is_missing(names, "uploads"),
        # Of several versions the first is the upload.
        allow(["s3:ListBucketVersions"], names.bucket_arn("uploads"), {"StringLike": {"s3:prefix": "uploads/*"}}),
        finds_out_what_is_missing(names, "reports"),
        allow(["s3:PutObject", "s3:AbortMultipartUpload"], f"{reports}/rejects/*"),
        allow(["s3:GetObject", "s3:PutObject"], f"{reports}/tmp/*"),
        allow(["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"], uploads),
        allow(["dynamodb:Query"], f"{uploads}/index/by_due"),
        allow(["secretsmanager:GetSecretValue"], names.secret_arn),
        # A file too long for one invocation goes on in the next.
        allow(["lambda:InvokeFunction"], names.function_arn("validation")),
        *appends_to_the_stream(names),
    ]


def aggregator(names):
    return [
        allow(
            ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
            names.table_arn("transactions"),
        ),
        allow(
            ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"],
            names.table_arn("uploads"),
        ),
        *quarantines(names, "aggregate"),
        *reads_the_stream(names),
    ]


def anomaly(names):
    alerts = names.table_arn("alerts")
    return [
        allow(
            ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], names.table_arn("profiles")
        ),
        allow(
            [
                "dynamodb:BatchGetItem",
                "dynamodb:DeleteItem",
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:Query",
                "dynamodb:UpdateItem",
            ],
            alerts,
        ),
        allow(["dynamodb:Query"], f"{alerts}/index/by_waiting"),
        allow(["sns:Publish"], names.topic_arn),
        allow(["s3:GetObject", "s3:GetObjectVersion"], f"{names.bucket_arn('rules')}/*"),
        # What Lambda's poller does in the function's name.
        allow(
            ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"],
            f"{names.table_arn('transactions')}/stream/*",
        ),
        allow(["dynamodb:ListStreams"], "*"),
        *quarantines(names, "anomaly"),
        *appends_to_the_stream(names),
    ]


def api(names):
    uploads = names.table_arn("uploads")
    return [
        allow(
            [
                "dynamodb:BatchGetItem",
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:Query",
                "dynamodb:UpdateItem",
            ],
            uploads,
        ),
        allow(["dynamodb:Query"], f"{uploads}/index/by_client"),
        allow(["dynamodb:GetItem", "dynamodb:Query"], names.table_arn("transactions")),
        allow(["dynamodb:GetItem"], names.table_arn("clients")),
        # What a link lets its bearer do, the signer must be allowed to do.
        allow(["s3:PutObject"], f"{names.bucket_arn('uploads')}/uploads/*"),
        allow(["s3:GetObject"], f"{names.bucket_arn('reports')}/rejects/*"),
        finds_out_what_is_missing(names, "reports"),
    ]


def archiver(names):
    return [
        allow(["s3:PutObject"], f"{names.bucket_arn('archive')}/date=*"),
        *quarantines(names, "archive"),
        *reads_the_stream(names),
    ]


BY_FUNCTION = {
    "validation": validation,
    "aggregator": aggregator,
    "anomaly": anomaly,
    "api": api,
    "archiver": archiver,
}


def policy(names, function):
    """The policy document of a function's role."""
    statements = BY_FUNCTION[function](names) + of_every_function(names, function)
    return {"Version": "2012-10-17", "Statement": statements}


TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
