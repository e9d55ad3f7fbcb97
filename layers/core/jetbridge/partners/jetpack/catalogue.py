"""Remembers what Jetpack was seen to know: SKUs and ship options that are there and active.

Only what is good is remembered for long; what is missing or inactive is asked for each time, so that adding it in
the dashboard helps the next look (facts/shipbob.md sections 9 and 12).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jetbridge.domain.order import Catalogue
from jetbridge.errors import RejectedByPartnerError
from jetbridge.partners.jetpack.api import JETPACK, PAGE_SIZE
from jetbridge.partners.jetpack.payloads import ProductPayload, ShippingMethodPayload
from jetbridge.partners.jetpack.sellable import SellableStock
from jetbridge.partners.reading import parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from jetbridge.partners.jetpack.api import JetpackApi
    from jetbridge.partners.jetpack.sellable import Variants

SHIP_OPTIONS_SECONDS = 5 * 60.0
SKUS_SECONDS = 10 * 60.0
CUSTOMS_SECONDS = 60.0
"""How long the lack of customs data is remembered: it stops few orders, and filling them in is to help soon."""
SKUS_PER_CALL = 50


@dataclass(frozen=True, slots=True)
class ShipOption:
    """A text of the ship option mapping: whether it may be sent, and the service it stands for."""

    active: bool
    service_level: int | None


class CatalogueReader:
    """Reads the catalogue of one account. Two threads may ask twice; the answers are the same."""

    def __init__(self, api: JetpackApi, clock: Callable[[], float]) -> None:
        self._api = api
        self._clock = clock
        self._ship_options: dict[str, ShipOption] = {}
        self._ship_options_until = 0.0
        self._variants: dict[str, tuple[float, Variants]] = {}
        self._stock = SellableStock(api, clock, self._read_variants)

    def read(self, skus: frozenset[str], ship_options: frozenset[str], *, with_stock: bool = False) -> Catalogue:
        """Tell which of these are known, which are active, and perhaps how many units can be sold."""
        options = self._read_ship_options(ship_options)
        found = self._read_variants(skus)
        return Catalogue(
            skus={sku: _is_active(variants) for sku, variants in found.items()},
            ship_options={name: option.active for name, option in options.items()},
            sellable=dict.fromkeys(skus, 0) | self._stock.of(found) if with_stock else None,
            without_customs=frozenset(sku for sku, variants in found.items() if _lacks_customs(variants)),
        )

    def service_level(self, ship_option: str) -> int:
        """Give the service a ship option text stands for.

        Raises:
            RejectedByPartnerError: Jetpack has no such option, or not any more.
        """
        option = self._read_ship_options(frozenset({ship_option})).get(ship_option)
        if option is None or not option.active or option.service_level is None:
            message = "Jetpack has no such ship option" if option is None else "the ship option is not active"
            raise RejectedByPartnerError(message, partner=JETPACK, code="no_ship_option")
        return option.service_level

    def ship_options(self) -> Iterator[tuple[str, bool]]:
        """Read every row of the mapping now: its text, and whether it is active."""
        for method in self._methods():
            if method.name:
                yield method.name, bool(method.active)

    def _read_ship_options(self, asked: frozenset[str]) -> dict[str, ShipOption]:
        known = self._ship_options if self._clock() < self._ship_options_until else {}
        if not all(name in known and known[name].active for name in asked):
            known = {}
            for method in self._methods():
                level = method.service_level.id if method.service_level else None
                if method.name and (method.active or method.name not in known):  # compared as exact text, so by us
                    known[method.name] = ShipOption(bool(method.active), level)
            self._ship_options, self._ship_options_until = known, self._clock() + SHIP_OPTIONS_SECONDS
        return {name: known[name] for name in asked if name in known}

    def _methods(self) -> Iterator[ShippingMethodPayload]:
        for row in self._api.numbered_pages("/shipping-method"):
            yield parsed(ShippingMethodPayload, row, partner=JETPACK)

    def _read_variants(self, asked: Collection[str]) -> dict[str, Variants]:
        now = self._clock()
        remembered = {sku: self._variants[sku] for sku in asked if sku in self._variants}
        found = {sku: variants for sku, (until, variants) in remembered.items() if until > now}
        for batch in _batches(sorted(set(asked) - found.keys())):
            fresh = self._ask_for(batch)
            found |= fresh
            for sku, variants in fresh.items():
                self._variants[sku] = (self._clock() + _remembered_seconds(variants), variants)
        return found

    def _ask_for(self, batch: list[str]) -> dict[str, Variants]:
        # A comma would end the entry of a list; alone, without `any:`, the value is taken whole.
        wanted = f"any:{','.join(batch)}" if len(batch) > 1 else batch[0]
        answers: dict[str, Variants] = {}
        for row in self._api.cursor_pages("/product", [("SKU", wanted), ("PageSize", str(PAGE_SIZE))]):
            for variant in parsed(ProductPayload, row, partner=JETPACK).variants or ():
                if variant.sku in batch:  # the filter may answer with more; only the exact SKU counts
                    answers[variant.sku] = (*answers.get(variant.sku, ()), variant)
        return answers


def _is_active(variants: Variants) -> bool:
    return any(variant.is_shippable for variant in variants)


def _lacks_customs(variants: Variants) -> bool:
    said = {variant.has_customs for variant in variants if variant.is_shippable}
    return False in said and True not in said


def _remembered_seconds(variants: Variants) -> float:
    if not _is_active(variants):
        return 0.0
    # Most shops that sell at home never fill in customs data: they must not pay a call an order for it.
    return CUSTOMS_SECONDS if _lacks_customs(variants) else SKUS_SECONDS


def _batches(skus: list[str]) -> Iterable[list[str]]:
    yield from ([sku] for sku in skus if "," in sku)
    together = [sku for sku in skus if "," not in sku]
    yield from (together[start : start + SKUS_PER_CALL] for start in range(0, len(together), SKUS_PER_CALL))
