"""Which orders go to Jetpack, how, and why not: the language of the rules, as plain values.

A rule set is an ordered, versioned list. A rule that matches does what its `then` says; later rules override earlier
ones until one that stops. `rule_fields` names what can be asked, `rule_evaluation` decides, `rule_review` finds what
is wrong with a draft, and `jetbridge.documents.rules` is the JSON of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum


class Outcome(StrEnum):
    """What the rules decide about an order."""

    FORWARD = "forward"
    EXCLUDE = "exclude"
    HOLD = "hold"
    NO_RULE_MATCHED = "no_rule_matched"


class Trigger(StrEnum):
    """What sets a rule off."""

    ORDER_IMPORTED = "order_imported"


# -- conditions -----------------------------------------------------------------------------------------------------


class Operator(StrEnum):
    """How a field is compared. Which go with which kind of field: `rule_fields`."""

    IS = "is"
    IS_NOT = "is_not"
    IS_ONE_OF = "is_one_of"
    IS_NONE_OF = "is_none_of"
    CONTAINS = "contains"
    CONTAINS_NOT = "contains_not"
    STARTS_WITH = "starts_with"
    STARTS_NOT_WITH = "starts_not_with"
    ENDS_WITH = "ends_with"
    ENDS_NOT_WITH = "ends_not_with"
    IS_BLANK = "is_blank"
    IS_NOT_BLANK = "is_not_blank"
    LESS_THAN = "less_than"
    AT_MOST = "at_most"
    GREATER_THAN = "greater_than"
    AT_LEAST = "at_least"
    BETWEEN = "between"
    BEFORE = "before"
    AFTER = "after"
    ON = "on"
    INCLUDES_ANY = "includes_any"
    INCLUDES_ALL = "includes_all"
    INCLUDES_NONE = "includes_none"


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in one currency. An order in another currency never matches it."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class RelativeTime:
    """A moment as seen from the look: so many days (in the store's time zone) and hours from now, back if negative."""

    days: int = 0
    hours: int = 0


Moment = date | datetime | RelativeTime
Value = (
    None
    | bool
    | str
    | Decimal
    | Money
    | Moment
    | tuple[str, ...]
    | tuple[Decimal, Decimal]
    | tuple[Money, Money]
    | (tuple[Moment, Moment])
)
"""What a field is compared with; which goes with which field and operator is checked when a rule is saved."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field, one operator, one value. Text is compared without case and with folded spaces unless `match_case`."""

    field: str
    operator: Operator
    value: Value = None
    key: str = ""
    """Which one, for fields that are many by name: a custom attribute, a line's property."""
    match_case: bool = False


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every condition holds."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one condition holds."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class AnyLine:
    """At least one line meets the condition, which speaks of lines. A line counts while units of it are left."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class EveryLine:
    """Every line meets the condition, and there is one."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class NoLine:
    """No line meets the condition."""

    condition: Condition


Condition = Comparison | AllOf | AnyOf | Not | AnyLine | EveryLine | NoLine


# -- actions --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Forward:
    """Send the order to Jetpack."""


@dataclass(frozen=True, slots=True)
class Exclude:
    """Leave the order to somebody else."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class HoldOrder:
    """Hold the order: until a moment, for some hours after it was placed, or until the rule changes.

    When the time is over the rule does nothing: what an earlier rule decided stands.
    """

    reason: str = ""
    until: datetime | date | None = None
    for_hours: int | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """Of an order that is forwarded, send the lines that meet the condition now and hold the rest."""

    now: Condition
    reason: str = ""
    until: datetime | date | None = None
    for_hours: int | None = None


@dataclass(frozen=True, slots=True)
class SetShipOption:
    """Ship by this option of Jetpack's, whatever the mapping says."""

    ship_option: str


@dataclass(frozen=True, slots=True)
class SetLocation:
    """Ship from this fulfillment center of Jetpack's (its id)."""

    location: str


@dataclass(frozen=True, slots=True)
class AddTag:
    """Put a tag on the Shopify order."""

    tag: str


@dataclass(frozen=True, slots=True)
class RemoveTag:
    """Take a tag off the Shopify order."""

    tag: str


@dataclass(frozen=True, slots=True)
class AddNote:
    """Add a line to the Shopify order's note, once."""

    note: str


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell the people of the store, once an order and rule."""

    message: str


Action = Forward | Exclude | HoldOrder | Split | SetShipOption | SetLocation | AddTag | RemoveTag | AddNote | Notify


# -- rules ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Without a condition it matches every order its trigger names."""

    name: str
    then: tuple[Action, ...]
    when: Condition | None = None
    trigger: Trigger = Trigger.ORDER_IMPORTED
    active: bool = True
    stop: bool = False


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules of a store in their order."""

    version: int
    rules: tuple[Rule, ...]


DEFAULT_RULES = RuleSet(1, (Rule("Order is imported from Shopify → forward to Jetpack", (Forward(),)),))
"""What a new store starts with: the documented automation rule."""


# -- decisions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConditionTrace:
    """What one condition of a rule said. A tree as the condition is one; what was not looked at is not there."""

    path: str
    """Where it stands in the rule set's JSON: rules[2].when.all[0]."""
    text: str
    """The condition in plain words. Never what the order says: that may be personal."""
    held: bool


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """What one rule did to one order."""

    rule: str
    matched: bool
    why: str
    conditions: tuple[ConditionTrace, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision of a rule set about an order, with the reason for every rule (invariant 6)."""

    outcome: Outcome
    rule: str
    """The rule that decided the outcome; empty when none did."""
    version: int
    reason: str = ""
    """What the deciding rule gives as its reason."""
    until: datetime | None = None
    """When a hold ends by itself; None: not by time."""
    later: frozenset[str] = frozenset()
    """Ids of the lines that a split holds back."""
    later_rule: str = ""
    later_reason: str = ""
    later_until: datetime | None = None
    ship_option: str = ""
    location: str = ""
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    notifications: tuple[str, ...] = ()
    trace: tuple[RuleTrace, ...] = ()
