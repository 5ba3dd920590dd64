"""Looks for card numbers that went in, in any spelling of digits, blanks and dashes."""

import csv
import re

DIGITS_MIN, DIGITS_MAX = 12, 19
_GROUPS = re.compile(rf"\d(?:[ \u00a0.\-]?\d){{{DIGITS_MIN - 1},}}")
_NO_DIGIT = re.compile(r"\D")


def card_numbers(csv_text):
    """Every card number of a file whose header names the column; bad ones too, if long enough."""
    planted = set()
    for row in csv.DictReader(csv_text.splitlines()):
        number = _NO_DIGIT.sub("", row.get("card_number") or "")
        if DIGITS_MIN <= len(number) <= DIGITS_MAX:
            planted.add(number)
    return planted


def found_in(text, planted):
    """The last four digits of each planted number that occurs."""
    found = set()
    for match in _GROUPS.finditer(text):
        digits = _NO_DIGIT.sub("", match.group())
        for length in range(DIGITS_MIN, DIGITS_MAX + 1):
            for start in range(len(digits) - length + 1):
                if digits[start : start + length] in planted:
                    found.add(digits[start : start + length][-4:])
    return found
