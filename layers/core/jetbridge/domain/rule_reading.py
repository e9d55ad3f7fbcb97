"""Reads rules without an order: what they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetbridge.domain.rules import AllOf, AnyLine, AnyOf, Comparison, EveryLine, NoLine, Not, Split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetbridge.domain.rules import Condition, Rule, RuleSet


def uses_field(rules: RuleSet | None, name: str) -> bool:
    """Say whether any active rule asks for a field, in its condition or in what a split sends now."""
    return any(each.field == name for rule in (rules.rules if rules else ()) for each in _comparisons_of(rule))


def comparisons(condition: Condition | None) -> Iterator[Comparison]:
    """Give every comparison of a condition, in the order they stand there."""
    match condition:
        case Comparison():
            yield condition
        case AllOf(conditions) | AnyOf(conditions):
            for each in conditions:
                yield from comparisons(each)
        case Not(inner) | AnyLine(inner) | EveryLine(inner) | NoLine(inner):
            yield from comparisons(inner)
        case None:
            pass


def _comparisons_of(rule: Rule) -> Iterator[Comparison]:
    if rule.active:
        yield from comparisons(rule.when)
        for action in rule.then:
            if isinstance(action, Split):
                yield from comparisons(action.now)
