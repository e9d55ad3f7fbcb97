"""Remembers what Jetpack was seen to know: SKUs and ship options that are there and active.

Only what is good is remembered; what is missing or inactive is asked for each time, so that adding it in the
dashboard helps the next look (facts/shipbob.md sections 9 and 12).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetbridge.domain.order import Catalogue
from jetbridge.errors import UnexpectedAnswerError
from jetbridge.partners.jetpack.payloads import ProductPayload, ShippingMethodPayload
from jetbridge.partners.reading import parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from jetbridge.partners.jetpack.api import JetpackApi

SHIP_OPTIONS_SECONDS = 5 * 60.0
SKUS_SECONDS = 10 * 60.0
SKUS_PER_CALL = 50
PAGE_SIZE = 250
MOST_PAGES = 100


class CatalogueReader:
    """Reads the catalogue of one account. Two threads may ask twice; the answers are the same."""

    def __init__(self, api: JetpackApi, clock: Callable[[], float]) -> None:
        self._api = api
        self._clock = clock
        self._ship_options: dict[str, bool] = {}
        self._ship_options_until = 0.0
        self._skus_until: dict[str, float] = {}

    def read(self, skus: frozenset[str], ship_options: frozenset[str]) -> Catalogue:
        """Tell which of these are known, and which are active."""
        return Catalogue(skus=self._read_skus(skus), ship_options=self._read_ship_options(ship_options))

    def _read_ship_options(self, asked: frozenset[str]) -> dict[str, bool]:
        known = self._ship_options if self._clock() < self._ship_options_until else {}
        if not all(known.get(name) for name in asked):
            known = {}
            for method in self._methods():
                if method.name:  # compared as exact text by the vendor, so by us
                    known[method.name] = known.get(method.name, False) or bool(method.active)
            self._ship_options, self._ship_options_until = known, self._clock() + SHIP_OPTIONS_SECONDS
        return {name: known[name] for name in asked if name in known}

    def _methods(self) -> Iterator[ShippingMethodPayload]:
        for page in range(1, MOST_PAGES + 1):
            answer = self._api.read("/shipping-method", [("Page", str(page)), ("Limit", str(PAGE_SIZE))])
            rows = answer.body if isinstance(answer.body, list) else None
            if rows is None:
                raise UnexpectedAnswerError(partner="jetpack", code="not_a_list")
            yield from (parsed(ShippingMethodPayload, row, partner="jetpack") for row in rows)
            pages = answer.headers.get("total-pages", "")
            if page >= int(pages) if pages.isdecimal() else len(rows) < PAGE_SIZE:
                return
        raise UnexpectedAnswerError(partner="jetpack", code="no_last_page")

    def _read_skus(self, asked: frozenset[str]) -> dict[str, bool]:
        now = self._clock()
        found = {sku: True for sku in asked if self._skus_until.get(sku, 0.0) > now}
        for batch in _batches(sorted(asked - found.keys())):
            fresh = self._ask_for(batch)
            found |= fresh
            for sku, active in fresh.items():
                self._skus_until[sku] = self._clock() + SKUS_SECONDS if active else 0.0
        return found

    def _ask_for(self, batch: list[str]) -> dict[str, bool]:
        # A comma would end the entry of a list; alone, without `any:`, the value is taken whole.
        wanted = f"any:{','.join(batch)}" if len(batch) > 1 else batch[0]
        answers: dict[str, bool] = {}
        for row in self._api.cursor_pages("/product", [("SKU", wanted), ("PageSize", str(PAGE_SIZE))]):
            for variant in parsed(ProductPayload, row, partner="jetpack").variants or ():
                if variant.sku in batch:  # the filter may answer with more; only the exact SKU counts
                    answers[variant.sku] = answers.get(variant.sku, False) or variant.status == "Active"
        return answers


def _batches(skus: list[str]) -> Iterable[list[str]]:
    yield from ([sku] for sku in skus if "," in sku)
    together = [sku for sku in skus if "," not in sku]
    yield from (together[start : start + SKUS_PER_CALL] for start in range(0, len(together), SKUS_PER_CALL))
