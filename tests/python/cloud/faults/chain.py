"""The proxies between functions and emulator, started and ended."""

import json
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from .. import processes

HERE = Path(__file__).resolve().parent
PARTIAL_FAILURE_PROBABILITY = 0.1


class Chain:
    """`url` is where the functions send their calls."""

    def __init__(self, url, proxy_url):
        self.url, self._proxy_url = url, proxy_url

    def proxied(self):
        """What the proxy counted: failed parts, consumed units by table, calls by operation."""
        return _get(f"{self._proxy_url}/_proxy")

    def fired(self):
        """How often each fault fired, by service, operation and what was done."""
        counts = {}
        for fault in _get(f"{self.url}/_microburst/fired"):
            key = f"{fault['service']} {fault['operation']} {fault['action']}"
            counts[key] = counts.get(key, 0) + 1
        return counts


@contextmanager
def faults(python, upstream, work, seed, rules=None):
    """microburst, with the rules given or all of them, and partial failures behind it: what cuts
    connections must be what the functions are connected to."""
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    config = Path(work) / f"rules-{port}.json"
    config.write_text(json.dumps({"rules": rules}) if rules is not None else (HERE / "rules.json").read_text())
    probability = PARTIAL_FAILURE_PROBABILITY if rules is None else 0
    with proxy(python, upstream, work, probability, seed, f"127.0.0.1:{port}") as partial:
        command = [python, HERE / "launch.py", "--upstream", partial.url, "--port", port, "--config", config]
        environment = processes.bare_environment(PYTHONDONTWRITEBYTECODE=1)
        log = Path(work) / f"microburst-{port}.log"
        with processes.Process(command, f"{url}/_microburst/health", log, environment):
            yield Chain(url, partial.url)


@contextmanager
def proxy(python, upstream, work, probability, seed, host=None):
    """The counting proxy alone; `host` is what stands before it, if anything does."""
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    command = [python, HERE / "partial_proxy.py", port, upstream, probability, seed, host or f"127.0.0.1:{port}"]
    environment = processes.bare_environment(PYTHONDONTWRITEBYTECODE=1)
    with processes.Process(command, f"{url}/_proxy", Path(work) / f"proxy-{port}.log", environment):
        yield Chain(url, url)


def _get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)
