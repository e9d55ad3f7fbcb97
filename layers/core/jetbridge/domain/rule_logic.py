"""Whether any order at all can meet a condition: what makes a rule dead, certain, or the same as another.

Careful rather than clever: a condition is called impossible only when it is proven to be. Text is compared piece by
piece, numbers, amounts and moments by one sample of every stretch between the values named, tags by what must be
there and what must not. Fields know nothing of each other, and a condition that branches too much is not judged.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from itertools import chain, product
from typing import Any

from jetbridge.domain.rule_fields import FIELDS, NEGATIONS, OPERATORS, Kind, day_of, fold, scaled, span_of
from jetbridge.domain.rules import (
    AllOf,
    AnyLine,
    AnyOf,
    Comparison,
    Condition,
    EveryLine,
    Money,
    NoLine,
    Not,
    Operator,
    RelativeTime,
)

MOST_BRANCHES = 512
"""Ways through a condition that are tried before it is left unjudged."""

MOST_BRANCHES_IN_ALL = 40_000
"""The same for all conditions of a review, some seconds' worth: what comes later is left unjudged."""

ROUNDING = timedelta(hours=50)
"""By how much two relative moments may lie closer than their days and hours say: days end, clocks are changed."""

MOST_CHOICES = 60
"""Alternatives that are open at once before the same."""

DENIED = {**NEGATIONS, Operator.IS_BLANK: Operator.IS_NOT_BLANK}
del DENIED[Operator.IS_NOT_BLANK]
"""Operator → the one it denies. Of a field without a value the first is true, the second false."""

Literal = tuple[Condition, bool]
"""Something that is not taken apart, and whether it is to hold."""


@dataclass(slots=True)
class Logic:
    """What can be proven about conditions, for a store whose days begin in this time zone. For one review."""

    zone: tzinfo = UTC
    branches_left: int = MOST_BRANCHES_IN_ALL
    _certain: dict[tuple[Condition, bool], bool] = field(default_factory=dict)

    def impossible(self, condition: Condition | None, *, of_line: bool = False) -> bool:
        """Whether no order (or line) can meet the condition. False when that is not known."""
        return condition is not None and self._excluded([(condition, True)], of_line=of_line)

    def certain(self, condition: Condition | None, *, of_line: bool = False) -> bool:
        """Whether every order (or line) meets the condition. False when that is not known."""
        if condition is None:
            return True
        asked = condition, of_line
        if asked not in self._certain:
            self._certain[asked] = self._excluded([(condition, False)], of_line=of_line)
        return self._certain[asked]

    def implies(self, condition: Condition | None, other: Condition | None) -> bool:
        """Whether every order that meets the condition meets the other. False when that is not known."""
        if condition is None or other is None:
            return self.certain(other)
        asked, parts = _asked(condition), other.conditions if isinstance(other, AllOf) else (other,)
        # What speaks of other things entirely follows from nothing; most pairs of rules are done with here.
        if any(asked.isdisjoint(_asked(part)) and not self.certain(part) for part in parts):
            return False
        return self._excluded([(condition, True), (other, False)])

    def exclude_each_other(self, condition: Condition | None, other: Condition | None) -> bool:
        """Whether no order meets both. False when that is not known."""
        return self._excluded([(each, True) for each in (condition, other) if each is not None])

    def _excluded(self, wanted: Sequence[Literal], *, of_line: bool = False) -> bool:
        search = _Search(self.zone, min(MOST_BRANCHES, self.branches_left))
        found = search.possible(wanted, of_line=of_line)
        self.branches_left -= min(search.branches, self.branches_left)
        return not found


@lru_cache(4096)
def _asked(condition: Condition) -> frozenset[str]:
    """Name the fields a condition asks; whatever it says of lines has one name more, for that there are any."""
    match condition:
        case Comparison(name):
            return frozenset({name})
        case AllOf(conditions) | AnyOf(conditions):
            return frozenset[str]().union(*map(_asked, conditions))
        case Not(inner):
            return _asked(inner)
        case AnyLine(inner) | EveryLine(inner) | NoLine(inner):
            return _asked(inner) | {""}


@dataclass(slots=True)
class _Search:
    """One search for an order, or a line, that would do. Every branch counts, those about lines as well."""

    zone: tzinfo
    most: int
    branches: int = 0

    def possible(self, wanted: Sequence[Literal], *, of_line: bool = False) -> bool:
        """Whether something may exist for which all that is wanted holds."""
        self.branches += 1
        if self.branches > self.most:
            return True
        found, choices, todo = set[Literal](), list[tuple[tuple[Condition, ...], bool]](), list(wanted)
        while todo:
            match todo.pop():
                case Not(inner), holds:
                    todo.append((inner, not holds))
                case (AllOf(conditions), True) | (AnyOf(conditions), False) as both:
                    todo += [(each, both[1]) for each in conditions]
                case ((AllOf(conditions) | AnyOf(conditions)), holds):
                    choices.append((conditions, holds))
                case literal:
                    found.add(literal)
        if not self._consistent(found, of_line=of_line):
            return False
        if not choices or len(choices) > MOST_CHOICES:
            return True
        choices.sort(key=lambda choice: len(choice[0]))
        (conditions, holds), *rest = choices
        # What is left to choose goes along as the conditions it came from.
        others: list[Literal] = [((AnyOf if way else AllOf)(each), way) for each, way in rest]
        return any(self.possible([*found, *others, (each, holds)], of_line=of_line) for each in conditions)

    def _consistent(self, literals: set[Literal], *, of_line: bool) -> bool:
        if any((condition, not holds) in literals for condition, holds in literals):
            return False
        fields, lines = defaultdict[tuple[str, str], list[_Said]](list), list[Literal]()
        for condition, holds in literals:
            if isinstance(condition, Comparison):
                fields[condition.field, fold(condition.key)].append(_Said(condition, holds))
            else:
                lines.append((condition, holds))
        # A line has no lines of its own: what such a condition says there is nobody's to judge.
        return all(_may_all_hold(said, self.zone) for said in fields.values()) and (of_line or self._lines(lines))

    def _lines(self, literals: Iterable[Literal]) -> bool:
        """Whether an order may have lines as wanted: some that do one thing each, and all that do another."""
        some, every, some_line, perhaps = list[Literal](), list[Literal](), False, list[Literal]()
        for literal in literals:
            match literal:
                case (AnyLine(condition), True) | (NoLine(condition), False):
                    some.append((condition, True))
                case (AnyLine(condition), False) | (NoLine(condition), True):
                    every.append((condition, False))
                case EveryLine(condition), True:
                    every.append((condition, True))
                    some_line = True
                case EveryLine(condition), False:
                    perhaps.append((condition, False))  # or there is no line
                case _:
                    pass
        if some or some_line:
            some += perhaps
        if some_line and not self.possible(every, of_line=True):
            return False
        return all(self.possible([*every, each], of_line=True) for each in some)


# -- one field ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Said:
    """What is said of one field, without denials: `is_not` that holds is `is` that does not."""

    comparison: Comparison
    holds: bool
    operator: Operator = field(init=False)
    values: tuple[Any, ...] = field(init=False)
    true: bool = field(init=False)

    def __post_init__(self) -> None:
        """Turn denials round."""
        operator, value = self.comparison.operator, self.comparison.value
        object.__setattr__(self, "operator", DENIED.get(operator, operator))
        object.__setattr__(self, "values", value if isinstance(value, tuple) else (value,))
        object.__setattr__(self, "true", self.holds is (operator not in DENIED))


def _may_all_hold(said: Sequence[_Said], zone: tzinfo) -> bool:
    """Whether a field may hold something, or nothing, for which all this is so."""
    if not any(each.true for each in said):
        return True  # for an order that says nothing here
    if any(each.operator is Operator.IS_NOT_BLANK and not each.true for each in said):
        return False  # there is nothing, of which something is said
    judged = defaultdict[_Judge, list[_Said]](list)
    for each in said:
        if judge := _judge(each):
            judged[judge].append(each)
    return all(judge(found, zone) for judge, found in judged.items())


_Judge = Callable[[Sequence[_Said], tzinfo], bool]
"""Tells whether a field may hold something for which all that is said is so."""


def _judge(said: _Said) -> _Judge | None:
    """Find who can tell about this; None when nobody can, or when it is not said the right way."""
    if not well_said(said.comparison) or said.operator is Operator.IS_NOT_BLANK:
        return None
    relative = [isinstance(each, RelativeTime) for each in said.values]
    if any(relative):
        return _relative_times if all(relative) else None
    return _JUDGES[FIELDS[said.comparison.field].kind]


_SEVERAL = frozenset({Operator.IS_ONE_OF, Operator.INCLUDES_ANY, Operator.INCLUDES_ALL})
_VALUELESS = frozenset({Operator.IS_BLANK, Operator.IS_NOT_BLANK})


def well_said(comparison: Comparison) -> bool:
    """Whether field, operator and value of a comparison go together."""
    found = FIELDS.get(comparison.field)
    if found is None or comparison.operator not in OPERATORS[found.kind]:
        return False
    if comparison.operator in _VALUELESS:
        return True
    operator, several = DENIED.get(comparison.operator, comparison.operator), isinstance(comparison.value, tuple)
    values = comparison.value if isinstance(comparison.value, tuple) else (comparison.value,)
    if several is not (operator in _SEVERAL or operator is Operator.BETWEEN):
        return False
    if operator is Operator.BETWEEN and len(values) != 2:  # noqa: PLR2004 - from and to
        return False
    currencies = {fold(each.currency) for each in values if isinstance(each, Money)}
    return bool(values) and len(currencies) <= 1 and all(_is_of(found.kind, each) for each in values)


def _is_of(kind: Kind, value: object) -> bool:
    match kind:
        case Kind.TEXT | Kind.TAGS:
            return isinstance(value, str) and bool(value.strip())
        case Kind.NUMBER | Kind.WEIGHT:
            return isinstance(value, Decimal) and value.is_finite()
        case Kind.MONEY:
            return isinstance(value, Money) and value.amount.is_finite() and bool(value.currency.strip())
        case Kind.YES_NO:
            return isinstance(value, bool)
        case Kind.DATE:
            return isinstance(value, date | RelativeTime)


def _yes_or_no(said: Sequence[_Said], _zone: tzinfo) -> bool:
    return any(all((each.values[0] is answer) is each.true for each in said) for answer in (True, False))


# -- text -----------------------------------------------------------------------------------------------------------

_PARTS: dict[Operator, Callable[[str, str], bool]] = {
    Operator.CONTAINS: str.__contains__,
    Operator.STARTS_WITH: str.startswith,
    Operator.ENDS_WITH: str.endswith,
}
_EXACT = frozenset({Operator.IS, Operator.IS_ONE_OF})


@dataclass(frozen=True, slots=True)
class _Text:
    """A text, as it is written (`case`) or folded. What is true of texts as written is true of folded ones."""

    text: str
    case: bool

    @property
    def folded(self) -> str:
        """Without regard to case."""
        return fold(self.text) if self.case else self.text

    def in_form_of(self, *, case: bool) -> str:
        """Give the form in which it is compared."""
        return self.text if case else self.folded


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One comparison of text, made ready."""

    operator: Operator
    true: bool
    case: bool
    texts: tuple[_Text, ...]
    spelled: frozenset[str]
    folded: frozenset[str]

    @classmethod
    def of(cls, said: _Said) -> _Wanted:
        texts = _named(said)
        spelled, folded = frozenset(each.text for each in texts), frozenset(each.folded for each in texts)
        return cls(said.operator, said.true, said.comparison.match_case, texts, spelled, folded)

    def may_be(self, text: _Text) -> bool:
        """Whether it may be so of a text, of which perhaps only the folded form is known."""
        if self.case and not text.case:
            return not self.true or self._holds(text.text, self.folded)
        return self._holds(text.in_form_of(case=self.case), self.spelled) is self.true

    def _holds(self, text: str, wanted: frozenset[str]) -> bool:
        if self.operator in _EXACT:
            return text in wanted
        return any(_PARTS[self.operator](text, each) for each in wanted)


def _named(said: _Said) -> tuple[_Text, ...]:
    case = said.comparison.match_case
    return tuple(_Text(each if case else fold(each), case) for each in said.values)


def _texts(said: Sequence[_Said], _zone: tzinfo) -> bool:
    wanted = [_Wanted.of(each) for each in said]
    exact = [each for each in wanted if each.true and each.operator in _EXACT]
    if exact:
        spelled = max(exact, key=lambda each: each.case)
        return any(all(each.may_be(text) for each in wanted) for text in spelled.texts)
    parts = [(each.operator, text) for each in wanted if each.true for text in each.texts]
    denied = [(each.operator, text) for each in wanted if not each.true for text in each.texts]
    return all(_agree(one, other) for one, other in product(parts, parts)) and not any(
        _follows(denial, part) for denial, part in product(denied, parts)
    )


def _agree(one: tuple[Operator, _Text], other: tuple[Operator, _Text]) -> bool:
    """Whether a text may begin (or end) with both."""
    (operator, part), (another, also) = one, other
    if operator is not another or operator is Operator.CONTAINS:
        return True
    case, test = part.case and also.case, _PARTS[operator]
    ways = part.in_form_of(case=case), also.in_form_of(case=case)
    return test(*ways) or test(*reversed(ways))


def _follows(denial: tuple[Operator, _Text], part: tuple[Operator, _Text]) -> bool:
    """Whether every text that begins with, ends with or contains the part does what is denied."""
    (operator, text), (another, known) = denial, part
    if operator not in {another, Operator.CONTAINS} or (text.case and not known.case):
        return False
    return _PARTS[operator](known.in_form_of(case=text.case), text.text)


# -- tags and other lists -------------------------------------------------------------------------------------------


def _tags(said: Sequence[_Said], _zone: tzinfo) -> bool:
    """Whether a list may be there: what must be in it, what must not, followed to the end where only one is left."""
    has, lacks, one_of, one_not_of = set[_Text](), set[_Text](), list[set[_Text]](), list[set[_Text]]()
    for each in said:
        named = {*_named(each)}
        match each.operator, each.true:
            case Operator.INCLUDES_ALL, True:
                has |= named
            case Operator.INCLUDES_ANY, False:
                lacks |= named
            case Operator.INCLUDES_ANY, True:
                one_of.append(named)
            case _:
                one_not_of.append(named)
    spelled = {tag for tag in chain(has, lacks, *one_of, *one_not_of) if tag.case}
    before = -1
    while before < len(has) + len(lacks):
        before = len(has) + len(lacks)
        has |= {_Text(tag.folded, case=False) for tag in has}
        lacks |= {tag for tag in spelled if _Text(tag.folded, case=False) in lacks}
        for tags, gone, forced in ((one_of, lacks, has), (one_not_of, has, lacks)):
            left = [named - gone for named in tags]
            if not all(left):
                return False
            forced.update(*(each for each in left if len(each) == 1))
    return not has & lacks


# -- numbers, amounts, moments --------------------------------------------------------------------------------------

_SPANS: dict[Operator, Callable[[float, Sequence[float]], bool]] = {
    Operator.IS: lambda number, ends: number == ends[0],
    Operator.LESS_THAN: lambda number, ends: number < ends[0],
    Operator.AT_MOST: lambda number, ends: number <= ends[0],
    Operator.GREATER_THAN: lambda number, ends: number > ends[0],
    Operator.AT_LEAST: lambda number, ends: number >= ends[0],
    Operator.BETWEEN: lambda number, ends: ends[0] <= number <= ends[-1],
}

ONE = int(scaled(Decimal(1)))


def _samples(ends: Iterable[float], step: int) -> Iterator[float]:
    """Give a number of every stretch between these ends, and the ends, as far as they are multiples of the step."""
    yield from (0, math.inf, -math.inf)
    for end in {*ends}:
        if math.isfinite(end):
            below = int(end) // step * step
            yield from (below - step, below, below + step)


def _whole_numbers(said: Sequence[_Said], _zone: tzinfo) -> bool:
    spans = [(each, [scaled(end) for end in each.values]) for each in said]
    samples = _samples(chain.from_iterable(ends for _, ends in spans), ONE)
    return any(all(_SPANS[each.operator](number, ends) is each.true for each, ends in spans) for number in samples)


def _amounts(said: Sequence[_Said], _zone: tzinfo) -> bool:
    spans = [(each, [scaled(end.amount) for end in each.values], fold(each.values[0].currency)) for each in said]
    currencies = {currency for *_, currency in spans} | {""}
    samples = _samples(chain.from_iterable(ends for _, ends, _ in spans), 1)
    return any(
        all((of == currency and _SPANS[each.operator](amount, ends)) is each.true for each, ends, of in spans)
        for amount, currency in product(samples, currencies)
    )


_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)
"""For moments that do not move with the clock."""


def _times(said: Sequence[_Said], zone: tzinfo) -> bool:
    """Moments that stand still. A day is all the time from its midnight to the next one, in the store's zone."""
    spans = [(each, _span(each, zone)) for each in said]
    ends = {end for _, (*span, _) in spans for end in span if math.isfinite(end)}
    samples = {0.0, *(near for end in ends for near in (math.nextafter(end, -math.inf), end, _after(end)))}
    return any(all(_is_then(each, *span, second) is each.true for each, span in spans) for second in samples)


def _after(second: float) -> float:
    return math.nextafter(second, math.inf)


def _span(said: _Said, zone: tzinfo) -> tuple[float, float, bool]:
    """Give where it begins, where it ends, and whether the end is outside, being the next day's beginning."""
    whole_day = said.operator is Operator.ON
    find = day_of if whole_day else span_of
    first, last = said.values[0], said.values[-1]
    begin, end = find(first, _ANY_TIME, zone)[0], find(last, _ANY_TIME, zone)[1]
    return begin, end, whole_day or not isinstance(last, datetime)


def _is_then(said: _Said, begin: float, end: float, day: bool, second: float) -> bool:  # noqa: FBT001 - a span unpacked
    match said.operator:
        case Operator.BEFORE:
            return second < begin
        case Operator.AFTER:
            return second >= end if day else second > end
        case _:
            return begin <= second and (second < end if day else second <= end)


def _relative_times(said: Sequence[_Said], _zone: tzinfo) -> bool:
    """Moments as seen from now: only those that are days apart the wrong way round are impossible together."""
    earliest, latest = list[timedelta](), list[timedelta]()
    for each in said:
        try:
            offsets = [timedelta(days=end.days, hours=end.hours) for end in each.values]
        except OverflowError:
            continue
        if each.true and each.operator in {Operator.AFTER, Operator.BETWEEN}:
            earliest.append(offsets[0])
        if each.true and each.operator in {Operator.BEFORE, Operator.BETWEEN}:
            latest.append(offsets[-1])
    return not any(low - high > ROUNDING for low, high in product(earliest, latest))


_JUDGES: dict[Kind, _Judge] = {
    Kind.TEXT: _texts,
    Kind.TAGS: _tags,
    Kind.YES_NO: _yes_or_no,
    Kind.NUMBER: _whole_numbers,
    Kind.WEIGHT: _whole_numbers,
    Kind.MONEY: _amounts,
    Kind.DATE: _times,
}
