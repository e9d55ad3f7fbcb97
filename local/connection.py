"""Connects a store of the local stack: through our own console, as a merchant does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jetbridge.aws.orders_table import DynamoOrderRecords
from jetbridge.aws.queues import SqsWakeUpQueue
from jetbridge.aws.settings_table import DynamoStoreSettings
from jetbridge.bootstrap import now
from jetbridge.domain.identifiers import StoreSlug

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jetbridge.domain.store import Store
    from local.stack import LocalStack


@dataclass(frozen=True)
class Credentials:
    """What a merchant gives us, and where their partners are."""

    shop: str
    shopify_url: str
    shopify_client_id: str
    shopify_client_secret: str
    jetpack_url: str
    jetpack_token: str
    shipstation_url: str = ""
    shipstation_key: str = ""
    shipstation_secret: str = ""


class NotConnectedError(Exception):
    """The console refuses; carries its words."""


class StackTables:
    """Our own adapters on the tables and queues of a local stack."""

    def __init__(self, stack: LocalStack) -> None:
        dynamodb = stack.client("dynamodb")
        self.records = DynamoOrderRecords(dynamodb, stack.environment("SweepOrders")["ORDERS_TABLE"])
        self.settings = DynamoStoreSettings(
            dynamodb, stack.environment("SweepOrders")["SETTINGS_TABLE"], clock=now, max_age_seconds=0
        )
        self.sweep_queue = SqsWakeUpQueue(stack.client("sqs"), stack.environment("SweepOrders")["SWEEP_QUEUE_URL"])


def public_url(stack: LocalStack) -> str:
    """Give the address partners reach a local stack by; the console has to be told, see `LocalStack.webhook_url`."""
    return stack.webhook_url("partner", "store").removesuffix("/webhooks/partner/store")


def connect_store(stack: LocalStack, slug: str, given: Credentials, *, ship_options: Mapping[str, str]) -> Store:
    """Connect a store. Doing it again changes nothing but what is given anew.

    Raises:
        NotConnectedError: Something is missing; says what.
    """
    credentials = {
        "shopify": {"client_id": given.shopify_client_id, "client_secret": given.shopify_client_secret},
        "jetpack": {"token": given.jetpack_token},
    }
    addresses = {"shopify": given.shopify_url, "jetpack": given.jetpack_url}
    if given.shipstation_url:
        credentials["shipstation"] = {"api_key": given.shipstation_key, "api_secret": given.shipstation_secret}
        addresses["shipstation"] = given.shipstation_url
    answer = stack.tick(
        "Console",
        {
            "action": "connect",
            "store": slug,
            "shop": given.shop,
            "routes": ["shipstation" if given.shipstation_url else "direct"],
            "credentials": credentials,
            "addresses": addresses,
            "ship_options": dict(ship_options),
            "public_url": public_url(stack),
        },
    )
    store = StackTables(stack).settings.store(StoreSlug(slug))
    if not answer["ok"] or store is None:
        raise NotConnectedError("\n".join(each["text"] for each in answer["findings"] if each["severity"] == "error"))
    return store
