"""What was checked and how it went. Nothing stops a run but an error that makes the rest senseless."""

import time
import traceback

# Differences are shown, not poured out.
SHOWN_MAX = 5


class Report:
    def __init__(self):
        self.passed = self.failed = 0
        self._start = time.monotonic()

    def check(self, name, holds, detail=""):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {name}{': ' if detail else ''}{detail}", flush=True)
        return bool(holds)

    def equal(self, name, got, expected):
        return self.check(name, got == expected, f"{got!r} instead of {expected!r}")

    def same(self, name, got, expected):
        """Sets or dictionaries; says what is missing, what is too much and what differs."""
        missing = [key for key in expected if key not in got]
        extra = [key for key in got if key not in expected]
        different = []
        if isinstance(expected, dict) and isinstance(got, dict):
            different = [(key, got[key], expected[key]) for key in expected if key in got and got[key] != expected[key]]
        words = [
            f"{len(found)} {word}, as {found[:SHOWN_MAX]!r}"
            for word, found in (("missing", missing), ("too many", extra), ("different", different))
            if found
        ]
        return self.check(f"{name} ({len(expected)})", not words, "; ".join(words))

    def section(self, name, run, *arguments):
        """Runs a part; an error in it is one failure and the next part goes on."""
        start = time.monotonic()
        print(f"-- {name}", flush=True)
        try:
            return run(self, *arguments)
        except Exception:  # Whatever it is, it is this part's failure.
            self.check(name, False, traceback.format_exc())
            return None
        finally:
            print(f"   {time.monotonic() - start:.1f} s", flush=True)

    def last_line(self):
        return f"{self.passed} passed, {self.failed} failed"
