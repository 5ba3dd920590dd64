"""The stage `cloud`: deploys the functions on an emulator and holds what they do to the embedded host.

usage: python -m cloud TXP AWS_TXP ZIPS FAULTS_PYTHON AWS_PYTHON WORK_DIR [SECTION...]

TXP is the command line, AWS_TXP the one that reads from AWS too, ZIPS holds NAME/bootstrap.zip,
FAULTS_PYTHON is the interpreter that has microburst, AWS_PYTHON the one that has awscli. Runs in the folder of the Pulumi program, in
its tests' environment. Without sections the usual ones are run, in lanes beside each other, each with
an emulator of its own. The last line is `N passed, N failed`.
"""

import json
import re
import shutil
import subprocess
import sys
import time
import unittest
from contextlib import contextmanager
from pathlib import Path

from tests.harness.forks import Forks

from . import bad_input, doctor, files, large, metrics, observe, readers, rebuild, redriven, runs, units, webhooks
from .embedded import Embedded
from .emulator import Emulator
from .faults.chain import faults
from .faults.mischief import Mischief
from .report import Report
from .stack import FUNCTIONS, deployed

ROWS = 10_000
SEED = 20_261_123
# What is run unasked. The emulator takes one call at a time, so each lane has one of its own.
LANES = (("logic", "small", "clean"), ("faulty",), ("bad", "large"))


# Which function printed which metric, of a lane.
MEASURED = "measured.json"


class Stage:
    """What all sections share: the emulator, the packed functions, the command line."""

    def __init__(self, txp, aws_txp, zips, faults_python, aws_python, work, emulator, forks):
        self.txp, self.aws_txp, self.zips, self.work = txp, aws_txp, zips, work
        self.faults_python, self.aws_python = faults_python, aws_python
        self.emulator, self.forks = emulator, forks
        self.stacks = []

    def stack(self, env, calls=None, config=None):
        stack = deployed(self.forks, self.emulator, env, self.zips, self.work, calls, config)
        self.stacks.append(stack)
        return stack

    def keep_logs(self):
        """What the functions logged, for whoever asks why."""
        for stack in self.stacks:
            for function in FUNCTIONS:
                lines = observe.log_lines(stack, function)
                (self.work / f"{stack.env}-{function}.log").write_text("\n".join(lines))

    def host(self, stack):
        """The embedded host that a stack is held to."""
        return Embedded(self.txp, self.work / f"embedded-{stack.env}", stack.fingerprint_key())

    def generated(self, rows):
        path = self.work / f"generated-{rows}.csv"
        if not path.exists():
            command = [self.txp, "generate", "--rows", str(rows), "--seed", str(SEED), "--out", path]
            subprocess.run(command, check=True, capture_output=True)
        return path.read_bytes()


@contextmanager
def whole(report, stage, stack, mischief=None, exact=True):
    """The large file, and the two whose findings are the same in any order; the run for what follows."""
    with runs.Run(report, stack, stage.host(stack), stack.env, mischief) as run:
        run.send("large.csv", stage.generated(ROWS))
        for number, data in enumerate(files.judged(SEED)):
            run.send(f"judged-{number}.csv", data)
        runs.hold_to_embedded(run, ordered_free=[1, 2], exact=exact)
        yield run


def clean(report, stage):
    """A calm day, and what analysts do on it."""
    with webhooks.Receiver() as receiver:
        stack = stage.stack("clean", config=webhooks.CONFIG)
        webhooks.listen(stack, receiver)
        with whole(report, stage, stack) as run:
            webhooks.check(report, run, receiver)
            readers.run(report, stage, stack)
            doctor.all_is_well(report, stage, stack)
            redriven.run(report, run, stage)
            rebuild.run(report, run, stage.aws_txp, stage.work / "rebuild")


def faulty(report, stage):
    with faults(stage.faults_python, stage.emulator.url, stage.work, SEED) as chain:
        stack = stage.stack("faulty", chain.url)
        mischief = Mischief(stage.emulator, SEED)
        with whole(report, stage, stack, mischief, exact=False):
            pass
        print(f"   on the way to the functions: {mischief.counts}")
        print(f"   failed in part: {chain.proxied()['failed']}")
        fired = chain.fired()
        for name, count in sorted(fired.items()):
            print(f"   {count:>5} {name}")
        report.check("faults fired of every kind", len(fired) >= 10, fired)
        report.check("mischief of every kind", all(mischief.counts.values()), mischief.counts)


def bad(report, stage):
    """A day on which everything goes wrong, with rules that are tried."""
    tried = json.loads(subprocess.run([stage.txp, "rules", "show"], cwd=stage.work, check=True, capture_output=True).stdout)
    path = stage.work / "tried.json"
    path.write_text(json.dumps(tried | {"version": "tried-1"}))
    with webhooks.Receiver() as receiver:
        stack = stage.stack("bad", config=webhooks.CONFIG | {"shadow_rules_file": path})
        webhooks.listen(stack, receiver)
        bad_input.run(report, stage, stack, receiver)


def logic(report, _stage):
    """The driver itself."""
    suite = unittest.defaultTestLoader.loadTestsFromNames(["cloud.mapping.test_logic", "cloud.mapping.test_poller"])
    outcome = unittest.TextTestRunner(stream=sys.stdout, verbosity=0).run(suite)
    bad_ones = len(outcome.failures) + len(outcome.errors)
    report.passed += outcome.testsRun - bad_ones
    report.failed += bad_ones + len(outcome.skipped)


SECTIONS = {
    "logic": logic,
    "small": units.run,
    "clean": clean,
    "bad": bad,
    "faulty": faulty,
    "large": large.run,
}


def lane(paths, work, sections):
    """These sections, one after the other, on one emulator."""
    work.mkdir(parents=True)
    report = Report()
    with Emulator(work) as emulator, Forks() as forks:
        stage = Stage(*paths, work, emulator, forks)
        for name in sections:
            report.section(name, SECTIONS[name], stage)
        stage.keep_logs()
        measured = [pair for stack in stage.stacks for pair in metrics.check(report, stack)]
    (work / MEASURED).write_text(json.dumps(sorted(set(measured))))
    print(report.last_line())
    return report.failed


def lanes(arguments, work):
    """Each lane a process; what one says is shown whole when it has ended."""
    work.mkdir(parents=True)
    start = time.monotonic()
    running = []
    for sections in LANES:
        name = "-".join(sections)
        said = open(work / f"{name}.log", "w+")
        command = [sys.executable, "-m", "cloud", *map(str, arguments), work / name, *sections]
        running.append((name, subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT), said))
    passed = failed = 0
    measured = set()
    for name, process, said in running:
        code = process.wait()
        said.seek(0)
        text = said.read().rstrip()
        said.close()
        told = re.search(r"^(\d+) passed, (\d+) failed$", text.rpartition("\n")[2])
        print(f"{text}\n   lane {name}: over {time.monotonic() - start:.0f} s after the start of all", flush=True)
        passed += int(told[1]) if told else 0
        failed += int(told[2]) if told else 1
        failed += code != 0 and bool(told) and told[2] == "0"
        if (work / name / MEASURED).exists():
            measured |= {tuple(pair) for pair in json.loads((work / name / MEASURED).read_text())}
    together = Report()
    metrics.complete(together, measured)
    passed, failed = passed + together.passed, failed + together.failed
    print(f"{passed} passed, {failed} failed")
    return failed


def main():
    *arguments, work = (Path(argument).absolute() for argument in sys.argv[1:7])
    shutil.rmtree(work, ignore_errors=True)
    failed = lane(arguments, work, sys.argv[7:]) if sys.argv[7:] else lanes(arguments, work)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
