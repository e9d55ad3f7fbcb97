"""Conditions of rules as closures over what the rules ask of an order.

What all rules of a set ask is read and made comparable once an order, into a list (and one list a line); a condition
is a closure over that list. What a rule then does is `rule_evaluation`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from jetbridge.domain.rule_fields import (
    FIELDS,
    NAN,
    NEGATIONS,
    OPERATORS,
    SHIP_OPTION,
    Field,
    Kind,
    conversion,
    day_of,
    exact_all,
    fold,
    fold_all,
    read_of,
    scaled,
    span_of,
    whole_or_not,
)
from jetbridge.domain.rules import (
    AllOf,
    AnyLine,
    AnyOf,
    Comparison,
    Condition,
    EveryLine,
    Moment,
    Money,
    NoLine,
    Not,
    Operator,
    RelativeTime,
)
from jetbridge.domain.ship_options import Method, ShipOptionMapping, mapping_for
from jetbridge.domain.shipstation import ShipStationOrder, units_of

if TYPE_CHECKING:
    from jetbridge.domain.order import Order


Facts = list[Any]
"""What the rules ask of one order (or one line), made comparable. An order's first place holds its lines' facts."""

Test = Callable[[Facts], bool]
Mappings = dict[Method, ShipOptionMapping]

LINES = 0


# -- reading an order once --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Places:
    """Where in the facts each thing asked stands; grows while rules are compiled."""

    zone: tzinfo
    reads: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = field(default_factory=list)
    """(make comparable, read), an order's place being one further on: its first holds the lines."""
    line_reads: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = field(default_factory=list)
    currencies: list[tuple[int, str]] = field(default_factory=list)
    """(place, currency): amounts that count in one currency only."""
    line_currencies: list[tuple[int, str]] = field(default_factory=list)
    moments: list[tuple[int, Callable[[datetime], float]]] = field(default_factory=list)
    """(place, what it is at a moment)"""
    mapped: list[tuple[int, Callable[[Any], Any]]] = field(default_factory=list)
    """(place, make comparable): the ship option that a method is mapped to."""
    known: dict[object, int] = field(default_factory=dict)
    clock: tuple[datetime | None, tuple[tuple[int, float], ...]] = (None, ())
    """The moments as of the last now."""

    def of(self, asked: Comparison, what: Field, *, currency: str = "", match_case: bool = False) -> int:
        """Give the place of what a comparison asks."""
        key = (what.name, fold(asked.key) if what.keyed else "", currency, match_case)
        if key not in self.known:
            convert = conversion(what, match_case=match_case)
            reads = self.line_reads if what.of_line else self.reads
            place = len(reads) + (0 if what.of_line else 1)
            reads.append((convert, read_of(asked)))
            if currency:
                (self.line_currencies if what.of_line else self.currencies).append((place, currency))
            if what.name == SHIP_OPTION:
                self.mapped.append((place, convert))
            self.known[key] = place
        return self.known[key]

    def at(self, moment: Moment, which: str, find: Callable[[datetime], float]) -> int:
        """Give the place of a moment."""
        key = (repr(moment), which)  # 2026-12-01 00:00 is equal in every zone that says so, but not the same day
        if key not in self.known:
            self.known[key] = len(self.reads) + 1
            self.reads.append((_nothing, _nothing))
            self.moments.append((self.known[key], find))
        return self.known[key]

    def facts(self, order: Order, now: datetime, mappings: Mappings) -> Facts:
        """Read everything the rules ask of an order, once."""
        line_reads = self.line_reads
        lines = [[convert(read(line)) for convert, read in line_reads] for line in order.lines]
        facts = [lines, *[convert(read(order)) for convert, read in self.reads]]
        if self.currencies or self.line_currencies:
            currency = fold(order.currency)
            for at, wanted in self.currencies:
                if wanted != currency:
                    facts[at] = NAN
            for at, wanted in self.line_currencies:
                if wanted != currency:
                    for line in lines:
                        line[at] = NAN
        if self.moments:
            for at, moment in self._moments(now):
                facts[at] = moment
        for at, convert in self.mapped:
            mapping = mapping_for(order.shipping_method, mappings)
            facts[at] = convert(mapping.ship_option if mapping and mapping.active else "")
        return facts

    def _moments(self, now: datetime) -> tuple[tuple[int, float], ...]:
        """Give the moments of the rules as of now; a replay asks for the same now again and again."""
        at, moments = self.clock
        if at != now:
            moments = tuple((place, find(now)) for place, find in self.moments)
            self.clock = now, moments
        return moments


def _nothing(_: object) -> float:
    return NAN


def _warehouse_locations(part: ShipStationOrder) -> dict[str, str]:
    """Give where goods lie by the line's key and by its SKU: keys are Shopify's ids only where the line came from."""
    lines = [line for line in part.lines if line.goods and line.warehouse_location]
    by_sku = {line.sku: line.warehouse_location for line in lines if line.sku}
    return by_sku | {line.key: line.warehouse_location for line in lines if line.key}


def with_lines_left(order: Order) -> Order:
    """Leave out lines without units, and on the route `shipstation` what this part of the order does not hold."""
    if order.part:
        held, lies = units_of(order.part, order), _warehouse_locations(order.part)
        kept = [
            replace(
                line,
                current_quantity=min(line.current_quantity, held[line.id]),
                warehouse_location=line.warehouse_location or lies.get(line.id) or lies.get(line.sku, ""),
            )
            for line in order.lines
            if held[line.id] > 0 and line.current_quantity > 0
        ]
        return replace(order, lines=tuple(kept))
    for line in order.lines:
        if line.current_quantity <= 0:
            return replace(order, lines=tuple(each for each in order.lines if each.current_quantity > 0))
    return order


# -- conditions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Node:
    """A condition with its closure, and those below it."""

    condition: Condition
    test: Test
    below: tuple[tuple[str, Node], ...] = ()
    """(path from here, node)"""


def node_of(condition: Condition, places: Places, *, of_line: bool = False) -> Node:
    """Make the closures that say whether a condition holds, and each below it.

    Raises:
        ValueError: It could not have been saved like this.
    """
    match condition:
        case Comparison():
            what = FIELDS.get(condition.field)
            if what is None or what.of_line is not of_line or not _has_its_value(condition, what):
                raise _impossible(condition)
            return Node(condition, _comparison(condition, places))
        case AllOf(conditions) | AnyOf(conditions):
            nodes = [node_of(each, places, of_line=of_line) for each in conditions]
            join, name = (_all_of, "all") if isinstance(condition, AllOf) else (_any_of, "any")
            below = tuple((f".{name}[{n}]", node) for n, node in enumerate(nodes))
            return Node(condition, join([node.test for node in nodes]), below)
        case Not(inner):
            node = node_of(inner, places, of_line=of_line)
            return Node(condition, _negated(node.test), ((".not", node),))
        case _ if of_line:
            message = "a condition about lines inside another"
            raise ValueError(message)
        case AnyLine(inner):
            node = node_of(inner, places, of_line=True)
            return Node(condition, some_line(node.test), ((".any_line", node),))
        case NoLine(inner):
            node = node_of(inner, places, of_line=True)
            return Node(condition, _negated(some_line(node.test)), ((".no_line", node),))
        case EveryLine(inner):
            node = node_of(inner, places, of_line=True)
            return Node(condition, every_line(node.test), ((".every_line", node),))


def _has_its_value(asked: Comparison, what: Field) -> bool:
    """Whether operator and value go with the field: saving refuses anything else, older stored rules may differ."""
    if asked.operator not in OPERATORS[what.kind] or (what.keyed and not asked.key.strip()):
        return False
    if asked.operator in {Operator.IS_BLANK, Operator.IS_NOT_BLANK}:
        return True
    values = asked.value if isinstance(asked.value, tuple) else (asked.value,)
    if asked.operator is Operator.BETWEEN and len(values) != 2:  # noqa: PLR2004 - from and to
        return False
    if what.kind in {Kind.TEXT, Kind.TAGS}:
        return bool(values) and all(isinstance(each, str) and each.strip() for each in values)
    if what.kind is Kind.MONEY:
        money = [each for each in values if isinstance(each, Money) and each.currency.strip()]
        return len(money) == len(values) and len({fold(each.currency) for each in money}) == 1
    wanted = {Kind.DATE: (date, RelativeTime), Kind.YES_NO: (bool,)}.get(what.kind, (Decimal,))
    return all(isinstance(each, wanted) for each in values)


def _negated(test: Test) -> Test:
    return lambda facts: not test(facts)


def _all_of(tests: Sequence[Test]) -> Test:
    if len(tests) == 2:  # noqa: PLR2004 - two and three are what people write, and go without a loop
        one, two = tests
        return lambda facts: one(facts) and two(facts)
    if len(tests) == 3:  # noqa: PLR2004 - as above
        one, two, three = tests
        return lambda facts: one(facts) and two(facts) and three(facts)
    every = tuple(tests)

    def all_hold(facts: Facts) -> bool:
        for test in every:  # noqa: SIM110 - a generator would cost more than the tests
            if not test(facts):
                return False
        return True

    return all_hold


def _any_of(tests: Sequence[Test]) -> Test:
    if len(tests) == 2:  # noqa: PLR2004 - as above
        one, two = tests
        return lambda facts: one(facts) or two(facts)
    if len(tests) == 3:  # noqa: PLR2004 - as above
        one, two, three = tests
        return lambda facts: one(facts) or two(facts) or three(facts)
    every = tuple(tests)

    def any_holds(facts: Facts) -> bool:
        for test in every:  # noqa: SIM110 - a generator would cost more than the tests
            if test(facts):
                return True
        return False

    return any_holds


def some_line(test: Test) -> Test:
    """Make the closure that says whether a test holds of some line of the order."""

    def holds(facts: Facts) -> bool:
        for line in facts[LINES]:  # noqa: SIM110 - a generator would cost more than the tests
            if test(line):
                return True
        return False

    return holds


def every_line(test: Test) -> Test:
    """Make the closure that says whether a test holds of every line, and there is one."""

    def holds(facts: Facts) -> bool:
        lines = facts[LINES]
        for line in lines:
            if not test(line):
                return False
        return bool(lines)

    return holds


def _comparison(asked: Comparison, places: Places) -> Test:  # noqa: PLR0911 - one return a kind of field
    """Make the closure of one comparison. A blank place makes every positive one false by itself (`rule_fields`)."""
    what = FIELDS[asked.field]
    if asked.operator in NEGATIONS:
        return _negation(asked, what, places)
    if asked.operator is Operator.IS_BLANK:
        return _is_blank(what, places.of(asked, what))
    match what.kind:
        case Kind.TEXT:
            return _of_text(asked, places.of(asked, what, match_case=asked.match_case))
        case Kind.NUMBER | Kind.WEIGHT:
            return _of_numbers(asked, places.of(asked, what), whole_or_not)
        case Kind.MONEY:
            low = asked.value[0] if isinstance(asked.value, tuple) else asked.value
            currency = fold(low.currency) if isinstance(low, Money) else ""
            return _of_numbers(asked, places.of(asked, what, currency=currency), scaled)
        case Kind.DATE:
            return _of_moments(asked, places.of(asked, what), places)
        case Kind.YES_NO:
            at, wanted = places.of(asked, what), asked.value
            return lambda facts: facts[at] is wanted
        case Kind.TAGS:
            return _of_tags(asked, places.of(asked, what, match_case=asked.match_case))


def _negation(asked: Comparison, what: Field, places: Places) -> Test:
    """Make the negation of a comparison; the commonest ones without a second call."""
    positive = replace(asked, operator=NEGATIONS[asked.operator])
    if what.kind is Kind.TEXT and asked.operator is not Operator.IS_NOT_BLANK:
        at = places.of(asked, what, match_case=asked.match_case)
        match asked.operator, _texts(asked):
            case (Operator.IS_NOT, [text]):
                return lambda facts: facts[at] != text
            case (Operator.IS_NONE_OF, texts):
                unwanted = frozenset(texts)
                return lambda facts: facts[at] not in unwanted
            case _:
                pass
    if asked.operator is Operator.INCLUDES_NONE:
        at, unwanted = places.of(asked, what, match_case=asked.match_case), _tags(asked)
        return lambda facts: unwanted.isdisjoint(facts[at])
    return _negated(_comparison(positive, places))


def _is_blank(what: Field, at: int) -> Test:
    if what.kind in {Kind.TEXT, Kind.TAGS}:
        return lambda facts: not facts[at]
    if what.kind is Kind.YES_NO:
        return lambda facts: facts[at] is None
    return lambda facts: facts[at] != facts[at]


def _texts(asked: Comparison) -> list[str]:
    texts = cast("tuple[str, ...]", asked.value if isinstance(asked.value, tuple) else (asked.value,))
    return list(texts) if asked.match_case else [fold(each) for each in texts]


def _tags(asked: Comparison) -> frozenset[str]:
    texts = cast("tuple[str, ...]", asked.value)
    return exact_all(texts) if asked.match_case else fold_all(texts)


def _of_text(asked: Comparison, at: int) -> Test:
    text, *_ = texts = _texts(asked)
    match asked.operator:
        case Operator.IS:
            return lambda facts: facts[at] == text
        case Operator.IS_ONE_OF:
            wanted = frozenset(texts)
            return lambda facts: facts[at] in wanted
        case Operator.CONTAINS:
            return lambda facts: text in facts[at]
        case Operator.STARTS_WITH:
            return lambda facts: facts[at].startswith(text)
        case Operator.ENDS_WITH:
            return lambda facts: facts[at].endswith(text)
        case _:
            raise _impossible(asked)


def _of_tags(asked: Comparison, at: int) -> Test:
    wanted = _tags(asked)
    if len(wanted) == 1:
        (tag,) = wanted
        return lambda facts: tag in facts[at]
    if asked.operator is Operator.INCLUDES_ANY:
        return lambda facts: not wanted.isdisjoint(facts[at])
    return lambda facts: wanted <= facts[at]


def _of_numbers(asked: Comparison, at: int, comparable: Callable[[Decimal], float]) -> Test:
    values = asked.value if isinstance(asked.value, tuple) else (asked.value,)
    numbers = [comparable(cast("Decimal", each.amount if isinstance(each, Money) else each)) for each in values]
    number, last = numbers[0], numbers[-1]
    match asked.operator:
        case Operator.IS:
            return lambda facts: facts[at] == number
        case Operator.LESS_THAN:
            return lambda facts: facts[at] < number
        case Operator.AT_MOST:
            return lambda facts: facts[at] <= number
        case Operator.GREATER_THAN:
            return lambda facts: facts[at] > number
        case Operator.AT_LEAST:
            return lambda facts: facts[at] >= number
        case Operator.BETWEEN:
            return lambda facts: number <= facts[at] <= last
        case _:
            raise _impossible(asked)


_NO_TIME = datetime(2000, 1, 1, tzinfo=UTC)
"""For moments that stand still: what the clock says does not matter."""


def _of_moments(asked: Comparison, at: int, places: Places) -> Test:
    moments = cast("tuple[Moment, ...]", asked.value if isinstance(asked.value, tuple) else (asked.value,))
    first, last = moments[0], moments[-1]
    whole_day = asked.operator is Operator.ON
    begin, end = _moment(first, 0, places, whole_day=whole_day), _moment(last, 1, places, whole_day=whole_day)
    # A day is over where the next one begins, which is outside; a point in time is inside.
    day = whole_day or (isinstance(last, date) and not isinstance(last, datetime))
    match asked.operator:
        case Operator.BEFORE:
            return lambda facts: facts[at] < facts[begin]
        case Operator.AFTER if day:
            return lambda facts: facts[at] >= facts[end]
        case Operator.AFTER:
            return lambda facts: facts[at] > facts[end]
        case Operator.ON | Operator.BETWEEN if day:
            return lambda facts: facts[begin] <= facts[at] < facts[end]
        case Operator.BETWEEN:
            return lambda facts: facts[begin] <= facts[at] <= facts[end]
        case _:
            raise _impossible(asked)


def _moment(moment: Moment, which: int, places: Places, *, whole_day: bool) -> int:
    """Give the place where a moment begins (0) or ends (1)."""
    span, zone = day_of if whole_day else span_of, places.zone
    if isinstance(moment, RelativeTime):
        return places.at(moment, f"{which}{whole_day}", lambda now: span(moment, now, zone)[which])
    fixed = span(moment, _NO_TIME, zone)[which]
    return places.at(moment, f"{which}{whole_day}", lambda _now: fixed)


def _impossible(asked: Comparison) -> ValueError:
    return ValueError(f"{asked.operator} does not go with {asked.field}")
