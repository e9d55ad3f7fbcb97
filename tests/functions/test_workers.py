"""The functions behind queues and schedules: real adapters, strict partners, events in, effects out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.domain.record import Status
from jetbridge.domain.ship_options import ShipOptionMapping, normalized
from tests.builders import STORE
from tests.functions.conftest import lines, sqs_event

if TYPE_CHECKING:
    from tests.functions.conftest import World

GOOD: dict[str, Any] = {"batchItemFailures": []}
TEA: list[dict[str, Any]] = [{"sku": "TEA-250", "quantity": 2, "price": "12.50"}]


def test_an_order_goes_out_and_its_tracking_comes_back(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    order = world.shop.create_order(TEA)
    number = order["number"]
    assert world.wake("forward_order", number) == GOOD
    (sent,) = world.jetpack.books()["orders"]
    assert (sent["reference_id"], sent["lines"][0]["quantity"]) == (f"demo:{number}:1", 2)
    assert world.jetpack.books()["unknown_fields"] == {}
    world.jetpack.ship(sent["reference_id"], tracking_number="1ZREAL")
    assert world.wake("sync_tracking", number, cause="jetpack:order.shipped:1") == GOOD
    (shown,) = world.shop.books()
    assert shown["lines"][0]["fulfilled"][0]["numbers"] == ["1ZREAL"]
    world.jetpack.deliver_parcel(sent["reference_id"])
    world.wake("sync_tracking", number, cause="jetpack:order.shipment.delivered:1")
    assert world.record(number).status is Status.DELIVERED
    said = capsys.readouterr().out
    assert [line["outcome"] for line in lines(said) if line.get("message") == "looked"] == ["looked"] * 3
    for secret in (world.shop.access_token, world.jetpack.token, "ada@example.test"):
        assert secret not in said


def test_one_batch_holds_many_orders_and_each_is_looked_at_once(world: World) -> None:
    numbers = [world.shop.create_order(TEA)["number"] for _ in range(4)]
    assert world.wake("forward_order", *numbers, *numbers) == GOOD
    assert world.jetpack.calls["create_order"] == 4
    assert world.shop.calls["order"] == 4


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after", "500", "html", "malformed"])
def test_whatever_a_create_meets_the_order_exists_once(world: World, fault: str) -> None:
    number = world.shop.create_order(TEA)["number"]
    world.jetpack.fail(fault, "create_order")
    assert world.wake("forward_order", number) == GOOD
    assert world.record(number).status is Status.FORWARDING
    world.pass_time(timedelta(minutes=2))
    world.call("sweep_orders", {"task": "due"})
    (wake_up,) = world.queued("order")
    world.call("forward_order", sqs_event(wake_up.to_json()))
    assert world.record(number).status is Status.FORWARDED
    assert set(world.jetpack.books()["created"].values()) == {1}
    assert set(world.jetpack.books()["distinct_create_bodies"].values()) == {1}


@pytest.mark.parametrize("fault", ["429", "500", "html", "timeout_before"])
@pytest.mark.parametrize("operation", ["order", "list_products"])
def test_a_partner_that_fails_a_read_costs_time_and_no_order(world: World, fault: str, operation: str) -> None:
    number = world.shop.create_order(TEA)["number"]
    partner = world.shop if operation == "order" else world.jetpack
    partner.fail(fault, operation, times=5)
    assert world.wake("forward_order", number) == GOOD
    partner.faults.clear()
    world.pass_time(timedelta(minutes=2))
    world.wake("forward_order", number)
    assert world.record(number).status is Status.FORWARDED


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after", "500", "429"])
def test_whatever_an_announcement_meets_the_customer_hears_of_the_parcel_once(world: World, fault: str) -> None:
    number = world.shop.create_order(TEA)["number"]
    world.wake("forward_order", number)
    world.jetpack.ship(f"demo:{number}:1", tracking_number="1ZREAL")
    world.shop.fail(fault, "fulfillmentCreate")
    world.wake("sync_tracking", number, cause="jetpack:order.shipped:1")
    world.pass_time(timedelta(minutes=2))
    world.wake("sync_tracking", number)
    (shown,) = world.shop.books()
    assert [each["numbers"] for each in shown["lines"][0]["fulfilled"]] == [["1ZREAL"]]


def test_an_unknown_store_and_a_strangers_message_are_told_apart(world: World) -> None:
    number = world.shop.create_order(TEA)["number"]
    world.wake("forward_order", number)
    stranger = sqs_event('{"store": "nobody", "subject": "order", "id": "1", "cause": "x", "seen_at": 1}')
    assert world.call("forward_order", stranger) == GOOD
    mixed = world.call("forward_order", sqs_event('{"hello": "world"}', stranger["Records"][0]["body"]))
    assert mixed == {"batchItemFailures": [{"itemIdentifier": "m-0"}]}, "what cannot be read fails alone"


def test_a_table_that_refuses_fails_the_message_and_only_that(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = [world.shop.create_order(TEA)["number"] for _ in range(2)]
    world.dynamodb.delete_table(TableName="OrdersTable")
    answer = world.wake("forward_order", *numbers)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-0"}, {"itemIdentifier": "m-1"}]}
    failures = [line for line in lines(capsys.readouterr().out) if line.get("message") == "look failed"]
    assert len(failures) == 2
    assert all(line["at"] for line in failures)


def test_saving_a_mapping_releases_what_waited_for_it(world: World) -> None:
    number = world.shop.create_order(TEA, shipping_method="Drone")["number"]
    world.wake("forward_order", number)
    assert world.record(number).reason == "unmapped_ship_option"
    world.settings.save_ship_option(STORE, ShipOptionMapping(normalized("Drone"), "2-Day"))
    event_id = "held:unmapped_ship_option"
    assert world.wake("sweep_orders", event_id, subject="batch") == GOOD
    (wake_up,) = world.queued("order")
    world.call("forward_order", sqs_event(wake_up.to_json()))
    assert world.record(number).status is Status.FORWARDED


def test_a_lost_webhook_costs_one_sweep(world: World) -> None:
    number = world.shop.create_order(TEA)["number"]
    assert world.call("sweep_orders", {"task": "changed"}) == {"woken": 1}
    (wake_up,) = world.queued("order")
    assert wake_up.id == str(number)
    assert world.call("sweep_orders", {"task": "changed"}) == {"woken": 1}
    with pytest.raises(ValueError, match="unknown task"):
        world.call("sweep_orders", {"task": "nonsense"})


def test_stock_goes_to_shopify_and_only_what_differs(world: World) -> None:
    world.jetpack.set_stock("TEA-250", 20)
    assert world.call("push_inventory", {"task": "fan_out"}) == {"stores": 1}
    (wake_up,) = world.queued("inventory")
    assert wake_up.subject == "stock"
    assert world.call("push_inventory", sqs_event(wake_up.to_json())) == GOOD
    assert world.shop.stock_of("TEA-250")["available"] == 20
    assert world.shop.calls["inventorySetQuantities"] == 1
    world.call("push_inventory", sqs_event(wake_up.to_json()))
    assert world.shop.calls["inventorySetQuantities"] == 1


def test_wrong_credentials_hold_the_order_and_say_so(world: World) -> None:
    number = world.shop.create_order(TEA)["number"]
    right, world.jetpack.token = world.jetpack.token, "another"
    world.wake("forward_order", number)
    hold = world.record(number).hold
    assert hold
    assert (hold.reason, hold.owner) == ("connection_broken", "merchant")
    world.jetpack.token = right
    world.pass_time(timedelta(minutes=16))
    world.wake("forward_order", number)
    assert world.record(number).status is Status.FORWARDED
