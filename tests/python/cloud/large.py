"""A large file: validation's memory does not grow with it.

Only validation works here: the stream is read by nobody.
"""

import time
from pathlib import Path

from . import observe
from .merchant import Merchant
from .processes import wait_until

ROWS = 200_000
# Of the 512 MB that the function has; what it reads, parses and sends is bounded.
RESIDENT_MIB_MAX = 128
READ_LIMIT_SECONDS = 900
POLL_SECONDS = 0.5


def resident_mib(process):
    """The most that a process ever had in memory."""
    for line in Path("/proc", str(process), "status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) / 1024
    raise RuntimeError(f"the system does not say how much memory process {process} has")


def run(report, stage):
    stack = stage.stack("large")
    data = stage.generated(ROWS)
    start = time.monotonic()
    upload_id = Merchant(stack).send(data, filename="large.csv")

    def told():
        return [line for line in observe.log_lines(stack, "validation") if "the file is read" in line and upload_id in line]

    [line] = wait_until(told, READ_LIMIT_SECONDS, "the end of the large file", poll_seconds=POLL_SECONDS)
    report.check("the large file is parsed", '"outcome":"parsed"' in line, line)
    seconds = time.monotonic() - start
    peaks = [resident_mib(process) for process in stage.emulator.function_processes(stack.function("validation"))]
    print(f"   {ROWS} rows, {len(data):,} bytes: read in {seconds:.1f} s, at most {max(peaks):.1f} MiB resident", flush=True)
    report.check(f"memory of validation under {RESIDENT_MIB_MAX} MiB", max(peaks) < RESIDENT_MIB_MAX, peaks)
