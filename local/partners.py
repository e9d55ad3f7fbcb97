"""The partner simulators of a local stack, with a small catalogue, and a store connected to them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jetbridge.aws.secrets import SsmSecretStore
from local.connection import Credentials, connect_store
from local.day import SKUS
from local.simulators.jetpack import JetpackSimulator
from local.simulators.shipstation import ShipStationSimulator
from local.simulators.shopify import ShopifySimulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetbridge.domain.store import Store
    from local.stack import LocalStack

SLUG = "demo"
JETPACK_SECRET = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY"  # noqa: S105 - invented, as the fact sheet prints it
"""What the deliveries in `events/` are signed with. Jetpack makes the secret of a subscription itself."""

IMPORT_SECONDS = 3.0
"""ShipStation polls its shops every quarter of an hour or so; a day here lasts minutes."""

SHIP_OPTIONS = {"Standard": "Standard", "Express": "2-Day"}


@dataclass(frozen=True)
class ConnectedStore:
    """A store whose shop, warehouse and perhaps ShipStation run on this machine."""

    shop: ShopifySimulator
    jetpack: JetpackSimulator
    store: Store
    shipstation: ShipStationSimulator | None = None


@contextlib.contextmanager
def connected_store(  # noqa: PLR0913 - what kind of shop
    stack: LocalStack,
    *,
    slug: str = SLUG,
    seed: int = 0,
    busy: bool = False,
    on_hand: int = 500,
    in_the_middle: bool = False,
) -> Iterator[ConnectedStore]:
    """Start the partners, fill their shelves, and connect a store to them; `in_the_middle` with ShipStation.

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
    jetpack = JetpackSimulator(seed=seed, rate_limit_per_minute=limit)
    shipstation = (
        ShipStationSimulator(
            shop=shop,
            seed=seed,
            rate_limit=None if busy else 40,
            import_every=IMPORT_SECONDS,
            notify_delay_seconds=2.0,
        )
        if in_the_middle
        else None
    )
    with shop, jetpack, shipstation or contextlib.nullcontext():
        for sku in SKUS:
            # The shop was not told of the last delivery yet: the first stock push has something to do.
            shop.add_product(sku, on_hand=on_hand - 20)
            jetpack.add_product(sku, on_hand)
        shop.add_product("EBOOK", requires_shipping=False, tracked=False)
        given = Credentials(
            shop=shop.shop,
            shopify_url=shop.url,
            shopify_client_id=shop.client_id,
            shopify_client_secret=shop.client_secret,
            jetpack_url=jetpack.url,
            jetpack_token=jetpack.token,
            shipstation_url=shipstation.url if shipstation else "",
            shipstation_key=shipstation.api_key if shipstation else "",
            shipstation_secret=shipstation.api_secret if shipstation else "",
        )
        store = connect_store(stack, slug, given, ship_options=SHIP_OPTIONS)
        _accept_stored_events(stack, slug)
        yield ConnectedStore(shop, jetpack, store, shipstation)


def _accept_stored_events(stack: LocalStack, slug: str) -> None:
    """Accept what `events/` are signed with beside what Jetpack signs with, as during a rotation."""
    ssm, stage = stack.client("ssm"), stack.environment("Console")["STAGE"]
    secrets = SsmSecretStore(ssm, stage)
    secrets.save_webhook_secrets(slug, "jetpack", [JETPACK_SECRET, *secrets.webhook_secrets(slug, "jetpack")])
