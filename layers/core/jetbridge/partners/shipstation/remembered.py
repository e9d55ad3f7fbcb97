"""What an account hardly ever changes, read seldom: names of tags, codes of carriers."""

from __future__ import annotations

import re
from threading import Lock
from typing import TYPE_CHECKING

from jetbridge.errors import UnexpectedAnswerError
from jetbridge.partners.reading import parsed
from jetbridge.partners.shipstation.api import SHIPSTATION
from jetbridge.partners.shipstation.payloads import CarrierPayload, TagPayload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from jetbridge.domain.shipstation import ShipStationFulfillment
    from jetbridge.partners.shipstation.api import ShipStationApi

TAGS_SECONDS = 300.0
NEW_TAG_SECONDS = 30.0
"""A tag nobody knows may have just been made; asked for again no sooner than this."""
CARRIERS_SECONDS = 1800.0
FULFILLMENTS_SECONDS = 60.0

# Jetpack's word begins with the first; the account's code is the first it has of the second.
CODES = (
    ("usps", ("stamps_com", "endicia", "express_1", "usps")),
    ("unitedstatespostal", ("stamps_com", "endicia", "express_1", "usps")),
    ("ups", ("ups", "ups_walleted")),
    ("fedex", ("fedex", "fedex_walleted")),
    ("dhlexpress", ("dhl_express", "dhl_express_worldwide", "dhl_express_uk")),
    ("dhlecommerce", ("dhl_global_mail", "dhl_ecommerce")),
    ("dhl", ("dhl_express", "dhl_global_mail", "dhl_ecommerce", "dhl_express_worldwide")),
)
NO_CARRIER = "other"


class Remembered[T]:
    """One value, kept for a while after it was read."""

    def __init__(self, read: Callable[[], T], clock: Callable[[], float], seconds: float) -> None:
        self._read, self._clock, self._seconds = read, clock, seconds
        self._kept: tuple[float, T] | None = None
        self._lock = Lock()

    def value(self, *, younger_than: float | None = None) -> T:
        """Give the value, read again when it is too old."""
        with self._lock:
            limit = self._seconds if younger_than is None else younger_than
            if self._kept is None or self._clock() - self._kept[0] >= limit:
                self._kept = (self._clock(), self._read())
            return self._kept[1]


class FulfillmentList:
    """The account's latest fulfillments, read once for all orders that ask within a minute."""

    def __init__(
        self, read: Callable[[datetime], Iterable[ShipStationFulfillment]], clock: Callable[[], float]
    ) -> None:
        self._read, self._clock = read, clock
        self._kept: tuple[float, datetime, list[ShipStationFulfillment]] | None = None
        self._lock = Lock()

    def since(self, moment: datetime) -> list[ShipStationFulfillment]:
        """Give those since a moment; read anew if the list is older than a minute or begins later."""
        with self._lock:
            kept = self._kept
            if kept is None or self._clock() - kept[0] >= FULFILLMENTS_SECONDS or moment < kept[1]:
                kept = self._kept = (self._clock(), moment, list(self._read(moment)))
            return [each for each in kept[2] if each.created_at >= moment or kept[1] == moment]


class AccountWords:
    """Tags and carriers of one account."""

    def __init__(self, api: ShipStationApi) -> None:
        self._api = api
        self._tags = Remembered(self._read_tags, api.clock, TAGS_SECONDS)
        self._carriers = Remembered(self._read_carriers, api.clock, CARRIERS_SECONDS)

    def tags(self, ids: Iterable[str]) -> dict[str, str]:
        """Name tags; ids without a name are left out. Nothing is asked for an order without tags."""
        wanted = set(ids)
        if not wanted:
            return {}
        known = self._tags.value()
        return known if wanted <= known.keys() else self._tags.value(younger_than=NEW_TAG_SECONDS)

    def carrier_code(self, carrier: str) -> str:
        """Find the account's code for a carrier as Jetpack calls it; else Jetpack's word written like a code.

        Whether an unknown code is refused is not documented (facts/shipstation.md section 10).
        """
        word = _letters(carrier)
        if not word:
            return NO_CARRIER
        carriers = self._carriers.value()
        codes = [each.code for each in carriers if each.code]
        for beginning, wanted in CODES:
            if word.startswith(beginning):
                own = [code for code in wanted if code in codes]
                if own:
                    return own[0]
                break
        for each in carriers:
            if each.code and word in {_letters(each.code), _letters(each.name)}:
                return each.code
        return re.sub(r"[^a-z0-9]+", "_", carrier.casefold()).strip("_")

    def _read_tags(self) -> dict[str, str]:
        rows = _list(self._api.read("/accounts/listtags"))
        tags = [parsed(TagPayload, row, partner=SHIPSTATION) for row in rows]
        return {tag.id: tag.name for tag in tags if tag.name}

    def _read_carriers(self) -> list[CarrierPayload]:
        return [parsed(CarrierPayload, row, partner=SHIPSTATION) for row in _list(self._api.read("/carriers"))]


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", text.casefold())


def _list(body: object) -> list[object]:
    if not isinstance(body, list):
        raise UnexpectedAnswerError(partner=SHIPSTATION, code="not_a_list")
    return [row for row in body if row is not None]
