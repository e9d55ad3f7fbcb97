"""How fast rules decide: against the same conditions as closures typed by hand, and two well-known rule libraries.

    python -m tests.benchmarks.rules [orders] [rules]

`bench_engine` and `bench_engine_explained` are factories for ../shared/bench/rules_bench.py (--engine).
"""

from __future__ import annotations

import importlib
import operator
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from jetbridge.domain.identifiers import LineId, OrderId
from jetbridge.domain.order import Address, Line, Order
from jetbridge.domain.rule_evaluation import CompiledRules
from jetbridge.domain.rules import (
    Action,
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
    Operator,
    Rule,
    RuleSet,
    SetShipOption,
    Value,
)
from tests.builders import a_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
USD = "USD"

# -- the conditions and orders of rules_bench.py, as ours -------------------------------------------------------------

Tree = dict[str, Any]
Predicate = Callable[[Any], Any]

OURS = {
    "requested_service": "shipping_method",
    "state": "province",
    "price": "unit_price",
    "gift": "test",  # a yes or no that an order has without ShipStation
    "grams": "ordered_quantity",  # a number of a line that is not its quantity: our lines have no weight
}
MONEY = frozenset({"total", "price"})
TEXT_OPERATORS = {
    "eq": Operator.IS,
    "ne": Operator.IS_NOT,
    "in": Operator.IS_ONE_OF,
    "not_in": Operator.IS_NONE_OF,
    "starts_with": Operator.STARTS_WITH,
}
NUMBER_OPERATORS = {
    "eq": Operator.IS,
    "ne": Operator.IS_NOT,
    "gt": Operator.GREATER_THAN,
    "gte": Operator.AT_LEAST,
    "lt": Operator.LESS_THAN,
    "lte": Operator.AT_MOST,
    "between": Operator.BETWEEN,
}


def translated(tree: Tree) -> Condition:
    """Say a condition of rules_bench.py in our language."""
    if "field" in tree:
        return _comparison(tree["field"], tree["op"], tree["value"])
    ((kind, inner),) = tree.items()
    if kind in {"all", "any"}:
        parts = tuple(map(translated, inner))
        return AllOf(parts) if kind == "all" else AnyOf(parts)
    below = translated(inner)
    words: dict[str, Callable[[Condition], Condition]] = {
        "not": Not,
        "any_line": AnyLine,
        "every_line": EveryLine,
        "no_line": NoLine,
    }
    return words[kind](below)


def _comparison(name: str, op: str, value: Any) -> Comparison:  # noqa: ANN401 - JSON
    field = OURS.get(name, name)
    if op == "contains":
        return Comparison(field, Operator.INCLUDES_ANY, (value,))
    if isinstance(value, bool):
        return Comparison(field, Operator.IS, value)
    of_text = isinstance(value, str) or (isinstance(value, list) and isinstance(value[0], str))
    if of_text:
        return Comparison(field, TEXT_OPERATORS[op], tuple(value) if isinstance(value, list) else value)
    numbers = [Decimal(str(each)) for each in (value if isinstance(value, list) else [value])]
    found: list[Any] = [Money(each, USD) for each in numbers] if name in MONEY else list(numbers)
    ours: Value = (found[0], found[1]) if op == "between" else found[0]
    return Comparison(field, NUMBER_OPERATORS[op], ours)


def order_of(order: Tree) -> Order:
    """Turn an order of rules_bench.py into one of ours."""
    lines = tuple(
        Line(
            LineId(str(n)),
            line["sku"],
            "",
            line["grams"],
            line["quantity"],
            line["requires_shipping"],
            unit_price=str(line["price"]),
            vendor=line["vendor"],
        )
        for n, line in enumerate(order["lines"])
    )
    return Order(
        OrderId(order["id"]),
        f"#{order['id']}",
        NOW,
        NOW,
        lines,
        test=order["gift"],
        financial_status=order["payment_status"],
        shipping_method=order["requested_service"],
        shipping_address=Address(province_code=order["state"], zip=order["zip"], country_code=order["country"]),
        tags=tuple(order["tags"]),
        currency=USD,
        total=str(order["total"]),
        total_weight_grams=order["weight"],
        source=order["source"],
    )


def _program(conditions: Sequence[Tree]) -> Any:  # noqa: ANN401 - the inside of an engine
    rules = tuple(Rule(f"rule {n}", (Forward(),), translated(tree)) for n, tree in enumerate(conditions))
    return CompiledRules(RuleSet(1, rules), a_store())._program  # noqa: SLF001 - one condition at a time is no use but here


def bench_engine(conditions: list[Tree]) -> tuple[Callable[[Tree], Any], list[Predicate]]:
    """Each condition as `decide` asks it, over what it reads once an order."""
    program = _program(conditions)
    return lambda order: program.places.facts(order_of(order), NOW, {}), [test for test, _ in program._steps]  # noqa: SLF001 - as above


def bench_engine_explained(conditions: list[Tree]) -> tuple[Callable[[Tree], Any], list[Predicate]]:
    """Each condition as `explain` asks it: with what every part of it said."""
    program = _program(conditions)

    def predicate(explain: Callable[[Any], Any]) -> Predicate:
        return lambda facts: explain(facts)[0]

    explained = [predicate(explain) for _, explain in program._explanations]  # noqa: SLF001 - as above
    return lambda order: program.places.facts(order_of(order), NOW, {}), explained


# -- many orders under many rules -------------------------------------------------------------------------------------

COUNTRIES = ["US"] * 12 + ["CA"] * 3 + ["GB"] * 2 + ["AU", "DE", "FR", "NZ", "JP", "MX", "CH", "NO"]
METHODS = ["Standard", "Standard", "Standard", "Express", "Expedited", "Free Shipping", "International Economy"]
TAGS = ["vip", "gift", "preorder", "wholesale", "subscription", "fragile", "fraud-review", "hold", "influencer"]
PREFIXES = ["JB-", "JB-", "JB-", "BND-", "HAZ-", "DIG-", "GC-", "OS-", "SAMPLE-"]
STATES = ["CA", "NY", "TX", "AK", "HI", "PR", "WA", "FL"]
VENDORS = ["Acme", "Globex", "Initech", "Umbrella"]


def synthetic_orders(dice: random.Random, count: int) -> Iterator[Tree]:
    """Draw orders like those of rules_bench.py."""
    for number in range(count):
        lines: list[Tree] = [
            {
                "sku": f"{dice.choice(PREFIXES)}{dice.randrange(1000):04d}",
                "quantity": dice.choice([1, 1, 1, 2, 3, 12]),
                "price": dice.randrange(300, 15000) / 100,
                "grams": dice.randrange(20, 4000),
                "requires_shipping": dice.random() < 0.93,
                "vendor": dice.choice(VENDORS),
            }
            for _ in range(dice.choice([1, 1, 1, 2, 2, 3, 4, 6]))
        ]
        yield {
            "id": str(number),
            "source": dice.choice(["web", "web", "web", "pos", "draft", "amazon"]),
            "payment_status": dice.choice(["paid"] * 8 + ["pending", "partially_refunded"]),
            "country": dice.choice(COUNTRIES),
            "state": dice.choice(STATES),
            "zip": f"{dice.randrange(1000, 99999):05d}",
            "total": round(sum(line["price"] * line["quantity"] for line in lines), 2),
            "weight": sum(line["grams"] * line["quantity"] for line in lines),
            "requested_service": dice.choice(METHODS),
            "tags": dice.sample(TAGS, dice.choice([0, 0, 0, 1, 1, 2, 3])),
            "gift": dice.random() < 0.1,
            "line_count": len(lines),
            "lines": lines,
        }


def _leaf(dice: random.Random) -> Tree:
    low, total = dice.randrange(100, 9000), dice.randrange(10, 800)
    found: Tree = dice.choice(
        [
            {"field": "country", "op": "in", "value": dice.sample(sorted(set(COUNTRIES)), 3)},
            {"field": "country", "op": "eq", "value": "US"},
            {"field": "state", "op": "not_in", "value": dice.sample(STATES, 3)},
            {"field": "total", "op": dice.choice(["gt", "gte", "lt", "lte"]), "value": float(total)},
            {"field": "total", "op": "between", "value": [float(total), float(2 * total)]},
            {"field": "weight", "op": dice.choice(["gt", "lt"]), "value": low},
            {"field": "weight", "op": "between", "value": [low, 3 * low]},
            {"field": "tags", "op": "contains", "value": dice.choice(TAGS)},
            {"field": "requested_service", "op": dice.choice(["eq", "ne"]), "value": dice.choice(METHODS)},
            {"field": "payment_status", "op": "ne", "value": "paid"},
            {"field": "source", "op": "in", "value": ["web", "amazon"]},
            {"field": "zip", "op": "starts_with", "value": str(dice.randrange(1, 10))},
            {"field": "line_count", "op": "gte", "value": dice.randrange(2, 5)},
            {"field": "gift", "op": "eq", "value": True},
        ]
    )
    return found


def _line_leaf(dice: random.Random) -> Tree:
    found: Tree = dice.choice(
        [
            {"field": "sku", "op": "starts_with", "value": dice.choice(PREFIXES)},
            {"field": "sku", "op": "starts_with", "value": dice.choice(PREFIXES)},
            {"field": "vendor", "op": "eq", "value": dice.choice(VENDORS)},
            {"field": "quantity", "op": "gte", "value": 2},
            {"field": "price", "op": "lt", "value": float(dice.randrange(5, 100))},
            {"field": "requires_shipping", "op": "eq", "value": True},
        ]
    )
    return found


def mixed_conditions(dice: random.Random, count: int) -> list[Tree]:
    """Draw conditions as people write them: one to four comparisons, now and then about lines."""

    def about_lines() -> Tree:
        one, two = _line_leaf(dice), _line_leaf(dice)
        inner: Tree = dice.choice([one, one, {"all": [one, two]}, {"any": [one, two]}, {"not": one}])
        return {dice.choice(["any_line", "any_line", "every_line", "no_line"]): inner}

    def part() -> Tree:
        return about_lines() if dice.random() < 0.25 else _leaf(dice)

    def tree() -> Tree:
        found: Tree = dice.choice(
            [
                part(),
                {"all": [part(), part()]},
                {"all": [part(), part(), part()]},
                {"any": [part(), part()]},
                {"all": [part(), {"any": [part(), part()]}]},
                {"all": [part(), {"not": part()}]},
                {"not": {"any": [part(), part()]}},
            ]
        )
        return found

    return [tree() for _ in range(count)]


# -- the same conditions by others ------------------------------------------------------------------------------------

COMPARE = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def by_hand(tree: Tree) -> Callable[[Tree], bool]:  # noqa: C901, PLR0911 - the floor: one return a shape
    """Make the closures a programmer would write, of texts that need no folding and numbers that need no reading."""
    if "field" in tree:
        field, op, value = tree["field"], tree["op"], tree["value"]
        match op:
            case "eq":
                return lambda order: bool(order[field] == value)
            case "in":
                members = frozenset(value)
                return lambda order: order[field] in members
            case "not_in":
                members = frozenset(value)
                return lambda order: order[field] not in members
            case "between":
                low, high = value
                return lambda order: low <= order[field] <= high
            case "starts_with":
                return lambda order: bool(order[field].startswith(value))
            case "contains":
                return lambda order: value in order[field]
            case _:
                compare = COMPARE[op]
                return lambda order: bool(compare(order[field], value))
    ((kind, inner),) = tree.items()
    if kind in {"all", "any"}:
        parts, stop = tuple(map(by_hand, inner)), kind == "any"

        def combined(order: Tree) -> bool:
            for part in parts:
                if part(order) is stop:
                    return stop
            return not stop

        return combined
    test = by_hand(inner)
    if kind == "not":
        return lambda order: not test(order)
    hit, verdict = {"any_line": (True, True), "no_line": (True, False), "every_line": (False, False)}[kind]

    def over_lines(order: Tree) -> bool:
        for line in order["lines"]:
            if test(line) is hit:
                return verdict
        return not verdict

    return over_lines


def json_logic(tree: Tree) -> Callable[[Tree], bool]:
    """Say it for json-logic-qubit."""
    library = importlib.import_module("json_logic")

    def said(tree: Tree) -> Tree:  # noqa: PLR0911 - one return an operator
        if "field" in tree:
            subject, op, value = {"var": tree["field"]}, tree["op"], tree["value"]
            signs = {"eq": "===", "ne": "!==", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
            match op:
                case "between":
                    return {"<=": [value[0], subject, value[1]]}
                case "starts_with":
                    return {"===": [{"substr": [subject, 0, len(value)]}, value]}
                case "contains":
                    return {"in": [value, subject]}
                case "in":
                    return {"in": [subject, value]}
                case "not_in":
                    return {"!": [{"in": [subject, value]}]}
                case _:
                    return {signs[op]: [subject, value]}
        ((kind, inner),) = tree.items()
        if kind in {"all", "any"}:
            return {"and" if kind == "all" else "or": list(map(said, inner))}
        if kind == "not":
            return {"!": [said(inner)]}
        return {{"any_line": "some", "every_line": "all", "no_line": "none"}[kind]: [{"var": "lines"}, said(inner)]}

    rule = said(tree)
    return lambda order: bool(library.jsonLogic(rule, order))


def business_rules(tree: Tree) -> Callable[[Tree], bool]:
    """Say it for business-rules, which has neither `not` nor lines: those are Python methods, which flatters it."""
    engine = importlib.import_module("business_rules.engine")
    library = importlib.import_module("business_rules.variables")
    members: dict[str, Any] = {"__init__": lambda self, order: setattr(self, "order", order)}

    def ask(name: str, kind: str, read: Callable[[Any], Any]) -> str:
        read.__name__ = name
        members[name] = getattr(library, f"{kind}_rule_variable")()(read)
        return name

    def simple(name: str, op: str, value: object) -> Tree:
        return {"name": name, "operator": op, "value": value}

    def said(tree: Tree) -> Tree:
        if tree.keys() <= {"all", "any"}:
            ((kind, inner),) = tree.items()
            return {kind: list(map(said, inner))}
        field, op = tree.get("field", ""), tree.get("op", "")
        if op in {"gt", "gte", "lt", "lte", "between"}:
            name = ask(field, "numeric", lambda self: self.order[field])
            if op == "between":
                low, high = tree["value"]
                return {
                    "all": [simple(name, "greater_than_or_equal_to", low), simple(name, "less_than_or_equal_to", high)]
                }
            words = {"gt": "greater_than", "gte": "greater_than_or_equal_to", "lt": "less_than"}
            return simple(name, words.get(op, "less_than_or_equal_to"), tree["value"])
        if op == "contains":
            return simple(
                ask(field, "select_multiple", lambda self: self.order[field]),
                "shares_at_least_one_element_with",
                [tree["value"]],
            )
        if op in {"eq", "starts_with"} and isinstance(tree["value"], str):
            name = ask(field, "string", lambda self: self.order[field])
            return simple(name, "equal_to" if op == "eq" else "starts_with", tree["value"])
        test = by_hand(tree)
        return simple(ask(f"asked_{len(members)}", "boolean", lambda self: test(self.order)), "is_true", value=True)

    rule = said(tree)
    variables = type("OrderVariables", (library.BaseVariables,), members)
    return lambda order: bool(engine.check_conditions_recursively(rule, variables(order)))


LIBRARIES: dict[str, Callable[[Tree], Callable[[Tree], bool]]] = {
    "business-rules": business_rules,
    "json-logic-qubit": json_logic,
}


# -- measured ---------------------------------------------------------------------------------------------------------

CHUNK = 1000
SLOW = 20
"""Of a chunk, how many orders a library gets: they are tens of times slower."""


@dataclass
class Contestant:
    """One way to decide, and how long it took against the floor over the same orders."""

    name: str
    run: Callable[[list[Tree], list[Order]], object]
    seconds: float = 0.0
    floor: float = 0.0
    orders: int = 0

    def timed(self, raw: list[Tree], ready: list[Order], floor: Callable[[list[Tree], list[Order]], object]) -> None:
        """Run both over the same orders, in CPU time."""
        began = time.process_time()
        floor(raw, ready)
        between = time.process_time()
        self.run(raw, ready)
        self.seconds += time.process_time() - between
        self.floor += between - began
        self.orders += len(raw)


def lines(orders: int = 100_000, rules: int = 200) -> Iterator[str]:  # noqa: C901 - one measurement, from top to bottom
    """Print evaluations a second of a generated rule set over generated orders, and their ratios to plain closures."""
    dice = random.Random(20261122)  # noqa: S311 - the same conditions and orders every time
    conditions = mixed_conditions(dice, rules)
    whole = tuple(Rule(f"rule {n}", (_action(n),), translated(tree)) for n, tree in enumerate(conditions))
    ready = CompiledRules(RuleSet(1, whole), a_store())
    program = ready._program  # noqa: SLF001 - verdicts without a trace are no use but here
    closures, tests = list(map(by_hand, conditions)), [test for test, _ in program._steps]  # noqa: SLF001 - as above

    def floor(raw: list[Tree], _: list[Order]) -> list[list[bool]]:
        return [[closure(order) for closure in closures] for order in raw]

    def verdicts(_: list[Tree], asked: list[Order]) -> list[list[bool]]:
        return [[test(facts) for test in tests] for facts in (program.places.facts(order, NOW, {}) for order in asked)]

    def decided(_: list[Tree], asked: list[Order]) -> None:
        for order in asked:
            ready.decide(order, NOW)

    def explained(_: list[Tree], asked: list[Order]) -> None:
        for order in asked:
            ready.explain(order, NOW)

    ours = [
        Contestant("verdict alone", verdicts),
        Contestant("decision, why each rule", decided),
        Contestant("decision, every condition", explained),
    ]
    others, lacking = _others(conditions)
    matched = 0
    for begin in range(0, orders, CHUNK):
        raw = list(synthetic_orders(dice, min(CHUNK, orders - begin)))
        asked = list(map(order_of, raw))
        truth = floor(raw, asked)
        matched += sum(map(sum, truth))
        if verdicts(raw, asked) != truth:
            message = "our verdicts are not those of the closures"
            raise AssertionError(message)
        for each in ours:
            each.timed(raw, asked, floor)
        for each in others:
            if each.run(raw[:1], asked[:1]) != truth[:1]:
                message = f"{each.name} says something else than the closures"
                raise AssertionError(message)
            each.timed(raw[:SLOW], asked[:SLOW], floor)
    yield (
        f"  {rules} mixed rules over {orders:,} orders, {matched / (orders * rules):.0%} of the conditions true; "
        "against the same conditions as closures by hand"
    )
    for each in (*ours, *others):
        rate = each.orders * rules / each.seconds
        whole_run = f"   all of it in {each.seconds:.1f} s" if each in ours else ""
        yield f"  {each.name:27}{rate:>12,.0f} evaluations/s{each.seconds / each.floor:>8.2f} x{whole_run}"
    yield from (f"  {name} is not installed: not compared" for name in lacking)


def _others(conditions: list[Tree]) -> tuple[list[Contestant], list[str]]:
    found, lacking = [], []
    for name, say in LIBRARIES.items():
        try:
            predicates = list(map(say, conditions))
        except ImportError:
            lacking.append(name)
            continue
        found.append(Contestant(name, _running(predicates)))
    return found, lacking


def _running(predicates: list[Callable[[Tree], bool]]) -> Callable[[list[Tree], list[Order]], object]:
    return lambda raw, _: [[predicate(order) for predicate in predicates] for order in raw]


def _action(n: int) -> Action:
    kinds: list[Action] = [Forward(), SetShipOption("2-Day"), HoldOrder("by rule"), AddTag(f"tag {n}"), Exclude()]
    return kinds[n % len(kinds)]


if __name__ == "__main__":
    for line in lines(*map(int, sys.argv[1:])):
        print(line, flush=True)
