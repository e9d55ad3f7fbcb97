"""The route `shipstation`: both books, one record, one writer (DESIGN section 7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from jetbridge.domain.identifiers import OrderId
from jetbridge.domain.order import Address
from jetbridge.domain.record import MarkState, Status, UnitState, Writer, units_by_state
from jetbridge.domain.shipstation import ShipStationLine, stand_in_for
from jetbridge.domain.store import Route
from jetbridge.errors import CredentialsRejectedError, OutcomeUnknownError, PartnerUnavailableError
from tests.builders import MINUTE, ORDER_ID, STORE, a_part
from tests.fake_partners import Fault
from tests.shipstation_orders import (
    BOTH,
    CORRECTED,
    PART,
    SECOND,
    bridged,
    forwarded,
    import_split,
    statuses,
    the_order,
)

# -- which order it is ----------------------------------------------------------------------------------------


def test_an_imported_order_is_forwarded_with_lines_of_shopify_and_method_and_address_of_shipstation() -> None:
    bridge = bridged()
    there = Address("Ada Sample", "", "9 Corrected St", "", "Springfield", "IL", "62701", "US", "")
    bridge.imported(a_part(bridge.order, method="Express", ship_to=there))
    (sent,) = bridge.the_warehouse.received.values()
    assert (sent.ship_option, sent.recipient.address1) == ("Expedited", "9 Corrected St")
    assert [(sku, quantity) for _, sku, _, quantity, _ in sent.lines] == [("TEA-250", 3), ("JAM-1", 1)]
    record = bridge.record()
    assert (record.route, record.parts, record.status) == (Route.SHIPSTATION, (PART,), Status.FORWARDED)
    assert record.consignments[0].shipstation_id == PART


def test_an_order_that_shipstation_has_not_imported_waits_and_then_asks_a_person() -> None:
    bridge = bridged()
    bridge.forward()
    assert (bridge.record().status, bridge.record().reason) == (Status.WAITING, "not_in_shipstation")
    bridge.settle(4 * 60)
    assert not bridge.the_warehouse.received
    assert bridge.hold().reason == "unidentified_order"
    bridge.imported(a_part(bridge.order))
    assert (bridge.record().status, bridge.record().hold) == (Status.FORWARDED, None)


def test_an_import_nobody_told_us_of_is_found_by_its_number() -> None:
    bridge = bridged()
    bridge.the_desk.put(a_part(bridge.order, modified_at=bridge.now() - timedelta(days=3)))
    bridge.pass_time(20 * MINUTE)
    bridge.forward()
    assert bridge.record().parts == (PART,)
    assert len(bridge.the_warehouse.received) == 1


@pytest.mark.parametrize("key", ["manual-9f", "", "1234567890123-99", "٣٤-1"])
def test_an_order_whose_key_names_another_order_or_none_is_found_by_its_exact_name(key: str) -> None:
    bridge = bridged()
    bridge.the_shop.put(replace(the_order(), id=OrderId("1234567890123"), name="#77"))
    bridge.imported(a_part(bridge.order, key=key))
    assert bridge.record().status is Status.FORWARDED
    assert len(bridge.the_warehouse.received) == 1


def test_an_order_nobody_can_name_is_held_under_its_own_name_until_somebody_can() -> None:
    bridge = bridged()
    bridge.imported(a_part(bridge.order, key="manual-1", number="9999"))
    stand_in = bridge.records.read(STORE, stand_in_for(PART))
    assert stand_in
    assert (stand_in.status, stand_in.hold and stand_in.hold.reason) == (Status.HELD, "unidentified_order")
    assert units_by_state(stand_in) == {UnitState.HELD: 4}
    assert not bridge.the_warehouse.received
    bridge.the_desk.change(PART, number="1001")
    bridge.settle(30)
    stand_in = bridge.records.read(STORE, stand_in_for(PART))
    assert stand_in
    assert (stand_in.status, stand_in.due_at, stand_in.ordered) == (Status.EXCLUDED, None, 0)
    assert bridge.record().status is Status.FORWARDED


def test_two_shopify_orders_of_one_name_are_for_a_person() -> None:
    bridge = bridged()
    bridge.the_shop.put(replace(the_order(), id=OrderId("1234567890123")))
    bridge.imported(a_part(bridge.order, key="manual-1"))
    assert not bridge.the_warehouse.received
    assert bridge.records.read(STORE, stand_in_for(PART))


def test_an_order_of_another_marketplace_is_none_of_ours() -> None:
    bridge = bridged()
    bridge.the_desk.put(a_part(bridge.order, store_id="777"))
    looked = bridge.forward(bridge.wake(PART, subject="shipstation_order"))
    assert looked.outcome == "foreign_order"
    assert not bridge.records.records
    assert bridge.records.read_shipstation_order(STORE, PART) is None


def test_a_source_that_fails_leaves_an_order_that_comes_back_by_itself() -> None:
    bridge = bridged()
    bridge.the_shop.fail("read_order", PartnerUnavailableError())
    bridge.imported(a_part(bridge.order, modified_at=bridge.now() - timedelta(days=3)))
    assert not bridge.the_warehouse.received
    bridge.settle(20)
    assert bridge.record().status is Status.FORWARDED
    stand_in = bridge.records.read(STORE, stand_in_for(PART))
    assert stand_in is None or stand_in.due_at is None


# -- both routes, one order -----------------------------------------------------------------------------------


def test_the_same_order_by_both_routes_is_forwarded_once_shopify_first() -> None:
    bridge = bridged(routes=BOTH)
    for _ in range(3):
        bridge.forward(bridge.wake(cause="shopify:orders/updated:1"))
    for _ in range(3):
        bridge.imported(a_part(bridge.order, modified_at=bridge.now()))
    bridge.forward(bridge.wake(cause="shopify:orders/updated:2"))
    assert len(bridge.the_warehouse.received) == 1
    record = bridge.record()
    assert record.route is Route.DIRECT
    assert record.ignored == f"ShipStation order {PART} ignored: the direct route had forwarded the order"
    assert record.parts == (PART,)


def test_the_same_order_by_both_routes_is_forwarded_once_shipstation_first() -> None:
    bridge = bridged(routes=BOTH)
    for _ in range(3):
        bridge.imported(a_part(bridge.order, modified_at=bridge.now()))
    for n in range(3):
        bridge.pass_time(MINUTE)
        bridge.forward(bridge.wake(cause=f"shopify:orders/updated:{n}"))
    assert len(bridge.the_warehouse.received) == 1
    record = bridge.record()
    assert record.route is Route.SHIPSTATION
    assert record.ignored == f"direct route ignored: ShipStation order {PART} had been forwarded"


def test_with_both_routes_a_parcel_of_a_direct_order_is_told_to_shopify_only() -> None:
    bridge = bridged(routes=BOTH)
    bridge.forward()
    bridge.imported(a_part(bridge.order))
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    assert bridge.told() == {"1Z1": 1}
    assert not bridge.the_desk.marks


# -- what ShipStation says ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"status": "on_hold", "held_until": "2027-01-01"}, Status.HELD, "store_hold"),
        ({"status": "awaiting_payment"}, Status.WAITING, "unpaid"),
        ({"status": "cancelled"}, Status.EXCLUDED, "cancelled_in_shipstation"),
        ({"status": "shipped"}, Status.HELD, "already_forwarded_elsewhere"),
        ({"status": "pending_fulfillment"}, Status.HELD, "already_forwarded_elsewhere"),
        ({"status": "rejected_fulfillment"}, Status.HELD, "store_hold"),
        ({"status": "something_new"}, Status.HELD, "store_hold"),
        ({"externally_fulfilled": True}, Status.HELD, "already_forwarded_elsewhere"),
        ({"merged_ids": ("1", "2")}, Status.HELD, "unidentified_order"),
    ],
)
def test_only_awaiting_shipment_is_forwarded_and_the_rest_says_why(
    changes: dict[str, object], status: Status, reason: str
) -> None:
    bridge = bridged()
    bridge.imported(a_part(bridge.order, PART, **changes))
    assert not bridge.the_warehouse.received
    assert (bridge.record().status, bridge.record().reason) == (status, reason)
    assert units_by_state(bridge.record()).total() == 4
    bridge.the_desk.change(PART, status="awaiting_shipment", held_until="", externally_fulfilled=False, merged_ids=())
    bridge.settle(10)
    assert bridge.record().status is Status.FORWARDED


def test_quantities_are_capped_by_what_shopify_still_wants() -> None:
    order = the_order()
    fewer = replace(order.lines[0], current_quantity=1)
    open_lines = order.fulfillment_orders[0].lines
    left = replace(order.fulfillment_orders[0], lines=(replace(open_lines[0], remaining=1), open_lines[1]))
    bridge = bridged(replace(order, lines=(fewer, order.lines[1]), fulfillment_orders=(left,)))
    bridge.imported(a_part(order))
    (sent,) = bridge.the_warehouse.received.values()
    assert [(sku, quantity) for _, sku, _, quantity, _ in sent.lines] == [("TEA-250", 1), ("JAM-1", 1)]


def test_lines_without_shopifys_ids_are_matched_by_sku_and_discounts_are_no_goods() -> None:
    bridge = bridged()
    lines = (
        ShipStationLine("x1", "JAM-1", "Jam", 1),
        ShipStationLine("x2", "TEA-250", "Tea", 3),
        ShipStationLine("discount", "", "10 % off", 1, goods=False),
        ShipStationLine("x3", "EXTRA", "added by hand", 1),
    )
    bridge.imported(a_part(bridge.order, lines=lines))
    (sent,) = bridge.the_warehouse.received.values()
    assert {sku: quantity for _, sku, _, quantity, _ in sent.lines} == {"TEA-250": 3, "JAM-1": 1}


def test_a_split_order_is_two_consignments_of_one_record_each_by_its_own_method() -> None:
    bridge = bridged()
    import_split(bridge, second={"method": "Express", "key": "split-1"})
    first, second = bridge.the_warehouse.received.values()
    assert (first.reference, second.reference) == (f"{STORE}:{ORDER_ID}:1", f"{STORE}:{ORDER_ID}:2")
    assert (first.ship_option, second.ship_option) == ("Standard", "Expedited")
    assert bridge.units_at_jetpack() == {"TEA-250": 3, "JAM-1": 1}
    assert bridge.record().parts == (PART, SECOND)


def test_a_split_after_forwarding_sends_nothing_twice() -> None:
    bridge = forwarded()
    bridge.the_desk.split(PART, {"2": 1})
    bridge.settle(20)
    assert bridge.units_at_jetpack() == {"TEA-250": 3, "JAM-1": 1}
    assert len(bridge.the_warehouse.received) == 1


def test_one_part_on_hold_does_not_hold_the_other() -> None:
    bridge = bridged()
    import_split(bridge, first={"status": "on_hold"})
    assert bridge.units_at_jetpack() == {"JAM-1": 1}
    assert bridge.record().status is Status.HELD
    bridge.the_desk.release(PART)
    bridge.settle(10)
    assert bridge.units_at_jetpack() == {"TEA-250": 3, "JAM-1": 1}
    assert bridge.record().status is Status.FORWARDED


def test_an_order_cancelled_in_shipstation_is_taken_back_and_comes_again_when_restored() -> None:
    bridge = forwarded()
    bridge.the_desk.cancel(PART)
    bridge.settle(10)
    assert not bridge.units_at_jetpack()
    assert (bridge.record().status, bridge.record().reason) == (Status.EXCLUDED, "cancelled_in_shipstation")
    bridge.the_desk.change(PART, status="awaiting_shipment")
    bridge.settle(10)
    assert bridge.units_at_jetpack() == {"TEA-250": 3, "JAM-1": 1}


def test_an_address_corrected_in_shipstation_is_found_by_the_sweep() -> None:
    bridge = forwarded()
    bridge.the_desk.change(PART, ship_to=CORRECTED)
    bridge.settle(10)
    assert bridge.the_warehouse.addresses["70000001"][0].address1 == "2 New St"
    assert bridge.units_at_jetpack() == {"TEA-250": 3, "JAM-1": 1}


def test_an_order_put_on_hold_in_shipstation_is_held_at_jetpack_and_released() -> None:
    bridge = forwarded()
    bridge.the_desk.hold(PART)
    bridge.settle(10)
    assert statuses(bridge) == ["OnHold"]
    assert bridge.record().status is Status.HELD
    bridge.the_desk.release(PART)
    bridge.settle(10)
    assert statuses(bridge) == ["Processing"]
    assert bridge.record().status is Status.FORWARDED


def test_a_label_bought_in_shipstation_takes_the_order_back_from_jetpack() -> None:
    bridge = forwarded()
    bridge.point(bridge.the_desk.label(PART))
    assert not bridge.units_at_jetpack()
    assert (bridge.record().status, bridge.record().reason) == (Status.HELD, "already_forwarded_elsewhere")


def test_a_label_bought_in_shipstation_after_picking_calls_a_person() -> None:
    bridge = forwarded()
    bridge.the_warehouse.pick("70000001")
    bridge.point(bridge.the_desk.label(PART))
    assert bridge.units_at_jetpack() == {"TEA-250": 3, "JAM-1": 1}
    assert bridge.record().status is Status.FAILED
    assert "is shipped there" in bridge.record().failed


# -- the way back: one writer ----------------------------------------------------------------------------------


def test_a_whole_order_in_one_parcel_is_told_by_shipstation_once_it_proves_it() -> None:
    bridge = forwarded()
    bridge.the_desk.channel_delay = 3 * MINUTE
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    (mark,) = bridge.the_desk.marks
    assert (mark.order_id, mark.number, mark.carrier, mark.notify_channel) == (PART, "1Z1", "UPS", True)
    assert bridge.record().writer is Writer.SHIPSTATION
    assert not bridge.told()
    bridge.settle(10)
    assert bridge.told() == {"1Z1": 1}
    assert bridge.record().status is Status.SHIPPED
    bridge.the_warehouse.deliver("70000001")
    bridge.track()
    assert bridge.record().status is Status.DELIVERED
    assert bridge.record().due_at is None
    assert len(bridge.the_desk.marks) == 1


def test_two_parcels_are_told_to_shopify_and_shipstation_is_marked_with_the_first() -> None:
    bridge = forwarded({"TEA-250": 2}, {"TEA-250": 1, "JAM-1": 1})
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    assert bridge.told() == {"1Z1": 1}
    (mark,) = bridge.the_desk.marks
    assert (mark.number, mark.notify_channel) == ("1Z1", False)
    bridge.the_warehouse.ship("70000002", "1Z2")
    bridge.track()
    bridge.settle(90)
    assert bridge.told() == {"1Z1": 1, "1Z2": 1}
    assert len(bridge.the_desk.marks) == 1
    assert (bridge.record().writer, bridge.record().status) == (Writer.SHOPIFY, Status.SHIPPED)


def test_a_split_order_is_told_to_shopify_and_each_part_is_marked_with_its_own_number() -> None:
    bridge = bridged()
    import_split(bridge)
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.the_warehouse.ship("70000002", "1Z2")
    bridge.track()
    bridge.settle(10)
    assert bridge.told() == {"1Z1": 1, "1Z2": 1}
    assert {mark.order_id: (mark.number, mark.notify_channel) for mark in bridge.the_desk.marks} == {
        PART: ("1Z1", False),
        SECOND: ("1Z2", False),
    }


def test_a_part_split_off_after_forwarding_is_marked_when_all_has_left() -> None:
    bridge = forwarded()
    (other,) = bridge.the_desk.split(PART, {"2": 1})
    bridge.settle(10)
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    bridge.settle(10)
    assert bridge.record().writer is Writer.SHOPIFY
    assert {mark.order_id: mark.number for mark in bridge.the_desk.marks} == {PART: "1Z1", other: "1Z1"}


def test_shipstation_that_cannot_tell_the_shop_is_replaced_by_us_once() -> None:
    bridge = forwarded()
    bridge.the_desk.tell = lambda _: "UnprocessableEntity"
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    bridge.settle(20)
    assert bridge.told() == {"1Z1": 1}
    assert (bridge.record().writer, bridge.record().status) == (Writer.SHOPIFY, Status.SHIPPED)


def test_shipstation_that_says_nothing_for_an_hour_is_replaced_by_us() -> None:
    bridge = forwarded()
    bridge.the_desk.channel_delay = timedelta(days=1)
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    bridge.settle(55)
    assert not bridge.told()
    bridge.settle(15)
    assert bridge.told() == {"1Z1": 1}
    bridge.settle(25 * 60)
    assert bridge.told() == {"1Z1": 1}


def test_a_shop_that_knows_the_number_already_is_not_told_again() -> None:
    bridge = forwarded()
    tell, bridge.the_desk.tell = bridge.the_desk.tell, lambda mark: tell(mark) or "told, and then failed"
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    bridge.settle(20)
    assert bridge.told() == {"1Z1": 1}
    assert bridge.record().status is Status.SHIPPED


@pytest.mark.parametrize("after", [False, True])
def test_a_mark_whose_outcome_is_unknown_is_looked_for_before_it_is_made_again(*, after: bool) -> None:
    bridge = forwarded()
    bridge.the_desk.fail("mark_shipped", OutcomeUnknownError(), after=after)
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    bridge.settle(10)
    assert len(bridge.the_desk.marks) == 1
    assert bridge.told() == {"1Z1": 1}


def test_a_suspended_shipstation_costs_an_hour_and_no_parcel() -> None:
    bridge = forwarded()
    suspended = CredentialsRejectedError(partner="shipstation", http_status=402, code="suspended")
    bridge.the_desk.draw_fault = lambda _: Fault(suspended)
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    bridge.settle(70)
    assert bridge.told() == {"1Z1": 1}
    assert bridge.record().status is Status.SHIPPED


def test_a_suspended_shipstation_holds_what_is_not_forwarded_yet() -> None:
    bridge = bridged()
    bridge.imported(a_part(bridge.order, status="on_hold"))
    suspended = CredentialsRejectedError(partner="shipstation", http_status=402, code="suspended")
    bridge.the_desk.fail("read_order", suspended)
    bridge.pass_time(20 * MINUTE)
    bridge.forward()
    assert bridge.hold().reason == "connection_broken"
    bridge.the_desk.release(PART)
    bridge.settle(30)
    assert bridge.record().status is Status.FORWARDED


def test_a_late_parcel_under_shipstation_is_appended_at_shopify() -> None:
    bridge = forwarded()
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    bridge.settle(10)
    assert bridge.told() == {"1Z1": 1}
    bridge.the_warehouse.add_parcel("60000001", "1Z2")
    bridge.track()
    bridge.settle(10)
    (fulfillment,) = bridge.order.fulfillments
    assert set(fulfillment.tracking_numbers) == {"1Z1", "1Z2"}
    assert bridge.record().status is Status.SHIPPED


def test_a_failed_mark_for_its_own_sake_is_left_after_an_hour() -> None:
    bridge = forwarded({"TEA-250": 2}, {"TEA-250": 1, "JAM-1": 1})
    bridge.the_desk.draw_fault = lambda call: Fault(OutcomeUnknownError()) if call == "mark_shipped" else None
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.the_warehouse.ship("70000002", "1Z2")
    bridge.track()
    bridge.settle(90)
    assert bridge.told() == {"1Z1": 1, "1Z2": 1}
    assert [mark.state for mark in bridge.record().marks] == [MarkState.FAILED]


def test_our_own_mark_comes_back_as_a_webhook_and_costs_no_partner_call() -> None:
    bridge = forwarded()
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    bridge.the_desk.calls.clear()
    bridge.the_shop.calls.clear()
    looked = bridge.forward(bridge.wake(PART, subject="shipstation_order", cause="shipstation:FULFILLMENT_SHIPPED:1"))
    assert looked.outcome == "already_seen"
    assert not bridge.the_shop.calls
