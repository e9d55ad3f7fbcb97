"""The way back: every parcel once, whatever is repeated, late, lost or killed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from jetbridge.domain.order import FulfillmentHold
from jetbridge.domain.record import ParcelState, Status, UnitState, units_by_state
from jetbridge.errors import (
    CredentialsRejectedError,
    OutcomeUnknownError,
    PartnerUnavailableError,
    RateLimitedError,
    RejectedByPartnerError,
)
from tests.bridge import Bridge, Killed
from tests.builders import MINUTE, ORDER_ID, STORE, a_fulfillment, a_fulfillment_order, a_line, an_order
from tests.fake_partners import Fault

if TYPE_CHECKING:
    from jetbridge.ports import ParcelAnnouncement


def forwarded(*parcels: dict[str, int], lag: timedelta = timedelta()) -> Bridge:
    """An order of 3 teas and 1 jam at Jetpack, split into the parcels given."""
    bridge = Bridge(lag=lag)
    if parcels:
        bridge.the_warehouse.split = lambda _: parcels
    bridge.put(an_order(a_line(quantity=3), a_line("JAM-1", n=2)))
    bridge.forward()
    bridge.pass_time(2 * MINUTE)
    return bridge


def test_a_parcel_is_announced_with_its_own_lines_number_and_carrier() -> None:
    bridge = forwarded({"TEA-250": 2}, {"TEA-250": 1, "JAM-1": 1})
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    (told,) = bridge.the_shop.announced
    assert (told.number, told.carrier, told.notify_customer) == ("1Z1", "UPS", True)
    assert told.lines == (("gid://shopify/FulfillmentOrder/1", (("gid://shopify/FulfillmentOrderLineItem/11", 2),)),)
    assert bridge.record().status is Status.PARTIALLY_SHIPPED
    assert units_by_state(bridge.record()) == {UnitState.SHIPPED: 2, UnitState.FORWARDED: 2}
    bridge.the_warehouse.ship("70000002", "1Z2")
    bridge.track()
    assert bridge.told() == {"1Z1": 1, "1Z2": 1}
    assert bridge.record().status is Status.SHIPPED
    assert all(line.remaining == 0 for each in bridge.order.fulfillment_orders for line in each.lines)


def test_one_parcel_costs_two_reads_and_one_announcement() -> None:
    bridge = forwarded()
    bridge.the_shop.calls.clear()
    bridge.the_warehouse.calls.clear()
    version = bridge.record().version
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    assert bridge.the_warehouse.calls == {"read_order": 1}
    assert bridge.the_shop.calls == {"read_order": 1, "announce_parcel": 1}
    assert bridge.record().version == version + 2


def test_the_same_webhook_again_announces_nothing_and_writes_nothing() -> None:
    bridge = forwarded()
    bridge.the_warehouse.ship("70000001", "1Z1")
    wake_up = bridge.wake(cause="jetpack:order.shipped:msg_1")
    bridge.track(wake_up)
    bridge.settle(3)
    before = bridge.record()
    bridge.track(wake_up)
    assert bridge.told() == {"1Z1": 1}
    assert bridge.record() == before


@pytest.mark.parametrize("subject", ["jetpack_order", "shipment"])
def test_jetpacks_own_ids_lead_to_the_order_too(subject: str) -> None:
    bridge = forwarded()
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track(bridge.wake("60000001" if subject == "jetpack_order" else "70000001", subject=subject))
    assert bridge.told() == {"1Z1": 1}


def test_orders_that_are_not_ours_are_left_alone() -> None:
    bridge = forwarded()
    new = bridge.the_warehouse.received[f"demo:{ORDER_ID}:1"]
    foreign = bridge.the_warehouse.create_order(replace(new, reference="SO-1042"))
    bridge.the_warehouse.ship(foreign.shipments[0].id, "1ZFOREIGN")
    assert bridge.track(bridge.wake(foreign.id, subject="jetpack_order")).outcome == "foreign_order"
    assert bridge.track(bridge.wake("404", subject="jetpack_order")).outcome == "foreign_order"
    assert bridge.track(bridge.wake("404", subject="shipment")).outcome == "foreign_order"
    assert bridge.track(bridge.wake("404")).outcome == "unknown_order"
    assert bridge.track(replace(bridge.wake(), store="nobody")).outcome == "unknown_store"  # type: ignore[arg-type]
    assert not bridge.told()


@pytest.mark.parametrize("after", [True, False])
def test_after_an_unknown_outcome_the_shop_is_read_before_anything_is_sent(*, after: bool) -> None:
    bridge = forwarded()
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.the_shop.fail("announce_parcel", OutcomeUnknownError(), after=after)
    bridge.track()
    bridge.track()
    assert bridge.the_shop.calls["announce_parcel"] == 1, "nothing is sent while it may be under way"
    bridge.settle(5)
    assert bridge.told() == {"1Z1": 1}
    assert bridge.record().status is Status.SHIPPED
    assert bridge.record().parcels[0].fulfillment_id


def test_killed_between_the_announcement_and_the_record_announces_once() -> None:
    bridge = forwarded()
    bridge.the_warehouse.ship("70000001", "1Z1")
    original = bridge.the_shop.announce_parcel

    def killed(announcement: ParcelAnnouncement) -> None:
        original(announcement)
        raise Killed

    bridge.the_shop.announce_parcel = killed  # type: ignore[method-assign, assignment]
    with pytest.raises(Killed):
        bridge.track()
    bridge.the_shop.announce_parcel = original  # type: ignore[method-assign]
    bridge.settle(5)
    assert bridge.told() == {"1Z1": 1}
    assert bridge.record().parcels[0].state is ParcelState.ANNOUNCED


def test_a_lost_webhook_costs_at_most_the_next_poll() -> None:
    bridge = forwarded()
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.settle(125)
    assert bridge.told() == {"1Z1": 1}


def test_a_webhook_that_comes_before_jetpack_shows_the_change_is_looked_at_once_more() -> None:
    bridge = forwarded(lag=timedelta(seconds=60))
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    assert not bridge.told()
    bridge.settle(3)
    assert bridge.told() == {"1Z1": 1}


def test_deliveries_are_recorded_and_finish_the_order() -> None:
    bridge = forwarded()
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    bridge.the_warehouse.deliver("70000001")
    bridge.track()
    assert bridge.record().status is Status.DELIVERED
    assert bridge.record().due_at is None
    kept = bridge.records.parcels[STORE, ORDER_ID]["70000001"]
    assert (kept.number, kept.carrier) == ("1Z1", "UPS")
    calls = bridge.the_warehouse.calls["read_order"]
    assert bridge.track().outcome == "finished"
    assert bridge.the_warehouse.calls["read_order"] == calls
    assert bridge.told() == {"1Z1": 1}


def test_holds_and_exceptions_of_jetpack_show_with_their_names_and_lift_themselves() -> None:
    bridge = forwarded()
    bridge.the_warehouse.hold("70000001", "SomethingNew")
    bridge.track()
    assert bridge.record().status is Status.HELD
    trouble = bridge.record().consignments[0].trouble
    assert trouble
    assert (trouble.reason, trouble.detail, trouble.owner) == ("jetpack_hold", "SomethingNew", "jetpack")
    bridge.the_warehouse._change_one("70000001", status="Processing", details=())  # noqa: SLF001 - a person there
    bridge.settle(20)
    assert bridge.record().status is Status.FORWARDED


def test_an_order_cancelled_at_jetpack_by_somebody_is_held_and_not_sent_again() -> None:
    bridge = forwarded()
    bridge.the_warehouse.cancel_by_person("70000001")
    bridge.settle(125)
    assert bridge.record().status is Status.HELD
    trouble = bridge.record().consignments[0].trouble
    assert trouble
    assert trouble.reason == "cancelled_at_jetpack"
    assert len(bridge.the_warehouse.orders) == 1


@pytest.mark.parametrize(
    "error", [RateLimitedError(retry_after_seconds=20), PartnerUnavailableError(), CredentialsRejectedError()]
)
def test_a_partner_that_does_not_answer_puts_the_parcel_off(error: PartnerUnavailableError) -> None:
    for partner, call in (("the_warehouse", "read_order"), ("the_shop", "read_order")):
        bridge = forwarded()
        bridge.the_warehouse.ship("70000001", "1Z1")
        getattr(bridge, partner).fail(call, error)
        assert bridge.track().outcome == "put_off"
        bridge.settle(20)
        assert bridge.told() == {"1Z1": 1}
        assert bridge.record().status is Status.SHIPPED


def test_a_parcel_the_shop_refuses_at_the_moment_is_asked_for_again() -> None:
    bridge = forwarded()
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.the_shop.fail("announce_parcel", RejectedByPartnerError("not now"))
    bridge.track()
    bridge.settle(20)
    assert bridge.told() == {"1Z1": 1}


def test_a_parcel_whose_units_the_shop_holds_waits_for_the_release() -> None:
    bridge = forwarded()
    held = tuple(
        replace(each, status="ON_HOLD", supported_actions=frozenset(), holds=(FulfillmentHold("1", "OTHER"),))
        for each in bridge.order.fulfillment_orders
    )
    free = bridge.order.fulfillment_orders
    bridge.put(replace(bridge.order, fulfillment_orders=held))
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    assert not bridge.told()
    bridge.put(replace(bridge.order, fulfillment_orders=free))
    bridge.settle(20)
    assert bridge.told() == {"1Z1": 1}


def test_a_parcel_whose_units_somebody_else_fulfilled_is_for_a_person() -> None:
    bridge = forwarded()
    bridge.put(
        replace(
            bridge.order,
            fulfillments=(a_fulfillment(9, "OTHER", ("1", 3), ("2", 1)),),
            fulfillment_orders=(a_fulfillment_order(bridge.order.lines, remaining={"1": 0, "2": 0}, status="CLOSED"),),
        )
    )
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    assert bridge.record().status is Status.FAILED
    assert "70000001" in bridge.record().needs_person
    assert not bridge.told()
    version = bridge.record().version
    bridge.settle(60)
    assert bridge.record().version <= version + 2, "a person's work is not done by asking every minute"
    bridge.put(replace(bridge.order, fulfillments=(a_fulfillment(9, "1Z1", ("1", 3), ("2", 1)),)))
    bridge.pass_time(timedelta(hours=6))
    bridge.settle(3)
    assert bridge.record().status is Status.SHIPPED, "somebody put it right"
    assert not bridge.record().needs_person


def test_a_parcel_somebody_else_announced_with_its_number_is_done() -> None:
    bridge = forwarded()
    bridge.put(
        replace(
            bridge.order,
            fulfillments=(a_fulfillment(9, "1Z1", ("1", 3), ("2", 1)),),
            fulfillment_orders=(a_fulfillment_order(bridge.order.lines, remaining={"1": 0, "2": 0}, status="CLOSED"),),
        )
    )
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    assert not bridge.told()
    assert bridge.record().parcels[0].state is ParcelState.ANNOUNCED


def test_the_same_sku_on_two_lines_is_shared_out_in_line_order() -> None:
    bridge = Bridge()
    bridge.the_warehouse.split = lambda _: ({"TEA-250": 3}, {"TEA-250": 1})
    bridge.put(an_order(a_line(quantity=2), a_line(quantity=2, n=2)))
    bridge.forward()
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    assert dict(bridge.record().parcels[0].units) == {"1": 2, "2": 1}
    bridge.the_warehouse.ship("70000002", "1Z2")
    bridge.track()
    assert bridge.told() == {"1Z1": 1, "1Z2": 1}
    assert bridge.record().status is Status.SHIPPED


def test_parcels_of_one_look_do_not_take_each_others_lines() -> None:
    """Two fulfillment orders with one unit each, two parcels seen at once: each parcel gets its own."""
    bridge = Bridge()
    bridge.the_warehouse.split = lambda _: ({"TEA-250": 1}, {"TEA-250": 1})
    line = a_line(quantity=2)
    halves = tuple(a_fulfillment_order((line,), n=n, remaining={"1": 1}) for n in (1, 2))
    bridge.put(an_order(line, fulfillment_orders=halves))
    bridge.forward()
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.the_warehouse.ship("70000002", "1Z2")
    bridge.track()
    assert bridge.told() == {"1Z1": 1, "1Z2": 1}


def test_a_shipped_order_nobody_reports_delivered_is_left_alone_after_a_month() -> None:
    bridge = forwarded()
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    for _ in range(32):
        bridge.pass_time(timedelta(days=1))
        bridge.sweep_due()
    assert bridge.record().status is Status.SHIPPED
    assert bridge.record().due_at is None


def test_a_shipment_tells_its_own_units_even_when_its_sibling_was_cancelled() -> None:
    bridge = forwarded({"TEA-250": 2}, {"TEA-250": 1, "JAM-1": 1})
    bridge.the_warehouse.cancel_by_person("70000001")
    bridge.the_warehouse.ship("70000002", "1Z2")
    bridge.track()
    assert dict(bridge.record().parcels[0].units) == {"1": 1, "2": 1}
    assert bridge.record().status is Status.HELD
    trouble = bridge.record().consignments[0].trouble
    assert trouble
    assert trouble.reason == "cancelled_at_jetpack"


def test_two_parcels_under_one_number_are_both_told() -> None:
    bridge = forwarded({"TEA-250": 2}, {"TEA-250": 1, "JAM-1": 1})
    for shipment in ("70000001", "70000002"):
        bridge.the_warehouse.ship(shipment, "1ZSAME")
        bridge.track()
    assert bridge.told() == {"1ZSAME": 2}
    assert all(line.remaining == 0 for each in bridge.order.fulfillment_orders for line in each.lines)


def test_a_number_changed_before_anybody_was_told_is_the_one_told() -> None:
    bridge = forwarded()
    bridge.the_warehouse.ship("70000001", "1ZOLD")
    bridge.the_shop.fail("read_order", PartnerUnavailableError())
    bridge.track()
    bridge.the_warehouse.ship("70000001", "1ZNEW")
    bridge.settle(5)
    assert bridge.told() == {"1ZNEW": 1}


def test_a_shop_that_is_down_for_long_is_asked_less_and_less_and_then_a_person() -> None:
    bridge = forwarded()
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.the_shop.draw_fault = lambda call: Fault(PartnerUnavailableError()) if call == "read_order" else None
    bridge.track()
    calls = bridge.the_shop.calls["read_order"]
    bridge.settle(180)
    assert bridge.the_shop.calls["read_order"] - calls < 25
    for _ in range(17 * 24):
        bridge.pass_time(timedelta(hours=1))
        bridge.sweep_due()
    assert bridge.record().status is Status.FAILED
    bridge.the_shop.draw_fault = lambda _: None
    bridge.settle(90)
    assert bridge.told() == {"1Z1": 1}
    assert bridge.record().status is Status.SHIPPED


def test_a_webhook_before_jetpack_shows_the_order_at_all_is_no_cancel() -> None:
    bridge = Bridge(lag=timedelta(seconds=60))
    bridge.put(an_order())
    bridge.forward()
    bridge.track()
    assert bridge.record().status is Status.FORWARDED


def test_what_we_asked_to_cancel_and_later_see_cancelled_is_sent_anew_if_wanted() -> None:
    bridge = forwarded(lag=timedelta(seconds=70))
    wanted = bridge.order
    bridge.put(replace(wanted, shipping_method="Express"))
    bridge.the_warehouse.fail("cancel_order", OutcomeUnknownError(), after=True)
    bridge.forward()
    bridge.put(wanted)
    bridge.settle(200)
    assert bridge.record().status is Status.FORWARDED
    assert bridge.units_at_jetpack() == {"TEA-250": 3, "JAM-1": 1}


def test_a_parcel_that_arrived_before_it_was_told_of_is_soon_known_as_delivered() -> None:
    bridge = forwarded()
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.the_warehouse.deliver("70000001")
    bridge.track()
    assert bridge.record().status is Status.SHIPPED
    bridge.settle(3)
    assert bridge.record().status is Status.DELIVERED


def test_a_shipment_in_a_status_nobody_knows_is_shown_and_not_done() -> None:
    bridge = forwarded()
    bridge.the_warehouse.change("60000001", lambda shipment: replace(shipment, status="Teleported"))
    bridge.track()
    assert bridge.record().status is Status.HELD
    trouble = bridge.record().consignments[0].trouble
    assert trouble
    assert (trouble.reason, "Teleported" in trouble.detail) == ("jetpack_exception", True)
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    assert bridge.told() == {"1Z1": 1}
    assert bridge.record().status is Status.SHIPPED
