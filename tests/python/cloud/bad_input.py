"""What must not go well: files, records and requests that are wrong, permissions that are missing.

Each case: no function panics, the cause is in a log, the merchant can see what became of the file.
"""

import base64
import json
import time
import urllib.parse

from . import doctor, observe
from .faults.mischief import Mischief
from .files import plain
from .merchant import Merchant, request
from .processes import wait_until
from .runs import Run, tick

# How long to wait before something is thought to hang, beside other work.
LIMIT_SECONDS = 300
MIB = 1 << 20
LINK_SECONDS = 15 * 60
KILLED_ROWS = 3000
# Detection writes a card once a batch: with a card for each row it would be busy for minutes.
KILLED_CARDS = 50
# A claim holds for 90 s.
TAKEN_UP_LIMIT_SECONDS = 600
# What another producer's aggregation looks like to one that does not know it: the magic of the
# format and then no protobuf.
KPL_MAGIC = b"\xf3\x89\x9a\xc2"


def run(report, stage, stack, receiver):
    with Run(report, stack, stage.host(stack), "bad input") as driven:
        left_lying = report.section("a function that is killed", kill, driven)
        report.section("records that are not ours", foreign_records, driven)
        report.section("files that are wrong", wrong_files, driven)
        report.section("a permission that is missing", access_denied, driven)
        report.section("what a killed function left", take_up, driven, left_lying)
        report.section("what doctor says of faults", doctor.run, stage, driven, receiver)
    report.section("requests that are wrong", wrong_requests, stack)
    report.section("events that no gateway makes", direct_api_events, stack)
    for function in ("validation", "aggregator", "anomaly", "api", "archiver"):
        panics = [line for line in observe.log_lines(stack, function) if "panicked" in line]
        report.equal(f"panics of {function}", panics, [])


def foreign_records(report, driven):
    """They go to quarantine, named, and block nobody: a file that comes after them is completed."""
    kinesis, stack = driven.stack.client("kinesis"), driven.stack
    foreign = {
        "not JSON": b"hello there",
        "a blank": b" ",
        "1 MiB less its key": b"x" * (MIB - 16),
        "garbage in base64": b"\xff\x00\xfe" * 50,
        "an aggregate of another": KPL_MAGIC + b"\x0a\x03abc" + b"\x00" * 16,
        "JSON of another": b'{"specversion":"1.0","id":"1","type":"order.placed","data":{}}',
        "an event of a future": b'{"specversion":"1.0","id":"x:1","source":"/uploads/x","type":"transaction.accepted",'
        b'"subject":"m/t","time":"2026-01-01T00:00:00Z","dataschema":"schemas/transaction.accepted/99.json","data":{}}',
    }
    for number, (name, data) in enumerate(foreign.items()):
        kinesis.put_record(StreamName=stack.stream, PartitionKey=f"foreign-{number}", Data=data)
    driven.send("after.csv", plain(901, 50))
    for stage in ("aggregator", "archiver"):
        report.equal(f"records that {stage} gave up", len(driven.pollers[stage].counts.given_up), 0)
    quarantined = [key for key, _body in observe.objects(stack, "reports", "quarantine/")]
    # Both consumers put aside what neither can read.
    report.check("foreign records are in quarantine", len(quarantined) >= len(foreign), f"only {quarantined}")
    # The stream forgets it; a newer version is to have it.
    kept = [line["id"] for _key, lines in observe.archived(stack) for line in lines if line["id"] in ("1", "x:1")]
    report.equal("foreign records in the archive", kept, ["x:1"])


def wrong_files(report, driven):
    merchant, stack = driven.merchant, driven.stack
    s3, uploads = stack.client("s3"), stack.bucket("uploads")

    empty = merchant.link(filename="empty.csv")
    report.equal("PUT of 0 bytes", merchant.put(empty, b"").status, 200)
    document, _ = merchant.follow(empty["upload_id"], LIMIT_SECONDS)
    report.equal("a file of 0 bytes", document["state"], "failed")
    report.check("its reason", document["failure"], document)

    header = merchant.send(b"transaction_id,amount\na,1\n", filename="header.csv")
    document, _ = merchant.follow(header, LIMIT_SECONDS)
    report.equal("a file without a required column", document["state"], "failed")
    report.check("the reason names it", "merchant_id" in json.dumps(document), document)

    # Twice: the second is refused by the link itself, and the first stands.
    data = plain(902, 5)
    twice = merchant.link(filename="twice.csv")
    seconds = urllib.parse.parse_qs(urllib.parse.urlsplit(twice["url"]).query)["X-Amz-Expires"]
    report.equal("seconds that a link is good for", seconds, [str(LINK_SECONDS)])
    answers = [merchant.put(twice, data).status, merchant.put(twice, plain(903, 5)).status]
    report.equal("PUT twice on one link", answers, [200, 412])
    document, _ = merchant.follow(twice["upload_id"], LIMIT_SECONDS)
    report.equal("the first of two", (document["state"], document["counts"]["accepted"]), ("completed", 5))

    # Other bytes than the link was made for.
    bound = merchant.link(data)
    report.check("other bytes through a bound link", merchant.put(bound, data[:-1] + b"9").status in (400, 403), "taken")

    # No upload record announces it.
    s3.put_object(Bucket=uploads, Key="uploads/somebody/bcdfghjklmnpqrstbcdfghjk.csv", Body=data)
    # Deleted before it is read: the function is told of a version that is gone.
    gone = merchant.link(filename="gone.csv")
    tell_again = _notification_off(stack)
    try:
        merchant.put(gone, data)
        version = s3.list_object_versions(Bucket=uploads, Prefix=gone["key"])["Versions"][0]
        s3.delete_object(Bucket=uploads, Key=gone["key"], VersionId=version["VersionId"])
        invoke_validation(stack, uploads, gone["key"], version)
    finally:
        tell_again()
    document, _ = merchant.follow(gone["upload_id"], LIMIT_SECONDS)
    report.equal("a file deleted before it is read", document["state"], "failed")

    # Told twice, late, with an encoded key and fields that nobody knows.
    data = plain(904, 20)
    again = merchant.send(data, filename="again.csv")
    document, _ = merchant.follow(again, LIMIT_SECONDS)
    driven.settle()
    before = len(observe.items(stack, "transactions"))
    key = merchant_key(stack, again)
    version = s3.list_object_versions(Bucket=uploads, Prefix=key)["Versions"][0]
    answer = invoke_validation(stack, uploads, key.replace("/", "%2F"), version, times=3)
    report.check("a late and repeated event is taken", "FunctionError" not in answer, answer)
    driven.settle()
    report.equal("what a late event changes", len(observe.items(stack, "transactions")), before)
    after = merchant.document(again)
    report.equal("the upload after a late event", after["state"], "completed")


def merchant_key(stack, upload_id):
    s3 = stack.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=stack.bucket("uploads"))
    return next(entry["Key"] for page in pages for entry in page.get("Contents", []) if upload_id in entry["Key"])


def _notification_off(stack):
    """The bucket tells nobody for a while; gives what turns it on again."""
    s3, bucket = stack.client("s3"), stack.bucket("uploads")
    before = s3.get_bucket_notification_configuration(Bucket=bucket)
    before.pop("ResponseMetadata", None)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    return lambda: s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=before)


def s3_event(stack, bucket, key, version, size=0):
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": stack.region,
        "eventTime": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:test"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": "test", "x-amz-id-2": "test"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "test",
            "bucket": {"name": bucket, "ownerIdentity": {"principalId": "test"}, "arn": f"arn:aws:s3:::{bucket}"},
            "object": {
                "key": key,
                "size": version.get("Size", size),
                "eTag": version["ETag"].strip('"'),
                "versionId": version["VersionId"],
                "sequencer": "0055AED6DCD90281E5",
            },
        },
        "a field of next year": {"nobody": ["knows", None]},
    }


def invoke_validation(stack, bucket, key, version, times=1):
    event = {"Records": [s3_event(stack, bucket, key, version)] * times}
    answer = stack.client("lambda").invoke(FunctionName=stack.function("validation"), Payload=json.dumps(event).encode())
    answer["Payload"] = answer["Payload"].read().decode(errors="replace")
    return answer


def access_denied(report, driven):
    """It fails loudly, marks nothing as done, and goes on when the permission is back."""
    stack = driven.stack
    data = plain(905, 30)
    stack.without("aggregator", "dynamodb:PutItem")
    errors = driven.pollers["aggregator"].counts
    before = errors.failed
    upload_id = driven.merchant.send(data, filename="denied.csv")
    wait_until(lambda: errors.failed > before + 2, LIMIT_SECONDS, "failures of the aggregator")
    state = driven.merchant.document(upload_id)["state"]
    report.check("an upload whose rows cannot be written", state not in ("completed", "failed"), state)
    loud = [line for line in observe.log_lines(stack, "aggregator") if "ERROR" in line.upper() and "denied" in line.lower()]
    report.check("the cause is in the log", loud, observe.log_lines(stack, "aggregator")[-3:])
    stack.restore("aggregator")
    document, _ = driven.merchant.follow(upload_id, LIMIT_SECONDS)
    report.equal("with the permission back", (document["state"], document["counts"]["accepted"]), ("completed", 30))

    # The file itself cannot be read: no success, and the sweeper takes it up later.
    stack.without("validation", "kinesis:PutRecords")
    upload_id = driven.merchant.send(plain(906, 30), filename="denied-stream.csv")
    wait_until(
        lambda: any("denied" in line.lower() for line in observe.log_lines(stack, "validation")),
        LIMIT_SECONDS,
        "a word about it in the log",
    )
    state = driven.merchant.document(upload_id)["state"]
    report.check("an upload whose events cannot be appended", state not in ("completed", "parsed"), state)
    stack.restore("validation")

    def swept():
        tick(stack, "validation")
        return driven.merchant.document(upload_id)["state"] == "completed"

    wait_until(swept, LIMIT_SECONDS * 2, "the sweeper to take the file up", poll_seconds=1)
    report.check("the sweeper completes it", True)
    driven.settle()


def kill(report, driven):
    """The validation function dies in the middle of a file. Its claim has to run out, which takes as
    long as everything between this and `take_up`."""
    stack = driven.stack
    # Processes start with the first file.
    driven.merchant.follow(driven.merchant.send(plain(900, 10), filename="first.csv"), LIMIT_SECONDS)
    mischief = Mischief(stack.emulator, 7)
    upload_id = driven.merchant.send(plain(907, KILLED_ROWS, cards=KILLED_CARDS), filename="killed.csv")
    kills = sum(mischief.kill_one(stack.function("validation")) for _ in range(2))
    report.check("functions that were killed", kills)
    return upload_id


def take_up(report, driven, upload_id):
    """The sweeper finds it; no row is lost or counted twice."""

    def swept():
        tick(driven.stack, "validation")
        return driven.merchant.document(upload_id)["state"] == "completed"

    wait_until(swept, TAKEN_UP_LIMIT_SECONDS, "completion after kills", poll_seconds=1)
    document = driven.merchant.document(upload_id)
    report.equal("rows accepted of the file", document["counts"]["accepted"], KILLED_ROWS)
    driven.settle()


def wrong_requests(report, stack):
    merchant = Merchant(stack)
    no_key = request("GET", f"{stack.api_url}/uploads")
    report.equal("no key", no_key.status, 403)
    report.equal("a wrong key", Merchant(stack, "no-such-key").ask("GET", "/uploads").status, 403)
    for name, method, path, body, expected in [
        ("an unknown path", "GET", "/nothing", None, (403, 404)),
        ("an unknown method", "DELETE", "/uploads", None, (403, 404, 405)),
        ("an unknown transaction", "GET", "/status/nobody", None, (404,)),
        ("an unknown upload", "GET", "/uploads/bcdfghjklmnpqrstbcdfghjk", None, (404,)),
        ("traversal", "GET", "/status/..%2f..%2fetc%2fpasswd", None, (403, 404)),
        ("traversal in an upload", "GET", "/uploads/..%2f..%2fuploads", None, (403, 404)),
        ("a long id", "GET", f"/status/{'a' * 3000}", None, (400, 404, 414, 422)),
        ("no body", "POST", "/upload", None, (201,)),
        ("bad JSON", "POST", "/upload", b"{", (400,)),
        ("JSON of another shape", "POST", "/upload", b"[1]", (400, 422)),
        ("a body that is not UTF-8", "POST", "/upload", b"\xff\xfe", (400,)),
        ("a length over the limit", "POST", "/upload", b'{"content_length":999999999999}', (413, 422)),
    ]:
        answer = merchant.ask(method, path, body)
        report.check(f"{name}: one of {expected}", answer.status in expected, f"{answer.status} {answer.body[:200]!r}")
        if answer.status >= 400 and answer.headers.get("content-type", "").startswith("application/problem+json"):
            report.check(f"{name}: a problem document", {"title", "status"} <= set(answer.json()), answer.body[:200])


def direct_api_events(report, stack):
    """Events that the gateway would not make, to the function itself: an answer, never an error."""
    proxy = {
        "resource": "/uploads",
        "path": "/uploads",
        "httpMethod": "GET",
        "headers": {"x-api-key": "x"},
        "multiValueHeaders": {"x-api-key": ["x"]},
        "queryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {"stage": "prod", "httpMethod": "GET", "identity": {"apiKeyId": stack.api_key_id}},
        "body": None,
        "isBase64Encoded": False,
    }
    anonymous = {**proxy, "requestContext": {**proxy["requestContext"], "identity": {"apiKeyId": None}}}
    post = {**proxy, "httpMethod": "POST", "path": "/upload", "resource": "/upload"}
    post["headers"] = {**proxy["headers"], "content-type": "application/json"}
    post["multiValueHeaders"] = {"content-type": ["application/json"]}
    for name, event, expected in [
        ("a request as it is", proxy, (200,)),
        ("no identity", anonymous, (401, 403)),
        ("an identity that nobody knows", {**proxy, "requestContext": {"identity": {"apiKeyId": "nobody"}}}, (401, 403)),
        ("no context", {key: value for key, value in proxy.items() if key != "requestContext"}, (401, 403)),
        ("no body", post, (201,)),
        (
            "a body in base64",
            {**post, "body": base64.b64encode(b'{"filename":"x.csv"}').decode(), "isBase64Encoded": True},
            (201,),
        ),
        ("a body that is no base64", {**post, "body": "%%%", "isBase64Encoded": True}, (400,)),
        ("no path", {**proxy, "path": None}, (404,)),
        ("a field of next year", {**proxy, "version": {"nobody": "knows"}}, (200,)),
    ]:
        answer = stack.client("lambda").invoke(FunctionName=stack.function("api"), Payload=json.dumps(event).encode())
        body = answer["Payload"].read().decode(errors="replace")
        got = json.loads(body).get("statusCode") if "FunctionError" not in answer else body
        report.check(f"api, {name}: one of {expected}", got in expected, body[:300])
