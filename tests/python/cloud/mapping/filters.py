"""FilterCriteria: which records a function sees. A record that no pattern matches is passed over.

The rules that event patterns have: a field's list is alternatives, fields are all needed, several
patterns are alternatives. Operators: exists, prefix, suffix, anything-but, numeric, equals-ignore-case.
An operator that is not here is an error, so that no test passes on a filter that was not applied.
"""

import json

_ABSENT = object()


class Filters:
    def __init__(self, criteria):
        filters = (criteria or {}).get("Filters") or []
        self._patterns = [json.loads(entry["Pattern"]) for entry in filters]

    def pass_(self, event):
        return not self._patterns or any(_matches(event, pattern) for pattern in self._patterns)


def _matches(event, pattern):
    for key, wanted in pattern.items():
        value = event.get(key, _ABSENT) if isinstance(event, dict) else _ABSENT
        if isinstance(wanted, dict):
            # A pattern inside may ask that something is absent: then an absent parent matches.
            if not _matches({} if value is _ABSENT else value, wanted):
                return False
        elif not any(_is(value, alternative) for alternative in wanted):
            return False
    return True


def _is(value, wanted):
    if not isinstance(wanted, dict):
        if isinstance(value, list):
            return wanted in value
        return type(value) is type(wanted) and value == wanted
    ((operator, operand),) = wanted.items()
    if operator == "exists":
        return operand == (value is not _ABSENT)
    if value is _ABSENT:
        return False
    if operator in ("prefix", "suffix", "equals-ignore-case"):
        if not isinstance(value, str):
            return False
        if operator == "prefix":
            return value.startswith(operand)
        return value.endswith(operand) if operator == "suffix" else value.lower() == operand.lower()
    if operator == "anything-but":
        return value not in (operand if isinstance(operand, list) else [operand])
    if operator == "numeric":
        return _in_range(value, operand)
    raise ValueError(f"this driver knows no filter operator `{operator}`")


def _in_range(value, operand):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    tests = {
        "=": value.__eq__,
        ">": value.__gt__,
        ">=": value.__ge__,
        "<": value.__lt__,
        "<=": value.__le__,
    }
    return all(tests[sign](bound) for sign, bound in zip(operand[::2], operand[1::2]))
