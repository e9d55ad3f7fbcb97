"""Which orders go to Jetpack: an ordered, versioned list of rules, evaluated without side effects."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jetbridge.domain.order import Order


class Outcome(StrEnum):
    """What the rules decide about an order."""

    FORWARD = "forward"
    EXCLUDE = "exclude"
    HOLD = "hold"
    NO_RULE_MATCHED = "no_rule_matched"


class Trigger(StrEnum):
    """What sets a rule off."""

    ORDER_IMPORTED = "order_imported"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. A rule without conditions matches every order its trigger names."""

    name: str
    outcome: Outcome
    trigger: Trigger = Trigger.ORDER_IMPORTED
    active: bool = True
    stop: bool = False


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules of a store in their order. Later rules override earlier ones until a stop."""

    version: int
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """What one rule did to one order."""

    rule: str
    matched: bool
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision of a rule set about an order, with the reason for every rule (invariant 6)."""

    outcome: Outcome
    rule: str
    version: int
    trace: tuple[RuleTrace, ...]


DEFAULT_RULES = RuleSet(1, (Rule("Order is imported from Shopify → forward to Jetpack", Outcome.FORWARD),))
"""What a new store starts with: the documented automation rule."""


def evaluate(rules: RuleSet, _order: Order) -> Verdict:
    """Decide about one order. Pure, total, and the same for live orders, dry runs and replays."""
    outcome, decided_by, trace = Outcome.NO_RULE_MATCHED, "", []
    for rule in rules.rules:
        if not rule.active:
            trace.append(RuleTrace(rule.name, matched=False, why="not active"))
            continue
        outcome, decided_by = rule.outcome, rule.name
        trace.append(RuleTrace(rule.name, matched=True, why="no conditions: matches every imported order"))
        if rule.stop:
            break
    return Verdict(outcome, decided_by, rules.version, tuple(trace))
