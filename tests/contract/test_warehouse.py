"""The port Warehouse: the fake and the adapter against the simulator promise the same, in both versions of the API."""

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
    RejectedByPartnerError,
)
from jetbridge.partners.http import Seams
from jetbridge.partners.jetpack.client import JetpackWarehouse
from jetbridge.ports import Cancellation, Change, NewJetpackOrder
from local.simulators.jetpack import JetpackSimulator
from local.simulators.jetpack_warehouse import SERVICE_LEVELS
from tests.builders import ADDRESS, NOW
from tests.fake_partners import FakeWarehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from jetbridge.domain.order import JetpackOrder, JetpackShipment
    from jetbridge.ports import Warehouse
    from tests.contract.conftest import Clock

OPERATIONS = {
    "create_order": "create_order",
    "cancel_order": "cancel_order",
    "cancel_shipment": "batch_cancel_shipments",
    "change_address": "update_address",
    "change_ship_option": "update_shipping_service",
    "hold_shipments": "place_on_hold",
    "release_shipments": "release_hold",
    "read_order": "get_order",
    "tracking": "track_shipments",
}


class World(Protocol):
    """A warehouse and what people and time do to it."""

    @property
    def warehouse(self) -> Warehouse: ...
    @property
    def channel_id(self) -> str: ...
    @property
    def now(self) -> datetime: ...
    def add_product(
        self, sku: str, on_hand: int = 0, *, active: bool = True, components: Mapping[str, int] | None = None
    ) -> None: ...
    def forget_customs(self, sku: str) -> None: ...
    def add_foreign_order(self, reference: str, number: str) -> None: ...
    def add_ship_option(self, name: str, *, active: bool = True) -> None: ...
    def split(self, reference: str) -> None: ...
    def pick(self, shipment: JetpackShipment) -> None: ...
    def ship(self, shipment: JetpackShipment, number: str) -> None: ...
    def deliver(self, shipment: JetpackShipment) -> None: ...
    def scan(self, shipment: JetpackShipment, status: str) -> None: ...
    def hold(self, shipment: JetpackShipment) -> None: ...
    def goes_to(self, shipment: JetpackShipment) -> tuple[str, str, str, str]: ...
    def goes_by(self, shipment: JetpackShipment) -> str: ...
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

    @property
    def channel_id(self) -> str:
        return self.warehouse.channel_id

    @property
    def now(self) -> datetime:
        return self.clock()

    def add_product(
        self, sku: str, on_hand: int = 0, *, active: bool = True, components: Mapping[str, int] | None = None
    ) -> None:
        self.warehouse.add_product(sku, on_hand, active=active, components=components)

    def forget_customs(self, sku: str) -> None:
        self.warehouse.without_customs.add(sku)

    def add_foreign_order(self, reference: str, number: str) -> None:
        self.warehouse.add_foreign_order(reference, number)

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

    def scan(self, shipment: JetpackShipment, status: str) -> None:
        self.warehouse.scan(shipment.id, status)

    def hold(self, shipment: JetpackShipment) -> None:
        self.warehouse.hold(shipment.id)

    def goes_to(self, shipment: JetpackShipment) -> tuple[str, str, str, str]:
        to, email = self.warehouse.addresses[shipment.id]
        return to.name, to.address1, to.zip, email

    def goes_by(self, shipment: JetpackShipment) -> str:
        return self.warehouse.services[shipment.id]

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
    def __init__(self, simulator: JetpackSimulator, version: str) -> None:
        self.simulator = simulator
        connection = JetpackConnection(simulator.url, version, str(simulator.channel["id"]))
        self.warehouse: Warehouse = JetpackWarehouse(
            connection, lambda _again: simulator.token, production=False, seams=Seams(sleep=lambda _seconds: None)
        )

    @property
    def channel_id(self) -> str:
        return str(self.simulator.channel["id"])

    @property
    def now(self) -> datetime:
        return self.simulator.now()

    def add_product(
        self, sku: str, on_hand: int = 0, *, active: bool = True, components: Mapping[str, int] | None = None
    ) -> None:
        self.simulator.add_product(sku, on_hand, active, components=components)

    def forget_customs(self, sku: str) -> None:
        self.simulator.set_customs(sku, {})

    def add_foreign_order(self, reference: str, number: str) -> None:
        self.simulator.add_foreign_order(reference, {"MUG": 1}, number)

    def add_ship_option(self, name: str, *, active: bool = True) -> None:
        service = next((number for number, names in SERVICE_LEVELS.items() if name in names), 3)
        self.simulator.add_shipping_method(name, service, active=active)

    def split(self, reference: str) -> None:
        self.simulator.split(reference, 2)

    def pick(self, shipment: JetpackShipment) -> None:
        self.simulator.pick(int(shipment.id))

    def ship(self, shipment: JetpackShipment, number: str) -> None:
        self.simulator.ship(int(shipment.id), tracking_number=number)

    def deliver(self, shipment: JetpackShipment) -> None:
        self.simulator.deliver_parcel(int(shipment.id))

    def scan(self, shipment: JetpackShipment, status: str) -> None:
        self.simulator.scan(int(shipment.id), status)

    def hold(self, shipment: JetpackShipment) -> None:
        self.simulator.hold(int(shipment.id), "InvalidAddress")

    def goes_to(self, shipment: JetpackShipment) -> tuple[str, str, str, str]:
        to = self.simulator.shipments[int(shipment.id)].recipient
        return to["name"], to["address"]["address1"], to["address"]["zip_code"], to["email"]

    def goes_by(self, shipment: JetpackShipment) -> str:
        return self.simulator.shipments[int(shipment.id)].ship_option

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


@pytest.fixture(params=["fake", "2026-07", "2026-01"])
def world(request: pytest.FixtureRequest, clock: Clock) -> Iterator[World]:
    if request.param == "fake":
        known: World = FakeWorld(clock)
        _stock_up(known)
        yield known
        return
    with JetpackSimulator(rate_limit_per_minute=None) as simulator:
        simulator.tracks_as_in_april = request.param == "2026-01"
        known = SimulatedWorld(simulator, request.param)
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


def test_an_order_leaves_from_the_center_it_names(world: World) -> None:
    order = world.warehouse.create_order(replace(a_new_order(), location="156"))

    assert [shipment.location for shipment in order.shipments] == ["Ontario 6 (CA)"]


@pytest.mark.parametrize("location", ["7", "Ontario 6 (CA)", "-9", "156 ", "\N{SUPERSCRIPT TWO}", "9" * 5000])
def test_a_center_that_does_not_exist_makes_no_order(world: World, location: str) -> None:
    with pytest.raises(RejectedByPartnerError) as caught:
        world.warehouse.create_order(replace(a_new_order(), location=location))

    assert not isinstance(caught.value, DuplicateReferenceError)
    assert world.warehouse.find_order("demo:1001:1") is None


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
    for answer in (
        world.warehouse.cancel_order("1"),
        world.warehouse.cancel_shipment("1"),
        world.warehouse.cancel_shipment("no number"),
    ):
        assert not answer.confirmed
        assert answer.reasons


def shown(world: World, order: JetpackOrder) -> tuple[JetpackShipment, ...]:
    found = world.warehouse.read_order(order.id)
    assert found
    return found.shipments


def test_one_shipment_is_cancelled_and_the_other_stays(world: World) -> None:
    world.split("demo:1001:1")
    order = created(world)

    for _ in range(2):
        assert world.warehouse.cancel_shipment(order.shipments[0].id).confirmed

    assert [shipment.cancelled for shipment in shown(world, order)] == [True, False]


def test_a_picked_shipment_is_not_cancelled(world: World) -> None:
    order = created(world)
    world.pick(order.shipments[0])

    answer = world.warehouse.cancel_shipment(order.shipments[0].id)

    assert not answer.confirmed
    assert any("picked" in reason for reason in answer.reasons)
    assert not shown(world, order)[0].cancelled


ELSEWHERE = replace(ADDRESS, name="Grace Example", address1="2 Elsewhere St", zip="62702")


def test_an_address_is_changed_until_it_is_picked(world: World) -> None:
    (shipment,) = created(world).shipments

    for _ in range(2):
        assert world.warehouse.change_address(shipment.id, ELSEWHERE, "grace@example.test") == Change(done=True)
    assert world.goes_to(shipment) == ("Grace Example", "2 Elsewhere St", "62702", "grace@example.test")

    world.pick(shipment)
    refused = world.warehouse.change_address(shipment.id, ADDRESS, "ada@example.test")
    assert not refused.done
    assert "picked" in refused.reason
    assert world.goes_to(shipment)[1] == "2 Elsewhere St"


def test_a_better_address_lifts_the_hold_that_asked_for_it(world: World) -> None:
    order = created(world)
    world.hold(order.shipments[0])

    assert world.warehouse.change_address(order.shipments[0].id, ELSEWHERE, "").done

    assert shown(world, order)[0].status == "Processing"


def two_shipments(world: World) -> tuple[JetpackShipment, JetpackShipment]:
    """One on its way, one that can still be changed."""
    first, second = (created(world, a_new_order(f"demo:{number}:1")).shipments[0] for number in (1, 2))
    world.pick(first)
    return first, second


def test_the_ship_option_is_changed_shipment_by_shipment(world: World) -> None:
    world.add_ship_option("UPS Ground")
    picked, open_one = two_shipments(world)

    for _ in range(2):
        changes = world.warehouse.change_ship_option([picked.id, open_one.id, "1"], "UPS Ground")
        assert {each: change.done for each, change in changes.items()} == {
            picked.id: False,
            open_one.id: True,
            "1": False,
        }
        assert "picked" in changes[picked.id].reason
        assert changes["1"].reason
    assert world.goes_by(open_one) == "UPS Ground"


def test_no_shipment_leaves_by_an_option_that_jetpack_has_not_or_not_any_more(world: World) -> None:
    world.add_ship_option("UPS Ground", active=False)
    (shipment,) = created(world).shipments

    for option in ("UPS Ground", "ups ground", "Carrier pigeon"):
        with pytest.raises(RejectedByPartnerError):
            world.warehouse.change_ship_option([shipment.id], option)


def test_unpicked_shipments_are_held_and_released(world: World) -> None:
    picked, open_one = two_shipments(world)

    for _ in range(2):
        held = world.warehouse.hold_shipments([picked.id, open_one.id, "1", "no number"])
        assert {each: change.done for each, change in held.items()} == {
            picked.id: False,
            open_one.id: True,
            "1": False,
            "no number": False,
        }
        assert all(change.reason for change in held.values() if not change.done)
    order = world.warehouse.find_order("demo:2:1")
    assert order
    assert (order.shipments[0].status, order.shipments[0].details) == ("OnHold", ("Manual",))
    assert not order.shipments[0].picked

    for _ in range(2):
        assert world.warehouse.release_shipments([open_one.id]) == {open_one.id: Change(done=True)}
    assert shown(world, order)[0].status == "Processing"


def test_a_release_leaves_what_jetpack_holds_and_says_so(world: World) -> None:
    order = created(world)
    (shipment,) = order.shipments
    world.hold(shipment)
    assert world.warehouse.hold_shipments([shipment.id])[shipment.id].done
    assert set(shown(world, order)[0].details) == {"InvalidAddress", "Manual"}

    change = world.warehouse.release_shipments([shipment.id])[shipment.id]

    assert change == Change(done=True, reason="still on hold for other reasons")
    assert shown(world, order)[0].details == ("InvalidAddress",)


def test_nothing_asked_is_nothing_changed(world: World) -> None:
    assert world.warehouse.hold_shipments([]) == world.warehouse.release_shipments([]) == {}
    assert world.warehouse.change_ship_option([], "Standard") == {}
    assert list(world.warehouse.tracking([])) == []


def test_parcels_are_tracked_and_what_has_no_label_is_left_out(world: World) -> None:
    world.split("demo:1001:1")
    left, waiting = created(world).shipments
    world.ship(left, "1ZTEST0001")
    asked = [left.id, waiting.id, "1", left.id, "no number"]

    (parcel,) = world.warehouse.tracking(asked)
    assert (parcel.shipment_id, parcel.status, parcel.number) == (left.id, "PreTransit", "1ZTEST0001")
    assert (parcel.carrier, parcel.url) == ("UPS", "https://track.example.test/1ZTEST0001")
    assert parcel.at
    assert parcel.at.tzinfo

    for status in ("DeliveryAttemptFailed", "AvailableForPickup", "Delivered"):
        world.scan(left, status)
        assert [each.status for each in world.warehouse.tracking(asked)] == [status]


@pytest.mark.parametrize("call", ["cancel_shipment", "change_address", "change_ship_option", "hold", "release"])
def test_an_edit_whose_answer_is_lost_may_have_happened_and_can_be_repeated(world: World, call: str) -> None:
    (shipment,) = created(world).shipments
    edits: dict[str, Callable[[], Cancellation | Change | dict[str, Change]]] = {
        "cancel_shipment": lambda: world.warehouse.cancel_shipment(shipment.id),
        "change_address": lambda: world.warehouse.change_address(shipment.id, ELSEWHERE, ""),
        "change_ship_option": lambda: world.warehouse.change_ship_option([shipment.id], "Standard"),
        "hold": lambda: world.warehouse.hold_shipments([shipment.id]),
        "release": lambda: world.warehouse.release_shipments([shipment.id]),
    }
    world.lose_answer({"hold": "hold_shipments", "release": "release_shipments"}.get(call, call))

    with pytest.raises(OutcomeUnknownError):
        edits[call]()

    assert edits[call]() in (Cancellation(confirmed=True), Change(done=True), {shipment.id: Change(done=True)})


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


def test_nobody_asks_for_stock_that_is_not_wanted(world: World) -> None:
    assert world.warehouse.catalogue(frozenset({"MUG"}), frozenset()).sellable is None


def test_the_catalogue_tells_how_many_units_can_be_sold(world: World) -> None:
    world.add_product("OLD-1", 5, active=False)
    world.add_product("EMPTY")
    world.add_product("SET", components={"TEA-250": 2, "MUG": 3})
    world.add_product("BOX", components={"MUG": 1, "OLD-1": 1})
    asked = frozenset({"TEA-250", "OLD-1", "EMPTY", "SET", "BOX", "GHOST"})

    found = world.warehouse.catalogue(asked, frozenset({"Standard"}), with_stock=True)

    assert found.sellable == {"TEA-250": 100, "OLD-1": 0, "EMPTY": 0, "SET": 2, "BOX": 0, "GHOST": 0}
    assert found.skus == {"TEA-250": True, "OLD-1": False, "EMPTY": True, "SET": True, "BOX": True}
    assert found.ship_options == {"Standard": True}
    assert world.warehouse.catalogue(frozenset(), frozenset(), with_stock=True).sellable == {}


def test_the_catalogue_tells_what_customs_would_stop(world: World) -> None:
    world.forget_customs("MUG")

    assert world.warehouse.catalogue(frozenset({"MUG", "TEA-250", "GHOST"}), frozenset()).without_customs == {"MUG"}
    assert world.warehouse.catalogue(frozenset({"TEA-250"}), frozenset()).without_customs == frozenset()


def test_orders_of_every_channel_are_seen_oldest_first(world: World) -> None:
    created(world, a_new_order("demo:1:1"))
    world.pass_by(3600)
    since = world.now
    world.pass_by(2)
    world.add_foreign_order("ss-1002", "1002")
    world.pass_by(2)
    ours = created(world, a_new_order("demo:3:1"))
    world.cancel_by_person(ours.shipments[0])

    found = list(world.warehouse.orders_since(since))

    assert [(each.reference, each.number, each.channel_id) for each in found] == [
        ("ss-1002", "1002", "778899"),
        ("demo:3:1", "#1001", world.channel_id),
    ]
    assert since < found[0].inserted_at < found[1].inserted_at <= world.now
    assert [each.reference for each in world.warehouse.orders_since(found[1].inserted_at)][-1] == "demo:3:1"


def test_nothing_inserted_is_nothing_seen(world: World) -> None:
    created(world)
    world.pass_by(3600)

    assert list(world.warehouse.orders_since(world.now)) == []


def test_an_order_is_seen_late(world: World) -> None:
    since = world.now
    world.pass_by(2)
    world.set_lag(60)
    world.warehouse.create_order(a_new_order())

    assert list(world.warehouse.orders_since(since)) == []
    world.pass_by(61)
    assert [each.reference for each in world.warehouse.orders_since(since)] == ["demo:1001:1"]


def test_a_reference_that_somebody_else_used_is_taken(world: World) -> None:
    world.add_foreign_order("demo:1001:1", "1001")

    with pytest.raises(DuplicateReferenceError):
        world.warehouse.create_order(a_new_order())
    assert world.warehouse.find_order("demo:1001:1") is None  # it is of another channel


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
