"""How many units of a SKU Jetpack can sell now: its own stock, or for a bundle that of its parts.

Levels are kept by inventory item and know no SKU to ask by (facts/shipbob.md section 12), so products come first.
What nobody says counts as nothing to sell.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from jetbridge.domain.stock import shippable
from jetbridge.partners.jetpack.api import JETPACK, PAGE_SIZE
from jetbridge.partners.jetpack.payloads import LevelPayload, VariantPayload
from jetbridge.partners.reading import parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from jetbridge.partners.jetpack.api import JetpackApi

type Variants = tuple[VariantPayload, ...]
"""What products have of one SKU."""

LEVELS_SECONDS = 60.0
"""Levels follow an order by about a minute themselves."""
LEVELS_PER_CALL = 150


class SellableStock:
    """Reads the network's levels of inventory items, and remembers each for a minute."""

    def __init__(
        self, api: JetpackApi, clock: Callable[[], float], variants_of: Callable[[Collection[str]], dict[str, Variants]]
    ) -> None:
        self._api = api
        self._clock = clock
        self._variants_of = variants_of
        self._levels: dict[int, tuple[float, int]] = {}

    def of(self, found: Mapping[str, Variants]) -> dict[str, int]:
        """Count for each SKU the units that can be sold now.

        One line of an order is packed from one product: where several bear the SKU, the one that has most counts.
        """
        sold = {sku: [each for each in variants if each.is_shippable] for sku, variants in found.items()}
        parts = self._parts(part.variant_sku for each in sold.values() for one in each for part in one.bundle or ())
        recipes = {sku: [_recipe(variant, parts) for variant in variants] for sku, variants in sold.items()}
        levels = self._levels_of({item for each in recipes.values() for recipe in each for item in recipe})
        return {sku: max((_units(recipe, levels) for recipe in each), default=0) for sku, each in recipes.items()}

    def _parts(self, skus: Iterable[str | None]) -> dict[int, VariantPayload]:
        """Look up what bundles are packed from, by the id of the variant."""
        wanted = {sku for sku in skus if sku}
        known = self._variants_of(wanted) if wanted else {}
        return {variant.id: variant for variants in known.values() for variant in variants if variant.id}

    def _levels_of(self, items: set[int]) -> dict[int, int]:
        now = self._clock()
        kept = {item: self._levels[item] for item in items if item in self._levels}
        levels = {item: units for item, (until, units) in kept.items() if until > now}
        missing = sorted(items - levels.keys())
        for start in range(0, len(missing), LEVELS_PER_CALL):
            fresh = dict.fromkeys(missing[start : start + LEVELS_PER_CALL], 0)
            query = [("InventoryIds", ",".join(map(str, fresh))), ("PageSize", str(PAGE_SIZE))]
            for row in self._api.cursor_pages("/inventory-level", query):
                level = parsed(LevelPayload, row, partner=JETPACK)
                if level.inventory_id in fresh:
                    fresh[level.inventory_id] = max(0, shippable(level.to_stock()))
            until = self._clock() + LEVELS_SECONDS
            self._levels |= {item: (until, units) for item, units in fresh.items()}
            levels |= fresh
        return levels


def _recipe(variant: VariantPayload, parts: Mapping[int, VariantPayload]) -> Counter[int]:
    """Say what one unit is packed from: inventory item → units of it. Empty when that is not known in full."""
    if not variant.bundle:
        return Counter({variant.inventory_id: 1}) if variant.inventory_id else Counter()
    recipe: Counter[int] = Counter()
    for each in variant.bundle:
        part = parts.get(each.variant_id or 0)
        if part and part.is_digital:
            continue  # nothing is packed for it
        if not (part and part.is_shippable and part.inventory_id and each.quantity and each.quantity > 0):
            return Counter()
        recipe[part.inventory_id] += each.quantity
    return recipe


def _units(recipe: Counter[int], levels: Mapping[int, int]) -> int:
    return min((levels[item] // units for item, units in recipe.items()), default=0)
