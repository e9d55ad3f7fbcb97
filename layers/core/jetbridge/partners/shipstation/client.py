"""ShipStation as the port ShippingDesk: one store's orders, and whether its parcels were told to the shop."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from jetbridge.errors import (
    ConfigurationError,
    ForeignAddressError,
    OutcomeUnknownError,
    PartnerError,
    RejectedByPartnerError,
    UnexpectedAnswerError,
)
from jetbridge.partners.reading import parsed
from jetbridge.partners.shipstation.api import NOT_FOUND, SHIPSTATION, ShipStationApi, refused_write
from jetbridge.partners.shipstation.paging import Listing, pages
from jetbridge.partners.shipstation.payloads import FulfillmentPayload, MarkedPayload, OrderPayload, ShipmentPayload
from jetbridge.partners.shipstation.refusals import says_already_shipped
from jetbridge.partners.shipstation.remembered import AccountWords, FulfillmentList
from jetbridge.partners.shipstation.resources import names_one_thing, resource_from, store_of, text_of
from jetbridge.partners.shipstation.times import changes_near, date_text, filter_text, wall_text, wall_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from jetbridge.domain.shipstation import Mark, Resource, ShipStationFulfillment, ShipStationOrder
    from jetbridge.domain.store import ShipStationConnection
    from jetbridge.partners.http import Seams
    from jetbridge.partners.reading import Payload
    from jetbridge.partners.shipstation.paging import Page

logger = logging.getLogger(__name__)

ORDERS = Listing("/orders", "orders", "orderId")
SHIPMENTS = Listing("/shipments", "shipments", "shipmentId")
FULFILLMENTS = Listing("/fulfillments", "fulfillments", "fulfillmentId")
# An address that names no batch stands for all of a store: its newest rows hold what just happened.
NEWEST_ROWS = 500
NEWEST = {
    "orders": (("sortBy", "ModifyDate"), ("sortDir", "DESC")),
    "shipments": (("sortBy", "CreateDate"), ("sortDir", "DESC")),
    "fulfillments": (("sortBy", "CreateDate"), ("sortDir", "DESC")),
}
SHIPPED = "shipped"
SECOND = timedelta(seconds=1)


class ShipStationDesk:
    """One store of one account."""

    def __init__(
        self,
        connection: ShipStationConnection,
        credentials: Callable[[bool], Mapping[str, str]],
        *,
        production: bool,
        seams: Seams | None = None,
    ) -> None:
        """Connect; nothing is sent yet.

        Args:
            connection: Where ShipStation is, and which store is ours.
            credentials: Gives `api_key` and `api_secret`; True asks for newer ones, after a 401.
            production: Whether only the vendor's own hosts will do.
            seams: What tests put in the place of the network, the clock and chance.

        Raises:
            ConfigurationError: The credentials must not go to this address, or no store is named.
        """
        if not (connection.store_id.isascii() and connection.store_id.isdecimal()):
            message = "a ShipStation store id is a number"
            raise ConfigurationError(message)
        self._store_id = connection.store_id
        self._api = ShipStationApi(connection, credentials, production=production, seams=seams)
        self._words = AccountWords(self._api)
        self._fulfillments = FulfillmentList(self._read_fulfillments, self._api.clock)

    @property
    def remaining_calls(self) -> int | None:
        """Calls left in the present minute, as the last answer said; None when nobody knows."""
        return self._api.remaining_calls

    def read_order(self, shipstation_id: str) -> ShipStationOrder | None:
        """Read one order, whatever its store."""
        body = self._api.read_if_there(f"/orders/{quote(shipstation_id, safe='')}")
        if body is None:
            return None
        order = parsed(OrderPayload, body, partner=SHIPSTATION)
        if order.id != shipstation_id:
            raise UnexpectedAnswerError(partner=SHIPSTATION, code="other_order")
        return order.to_order(self._words.tags(order.tag_ids))

    def orders_numbered(self, number: str) -> tuple[ShipStationOrder, ...]:
        """Find the orders of our store that bear exactly this number; ShipStation itself finds all that begin so."""
        if not number:
            return ()
        query = [("orderNumber", number), ("storeId", self._store_id)]
        found = [each for page in pages(self._api, ORDERS, query) for each in self._orders(page)]
        return tuple(each for each in found if each.number == number)

    def orders_changed_since(self, since: datetime) -> Iterator[ShipStationOrder]:
        """Find the orders of our store modified at or after `since`, oldest change first, every page.

        Some from a moment before may be among them (`times.filter_text`). An order that changes while this reads
        comes again at the end.
        """
        start = filter_text(since)
        seen: set[tuple[str, datetime]] = set()
        while start:
            query = [("modifyDateStart", start), ("sortBy", "ModifyDate"), ("sortDir", "ASC")]
            begun_at, start = start, ""
            for page in pages(self._api, ORDERS, [*query, ("storeId", self._store_id)]):
                for order in self._orders(page):
                    if (order.id, order.modified_at) not in seen:
                        seen.add((order.id, order.modified_at))
                        yield order
                if page.more and (start := _next_start(page, begun_at)):
                    break

    def orders_behind(self, resource: Resource) -> Iterator[ShipStationOrder]:
        """Read the orders a webhook points at, every page, those of other stores left out.

        Raises:
            ForeignAddressError: The address is none of ShipStation's, or of another store; nothing was sent to it.
        """
        behind = self._behind(resource, {"orders": ORDERS})
        return (order for page in behind for order in self._orders(page))

    def labelled_behind(self, resource: Resource) -> Iterator[str]:
        """Name the orders whose labels or fulfillments a webhook points at, every page.

        Fulfillments do not say of which store they are, so that orders of other stores may be among them.

        Raises:
            ForeignAddressError: The address is none of ShipStation's, or of another store; nothing was sent to it.
        """
        behind = self._behind(resource, {"shipments": SHIPMENTS, "fulfillments": FULFILLMENTS})
        return self._labelled(behind)

    def mark_shipped(self, mark: Mark) -> None:
        """Mark a whole order as shipped. The customer hears of it from the shop, never from ShipStation.

        Raises:
            RejectedByPartnerError: Refused; nothing was marked.
            OutcomeUnknownError: It may have been marked. A 500 that names a validation error is this, too.
        """
        if not (mark.order_id.isascii() and mark.order_id.isdecimal()):
            raise RejectedByPartnerError(partner=SHIPSTATION, code="no_order_id")
        body = {
            "orderId": int(mark.order_id),
            "carrierCode": self._words.carrier_code(mark.carrier),
            "shipDate": date_text(mark.shipped_at),
            "trackingNumber": mark.number,
            "notifyCustomer": False,
            "notifySalesChannel": mark.notify_channel,
        }
        answer = self._api.write("POST", "/orders/markasshipped", body)
        if error := refused_write(answer):
            if says_already_shipped(answer.body) or (_may_be_shipped(error) and self._is_shipped(mark.order_id)):
                return
            raise error
        marked = parsed(MarkedPayload, answer.body, partner=SHIPSTATION, error=OutcomeUnknownError)
        if marked.order_id != mark.order_id:
            raise OutcomeUnknownError(partner=SHIPSTATION, code="other_order")

    def fulfillments_since(self, since: datetime) -> Iterator[ShipStationFulfillment]:
        """Find the fulfillments created at or after `since`, every page, those of other stores too.

        Some from a moment before may be among them. May be a minute old: every order that waits for its proof asks.
        """
        return iter(self._fulfillments.since(since))

    def _read_fulfillments(self, since: datetime) -> Iterator[ShipStationFulfillment]:
        query = [("createDateStart", filter_text(since)), ("sortBy", "CreateDate"), ("sortDir", "ASC")]
        for page in pages(self._api, FULFILLMENTS, query):
            for row in _readable(FulfillmentPayload, page):
                yield row.to_fulfillment()

    def fulfillments_of(self, shipstation_id: str) -> tuple[ShipStationFulfillment, ...]:
        """Read the fulfillments of one order."""
        found = pages(self._api, FULFILLMENTS, [("orderId", shipstation_id)])
        rows = [row for page in found for row in _readable(FulfillmentPayload, page)]
        return tuple(row.to_fulfillment() for row in rows if row.order_id == shipstation_id)

    def _is_shipped(self, shipstation_id: str) -> bool:
        """Look at an order whose mark was refused: no page says in which words a second mark is."""
        try:
            body = self._api.read_if_there(f"/orders/{shipstation_id}")
            return body is not None and parsed(OrderPayload, body, partner=SHIPSTATION).status == SHIPPED
        except PartnerError:
            return False

    def _orders(self, page: Page) -> list[ShipStationOrder]:
        ours = [row for row in _readable(OrderPayload, page) if row.store_id == self._store_id]
        tags = self._words.tags(tag for row in ours for tag in row.tag_ids)
        return [row.to_order(tags) for row in ours]

    def _labelled(self, behind: Iterator[Page]) -> Iterator[str]:
        named: set[str] = set()
        for page in behind:
            for row in _readable(ShipmentPayload, page):
                store_id = row.advanced.store_id if row.advanced else ""
                if store_id in {"", self._store_id} and row.order_id not in named:
                    named.add(row.order_id)
                    yield row.order_id

    def _behind(self, resource: Resource, listings: Mapping[str, Listing]) -> Iterator[Page]:
        """Read what a webhook points at, once its address is proved to be ShipStation's and our store's."""
        known = resource_from(text_of(resource))  # as strict with a value as with the text it came from
        if known.kind not in listings or not self._api.allows(known.origin):
            message = "the address is none of ShipStation's"
            raise ForeignAddressError(message)
        if store_of(known) not in {"", self._store_id}:
            message = "the address is of another store"
            raise ForeignAddressError(message)
        if names_one_thing(known):
            return pages(self._api, listings[known.kind], known.query, origin=known.origin)
        query = [*known.query, *NEWEST[known.kind]]
        return pages(self._api, listings[known.kind], query, origin=known.origin, at_most=NEWEST_ROWS)


def _may_be_shipped(error: PartnerError) -> bool:
    """Whether a refusal may mean that there was nothing left to mark."""
    return error.code == "validation" or (isinstance(error, RejectedByPartnerError) and error.http_status != NOT_FOUND)


def _readable[Row: Payload](model: type[Row], page: Page) -> Sequence[Row]:
    """Read the rows of a page. One that cannot be read is named in the log by its place and costs only itself.

    Raises:
        UnexpectedAnswerError: None of them can be read: that is no bad row, that is another vendor.
    """
    found: list[Row] = []
    failure: UnexpectedAnswerError | None = None
    for place, row in enumerate(page.rows):
        if row is None:
            continue
        try:
            found.append(parsed(model, row, partner=SHIPSTATION))
        except UnexpectedAnswerError as error:
            failure = error
            facts = {"row": model.__name__, "position": page.position + place, "reason": str(error)}
            logger.error("a row cannot be read", extra=facts)  # noqa: TRY400 - the traceback says nothing more
    if failure and not found:
        raise failure
    return found


def _next_start(page: Page, begun_at: str) -> str:
    """Begin the next page at the last change seen, by time instead of by number: "" when that would not get on.

    A change while we read takes its order to the end of the list and moves all others up by one: the next page by
    number would lack one of them. Where the clocks change, the order of their times is not that of time.
    """
    rows = (row for row in reversed(page.rows) if isinstance(row, dict))
    try:
        last = wall_time(str(next(rows, {}).get("modifyDate"))) - SECOND
    except ValueError:
        return ""
    start = wall_text(last)
    return start if start > begun_at and not changes_near(last) else ""
