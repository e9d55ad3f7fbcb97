"""How much of each SKU Shopify may sell: available = S - C + K - buffer, never below zero (DESIGN section 7)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JetpackStock:
    """The network's levels of one SKU (facts/shipbob.md section 12)."""

    sku: str
    sellable: int
    fulfillable: int
    exception: int


@dataclass(frozen=True, slots=True)
class ShopifyStock:
    """One inventory item at one location (facts/shopify.md section 8)."""

    item_id: str
    sku: str
    available: int
    committed: int
    reserved: int = 0
    safety_stock: int = 0


@dataclass(frozen=True, slots=True)
class StockChange:
    """Set `available` of an item to `quantity`, if it still is `change_from`."""

    item_id: str
    sku: str
    change_from: int
    quantity: int


def shippable(level: JetpackStock) -> int:
    """S. The vendor's texts disagree about `sellable`: the smaller reading never oversells (facts/shipbob.md 16.4)."""
    return min(level.sellable, level.fulfillable - level.exception)


def available(level: JetpackStock, shopify: ShopifyStock, *, known_at_jetpack: int, buffer: int) -> int:
    """Compute what Shopify may sell.

    Args:
        level: Jetpack's levels.
        shopify: Shopify's, `committed` from the same read that the write will be compared with.
        known_at_jetpack: K, the units of Shopify's `committed` that Jetpack already took off its own figure, has
            shipped, or will never get. Doubt lowers it.
        buffer: Units the merchant keeps back.
    """
    committed = shopify.committed - min(known_at_jetpack, shopify.committed)
    return max(0, shippable(level) - committed - buffer - shopify.reserved - shopify.safety_stock)
