"""What goes into one call: up to so many records, up to Lambda's 6 MB, after a window at most."""

# Lambda's limit of a synchronous payload; the envelope of the array is small change beside it.
PAYLOAD_BYTES_MAX = 6 * 1024 * 1024


class Batches:
    """Records of one lane on their way into batches. Time is what the caller says it is."""

    def __init__(self, size, window_seconds, bytes_max=PAYLOAD_BYTES_MAX):
        self.size = size
        self.window_seconds = window_seconds
        self.bytes_max = bytes_max
        self._waiting = []
        self._since = None

    def add(self, records, now):
        if records and not self._waiting:
            self._since = now
        self._waiting.extend(records)

    def __len__(self):
        return len(self._waiting)

    def take(self, now, hurry=False):
        """The next batch if one is due: full, or its window over, or whoever waits is in a hurry."""
        if not self._waiting:
            return None
        count, total = 0, 0
        for record in self._waiting[: self.size]:
            # One record always goes, however large.
            if count and total + record.size > self.bytes_max:
                break
            count, total = count + 1, total + record.size
        is_full = count == self.size or count < len(self._waiting)
        if not (is_full or hurry or now - self._since >= self.window_seconds):
            return None
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        self._since = now
        return batch
