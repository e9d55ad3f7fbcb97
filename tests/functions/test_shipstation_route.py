"""The route `shipstation` and Shopify's compliance topics: webhooks in, effects out, through every function."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.aws.secrets import save_credentials, save_webhook_secrets
from jetbridge.domain.identifiers import OrderId
from jetbridge.domain.record import MarkState, OrderRecord, Status, Writer
from jetbridge.domain.shipstation import stand_in_for
from jetbridge.domain.store import Route
from local.simulators.shipstation import ShipStationSimulator
from tests.builders import STORE
from tests.functions.conftest import DONE, lines, sqs_event
from tests.signing import (
    JETPACK_SECRET,
    SHIPSTATION_TOKEN,
    SHOPIFY_SECRET,
    body,
    http_event,
    jetpack_headers,
    shipstation_body,
    shopify_headers,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.functions.conftest import World

TEA: list[dict[str, Any]] = [{"sku": "TEA-250", "quantity": 2, "price": "12.50"}]
GUID = "1b7f3c1e-9a54-4c52-8f0a-2f2a1d9d7f10"
IMPORT = f"https://ssapi7.shipstation.com/orders?storeID=304352&importBatch={GUID}"


def thin(
    raw: bytes = shipstation_body(IMPORT), *, token: str = SHIPSTATION_TOKEN, store: str = STORE
) -> dict[str, Any]:
    return http_event("shipstation", store, {"content-type": "application/json"}, raw, token=token)


def imported(world: World, desk: ShipStationSimulator, **facts: Any) -> tuple[int, int]:  # noqa: ANN401 - what a customer may choose
    """Let somebody buy, and ShipStation import it; gives both books' ids. Its webhook is on its way."""
    number = world.shop.create_order(TEA, **facts)["number"]
    (part,) = desk.import_orders()
    return number, part


def forwarded(world: World, desk: ShipStationSimulator) -> tuple[int, int]:
    number, part = imported(world, desk)
    world.work()
    assert world.record(number).status is Status.FORWARDED
    return number, part


def told(world: World) -> list[tuple[str, list[str]]]:
    """List what the shop was told, fulfillment by fulfillment: by whom, with which numbers."""
    fulfillments = {
        each["fulfillment"]: (each["by"], each["numbers"])
        for order in world.shop.books()
        for line in order["lines"]
        for each in line["fulfilled"]
    }
    return list(fulfillments.values())


def swept(text: str) -> list[dict[str, Any]]:
    return [line for line in lines(text) if line.get("message") == "swept"]


# -- the door -------------------------------------------------------------------------------------------------


def test_a_thin_webhook_becomes_one_message_that_names_nobody(
    world: World, desk: ShipStationSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    imported(world, desk)
    (delivery,) = world.posted
    assert world.arrive(delivery) == 202
    (message,) = world.queued("sweep")
    assert (message.store, message.subject) == (STORE, "shipstation_resource")
    assert message.id.startswith(f"{desk.url}/orders?importBatch=")
    assert message.cause.startswith("shipstation:order_notify:")
    assert not world.queued("order")
    said = capsys.readouterr().out + message.to_json()
    for private in ("Ada", "example.test", SHIPSTATION_TOKEN):
        assert private not in said
    assert lines(said)[0]["outcome"] == "queued"


def test_only_the_stores_own_token_opens_the_door(world: World, desk: ShipStationSimulator) -> None:
    del desk  # has to be connected
    guesses = ("", "another", SHIPSTATION_TOKEN[:-1], f"{SHIPSTATION_TOKEN}\n", "\udcff")
    strangers = [
        *(thin(token=guess) for guess in guesses),
        thin(b"no JSON at all", token=guesses[1]),
        thin(store="nobody"),
        thin(store="../demo"),
    ]
    assert [world.receive(event) for event in strangers] == [401] * len(strangers)
    assert not world.queued("sweep")


UNKNOWN_SHAPES = (
    None,
    "",
    17,
    "orders?importBatch=1",
    "https://ssapi.shipstation.com/stores?storeID=304352",
    "https://ssapi.shipstation.com/orders",
    "https://ssapi.shipstation.com/orders?customerName=Ada",
    "https://ssapi.shipstation.com@elsewhere.example.test/orders?storeID=304352",
    "https://ssapi.shipstation.com/orders?storeID=304352#fragment",
    "https://ssapi.shipstation.com/../orders?storeID=304352",
    "ftp://ssapi.shipstation.com/orders?storeID=304352",
)
FOREIGN_ORIGINS = (
    "https://elsewhere.example.test",
    "https://ssapi.shipstation.com.elsewhere.example.test",
    "https://ssapi-shipstation.com",
    "http://ssapi.shipstation.com",
    "https://ssapi.shipstation.com:8443",
    "http://127.0.0.1:1",
)


def test_an_address_of_no_known_shape_is_refused_and_queues_nothing(world: World, desk: ShipStationSimulator) -> None:
    del desk  # has to be connected
    answers = {address: world.receive(thin(shipstation_body(address))) for address in UNKNOWN_SHAPES}
    assert answers == dict.fromkeys(UNKNOWN_SHAPES, 400)
    assert not world.queued("sweep")


def test_in_production_an_address_on_another_host_is_refused_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAGE", "prod")
    save_webhook_secrets(world.ssm, "prod", STORE, "shipstation", [SHIPSTATION_TOKEN])
    addresses = [f"{origin}/orders?storeID=304352" for origin in FOREIGN_ORIGINS]
    answers = {address: world.receive(thin(shipstation_body(address))) for address in addresses}
    assert answers == dict.fromkeys(addresses, 400)
    assert not world.queued("sweep")
    assert world.receive(thin()) == 202
    assert len(world.queued("sweep")) == 1


def test_an_event_nobody_waits_for_is_accepted_and_ignored(
    world: World, desk: ShipStationSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    del desk  # has to be connected
    assert world.receive(thin(shipstation_body(IMPORT, "BATCH_PROCESSED"))) == 202
    assert not world.queued("sweep")
    assert lines(capsys.readouterr().out)[-1]["outcome"] == "ignored_topic"


def test_a_token_behind_the_store_does_not_stand_for_a_signature(world: World) -> None:
    secrets = {"shopify": SHOPIFY_SECRET, "jetpack": JETPACK_SECRET}
    raw = body(id=820982911946154508, reference_id="demo:820982911946154508:1")
    signed = {"shopify": shopify_headers(raw), "jetpack": jetpack_headers(raw, at=world.now().timestamp())}
    for partner, secret in secrets.items():
        save_webhook_secrets(world.ssm, "test", STORE, partner, [secret])
        assert world.receive(http_event(partner, STORE, {}, raw, token=secret)) == 401
        assert world.receive(http_event(partner, STORE, signed[partner], raw, token=secret)) == 202


# -- the way forward ------------------------------------------------------------------------------------------


def test_a_webhook_wakes_the_imported_order_which_is_forwarded_once(world: World, desk: ShipStationSimulator) -> None:
    number, part = imported(world, desk)
    (delivery,) = world.posted
    world.arrive(delivery)
    world.posted.clear()
    (behind,) = world.queued("sweep")
    assert world.call("sweep_orders", sqs_event(behind.to_json())) == DONE
    (wake_up,) = world.queued("order")
    assert (wake_up.subject, wake_up.id) == ("shipstation_order", str(part))
    for _ in range(2):
        assert world.call("forward_order", sqs_event(wake_up.to_json())) == DONE
    (sent,) = world.jetpack.books()["orders"]
    assert (sent["reference_id"], sent["lines"][0]["quantity"]) == (f"demo:{number}:1", 2)
    record = world.record(number)
    assert (record.status, record.route, record.parts) == (Status.FORWARDED, Route.SHIPSTATION, (str(part),))
    assert desk.books()["unknown_keys"] == {}
    assert desk.calls["get_order"] == 0, "the page was the look"


def test_a_lost_webhook_costs_one_sweep(world: World, desk: ShipStationSimulator) -> None:
    number, part = imported(world, desk)
    world.posted.clear()
    assert world.call("sweep_orders", {"task": "changed"}) == {"woken": 2}
    assert {(each.subject, each.id) for each in world.queued("order")} == {
        ("order", str(number)),
        ("shipstation_order", str(part)),
    }
    world.call("sweep_orders", {"task": "changed"})
    world.work()
    assert world.record(number).route is Route.SHIPSTATION
    assert len(world.jetpack.books()["orders"]) == 1
    assert world.call("sweep_orders", {"task": "changed"}) == {"woken": 1}, "Shopify's, which ends after one read"


def test_on_this_route_shopifys_webhook_alone_forwards_nothing(world: World, desk: ShipStationSimulator) -> None:
    world.hear_shopify()
    number = world.shop.create_order(TEA)["number"]
    world.work()
    record = world.record(number)
    assert (record.status, record.reason) == (Status.WAITING, "not_in_shipstation")
    desk.import_orders()
    world.work()
    assert world.record(number).status is Status.FORWARDED


@pytest.mark.parametrize("first", list(Route))
def test_an_order_that_comes_by_both_routes_again_and_again_is_forwarded_once(
    world: World, desk: ShipStationSimulator, first: Route
) -> None:
    world.connect_shipstation(desk, *Route)
    number, part = imported(world, desk)
    (by_shipstation,) = {delivery.body: delivery for delivery in world.posted}.values()
    world.posted.clear()
    world.hear_shopify()

    def arrive(route: Route) -> None:
        if route is Route.SHIPSTATION:
            world.arrive(by_shipstation)
        else:
            world.shop.set_note(number, f"changed at {world.now()}")
        world.work()

    second = next(route for route in Route if route is not first)
    for route in (first, second, first, second, second):
        arrive(route)
        world.live(1)
        assert len(world.jetpack.books()["orders"]) == 1
    world.call("sweep_orders", {"task": "changed"})
    world.work()
    record = world.record(number)
    assert set(world.jetpack.books()["created"].values()) == {1}
    assert (record.route, record.status) == (first, Status.FORWARDED)
    assert (
        record.ignored
        == {
            Route.DIRECT: f"ShipStation order {part} ignored: the direct route had forwarded the order",
            Route.SHIPSTATION: f"direct route ignored: ShipStation order {part} had been forwarded",
        }[first]
    )


# -- the way back ---------------------------------------------------------------------------------------------


def test_shipstation_tells_the_shop_of_a_whole_order_and_proves_it(world: World, desk: ShipStationSimulator) -> None:
    number, part = forwarded(world, desk)
    world.jetpack.ship(f"demo:{number}:1", tracking_number="1ZREAL")
    assert world.wake("sync_tracking", number, cause="jetpack:order.shipped:1") == DONE
    (row,) = desk.books()["fulfillments"]
    assert (row["orderId"], row["trackingNumber"], row["marketplaceNotified"]) == (part, "1ZREAL", False)
    assert desk.see_order(part)["orderStatus"] == "shipped"
    assert not told(world), "only ShipStation may tell the shop, and it has not yet"
    world.live(3)
    assert told(world) == [("ShipStation", ["1ZREAL"])]
    record = world.record(number)
    assert (record.status, record.writer) == (Status.SHIPPED, Writer.SHIPSTATION)
    world.jetpack.deliver_parcel(f"demo:{number}:1")
    world.wake("sync_tracking", number, cause="jetpack:order.shipment.delivered:1")
    world.live(3)
    assert world.record(number).status is Status.DELIVERED
    assert told(world) == [("ShipStation", ["1ZREAL"])]
    assert desk.calls["mark_as_shipped"] == 1
    assert len(world.jetpack.books()["orders"]) == 1


def test_two_parcels_are_told_by_us_and_shipstation_is_marked_in_silence(
    world: World, desk: ShipStationSimulator
) -> None:
    world.jetpack.split_into = lambda _reference, _units: 2
    number, part = forwarded(world, desk)
    world.jetpack.ship(f"demo:{number}:1")
    world.wake("sync_tracking", number, cause="jetpack:order.shipped:1")
    world.live(3)
    assert desk.see_order(part)["orderStatus"] == "shipped"
    (row,) = desk.fulfillments.values()
    assert not row.notify_customer
    assert (row.tell_at, row.marketplace_notified, row.notify_error) == (None, False, None), "nobody was to be told"
    (first, (number_one,)), (second, (number_two,)) = told(world)
    assert first == second != "ShipStation"
    assert number_one != number_two
    assert row.tracking_number in {number_one, number_two}
    record = world.record(number)
    assert (record.status, record.writer) == (Status.SHIPPED, Writer.SHOPIFY)
    assert [mark.state for mark in record.marks] == [MarkState.MARKED]
    assert desk.calls["mark_as_shipped"] == 1


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after", "500", "html", "429"])
def test_whatever_a_mark_meets_the_shop_hears_of_the_parcel_once(
    world: World, desk: ShipStationSimulator, fault: str
) -> None:
    number, _ = forwarded(world, desk)
    world.jetpack.ship(f"demo:{number}:1", tracking_number="1ZREAL")
    desk.fail(fault, "mark_as_shipped")
    world.wake("sync_tracking", number, cause="jetpack:order.shipped:1")
    world.live(5)
    assert [numbers for _, numbers in told(world)] == [["1ZREAL"]]
    assert len(desk.books()["fulfillments"]) == 1
    assert world.record(number).status is Status.SHIPPED


def test_a_channel_that_is_broken_is_told_by_us(world: World, desk: ShipStationSimulator) -> None:
    number, _ = forwarded(world, desk)
    desk.channel_broken = True
    world.jetpack.ship(f"demo:{number}:1", tracking_number="1ZREAL")
    world.wake("sync_tracking", number, cause="jetpack:order.shipped:1")
    world.live(5)
    ((by, numbers),) = told(world)
    assert (by != "ShipStation", numbers) == (True, ["1ZREAL"])
    assert world.record(number).writer is Writer.SHOPIFY


# -- ShipStation refuses --------------------------------------------------------------------------------------


def suspend(desk: ShipStationSimulator) -> Callable[[], None]:
    desk.suspended = True
    return lambda: setattr(desk, "suspended", False)


def change_secret(desk: ShipStationSimulator) -> Callable[[], None]:
    before, desk.api_secret = desk.api_secret, "another-secret"
    return lambda: setattr(desk, "api_secret", before)


@pytest.mark.parametrize("broken", [suspend, change_secret])
def test_a_connection_that_is_refused_holds_the_order_until_it_works_again(
    world: World,
    desk: ShipStationSimulator,
    broken: Callable[[ShipStationSimulator], Callable[[], None]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    number, part = imported(world, desk)
    mend = broken(desk)
    world.work()
    (unread,) = swept(capsys.readouterr().out)
    assert (unread["level"], unread["task"], unread["woken"]) == ("WARNING", "shipstation_resource", 0)
    assert unread["failed"][STORE]
    assert world.wake("forward_order", part, subject="shipstation_order") == DONE
    stand_in = world.record(stand_in_for(str(part)))
    assert stand_in.hold
    assert (stand_in.hold.reason, stand_in.hold.owner) == ("connection_broken", "merchant")
    assert not world.jetpack.books()["orders"]
    mend()
    world.pass_time(timedelta(minutes=15))
    world.live(1)
    assert world.record(number).status is Status.FORWARDED
    assert world.record(stand_in_for(str(part))).due_at is None
    assert len(world.jetpack.books()["orders"]) == 1


def test_a_changed_secret_is_read_again_and_costs_nothing(world: World, desk: ShipStationSimulator) -> None:
    number, _ = imported(world, desk)
    desk.api_secret = "new-secret-of-invention"  # noqa: S105 - invented
    save_credentials(world.ssm, "test", STORE, "shipstation", {"api_key": desk.api_key, "api_secret": desk.api_secret})
    world.work()
    assert world.record(number).status is Status.FORWARDED


def test_a_rate_limit_puts_orders_off_and_loses_none(
    world: World, desk: ShipStationSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    placed = [imported(world, desk) for _ in range(3)]
    world.posted.clear()
    desk.rate_limit = 1
    for _, part in placed:
        world.wake("forward_order", part, subject="shipstation_order")
    assert desk.statuses[429] > 0
    assert len(world.jetpack.books()["orders"]) == 1
    looked = [line["outcome"] for line in lines(capsys.readouterr().out) if line.get("message") == "looked"]
    assert looked == ["looked", "source_failed", "source_failed"]
    world.live(6)
    assert {world.record(number).status for number, _ in placed} == {Status.FORWARDED}
    assert set(world.jetpack.books()["created"].values()) == {1}


@pytest.mark.parametrize("fault", ["429", "500", "html", "malformed", "timeout_before"])
def test_a_sweep_that_fails_moves_no_cursor_and_the_next_one_finds_the_order(
    world: World, desk: ShipStationSimulator, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    number, _ = imported(world, desk)
    world.posted.clear()
    desk.fail(fault, "list_orders", times=30)
    world.call("sweep_orders", {"task": "changed"})
    (failed,) = [line for line in swept(capsys.readouterr().out) if line["task"] == "shipstation"]
    assert (failed["woken"], list(failed["failed"])) == (0, [STORE])
    desk.faults.clear()
    world.pass_time(timedelta(minutes=5))
    world.call("sweep_orders", {"task": "changed"})
    world.work()
    assert world.record(number).status is Status.FORWARDED


def test_a_forged_message_ends_without_a_call_to_anybody(
    world: World, desk: ShipStationSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """The door keeps these out; what somebody could put into the queue itself is checked again before it is used."""
    imported(world, desk)
    world.posted.clear()
    desk.calls.clear()
    with ShipStationSimulator(rate_limit=None) as stranger:
        forged = [
            f"{stranger.url}/orders?storeID={desk.store_id}",
            f"{stranger.url}/shipments?batchId=1",
            f"https://ssapi.shipstation.com/orders?storeID={desk.store_id}",
            f"{desk.url}/orders?storeID={desk.store_id + 1}",
            f"{desk.url}/accounts/listtags?storeID={desk.store_id}",
            f"{desk.url}@{stranger.url.removeprefix('http://')}/orders?storeID={desk.store_id}",
            "",
        ]
        assert world.wake("sweep_orders", *forged, subject="shipstation_resource") == DONE
        assert not stranger.calls
    assert not desk.calls
    assert not any(world.queued(name) for name in ("sweep", "order", "tracking"))
    reported = swept(capsys.readouterr().out)
    assert len(reported) == len(forged)
    assert all(each["level"] == "WARNING" and each["failed"][STORE] and each["woken"] == 0 for each in reported)


# -- Shopify's compliance topics ------------------------------------------------------------------------------


def kept_of(world: World, number: int) -> tuple[object, int]:
    """Give what is kept of an order's customer: the snapshot, and how long the timeline is."""
    order_id = OrderId(str(number))
    return world.records.read_snapshot(STORE, order_id), len(world.records.timeline(STORE, order_id))


def counts(record: OrderRecord) -> tuple[object, ...]:
    return record.status, record.ordered, record.others, record.consignments, record.route, record.parts


def test_a_redacted_customer_leaves_counts_and_references_only(world: World, desk: ShipStationSimulator) -> None:
    number, part = forwarded(world, desk)
    other, _ = forwarded(world, desk)
    before = world.record(number)
    assert all(kept_of(world, number))
    world.hear_shopify()
    world.shop.redact_customer(number)
    world.work()
    assert kept_of(world, number) == (None, 0)
    assert world.records.read_shipstation_order(STORE, str(part)) is None
    assert world.record(number) == before
    assert all(kept_of(world, other)), "nobody else's is touched"
    world.shop.redact_customer(number)
    world.work()
    assert world.record(number) == before


def test_a_shop_is_redacted_only_once_it_refuses_us(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.hear_shopify()
    numbers = [world.shop.create_order(TEA)["number"] for _ in range(2)]
    world.work()
    before = [counts(world.record(number)) for number in numbers]
    world.shop.redact_shop()
    world.work()
    assert all(all(kept_of(world, number)) for number in numbers), "the app is still installed: another shop's message"
    world.shop.uninstall()
    world.work()
    removed = [line for line in swept(capsys.readouterr().out) if line["task"] == "uninstalled"]
    assert [(line["level"], list(line["failed"])) for line in removed] == [("WARNING", [STORE])]
    assert all(all(kept_of(world, number)) for number in numbers)
    world.shop.redact_shop()
    world.work()
    assert [kept_of(world, number) for number in numbers] == [(None, 0)] * 2
    assert [counts(world.record(number)) for number in numbers] == before


def test_a_data_request_is_noted_with_the_order_it_is_about(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.hear_shopify()
    number = world.shop.create_order(TEA)["number"]
    world.work()
    snapshot, length = kept_of(world, number)
    world.shop.request_data(number)
    world.work()
    assert kept_of(world, number) == (snapshot, length + 1)
    last = world.records.timeline(STORE, OrderId(str(number)))[-1]
    assert "asks for their data" in last.did[0]
    unknown = body(orders_requested=[404], customer={"id": 1, "email": "ada@example.test"}, shop_id=1)
    headers = shopify_headers(unknown, topic="customers/data_request", secret=world.shop.webhook_secret)
    assert world.receive(http_event("shopify", STORE, headers, unknown)) == 202
    world.work()
    counted = [line["woken"] for line in swept(capsys.readouterr().out) if line["task"] == "data_request"]
    assert counted == [1, 0]


def test_compliance_topics_need_their_signature(world: World) -> None:
    world.hear_shopify()
    raw = body(shop_id=1, orders_to_redact=[1], orders_requested=[1])
    for topic in ("customers/redact", "customers/data_request", "shop/redact", "app/uninstalled"):
        forged = shopify_headers(raw, topic=topic, secret=SHOPIFY_SECRET)
        assert world.receive(http_event("shopify", STORE, forged, raw)) == 401
    assert not world.queued("sweep")


def test_a_customer_who_never_bought_wakes_nothing(world: World) -> None:
    world.hear_shopify()
    raw = json.dumps({"shop_id": 1, "customer": {"email": "ada@example.test"}, "orders_to_redact": []}).encode()
    headers = shopify_headers(raw, topic="customers/redact", secret=world.shop.webhook_secret)
    assert world.receive(http_event("shopify", STORE, headers, raw)) == 202
    assert not world.queued("sweep")
