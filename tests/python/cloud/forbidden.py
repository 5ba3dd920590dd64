"""What no role may do: each call is made with the role's own credentials and must be denied.

A call that names something that is not there is denied before anyone looks for it, so arguments
need not be real. Some calls that each function needs stand beside, so that a table in which all is
denied does not pass.
"""

import botocore.exceptions

DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}
FUNCTIONS = ("validation", "aggregator", "anomaly", "api", "archiver")


def calls(names):
    """Name -> (service, operation, arguments)."""
    upload = {"Bucket": names.bucket("uploads"), "Key": "uploads/c/x.csv"}
    one = {"upload_id": {"S": "x"}, "part": {"S": "x"}}
    transaction = {"transaction_id": {"S": "x"}, "merchant_id": {"S": "x"}}
    return {
        "read an upload": ("s3", "get_object", upload),
        "read a version of an upload": ("s3", "get_object", {**upload, "VersionId": "x"}),
        "delete an upload": ("s3", "delete_object", upload),
        "write an upload": ("s3", "put_object", {**upload, "Body": b""}),
        "list uploads' versions": ("s3", "list_object_versions", {"Bucket": names.bucket("uploads"), "Prefix": upload["Key"]}),
        "read the archive": ("s3", "get_object", {"Bucket": names.bucket("archive"), "Key": "date=2026-01-01/x"}),
        "write the archive": ("s3", "put_object", {"Bucket": names.bucket("archive"), "Key": "date=2026-01-01/x", "Body": b""}),
        "delete from the archive": ("s3", "delete_object", {"Bucket": names.bucket("archive"), "Key": "date=2026-01-01/x"}),
        "write the rules": ("s3", "put_object", {"Bucket": names.bucket("rules"), "Key": "rules.json", "Body": b""}),
        "write a rejects report": ("s3", "put_object", {"Bucket": names.bucket("reports"), "Key": "rejects/x.csv", "Body": b""}),
        "read the fingerprint key": ("secretsmanager", "get_secret_value", {"SecretId": names.secret}),
        "append to the stream": (
            "kinesis",
            "put_records",
            {"StreamName": names.stream, "Records": [{"Data": b"x", "PartitionKey": "x"}]},
        ),
        "split the stream": (
            "kinesis",
            "split_shard",
            {"StreamName": names.stream, "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": "1"},
        ),
        "delete the stream": ("kinesis", "delete_stream", {"StreamName": names.stream}),
        "read a transaction": ("dynamodb", "get_item", {"TableName": names.table("transactions"), "Key": transaction}),
        "write a transaction": ("dynamodb", "put_item", {"TableName": names.table("transactions"), "Item": transaction}),
        "delete a transaction": ("dynamodb", "delete_item", {"TableName": names.table("transactions"), "Key": transaction}),
        "scan transactions": ("dynamodb", "scan", {"TableName": names.table("transactions")}),
        "write an upload's record": ("dynamodb", "put_item", {"TableName": names.table("uploads"), "Item": one}),
        "delete an upload's record": ("dynamodb", "delete_item", {"TableName": names.table("uploads"), "Key": one}),
        "read clients": ("dynamodb", "get_item", {"TableName": names.table("clients"), "Key": {"api_key_id": {"S": "x"}}}),
        "write clients": ("dynamodb", "put_item", {"TableName": names.table("clients"), "Item": {"api_key_id": {"S": "x"}}}),
        "read profiles": (
            "dynamodb",
            "get_item",
            {"TableName": names.table("profiles"), "Key": {"card_fingerprint": {"S": "x"}, "currency": {"S": "x"}}},
        ),
        "read alerts": ("dynamodb", "get_item", {"TableName": names.table("alerts"), "Key": {"alert_id": {"S": "x"}}}),
        "delete a table": ("dynamodb", "delete_table", {"TableName": names.table("alerts")}),
        "publish an alert": ("sns", "publish", {"TopicArn": names.topic_arn, "Message": "forbidden?"}),
        "subscribe to alerts": (
            "sns",
            "subscribe",
            {"TopicArn": names.topic_arn, "Protocol": "email", "Endpoint": "x@example.com"},
        ),
        "call the validation function": ("lambda", "invoke", {"FunctionName": names.function("validation"), "Payload": b"{}"}),
        "call the api function": ("lambda", "invoke", {"FunctionName": names.function("api"), "Payload": b"{}"}),
        "change a function": ("lambda", "update_function_configuration", {"FunctionName": names.function("api"), "Timeout": 1}),
        "widen a role": (
            "iam",
            "put_role_policy",
            {"RoleName": names.role("api"), "PolicyName": "more", "PolicyDocument": '{"Version":"2012-10-17","Statement":[]}'},
        ),
        "become another role": ("sts", "assume_role", {"RoleArn": names.role_arn("validation"), "RoleSessionName": "forbidden"}),
        "read an API key": ("apigateway", "get_api_keys", {"includeValues": True}),
        "read another's log": ("logs", "filter_log_events", {"logGroupName": f"/aws/lambda/{names.function('validation')}"}),
    }


# What each function needs of the calls above; all the rest is forbidden to it.
NEEDED = {
    "validation": {
        "read an upload",
        "read a version of an upload",
        "list uploads' versions",
        "read the fingerprint key",
        "append to the stream",
        "write an upload's record",
        "write a rejects report",
        "call the validation function",
    },
    "aggregator": {"read a transaction", "write a transaction", "write an upload's record"},
    "anomaly": {"append to the stream", "publish an alert", "read profiles", "read alerts"},
    "api": {"write an upload", "read a transaction", "write an upload's record", "read clients"},
    "archiver": {"write the archive"},
}
# Needed, but made here they would change or start something.
NOT_TRIED = {
    "append to the stream",
    "call the validation function",
    "publish an alert",
    "write a transaction",
    "write an upload's record",
    "write the archive",
    "write an upload",
    "write a rejects report",
}


def run(report, stack):
    table = calls(stack.names)
    for function in FUNCTIONS:
        credentials = stack.client("sts").assume_role(RoleArn=stack.names.role_arn(function), RoleSessionName="forbidden")[
            "Credentials"
        ]
        clients = {}
        for name, (service, operation, arguments) in table.items():
            is_needed = name in NEEDED[function]
            if is_needed and name in NOT_TRIED:
                continue
            if service not in clients:
                clients[service] = stack.emulator.client_as(
                    service, credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"]
                )
            code = _outcome(clients[service], operation, arguments)
            if is_needed:
                report.check(f"{function} may {name}", code not in DENIED, code)
            else:
                report.check(f"{function} must not {name}", code in DENIED, code)


def _outcome(client, operation, arguments):
    try:
        getattr(client, operation)(**arguments)
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"]
    return "done"


def stars(report, names, permissions):
    """No `*` but where AWS has nothing narrower, and none in an action."""
    for function in FUNCTIONS:
        for statement in permissions.policy(names, function)["Statement"]:
            for action in statement["Action"]:
                report.check(f"{function}: {action} is one action", "*" not in action)
                if "*" in statement["Resource"]:
                    report.check(f"{function}: {action} takes no resource", action in permissions.NO_RESOURCE)
