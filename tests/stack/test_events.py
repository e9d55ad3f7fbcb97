"""Every file of `events/`, on the function that would be deployed, in Lambda's own runtime interface emulator.

As they are stored, the events name orders that no partner knows: each has to end in an outcome that says so. With the
ids of real ones put in, they do their work.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from cfnlint.decode.cfn_yaml import load

from jetbridge.aws.secrets import save_webhook_secrets
from jetbridge.domain.connection import JETPACK_TOPICS, SHIPSTATION_EVENTS, SHOPIFY_TOPICS
from jetbridge.messages import WakeUp
from jetbridge.partners.jetpack.webhooks import ORDER_TOPICS
from jetbridge.partners.shopify.webhooks import ORDER_ID_AT, ORDERS_AT, WHOLE_SHOP
from local.day import SKUS, UNMAPPED
from local.emulator import Emulator, main, signed_anew
from local.partners import ConnectedStore, connected_store
from local.simulators.server import WebhookFaults
from local.stack import ROOT, StackState
from tests.signing import SHIPSTATION_TOKEN
from tests.stack.test_local_stack import wait_until
from tests.test_template import resources, target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.stack import LocalStack

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack"), pytest.mark.enable_socket]

Event = dict[str, Any]
Call = Callable[[str, Event, Event], object]

FILES = sorted((ROOT / "events").glob("*.json"))
EVENTS: dict[str, Event] = {path.stem: json.loads(path.read_text()) for path in FILES}
MESSAGES = [name for name, event in EVENTS.items() if "Records" in event]
WEBHOOKS = [name for name in EVENTS if name.startswith("receive_webhook.")]

# The one order that all of them are about.
ORDER, FULFILLMENT_ORDER = "9007199254741042", "9007199254745001"
JETPACK_ORDER, SHIPMENT = "60000456", "70000123"

TAKEN, DONE = {"statusCode": 202}, {"batchItemFailures": list[str]()}
UNKNOWN = {"message": "looked", "outcome": "unknown_order", "store": "demo"}
FOREIGN = {"message": "looked", "outcome": "foreign_order", "store": "demo"}
LOOKED = {"message": "looked", "outcome": "looked"}


class codes:  # noqa: N801 - reads as a value
    """Equal to every answer of the console that has these findings."""

    def __init__(self, *wanted: str) -> None:
        self._wanted = {*wanted}

    def __eq__(self, answer: object) -> bool:
        return isinstance(answer, dict) and self._wanted <= {each["code"] for each in answer["findings"]}

    __hash__ = None  # type: ignore[assignment]  # never a key


class status:  # noqa: N801 - reads like the matcher above
    """Equal to every HTTP answer with this status."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted

    def __eq__(self, answer: object) -> bool:
        return isinstance(answer, dict) and answer.get("statusCode") == self._wanted

    __hash__ = None  # type: ignore[assignment]  # never a key


EXPECTED: dict[str, tuple[object, Event]] = {
    "receive_webhook.*": (TAKEN, {"message": "webhook", "outcome": "queued", "store": "demo"}),
    # Nobody waits for it yet; the partner still hears that it arrived.
    "receive_webhook.jetpack_return_completed": (TAKEN, {"message": "webhook", "outcome": "ignored_topic"}),
    "forward_order.*": (DONE, UNKNOWN),
    # The store of these tests is on the direct route: its door is open to ShipStation, and nothing is behind it.
    "forward_order.sqs_shipstation_order": (DONE, {"message": "looked", "outcome": "unknown_store", "store": "demo"}),
    "sync_tracking.sqs_order": (DONE, UNKNOWN),
    "sync_tracking.sqs_order_due": (DONE, UNKNOWN),
    "sync_tracking.sqs_jetpack_order": (DONE, FOREIGN),
    "sync_tracking.sqs_shipment": (DONE, FOREIGN),
    "push_inventory.schedule_fan_out": ({"stores": 1}, {}),
    "push_inventory.sqs_stock": (DONE, {"message": "stock pushed", "outcome": "pushed", "read": len(SKUS)}),
    "sweep_orders.schedule_due": ({"woken": 0}, {"message": "swept", "task": "due", "failed": {}}),
    "sweep_orders.schedule_changed": ({"woken": 0}, {"message": "swept", "task": "changed", "failed": {}}),
    "sweep_orders.schedule_offers": ({"woken": 0}, {"message": "swept", "task": "offers", "failed": {}}),
    "sweep_orders.sqs_replay": (DONE, {"message": "swept", "task": "replay", "woken": 0, "failed": {}}),
    "sweep_orders.sqs_held": (DONE, {"message": "swept", "task": "held", "woken": 0, "failed": {}}),
    "sweep_orders.sqs_redaction": (DONE, {"message": "swept", "task": "redacted", "failed": {}}),
    "sweep_orders.sqs_data_request": (DONE, {"message": "swept", "task": "data_request", "woken": 0, "failed": {}}),
    "sweep_orders.sqs_uninstalled": (DONE, {"level": "WARNING", "message": "swept", "task": "uninstalled"}),
    "sweep_orders.sqs_shipstation_resource": (
        DONE,
        {
            "level": "WARNING",
            "message": "swept",
            "task": "shipstation_resource",
            "woken": 0,
            "failed": {"demo": "no such store on the route shipstation"},
        },
    ),
    "console.check": (codes("credentials_accepted", "no_order_held"), {"message": "console", "action": "check"}),
    "console.connect": (codes("credentials_missing"), {"message": "console", "action": "connect"}),
    "console.http_held_orders": (
        status(401),
        {"message": "console", "action": "GET /console/stores/{store}/orders", "status": 401},
    ),
    "console.disconnect": (codes("disconnected"), {"message": "console", "action": "disconnect"}),
}
"""What the function answers, and what a line of its log says; the fan-out needs none."""


# -- the files --------------------------------------------------------------------------------------------------------


def way(event: Event) -> tuple[str, str]:
    """Name what sends an event: the event source in the template's words."""
    if "routeKey" in event:
        return "HttpApi", event["routeKey"]
    if "action" in event:
        return "invoke", ""
    if "Records" in event:
        names = {each["eventSourceARN"].rpartition(":")[2] for each in event["Records"]}
        [queue] = {name.split("-")[-2] for name in names}  # CloudFormation's: stack, logical id, something random
        return "SQS", queue
    return "ScheduleV2", json.dumps(event)


def source(event: Event) -> tuple[str, str]:
    """Name an event source of the template in the same way."""
    kind, properties = event["Type"], event["Properties"]
    match kind:
        case "HttpApi":
            return kind, f"{properties['Method']} {properties['Path']}"
        case "SQS":
            return kind, target(properties["Queue"])
        case _:
            return kind, properties["Input"]


def test_every_way_to_wake_a_function_has_an_event_and_every_event_a_function() -> None:
    template = json.loads(json.dumps(load(str(ROOT / "template.yaml"))))
    functions = resources(template, "AWS::Serverless::Function").values()
    wanted = {
        (function["CodeUri"].removeprefix("functions/"), *source(event))
        for function in functions
        for event in function.get("Events", {}).values()
    } | {("console", "invoke", "")}

    assert {(name.partition(".")[0], *way(event)) for name, event in EVENTS.items()} == wanted


def topic_of(event: Event) -> str:
    """Name what a webhook is about, in its partner's words."""
    match event["pathParameters"]["partner"]:
        case "shopify":
            return str(event["headers"]["x-shopify-topic"])
        case "jetpack":
            return str(event["headers"]["x-webhook-topic"])
        case _:
            return str(json.loads(event["body"])["resource_type"]).lower()


def test_every_topic_that_names_an_order_has_an_event_called_after_it() -> None:
    topics = set()
    for name in WEBHOOKS:
        topic, partner = topic_of(EVENTS[name]), EVENTS[name]["pathParameters"]["partner"]
        assert name == f"receive_webhook.{partner}_{re.sub('[/.]', '_', topic)}"
        topics.add(topic)

    assert topics >= ORDER_ID_AT.keys() | ORDERS_AT.keys() | WHOLE_SHOP.keys() | {*SHOPIFY_TOPICS}
    assert topics >= ORDER_TOPICS | {*JETPACK_TOPICS} | {event.lower() for event in SHIPSTATION_EVENTS}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_stored_message_is_one_that_we_would_send(name: str) -> None:
    for record in EVENTS[name]["Records"]:
        wake_up = WakeUp.from_json(record["body"])

        assert record["body"] == wake_up.to_json()
        assert record["md5OfBody"] == hashlib.md5(record["body"].encode(), usedforsecurity=False).hexdigest()
        if record["eventSourceARN"].endswith(".fifo"):
            assert record["attributes"]["MessageGroupId"] == wake_up.group
            assert record["attributes"]["MessageDeduplicationId"] == wake_up.deduplication_id


@pytest.mark.parametrize("name", WEBHOOKS)
def test_a_stored_webhook_is_whole_and_was_signed_when_it_was_sent(
    name: str, stack: LocalStack, connected: ConnectedStore
) -> None:
    event = EVENTS[name]
    sent_at = float(event["headers"].get("webhook-timestamp", 0))

    assert event["pathParameters"]["store"] == connected.store.slug
    assert event["routeKey"] == event["requestContext"]["routeKey"]
    assert f"POST {event['rawPath']}" == event["routeKey"].format(**event["pathParameters"])
    assert event["rawPath"] == event["requestContext"]["http"]["path"]
    assert event["headers"]["content-length"] == str(len(event["body"].encode()))
    assert signed_anew(event, stack.state, sent_at) == event
    assert all(address.endswith("@example.test") for address in re.findall(r"[\w.+-]+@[\w.-]+", event["body"]))


# -- the functions ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def connected(stack: LocalStack, clean_tables: None) -> Iterator[ConnectedStore]:  # noqa: ARG001 - emptied behind it
    """Both partners and the store `demo`. They send no webhooks: here every event comes from a file."""
    with connected_store(stack) as store:
        stage = stack.environment("ReceiveWebhook")["STAGE"]
        save_webhook_secrets(stack.client("ssm"), stage, store.store.slug, "shipstation", [SHIPSTATION_TOKEN])
        store.shop.webhook_faults = store.jetpack.webhook_faults = WebhookFaults(drop=1)
        yield store
        wait_until(lambda: not any(stack.queue_depths().values()), "every wake-up has been worked")


@pytest.fixture(scope="module")
def call(stack: LocalStack, connected: ConnectedStore) -> Iterator[Call]:
    """Call the built function that an event is named after, and find the log line it has to write."""
    del connected  # has to be there
    state = stack.state
    names = {each["POWERTOOLS_SERVICE_NAME"]: logical_id for logical_id, each in state.environments.items()}
    running: dict[str, Emulator] = {}
    with contextlib.ExitStack() as cleanup:

        def call(name: str, event: Event, line: Event) -> object:
            function = name.partition(".")[0]
            if function not in running:
                running[function] = cleanup.enter_context(Emulator(state, names[function]))
            emulator = running[function]
            before = len(emulator.output())
            answer = emulator.invoke(signed_anew(event, state, time.time()))

            def logged() -> list[Event]:
                whole, _, _ = emulator.output()[before:].rpartition("\n")
                return [json.loads(each) for each in whole.splitlines() if each.startswith("{")]

            if line:  # its output takes another way than its answer
                wait_until(lambda: any(line.items() <= each.items() for each in logged()), f"{line} from {name}")
            assert not [each for each in logged() if each.get("level") == "ERROR"]
            return answer

        yield call


@pytest.mark.emulator
@pytest.mark.parametrize("name", EVENTS)
def test_the_built_function_understands_the_event(name: str, call: Call) -> None:
    answer, line = EXPECTED.get(name) or EXPECTED[f"{name.partition('.')[0]}.*"]

    assert call(name, EVENTS[name], line) == answer


@pytest.mark.emulator
@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize(("options", "status"), [([], 202), (["--as-stored"], 401)])
def test_by_hand_a_webhook_is_signed_as_of_now_unless_it_is_wanted_as_stored(
    options: list[str],
    status: int,
    stack: LocalStack,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(StackState, "read", lambda: stack.state)
    file = ROOT / "events" / "receive_webhook.jetpack_order_shipped.json"

    assert main(["ReceiveWebhook", str(file), *options]) == 0

    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"statusCode": status}
    assert ("Signed anew" in printed.err) == (status == 202)


# -- with the ids of orders that are there ----------------------------------------------------------------------------


class Placed:
    """An order at the shop, perhaps at Jetpack too, whose ids can be put into an event."""

    def __init__(self, connected: ConnectedStore, **facts: Any) -> None:  # noqa: ANN401 - what a customer may choose
        self._connected = connected
        lines = [{"sku": SKUS[0], "quantity": 2, "price": "12.50"}]
        self._order = connected.shop.create_order(lines, **facts)
        self.reference = f"{connected.store.slug}:{self._order['number']}:1"

    @property
    def at_jetpack(self) -> Event | None:
        orders = self._connected.jetpack.books()["orders"]
        return next((order for order in orders if order["reference_id"] == self.reference), None)

    @property
    def tracking_numbers(self) -> list[str]:
        shown = next(each for each in self._connected.shop.books() if each["number"] == self._order["number"])
        return [number for line in shown["lines"] for told in line["fulfilled"] for number in told["numbers"]]

    def ship(self) -> None:
        assert self._connected.jetpack.ship(self.reference)

    def put_into(self, name: str) -> Event:
        [fulfillment_order] = self._order["fulfillment_orders"]
        ids = {ORDER: str(self._order["number"]), FULFILLMENT_ORDER: fulfillment_order["id"].rpartition("/")[2]}
        if there := self.at_jetpack:
            ids |= {JETPACK_ORDER: str(there["id"]), SHIPMENT: str(there["shipments"][0]["id"])}
        text = json.dumps(EVENTS[name])
        for stored, real in ids.items():
            text = text.replace(stored, real)
        event: Event = json.loads(text)
        return event


@pytest.mark.emulator
@pytest.mark.parametrize(
    "name", [name for name in MESSAGES if name.startswith("forward_order.") and "shipstation" not in name]
)
def test_with_a_real_id_the_order_is_forwarded(name: str, call: Call, connected: ConnectedStore) -> None:
    placed = Placed(connected)

    assert call(name, placed.put_into(name), LOOKED | {"status": "forwarded"}) == DONE
    assert placed.at_jetpack


@pytest.mark.emulator
@pytest.mark.parametrize("name", [name for name in MESSAGES if name.startswith("sync_tracking.")])
def test_with_a_real_id_the_parcel_is_announced(name: str, call: Call, connected: ConnectedStore) -> None:
    placed = Placed(connected)
    call("forward_order.sqs_order", placed.put_into("forward_order.sqs_order"), LOOKED)
    placed.ship()

    assert call(name, placed.put_into(name), LOOKED | {"status": "shipped"}) == DONE
    assert len(placed.tracking_numbers) == 1


@pytest.mark.emulator
@pytest.mark.parametrize("topic", ["orders_updated", "fulfillment_orders_order_routing_complete"])
def test_with_a_real_id_a_webhook_of_the_shop_leads_to_jetpack(
    topic: str, call: Call, connected: ConnectedStore
) -> None:
    placed, name = Placed(connected), f"receive_webhook.shopify_{topic}"

    assert call(name, placed.put_into(name), {"outcome": "queued"}) == TAKEN
    wait_until(lambda: placed.at_jetpack, "the order at Jetpack")


@pytest.mark.emulator
@pytest.mark.parametrize("topic", ["order_shipped", "order_shipment_tracking_updated"])
def test_with_a_real_id_a_webhook_of_jetpack_leads_to_the_shop(
    topic: str, call: Call, connected: ConnectedStore
) -> None:
    placed, name = Placed(connected), f"receive_webhook.jetpack_{topic}"
    call("forward_order.sqs_order", placed.put_into("forward_order.sqs_order"), LOOKED)
    placed.ship()

    assert call(name, placed.put_into(name), {"outcome": "queued"}) == TAKEN
    wait_until(lambda: placed.tracking_numbers, "the parcel at the shop")


@pytest.mark.emulator
def test_an_order_that_waits_for_a_mapping_is_woken(call: Call, connected: ConnectedStore) -> None:
    placed, name = Placed(connected, shipping_method=UNMAPPED), "sweep_orders.sqs_held"
    call("forward_order.sqs_order", placed.put_into("forward_order.sqs_order"), LOOKED | {"status": "held"})

    assert call(name, EVENTS[name], {"message": "swept", "task": "held", "woken": 1}) == DONE
