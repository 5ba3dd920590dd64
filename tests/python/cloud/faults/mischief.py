"""What goes wrong between the streams and the functions: batches that come twice or cut elsewhere,
answers that are lost, functions that are killed in the middle."""

import os
import random
import signal
import threading
import time

from ..mapping.delivery import Failed, Taken

LOST, CUT, KILLED, REPEATED = 0.06, 0.06, 0.03, 0.06
KILL_AFTER_SECONDS_MAX = 0.2


class Mischief:
    def __init__(self, emulator, seed):
        self._emulator = emulator
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.counts = {"lost": 0, "cut": 0, "killed": 0, "repeated": 0}

    def _rolls(self, probability):
        with self._lock:
            return self._random.random() < probability

    def _count(self, what):
        with self._lock:
            self.counts[what] += 1

    def send(self, poller, records):
        """One delivery of the poller, with luck."""
        if self._rolls(CUT) and len(records) > 1:
            # Someone else had this shard before, and was cut off: its part comes again in ours.
            self._count("cut")
            poller.call(records[: len(records) // 2])
        if self._rolls(KILLED):
            threading.Thread(target=self._kill, args=(poller.function,), daemon=True).start()
        outcome = poller.call(records)
        if isinstance(outcome, Taken) and self._rolls(LOST):
            self._count("lost")
            return Failed("the answer was lost")
        if isinstance(outcome, Taken) and self._rolls(REPEATED):
            self._count("repeated")
            poller.counts.add(repeated=1)
            poller.call(records)
        return outcome

    def _kill(self, function):
        with self._lock:
            wait = self._random.uniform(0, KILL_AFTER_SECONDS_MAX)
        time.sleep(wait)
        if self.kill_one(function):
            self._count("killed")

    def kill_one(self, function):
        """Ends one process of this function as the machine below it would: without a word."""
        processes = self._emulator.function_processes(function)
        if not processes:
            return False
        with self._lock:
            chosen = self._random.choice(processes)
        try:
            os.kill(chosen, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True
