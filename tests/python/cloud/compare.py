"""The same result: what the cloud holds against what the embedded host answers, transaction by
transaction, event by event, finding by finding.

Aside stand what must differ: upload ids (renamed to the number of the file), positions, times of
arrival, revisions of detection's memory, and what follows from them. Detection's rules that look at
a card's other sales are judged in the order in which sales come, and between buckets there is none
on AWS: `ORDERED_RULES` are compared only where the caller says that order cannot matter.
"""

import json
from collections import Counter
from decimal import Decimal

# What an earlier or later sale of the same card can change.
ORDERED_RULES = {"card_velocity", "amount_deviation"}
ROW_TYPES = {"transaction.accepted", "transaction.disputed", "row.rejected"}
FLAG_TYPE = "anomaly.flagged"


class Uploads:
    """Names uploads by their number, so that the ids of two hosts are the same."""

    def __init__(self, ids):
        self._numbers = {upload_id: f"upload-{number}" for number, upload_id in enumerate(ids)}

    def event(self, event_id):
        """`{upload}:{record}` with the upload's number; what stands behind stays."""
        upload, _, rest = event_id.partition(":")
        return f"{self._numbers.get(upload, 'unknown')}:{rest}"

    def of(self, upload_id):
        return self._numbers.get(upload_id, "unknown")

    def __contains__(self, upload_id):
        return upload_id in self._numbers


def rules_of_finding(event):
    return frozenset(hit["rule"] for hit in event["data"]["hits"])


def findings(events, uploads, with_ordered):
    """Event of the row -> the rules that hit; without the ordered rules a finding may be empty and is left out."""
    found = {}
    for event in events:
        if event["type"] != FLAG_TYPE:
            continue
        rules = rules_of_finding(event)
        if not with_ordered:
            rules -= ORDERED_RULES
        if rules:
            key = uploads.event(event["data"]["event_id"]), event["data"]["facts_revision"]
            found[key] = sorted(rules | set(found.get(key, [])))
    return found


def row_events(events, uploads):
    """Event id -> type and data. Rows without a time of their own have the upload's."""
    rows = {}
    for event in events:
        if event["type"] in ROW_TYPES and event["id"].partition(":")[0] in uploads:
            data = dict(event["data"])
            if data.get("time_source") == "upload":
                data.pop("timestamp")
            # A row without usable ids is about its place in the upload.
            subject = "" if event["subject"].partition("/")[0] in uploads else event["subject"]
            rows[uploads.event(event["id"])] = (event["type"], subject, data)
    return rows


def sums(events):
    """Amounts accepted per currency, of events that are each counted once."""
    total = Counter()
    for event in {event["id"]: event for event in events}.values():
        if event["type"] == "transaction.accepted":
            total[event["data"]["currency"]] += Decimal(event["data"]["amount"])
    return total


def _flag_rules(flags_with_rules, with_ordered):
    return sorted({rule for rule in flags_with_rules if with_ordered or rule not in ORDERED_RULES})


def of_item(item, uploads, rules_by_finding, with_ordered):
    """An item of the table as facts. `rules_by_finding`: the finding's text of a flag -> its rules."""
    facts = {
        "amount": Decimal(item["amount"]) if "amount" in item else None,
        "currency": item.get("currency"),
        "type": item.get("type"),
        "card_last4": item.get("card_last4"),
        "brand": item.get("brand"),
        "time_source": item.get("time_source"),
        "timestamp": item.get("timestamp") if item.get("time_source") == "file" else None,
        "original": item.get("original_transaction_id"),
        "terminal_id": item.get("terminal_id"),
        "country": item.get("country"),
        "mcc": item.get("mcc"),
        "row": int(item["row"]) if "row" in item else None,
        "line": int(item["line"]) if "line" in item else None,
        "upload": uploads.of(item["upload_id"]) if "upload_id" in item else None,
        "disputes": len(item.get("disputes", [])),
        "conflicts": len(item.get("conflicts", [])),
        "is_rejected": "rejection" in item,
        "history": [
            (entry["type"], uploads.event(entry["id"]), entry.get("class"))
            for entry in item.get("history", [])
            if entry["type"] != FLAG_TYPE
        ],
        "facts_revision": int(item["facts_revision"]),
        "writer": item["writer"],
    }
    rules = [rule for flag in item.get("flags", []) for rule in rules_by_finding(flag)]
    facts["flags"] = _flag_rules(rules, with_ordered)
    facts["status"] = _status(item["status"], facts["flags"], rules)
    return facts


def of_document(document, uploads, with_ordered):
    """A document of GET /status as the same facts."""
    rules = [flag["rule"] for flag in document["flags"]]
    known = _flag_rules(rules, with_ordered)
    return {
        "amount": Decimal(document["amount"]) if document.get("amount") is not None else None,
        "currency": document.get("currency"),
        "type": document.get("type"),
        "card_last4": document.get("card_last4"),
        "brand": document.get("brand"),
        "time_source": document.get("time_source"),
        "timestamp": document.get("timestamp") if document.get("time_source") == "file" else None,
        "original": document.get("original_transaction_id"),
        "terminal_id": document.get("terminal_id"),
        "country": document.get("country"),
        "mcc": document.get("mcc"),
        "row": document.get("row"),
        "line": document.get("line"),
        "upload": uploads.of(document["upload_id"]) if document.get("upload_id") else None,
        "disputes": len(document["disputes"]),
        "conflicts": document["conflicts"],
        "is_rejected": document["rejection"] is not None,
        "history": [
            (entry["type"], uploads.event(entry["id"]), entry.get("class"))
            for entry in document["history"]
            if entry["type"] != FLAG_TYPE
        ],
        "facts_revision": document["facts_revision"],
        "writer": document["writer"],
        "flags": known,
        "status": _status(document["status"], known, rules),
    }


def _status(status, compared_rules, all_rules):
    """A transaction that only an ordered rule flagged counts as if none had."""
    return "validated" if status == "flagged" and all_rules and not compared_rules else status


def whole_document(document, uploads):
    """A document without what must differ."""
    text = json.loads(json.dumps(document))
    # The embedded host's reader is another client than the one that sent the file, and is not told its name.
    for name in ("as_of", "revision", "source_file"):
        text.pop(name, None)
    if text.get("upload_id"):
        text["upload_id"] = uploads.of(text["upload_id"])
    if text.get("time_source") == "upload":
        text.pop("timestamp", None)
    if text["rejection"]:
        text["rejection"]["upload_id"] = uploads.of(text["rejection"].get("upload_id"))
    text["disputes"] = sorted(uploads.event(dispute) for dispute in text["disputes"])
    for flag in text["flags"]:
        flag["finding_id"] = uploads.event(flag["finding_id"])
    text["history"] = [{**entry, "id": uploads.event(entry["id"]), "time": None, "position": None} for entry in text["history"]]
    return text
