"""Stream, tables, topic."""

from ..harness.graph import Graph
from .rule import Rule, at, drop, each, put

HOURS = 24
RETENTION_DAYS = range(1, 366)


def tables(graph: Graph) -> list[str]:
    data = graph.one("kms.Key", "transaction-data-key").outputs["arn"]
    faults = each(
        graph,
        "dynamodb.Table",
        ("billingMode", "PAY_PER_REQUEST"),
        ("pointInTimeRecovery.enabled", True),
        ("serverSideEncryption.enabled", True),
        ("serverSideEncryption.kmsKeyArn", data),
    )
    made = {table.name for table in graph.of("dynamodb.Table")}
    wanted = {"transactions", "uploads", "profiles", "alerts", "clients"}
    return faults + [f"there is no table {name}" for name in sorted(wanted - made)]


def table_stream(graph: Graph) -> list[str]:
    table = graph.one("dynamodb.Table", "transactions")
    wanted = {
        "streamEnabled": True,
        "streamViewType": "NEW_AND_OLD_IMAGES",
        "hashKey": "transaction_id",
        "rangeKey": "merchant_id",
    }
    return [
        f"{table}: {key} is {table.inputs.get(key)!r}"
        for key, value in wanted.items()
        if table.inputs.get(key) != value
    ]


def ageing(graph: Graph) -> list[str]:
    table = graph.one("dynamodb.Table", "uploads")
    ttl = table.inputs.get("ttl")
    return [] if ttl and ttl["enabled"] and ttl["attributeName"] else [f"{table}: keeps all items"]


def stream(graph: Graph) -> list[str]:
    data = graph.one("kms.Key", "transaction-data-key").outputs["arn"]
    faults = each(graph, "kinesis.Stream", ("encryptionType", "KMS"), ("kmsKeyId", data))
    for one in graph.of("kinesis.Stream"):
        mode, shards = at(one.inputs, "streamModeDetails.streamMode"), one.inputs.get("shardCount")
        if (mode, shards is None) not in {("ON_DEMAND", True), ("PROVISIONED", False)}:
            faults.append(f"{one}: mode {mode} with {shards} shards")
        hours = one.inputs.get("retentionPeriod", 0)
        if hours % HOURS or hours // HOURS not in RETENTION_DAYS:
            faults.append(f"{one}: keeps {hours} h")
    return faults


def topic(graph: Graph) -> list[str]:
    """An alarm cannot be published under the key that AWS manages."""
    key = graph.one("kms.Key", "transaction-alerts-key")
    faults = each(graph, "sns.Topic", ("kmsMasterKeyId", key.outputs["arn"]))

    def lets_alarms(statements: list[dict[str, object]], *actions: str) -> bool:
        return any(
            statement["Effect"] == "Allow"
            and statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
            and set(actions) <= set(at(statement, "Action"))
            and at(statement, "Condition.StringEquals") == {"aws:SourceAccount": graph.account}
            for statement in statements
        )

    if not lets_alarms(key.policy(), "kms:Decrypt", "kms:GenerateDataKey"):
        faults.append(f"{key}: alarms may not use it")
    policies = graph.of("sns.TopicPolicy")
    if not any(lets_alarms(policy.policy(), "sns:Publish") for policy in policies):
        faults.append("alarms may not publish")
    return faults


RULES = [
    Rule(
        "tables are paid per request, encrypted, and can be restored to any second",
        tables,
        {
            "provisioned": put("dynamodb.Table", "billingMode", "PROVISIONED"),
            "no recovery": put("dynamodb.Table", "pointInTimeRecovery", None),
            "off": put("dynamodb.Table", "pointInTimeRecovery.enabled", False),
            "the owner's key": put("dynamodb.Table", "serverSideEncryption", None),
            "no table": drop("dynamodb.Table", "clients"),
        },
    ),
    Rule(
        "transactions have a stream of both images",
        table_stream,
        {
            "none": put("dynamodb.Table", "streamEnabled", False, "transactions"),
            "keys": put("dynamodb.Table", "streamViewType", "KEYS_ONLY", "transactions"),
            "other keys": put("dynamodb.Table", "rangeKey", None, "transactions"),
        },
    ),
    Rule(
        "what ages goes by itself", ageing, {"off": put("dynamodb.Table", "ttl", None, "uploads")}
    ),
    Rule(
        "the stream is encrypted, kept, and in one mode",
        stream,
        {
            "open": put("kinesis.Stream", "encryptionType", "NONE"),
            "both modes": put("kinesis.Stream", "shardCount", 1),
            "a year and a day": put("kinesis.Stream", "retentionPeriod", 366 * 24),
        },
    ),
    Rule(
        "alarms can be published",
        topic,
        {
            "the managed key": put("sns.Topic", "kmsMasterKeyId", "alias/aws/sns"),
            "not by the key": put(
                "kms.Key", "policy", '{"Statement":[]}', "transaction-alerts-key"
            ),
            "not by the topic": drop("sns.TopicPolicy"),
        },
    ),
]
