"""What a merchant has set for one store."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from jetbridge.domain.identifiers import StoreSlug
from jetbridge.domain.rules import DEFAULT_RULES, RuleSet
from jetbridge.domain.ship_options import Method, ShipOptionLimits, ShipOptionMapping
from jetbridge.domain.skus import SkuMapping

PAID = frozenset({"PAID", "PARTIALLY_REFUNDED"})
HARMLESS = frozenset({"ACCEPT", "NONE"})


@dataclass(frozen=True, slots=True)
class ShopifyConnection:
    """Where the shop is. `admin_url` is its address; anything but Shopify's own only outside production."""

    shop: str
    admin_url: str
    api_version: str = "2026-10"


@dataclass(frozen=True, slots=True)
class JetpackConnection:
    """Where the warehouse is, and through which channel we write."""

    api_url: str = "https://api.shipbob.com"
    api_version: str = "2026-07"
    channel_id: str = ""


@dataclass(frozen=True, slots=True)
class ShipStationConnection:
    """Where ShipStation is, and which of the account's stores is the shop."""

    store_id: str
    api_url: str = "https://ssapi.shipstation.com"


class Route(StrEnum):
    """By which book an order is forwarded (DESIGN section 1)."""

    DIRECT = "direct"
    SHIPSTATION = "shipstation"


class OutOfStock(StrEnum):
    """What happens to an order that Jetpack has too few units for."""

    FORWARD = "forward"
    """Jetpack gets it all the same and waits for the goods (its exception is shown as a hold)."""
    HOLD = "hold"
    SPLIT = "split"
    """What is there goes now, the rest is held."""


@dataclass(frozen=True, slots=True)
class Store:
    """One Shopify shop with one Jetpack connection. `version` moves with every change of its settings."""

    slug: StoreSlug
    shopify: ShopifyConnection
    jetpack: JetpackConnection
    version: int = 0
    locations: frozenset[str] = frozenset()
    """Shopify locations (GIDs) that Jetpack ships for."""
    stock_location: str = ""
    """The location that stock is pushed to; empty means none."""
    buffer: int = 0
    grace_minutes: int = 0
    forward_financial_states: frozenset[str] = PAID
    forward_gateways: frozenset[str] = frozenset()
    """Payment gateways that forward before they are paid, cash on delivery for one."""
    accepted_risks: frozenset[str] = HARMLESS
    forward_test_orders: bool = False
    routes: frozenset[Route] = frozenset({Route.DIRECT})
    """With both, whichever book shows an order first forwards it; the other is looked at and ignored."""
    shipstation: ShipStationConnection | None = None
    time_zone: str = "UTC"
    """The shop's, by its IANA name: what dates in rules mean."""
    mirror_holds: bool = True
    """Whether our holds show in Shopify as fulfillment holds; only on the route `direct`."""
    mark_forwarded: bool = False
    """Whether a forwarded order gets its references as a metafield in Shopify: a call and an echo an order more."""
    ships_from: frozenset[str] = frozenset()
    """Countries that Jetpack ships from for us: what goes elsewhere needs customs data. Empty: not checked here."""
    out_of_stock: OutOfStock = OutOfStock.FORWARD
    option_limits: tuple[ShipOptionLimits, ...] = ()
    rules: RuleSet = DEFAULT_RULES
    shadow: RuleSet | None = None
    """A rule set that is asked about live orders and decides nothing."""
    ship_options: dict[Method, ShipOptionMapping] = field(default_factory=dict)
    sku_map: dict[str, SkuMapping] = field(default_factory=dict)
    """By the shop's SKU. A SKU that is not in it has the same name at Jetpack."""
