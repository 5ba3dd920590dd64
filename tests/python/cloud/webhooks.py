"""Webhooks of a deployment: a receiver on this machine, told by the functions with their own roles.

The program takes https alone; the address on the loopback device is put into the secret afterwards, as
an operator's exception for trying things out.
"""

import base64
import hashlib
import hmac
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import runs

KEY = b"thirty-two bytes of a shared key"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
# A tick that takes a message up sends it, too; the second one is to find nothing.
TICKS = 2
CONFIG = {"webhooks": json.dumps([{"name": "shop", "url": "https://shop.example/hook", "secrets": [SECRET]}])}


TAKEN, GONE, BROKEN = 204, 410, 500


class Receiver:
    """Answers with a status, at first that it took what came, and remembers everything."""

    def __enter__(self):
        self.requests, self.answers = [], Counter()
        self.status = TAKEN
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.requests.append((self.headers, body))
                receiver.answers[receiver.status] += 1
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"


def listen(stack, receiver):
    """Has the deployment tell this receiver."""
    arn = stack.graph.one("secretsmanager.Secret", "webhooks").outputs["arn"]
    secrets = stack.client("secretsmanager")
    endpoints = json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"])
    for endpoint in endpoints:
        endpoint |= {"url": receiver.url, "loopback_allowed": True}
    secrets.put_secret_value(SecretId=arn, SecretString=json.dumps(endpoints))


def check(report, run, receiver):
    """Every upload's end and every alert that people were told, once, signed, with nothing of a card in it."""
    for _ in range(TICKS):
        error, body = runs.tick(run.stack, "anomaly")
        report.check(f"{run.name}: a tick that tells webhooks", error is None, body)
    ids = Counter(headers["webhook-id"] for headers, _ in receiver.requests)
    report.equal(f"{run.name}: messages to webhooks that came twice", {key for key, count in ids.items() if count > 1}, set())
    ends = {f"{upload_id}:completed" for upload_id in run.sent}
    alerts = {runs.told_by(message)["id"] for message in run.messages}
    report.same(f"{run.name}: webhooks were told", set(ids), ends | alerts)
    wrong = [headers["webhook-id"] for headers, body in receiver.requests if not is_signed(headers, body)]
    report.equal(f"{run.name}: messages to webhooks with another signature", wrong, [])


def is_signed(headers, body):
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = hmac.new(KEY, content, hashlib.sha256).digest()
    return headers["webhook-signature"] == f"v1,{base64.b64encode(mac).decode()}"
