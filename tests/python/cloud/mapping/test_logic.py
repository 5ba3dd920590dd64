"""Batches, deliveries and filters, without threads and clocks."""

import json
import unittest

from .batches import Batches
from .delivery import Delivery, Failed, FailedFrom, Taken, Throttled, judge
from .filters import Filters
from .sources import Record


def records(count, size=10, arrival=0.0):
    return [Record(str(number), f"key-{number}", arrival, size, {"n": number}) for number in range(count)]


def names(batch):
    return [record.sequence for record in batch]


class BatchesTest(unittest.TestCase):
    def test_a_full_batch_goes_at_once_and_a_part_after_the_window(self):
        batches = Batches(size=3, window_seconds=5)
        batches.add(records(4), now=100)
        self.assertEqual(names(batches.take(100)), ["0", "1", "2"])
        self.assertIsNone(batches.take(104.9))
        self.assertEqual(names(batches.take(105)), ["3"])
        self.assertIsNone(batches.take(200))

    def test_the_window_starts_with_the_first_record(self):
        batches = Batches(size=10, window_seconds=5)
        batches.add(records(1), now=100)
        batches.add(records(1), now=104)
        self.assertEqual(len(batches.take(105)), 2)

    def test_without_a_window_and_in_a_hurry_nothing_waits(self):
        batches = Batches(size=10, window_seconds=0)
        batches.add(records(2), now=100)
        self.assertEqual(len(batches.take(100)), 2)
        batches = Batches(size=10, window_seconds=60)
        batches.add(records(2), now=100)
        self.assertEqual(len(batches.take(100, hurry=True)), 2)

    def test_a_batch_stays_under_the_payload_limit_and_one_record_always_goes(self):
        batches = Batches(size=10, window_seconds=60, bytes_max=25)
        batches.add(records(3, size=10) + records(1, size=99), now=0)
        self.assertEqual([len(batches.take(0)) for _ in range(2)], [2, 1])
        self.assertEqual(len(batches.take(60)), 1)


class DeliveryTest(unittest.TestCase):
    def run_delivery(self, delivery, outcomes, now=0):
        """What was sent, each as the sequence numbers, while outcomes last; then the function takes all."""
        sent = []
        while (part := delivery.next(now)) is not None:
            sent.append((names(part[0]), part[1]))
            delivery.answered(outcomes.pop(0) if outcomes else Taken())
        return sent

    def test_a_batch_that_is_taken_is_sent_once(self):
        self.assertEqual(self.run_delivery(Delivery(records(2)), []), [(["0", "1"], 0)])

    def test_a_failed_batch_is_sent_again_whole(self):
        sent = self.run_delivery(Delivery(records(2)), [Failed("x"), Failed("x")])
        self.assertEqual(sent, [(["0", "1"], 0), (["0", "1"], 1), (["0", "1"], 2)])

    def test_bisecting_sends_halves_in_order_and_counts_no_retry(self):
        sent = self.run_delivery(Delivery(records(4), bisect=True), [Failed("x"), Failed("x")])
        self.assertEqual(sent, [(["0", "1", "2", "3"], 0), (["0", "1"], 0), (["0"], 0), (["1"], 0), (["2", "3"], 0)])

    def test_the_lowest_failed_record_is_where_it_goes_on(self):
        sent = self.run_delivery(Delivery(records(4)), [FailedFrom(2), FailedFrom(0)])
        self.assertEqual(sent, [(["0", "1", "2", "3"], 0), (["2", "3"], 0), (["2", "3"], 1)])

    def test_no_progress_bisects(self):
        sent = self.run_delivery(Delivery(records(2), bisect=True), [FailedFrom(0), FailedFrom(0)])
        self.assertEqual(sent, [(["0", "1"], 0), (["0"], 0), (["0"], 1), (["1"], 0)])

    def test_retries_have_an_end(self):
        delivery = Delivery(records(1), retries_max=2)
        sent = self.run_delivery(delivery, [Failed("x")] * 10)
        self.assertEqual(len(sent), 3)
        self.assertEqual(names(delivery.given_up), ["0"])

    def test_a_poison_record_alone_is_given_up(self):
        delivery = Delivery(records(4), retries_max=1, bisect=True)
        taken = []
        while (part := delivery.next(0)) is not None:
            batch = names(part[0])
            if "2" in batch:
                delivery.answered(Failed("poison"))
            else:
                taken += batch
                delivery.answered(Taken())
        self.assertEqual((taken, names(delivery.given_up)), (["0", "1", "3"], ["2"]))

    def test_records_grow_too_old(self):
        delivery = Delivery(records(1, arrival=0) + records(1, arrival=90), age_max_seconds=60)
        self.assertEqual(self.run_delivery(delivery, [], now=100), [(["0"], 0)])
        self.assertEqual(len(delivery.given_up), 1)

    def test_a_throttle_counts_as_nothing(self):
        delivery = Delivery(records(2), retries_max=0, bisect=True)
        sent = self.run_delivery(delivery, [Throttled(), Throttled()])
        self.assertEqual(sent, [(["0", "1"], 0)] * 3)
        self.assertEqual(delivery.given_up, [])


class JudgeTest(unittest.TestCase):
    def test_what_answers_mean(self):
        def failures(*ids):
            return json.dumps({"batchItemFailures": [{"itemIdentifier": name} for name in ids]})

        for payload, expected in [
            ("null", Taken()),
            ("{}", Taken()),
            (failures(), Taken()),
            ('{"batchItemFailures":null}', Taken()),
            (failures("2"), FailedFrom(2)),
            (failures("3", "1"), FailedFrom(1)),
            (failures("1", "9"), Failed),
            (failures(""), Failed),
            ('{"batchItemFailures":[{}]}', Failed),
            ('{"batchItemFailures":[3]}', Failed),
            ("[1]", Failed),
            ("no json", Failed),
        ]:
            outcome = judge(payload.encode(), records(4), reports_failures=True)
            if expected is Failed:
                self.assertIsInstance(outcome, Failed, payload)
            else:
                self.assertEqual(outcome, expected, payload)
        self.assertEqual(judge(failures("2"), records(4), reports_failures=False), Taken())


class FiltersTest(unittest.TestCase):
    LIVE = {"dynamodb": {"NewImage": {"writer": {"S": ["live"]}}}}

    def passes(self, pattern, event):
        return Filters({"Filters": [{"Pattern": json.dumps(pattern)}]}).pass_(event)

    def image(self, writer):
        return {"eventName": "INSERT", "dynamodb": {"NewImage": {"writer": {"S": writer}}}}

    def test_live_writers_only(self):
        self.assertTrue(self.passes(self.LIVE, self.image("live")))
        self.assertFalse(self.passes(self.LIVE, self.image("replay:x")))
        self.assertFalse(self.passes(self.LIVE, {"dynamodb": {"OldImage": {"writer": {"S": "live"}}}}))
        self.assertFalse(self.passes(self.LIVE, {"dynamodb": {"NewImage": {}}}))

    def test_no_criteria_pass_everything_and_several_are_alternatives(self):
        self.assertTrue(Filters(None).pass_({}))
        either = Filters({"Filters": [{"Pattern": '{"a":[1]}'}, {"Pattern": '{"b":[2]}'}]})
        self.assertEqual([either.pass_(event) for event in ({"a": 1}, {"b": 2}, {"a": 2})], [True, True, False])

    def test_operators(self):
        for pattern, event, expected in [
            ({"a": [{"exists": True}]}, {"a": 0}, True),
            ({"a": [{"exists": True}]}, {}, False),
            ({"a": [{"exists": False}]}, {}, True),
            ({"a": {"b": [{"exists": False}]}}, {}, True),
            ({"a": [{"prefix": "x"}]}, {"a": "xy"}, True),
            ({"a": [{"suffix": "x"}]}, {"a": "xy"}, False),
            ({"a": [{"anything-but": ["x"]}]}, {"a": "y"}, True),
            ({"a": [{"anything-but": ["x"]}]}, {}, False),
            ({"a": [{"equals-ignore-case": "LIVE"}]}, {"a": "live"}, True),
            ({"a": [{"numeric": [">", 1, "<=", 3]}]}, {"a": 3}, True),
            ({"a": [{"numeric": [">", 1, "<=", 3]}]}, {"a": "2"}, False),
            ({"a": ["1"]}, {"a": 1}, False),
            ({"a": [True]}, {"a": 1}, False),
            ({"a": ["x"]}, {"a": ["x", "y"]}, True),
        ]:
            self.assertEqual(self.passes(pattern, event), expected, (pattern, event))
        with self.assertRaises(ValueError):
            self.passes({"a": [{"wildcard": "*"}]}, {"a": "x"})


if __name__ == "__main__":
    unittest.main()
