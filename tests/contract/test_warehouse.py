"""The port Warehouse: the fake and the adapter against the simulator promise the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import pytest

from jetbridge.domain.stock import JetpackStock
from jetbridge.domain.store import JetpackConnection
from jetbridge.errors import (
    DuplicateReferenceError,
    OutcomeUnknownError,
    PartnerUnavailableError,
    RateLimitedError,
)
from jetbridge.partners.http import Seams
from jetbridge.partners.jetpack.client import JetpackWarehouse
from jetbridge.ports import NewJetpackOrder
from local.simulators.jetpack import JetpackSimulator
from tests.builders import ADDRESS, NOW
from tests.fake_partners import FakeWarehouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetbridge.domain.order import JetpackOrder, JetpackShipment
    from jetbridge.ports import Warehouse
    from tests.contract.conftest import Clock

OPERATIONS = {"create_order": "create_order", "cancel_order": "cancel_order", "read_order": "get_order"}


class World(Protocol):
    """A warehouse and what people and time do to it."""

    @property
    def warehouse(self) -> Warehouse: ...
    def add_product(self, sku: str, on_hand: int = 0, *, active: bool = True) -> None: ...
    def add_ship_option(self, name: str, *, active: bool = True) -> None: ...
    def split(self, reference: str) -> None: ...
    def pick(self, shipment: JetpackShipment) -> None: ...
    def ship(self, shipment: JetpackShipment, number: str) -> None: ...
    def deliver(self, shipment: JetpackShipment) -> None: ...
    def hold(self, shipment: JetpackShipment) -> None: ...
    def cancel_by_person(self, shipment: JetpackShipment) -> None: ...
    def lose_answer(self, call: str) -> None: ...
    def throttle(self, call: str) -> None: ...
    def break_down(self, call: str) -> None: ...
    def set_lag(self, seconds: float) -> None: ...
    def pass_by(self, seconds: float) -> None: ...


class FakeWorld:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.halves: set[str] = set()
        self.warehouse = FakeWarehouse(clock=clock, split=self._deal)

    def _deal(self, new: NewJetpackOrder) -> list[dict[str, int]]:
        units: dict[str, int] = {}
        for _, sku, _, quantity, _ in new.lines:
            units[sku] = units.get(sku, 0) + quantity
        if new.reference not in self.halves:
            return [units]
        return [
            {sku: quantity - quantity // 2 for sku, quantity in units.items()},
            {sku: quantity // 2 for sku, quantity in units.items()},
        ]

    def add_product(self, sku: str, on_hand: int = 0, *, active: bool = True) -> None:
        self.warehouse.add_product(sku, on_hand, active=active)

    def add_ship_option(self, name: str, *, active: bool = True) -> None:
        self.warehouse.ship_options[name] = active

    def split(self, reference: str) -> None:
        self.halves.add(reference)

    def pick(self, shipment: JetpackShipment) -> None:
        self.warehouse.pick(shipment.id)

    def ship(self, shipment: JetpackShipment, number: str) -> None:
        self.warehouse.ship(shipment.id, number)

    def deliver(self, shipment: JetpackShipment) -> None:
        self.warehouse.deliver(shipment.id)

    def hold(self, shipment: JetpackShipment) -> None:
        self.warehouse.hold(shipment.id)

    def cancel_by_person(self, shipment: JetpackShipment) -> None:
        self.warehouse.cancel_by_person(shipment.id)

    def lose_answer(self, call: str) -> None:
        self.warehouse.fail(call, OutcomeUnknownError(partner="jetpack"), after=True)

    def throttle(self, call: str) -> None:
        self.warehouse.fail(call, RateLimitedError(partner="jetpack", retry_after_seconds=1.0))

    def break_down(self, call: str) -> None:
        self.warehouse.fail(call, PartnerUnavailableError(partner="jetpack"))

    def set_lag(self, seconds: float) -> None:
        self.warehouse.lag = timedelta(seconds=seconds)

    def pass_by(self, seconds: float) -> None:
        self.clock.pass_by(seconds=seconds)


class SimulatedWorld:
    def __init__(self, simulator: JetpackSimulator) -> None:
        self.simulator = simulator
        connection = JetpackConnection(simulator.url, channel_id=str(simulator.channel["id"]))
        self.warehouse: Warehouse = JetpackWarehouse(
            connection, lambda _again: simulator.token, production=False, seams=Seams(sleep=lambda _seconds: None)
        )

    def add_product(self, sku: str, on_hand: int = 0, *, active: bool = True) -> None:
        self.simulator.add_product(sku, on_hand, active)

    def add_ship_option(self, name: str, *, active: bool = True) -> None:
        self.simulator.add_shipping_method(name, active=active)

    def split(self, reference: str) -> None:
        self.simulator.split(reference, 2)

    def pick(self, shipment: JetpackShipment) -> None:
        self.simulator.pick(int(shipment.id))

    def ship(self, shipment: JetpackShipment, number: str) -> None:
        self.simulator.ship(int(shipment.id), tracking_number=number)

    def deliver(self, shipment: JetpackShipment) -> None:
        self.simulator.deliver_parcel(int(shipment.id))

    def hold(self, shipment: JetpackShipment) -> None:
        self.simulator.hold(int(shipment.id), "InvalidAddress")

    def cancel_by_person(self, shipment: JetpackShipment) -> None:
        self.simulator.cancel_by_person(int(shipment.id))

    def lose_answer(self, call: str) -> None:
        self.simulator.fail("timeout_after", OPERATIONS[call])

    def throttle(self, call: str) -> None:
        self.simulator.fail("429", OPERATIONS[call])

    def break_down(self, call: str) -> None:
        self.simulator.fail("html", OPERATIONS[call], times=3)

    def set_lag(self, seconds: float) -> None:
        self.simulator.read_delay_seconds = seconds

    def pass_by(self, seconds: float) -> None:
        self.simulator.clock_offset_seconds += seconds


@pytest.fixture(params=["fake", "adapter"])
def world(request: pytest.FixtureRequest, clock: Clock) -> Iterator[World]:
    if request.param == "fake":
        known: World = FakeWorld(clock)
        _stock_up(known)
        yield known
        return
    with JetpackSimulator(rate_limit_per_minute=None) as simulator:
        known = SimulatedWorld(simulator)
        _stock_up(known)
        yield known


def _stock_up(world: World) -> None:
    world.add_product("TEA-250", 100)
    world.add_product("MUG", 7)


def a_new_order(reference: str = "demo:1001:1", *lines: tuple[int, str, str, int, str]) -> NewJetpackOrder:
    return NewJetpackOrder(
        reference=reference,
        number="#1001",
        ship_option="Standard",
        recipient=ADDRESS,
        email="ada@example.test",
        phone="",
        lines=lines or ((1, "TEA-250", "Tea 250 g", 2, "9.50"), (2, "MUG", "Mug", 1, "")),
        purchased_at=NOW,
    )


def created(world: World, new: NewJetpackOrder | None = None) -> JetpackOrder:
    """Create an order and let Jetpack take it in."""
    order = world.warehouse.create_order(new or a_new_order())
    found = world.warehouse.read_order(order.id)
    assert found
    return found


def test_a_created_order_can_be_found_and_read(world: World) -> None:
    order = world.warehouse.create_order(a_new_order())

    found = world.warehouse.find_order("demo:1001:1")

    assert found
    assert found.id == order.id
    assert found.reference == order.reference == "demo:1001:1"
    assert found.number == "#1001"
    assert found.shipping_method == "Standard"
    assert found.products == (("TEA-250", 2), ("MUG", 1))
    assert [dict(shipment.items) for shipment in found.shipments] == [{"TEA-250": 2, "MUG": 1}]
    assert world.warehouse.read_order(order.id) == found


def test_lines_of_one_sku_stay_lines_of_the_order_and_become_units_of_the_shipment(world: World) -> None:
    order = created(world, a_new_order("demo:1:1", (1, "MUG", "Mug", 1, ""), (2, "MUG", "Mug", 2, "")))

    assert order.products == (("MUG", 1), ("MUG", 2))
    assert order.shipments[0].items == (("MUG", 3),)


def test_a_reference_is_taken_for_ever(world: World) -> None:
    order = created(world)

    with pytest.raises(DuplicateReferenceError):
        world.warehouse.create_order(a_new_order())
    assert world.warehouse.cancel_order(order.id).confirmed
    with pytest.raises(DuplicateReferenceError):
        world.warehouse.create_order(a_new_order())


def test_only_the_very_same_reference_is_found(world: World) -> None:
    created(world, a_new_order("demo:1001:10"))

    assert world.warehouse.find_order("demo:1001:1") is None


def test_what_is_not_there_is_none(world: World) -> None:
    assert world.warehouse.find_order("demo:9:9") is None
    assert world.warehouse.read_order("1") is None
    assert world.warehouse.order_of_shipment("1") is None


def test_a_shipment_names_its_order(world: World) -> None:
    order = created(world)

    assert world.warehouse.order_of_shipment(order.shipments[0].id) == order.id


def test_a_fresh_order_is_not_picked(world: World) -> None:
    order = world.warehouse.create_order(a_new_order())

    assert not any(shipment.picked for shipment in order.shipments)
    assert not any(shipment.picked for shipment in created(world, a_new_order("demo:2:1")).shipments)


def test_an_unpicked_order_is_cancelled_and_stays_so(world: World) -> None:
    order = created(world)

    assert world.warehouse.cancel_order(order.id).confirmed
    found = world.warehouse.read_order(order.id)
    assert found
    assert found.cancelled
    assert world.warehouse.cancel_order(order.id).confirmed


def test_a_picked_order_is_not_cancelled(world: World) -> None:
    order = created(world)
    world.pick(order.shipments[0])

    answer = world.warehouse.cancel_order(order.id)

    assert not answer.confirmed
    assert any("picked" in reason for reason in answer.reasons)
    found = world.warehouse.read_order(order.id)
    assert found
    assert not found.cancelled
    assert found.shipments[0].picked


def test_half_a_cancel_is_no_cancel(world: World) -> None:
    world.split("demo:1001:1")
    order = created(world)
    world.pick(order.shipments[0])

    assert not world.warehouse.cancel_order(order.id).confirmed

    found = world.warehouse.read_order(order.id)
    assert found
    assert [shipment.cancelled for shipment in found.shipments] == [False, True]


def test_nobody_can_cancel_what_is_not_there(world: World) -> None:
    answer = world.warehouse.cancel_order("1")

    assert not answer.confirmed
    assert answer.reasons


def test_a_split_order_has_its_units_in_several_shipments(world: World) -> None:
    world.split("demo:1:1")
    order = created(world, a_new_order("demo:1:1", (1, "TEA-250", "Tea", 4, "")))

    assert [shipment.items for shipment in order.shipments] == [(("TEA-250", 2),), (("TEA-250", 2),)]


def test_a_parcel_that_left_can_be_tracked_and_is_delivered_later(world: World) -> None:
    order = created(world)
    world.ship(order.shipments[0], "1ZTEST0001")

    left = world.warehouse.read_order(order.id)
    assert left
    (shipment,) = left.shipments
    assert shipment.shipped
    assert shipment.picked
    assert not shipment.delivered
    assert (shipment.carrier, shipment.tracking_number) == ("UPS", "1ZTEST0001")
    assert shipment.tracking_url == "https://track.example.test/1ZTEST0001"

    world.deliver(order.shipments[0])
    delivered = world.warehouse.read_order(order.id)
    assert delivered
    assert delivered.shipments[0].delivered


def test_a_held_shipment_says_why(world: World) -> None:
    order = created(world)
    world.hold(order.shipments[0])

    held = world.warehouse.read_order(order.id)

    assert held
    assert held.shipments[0].status == "OnHold"
    assert held.shipments[0].details == ("InvalidAddress",)


def test_a_person_cancels_in_the_dashboard(world: World) -> None:
    order = created(world)
    world.cancel_by_person(order.shipments[0])

    found = world.warehouse.find_order(order.reference)

    assert found
    assert found.cancelled


def test_reads_follow_a_create_late(world: World) -> None:
    world.set_lag(60)
    order = world.warehouse.create_order(a_new_order())

    assert world.warehouse.find_order(order.reference) is None
    assert world.warehouse.read_order(order.id) is None
    with pytest.raises(DuplicateReferenceError):
        world.warehouse.create_order(a_new_order())

    world.pass_by(61)
    assert world.warehouse.find_order(order.reference)
    assert world.warehouse.read_order(order.id)


def test_reads_follow_a_change_late(world: World) -> None:
    order = created(world)
    world.pass_by(1)
    world.set_lag(60)
    world.ship(order.shipments[0], "1ZTEST0001")

    before = world.warehouse.read_order(order.id)
    world.pass_by(61)
    after = world.warehouse.read_order(order.id)

    assert before
    assert after
    assert (before.shipments[0].shipped, after.shipments[0].shipped) == (False, True)


def test_the_catalogue_tells_known_inactive_and_unknown_apart(world: World) -> None:
    world.add_product("OLD-1", active=False)
    world.add_ship_option("Slow boat", active=False)

    found = world.warehouse.catalogue(
        frozenset({"TEA-250", "OLD-1", "TEA-25"}), frozenset({"Standard", "standard", "Slow boat", "Teleport"})
    )

    assert found.skus == {"TEA-250": True, "OLD-1": False}
    assert found.ship_options == {"Standard": True, "Slow boat": False}


def test_what_the_catalogue_misses_is_asked_anew(world: World) -> None:
    asked = frozenset({"NEW-1"}), frozenset({"Carrier pigeon"})
    before = world.warehouse.catalogue(*asked)
    assert (before.skus, before.ship_options) == ({}, {})

    world.add_product("NEW-1")
    world.add_ship_option("Carrier pigeon")

    after = world.warehouse.catalogue(*asked)
    assert (after.skus, after.ship_options) == ({"NEW-1": True}, {"Carrier pigeon": True})


def test_nothing_asked_is_nothing_known(world: World) -> None:
    found = world.warehouse.catalogue(frozenset(), frozenset())

    assert (found.skus, found.ship_options) == ({}, {})


def test_stock_is_told_by_sku(world: World) -> None:
    assert {level.sku: level for level in world.warehouse.stock()} == {
        "TEA-250": JetpackStock("TEA-250", 100, 100, 0),
        "MUG": JetpackStock("MUG", 7, 7, 0),
    }


def test_a_create_whose_answer_is_lost_has_happened(world: World) -> None:
    world.lose_answer("create_order")

    with pytest.raises(OutcomeUnknownError):
        world.warehouse.create_order(a_new_order())

    assert world.warehouse.find_order("demo:1001:1")


def test_a_cancel_whose_answer_is_lost_has_happened(world: World) -> None:
    order = created(world)
    world.lose_answer("cancel_order")

    with pytest.raises(OutcomeUnknownError):
        world.warehouse.cancel_order(order.id)

    assert world.warehouse.cancel_order(order.id).confirmed


def test_a_throttled_create_has_not_happened(world: World) -> None:
    world.throttle("create_order")

    with pytest.raises(RateLimitedError) as caught:
        world.warehouse.create_order(a_new_order())

    assert caught.value.retry_after_seconds == 1.0
    assert world.warehouse.find_order("demo:1001:1") is None


def test_a_read_of_a_partner_that_is_down_can_be_tried_later(world: World) -> None:
    order = created(world)
    world.break_down("read_order")

    with pytest.raises(PartnerUnavailableError):
        world.warehouse.read_order(order.id)

    assert world.warehouse.read_order(order.id)


def test_a_recipient_without_a_name_is_a_company(world: World) -> None:
    new = replace(a_new_order(), recipient=replace(ADDRESS, name="", company="Example & Sons"))

    assert world.warehouse.create_order(new).reference == new.reference
