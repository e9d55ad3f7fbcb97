"""Every hold reason has a way in and a way out, and the way out needs nobody but time (invariant 5)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from jetbridge.domain.changes import Ordered, Wish
from jetbridge.domain.holds import REASONS
from jetbridge.domain.order import FulfillmentHold
from jetbridge.domain.record import Status
from jetbridge.domain.rules import (
    DEFAULT_RULES,
    Comparison,
    Exclude,
    Forward,
    HoldOrder,
    Operator,
    Rule,
    RuleSet,
    Split,
)
from jetbridge.domain.ship_options import ShipOptionMapping, normalized
from jetbridge.domain.store import OutOfStock
from jetbridge.errors import (
    CredentialsRejectedError,
    DuplicateReferenceError,
    OutcomeUnknownError,
    PartnerUnavailableError,
    RejectedByPartnerError,
)
from jetbridge.ports import NewJetpackOrder
from tests.bridge import Bridge
from tests.builders import (
    ADDRESS,
    NOW,
    ORDER_ID,
    STORE,
    a_fulfillment_order,
    a_line,
    a_part,
    a_store,
    an_order,
    on_shipstation,
)
from tests.fake_partners import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetbridge.domain.store import Store
    from jetbridge.errors import PartnerError


@dataclass(frozen=True)
class Way:
    """How an order comes under a hold, and what the person who owns it then does."""

    enter: Callable[[Bridge], object]
    leave: Callable[[Bridge], object]
    store: Store | None = None


def change(**changes: object) -> Callable[[Bridge], object]:
    return lambda bridge: bridge.put(replace(bridge.order, **changes))  # type: ignore[arg-type]


def settings(**changes: object) -> Callable[[Bridge], object]:
    def set_them(bridge: Bridge) -> None:
        store = bridge.settings.store(STORE)
        assert store
        bridge.settings.save_store(replace(store, **changes))  # type: ignore[arg-type]

    return set_them


def rules(*each: Rule) -> Callable[[Bridge], object]:
    return settings(rules=RuleSet(2, each))


def shipment(bridge: Bridge) -> str:
    (order,) = bridge.the_warehouse.orders.values()
    return order.shipments[0].id


def then(*steps: Callable[[Bridge], object]) -> Callable[[Bridge], None]:
    def do(bridge: Bridge) -> None:
        for step in steps:
            step(bridge)

    return do


def forward(bridge: Bridge) -> None:
    bridge.forward()


def track(bridge: Bridge) -> None:
    bridge.settle(5)
    bridge.track()


def on_hold(bridge: Bridge) -> None:
    order = bridge.order
    held = replace(order.fulfillment_orders[0], status="ON_HOLD", holds=(FulfillmentHold("1", "OTHER"),))
    bridge.put(replace(order, fulfillment_orders=(held,)))


def off_hold(bridge: Bridge) -> None:
    bridge.put(replace(bridge.order, fulfillment_orders=an_order().fulfillment_orders))


REFERENCE = f"demo:{ORDER_ID}:1"


def known_but_not_shown(bridge: Bridge) -> None:
    """Jetpack says the reference exists, and never shows the order."""
    bridge.the_warehouse.fail("create_order", DuplicateReferenceError())
    bridge.settle(15)


def shown_at_last(bridge: Bridge) -> None:
    lines = ((1, "TEA-250", "Line 1", 1, ""),)
    bridge.the_warehouse.create_order(NewJetpackOrder(REFERENCE, "#1001", "Standard", ADDRESS, "", "", lines, NOW))


def picked_and_cancelled(bridge: Bridge) -> None:
    bridge.forward()
    bridge.the_warehouse.pick(shipment(bridge))
    bridge.put(replace(bridge.order, cancelled_at=bridge.at))


def picked_and_changed(bridge: Bridge) -> None:
    bridge.forward()
    bridge.the_warehouse.pick(shipment(bridge))
    bridge.put(replace(bridge.order, shipping_address=replace(ADDRESS, address1="2 Other Rd")))


def shipped(bridge: Bridge) -> None:
    bridge.the_warehouse.ship(shipment(bridge), "1ZTEST0001")
    bridge.track()


def credentials_end(bridge: Bridge) -> None:
    bridge.the_shop.fail("read_order", CredentialsRejectedError(partner="shopify"))


def unknown_to_shopify(bridge: Bridge) -> None:
    bridge.imported(a_part(bridge.order, number="9999", key="manual-1"))


WAYS: dict[str, Way] = {
    "unpaid": Way(change(financial_status="VOIDED"), change(financial_status="PAID")),
    "fraud_risk": Way(change(risk="CANCEL"), change(risk="ACCEPT")),
    "store_hold": Way(on_hold, off_hold),
    "rule_hold": Way(rules(Rule("wait", (HoldOrder(),))), rules_replaced := settings(rules=DEFAULT_RULES)),
    "no_rule_matched": Way(rules(), rules_replaced),
    "unmapped_ship_option": Way(
        change(shipping_method="Drone"),
        lambda bridge: bridge.settings.save_ship_option(STORE, ShipOptionMapping(normalized("drone"), "Expedited")),
    ),
    "inactive_ship_option": Way(
        lambda bridge: bridge.the_warehouse.ship_options.update(Standard=False),
        lambda bridge: bridge.the_warehouse.ship_options.update(Standard=True),
    ),
    "unknown_sku": Way(
        lambda bridge: bridge.put(an_order(a_line("NEW-1"))),
        lambda bridge: bridge.the_warehouse.add_product("NEW-1", 5),
    ),
    "inactive_sku": Way(
        lambda bridge: bridge.the_warehouse.skus.update({"TEA-250": False}),
        lambda bridge: bridge.the_warehouse.skus.update({"TEA-250": True}),
    ),
    "out_of_stock": Way(
        lambda bridge: bridge.the_warehouse.add_product("TEA-250", 0),
        lambda bridge: bridge.the_warehouse.add_product("TEA-250", 5),
        a_store(out_of_stock=OutOfStock.HOLD),
    ),
    "invalid_address": Way(change(shipping_address=replace(ADDRESS, city="")), change(shipping_address=ADDRESS)),
    "customs_data_missing": Way(
        then(
            change(shipping_address=replace(ADDRESS, country_code="NO", province_code="", zip="0150")),
            lambda bridge: bridge.the_warehouse.without_customs.add("TEA-250"),
        ),
        lambda bridge: bridge.the_warehouse.without_customs.clear(),
        a_store(ships_from=frozenset({"US"})),
    ),
    "jetpack_hold": Way(
        then(forward, lambda bridge: bridge.the_warehouse.hold(shipment(bridge)), track),
        lambda bridge: bridge.the_warehouse.change(
            next(iter(bridge.the_warehouse.orders)), lambda each: replace(each, status="Processing", details=())
        ),
    ),
    "jetpack_exception": Way(
        then(
            forward,
            lambda bridge: bridge.the_warehouse.change(
                next(iter(bridge.the_warehouse.orders)),
                lambda each: replace(each, status="Exception", details=("OutOfStock",)),
            ),
            track,
        ),
        lambda bridge: bridge.the_warehouse.change(
            next(iter(bridge.the_warehouse.orders)), lambda each: replace(each, status="Processing", details=())
        ),
    ),
    "rejected_by_jetpack": Way(
        then(
            lambda bridge: bridge.the_warehouse.fail("create_order", RejectedByPartnerError("not like this")), forward
        ),
        change(shipping_address=replace(ADDRESS, address2="Back door")),
    ),
    "already_forwarded_elsewhere": Way(known_but_not_shown, shown_at_last),
    "cancelled_at_jetpack": Way(
        then(forward, lambda bridge: bridge.the_warehouse.cancel_by_person(shipment(bridge)), track),
        lambda bridge: bridge.put(replace(bridge.order, cancelled_at=bridge.at)),
    ),
    "cancel_refused": Way(picked_and_cancelled, shipped),
    "edit_refused": Way(picked_and_changed, shipped),
    "unidentified_order": Way(
        unknown_to_shopify,
        lambda bridge: bridge.the_desk.change("800000001", number="1001", key=f"{ORDER_ID}-1"),
        on_shipstation(),
    ),
    "connection_broken": Way(credentials_end, lambda bridge: bridge.the_shop.calls.clear()),  # the next call is let in,
}


def test_every_reason_has_its_ways() -> None:
    assert WAYS.keys() == REASONS.keys()


def held_for(bridge: Bridge) -> list[str]:
    """Every reason that some record of the store is held for."""
    holds = [
        each
        for record in bridge.records.records.values()
        for each in (record.hold, *(one.trouble for one in record.live), *(one.refusal for one in record.live))
    ]
    return [hold.reason for hold in holds if hold]


@pytest.mark.parametrize("reason", sorted(WAYS))
def test_a_hold_is_entered_and_lifts_itself_once_its_cause_is_gone(reason: str) -> None:
    way = WAYS[reason]
    bridge = Bridge(way.store)
    bridge.put(an_order())
    way.enter(bridge)
    bridge.settle(1)
    if reason != "unidentified_order":
        bridge.forward()
    assert reason in held_for(bridge)
    way.leave(bridge)
    bridge.settle(20)
    assert reason not in held_for(bridge)


def test_a_fulfillment_order_that_only_we_hold_stops_nothing() -> None:
    bridge = Bridge()
    ours = a_fulfillment_order(
        (a_line(),),
        status="ON_HOLD",
        supported_actions=frozenset({"RELEASE_HOLD"}),
        holds=(FulfillmentHold("9", "OTHER", ours=True),),
    )
    bridge.put(an_order(fulfillment_orders=(ours,)))
    bridge.forward()
    assert bridge.units_at_jetpack() == {"TEA-250": 1}
    assert not bridge.order.fulfillment_orders[0].holds


def test_an_order_somebody_else_has_at_jetpack_waits_for_a_person_who_may_forward_it_all_the_same() -> None:
    bridge = Bridge()
    bridge.put(an_order())
    bridge.runtime.note_foreign_order(STORE, "number:1001", "shopify-app-77", bridge.at)
    bridge.forward()
    assert bridge.hold().reason == "already_forwarded_elsewhere"
    assert "shopify-app-77" in bridge.hold().detail
    wish(bridge, Wish.FORWARD)
    bridge.forward()
    assert bridge.units_at_jetpack() == {"TEA-250": 1}


# -- what a person orders -----------------------------------------------------------------------------------------


def wish(bridge: Bridge, wished: Wish | None) -> None:
    ordered = Ordered(wished, "anna", bridge.at, "asked by phone") if wished else None
    bridge.records.write(replace(bridge.record(), ordered_by_person=ordered))


def test_a_person_holds_an_order_and_lets_it_go() -> None:
    bridge = Bridge(a_store(grace_minutes=60))
    bridge.put(an_order())
    bridge.forward()
    wish(bridge, Wish.HOLD)
    bridge.pass_time(timedelta(hours=2))
    bridge.forward()
    assert (bridge.hold().reason, bridge.hold().detail) == ("store_hold", "held by anna: asked by phone")
    wish(bridge, None)
    bridge.forward()
    assert bridge.units_at_jetpack() == {"TEA-250": 1}


def test_a_hold_of_a_person_reaches_what_is_at_jetpack_and_not_picked() -> None:
    bridge = Bridge()
    bridge.put(an_order())
    bridge.forward()
    wish(bridge, Wish.HOLD)
    bridge.forward()
    assert next(iter(bridge.the_warehouse.orders.values())).shipments[0].status == "OnHold"
    wish(bridge, None)
    bridge.forward()
    assert next(iter(bridge.the_warehouse.orders.values())).shipments[0].status == "Processing"


def test_forward_now_passes_over_grace_risk_and_rules_but_never_over_payment_or_address() -> None:
    for changes, goes in (
        ({"risk": "CANCEL"}, True),
        ({"financial_status": "PENDING"}, False),
        ({"shipping_address": None}, False),
    ):
        bridge = Bridge(a_store(grace_minutes=600, rules=RuleSet(2, ())))
        bridge.put(an_order(**changes))
        bridge.forward()
        assert not bridge.units_at_jetpack()
        wish(bridge, Wish.FORWARD)
        bridge.forward()
        assert bool(bridge.units_at_jetpack()) is goes


def test_an_excluded_order_is_cancelled_at_jetpack_if_unpicked_and_never_sent_again() -> None:
    bridge = Bridge()
    bridge.put(an_order())
    bridge.forward()
    wish(bridge, Wish.EXCLUDE)
    bridge.forward()
    bridge.settle(30)
    assert not bridge.units_at_jetpack()
    assert bridge.record().status is Status.EXCLUDED
    assert bridge.the_warehouse.calls["create_order"] == 1
    wish(bridge, None)
    bridge.forward()
    assert bridge.units_at_jetpack() == {"TEA-250": 1}
    assert bridge.record().consignments[-1].n == 2


def test_an_order_excluded_too_late_is_held_and_taking_it_back_lifts_that() -> None:
    bridge = Bridge()
    bridge.put(an_order())
    bridge.forward()
    bridge.the_warehouse.pick(shipment(bridge))
    wish(bridge, Wish.EXCLUDE)
    bridge.forward()
    assert bridge.hold().reason == "cancel_refused"
    wish(bridge, None)
    bridge.forward()
    assert bridge.record().hold is None
    assert bridge.record().status is Status.FORWARDED


# -- holds shown in Shopify -----------------------------------------------------------------------------------------


def mirrored(bridge: Bridge) -> list[str]:
    return [
        hold.reason for each in bridge.order.fulfillment_orders if not each.closed for hold in each.holds if hold.ours
    ]


def test_our_hold_shows_in_shopify_and_never_blocks_our_own_forwarding() -> None:
    bridge = Bridge()
    bridge.put(an_order(risk="CANCEL"))
    bridge.forward()
    assert mirrored(bridge) == ["HIGH_RISK_OF_FRAUD"]
    bridge.settle(30)
    assert mirrored(bridge) == ["HIGH_RISK_OF_FRAUD"], "once"
    assert bridge.the_shop.calls["hold"] == 1
    bridge.put(replace(bridge.order, risk="ACCEPT"))
    bridge.forward()
    assert bridge.units_at_jetpack() == {"TEA-250": 1}
    assert not mirrored(bridge)


def test_waiting_is_never_shown_as_a_hold_and_a_store_can_turn_it_off() -> None:
    waiting = Bridge(a_store(grace_minutes=60))
    waiting.put(an_order(financial_status="PENDING"))
    waiting.forward()
    off = Bridge(a_store(mirror_holds=False))
    off.put(an_order(risk="CANCEL"))
    off.forward()
    assert waiting.the_shop.calls["hold"] == off.the_shop.calls["hold"] == 0


def test_turning_mirroring_off_takes_the_holds_off() -> None:
    bridge = Bridge()
    bridge.put(an_order(risk="CANCEL"))
    bridge.forward()
    settings(mirror_holds=False)(bridge)
    bridge.settle(20)
    assert not mirrored(bridge)
    assert bridge.hold().reason == "fraud_risk"


def test_a_hold_that_shopify_does_not_take_stops_nothing_else() -> None:
    bridge = Bridge()
    bridge.put(an_order(risk="CANCEL"))
    bridge.the_shop.fail("hold", RejectedByPartnerError("no permission", partner="shopify"))
    bridge.forward()
    assert bridge.hold().reason == "fraud_risk"
    bridge.settle(20)
    assert mirrored(bridge) == ["HIGH_RISK_OF_FRAUD"], "asked again by the next look"


def test_a_release_that_fails_is_made_good_before_anything_is_sent() -> None:
    bridge = Bridge()
    bridge.put(an_order(risk="CANCEL"))
    bridge.forward()
    bridge.put(replace(bridge.order, risk="ACCEPT"))
    bridge.the_shop.fail("release_holds", OutcomeUnknownError(partner="shopify"))
    bridge.forward()
    assert not bridge.units_at_jetpack()
    bridge.settle(5)
    assert bridge.units_at_jetpack() == {"TEA-250": 1}


def always(call: str, error: PartnerError) -> Callable[[str], Fault | None]:
    return lambda called: Fault(error) if called == call else None


def test_a_hold_that_shopify_refuses_for_good_is_told_once() -> None:
    bridge = Bridge()
    bridge.put(an_order(risk="CANCEL"))
    bridge.the_shop.draw_fault = always("hold", RejectedByPartnerError("no permission", partner="shopify"))
    bridge.settle(60 * 12)
    told = [each for event in bridge.records.timeline(STORE, ORDER_ID) for each in event.did]
    assert told == ["held: fraud_risk", "hold not shown in Shopify: RejectedByPartnerError"]
    assert bridge.the_shop.calls["hold"] > 10, "and asked for again all the same"


OUT: dict[str, Callable[[Bridge], object]] = {
    "a person": lambda bridge: wish(bridge, Wish.EXCLUDE),
    "a rule": settings(rules=RuleSet(3, (Rule("not ours", (Exclude("not ours"),)),))),
    "the shop": lambda bridge: bridge.put(replace(bridge.order, cancelled_at=bridge.at)),
}


@pytest.mark.parametrize("who", OUT)
def test_our_hold_leaves_shopify_though_the_first_release_of_an_order_that_is_done_with_fails(who: str) -> None:
    bridge = Bridge(a_store(rules=RuleSet(2, (Rule("wait", (HoldOrder(),)),))))
    bridge.put(an_order())
    bridge.forward()
    bridge.settle(60)
    assert mirrored(bridge) == ["OTHER"]
    bridge.the_shop.fail("release_holds", PartnerUnavailableError(partner="shopify"))
    OUT[who](bridge)
    bridge.forward()
    assert mirrored(bridge) == ["OTHER"]
    for _ in range(5):  # no change at the shop wakes it any more
        bridge.pass_time(timedelta(minutes=1))
        bridge.sweep_due()
    assert bridge.record().status is (Status.CANCELLED if who == "the shop" else Status.EXCLUDED)
    assert not mirrored(bridge)
    bridge.settle(60)
    assert bridge.record().due_at is None
    assert bridge.record().attempts == 0


def test_a_release_that_never_succeeds_is_tried_ever_more_rarely() -> None:
    bridge = Bridge(a_store(rules=RuleSet(2, (Rule("wait", (HoldOrder(),)),))))
    bridge.put(an_order())
    bridge.forward()
    bridge.the_shop.draw_fault = always("release_holds", OutcomeUnknownError(partner="shopify"))
    wish(bridge, Wish.EXCLUDE)
    bridge.forward()
    bridge.settle(60 * 12)
    assert 10 < bridge.the_shop.calls["release_holds"] < 20
    bridge.settle(60 * 24 * 15)
    assert bridge.record().status is Status.FAILED, "after 15 days a person is called"


def test_one_release_that_fails_keeps_no_other_back() -> None:
    tea, jam = a_line(), a_line("JAM-1", n=2)
    bridge = Bridge(a_store(rules=RuleSet(2, (Rule("wait", (HoldOrder(),)),))))
    parts = (a_fulfillment_order((tea,), n=1), a_fulfillment_order((jam,), n=2))
    bridge.put(an_order(tea, jam, fulfillment_orders=parts))
    bridge.forward()
    assert len(mirrored(bridge)) == 2
    bridge.the_shop.fail("release_holds", PartnerUnavailableError(partner="shopify"))
    settings(mirror_holds=False)(bridge)
    bridge.forward()
    assert len(mirrored(bridge)) == 1
    bridge.settle(5)
    assert not mirrored(bridge)


def test_the_reason_shown_in_shopify_follows_ours() -> None:
    bridge = Bridge(a_store(rules=RuleSet(2, (Rule("wait", (HoldOrder(),)),))))
    bridge.put(an_order())
    bridge.forward()
    assert mirrored(bridge) == ["OTHER"]
    bridge.put(replace(bridge.order, risk="CANCEL"))
    bridge.forward()
    bridge.settle(60)
    assert mirrored(bridge) == ["HIGH_RISK_OF_FRAUD"]
    (shown,) = bridge.the_shop.mirrored.values()
    assert shown.notes.startswith("fraud_risk")
    assert bridge.the_shop.calls["hold"] == 2


def test_a_reason_that_cannot_be_taken_off_yet_is_changed_later() -> None:
    bridge = Bridge(a_store(rules=RuleSet(2, (Rule("wait", (HoldOrder(),)),))))
    bridge.put(an_order())
    bridge.forward()
    bridge.the_shop.fail("release_holds", PartnerUnavailableError(partner="shopify"))
    bridge.put(replace(bridge.order, risk="CANCEL"))
    bridge.forward()
    assert mirrored(bridge) == ["OTHER"]
    assert bridge.the_shop.calls["hold"] == 1, "two holds of ours would tell two things"
    bridge.settle(5)
    assert mirrored(bridge) == ["HIGH_RISK_OF_FRAUD"]


def test_what_stays_held_shows_once_the_rest_of_its_fulfillment_order_has_left() -> None:
    tea_now = Comparison("sku", Operator.IS, "TEA-250")
    bridge = Bridge(a_store(rules=RuleSet(2, (Rule("split", (Forward(), Split(tea_now))),))))
    bridge.put(an_order(a_line(), a_line("JAM-1", n=2)))
    bridge.forward()
    bridge.settle(60)
    assert not mirrored(bridge), "a hold would keep the tea from being announced"
    bridge.the_warehouse.ship(shipment(bridge), "1ZTEST0001")
    bridge.track()
    bridge.settle(30)
    assert bridge.told() == {"1ZTEST0001": 1}
    assert mirrored(bridge) == ["OTHER"]
    wish(bridge, Wish.FORWARD)
    bridge.forward()
    assert bridge.units_at_jetpack() == {"TEA-250": 1, "JAM-1": 1}
    assert not mirrored(bridge)
