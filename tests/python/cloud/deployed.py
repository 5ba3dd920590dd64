"""What is deployed, as data: names, functions with their settings, event source mappings.

A deployment by any other means creates the same things and hands the tests a `Names`.

## Batch windows: what they cost

A mapping's window is how long Lambda waits for more records before it calls the function; a full
batch goes at once. Without records there are no calls, so a window costs delay and saves calls
while records trickle. Calls a month of one shard that always has something (2,592,000 s), and what
they cost at 512 MB and 30 ms each (0.20 USD per million calls + 0.25 USD of GB-seconds per million):

| window  | calls a month at most       | USD a month | seconds it adds to PUT -> completed |
|---------|-----------------------------|-------------|-------------------------------------|
| 0 s     | 2.6 M Kinesis (1 poll/s)    | 1.17        | 0                                   |
| 0 s     | 10.4 M DynamoDB (4 polls/s) | 4.67        | not on the way to completed         |
| 1 s     | 2.6 M                       | 1.17        | up to 1                             |
| 5 s     | 0.52 M                      | 0.23        | up to 5                             |
| 60 s    | 43,200                      | 0.02        | up to 60                            |
| 300 s   | 8,640                       | 0.004       | 300: the whole of the promise       |

So the aggregator has none: polling once a second already bounds its calls at what a window of 1 s
would, and a file of 1,000 rows is completed as soon as it is read. The anomaly function has 1 s: a
person does not tell the difference and it saves three calls of four. The archiver has 60 s: nobody
waits for it, and fewer, larger objects are what Athena and a reader want. An on-demand stream has 4
shards, so all three together stay under 12 USD a month when the stream never rests.
"""

from dataclasses import dataclass, field

# Aggregated records of up to 50 KB: 80 of them are as many as fit Lambda's 6 MB with base64 around.
KINESIS_BATCH_RECORDS = 80
# Items of up to some kilobytes, two images each.
DYNAMODB_BATCH_RECORDS = 500
# Detection gives up on what would alert nobody in time, before the stream's 24 h are over.
ANOMALY_AGE_MAX_SECONDS = 20 * 3600
# Concurrent batches of one shard; order is kept per partition key, and so per bucket.
AGGREGATOR_PARALLELIZATION = 4

# A batch of 80 aggregates holds some 10,000 rows: seconds on a warm table, minutes on one that throttles.
STREAM_TIMEOUT_SECONDS = 300
MEMORY_MB = 512
BUCKETS = ("uploads", "archive", "reports", "rules")
UPLOADS_PREFIX = "uploads/"
UPLOADS_SUFFIX = ".csv"


@dataclass(frozen=True)
class Names:
    """How everything is called in one environment."""

    env: str
    region: str = "us-east-1"
    account: str = "000000000000"

    def bucket(self, purpose):
        return f"transaction-{purpose}-{self.env}"

    def bucket_arn(self, purpose):
        return f"arn:aws:s3:::{self.bucket(purpose)}"

    def table(self, base):
        return f"{base}-{self.env}"

    def table_arn(self, base):
        return f"arn:aws:dynamodb:{self.region}:{self.account}:table/{self.table(base)}"

    def function(self, name):
        return f"{name}-lambda-{self.env}"

    def function_arn(self, name):
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.function(name)}"

    def role(self, name):
        return f"{name}-role-{self.env}"

    def role_arn(self, name):
        return f"arn:aws:iam::{self.account}:role/{self.role(name)}"

    @property
    def stream(self):
        return f"transaction-events-{self.env}"

    @property
    def stream_arn(self):
        return f"arn:aws:kinesis:{self.region}:{self.account}:stream/{self.stream}"

    @property
    def topic(self):
        return f"transaction-alerts-{self.env}"

    @property
    def topic_arn(self):
        return f"arn:aws:sns:{self.region}:{self.account}:{self.topic}"

    @property
    def secret(self):
        return f"fingerprint-key-{self.env}"

    @property
    def secret_arn(self):
        # AWS adds six characters of its own to a secret's ARN.
        return f"arn:aws:secretsmanager:{self.region}:{self.account}:secret:{self.secret}-??????"

    @property
    def queue(self):
        """Stands for whoever subscribes to alerts."""
        return f"alerts-subscriber-{self.env}"

    @property
    def rest_api(self):
        return f"transaction-api-{self.env}"


@dataclass(frozen=True)
class Function:
    name: str
    timeout_seconds: int
    environment: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Mapping:
    """An event source mapping; `settings` as CreateEventSourceMapping takes them."""

    function: str
    source: str
    settings: dict


def functions(names):
    tables = {f"{base.upper()}_TABLE": names.table(base) for base in ("transactions", "uploads", "profiles", "alerts", "clients")}
    buckets = {f"{purpose.upper()}_BUCKET": names.bucket(purpose) for purpose in ("uploads", "archive", "reports")}
    known = {**tables, **buckets, "EVENTS_STREAM": names.stream}

    def env(*variables, **more):
        return {**{variable: known[variable] for variable in variables}, **more}

    return [
        Function(
            "validation",
            900,
            env("UPLOADS_BUCKET", "REPORTS_BUCKET", "EVENTS_STREAM", "UPLOADS_TABLE", FINGERPRINT_KEY_SECRET=names.secret),
        ),
        Function("aggregator", STREAM_TIMEOUT_SECONDS, env("TRANSACTIONS_TABLE", "UPLOADS_TABLE", "REPORTS_BUCKET")),
        Function(
            "anomaly",
            STREAM_TIMEOUT_SECONDS,
            env("PROFILES_TABLE", "ALERTS_TABLE", "EVENTS_STREAM", "REPORTS_BUCKET", ALERTS_TOPIC=names.topic_arn),
        ),
        # API Gateway waits 29 s at most.
        Function("api", 29, env("UPLOADS_TABLE", "TRANSACTIONS_TABLE", "CLIENTS_TABLE", "UPLOADS_BUCKET", "REPORTS_BUCKET")),
        Function("archiver", STREAM_TIMEOUT_SECONDS, env("ARCHIVE_BUCKET", "REPORTS_BUCKET")),
    ]


# Unlimited retries and age: the stream's retention is the limit.
FOREVER = {"MaximumRetryAttempts": -1, "MaximumRecordAgeInSeconds": -1}

MAPPINGS = [
    Mapping(
        "aggregator",
        "stream",
        {
            "StartingPosition": "TRIM_HORIZON",
            "BatchSize": KINESIS_BATCH_RECORDS,
            "MaximumBatchingWindowInSeconds": 0,
            "ParallelizationFactor": AGGREGATOR_PARALLELIZATION,
            "BisectBatchOnFunctionError": True,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            **FOREVER,
        },
    ),
    Mapping(
        "archiver",
        "stream",
        {
            "StartingPosition": "TRIM_HORIZON",
            "BatchSize": KINESIS_BATCH_RECORDS,
            "MaximumBatchingWindowInSeconds": 60,
            "ParallelizationFactor": 1,
            "BisectBatchOnFunctionError": True,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            **FOREVER,
        },
    ),
    Mapping(
        "anomaly",
        "transactions",
        {
            "StartingPosition": "TRIM_HORIZON",
            "BatchSize": DYNAMODB_BATCH_RECORDS,
            "MaximumBatchingWindowInSeconds": 1,
            "ParallelizationFactor": 1,
            "BisectBatchOnFunctionError": True,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "MaximumRetryAttempts": -1,
            "MaximumRecordAgeInSeconds": ANOMALY_AGE_MAX_SECONDS,
            # No replay can alert, even into a live table.
            "FilterCriteria": {"Filters": [{"Pattern": '{"dynamodb":{"NewImage":{"writer":{"S":["live"]}}}}'}]},
        },
    ),
]

# Routes of the REST API, each a resource under the root; every method needs a key.
ROUTES = [
    ("POST", "upload"),
    ("GET", "uploads"),
    ("GET", "uploads/{upload_id}"),
    ("GET", "uploads/{upload_id}/rejects"),
    ("GET", "status/{transaction_id}"),
]
STAGE = "prod"
USAGE_PLAN = {"throttle": {"rateLimit": 1000.0, "burstLimit": 500}, "quota": {"limit": 10000, "period": "MONTH"}}
