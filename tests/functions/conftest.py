"""The built-in world of a function: moto for AWS, the real adapters, and the partners' simulators."""

from __future__ import annotations

import base64
import importlib
import json
import logging
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import boto3
import pytest
from moto import mock_aws

from jetbridge import bootstrap
from jetbridge.aws.orders_table import DynamoOrderRecords
from jetbridge.aws.secrets import save_credentials, save_webhook_secrets
from jetbridge.aws.settings_table import DynamoStoreSettings
from jetbridge.domain.connection import SHIPSTATION_EVENTS
from jetbridge.domain.identifiers import OrderId
from jetbridge.domain.ship_options import ShipOptionMapping, normalized
from jetbridge.domain.store import JetpackConnection, Route, ShipStationConnection, ShopifyConnection
from jetbridge.messages import WakeUp
from jetbridge.partners.shipstation.administration import ShipStationAccount
from local.simulators.jetpack import JetpackSimulator
from local.simulators.server import Simulator
from local.simulators.shipstation import ShipStationSimulator
from local.simulators.shopify import ShopifySimulator
from local.simulators.shopify_records import gid
from tests.builders import STORE, a_store
from tests.contract.conftest import resources
from tests.signing import SHIPSTATION_TOKEN, http_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jetbridge.domain.record import OrderRecord
    from local.simulators.server import Delivery
    from tests.conftest import LambdaContext

ADDRESS = "https://jetbridge.example.test"
TOKEN = "console-token-of-ada-0123456789"  # noqa: S105 - invented
DONE: dict[str, Any] = {"batchItemFailures": []}

QUEUES = {"order": "order.fifo", "tracking": "tracking.fifo", "sweep": "sweep", "inventory": "inventory"}


class Asked(NamedTuple):
    """What the console answered."""

    status: int
    body: Any
    headers: dict[str, str]


class World:
    """One connected store, its partners, and functions called as Lambda calls them."""

    def __init__(
        self, shop: ShopifySimulator, jetpack: JetpackSimulator, context: LambdaContext, posted: list[Delivery]
    ) -> None:
        self.shop, self.jetpack, self.context = shop, jetpack, context
        self.desk: ShipStationSimulator | None = None
        self.posted = posted
        """Webhooks the partners have sent, and that have not arrived yet."""
        self.ahead = timedelta()
        self.console: Callable[..., dict[str, Any]] | None = None
        """The console's handler, once it was asked over HTTP."""
        self.dynamodb, self.sqs, self.ssm = boto3.client("dynamodb"), boto3.client("sqs"), boto3.client("ssm")
        wanted = ("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema")
        for name in ("OrdersTable", "SettingsTable", "RuntimeTable"):
            properties = resources()[name]["Properties"]
            self.dynamodb.create_table(TableName=name, **{key: properties[key] for key in wanted if key in properties})
        self.urls = {
            name: self.sqs.create_queue(
                QueueName=queue, Attributes={"FifoQueue": "true"} if queue.endswith(".fifo") else {}
            )["QueueUrl"]
            for name, queue in QUEUES.items()
        }
        self.topic: str = boto3.client("sns").create_topic(Name="notices")["TopicArn"]
        self.records = DynamoOrderRecords(self.dynamodb, "OrdersTable")
        self.settings = DynamoStoreSettings(self.dynamodb, "SettingsTable", clock=self.now, max_age_seconds=0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def pass_time(self, time: timedelta) -> None:
        """Move every clock there is."""
        self.ahead += time
        for partner in filter(None, (self.shop, self.jetpack, self.desk)):
            partner.clock_offset_seconds += time.total_seconds()

    def connect(self) -> None:
        location = gid("Location", self.shop.store.find_location(None).id)
        store = a_store(
            version=0,
            shopify=ShopifyConnection("demo.myshopify.com", self.shop.url),
            jetpack=JetpackConnection(self.jetpack.url, channel_id=str(self.jetpack.channel["id"])),
            locations=frozenset({location}),
            stock_location=location,
        )
        self.settings.save_store(store)
        self.settings.save_ship_option(STORE, ShipOptionMapping(normalized("Standard"), "Standard"))
        save_credentials(self.ssm, "test", STORE, "shopify", {"access_token": self.shop.access_token})
        save_credentials(self.ssm, "test", STORE, "jetpack", {"token": self.jetpack.token})

    def connect_shipstation(self, desk: ShipStationSimulator, *routes: Route) -> None:
        """Put the store on its routes and subscribe as connecting a store does."""
        store = self.settings.store(STORE)
        assert store
        connection = ShipStationConnection(str(desk.store_id), desk.url)
        self.settings.save_store(replace(store, routes=frozenset(routes), shipstation=connection))
        credentials = {"api_key": desk.api_key, "api_secret": desk.api_secret}
        save_credentials(self.ssm, "test", STORE, "shipstation", credentials)
        save_webhook_secrets(self.ssm, "test", STORE, "shipstation", [SHIPSTATION_TOKEN])
        account = ShipStationAccount(connection, lambda _again: credentials, production=False)
        for event in SHIPSTATION_EVENTS:
            account.subscribe(event, f"{ADDRESS}/webhooks/shipstation/{STORE}/{SHIPSTATION_TOKEN}", connection.store_id)
        desk.clock_offset_seconds = self.ahead.total_seconds()
        self.desk = desk

    def hear_shopify(self) -> None:
        """Let every topic of the shop's come here, those of the app's own settings too."""
        save_webhook_secrets(self.ssm, "test", STORE, "shopify", [self.shop.webhook_secret])
        self.shop.webhook_address = f"{ADDRESS}/webhooks/shopify/{STORE}"

    def call(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        """Start a function cold and call it."""
        # A new process has no handler left that writes to an earlier test's captured output.
        package = logging.getLogger("jetbridge")
        package.handlers[:] = [each for each in package.handlers if isinstance(each, logging.NullHandler)]
        app: Any = importlib.reload(importlib.import_module(f"functions.{function}.app"))
        if function == "receive_webhook":
            app.time = SimpleNamespace(time=lambda: self.now().timestamp())
        answer: dict[str, Any] = app.lambda_handler(event, self.context)
        return answer

    def let_in(self, **tokens: str) -> None:
        """Set the tokens that open the console, by name."""
        name = "/jetbridge/test/console"
        self.ssm.put_parameter(Name=name, Value=json.dumps(tokens), Type="SecureString", Overwrite=True)

    def ask(self, method: str, path: str, body: object = None, **sent: Any) -> Asked:  # noqa: ANN401 - of console_event
        """Ask the console over HTTP with Ada's token; the first question starts it."""
        event = console_event(method, path, body, **sent)
        answer = self.console(event, self.context) if self.console else self.call("console", event)
        self.console = importlib.import_module("functions.console.app").lambda_handler
        return Asked(answer["statusCode"], json.loads(answer["body"] or "null"), answer["headers"])

    def wake(self, function: str, *ids: object, subject: str = "order", cause: str = "") -> dict[str, Any]:
        """Call a function with one message for each id."""
        cause, at = cause or f"test:{uuid.uuid4()}", self.now().timestamp()
        wake_ups = [WakeUp(STORE, subject, str(each), cause, at) for each in ids]
        return self.call(function, sqs_event(*(wake_up.to_json() for wake_up in wake_ups)))

    def receive(self, event: dict[str, Any]) -> int:
        """Give the status that a webhook is answered with."""
        return int(self.call("receive_webhook", event)["statusCode"])

    def arrive(self, delivery: Delivery) -> int:
        """Hand over one webhook as API Gateway does."""
        _, _, partner, store, *token = urlsplit(delivery.url).path.split("/")
        headers = {name.lower(): value for name, value in delivery.sign().items()}
        return self.receive(http_event(partner, store, headers, delivery.body, token="".join(token)))

    def work(self) -> None:
        """Carry whatever is on its way to its end: webhooks into queues, queues into functions."""
        workers = {"sweep": "sweep_orders", "order": "forward_order", "tracking": "sync_tracking"}
        busy = True
        while busy:
            arrived, self.posted[:] = [*self.posted], []
            assert {self.arrive(delivery) for delivery in arrived} <= {202}
            busy = bool(arrived)
            for queue, function in workers.items():
                if wake_ups := self.queued(queue):
                    assert self.call(function, sqs_event(*(each.to_json() for each in wake_ups))) == DONE
                    busy = True

    def live(self, minutes: int) -> None:
        """Let minutes pass, with what the schedule and ShipStation's own clock do in each."""
        for _ in range(minutes):
            self.pass_time(timedelta(minutes=1))
            if self.desk:
                self.desk.tell_channels()
            self.call("sweep_orders", {"task": "due"})
            self.work()

    def queued(self, name: str) -> list[WakeUp]:
        """Take everything out of a queue."""
        found = []
        while messages := self.sqs.receive_message(QueueUrl=self.urls[name], MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(WakeUp.from_json(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.urls[name], ReceiptHandle=message["ReceiptHandle"])
        return found

    def record(self, order_id: object) -> OrderRecord:
        found = self.records.read(STORE, OrderId(str(order_id)))
        assert found
        return found


def console_event(  # noqa: PLR0913 - the parts of a request
    method: str,
    path: str,
    body: object = None,
    *,
    token: str | None = TOKEN,
    headers: dict[str, str] | None = None,
    source: str = "198.51.100.7",
) -> dict[str, Any]:
    """Give what API Gateway hands over (payload format 2.0): the path decoded, repeated queries joined by commas.

    `body`: bytes as they are, in base64; anything else as JSON.
    """
    bare, _, query = path.partition("?")
    sent = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "ANY /console/{proxy+}",
        "rawPath": unquote(bare),
        "rawQueryString": query,
        "headers": sent | (headers or {}),
        "requestContext": {
            "domainName": "console.example.test",
            "stage": "$default",
            "http": {"method": method, "path": unquote(bare), "sourceIp": source},
        },
        "isBase64Encoded": isinstance(body, bytes),
    }
    if parameters:
        event["queryStringParameters"] = parameters
    if body is not None:
        event["body"] = base64.b64encode(body).decode() if isinstance(body, bytes) else json.dumps(body)
    return event


def sqs_event(*bodies: str) -> dict[str, Any]:
    return {"Records": [{"messageId": f"m-{n}", "body": body} for n, body in enumerate(bodies)]}


@pytest.fixture
def world(lambda_context: LambdaContext, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    posted: list[Delivery] = []
    monkeypatch.setattr(Simulator, "deliver", lambda _partner, delivery: posted.append(delivery))
    # Only AWS is mocked: the partners are real servers on loopback, whose webhooks arrive when the test says so.
    with mock_aws(config={"core": {"passthrough": {"urls": [r"http://127\.0\.0\.1.*"]}}}):
        shop, jetpack = ShopifySimulator(), JetpackSimulator()
        with shop, jetpack:
            made = World(shop, jetpack, lambda_context, posted)
            names = {"STAGE": "test", "ORDERS_TABLE": "OrdersTable", "SETTINGS_TABLE": "SettingsTable"}
            names |= {"PUBLIC_URL": ADDRESS, "NOTICE_TOPIC_ARN": made.topic}
            names |= {"RUNTIME_TABLE": "RuntimeTable", "POWERTOOLS_SERVICE_NAME": f"test-{uuid.uuid4().hex}"}
            names |= {f"{name.upper()}_QUEUE_URL": url for name, url in made.urls.items()}
            for name, value in names.items():
                monkeypatch.setenv(name, value)
            monkeypatch.setattr(bootstrap, "now", made.now)
            for sku in ("TEA-250", "JAM-1"):
                shop.add_product(sku, on_hand=50)
                jetpack.add_product(sku, 50)
            made.connect()
            yield made


@pytest.fixture
def desk(world: World) -> Iterator[ShipStationSimulator]:
    """ShipStation beside the world's shop, with the store on that route alone."""
    with ShipStationSimulator(shop=world.shop, rate_limit=None) as opened:
        world.connect_shipstation(opened, Route.SHIPSTATION)
        yield opened


def lines(text: str) -> list[dict[str, Any]]:
    """Read the JSON lines a function printed."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
