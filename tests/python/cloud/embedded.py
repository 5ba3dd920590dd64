"""The embedded host on the same files: what the cloud's results must equal."""

import http.client
import json
import os
import subprocess
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from . import processes

READERS = 4
TOO_MANY_REQUESTS = 429
WAIT_SECONDS = 0.1


class Embedded:
    """One data directory, under the fingerprint key that the cloud has too."""

    def __init__(self, txp, work, key):
        self._txp, self.work = txp, Path(work)
        self.work.mkdir(parents=True)
        self.data = self.work / "data"
        (self.work / "key").write_text(key)
        self._environment = {**os.environ, "TXP_FINGERPRINT_KEY_FILE": str(self.work / "key"), "HOME": str(self.work)}
        self._environment.pop("TXP_DATA_DIR", None)

    def _run(self, *arguments):
        command = [str(part) for part in (self._txp, *arguments)]
        ended = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        if ended.returncode not in (0, 1, 3):
            raise RuntimeError(f"{command[1]} ended with {ended.returncode}: {ended.stderr.strip()}")
        return ended.stdout

    def process(self, path):
        """The report on one file."""
        return json.loads(self._run("process", path, "--data-dir", self.data, "--json"))["files"][0]

    def redrive_rows(self, step, upload_id, *arguments):
        """What a step of `txp redrive rows` says."""
        return json.loads(self._run("redrive", "rows", step, "--upload", upload_id, "--data-dir", self.data, *arguments))

    def events(self):
        source = f"local:{self.data}"
        return [json.loads(line) for line in self._run("events", "--source", source).splitlines() if line]

    def alerts(self):
        return json.loads(self._run("alerts", "--data-dir", self.data, "--json"))["alerts"]

    @contextmanager
    def served(self):
        """Serves the directory; gives a function from keys to documents of GET /status."""
        keys = []
        for reader in range(READERS):
            added = self._run("clients", "add", f"reader-{reader}", "--merchants", "*", "--data-dir", self.data, "--json")
            keys.append(json.loads(added)["key"])
        port = processes.free_port()
        command = [self._txp, "serve", "--listen", f"127.0.0.1:{port}", "--data-dir", self.data]
        with processes.Process(command, f"http://127.0.0.1:{port}/health", self.work / "serve.log", self._environment):
            yield lambda wanted: _documents(port, keys, sorted(wanted))


def _documents(port, api_keys, wanted):
    """By (transaction id, merchant id); what is not there has no entry. A client for each reader: the
    host lets each make a thousand requests a second."""

    def part(reader):
        mine, api_key = wanted[reader::READERS], api_keys[reader]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        found = {}
        for transaction_id, merchant_id in mine:
            path = f"/status/{urllib.parse.quote(transaction_id)}?merchant_id={urllib.parse.quote(merchant_id)}"
            while True:
                connection.request("GET", path, headers={"x-api-key": api_key})
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != TOO_MANY_REQUESTS:
                    break
                time.sleep(WAIT_SECONDS)
            if answer.status == 200:
                found[(transaction_id, merchant_id)] = json.loads(body)
            elif answer.status != 404:
                raise RuntimeError(f"GET {path} of the embedded host: {answer.status} {body[:200]!r}")
        connection.close()
        return found

    documents = {}
    with ThreadPoolExecutor(READERS) as pool:
        for found in pool.map(part, range(READERS)):
            documents.update(found)
    return documents


def keys_of(events):
    """Every key that the events can have made an item of, placeholders of disputes too."""
    keys = set()
    for event in events:
        data = event["data"]
        merchant = data.get("merchant_id")
        for name in ("transaction_id", "original_transaction_id"):
            if merchant and data.get(name):
                keys.add((data[name], merchant))
    return keys
