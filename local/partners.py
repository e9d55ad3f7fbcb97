"""The two partner simulators of a local stack, with a small catalogue, and a store connected to them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests

from local.connection import Credentials, connect_store
from local.day import SKUS
from local.simulators.jetpack import JetpackSimulator
from local.simulators.shopify import ShopifySimulator
from local.simulators.shopify_records import gid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetbridge.domain.store import Store
    from local.stack import LocalStack

SLUG = "demo"
JETPACK_SECRET = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY"  # noqa: S105 - invented, as the fact sheet prints it
SHIP_OPTIONS = {"Standard": "Standard", "Express": "2-Day"}


TOPICS = (
    "ORDERS_UPDATED",
    "ORDERS_RISK_ASSESSMENT_CHANGED",
    "FULFILLMENT_ORDERS_ORDER_ROUTING_COMPLETE",
    "FULFILLMENT_ORDERS_PLACED_ON_HOLD",
    "FULFILLMENT_ORDERS_HOLD_RELEASED",
    "FULFILLMENT_ORDERS_MOVED",
    "FULFILLMENT_ORDERS_CANCELLED",
    "FULFILLMENT_ORDERS_SCHEDULED_FULFILLMENT_ORDER_READY",
)
"""The fewest topics that the sweep cannot replace in time: orders/updated follows every create, payment and cancel."""

SUBSCRIBE = """
mutation Subscribe($topic: WebhookSubscriptionTopic!, $subscription: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $subscription) { userErrors { field message } }
}
"""


def subscribe(shop: ShopifySimulator, address: str) -> None:
    """Subscribe to the shop's webhooks through its API, as the connection does.

    Raises:
        RuntimeError: The shop refuses; carries its words.
    """
    for topic in TOPICS:
        answer = requests.post(
            f"{shop.url}/admin/api/2026-10/graphql.json",
            json={"query": SUBSCRIBE, "variables": {"topic": topic, "subscription": {"uri": address}}},
            headers={"X-Shopify-Access-Token": shop.access_token},
            timeout=10,
        ).json()
        errors = answer.get("errors") or answer["data"]["webhookSubscriptionCreate"]["userErrors"]
        if errors:
            raise RuntimeError(errors)


@dataclass(frozen=True)
class ConnectedStore:
    """A store whose shop and warehouse run on this machine."""

    shop: ShopifySimulator
    jetpack: JetpackSimulator
    store: Store


@contextlib.contextmanager
def connected_store(
    stack: LocalStack, *, slug: str = SLUG, seed: int = 0, rate_limit_per_minute: int | None = 150, on_hand: int = 500
) -> Iterator[ConnectedStore]:
    """Start both partners, fill their shelves, and connect a store to them."""
    shop = ShopifySimulator(shop=f"{slug}.myshopify.com", seed=seed, accept_http_addresses=True)
    jetpack = JetpackSimulator(seed=seed, webhook_secret=JETPACK_SECRET, rate_limit_per_minute=rate_limit_per_minute)
    jetpack.webhook_address = stack.webhook_url("jetpack", slug)
    with shop, jetpack:
        subscribe(shop, stack.webhook_url("shopify", slug))
        for sku in SKUS:
            shop.add_product(sku, on_hand=on_hand)
            jetpack.add_product(sku, on_hand)
        shop.add_product("EBOOK", requires_shipping=False, tracked=False)
        given = Credentials(
            shop=shop.shop,
            shopify_url=shop.url,
            shopify_token=shop.access_token,
            shopify_secret=shop.client_secret,
            jetpack_url=jetpack.url,
            jetpack_token=jetpack.token,
            jetpack_secret=JETPACK_SECRET,
            jetpack_channel=str(jetpack.channel["id"]),
        )
        location = gid("Location", shop.store.find_location(None).id)
        yield ConnectedStore(
            shop, jetpack, connect_store(stack, slug, given, location=location, ship_options=SHIP_OPTIONS)
        )
