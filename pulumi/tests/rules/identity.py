"""Who may do what: roles, policies, keys."""

import json

from ..harness.graph import Graph, Resource
from .rule import Rule, at, put

# Where AWS knows nothing narrower than `*` as a resource.
NO_RESOURCE = {
    "xray:PutTraceSegments": "a segment belongs to no resource",
    "xray:PutTelemetryRecords": "telemetry belongs to no resource",
}
# The one policy of AWS's own, of the account's role for API Gateway's logs: AWS maintains what the
# service needs there.
MANAGED = {"arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"}
# What changes state or reads data, and so must be nobody's by chance.
READ_CARDS = ("s3:GetObject", "s3:GetObjectVersion")


def policies(graph: Graph) -> list[Resource]:
    """Policies that say what their bearer may do."""
    return graph.of("iam.RolePolicy", "iam.Policy")


def resource_policies(graph: Graph) -> list[Resource]:
    return graph.of("s3.BucketPolicy", "sns.TopicPolicy", "kms.Key")


def no_stars(graph: Graph) -> list[str]:
    faults: list[str] = []
    for policy in [*policies(graph), *resource_policies(graph)]:
        for statement in policy.policy():
            if statement["Effect"] != "Allow":
                continue
            if "NotAction" in statement or "NotResource" in statement:
                faults.append(f"{policy}: {statement['Sid']} allows all but something")
            for action in statement["Action"]:
                if "*" in action:
                    faults.append(f"{policy}: {statement['Sid']} allows {action}")
    return faults


def no_star_resources(graph: Graph) -> list[str]:
    """In a key's policy `*` is the key itself; elsewhere it is everything."""
    faults: list[str] = []
    for policy in policies(graph):
        for statement in policy.policy():
            wide = [
                one
                for one in statement["Resource"]
                if one.split(":")[-1] == "*" and ":log-group:" not in one
            ]
            wider = [action for action in statement["Action"] if action not in NO_RESOURCE]
            if wide and wider:
                faults.append(f"{policy}: {statement['Sid']} is about everything: {wider}")
    return faults


def own_role(graph: Graph) -> list[str]:
    roles = [function.inputs["role"] for function in graph.of("lambda.Function")]
    faults = ["functions share a role"] if len(set(roles)) != len(roles) else []
    attached = [one.inputs["policyArn"] for one in graph.of("iam.RolePolicyAttachment")]
    faults += [f"{arn} is attached" for arn in attached if arn not in MANAGED]
    services = {"lambda.amazonaws.com", "apigateway.amazonaws.com"}
    for role in graph.of("iam.Role"):
        for statement in role.policy("assumeRolePolicy"):
            if (
                at(statement, "Principal.Service") not in services
                or len(statement["Principal"]) > 1
            ):
                faults.append(f"{role}: {statement['Principal']} may take it on")
    return faults


def open_to_no_one(graph: Graph) -> list[str]:
    """A policy of a resource never lets everyone do something."""
    return [
        f"{policy}: {statement['Sid']} lets everyone"
        for policy in resource_policies(graph)
        for statement in policy.policy()
        if statement["Effect"] == "Allow" and statement["Principal"] in ("*", {"AWS": "*"})
    ]


def bearers(graph: Graph, action: str, arn: str) -> list[str]:
    """Names of policies that allow an action on something, or on what is in it."""
    return [
        policy.name
        for policy in policies(graph)
        for statement in policy.policy()
        if action in statement["Action"]
        and any(one == arn or one.startswith(f"{arn}/") for one in statement["Resource"])
    ]


def receipts(graph: Graph) -> list[str]:
    """Whoever has the key can sign what never happened."""
    arn = graph.one("secretsmanager.Secret", "receipt-key").outputs["arn"]
    readers = bearers(graph, "secretsmanager:GetSecretValue", arn)
    return [] if readers == ["api-lambda-policy"] else [f"the receipt key is read by {readers}"]


def raw_uploads(graph: Graph) -> list[str]:
    """Of all roles, validation alone reads uploads, decrypts with their key, and has the key of
    fingerprints.
    """
    uploads = f"arn:aws:s3:::{graph.outputs['bucket_name']}"
    key = graph.one("kms.Key", "transaction-uploads-key")
    secret = graph.one("secretsmanager.Secret", "fingerprint-key").outputs["arn"]
    faults: list[str] = []
    guarded = (
        ("s3:GetObject", uploads),
        ("s3:GetObjectVersion", uploads),
        ("kms:Decrypt", key.outputs["arn"]),
        ("secretsmanager:GetSecretValue", secret),
    )
    for action, arn in guarded:
        readers = bearers(graph, action, arn)
        if readers != ["validation-lambda-policy"]:
            faults.append(f"{action} on {arn}: {readers}")
    role = graph.one("iam.Role", "validation-lambda-role").outputs["arn"]
    for statement in key.policy():
        if "kms:Decrypt" in statement["Action"]:
            only = at(statement, "Condition.ArnEquals") or {}
            if only.get("aws:PrincipalArn") != role:
                faults.append(f"{key}: {statement['Sid']} lets others decrypt")
    denied = [
        statement
        for statement in graph.one("s3.BucketPolicy", "transaction-uploads-policy").policy()
        if statement["Effect"] == "Deny"
        and set(READ_CARDS) <= set(statement["Action"])
        and at(statement, "Condition.ArnNotEquals") == {"aws:PrincipalArn": role}
    ]
    return faults if denied else [*faults, "the bucket of uploads lets others read"]


def keys(graph: Graph) -> list[str]:
    faults: list[str] = []
    for key in graph.of("kms.Key"):
        if not key.inputs.get("enableKeyRotation"):
            faults.append(f"{key}: is never rotated")
        for statement in key.policy():
            uses = {"kms:Decrypt", "kms:GenerateDataKey"} & set(statement["Action"])
            if uses and not statement.get("Condition"):
                faults.append(f"{key}: {statement['Sid']} is without a condition")
            if "kms:PutKeyPolicy" in statement["Action"] and uses:
                faults.append(f"{key}: whoever administers it uses it")
        if not any("kms:PutKeyPolicy" in statement["Action"] for statement in key.policy()):
            faults.append(f"{key}: can never be changed again")
    return faults


def allow(actions: list[str], resources: list[str], **more: object) -> str:
    statement = {"Sid": "Broken", "Effect": "Allow", "Action": actions, "Resource": resources}
    return json.dumps({"Statement": [{**statement, **more}]})


def _shared(graph: Graph) -> None:
    first, second, *_ = graph.of("lambda.Function")
    first.inputs["role"] = second.inputs["role"]


def _reader(policy: str, action: str, arn: str):
    def broken(graph: Graph) -> None:
        arns = {
            "uploads": f"arn:aws:s3:::{graph.outputs['bucket_name']}/uploads/*",
            "key": graph.one("kms.Key", "transaction-uploads-key").outputs["arn"],
            "secret": graph.one("secretsmanager.Secret", "fingerprint-key").outputs["arn"],
            "receipts": graph.one("secretsmanager.Secret", "receipt-key").outputs["arn"],
        }
        given = json.loads(graph.one("iam.RolePolicy", policy).inputs["policy"])
        given["Statement"] += json.loads(allow([action], [arns[arn]]))["Statement"]
        graph.one("iam.RolePolicy", policy).inputs["policy"] = json.dumps(given)

    return broken


OWN = "transaction-uploads-key"
EVERYONE = {"Principal": "*"}

RULES = [
    Rule(
        "no policy allows an action with a star",
        no_stars,
        {
            "everything": put("iam.RolePolicy", "policy", allow(["*"], ["arn:aws:s3:::a"])),
            "of a service": put("iam.RolePolicy", "policy", allow(["s3:*"], ["arn:aws:s3:::a"])),
            "of a key": put("kms.Key", "policy", allow(["kms:*"], ["*"])),
        },
    ),
    Rule(
        "no policy is about every resource but where AWS knows nothing narrower",
        no_star_resources,
        {
            "everything": put("iam.RolePolicy", "policy", allow(["s3:GetObject"], ["*"])),
            "of a service": put(
                "iam.Policy", "policy", allow(["s3:GetObject"], ["arn:aws:s3:::*"])
            ),
        },
    ),
    Rule(
        "every function has a role of its own, with no policy of others",
        own_role,
        {
            "shared": _shared,
            "administrator": put(
                "iam.RolePolicyAttachment",
                "policyArn",
                "arn:aws:iam::aws:policy/AdministratorAccess",
            ),
            "anyone's": put(
                "iam.Role",
                "assumeRolePolicy",
                allow(["sts:AssumeRole"], [], Principal={"AWS": "*"}),
            ),
        },
    ),
    Rule(
        "no resource lets everyone",
        open_to_no_one,
        {
            "a bucket": put("s3.BucketPolicy", "policy", allow(["s3:GetObject"], [], **EVERYONE)),
            "a topic": put("sns.TopicPolicy", "policy", allow(["sns:Publish"], [], **EVERYONE)),
        },
    ),
    Rule(
        "raw uploads and the fingerprint key are validation's alone",
        raw_uploads,
        {
            "api reads": _reader("api-lambda-policy", "s3:GetObject", "uploads"),
            "archiver reads": _reader("archiver-lambda-policy", "s3:GetObjectVersion", "uploads"),
            "api decrypts": _reader("api-lambda-policy", "kms:Decrypt", "key"),
            "anomaly has the secret": _reader(
                "anomaly-lambda-policy", "secretsmanager:GetSecretValue", "secret"
            ),
            "the account decrypts": put("kms.Key", "policy", allow(["kms:Decrypt"], ["*"]), OWN),
            "no denial": put(
                "s3.BucketPolicy", "policy", '{"Statement":[]}', "transaction-uploads-policy"
            ),
        },
    ),
    Rule(
        "the receipt key is the api's alone",
        receipts,
        {
            "validation has it": _reader(
                "validation-lambda-policy", "secretsmanager:GetSecretValue", "receipts"
            ),
            "nobody has it": put("iam.RolePolicy", "policy", allow([], []), "api-lambda-policy"),
        },
    ),
    Rule(
        "keys rotate, are used through services, and can be administered",
        keys,
        {
            "no rotation": put("kms.Key", "enableKeyRotation", False),
            "used by anyone": put("kms.Key", "policy", allow(["kms:Decrypt"], ["*"])),
            "lost": put("kms.Key", "policy", '{"Statement":[]}'),
        },
    ),
]
