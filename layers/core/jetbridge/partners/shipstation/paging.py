"""Reads ShipStation's lists to their end, and past a row that ShipStation itself cannot read.

`pages` in an answer is not believed when it says that this was the last one (the vendor's own example says 0 with
rows in it), and one unreadable order makes the whole page a 500: then the page is cut smaller until that row is
alone, and stepped over (facts/shipstation.md sections 3 and 7).
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from jetbridge.errors import PartnerUnavailableError, UnexpectedAnswerError
from jetbridge.partners.shipstation.api import FAILED, REFUSED_FROM, SHIPSTATION, failed_read

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jetbridge.partners.shipstation.api import ShipStationApi

__all__ = ["Listing", "Page", "pages"]

logger = logging.getLogger(__name__)

SIZES = (500, 250, 125, 25, 5, 1)
"""Each divides the one before it, so that a smaller page can begin where a larger one did."""
MAX_FAILURES = 20
"""Half a minute's calls. A list that fails so often without a row between has no bad row: ShipStation is down."""


class Listing(NamedTuple):
    """One list: where it is, under which name its rows stand, and which field tells one from another."""

    path: str
    key: str
    id: str


class Page(NamedTuple):
    """Rows as they came, null ones too, and where the first of them stands."""

    rows: list[Any]
    position: int
    more: bool
    """Whether there may be another page."""


def pages(
    api: ShipStationApi,
    listing: Listing,
    query: Sequence[tuple[str, str]],
    *,
    origin: str = "",
    at_most: float = math.inf,
) -> Iterator[Page]:
    """Give every page that has rows, or those of the first `at_most` rows.

    Raises:
        UnexpectedAnswerError: Not a page, or one that shows only what was shown before.
        PartnerUnavailableError: Failed too often for it to be the rows' fault.
    """
    seen: set[str] = set()
    position = failures = 0
    largest, alone = SIZES[0], False
    while position < at_most:
        size = next(size for size in SIZES if size <= largest and position % size == 0)
        number = position // size + 1
        answer = api.try_read(listing.path, [*query, ("page", str(number)), ("pageSize", str(size))], origin=origin)
        if answer.status == FAILED:
            failures += 1
            if failures > MAX_FAILURES:
                raise PartnerUnavailableError(partner=SHIPSTATION, http_status=FAILED, code="list_fails")
            if size > 1:
                largest = SIZES[SIZES.index(size) + 1]
            elif not alone:
                alone = True  # asked once more, so that one bad moment costs no row
            else:
                # Its number in the list is all that may be said: the rest is somebody's order.
                logger.error("a row was stepped over", extra={"path": listing.path, "position": position})
                position, largest, alone = position + 1, SIZES[0], False
            continue
        if answer.status >= REFUSED_FROM:
            raise failed_read(answer)
        page = _page(answer.body, listing, position, size, number)
        ids = {str(row[listing.id]) for row in page.rows if isinstance(row, dict) and row.get(listing.id)}
        if ids and ids <= seen:
            raise UnexpectedAnswerError(partner=SHIPSTATION, code="page_repeats")
        seen |= ids
        if page.rows:
            failures = 0
            yield page
        if not page.more:
            return
        position, largest, alone = position + size, SIZES[0], False


def _page(body: Any, listing: Listing, position: int, size: int, number: int) -> Page:  # noqa: ANN401 - JSON
    rows = body.get(listing.key, ()) if isinstance(body, dict) else ()
    if rows is None:
        rows = []
    if not isinstance(rows, list):
        raise UnexpectedAnswerError(partner=SHIPSTATION, code="not_a_page")
    promised = body.get("pages")
    more = len(rows) >= size or (isinstance(promised, int) and promised > number)
    return Page(rows, position, more=bool(rows) and more)
