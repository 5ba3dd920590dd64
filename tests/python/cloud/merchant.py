"""A merchant at the API: asks for a link, puts a file, asks what became of it."""

import hashlib
import json
import time
import urllib.error
import urllib.request
import uuid

from .processes import wait_until

ANSWER_LIMIT_SECONDS = 60
ASK_EVERY_SECONDS = 0.25
TRIES = 8
ENDS = ("completed", "failed", "expired")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


def request(method, url, headers=None, body=None):
    """Redirects are answers too."""
    asked = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(asked, timeout=ANSWER_LIMIT_SECONDS) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Merchant:
    def __init__(self, stack, key=None):
        self._stack, self._key = stack, key or stack.api_key

    def ask(self, method, path, body=None, headers=None):
        headers = {"x-api-key": self._key, **(headers or {})}
        if body is not None:
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers.setdefault("content-type", "application/json")
        return request(method, f"{self._stack.api_url}{path}", headers, body)

    def ask_again(self, method, path, body=None, headers=None):
        """As any client does: what the server says was its own fault is asked again."""
        for _ in range(TRIES):
            answer = self.ask(method, path, body, headers)
            if answer.status < 500:
                break
            time.sleep(ASK_EVERY_SECONDS)
        return answer

    def link(self, data=None, **options):
        """A link; bound to the bytes if they are given."""
        if data is not None:
            options |= {"content_length": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        answer = self.ask_again("POST", "/upload", options, {"idempotency-key": uuid.uuid4().hex})
        if answer.status != 201:
            raise RuntimeError(f"POST /upload answered {answer.status}: {answer.body[:300]!r}")
        return answer.json()

    @staticmethod
    def put(link, data):
        return request(link["method"], link["url"], link["headers"], data)

    def send(self, data, **options):
        """A link and the file through it; the upload's id."""
        link = self.link(data, **options)
        answer = self.put(link, data)
        if answer.status != 200:
            raise RuntimeError(f"PUT answered {answer.status}: {answer.body[:500]!r}")
        return link["upload_id"]

    def document(self, upload_id):
        answer = self.ask_again("GET", f"/uploads/{upload_id}")
        if answer.status != 200:
            raise RuntimeError(f"GET /uploads/{upload_id} answered {answer.status}: {answer.body[:300]!r}")
        return answer.json()

    def follow(self, upload_id, limit_seconds, ends=ENDS):
        """Until the upload has ended: the last document, and the seconds at which each state was first seen."""
        start, seen, last = time.monotonic(), {}, {}

        def ended():
            last.update(self.document(upload_id))
            seen.setdefault(last["state"], time.monotonic() - start)
            return last["state"] in ends

        try:
            wait_until(ended, limit_seconds, f"the end of upload {upload_id}", ASK_EVERY_SECONDS)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; last seen: {last}") from None
        return last, seen
