"""What the SKU map, stock, splits and the rules' other actions make of an order on its way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from jetbridge.domain.record import Status, UnitState, units_by_state
from jetbridge.domain.rules import (
    AddNote,
    AddTag,
    Comparison,
    Forward,
    Notify,
    Operator,
    RemoveTag,
    Rule,
    RuleSet,
    SetLocation,
    SetShipOption,
    Split,
)
from jetbridge.domain.skus import SkuMapping
from jetbridge.domain.store import OutOfStock
from jetbridge.errors import PartnerUnavailableError, RejectedByPartnerError
from tests.bridge import Bridge
from tests.builders import ORDER_ID, a_line, a_store, an_order

REFERENCE = f"demo:{ORDER_ID}:1"
BOX = {"GIFT-BOX": SkuMapping("GIFT-BOX", (("TEA-250", 2), ("JAM-1", 1))), "TEE": SkuMapping("TEE", (("TEA-250", 1),))}


def boxed(quantity: int = 3) -> Bridge:
    bridge = Bridge(a_store(sku_map=BOX))
    bridge.put(an_order(a_line("GIFT-BOX", quantity)))
    return bridge


def test_a_bundle_is_sent_as_what_it_is_packed_from_and_counted_as_what_was_ordered() -> None:
    bridge = boxed()
    bridge.forward()
    sent = bridge.the_warehouse.received[REFERENCE]
    assert [(sku, quantity) for _, sku, _, quantity, _ in sent.lines] == [("TEA-250", 6), ("JAM-1", 3)]
    assert units_by_state(bridge.record()) == {UnitState.FORWARDED: 3}


def test_an_alias_is_sent_under_jetpacks_name() -> None:
    bridge = Bridge(a_store(sku_map=BOX))
    bridge.put(an_order(a_line("TEE", 2)))
    bridge.forward()
    assert bridge.units_at_jetpack() == {"TEA-250": 2}


def test_a_bundle_in_one_parcel_is_announced_whole() -> None:
    bridge = boxed()
    bridge.forward()
    (order,) = bridge.the_warehouse.orders.values()
    bridge.the_warehouse.ship(order.shipments[0].id, "1ZTEST0001")
    bridge.track()
    assert bridge.record().status is Status.SHIPPED
    assert [units for each in bridge.order.fulfillments for _, units in each.units] == [3]


def test_a_bundle_in_two_parcels_is_told_with_the_first_and_the_second_travels_beside_it() -> None:
    bridge = boxed(1)
    bridge.the_warehouse.split = lambda _new: [{"TEA-250": 2}, {"JAM-1": 1}]
    bridge.forward()
    (order,) = bridge.the_warehouse.orders.values()
    for number, shipment in enumerate(order.shipments, 1):
        bridge.the_warehouse.ship(shipment.id, f"1ZTEST000{number}")
        bridge.track()
    (fulfillment,) = (each for each in bridge.order.fulfillments if each.counts)
    assert fulfillment.tracking_numbers == ("1ZTEST0001", "1ZTEST0002")
    assert bridge.record().needs_person == ""


def test_a_bundle_one_part_of_which_jetpack_does_not_know_is_held_for_that_part() -> None:
    bridge = Bridge(a_store(sku_map={"BOX": SkuMapping("BOX", (("TEA-250", 1), ("RIBBON", 1)))}))
    bridge.put(an_order(a_line("BOX")))
    bridge.forward()
    assert (bridge.hold().reason, bridge.hold().detail) == ("unknown_sku", "not at Jetpack: RIBBON")


# -- stock ----------------------------------------------------------------------------------------------------------


def with_stock(choice: OutOfStock, units: int) -> Bridge:
    bridge = Bridge(a_store(out_of_stock=choice))
    bridge.the_warehouse.add_product("TEA-250", units)
    bridge.put(an_order(a_line(quantity=3), a_line("JAM-1", n=2)))
    bridge.forward()
    return bridge


def test_a_store_that_forwards_anyway_does_not_even_ask_for_stock() -> None:
    bridge = with_stock(OutOfStock.FORWARD, 0)
    assert bridge.units_at_jetpack() == {"TEA-250": 3, "JAM-1": 1}


def test_a_store_that_holds_holds_the_whole_order_and_names_what_is_short() -> None:
    bridge = with_stock(OutOfStock.HOLD, 2)
    assert not bridge.units_at_jetpack()
    assert (bridge.hold().reason, bridge.hold().detail) == ("out_of_stock", "too few at Jetpack: TEA-250")
    bridge.the_warehouse.add_product("TEA-250", 3)
    bridge.settle(20)
    assert bridge.units_at_jetpack() == {"TEA-250": 3, "JAM-1": 1}


def test_a_store_that_splits_sends_what_is_there_and_the_rest_when_it_comes() -> None:
    bridge = with_stock(OutOfStock.SPLIT, 2)
    assert bridge.units_at_jetpack() == {"TEA-250": 2, "JAM-1": 1}
    assert units_by_state(bridge.record()) == {UnitState.FORWARDED: 3, UnitState.HELD: 1}
    assert bridge.hold().reason == "out_of_stock"
    bridge.the_warehouse.add_product("TEA-250", 5)
    bridge.settle(30)
    assert bridge.units_at_jetpack() == {"TEA-250": 3, "JAM-1": 1}
    assert bridge.record().hold is None


def test_a_store_that_splits_holds_what_is_not_there_at_all() -> None:
    bridge = Bridge(a_store(out_of_stock=OutOfStock.SPLIT))
    bridge.the_warehouse.add_product("TEA-250", 0)
    bridge.put(an_order(a_line(quantity=2)))
    bridge.forward()
    assert not bridge.units_at_jetpack()
    assert units_by_state(bridge.record()) == {UnitState.HELD: 2}


# -- what rules do besides forwarding -------------------------------------------------------------------------------


def ruled(*then: object, **order: object) -> Bridge:
    bridge = Bridge(a_store(rules=RuleSet(2, (Rule("mine", (Forward(), *then)),))))  # type: ignore[arg-type]
    bridge.put(an_order(**order))  # type: ignore[arg-type]
    return bridge


def test_a_rule_chooses_ship_option_and_fulfillment_center() -> None:
    bridge = ruled(SetShipOption("Expedited"), SetLocation("156"), shipping_method="Never mapped")
    bridge.forward()
    sent = bridge.the_warehouse.received[REFERENCE]
    assert (sent.ship_option, sent.location) == ("Expedited", "156")


def test_a_ship_option_that_a_rule_chose_and_jetpack_does_not_have_holds() -> None:
    bridge = ruled(SetShipOption("Rocket"))
    bridge.forward()
    assert (bridge.hold().reason, bridge.hold().detail) == ("inactive_ship_option", "Rocket")


def test_a_split_sends_some_lines_now_and_the_rest_when_its_time_has_come() -> None:
    now = Comparison("sku", Operator.STARTS_WITH, "TEA")
    bridge = Bridge(a_store(rules=RuleSet(2, (Rule("pre-orders", (Forward(), Split(now, "soon", for_hours=2))),))))
    bridge.put(an_order(a_line(), a_line("JAM-1", n=2)))
    bridge.forward()
    assert bridge.units_at_jetpack() == {"TEA-250": 1}
    assert (bridge.hold().reason, bridge.hold().detail) == ("rule_hold", "pre-orders: soon")
    bridge.settle(110)
    assert bridge.units_at_jetpack() == {"TEA-250": 1, "JAM-1": 1}
    assert len(bridge.record().live) == 2


def test_tags_notes_and_notices_are_set_once_beside_what_was_there() -> None:
    bridge = ruled(
        AddTag("3pl"), RemoveTag("Queue"), AddNote("By Jetpack"), Notify("a big one"), tags=("vip", "queue"), note="Hi"
    )
    for _ in range(3):
        bridge.forward()
        bridge.settle(5)
    assert set(bridge.order.tags) == {"vip", "3pl"}
    assert bridge.order.note == "Hi\nBy Jetpack"
    assert bridge.notices.told == [("demo", "Order #1001", "a big one")]
    assert bridge.the_shop.calls["add_tags"] == bridge.the_shop.calls["set_note"] == 1


def test_a_tag_that_a_person_takes_off_stays_off() -> None:
    bridge = ruled(AddTag("3pl"))
    bridge.forward()
    bridge.put(replace(bridge.order, tags=()))
    bridge.forward()
    bridge.settle(20)
    assert bridge.order.tags == ()


@pytest.mark.parametrize(("error", "calls"), [(PartnerUnavailableError, 2), (RejectedByPartnerError, 1)])
def test_a_shop_that_takes_no_tags_delays_nothing_and_is_asked_again_only_if_that_can_help(
    error: type[PartnerUnavailableError], calls: int
) -> None:
    bridge = ruled(AddTag("3pl"))
    bridge.the_shop.fail("add_tags", error(partner="shopify"))
    bridge.forward()
    assert bridge.units_at_jetpack() == {"TEA-250": 1}
    bridge.settle(20)
    assert bridge.the_shop.calls["add_tags"] == calls
    assert bridge.record().status is Status.FORWARDED


def test_the_forwarded_mark_is_set_when_the_store_wants_it() -> None:
    bridge = Bridge(a_store(mark_forwarded=True))
    bridge.put(an_order())
    bridge.forward()
    bridge.pass_time(timedelta(minutes=5))
    bridge.forward()
    assert bridge.the_shop.calls["mark_forwarded"] == 1
