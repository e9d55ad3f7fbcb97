"""Joins ports to adapters: the only module that knows both. Everything is made once, at a function's init.

Imports are inside the factories, so that each function loads only what it uses.
"""

from __future__ import annotations

import contextlib
import math
import random
import secrets
import threading
import time
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict

from jetbridge.config import production, settings_for
from jetbridge.errors import ConfigurationError, CredentialsRejectedError, InvalidRequestError, JetbridgeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aws_lambda_powertools import Logger, Metrics
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

    from jetbridge.aws.secrets import PartnerCredentials
    from jetbridge.batches import BatchResponse, BatchWorker
    from jetbridge.domain.connection import ConnectionRequest
    from jetbridge.domain.identifiers import StoreSlug
    from jetbridge.domain.shipstation import Resource
    from jetbridge.domain.store import JetpackConnection, ShipStationConnection, ShopifyConnection, Store
    from jetbridge.messages import WakeUp
    from jetbridge.observability import CallCounter
    from jetbridge.ports import (
        Administrations,
        DeskAdmin,
        Notices,
        OrderRecords,
        Partners,
        Runtime,
        SecretStore,
        ShippingDesk,
        Shop,
        ShopAdmin,
        StoreSettings,
        WakeUpQueue,
        Warehouse,
        WarehouseAdmin,
        WebhookReader,
        WebhookSecrets,
    )
    from jetbridge.use_cases.looking import Looked


def now() -> datetime:
    """Give the time, in UTC."""
    return datetime.now(UTC)


@contextlib.contextmanager
def invocation(context: Any, *, at_most_seconds: float = math.inf) -> Iterator[None]:  # noqa: ANN401 - Lambda's own
    """Let whatever partners are asked within end in time for the function to record it, or to answer."""
    from jetbridge.partners.http import time_limit

    with time_limit(min(context.get_remaining_time_in_millis() / 1000, at_most_seconds)):
        yield


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
    from jetbridge.partners.shipstation.webhooks import ShipStationWebhooks
    from jetbridge.partners.shopify.webhooks import ShopifyWebhooks

    settings = settings_for("receive_webhook")
    make = client_maker()
    sqs: SQSClient = make("sqs")
    ssm: SSMClient = make("ssm")
    return Intake(
        {
            "shopify": ShopifyWebhooks(),
            "jetpack": JetpackWebhooks(),
            "shipstation": ShipStationWebhooks(production=production(settings["STAGE"])),
        },
        SsmWebhookSecrets(ssm, settings["STAGE"], clock=time.monotonic),
        {
            "order": SqsWakeUpQueue(sqs, settings["ORDER_QUEUE_URL"]),
            "tracking": SqsWakeUpQueue(sqs, settings["TRACKING_QUEUE_URL"]),
            "sweep": SqsWakeUpQueue(sqs, settings["SWEEP_QUEUE_URL"]),
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
        self._desks: dict[tuple[str, object], ShippingDesk] = {}
        self._lock = threading.Lock()

    def shop(self, store: Store) -> Shop:
        """Connect to the store's Shopify shop."""
        from jetbridge.domain.rule_reading import uses_field
        from jetbridge.partners.shopify.client import ShopifyShop
        from jetbridge.partners.shopify.tokens import ShopifyTokens

        with_customer = any(uses_field(rules, "customer_tags") for rules in (store.rules, store.shadow))
        with self._lock:
            key = (store.slug, (store.shopify, with_customer))
            if key not in self._shops:
                stored, production = self._stored(store.slug, "shopify"), self._production
                with _as_broken_connection("shopify"):
                    tokens = ShopifyTokens(store.shopify, stored, production=production)
                    self._shops[key] = ShopifyShop(
                        store.shopify, tokens, production=production, with_customer=with_customer
                    )
            return self._shops[key]

    def warehouse(self, store: Store) -> Warehouse:
        """Connect to the store's Jetpack account."""
        from jetbridge.partners.jetpack.client import JetpackWarehouse

        with self._lock:
            key = (store.slug, store.jetpack)
            if key not in self._warehouses:
                stored = self._stored(store.slug, "jetpack")

                def token(again: bool) -> str:  # noqa: FBT001 - a 401 asks for a fresh one
                    with _as_broken_connection("jetpack"):
                        return stored(again)["token"]

                with _as_broken_connection("jetpack"):
                    self._warehouses[key] = JetpackWarehouse(store.jetpack, token, production=self._production)
            return self._warehouses[key]

    def desk(self, store: Store) -> ShippingDesk:
        """Connect to the store's ShipStation account."""
        from jetbridge.partners.shipstation.client import ShipStationDesk

        with self._lock:
            key = (store.slug, store.shipstation)
            if key not in self._desks:
                if store.shipstation is None:
                    raise CredentialsRejectedError(partner="shipstation", code="not_connected")
                stored = self._stored(store.slug, "shipstation")
                with _as_broken_connection("shipstation"):
                    self._desks[key] = ShipStationDesk(store.shipstation, stored, production=self._production)
            return self._desks[key]

    def _stored(self, slug: str, partner: str) -> Callable[[bool], Mapping[str, str]]:
        """Give what reads a store's credentials: as remembered, or anew after a 401."""

        def read(again: bool) -> Mapping[str, str]:  # noqa: FBT001 - the port of the secret store
            credentials = self._credentials
            with _as_broken_connection(partner):
                return (credentials.read_again if again else credentials.read)(slug, partner)

        return read


PARTNERS = frozenset({"shopify", "jetpack", "shipstation"})

NOTE_EVERY = timedelta(minutes=5)
"""How often, at most, a process writes down that a store's partner still sends webhooks."""


class EventNotes:
    """Remembers when each partner's webhooks last woke us, so that `check` can tell a silent partner."""

    def __init__(self, runtime: Runtime, *, clock: Callable[[], datetime]) -> None:
        self._runtime = runtime
        self._clock = clock
        self._seen: dict[tuple[StoreSlug, str], float] = {}
        self._noted: dict[tuple[StoreSlug, str], datetime] = {}
        self._lock = threading.Lock()

    def saw(self, wake_up: WakeUp) -> None:
        """Take note of a wake-up, if a webhook caused it; costs nothing."""
        partner = wake_up.cause.partition(":")[0]
        if partner in PARTNERS:
            with self._lock:
                key = (wake_up.store, partner)
                self._seen[key] = max(wake_up.seen_at, self._seen.get(key, 0.0))

    def write(self) -> None:
        """Write down what was seen. That it fails must fail nothing else: the next one says the same."""
        with self._lock:
            seen, self._seen = self._seen, {}
        now = self._clock()
        for key, at in seen.items():
            if key not in self._noted or now - self._noted[key] >= NOTE_EVERY:
                with contextlib.suppress(JetbridgeError):
                    self._runtime.note_event(*key, datetime.fromtimestamp(at, UTC))
                    self._noted[key] = now


@dataclass(frozen=True, slots=True)
class NoticingBatch:
    """A `BatchWorker` that takes note of what woke it."""

    worker: BatchWorker
    events: EventNotes

    def work[T](self, event: Mapping[str, Any], look: Callable[[WakeUp], T]) -> tuple[BatchResponse, list[T]]:
        """Work a batch as `BatchWorker` does."""

        def noticed(wake_up: WakeUp) -> T:
            self.events.saw(wake_up)
            return look(wake_up)

        return self.worker.work(event, noticed)


class LateNotices:
    """The port `Notices`, with a client made for the first of them: most processes never have one."""

    def __init__(self, make: Callable[[], SNSClient], topic_arn: str) -> None:
        self._make = make
        self._topic = topic_arn
        self._notices: Notices | None = None
        self._lock = threading.Lock()

    def publish(self, store: StoreSlug, subject: str, text: str) -> None:
        """Tell the people of a store, as the port promises."""
        from jetbridge.aws.notices import SnsNotices

        with self._lock:
            if self._notices is None:
                self._notices = SnsNotices(self._make(), self._topic)
        self._notices.publish(store, subject, text)


@dataclass(frozen=True, slots=True)
class Worker:
    """What every function behind a queue or a schedule works with."""

    records: OrderRecords
    settings: StoreSettings
    partners: Partners
    runtime: Runtime
    notices: Notices
    secrets: SecretStore
    administrations: Administrations
    queues: Mapping[str, WakeUpQueue]
    batch: NoticingBatch
    events: EventNotes
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
        """End an invocation: what woke it is noted, then one line with the AWS calls it made, and its metrics."""
        self.events.write()
        calls = self.calls.taken()
        self.logger.info("done", extra={"aws_calls": calls})
        self.metrics.add_metric(name="AwsCalls", unit="Count", value=sum(calls.values()))
        self.metrics.flush_metrics()


def shipstation_resource(text: str) -> Resource:
    """Take the address a webhook of ShipStation's points at apart again.

    Raises:
        InvalidRequestError: It is not what the intake lets through.
    """
    from jetbridge.partners.shipstation.resources import resource_from

    return resource_from(text)


def _metric(outcome: str) -> str:
    return "Look" + outcome.title().replace("_", "")


def worker(function: str) -> Worker:
    """Join a worker: tables, partners, queues, each client made here and kept."""
    from aws_lambda_powertools.utilities.parameters import SSMProvider

    from jetbridge.aws.clients import client_maker
    from jetbridge.aws.orders_table import DynamoOrderRecords
    from jetbridge.aws.queues import SqsWakeUpQueue
    from jetbridge.aws.runtime_table import DynamoRuntime
    from jetbridge.aws.secrets import PartnerCredentials, SsmSecretStore
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

    def watched(client: SNSClient) -> SNSClient:
        calls.watch(client)
        return client

    runtime = DynamoRuntime(dynamodb, settings["RUNTIME_TABLE"], clock=now)
    events = EventNotes(runtime, clock=now)
    return Worker(
        DynamoOrderRecords(dynamodb, settings["ORDERS_TABLE"]),
        DynamoStoreSettings(dynamodb, settings["SETTINGS_TABLE"], clock=now),
        ConnectedPartners(credentials, settings["STAGE"]),
        runtime,
        LateNotices(lambda: watched(make("sns")), settings.get("NOTICE_TOPIC_ARN", "")),
        SsmSecretStore(ssm, settings["STAGE"]),
        OpenAdministrations(settings["STAGE"]),
        {name: SqsWakeUpQueue(sqs, url) for name, url in urls.items() if sqs},
        NoticingBatch(BatchWorker(), events),
        events,
        worker_logger(),
        worker_metrics(),
        calls,
    )


# -- console --------------------------------------------------------------------------------------------------


class OpenAdministrations:
    """The port `Administrations`: every partner's real administration, with the credentials that are handed over."""

    def __init__(self, stage: str) -> None:
        self._production = production(stage)

    def shop(self, connection: ShopifyConnection, credentials: Mapping[str, str]) -> ShopAdmin:
        """Open a shop, by its token or by the app's id and secret."""
        from jetbridge.partners.shopify.administration import ShopifyAdmin
        from jetbridge.partners.shopify.tokens import ShopifyTokens

        token = ShopifyTokens(connection, lambda _again: credentials, production=self._production)
        return ShopifyAdmin(connection, token, production=self._production, now=now)

    def warehouse(self, connection: JetpackConnection, credentials: Mapping[str, str]) -> WarehouseAdmin:
        """Open a Jetpack account."""
        from jetbridge.partners.jetpack.administration import JetpackAdmin

        token = credentials.get("token", "")
        return JetpackAdmin(connection, lambda _again: token, production=self._production, now=now)

    def desk(self, connection: ShipStationConnection, credentials: Mapping[str, str]) -> DeskAdmin:
        """Open a ShipStation account."""
        from jetbridge.partners.shipstation.administration import ShipStationAccount

        return ShipStationAccount(connection, lambda _again: credentials, production=self._production)


class ConsolePorts(TypedDict):
    """The keyword arguments that every use case of the console takes."""

    settings: StoreSettings
    secrets: SecretStore
    administrations: Administrations
    base_url: str
    owner: str


@dataclass(frozen=True, slots=True)
class Console:
    """What `console` works with."""

    stage: str
    public_url: str
    records: OrderRecords
    settings: StoreSettings
    secrets: SecretStore
    runtime: Runtime
    administrations: Administrations
    partners: Partners
    queues: Mapping[str, WakeUpQueue]
    logger: Logger

    def ports(self, event: Mapping[str, Any]) -> ConsolePorts:
        """Give the ports of one call, at the address that partners reach us by.

        Raises:
            InvalidRequestError: A production stage is told another address than its own.
        """
        given = event.get("public_url")
        if given is not None and (production(self.stage) or not isinstance(given, str)):
            message = "public_url: only a stage that is not production may be told where partners reach it"
            raise InvalidRequestError(message)
        base_url = (given or self.public_url).rstrip("/")
        return {
            "settings": self.settings,
            "secrets": self.secrets,
            "administrations": self.administrations,
            "base_url": base_url,
            "owner": f"Jetbridge {self.stage} at {base_url}",
        }

    def note(self, slug: StoreSlug, by: str, what: str, detail: str = "") -> None:
        """Record what somebody changed, where the use case does not do it itself."""
        from jetbridge.domain.changes import Change

        self.settings.note_change(slug, Change(now(), by, what, detail))


def connection_request(event: Mapping[str, Any]) -> ConnectionRequest:
    """Read what a merchant gives to connect a store.

    Raises:
        InvalidRequestError: Names every field that is wrong, at once, and quotes no value.
    """
    from pydantic import TypeAdapter, ValidationError

    from jetbridge.domain.connection import ConnectionRequest

    given = {name: value for name, value in event.items() if name not in {"action", "public_url"}}
    if unknown := sorted(given.keys() - {each.name for each in fields(ConnectionRequest)}):
        message = f"nobody knows {', '.join(unknown)}"
        raise InvalidRequestError(message)
    try:
        return TypeAdapter(ConnectionRequest).validate_python(given)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        wrong = [": ".join(filter(None, (".".join(map(str, each["loc"])), each["msg"]))) for each in found]
    # Not chained: pydantic's own text quotes the values.
    raise InvalidRequestError("; ".join(wrong))


def store_slug(event: Mapping[str, Any]) -> StoreSlug:
    """Read which store is meant.

    Raises:
        InvalidRequestError: It is no store's name.
    """
    from jetbridge.domain.connection import SLUG
    from jetbridge.domain.identifiers import StoreSlug

    given = event.get("store")
    if not isinstance(given, str) or not SLUG.fullmatch(given):
        message = "store: a store's name is lower-case letters, digits and dashes, at most 40"
        raise InvalidRequestError(message)
    return StoreSlug(given)


def new_token() -> str:
    """Make a text nobody can guess, for the address of a partner that cannot sign."""
    return secrets.token_urlsafe(32)


def new_id() -> str:
    """Make an id: of a job, or of a cause that must not be taken for another."""
    return secrets.token_hex(8)


def console() -> Console:
    """Join the console: tables, queues, secrets it may write, the partners and their administrations."""
    from aws_lambda_powertools.utilities.parameters import SSMProvider

    from jetbridge.aws.clients import client_maker
    from jetbridge.aws.orders_table import DynamoOrderRecords
    from jetbridge.aws.queues import SqsWakeUpQueue
    from jetbridge.aws.runtime_table import DynamoRuntime
    from jetbridge.aws.secrets import PartnerCredentials, SsmSecretStore
    from jetbridge.aws.settings_table import DynamoStoreSettings
    from jetbridge.observability import worker_logger

    settings = settings_for("console")
    make = client_maker(whole=True)
    dynamodb: DynamoDBClient = make("dynamodb")
    sqs: SQSClient = make("sqs")
    ssm: SSMClient = make("ssm")
    return Console(
        settings["STAGE"],
        settings["PUBLIC_URL"],
        DynamoOrderRecords(dynamodb, settings["ORDERS_TABLE"]),
        DynamoStoreSettings(dynamodb, settings["SETTINGS_TABLE"], clock=now),
        SsmSecretStore(ssm, settings["STAGE"]),
        DynamoRuntime(dynamodb, settings["RUNTIME_TABLE"], clock=now),
        OpenAdministrations(settings["STAGE"]),
        ConnectedPartners(PartnerCredentials(SSMProvider(boto3_client=ssm), settings["STAGE"]), settings["STAGE"]),
        {name: SqsWakeUpQueue(sqs, settings[f"{name.upper()}_QUEUE_URL"]) for name in ("order", "tracking", "sweep")},
        worker_logger(),
    )
