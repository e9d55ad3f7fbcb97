"""What rules decide: every kind of field and operator, what actions do to each other, and what is true of any rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jetbridge.domain.order import Address
from jetbridge.domain.rule_evaluation import compiled
from jetbridge.domain.rule_fields import FIELDS, NEGATIONS, OPERATORS, Kind
from jetbridge.domain.rules import (
    Action,
    AddNote,
    AddTag,
    AllOf,
    AnyLine,
    AnyOf,
    Comparison,
    Condition,
    ConditionTrace,
    EveryLine,
    Exclude,
    Forward,
    HoldOrder,
    Money,
    NoLine,
    Not,
    Notify,
    Operator,
    Outcome,
    RelativeTime,
    RemoveTag,
    Rule,
    RuleSet,
    SetLocation,
    SetShipOption,
    Split,
    Value,
    Verdict,
)
from jetbridge.domain.ship_options import ShipOptionMapping, normalized
from jetbridge.domain.shipstation import as_seen
from tests import rule_strategies
from tests.builders import ADDRESS, NOW, a_line, a_part, a_store, an_order

if TYPE_CHECKING:
    from jetbridge.domain.order import Line, Order
    from jetbridge.domain.store import Store

HOUR = timedelta(hours=1)
TOKYO, ANGELES = "Asia/Tokyo", "America/Los_Angeles"


def decided(order: Order, *rules: Rule, now: datetime = NOW, store: Store | None = None) -> Verdict:
    """Decide and explain: what both say is given, that they agree is asserted."""
    ready = compiled(RuleSet(7, rules), store or a_store())
    verdict, explained = ready.decide(order, now), ready.explain(order, now)
    assert without_conditions(explained) == verdict
    return explained


def without_conditions(verdict: Verdict) -> Verdict:
    return replace(verdict, trace=tuple(replace(each, conditions=()) for each in verdict.trace))


def rule(*then: Action, when: Condition | None = None, name: str = "rule", stop: bool = False) -> Rule:
    return Rule(name, then or (Forward(),), when, stop=stop)


def holds(condition: Condition, order: Order, *, now: datetime = NOW, **settings: object) -> bool:
    """Whether a condition is true of an order; that its negation is not is asserted."""
    no = decided(order, rule(when=Not(condition)), now=now, store=a_store(**settings))
    found = decided(order, rule(when=condition), now=now, store=a_store(**settings))
    assert found.outcome is not no.outcome
    return found.outcome is Outcome.FORWARD


def asks(field: str, operator: str, value: Value = None, *, key: str = "", match_case: bool = False) -> Comparison:
    return Comparison(field, Operator(operator), value, key, match_case)


def usd(amount: str) -> Money:
    return Money(Decimal(amount), "USD")


# -- text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "value", "held"),
    [
        ("is", "express saver", True),
        ("is", "express", False),
        ("is_not", "express", True),
        ("is_one_of", ("slow", "EXPRESS SAVER"), True),
        ("is_none_of", ("slow", "Express  Saver "), False),
        ("contains", "ss sa", True),
        ("contains_not", "overnight", True),
        ("starts_with", "EXPRESS", True),
        ("starts_not_with", "Express", False),
        ("ends_with", "saver", True),
        ("ends_not_with", "saver", False),
        ("is_blank", None, False),
        ("is_not_blank", None, True),
    ],
)
def test_text_is_compared_without_case_and_with_folded_spaces(operator: str, value: Value, held: bool) -> None:  # noqa: FBT001 - a parameter
    order = an_order(shipping_method="  Express\t SAVER ")

    assert holds(asks("shipping_method", operator, value), order) is held


def test_with_match_case_text_is_compared_as_it_is() -> None:
    order = an_order(shipping_method="Express  Saver", tags=("VIP",))

    assert holds(asks("shipping_method", "is", "Express  Saver", match_case=True), order)
    assert not holds(asks("shipping_method", "is", "Express Saver", match_case=True), order)
    assert not holds(asks("shipping_method", "starts_with", "express", match_case=True), order)
    assert holds(asks("tags", "includes_any", ("VIP",), match_case=True), order)
    assert not holds(asks("tags", "includes_any", ("vip",), match_case=True), order)


def test_case_is_folded_in_every_alphabet() -> None:
    order = an_order(shipping_address=replace(ADDRESS, city="STRASSBURG", name="ΟΔΥΣΣΕΎΣ"))

    assert holds(asks("city", "is", "Straßburg"), order)
    assert holds(asks("recipient_name", "is", "Οδυσσεύς"), order)


def test_of_a_blank_text_every_positive_comparison_is_false_and_every_negative_one_true() -> None:
    for order in (an_order(shipping_address=None), an_order(shipping_address=replace(ADDRESS, city=" \t"))):
        assert holds(asks("city", "is_blank"), order)
        for operator in set(OPERATORS[Kind.TEXT]) - {Operator.IS_BLANK, Operator.IS_NOT_BLANK}:
            value = ("x",) if operator in rule_strategies.LISTS else "x"
            assert holds(asks("city", operator, value), order) is (operator in NEGATIONS)


def test_an_attribute_is_asked_by_its_name() -> None:
    order = an_order(attributes=(("Delivery  Slot", "Evening"), ("other", "")))

    assert holds(asks("attribute", "is", "evening", key="delivery slot"), order)
    assert holds(asks("attribute", "is_blank", key="other"), order)
    assert holds(asks("attribute", "is_blank", key="none such"), order)
    assert not holds(asks("attribute", "is", "evening", key="other"), order)


# -- numbers and money ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "value", "held"),
    [
        ("is", "150", True),
        ("is_not", "150.00", False),
        ("less_than", "150", False),
        ("at_most", "150.0", True),
        ("greater_than", "149.999999", True),
        ("at_least", "150.000001", False),
    ],
)
def test_amounts_are_compared_as_numbers_not_as_text(operator: str, value: str, held: bool) -> None:  # noqa: FBT001 - a parameter
    for total in ("150", "150.00", "150.0", "1.5E2"):
        assert holds(asks("total", operator, usd(value)), an_order(total=total, currency="USD")) is held


def test_both_ends_of_a_range_are_inside() -> None:
    between = asks("total", "between", (usd("10"), usd("20")))

    inside = {total: holds(between, an_order(total=total, currency="USD")) for total in ("9.99", "10", "20", "20.01")}

    assert inside == {"9.99": False, "10": True, "20": True, "20.01": False}


def test_an_amount_in_another_currency_never_matches() -> None:
    order = an_order(a_line(), total="150.00", currency="EUR")

    assert not holds(asks("total", "greater_than", usd("1")), order)
    assert not holds(asks("total", "less_than", usd("1000")), order)
    assert holds(asks("total", "is_not", usd("150")), order)
    assert holds(asks("total", "greater_than", Money(Decimal(1), "eur")), order)
    assert not holds(asks("total", "is_blank"), order)


def test_a_line_has_the_currency_of_its_order() -> None:
    line = replace(a_line(), unit_price="9.00")
    cheap = AnyLine(asks("unit_price", "less_than", usd("10")))

    assert holds(cheap, an_order(line, currency="USD"))
    assert not holds(cheap, an_order(line, currency="CAD"))
    assert not holds(cheap, an_order(line, currency=""))


@pytest.mark.parametrize("total", ["", "free", "12,50", "NaN", "--3", "1.2.3", "."])
def test_an_amount_that_is_none_is_blank(total: str) -> None:
    order = an_order(total=total, currency="USD")

    assert holds(asks("total", "is_blank"), order)
    assert not holds(asks("total", "at_most", usd("5")), order)
    assert not holds(asks("total", "at_least", usd("-5")), order)
    assert holds(asks("total", "is_not", usd("5")), order)


def test_huge_and_tiny_numbers_are_compared_exactly() -> None:
    def compared(total: str, operator: str, value: str) -> bool:
        return holds(asks("total", operator, usd(value)), an_order(total=total, currency="USD"))

    assert compared("9007199254740993.00", "greater_than", "9007199254740992.00")
    assert compared("9" * 400, "greater_than", "999999999999999")
    assert compared("-" + "9" * 400, "less_than", "0")
    assert compared("1e999999", "greater_than", "1")
    assert compared("0e999999", "is", "0")
    assert compared("1e-999999", "is", "0")
    assert compared("0.1", "is", "0.10")
    assert compared("-0.50", "is", "-0.5")


def test_whole_numbers_are_compared_with_any() -> None:
    order = an_order(a_line(quantity=3), total_weight_grams=2**60 + 1)

    assert holds(asks("total_quantity", "greater_than", Decimal("2.5")), order)
    assert holds(asks("total_quantity", "between", (Decimal("2.9"), Decimal("3.1"))), order)
    assert not holds(asks("total_quantity", "is", Decimal("3.000001")), order)
    assert holds(asks("weight", "greater_than", Decimal(2**60)), order)
    assert not holds(asks("weight", "is", Decimal(2**60)), order)


def test_an_order_that_nobody_weighed_has_no_weight() -> None:
    assert holds(asks("weight", "is_blank"), an_order())
    assert not holds(asks("weight", "at_most", Decimal(500)), an_order())
    assert holds(asks("weight", "at_most", Decimal(500)), an_order(total_weight_grams=500))


# -- dates ------------------------------------------------------------------------------------------------------------


def test_a_day_is_the_stores_day() -> None:
    order = an_order(created_at=datetime(2026, 11, 22, 16, 0, tzinfo=UTC))  # the 23rd in Tokyo since an hour

    for zone, day in (("UTC", 22), (ANGELES, 22), (TOKYO, 23)):
        asked = date(2026, 11, day)
        assert holds(asks("order_date", "on", asked), order, time_zone=zone)
        assert not holds(asks("order_date", "before", asked), order, time_zone=zone)
        assert not holds(asks("order_date", "after", asked), order, time_zone=zone)
        assert holds(asks("order_date", "before", asked + timedelta(days=1)), order, time_zone=zone)
        assert holds(asks("order_date", "after", asked - timedelta(days=1)), order, time_zone=zone)
        assert holds(asks("order_date", "between", (asked, asked)), order, time_zone=zone)


def test_a_day_begins_with_its_first_moment_and_ends_with_the_next_ones() -> None:
    day = date(2026, 11, 1)  # 25 hours long in Los Angeles
    begin, end = datetime(2026, 11, 1, 7, 0, tzinfo=UTC), datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
    tick = timedelta(microseconds=1)

    on = {
        at: holds(asks("order_date", "on", day), an_order(created_at=at), time_zone=ANGELES)
        for at in (begin - tick, begin, end - tick, end)
    }

    assert list(on.values()) == [False, True, True, False]


def test_a_time_without_an_offset_is_the_stores() -> None:
    order = an_order(created_at=NOW)
    at_nine_in_tokyo = datetime(2026, 11, 22, 21, 0)  # noqa: DTZ001 - without an offset is the point of it

    assert not holds(asks("order_date", "before", at_nine_in_tokyo), order, time_zone=TOKYO)
    assert holds(asks("order_date", "before", at_nine_in_tokyo), order, time_zone="UTC")
    assert holds(asks("order_date", "between", (at_nine_in_tokyo, at_nine_in_tokyo)), order, time_zone=TOKYO)
    assert not holds(asks("order_date", "after", NOW), order)
    assert holds(asks("order_date", "after", NOW - HOUR), order)


def test_relative_times_move_with_the_clock() -> None:
    order = an_order(created_at=NOW)
    older = asks("order_date", "before", RelativeTime(days=-3))

    assert not holds(older, order, now=NOW + timedelta(days=3))
    assert holds(older, order, now=NOW + timedelta(days=3, microseconds=1))
    assert holds(asks("order_date", "after", RelativeTime(hours=-1)), order, now=NOW + HOUR / 2)
    assert not holds(asks("order_date", "after", RelativeTime(hours=-1)), order, now=NOW + HOUR)


def test_today_is_the_stores_day_and_relative_days_are_days_of_its_calendar() -> None:
    late = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)  # 23:30 on 31 October in Los Angeles
    order, now = an_order(created_at=late), datetime(2026, 11, 1, 7, 30, tzinfo=UTC)

    assert holds(asks("order_date", "on", RelativeTime(days=-1)), order, now=now, time_zone=ANGELES)
    assert holds(asks("order_date", "on", RelativeTime()), order, now=now)
    # The night from Saturday to Sunday has an hour more: the same time yesterday is 25 hours ago.
    noon, nearly = datetime(2026, 11, 1, 20, 0, tzinfo=UTC), datetime(2026, 10, 31, 19, 0, 1, tzinfo=UTC)
    yesterday = asks("order_date", "before", RelativeTime(days=-1))
    assert not holds(yesterday, an_order(created_at=nearly), now=noon, time_zone=ANGELES)
    assert holds(yesterday, an_order(created_at=nearly - timedelta(seconds=2)), now=noon, time_zone=ANGELES)


def test_an_unknown_time_zone_is_utc() -> None:
    order = an_order(created_at=datetime(2026, 11, 22, 23, 30, tzinfo=UTC))

    for zone in ("Mars/Olympus", "", "/etc/passwd", "America", "\x00"):
        assert holds(asks("order_date", "on", date(2026, 11, 22)), order, time_zone=zone)


def test_days_at_the_end_of_the_calendar_are_no_trouble() -> None:
    for day in (date.min, date.max):
        for operator in ("before", "after", "on"):
            for zone in ("UTC", TOKYO, ANGELES):
                holds(asks("order_date", operator, day), an_order(), time_zone=zone)
    assert holds(asks("order_date", "before", RelativeTime(days=10**8)), an_order())
    assert holds(asks("order_date", "after", RelativeTime(days=-(10**8))), an_order())
    assert decided(an_order(), rule(HoldOrder(until=date.max))).outcome is Outcome.HOLD
    assert decided(an_order(), rule(HoldOrder(for_hours=10**9))).outcome is Outcome.HOLD


def test_an_order_without_the_date_is_blank_there() -> None:
    assert holds(asks("ship_by", "is_blank"), an_order())
    assert not holds(asks("ship_by", "before", date(2100, 1, 1)), an_order())
    assert not holds(asks("ship_by", "after", date(1900, 1, 1)), an_order())


def test_an_imported_order_is_dated_when_the_customer_placed_it() -> None:
    order = an_order(created_at=NOW, processed_at=NOW - timedelta(days=30))

    assert holds(asks("order_date", "before", date(2026, 11, 1)), order)
    assert not holds(asks("created_at", "before", date(2026, 11, 1)), order)


# -- tags, yes and no -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "tags", "held"),
    [
        ("includes_any", ("gift", "WHOLESALE"), True),
        ("includes_any", ("gift",), False),
        ("includes_all", ("vip", "wholesale"), True),
        ("includes_all", ("vip", "gift"), False),
        ("includes_all", ("VIP",), True),
        ("includes_none", ("gift", "vip"), False),
        ("includes_none", ("gift",), True),
    ],
)
def test_tags_are_a_set(operator: str, tags: tuple[str, ...], held: bool) -> None:  # noqa: FBT001 - a parameter
    assert holds(asks("tags", operator, tags), an_order(tags=("Vip", " wholesale "))) is held


def test_an_order_without_tags_includes_none() -> None:
    for order in (an_order(), an_order(tags=("", " "))):
        assert holds(asks("tags", "includes_none", ("vip",)), order)
        assert holds(asks("tags", "is_blank"), order)


def test_a_yes_or_no_that_nobody_knows_is_neither() -> None:
    order = an_order()

    assert not holds(asks("gift", "is", value=True), order)
    assert not holds(asks("gift", "is", value=False), order)
    assert holds(asks("gift", "is_blank"), order)
    assert holds(asks("test", "is", value=False), order)


@pytest.mark.parametrize(
    ("address", "international", "po_box", "military"),
    [
        (ADDRESS, False, False, False),
        (replace(ADDRESS, country_code="pr"), False, False, False),
        (replace(ADDRESS, country_code="CA", province_code="ON"), True, False, False),
        (replace(ADDRESS, address1="P.O. Box 12"), False, True, False),
        (replace(ADDRESS, city="APO", province_code="AE"), False, False, True),
    ],
)
def test_the_destination_is_known_by_its_address(
    address: Address,
    international: bool,  # noqa: FBT001 - parameters
    po_box: bool,  # noqa: FBT001
    military: bool,  # noqa: FBT001
) -> None:
    order = an_order(shipping_address=address)

    found = [holds(asks(field, "is", value=True), order) for field in ("international", "po_box", "military")]

    assert found == [international, po_box, military]


def test_without_an_address_the_destination_is_unknown() -> None:
    for field in ("international", "po_box", "military", "country"):
        assert holds(asks(field, "is_blank"), an_order(shipping_address=None))


# -- lines ------------------------------------------------------------------------------------------------------------

PRE = asks("sku", "starts_with", "PRE-")


def skus(*names: str) -> tuple[Line, ...]:
    return tuple(a_line(name, n=n) for n, name in enumerate(names, 1))


@pytest.mark.parametrize(
    ("lines", "some", "every", "none"),
    [
        (skus("PRE-1"), True, True, False),
        (skus("PRE-1", "TEA"), True, False, False),
        (skus("pre-1", "PRE-2", "Pre-3"), True, True, False),
        (skus("TEA", "CUP"), False, False, True),
        (skus(""), False, False, True),
    ],
)
def test_conditions_about_lines_speak_of_any_number_of_them(
    lines: tuple[Line, ...],
    some: bool,  # noqa: FBT001 - parameters
    every: bool,  # noqa: FBT001
    none: bool,  # noqa: FBT001
) -> None:
    order = an_order(*lines)

    assert [holds(about(PRE), order) for about in (AnyLine, EveryLine, NoLine)] == [some, every, none]


def test_an_order_without_lines_has_no_line_that_meets_anything() -> None:
    order = replace(an_order(), lines=())

    assert [holds(about(PRE), order) for about in (AnyLine, EveryLine, NoLine)] == [False, False, True]


def test_a_line_counts_while_units_of_it_are_left() -> None:
    order = an_order(a_line("PRE-1", 2, current=0), a_line("TEA", 5, n=2, current=3))

    assert holds(NoLine(PRE), order)
    assert holds(asks("line_count", "is", Decimal(1)), order)
    assert holds(asks("total_quantity", "is", Decimal(3)), order)
    assert holds(EveryLine(asks("quantity", "is", Decimal(3))), order)
    assert holds(EveryLine(asks("ordered_quantity", "is", Decimal(5))), order)
    assert holds(asks("skus", "includes_none", ("pre-1",)), order)


def test_two_conditions_inside_any_line_speak_of_the_same_line() -> None:
    both = AllOf((PRE, asks("quantity", "at_least", Decimal(2))))

    assert not holds(AnyLine(both), an_order(a_line("PRE-1", 1), a_line("TEA", 2, n=2)))
    assert holds(AnyLine(both), an_order(a_line("PRE-1", 2), a_line("TEA", 1, n=2)))


def test_a_part_split_off_in_shipstation_is_judged_by_the_lines_it_holds() -> None:
    order = an_order(a_line("PRE-1", 3), a_line("TEA", n=2))
    whole = a_part(order)
    parts = (
        replace(whole, id="1", lines=(replace(whole.lines[0], quantity=2),)),
        replace(whole, id="2", lines=whole.lines[1:], tags=("vip",), gift=True),
    )
    order = replace(order, shipstation=parts)

    assert holds(EveryLine(PRE), as_seen(order, "1"))
    assert holds(asks("total_quantity", "is", Decimal(2)), as_seen(order, "1"))
    assert holds(NoLine(PRE), as_seen(order, "2"))
    assert holds(asks("tags", "includes_any", ("vip",)), as_seen(order, "2"))
    assert holds(asks("gift", "is", value=True), as_seen(order, "2"))


def test_where_goods_lie_is_shipstations_word() -> None:
    order = an_order(a_line("TEA"), a_line("CUP", n=2))
    tea, cup = a_part(order).lines
    lines = (replace(tea, warehouse_location="A-1"), replace(cup, key="", warehouse_location="B-2"))
    view = as_seen(replace(order, shipstation=(a_part(order, "1", lines=lines),)), "1")

    for sku, place in (("tea", "a-1"), ("cup", "b-2")):
        both = AllOf((asks("sku", "is", sku), asks("warehouse_location", "is", place)))
        assert holds(AnyLine(both), view)
    assert holds(EveryLine(asks("warehouse_location", "is_blank")), order)


# -- what the mapping says --------------------------------------------------------------------------------------------


def test_the_ship_option_is_what_the_active_mapping_gives() -> None:
    order = an_order(shipping_method="EXPRESS")
    pattern = ShipOptionMapping(normalized("exp*"), "2-Day")
    two_day = asks("ship_option", "is", "2-day")

    assert holds(asks("ship_option", "is", "expedited"), order)
    assert holds(two_day, order, ship_options={pattern.method: pattern})
    assert holds(asks("ship_option", "is_blank"), order, ship_options={pattern.method: replace(pattern, active=False)})
    assert holds(asks("ship_option", "is_blank"), order, ship_options={})


# -- actions ----------------------------------------------------------------------------------------------------------


def test_later_rules_override_earlier_ones() -> None:
    found = decided(
        an_order(),
        rule(Forward(), SetShipOption("Ground"), SetLocation("1"), name="one"),
        rule(HoldOrder("look first"), SetShipOption("2-Day"), name="two"),
        rule(SetLocation("9"), name="three"),
    )

    assert (found.outcome, found.rule, found.reason) == (Outcome.HOLD, "two", "look first")
    assert (found.ship_option, found.location) == ("2-Day", "9")
    assert found.version == 7


def test_a_rule_that_stops_ends_it() -> None:
    found = decided(
        an_order(),
        rule(Exclude("ours"), name="mine", stop=True),
        rule(Forward(), AddTag("late"), name="never"),
    )

    assert (found.outcome, found.reason, found.add_tags) == (Outcome.EXCLUDE, "ours", ())
    assert [each.why for each in found.trace] == [
        "no conditions: matches every imported order: exclude, then stop",
        "not reached: rule 'mine' stopped",
    ]


def test_a_rule_that_does_not_match_stops_nothing() -> None:
    no = asks("country", "is", "CA")

    assert decided(an_order(), rule(Exclude(), when=no, stop=True), rule(Forward())).outcome is Outcome.FORWARD


def test_no_rule_that_decides_is_no_decision() -> None:
    for rules in ((), (rule(AddTag("seen")),), (Rule("off", (Forward(),), active=False),)):
        found = decided(an_order(), *rules)
        assert (found.outcome, found.rule) == (Outcome.NO_RULE_MATCHED, "")


def test_tags_notes_and_notifications_add_up() -> None:
    found = decided(
        an_order(),
        rule(AddTag("one"), AddNote("first"), Notify("look")),
        rule(AddTag("two"), AddNote("second"), AddNote("first"), Notify("look")),
    )

    assert found.add_tags == ("one", "two")
    assert found.notes == ("first", "second")
    assert found.notifications == ("look",)


def test_of_adding_and_removing_a_tag_the_later_counts() -> None:
    added, removed = rule(AddTag("VIP")), rule(RemoveTag(" vip"))

    one, two = decided(an_order(), added, removed), decided(an_order(), removed, added)

    assert (one.add_tags, one.remove_tags) == ((), (" vip",))
    assert (two.add_tags, two.remove_tags) == (("VIP",), ())


@pytest.mark.parametrize(
    ("hold", "end"),
    [
        (HoldOrder(until=NOW + HOUR), NOW + HOUR),
        (HoldOrder(until=date(2026, 11, 23)), datetime(2026, 11, 22, 15, 0, tzinfo=UTC)),
        (HoldOrder(until=datetime(2026, 11, 22, 22, 0)), NOW + HOUR),  # noqa: DTZ001 - the store's time
        (HoldOrder(for_hours=2), NOW + HOUR),
    ],
)
def test_a_hold_ends_by_itself(hold: HoldOrder, end: datetime) -> None:
    order = an_order(created_at=NOW - HOUR)
    rules, tick, store = (rule(Forward(), name="all"), rule(hold)), timedelta(microseconds=1), a_store(time_zone=TOKYO)

    before = decided(order, *rules, now=end - tick, store=store)
    after = decided(order, *rules, now=end, store=store)

    assert (before.outcome, before.until) == (Outcome.HOLD, end)
    assert (after.outcome, after.rule, after.until) == (Outcome.FORWARD, "all", None)
    assert after.trace[1].matched
    assert "its time is over" in after.trace[1].why


def test_a_hold_that_is_over_does_not_stop_the_rules_behind_it() -> None:
    first = rule(HoldOrder(until=NOW), name="pre-order", stop=True)

    assert decided(an_order(), first, rule(Forward()), now=NOW - HOUR).outcome is Outcome.HOLD
    assert decided(an_order(), first, rule(Forward()), now=NOW).outcome is Outcome.FORWARD


def test_a_hold_without_an_end_lasts() -> None:
    found = decided(an_order(), rule(HoldOrder("ask first")), now=NOW + timedelta(days=10_000))

    assert (found.outcome, found.until) == (Outcome.HOLD, None)


# -- splitting --------------------------------------------------------------------------------------------------------

NOW_GOES = asks("sku", "starts_with", "TEA")


def test_a_split_holds_back_the_lines_that_do_not_meet_it() -> None:
    order = an_order(*skus("TEA-1", "PRE-1", "TEA-2", "PRE-2"))
    split = rule(Split(NOW_GOES, "rest later", for_hours=48), name="split")

    found = decided(order, rule(Forward()), split)

    assert found.outcome is Outcome.FORWARD
    assert found.later == {"2", "4"}
    assert (found.later_rule, found.later_reason) == ("split", "rest later")
    assert found.later_until == order.created_at + timedelta(hours=48)


def test_a_split_after_which_nothing_is_left_is_none() -> None:
    found = decided(an_order(*skus("TEA-1", "TEA-2")), rule(Forward(), Split(NOW_GOES, "why")))

    assert (found.later, found.later_rule, found.later_reason) == (frozenset(), "", "")


def test_a_split_that_no_line_meets_holds_all_of_them_back() -> None:
    found = decided(an_order(*skus("PRE-1", "PRE-2")), rule(Forward(), Split(NOW_GOES)))

    assert found.outcome is Outcome.FORWARD
    assert found.later == {"1", "2"}


def test_a_split_of_an_order_that_is_not_forwarded_is_none() -> None:
    for last in (HoldOrder(), Exclude()):
        assert not decided(an_order(*skus("PRE-1")), rule(Split(NOW_GOES)), rule(last)).later


def test_after_its_end_a_split_holds_nothing_back() -> None:
    order = an_order(*skus("TEA-1", "PRE-1"))
    rules = rule(Forward()), rule(Split(NOW_GOES, until=NOW))

    assert decided(order, *rules, now=NOW - HOUR).later == {"2"}
    assert not decided(order, *rules, now=NOW).later


# -- the trace --------------------------------------------------------------------------------------------------------


def test_every_condition_says_whether_it_held_and_where_it_stands() -> None:
    when = AllOf(
        (
            asks("country", "is_one_of", ("CA", "MX")),
            AnyOf((asks("total", "greater_than", usd("150")), Not(asks("tags", "includes_any", ("vip",))))),
            AnyLine(AllOf((PRE, asks("quantity", "at_least", Decimal(2))))),
            NoLine(asks("gift_card", "is", value=True)),
            EveryLine(asks("vendor", "is_not_blank")),
        )
    )
    order = an_order(a_line("PRE-1"), total="9.00", currency="USD")

    found = decided(order, Rule("off", (), active=False), rule(when=when, name="long")).trace[1]

    assert not found.matched
    assert found.why == "its conditions do not hold"
    top = "rules[1].when"
    assert found.conditions == (
        ConditionTrace(top, "all of these hold", held=False),
        ConditionTrace(f"{top}.all[0]", "country is one of CA, MX", held=False),
        ConditionTrace(f"{top}.all[1]", "at least one of these holds", held=True),
        ConditionTrace(f"{top}.all[1].any[0]", "total greater than 150 USD", held=False),
        ConditionTrace(f"{top}.all[1].any[1]", "not: tags includes any vip", held=True),
        ConditionTrace(f"{top}.all[1].any[1].not", "tags includes any vip", held=False),
        ConditionTrace(f"{top}.all[2]", "at least one line: all of these hold", held=False),
        ConditionTrace(f"{top}.all[2].any_line.all[0]", "some line: sku starts with PRE-", held=True),
        ConditionTrace(f"{top}.all[2].any_line.all[1]", "some line: quantity at least 2", held=False),
        ConditionTrace(f"{top}.all[3]", "no line: gift card is yes", held=True),
        ConditionTrace(f"{top}.all[4]", "every line: vendor is not blank", held=False),
    )


def test_explaining_says_also_what_rules_behind_a_stop_would_have_found() -> None:
    behind = rule(when=asks("country", "is", "US"), name="behind")

    _, second = decided(an_order(), rule(stop=True, name="first"), behind).trace

    assert (second.matched, second.why) == (False, "not reached: rule 'first' stopped")
    assert [each.held for each in second.conditions] == [True]


def test_no_trace_says_what_an_order_holds() -> None:
    secret = "Zyxw-Only-In-The-Order"  # noqa: S105 - a word to look for
    order = replace(
        an_order(replace(a_line(secret), name=secret, vendor=secret, properties=(("engraving", secret),))),
        shipping_address=Address(*[secret] * 9),
        attributes=(("slot", secret),),
        tags=(secret,),
        email=secret,
        note=secret,
        name=secret,
        total=secret,
        shipping_method=secret,
    )
    comparisons = [
        (AnyLine if field.of_line else lambda each: each)(
            Comparison(name, Operator.IS_NOT_BLANK, key="slot" if field.keyed else "")
        )
        for name, field in FIELDS.items()
    ]

    found = decided(order, *(rule(HoldOrder(for_hours=1), when=each, name="r") for each in comparisons))

    assert secret not in repr(found)


# -- compiled once ----------------------------------------------------------------------------------------------------


def test_a_rule_set_is_made_ready_once_for_the_same_settings() -> None:
    rules, store = RuleSet(1, (rule(),)), a_store()

    assert compiled(rules, store) is compiled(rules, store)
    assert compiled(rules, replace(store, time_zone=TOKYO)) is not compiled(rules, store)
    assert compiled(rules, replace(store, ship_options={})) is not compiled(rules, store)


def test_what_is_kept_is_never_another_stores_or_versions() -> None:
    """Many more rule sets than are kept, each gone before the next: an id that comes again must not be mistaken."""
    order = an_order()
    for n in range(300):
        found = compiled(RuleSet(n, (Rule(f"rule {n}", (Forward(),)),)), a_store()).decide(order, NOW)
        assert (found.version, found.rule) == (n, f"rule {n}")


# -- true of any rules and any order ----------------------------------------------------------------------------------


@given(
    rule_strategies.rule_sets,
    rule_strategies.any_orders(),
    rule_strategies.nows,
    rule_strategies.zones,
)
def test_evaluation_never_raises_and_explaining_agrees_with_deciding(
    rules: RuleSet, order: Order, now: datetime, zone: str
) -> None:
    ready = compiled(rules, a_store(time_zone=zone))

    verdict, explained = ready.decide(order, now), ready.explain(order, now)

    assert without_conditions(explained) == verdict
    assert [each.rule for each in verdict.trace] == [each.name for each in rules.rules]
    for said, each in zip(explained.trace, rules.rules, strict=True):
        assert "cannot be read" not in said.why
        assert bool(said.conditions) is (each.active and each.when is not None)
        reached = each.active and not said.why.startswith("not reached")
        if said.conditions and reached:
            assert said.conditions[0].held is said.matched


@given(
    rule_strategies.comparisons() | rule_strategies.line_conditions.map(AnyLine),
    rule_strategies.any_orders(),
    rule_strategies.nows,
)
def test_of_a_condition_and_its_negation_exactly_one_holds(condition: Condition, order: Order, now: datetime) -> None:
    assert holds(condition, order, now=now) is not holds(Not(condition), order, now=now)
    if isinstance(condition, Comparison) and condition.operator in NEGATIONS:
        positive = replace(condition, operator=NEGATIONS[condition.operator])
        if positive.operator is Operator.IS_BLANK or positive.value:
            assert holds(condition, order, now=now) is not holds(positive, order, now=now)


def sets(rule: Rule) -> set[str]:
    """Name what a rule can change; that a rule stops changes everything behind it."""
    parts: dict[type, str] = {Forward: "outcome", Exclude: "outcome", HoldOrder: "outcome"}
    found = {parts.get(type(each), type(each).__name__) for each in rule.then}
    if found & {"AddTag", "RemoveTag"}:
        found |= {"AddTag", "RemoveTag"}
    return found


@given(
    rule_strategies.rule_lists,
    rule_strategies.any_orders(),
    rule_strategies.nows,
    st.data(),
)
def test_a_decision_is_the_same_whatever_the_order_of_rules_that_are_independent(
    rules: tuple[Rule, ...], order: Order, now: datetime, data: st.DataObject
) -> None:
    """Neighbours are independent if they do not both match, or none of them stops and they set different things."""
    assume(len(rules) > 1)
    at = data.draw(st.integers(0, len(rules) - 2))
    rules = tuple(replace(each, name=f"{n} {each.name}") for n, each in enumerate(rules))
    one, two = rules[at], rules[at + 1]
    alone = [compiled(RuleSet(1, (each,)), a_store()).decide(order, now).trace[0].matched for each in (one, two)]
    assume(not all(alone) or not (one.stop or two.stop or sets(one) & sets(two)))
    swapped = (*rules[:at], two, one, *rules[at + 2 :])

    found, again = (compiled(RuleSet(1, each), a_store()).decide(order, now) for each in (rules, swapped))

    assert replace(found, trace=()) == replace(again, trace=())


@given(rule_strategies.rule_lists, rule_strategies.any_orders(), rule_strategies.nows, st.data())
def test_rules_that_do_not_match_change_nothing(
    rules: tuple[Rule, ...], order: Order, now: datetime, data: st.DataObject
) -> None:
    is_test = [Comparison("test", Operator.IS, each) for each in (True, False)]
    never = Rule("never", (Exclude(), AddTag("x")), AllOf(tuple(is_test)), stop=True)
    at = data.draw(st.integers(0, len(rules)))

    found = decided(order, *rules, now=now)
    again = decided(order, *rules[:at], never, *rules[at:], now=now)

    assert replace(found, trace=()) == replace(again, trace=())
