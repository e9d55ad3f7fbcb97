"""What is wrong with a draft of rules, each with the path to the place and plain words.

An error is a rule that cannot mean what it says; a warning, one that probably does not. Nothing is said that is not
proven (`rule_logic`): a draft that branches too much is not held up. What an inactive rule does wrong is a warning.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from itertools import combinations

from jetbridge.domain.connection import Severity
from jetbridge.domain.rule_fields import FIELDS, OPERATORS, fold, span_of, zone_of
from jetbridge.domain.rule_logic import Logic, well_said
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
    NoLine,
    Not,
    Notify,
    Operator,
    Outcome,
    RemoveTag,
    Rule,
    SetLocation,
    SetShipOption,
    Split,
)
from jetbridge.domain.store import Store

DEEPEST = 40
"""How many conditions may stand inside each other."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing about a draft that its author should know."""

    path: str
    """Where it stands in the rule set's JSON: rules[2].when.all[0]."""
    severity: Severity
    """ERROR: it is not saved like this."""
    text: str


def review(
    rules: tuple[Rule, ...],
    store: Store,
    *,
    offered: Mapping[str, bool] | None,
    locations: Collection[str] | None,
    now: datetime,
) -> list[Remark]:
    """Find what is wrong with a draft of rules. Total: any rules at all, those of an older release, too.

    Args:
        rules: The draft.
        store: Whose rules they are to be.
        offered: Ship option → whether it is active, as Jetpack says; None when Jetpack cannot be asked.
        locations: Ids of the fulfillment centers that may ship for the store; None when Jetpack cannot be asked.
        now: The time.

    Returns:
        What is wrong, in the order of the rules.
    """
    zone = zone_of(store.time_zone)
    found = _Review(rules, offered, locations, now, zone, Logic(zone))
    for index, rule in enumerate(rules):
        found.rule(index, rule)
    found.names()
    found.conditions()
    found.stops()
    found.contradictions()
    found.whole()
    return [remark for _, remark in sorted(found.remarks, key=lambda each: each[0])]


def can_be_saved(remarks: Collection[Remark]) -> bool:
    """Whether nothing that was found is an error."""
    return not any(each.severity is Severity.ERROR for each in remarks)


@dataclass(slots=True)
class _Review:
    """One review under way."""

    rules: tuple[Rule, ...]
    offered: Mapping[str, bool] | None
    locations: Collection[str] | None
    now: datetime
    zone: tzinfo
    logic: Logic
    remarks: list[tuple[int, Remark]] = field(default_factory=list)
    unclear: set[int] = field(default_factory=set)
    """Rules whose condition cannot be judged: something in it is wrong as it stands."""
    dead: set[int] = field(default_factory=set)
    """Rules that never do anything."""
    unchecked: set[str] = field(default_factory=set)
    """What of Jetpack's could not be checked, once said."""

    def say(self, index: int, place: str, text: str, severity: Severity = Severity.ERROR) -> None:
        """Remark on a rule; about one that is switched off nothing is worse than a warning."""
        path = f"rules[{index}]{place}"
        severity = severity if self.rules[index].active else Severity.WARNING
        self.remarks.append((index, Remark(path, severity, text)))

    # -- one rule by itself ---------------------------------------------------------------------------------------

    def rule(self, index: int, rule: Rule) -> None:
        """Look at one rule as it stands."""
        if not rule.name.strip():
            self.say(index, ".name", "The rule has no name: decisions are told by it.")
        if rule.when is not None:
            self.condition(index, ".when", rule.when)
        if not rule.then and not rule.stop:
            self.say(index, ".then", "The rule does nothing.", Severity.WARNING)
        for number, action in enumerate(rule.then):
            self.action(index, f".then[{number}]", action)
        for (one, first), (other, second) in combinations(enumerate(rule.then), 2):
            if clash := _clash(first, second):
                self.say(index, f".then[{other}]", f"{clash} (then[{one}]).")

    def condition(self, index: int, place: str, condition: Condition, *, of_line: bool = False) -> None:
        """Look at a condition as it stands."""
        wrong = [*_wrong(condition, place, of_line=of_line)]
        for path, text in wrong:
            self.say(index, path, text)
        if wrong:
            self.unclear.add(index)
            return
        for path, comparison in _comparisons(condition, place):
            if self.logic.impossible(comparison, of_line=of_line):
                reversed_ends = comparison.operator is Operator.BETWEEN
                text = "The second value comes before the first." if reversed_ends else "Nothing can be like this."
                self.say(index, f"{path}.value", text)
                self.unclear.add(index)

    def action(self, index: int, place: str, action: Action) -> None:
        """Look at one action as it stands."""
        match action:
            case SetShipOption(option):
                self._ship_option(index, f"{place}.ship_option", option)
            case SetLocation(location):
                self._location(index, f"{place}.location", location)
            case AddTag(text) | RemoveTag(text) if not text.strip():
                self.say(index, f"{place}.tag", "The tag is blank.")
            case AddNote(text) if not text.strip():
                self.say(index, f"{place}.note", "The note is blank.")
            case Notify(text) if not text.strip():
                self.say(index, f"{place}.message", "The message is blank.")
            case HoldOrder():
                self._time(index, place, action)
            case Split():
                self._split(index, place, action)
            case _:
                pass

    def _ship_option(self, index: int, place: str, option: str) -> None:
        if not option.strip():
            self.say(index, place, "The ship option is blank.")
        elif self.offered is None:
            self._not_checked(index, place, "ship options")
        elif option not in self.offered:
            named = ", ".join(sorted(text for text, active in self.offered.items() if active)) or "none"
            self.say(index, place, f"Jetpack has no ship option {option!r}. It offers: {named}.")
        elif not self.offered[option]:
            self.say(index, place, f"Jetpack has switched the ship option {option!r} off.")

    def _location(self, index: int, place: str, location: str) -> None:
        if not location.strip():
            self.say(index, place, "The location is blank.")
        elif self.locations is None:
            self._not_checked(index, place, "fulfillment centers")
        elif location not in self.locations:
            named = ", ".join(sorted(self.locations)) or "none"
            self.say(
                index, place, f"No fulfillment center of Jetpack's with the id {location!r} ships for you: {named}."
            )

    def _not_checked(self, index: int, place: str, what: str) -> None:
        if what not in self.unchecked:
            self.unchecked.add(what)
            text = f"Jetpack cannot be asked for its {what} now: whether they exist was not checked."
            self.say(index, place, text, Severity.WARNING)

    def _time(self, index: int, place: str, action: HoldOrder | Split) -> None:
        if action.until is not None and action.for_hours is not None:
            self.say(index, f"{place}.for_hours", "Say either until when or for how many hours, not both.")
        if action.for_hours is not None and action.for_hours <= 0:
            self.say(index, f"{place}.for_hours", "The hours have to be more than none.")
        if action.until is not None and span_of(action.until, self.now, self.zone)[0] <= self.now.timestamp():
            self.say(index, f"{place}.until", "This is over: the action does nothing any more.", Severity.WARNING)

    def _split(self, index: int, place: str, split: Split) -> None:
        self._time(index, place, split)
        wrong = [*_wrong(split.now, f"{place}.now", of_line=True)]
        for path, text in wrong:
            self.say(index, path, text)
        if wrong:
            self.unclear.add(index)
        elif self.logic.impossible(split.now, of_line=True):
            self.say(index, f"{place}.now", "No line can be like this: nothing would be sent now.")
        elif self.logic.certain(split.now, of_line=True):
            self.say(index, f"{place}.now", "Every line is like this: nothing is held back.", Severity.WARNING)

    # -- the rules together ---------------------------------------------------------------------------------------

    def names(self) -> None:
        """Refuse two rules of one name: decisions and notices are told by it."""
        known: dict[str, int] = {}
        for index, rule in enumerate(self.rules):
            first = known.setdefault(fold(rule.name), index)
            if first != index and rule.name.strip():
                self.remarks.append(
                    (index, Remark(f"rules[{index}].name", Severity.ERROR, f"rules[{first}] has this name already."))
                )

    def conditions(self) -> None:
        """Find conditions that no order meets, and those that every order does."""
        for index, rule in enumerate(self.rules):
            if rule.when is None or index in self.unclear:
                continue
            if self.logic.impossible(rule.when):
                self.dead.add(index)
                self.say(index, ".when", "No order can meet this condition: the rule never does anything.")
            elif self.logic.certain(rule.when):
                text = "Every order meets this condition: the rule needs none, or another was meant."
                self.say(index, ".when", text, Severity.WARNING)

    def stops(self) -> None:
        """Find rules that are never reached, because an earlier one always stops before."""
        stopping = [index for index, _ in self._alive() if self._always_stops(index)]
        for index, rule in self._alive():
            for before in stopping:
                if before >= index:
                    break
                if self.logic.implies(rule.when, self.rules[before].when):
                    self.dead.add(index)
                    whom = "every order" if self.rules[before].when is None else "every order that would meet it"
                    text = f"It is never reached: {self._named(before)} stops for {whom}."
                    self.say(index, "", text)
                    break

    def contradictions(self) -> None:
        """Find what a rule says that a later one always says otherwise."""
        alive = self._alive()
        for index, rule in alive:
            if rule.stop:
                continue
            settled = dict[str, tuple[str, int]]()
            for what, (said, number) in _decided(rule).items():
                for later, other in alive:
                    against, _ = _decided(other, for_good=True).get(what, (said, 0))
                    if later > index and against != said and self._overridden(index, later):
                        settled[what] = said, number
                        self._contradiction(index, f".then[{number}]", what, later)
                        break

    def _contradiction(self, index: int, place: str, what: str, later: int) -> None:
        if self.logic.implies(self.rules[later].when, self.rules[index].when):
            text = f"{self._named(later)} speaks of the same orders and says otherwise about the {what}."
            self.say(index, place, f"{text} Only the later of the two counts.")
        else:
            text = f"This never counts: {self._named(later)}, later, matches all these orders and says otherwise"
            self.say(index, place, f"{text} about the {what}.", Severity.WARNING)

    def _overridden(self, index: int, later: int) -> bool:
        """Whether the later rule is reached by, and matches, every order that the earlier one matches."""
        when = self.rules[index].when
        return self.logic.implies(when, self.rules[later].when) and all(
            self.logic.exclude_each_other(when, self.rules[between].when) if between not in self.unclear else False
            for between in range(index + 1, later)
            if self.rules[between].stop and self.rules[between].active and between not in self.dead
        )

    def whole(self) -> None:
        """Look at the set as a whole."""
        last = len(self.rules)
        if not any(rule.active for rule in self.rules):
            text = "No rule is active: every order will be held, because no rule matches."
            self.remarks.append((last, Remark("rules", Severity.WARNING, text)))
        elif not any(
            rule.active and index not in self.dead and any(isinstance(each, Forward) for each in rule.then)
            for index, rule in enumerate(self.rules)
        ):
            text = "No active rule forwards orders: all of them will be held or excluded."
            self.remarks.append((last, Remark("rules", Severity.WARNING, text)))

    def _alive(self) -> list[tuple[int, Rule]]:
        """Give the rules that do something, as far as is known, and whose condition can be judged."""
        unfit = self.dead | self.unclear
        return [(index, rule) for index, rule in enumerate(self.rules) if rule.active and index not in unfit]

    def _always_stops(self, index: int) -> bool:
        """Whether the rule stops whenever it matches: one that holds for a time may be over."""
        return self.rules[index].stop and not any(_for_a_time(each) for each in self.rules[index].then)

    def _named(self, index: int) -> str:
        return f"rules[{index}] ({self.rules[index].name})"


# -- conditions as they stand ---------------------------------------------------------------------------------------


def _inside(condition: Condition, place: str) -> list[tuple[str, Condition]]:
    """Give the conditions right inside one, with their places."""
    match condition:
        case Comparison():
            return []
        case AllOf(conditions) | AnyOf(conditions):
            name = "all" if isinstance(condition, AllOf) else "any"
            return [(f"{place}.{name}[{number}]", each) for number, each in enumerate(conditions)]
        case Not(inner) | AnyLine(inner) | EveryLine(inner) | NoLine(inner):
            return [(f"{place}.{_NAMES[type(condition)]}", inner)]


_NAMES: Mapping[type[Condition], str] = {
    Not: "not",
    AnyLine: "any_line",
    EveryLine: "every_line",
    NoLine: "no_line",
}


def _comparisons(condition: Condition, place: str) -> Iterator[tuple[str, Comparison]]:
    todo = [(place, condition)]
    while todo:
        here, each = todo.pop(0)
        if isinstance(each, Comparison):
            yield here, each
        todo = _inside(each, here) + todo


def _wrong(condition: Condition, place: str, *, of_line: bool, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Find what is wrong with a condition as it stands: (place, text)."""
    if depth > DEEPEST:
        yield place, f"More than {DEEPEST} conditions stand inside each other here."
        return
    match condition:
        case Comparison():
            yield from _wrong_comparison(condition, place, of_line=of_line)
        case AllOf(()) | AnyOf(()):
            yield place, "There is no condition inside."
        case AnyLine() | EveryLine() | NoLine() if of_line:
            yield place, "A line has no lines of its own."
        case AnyLine() | EveryLine() | NoLine():
            of_line = True
        case _:
            pass
    for path, inner in _inside(condition, place):
        yield from _wrong(inner, path, of_line=of_line, depth=depth + 1)


def _wrong_comparison(comparison: Comparison, place: str, *, of_line: bool) -> Iterator[tuple[str, str]]:
    asked = FIELDS.get(comparison.field)
    if asked is None:
        yield f"{place}.field", f"There is no field {comparison.field!r}."
        return
    if asked.of_line and not of_line:
        yield f"{place}.field", f"{asked.name} is about a line: ask it inside any_line, every_line or no_line."
    if of_line and not asked.of_line:
        yield f"{place}.field", f"{asked.name} is about the order: ask it outside of what is said about lines."
    if asked.keyed and not comparison.key.strip():
        yield f"{place}.key", f"{asked.name} is many by name: say which."
    if comparison.operator not in OPERATORS[asked.kind]:
        fitting = ", ".join(OPERATORS[asked.kind])
        yield f"{place}.operator", f"{comparison.operator} does not go with {asked.name}. These do: {fitting}."
    elif not well_said(comparison):
        blank = comparison.value in {None, "", ()} or (
            isinstance(comparison.value, str) and not comparison.value.strip()
        )
        text = "The value is blank." if blank else f"The value does not go with {comparison.operator} and {asked.name}."
        yield f"{place}.value", text


# -- actions --------------------------------------------------------------------------------------------------------


def _for_a_time(action: Action) -> bool:
    """Whether an action is over some day, and does nothing then."""
    return isinstance(action, HoldOrder) and (action.until is not None or action.for_hours is not None)


_OUTCOMES: Mapping[type[Action], Outcome] = {
    Forward: Outcome.FORWARD,
    Exclude: Outcome.EXCLUDE,
    HoldOrder: Outcome.HOLD,
}


def _decided(rule: Rule, *, for_good: bool = False) -> dict[str, tuple[str, int]]:
    """Give what a rule decides, and by which action: only what holds for ever, or all."""
    found: dict[str, tuple[str, int]] = {}
    for number, action in enumerate(rule.then):
        if for_good and _for_a_time(action):
            continue
        match action:
            case Forward() | Exclude() | HoldOrder():
                found["outcome"] = _OUTCOMES[type(action)], number
            case SetShipOption(option):
                found["ship option"] = option, number
            case SetLocation(location):
                found["location"] = location, number
            case _:
                pass
    return found


def _clash(first: Action, second: Action) -> str:
    """Say how two actions of one rule contradict each other; empty when they do not."""
    text = ""
    match first, second:
        case Forward(), HoldOrder() if _for_a_time(second):
            pass  # held first, forwarded when the time is over
        case ((Forward() | Exclude() | HoldOrder()), (Forward() | Exclude() | HoldOrder())):
            text = "The rule has decided already"
        case (Exclude() | HoldOrder(), Split()) | (Split(), Exclude() | HoldOrder()):
            text = "Only an order that is forwarded can be split"
        case Split(), Split():
            text = "The rule splits the order already"
        case SetShipOption(one), SetShipOption(other) if one != other:
            text = f"The rule has set the ship option {one!r} already"
        case SetLocation(one), SetLocation(other) if one != other:
            text = f"The rule has set the location {one!r} already"
        case (AddTag(one), RemoveTag(other)) | (RemoveTag(one), AddTag(other)) if fold(one) == fold(other) != "":
            text = f"The tag {one!r} is both put on and taken off"
        case _:
            pass
    return text
