"""The built-in world of a function: moto for AWS, the real adapters, and both partner simulators."""

from __future__ import annotations

import importlib
import json
import logging
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from jetbridge import bootstrap
from jetbridge.aws.orders_table import DynamoOrderRecords
from jetbridge.aws.secrets import save_credentials
from jetbridge.aws.settings_table import DynamoStoreSettings
from jetbridge.domain.identifiers import OrderId
from jetbridge.domain.ship_options import ShipOptionMapping, normalized
from jetbridge.domain.store import JetpackConnection, ShopifyConnection
from jetbridge.messages import WakeUp
from local.simulators.jetpack import JetpackSimulator
from local.simulators.shopify import ShopifySimulator
from local.simulators.shopify_records import gid
from tests.builders import STORE, a_store
from tests.contract.conftest import resources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetbridge.domain.record import OrderRecord
    from tests.conftest import LambdaContext

QUEUES = {"order": "order.fifo", "tracking": "tracking.fifo", "sweep": "sweep", "inventory": "inventory"}


class World:
    """One connected store, its partners, and functions called as Lambda calls them."""

    def __init__(self, shop: ShopifySimulator, jetpack: JetpackSimulator, context: LambdaContext) -> None:
        self.shop, self.jetpack, self.context = shop, jetpack, context
        self.ahead = timedelta()
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
        self.records = DynamoOrderRecords(self.dynamodb, "OrdersTable")
        self.settings = DynamoStoreSettings(self.dynamodb, "SettingsTable", clock=self.now, max_age_seconds=0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def pass_time(self, time: timedelta) -> None:
        """Move every clock there is."""
        self.ahead += time
        self.shop.clock_offset_seconds += time.total_seconds()
        self.jetpack.clock_offset_seconds += time.total_seconds()

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

    def call(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        """Start a function cold and call it."""
        # A new process has no handler left that writes to an earlier test's captured output.
        package = logging.getLogger("jetbridge")
        package.handlers[:] = [each for each in package.handlers if isinstance(each, logging.NullHandler)]
        app = importlib.reload(importlib.import_module(f"functions.{function}.app"))
        answer: dict[str, Any] = app.lambda_handler(event, self.context)
        return answer

    def wake(self, function: str, *ids: object, subject: str = "order", cause: str = "") -> dict[str, Any]:
        """Call a function with one message for each id."""
        cause, at = cause or f"test:{uuid.uuid4()}", self.now().timestamp()
        wake_ups = [WakeUp(STORE, subject, str(each), cause, at) for each in ids]
        return self.call(function, sqs_event(*(wake_up.to_json() for wake_up in wake_ups)))

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


def sqs_event(*bodies: str) -> dict[str, Any]:
    return {"Records": [{"messageId": f"m-{n}", "body": body} for n, body in enumerate(bodies)]}


@pytest.fixture
def world(lambda_context: LambdaContext, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    # Only AWS is mocked: the partners are real servers on loopback.
    with mock_aws(config={"core": {"passthrough": {"urls": [r"http://127\.0\.0\.1.*"]}}}):
        shop, jetpack = ShopifySimulator(), JetpackSimulator()
        with shop, jetpack:
            made = World(shop, jetpack, lambda_context)
            names = {"STAGE": "test", "ORDERS_TABLE": "OrdersTable", "SETTINGS_TABLE": "SettingsTable"}
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


def lines(text: str) -> list[dict[str, Any]]:
    """Read the JSON lines a function printed."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
