"""One order from the shop to its customer: the real use cases over AWS in this process, every call counted.

Direct route, three lines, one parcel, nothing goes wrong. Every event finds a cold memory, as for a merchant whose
orders lie minutes apart: secrets and settings are read each time.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
import moto

from jetbridge.aws.clients import client_maker
from jetbridge.aws.orders_table import DynamoOrderRecords
from jetbridge.aws.queues import SqsWakeUpQueue
from jetbridge.aws.runtime_table import DynamoRuntime
from jetbridge.aws.secrets import SsmWebhookSecrets, save_webhook_secrets
from jetbridge.aws.settings_table import DynamoStoreSettings
from jetbridge.domain.identifiers import StoreSlug
from jetbridge.messages import WakeUp
from jetbridge.observability import CallCounter
from jetbridge.partners.jetpack.webhooks import JetpackWebhooks
from jetbridge.partners.shopify.webhooks import ShopifyWebhooks
from jetbridge.use_cases.accept_webhook import accept_webhook
from jetbridge.use_cases.forward_order import forward_order
from jetbridge.use_cases.sync_tracking import sync_tracking
from tests.benchmarks.metering import DynamoMeter, Units
from tests.builders import NOW, ORDER_ID, a_line, a_store, an_order
from tests.contract.conftest import resources
from tests.fake_partners import FakeShop, FakeWarehouse
from tests.fakes import InMemoryNotices
from tests.signing import JETPACK_SECRET, SHOPIFY_SECRET, jetpack_headers, shopify_headers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from jetbridge.domain.store import Store
    from jetbridge.ports import WebhookReader

STORE = StoreSlug("northwind-supply")
STAGE = "benchmark"
TABLES = ("OrdersTable", "SettingsTable", "RuntimeTable")
SKUS = ("TEA-250", "JAM-PLUM", "MUG-BLUE")
ORDERS_UPDATED = "orders/updated"
AN_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Event:
    """One thing that happened to the order, and what we did about it."""

    name: str
    webhook: bool
    """It came through the intake; otherwise a sweep sent its wake-up, ten to a call."""
    due: bool = False
    """Nobody told us anything: the record's own time had come."""
    outcome: str = ""
    intake: Counter[str] = field(default_factory=Counter)
    look: Counter[str] = field(default_factory=Counter)
    partners: Counter[str] = field(default_factory=Counter)
    units: Units = field(default_factory=Units)
    state_bytes: int = 0


class HappyPath:
    """The store, its partners, our adapters and the order; `events` is what happened."""

    def __init__(self) -> None:
        self.at = NOW
        self.events: list[Event] = []
        self.warm_intake: Counter[str] = Counter()
        """Calls of a webhook that finds its store's secret remembered."""
        self.shop_, self.warehouse_ = FakeShop(clock=self.now), FakeWarehouse(clock=self.now)
        for sku in SKUS:
            self.warehouse_.add_product(sku, 100)
        self._calls = CallCounter()
        self._deliveries = 0
        self._prepare()

    def now(self) -> datetime:
        return self.at

    def shop(self, _store: Store) -> FakeShop:
        return self.shop_

    def warehouse(self, _store: Store) -> FakeWarehouse:
        return self.warehouse_

    def _prepare(self) -> None:
        """Make tables, queues, secrets and settings; from then on our own clients are counted."""
        self._outside = boto3.client("sqs", "us-east-1")
        tables = {name: resources()[name]["Properties"] for name in TABLES}
        wanted = ("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema")
        dynamodb, sqs, ssm = map(client_maker(), ("dynamodb", "sqs", "ssm"))
        for name, properties in tables.items():
            dynamodb.create_table(TableName=name, **{key: properties[key] for key in wanted if key in properties})
        store = a_store(slug=STORE, version=0)
        settings = DynamoStoreSettings(dynamodb, "SettingsTable", clock=self.now)
        settings.save_store(store)
        for mapping in store.ship_options.values():
            settings.save_ship_option(STORE, mapping)
        secrets = {"shopify": SHOPIFY_SECRET, "jetpack": JETPACK_SECRET}
        for partner, secret in secrets.items():
            save_webhook_secrets(boto3.client("ssm", "us-east-1"), STAGE, STORE, partner, [secret])
        self._urls = {
            partner: sqs.create_queue(QueueName=f"{partner}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
            for partner in secrets
        }
        self._secrets = SsmWebhookSecrets(ssm, STAGE, clock=lambda: self.now().timestamp())
        self._settings = settings
        self._records = DynamoOrderRecords(dynamodb, "OrdersTable", clock=self.now)
        names = {"shopify": "order", "jetpack": "tracking"}
        self._queues = {names[partner]: SqsWakeUpQueue(sqs, url) for partner, url in self._urls.items()}
        self._runtime = DynamoRuntime(dynamodb, "RuntimeTable", clock=self.now)
        self._meter = DynamoMeter(dynamodb, tables)
        for client in (dynamodb, sqs, ssm):
            self._calls.watch(client)

    # -- what happens -----------------------------------------------------------------------------------------

    def run(self) -> None:
        """Let the order happen."""
        lines = [a_line(sku, 2, n=14829173047651 + n) for n, sku in enumerate(SKUS)]
        self.shop_.put(an_order(*lines, updated_at=self.at))
        self._shopify("order placed", ORDERS_UPDATED, id=int(ORDER_ID))
        self.at += timedelta(seconds=5)
        routed = {"id": self.shop_.orders[ORDER_ID].fulfillment_orders[0].id, "status": "open"}
        self._shopify("order routed", "fulfillment_orders/order_routing_complete", fulfillment_order=routed)
        self._swept("sweep finds the new order")
        self._due("due look at the warehouse")
        (order,) = self.warehouse_.orders.values()
        (shipment,) = order.shipments
        self.at += AN_HOUR
        self.warehouse_.ship(shipment.id, "1Z999AA10123456784")
        self._jetpack("parcel left", "order.shipped", id=int(order.id), reference_id=order.reference)
        self._shopify("shop echoes the parcel", ORDERS_UPDATED, id=int(ORDER_ID))
        self._swept("sweep finds the echo")
        self._due("due look in transit")
        self.at += AN_HOUR
        self.warehouse_.deliver(shipment.id)
        self._jetpack("parcel delivered", "order.shipment.delivered", id=int(shipment.id), order_id=int(order.id))
        self.warm_intake = self._warm()

    def _shopify(self, name: str, topic: str, **body: object) -> None:
        raw = json.dumps(body).encode()
        self._delivered(name, "shopify", shopify_headers(raw, topic=topic, delivery=self._delivery()), raw)

    def _jetpack(self, name: str, topic: str, **body: object) -> None:
        raw = json.dumps(body).encode()
        headers = jetpack_headers(raw, at=self.at.timestamp(), topic=topic, delivery=self._delivery())
        self._delivered(name, "jetpack", headers, raw)

    def _delivery(self) -> str:
        self._deliveries += 1
        return f"b54557e4-bdd9-4b37-8a5f-{self._deliveries:012}"

    def _delivered(self, name: str, partner: str, headers: dict[str, str], raw: bytes) -> None:
        """Take a webhook in, and let its worker look."""
        self._accept(partner, headers, raw)
        intake = Counter(self._calls.taken())
        url = self._urls[partner]
        (message,) = self._outside.receive_message(QueueUrl=url)["Messages"]
        self._outside.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        self._look(Event(name, webhook=True, intake=intake), partner, WakeUp.from_json(message["Body"]))

    def _accept(self, partner: str, headers: dict[str, str], raw: bytes) -> None:
        readers: dict[str, WebhookReader] = {"shopify": ShopifyWebhooks(), "jetpack": JetpackWebhooks()}
        accept_webhook(
            partner,
            STORE,
            headers,
            raw,
            readers=readers,
            secrets=self._secrets,
            queues=self._queues,
            now=self.at.timestamp(),
        )

    def _swept(self, name: str) -> None:
        """Let the five minutes' sweep see the order's last change, as it does whether or not a webhook came."""
        moved = self.shop_.orders[ORDER_ID].updated_at
        self.at += timedelta(minutes=5)
        wake_up = WakeUp(STORE, "order", ORDER_ID, f"changed:{moved.isoformat()}", moved.timestamp())
        self._look(Event(name, webhook=False), "shopify", wake_up)

    def _due(self, name: str) -> None:
        """Let time pass until the record is due, and let the minute's sweep wake it."""
        with self._unmetered():
            (due,) = [each for each in self._records.due(self.at + timedelta(days=1)) if each.order_id == ORDER_ID]
        self.at = due.due_at + timedelta(seconds=30)
        cause = f"due:{due.due_at.isoformat()}"
        wake_up = WakeUp(STORE, "order", ORDER_ID, cause, self.at.timestamp())
        self._look(Event(name, webhook=False, due=True), "jetpack", wake_up)

    def _look(self, event: Event, partner: str, wake_up: WakeUp) -> None:
        """Let the function behind the partner's queue look, a second later, and keep what it cost."""
        self.at += timedelta(seconds=1)
        self._settings.forget(STORE)
        self.shop_.calls.clear()
        self.warehouse_.calls.clear()
        ports: dict[str, Any] = {
            "records": self._records,
            "settings": self._settings,
            "partners": self,
            "clock": self.now,
            "time_left": lambda: timedelta(seconds=60),
            "jitter": lambda: 0.0,
        }
        if partner == "shopify":
            looked = forward_order(wake_up, **ports, runtime=self._runtime, notices=InMemoryNotices())
        else:
            looked = sync_tracking(wake_up, **ports)
        partners = Counter({f"shopify.{name}": times for name, times in self.shop_.calls.items()})
        partners.update({f"jetpack.{name}": times for name, times in self.warehouse_.calls.items()})
        self.events.append(
            replace(
                event,
                outcome=looked.outcome,
                look=Counter(self._calls.taken()),
                partners=partners,
                units=self._meter.taken(),
                state_bytes=self._meter.largest("STATE"),
            )
        )

    def _warm(self) -> Counter[str]:
        """Deliver one more webhook right behind another."""
        for _ in range(2):
            raw = json.dumps({"id": 1}).encode()
            self._calls.taken()
            self._accept("shopify", shopify_headers(raw, topic=ORDERS_UPDATED, delivery=self._delivery()), raw)
        return Counter(self._calls.taken())

    @contextmanager
    def _unmetered(self) -> Iterator[None]:
        yield
        self._calls.taken()
        self._meter.taken()


def happy_path() -> HappyPath:
    """Run it over AWS in this process."""
    with moto.mock_aws():
        path = HappyPath()
        path.run()
    return path
