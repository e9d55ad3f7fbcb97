"""Explaining one order: where it is read, each of its views, and that nothing is changed by it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from jetbridge.domain.identifiers import OrderId, StoreSlug
from jetbridge.domain.rules import (
    Comparison,
    Exclude,
    Forward,
    HoldOrder,
    Operator,
    Outcome,
    Rule,
    RuleSet,
    SetShipOption,
)
from jetbridge.domain.ship_options import ShipOptionMapping, normalized
from jetbridge.errors import InvalidRequestError
from jetbridge.use_cases.explain_order import Explanation, Mapped, SeenIn, explain_order
from tests.builders import NOW, ORDER_ID, STORE, a_part, a_store, an_order
from tests.fakes import InMemoryOrderRecords, InMemoryStoreSettings

if TYPE_CHECKING:
    from jetbridge.domain.order import Order
    from jetbridge.domain.store import Store
    from jetbridge.ports import Partners, StoreSettings

DRAFT = RuleSet(9, (Rule("vip", (HoldOrder("by hand"),), Comparison("tags", Operator.INCLUDES_ANY, ("vip",))),))


class OneShop:
    """The only partner that is asked, and only for an order of which nothing is kept."""

    def __init__(self, order: Order | None) -> None:
        self.order = order
        self.asked = 0

    def shop(self, _store: Store) -> OneShop:
        return self

    def read_order(self, order_id: OrderId) -> Order | None:
        self.asked += 1
        return self.order if self.order and self.order.id == order_id else None


class Explaining:
    """The use case with its ports."""

    def __init__(self, store: Store | None = None, in_shop: Order | None = None) -> None:
        self.records = InMemoryOrderRecords(clock=lambda: NOW)
        self.settings = InMemoryStoreSettings(store or a_store())
        self.shop = OneShop(in_shop)

    def __call__(
        self,
        *,
        order_id: OrderId | None = None,
        order: Order | None = None,
        rules: RuleSet | None = None,
        slug: StoreSlug = STORE,
    ) -> Explanation:
        return explain_order(
            slug,
            order_id=order_id,
            order=order,
            rules=rules,
            records=self.records,
            settings=cast("StoreSettings", self.settings),
            partners=cast("Partners", self.shop),
            clock=lambda: NOW,
        )


def test_a_kept_order_is_explained_without_asking_anybody() -> None:
    explain = Explaining(in_shop=an_order(tags=("vip",)))
    explain.records.keep_snapshot(STORE, an_order(), NOW)

    found = explain(order_id=ORDER_ID)

    assert (found.seen_in, found.order_id, found.name, found.rules_version) == (SeenIn.SNAPSHOT, ORDER_ID, "#1001", 1)
    [view] = found.views
    assert (view.part, view.verdict.outcome) == ("", Outcome.FORWARD)
    assert explain.shop.asked == 0


def test_an_order_that_is_not_kept_is_read_in_the_shop() -> None:
    explain = Explaining(in_shop=an_order(tags=("vip",)))

    found = explain(order_id=ORDER_ID, rules=DRAFT)

    assert (found.seen_in, found.rules_version) == (SeenIn.SHOP, 9)
    assert found.views[0].verdict.outcome is Outcome.HOLD
    assert [each.held for each in found.views[0].verdict.trace[0].conditions] == [True]
    assert explain.records.read_snapshot(STORE, ORDER_ID) is None


def test_a_pasted_order_is_explained_as_it_is() -> None:
    explain = Explaining()

    found = explain(order=an_order(id=OrderId("1"), name="#pasted"), rules=DRAFT)

    assert (found.seen_in, found.name) == (SeenIn.GIVEN, "#pasted")
    assert found.views[0].verdict.outcome is Outcome.NO_RULE_MATCHED
    assert explain.shop.asked == 0


def test_every_part_in_shipstation_is_a_view_of_its_own() -> None:
    order = an_order()
    parts = (a_part(order, "1", tags=("vip",)), a_part(order, "2", method="Express"))
    explain = Explaining()
    explain.records.keep_snapshot(STORE, replace(order, shipstation=parts), NOW)

    one, two = explain(order_id=ORDER_ID, rules=DRAFT).views

    assert (one.part, one.verdict.outcome, one.ship_option) == ("1", Outcome.HOLD, "Standard")
    assert (two.part, two.verdict.outcome, two.ship_option) == ("2", Outcome.NO_RULE_MATCHED, "Expedited")
    assert two.method == "express"


def test_what_the_mapping_gives_is_said_beside_what_the_rules_choose() -> None:
    off = ShipOptionMapping(normalized("Slow"), "Ground", active=False)
    by_rule = RuleSet(3, (Rule("r", (Forward(), SetShipOption("2-Day"))),))
    explain = Explaining(a_store(ship_options={off.method: off}))

    inactive = explain(order=an_order(shipping_method="slow")).views[0]
    unmapped = explain(order=an_order(shipping_method="Odd")).views[0]
    chosen = explain(order=an_order(shipping_method="Odd"), rules=by_rule).views[0]

    assert (inactive.mapped, inactive.ship_option) == (Mapped.INACTIVE, "")
    assert (unmapped.mapped, unmapped.ship_option) == (Mapped.UNMAPPED, "")
    assert (chosen.mapped, chosen.ship_option) == (Mapped.UNMAPPED, "2-Day")


def test_the_active_rules_are_the_stores() -> None:
    explain = Explaining(a_store(rules=RuleSet(4, (Rule("none", (Exclude("ours"),)),))))

    found = explain(order=an_order())

    assert (found.rules_version, found.views[0].verdict.reason) == (4, "ours")


def test_an_unknown_store_or_order_and_a_question_about_nothing_are_refused() -> None:
    explain = Explaining()

    with pytest.raises(InvalidRequestError, match="no such order"):
        explain(order_id=ORDER_ID)
    with pytest.raises(InvalidRequestError, match="no such store"):
        explain(order=an_order(), slug=StoreSlug("other"))
    with pytest.raises(InvalidRequestError, match="name an order or give one"):
        explain()
    with pytest.raises(InvalidRequestError, match="name an order or give one"):
        explain(order_id=ORDER_ID, order=an_order())
