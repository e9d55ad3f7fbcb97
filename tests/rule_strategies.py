"""Hypothesis strategies for rules: any rule set that may be saved, and any order it may meet.

Both draw many of their words from one small pool, so that conditions hold now and then.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from jetbridge.domain.identifiers import LineId, OrderId
from jetbridge.domain.order import Address, FulfillmentOrder, Line, Order
from jetbridge.domain.rule_fields import FIELDS, OPERATORS, Field, Kind
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
    Operator,
    RelativeTime,
    RemoveTag,
    Rule,
    RuleSet,
    SetLocation,
    SetShipOption,
    Split,
    Value,
)
from jetbridge.domain.shipstation import ShipStationLine, ShipStationOrder

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

LONG_AGO, FAR_OFF = datetime(1990, 1, 1), datetime(2090, 1, 1)  # noqa: DTZ001 - zones are drawn
WORDS = (
    "US",
    "us",
    "CA",
    "PRE-1",
    "pre-",
    "Standard",
    "standard  SHIPPING",
    "vip",
    "Straße",
    "İstanbul",
    "PAID",
    "1001",
)

_characters = st.characters(exclude_categories=["Cs"])
anything = st.text(_characters, max_size=12)
words = st.sampled_from(WORDS) | anything
said = (st.sampled_from(WORDS) | st.text(_characters, min_size=1, max_size=12)).filter(str.strip)
"""What a rule may say: anything but blank."""

zones = st.sampled_from(
    ["UTC", "America/Los_Angeles", "Pacific/Kiritimati", "Asia/Kolkata", "Europe/Berlin", "", "No/Such"]
)
nows = st.datetimes(LONG_AGO, FAR_OFF, timezones=st.just(UTC))

# -- values -----------------------------------------------------------------------------------------------------------

numbers: SearchStrategy[Decimal] = st.decimals(-(10**9), 10**9, places=2) | st.integers(-5, 5000).map(Decimal)
currencies = st.sampled_from(["USD", "EUR", "JPY"])
amounts = st.builds(Money, numbers, currencies)
relative = st.builds(RelativeTime, st.integers(-3660, 3660), st.integers(-1000, 1000))
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times: SearchStrategy[datetime] = st.datetimes(LONG_AGO, FAR_OFF) | st.datetimes(LONG_AGO, FAR_OFF, timezones=offsets)
days: SearchStrategy[date] = st.dates(LONG_AGO.date(), FAR_OFF.date())
moments: SearchStrategy[date | datetime | RelativeTime] = days | times | relative

NUMBERS = frozenset({Kind.NUMBER, Kind.WEIGHT})
LISTS = frozenset(
    {Operator.IS_ONE_OF, Operator.IS_NONE_OF, Operator.INCLUDES_ANY, Operator.INCLUDES_ALL, Operator.INCLUDES_NONE}
)


def values(field: Field, operator: Operator) -> SearchStrategy[Value]:
    """Any value that goes with the field and the operator."""
    if operator in {Operator.IS_BLANK, Operator.IS_NOT_BLANK}:
        return st.none()
    if operator in LISTS:
        return st.lists(said, min_size=1, max_size=4).map(tuple)
    if operator is Operator.ON:
        return days | relative
    if operator is Operator.BETWEEN and field.kind is Kind.MONEY:
        return st.builds(lambda one, two, unit: (Money(one, unit), Money(two, unit)), numbers, numbers, currencies)
    each: dict[Kind, SearchStrategy[Value]] = {
        Kind.TEXT: said,
        Kind.NUMBER: numbers,
        Kind.WEIGHT: numbers,
        Kind.MONEY: amounts,
        Kind.DATE: moments,
        Kind.YES_NO: st.booleans(),
    }
    if operator is Operator.BETWEEN:
        return st.tuples(each[field.kind], each[field.kind])  # type: ignore[return-value]  # two of one kind
    return each[field.kind]


# -- conditions -------------------------------------------------------------------------------------------------------


@st.composite
def comparisons(draw: st.DrawFn, *, of_line: bool = False) -> Comparison:
    field = draw(st.sampled_from([each for each in FIELDS.values() if each.of_line is of_line]))
    operator = draw(st.sampled_from(OPERATORS[field.kind]))
    return Comparison(
        field.name,
        operator,
        draw(values(field, operator)),
        draw(said) if field.keyed else "",
        draw(st.booleans()) if field.kind in {Kind.TEXT, Kind.TAGS} else False,
    )


def _trees(leaves: SearchStrategy[Condition]) -> SearchStrategy[Condition]:
    def grown(below: SearchStrategy[Condition]) -> SearchStrategy[Condition]:
        several = st.lists(below, min_size=1, max_size=4).map(tuple)
        return st.builds(AllOf, several) | st.builds(AnyOf, several) | st.builds(Not, below)

    return st.recursive(leaves, grown, max_leaves=6)


line_conditions: SearchStrategy[Condition] = _trees(comparisons(of_line=True))
conditions: SearchStrategy[Condition] = _trees(
    comparisons()
    | st.builds(AnyLine, line_conditions)
    | st.builds(EveryLine, line_conditions)
    | st.builds(NoLine, line_conditions)
)

# -- rules ------------------------------------------------------------------------------------------------------------

hours = st.integers(1, 24 * 366)
ends: SearchStrategy[dict[str, object]] = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"until": days | times}),
    st.fixed_dictionaries({"for_hours": hours}),
)
tags = said.filter(lambda text: "," not in text)
actions: SearchStrategy[Action] = st.one_of(
    st.just(Forward()),
    st.builds(Exclude, anything),
    st.builds(lambda reason, end: HoldOrder(reason, **end), anything, ends),
    st.builds(lambda now, reason, end: Split(now, reason, **end), line_conditions, anything, ends),
    st.builds(SetShipOption, said),
    st.builds(SetLocation, said),
    st.builds(AddTag, tags),
    st.builds(RemoveTag, tags),
    st.builds(AddNote, said),
    st.builds(Notify, said),
)
rules: SearchStrategy[Rule] = st.builds(
    Rule,
    said,
    st.lists(actions, min_size=1, max_size=3).map(tuple),
    when=st.none() | conditions,
    active=st.booleans() | st.just(value=True),
    stop=st.booleans(),
)
rule_lists: SearchStrategy[tuple[Rule, ...]] = st.lists(rules, max_size=5).map(tuple)
rule_sets: SearchStrategy[RuleSet] = st.builds(RuleSet, st.integers(1, 1000), rule_lists)
"""Any rules that may be saved."""

# -- orders -----------------------------------------------------------------------------------------------------------

prices = st.sampled_from(
    ["", "0", "10.00", "-3", "NaN", "Infinity", "1e400", "1E-400", "12,50", "9" * 400, "\uff11\uff12"]
) | (numbers.map(str) | anything)
pairs = st.lists(st.tuples(words, words), max_size=3).map(tuple)
several_words = st.lists(words, max_size=3).map(tuple)
addresses = st.builds(Address, *[words] * 9)
maybe_times = st.none() | times
lines = st.builds(
    Line,
    st.integers(1, 10**6).map(lambda n: LineId(str(n))),
    *[words] * 2,
    st.integers(0, 10**12),
    st.integers(-1, 10**12),
    st.booleans(),
    st.booleans(),
    prices,
    *[words] * 2,
    several_words,
    pairs,
    words,
)
fulfillment_orders = st.builds(
    FulfillmentOrder, words, st.sampled_from(["OPEN", "CLOSED"]), words, words, st.just(frozenset()), st.just(())
)


@st.composite
def any_orders(draw: st.DrawFn) -> Order:
    """An order with anything in its fields, as Shopify shows it or as one of its ShipStation orders does."""
    goods = draw(st.lists(lines, max_size=4, unique_by=lambda line: line.id).map(tuple))
    order = draw(
        st.builds(
            Order,
            st.integers(1, 2**63).map(lambda n: OrderId(str(n))),
            words,
            times,
            times,
            st.just(goods),
            st.lists(fulfillment_orders, max_size=2).map(tuple),
            test=st.booleans(),
            financial_status=words,
            gateways=several_words,
            risk=words,
            shipping_method=words,
            shipping_address=st.none() | addresses,
            email=words,
            phone=words,
            tags=several_words,
            currency=currencies | words,
            total=prices,
            subtotal=prices,
            shipping_paid=prices,
            tax=prices,
            amount_paid=prices,
            presentment_currency=currencies | words,
            processed_at=maybe_times,
            paid_at=maybe_times,
            ship_by=maybe_times,
            total_weight_grams=st.integers(0, 10**15),
            note=words,
            attributes=pairs,
            source=words,
            channel=words,
            discount_codes=several_words,
            customer_tags=several_words,
            part=st.none() | _parts(goods),
        )
    )
    return order  # noqa: RET504 - drawn, then given


def _parts(goods: tuple[Line, ...]) -> SearchStrategy[ShipStationOrder]:
    held = [ShipStationLine(line.id, line.sku, line.name, line.quantity) for line in goods]
    return st.builds(
        ShipStationOrder,
        *[words] * 5,
        times,
        st.lists(st.sampled_from(held), max_size=3).map(tuple) if held else st.just(()),
        tags=several_words,
        customer_notes=words,
        internal_notes=words,
        custom_fields=st.tuples(words, words, words),
        gift=st.booleans(),
        gift_message=words,
        source=words,
        weight_grams=st.integers(0, 10**9),
        residential=st.none() | st.booleans(),
        address_verified=words,
        assigned_to=words,
        username=words,
    )
