"""The port ShippingDesk: the fake and the adapter against the simulator promise the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from jetbridge.domain.shipstation import Mark, ShipStationLine, ShipStationOrder
from jetbridge.domain.store import ShipStationConnection
from jetbridge.errors import (
    CredentialsRejectedError,
    ForeignAddressError,
    OutcomeUnknownError,
    PartnerUnavailableError,
    RateLimitedError,
    RejectedByPartnerError,
)
from jetbridge.partners.http import Seams
from jetbridge.partners.shipstation.client import ShipStationDesk
from jetbridge.partners.shipstation.resources import resource_from
from local.simulators.shipstation import ShipStationSimulator
from tests.builders import ADDRESS
from tests.fake_desk import FakeDesk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetbridge.domain.shipstation import Resource
    from jetbridge.ports import ShippingDesk
    from tests.contract.conftest import Clock

HOUR = timedelta(hours=1)
KEY = "820982911946154508-8681743417520"
OPERATIONS = {
    "read_order": "get_order",
    "orders_changed_since": "list_orders",
    "mark_shipped": "mark_as_shipped",
    "fulfillments_of": "list_fulfillments",
}


class World(Protocol):
    """A desk and what people, imports and time do to it."""

    @property
    def desk(self) -> ShippingDesk: ...
    @property
    def now(self) -> datetime: ...
    def import_order(self, number: str = "1001", key: str = "", *, foreign: bool = False) -> str: ...
    def import_of(self, order_id: str) -> Resource: ...
    def hold(self, order_id: str, until: str) -> None: ...
    def release(self, order_id: str) -> None: ...
    def cancel(self, order_id: str) -> None: ...
    def edit(self, order_id: str, method: str) -> None: ...
    def tag(self, order_id: str, name: str) -> None: ...
    def fill_in(self, order_id: str) -> None: ...
    def split(self, order_id: str, key: str, units: int) -> str: ...
    def merge(self, order_id: str, other: str) -> None: ...
    def label(self, order_id: str) -> Resource: ...
    def mark_by_hand(self, order_id: str, number: str) -> None: ...
    def break_channel(self) -> None: ...
    def lose_answer(self, call: str) -> None: ...
    def throttle(self, call: str) -> None: ...
    def break_down(self, call: str) -> None: ...
    def suspend(self) -> None: ...
    def pass_by(self, seconds: float) -> None: ...


LINES = (("11", "TEA-250", 2), ("12", "MUG", 1))
FILLED_IN: dict[str, Any] = {
    "custom_fields": ("VIP", "", "3PL"),
    "gift": True,
    "gift_message": "Enjoy",
    "source": "web",
    "ship_by": datetime(2026, 12, 1, 8, tzinfo=UTC),  # midnight on a Pacific wall
    "weight_grams": 907,
    "residential": False,
    "address_verified": "Address validation failed",
    "assigned_to": "123456ab-ab12-3c4d-5e67-89f1abc1defa",
    "username": "ada",
}


class FakeWorld:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.desk = FakeDesk(clock=clock)
        self.desk.channel_delay = timedelta(seconds=5)
        self._imports: dict[str, Resource] = {}

    @property
    def now(self) -> datetime:
        return self.clock()

    def import_order(self, number: str = "1001", key: str = "", *, foreign: bool = False) -> str:
        order = ShipStationOrder(
            id=str(191759016 + len(self.desk.orders)),
            number=number,
            key=key or f"{KEY}{len(self.desk.orders)}",
            status="awaiting_shipment",
            store_id="777" if foreign else self.desk.store_id,
            modified_at=self.now,
            lines=tuple(ShipStationLine(line, sku, sku, quantity) for line, sku, quantity in LINES),
            method="Standard",
            ship_to=ADDRESS,
            paid_at=self.now,
        )
        self._imports[order.id] = self.desk.import_orders(order)
        return order.id

    def import_of(self, order_id: str) -> Resource:
        return self._imports[order_id]

    def hold(self, order_id: str, until: str) -> None:
        self.desk.hold(order_id, until)

    def release(self, order_id: str) -> None:
        self.desk.release(order_id)

    def cancel(self, order_id: str) -> None:
        self.desk.cancel(order_id)

    def edit(self, order_id: str, method: str) -> None:
        self.desk.change(order_id, method=method)

    def tag(self, order_id: str, name: str) -> None:
        self.desk.change(order_id, tags=(*self.desk.orders[order_id].tags, name))

    def fill_in(self, order_id: str) -> None:
        line, *others = self.desk.orders[order_id].lines
        self.desk.change(order_id, lines=(replace(line, warehouse_location="A-12"), *others), **FILLED_IN)

    def split(self, order_id: str, key: str, units: int) -> str:
        return self.desk.split(order_id, {key: units})[0]

    def merge(self, order_id: str, other: str) -> None:
        self.desk.merge(order_id, other)

    def label(self, order_id: str) -> Resource:
        return self.desk.label(order_id)

    def mark_by_hand(self, order_id: str, number: str) -> None:
        self.desk.mark(order_id, number)

    def break_channel(self) -> None:
        self.desk.tell = lambda _mark: "IntegrationError UnprocessableEntity"

    def lose_answer(self, call: str) -> None:
        self.desk.fail(call, OutcomeUnknownError(partner="shipstation"), after=True)

    def throttle(self, call: str) -> None:
        self.desk.fail(call, RateLimitedError(partner="shipstation", retry_after_seconds=1.0))

    def break_down(self, call: str) -> None:
        self.desk.fail(call, PartnerUnavailableError(partner="shipstation"))

    def suspend(self) -> None:
        for call in OPERATIONS:
            self.desk.fail(call, CredentialsRejectedError(partner="shipstation", code="suspended"))

    def pass_by(self, seconds: float) -> None:
        self.clock.pass_by(seconds=seconds)


class SimulatedWorld:
    def __init__(self, simulator: ShipStationSimulator) -> None:
        self.simulator = simulator
        self.foreign = int(simulator.add_store("Another Shop")["storeId"])
        self.monotonic = 0.0
        pair = {"api_key": simulator.api_key, "api_secret": simulator.api_secret}
        self.desk: ShippingDesk = ShipStationDesk(
            ShipStationConnection(str(simulator.store_id), simulator.url),
            lambda _again: pair,
            production=False,
            seams=Seams(sleep=lambda _seconds: None, clock=lambda: self.monotonic),
        )

    @property
    def now(self) -> datetime:
        return self.simulator.now().astimezone(UTC)

    def import_order(self, number: str = "1001", key: str = "", *, foreign: bool = False) -> str:
        lines = [{"lineItemKey": line, "sku": sku, "quantity": quantity} for line, sku, quantity in LINES]
        made = self.simulator.create_order(number, lines, key=key or None, store_id=self.foreign if foreign else None)
        return str(made["orderId"])

    def import_of(self, order_id: str) -> Resource:
        [batch] = self.simulator.orders[int(order_id)].import_batches
        return resource_from(f"{self.simulator.url}/orders?importBatch={batch}")

    def hold(self, order_id: str, until: str) -> None:
        self.simulator.hold_order(int(order_id), until)

    def release(self, order_id: str) -> None:
        self.simulator.restore_order(int(order_id))

    def cancel(self, order_id: str) -> None:
        self.simulator.cancel_order(int(order_id))

    def edit(self, order_id: str, method: str) -> None:
        self.simulator.change_order(int(order_id), requestedShippingService=method)

    def tag(self, order_id: str, name: str) -> None:
        self.simulator.add_tag(name)
        self.simulator.tag_order(int(order_id), name)

    def fill_in(self, order_id: str) -> None:
        (key, sku, quantity), *others = LINES
        first = {"lineItemKey": key, "sku": sku, "quantity": quantity, "warehouseLocation": "A-12"}
        rest = [{"lineItemKey": key, "sku": sku, "quantity": quantity} for key, sku, quantity in others]
        self.simulator.change_order(
            int(order_id),
            lines=[first, *rest],
            address={"residential": False, "addressVerified": "Address validation failed"},
            ship_by="2026-12-01",
            assigned_to="123456ab-ab12-3c4d-5e67-89f1abc1defa",
            gift=True,
            giftMessage="Enjoy",
            customerUsername="ada",
            weight={"value": 2, "units": "pounds", "WeightUnits": 0},
            customField1="VIP",
            customField3="3PL",
            source="web",
        )

    def split(self, order_id: str, key: str, units: int) -> str:
        return str(self.simulator.split_order(int(order_id), {key: units})["orderId"])

    def merge(self, order_id: str, other: str) -> None:
        self.simulator.combine_orders(int(order_id), [int(other)])

    def label(self, order_id: str) -> Resource:
        made = self.simulator.buy_label(int(order_id))
        batch = self.simulator.shipments[made["shipmentId"]].batch_id
        query = f"storeID={self.simulator.store_id}&batchId={batch}&includeShipmentItems=False"
        return resource_from(f"{self.simulator.url}/shipments?{query}")

    def mark_by_hand(self, order_id: str, number: str) -> None:
        self.simulator.mark_shipped_by_hand(int(order_id), number, notify=False)

    def break_channel(self) -> None:
        self.simulator.channel_broken = True

    def lose_answer(self, call: str) -> None:
        self.simulator.fail("timeout_after", OPERATIONS[call])

    def throttle(self, call: str) -> None:
        self.simulator.fail("429", OPERATIONS[call])

    def break_down(self, call: str) -> None:
        self.simulator.fail("html", OPERATIONS[call], times=3)

    def suspend(self) -> None:
        self.simulator.suspended = True

    def pass_by(self, seconds: float) -> None:
        self.simulator.clock_offset_seconds += seconds
        self.monotonic += seconds
        self.simulator.tell_channels()


@pytest.fixture(params=["fake", "adapter", "adapter, null rows and no pages", "adapter, a repeated mark is a 500"])
def world(request: pytest.FixtureRequest, clock: Clock) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld(clock)
        return
    with ShipStationSimulator(rate_limit=None) as simulator:
        simulator.null_rows = simulator.fulfillment_pages_zero = "null rows" in request.param
        simulator.already_shipped_status = 500 if "500" in request.param else 400
        yield SimulatedWorld(simulator)
        assert not simulator.unknown_keys


def a_mark(order_id: str, world: World, number: str = "1Z999", *, notify_channel: bool = True) -> Mark:
    return Mark(order_id, number, "UPS", world.now, notify_channel=notify_channel)


def read(world: World, order_id: str) -> ShipStationOrder:
    found = world.desk.read_order(order_id)
    assert found
    return found


# -- reading --------------------------------------------------------------------------------------------------------


def test_an_order_is_read(world: World) -> None:
    order_id = world.import_order("1001", KEY)

    found = read(world, order_id)

    assert (found.id, found.number, found.key, found.status) == (order_id, "1001", KEY, "awaiting_shipment")
    assert (found.method, found.held_until, found.parent_id, found.merged_ids) == ("Standard", "", "", ())
    assert [(line.key, line.sku, line.quantity, line.goods) for line in found.lines] == [
        (key, sku, quantity, True) for key, sku, quantity in LINES
    ]
    assert found.ship_to
    assert abs(found.modified_at - world.now) < timedelta(minutes=1)
    assert found.modified_at.tzinfo is UTC


def test_what_rules_ask_about_is_read(world: World) -> None:
    order_id = world.import_order()
    blank = read(world, order_id)

    world.fill_in(order_id)

    found = read(world, order_id)
    assert {name: getattr(found, name) for name in FILLED_IN} == FILLED_IN
    assert [line.warehouse_location for line in found.lines] == ["A-12", ""]
    assert found.paid_at
    assert abs(found.paid_at - world.now) < timedelta(minutes=1)
    assert (blank.custom_fields, blank.gift, blank.weight_grams, blank.ship_by) == (("", "", ""), False, 0, None)


@pytest.mark.parametrize("order_id", ["1", "999999999"])
def test_an_unknown_order_is_none(world: World, order_id: str) -> None:
    assert world.desk.read_order(order_id) is None


def test_orders_are_found_by_their_whole_number_in_our_store(world: World) -> None:
    ours = world.import_order("100")
    world.import_order("1001")
    world.import_order("100", foreign=True)

    assert [each.id for each in world.desk.orders_numbered("100")] == [ours]
    assert world.desk.orders_numbered("10") == ()
    assert world.desk.orders_numbered("") == ()


def test_a_split_leaves_two_parts_of_one_number(world: World) -> None:
    whole = world.import_order()

    part = world.split(whole, "11", 1)

    found = {each.id: each for each in world.desk.orders_numbered("1001")}
    assert found.keys() == {whole, part}
    assert (found[whole].parent_id, found[part].parent_id) == ("", whole)
    assert {(line.key, line.quantity) for line in found[whole].lines} == {("11", 1), ("12", 1)}
    assert [(line.sku, line.quantity) for line in found[part].lines] == [("TEA-250", 1)]


def test_merged_orders_are_one(world: World) -> None:
    kept, gone = world.import_order("1001"), world.import_order("1002")

    world.merge(kept, gone)

    found = read(world, kept)
    assert found.merged_ids == (gone,)
    assert sum(line.quantity for line in found.lines) == 6
    assert world.desk.orders_numbered("1002") == ()


def test_tags_go_by_name(world: World) -> None:
    order_id = world.import_order()
    world.tag(order_id, "3PL")

    assert read(world, order_id).tags == ("3PL",)


def test_a_hold_has_an_end_and_can_be_lifted(world: World) -> None:
    order_id = world.import_order()

    world.hold(order_id, "2039-01-01")
    held = read(world, order_id)
    world.release(order_id)
    released = read(world, order_id)

    assert (held.status, held.held_until) == ("on_hold", "2039-01-01")
    assert (released.status, released.held_until) == ("awaiting_shipment", "")


# -- what changed -----------------------------------------------------------------------------------------------------


def test_changes_come_oldest_first_and_those_of_long_ago_do_not(world: World) -> None:
    first, second, third, old = (world.import_order(str(number)) for number in (1001, 1002, 1003, 1004))
    world.import_order("1005", foreign=True)
    world.pass_by(6 * 3600)
    since = world.now
    world.pass_by(2)
    world.edit(third, "Express")
    world.pass_by(2)
    world.hold(first, "2039-01-01")
    world.pass_by(2)
    world.cancel(second)

    found = list(world.desk.orders_changed_since(since))

    assert [each.id for each in found] == [third, first, second]
    assert [(each.status, each.method) for each in found] == [
        ("awaiting_shipment", "Express"),
        ("on_hold", "Standard"),
        ("cancelled", "Standard"),
    ]
    assert old not in {each.id for each in found}


def test_a_change_is_found_from_its_own_time_on(world: World) -> None:
    order_id = world.import_order()

    assert [each.id for each in world.desk.orders_changed_since(read(world, order_id).modified_at)] == [order_id]


def test_nothing_changed_is_nothing_found(world: World) -> None:
    world.import_order()
    world.pass_by(6 * 3600)

    assert list(world.desk.orders_changed_since(world.now)) == []


# -- what webhooks point at -------------------------------------------------------------------------------------------


def test_an_import_is_read(world: World) -> None:
    world.import_order("1000")
    order_id = world.import_order("1001")

    assert [each.id for each in world.desk.orders_behind(world.import_of(order_id))] == [order_id]


def test_an_import_of_another_store_holds_nothing_of_ours(world: World) -> None:
    order_id = world.import_order(foreign=True)

    assert list(world.desk.orders_behind(world.import_of(order_id))) == []


def test_a_label_names_its_order(world: World) -> None:
    world.import_order("1000")
    order_id = world.import_order("1001")

    resource = world.label(order_id)

    assert list(world.desk.labelled_behind(resource)) == [order_id]
    assert read(world, order_id).status == "shipped"
    assert world.desk.fulfillments_of(order_id) == ()


def test_an_address_elsewhere_is_refused(world: World) -> None:
    resource = world.import_of(world.import_order())

    for foreign in (
        replace(resource, origin="https://evil.example.test"),
        replace(resource, kind="shipments"),
        replace(resource, query=(*resource.query, ("storeID", "777"))),
    ):
        with pytest.raises(ForeignAddressError):
            world.desk.orders_behind(foreign)
    with pytest.raises(ForeignAddressError):
        world.desk.labelled_behind(resource)


# -- marking ----------------------------------------------------------------------------------------------------------


def test_a_marked_order_is_shipped_and_its_channel_is_told_later(world: World) -> None:
    order_id = world.import_order()

    world.desk.mark_shipped(a_mark(order_id, world))

    [before] = world.desk.fulfillments_of(order_id)
    world.pass_by(6)
    [after] = world.desk.fulfillments_of(order_id)
    assert read(world, order_id).status == "shipped"
    assert (before.order_id, before.number, before.voided) == (order_id, "1Z999", False)
    assert [(each.channel_told, each.error) for each in (before, after)] == [(False, ""), (True, "")]


def test_a_channel_that_is_not_to_be_told_is_not(world: World) -> None:
    order_id = world.import_order()

    world.desk.mark_shipped(a_mark(order_id, world, notify_channel=False))
    world.pass_by(6)

    [found] = world.desk.fulfillments_of(order_id)
    assert (found.channel_told, found.error) == (False, "")


def test_a_channel_that_refuses_is_named_in_a_word(world: World) -> None:
    order_id = world.import_order()
    world.break_channel()

    world.desk.mark_shipped(a_mark(order_id, world))
    world.pass_by(6)

    [found] = world.desk.fulfillments_of(order_id)
    assert (found.channel_told, found.error) == (False, "IntegrationError UnprocessableEntity")


def test_a_second_mark_changes_nothing_and_counts_as_done(world: World) -> None:
    order_id = world.import_order()

    world.desk.mark_shipped(a_mark(order_id, world))
    world.desk.mark_shipped(a_mark(order_id, world, "1Z000"))

    assert [each.number for each in world.desk.fulfillments_of(order_id)] == ["1Z999"]


def test_an_order_marked_by_a_person_counts_as_marked(world: World) -> None:
    order_id = world.import_order()
    world.mark_by_hand(order_id, "HAND1")

    world.desk.mark_shipped(a_mark(order_id, world))

    assert [each.number for each in world.desk.fulfillments_of(order_id)] == ["HAND1"]


def test_a_lost_answer_leaves_a_mark_that_can_be_seen(world: World) -> None:
    order_id = world.import_order()
    world.lose_answer("mark_shipped")

    with pytest.raises(OutcomeUnknownError):
        world.desk.mark_shipped(a_mark(order_id, world))

    assert [each.number for each in world.desk.fulfillments_of(order_id)] == ["1Z999"]


def test_an_unknown_order_cannot_be_marked(world: World) -> None:
    with pytest.raises(RejectedByPartnerError):
        world.desk.mark_shipped(a_mark("999999999", world))


def test_a_cancelled_order_cannot_be_marked(world: World) -> None:
    order_id = world.import_order()
    world.cancel(order_id)

    with pytest.raises((RejectedByPartnerError, OutcomeUnknownError)):  # a 500 that names its reason proves nothing
        world.desk.mark_shipped(a_mark(order_id, world))

    assert world.desk.fulfillments_of(order_id) == ()


def test_fulfillments_are_found_by_when_they_were_made(world: World) -> None:
    old, new = world.import_order("1001"), world.import_order("1002")
    world.desk.mark_shipped(a_mark(old, world))
    world.pass_by(6 * 3600)
    since = world.now
    world.pass_by(2)
    world.mark_by_hand(new, "HAND1")

    assert [(each.order_id, each.number) for each in world.desk.fulfillments_since(since)] == [(new, "HAND1")]
    assert len(list(world.desk.fulfillments_since(since - 7 * HOUR))) == 2


# -- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_throttled_mark_did_nothing(world: World) -> None:
    order_id = world.import_order()
    world.throttle("mark_shipped")

    with pytest.raises(RateLimitedError) as error:
        world.desk.mark_shipped(a_mark(order_id, world))

    assert error.value.retry_after_seconds is not None
    world.pass_by(error.value.retry_after_seconds)
    assert read(world, order_id).status == "awaiting_shipment"


@pytest.mark.parametrize("call", ["read_order", "orders_changed_since", "fulfillments_of"])
def test_a_read_that_fails_says_so(world: World, call: str) -> None:
    order_id = world.import_order()
    world.break_down(call)

    with pytest.raises(PartnerUnavailableError):
        _call(world, call, order_id)

    _call(world, call, order_id)


@pytest.mark.parametrize("call", sorted(OPERATIONS))
def test_a_plan_without_access_suspends_every_call(world: World, call: str) -> None:
    order_id = world.import_order()
    world.suspend()

    with pytest.raises(CredentialsRejectedError) as error:
        _call(world, call, order_id)

    assert error.value.code == "suspended"


def _call(world: World, call: str, order_id: str) -> None:
    match call:
        case "read_order":
            world.desk.read_order(order_id)
        case "orders_changed_since":
            list(world.desk.orders_changed_since(world.now))
        case "fulfillments_of":
            world.desk.fulfillments_of(order_id)
        case _:
            world.desk.mark_shipped(a_mark(order_id, world))
