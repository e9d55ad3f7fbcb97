"""Joins ports to adapters: the only module that knows both. Everything is made once, at a function's init.

Imports are inside the factories, so that each function loads only what it uses.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict

from jetbridge.config import production, settings_for
from jetbridge.errors import ConfigurationError, CredentialsRejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aws_lambda_powertools import Logger, Metrics
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

    from jetbridge.aws.secrets import PartnerCredentials
    from jetbridge.batches import BatchWorker
    from jetbridge.domain.store import Store
    from jetbridge.observability import CallCounter
    from jetbridge.ports import (
        OrderRecords,
        Partners,
        Runtime,
        Shop,
        StoreSettings,
        WakeUpQueue,
        Warehouse,
        WebhookReader,
        WebhookSecrets,
    )
    from jetbridge.use_cases.looking import Looked


def now() -> datetime:
    """Give the time, in UTC."""
    return datetime.now(UTC)


# -- intake ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Intake:
    """What `receive_webhook` works with."""

    readers: Mapping[str, WebhookReader]
    secrets: WebhookSecrets
    queues: Mapping[str, WakeUpQueue]


def intake() -> Intake:
    """Join the intake: queues, webhook secrets and what partners sign. No HTTP client, no tables."""
    from jetbridge.aws.clients import client_maker
    from jetbridge.aws.queues import SqsWakeUpQueue
    from jetbridge.aws.secrets import SsmWebhookSecrets
    from jetbridge.partners.jetpack.webhooks import JetpackWebhooks
    from jetbridge.partners.shopify.webhooks import ShopifyWebhooks

    settings = settings_for("receive_webhook")
    make = client_maker()
    sqs: SQSClient = make("sqs")
    ssm: SSMClient = make("ssm")
    return Intake(
        {"shopify": ShopifyWebhooks(), "jetpack": JetpackWebhooks()},
        SsmWebhookSecrets(ssm, settings["STAGE"], clock=time.monotonic),
        {
            "shopify": SqsWakeUpQueue(sqs, settings["ORDER_QUEUE_URL"]),
            "jetpack": SqsWakeUpQueue(sqs, settings["TRACKING_QUEUE_URL"]),
        },
    )


# -- workers --------------------------------------------------------------------------------------------------


class LookPorts(TypedDict):
    """The keyword arguments of a look."""

    records: OrderRecords
    settings: StoreSettings
    partners: Partners
    clock: Callable[[], datetime]
    time_left: Callable[[], timedelta]
    jitter: Callable[[], float]


@contextlib.contextmanager
def _as_broken_connection(partner: str) -> Iterator[None]:
    """A store set up wrongly holds its own orders and nobody else's."""
    try:
        yield
    except (ConfigurationError, KeyError):
        message = "the store's settings or credentials cannot be used"
        raise CredentialsRejectedError(message, partner=partner, code="misconfigured") from None


class ConnectedPartners:
    """Partners of every store, each connected once for as long as its settings stay the same."""

    def __init__(self, credentials: PartnerCredentials, stage: str) -> None:
        self._credentials = credentials
        self._production = production(stage)
        self._shops: dict[tuple[str, object], Shop] = {}
        self._warehouses: dict[tuple[str, object], Warehouse] = {}
        self._lock = threading.Lock()

    def shop(self, store: Store) -> Shop:
        """Connect to the store's Shopify shop."""
        from jetbridge.partners.shopify.client import ShopifyShop

        with self._lock:
            key = (store.slug, store.shopify)
            if key not in self._shops:
                token = self._token(store.slug, "shopify", "access_token")
                with _as_broken_connection("shopify"):
                    self._shops[key] = ShopifyShop(store.shopify, token, production=self._production)
            return self._shops[key]

    def warehouse(self, store: Store) -> Warehouse:
        """Connect to the store's Jetpack account."""
        from jetbridge.partners.jetpack.client import JetpackWarehouse

        with self._lock:
            key = (store.slug, store.jetpack)
            if key not in self._warehouses:
                token = self._token(store.slug, "jetpack", "token")
                with _as_broken_connection("jetpack"):
                    self._warehouses[key] = JetpackWarehouse(store.jetpack, token, production=self._production)
            return self._warehouses[key]

    def _token(self, slug: str, partner: str, name: str) -> Callable[[bool], str]:
        def read(again: bool) -> str:  # noqa: FBT001 - a 401 asks for a fresh one
            credentials = self._credentials
            with _as_broken_connection(partner):
                return (credentials.read_again if again else credentials.read)(slug, partner)[name]

        return read


@dataclass(frozen=True, slots=True)
class Worker:
    """What every function behind a queue or a schedule works with."""

    records: OrderRecords
    settings: StoreSettings
    partners: Partners
    runtime: Runtime
    queues: Mapping[str, WakeUpQueue]
    batch: BatchWorker
    logger: Logger
    metrics: Metrics
    calls: CallCounter

    def look(self, context: Any) -> LookPorts:  # noqa: ANN401 - Lambda's context has no type of its own
        """Give the keyword arguments of a look made within this invocation."""
        return {
            "records": self.records,
            "settings": self.settings,
            "partners": self.partners,
            "clock": now,
            "time_left": lambda: timedelta(milliseconds=context.get_remaining_time_in_millis()),
            "jitter": random.random,
        }

    def report(self, looked: list[Looked]) -> None:
        """Log every look in one line and count them by outcome; then close the invocation."""
        for each in looked:
            self.metrics.add_metric(name=_metric(each.outcome), unit="Count", value=1)
            self.logger.info(
                "looked",
                extra={
                    "outcome": each.outcome,
                    "store": each.store,
                    "order_id": each.order_id,
                    "status": each.status,
                    "did": list(each.did),
                },
            )
        self.close()

    def close(self) -> None:
        """End an invocation: one line with the AWS calls it made, and its metrics."""
        calls = self.calls.taken()
        self.logger.info("done", extra={"aws_calls": calls})
        self.metrics.add_metric(name="AwsCalls", unit="Count", value=sum(calls.values()))
        self.metrics.flush_metrics()


def _metric(outcome: str) -> str:
    return "Look" + outcome.title().replace("_", "")


def worker(function: str) -> Worker:
    """Join a worker: tables, partners, queues, each client made here and kept."""
    from aws_lambda_powertools.utilities.parameters import SSMProvider

    from jetbridge.aws.clients import client_maker
    from jetbridge.aws.orders_table import DynamoOrderRecords
    from jetbridge.aws.queues import SqsWakeUpQueue
    from jetbridge.aws.runtime_table import DynamoRuntime
    from jetbridge.aws.secrets import PartnerCredentials
    from jetbridge.aws.settings_table import DynamoStoreSettings
    from jetbridge.batches import BatchWorker
    from jetbridge.observability import CallCounter, worker_logger, worker_metrics

    settings = settings_for(function)
    calls = CallCounter()
    make = client_maker()
    dynamodb: DynamoDBClient = make("dynamodb")
    ssm: SSMClient = make("ssm")
    credentials = PartnerCredentials(SSMProvider(boto3_client=ssm), settings["STAGE"])
    urls = {name.removesuffix("_QUEUE_URL").lower(): url for name, url in settings.items() if name.endswith("_URL")}
    sqs: SQSClient | None = make("sqs") if urls else None
    for client in (dynamodb, ssm, sqs):
        if client:
            calls.watch(client)
    return Worker(
        DynamoOrderRecords(dynamodb, settings["ORDERS_TABLE"]),
        DynamoStoreSettings(dynamodb, settings["SETTINGS_TABLE"], clock=now),
        ConnectedPartners(credentials, settings["STAGE"]),
        DynamoRuntime(dynamodb, settings.get("RUNTIME_TABLE", ""), clock=now),
        {name: SqsWakeUpQueue(sqs, url) for name, url in urls.items() if sqs},
        BatchWorker(),
        worker_logger(),
        worker_metrics(),
        calls,
    )
