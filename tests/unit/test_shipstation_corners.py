"""Corners of the route `shipstation`: what refuses, splits, holds and marks do to each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from jetbridge.domain.identifiers import OrderId
from jetbridge.domain.order import FulfillmentHold
from jetbridge.domain.record import MarkState, Status
from jetbridge.domain.shipstation import split_off
from jetbridge.domain.store import Route
from jetbridge.errors import (
    CredentialsRejectedError,
    OutcomeUnknownError,
    PartnerUnavailableError,
    RejectedByPartnerError,
)
from jetbridge.ports import ParcelAnnouncement
from tests.bridge import Bridge
from tests.builders import MINUTE, NOW, STORE, a_fulfillment_order, a_line, a_part, an_order
from tests.fake_desk import FakeDesk
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

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetbridge.domain.order import FulfillmentOrder, Line, Order
    from jetbridge.domain.shipstation import Mark
    from jetbridge.errors import PartnerError

ALL = {"TEA-250": 3, "JAM-1": 1}
HOLDS = (FulfillmentHold("gid://shopify/FulfillmentHold/1", "OTHER"),)


def another_order() -> Order:
    lines = the_order().lines
    others = (a_fulfillment_order(lines, n=2),)
    return replace(the_order(), id=OrderId("1234567890123"), name="#1002", fulfillment_orders=others)


def on_hold(line: Line, *, remaining: dict[str, int] | None = None) -> FulfillmentOrder:
    """Build what Shopify splits off when somebody holds a part of an order."""
    return a_fulfillment_order(
        (line,),
        n=2,
        remaining=remaining,
        status="ON_HOLD",
        supported_actions=frozenset(),
        holds=HOLDS,
    )


def always(call: str, error: PartnerError) -> Callable[[str], Fault | None]:
    """Let every call of this name fail."""
    return lambda called: Fault(error) if called == call else None


# -- units that wait while others leave -----------------------------------------------------------------------


@pytest.mark.parametrize("status", ["on_hold", "cancelled"])
def test_a_part_that_stays_behind_is_not_marked_as_shipped_when_the_other_left(status: str) -> None:
    bridge = bridged()
    import_split(bridge, second={"status": status})
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    bridge.settle(10)
    assert [mark.order_id for mark in bridge.the_desk.marks] == [PART]
    bridge.the_desk.release(SECOND)
    bridge.settle(20)
    assert bridge.units_at_jetpack() == ALL


def test_units_held_in_shopify_still_go_after_the_first_parcel_was_marked() -> None:
    tea, jam = the_order().lines
    bridge = bridged(replace(the_order(), fulfillment_orders=(a_fulfillment_order((tea,)), on_hold(jam))))
    bridge.imported(a_part(bridge.order))
    assert bridge.units_at_jetpack() == {"TEA-250": 3}
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    bridge.settle(10)
    assert bridge.the_desk.orders[PART].status == "shipped"
    told, _ = bridge.order.fulfillment_orders
    bridge.put(replace(bridge.order, fulfillment_orders=(told, a_fulfillment_order((jam,), n=2))))
    bridge.settle(60)
    assert bridge.units_at_jetpack() == ALL


def test_an_open_part_is_not_hidden_behind_a_cancelled_one() -> None:
    bridge = bridged()
    bridge.imported(a_part(bridge.order, status="cancelled"), a_part(bridge.order, SECOND, key="manual-2"))
    bridge.settle(10)
    assert bridge.units_at_jetpack() == ALL


def test_a_method_of_shipstations_that_is_not_mapped_is_offered_for_mapping() -> None:
    bridge = bridged()
    bridge.imported(a_part(bridge.order, method="Overnight"))
    assert bridge.hold().reason == "unmapped_ship_option"
    assert set(bridge.settings.unmapped_methods(STORE)) == {"overnight"}


# -- holds at the source follow to Jetpack --------------------------------------------------------------------


def test_a_hold_of_some_units_in_shopify_does_not_hold_those_that_may_go() -> None:
    tea = a_line(quantity=3)
    bridge = Bridge()
    bridge.the_warehouse.split = lambda _: [{"TEA-250": 1}, {"TEA-250": 1}]
    free = a_fulfillment_order((tea,), remaining={"1": 2})
    bridge.put(an_order(tea, fulfillment_orders=(free, on_hold(tea, remaining={"1": 1}))))
    bridge.forward()
    assert bridge.units_at_jetpack() == {"TEA-250": 2}
    bridge.settle(30)
    assert statuses(bridge) == ["Processing", "Processing"]
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    bridge.settle(30)
    assert statuses(bridge) == ["Completed", "Processing"]


@pytest.mark.parametrize("status", ["ON_HOLD", "IN_PROGRESS"])
def test_a_hold_in_shopify_counts_whatever_the_fulfillment_order_calls_itself(status: str) -> None:
    bridge = forwarded()
    (whole,) = bridge.order.fulfillment_orders
    bridge.put(replace(bridge.order, fulfillment_orders=(replace(whole, status=status, holds=HOLDS),)))
    bridge.settle(10)
    assert statuses(bridge) == ["OnHold"]


def test_a_hold_reaches_jetpack_although_an_edit_was_refused() -> None:
    bridge = forwarded()
    bridge.the_warehouse.draw_fault = always("change_address", RejectedByPartnerError("no such address"))
    bridge.the_desk.change(PART, ship_to=CORRECTED)
    bridge.settle(10)
    assert bridge.hold().reason == "edit_refused"
    bridge.the_desk.hold(PART)
    bridge.settle(30)
    assert statuses(bridge) == ["OnHold"]


def test_a_hold_reaches_jetpack_although_the_method_changed_to_one_that_is_not_mapped() -> None:
    bridge = forwarded()
    bridge.the_desk.change(PART, method="Overnight", status="on_hold")
    bridge.settle(30)
    assert statuses(bridge) == ["OnHold"]


def test_an_edit_under_a_hold_reaches_jetpack_where_the_order_stands_on() -> None:
    bridge = forwarded()
    bridge.the_desk.hold(PART)
    bridge.settle(10)
    bridge.the_desk.change(PART, ship_to=CORRECTED)
    bridge.settle(10)
    assert statuses(bridge) == ["OnHold"]
    assert bridge.the_warehouse.addresses["70000001"][0] == CORRECTED
    bridge.the_desk.release(PART)
    bridge.settle(10)
    assert statuses(bridge) == ["Processing"]
    assert bridge.record().status is Status.FORWARDED


def test_an_order_cancelled_under_a_hold_comes_again_when_restored() -> None:
    bridge = forwarded()
    bridge.the_desk.hold(PART)
    bridge.settle(10)
    bridge.the_desk.cancel(PART)
    bridge.settle(10)
    assert not bridge.units_at_jetpack()
    bridge.the_desk.release(PART)
    bridge.settle(10)
    assert bridge.units_at_jetpack() == ALL
    assert statuses(bridge) == ["Cancelled", "Processing"]


def test_a_shipment_that_moves_while_the_source_holds_its_order_is_stopped_too() -> None:
    bridge = forwarded({"TEA-250": 3}, {"JAM-1": 1})
    bridge.the_desk.hold(PART)
    bridge.settle(10)
    assert statuses(bridge) == ["OnHold", "OnHold"]
    bridge.the_warehouse.release_shipments(["70000002"])
    assert statuses(bridge) == ["OnHold", "Processing"]
    bridge.settle(20)
    assert statuses(bridge) == ["OnHold", "OnHold"]


def test_a_release_reaches_the_held_shipment_although_another_was_picked_meanwhile() -> None:
    bridge = forwarded({"TEA-250": 3}, {"JAM-1": 1})
    bridge.the_desk.hold(PART)
    bridge.settle(10)
    assert statuses(bridge) == ["OnHold", "OnHold"]
    bridge.the_warehouse.release_shipments(["70000001"])
    bridge.the_warehouse.pick("70000001")
    bridge.the_desk.release(PART)
    bridge.settle(60)
    assert statuses(bridge) == ["Processing", "Processing"]


@pytest.mark.parametrize(("status", "expected"), [("on_hold", "OnHold"), ("awaiting_shipment", "Processing")])
def test_an_order_that_disappears_from_shipstation_stays_at_jetpack_as_it_was(status: str, expected: str) -> None:
    bridge = forwarded()
    bridge.the_desk.change(PART, status=status)
    bridge.settle(10)
    assert statuses(bridge) == [expected]
    del bridge.the_desk.orders[PART]
    bridge.forward()
    bridge.settle(30)
    assert statuses(bridge) == [expected]


def test_a_hold_of_what_was_split_off_after_forwarding_holds_the_whole_consignment() -> None:
    bridge = forwarded()
    (other,) = bridge.the_desk.split(PART, {"2": 1})
    bridge.settle(10)
    bridge.the_desk.hold(other)
    bridge.settle(10)
    assert statuses(bridge) == ["OnHold"]


def test_a_hold_of_a_part_with_a_consignment_of_its_own_is_none_of_the_part_it_was_split_off() -> None:
    bridge = bridged()
    import_split(bridge)
    bridge.the_desk.split(PART, {"1": 1})
    bridge.the_desk.hold(SECOND)
    bridge.settle(30)
    assert statuses(bridge) == ["Processing", "OnHold"]


def test_a_hold_of_an_order_jetpack_does_not_show_is_shown_and_costs_a_handful_of_reads_an_hour() -> None:
    bridge = bridged()
    bridge.the_warehouse.lag = timedelta(days=1)
    bridge.imported(a_part(bridge.order))
    bridge.pass_time(10 * MINUTE)
    bridge.the_desk.hold(PART)
    bridge.settle(30)
    assert (bridge.record().status, bridge.hold().reason) == (Status.HELD, "edit_refused")
    assert "does not show" in bridge.hold().detail
    bridge.the_warehouse.calls.clear()
    bridge.settle(60)
    del bridge.the_warehouse.calls["orders_since"]  # the sweep, once for all orders
    assert bridge.the_warehouse.calls.total() <= 5


# -- one consignment's refusal is none of another's -----------------------------------------------------------


def test_an_edit_of_the_second_consignment_goes_although_the_first_was_picked() -> None:
    bridge = bridged()
    import_split(bridge)
    bridge.the_warehouse.pick("70000001")
    for part in (PART, SECOND):
        bridge.the_desk.change(part, ship_to=CORRECTED)
    bridge.settle(30)
    assert {shipment: to for shipment, (to, _) in bridge.the_warehouse.addresses.items()} == {"70000002": CORRECTED}
    assert bridge.hold().reason == "edit_refused"


@pytest.mark.parametrize(
    ("picked", "change", "expected"),
    [
        ("70000001", FakeDesk.hold, ["Processing", "OnHold"]),
        ("70000002", FakeDesk.hold, ["OnHold", "Processing"]),
        ("70000001", FakeDesk.cancel, ["Processing", "Cancelled"]),
        ("70000002", FakeDesk.cancel, ["Cancelled", "Processing"]),
    ],
)
def test_what_is_not_picked_is_held_or_cancelled_although_the_other_consignment_was_picked(
    picked: str, change: Callable[[FakeDesk, str], None], expected: list[str]
) -> None:
    bridge = bridged()
    import_split(bridge)
    bridge.the_warehouse.pick(picked)
    for part in (PART, SECOND):
        change(bridge.the_desk, part)
    bridge.settle(30)
    assert statuses(bridge) == expected


def test_a_refused_edit_asks_no_person_any_more_once_all_has_left() -> None:
    bridge = Bridge()
    bridge.put(the_order())
    bridge.forward()
    bridge.the_warehouse.pick("70000001")
    bridge.put(replace(bridge.order, shipping_address=CORRECTED))
    bridge.settle(10)
    assert bridge.hold().reason == "edit_refused"
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    bridge.settle(30)
    assert (bridge.record().hold, bridge.record().status) == (None, Status.SHIPPED)


def test_two_parts_refused_by_jetpack_do_not_go_in_circles() -> None:
    bridge = bridged()
    bridge.the_warehouse.draw_fault = always("create_order", RejectedByPartnerError("bad zip"))
    import_split(bridge, second={"method": "Express"})
    assert bridge.the_warehouse.calls["create_order"] == 2
    assert bridge.hold().reason == "rejected_by_jetpack"


def test_half_an_edit_is_taken_back_when_the_source_goes_back() -> None:
    bridge = forwarded()
    there = bridge.the_desk.orders[PART].ship_to
    bridge.the_warehouse.draw_fault = always("change_ship_option", RejectedByPartnerError("no"))
    bridge.the_desk.change(PART, ship_to=CORRECTED, method="Express")
    bridge.settle(10)
    assert bridge.the_warehouse.addresses["70000001"][0] == CORRECTED
    bridge.the_warehouse.draw_fault = lambda _: None
    bridge.the_desk.change(PART, ship_to=there, method="Standard")
    bridge.settle(30)
    assert bridge.the_warehouse.addresses["70000001"][0] == there


@pytest.mark.parametrize("before", [timedelta(), 20 * MINUTE])
def test_a_message_older_than_the_last_look_does_not_swallow_an_edit_made_since(before: timedelta) -> None:
    bridge = forwarded()
    bridge.forward(bridge.wake(PART, subject="shipstation_order"))
    looked_at = bridge.record().shipstation_looked_at
    assert looked_at
    bridge.pass_time(3 * MINUTE)
    bridge.the_desk.change(PART, ship_to=CORRECTED)
    message = bridge.wake(PART, subject="shipstation_order")
    bridge.forward(replace(message, seen_at=(looked_at - before).timestamp()))
    bridge.settle(300)
    assert bridge.the_warehouse.addresses["70000001"][0] == CORRECTED


# -- split, merged and deleted after forwarding ---------------------------------------------------------------


def test_what_was_split_off_is_found_near_and_far_unless_it_has_a_consignment_of_its_own() -> None:
    parents = {"1": "", "2": "1", "3": "2", "4": "1", "5": "404", "6": "7", "7": "6", "8": ""}
    parts = tuple(a_part(the_order(), part, parent_id=parent) for part, parent in parents.items())
    order = replace(the_order(), shipstation=parts)
    assert [part.id for part in split_off("1", order, frozenset({"4"}))] == ["2", "3"]


def label(bridge: Bridge, part: str) -> None:
    bridge.point(bridge.the_desk.label(part))


def cancel(bridge: Bridge, part: str) -> None:
    bridge.the_desk.cancel(part)


@pytest.mark.parametrize("drop", [label, cancel])
def test_a_part_split_off_after_forwarding_and_dropped_does_not_leave_jetpack(
    drop: Callable[[Bridge, str], None],
) -> None:
    bridge = forwarded()
    (other,) = bridge.the_desk.split(PART, {"2": 1})
    bridge.settle(10)
    drop(bridge, other)
    bridge.settle(30)
    assert bridge.units_at_jetpack() == {"TEA-250": 3}


def test_a_split_nobody_told_us_of_is_seen_before_shipstation_tells_of_half_the_order() -> None:
    bridge = forwarded()
    bridge.settle(10)
    bridge.the_desk.split(PART, {"2": 1})
    bridge.the_warehouse.ship("70000001", "1Z1")

    def tell_of_what_it_holds(mark: Mark) -> str:
        held = {line.key: line.quantity for line in bridge.the_desk.orders[mark.order_id].lines}
        (whole,) = bridge.order.fulfillment_orders
        units = tuple((line.id, held[line.line_id]) for line in whole.lines if held.get(line.line_id))
        bridge.the_shop.announce_parcel(ParcelAnnouncement(((whole.id, units),), mark.number, "", ""))
        return ""

    bridge.the_desk.tell = tell_of_what_it_holds
    bridge.track()
    bridge.settle(180)
    assert not any(line.remaining for each in bridge.order.fulfillment_orders for line in each.lines)
    assert bridge.told() == {"1Z1": 1}


@pytest.mark.parametrize("status", ["on_hold", "awaiting_payment"])
def test_an_order_that_is_not_open_in_shipstation_when_its_parcel_leaves_is_told_by_us(status: str) -> None:
    bridge = forwarded()
    bridge.the_desk.change(PART, status=status)
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    assert bridge.told() == {"1Z1": 1}
    assert not any(mark.notify_channel for mark in bridge.the_desk.marks)


def test_an_order_merged_after_forwarding_is_told_by_us() -> None:
    bridge = bridged()
    bridge.put(another_order())
    bridge.imported(a_part(bridge.order), a_part(another_order(), SECOND))
    assert len(bridge.the_warehouse.received) == 2
    bridge.pass_time(2 * MINUTE)
    bridge.the_desk.merge(PART, SECOND)
    bridge.settle(10)
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    assert bridge.told() == {"1Z1": 1}
    assert not any(mark.notify_channel for mark in bridge.the_desk.marks)


# -- both routes ----------------------------------------------------------------------------------------------


def delete(desk: FakeDesk) -> None:
    del desk.orders[SECOND]


def merge(desk: FakeDesk) -> None:
    desk.merge(PART, SECOND)


@pytest.mark.parametrize("leave", [delete, merge])
def test_with_both_routes_an_order_that_left_shipstations_book_is_not_sent_directly(
    leave: Callable[[FakeDesk], None],
) -> None:
    bridge = bridged(routes=BOTH)
    bridge.put(another_order())
    held = {"status": "on_hold"}
    bridge.imported(a_part(bridge.order, PART, **held), a_part(another_order(), SECOND, **held))
    leave(bridge.the_desk)
    bridge.settle(60)
    assert not bridge.the_warehouse.received


def test_with_both_routes_a_direct_order_goes_although_shipstation_is_suspended() -> None:
    bridge = bridged(replace(the_order(), financial_status="PENDING"), routes=BOTH)
    bridge.forward()
    bridge.pass_time(30 * MINUTE)
    suspended = CredentialsRejectedError(partner="shipstation", http_status=402, code="suspended")
    bridge.the_desk.draw_fault = lambda _: Fault(suspended)
    bridge.put(replace(bridge.order, financial_status="PAID"))
    bridge.forward()
    bridge.settle(60)
    assert bridge.record().status is Status.FORWARDED


def test_what_jetpack_refused_by_the_direct_route_goes_once_shipstation_shows_it_otherwise() -> None:
    bridge = bridged(routes=BOTH)
    bridge.the_warehouse.fail("create_order", RejectedByPartnerError("no"))
    bridge.forward()
    assert bridge.hold().reason == "rejected_by_jetpack"
    bridge.imported(a_part(bridge.order, ship_to=CORRECTED))
    bridge.settle(60)
    assert bridge.units_at_jetpack() == ALL


# -- marks ----------------------------------------------------------------------------------------------------


def test_an_unfinished_mark_of_a_parcel_the_shop_does_not_take_is_not_looked_at_each_minute() -> None:
    bridge = forwarded()
    bridge.the_desk.draw_fault = always("mark_shipped", OutcomeUnknownError())
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    (whole,) = bridge.order.fulfillment_orders
    units = tuple((line.id, line.remaining) for line in whole.lines)
    bridge.the_shop.announce_parcel(ParcelAnnouncement(((whole.id, units),), "OTHER", "", ""))
    bridge.settle(120)
    bridge.the_warehouse.calls.clear()
    bridge.settle(60)
    assert bridge.the_warehouse.calls["read_order"] <= 5


def test_a_late_parcel_from_before_shipstation_told_the_shop_is_told_soon_after() -> None:
    bridge = forwarded()
    bridge.the_desk.channel_delay = 10 * MINUTE
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    bridge.the_warehouse.add_parcel("60000001", "1Z2")
    bridge.track()
    bridge.settle(30)
    (fulfillment,) = bridge.order.fulfillments
    assert bridge.record().status is Status.SHIPPED
    assert set(fulfillment.tracking_numbers) == {"1Z1", "1Z2"}


@pytest.mark.parametrize("minutes", [5, 120])
def test_a_cancel_after_a_refused_mark_is_not_swallowed(minutes: int) -> None:
    bridge = forwarded({"TEA-250": 3}, {"JAM-1": 1})
    bridge.the_desk.fail("mark_shipped", RejectedByPartnerError("no"))
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    assert [mark.state for mark in bridge.record().marks] == [MarkState.FAILED]
    bridge.settle(minutes)
    bridge.the_desk.cancel(PART)
    bridge.settle(60)
    assert bridge.hold().reason == "cancel_refused"


@pytest.mark.parametrize("delivered", [True, False])
def test_a_part_split_off_after_forwarding_is_marked_with_the_parcel_that_left_last(*, delivered: bool) -> None:
    bridge = forwarded({"TEA-250": 3}, {"JAM-1": 1})
    (other,) = bridge.the_desk.split(PART, {"2": 1})
    bridge.settle(10)
    for shipment, number in (("70000001", "1Z1"), ("70000002", "1Z2")):
        bridge.the_warehouse.ship(shipment, number)
        bridge.track()
        if delivered:
            bridge.the_warehouse.deliver(shipment)
        bridge.settle(10)
    marks = [(mark.order_id, mark.number, mark.carrier) for mark in bridge.the_desk.marks]
    assert marks == [(PART, "1Z1", "UPS"), (other, "1Z2", "UPS")]


def test_an_order_whose_parcels_leave_together_is_marked_with_the_first() -> None:
    bridge = forwarded({"TEA-250": 3}, {"JAM-1": 1})
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.the_warehouse.ship("70000002", "1Z2")
    bridge.track()
    bridge.settle(10)
    assert bridge.told() == {"1Z1": 1, "1Z2": 1}
    assert [mark.number for mark in bridge.the_desk.marks] == ["1Z1"]


def test_a_part_is_marked_with_its_own_number_and_not_before_the_shop_knows_it() -> None:
    bridge = bridged()
    import_split(bridge)
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    bridge.the_shop.draw_fault = always("announce_parcel", PartnerUnavailableError())
    bridge.the_warehouse.ship("70000002", "1Z2")
    bridge.track()
    bridge.settle(10)
    assert {mark.order_id: mark.number for mark in bridge.the_desk.marks} == {PART: "1Z1"}
    bridge.the_shop.draw_fault = lambda _: None
    bridge.settle(60)
    assert {mark.order_id: mark.number for mark in bridge.the_desk.marks} == {PART: "1Z1", SECOND: "1Z2"}


def test_marks_that_shipstation_could_not_take_are_made_although_all_was_delivered_meanwhile() -> None:
    bridge = forwarded({"TEA-250": 3}, {"JAM-1": 1})
    (other,) = bridge.the_desk.split(PART, {"2": 1})
    bridge.settle(10)
    bridge.the_desk.draw_fault = always("mark_shipped", PartnerUnavailableError())
    for shipment, number in (("70000001", "1Z1"), ("70000002", "1Z2")):
        bridge.the_warehouse.ship(shipment, number)
        bridge.track()
        bridge.the_warehouse.deliver(shipment)
        bridge.track()
    assert bridge.record().status is Status.DELIVERED
    bridge.the_desk.draw_fault = lambda _: None
    bridge.settle(30)
    assert {mark.order_id for mark in bridge.the_desk.marks} == {PART, other}


# -- messages that come again ---------------------------------------------------------------------------------


def test_a_message_of_an_order_looked_at_since_costs_no_partner_call() -> None:
    bridge = bridged()
    message = bridge.wake(PART, subject="shipstation_order")
    bridge.imported(a_part(bridge.order))
    bridge.the_desk.calls.clear()
    bridge.the_shop.calls.clear()
    assert bridge.forward(message).outcome == "already_seen"
    assert not bridge.the_desk.calls + bridge.the_shop.calls


def test_a_message_however_old_wakes_an_order_that_is_due() -> None:
    bridge = bridged()
    message = bridge.wake(PART, subject="shipstation_order")
    bridge.imported(a_part(bridge.order, status="on_hold"))
    bridge.pass_time(20 * MINUTE)
    bridge.the_desk.release(PART)
    bridge.forward(message)
    assert bridge.record().status is Status.FORWARDED


def test_half_a_search_for_an_orders_parts_forgets_none_of_them() -> None:
    """A part whose owner was found, in a search that then failed, still comes with the next sweep."""
    bridge = bridged(replace(the_order(), created_at=NOW - timedelta(hours=2)), routes=frozenset(Route))
    whole = a_part(bridge.order)
    second = replace(whole, id=SECOND, lines=whole.lines[1:], parent_id=whole.id)
    bridge.the_desk.put(replace(whole, lines=whole.lines[:1]), second)
    reads = iter((None, None, Fault(OutcomeUnknownError())))
    bridge.the_shop.draw_fault = lambda call: next(reads, None) if call == "read_order" else None
    bridge.the_warehouse.fail("catalogue", OutcomeUnknownError())
    bridge.forward()
    bridge.forward(bridge.wake(SECOND, subject="shipstation_order"))
    bridge.settle(10)
    assert bridge.units_at_jetpack() == {line.sku: line.quantity for line in bridge.order.lines}
