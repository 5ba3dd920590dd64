"""Runs one event source mapping: a thread per shard reads, a thread per lane delivers.

A lane is what ParallelizationFactor makes: all records of a partition key are in one, in order.
Children of a shard wait until their parents were read and delivered to the end.
"""

import json
import queue
import threading
import time
import zlib

import botocore.exceptions

from . import sources
from .batches import Batches
from .delivery import Delivery, Failed, Taken, Throttled, judge
from .filters import Filters

# Each look is a call, and the emulator takes one at a time; Lambda looks once a second.
POLL_SECONDS = 0.1
SHARDS_POLL_SECONDS = 1.0
# Lambda waits longer each time; here a test waits for it.
BACKOFF_SECONDS = 0.02
BACKOFF_MAX_SECONDS = 1.0
END_LIMIT_SECONDS = 30
# What a lane holds of what its shard read: beyond it the shard waits.
LANE_RECORDS_MAX = 2000


class Counts:
    """What a mapping did, for the tests to print and to assert on."""

    def __init__(self):
        self._lock = threading.Lock()
        self.calls = self.records = self.failed = self.throttled = self.repeated = 0
        self.given_up = []
        self.errors = []

    def add(self, **more):
        with self._lock:
            for name, by in more.items():
                setattr(self, name, getattr(self, name) + by)

    def __str__(self):
        return (
            f"{self.calls} calls, {self.records} records, {self.failed} failed, {self.throttled} throttled, "
            f"{self.repeated} repeated, {len(self.given_up)} given up"
        )


class Poller:
    """`mischief` is what may go wrong on the way, see `faults`; None for a calm day."""

    def __init__(self, emulator, mapping, mischief=None):
        self._lambda = emulator.client("lambda")
        self.function = mapping["FunctionArn"].split(":")[6]
        self.settings = mapping
        arn = mapping["EventSourceArn"]
        if ":kinesis:" in arn:
            self.source = sources.Kinesis(emulator.client("kinesis"), arn)
        else:
            self.source = sources.DynamoDb(emulator.client("dynamodbstreams"), arn)
        self.filters = Filters(mapping.get("FilterCriteria"))
        self.mischief = mischief
        self.counts = Counts()
        # Batches whose window is not over go at once: set by a test that has waited long enough.
        self.hurry = False
        self._ends = threading.Event()
        self._shards = {}
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def start(self):
        self._watcher.start()
        return self

    def end(self):
        self._ends.set()
        self._watcher.join(END_LIMIT_SECONDS)
        for shard in self._shards.values():
            shard.join(END_LIMIT_SECONDS)

    def is_idle(self):
        """Nothing read is undelivered, and the last look into every shard found nothing."""
        shards = list(self._shards.values())
        return bool(shards) and all(shard.is_idle() for shard in shards)

    def _watch(self):
        while not self._ends.is_set():
            try:
                known = self.source.shards()
            except botocore.exceptions.BotoCoreError as error:
                self.counts.errors.append(repr(error))
                known = []
            ids = {shard.id for shard in known}
            for shard in known:
                waits = any(
                    parent in ids and not (parent in self._shards and self._shards[parent].is_finished)
                    for parent in shard.parents
                )
                if shard.id not in self._shards and not waits:
                    self._shards[shard.id] = _Reader(self, shard.id, self._ends)
            self._ends.wait(SHARDS_POLL_SECONDS)

    # Called by the lanes.

    def deliver(self, batch):
        """Until every record was taken or given up, or the run ends."""
        settings = self.settings
        delivery = Delivery(
            batch,
            settings.get("MaximumRetryAttempts", -1),
            settings.get("MaximumRecordAgeInSeconds", -1),
            settings.get("BisectBatchOnFunctionError", False),
        )
        while not self._ends.is_set():
            part = delivery.next(time.time())
            if part is None:
                break
            records, failures = part
            if failures:
                self._ends.wait(min(BACKOFF_SECONDS * 2**failures, BACKOFF_MAX_SECONDS))
            outcome = self._send(records)
            delivery.answered(outcome)
            if isinstance(outcome, Throttled):
                self.counts.add(throttled=1)
                self._ends.wait(BACKOFF_SECONDS)
            elif not isinstance(outcome, Taken):
                self.counts.add(failed=1)
        self.counts.given_up += delivery.given_up

    def _send(self, records):
        if self.mischief is None:
            return self.call(records)
        return self.mischief.send(self, records)

    def call(self, records):
        """One call of the function."""
        self.counts.add(calls=1, records=len(records))
        payload = json.dumps({"Records": [record.event for record in records]}).encode()
        try:
            answer = self._lambda.invoke(FunctionName=self.function, Payload=payload)
            body = answer["Payload"].read()
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] == "TooManyRequestsException":
                return Throttled()
            return self._failed(str(error))
        except botocore.exceptions.BotoCoreError as error:
            return self._failed(repr(error))
        if answer.get("FunctionError"):
            return self._failed(body.decode(errors="replace"))
        outcome = judge(body, records, "ReportBatchItemFailures" in self.settings.get("FunctionResponseTypes", []))
        return self._failed(outcome.why) if isinstance(outcome, Failed) else outcome

    def _failed(self, why):
        self.counts.errors.append(why)
        return Failed(why)


class _Reader:
    """One shard."""

    def __init__(self, poller, shard, ends):
        self._poller, self._shard, self._ends = poller, shard, ends
        self.is_finished = False
        self._caught_up = False
        factor = poller.settings.get("ParallelizationFactor") or 1
        self._lanes = [_Lane(poller, ends) for _ in range(factor)]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self, limit):
        self._thread.join(limit)
        for lane in self._lanes:
            lane.join(limit)

    def is_idle(self):
        return self._caught_up and all(lane.is_idle() for lane in self._lanes)

    def _run(self):
        last, iterator = None, None
        while not self._ends.is_set():
            try:
                iterator = iterator or self._poller.source.iterator(self._shard, last)
                records, following = self._poller.source.read(self._shard, iterator)
            except sources.IteratorExpired:
                iterator = None
                continue
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
                self._poller.counts.errors.append(repr(error))
                self._ends.wait(SHARDS_POLL_SECONDS)
                continue
            if records:
                self._caught_up = False
                last = records[-1].sequence
            for record in records:
                if self._poller.filters.pass_(record.event):
                    self._lanes[zlib.crc32(record.key.encode()) % len(self._lanes)].put(record, self._ends)
            if following is None:
                break
            iterator = following
            if not records:
                self._caught_up = True
                self._ends.wait(POLL_SECONDS)
        while not self._ends.is_set() and not all(lane.is_idle() for lane in self._lanes):
            self._ends.wait(POLL_SECONDS)
        self._caught_up = self.is_finished = True


class _Lane:
    """Records of the same keys, delivered one batch after the other."""

    def __init__(self, poller, ends):
        self._poller, self._ends = poller, ends
        settings = poller.settings
        self._batches = Batches(settings.get("BatchSize", 100), settings.get("MaximumBatchingWindowInSeconds", 0))
        self._queue = queue.Queue(LANE_RECORDS_MAX)
        # Records put and not yet delivered.
        self._open = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def join(self, limit):
        self._thread.join(limit)

    def is_idle(self):
        return self._open == 0

    def put(self, record, ends):
        with self._lock:
            self._open += 1
        while not ends.is_set():
            try:
                self._queue.put(record, timeout=POLL_SECONDS)
                return
            except queue.Full:
                continue

    def _run(self):
        while not self._ends.is_set():
            self._batches.add(self._arrived(), time.monotonic())
            batch = self._batches.take(time.monotonic(), hurry=self._poller.hurry)
            if batch:
                self._poller.deliver(batch)
                with self._lock:
                    self._open -= len(batch)

    def _arrived(self):
        """What is there; waits a moment if nothing is, and only then."""
        found = []
        try:
            found.append(self._queue.get(timeout=0 if len(self._batches) > self._batches.size else POLL_SECONDS))
            while True:
                found.append(self._queue.get_nowait())
        except queue.Empty:
            return found


def start_all(stack, mischief=None, only=None):
    """A poller for every mapping of the stack's functions, with the settings it was created with."""
    pollers = {}
    for name, mapping in stack.mappings().items():
        if only is None or name in only:
            pollers[name] = Poller(stack.emulator, mapping, mischief).start()
    return pollers
