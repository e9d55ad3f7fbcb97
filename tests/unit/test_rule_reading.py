"""What rules ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jetbridge.domain.rule_reading import comparisons, uses_field
from jetbridge.domain.rules import (
    DEFAULT_RULES,
    AllOf,
    AnyLine,
    AnyOf,
    Comparison,
    EveryLine,
    Forward,
    NoLine,
    Not,
    Operator,
    Rule,
    RuleSet,
    Split,
)

if TYPE_CHECKING:
    from jetbridge.domain.rules import Condition

TAGS = Comparison("customer_tags", Operator.INCLUDES_ANY, ("vip",))
SKU = Comparison("sku", Operator.STARTS_WITH, "PRE-")


def ruled(*rules: Rule) -> RuleSet:
    return RuleSet(2, rules)


@pytest.mark.parametrize(
    "condition",
    [
        TAGS,
        AllOf((SKU, TAGS)),
        AnyOf((SKU, TAGS)),
        Not(TAGS),
        AnyLine(TAGS),
        EveryLine(TAGS),
        NoLine(TAGS),
        Not(AllOf((SKU, AnyOf((SKU, Not(TAGS)))))),
    ],
)
def test_a_field_is_found_wherever_it_stands(condition: Condition) -> None:
    assert uses_field(ruled(Rule("first", (Forward(),)), Rule("second", (Forward(),), condition)), "customer_tags")
    assert TAGS in comparisons(condition)


def test_a_field_is_found_in_what_a_split_sends_now() -> None:
    assert uses_field(ruled(Rule("split", (Forward(), Split(TAGS)))), "customer_tags")


def test_a_rule_that_is_not_active_asks_for_nothing() -> None:
    assert not uses_field(ruled(Rule("off", (Forward(),), TAGS, active=False)), "customer_tags")


def test_rules_that_ask_for_something_else_do_not_ask_for_it() -> None:
    assert not uses_field(ruled(Rule("sku", (Forward(), Split(SKU)), AnyLine(SKU))), "customer_tags")
    assert not uses_field(DEFAULT_RULES, "customer_tags")
    assert not uses_field(None, "customer_tags")
