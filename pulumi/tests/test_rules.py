"""Every rule holds of what the program asks for, and fails on a program that breaks it."""

import pytest

from .conftest import Record
from .rules import RULES
from .rules.rule import Break, Rule
from .rules.webhooks import WEBHOOKS

CONFIGURATIONS = {
    "as it is": {},
    "another environment": {"env": "pr-17", "bucket_suffix": "acme"},
    "with webhooks": {"webhooks": WEBHOOKS},
    "provisioned": {"stream_mode": "provisioned", "stream_shards": "2"},
}
BREAKS = [
    pytest.param(rule, broken, id=f"{rule.name}: {how}")
    for rule in RULES
    for how, broken in rule.breaks.items()
]


@pytest.mark.parametrize("config", CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_holds(record: Record, rule: Rule, config: dict[str, str]) -> None:
    assert rule.check(record(**{**config, **rule.config})) == []


@pytest.mark.parametrize(("rule", "broken"), BREAKS)
def test_a_rule_finds_what_breaks_it(record: Record, rule: Rule, broken: Break) -> None:
    graph = record(**rule.config)
    broken(graph)
    assert rule.check(graph) != []


def test_every_rule_is_tried() -> None:
    assert [rule.name for rule in RULES if not rule.breaks] == []
    assert len({rule.name for rule in RULES}) == len(RULES)
