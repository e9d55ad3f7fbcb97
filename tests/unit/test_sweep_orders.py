"""What nobody woke is found: due orders, changed orders, orders a setting held."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from jetbridge.domain.identifiers import StoreSlug
from jetbridge.domain.record import NextLook, Status
from jetbridge.domain.reference import foreign_keys
from jetbridge.domain.shipstation import Resource
from jetbridge.errors import PartnerUnavailableError, RateLimitedError, TransientError
from jetbridge.use_cases.sweep_orders import (
    CURSOR,
    JETPACK_CURSOR,
    Swept,
    read_resource,
    sweep_changed,
    sweep_due,
    sweep_jetpack,
    sweep_shipstation,
    wake_held,
)
from tests.bridge import Bridge
from tests.builders import MINUTE, NOW, ORDER_ID, STORE, a_part, a_store, an_order, on_shipstation


@pytest.fixture
def bridge() -> Bridge:
    return Bridge()


def due(bridge: Bridge) -> int:
    return sweep_due(
        records=bridge.records, order_queue=bridge.order_queue, tracking_queue=bridge.tracking_queue, clock=bridge.now
    ).woken


def changed(bridge: Bridge) -> dict[str, str]:
    return sweep_changed(
        settings=bridge.settings,
        partners=bridge,
        runtime=bridge.runtime,
        order_queue=bridge.order_queue,
        clock=bridge.now,
    ).failed


def test_only_due_orders_are_woken_by_the_way_that_is_due(bridge: Bridge) -> None:
    bridge.put(an_order(financial_status="PENDING"))
    bridge.forward()
    assert due(bridge) == 0
    bridge.pass_time(timedelta(hours=7))
    assert due(bridge) == 1
    assert [wake_up.id for wake_up in bridge.order_queue.sent] == [ORDER_ID]
    assert not bridge.tracking_queue.sent
    bridge.put(replace(bridge.order, financial_status="PAID"))
    bridge.drain()
    assert bridge.record().next_look is NextLook.TRACK
    bridge.pass_time(121 * MINUTE)
    due(bridge)
    assert [wake_up.id for wake_up in bridge.tracking_queue.sent] == [ORDER_ID]
    assert not bridge.order_queue.sent


def test_a_due_order_is_one_message_until_its_look_moves_the_time(bridge: Bridge) -> None:
    bridge.put(an_order(fulfillment_orders=()))
    bridge.forward()
    bridge.pass_time(2 * MINUTE)
    due(bridge)
    bridge.pass_time(MINUTE)
    due(bridge)
    assert len(bridge.order_queue.sent) == 1


def test_an_order_whose_webhooks_were_all_lost_is_forwarded(bridge: Bridge) -> None:
    bridge.put(an_order())
    bridge.sweep_changed()
    assert bridge.record().status is Status.FORWARDED


def test_a_change_of_a_fulfillment_order_alone_is_found(bridge: Bridge) -> None:
    order = bridge.put(an_order(fulfillment_orders=()))
    bridge.sweep_changed()
    bridge.pass_time(30 * MINUTE)
    bridge.the_shop.put(replace(order, fulfillment_orders=an_order().fulfillment_orders))
    bridge.sweep_changed()
    assert bridge.record().status is Status.FORWARDED


def test_an_order_whose_webhook_did_arrive_costs_the_sweep_one_read_of_our_own(bridge: Bridge) -> None:
    bridge.put(an_order())
    bridge.pass_time(MINUTE)
    bridge.forward()
    calls = bridge.the_shop.calls["read_order"]
    bridge.sweep_changed()
    assert bridge.the_shop.calls["read_order"] == calls


def test_the_cursor_moves_only_past_what_was_read_and_overlaps(bridge: Bridge) -> None:
    bridge.put(an_order())
    bridge.the_shop.fail("orders_changed_since", PartnerUnavailableError(partner="shopify"))
    assert STORE in changed(bridge)
    assert bridge.runtime.cursor(STORE, CURSOR) is None
    assert changed(bridge) == {}
    assert bridge.runtime.cursor(STORE, CURSOR) == bridge.at
    bridge.order_queue.sent.clear()
    bridge.pass_time(4 * MINUTE)
    changed(bridge)
    assert not bridge.order_queue.sent, "the same change is the same message"
    bridge.pass_time(2 * MINUTE)
    changed(bridge)
    assert [wake_up.id for wake_up in bridge.order_queue.sent] == [ORDER_ID], "pages shift: the overlap asks again"


def woken_by(bridge: Bridge, waited_for: str) -> int:
    return wake_held(
        STORE,
        waited_for,
        "released:1",
        records=bridge.records,
        settings=bridge.settings,
        order_queue=bridge.order_queue,
        clock=bridge.now,
    ).woken


@pytest.mark.parametrize(
    ("waited_for", "woken"),
    [
        ("unmapped_ship_option", 1),
        ("unmapped_ship_option:drone", 1),
        ("unmapped_ship_option:dro*", 1),
        ("unmapped_ship_option:*", 1),
        ("unmapped_ship_option:balloon", 0),
        ("unmapped_ship_option:b*", 0),
        ("inactive_ship_option:drone", 0),
        ("fraud_risk", 0),
    ],
)
def test_a_change_wakes_the_orders_it_was_waited_for_by_and_no_others(
    bridge: Bridge, waited_for: str, woken: int
) -> None:
    bridge.put(an_order(shipping_method="Drone"))
    bridge.forward()
    assert woken_by(bridge, waited_for) == woken


def test_an_order_without_a_method_waits_for_a_pattern(bridge: Bridge) -> None:
    bridge.put(an_order(shipping_method=""))
    bridge.forward()
    assert woken_by(bridge, "unmapped_ship_option:dro*") == 0
    assert woken_by(bridge, "unmapped_ship_option:*") == 1


def test_what_only_waits_is_woken_by_what_it_waits_for(bridge: Bridge) -> None:
    bridge.put(an_order(financial_status="PENDING"))
    bridge.forward()
    assert bridge.record().status is Status.WAITING
    assert woken_by(bridge, "grace") == 0
    assert woken_by(bridge, "unpaid") == 1


# -- what others sent to Jetpack -------------------------------------------------------------------------------


def at_jetpack(bridge: Bridge) -> Swept:
    return sweep_jetpack(settings=bridge.settings, partners=bridge, runtime=bridge.runtime, clock=bridge.now)


def test_an_order_that_others_sent_to_jetpack_under_its_number_is_held(bridge: Bridge) -> None:
    bridge.the_warehouse.add_foreign_order("SS-77", "1001")
    assert not at_jetpack(bridge).failed
    bridge.put(an_order())
    bridge.forward()
    assert bridge.hold().reason == "already_forwarded_elsewhere"
    assert "SS-77" in bridge.hold().detail
    assert not bridge.the_warehouse.received


def test_an_order_that_others_sent_to_jetpack_under_its_id_is_held(bridge: Bridge) -> None:
    bridge.the_warehouse.add_foreign_order(ORDER_ID)
    at_jetpack(bridge)
    bridge.put(an_order())
    bridge.forward()
    assert bridge.hold().reason == "already_forwarded_elsewhere"


def test_an_order_that_another_deployment_of_ours_sent_is_held(bridge: Bridge) -> None:
    bridge.the_warehouse.add_foreign_order(f"staging:{ORDER_ID}:1")
    at_jetpack(bridge)
    bridge.put(an_order())
    bridge.forward()
    assert bridge.hold().reason == "already_forwarded_elsewhere"


def test_our_own_orders_at_jetpack_are_nobody_elses(bridge: Bridge) -> None:
    bridge.settings.save_store(a_store(slug=StoreSlug("sister"), version=0))
    bridge.the_warehouse.add_foreign_order(f"sister:{ORDER_ID}:1", "1001")
    bridge.put(an_order())
    bridge.forward()
    bridge.pass_time(10 * MINUTE)
    at_jetpack(bridge)
    keys = [*foreign_keys("#1001", ORDER_ID), *foreign_keys("", f"{STORE}:{ORDER_ID}:1")]
    assert [bridge.runtime.foreign_order(STORE, key) for key in keys] == [None, None, None]


def test_the_first_sweep_of_jetpack_looks_back_a_week_and_later_ones_overlap(bridge: Bridge) -> None:
    bridge.the_warehouse.add_foreign_order("old", "1")
    bridge.pass_time(timedelta(days=6))
    at_jetpack(bridge)
    assert bridge.runtime.foreign_order(STORE, "number:1") == "old"
    assert bridge.runtime.cursor(STORE, JETPACK_CURSOR) == bridge.now()
    bridge.the_warehouse.add_foreign_order("late", "2")
    bridge.pass_time(4 * MINUTE)
    bridge.runtime.save_cursor(STORE, JETPACK_CURSOR, bridge.now())
    at_jetpack(bridge)
    assert bridge.runtime.foreign_order(STORE, "number:2") == "late", "the list lags behind by a minute"


def test_a_jetpack_that_cannot_be_swept_keeps_its_cursor(bridge: Bridge) -> None:
    bridge.the_warehouse.fail("orders_since", RateLimitedError(retry_after_seconds=20))
    assert list(at_jetpack(bridge).failed) == [STORE]
    assert bridge.runtime.cursor(STORE, JETPACK_CURSOR) is None


def test_a_queue_that_refuses_loses_nothing(bridge: Bridge) -> None:
    bridge.put(an_order(fulfillment_orders=()))
    bridge.forward()
    bridge.pass_time(2 * MINUTE)

    class Refusing:
        def send(self, _wake_ups: object) -> None:
            raise TransientError

    with pytest.raises(TransientError):
        sweep_due(
            records=bridge.records, order_queue=Refusing(), tracking_queue=bridge.tracking_queue, clock=bridge.now
        )
    assert due(bridge) == 1
    assert bridge.at > NOW


# -- ShipStation's book ------------------------------------------------------------------------------------------


@pytest.fixture
def middle() -> Bridge:
    """A bridge whose orders go by ShipStation, with one that it has imported."""
    made = Bridge(on_shipstation())
    made.put(an_order())
    made.the_desk.put(a_part(made.order))
    return made


def sweep_middle(bridge: Bridge) -> Swept:
    return sweep_shipstation(
        records=bridge.records,
        settings=bridge.settings,
        partners=bridge,
        runtime=bridge.runtime,
        order_queue=bridge.order_queue,
        clock=bridge.now,
    )


def test_what_a_page_of_shipstation_shows_is_not_read_again(middle: Bridge) -> None:
    assert sweep_middle(middle).woken == 1
    middle.drain()
    assert middle.record().status is Status.FORWARDED
    assert not middle.the_desk.calls["read_order"]
    assert sweep_middle(middle).woken == 0, "windows overlap; what did not change wakes nobody"
    middle.the_desk.hold("800000001")
    assert sweep_middle(middle).woken == 1


def test_a_shipstation_that_cannot_be_swept_keeps_its_cursor(middle: Bridge) -> None:
    middle.the_desk.fail("orders_changed_since", RateLimitedError(retry_after_seconds=20))
    assert list(sweep_middle(middle).failed) == [STORE]
    assert middle.runtime.cursor(STORE, "shipstation_changed") is None
    assert sweep_middle(middle).woken == 1
    assert middle.runtime.cursor(STORE, "shipstation_changed") == middle.now()


def test_a_store_without_shipstation_is_not_asked_for_it() -> None:
    bridge = Bridge()
    assert (sweep_middle(bridge).woken, bridge.the_desk.calls.total()) == (0, 0)


def test_a_webhook_wakes_the_orders_it_points_at(middle: Bridge) -> None:
    middle.point(middle.the_desk.import_orders(a_part(middle.order)))
    assert middle.record().status is Status.FORWARDED


def test_a_webhook_that_points_elsewhere_reads_nothing(middle: Bridge) -> None:
    foreign = Resource("https://attacker.example.test", "orders", (("importBatch", "1"),))
    swept = read_resource(
        middle.wake(str(foreign), subject="shipstation_resource"),
        foreign,
        records=middle.records,
        settings=middle.settings,
        partners=middle,
        order_queue=middle.order_queue,
        clock=middle.now,
    )
    assert (swept.woken, list(swept.failed)) == (0, [STORE])


def test_a_webhook_for_a_store_without_shipstation_wakes_nobody() -> None:
    bridge = Bridge()
    resource = bridge.the_desk.import_orders(a_part(an_order()))
    bridge.point(resource)
    assert not bridge.the_desk.calls
