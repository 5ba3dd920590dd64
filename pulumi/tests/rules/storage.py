"""The buckets."""

import json

from ..harness.graph import Graph, Resource
from .rule import Rule, at, drop, each, missing, put

EXPIRY_DAYS = 90


def buckets(graph: Graph) -> list[Resource]:
    return graph.of("s3.Bucket")


def each_has(type_: str):
    """Every bucket has a setting of this type."""
    return lambda graph: missing(graph, buckets(graph), type_, "bucket", "id")


def versioned(graph: Graph) -> list[str]:
    return each_has("s3.BucketVersioning")(graph) + each(
        graph, "s3.BucketVersioning", ("versioningConfiguration.status", "Enabled")
    )


def private(graph: Graph) -> list[str]:
    blocks = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    return (
        each_has("s3.BucketPublicAccessBlock")(graph)
        + each(graph, "s3.BucketPublicAccessBlock", *((block, True) for block in blocks))
        + each_has("s3.BucketOwnershipControls")(graph)
        + each(graph, "s3.BucketOwnershipControls", ("rule.objectOwnership", "BucketOwnerEnforced"))
    )


def tls_only(graph: Graph) -> list[str]:
    faults = each_has("s3.BucketPolicy")(graph)
    for policy in graph.of("s3.BucketPolicy"):
        arn = f"arn:aws:s3:::{policy.inputs['bucket']}"
        denied = [
            statement
            for statement in policy.policy()
            if statement["Effect"] == "Deny"
            and statement["Principal"] == "*"
            and statement["Action"] == ["s3:*"]
            and at(statement, "Condition.Bool") == {"aws:SecureTransport": "false"}
            and set(statement["Resource"]) == {arn, f"{arn}/*"}
        ]
        if not denied:
            faults.append(f"{policy}: takes requests without TLS")
    return faults


def encrypted(graph: Graph) -> list[str]:
    faults = each_has("s3.BucketServerSideEncryptionConfiguration")(graph)
    keys: dict[str, list[str]] = {}
    for settings in graph.of("s3.BucketServerSideEncryptionConfiguration"):
        rule = at(settings.inputs, "rules.0.applyServerSideEncryptionByDefault")
        if at(rule, "sseAlgorithm") != "aws:kms":
            faults.append(f"{settings}: not by a key of KMS")
        if not settings.inputs["rules"][0].get("bucketKeyEnabled"):
            faults.append(f"{settings}: asks KMS for every object")
        keys.setdefault(at(rule, "kmsMasterKeyId"), []).append(settings.inputs["bucket"])
    own = graph.one("kms.Key", "transaction-uploads-key").outputs["arn"]
    if keys.get(own) != [graph.outputs["bucket_name"]]:
        faults.append(f"the uploads' key is of {keys.get(own)}")
    return faults


def expires(graph: Graph) -> list[str]:
    faults = each_has("s3.BucketLifecycleConfiguration")(graph)
    for settings in graph.of("s3.BucketLifecycleConfiguration"):
        rules = settings.inputs["rules"]
        if any(rule["status"] != "Enabled" for rule in rules):
            faults.append(f"{settings}: a rule is off")
        whole = [rule for rule in rules if at(rule, "filter.prefix") == ""]
        if not any(at(rule, "expiration.expiredObjectDeleteMarker") for rule in whole):
            faults.append(f"{settings}: markers stay")
        if not any(at(rule, "noncurrentVersionExpiration.noncurrentDays") for rule in whole):
            faults.append(f"{settings}: old versions stay")
        if not any(
            at(rule, "abortIncompleteMultipartUpload.daysAfterInitiation") for rule in whole
        ):
            faults.append(f"{settings}: parts of uploads stay")
        days = [at(rule, "expiration.days") for rule in whole if at(rule, "expiration.days")]
        if settings.inputs["bucket"] == graph.outputs["bucket_name"] and days != [EXPIRY_DAYS]:
            faults.append(f"{settings}: raw uploads expire after {days} days")
        if settings.inputs["bucket"] == graph.outputs["archive_bucket"] and days:
            faults.append(f"{settings}: the history expires")
    return faults


def notified(graph: Graph) -> list[str]:
    faults: list[str] = []
    [notification] = graph.of("s3.BucketNotification") or [None]
    if notification is None:
        return ["uploads wake no one"]
    wakes = notification.inputs.get("lambdaFunctions", [])
    function = graph.one("lambda.Function", "validation-lambda").outputs["arn"]
    wanted = {
        "lambdaFunctionArn": function,
        "events": ["s3:ObjectCreated:*"],
        "filterPrefix": "uploads/",
        "filterSuffix": ".csv",
    }
    if len(wakes) != 1 or any(wakes[0].get(key) != value for key, value in wanted.items()):
        faults.append(f"{notification}: wakes {json.dumps(wakes)}")
    permissions = [
        permission
        for permission in graph.of("lambda.Permission")
        if permission.inputs["principal"] == "s3.amazonaws.com"
    ]
    for permission in permissions:
        if permission.inputs.get("sourceAccount") != graph.account:
            faults.append(f"{permission}: takes a bucket of another account")
        if permission.urn not in notification.dependencies:
            faults.append(f"{notification}: may come before {permission}")
    return faults if permissions else [*faults, "S3 may not call validation"]


def cors(graph: Graph) -> list[str]:
    faults = each(
        graph,
        "s3.BucketCorsConfiguration",
        ("bucket", graph.outputs["bucket_name"]),
        ("corsRules.0.allowedMethods", ["PUT"]),
    )
    if not graph.of("s3.BucketCorsConfiguration"):
        return ["browsers cannot PUT"]
    for settings in graph.of("s3.BucketCorsConfiguration"):
        headers = {header.lower() for header in settings.inputs["corsRules"][0]["allowedHeaders"]}
        if not {"if-none-match", "content-type", "x-amz-*", "x-amzn-trace-id"} <= headers:
            faults.append(f"{settings}: headers of a link are not allowed")
    return faults


# What stands in them is the configuration's.
MADE_AGAIN = {"webhooks", "webhooks-version"}


def kept(graph: Graph) -> list[str]:
    """What cannot be made again outlives the stack, with what keeps it safe."""
    types = {resource.type for resource in graph.resources if ":s3/" in resource.type}
    types -= {"aws:s3/bucketNotification:BucketNotification"}
    types |= {"aws:kms/key:Key", "aws:kms/alias:Alias"}
    types |= {"aws:secretsmanager/secret:Secret", "aws:secretsmanager/secretVersion:SecretVersion"}
    return [
        f"{resource}: goes with the stack"
        for resource in graph.custom()
        if resource.type in types
        and resource.name not in MADE_AGAIN
        and not resource.retain_on_delete
    ]


def _second_reader(graph: Graph) -> None:
    settings = graph.one(
        "s3.BucketServerSideEncryptionConfiguration", "transaction-archive-encryption"
    )
    own = graph.one("kms.Key", "transaction-uploads-key").outputs["arn"]
    settings.inputs["rules"][0]["applyServerSideEncryptionByDefault"]["kmsMasterKeyId"] = own


def _goes(graph: Graph) -> None:
    graph.one("s3.Bucket", "transaction-archive").retain_on_delete = False


def _unordered(graph: Graph) -> None:
    graph.of("s3.BucketNotification")[0].dependencies = []


NOTIFICATION = "s3.BucketNotification"
LIFECYCLE = "s3.BucketLifecycleConfiguration"

RULES = [
    Rule(
        "buckets are versioned",
        versioned,
        {
            "none": drop("s3.BucketVersioning"),
            "suspended": put("s3.BucketVersioning", "versioningConfiguration.status", "Suspended"),
        },
    ),
    Rule(
        "buckets are private",
        private,
        {
            "no block": drop("s3.BucketPublicAccessBlock"),
            "a hole": put("s3.BucketPublicAccessBlock", "blockPublicPolicy", False),
            "lists of access": drop("s3.BucketOwnershipControls"),
        },
    ),
    Rule(
        "buckets take TLS only",
        tls_only,
        {
            "no policy": drop("s3.BucketPolicy"),
            "no denial": put("s3.BucketPolicy", "policy", '{"Statement":[]}'),
        },
    ),
    Rule(
        "buckets are encrypted, uploads under a key of their own",
        encrypted,
        {
            "no encryption": drop("s3.BucketServerSideEncryptionConfiguration"),
            "the bucket's key": put(
                "s3.BucketServerSideEncryptionConfiguration",
                "rules.0.applyServerSideEncryptionByDefault.sseAlgorithm",
                "AES256",
            ),
            "a shared key": _second_reader,
        },
    ),
    Rule(
        "uploads expire with all that is left of them, the history never",
        expires,
        {
            "no expiry": drop(LIFECYCLE),
            "30 days": put(
                LIFECYCLE, "rules.0.expiration.days", 30, "transaction-uploads-lifecycle"
            ),
            "off": put(LIFECYCLE, "rules.0.status", "Disabled"),
            "markers": put(LIFECYCLE, "rules.1.expiration", None, "transaction-uploads-lifecycle"),
            "versions": put(
                LIFECYCLE,
                "rules.1.noncurrentVersionExpiration",
                None,
                "transaction-uploads-lifecycle",
            ),
            "parts": put(
                LIFECYCLE,
                "rules.0.abortIncompleteMultipartUpload",
                None,
                "transaction-archive-lifecycle",
            ),
            "the history": put(
                LIFECYCLE, "rules.0.expiration", {"days": 90}, "transaction-archive-lifecycle"
            ),
        },
    ),
    Rule(
        "only .csv under uploads/ wakes validation",
        notified,
        {
            "none": drop(NOTIFICATION),
            "any suffix": put(NOTIFICATION, "lambdaFunctions.0.filterSuffix", None),
            "any prefix": put(NOTIFICATION, "lambdaFunctions.0.filterPrefix", ""),
            "deletions": put(NOTIFICATION, "lambdaFunctions.0.events", ["s3:*"]),
            "no permission": drop("lambda.Permission", "uploads-permission"),
            "any account": put("lambda.Permission", "sourceAccount", None, "uploads-permission"),
            "no order": _unordered,
        },
    ),
    Rule(
        "browsers may PUT to a link",
        cors,
        {
            "none": drop("s3.BucketCorsConfiguration"),
            "reading": put("s3.BucketCorsConfiguration", "corsRules.0.allowedMethods", ["GET"]),
            "headers": put(
                "s3.BucketCorsConfiguration", "corsRules.0.allowedHeaders", ["content-type"]
            ),
        },
    ),
    Rule("what cannot be made again is kept", kept, {"the archive goes": _goes}),
]
