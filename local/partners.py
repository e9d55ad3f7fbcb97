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


SHOPIFY_TOPICS = (
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

JETPACK_TOPICS = (
    "order.shipped",
    "order.shipment.delivered",
    "order.shipment.exception",
    "order.shipment.on_hold",
    "order.shipment.cancelled",
)
"""What changes an order of ours; carrier scans between shipping and delivery do not."""

SUBSCRIBE = """
mutation Subscribe($topic: WebhookSubscriptionTopic!, $subscription: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $subscription) { userErrors { field message } }
}
"""


def subscribe_to_shop(shop: ShopifySimulator, address: str) -> None:
    """Subscribe to the shop's webhooks through its API.

    Raises:
        RuntimeError: The shop refuses; carries its words.
    """
    for topic in SHOPIFY_TOPICS:
        answer = requests.post(
            f"{shop.url}/admin/api/2026-10/graphql.json",
            json={"query": SUBSCRIBE, "variables": {"topic": topic, "subscription": {"uri": address}}},
            headers={"X-Shopify-Access-Token": shop.access_token},
            timeout=10,
        ).json()
        errors = answer.get("errors") or answer["data"]["webhookSubscriptionCreate"]["userErrors"]
        if errors:
            raise RuntimeError(errors)


def subscribe_to_jetpack(jetpack: JetpackSimulator, address: str) -> None:
    """Subscribe to the warehouse's webhooks through its API; the secret is ours, so it is known to both.

    Raises:
        RuntimeError: Jetpack refuses; carries its words.
    """
    answer = requests.post(
        f"{jetpack.url}/2026-07/webhook",
        json={"url": address, "topics": list(JETPACK_TOPICS), "secret": JETPACK_SECRET},
        headers={"Authorization": f"Bearer {jetpack.token}"},
        timeout=10,
    )
    if not answer.ok:
        raise RuntimeError(answer.text)


@dataclass(frozen=True)
class ConnectedStore:
    """A store whose shop and warehouse run on this machine."""

    shop: ShopifySimulator
    jetpack: JetpackSimulator
    store: Store


@contextlib.contextmanager
def connected_store(
    stack: LocalStack, *, slug: str = SLUG, seed: int = 0, busy: bool = False, on_hand: int = 500
) -> Iterator[ConnectedStore]:
    """Start both partners, fill their shelves, and connect a store to them.

    `busy` is a shop of 86,400 orders a day: on Shopify's Plus plan, and without Jetpack's limit, which allows
    150 calls a minute and therefore less than an order a second.
    """
    bucket, restored, limit = (20_000, 1_000, None) if busy else (2_000, 100, 150)
    shop = ShopifySimulator(
        shop=f"{slug}.myshopify.com",
        seed=seed,
        accept_http_addresses=True,
        bucket_size=bucket,
        restore_rate=restored,
    )
    jetpack = JetpackSimulator(seed=seed, webhook_secret=JETPACK_SECRET, rate_limit_per_minute=limit)
    with shop, jetpack:
        subscribe_to_shop(shop, stack.webhook_url("shopify", slug))
        subscribe_to_jetpack(jetpack, stack.webhook_url("jetpack", slug))
        for sku in SKUS:
            # The shop was not told of the last delivery yet: the first stock push has something to do.
            shop.add_product(sku, on_hand=on_hand - 20)
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
