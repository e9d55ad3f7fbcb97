"""The JSON of rules: there and back, its schema, what is refused and in which words; and its reference."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from jetbridge.documents.rules import DEEPEST, LARGEST, MOST_RULES, RULES_SCHEMA, RuleSetDocument, problems
from jetbridge.domain.rule_evaluation import compiled
from jetbridge.domain.rule_fields import FIELDS, OPERATORS, Kind
from jetbridge.domain.rule_templates import TEMPLATES
from jetbridge.domain.rules import DEFAULT_RULES, Operator, Outcome, Rule, RuleSet
from local.stack import ROOT
from tests import rule_strategies
from tests.builders import NOW, a_store, an_order

REFERENCE = ROOT / "docs/rules.md"
TO_US = {"field": "country", "operator": "is", "value": "US"}
PRE = {"field": "sku", "operator": "starts_with", "value": "PRE-"}
FORWARD = {"action": "forward"}
SCHEMA = jsonschema.Draft202012Validator(RULES_SCHEMA, format_checker=jsonschema.FormatChecker())


def a_document(when: object = None, *then: object, **more: object) -> dict[str, Any]:
    condition = {"when": when} if when is not None else {}
    return {"rules": [{"name": "one", **condition, "then": list(then) or [FORWARD], **more}]}


def wrong(document: object) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as refused:
        RuleSetDocument.model_validate(document)
    return problems(refused.value)


# -- there and back ---------------------------------------------------------------------------------------------------


@given(rule_strategies.rule_lists)
def test_rules_come_back_from_their_json_as_they_were(rules: tuple[Rule, ...]) -> None:
    document = RuleSetDocument.from_rules(rules)
    stored = json.dumps(document.as_json())

    assert document.to_rules() == rules
    assert RuleSetDocument.model_validate_json(stored).to_rules() == rules
    assert RuleSetDocument.model_validate(json.loads(stored)).to_rules() == rules
    assert RuleSetDocument.model_validate(document.model_dump(mode="json", by_alias=True)).to_rules() == rules
    SCHEMA.validate(document.as_json())
    SCHEMA.validate(document.model_dump(mode="json", by_alias=True, exclude_none=True))


def test_the_example_of_the_design_is_read() -> None:
    [rule] = RuleSetDocument.model_validate(
        a_document(
            {
                "all": [
                    {"field": "country", "operator": "is_one_of", "value": ["US"]},
                    {"any_line": PRE},
                    {
                        "not": {
                            "field": "total",
                            "operator": "at_least",
                            "value": {"amount": "150.00", "currency": "usd"},
                        }
                    },
                    {"field": "order_date", "operator": "between", "value": {"from": "2026-01-01", "to": {"days": -3}}},
                ]
            },
            FORWARD,
            {"action": "hold", "reason": "why", "for_hours": 24},
            {"action": "set_ship_option", "ship_option": "2-Day"},
            {"action": "split", "now": PRE, "until": "2026-12-01T09:00"},
            trigger="order_imported",
            stop=False,
        )
    ).to_rules()

    assert RuleSetDocument.from_rules([rule]).to_rules() == (rule,)
    assert len(rule.then) == 4


# -- the schema -------------------------------------------------------------------------------------------------------


def test_the_schema_is_one_and_names_every_field_operator_and_action() -> None:
    jsonschema.Draft202012Validator.check_schema(RULES_SCHEMA)
    kinds = RULES_SCHEMA["$defs"]
    of_order = kinds["OrderComparison"]["properties"]["field"]
    of_line = kinds["LineComparison"]["properties"]["field"]

    assert of_order["enum"] == [name for name, field in FIELDS.items() if not field.of_line]
    assert of_line["enum"] == [name for name, field in FIELDS.items() if field.of_line]
    assert all(field.meaning in (of_line if field.of_line else of_order)["description"] for field in FIELDS.values())
    assert kinds["Operator"]["enum"] == [operator.value for operator in Operator]


@pytest.mark.parametrize(
    "document",
    [
        a_document({**TO_US, "field": "contry"}),
        a_document({**TO_US, "operator": "equals"}),
        a_document({**TO_US, "value": ""}),
        a_document({**TO_US, "value": {"amount": 5, "currency": "USD"}}),
        a_document({**TO_US, "more": 1}),
        a_document(PRE),
        a_document({"any_line": TO_US}),
        a_document({"all": []}),
        a_document(None, {"action": "fly"}),
        a_document(None, {"action": "add_tag"}),
        a_document(name=""),
        a_document(name="x" * 101),
        {"rules": [{"then": [FORWARD]}]},
        {"rules": a_document()["rules"] * (MOST_RULES + 1)},
        {},
    ],
)
def test_the_schema_refuses_what_we_refuse(document: dict[str, Any]) -> None:
    assert wrong(document)
    assert not SCHEMA.is_valid(document)


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "path", "text"),
    [
        ({**TO_US, "field": "contry"}, ".field", "is no field there is; did you mean country?"),
        (PRE, ".field", "sku speaks of a line: it stands inside any_line, every_line, no_line or a split only"),
        ({"no_line": TO_US}, ".no_line.field", "country speaks of the order, not of a line"),
        ({**TO_US, "operator": "start_with"}, ".operator", "is no operator there is; did you mean starts_with?"),
        ({**TO_US, "key": "x"}, ".key", "must be left out: there is only one country"),
        ({**TO_US, "field": "attribute"}, ".key", "must say which attribute is meant"),
        ({**TO_US, "field": "po_box"}, ".value", "must be true or false"),
        ({"field": "test", "operator": "is", "value": True, "match_case": True}, ".match_case", None),
        ({"field": "order_date", "operator": "on", "value": "2026-02-29"}, ".value", None),
        ({"field": "order_date", "operator": "on", "value": "2026-02-01T10:00"}, ".value", None),
        ({"field": "order_date", "operator": "before", "value": {}}, ".value", 'must say days or hours: {"days": -3}'),
        ({"field": "order_date", "operator": "before", "value": {"days": 10**6}}, ".value.days", None),
        (
            {"field": "order_date", "operator": "before", "value": {"day": 1}},
            ".value.day",
            "is nothing that is known here",
        ),
        ({"field": "weight", "operator": "is", "value": 10**16}, ".value", "has more than 15 digits"),
        ({"field": "weight", "operator": "is", "value": 0.1234567}, ".value", "has more than 6 decimals"),
        ({"field": "weight", "operator": "between", "value": 5}, ".value", None),
        ({"field": "weight", "operator": "between", "value": {"from": 1}}, ".value.to", "is missing"),
        ({"field": "total", "operator": "is", "value": {"amount": 5, "currency": "USD"}}, ".value.amount", None),
        ({"field": "total", "operator": "is", "value": {"amount": "5,00", "currency": "USD"}}, ".value.amount", None),
        (
            {
                "field": "total",
                "operator": "between",
                "value": {"from": {"amount": "1", "currency": "USD"}, "to": {"amount": "2", "currency": "EUR"}},
            },
            ".value",
            "must have one currency",
        ),
        ({"any": [TO_US, {"not": [TO_US]}]}, ".any[1].not", None),
        (
            {"any_line": {"any_line": PRE}},
            ".any_line",
            "must be a condition: field, operator and value, or one of all, any, not",
        ),
        ({"all": [TO_US], "any": [TO_US]}, ".any", "is nothing that is known here"),
        ({"all": []}, ".all", "must not be empty"),
        ("US", "", None),
    ],
)
def test_what_is_wrong_is_said_with_its_path_in_plain_words(when: object, path: str, text: str | None) -> None:
    [(where, words)] = wrong(a_document(when))

    assert where == f"rules[0].when{path}"
    assert words == text or text is None
    assert "value error" not in words.lower()
    assert words[0].islower()


def test_an_operator_that_does_not_go_with_a_field_is_refused_with_those_that_do() -> None:
    [(path, text)] = wrong(a_document({"field": "country", "operator": "less_than", "value": 5}))

    assert path == "rules[0].when.operator"
    assert text.startswith("less_than does not go with country, a field of text: is, is_not")


@pytest.mark.parametrize(
    ("then", "path"),
    [
        ({"action": "hold", "until": "2026-12-01", "for_hours": 1}, "then[0].for_hours"),
        ({"action": "hold", "until": "tomorrow"}, "then[0].until"),
        ({"action": "hold", "for_hours": 0}, "then[0].for_hours"),
        ({"action": "split"}, "then[0].now"),
        ({"action": "split", "now": TO_US}, "then[0].now.field"),
        ({"action": "add_tag", "tag": "one,two"}, "then[0].tag"),
        ({"action": "fly"}, "then[0]"),
        ({}, "then[0]"),
        ({"action": "forward", "reason": "x"}, "then[0].reason"),
    ],
)
def test_a_wrong_action_is_refused(then: dict[str, object], path: str) -> None:
    assert [where for where, _ in wrong(a_document(None, then))] == [f"rules[0].{path}"]


def test_every_rule_is_looked_at() -> None:
    bad = a_document({**TO_US, "value": ""})["rules"][0]

    assert [path for path, _ in wrong({"rules": [bad, *a_document()["rules"], bad]})] == [
        "rules[0].when.value",
        "rules[2].when.value",
    ]


def test_a_rule_must_do_something() -> None:
    assert wrong({"rules": [{"name": "idle", "then": []}]}) == [
        ("rules[0]", "must do something: an action in then, or stop")
    ]
    RuleSetDocument.model_validate({"rules": [{"name": "end", "then": [], "stop": True}]})


def nested(deep: int) -> dict[str, Any]:
    condition: dict[str, Any] = {"field": "weight", "operator": "between", "value": {"from": 1, "to": 2}}
    for n in range(deep - 1):
        condition = {"not": condition} if n % 2 else {"all": [condition]}
    return condition


def test_depth_and_size_are_bounded_before_anything_goes_down_there() -> None:
    deepest = nested(DEEPEST)
    RuleSetDocument.model_validate(a_document(deepest))
    in_lines = json.loads(json.dumps(deepest).replace('"weight"', '"quantity"'))
    RuleSetDocument.model_validate(a_document(None, {"action": "split", "now": in_lines}))

    for deep in (DEEPEST + 10, 5000):
        assert wrong(a_document(nested(deep))) == [
            ("", f"conditions stand inside one another more than {DEEPEST} deep")
        ]
    assert wrong(a_document({**TO_US, "value": "x" * LARGEST}))[0][0] == ""
    long = {"field": "skus", "operator": "includes_any", "value": ["x" * 400] * 400}
    assert wrong({"rules": a_document(long)["rules"] * 2})[0][0] == ""


@pytest.mark.parametrize("given", ["x" * 300, {"x" * 300: 1}, ["x" * 300], 10**300, "ada@example.test"])
def test_nothing_that_was_given_is_quoted(given: object) -> None:
    for document in (
        a_document({**TO_US, "operator": given}),
        a_document({**TO_US, "field": given}),
        a_document({"field": "weight", "operator": "is", "value": given}),
        a_document(None, {"action": given}),
        a_document(name=given),
        a_document(trigger=given),
        a_document(None, {"action": "hold", "until": given}),
        given,
    ):
        text = repr(read(document)[1])
        assert "x" * 100 not in text
        assert "0" * 100 not in text
        assert "example.test" not in text


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["country", "sku", "is", "forward", "US"]),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from([*("all", "any", "not", "any_line", "field", "operator", "value", "key", "then", "when")])
            | st.sampled_from([*("rules", "name", "action", "now", "from", "to", "amount", "currency", "days")]),
            below,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_whatever_is_given_is_read_or_refused_in_words(given: object) -> None:
    for document in (given, a_document(given), a_document(None, given), a_document({**TO_US, "value": given})):
        rules, refusals = read(document)
        assert bool(refusals) is (rules is None)
        assert rules is None or RuleSetDocument.from_rules(rules).to_rules() == rules


def read(document: object) -> tuple[tuple[Rule, ...] | None, list[tuple[str, str]]]:
    try:
        return RuleSetDocument.model_validate(document).to_rules(), []
    except ValidationError as refused:
        return None, problems(refused)


# -- templates --------------------------------------------------------------------------------------------------------


def test_the_default_is_the_documented_rule() -> None:
    assert TEMPLATES["default"].rules() == DEFAULT_RULES.rules
    assert compiled(DEFAULT_RULES, a_store()).decide(an_order(), NOW).outcome is Outcome.FORWARD


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES.keys())
def test_every_template_may_be_saved_as_it_is(template: Any) -> None:  # noqa: ANN401 - a Template
    rules = template.rules()

    assert RuleSetDocument.from_rules(rules).to_rules() == rules
    assert template.sentence.endswith(".")
    verdict = compiled(RuleSet(1, rules), a_store()).decide(an_order(currency="USD", total="5.00"), NOW)
    assert not any("cannot be read" in each.why for each in verdict.trace)


def test_a_template_takes_what_is_given_and_refuses_what_cannot_be() -> None:
    high = TEMPLATES["hold_high_value"]
    rules = RuleSet(1, high.rules(amount="100", currency="eur"))
    ready = compiled(rules, a_store())

    assert ready.decide(an_order(total="100.00", currency="EUR"), NOW).outcome is Outcome.HOLD
    assert ready.decide(an_order(total="99.99", currency="EUR"), NOW).outcome is Outcome.FORWARD
    for wrongly in ({"amount": "much"}, {"amount": ""}, {"limit": "5"}):
        with pytest.raises(ValueError, match=r"amount|blank|limit"):
            high.rules(**wrongly)
    with pytest.raises(ValueError, match="isoformat"):
        TEMPLATES["pre_order_hold"].rules(until="soon")


# -- the reference ----------------------------------------------------------------------------------------------------


def field_table(*, of_line: bool) -> str:
    rows = [
        f"| `{name}` | {_kind(field.kind)}{', by `key`' if field.keyed else ''} | {field.meaning} | {field.source} |"
        for name, field in FIELDS.items()
        if field.of_line is of_line
    ]
    return "\n".join(["| field | kind | what it is | known from |", "| --- | --- | --- | --- |", *rows])


def operator_table() -> str:
    rows = [
        f"| {_kind(kind)} | {', '.join(f'`{each}`' for each in operators)} |" for kind, operators in OPERATORS.items()
    ]
    return "\n".join(["| kind | operators |", "| --- | --- |", *rows])


def template_table() -> str:
    rows = [
        f"| `{template.name}` | {template.sentence} | "
        f"{', '.join(f'`{name}`: {example}' for name, example in template.parameters.items())} |"
        for template in TEMPLATES.values()
    ]
    return "\n".join(["| template | what it does | parameters, with an example |", "| --- | --- | --- |", *rows])


def _kind(kind: Kind) -> str:
    return "yes or no" if kind is Kind.YES_NO else kind.value


def test_the_tables_of_the_reference_are_what_the_code_says() -> None:
    reference = REFERENCE.read_text()

    for table in (field_table(of_line=False), field_table(of_line=True), operator_table(), template_table()):
        assert table in reference


def test_the_examples_of_the_reference_are_valid() -> None:
    blocks = [each.partition("```")[0] for each in REFERENCE.read_text().split("```json\n")[1:]]

    assert blocks
    for block in blocks:
        RuleSetDocument.model_validate_json(block)
