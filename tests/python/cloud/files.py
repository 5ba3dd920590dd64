"""The files that are sent. Card numbers are made here and belong to nobody."""

import csv
import io
import random
from datetime import datetime, timedelta, timezone

HEADER = ["transaction_id", "amount", "merchant_id", "card_number", "timestamp", "currency"]
# What a deviation needs before it judges, and a velocity: the default rules.
DEVIATION_AFTER, VELOCITY_COUNT = 10, 5
# Has many findings of one rule at once.
STORM_MERCHANT = "shop-storm"
STORM_SALES = 12


def card_number(random_):
    """Sixteen digits of an issuer's prefix with a good check digit."""
    digits = [4, 0, 0, 0] + [random_.randrange(10) for _ in range(11)]
    total = 0
    for index, digit in enumerate(reversed(digits)):
        doubled = digit * 2 if index % 2 == 0 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return "".join(map(str, digits)) + str(-total % 10)


def write(rows):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(rows)
    return out.getvalue().encode()


def judged(seed, now=None):
    """Two files, the second to be sent when the first is judged: every finding of the second is the
    same in whatever order its rows come, and all are recent enough to alert.

    The first teaches: sales that no rule minds in any order. The second has one sale per card that a
    rule minds, and resubmissions with another amount."""
    random_ = random.Random(seed)
    now = (now or datetime.now(timezone.utc)).replace(microsecond=0)
    learn, judge = [], []

    def row(rows, name, amount, merchant, card, at):
        rows.append([f"j{seed}-{name}", amount, merchant, card, at.strftime("%Y-%m-%dT%H:%M:%SZ"), "USD"])

    for number in range(6):
        card, merchant = card_number(random_), f"shop-deviation-{number}"
        for sale in range(DEVIATION_AFTER + 1):
            row(learn, f"d{number}-{sale}", "20.00", merchant, card, now - timedelta(hours=40 - 2 * sale))
        row(judge, f"d{number}-x", "900.00", merchant, card, now - timedelta(hours=1))
    for number in range(6):
        card, merchant, start = card_number(random_), f"shop-velocity-{number}", now - timedelta(hours=3)
        for sale in range(VELOCITY_COUNT):
            row(learn, f"v{number}-{sale}", "30.00", merchant, card, start + timedelta(minutes=sale))
        row(judge, f"v{number}-x", "30.00", merchant, card, start + timedelta(minutes=9))
    for number in range(6):
        row(judge, f"h{number}", "15000.00", f"shop-high-{number}", card_number(random_), now - timedelta(hours=2))
        row(judge, f"l{number}", "0.50", f"shop-low-{number}", card_number(random_), now - timedelta(hours=2))
    # One merchant with a storm of the same rule: one alert, the rest in a digest.
    for number in range(STORM_SALES):
        row(judge, f"s{number}", "20000.00", STORM_MERCHANT, card_number(random_), now - timedelta(hours=2))
    for number in range(6):
        name, merchant, card = f"c{number}", f"shop-conflict-{number}", card_number(random_)
        row(learn, name, "40.00", merchant, card, now - timedelta(hours=5))
        row(judge, name, "41.00", merchant, card, now - timedelta(hours=5))
    return write(learn), write(judge)


def high(seed):
    """One sale of today that is over everybody's limit."""
    random_ = random.Random(seed)
    at = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return write([[f"h{seed}", "15000.00", "shop-high", card_number(random_), at, "USD"]])


def plain(seed, rows, cards=None):
    """A clean file of as many rows, every transaction new; every card used once, or so many in turn."""
    random_ = random.Random(seed)
    numbers = [card_number(random_) for _ in range(cards or rows)]
    at = datetime.now(timezone.utc) - timedelta(days=30)
    lines = []
    for number in range(rows):
        at += timedelta(seconds=60)
        lines.append(
            [
                f"p{seed}-{number:07}",
                "25.00",
                f"shop-{number % 40:03}",
                numbers[number % len(numbers)],
                at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "USD",
            ]
        )
    return write(lines)
