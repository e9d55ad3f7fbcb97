"""Conditions and actions of rules in plain words. Only what the rules say is in them, never what an order says."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from jetbridge.domain.rule_fields import FIELDS
from jetbridge.domain.rules import (
    Action,
    AddNote,
    AddTag,
    AllOf,
    AnyLine,
    AnyOf,
    Comparison,
    Condition,
    EveryLine,
    Exclude,
    Forward,
    HoldOrder,
    Money,
    NoLine,
    Not,
    Notify,
    RelativeTime,
    RemoveTag,
    SetLocation,
    SetShipOption,
    Split,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOWN = 5
"""Values of a list that are named; of more, how many there are."""

LONGEST = 60


def comparison_in_words(asked: Comparison) -> str:
    """Say one comparison: `country is one of US, CA`."""
    what = FIELDS[asked.field].label + (f" {_text(asked.key)}" if asked.key else "")
    operator = asked.operator.replace("_", " ")
    words = f"{what} {operator}"
    if asked.value is not None:
        joined = " and " if operator == "between" else ", "
        words += f" {_value(asked.value, joined)}"
    return words + (" (case counts)" if asked.match_case else "")


def condition_in_words(condition: Condition, about: str = "") -> str:  # noqa: PLR0911 - one return a kind of condition
    """Say what a condition is, a tree by its top only: what is below stands in lines of its own.

    Args:
        condition: The condition.
        about: Which lines it speaks of, when it stands inside a condition about lines.
    """
    match condition:
        case Comparison():
            return about + comparison_in_words(condition)
        case AllOf():
            return f"{about}all of these hold"
        case AnyOf():
            return f"{about}at least one of these holds"
        case Not(inner):
            return f"{about}not: {condition_in_words(inner)}"
        case AnyLine(inner):
            return f"at least one line: {condition_in_words(inner)}"
        case EveryLine(inner):
            return f"every line: {condition_in_words(inner)}"
        case NoLine(inner):
            return f"no line: {condition_in_words(inner)}"


def actions_in_words(actions: Iterable[Action]) -> str:
    """Say what a rule does."""
    return ", ".join(map(_action, actions))


def _action(action: Action) -> str:  # noqa: C901, PLR0911 - one return a kind of action
    match action:
        case Forward():
            return "forward"
        case Exclude():
            return "exclude"
        case HoldOrder():
            return "hold" + end_in_words(action)
        case Split():
            return "split" + end_in_words(action)
        case SetShipOption(ship_option):
            return f"ship by {_text(ship_option)}"
        case SetLocation(location):
            return f"ship from {_text(location)}"
        case AddTag(tag):
            return f"add the tag {_text(tag)}"
        case RemoveTag(tag):
            return f"remove the tag {_text(tag)}"
        case AddNote():
            return "add a note"
        case Notify():
            return "notify"


def end_in_words(action: HoldOrder | Split) -> str:
    """Say until when a hold or split lasts; nothing for one without an end."""
    if action.until is not None:
        return f" until {action.until.isoformat()}"
    return f" for {action.for_hours} hours after the order was placed" if action.for_hours is not None else ""


def _value(value: object, joined: str) -> str:  # noqa: PLR0911 - one return a kind of value
    match value:
        case tuple():
            named = joined.join(_value(each, joined) for each in value[:SHOWN])
            return named + (f" and {len(value) - SHOWN} more" if len(value) > SHOWN else "")
        case bool():
            return "yes" if value else "no"
        case Decimal():
            return f"{value.normalize():f}" if value.adjusted() < LONGEST else str(value)
        case Money(amount, currency):
            return f"{amount} {currency}"
        case datetime() | date():
            return value.isoformat()
        case RelativeTime(days, hours):
            return _relative(days, hours)
        case _:
            return _text(str(value))


def _relative(days: int, hours: int) -> str:
    parts = [f"{number:+} {unit}" for number, unit in ((days, "days"), (hours, "hours")) if number]
    return f"now {' '.join(parts)}" if parts else "now"


def _text(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
