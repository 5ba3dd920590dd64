#!/usr/bin/env python3
"""The metrics of `txp backtest` beside scikit-learn's, on generated sales.

  metrics.py TXP FOLDER

Sales of some hundred cards over five weeks are generated with a seed, processed, and tried against
rules; the scores that txp writes and the labels that it was given are all that is shared. Which sales
are measured, the ranking metrics and the card precision are worked out again here, in the way of
the Fraud Detection Handbook, ties by many orders. The last line counts what passed and failed.
"""
import csv
import datetime
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys

import numpy as np
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

START = datetime.datetime(2025, 10, 1, tzinfo=datetime.timezone.utc)
DAYS, CARDS, SALES_A_DAY, SEED = 35, 400, 700, 20251001
TOP = 100
CASES = [
    # train_start (days after the first), train, delay, test; None: txp's own choice
    (None, None, None, None),
    (0, 7, 7, 7),
    (3, 5, 2, 12),
    (0, 0, 0, DAYS),
]
RULES = {
    "version": "metrics-1",
    "rules": [
        {"id": "high", "kind": "amount_high", "thresholds": {"USD": 30000}},
        {"id": "often", "kind": "card_velocity", "velocity": {"count": 3, "window_seconds": 43200}},
        {"id": "odd", "kind": "amount_deviation", "deviation": {"times": 3, "after": 4}},
    ],
}


def check_digit(digits):
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def generate(folder):
    rng = random.Random(SEED)
    cards = []
    for number in range(CARDS):
        digits = "411111" + f"{number:09}"
        cards.append(digits + check_digit(digits))
    sales = []
    stolen = {}
    for day in range(DAYS):
        for card in list(stolen):
            stolen[card] -= 1
            if stolen[card] < 0:
                del stolen[card]
        if day % 2 == 0:
            stolen.setdefault(rng.randrange(CARDS), 3)
        for _ in range(SALES_A_DAY):
            card = rng.randrange(CARDS) if rng.random() < 0.97 or not stolen else rng.choice(list(stolen))
            fraud = card in stolen and rng.random() < 0.7
            cents = int(rng.lognormvariate(8.2 + (1.4 if fraud else 0), 0.7))
            at = START + datetime.timedelta(days=day, seconds=rng.randrange(86400))
            sales.append((at, card, cents, fraud))
    sales.sort()
    rows = []
    with open(folder / "sales.csv", "w", newline="") as out, open(folder / "labels.csv", "w", newline="") as known:
        table, labels = csv.writer(out), csv.writer(known)
        table.writerow(["transaction_id", "timestamp", "amount", "merchant_id", "card_number"])
        labels.writerow(["transaction_id", "fraud", "scenario"])
        for number, (at, card, cents, fraud) in enumerate(sales):
            name = f"s{number}"
            table.writerow([name, at.strftime("%Y-%m-%dT%H:%M:%SZ"), f"{cents // 100}.{cents % 100:02}", f"m{card % 7}", cards[card]])
            labels.writerow([name, int(fraud), 0])
            rows.append((name, (at - START).days, card, int(fraud), cents, int((at - START).total_seconds())))
    return rows


def measured(rows, train_start, train, delay, test):
    """The sales that the protocol measures: without cards known to be compromised by then."""
    found = []
    for k in range(test):
        known = {card for _, day, card, fraud, *_ in rows if fraud and train_start <= day < train_start + train + k}
        of_day = train_start + train + delay + k
        found += [row for row in rows if row[1] == of_day and row[2] not in known]
    return found


def card_precision(rows, scores, rng):
    caught, by_day = set(), []
    for day in sorted({row[1] for row in rows}):
        cards = {}
        for name, of_day, card, fraud, *_ in rows:
            if of_day == day and card not in caught:
                score, bad = cards.get(card, (-1, 0))
                cards[card] = max(score, scores[name]), max(bad, fraud)
        order = list(cards)
        rng.shuffle(order)
        order.sort(key=lambda card: -cards[card][0])
        hits = [card for card in order[:TOP] if cards[card][1]]
        caught.update(hits)
        by_day.append(len(hits) / TOP)
    return float(np.mean(by_day))


def flagged_by_rules(rows):
    """The rules again, one sale after the other: what they find."""
    high, often, odd = RULES["rules"]
    limit, velocity, deviation = high["thresholds"]["USD"], often["velocity"], odd["deviation"]
    past, found = {}, set()
    for name, _, card, _, cents, at in rows:
        sales = past.setdefault(card, [])
        amounts = [amount for _, amount in sales]
        recent = sum(at - velocity["window_seconds"] <= then for then, _ in sales[-32:])
        is_odd = len(sales) >= deviation["after"] and cents * len(sales) > deviation["times"] * sum(amounts)
        if cents > limit or recent >= velocity["count"] or is_odd:
            found.add(name)
        sales.append((at, cents))
    return found


class Checks:
    passed = failed = 0

    def near(self, what, found, expected, tolerance=1e-9):
        if found is not None and abs(found - expected) <= tolerance:
            self.passed += 1
        else:
            self.failed += 1
            print(f"{what}: {found}, expected {expected}")


def main():
    txp, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows = generate(folder)
    (folder / "rules.json").write_text(json.dumps(RULES))
    environment = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config")}

    def run(*arguments):
        command = [txp, *arguments, "--data-dir", "data", "--json"]
        done = subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE)
        return json.loads(done.stdout)

    run("process", "sales.csv")
    checks, flagged = Checks(), flagged_by_rules(rows)
    for start, train, delay, test in CASES:
        arguments = ["backtest", "--rules", "rules.json", "--labels", "labels.csv", "--scores", "scores.csv"]
        if start is None:
            start, train, delay, test = DAYS - 21, 7, 7, 7
        else:
            first = (START + datetime.timedelta(days=start)).strftime("%Y-%m-%d")
            arguments += ["--train-start", first, "--train-days", str(train)]
            arguments += ["--delay-days", str(delay), "--test-days", str(test)]
        report = run(*arguments)
        metrics = report["metrics"]
        with open(folder / "scores.csv") as scores_file:
            scores = {row["transaction_id"]: float(row["score"]) for row in csv.DictReader(scores_file)}
        name = f"{start}+{train}+{delay}+{test}"
        chosen = measured(rows, start, train, delay, test)
        labels = np.array([row[3] for row in chosen])
        of_rules = np.array([scores[row[0]] for row in chosen])
        checks.near(f"{name} sales", report["judged"]["sales_measured"], len(chosen))
        checks.near(f"{name} lines of scores", len(scores), len(rows))
        checks.near(f"{name} findings", report["findings"], len(flagged))
        checks.near(f"{name} roc_auc", metrics["roc_auc"], roc_auc_score(labels, of_rules))
        checks.near(f"{name} average_precision", metrics["average_precision"], average_precision_score(labels, of_rules))
        found = np.array([int(row[0] in flagged) for row in chosen])
        checks.near(f"{name} precision", metrics["precision"], precision_score(labels, found))
        checks.near(f"{name} recall", metrics["recall"], recall_score(labels, found))
        checks.near(f"{name} f1", metrics["f1"], f1_score(labels, found))
        orders = [card_precision(chosen, scores, random.Random(seed)) for seed in range(40)]
        checks.near(f"{name} card precision", metrics["card_precision_100"], float(np.mean(orders)), 0.002)
        own = [s for c in report["curves"] if c["rule"] == "high" for s in c["settings"] if s["is_own"]]
        high = np.array([int(row[4] > 30000) for row in chosen])
        checks.near(f"{name} precision of one rule", own[0]["precision"], precision_score(labels, high))
        checks.near(f"{name} recall of one rule", own[0]["recall"], recall_score(labels, high))
    print(f"{checks.passed} passed, {checks.failed} failed")
    sys.exit(checks.failed > 0)


if __name__ == "__main__":
    main()
