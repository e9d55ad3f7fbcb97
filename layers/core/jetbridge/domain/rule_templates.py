"""Rules to begin with: the documented one, and what shop owners ask for most. Each is a whole, valid rule set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from jetbridge.domain.rules import (
    DEFAULT_RULES,
    AnyLine,
    AnyOf,
    Comparison,
    Forward,
    HoldOrder,
    Money,
    Operator,
    Rule,
    SetShipOption,
)

FORWARD = Rule("Forward to Jetpack", (Forward(),))


@dataclass(frozen=True, slots=True)
class Template:
    """Rules to begin with. `build` takes texts by the names of `parameters`, which hold an example of each."""

    name: str
    sentence: str
    """What it does, for shop owners."""
    build: Callable[..., tuple[Rule, ...]]
    parameters: Mapping[str, str]

    def rules(self, **given: str) -> tuple[Rule, ...]:
        """Build the rules; a parameter that is not given is its example.

        Raises:
            ValueError: There is no such parameter, it is blank, or it cannot be read.
        """
        if unknown := given.keys() - self.parameters.keys():
            message = f"{self.name} has no {', '.join(sorted(unknown))}"
            raise ValueError(message)
        if blank := [name for name, text in given.items() if not text.strip()]:
            message = f"{', '.join(blank)} must not be blank"
            raise ValueError(message)
        try:
            return self.build(**{**self.parameters, **given})
        except ArithmeticError as error:
            message = "not an amount"
            raise ValueError(message) from error


def _one_country(country: str) -> tuple[Rule, ...]:
    abroad = Comparison("country", Operator.IS_NOT, country)
    return (FORWARD, Rule(f"Hold what does not go to {country}", (HoldOrder(f"not to {country}"),), abroad))


def _tag_opt_in(tag: str) -> tuple[Rule, ...]:
    tagged = Comparison("tags", Operator.INCLUDES_ANY, (tag,))
    without = Comparison("tags", Operator.INCLUDES_NONE, (tag,))
    return (
        Rule(f"Forward orders tagged {tag}", (Forward(),), tagged),
        Rule(f"Hold orders until they are tagged {tag}", (HoldOrder(f"not tagged {tag} yet"),), without),
    )


def _tag_opt_out(tag: str) -> tuple[Rule, ...]:
    tagged = Comparison("tags", Operator.INCLUDES_ANY, (tag,))
    return (FORWARD, Rule(f"Hold orders tagged {tag}", (HoldOrder(f"tagged {tag}"),), tagged))


def _high_value(amount: str, currency: str) -> tuple[Rule, ...]:
    limit = Money(Decimal(amount), currency.upper())
    high = Comparison("total", Operator.AT_LEAST, limit)
    name = f"Hold orders of {limit.amount} {limit.currency} and more"
    return (FORWARD, Rule(name, (HoldOrder("high value: look at it first"),), high))


def _sku_prefix(prefix: str) -> tuple[Rule, ...]:
    some = AnyLine(Comparison("sku", Operator.STARTS_WITH, prefix))
    return (Rule(f"Forward orders with a SKU that starts with {prefix}", (Forward(),), some),)


def _pre_order(prefix: str, until: str) -> tuple[Rule, ...]:
    some = AnyLine(
        AnyOf(
            (
                Comparison("sku", Operator.STARTS_WITH, prefix),
                Comparison("product_tags", Operator.INCLUDES_ANY, ("pre-order",)),
            )
        )
    )
    hold = HoldOrder(f"pre-order until {until}", until=date.fromisoformat(until))
    return (FORWARD, Rule(f"Hold pre-orders until {until}", (hold,), some))


def _po_box(ship_option: str) -> tuple[Rule, ...]:
    box = AnyOf((Comparison("po_box", Operator.IS, value=True), Comparison("military", Operator.IS, value=True)))
    return (FORWARD, Rule(f"Post office boxes go by {ship_option}", (SetShipOption(ship_option),), box))


_ALL = (
    Template("default", "Every order is forwarded to Jetpack.", lambda: DEFAULT_RULES.rules, {}),
    Template(
        "one_country",
        "Orders to one country are forwarded; all others are held for you.",
        _one_country,
        {"country": "US"},
    ),
    Template(
        "tag_opt_in",
        "Only orders with a tag are forwarded; the rest is held until somebody tags it.",
        _tag_opt_in,
        {"tag": "jetpack"},
    ),
    Template(
        "tag_opt_out",
        "Every order is forwarded but those with a tag, which are held until it is taken off.",
        _tag_opt_out,
        {"tag": "hold"},
    ),
    Template(
        "hold_high_value",
        "Every order is forwarded but those of at least an amount, which are held for you.",
        _high_value,
        {"amount": "500.00", "currency": "USD"},
    ),
    Template(
        "sku_prefix",
        "Orders with at least one line whose SKU starts with a prefix are forwarded; no rule speaks of the others.",
        _sku_prefix,
        {"prefix": "JP-"},
    ),
    Template(
        "pre_order_hold",
        "Orders with a pre-order line, by SKU or by the product tag pre-order, are held until a day.",
        _pre_order,
        {"prefix": "PRE-", "until": "2027-03-01"},
    ),
    Template(
        "po_box_by_post",
        "Post office boxes and military addresses go by a ship option of the post, whatever the mapping says.",
        _po_box,
        {"ship_option": "USPS Priority Mail"},
    ),
)

TEMPLATES: Mapping[str, Template] = {template.name: template for template in _ALL}
"""Every template by its name."""
