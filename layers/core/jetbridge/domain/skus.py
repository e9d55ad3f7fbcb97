"""The shop's SKU → Jetpack's: aliases, and bundles that are packed from several products."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SkuMapping:
    """One line of the merchant's SKU map: what one unit of the shop's SKU is at Jetpack."""

    sku: str
    components: tuple[tuple[str, int], ...]
    """(Jetpack's SKU, units of it in one unit of ours)"""

    def __post_init__(self) -> None:
        """Refuse a mapping to nothing."""
        named = [sku for sku, units in self.components if sku.strip() and units > 0]
        if not self.sku.strip() or not self.components or len(set(named)) < len(self.components):
            message = "a SKU is mapped to one or more different SKUs, each with a number of units above zero"
            raise ValueError(message)


def components_of(sku: str, sku_map: Mapping[str, SkuMapping]) -> tuple[tuple[str, int], ...]:
    """Say what one unit of a SKU is at Jetpack; empty when it is itself."""
    mapping = sku_map.get(sku)
    return mapping.components if mapping else ()
