"""The deployed template while partners misbehave: nothing is lost, nothing is done twice, and the record says why.

Three stores, one a partner that misbehaves: Shopify and Jetpack on the route `direct`, ShipStation on its own. Nobody
waits for minutes to pass: an order's times are moved back until it is due, then the minute's sweep is called.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from jetbridge.domain.identifiers import OrderId
from jetbridge.domain.record import MarkState, Status
from local.partners import connected_store
from local.simulators.shopify import SCOPES
from local.simulators.shopify_graphql import CostBucket
from local.simulators.shopify_records import ForeignValue
from tests.stack.partners import StrainedStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.simulators.server import Request, Response, Simulator
    from local.stack import LocalStack

pytestmark = [
    pytest.mark.stack,
    pytest.mark.xdist_group("stack"),
    pytest.mark.enable_socket,
    pytest.mark.usefixtures("clean_tables"),
]

ANSWERS = ("429", "500", "524", "html", "malformed", "timeout_before", "timeout_after")
"""What can come instead of an answer. `524`, `malformed` and `timeout_after` come after the effect."""

WITHOUT_END = 10_000
SLOW_SECONDS = 12.0
"""Longer than a partner has (10 s), and than a function of the local stage may run."""


@pytest.fixture(scope="module")
def stores(stack: LocalStack) -> Iterator[dict[str, StrainedStore]]:
    stack.warm_up()
    with ExitStack() as open_stores:
        found = {}
        for partner in ("shopify", "jetpack", "shipstation"):
            middle = partner == "shipstation"
            store = connected_store(stack, slug=f"faulty-{partner}", busy=True, in_the_middle=middle)
            found[partner] = StrainedStore(stack, open_stores.enter_context(store))
        desk = found["shipstation"].desk
        desk.import_every = None  # from here on a test says when
        desk.notify_delay_seconds = 0.0
        for each in found.values():
            each.forwarded()  # from here on it is known that everything works
        yield found
        for each in found.values():
            each.all_well()
            each.ask_console("disconnect", force=True)


@pytest.fixture(autouse=True)
def nothing_dead(stores: dict[str, StrainedStore]) -> Iterator[None]:
    yield
    for each in stores.values():
        each.all_well()
    assert not stores["shopify"].dead_letters()


@pytest.fixture
def shopify(stores: dict[str, StrainedStore]) -> StrainedStore:
    return stores["shopify"]


@pytest.fixture
def jetpack(stores: dict[str, StrainedStore]) -> StrainedStore:
    return stores["jetpack"]


@pytest.fixture
def shipstation(stores: dict[str, StrainedStore]) -> StrainedStore:
    return stores["shipstation"]


def assert_forwarded_once(store: StrainedStore, number: str) -> None:
    store.quiet()
    record = store.record(number)
    assert record is not None
    assert record.status is Status.FORWARDED
    assert [each.reference for each in record.live] == [store.reference(number)]
    assert store.created(number) == 1
    assert store.differences(number) == []


def assert_told_once(store: StrainedStore, number: str) -> None:
    store.quiet()
    assert len(store.told(number)) == 1, store.story(number)
    assert store.created(number) == 1
    assert store.differences(number) == []


@contextmanager
def before_answering(partner: Simulator, operation: str, act: Callable[[], None]) -> Iterator[list[str]]:
    """Do something once, in the moment the first request of that kind arrives. Yields what was done."""
    done: list[str] = []
    handle = partner.handle

    def handled(request: Request) -> Response:
        if partner.operation_of(request) == operation and not done:
            done.append(operation)
            act()
        return handle(request)

    partner.handle = handled  # type: ignore[method-assign]  # a moment that no fault names
    try:
        yield done
    finally:
        del partner.handle


# -- what comes instead of an answer -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_order_the_shop_does_not_show_is_kept_and_forwarded_once(shopify: StrainedStore, kind: str) -> None:
    shopify.shop.fail(kind, times=WITHOUT_END)
    number = shopify.place()
    why = "RateLimited" if kind == "429" else "PartnerUnavailable"
    shopify.until(lambda: f"source not read: {why}Error" in shopify.story(number), why)
    shopify.quiet()
    record = shopify.record(number)
    assert record is not None
    assert (record.status, record.reason) == (Status.WAITING, why)
    assert shopify.created(number) == 0
    shopify.all_well()
    shopify.until_due(number, lambda: shopify.created(number), "forwarded")
    assert_forwarded_once(shopify, number)


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_parcel_the_shop_does_not_confirm_is_announced_once(shopify: StrainedStore, kind: str) -> None:
    number = shopify.forwarded()
    shopify.shop.fail(kind, "fulfillmentCreate")
    shopify.jetpack.ship(shopify.reference(number))
    why = "RateLimitedError" if kind == "429" else "OutcomeUnknownError"
    shopify.until(lambda: f"not announced yet: {why}" in shopify.story(number), why)
    shopify.until_due(number, lambda: "announced" in shopify.story(number).rpartition("not announced yet")[2], "told")
    assert_told_once(shopify, number)


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_create_jetpack_does_not_confirm_makes_one_order(jetpack: StrainedStore, kind: str) -> None:
    jetpack.jetpack.fail(kind, "create_order")
    number = jetpack.place()
    why = "put off: RateLimitedError" if kind == "429" else "outcome unknown (OutcomeUnknownError)"
    jetpack.until(lambda: why in jetpack.story(number), why)
    jetpack.until_due(number, lambda: "forwarded" in jetpack.story(number).partition(";")[0], "forwarded")
    assert_forwarded_once(jetpack, number)


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_parcel_jetpack_does_not_show_is_announced_once(jetpack: StrainedStore, kind: str) -> None:
    number = jetpack.forwarded()
    jetpack.jetpack.fail(kind, times=WITHOUT_END)
    jetpack.jetpack.ship(jetpack.reference(number))
    jetpack.come_due(number)
    why = "RateLimitedError" if kind == "429" else "PartnerUnavailableError"
    assert f"Jetpack not read: {why}" in jetpack.story(number)
    assert jetpack.told(number) == []
    jetpack.all_well()
    jetpack.until_due(number, lambda: jetpack.told(number), "told")
    assert_told_once(jetpack, number)


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_import_shipstation_does_not_show_is_found_and_forwarded_once(shipstation: StrainedStore, kind: str) -> None:
    number = shipstation.place()
    shipstation.until(lambda: "not_in_shipstation" in shipstation.story(number), "looked at")
    shipstation.desk.fail(kind, times=WITHOUT_END)
    asked = shipstation.desk.calls["list_orders"]
    shipstation.desk.import_orders()
    shipstation.until(lambda: shipstation.desk.calls["list_orders"] > asked, "asked in vain")
    shipstation.quiet()
    assert shipstation.created(number) == 0
    shipstation.all_well()
    shipstation.sweep_until_forwarded(number)
    assert_forwarded_once(shipstation, number)


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_mark_shipstation_does_not_confirm_is_made_once(shipstation: StrainedStore, kind: str) -> None:
    number = shipstation.forwarded()
    shipstation.desk.fail(kind, "mark_as_shipped")
    shipstation.jetpack.ship(shipstation.reference(number))
    why = "RateLimitedError" if kind == "429" else "OutcomeUnknownError"
    shipstation.until(lambda: f"not marked yet: {why}" in shipstation.story(number), why)
    shipstation.until_due(number, lambda: _marked(shipstation, number) and shipstation.told(number), "told")
    assert len(shipstation.marked(number)) == 1
    assert_told_once(shipstation, number)


def _marked(store: StrainedStore, number: str) -> bool:
    record = store.record(number)
    return record is not None and [each.state for each in record.marks] == [MarkState.MARKED]


def test_answers_slower_than_a_function_may_run_change_nothing(stores: dict[str, StrainedStore]) -> None:
    shopify, jetpack, shipstation = stores["shopify"], stores["jetpack"], stores["shipstation"]
    parcel, marked = shopify.forwarded(), shipstation.forwarded()
    shopify.shop.fail("slow", "fulfillmentCreate", seconds=SLOW_SECONDS)
    jetpack.jetpack.fail("slow", "create_order", seconds=SLOW_SECONDS)
    shipstation.desk.fail("slow", "mark_as_shipped", seconds=SLOW_SECONDS)
    shopify.jetpack.ship(shopify.reference(parcel))
    shipstation.jetpack.ship(shipstation.reference(marked))
    order = jetpack.place()
    shopify.until(lambda: "not announced yet: OutcomeUnknownError" in shopify.story(parcel), "a slow parcel")
    jetpack.until(lambda: "outcome unknown (OutcomeUnknownError)" in jetpack.story(order), "a slow create")
    shipstation.until(lambda: "not marked yet: OutcomeUnknownError" in shipstation.story(marked), "a slow mark")
    shopify.until(lambda: shopify.told(parcel), "done in the end")
    jetpack.until(lambda: jetpack.created(order), "done in the end")
    shipstation.until(lambda: shipstation.told(marked), "done in the end")
    shopify.until_due(parcel, lambda: "was announced already" in shopify.story(parcel), "seen")
    jetpack.until_due(order, lambda: "found " in jetpack.story(order), "seen")
    shipstation.until_due(marked, lambda: _marked(shipstation, marked), "seen")
    assert_told_once(shopify, parcel)
    assert_forwarded_once(jetpack, order)
    assert len(shipstation.marked(marked)) == 1
    assert_told_once(shipstation, marked)


# -- credentials -------------------------------------------------------------------------------------------------------


def changed_credentials(store: StrainedStore, partner: str) -> dict[str, str]:
    """Let a partner accept none of the credentials it accepted so far; gives those that it accepts now."""
    again = f"-again-{len(store.shop.books())}"
    if partner == "shopify":
        store.shop.client_secret = f"simulated-secret{again}"
        store.shop.revoke_tokens()
        return {"client_id": store.shop.client_id, "client_secret": store.shop.client_secret}
    if partner == "jetpack":
        store.jetpack.token = f"pat-example{again}"
        return {"token": store.jetpack.token}
    store.desk.api_key = f"shipstation-key{again}"
    return {"api_key": store.desk.api_key, "api_secret": store.desk.api_secret}


def placed_long_ago(store: StrainedStore) -> str:
    """Place an order that is old enough to be asked for in ShipStation, if that is in the middle."""
    store.shop.clock_offset_seconds = -20 * 60 if store.shipstation else 0
    try:
        return store.place()
    finally:
        store.shop.clock_offset_seconds = 0


def assert_held_for(store: StrainedStore, number: str, partner: str) -> None:
    """The order is held for its partner's sake, and nobody was sent anything."""
    store.until(lambda: "connection_broken" in store.story(number), "held")
    store.quiet()
    record = store.record(number)
    assert record is not None
    assert record.status is Status.HELD
    assert record.hold is not None
    assert (record.hold.reason, record.hold.owner) == ("connection_broken", "merchant")
    assert partner in record.hold.detail
    assert store.created(number) == 0


@pytest.mark.parametrize("partner", ["shopify", "jetpack", "shipstation"])
def test_refused_credentials_hold_an_order_until_good_ones_are_given(
    stores: dict[str, StrainedStore], partner: str
) -> None:
    store = stores[partner]
    good = changed_credentials(store, partner)
    number = placed_long_ago(store)
    assert_held_for(store, number, partner)
    store.connect_again(partner, good)
    if partner == "shipstation":
        store.desk.import_orders()
    store.until_due(number, lambda: store.created(number), "forwarded")
    assert_forwarded_once(store, number)


@pytest.mark.parametrize(
    ("partner", "operation"),
    [("shopify", "fulfillmentCreate"), ("jetpack", "create_order"), ("shipstation", "mark_as_shipped")],
)
def test_credentials_that_end_between_the_look_and_the_effect_are_renewed_once(
    stores: dict[str, StrainedStore], partner: str, operation: str
) -> None:
    store = stores[partner]
    simulator: Simulator = {"shopify": store.shop, "jetpack": store.jetpack}.get(partner) or store.desk

    def end() -> None:
        if partner == "shopify":
            store.shop.revoke_tokens()
        else:
            store.connect_again(partner, changed_credentials(store, partner))

    number = store.place() if partner == "jetpack" else store.forwarded()
    before = simulator.calls.copy()
    with before_answering(simulator, operation, end) as ended:
        if partner != "jetpack":
            store.jetpack.ship(store.reference(number))
        store.until(lambda: store.created(number) if partner == "jetpack" else store.told(number), "done")
        store.quiet()
    assert ended
    made = simulator.calls - before
    assert made[operation] == 2
    assert "CredentialsRejected" not in store.story(number)
    if partner == "jetpack":
        assert_forwarded_once(store, number)
    else:
        assert_told_once(store, number)


@pytest.mark.parametrize("partner", ["shopify", "jetpack", "shipstation"])
def test_a_right_that_is_missing_holds_an_order_and_is_named(stores: dict[str, StrainedStore], partner: str) -> None:
    store = stores[partner]
    scope = {"shopify": "merchant_managed_fulfillment_orders", "jetpack": "orders_write"}.get(partner, "")
    if partner == "shopify":
        store.shop.grant_scopes(sorted(SCOPES - {f"read_{scope}", f"write_{scope}"}))
    elif partner == "jetpack":
        store.jetpack.scopes.discard(scope)
    else:
        store.desk.suspended = True  # it has no scopes: the plan gives all rights or none
    try:
        number = placed_long_ago(store)
        assert_held_for(store, number, partner)
        checked = store.ask_console("check")
        errors = [each["text"] for each in checked["findings"] if each["severity"] == "error"]
        assert any((scope or "plan") in text for text in errors), errors
    finally:
        store.shop.grant_scopes(sorted(SCOPES))
        store.jetpack.scopes.add("orders_write")
        if store.shipstation:
            store.desk.suspended = False
    if partner == "shipstation":
        store.desk.import_orders()
    store.until_due(number, lambda: store.created(number), "forwarded")
    assert_forwarded_once(store, number)


def test_a_parcel_that_may_not_be_announced_waits_for_the_right_to(shopify: StrainedStore) -> None:
    number = shopify.forwarded()
    shopify.shop.grant_scopes(sorted(SCOPES - {"write_merchant_managed_fulfillment_orders"}))
    try:
        shopify.jetpack.ship(shopify.reference(number))
        shopify.until(lambda: "not announced yet: CredentialsRejectedError" in shopify.story(number), "refused")
        shopify.come_due(number)
        assert shopify.told(number) == []
    finally:
        shopify.shop.grant_scopes(sorted(SCOPES))
    shopify.until_due(number, lambda: shopify.told(number), "told")
    assert_told_once(shopify, number)


# -- rate limits -------------------------------------------------------------------------------------------------------


def test_a_shop_without_points_left_is_asked_again_later(shopify: StrainedStore) -> None:
    plenty, shopify.shop.bucket = shopify.shop.bucket, CostBucket(2000, 25, shopify.shop.now)
    shopify.shop.empty_bucket()
    try:
        number = shopify.place()
        shopify.until(lambda: "source not read: RateLimitedError" in shopify.story(number), "put off")
        shopify.quiet()
        assert shopify.created(number) == 0
    finally:
        shopify.shop.bucket = plenty

    def forwarded() -> int:
        shopify.come_due(number)
        return shopify.created(number)

    # What it has said of its points is believed until they must be there again: some seconds.
    shopify.until(forwarded, "forwarded")
    assert_forwarded_once(shopify, number)


def test_a_used_up_minute_at_jetpack_puts_every_order_off_and_loses_none(jetpack: StrainedStore) -> None:
    jetpack.jetpack.rate_limit_per_minute = 0
    try:
        numbers = [jetpack.place() for _ in range(3)]
        for number in numbers:
            jetpack.until(lambda number=number: "RateLimitedError" in jetpack.story(number), "put off")  # type: ignore[misc]
        jetpack.quiet()
        assert [jetpack.created(number) for number in numbers] == [0, 0, 0]
    finally:
        jetpack.jetpack.rate_limit_per_minute = None
    for number in numbers:
        jetpack.until_due(number, lambda number=number: jetpack.created(number), "forwarded")  # type: ignore[misc]
        assert_forwarded_once(jetpack, number)


# -- words nobody knows ------------------------------------------------------------------------------------------------


def test_a_financial_status_nobody_knows_is_kept_and_not_taken_for_paid(shopify: StrainedStore) -> None:
    number = shopify.place(financial_status="PENDING")
    shopify.shop.set_raw_financial_status(int(number), "PAID_IN_KIND")
    shopify.until(lambda: _financial_status(shopify, number) == "PAID_IN_KIND", "kept")
    shopify.quiet()
    assert "held unpaid unpaid: paid_in_kind" in shopify.story(number)
    assert shopify.created(number) == 0
    shopify.shop.mark_paid(int(number))
    shopify.until(lambda: shopify.created(number), "forwarded")
    assert_forwarded_once(shopify, number)


def _financial_status(store: StrainedStore, number: str) -> str:
    snapshot = store.records.read_snapshot(store.slug, OrderId(number))
    return snapshot.financial_status if snapshot else ""


def test_a_fulfillment_order_in_a_status_nobody_knows_is_not_forwarded(shopify: StrainedStore) -> None:
    number = shopify.place(financial_status="PENDING")
    (fulfillment_order,) = shopify.shop.store.orders[int(number)].fulfillment_orders
    fulfillment_order.status = ForeignValue("ON_A_DRONE")
    shopify.shop.mark_paid(int(number))
    shopify.until(lambda: "waiting not_fulfillable" in shopify.story(number), "waiting")
    shopify.quiet()
    assert shopify.created(number) == 0
    fulfillment_order.status = "OPEN"
    shopify.until_due(number, lambda: shopify.created(number), "forwarded")
    assert_forwarded_once(shopify, number)


def test_a_shipment_in_a_status_nobody_knows_is_not_announced(jetpack: StrainedStore) -> None:
    number = jetpack.forwarded()
    jetpack.jetpack.ship(jetpack.reference(number))
    jetpack.jetpack.show_as(jetpack.reference(number), "Teleported")
    jetpack.come_due(number)
    assert jetpack.told(number) == []
    record = jetpack.record(number)
    assert record
    assert record.status is Status.HELD
    trouble = record.consignments[0].trouble
    assert trouble
    assert "Teleported" in trouble.detail
    jetpack.jetpack.show_as(jetpack.reference(number), None)
    jetpack.until_due(number, lambda: jetpack.told(number), "told")
    assert_told_once(jetpack, number)


def test_an_order_status_of_shipstation_nobody_knows_holds_the_order(shipstation: StrainedStore) -> None:
    number = shipstation.place()
    shipstation.until(lambda: "not_in_shipstation" in shipstation.story(number), "looked at")
    with shipstation.desk.lock:
        (part_id,) = shipstation.desk.import_orders()
        part = shipstation.desk.orders[part_id]
        part.status = "awaiting_inspiration"
    shipstation.until(lambda: "store_hold" in shipstation.story(number), "held")
    shipstation.quiet()
    assert "ShipStation says awaiting_inspiration" in shipstation.story(number)
    assert shipstation.created(number) == 0
    with shipstation.desk.lock:
        part.status = "awaiting_shipment"
        shipstation.desk.touch(part)
    shipstation.sweep_until_forwarded(number)
    assert_forwarded_once(shipstation, number)
