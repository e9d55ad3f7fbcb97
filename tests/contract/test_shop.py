"""The port Shop: the fake and the adapter against the simulator promise the same."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Protocol

import pytest

from jetbridge.domain.identifiers import LineId, OrderId
from jetbridge.domain.order import FulfillmentHold
from jetbridge.domain.stock import ShopifyStock, StockChange
from jetbridge.domain.store import ShopifyConnection
from jetbridge.errors import OutcomeUnknownError, PartnerUnavailableError, RateLimitedError, RejectedByPartnerError
from jetbridge.partners.http import Seams
from jetbridge.partners.shopify.client import ShopifyShop
from jetbridge.ports import MirroredHold, ParcelAnnouncement, TrackingNumber
from local.simulators.shopify import ShopifySimulator
from local.simulators.shopify_views import APP_NAMESPACE
from tests.builders import LOCATION, a_fulfillment_order, a_line, an_order
from tests.fake_partners import FakeShop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jetbridge.domain.order import FulfillmentOrder, Order
    from jetbridge.ports import Shop
    from tests.contract.conftest import Clock

OPERATIONS = {
    "add_tags": "tagsAdd",
    "announce_parcel": "fulfillmentCreate",
    "change_tracking": "fulfillmentTrackingInfoUpdate",
    "hold": "fulfillmentOrderHold",
    "mark_forwarded": "metafieldsSet",
    "orders_named": "orders",
    "read_order": "order",
    "release_holds": "fulfillmentOrderReleaseHold",
    "remove_tags": "tagsRemove",
    "set_note": "orderUpdate",
    "set_available": "inventorySetQuantities",
}


OUR_MARK = (APP_NAMESPACE, "jetpack_references", "list.single_line_text_field")


class World(Protocol):
    """A shop and what customers, merchants and time do to it."""

    location: str

    @property
    def shop(self) -> Shop: ...
    def buy(self, **units: int) -> OrderId: ...
    def name(self, order_id: OrderId, name: str) -> None: ...
    def held_by_merchant(self, fulfillment_order_id: str) -> None: ...
    def handles(self, fulfillment_order_id: str) -> list[tuple[str, str, str]]: ...
    def marks(self, order_id: OrderId) -> tuple[str, ...]: ...
    def stock_up(self, sku: str, on_hand: int, committed: int = 0) -> str: ...
    def lose_answer(self, call: str) -> None: ...
    def throttle(self, call: str) -> None: ...
    def break_down(self, call: str) -> None: ...
    def now(self) -> datetime: ...
    def pass_by(self, seconds: float) -> None: ...


class FakeWorld:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.shop = FakeShop(clock=clock)
        self.location = LOCATION
        self._numbers = count(1)

    def buy(self, **units: int) -> OrderId:
        number = next(self._numbers)
        lines = tuple(a_line(sku, quantity, n=n) for n, (sku, quantity) in enumerate(units.items(), 1))
        order = an_order(
            *lines,
            id=OrderId(f"{number}"),
            created_at=self.now(),
            updated_at=self.now(),
            fulfillment_orders=(a_fulfillment_order(lines, n=number),),
        )
        self.shop.put(order)
        return order.id

    def name(self, order_id: OrderId, name: str) -> None:
        self.shop.put(replace(self.shop.orders[order_id], name=name))

    def held_by_merchant(self, fulfillment_order_id: str) -> None:
        order = self.shop.read_order_of(fulfillment_order_id)
        assert order
        (part,) = order.fulfillment_orders
        hold = FulfillmentHold("gid://shopify/FulfillmentHold/merchant", "OTHER")
        actions = frozenset({"RELEASE_HOLD", "HOLD", "MOVE"})
        held = replace(part, status="ON_HOLD", holds=(*part.holds, hold), supported_actions=actions)
        self.shop.put(replace(order, fulfillment_orders=(held,)))

    def handles(self, fulfillment_order_id: str) -> list[tuple[str, str, str]]:
        order = self.shop.read_order_of(fulfillment_order_id)
        assert order
        holds = [self.shop.mirrored[hold.id] for hold in order.fulfillment_orders[0].holds if hold.ours]
        return [(hold.handle, hold.reason, hold.notes) for hold in holds]

    def marks(self, order_id: OrderId) -> tuple[str, ...]:
        return self.shop.marks.get(order_id, ())

    def stock_up(self, sku: str, on_hand: int, committed: int = 0) -> str:
        item = f"gid://shopify/InventoryItem/{next(self._numbers)}"
        level = ShopifyStock(item, sku, on_hand - committed, committed)
        self.shop.levels.setdefault(self.location, {})[item] = level
        return item

    def lose_answer(self, call: str) -> None:
        self.shop.fail(call, OutcomeUnknownError(partner="shopify"), after=True)

    def throttle(self, call: str) -> None:
        self.shop.fail(call, RateLimitedError(partner="shopify", retry_after_seconds=2.0))

    def break_down(self, call: str) -> None:
        self.shop.fail(call, PartnerUnavailableError(partner="shopify"))

    def now(self) -> datetime:
        return self.clock()

    def pass_by(self, seconds: float) -> None:
        self.clock.pass_by(seconds=seconds)


class SimulatedWorld:
    def __init__(self, simulator: ShopifySimulator) -> None:
        self.simulator = simulator
        self.known: set[str] = set()
        connection = ShopifyConnection(simulator.shop, simulator.url)
        self.shop: Shop = ShopifyShop(
            connection,
            lambda _again: simulator.access_token,
            production=False,
            seams=Seams(sleep=lambda _seconds: None),
        )
        self.location = f"gid://shopify/Location/{next(iter(simulator.store.locations))}"

    def buy(self, **units: int) -> OrderId:
        for sku in units.keys() - self.known:
            self.simulator.add_product(sku, on_hand=100)
        self.known |= units.keys()
        lines = [{"sku": sku, "quantity": quantity} for sku, quantity in units.items()]
        return OrderId(str(self.simulator.create_order(lines)["number"]))

    def name(self, order_id: OrderId, name: str) -> None:
        self.simulator.rename_order(order_id, name)

    def held_by_merchant(self, fulfillment_order_id: str) -> None:
        self.simulator.hold_fulfillment_order(fulfillment_order_id)

    def handles(self, fulfillment_order_id: str) -> list[tuple[str, str, str]]:
        part = self.simulator.store.fulfillment_orders[int(fulfillment_order_id.rpartition("/")[2])]
        return [(hold.handle or "", hold.reason, hold.notes or "") for hold in part.holds if hold.by_app]

    def marks(self, order_id: OrderId) -> tuple[str, ...]:
        kept = self.simulator.store.metafields.values()
        found = [each for each in kept if each.owner_id == f"gid://shopify/Order/{order_id}"]
        assert {(each.namespace, each.key, each.type) for each in found} <= {OUR_MARK}
        return tuple(reference for each in found for reference in json.loads(each.value))

    def stock_up(self, sku: str, on_hand: int, committed: int = 0) -> str:
        item = self.simulator.add_product(sku, on_hand=on_hand)["inventory_item_id"]
        self.known.add(sku)
        if committed:
            self.buy(**{sku: committed})
        return str(item)

    def lose_answer(self, call: str) -> None:
        self.simulator.fail("timeout_after", OPERATIONS[call])

    def throttle(self, call: str) -> None:
        self.simulator.fail("429", OPERATIONS[call])

    def break_down(self, call: str) -> None:
        self.simulator.fail("html", OPERATIONS[call], times=3)

    def now(self) -> datetime:
        return self.simulator.now().astimezone(UTC)

    def pass_by(self, seconds: float) -> None:
        self.simulator.clock_offset_seconds += seconds


@pytest.fixture(params=["fake", "adapter"])
def world(request: pytest.FixtureRequest, clock: Clock) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld(clock)
        return
    with ShopifySimulator() as simulator:
        yield SimulatedWorld(simulator)


def bought(world: World, **units: int) -> Order:
    return seen(world, world.buy(**(units or {"TEA": 2, "MUG": 1})))


def seen(world: World, order_id: OrderId) -> Order:
    order = world.shop.read_order(order_id)
    assert order
    return order


def parcel(order: Order, number: str = "1ZTEST0001", **units: int) -> ParcelAnnouncement:
    """Announce units by SKU out of the first open fulfillment order; all that remains when none are named."""
    part = next((each for each in order.fulfillment_orders if not each.closed), order.fulfillment_orders[0])
    skus = {line.id: line.sku for line in order.lines}
    chosen = tuple(
        (line.id, units.get(skus[line.line_id], 0) if units else line.remaining)
        for line in part.lines
        if not units or skus[line.line_id] in units
    )
    return ParcelAnnouncement(((part.id, chosen),), number, "UPS", f"https://track.example.test/{number}")


def test_an_order_is_read_whole(world: World) -> None:
    began = world.now().replace(microsecond=0)
    order = bought(world, TEA=2, MUG=1)

    assert [(line.sku, line.quantity, line.current_quantity) for line in order.lines] == [("TEA", 2, 2), ("MUG", 1, 1)]
    assert all(line.id.isdigit() and line.requires_shipping and not line.gift_card for line in order.lines)
    assert order.name.startswith("#")
    assert order.created_at.tzinfo is UTC
    assert order.updated_at >= began
    assert (order.financial_status, order.gateways) == ("PAID", ("shopify_payments",))
    assert order.shipping_method == "Standard"
    assert order.email == "ada@example.test"
    assert order.shipping_address
    assert (order.shipping_address.city, order.shipping_address.province_code) == ("Springfield", "IL")
    assert (order.shipping_address.zip, order.shipping_address.country_code) == ("62701", "US")
    assert order.cancelled_at is None
    assert not order.test
    assert order.fulfillments == ()
    (part,) = order.fulfillment_orders
    assert (part.status, part.method_type, part.location_id) == ("OPEN", "SHIPPING", world.location)
    assert "CREATE_FULFILLMENT" in part.supported_actions
    assert [(line.line_id, line.total, line.remaining) for line in part.lines] == [
        (order.lines[0].id, 2, 2),
        (order.lines[1].id, 1, 1),
    ]
    assert part.holds == ()


def test_a_fulfillment_order_leads_to_the_same_order(world: World) -> None:
    order = bought(world)

    assert world.shop.read_order_of(order.fulfillment_orders[0].id) == order


def test_what_is_not_there_is_none(world: World) -> None:
    assert world.shop.read_order(OrderId("999")) is None
    assert world.shop.read_order_of("gid://shopify/FulfillmentOrder/999") is None
    assert world.shop.read_order_of("nonsense") is None


def test_an_announced_parcel_is_a_fulfillment_with_its_number_and_units(world: World) -> None:
    order = bought(world, TEA=2, MUG=1)

    created = world.shop.announce_parcel(parcel(order))

    (found,) = (after := seen(world, order.id)).fulfillments
    assert found.id == created
    assert found.counts
    assert found.tracking_numbers == ("1ZTEST0001",)
    assert dict(found.units) == {order.lines[0].id: 2, order.lines[1].id: 1}
    (part,) = after.fulfillment_orders
    assert part.closed
    assert [line.remaining for line in part.lines] == [0, 0]
    assert "CREATE_FULFILLMENT" not in part.supported_actions


def test_two_parcels_share_an_order(world: World) -> None:
    order = bought(world, TEA=2, MUG=1)

    world.shop.announce_parcel(parcel(order, "1ZTEST0001", TEA=1))
    half = seen(world, order.id)
    world.shop.announce_parcel(parcel(half, "1ZTEST0002"))

    assert [line.remaining for line in half.fulfillment_orders[0].lines] == [1, 1]
    assert not half.fulfillment_orders[0].closed
    whole = seen(world, order.id)
    units: dict[LineId, int] = {}
    for fulfillment in whole.fulfillments:
        for line_id, quantity in fulfillment.units:
            units[line_id] = units.get(line_id, 0) + quantity
    assert units == {order.lines[0].id: 2, order.lines[1].id: 1}
    assert sorted(number for each in whole.fulfillments for number in each.tracking_numbers) == [
        "1ZTEST0001",
        "1ZTEST0002",
    ]


def test_more_units_than_remain_are_refused(world: World) -> None:
    order = bought(world, TEA=2)

    with pytest.raises(RejectedByPartnerError) as caught:
        world.shop.announce_parcel(parcel(order, TEA=3))

    assert "quantity" in str(caught.value)
    assert seen(world, order.id).fulfillments == ()


def test_a_closed_fulfillment_order_is_refused(world: World) -> None:
    order = bought(world, TEA=2)
    world.shop.announce_parcel(parcel(order))

    with pytest.raises(RejectedByPartnerError) as caught:
        world.shop.announce_parcel(parcel(order, "1ZTEST0002"))

    assert "closed" in str(caught.value)
    assert len(seen(world, order.id).fulfillments) == 1


def test_a_fulfillment_order_nobody_knows_is_refused(world: World) -> None:
    order = bought(world, TEA=2)
    known = parcel(order)
    foreign = replace(known, lines=(("gid://shopify/FulfillmentOrder/999", known.lines[0][1]),))

    with pytest.raises(RejectedByPartnerError):
        world.shop.announce_parcel(foreign)

    assert seen(world, order.id).fulfillments == ()


def test_a_parcel_of_nothing_is_refused(world: World) -> None:
    order = bought(world, TEA=2)
    nothing = replace(parcel(order), lines=((order.fulfillment_orders[0].id, ()),))

    with pytest.raises(RejectedByPartnerError):
        world.shop.announce_parcel(nothing)

    assert seen(world, order.id).fulfillments == ()


def test_an_announcement_whose_answer_is_lost_has_happened(world: World) -> None:
    order = bought(world, TEA=2)
    world.lose_answer("announce_parcel")

    with pytest.raises(OutcomeUnknownError):
        world.shop.announce_parcel(parcel(order))

    assert seen(world, order.id).fulfillments[0].tracking_numbers == ("1ZTEST0001",)


def test_a_throttled_announcement_has_not_happened(world: World) -> None:
    order = bought(world, TEA=2)
    world.throttle("announce_parcel")

    with pytest.raises(RateLimitedError) as caught:
        world.shop.announce_parcel(parcel(order))

    assert caught.value.retry_after_seconds == 2.0
    assert seen(world, order.id).fulfillments == ()


def numbers(*texts: str) -> list[TrackingNumber]:
    return [TrackingNumber(text, "UPS", f"https://track.example.test/{text}") for text in texts]


def test_tracking_numbers_are_replaced_as_often_as_one_likes(world: World) -> None:
    order = bought(world, TEA=2)
    fulfillment = world.shop.announce_parcel(parcel(order))
    told = seen(world, order.id)

    for notify in (True, False):
        world.shop.change_tracking(fulfillment, numbers("1ZTEST0002", "1ZTEST0003"), notify_customer=notify)

    (found,) = (after := seen(world, order.id)).fulfillments
    assert found.tracking_numbers == ("1ZTEST0002", "1ZTEST0003")
    assert replace(found, tracking_numbers=("1ZTEST0001",)) == told.fulfillments[0]
    assert after.fulfillment_orders == told.fulfillment_orders


@pytest.mark.parametrize("texts", [("1ZTEST0002",), ()])
def test_tracking_of_a_fulfillment_nobody_knows_or_of_no_number_is_refused(
    world: World, texts: tuple[str, ...]
) -> None:
    order = bought(world, TEA=2)
    fulfillment = world.shop.announce_parcel(parcel(order))
    named = "gid://shopify/Fulfillment/999" if texts else fulfillment

    with pytest.raises(RejectedByPartnerError):
        world.shop.change_tracking(named, numbers(*texts), notify_customer=False)

    assert seen(world, order.id).fulfillments[0].tracking_numbers == ("1ZTEST0001",)


def test_a_change_of_tracking_whose_answer_is_lost_has_happened(world: World) -> None:
    order = bought(world, TEA=2)
    fulfillment = world.shop.announce_parcel(parcel(order))
    world.lose_answer("change_tracking")

    with pytest.raises(OutcomeUnknownError):
        world.shop.change_tracking(fulfillment, numbers("1ZTEST0002"), notify_customer=False)

    assert seen(world, order.id).fulfillments[0].tracking_numbers == ("1ZTEST0002",)


def test_a_throttled_change_of_tracking_has_not_happened(world: World) -> None:
    order = bought(world, TEA=2)
    fulfillment = world.shop.announce_parcel(parcel(order))
    world.throttle("change_tracking")

    with pytest.raises(RateLimitedError):
        world.shop.change_tracking(fulfillment, numbers("1ZTEST0002"), notify_customer=False)

    assert seen(world, order.id).fulfillments[0].tracking_numbers == ("1ZTEST0001",)


# -- holds ------------------------------------------------------------------------------------------------------------

BAD_ADDRESS = MirroredHold("INCORRECT_ADDRESS", "The house number is missing.")


def test_a_hold_is_ours_and_keeps_parcels_back_until_it_is_released(world: World) -> None:
    order = bought(world, TEA=2)
    part = order.fulfillment_orders[0]

    world.shop.hold(part.id, BAD_ADDRESS)

    held = seen(world, order.id).fulfillment_orders[0]
    (hold,) = held.holds
    assert (held.id, held.status, hold.reason, hold.ours) == (part.id, "ON_HOLD", "INCORRECT_ADDRESS", True)
    assert held.supported_actions == {"RELEASE_HOLD", "HOLD", "MOVE"}
    assert world.handles(part.id) == [("jetbridge", "INCORRECT_ADDRESS", "The house number is missing.")]
    with pytest.raises(RejectedByPartnerError):
        world.shop.announce_parcel(parcel(order))

    world.shop.release_holds(part.id, [hold.id])

    assert seen(world, order.id).fulfillment_orders == order.fulfillment_orders
    world.shop.announce_parcel(parcel(order))


def test_holding_twice_is_one_hold_and_says_what_was_said_first(world: World) -> None:
    part = bought(world).fulfillment_orders[0].id

    world.shop.hold(part, BAD_ADDRESS)
    world.shop.hold(part, MirroredHold("OTHER", "Something else."))

    assert world.handles(part) == [("jetbridge", BAD_ADDRESS.reason, BAD_ADDRESS.notes)]


def test_holds_of_two_handles_stand_beside_each_other(world: World) -> None:
    order = bought(world)
    part = order.fulfillment_orders[0].id

    world.shop.hold(part, BAD_ADDRESS)
    world.shop.hold(part, replace(BAD_ADDRESS, handle="jetbridge-2"))
    holds = seen(world, order.id).fulfillment_orders[0].holds
    world.shop.release_holds(part, [holds[0].id])

    assert len(holds) == 2
    assert [handle for handle, _, _ in world.handles(part)] == ["jetbridge-2"]
    assert seen(world, order.id).fulfillment_orders[0].status == "ON_HOLD"


def test_the_merchants_hold_is_not_ours_and_stays_when_ours_goes(world: World) -> None:
    order = bought(world)
    part = order.fulfillment_orders[0].id
    world.held_by_merchant(part)

    world.shop.hold(part, BAD_ADDRESS)
    both = seen(world, order.id).fulfillment_orders[0].holds
    world.shop.release_holds(part, [hold.id for hold in both if hold.ours])

    left = seen(world, order.id).fulfillment_orders[0]
    assert [hold.ours for hold in both] == [False, True]
    assert (left.status, left.holds) == ("ON_HOLD", both[:1])


@pytest.mark.parametrize("part", ["gid://shopify/FulfillmentOrder/999", "nonsense"])
def test_what_is_not_there_cannot_be_held(world: World, part: str) -> None:
    with pytest.raises(RejectedByPartnerError):
        world.shop.hold(part, BAD_ADDRESS)


def test_what_is_closed_cannot_be_held(world: World) -> None:
    order = bought(world)
    world.shop.announce_parcel(parcel(order))

    with pytest.raises(RejectedByPartnerError):
        world.shop.hold(order.fulfillment_orders[0].id, BAD_ADDRESS)

    assert seen(world, order.id).fulfillment_orders[0].holds == ()


def test_releasing_what_is_gone_is_done(world: World) -> None:
    order = bought(world)
    part = order.fulfillment_orders[0].id
    world.shop.hold(part, BAD_ADDRESS)
    (hold,) = seen(world, order.id).fulfillment_orders[0].holds

    for _ in range(2):
        world.shop.release_holds(part, [hold.id])
    world.shop.release_holds(part, ["gid://shopify/FulfillmentHold/999"])
    world.shop.release_holds("gid://shopify/FulfillmentOrder/999", [hold.id])
    world.shop.release_holds("nonsense", ["nonsense"])

    assert seen(world, order.id).fulfillment_orders == order.fulfillment_orders


def test_releasing_no_hold_releases_none(world: World) -> None:
    order = bought(world)
    part = order.fulfillment_orders[0].id
    world.held_by_merchant(part)

    world.shop.release_holds(part, [])

    assert seen(world, order.id).fulfillment_orders[0].status == "ON_HOLD"


def test_a_hold_and_its_release_change_the_fulfillment_order(world: World) -> None:
    order = bought(world)
    part = order.fulfillment_orders[0].id

    for held in (True, False):
        world.pass_by(120)
        since = world.now().replace(microsecond=0)
        if held:
            world.shop.hold(part, BAD_ADDRESS)
        else:
            world.shop.release_holds(part, [seen(world, order.id).fulfillment_orders[0].holds[0].id])

        assert [each.order_id for each in world.shop.fulfillment_orders_changed_since(since)] == [order.id]
        assert [each.order_id for each in world.shop.orders_changed_since(since)] == [order.id]


# -- tags, note and mark ----------------------------------------------------------------------------------------------


def test_tags_are_put_beside_the_others_as_often_as_one_likes(world: World) -> None:
    order_id = world.buy(TEA=1)
    world.shop.add_tags(order_id, ["wholesale"])

    for _ in range(2):
        world.shop.add_tags(order_id, ["Jetpack", "WHOLESALE"])

    assert seen(world, order_id).tags == ("Jetpack", "wholesale")


def test_tags_are_taken_off_as_often_as_one_likes(world: World) -> None:
    order_id = world.buy(TEA=1)
    world.shop.add_tags(order_id, ["Jetpack", "wholesale"])

    for _ in range(2):
        world.shop.remove_tags(order_id, ["jetpack", "never there"])

    assert seen(world, order_id).tags == ("wholesale",)


def test_a_tag_longer_than_shopify_takes_is_refused(world: World) -> None:
    order_id = world.buy(TEA=1)

    with pytest.raises(RejectedByPartnerError):
        world.shop.add_tags(order_id, ["short", "x" * 41])

    assert seen(world, order_id).tags == ()


def test_a_note_is_replaced_as_often_as_one_likes(world: World) -> None:
    order_id = world.buy(TEA=1)

    for note in ("Leave it at the door.", "Ring twice.\nSent to Jetpack.", "Ring twice.\nSent to Jetpack."):
        world.shop.set_note(order_id, note)
        assert seen(world, order_id).note == note

    world.shop.set_note(order_id, "")
    assert seen(world, order_id).note == ""


def test_a_note_longer_than_shopify_takes_is_refused_without_a_word_of_it(world: World) -> None:
    order_id = world.buy(TEA=1)
    world.shop.set_note(order_id, "Ring twice.")

    with pytest.raises(RejectedByPartnerError) as caught:
        world.shop.set_note(order_id, "Ada " * 1300)

    assert "Ada" not in str(caught.value)
    assert seen(world, order_id).note == "Ring twice."


def test_a_mark_names_the_references_that_stand_now(world: World) -> None:
    order_id = world.buy(TEA=1)

    for references in (("demo:1:1",), ("demo:1:1", "demo:1:2"), ("demo:1:1", "demo:1:2"), (), ()):
        world.shop.mark_forwarded(order_id, references)

        assert world.marks(order_id) == references


WRITES: dict[str, Callable[[Shop, OrderId], None]] = {
    "add_tags": lambda shop, order_id: shop.add_tags(order_id, ["Jetpack"]),
    "remove_tags": lambda shop, order_id: shop.remove_tags(order_id, ["old"]),
    "set_note": lambda shop, order_id: shop.set_note(order_id, "Ring twice."),
    "mark_forwarded": lambda shop, order_id: shop.mark_forwarded(order_id, ["demo:1:1"]),
    "hold": lambda shop, order_id: shop.hold(part_of(shop, order_id).id, replace(BAD_ADDRESS, handle="other")),
    "release_holds": lambda shop, order_id: shop.release_holds(
        part_of(shop, order_id).id, [hold.id for hold in part_of(shop, order_id).holds[:1]]
    ),
}


def part_of(shop: Shop, order_id: OrderId) -> FulfillmentOrder:
    order = shop.read_order(order_id)
    assert order
    return order.fulfillment_orders[0]


def prepared(world: World) -> OrderId:
    """Sell an order that every one of the writes changes."""
    order = bought(world)
    world.shop.add_tags(order.id, ["old"])
    world.shop.hold(order.fulfillment_orders[0].id, BAD_ADDRESS)
    return order.id


def state(world: World, order_id: OrderId) -> tuple[object, ...]:
    order = seen(world, order_id)
    return order.tags, order.note, world.marks(order_id), order.fulfillment_orders[0].holds


@pytest.mark.parametrize("call", WRITES)
def test_a_write_whose_answer_is_lost_has_happened_and_can_be_repeated(world: World, call: str) -> None:
    order_id = prepared(world)
    before = state(world, order_id)
    world.lose_answer(call)

    with pytest.raises(OutcomeUnknownError):
        WRITES[call](world.shop, order_id)

    after = state(world, order_id)
    assert after != before
    WRITES[call](world.shop, order_id)
    assert state(world, order_id) == after


@pytest.mark.parametrize("call", WRITES)
def test_a_write_that_is_throttled_has_not_happened(world: World, call: str) -> None:
    order_id = prepared(world)
    before = state(world, order_id)
    world.throttle(call)

    with pytest.raises(RateLimitedError):
        WRITES[call](world.shop, order_id)

    assert state(world, order_id) == before


@pytest.mark.parametrize("call", sorted(WRITES.keys() - {"hold", "release_holds"}))
def test_an_order_nobody_knows_is_not_written_to(world: World, call: str) -> None:
    with pytest.raises(RejectedByPartnerError):
        WRITES[call](world.shop, OrderId("999"))


@pytest.mark.parametrize("call", sorted(WRITES.keys() - {"hold", "release_holds"}))
def test_a_write_shows_among_the_changes_and_repeating_it_does_not(world: World, call: str) -> None:
    order_id = prepared(world)
    for changes in (True, False):
        world.pass_by(120)
        since = world.now().replace(microsecond=0)

        WRITES[call](world.shop, order_id)

        assert bool(list(world.shop.orders_changed_since(since))) == changes


# -- finding ----------------------------------------------------------------------------------------------------------


def test_an_order_is_found_by_exactly_its_name(world: World) -> None:
    first, second, third = world.buy(TEA=1), world.buy(TEA=1), world.buy(TEA=1)
    world.name(first, "#SO-1001")
    world.name(second, "SO-1001-B")
    world.name(third, "so-1001")

    assert set(world.shop.orders_named("SO-1001")) == {first, third}
    assert set(world.shop.orders_named("#so-1001")) == {first, third}
    assert world.shop.orders_named("so-1001-b") == (second,)
    for unknown in ("1001", "SO-100", "SO", "#", "", "SO-1001 B"):
        assert world.shop.orders_named(unknown) == ()


def test_an_order_that_cannot_be_looked_for_now_is_not_missing(world: World) -> None:
    world.break_down("orders_named")

    with pytest.raises(PartnerUnavailableError):
        world.shop.orders_named("#1001")


def test_a_read_of_a_partner_that_is_down_can_be_tried_later(world: World) -> None:
    order = bought(world)
    world.break_down("read_order")

    with pytest.raises(PartnerUnavailableError):
        world.shop.read_order(order.id)

    assert seen(world, order.id) == order


def test_changed_orders_come_oldest_change_first(world: World) -> None:
    world.buy(TEA=1)
    world.pass_by(120)
    since = world.now().replace(microsecond=0)
    second = world.buy(TEA=1)
    world.pass_by(60)
    third = world.buy(TEA=1)

    found = list(world.shop.orders_changed_since(since))

    assert [each.order_id for each in found] == [second, third]
    assert since <= found[0].updated_at < found[1].updated_at
    assert list(world.shop.orders_changed_since(world.now() + timedelta(hours=1))) == []


def test_a_changed_fulfillment_order_names_its_order_even_when_closed(world: World) -> None:
    first, second = bought(world, TEA=1), bought(world, TEA=1)
    world.pass_by(120)
    since = world.now().replace(microsecond=0)
    world.shop.announce_parcel(parcel(second))

    assert {each.order_id for each in world.shop.fulfillment_orders_changed_since(since)} == {second.id}
    everything = world.shop.fulfillment_orders_changed_since(since - timedelta(hours=1))
    assert [each.order_id for each in everything] == [first.id, second.id]


def test_stock_is_told_with_what_is_committed(world: World) -> None:
    item = world.stock_up("TEA", 10, committed=3)

    assert list(world.shop.stock(world.location)) == [ShopifyStock(item, "TEA", 7, 3)]


def test_available_is_set_where_it_is_still_what_was_read(world: World) -> None:
    tea, mug = world.stock_up("TEA", 10), world.stock_up("MUG", 5)
    changes = [StockChange(tea, "TEA", 10, 4), StockChange(mug, "MUG", 5, 0)]

    assert world.shop.set_available(world.location, changes, idempotency_key="push-1") == {}

    assert {level.sku: level.available for level in world.shop.stock(world.location)} == {"TEA": 4, "MUG": 0}


def test_one_stale_entry_keeps_everything_as_it_was(world: World) -> None:
    tea, mug = world.stock_up("TEA", 10), world.stock_up("MUG", 5)
    changes = [StockChange(tea, "TEA", 9, 4), StockChange(mug, "MUG", 5, 0)]

    refused = world.shop.set_available(world.location, changes, idempotency_key="push-1")

    assert refused == {tea: "CHANGE_FROM_QUANTITY_STALE"}
    assert {level.sku: level.available for level in world.shop.stock(world.location)} == {"TEA": 10, "MUG": 5}


def test_a_push_whose_answer_is_lost_is_repeated_with_its_key(world: World) -> None:
    tea = world.stock_up("TEA", 10)
    changes = [StockChange(tea, "TEA", 10, 4)]
    world.lose_answer("set_available")

    with pytest.raises(OutcomeUnknownError):
        world.shop.set_available(world.location, changes, idempotency_key="push-1")

    assert world.shop.set_available(world.location, changes, idempotency_key="push-1") == {}
    assert [level.available for level in world.shop.stock(world.location)] == [4]
