"""Whatever is repeated, reordered, lost, timed out or killed, the end is the same: nothing lost, nothing twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from jetbridge.domain.changes import Ordered, Wish
from jetbridge.domain.record import ParcelState, Status, UnitState, units_by_state
from jetbridge.domain.rules import (
    DEFAULT_RULES,
    AddTag,
    Comparison,
    Forward,
    HoldOrder,
    Operator,
    Rule,
    RuleSet,
    Split,
)
from jetbridge.domain.store import OutOfStock, Route
from jetbridge.errors import (
    CredentialsRejectedError,
    OutcomeUnknownError,
    PartnerUnavailableError,
    RateLimitedError,
    UnexpectedAnswerError,
)
from tests.bridge import Bridge, Killed
from tests.builders import ORDER_ID, a_fulfillment_order, a_line, a_part, a_store, an_order, on_shipstation
from tests.fake_partners import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetbridge.domain.order import Order
    from jetbridge.domain.rules import Action
    from jetbridge.domain.store import Store
    from jetbridge.messages import WakeUp
    from jetbridge.ports import NewJetpackOrder

WRITES = {
    "add_tags",
    "announce_parcel",
    "cancel_order",
    "change_tracking",
    "create_order",
    "hold",
    "mark_forwarded",
    "mark_shipped",
    "release_holds",
    "set_note",
}
ERRORS = st.sampled_from(
    [
        OutcomeUnknownError(),
        RateLimitedError(retry_after_seconds=5),
        PartnerUnavailableError(),
        UnexpectedAnswerError(),
        CredentialsRejectedError(),
    ]
)
NOISE = st.lists(
    st.sampled_from(["forward", "track", "repeat", "minute", "hour", "due", "changed", "part"]), min_size=0, max_size=6
)


TWO = 2


def in_two_parcels(new: NewJetpackOrder) -> list[dict[str, int]]:
    """Deal two teas into a parcel of their own, and the rest into another."""
    units = {sku: quantity for _, sku, _, quantity, _ in new.lines}
    if "TEA-250" not in units:
        return [units]
    return [{"TEA-250": 2}, {**units, "TEA-250": 1}]


class Storm:
    """A bridge whose partners fail and whose functions are killed as Hypothesis says."""

    def __init__(
        self, data: st.DataObject, order: Order, *, lag: timedelta, store: Store | None = None, parcels: int = 2
    ) -> None:
        self.data = data
        self.bridge = Bridge(store, lag=lag)
        if parcels == TWO:
            self.bridge.the_warehouse.split = in_two_parcels
        self.faults_left = data.draw(st.integers(0, 8), label="faults")
        self.kills_left = data.draw(st.integers(0, 3), label="kills")
        for partner in (self.bridge.the_shop, self.bridge.the_warehouse, self.bridge.the_desk):
            partner.draw_fault = self.fault
        self.seen: list[WakeUp] = []
        self.bridge.put(order)

    def fault(self, call: str) -> Fault | None:
        if self.faults_left and self.data.draw(st.booleans(), label=f"fault in {call}"):
            self.faults_left -= 1
            error = self.data.draw(ERRORS, label="error")
            # Only a write can fail after its effect; an error that says nothing was done is honest about it.
            after = call in WRITES and isinstance(error, OutcomeUnknownError | UnexpectedAnswerError)
            return Fault(error, after and self.data.draw(st.booleans(), label="after the effect"))
        return None

    def look(self, look: Callable[[WakeUp], object], wake_up: WakeUp) -> None:
        """Look, perhaps killed at the next write of the record."""
        self.seen.append(wake_up)
        write = self.bridge.records.write
        if self.kills_left and self.data.draw(st.booleans(), label="killed"):
            self.kills_left -= 1
            before = self.data.draw(st.booleans(), label="before the write")

            def killed(record: object) -> None:
                if not before:
                    write(record)  # type: ignore[arg-type]
                raise Killed

            self.bridge.records.write = killed  # type: ignore[method-assign, assignment]
        try:
            look(wake_up)
        except Killed:
            pass
        finally:
            self.bridge.records.write = write  # type: ignore[method-assign]

    def blow(self) -> None:
        """Let some of what may happen to messages and time happen."""
        bridge = self.bridge
        for gust in self.data.draw(NOISE, label="noise"):
            match gust:
                case "forward":
                    self.look(bridge.forward, bridge.wake())
                case "track":
                    self.look(bridge.track, bridge.wake(cause=f"jetpack:{bridge.at.isoformat()}"))
                case "part" if bridge.the_desk.orders:
                    part = self.data.draw(st.sampled_from(sorted(bridge.the_desk.orders)), label="part")
                    self.look(bridge.forward, bridge.wake(part, subject="shipstation_order"))
                case "repeat" if self.seen:
                    wake_up = self.data.draw(st.sampled_from(self.seen), label="repeated")
                    self.look(bridge.forward, wake_up)
                    self.look(bridge.track, wake_up)
                case "minute":
                    bridge.pass_time(timedelta(minutes=1))
                case "hour":
                    bridge.pass_time(timedelta(hours=1))
                case "due":
                    bridge.sweep_due()
                case "changed":
                    bridge.sweep_changed()
                case _:
                    pass  # nothing to repeat yet

    def calm(self) -> None:
        """Fair weather, and time for every poll to come round."""
        self.faults_left = self.kills_left = 0
        self.bridge.settle(80)
        for hours in (3, 7, 25):
            self.bridge.pass_time(timedelta(hours=hours))
            self.bridge.settle(3)

    def balanced(self) -> None:
        """Nothing lost, nothing twice, and the sums agree."""
        bridge = self.bridge
        ordered = sum(line.quantity for line in bridge.order.lines)
        assert units_by_state(bridge.record()).total() == ordered
        wanted = {line.sku: line.quantity for line in bridge.order.lines}
        for sku, units in bridge.units_at_jetpack().items():
            assert units <= wanted[sku]
        assert all(count == 1 for count in bridge.told().values())
        assert not bridge.the_warehouse.made_by_orders


def the_order() -> Order:
    return an_order(a_line(quantity=3), a_line("JAM-1", n=2))


LAGS = st.sampled_from([timedelta(), timedelta(seconds=50)])


@settings(max_examples=settings().max_examples * 3 // 2)
@given(st.data(), LAGS)
def test_any_weather_ends_with_every_parcel_delivered_and_told_once(data: st.DataObject, lag: timedelta) -> None:
    """The order is paid, shipped in two parcels and delivered: the end does not depend on what happened to messages."""
    storm = Storm(data, replace(the_order(), financial_status="PENDING"), lag=lag)
    bridge = storm.bridge
    storm.blow()
    bridge.put(replace(bridge.order, financial_status="PAID"))
    storm.blow()
    storm.calm()
    assert bridge.record().status is Status.FORWARDED
    assert len(bridge.the_warehouse.received) == 1
    (order,) = bridge.the_warehouse.orders.values()
    for number, shipment in enumerate(order.shipments, 1):
        storm.faults_left = data.draw(st.integers(0, 4), label="more faults")
        storm.kills_left = data.draw(st.integers(0, 2), label="more kills")
        bridge.the_warehouse.ship(shipment.id, f"1Z{number}")
        storm.blow()
    storm.calm()
    assert bridge.told() == {"1Z1": 1, "1Z2": 1}
    assert bridge.record().status is Status.SHIPPED
    for shipment in order.shipments:
        bridge.the_warehouse.deliver(shipment.id)
        storm.blow()
    storm.calm()
    storm.balanced()
    assert bridge.record().status is Status.DELIVERED
    assert bridge.record().due_at is None
    assert units_by_state(bridge.record()) == {UnitState.SHIPPED: 4}


CHANGES = st.lists(
    st.sampled_from(["cancel", "address", "fewer", "more", "pick", "ship", "deliver", "cancel_by_person", "hold"]),
    min_size=1,
    max_size=4,
)


def _change(bridge: Bridge, change: str, at: int) -> None:
    order, shipments = bridge.order, [each for one in bridge.the_warehouse.orders.values() for each in one.shipments]
    match change:
        case "cancel":
            bridge.put(replace(order, cancelled_at=bridge.at))
        case "address" if order.shipping_address:
            bridge.put(replace(order, shipping_address=replace(order.shipping_address, address1=f"{at} New St")))
        case "fewer" | "more":
            tea = order.lines[0]
            current = max(0, tea.current_quantity - 1) if change == "fewer" else tea.current_quantity + 1
            quantity = max(tea.quantity, current)
            lines = (replace(tea, quantity=quantity, current_quantity=current), order.lines[1])
            sent = sum(units for each in order.fulfillments for line, units in each.units if line == tea.id)
            jam = sum(units for each in order.fulfillments for line, units in each.units if line == "2")
            remaining = {"1": max(0, current - sent), "2": max(0, 1 - jam)}
            opened = (a_fulfillment_order(lines, n=at + 10, remaining=remaining),)
            bridge.put(replace(order, lines=lines, fulfillment_orders=opened))
        case "pick" | "ship" | "deliver" | "cancel_by_person" | "hold":
            for shipment in shipments:
                if shipment.cancelled or (shipment.tracking_number and change != "deliver"):
                    continue
                if change == "ship":
                    bridge.the_warehouse.ship(shipment.id, f"1Z{shipment.id}")
                elif change != "deliver" or shipment.tracking_number:
                    getattr(bridge.the_warehouse, change)(shipment.id)
        case _:
            pass  # no address to change


@settings(max_examples=settings().max_examples * 2)
@given(st.data(), LAGS, CHANGES)
def test_whatever_people_do_meanwhile_nothing_is_doubled_and_every_parcel_is_told_once(
    data: st.DataObject, lag: timedelta, changes: list[str]
) -> None:
    """Edits, cancels and hands at the warehouse at any moment: at worst a person is asked."""
    storm = Storm(data, the_order(), lag=lag)
    bridge = storm.bridge
    storm.blow()
    for at, change in enumerate(changes):
        _change(bridge, change, at)
        storm.blow()
    storm.calm()
    if bridge.records.records:
        storm.balanced()
    told = bridge.told()
    for order in bridge.the_warehouse.orders.values():
        for shipment in order.shipments:
            if shipment.tracking_number and not shipment.cancelled:
                failed = any(parcel.state is ParcelState.FAILED for parcel in bridge.record().parcels)
                assert (
                    told[shipment.tracking_number] == 1
                    or failed
                    or bridge.record().status
                    in {
                        Status.HELD,
                        Status.FAILED,
                        Status.CANCELLED,
                    }
                )
    assert ORDER_ID in bridge.the_shop.orders


ROUTES = st.sampled_from([frozenset({Route.SHIPSTATION}), frozenset(Route)])


@settings(max_examples=settings().max_examples * 3 // 2)
@given(st.data(), LAGS, ROUTES, st.sampled_from([1, TWO]))
def test_any_weather_ends_the_same_with_shipstation_in_the_middle(
    data: st.DataObject, lag: timedelta, routes: frozenset[Route], parcels: int
) -> None:
    """Imported late or early, in one order or two, told by ShipStation or by us: once each."""
    storm = Storm(data, the_order(), lag=lag, store=on_shipstation(routes=routes), parcels=parcels)
    bridge = storm.bridge
    storm.blow()
    whole = a_part(bridge.order, modified_at=bridge.at)
    if data.draw(st.booleans(), label="split"):
        bridge.the_desk.put(
            replace(whole, lines=whole.lines[:1]),
            replace(whole, id="800000002", lines=whole.lines[1:], parent_id=whole.id),
        )
    else:
        bridge.the_desk.put(whole)
    storm.blow()
    storm.calm()
    assert bridge.record().status is Status.FORWARDED
    assert bridge.units_at_jetpack() == {"TEA-250": 3, "JAM-1": 1}
    shipments = [each for order in bridge.the_warehouse.orders.values() for each in order.shipments]
    for number, shipment in enumerate(shipments, 1):
        storm.faults_left = data.draw(st.integers(0, 4), label="more faults")
        storm.kills_left = data.draw(st.integers(0, 2), label="more kills")
        bridge.the_warehouse.ship(shipment.id, f"1Z{number}")
        storm.blow()
    storm.calm()
    assert bridge.told() == {f"1Z{number}": 1 for number in range(1, len(shipments) + 1)}
    assert bridge.record().status is Status.SHIPPED
    for shipment in shipments:
        bridge.the_warehouse.deliver(shipment.id)
    storm.blow()
    storm.calm()
    storm.balanced()
    assert bridge.record().status is Status.DELIVERED
    assert bridge.record().due_at is None
    assert all(count == 1 for count in Counter(mark.order_id for mark in bridge.the_desk.marks).values())


SETTLED_BY_PEOPLE = st.lists(
    st.sampled_from(
        [
            "risky",
            "safe",
            "rules_hold",
            "rules_tag",
            "rules_split",
            "short",
            "stocked",
            "hold",
            "exclude",
            "forward",
            "lift",
        ]
    ),
    min_size=1,
    max_size=5,
)
STORES = st.sampled_from(
    [a_store(), a_store(out_of_stock=OutOfStock.SPLIT), a_store(out_of_stock=OutOfStock.HOLD, mark_forwarded=True)]
)
TEA_FIRST = Split(Comparison("sku", Operator.STARTS_WITH, "tea"), for_hours=1)


def _decide(bridge: Bridge, how: str) -> None:
    match how:
        case "risky" | "safe":
            bridge.put(replace(bridge.order, risk="CANCEL" if how == "risky" else "ACCEPT"))
        case "rules_hold" | "rules_tag" | "rules_split":
            actions: dict[str, Action] = {"rules_hold": HoldOrder(), "rules_tag": AddTag("3pl")}
            store = bridge.settings.store(bridge.store.slug)
            assert store
            rules = RuleSet(store.rules.version + 1, (Rule("mine", (Forward(), actions.get(how, TEA_FIRST))),))
            bridge.settings.save_store(replace(store, rules=rules))
        case "short" | "stocked":
            bridge.the_warehouse.add_product("TEA-250", 1 if how == "short" else 100)
        case _ if bridge.records.records:
            ordered = None if how == "lift" else Ordered(Wish(how), "anna", bridge.at)
            bridge.records.write(replace(bridge.record(), ordered_by_person=ordered))
        case _:
            pass  # nobody has seen the order yet


@settings(max_examples=settings().max_examples * 2)
@given(st.data(), LAGS, STORES, SETTLED_BY_PEOPLE)
def test_whatever_rules_stock_and_people_say_meanwhile_it_goes_once_when_all_of_it_is_lifted(
    data: st.DataObject, lag: timedelta, store: Store, steps: list[str]
) -> None:
    """Holds come, show in Shopify and go; splits send the rest; in the end every unit is at Jetpack once."""
    storm = Storm(data, the_order(), lag=lag, store=store, parcels=1)
    bridge = storm.bridge
    storm.blow()
    for step in steps:
        _decide(bridge, step)
        storm.blow()
    storm.calm()
    if bridge.records.records:
        storm.balanced()
    for step in ("safe", "stocked", "lift"):
        _decide(bridge, step)
    saved = bridge.settings.store(store.slug)
    assert saved
    bridge.settings.save_store(replace(saved, rules=DEFAULT_RULES))
    bridge.forward()
    storm.calm()
    storm.balanced()
    assert bridge.record().status is Status.FORWARDED
    assert bridge.units_at_jetpack() == {"TEA-250": 3, "JAM-1": 1}
    assert not any(hold.ours for each in bridge.order.fulfillment_orders if not each.closed for hold in each.holds)
