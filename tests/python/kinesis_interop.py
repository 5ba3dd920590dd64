"""Holds aggregated Kinesis records to the packages aws-kinesis-agg of Python and of Node.js: they
read ours, we read what they wrote.

usage: kinesis_interop.py AGGREGATES WORK_DIR

AGGREGATES is the built example `aggregates` of txp-aws; NODE_PATH is where Node's package is. Each check is a function below; the last
line is `N passed, M failed`.
"""

import base64
import hashlib
import random
import shutil
import subprocess
import sys
import traceback
from collections import defaultdict
from pathlib import Path

import aws_kinesis_agg
from aws_kinesis_agg.aggregator import RecordAggregator
from aws_kinesis_agg.deaggregator import deaggregate_records
from google.protobuf.message import DecodeError
from aws_kinesis_agg import messages_pb2  # found by a path that the modules above set

SEED = 20261122
USER_RECORDS = 20_000
AGGREGATE_BYTES_MAX = 5_000
BUCKET_BITS_BELOW = 120
MEBIBYTE = 1 << 20


def md5_number(key: str) -> int:
    return int.from_bytes(hashlib.md5(key.encode()).digest())


def bucket_of(key: str) -> int:
    return md5_number(key) >> BUCKET_BITS_BELOW


def sealed(message: bytes) -> bytes:
    return aws_kinesis_agg.MAGIC + message + hashlib.md5(message).digest()


def as_lambda_record(key: str, data: bytes) -> dict:
    return {"kinesis": {
        "kinesisSchemaVersion": "1.0", "sequenceNumber": "1", "approximateArrivalTimestamp": 1.0,
        "partitionKey": key, "data": base64.b64encode(data),
    }}


def by_files(program: list[str], work: Path, command: str, lines: list[str]) -> list[list[str]]:
    given, made = work / f"{command}.in", work / f"{command}.out"
    given.write_text("".join(f"{line}\n" for line in lines))
    subprocess.run([*program, command, str(given), str(made)], check=True)
    return [line.split("\t") for line in made.read_text().splitlines()]


class Ours:
    """The example."""

    def __init__(self, program: str, work: Path):
        self.program, self.work = program, work

    def run(self, command: str, lines: list[str]) -> list[list[str]]:
        return by_files([self.program], self.work, command, lines)

    def node(self, command: str, lines: list[str]) -> list[list[str]]:
        return by_files(["node", "tests/node/kinesis_agg.js"], self.work, command, lines)

    def write(self, records: list[tuple[str, bytes]]) -> list[tuple[str, str, bytes]]:
        rows = self.run("write", [f"{key.encode().hex()}\t{data.hex()}" for key, data in records])
        return [(bytes.fromhex(key).decode(), ehk, bytes.fromhex(data)) for key, ehk, data in rows]

    def read(self, records: list[tuple[str, bytes]]) -> list[list[tuple]]:
        """By Kinesis record: (subsequence, partition key, explicit hash key, bucket, data)."""
        lines = [f"{key.encode().hex()}\t-\t{data.hex()}" for key, data in records]
        read = [[] for _ in records]
        for number, subsequence, key, ehk, bucket, data in self.run("read", lines):
            read[int(number)].append((
                int(subsequence), bytes.fromhex(key).decode(), None if ehk == "-" else ehk,
                int(bucket), bytes.fromhex(data),
            ))
        return read


def user_records(chance: random.Random) -> list[tuple[str, bytes]]:
    records = []
    for number in range(USER_RECORDS):
        key = f"m{chance.randrange(30)}/t{chance.randrange(USER_RECORDS)}"
        if chance.random() < 0.05:
            key = chance.choice(["ruleset", "upload/bcdfgh", "Zürich/\U0001F4B3", "k" * 256])
        size = chance.choice([0, 1, 100, 400, 400, 400, 400, 6_000 if number % 50 == 0 else 127])
        records.append((key, number.to_bytes(4) + chance.randbytes(size)))
    return records


def theirs_reads_ours(ours: Ours, chance: random.Random) -> None:
    sent = user_records(chance)
    expected = defaultdict(list)
    for key, data in sent:
        expected[bucket_of(key)].append((key, data))
    written = ours.write(sent)
    assert len(written) < len(sent) / 5, "they are aggregated"
    found = defaultdict(list)
    for key, ehk, data in written:
        users = deaggregate_records([as_lambda_record(key, data)])
        bucket = int(ehk) >> BUCKET_BITS_BELOW
        assert int(ehk) == bucket << BUCKET_BITS_BELOW
        assert len(data) <= AGGREGATE_BYTES_MAX or len(users) == 1
        assert users[0]["kinesis"]["partitionKey"] == key
        for subsequence, user in enumerate(users):
            user = user["kinesis"]
            assert user["aggregated"] and user["subSequenceNumber"] == subsequence
            assert user["explicitHashKey"] == ehk
            found[bucket].append((user["partitionKey"], base64.b64decode(user["data"])))
    assert found == expected


def ours_is_canonical_protobuf(ours: Ours, chance: random.Random) -> None:
    for _, _, data in ours.write(user_records(chance)):
        message = data[len(aws_kinesis_agg.MAGIC):-aws_kinesis_agg.DIGEST_SIZE]
        parsed = messages_pb2.AggregatedRecord()
        parsed.ParseFromString(message)
        parsed.DiscardUnknownFields()
        assert parsed.SerializeToString() == message


def ours_equals_theirs_byte_for_byte(ours: Ours, chance: random.Random) -> None:
    """Where no partition key comes twice both have one way only to write it."""
    by_bucket = defaultdict(list)
    for number in range(2_000):
        key = f"m/t{number}"
        by_bucket[bucket_of(key)].append((key, chance.randbytes(chance.randrange(200))))
    for bucket, records in by_bucket.items():
        theirs = RecordAggregator()
        for key, data in records:
            theirs.add_user_record(key, data, str(bucket << BUCKET_BITS_BELOW))
        assert [theirs.clear_and_get().get_contents()] == ours.write(records)


def ours_reads_theirs(ours: Ours, chance: random.Random) -> None:
    for with_hash_keys in (True, False):
        theirs, written, expected, users = RecordAggregator(20_000), [], [], []
        for key, data in user_records(chance)[:5_000]:
            ehk = str(chance.getrandbits(128)) if with_hash_keys else None
            full = theirs.add_user_record(key, data, ehk)
            if full:
                written.append(full)
                expected.append(users)
                users = []
            point = int(ehk) if with_hash_keys else md5_number(key)
            users.append((len(users), key, ehk, point >> BUCKET_BITS_BELOW, data))
        written.append(theirs.clear_and_get())
        expected.append(users)
        contents = [record.get_contents() for record in written]
        assert len(contents) > 10
        assert ours.read([(key, data) for key, _, data in contents]) == expected


def ours_reads_what_the_format_allows(ours: Ours, _: random.Random) -> None:
    """Tags, a record without an explicit hash key among others with one, fields of a later version."""
    message = messages_pb2.AggregatedRecord(
        partition_key_table=["a", "b"], explicit_hash_key_table=["0", str((1 << 128) - 1)],
    )
    tagged = message.records.add(partition_key_index=1, explicit_hash_key_index=1, data=b"tagged")
    tagged.tags.add(key="trace", value="1")
    tagged.tags.add(key="bare")
    message.records.add(partition_key_index=0, data=b"without")
    later = b"\xa0\x06\x05" + b"\xaa\x06\x02hi"
    read = ours.read([("outside", sealed(message.SerializeToString() + later))])
    assert read == [[
        (0, "b", str((1 << 128) - 1), 255, b"tagged"),
        (1, "a", None, bucket_of("a"), b"without"),
    ]]


def both_hand_on_what_is_no_aggregate(ours: Ours, chance: random.Random) -> None:
    message = messages_pb2.AggregatedRecord(partition_key_table=["k"])
    message.records.add(partition_key_index=0, data=b"x" * 100)
    whole = sealed(message.SerializeToString())
    wrong_digest = whole[:-1] + bytes([whole[-1] ^ 1])
    cases = [
        b"", b"{}", aws_kinesis_agg.MAGIC, wrong_digest, whole[:50], whole[1:],
        sealed(b""), sealed(b"\xff\xff"), sealed(message.SerializeToString()[:-5]),
        chance.randbytes(1_000), aws_kinesis_agg.MAGIC + chance.randbytes(1_000),
        chance.randbytes(MEBIBYTE), b"\0" * MEBIBYTE,
    ]
    records = [("outside", data) for data in cases]
    for data, read in zip(cases, ours.read(records)):
        assert read == [(0, "outside", None, bucket_of("outside"), data)], data[:40]
    for record in [as_lambda_record(*record) for record in records]:
        assert deaggregate_records([record]) == [record]


def theirs_differs(data: bytes) -> bool:
    """Where ours hands the whole on, theirs drops records (an index outside its table) or gives a key
    that is no text. And it takes the first key where a record names none: of the partition keys,
    which ours refuses as the client library does, and of the explicit hash keys."""
    parsed = messages_pb2.AggregatedRecord()
    try:
        parsed.ParseFromString(data[len(aws_kinesis_agg.MAGIC):-aws_kinesis_agg.DIGEST_SIZE])
    except DecodeError:
        return False
    keys = parsed.partition_key_table
    if not parsed.IsInitialized() or parsed.explicit_hash_key_table:
        return True
    if not all(isinstance(key, str) for key in keys):
        return True
    return any(
        record.partition_key_index >= len(keys) or record.HasField("explicit_hash_key_index")
        for record in parsed.records
    )


def both_read_damaged_aggregates_alike(ours: Ours, chance: random.Random) -> None:
    """Any byte of the message changed and the MD5 right again."""
    message = messages_pb2.AggregatedRecord(partition_key_table=["key", "other"])
    for number in range(5):
        message.records.add(partition_key_index=number % 2, data=bytes([number]) * 20)
    body = message.SerializeToString()
    damaged = []
    while len(damaged) < 3_000:
        changed = bytearray(body)
        changed[chance.randrange(len(body))] = chance.randrange(256)
        data = sealed(bytes(changed))
        if not theirs_differs(data):
            damaged.append(("outside", data))
    for (key, data), ours_read in zip(damaged, ours.read(damaged)):
        users = [user["kinesis"] for user in deaggregate_records([as_lambda_record(key, data)])]
        theirs_read = [
            (user.get("subSequenceNumber", 0), user["partitionKey"], base64.b64decode(user["data"]))
            for user in users
        ]
        assert [(read[0], read[1], read[4]) for read in ours_read] == theirs_read, data.hex()


def node_reads_ours(ours: Ours, chance: random.Random) -> None:
    sent = user_records(chance)
    expected = defaultdict(list)
    for key, data in sent:
        expected[bucket_of(key)].append((key, data))
    written = ours.write(sent)
    found = defaultdict(list)
    last = (-1, -1)
    lines = [f"{key.encode().hex()}\t{ehk}\t{data.hex()}" for key, ehk, data in written]
    for number, subsequence, key, ehk, data in ours.node("read", lines):
        at = int(number), int(subsequence)
        assert at == (last[0], last[1] + 1) or at == (last[0] + 1, 0)
        last = at
        assert ehk == written[int(number)][1]
        found[int(ehk) >> BUCKET_BITS_BELOW].append((bytes.fromhex(key).decode(), bytes.fromhex(data)))
    assert found == expected


def ours_reads_node(ours: Ours, chance: random.Random) -> None:
    for with_hash_keys in (True, False):
        lines, expected = [], []
        for key, data in user_records(chance)[:5_000]:
            ehk = str(chance.getrandbits(128)) if with_hash_keys else None
            point = int(ehk) if with_hash_keys else md5_number(key)
            lines.append(f"{key.encode().hex()}\t{ehk or '-'}\t{data.hex()}")
            expected.append((key, ehk, point >> BUCKET_BITS_BELOW, data))
        written = ours.node("write", lines)
        assert len(written) == 100
        read = ours.read([(bytes.fromhex(key).decode(), bytes.fromhex(data)) for key, _, data in written])
        assert [user[1:] for users in read for user in users] == expected
        assert all([user[0] for user in users] == list(range(50)) for users in read)


CHECKS = [
    theirs_reads_ours,
    ours_is_canonical_protobuf,
    ours_equals_theirs_byte_for_byte,
    ours_reads_theirs,
    ours_reads_what_the_format_allows,
    both_hand_on_what_is_no_aggregate,
    both_read_damaged_aggregates_alike,
    node_reads_ours,
    ours_reads_node,
]


def main() -> int:
    program, work = sys.argv[1], Path(sys.argv[2])
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    ours, failed = Ours(program, work), 0
    for check in CHECKS:
        try:
            check(ours, random.Random(SEED))
            print(f"ok      {check.__name__}")
        except Exception:
            failed += 1
            traceback.print_exc()
            print(f"FAILED  {check.__name__} (seed {SEED})")
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
