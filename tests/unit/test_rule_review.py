"""What is found in a draft of rules, where, and that nothing is called impossible that some order is."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jetbridge.domain.connection import Severity
from jetbridge.domain.rule_evaluation import compiled
from jetbridge.domain.rule_fields import FIELDS, OPERATORS, Kind
from jetbridge.domain.rule_logic import MOST_BRANCHES, MOST_BRANCHES_IN_ALL, Logic
from jetbridge.domain.rule_review import DEEPEST, Remark, can_be_saved, review
from jetbridge.domain.rule_templates import TEMPLATES
from jetbridge.domain.rules import (
    DEFAULT_RULES,
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
from tests.builders import ADDRESS, NOW, a_line, a_store, an_order
from tests.rule_strategies import any_orders, rule_lists

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from jetbridge.domain.order import Order

O = Operator  # noqa: E741 - short, for tables of conditions
STORE = a_store(time_zone="America/New_York")
OFFERED = {"Standard": True, "Expedited": True, "Drone": False}


def found(*rules: Rule, offered: dict[str, bool] | None = OFFERED, locations: set[str] | None = None) -> list[Remark]:
    return review(rules, STORE, offered=offered, locations=locations if locations is not None else {"9"}, now=NOW)


def errors(*rules: Rule) -> list[str]:
    return [each.path for each in found(*rules) if each.severity is Severity.ERROR]


def warnings(*rules: Rule) -> list[str]:
    return [each.path for each in found(*rules) if each.severity is Severity.WARNING]


def says(field: str, operator: Operator, value: Value = None, key: str = "", *, match_case: bool = False) -> Comparison:
    return Comparison(field, operator, value, key, match_case)


def usd(amount: str) -> Money:
    return Money(Decimal(amount), "USD")


FORWARD = Rule("forward", (Forward(),))
US, CA = says("country", O.IS, "US"), says("country", O.IS, "CA")
TEA = says("sku", O.STARTS_WITH, "TEA")
THREE, FOUR = Decimal(3), Decimal(4)


# -- what no order can be -------------------------------------------------------------------------------------------

IMPOSSIBLE: list[tuple[str, Condition]] = [
    ("two countries", AllOf((US, CA))),
    ("a country and not it, by case", AllOf((US, Not(says("country", O.IS_ONE_OF, ("us", "CA")))))),
    ("one of two, and none of three", AllOf((says("country", O.IS_ONE_OF, ("US", "CA")), Not(AnyOf((US, CA)))))),
    ("a country that begins otherwise", AllOf((US, says("country", O.STARTS_WITH, "C")))),
    ("two beginnings", AllOf((says("zip", O.STARTS_WITH, "62"), says("zip", O.STARTS_WITH, "61")))),
    ("two ends", AllOf((says("city", O.ENDS_WITH, "ville"), says("city", O.ENDS_WITH, "field")))),
    ("contains and does not", AllOf((says("note", O.CONTAINS, "do not bend"), says("note", O.CONTAINS_NOT, "not")))),
    (
        "begins and does not contain",
        AllOf((says("note", O.STARTS_WITH, "gift for"), says("note", O.CONTAINS_NOT, "GIFT"))),
    ),
    ("ends and does not", AllOf((says("note", O.ENDS_WITH, "a b"), says("note", O.ENDS_NOT_WITH, "B")))),
    ("blank and something", AllOf((says("note", O.IS_BLANK), says("note", O.CONTAINS, "gift")))),
    ("blank and not", AllOf((says("note", O.IS_BLANK), says("note", O.IS_NOT_BLANK)))),
    (
        "a case and another",
        AllOf((says("note", O.IS, "VIP", match_case=True), says("note", O.IS, "vip", match_case=True))),
    ),
    ("a case, and not the word", AllOf((says("note", O.IS, "VIP", match_case=True), says("note", O.IS_NOT, "vip")))),
    ("two values of one attribute", AllOf((says("attribute", O.IS, "a", "Way"), says("attribute", O.IS, "b", "way ")))),
    (
        "more than three, less than four lines",
        AllOf((says("line_count", O.GREATER_THAN, THREE), says("line_count", O.LESS_THAN, FOUR))),
    ),
    (
        "half a line",
        AllOf((says("line_count", O.GREATER_THAN, Decimal("2.1")), says("line_count", O.LESS_THAN, Decimal("2.9")))),
    ),
    (
        "neither more nor less nor blank",
        AllOf(
            (
                Not(says("line_count", O.AT_LEAST, THREE)),
                Not(says("line_count", O.LESS_THAN, THREE)),
                says("line_count", O.IS_NOT_BLANK),
            )
        ),
    ),
    (
        "within and beyond",
        AllOf((says("total", O.BETWEEN, (usd("1"), usd("5"))), says("total", O.GREATER_THAN, usd("5")))),
    ),
    (
        "two currencies",
        AllOf((says("total", O.GREATER_THAN, usd("5")), says("total", O.GREATER_THAN, Money(Decimal(5), "EUR")))),
    ),
    (
        "before and after a day",
        AllOf((says("order_date", O.BEFORE, date(2026, 11, 5)), says("order_date", O.AFTER, date(2026, 11, 5)))),
    ),
    (
        "on a day, and before a time of the day before",
        AllOf(
            (
                says("order_date", O.ON, date(2026, 11, 5)),
                says("order_date", O.BEFORE, datetime(2026, 11, 4, 23, tzinfo=UTC)),
            )
        ),
    ),
    (
        "younger than three and older than nine days",
        AllOf((says("order_date", O.AFTER, RelativeTime(-3)), says("order_date", O.BEFORE, RelativeTime(-9)))),
    ),
    ("yes and no", AllOf((says("international", O.IS, value=True), says("international", O.IS, value=False)))),
    (
        "neither yes nor no nor blank",
        AllOf(
            (Not(says("gift", O.IS, value=True)), Not(says("gift", O.IS, value=False)), says("gift", O.IS_NOT_BLANK))
        ),
    ),
    (
        "all tags and none",
        AllOf((says("tags", O.INCLUDES_ALL, ("vip", "b2b")), says("tags", O.INCLUDES_NONE, ("B2B",)))),
    ),
    (
        "one of two tags, and neither",
        AllOf(
            (
                says("tags", O.INCLUDES_ANY, ("a", "b")),
                Not(says("tags", O.INCLUDES_ANY, ("a",))),
                Not(says("tags", O.INCLUDES_ALL, ("b",))),
            )
        ),
    ),
    ("a tag, and no tags", AllOf((says("tags", O.INCLUDES_ANY, ("a",)), says("tags", O.IS_BLANK)))),
    ("some line and no line", AllOf((AnyLine(TEA), NoLine(TEA)))),
    ("some line not as every line", AllOf((EveryLine(TEA), AnyLine(says("sku", O.IS, "MUG"))))),
    (
        "every line two things",
        AllOf((EveryLine(TEA), EveryLine(says("sku", O.ENDS_NOT_WITH, "A")), EveryLine(says("sku", O.IS, "tea")))),
    ),
    ("a line of two minds", AnyLine(AllOf((TEA, says("sku", O.IS, "MUG"))))),
    (
        "not every line, and all the same",
        AllOf((Not(EveryLine(TEA)), NoLine(Not(TEA)), AnyLine(says("quantity", O.AT_LEAST, THREE)))),
    ),
    ("either of two that cannot be", AnyOf((AllOf((US, CA)), AllOf((AnyLine(TEA), NoLine(TEA)))))),
]

POSSIBLE: list[tuple[str, Condition]] = [
    ("a country by another case", AllOf((US, says("country", O.IS, "us")))),
    ("no country at all", AllOf((Not(US), Not(says("country", O.IS_NOT_BLANK))))),
    ("a beginning and a longer one", AllOf((says("zip", O.STARTS_WITH, "62"), says("zip", O.STARTS_WITH, "627")))),
    ("a beginning and another end", AllOf((says("city", O.STARTS_WITH, "spring"), says("city", O.ENDS_WITH, "field")))),
    ("the word, and not its case", AllOf((says("note", O.IS, "vip"), says("note", O.IS_NOT, "VIP", match_case=True)))),
    ("two attributes", AllOf((says("attribute", O.IS, "a", "way"), says("attribute", O.IS, "b", "ways")))),
    ("the very amount", AllOf((says("total", O.AT_LEAST, usd("5")), says("total", O.AT_MOST, usd("5"))))),
    (
        "not above and not below, in another currency",
        AllOf((Not(says("total", O.AT_LEAST, usd("5"))), Not(says("total", O.LESS_THAN, usd("5"))))),
    ),
    (
        "a day in the store's zone, another in ours",
        AllOf(
            (
                says("order_date", O.ON, date(2026, 11, 5)),
                says("order_date", O.AFTER, datetime(2026, 11, 6, 3, tzinfo=UTC)),
            )
        ),
    ),
    (
        "a moment that moves, and one that does not",
        AllOf((says("order_date", O.AFTER, RelativeTime(-3)), says("order_date", O.BEFORE, date(2020, 1, 1)))),
    ),
    ("two lines of different kinds", AllOf((AnyLine(TEA), AnyLine(says("sku", O.IS, "MUG"))))),
    ("no line at all", AllOf((NoLine(TEA), NoLine(Not(TEA))))),
    ("not every line, for there is none", AllOf((Not(EveryLine(TEA)), NoLine(Not(TEA))))),
    (
        "more ways than anybody follows",
        AllOf(tuple(AnyOf((says("note", O.CONTAINS, f"a{n}"), says("note", O.CONTAINS, f"b{n}"))) for n in range(80))),
    ),
]


@pytest.mark.parametrize("condition", [each for _, each in IMPOSSIBLE], ids=[name for name, _ in IMPOSSIBLE])
def test_a_rule_that_no_order_can_meet_is_an_error(condition: Condition) -> None:
    draft = FORWARD, Rule("dead", (Forward(),), condition)

    assert errors(*draft) == ["rules[1].when"]
    assert warnings(Rule("always", (Forward(),), Not(condition))) == ["rules[0].when"]


@pytest.mark.parametrize("condition", [each for _, each in POSSIBLE], ids=[name for name, _ in POSSIBLE])
def test_a_rule_that_some_order_meets_is_none(condition: Condition) -> None:
    assert found(FORWARD, Rule("alive", (AddTag("seen"),), condition)) == []


def test_a_condition_with_too_many_ways_is_not_judged() -> None:
    ways = [AnyOf((says("city", O.CONTAINS, f"a{n}"), says("note", O.CONTAINS, f"b{n}"))) for n in range(12)]
    neither = AnyOf(tuple(AllOf((says("country", O.IS, each), CA)) for each in ("US", "MX", "DE")))
    few, many, logic = AllOf((*ways[:6], neither)), AllOf((*ways, neither)), Logic()

    assert logic.impossible(few)
    assert not logic.impossible(many)
    assert logic.branches_left > MOST_BRANCHES_IN_ALL - 2 * MOST_BRANCHES
    assert not Logic(branches_left=0).impossible(few)
    assert found(FORWARD, Rule("unjudged", (AddTag("x"),), many)) == []


# -- the rules together -----------------------------------------------------------------------------------------------


def test_the_documented_rules_and_every_template_have_nothing_wrong() -> None:
    offered = {"USPS Priority Mail": True}

    assert found(*DEFAULT_RULES.rules) == []
    assert {name: found(*template.rules(), offered=offered) for name, template in TEMPLATES.items()} == {
        name: [] for name in TEMPLATES
    }


def test_a_rule_behind_one_that_always_stops_is_never_reached() -> None:
    stops = Rule("all of it", (Forward(),), stop=True)

    [remark] = found(stops, Rule("late", (HoldOrder(),), US))

    assert (remark.path, remark.severity) == ("rules[1]", Severity.ERROR)
    assert "rules[0] (all of it) stops for every order" in remark.text
    assert errors(replace(stops, when=AnyOf((US, Not(US)))), Rule("late", (HoldOrder(),), CA)) == ["rules[1]"]
    assert errors(replace(stops, when=US), Rule("late", (HoldOrder(),), AllOf((US, AnyLine(TEA))))) == ["rules[1]"]


def test_a_rule_behind_one_that_may_not_stop_is_reached() -> None:
    late = Rule("late", (HoldOrder(),), US)

    assert found(Rule("some", (Forward(),), CA, stop=True), late) == []
    assert found(FORWARD, late) == []
    assert found(Rule("off", (Forward(),), active=False, stop=True), FORWARD, late) == []
    # When the hold is over the rule does nothing, and does not stop either.
    assert found(Rule("later", (HoldOrder(for_hours=2),), stop=True), FORWARD, late) == []


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        (Forward(), HoldOrder(), "outcome"),
        (HoldOrder(for_hours=3), Forward(), "outcome"),
        (SetShipOption("Standard"), SetShipOption("Expedited"), "ship option"),
        (SetLocation("9"), SetLocation("10"), "location"),
    ],
)
def test_two_rules_about_the_same_orders_that_say_otherwise_are_an_error(
    first: Action, second: Action, what: str
) -> None:
    same = AllOf((says("zip", O.IS_NOT_BLANK), says("country", O.IS_ONE_OF, ("us",))))
    draft = FORWARD, Rule("one", (first,), AllOf((US, Not(says("zip", O.IS_BLANK))))), Rule("two", (second,), same)

    [remark] = found(*draft, locations={"9", "10"})

    assert (remark.path, remark.severity) == ("rules[1].then[0]", Severity.ERROR)
    assert f"rules[2] (two) speaks of the same orders and says otherwise about the {what}" in remark.text


def test_what_a_wider_rule_behind_always_overrides_is_a_warning() -> None:
    draft = Rule("US", (Forward(), SetShipOption("Expedited")), US), Rule("rest", (SetShipOption("Standard"),))

    [remark] = found(*draft)

    assert (remark.path, remark.severity) == ("rules[0].then[1]", Severity.WARNING)
    assert found(*reversed(draft)) == []


def test_a_later_rule_that_may_not_come_or_is_over_some_day_contradicts_nothing() -> None:
    one, other = Rule("one", (Forward(),), US), Rule("other", (HoldOrder(),), US)

    assert found(replace(one, stop=True), replace(other, when=None)) == []
    assert found(one, Rule("some stop", (AddTag("x"),), AnyLine(TEA), stop=True), other) == []
    assert errors(one, Rule("another's stop", (AddTag("x"),), CA, stop=True), other) == ["rules[0].then[0]"]
    assert found(one, replace(other, then=(HoldOrder(for_hours=4),))) == []
    assert found(one, replace(other, active=False)) == []
    assert found(one, replace(other, then=(Forward(),))) == []


def test_what_a_set_as_a_whole_does_not_do_is_a_warning() -> None:
    assert [each.text for each in found(replace(FORWARD, active=False))] == [
        "No rule is active: every order will be held, because no rule matches."
    ]
    assert warnings() == ["rules"]
    assert warnings(Rule("hold", (HoldOrder(),))) == ["rules"]
    assert warnings(Rule("hold", (HoldOrder(),), stop=True), FORWARD) == ["rules"]


def test_two_rules_of_one_name_are_an_error() -> None:
    assert errors(FORWARD, Rule(" Forward ", (AddTag("x"),), US)) == ["rules[1].name"]
    assert errors(Rule(" ", (Forward(),))) == ["rules[0].name"]


# -- one rule ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "then",
    [
        (Forward(), Exclude()),
        (Forward(), HoldOrder()),
        (HoldOrder(for_hours=3), Forward()),
        (Exclude(), Split(TEA)),
        (SetShipOption("Standard"), SetShipOption("Expedited")),
        (SetLocation("9"), SetLocation("10")),
        (AddTag("VIP"), RemoveTag("vip")),
    ],
)
def test_a_rule_that_contradicts_itself_is_an_error(then: tuple[Action, ...]) -> None:
    rule = Rule("torn", then, US)

    [remark] = found(FORWARD, rule, locations={"9", "10"})

    assert (remark.path, remark.severity) == ("rules[1].then[1]", Severity.ERROR)
    assert remark.text.endswith("(then[0]).")


def test_a_rule_may_forward_what_it_holds_for_a_time() -> None:
    assert found(Rule("later", (Forward(), HoldOrder(for_hours=3)))) == []


def test_ship_options_and_locations_are_held_against_jetpack() -> None:
    draft = (
        FORWARD,
        Rule("gone", (SetShipOption("Teleport"),), US),
        Rule("off", (SetShipOption("Drone"),), CA),
        Rule("nowhere", (SetLocation("77"),), US),
    )

    assert errors(*draft) == [
        "rules[1].then[0].ship_option",
        "rules[2].then[0].ship_option",
        "rules[3].then[0].location",
    ]
    assert "Expedited, Standard" in found(*draft)[0].text
    unknown = review(draft, STORE, offered=None, locations=None, now=NOW)
    assert [(each.path, each.severity) for each in unknown] == [
        ("rules[1].then[0].ship_option", Severity.WARNING),
        ("rules[3].then[0].location", Severity.WARNING),
    ]


def test_an_inactive_rule_holds_nothing_up() -> None:
    draft = FORWARD, Rule("off", (SetShipOption("Teleport"), Forward(), Exclude()), AllOf((US, CA)), active=False)

    assert can_be_saved(found(*draft))
    assert warnings(*draft) == ["rules[1].then[0].ship_option", "rules[1].then[2]", "rules[1].when"]


def test_a_time_that_is_over_is_a_warning() -> None:
    midnight = datetime(2026, 11, 22, 5, tzinfo=UTC)  # in New York
    over = [NOW, NOW - timedelta(minutes=1), date(2026, 11, 22), midnight]

    for until in over:
        assert warnings(FORWARD, Rule("over", (HoldOrder(until=until),), US)) == ["rules[1].then[0].until"]
    assert found(FORWARD, Rule("not yet", (HoldOrder(until=date(2026, 11, 23)),), US)) == []
    assert found(FORWARD, Rule("not yet", (HoldOrder(until=NOW + timedelta(minutes=1)),), US)) == []


def test_a_split_that_sends_nothing_is_an_error_and_one_that_holds_nothing_back_a_warning() -> None:
    nothing = Split(AllOf((TEA, says("sku", O.IS, "MUG"))))
    everything = Split(AnyOf((TEA, Not(TEA))))

    assert errors(FORWARD, Rule("split", (nothing,), US)) == ["rules[1].then[0].now"]
    assert warnings(FORWARD, Rule("split", (everything,), US)) == ["rules[1].then[0].now"]
    assert found(FORWARD, Rule("split", (Split(TEA),), US)) == []


def test_a_draft_of_an_older_release_is_refused_with_the_place_of_each_mistake() -> None:
    wrong: list[tuple[Condition, str]] = [
        (says("colour", O.IS, "red"), ".field"),
        (TEA, ".field"),
        (AnyLine(US), ".any_line.field"),
        (AnyLine(NoLine(TEA)), ".any_line"),
        (says("country", O.LESS_THAN, "US"), ".operator"),
        (says("country", O.IS, " "), ".value"),
        (says("country", O.IS), ".value"),
        (says("country", O.IS_ONE_OF, ()), ".value"),
        (says("country", O.IS_ONE_OF, ("US", " ")), ".value"),
        (says("total", O.AT_LEAST, Decimal(5)), ".value"),
        (says("total", O.BETWEEN, (usd("1"), Money(Decimal(2), "EUR"))), ".value"),
        (says("total", O.BETWEEN, (usd("2"), usd("1"))), ".value"),
        (says("line_count", O.AT_LEAST, Decimal("NaN")), ".value"),
        (says("line_count", O.IS, Decimal("1.5")), ".value"),
        (says("line_count", O.BETWEEN, THREE), ".value"),
        (says("order_date", O.BEFORE, "today"), ".value"),
        (says("gift", O.IS, "yes"), ".value"),
        (says("attribute", O.IS, "a"), ".key"),
        (AllOf(()), ""),
        (Not(AnyOf((US, says("country", O.IS, "")))), ".not.any[1].value"),
        (AllOf((US, EveryLine(AllOf((TEA, says("sku", O.IS, "")))))), ".all[1].every_line.all[1].value"),
    ]
    for condition, place in wrong:
        assert errors(FORWARD, Rule("wrong", (AddTag("x"),), condition)) == [f"rules[1].when{place}"], condition


def test_actions_that_say_nothing_are_errors() -> None:
    blank = SetShipOption(""), SetLocation(" "), AddTag(""), RemoveTag("\t"), AddNote(""), Notify("  ")
    places = "ship_option", "location", "tag", "tag", "note", "message"

    assert errors(Rule("blank", (Forward(), *blank))) == [
        f"rules[0].then[{number}].{place}" for number, place in enumerate(places, 1)
    ]
    assert errors(Rule("never", (HoldOrder(for_hours=0),), US)) == ["rules[0].then[0].for_hours"]
    both = HoldOrder(until=NOW + timedelta(days=1), for_hours=3)
    assert errors(Rule("both", (both,), US)) == ["rules[0].then[0].for_hours"]
    assert errors(Rule("split", (Split(US),))) == ["rules[0].then[0].now.field"]
    assert warnings(FORWARD, Rule("idle", (), US)) == ["rules[1].then"]


def test_conditions_far_inside_each_other_are_refused_not_followed() -> None:
    deep: Condition = US
    for _ in range(DEEPEST * 5):
        deep = Not(deep)

    [path] = errors(FORWARD, Rule("deep", (AddTag("x"),), deep))

    assert path == "rules[1].when" + ".not" * (DEEPEST + 1)


# -- nothing is said that is not so -----------------------------------------------------------------------------------
# Few words and few fields, so that conditions meet: most pairs of any conditions have nothing to do with each other.

TEXTS = ["a", "A", "ab", "Ab", "b", "ab a", "a  B", "ß", "ss", "straße a"]
FEW: dict[Kind, SearchStrategy[Value]] = {
    Kind.TEXT: st.sampled_from(TEXTS),
    Kind.TAGS: st.sampled_from(TEXTS),
    Kind.NUMBER: st.sampled_from([Decimal(each) for each in ("0", "1", "2", "2.5", "3", "-1")]),
    Kind.MONEY: st.builds(
        Money,
        st.sampled_from([Decimal(each) for each in ("0", "10", "10.01", "10.0100001", "20", "1E+40")]),
        st.sampled_from(["USD", "usd", "EUR"]),
    ),
    Kind.YES_NO: st.booleans(),
    Kind.DATE: st.sampled_from(
        [
            date(2026, 11, 21),
            date(2026, 11, 22),
            datetime(2026, 11, 22, 12, tzinfo=UTC),
            datetime(2026, 11, 22),  # noqa: DTZ001 - the store's
            RelativeTime(-1),
            RelativeTime(0, -30),
            RelativeTime(5),
            date.max,
            date.min,
        ]
    ),
}
ORDER_FIELDS = ["country", "note", "tags", "total", "line_count", "order_date", "international", "attribute"]
LINE_FIELDS = ["sku", "quantity", "product_tags", "unit_price", "gift_card", "property"]


@st.composite
def comparisons(draw: st.DrawFn, fields: list[str]) -> Comparison:
    field = FIELDS[draw(st.sampled_from(fields))]
    operator = draw(st.sampled_from(OPERATORS[field.kind]))
    value = draw(FEW[field.kind])
    if operator in {O.IS_BLANK, O.IS_NOT_BLANK}:
        value = None
    elif operator is O.BETWEEN:
        end = draw(FEW[field.kind])
        if isinstance(value, Money) and isinstance(end, Money):
            end = replace(end, currency=value.currency)
        value = (value, end)  # type: ignore[assignment]  # of one kind
    elif operator in {O.IS_ONE_OF, O.IS_NONE_OF} or field.kind is Kind.TAGS:
        value = tuple(draw(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3)))
    case = field.kind in {Kind.TEXT, Kind.TAGS} and draw(st.booleans())
    key = draw(st.sampled_from(["k", "K ", "l"])) if field.keyed else ""
    return Comparison(field.name, operator, value, key, case)


def trees(leaves: SearchStrategy[Condition]) -> SearchStrategy[Condition]:
    return st.recursive(
        leaves,
        lambda below: (
            st.lists(below, min_size=1, max_size=4).map(tuple).map(AllOf)
            | st.lists(below, min_size=1, max_size=3).map(tuple).map(AnyOf)
            | below.map(Not)
        ),
        max_leaves=8,
    )


@st.composite
def narrow(draw: st.DrawFn, number: int) -> list[Condition]:
    """Some conditions about few fields."""
    several = draw(st.sampled_from([1, 1, 2, 8]))
    of_order = draw(st.lists(st.sampled_from(ORDER_FIELDS), min_size=several, max_size=several))
    of_line = trees(comparisons(draw(st.lists(st.sampled_from(LINE_FIELDS), min_size=several, max_size=several))))
    leaves = comparisons(of_order) | of_line.map(AnyLine) | of_line.map(EveryLine) | of_line.map(NoLine)
    return draw(st.lists(trees(leaves), min_size=number, max_size=number))


texts = st.sampled_from(["", "  ", *TEXTS])
tags = st.lists(texts, max_size=3).map(tuple)
pairs = st.lists(st.tuples(st.sampled_from(["k", "L"]), texts), max_size=2).map(tuple)
prices = st.sampled_from(["", "0", "10", "10.01", "15", "20", "30", "1e41", "x"])
lines = st.builds(
    replace,
    st.just(a_line()),
    sku=texts,
    current_quantity=st.sampled_from([0, 1, 2, 3]),
    product_tags=tags,
    unit_price=prices,
    gift_card=st.booleans(),
    properties=pairs,
)
times = st.sampled_from(
    [
        NOW,
        datetime(2026, 11, 20, tzinfo=UTC),
        datetime(2026, 11, 21, 12, tzinfo=UTC),
        datetime(2026, 11, 22, 5, tzinfo=UTC),
        datetime(2026, 11, 22, 4, 59, 59, 999999, tzinfo=UTC),
        NOW - timedelta(hours=30),
        NOW + timedelta(days=5),
    ]
)
orders = st.builds(
    replace,
    st.just(an_order()),
    lines=st.lists(lines, max_size=3).map(tuple),
    shipping_address=st.none() | texts.map(lambda country: replace(ADDRESS, country_code=country)),
    note=texts,
    tags=tags,
    total=prices,
    currency=st.sampled_from(["USD", "EUR", ""]),
    processed_at=times,
    attributes=pairs,
)
several_orders = st.lists(orders, min_size=8, max_size=8)


def meets(order: Order, condition: Condition) -> bool:
    rules = RuleSet(1, (Rule("asked", (Forward(),), condition),))
    trace = compiled(rules, STORE).decide(order, NOW).trace[0]
    assert "cannot be read" not in trace.why
    return trace.matched


QUICK = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@QUICK
@given(narrow(2), st.data())
def test_no_order_meets_what_is_called_impossible_and_every_one_what_is_called_certain(
    conditions: list[Condition], data: st.DataObject
) -> None:
    logic = Logic(ZoneInfo("America/New_York"))
    one, other = conditions
    impossible, certain, implied = logic.impossible(one), logic.certain(one), logic.implies(one, other)
    apart = logic.exclude_each_other(one, other)
    if impossible or certain or implied or apart:
        for order in data.draw(several_orders):
            met = meets(order, one)
            assert not (impossible and met)
            assert met or not certain
            assert not (met and implied) or meets(order, other)
            assert not (met and apart) or not meets(order, other)


def condition_of_one(which: int) -> SearchStrategy[Condition]:
    fields = [ORDER_FIELDS[which]]
    return st.lists(comparisons(fields) | comparisons(fields).map(Not), min_size=2, max_size=4).map(tuple).map(AllOf)


@QUICK
@given(st.integers(0, len(ORDER_FIELDS) - 1).flatmap(condition_of_one), several_orders)
def test_what_is_said_of_one_field_is_never_wrongly_called_impossible(condition: Condition, some: list[Order]) -> None:
    if Logic(ZoneInfo("America/New_York")).impossible(condition):
        assert not [order for order in some if meets(order, condition)]


actions: SearchStrategy[Action] = st.sampled_from(
    [Forward(), Exclude(), HoldOrder(), HoldOrder(for_hours=1), HoldOrder(for_hours=10_000), SetLocation("9")]
)


@QUICK
@given(narrow(4), st.data())
def test_rules_called_dead_never_match_and_decisions_called_overridden_never_stand(
    conditions: list[Condition], data: st.DataObject
) -> None:
    rules = tuple(
        Rule(
            f"rule {number}",
            (*data.draw(st.lists(actions, max_size=2)), SetShipOption(f"option {number}")),
            data.draw(st.just(condition) | st.sampled_from([None, conditions[0], conditions[-1]])),
            stop=data.draw(st.sampled_from([False, False, True])),
        )
        for number, condition in enumerate(conditions)
    )
    remarks = found(*rules, offered=None)
    spoken = re.compile(r"rules\[(\d+)\](?:\.then\[(\d+)\])?(?:\.when)?")
    dead, overridden = set[int](), set[tuple[int, int]]()
    for remark in remarks:
        if place := spoken.fullmatch(remark.path):
            index, number = int(place[1]), int(place[2] or 0)
            if "never does anything" in remark.text or "never reached" in remark.text:
                dead.add(index)
            if "never counts" in remark.text or "Only the later" in remark.text:
                overridden.add((index, number))
    if dead or overridden:
        for order in data.draw(several_orders):
            verdict = compiled(RuleSet(1, rules), STORE).decide(order, NOW)
            assert not [index for index in dead if verdict.trace[index].matched]
            for index, number in overridden:
                if isinstance(rules[index].then[number], SetShipOption):
                    assert verdict.ship_option != f"option {index}"
                elif not isinstance(rules[index].then[number], SetLocation):
                    assert verdict.rule != rules[index].name


@QUICK
@given(rule_lists, any_orders())
def test_any_rules_at_all_are_reviewed_and_what_is_called_dead_is(rules: tuple[Rule, ...], order: Order) -> None:
    remarks = review(rules, STORE, offered=OFFERED, locations=None, now=NOW)

    dead = {each.path for each in remarks if "never does anything" in each.text or "never reached" in each.text}
    trace = compiled(RuleSet(1, rules), STORE).decide(order, NOW).trace
    for index, step in enumerate(trace):
        assert not (step.matched and {f"rules[{index}]", f"rules[{index}].when"} & dead)
    for each in remarks:
        assert each.text
        assert each.text.endswith(".")
