"""The stage `cloud`: deploys the functions on an emulator and holds what they do to the embedded host.

usage: python -m cloud TXP TABLES ZIPS FAULTS_PYTHON WORK_DIR [SECTION...]

TXP is the command line, TABLES prints the tables as JSON, ZIPS holds NAME/bootstrap.zip,
FAULTS_PYTHON is the interpreter that has microburst. The last line is `N passed, N failed`.
"""

import json
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

from . import bad_input, deployed, files, forbidden, observe, permissions, runs, units
from .deploy import deploy
from .embedded import Embedded
from .emulator import Emulator
from .faults.chain import faults
from .faults.mischief import Mischief
from .report import Report

FINGERPRINT_KEY = "00112233445566778899aabbccddeeff" * 2
ROWS = 10_000
SEED = 20_261_123


class Stage:
    """What all sections share: the emulator, the packed functions, the command line."""

    def __init__(self, txp, tables, zips, faults_python, work):
        self.txp, self.zips, self.faults_python, self.work = txp, zips, faults_python, work
        self.tables = json.loads(subprocess.run([tables], check=True, capture_output=True, text=True).stdout)
        self.emulator = None
        self.stacks = []

    def stack(self, env, endpoint=None, functions=None):
        names = deployed.Names(env)
        stack = deploy(self.emulator, names, self.tables, self.zips, FINGERPRINT_KEY, endpoint, functions)
        client = {"api_key_id": {"S": stack.api_key_id}, "client_id": {"S": "shop"}, "merchants": {"L": [{"S": "*"}]}}
        stack.client("dynamodb").put_item(TableName=names.table("clients"), Item=client)
        self.stacks.append(stack)
        return stack

    def keep_logs(self):
        """What the functions logged, for whoever asks why."""
        for stack in self.stacks:
            for function in forbidden.FUNCTIONS:
                lines = observe.log_lines(stack, function)
                (self.work / f"{stack.names.env}-{function}.log").write_text("\n".join(lines))

    def host(self, name):
        return Embedded(self.txp, self.work / name, FINGERPRINT_KEY)

    def generated(self):
        path = self.work / "generated.csv"
        if not path.exists():
            command = [self.txp, "generate", "--rows", str(ROWS), "--seed", str(SEED), "--out", path]
            subprocess.run(command, check=True, capture_output=True)
        return path.read_bytes()


def whole(report, stage, stack, name, mischief=None, exact=True):
    """The large file, and the two whose findings are the same in any order."""
    with runs.Run(report, stack, stage.host(f"embedded-{name}"), name, mischief) as run:
        run.send("large.csv", stage.generated())
        for number, data in enumerate(files.judged(SEED)):
            run.send(f"judged-{number}.csv", data)
        runs.hold_to_embedded(run, ordered_free=[1, 2], exact=exact)


def clean(report, stage):
    stack = stage.stack("clean")
    whole(report, stage, stack, "clean")
    forbidden.run(report, stack)


def faulty(report, stage):
    with faults(stage.faults_python, stage.emulator.url, stage.work, SEED) as chain:
        stack = stage.stack("faulty", chain.url)
        mischief = Mischief(stage.emulator, SEED)
        whole(report, stage, stack, "faulty", mischief, exact=False)
        print(f"   on the way to the functions: {mischief.counts}")
        print(f"   failed in part: {chain.proxied()['failed']}")
        fired = chain.fired()
        for name, count in sorted(fired.items()):
            print(f"   {count:>5} {name}")
        report.check("faults fired of every kind", len(fired) >= 10, fired)
        report.check("mischief of every kind", all(mischief.counts.values()), mischief.counts)


def bad(report, stage):
    bad_input.run(report, stage.stack("bad"), stage.host("embedded-bad"))


def logic(report, _stage):
    """The driver itself."""
    suite = unittest.defaultTestLoader.loadTestsFromNames(["cloud.mapping.test_logic", "cloud.mapping.test_poller"])
    outcome = unittest.TextTestRunner(stream=sys.stdout, verbosity=0).run(suite)
    bad_ones = len(outcome.failures) + len(outcome.errors)
    report.passed += outcome.testsRun - bad_ones
    report.failed += bad_ones + len(outcome.skipped)
    forbidden.stars(report, deployed.Names("rules"), permissions)


# What runs where none is named: `bad` and `faulty` take minutes each.
USUAL = ("logic", "small", "clean")
SECTIONS = {"logic": logic, "small": units.run, "clean": clean, "bad": bad, "faulty": faulty}


def main():
    txp, tables, zips, faults_python, work = (Path(argument).absolute() for argument in sys.argv[1:6])
    wanted = sys.argv[6:] or USUAL
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    report = Report()
    stage = Stage(txp, tables, zips, faults_python, work)
    with Emulator(work) as stage.emulator:
        for name in wanted:
            report.section(name, SECTIONS[name], stage)
        stage.keep_logs()
    print(report.last_line())
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
