"""The poller over a stream in memory: order, parents, lanes, faults."""

import io
import json
import threading
import unittest

from ..processes import wait_until
from . import poller, sources

LIMIT_SECONDS = 20


class MemoryStream:
    """Shards with records; an iterator is a place. A shard in `closed` ends after its records."""

    def __init__(self, shards, parents=None, closed=()):
        self._shards, self._parents, self._closed = shards, parents or {}, closed
        self.expire_once = set()

    def shards(self):
        return [sources.Shard(name, self._parents.get(name, ())) for name in self._shards]

    def iterator(self, shard, after=None):
        sequences = [record.sequence for record in self._shards[shard]]
        return str(sequences.index(after) + 1 if after else 0)

    def read(self, shard, iterator):
        place = int(iterator)
        if (shard, place) in self.expire_once:
            self.expire_once.discard((shard, place))
            raise sources.IteratorExpired
        found = self._shards[shard][place : place + 3]
        following = place + len(found)
        ends = shard in self._closed and following == len(self._shards[shard])
        return found, None if ends else str(following)


class Function:
    """Keeps what it was called with; `answer(batch)` gives a body, or raises to fail."""

    def __init__(self, answer=None):
        self.calls, self._answer, self._lock = [], answer, threading.Lock()

    def invoke(self, FunctionName, Payload):
        batch = [record["kinesis"]["sequenceNumber"] for record in json.loads(Payload)["Records"]]
        with self._lock:
            self.calls.append(batch)
            try:
                body = self._answer(batch) if self._answer else {}
            except RuntimeError as error:
                return {"FunctionError": "Unhandled", "Payload": io.BytesIO(str(error).encode())}
        return {"Payload": io.BytesIO(json.dumps(body).encode())}

    def client(self, _service):
        return self


def record(sequence, key="k"):
    event = {"kinesis": {"sequenceNumber": sequence}}
    return sources.Record(sequence, key, 0.0, 10, event)


def shard(name, count, keys=1):
    return [record(f"{name}{number}", f"key-{number % keys}") for number in range(count)]


class PollerTest(unittest.TestCase):
    def drive(self, stream, function, **settings):
        mapping = {
            "FunctionArn": "arn:aws:lambda:r:a:function:f",
            "EventSourceArn": "arn:aws:kinesis:r:a:stream/s",
            "BatchSize": 4,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            **settings,
        }
        driven = poller.Poller(function, mapping)
        driven.source = stream
        driven.start()
        try:
            wait_until(driven.is_idle, LIMIT_SECONDS, "an idle poller")
            # A child of a shard starts at the next look.
            wait_until(lambda: len(driven._shards) == len(stream.shards()), LIMIT_SECONDS, "all shards")
            wait_until(driven.is_idle, LIMIT_SECONDS, "an idle poller")
        finally:
            driven.end()
        return driven.counts

    def test_every_record_once_in_order(self):
        function = Function()
        self.drive(MemoryStream({"a": shard("a", 10)}), function)
        self.assertEqual(sum(function.calls, []), [f"a{number}" for number in range(10)])
        self.assertTrue(all(len(call) <= 4 for call in function.calls))

    def test_children_wait_for_their_parents(self):
        stream = MemoryStream({"a": shard("a", 5), "b": shard("b", 5), "c": shard("c", 5)}, {"c": ("a", "b")}, closed=("a", "b"))
        function = Function()
        self.drive(stream, function)
        order = sum(function.calls, [])
        self.assertEqual(len(order), 15)
        self.assertTrue(all(name[0] == "c" for name in order[10:]))

    def test_lanes_keep_the_order_of_a_key(self):
        function = Function()
        self.drive(MemoryStream({"a": shard("a", 60, keys=7)}), function, ParallelizationFactor=4)
        order = [int(name[1:]) for name in sum(function.calls, [])]
        self.assertEqual(sorted(order), list(range(60)))
        for key in range(7):
            of_key = [number for number in order if number % 7 == key]
            self.assertEqual(of_key, sorted(of_key))

    def test_an_expired_iterator_loses_and_repeats_nothing(self):
        stream = MemoryStream({"a": shard("a", 9)})
        stream.expire_once = {("a", 3), ("a", 6)}
        function = Function()
        self.drive(stream, function)
        self.assertEqual(sum(function.calls, []), [f"a{number}" for number in range(9)])

    def test_a_partial_failure_goes_on_at_the_lowest(self):
        failed = []

        def answer(batch):
            if "a2" in batch and len(failed) < 2:
                failed.append(batch)
                return {"batchItemFailures": [{"itemIdentifier": "a2"}]}
            return {}

        function = Function(answer)
        counts = self.drive(MemoryStream({"a": shard("a", 6)}), function)
        again = [call for call in function.calls if call[0] == "a2"]
        self.assertTrue(again and counts.failed == 2)
        # Nothing before the failed record came again, nothing after it came first.
        self.assertEqual(sum(function.calls, []).count("a1"), 1)

    def test_poison_is_given_up_and_the_rest_goes_on(self):
        def answer(batch):
            if "a3" in batch:
                raise RuntimeError("poison")
            return {}

        function = Function(answer)
        counts = self.drive(MemoryStream({"a": shard("a", 8)}), function, MaximumRetryAttempts=1, BisectBatchOnFunctionError=True)
        self.assertEqual([given.sequence for given in counts.given_up], ["a3"])
        taken = [name for call in function.calls if "a3" not in call for name in call]
        self.assertEqual(set(taken), {f"a{number}" for number in range(8)} - {"a3"})


if __name__ == "__main__":
    unittest.main()
