"""A proxy that lets batch calls fail in part and adds up consumed capacity.

usage: partial_proxy.py PORT UPSTREAM PROBABILITY SEED HOST

Of PutRecords, BatchWriteItem and BatchGetItem each part fails with the probability and is not
passed on; the answer has AWS's own shape for it. Writes to DynamoDB are asked what they consume;
GET /_proxy tells the sums by table, and what failed. With probability 0 it only counts.

HOST is what callers call this by, which their signatures hold: microburst before it puts another one
into what it passes on.

A request whose body is changed is signed again, as root: for those calls nobody is denied anything.

Runs in the environment of microburst, whose aiohttp it uses.
"""

import json
import random
import sys
from collections import Counter

from aiohttp import ClientSession, TCPConnector, web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from yarl import URL

BODY_BYTES_MAX = 64 << 20
ROOT = Credentials("test", "test")
WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"}
KINESIS_JSON, DYNAMODB_JSON = "application/x-amz-json-1.1", "application/x-amz-json-1.0"
# About this connection, not about the message.
HOP_HEADERS = {"connection", "content-length", "keep-alive", "transfer-encoding"}
THROTTLED = {
    "ErrorCode": "ProvisionedThroughputExceededException",
    "ErrorMessage": "Rate exceeded for shard shardId-000000000000 in the stream.",
}


class Proxy:
    def __init__(self, upstream, probability, seed, host):
        self._upstream, self._probability, self._host = upstream, probability, host
        self._random = random.Random(seed)
        self.failed, self.consumed, self.calls = Counter(), Counter(), Counter()
        self._session = None

    async def start(self, _app):
        self._session = ClientSession(connector=TCPConnector(limit=0), auto_decompress=False)

    async def stop(self, _app):
        await self._session.close()

    async def tell(self, _request):
        return web.json_response({"failed": self.failed, "consumed": self.consumed, "calls": self.calls})

    async def handle(self, request):
        body = await request.read()
        operation = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
        self.calls[operation or request.method] += 1
        if operation == "PutRecords":
            return await self._put_records(request, json.loads(body))
        if operation == "BatchWriteItem":
            return await self._batch(request, json.loads(body), "UnprocessedItems", list)
        if operation == "BatchGetItem":
            return await self._batch(request, json.loads(body), "UnprocessedKeys", lambda part: part["Keys"])
        if operation in WRITES:
            status, headers, answer = await self._metered(request, json.loads(body))
        else:
            status, headers, answer = await self._pass_on(request, body)
        return web.Response(status=status, headers=headers, body=answer)

    async def _pass_on(self, request, body, is_changed=False):
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_HEADERS | {"host"}}
        headers["Host"] = self._host
        if is_changed:
            headers = _signed(request, headers, body)
        # As it was spelt: signatures hold the path.
        url = URL(self._upstream + request.raw_path, encoded=True)
        async with self._session.request(request.method, url, headers=headers, data=body, allow_redirects=False) as answer:
            # The length of what a HEAD is about is its answer.
            dropped = HOP_HEADERS - ({"content-length"} if request.method == "HEAD" else set())
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in dropped}
            return answer.status, kept, await answer.read()

    async def _metered(self, request, document):
        document.setdefault("ReturnConsumedCapacity", "TOTAL")
        status, headers, answer = await self._pass_on(request, json.dumps(document).encode(), is_changed=True)
        if status == 200:
            consumed = json.loads(answer or b"{}").get("ConsumedCapacity", [])
            for part in consumed if isinstance(consumed, list) else [consumed]:
                self.consumed[part["TableName"]] += part["CapacityUnits"]
        return status, headers, answer

    def _fails(self):
        return self._random.random() < self._probability

    async def _put_records(self, request, document):
        records = document["Records"]
        failed = [self._fails() for _ in records]
        self.failed["PutRecords"] += sum(failed)
        kept = [record for record, fails in zip(records, failed) if not fails]
        answers = []
        if kept:
            body = json.dumps({**document, "Records": kept}).encode()
            status, headers, answer = await self._pass_on(request, body, is_changed=True)
            if status != 200:
                return web.Response(status=status, headers=headers, body=answer)
            answers = json.loads(answer)["Records"]
        passed = iter(answers)
        merged = [THROTTLED if fails else next(passed) for fails in failed]
        count = sum("ErrorCode" in part for part in merged)
        return _answer({"Records": merged, "FailedRecordCount": count}, KINESIS_JSON)

    async def _batch(self, request, document, unprocessed, parts_of):
        """BatchWriteItem has a list by table, BatchGetItem a document with its keys."""
        kept, left = {}, {}
        for table, asked in document["RequestItems"].items():
            for part in parts_of(asked):
                (left if self._fails() else kept).setdefault(table, []).append(part)
        self.failed[unprocessed] += sum(map(len, left.values()))

        def shaped(parts):
            if unprocessed == "UnprocessedItems":
                return parts
            return {table: {**document["RequestItems"][table], "Keys": keys} for table, keys in parts.items()}

        merged = {unprocessed: {}} | ({"Responses": {}} if unprocessed == "UnprocessedKeys" else {})
        if kept:
            body = json.dumps({**document, "RequestItems": shaped(kept)}).encode()
            status, headers, answer = await self._pass_on(request, body, is_changed=True)
            if status != 200:
                return web.Response(status=status, headers=headers, body=answer)
            merged = json.loads(answer)
        already = merged.get(unprocessed) or {}
        merged[unprocessed] = {**already, **shaped(left)}
        return _answer(merged, DYNAMODB_JSON)


def _signed(request, headers, body):
    """The headers with a signature for another body."""
    # Credential=KEY/DATE/REGION/SERVICE/aws4_request
    _key, _date, region, service, _end = request.headers["Authorization"].partition("Credential=")[2].split(",")[0].split("/")
    kept = {name: value for name, value in headers.items() if name.lower() in ("host", "content-type", "x-amz-target")}
    signed = AWSRequest(request.method, f"http://{headers['Host']}{request.raw_path}", data=body, headers=kept)
    SigV4Auth(ROOT, service, region).add_auth(signed)
    return dict(signed.headers)


def _answer(document, content_type):
    return web.Response(body=json.dumps(document).encode(), headers={"Content-Type": content_type})


def main():
    port, upstream, probability, seed, host = sys.argv[1:]
    proxy = Proxy(upstream, float(probability), int(seed), host)
    app = web.Application(client_max_size=BODY_BYTES_MAX)
    app.on_startup.append(proxy.start)
    app.on_cleanup.append(proxy.stop)
    app.router.add_get("/_proxy", proxy.tell)
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    web.run_app(app, host="127.0.0.1", port=int(port), print=None, access_log=None)


if __name__ == "__main__":
    main()
