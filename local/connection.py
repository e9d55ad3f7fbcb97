"""Connects a store of the local stack: its secrets to SSM, its settings to SettingsTable, through our own adapters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jetbridge.aws.orders_table import DynamoOrderRecords
from jetbridge.aws.queues import SqsWakeUpQueue
from jetbridge.aws.secrets import save_credentials, save_webhook_secrets
from jetbridge.aws.settings_table import DynamoStoreSettings
from jetbridge.bootstrap import now
from jetbridge.domain.identifiers import StoreSlug
from jetbridge.domain.ship_options import ShipOptionMapping, normalized
from jetbridge.domain.store import JetpackConnection, ShopifyConnection, Store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.stack import LocalStack


@dataclass(frozen=True)
class Credentials:
    """What a merchant gives us, and where their partners are."""

    shop: str
    shopify_url: str
    shopify_token: str
    shopify_secret: str
    jetpack_url: str
    jetpack_token: str
    jetpack_secret: str
    jetpack_channel: str


class StackTables:
    """Our own adapters on the tables and queues of a local stack."""

    def __init__(self, stack: LocalStack) -> None:
        dynamodb = stack.client("dynamodb")
        self.records = DynamoOrderRecords(dynamodb, stack.environment("SweepOrders")["ORDERS_TABLE"])
        self.settings = DynamoStoreSettings(
            dynamodb, stack.environment("SweepOrders")["SETTINGS_TABLE"], clock=now, max_age_seconds=0
        )
        self.sweep_queue = SqsWakeUpQueue(stack.client("sqs"), stack.environment("SweepOrders")["SWEEP_QUEUE_URL"])


def connect_store(
    stack: LocalStack,
    slug: str,
    given: Credentials,
    *,
    location: str,
    ship_options: Mapping[str, str],
) -> Store:
    """Connect a store. Doing it again changes nothing but what is given anew."""
    ssm, stage = stack.client("ssm"), stack.environment("ForwardOrder")["STAGE"]
    save_credentials(ssm, stage, slug, "shopify", {"access_token": given.shopify_token})
    save_webhook_secrets(ssm, stage, slug, "shopify", [given.shopify_secret])
    save_credentials(ssm, stage, slug, "jetpack", {"token": given.jetpack_token})
    save_webhook_secrets(ssm, stage, slug, "jetpack", [given.jetpack_secret])
    settings = StackTables(stack).settings
    known = settings.store(StoreSlug(slug))
    store = Store(
        StoreSlug(slug),
        ShopifyConnection(given.shop, given.shopify_url),
        JetpackConnection(given.jetpack_url, channel_id=given.jetpack_channel),
        version=known.version if known else 0,
        locations=frozenset({location}),
        stock_location=location,
    )
    settings.save_store(store)
    for method, option in ship_options.items():
        settings.save_ship_option(store.slug, ShipOptionMapping(normalized(method), option))
    return store
