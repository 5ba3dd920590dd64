"""What happens with one batch until every record of it was taken or given up.

As Lambda's documentation of stream sources says: a failed batch is sent again whole, or in halves
when the mapping bisects (a split is no retry); an answer that names failed records means all before
the lowest of them was taken, and what starts there is sent again; an answer that names a record
that is not in the batch, or none, is a failure of the batch. Retries and age have limits, or -1.
"""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Taken:
    """The function took the batch."""


@dataclass(frozen=True)
class Failed:
    """The function failed, or its answer makes no sense, or it was lost."""

    why: str


@dataclass(frozen=True)
class Throttled:
    """The function was not run; Lambda tries again without counting."""


@dataclass(frozen=True)
class FailedFrom:
    """Everything before this place in the batch was taken."""

    index: int


def judge(payload, batch, reports_failures):
    """What a function's answer means for the batch that it was given."""
    if not reports_failures:
        return Taken()
    try:
        answer = json.loads(payload or b"null")
        failures = (answer or {}).get("batchItemFailures") or []
        named = [failure["itemIdentifier"] for failure in failures]
    except (ValueError, TypeError, KeyError, AttributeError):
        return Failed("the answer is no batch response")
    if not named:
        return Taken()
    places = {record.sequence: index for index, record in enumerate(batch)}
    if any(name not in places for name in named):
        return Failed("the answer names a record that is not in the batch")
    return FailedFrom(min(places[name] for name in named))


class Delivery:
    """One batch. Ask `next`, call the function with it, tell `answered`."""

    def __init__(self, batch, retries_max=-1, age_max_seconds=-1, bisect=False):
        self.retries_max = retries_max
        self.age_max_seconds = age_max_seconds
        self.bisect = bisect
        # Parts still to be sent, in order, each with how often it failed.
        self._parts = [(list(batch), 0)]
        self.given_up = []

    def next(self, now):
        """The records to send now, and how often they failed already; None when all is done."""
        while self._parts:
            records, failures = self._parts[0]
            if self.age_max_seconds >= 0:
                fresh = [record for record in records if now - record.arrival <= self.age_max_seconds]
                self.given_up += [record for record in records if record not in fresh]
                records = fresh
            if 0 <= self.retries_max < failures:
                self.given_up += records
                records = []
            if records:
                self._parts[0] = (records, failures)
                return records, failures
            self._parts.pop(0)
        return None

    def answered(self, outcome):
        records, failures = self._parts.pop(0)
        if isinstance(outcome, Taken):
            return
        if isinstance(outcome, Throttled):
            self._parts.insert(0, (records, failures))
            return
        first = outcome.index if isinstance(outcome, FailedFrom) else 0
        rest = records[first:]
        if first:
            # It got somewhere: what is left is a batch that has not been tried on its own.
            self._parts.insert(0, (rest, 0))
        elif self.bisect and len(rest) > 1:
            half = len(rest) // 2
            self._parts[:0] = [(rest[:half], failures), (rest[half:], failures)]
        else:
            self._parts.insert(0, (rest, failures + 1))
