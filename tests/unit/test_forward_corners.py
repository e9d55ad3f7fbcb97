"""Corners of the way forward that a review found: several consignments, races with settings, refusals, edits."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from jetbridge.domain.addresses import problems
from jetbridge.domain.changes import Change
from jetbridge.domain.record import Status
from jetbridge.domain.rules import Comparison, Exclude, Forward, HoldOrder, Operator, Rule, RuleSet, SetLocation, Split
from jetbridge.domain.ship_options import ShipOptionMapping, normalized
from jetbridge.domain.skus import SkuMapping
from jetbridge.domain.store import OutOfStock
from jetbridge.errors import InvalidRequestError, PartnerUnavailableError
from jetbridge.use_cases.act_on_order import OrderAction
from tests.builders import (
    ADDRESS,
    MINUTE,
    ORDER_ID,
    STORE,
    a_fulfillment_order,
    a_line,
    a_part,
    a_store,
    an_order,
    on_shipstation,
)
from tests.keeper import Keeper
from tests.shipstation_orders import PART, SECOND, import_split, statuses, the_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetbridge.domain.identifiers import StoreSlug
    from jetbridge.domain.order import Address

CANADA = replace(ADDRESS, country_code="CA", province_code="ON", zip="K1A 0B1", city="Ottawa")
ABROAD = Rule("look abroad", (HoldOrder("CA"),), when=Comparison("country", Operator.IS, "CA"))
FORWARD = Rule("forward", (Forward(),))


def ruled(*rules: Rule) -> Keeper:
    keeper = Keeper(a_store(rules=RuleSet(2, rules)))
    keeper.put(an_order())
    return keeper


def change_rules(keeper: Keeper, *rules: Rule) -> None:
    saved = keeper.settings.save_rules(STORE, rules, Change(keeper.at, "ada", "rules_saved"))
    keeper.settings.activate_rules(STORE, saved.version, instead_of=2)


def in_consignments(count: int) -> Keeper:
    """An order of one line that stock let out unit by unit."""
    keeper = Keeper(a_store(out_of_stock=OutOfStock.SPLIT))
    keeper.put(an_order(a_line("TEA-250", count)))
    for _ in range(count):
        keeper.the_warehouse.add_product("TEA-250", 1)
        keeper.forward()
        keeper.pass_time(10 * MINUTE)
    assert len(keeper.record().live) == count
    return keeper


# -- several consignments -------------------------------------------------------------------------------------------


def test_a_persons_hold_reaches_every_consignment() -> None:
    keeper = in_consignments(2)
    keeper.order_for(OrderAction.HOLD)
    keeper.settle(30)
    assert statuses(keeper) == ["OnHold", "OnHold"]


@pytest.mark.parametrize("by", ["person", "shipstation"])
def test_a_hold_reaches_every_part_that_shipstation_made_of_an_order(by: str) -> None:
    keeper = Keeper(on_shipstation())
    keeper.put(the_order())
    import_split(keeper)
    if by == "person":
        keeper.order_for(OrderAction.HOLD)
    else:
        for part in (PART, SECOND):
            keeper.the_desk.change(part, status="on_hold")
    keeper.settle(30)
    assert statuses(keeper) == ["OnHold", "OnHold"]


def test_an_order_of_many_consignments_is_cancelled_in_one_look() -> None:
    keeper = in_consignments(7)
    keeper.order_for(OrderAction.CANCEL)
    keeper.drain()
    assert not keeper.units_at_jetpack()
    assert keeper.record().status is Status.EXCLUDED


def test_an_order_of_many_parts_is_forwarded_in_one_look() -> None:
    keeper = Keeper(on_shipstation())
    keeper.put(an_order(*(a_line(n=n) for n in range(1, 13)), financial_status="PENDING"))
    lines = a_part(keeper.order).lines
    parts = (
        a_part(keeper.order, str(800000000 + n), lines=(line,), parent_id="800000000" if n else "")
        for n, line in enumerate(lines)
    )
    keeper.imported(*parts)
    keeper.put(replace(keeper.order, financial_status="PAID"))
    keeper.forward()
    assert len(keeper.the_warehouse.orders) == 12


def test_a_look_whose_time_is_up_goes_on_with_the_next() -> None:
    keeper = in_consignments(7)
    keeper.time_left = timedelta(seconds=1)
    keeper.order_for(OrderAction.CANCEL)
    keeper.drain()
    assert keeper.units_at_jetpack()
    keeper.settle(10)
    assert not keeper.units_at_jetpack()


def test_a_cancel_that_came_too_late_for_one_is_forgotten_when_the_other_was_taken_back() -> None:
    keeper = in_consignments(2)
    _, two = keeper.the_warehouse.orders.values()
    keeper.the_warehouse.pick(two.shipments[0].id)
    line = replace(keeper.order.lines[0], current_quantity=1)
    left = a_fulfillment_order((line,), remaining={line.id: 1})
    keeper.put(replace(keeper.order, lines=(line,), fulfillment_orders=(left,)))
    keeper.settle(60)
    assert keeper.units_at_jetpack() == {"TEA-250": 1}
    assert keeper.record().hold is None


def test_the_rest_of_a_bundle_that_nobody_wants_any_more_is_shown_when_it_cannot_be_stopped() -> None:
    box = SkuMapping("BOX", (("TEA-250", 1), ("JAM-1", 1)))
    keeper = Keeper(a_store(sku_map={"BOX": box}))
    keeper.the_warehouse.split = lambda _new: [{"TEA-250": 1}, {"JAM-1": 1}]
    keeper.put(an_order(a_line("BOX")))
    keeper.forward()
    (order,) = keeper.the_warehouse.orders.values()
    keeper.the_warehouse.ship(order.shipments[0].id, "1ZTEST0001")
    keeper.track()
    keeper.put(replace(keeper.order, cancelled_at=keeper.at))
    keeper.settle(20)
    assert keeper.hold().reason == "cancel_refused"


# -- refusals -------------------------------------------------------------------------------------------------------


def test_a_create_that_jetpack_refused_is_sent_as_soon_as_the_rule_that_caused_it_is_corrected() -> None:
    keeper = ruled(Rule("far", (Forward(), SetLocation("999"))))
    keeper.forward()
    assert keeper.hold().reason == "rejected_by_jetpack"
    change_rules(keeper, Rule("near", (Forward(), SetLocation("9"))))
    keeper.settle(20)
    assert keeper.units_at_jetpack() == {"TEA-250": 1}


def test_an_order_that_jetpack_refused_obeys_a_rule_that_excludes_it_now() -> None:
    keeper = ruled(Rule("far", (Forward(), SetLocation("999"))))
    keeper.forward()
    change_rules(keeper, Rule("not ours", (Exclude(),)))
    keeper.settle(20)
    assert keeper.record().status is Status.EXCLUDED


def test_a_person_who_has_looked_at_jetpack_may_send_again_what_a_create_of_unknown_outcome_named() -> None:
    keeper = Keeper()
    keeper.put(an_order())
    keeper.the_warehouse.add_foreign_order(f"demo:{ORDER_ID}:1")  # the reference exists, and is never shown
    keeper.settle(60)
    assert keeper.record().live[0].trouble
    keeper.order_for(OrderAction.FORWARD_NOW)
    keeper.settle(5)
    assert keeper.units_at_jetpack() == {"TEA-250": 1}
    assert [each.n for each in keeper.record().live] == [2], "a reference is never used again"


def test_nothing_can_be_ordered_for_what_nobody_has_identified() -> None:
    keeper = Keeper(on_shipstation())
    keeper.imported(a_part(the_order(), number="9999", key="manual"))
    for action in (OrderAction.HOLD, OrderAction.EXCLUDE, OrderAction.FORWARD_NOW):
        with pytest.raises(InvalidRequestError, match="which Shopify order"):
            keeper.order_for(action, order=f"shipstation-{PART}")


# -- edits ----------------------------------------------------------------------------------------------------------


def test_a_change_to_what_the_rules_hold_takes_the_order_back_instead_of_sending_it_there() -> None:
    keeper = ruled(FORWARD, ABROAD)
    keeper.forward()
    keeper.put(replace(keeper.order, shipping_address=CANADA))
    keeper.settle(30)
    assert not keeper.the_warehouse.addresses
    assert not keeper.units_at_jetpack()
    assert keeper.hold().reason == "rule_hold"


def test_a_change_that_goes_abroad_needs_customs_data_like_an_order() -> None:
    keeper = Keeper(a_store(ships_from=frozenset({"US"})))
    keeper.the_warehouse.without_customs.add("TEA-250")
    keeper.put(an_order())
    keeper.forward()
    keeper.put(replace(keeper.order, shipping_address=CANADA))
    keeper.settle(30)
    assert not keeper.the_warehouse.addresses
    assert keeper.hold().reason == "customs_data_missing"
    keeper.the_warehouse.without_customs.clear()
    keeper.settle(20)
    assert keeper.the_warehouse.addresses


def test_a_change_that_waits_for_a_mapping_is_woken_by_it() -> None:
    keeper = Keeper()
    keeper.put(an_order())
    keeper.forward()
    keeper.put(replace(keeper.order, shipping_method="Overnight"))
    keeper.forward()
    keeper.map("Overnight", "Expedited")
    assert keeper.release() == 1


def test_the_mapping_of_any_part_wakes_the_order() -> None:
    keeper = Keeper(on_shipstation())
    keeper.put(the_order())
    import_split(keeper, first={"method": "Foo"}, second={"method": "Bar"})
    keeper.settle(5)
    keeper.map("Bar", "Standard")
    assert keeper.release() == 1


# -- races ----------------------------------------------------------------------------------------------------------


def test_what_settings_name_anew_during_a_look_is_asked_for_anew() -> None:
    keeper = Keeper(a_store(ship_options={}))
    keeper.put(an_order(a_line("OLD")))
    real = keeper.settings.version

    def moved(slug: StoreSlug) -> int:
        store = keeper.settings.store(STORE)
        if store and not store.sku_map:
            standard = normalized("Standard")
            keeper.settings.save_ship_option(STORE, ShipOptionMapping(standard, "Standard"))
            keeper.settings.save_sku(STORE, SkuMapping("OLD", (("TEA-250", 1),)))
        return real(slug)

    keeper.settings.version = moved  # type: ignore[method-assign]
    keeper.forward()
    assert keeper.units_at_jetpack() == {"TEA-250": 1}


def test_a_line_that_appears_while_our_hold_is_released_is_asked_for_too() -> None:
    keeper = ruled(Rule("wait", (HoldOrder(),)))
    keeper.forward()
    change_rules(keeper, FORWARD)
    real = keeper.the_shop.release_holds

    def released(fulfillment_order_id: str, hold_ids: Sequence[str]) -> None:
        real(fulfillment_order_id, hold_ids)
        order, jam = keeper.order, a_line("JAM-1", n=2)
        opened = (*order.fulfillment_orders, a_fulfillment_order((jam,), n=2))
        keeper.put(replace(order, lines=(*order.lines, jam), fulfillment_orders=opened))

    keeper.the_shop.release_holds = released  # type: ignore[method-assign]
    keeper.forward()
    assert keeper.units_at_jetpack() == {"TEA-250": 1, "JAM-1": 1}


def test_what_may_go_is_released_beside_a_hold_that_stays() -> None:
    tea, jam = a_line(), a_line("JAM-1", n=2)
    split = Split(Comparison("sku", Operator.IS, "TEA-250"))
    keeper = Keeper(a_store(rules=RuleSet(2, (Rule("tea first", (Forward(), split)),))))
    keeper.the_warehouse.skus.pop("TEA-250")
    apart = tuple(a_fulfillment_order((line,), n=n) for n, line in enumerate((tea, jam), 1))
    keeper.put(an_order(tea, jam, fulfillment_orders=apart))
    keeper.forward()
    assert len(keeper.the_shop.mirrored) == 2
    keeper.the_warehouse.add_product("TEA-250", 5)
    keeper.pass_time(MINUTE)
    keeper.forward()
    assert keeper.units_at_jetpack() == {"TEA-250": 1}
    assert len(keeper.the_shop.mirrored) == 1


def test_a_source_that_could_not_be_read_is_read_again_whatever_the_way_back_sees_meanwhile() -> None:
    keeper = Keeper()
    keeper.put(an_order())
    keeper.forward()
    keeper.put(replace(keeper.order, cancelled_at=keeper.at))
    keeper.the_shop.fail("read_order", PartnerUnavailableError(partner="shopify"))
    keeper.forward()
    keeper.track()
    for _ in range(3):
        keeper.pass_time(MINUTE)
        keeper.sweep_due()
    assert not keeper.units_at_jetpack()


def test_a_store_that_is_disconnected_during_a_look_ends_it() -> None:
    keeper = ruled(Rule("wait", (HoldOrder(),)))
    real = keeper.settings.version

    def gone(slug: StoreSlug) -> int:
        keeper.settings.delete_store(STORE)
        return real(slug)

    keeper.settings.version = gone  # type: ignore[method-assign]
    assert keeper.forward().outcome == "unknown_store"


@pytest.mark.parametrize(
    ("street", "place"),
    [
        ("Thirty Rockefeller Plaza", ADDRESS),
        ("Twenty Main Street", ADDRESS),
        ("Fifteen Main Street", ADDRESS),
        ("GD STN MAIN", CANADA),
    ],
)
def test_a_house_number_may_be_a_word_or_not_needed(street: str, place: Address) -> None:
    assert problems(replace(place, address1=street), phone="", limits=None) == []


FULL_WIDTH = (0xFF11, 0xFF10, 0xFF10, 0xFF0D, 0xFF10, 0xFF10, 0xFF10, 0xFF11)


@pytest.mark.parametrize(
    "change",
    [
        {"province_code": "California", "zip": "94107"},
        {"country_code": "JP", "province_code": "JP-13", "zip": "".join(map(chr, FULL_WIDTH))},
        {"country_code": "NL", "province_code": "", "zip": "NL-1012 AB"},
    ],
)
def test_what_is_only_written_otherwise_is_no_wrong_address(change: dict[str, str]) -> None:
    assert problems(replace(ADDRESS, **change), phone="", limits=None) == []
