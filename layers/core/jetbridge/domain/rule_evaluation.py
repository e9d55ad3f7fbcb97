"""Decides about orders by rules: compiled once a version to plain closures.

`decide` asks every rule until one stops, each only as far as it must; `explain` asks every comparison there is, by the
same closures (`rule_conditions`), and lets the rules that match do the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, cached_property, lru_cache
from threading import Lock
from typing import TYPE_CHECKING

from jetbridge.domain.rule_conditions import (
    LINES,
    Facts,
    Mappings,
    Node,
    Places,
    Test,
    every_line,
    node_of,
    some_line,
    with_lines_left,
)
from jetbridge.domain.rule_fields import (
    aware,
    fold,
    zone_of,
)
from jetbridge.domain.rule_words import actions_in_words, condition_in_words
from jetbridge.domain.rules import (
    Action,
    AddNote,
    AddTag,
    AllOf,
    AnyLine,
    AnyOf,
    ConditionTrace,
    EveryLine,
    Exclude,
    Forward,
    HoldOrder,
    NoLine,
    Not,
    Notify,
    Outcome,
    RemoveTag,
    Rule,
    RuleSet,
    RuleTrace,
    SetLocation,
    SetShipOption,
    Split,
    Verdict,
)

if TYPE_CHECKING:
    from jetbridge.domain.order import Order
    from jetbridge.domain.store import Store


# -- rules ------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Draft:
    """A verdict in the making."""

    outcome: Outcome = Outcome.NO_RULE_MATCHED
    rule: str = ""
    reason: str = ""
    until: datetime | None = None
    ship_option: str = ""
    location: str = ""
    split: tuple[Test, str, str, datetime | None] | None = None
    """(which lines go now, the rule, its reason, its end)"""
    tags: dict[str, tuple[str, bool]] = field(default_factory=dict)
    """By folded name: (tag, whether it is added)"""
    notes: dict[str, None] = field(default_factory=dict)
    notifications: dict[str, None] = field(default_factory=dict)


End = Callable[[datetime], datetime | None]
"""When the order was placed → when a hold or split is over; None: not by time."""

Effect = Callable[[_Draft, datetime, datetime], None]
"""(verdict in the making, when the order was placed, now)"""


@dataclass(frozen=True, slots=True)
class _CompiledRule:
    """One rule made ready."""

    index: int
    stop: bool
    node: Node | None
    effects: tuple[Effect, ...]
    end: End | None
    """Of its hold; None for a rule without one."""
    matched: RuleTrace
    over: RuleTrace
    """When its hold is over by now."""


def _always(_: Facts) -> bool:
    return True


def _effect_of(action: Action, rule: str, places: Places) -> Effect:  # noqa: C901, PLR0911 - one case a kind of action
    """Make the closure that does what an action says."""
    match action:
        case Forward():
            return _deciding(Outcome.FORWARD, rule)
        case Exclude(reason):
            return _deciding(Outcome.EXCLUDE, rule, reason)
        case HoldOrder(reason):
            return _holding(rule, reason, _end_of(action, places.zone))
        case Split(condition, reason):
            goes = node_of(condition, places, of_line=True).test
            return _splitting(goes, rule, reason, _end_of(action, places.zone))
        case SetShipOption(ship_option):
            return _setting("ship_option", ship_option)
        case SetLocation(location):
            return _setting("location", location)
        case AddTag(tag):
            return _tagging(tag, added=True)
        case RemoveTag(tag):
            return _tagging(tag, added=False)
        case AddNote(note):
            return _saying("notes", note)
        case Notify(message):
            return _saying("notifications", message)


def _deciding(outcome: Outcome, rule: str, reason: str = "") -> Effect:
    def decide(draft: _Draft, _placed: datetime, _now: datetime) -> None:
        draft.outcome, draft.rule, draft.reason, draft.until = outcome, rule, reason, None

    return decide


def _holding(rule: str, reason: str, end: End) -> Effect:
    def hold(draft: _Draft, placed: datetime, now: datetime) -> None:
        until = end(placed)
        if until is None or until > now:
            draft.outcome, draft.rule, draft.reason, draft.until = Outcome.HOLD, rule, reason, until

    return hold


def _splitting(goes: Test, rule: str, reason: str, end: End) -> Effect:
    def split(draft: _Draft, placed: datetime, now: datetime) -> None:
        until = end(placed)
        if until is None or until > now:
            draft.split = goes, rule, reason, until

    return split


def _setting(name: str, value: str) -> Effect:
    return lambda draft, _placed, _now: setattr(draft, name, value)


def _tagging(tag: str, *, added: bool) -> Effect:
    key = fold(tag)

    def change(draft: _Draft, _placed: datetime, _now: datetime) -> None:
        draft.tags.pop(key, None)  # the later rule has the last word
        draft.tags[key] = (tag, added)

    return change


def _saying(name: str, text: str) -> Effect:
    return lambda draft, _placed, _now: getattr(draft, name).setdefault(text)


def _end_of(action: HoldOrder | Split, zone: tzinfo) -> End:
    if action.until is not None:
        moment = action.until
        if not isinstance(moment, datetime):
            moment = datetime.combine(moment, datetime.min.time(), zone)
        fixed = _in_utc(aware(moment, zone))
        return lambda _placed: fixed
    if action.for_hours is None:
        return lambda _placed: None
    hours = action.for_hours

    def after_placed(placed: datetime) -> datetime | None:
        try:
            return placed + timedelta(hours=hours)
        except OverflowError:
            return None

    return after_placed


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # the first or the last day there is
        return moment.replace(tzinfo=UTC)


class CompiledRules:
    """A rule set made ready. Total: it never raises, whatever the order holds."""

    def __init__(self, rules: RuleSet, store: Store) -> None:
        self.rules = rules
        self._mappings: Mappings = store.ship_options
        self._program = _program(rules, store.time_zone)

    def decide(self, order: Order, now: datetime) -> Verdict:
        """Decide about one order; the trace says of every rule why or why not, without its conditions."""
        order, now = with_lines_left(order), aware(now)
        facts = self._program.places.facts(order, now, self._mappings)
        return self._program.verdict(order, now, facts, self._program.matching(facts))

    def explain(self, order: Order, now: datetime) -> Verdict:
        """Decide the same, and say of every condition whether it held, also of rules that were not reached."""
        order, now = with_lines_left(order), aware(now)
        facts = self._program.places.facts(order, now, self._mappings)
        said = self._program.said(facts)
        verdict = self._program.verdict(order, now, facts, self._program.matching_as(said))
        return replace(verdict, trace=self._program.joined(verdict.trace, said))


class _Program:
    """What a rule set is compiled to, for every store in one time zone."""

    def __init__(self, rules: RuleSet, time_zone: str) -> None:
        self._version = rules.version
        self._names = [rule.name for rule in rules.rules]
        self.places = Places(zone_of(time_zone))
        self._compiled: list[_CompiledRule] = []
        self._otherwise: list[RuleTrace] = []
        """What is said of each rule unless it matches."""
        for index, rule in enumerate(rules.rules):
            self._otherwise.append(self._taken_in(index, rule))
        self._steps = [(each.node.test if each.node else _always, each) for each in self._compiled]

    def _taken_in(self, index: int, rule: Rule) -> RuleTrace:
        """Compile one rule, and say what is said of it unless it matches."""
        if not rule.active:
            return RuleTrace(rule.name, matched=False, why="not active")
        try:
            node = node_of(rule.when, self.places) if rule.when else None
            effects = tuple(_effect_of(each, rule.name, self.places) for each in rule.then)
            end = next((_end_of(each, self.places.zone) for each in rule.then if isinstance(each, HoldOrder)), None)
            why = "its conditions hold" if node else "no conditions: matches every imported order"
            does = actions_in_words(rule.then) or "nothing to do"
            matched = RuleTrace(rule.name, matched=True, why=f"{why}: {does}{', then stop' if rule.stop else ''}")
            over = RuleTrace(rule.name, matched=True, why=f"{why}, but its time is over: {does}")
        except (KeyError, TypeError, ValueError, OverflowError):
            # No rule that was saved is like this; one written otherwise must not stop the ones behind it.
            return RuleTrace(rule.name, matched=False, why="cannot be read, so it does nothing: save it again")
        self._compiled.append(_CompiledRule(index, rule.stop, node, effects, end, matched, over))
        return RuleTrace(rule.name, matched=False, why="its conditions do not hold")

    def matching(self, facts: Facts) -> Iterator[_CompiledRule]:
        """Find the rules that match, one after the other: behind a stop nobody asks any more."""
        return (each for test, each in self._steps if test(facts))

    def verdict(self, order: Order, now: datetime, facts: Facts, matching: Iterable[_CompiledRule]) -> Verdict:
        """Let the rules that match do what they say."""
        draft, trace, placed = _Draft(), self._otherwise.copy(), aware(order.created_at)
        for each in matching:
            for effect in each.effects:
                effect(draft, placed, now)
            trace[each.index] = each.matched
            if each.end and (end := each.end(placed)) and end <= now:
                trace[each.index] = each.over
            elif each.stop:
                trace[each.index + 1 :] = self._not_reached(each.index)
                break
        return self._of(draft, order, facts, tuple(trace))

    def _of(self, draft: _Draft, order: Order, facts: Facts, trace: tuple[RuleTrace, ...]) -> Verdict:
        later: frozenset[str] = frozenset()
        if draft.split and draft.outcome is Outcome.FORWARD:
            goes = draft.split[0]
            lines = zip(order.lines, facts[LINES], strict=True)
            later = frozenset(line.id for line, of_line in lines if not goes(of_line))
        _, later_rule, later_reason, later_until = draft.split if draft.split and later else (None, "", "", None)
        tags = draft.tags.values() if draft.tags else ()
        return Verdict(
            draft.outcome,
            draft.rule,
            self._version,
            draft.reason,
            draft.until,
            later,
            later_rule,
            later_reason,
            later_until,
            draft.ship_option,
            draft.location,
            tuple(tag for tag, added in tags if added),
            tuple(tag for tag, added in tags if not added),
            tuple(draft.notes),
            tuple(draft.notifications),
            trace,
        )

    @cache  # noqa: B019 - a program lives as long as its process
    def _not_reached(self, stopped_at: int) -> list[RuleTrace]:
        why = f"not reached: rule {self._names[stopped_at]!r} stopped"
        return [RuleTrace(name, matched=False, why=why) for name in self._names[stopped_at + 1 :]]

    # -- explaining ---------------------------------------------------------------------------------------------------

    def said(self, facts: Facts) -> dict[int, _Said]:
        """Say what every condition of every rule says."""
        return {index: explain(facts) for index, explain in self._explanations}

    def matching_as(self, said: dict[int, _Said]) -> Iterator[_CompiledRule]:
        """Find the rules that match by what was said of their conditions."""
        return (each for each in self._compiled if each.node is None or said[each.index][0])

    def joined(self, trace: tuple[RuleTrace, ...], said: dict[int, _Said]) -> tuple[RuleTrace, ...]:
        """Put what was said of the conditions into a trace."""
        full = list(trace)
        for index, (_, conditions, basis, usual) in said.items():
            full[index] = usual if full[index] is basis else replace(full[index], conditions=conditions)
        return tuple(full)

    @cached_property
    def _explanations(self) -> list[tuple[int, Callable[[Facts], _Said]]]:
        return [(each.index, self._explanation(each, each.node)) for each in self._compiled if each.node]

    def _explanation(self, rule: _CompiledRule, top: Node) -> Callable[[Facts], _Said]:
        """Make the closure that says of a rule's conditions whether each held, in the order they have in the JSON.

        The leaves are asked, all of them; what the trees above say follows from it, and is remembered.
        """
        leaves: list[Test] = []
        tell = _teller(top, f"rules[{rule.index}].when", leaves)
        otherwise = self._otherwise[rule.index]
        told: dict[tuple[bool, ...], _Said] = {}

        def say(held: tuple[bool, ...]) -> _Said:
            if len(told) >= SAYINGS:
                told.clear()
            conditions = tell(held)
            holds = conditions[0].held
            basis = rule.matched if holds else otherwise
            said = told[held] = (holds, conditions, basis, replace(basis, conditions=conditions))
            return said

        if len(leaves) == 1:
            (leaf,) = leaves
            no, yes = say((False,)), say((True,))
            return lambda facts: yes if leaf(facts) else no
        if len(leaves) == 2:  # noqa: PLR2004 - two and three go without a loop, as in `rule_conditions`
            one, two = leaves
            return lambda facts: told.get(held := (one(facts), two(facts))) or say(held)
        if len(leaves) == 3:  # noqa: PLR2004 - as above
            one, two, three = leaves
            return lambda facts: told.get(held := (one(facts), two(facts), three(facts))) or say(held)

        def explain(facts: Facts) -> _Said:
            held = tuple([leaf(facts) for leaf in leaves])
            return told.get(held) or say(held)

        return explain


_Said = tuple[bool, tuple[ConditionTrace, ...], RuleTrace, RuleTrace]
"""Whether a rule's condition holds, what each of its conditions says, its trace if nothing comes between, and that
trace with the conditions."""

SAYINGS = 256
"""Different things said of one rule that are remembered: it says the same of most orders."""


Teller = Callable[[tuple[bool, ...]], tuple[ConditionTrace, ...]]
"""What every leaf says → what every condition from one downwards says, that one first."""


def _teller(node: Node, path: str, leaves: list[Test], about: _About | None = None) -> Teller:
    """Make what tells about a condition and all below it; adds the leaves it goes by."""
    text = condition_in_words(node.condition, about.words if about else "")
    said = (ConditionTrace(path, text, held=False), ConditionTrace(path, text, held=True))
    at, join = len(leaves), JOINS.get(type(node.condition)) if about is None else None
    if join is None:
        leaves.append(about.over(node.test) if about else node.test)
    match node.condition:
        case EveryLine():
            about = _About("every line: ", every_line)
        case AnyLine() | NoLine():
            about = _About("some line: ", some_line)
        case _:
            pass
    below = node.below
    if _is_about_lines(node):  # the sentence about the lines says already what comes first in it
        [(step, inner)] = node.below
        said_already = isinstance(inner.condition, Not) and not inner.below[0][1].below
        below = () if said_already else tuple((f"{step}{more}", each) for more, each in inner.below)
    tellers = [_teller(each, f"{path}{step}", leaves, about) for step, each in below]

    def tell(held: tuple[bool, ...]) -> tuple[ConditionTrace, ...]:
        told = [teller(held) for teller in tellers]
        holds = join(each[0].held for each in told) if join else held[at]
        return (said[holds], *(each for part in told for each in part))

    return tell


@dataclass(frozen=True, slots=True)
class _About:
    """Inside a condition about lines: which of them the conditions below speak of."""

    words: str
    over: Callable[[Test], Test]


JOINS: dict[type, Callable[[Iterable[bool]], bool]] = {
    AllOf: all,
    AnyOf: any,
    Not: lambda parts: not any(parts),
}


def _is_about_lines(node: Node) -> bool:
    return isinstance(node.condition, AnyLine | EveryLine | NoLine)


# -- kept -------------------------------------------------------------------------------------------------------------


KEPT = 64
"""Rule sets made ready at a time: more stores than one function sees in its life, active and shadow."""


@lru_cache(KEPT)
def _program(rules: RuleSet, time_zone: str) -> _Program:
    return _Program(rules, time_zone)


_kept: dict[tuple[int, str, int], CompiledRules] = {}
"""By identity, which costs nothing to compare; what is kept keeps alive what its key names."""

_lock = Lock()


def compiled(rules: RuleSet, store: Store) -> CompiledRules:
    """Give a rule set made ready for a store; made once and kept."""
    key = (id(rules), store.time_zone, id(store.ship_options))
    found = _kept.get(key)
    if found is None:
        found = CompiledRules(rules, store)
        with _lock:
            if len(_kept) >= KEPT:
                del _kept[next(iter(_kept))]
            _kept[key] = found
    return found
