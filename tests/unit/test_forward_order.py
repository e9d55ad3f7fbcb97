"""One look at one order: what is sent, what is written, and what happens when either goes wrong."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from jetbridge.domain.order import Address, FulfillmentHold
from jetbridge.domain.record import ConsignmentState, OrderRecord, Status, UnitState, units_by_state
from jetbridge.domain.ship_options import ShipOptionMapping, normalized
from jetbridge.errors import (
    CredentialsRejectedError,
    OutcomeUnknownError,
    PartnerUnavailableError,
    RateLimitedError,
    RejectedByPartnerError,
    UnexpectedAnswerError,
)
from jetbridge.ports import Change
from tests.bridge import Bridge, Killed
from tests.builders import MINUTE, ORDER_ID, STORE, a_fulfillment_order, a_line, a_store, an_order

if TYPE_CHECKING:
    from jetbridge.ports import NewJetpackOrder

REFERENCE = f"demo:{ORDER_ID}:1"


@pytest.fixture
def bridge() -> Bridge:
    made = Bridge()
    made.put(an_order(a_line(quantity=2)))
    return made


def test_a_paid_order_is_created_once_with_its_reference_lines_and_option(bridge: Bridge) -> None:
    looked = bridge.forward()
    assert (looked.outcome, looked.status) == ("looked", Status.FORWARDED)
    sent = bridge.the_warehouse.received[REFERENCE]
    assert (sent.number, sent.ship_option, sent.lines) == ("#1001", "Standard", ((1, "TEA-250", "Line 1", 2, ""),))
    assert sent.recipient == bridge.order.shipping_address
    assert bridge.record().consignments[0].state is ConsignmentState.LIVE
    assert bridge.records.read_snapshot(STORE, ORDER_ID) == bridge.order


def test_the_hot_path_asks_and_writes_no_more_than_it_must(bridge: Bridge) -> None:
    bridge.forward()
    assert bridge.the_shop.calls == {"read_order": 1}
    assert bridge.the_warehouse.calls == {"catalogue": 1, "create_order": 1}
    assert bridge.record().version == 2


def test_the_same_wake_up_again_causes_no_write_and_no_partner_write(bridge: Bridge) -> None:
    wake_up = bridge.wake()
    bridge.forward(wake_up)
    before, timeline = bridge.record(), bridge.records.timeline(STORE, ORDER_ID)
    for again in (wake_up, bridge.wake(), bridge.wake("gid://shopify/FulfillmentOrder/1", subject="fulfillment_order")):
        bridge.forward(again)
    assert bridge.record() == before
    assert bridge.records.timeline(STORE, ORDER_ID) == timeline
    assert bridge.the_warehouse.calls["create_order"] == 1


def test_a_wake_up_that_an_earlier_look_has_seen_costs_one_read_of_our_own_record(bridge: Bridge) -> None:
    wake_up = bridge.wake()
    bridge.pass_time(timedelta(seconds=10))
    bridge.forward()
    assert bridge.forward(wake_up).outcome == "already_seen"
    assert bridge.the_shop.calls["read_order"] == 1


def test_a_change_made_while_the_look_is_under_way_is_seen(bridge: Bridge) -> None:
    """The wake-up of a change is never swallowed by a look that read the source before it."""
    reading, changed = threading.Event(), threading.Event()
    original = bridge.the_shop.read_order

    def held_open(order_id: object) -> object:
        found = original(order_id)  # type: ignore[arg-type]
        reading.set()
        assert changed.wait(5)
        return found

    bridge.the_shop.read_order = held_open  # type: ignore[method-assign, assignment]
    thread = threading.Thread(target=bridge.forward)
    thread.start()
    assert reading.wait(5)
    bridge.the_shop.read_order = original  # type: ignore[method-assign]
    bridge.put(replace(bridge.order, cancelled_at=bridge.at))
    wake_up = bridge.wake()
    changed.set()
    thread.join(5)
    assert bridge.record().status is Status.FORWARDED
    bridge.forward(wake_up)
    assert bridge.record().status is Status.CANCELLED
    assert not bridge.units_at_jetpack()


def test_an_order_named_by_its_fulfillment_order_is_the_same_order(bridge: Bridge) -> None:
    bridge.forward(bridge.wake("gid://shopify/FulfillmentOrder/1", subject="fulfillment_order"))
    bridge.forward()
    assert bridge.the_warehouse.calls["create_order"] == 1


def test_unknown_stores_and_orders_change_nothing(bridge: Bridge) -> None:
    assert bridge.forward(replace(bridge.wake(), store="nobody")).outcome == "unknown_store"  # type: ignore[arg-type]
    assert bridge.forward(bridge.wake("404")).outcome == "unknown_order"
    assert not bridge.records.records


# -- outcomes at Jetpack ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("error", [OutcomeUnknownError, UnexpectedAnswerError])
def test_after_an_unknown_outcome_the_order_is_looked_for_and_exists_once(
    bridge: Bridge, error: type[OutcomeUnknownError], *, after: bool
) -> None:
    bridge.the_warehouse.fail("create_order", error(), after=after)
    assert bridge.forward().status == Status.FORWARDING
    assert bridge.forward().status == Status.FORWARDING, "nothing is sent while it may be under way"
    assert bridge.the_warehouse.calls["create_order"] == 1
    bridge.pass_time(2 * MINUTE)
    bridge.sweep_due()
    assert bridge.record().status is Status.FORWARDED
    assert list(bridge.the_warehouse.received) == [REFERENCE]
    assert bridge.the_warehouse.calls["create_order"] == (1 if after else 2)


def test_a_re_send_is_what_was_sent_even_if_the_source_changed_meanwhile(bridge: Bridge) -> None:
    bridge.the_warehouse.fail("create_order", OutcomeUnknownError())
    bridge.forward()
    sent = replace(bridge.order)
    bridge.put(replace(bridge.order, shipping_address=Address("Ada", "", "2 New St", "", "Troy", "NY", "12180", "US")))
    bridge.pass_time(2 * MINUTE)
    bridge.sweep_due()
    assert bridge.the_warehouse.received[REFERENCE].recipient == sent.shipping_address
    bridge.settle(5)
    assert bridge.the_warehouse.addresses["70000001"] == (bridge.order.shipping_address, bridge.order.email)
    assert bridge.units_at_jetpack() == {"TEA-250": 2}


def test_killed_between_the_create_and_the_record_leaves_exactly_one_order(bridge: Bridge) -> None:
    original = bridge.the_warehouse.create_order

    def killed(new: NewJetpackOrder) -> None:
        original(new)
        raise Killed

    bridge.the_warehouse.create_order = killed  # type: ignore[method-assign, assignment]
    with pytest.raises(Killed):
        bridge.forward()
    bridge.the_warehouse.create_order = original  # type: ignore[method-assign]
    bridge.settle(10)
    assert list(bridge.the_warehouse.received) == [REFERENCE]
    assert bridge.record().status is Status.FORWARDED


def test_a_reference_jetpack_knows_but_does_not_show_is_looked_for_before_a_person_is_called() -> None:
    bridge = Bridge(lag=timedelta(hours=2))
    bridge.put(an_order())
    bridge.the_warehouse.fail("create_order", OutcomeUnknownError(), after=True)
    bridge.forward()
    bridge.settle(5)
    assert bridge.record().status is Status.FORWARDING
    bridge.settle(15)
    assert bridge.record().status is Status.HELD
    trouble = bridge.record().consignments[0].trouble
    assert trouble
    assert trouble.reason == "already_forwarded_elsewhere"
    assert len(bridge.the_warehouse.orders) == 1
    bridge.settle(130)
    assert bridge.record().status is Status.FORWARDED, "it showed up, so the hold lifted itself"
    assert len(bridge.the_warehouse.orders) == 1


def test_an_order_that_is_there_with_other_lines_is_never_adopted_silently(bridge: Bridge) -> None:
    other = Bridge()
    other.put(an_order(a_line("JAM-1", quantity=9)))
    other.forward()
    bridge.the_warehouse.create_order(other.the_warehouse.received[REFERENCE])
    bridge.forward()
    for _ in range(2):
        assert bridge.record().status is Status.HELD
        trouble = bridge.record().consignments[0].trouble
        assert trouble
        assert trouble.reason == "already_forwarded_elsewhere"
        assert len(bridge.the_warehouse.orders) == 1
        bridge.settle(40)


def test_a_refusal_holds_with_jetpacks_words_and_a_better_order_goes_through(bridge: Bridge) -> None:
    bridge.the_warehouse.fail("create_order", RejectedByPartnerError("recipient.address.zip_code", http_status=422))
    bridge.forward()
    assert bridge.record().status is Status.HELD
    hold = bridge.record().hold
    assert hold
    assert hold.reason == "rejected_by_jetpack"
    assert "zip_code" in hold.detail
    bridge.settle(40)
    assert bridge.the_warehouse.calls["create_order"] == 1, "the same is not asked for twice"
    bridge.put(replace(bridge.order, shipping_address=replace(bridge.order.shipping_address, zip="62702")))  # type: ignore[type-var]
    bridge.forward()
    assert bridge.record().status is Status.FORWARDED
    assert list(bridge.the_warehouse.received) == [REFERENCE], "nothing was created before: the number is not used up"


@pytest.mark.parametrize("error", [RateLimitedError(retry_after_seconds=30), PartnerUnavailableError()])
def test_what_passes_is_put_off_and_nothing_is_dead_lettered(bridge: Bridge, error: RateLimitedError) -> None:
    bridge.the_warehouse.fail("create_order", error)
    assert bridge.forward().outcome == "put_off"
    assert units_by_state(bridge.record()) == {UnitState.WAITING: 2}
    due_at = bridge.record().due_at
    assert due_at
    assert due_at <= bridge.at + 2 * MINUTE
    bridge.settle(3)
    assert bridge.record().status is Status.FORWARDED
    assert bridge.record().attempts == 0


def test_an_order_whose_source_does_not_answer_is_kept_and_looked_at_again(bridge: Bridge) -> None:
    bridge.the_shop.fail("read_order", PartnerUnavailableError())
    assert bridge.forward().outcome == "source_failed"
    bridge.settle(3)
    assert bridge.record().status is Status.FORWARDED


def test_after_fifteen_days_of_failures_a_person_is_called(bridge: Bridge) -> None:
    bridge.the_shop.draw_fault = lambda _: None
    for _ in range(40):
        bridge.the_shop.fail("read_order", PartnerUnavailableError())
        bridge.forward()
        bridge.pass_time(timedelta(hours=12))
    assert bridge.record().status is Status.FAILED
    assert bridge.record().failed
    bridge.forward()
    assert bridge.record().status is Status.FORWARDED, "what works again is no longer failed"


def test_a_broken_connection_holds_the_order_and_lifts_itself(bridge: Bridge) -> None:
    bridge.the_warehouse.fail("create_order", CredentialsRejectedError(partner="jetpack", http_status=401))
    bridge.forward()
    assert bridge.record().status is Status.HELD
    hold = bridge.record().hold
    assert hold
    assert hold.reason == "connection_broken"
    bridge.settle(20)
    assert bridge.record().status is Status.FORWARDED


# -- changes ------------------------------------------------------------------------------------------------------


def test_a_cancelled_order_is_taken_back_and_its_units_are_cancelled(bridge: Bridge) -> None:
    bridge.forward()
    bridge.put(replace(bridge.order, cancelled_at=bridge.at))
    bridge.forward()
    assert bridge.record().status is Status.CANCELLED
    assert bridge.record().due_at is None
    assert not bridge.units_at_jetpack()


def test_a_cancel_whose_outcome_is_unknown_is_read_back(bridge: Bridge) -> None:
    bridge.forward()
    bridge.put(replace(bridge.order, cancelled_at=bridge.at))
    bridge.the_warehouse.fail("cancel_order", OutcomeUnknownError(), after=True)
    bridge.forward()
    bridge.settle(3)
    assert bridge.record().status is Status.CANCELLED


def test_fewer_units_make_a_new_consignment_only_after_the_old_one_is_gone(bridge: Bridge) -> None:
    bridge.forward()
    fewer = (a_line(quantity=2, current=1),)
    bridge.put(replace(bridge.order, lines=fewer, fulfillment_orders=(a_fulfillment_order(fewer),)))
    bridge.forward()
    assert [each.state for each in bridge.record().consignments] == [ConsignmentState.CANCELLED, ConsignmentState.LIVE]
    assert bridge.units_at_jetpack() == {"TEA-250": 1}


def move(bridge: Bridge) -> None:
    assert bridge.order.shipping_address
    there = replace(bridge.order.shipping_address, address1="2 New St")
    bridge.put(replace(bridge.order, shipping_address=there, shipping_method="Express"))


def test_a_new_address_and_method_are_edited_at_jetpack_once(bridge: Bridge) -> None:
    bridge.forward()
    move(bridge)
    for _ in range(3):
        bridge.forward()
    assert bridge.the_warehouse.addresses["70000001"][0] == bridge.order.shipping_address
    assert bridge.the_warehouse.services["70000001"] == "Expedited"
    assert bridge.the_warehouse.calls["change_address"] == 1
    assert (bridge.record().status, len(bridge.record().consignments)) == (Status.FORWARDED, 1)


@pytest.mark.parametrize("call", ["change_address", "change_ship_option"])
@pytest.mark.parametrize("after", [True, False])
def test_an_edit_whose_outcome_is_unknown_is_sent_again(bridge: Bridge, call: str, *, after: bool) -> None:
    bridge.forward()
    move(bridge)
    bridge.the_warehouse.fail(call, OutcomeUnknownError(), after=after)
    bridge.forward()
    bridge.settle(3)
    assert bridge.the_warehouse.addresses["70000001"][0] == bridge.order.shipping_address
    assert bridge.the_warehouse.services["70000001"] == "Expedited"
    assert bridge.record().status is Status.FORWARDED


def test_an_edit_that_jetpack_refuses_is_for_a_person_and_not_asked_for_again(bridge: Bridge) -> None:
    bridge.forward()
    move(bridge)
    bridge.the_warehouse.change_address = lambda *_: Change(done=False, reason="not now")  # type: ignore[method-assign]
    bridge.forward()
    assert bridge.hold().reason == "edit_refused"
    assert "not now" in bridge.hold().detail
    version = bridge.record().version
    bridge.forward()
    assert bridge.record().version == version


def test_an_edit_waits_for_a_jetpack_that_is_away(bridge: Bridge) -> None:
    bridge.forward()
    move(bridge)
    bridge.the_warehouse.fail("change_address", PartnerUnavailableError())
    bridge.forward()
    bridge.settle(5)
    assert bridge.the_warehouse.addresses["70000001"][0] == bridge.order.shipping_address
    assert bridge.record().status is Status.FORWARDED


def test_a_hold_in_the_shop_after_forwarding_holds_at_jetpack_until_it_is_lifted(bridge: Bridge) -> None:
    bridge.forward()
    free = bridge.order.fulfillment_orders
    hold = FulfillmentHold("gid://shopify/FulfillmentHold/1", "OTHER")
    held = replace(free[0], status="ON_HOLD", holds=(hold,), supported_actions=frozenset({"RELEASE_HOLD"}))
    bridge.put(replace(bridge.order, fulfillment_orders=(held,)))
    bridge.forward()
    bridge.track()
    (order,) = bridge.the_warehouse.orders.values()
    assert [each.status for each in order.shipments] == ["OnHold"]
    assert bridge.hold().reason == "store_hold"
    assert not bridge.record().consignments[0].trouble
    bridge.put(replace(bridge.order, fulfillment_orders=free))
    bridge.forward()
    (order,) = bridge.the_warehouse.orders.values()
    assert [each.status for each in order.shipments] == ["Processing"]
    assert (bridge.record().status, bridge.record().hold) == (Status.FORWARDED, None)


def test_a_picked_order_is_not_taken_back_and_a_person_is_told(bridge: Bridge) -> None:
    bridge.forward()
    bridge.the_warehouse.pick("70000001")
    bridge.put(replace(bridge.order, cancelled_at=bridge.at))
    bridge.forward()
    assert bridge.record().status is Status.HELD
    hold = bridge.record().hold
    assert hold
    assert hold.reason == "cancel_refused"
    assert bridge.units_at_jetpack() == {"TEA-250": 2}


# -- settings -------------------------------------------------------------------------------------------------------


def test_an_unmapped_method_is_listed_and_its_mapping_forwards_the_order() -> None:
    bridge = Bridge()
    bridge.put(an_order(shipping_method="  By  DRONE "))
    bridge.forward()
    assert bridge.record().reason == "unmapped_ship_option"
    assert bridge.settings.unmapped_methods(STORE) == {"by drone": 1}
    bridge.forward()
    assert bridge.settings.unmapped_methods(STORE) == {"by drone": 1}, "counted once an order"
    bridge.settings.save_ship_option(STORE, ShipOptionMapping(normalized("By drone"), "Expedited"))
    bridge.forward()
    assert bridge.record().status is Status.FORWARDED
    assert bridge.record().hold is None


def test_a_mapping_saved_while_the_order_is_being_held_is_not_missed() -> None:
    """Settings are re-read after the hold was written (DESIGN section 6)."""
    bridge = Bridge()
    bridge.put(an_order(shipping_method="Drone"))
    original = bridge.records.write

    def save_meanwhile(record: OrderRecord) -> OrderRecord:
        bridge.records.write = original  # type: ignore[method-assign]
        bridge.settings.save_ship_option(STORE, ShipOptionMapping(normalized("Drone"), "Expedited"))
        return original(record)

    bridge.records.write = save_meanwhile  # type: ignore[method-assign]
    bridge.forward()
    assert bridge.record().status is Status.FORWARDED


def test_two_functions_at_the_same_order_send_it_once(bridge: Bridge) -> None:
    """The conditional write is the only lock: the second look finds the first one's intent."""
    original = bridge.records.write

    def overtaken(record: OrderRecord) -> OrderRecord:
        bridge.records.write = original  # type: ignore[method-assign]
        bridge.forward()
        return original(record)

    bridge.records.write = overtaken  # type: ignore[method-assign]
    bridge.forward()
    assert bridge.the_warehouse.calls["create_order"] == 1
    assert bridge.record().status is Status.FORWARDED


def test_a_result_is_merged_even_if_others_wrote_the_record_meanwhile(bridge: Bridge) -> None:
    original = bridge.the_warehouse.create_order

    def written_meanwhile(new: NewJetpackOrder) -> object:
        created = original(new)
        bridge.records.write(replace(bridge.record(), jetpack_looked_at=bridge.at))
        return created

    bridge.the_warehouse.create_order = written_meanwhile  # type: ignore[method-assign, assignment]
    bridge.forward()
    assert bridge.record().consignments[0].state is ConsignmentState.LIVE
    assert bridge.record().jetpack_looked_at


def test_an_order_deleted_at_the_source_is_taken_back(bridge: Bridge) -> None:
    bridge.forward()
    del bridge.the_shop.orders[ORDER_ID]
    bridge.forward()
    assert bridge.record().status is Status.CANCELLED
    assert not bridge.units_at_jetpack()


def test_grace_minutes_pass_before_an_order_goes(bridge: Bridge) -> None:
    bridge = Bridge(a_store(grace_minutes=30))
    bridge.put(an_order())
    bridge.forward()
    assert bridge.record().reason == "grace"
    bridge.settle(25)
    assert bridge.record().status is Status.FORWARDED


def test_fulfillment_orders_that_appear_later_are_found_without_a_webhook(bridge: Bridge) -> None:
    order = an_order()
    bridge.put(replace(order, fulfillment_orders=()))
    bridge.forward()
    assert bridge.record().reason == "routing"
    bridge.put(replace(order, fulfillment_orders=(a_fulfillment_order(order.lines),)))
    bridge.settle(3)
    assert bridge.record().status is Status.FORWARDED
