"""The traps of ShipStation's own rules (facts/shipstation.md section 15), and that ours have none of them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from jetbridge.documents.rules import RuleSetDocument, problems
from jetbridge.domain.rule_evaluation import compiled
from jetbridge.domain.rules import (
    AllOf,
    AnyLine,
    AnyOf,
    Comparison,
    EveryLine,
    Exclude,
    Forward,
    HoldOrder,
    Not,
    Operator,
    Outcome,
    Rule,
    RuleSet,
    SetShipOption,
)
from tests.builders import NOW, a_line, a_store, an_order

if TYPE_CHECKING:
    from jetbridge.domain.order import Order
    from jetbridge.domain.rules import Condition, Verdict


def decided(order: Order, *rules: Rule) -> Verdict:
    return compiled(RuleSet(1, rules), a_store()).decide(order, NOW)


HAZARDOUS = Comparison("sku", Operator.STARTS_WITH, "HAZ-")
TAGGED = Comparison("tags", Operator.INCLUDES_ANY, ("3PL",))


@pytest.mark.parametrize("more", [0, 1, 7])
def test_sku_name_and_warehouse_location_are_not_ignored_on_orders_of_many_lines(more: int) -> None:
    line = replace(a_line("HAZ-1"), name="Paint thinner", warehouse_location="Cage 4")
    order = an_order(line, *(a_line("TEA", n=n + 2) for n in range(more)))

    for asked in (
        HAZARDOUS,
        Comparison("name", Operator.CONTAINS, "thinner"),
        Comparison("warehouse_location", Operator.IS, "cage 4"),
    ):
        assert decided(order, Rule("some", (HoldOrder(),), AnyLine(asked))).outcome is Outcome.HOLD
        every = decided(order, Rule("every", (HoldOrder(),), EveryLine(asked))).outcome
        assert every is (Outcome.NO_RULE_MATCHED if more else Outcome.HOLD)


@pytest.mark.parametrize(
    ("condition", "path"),
    [
        ({"field": "city", "operator": "is", "value": ""}, "rules[0].when.value"),
        ({"field": "city", "operator": "is", "value": " \t"}, "rules[0].when.value"),
        ({"field": "city", "operator": "is"}, "rules[0].when.value"),
        ({"field": "city", "operator": "is", "value": None}, "rules[0].when.value"),
        ({"field": "city", "operator": "is_one_of", "value": []}, "rules[0].when.value"),
        (
            {"all": [{"field": "tags", "operator": "includes_any", "value": ["a", " "]}]},
            "rules[0].when.all[0].value[1]",
        ),
        ({"any_line": {"field": "sku", "operator": "starts_with", "value": ""}}, "rules[0].when.any_line.value"),
        ({"field": "weight", "operator": "less_than", "value": ""}, "rules[0].when.value"),
        ({"field": "weight", "operator": "less_than", "value": "500 g"}, "rules[0].when.value"),
    ],
)
def test_a_blank_or_wrong_value_is_refused_when_it_is_saved(condition: dict[str, object], path: str) -> None:
    rules = [{"name": "x", "when": condition, "then": [{"action": "forward"}]}]

    with pytest.raises(ValidationError) as refused:
        RuleSetDocument.model_validate({"rules": rules})

    assert [where for where, _ in problems(refused.value)] == [path]


@pytest.mark.parametrize(
    "action",
    [
        {"action": "set_ship_option", "ship_option": " "},
        {"action": "set_location", "location": ""},
        {"action": "add_tag", "tag": ""},
        {"action": "add_note", "note": "\n"},
        {"action": "notify", "message": ""},
    ],
)
def test_a_blank_action_is_refused_when_it_is_saved(action: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as refused:
        RuleSetDocument.model_validate({"rules": [{"name": "x", "then": [action]}]})

    [(path, _)] = problems(refused.value)
    assert path == f"rules[0].then[0].{[*action][1]}"


@pytest.mark.parametrize(
    "broken",
    [
        Comparison("city", Operator.IS, ""),
        Comparison("city", Operator.STARTS_WITH, " "),
        Comparison("city", Operator.IS),
        Comparison("city", Operator.IS_ONE_OF, ()),
        Comparison("tags", Operator.INCLUDES_ALL, ()),
        Comparison("city", Operator.LESS_THAN, Decimal(1)),
        Comparison("weight", Operator.LESS_THAN, "500 g"),
        Comparison("total", Operator.LESS_THAN, Decimal(500)),
        Comparison("no_such_field", Operator.IS, "x"),
        Comparison("attribute", Operator.IS, "x"),
        HAZARDOUS,
        AnyLine(TAGGED),
        AnyLine(AnyLine(HAZARDOUS)),
        Not(Comparison("city", Operator.IS, "")),
        AllOf((TAGGED, Comparison("city", Operator.IS, ""))),
    ],
)
def test_a_rule_that_cannot_be_read_does_nothing_says_so_and_stops_none_behind_it(broken: Condition) -> None:
    """None can be saved; should one be stored all the same, it is not ShipStation's silent end of all rules."""
    found = decided(
        an_order(a_line("HAZ-1"), tags=("3PL",)),
        Rule("before", (SetShipOption("2-Day"),)),
        Rule("broken", (Exclude(),), broken, stop=True),
        Rule("behind", (Forward(),), TAGGED),
    )

    assert (found.outcome, found.rule, found.ship_option) == (Outcome.FORWARD, "behind", "2-Day")
    assert found.trace[1].why == "cannot be read, so it does nothing: save it again"


def test_rules_run_at_every_look_not_only_on_import() -> None:
    rules = Rule("tagged", (Forward(),), TAGGED)
    imported = an_order()

    later = replace(imported, tags=("3pl",), updated_at=NOW)

    assert decided(imported, rules).outcome is Outcome.NO_RULE_MATCHED
    assert decided(later, rules).outcome is Outcome.FORWARD
    assert decided(imported, rules).outcome is Outcome.NO_RULE_MATCHED


def test_alternatives_and_exceptions_need_no_second_rule() -> None:
    abroad = Comparison("country", Operator.IS_NOT, "US")
    heavy = Comparison("weight", Operator.GREATER_THAN, Decimal(20_000))
    rule = Rule("by hand", (HoldOrder(),), AllOf((AnyOf((abroad, heavy)), Not(AnyOf((TAGGED, AnyLine(HAZARDOUS)))))))

    def held(order: Order) -> bool:
        return decided(order, rule).outcome is Outcome.HOLD

    canada = an_order(shipping_address=replace(an_order().shipping_address, country_code="CA"))  # type: ignore[type-var]  # it has one
    assert held(canada)
    assert held(an_order(total_weight_grams=20_001))
    assert not held(an_order())
    assert not held(replace(canada, tags=("3PL",)))
    assert not held(replace(canada, lines=(a_line("HAZ-9"),)))


def test_a_basket_of_ours_and_theirs_can_be_told_from_one_of_theirs_only() -> None:
    """What the usual set-up with product tags leaves to people."""
    theirs = Comparison("product_tags", Operator.INCLUDES_ANY, ("3PL",))
    rules = (
        Rule("all theirs", (Forward(),), EveryLine(theirs)),
        Rule("mixed", (HoldOrder("mixed basket"),), AllOf((AnyLine(theirs), AnyLine(Not(theirs))))),
        Rule("none of theirs", (Exclude("we pack it"),), Not(AnyLine(theirs))),
    )
    ours, of_3pl = a_line("A"), replace(a_line("B", n=2), product_tags=("3PL",))

    found = [decided(an_order(*lines), *rules).rule for lines in ((of_3pl,), (ours, of_3pl), (ours,))]

    assert found == ["all theirs", "mixed", "none of theirs"]
