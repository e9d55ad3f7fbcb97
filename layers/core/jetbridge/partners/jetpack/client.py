"""Jetpack as the port Warehouse: one store's orders, catalogue and stock at the 3PL."""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from jetbridge.errors import OutcomeUnknownError, RejectedByPartnerError, UnexpectedAnswerError
from jetbridge.partners.http import Seams
from jetbridge.partners.jetpack.api import JETPACK, JetpackApi
from jetbridge.partners.jetpack.catalogue import CatalogueReader
from jetbridge.partners.jetpack.edits import ShipmentEdits
from jetbridge.partners.jetpack.payloads import (
    CancelPayload,
    LevelPayload,
    OrderPayload,
    SeenOrderPayload,
    ShipmentPayload,
    ShipmentTrackingPayload,
)
from jetbridge.partners.jetpack.refusals import complaints_of, harmless, refused_order, why_not_cancelled
from jetbridge.partners.reading import parsed, plain
from jetbridge.ports import Cancellation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from jetbridge.domain.order import Address, Catalogue, JetpackOrder, SeenAtJetpack
    from jetbridge.domain.stock import JetpackStock
    from jetbridge.domain.store import JetpackConnection
    from jetbridge.ports import Change, NewJetpackOrder, ParcelTracking

REFUSED = frozenset({400, 422})
ABSENT = frozenset({404})
MOST_TRACKED = 25  # in one call
CENTER_ID = re.compile(r"[0-9]{1,10}")
SECOND = timedelta(seconds=1)


class JetpackWarehouse:
    """One account at Jetpack, written to through one channel."""

    def __init__(
        self,
        connection: JetpackConnection,
        token: Callable[[bool], str],
        *,
        production: bool,
        seams: Seams | None = None,
    ) -> None:
        """Connect; nothing is sent yet.

        Args:
            connection: Where the account is.
            token: Gives the access token; True asks for a newer one, after a 401.
            production: Whether only the vendor's own hosts will do.
            seams: What tests put in the place of the network, the clock and chance.

        Raises:
            ConfigurationError: The token must not go to this address.
        """
        self._api = JetpackApi(connection, token, production=production, seams=seams)
        self._catalogue = CatalogueReader(self._api, (seams or Seams()).clock)
        self._edits = ShipmentEdits(self._api)

    @property
    def remaining_calls(self) -> int | None:
        """Calls left in the present minute, as the last answer said; None before the first."""
        return self._api.remaining_calls

    def create_order(self, new: NewJetpackOrder) -> JetpackOrder:
        """Create an order. A second one with this reference is refused (facts section 6).

        Raises:
            DuplicateReferenceError: Jetpack's words speak of an existing reference.
            RejectedByPartnerError: Refused for another reason, or its location is no id; nothing was created.
            OutcomeUnknownError: It may have been created.
        """
        answer = self._api.write("/order", _order_body(new), expected=REFUSED)
        if answer.status in REFUSED:
            raise refused_order(answer.status, answer.body, new)
        created = parsed(OrderPayload, answer.body, partner=JETPACK, error=OutcomeUnknownError)
        if created.reference_id != new.reference:
            raise OutcomeUnknownError(partner=JETPACK, code="other_reference")
        return created.to_order()

    def find_order(self, reference: str) -> JetpackOrder | None:
        """Look an order up by reference. None is no proof of absence: lists lag behind by a minute."""
        answer = self._api.read("/order", [("ReferenceIds", reference)], in_channel=True)
        rows = answer.body
        if not isinstance(rows, list):
            raise UnexpectedAnswerError(partner=JETPACK, code="not_a_list")
        for row in rows:
            found = parsed(OrderPayload, row, partner=JETPACK)
            if found.reference_id == reference and self._is_ours(found):
                return found.to_order()
        return None

    def read_order(self, jetpack_order_id: str) -> JetpackOrder | None:
        """Read one order with its shipments, whatever its channel."""
        answer = self._api.read(f"/order/{quote(jetpack_order_id, safe='')}", expected=ABSENT)
        if answer.status in ABSENT:
            return None
        return parsed(OrderPayload, answer.body, partner=JETPACK).to_order()

    def order_of_shipment(self, shipment_id: str) -> str | None:
        """Name the order a shipment belongs to."""
        answer = self._api.read(f"/shipment/{quote(shipment_id, safe='')}", expected=ABSENT)
        if answer.status in ABSENT:
            return None
        order_id = parsed(ShipmentPayload, answer.body, partner=JETPACK).order_id
        return str(order_id) if order_id else None

    def cancel_order(self, jetpack_order_id: str) -> Cancellation:
        """Cancel an order; safe to repeat. 200 does not mean cancelled (facts section 10).

        Raises:
            OutcomeUnknownError: It may have been cancelled.
        """
        path = f"/order/{quote(jetpack_order_id, safe='')}:cancel"
        answer = self._api.write(path, expected=REFUSED | ABSENT)
        if answer.status in ABSENT:
            return Cancellation(confirmed=False, reasons=("Jetpack does not know the order",))
        if answer.status in REFUSED:
            return Cancellation(confirmed=False, reasons=(harmless(complaints_of(answer.body), frozenset()),))
        return _cancellation(parsed(CancelPayload, answer.body, partner=JETPACK, error=OutcomeUnknownError))

    def cancel_shipment(self, shipment_id: str) -> Cancellation:
        """Cancel one shipment; safe to repeat.

        Raises:
            OutcomeUnknownError: It may have been cancelled.
        """
        return self._edits.cancel(shipment_id)

    def change_address(self, shipment_id: str, recipient: Address, email: str) -> Change:
        """Change where an unpicked shipment goes; safe to repeat.

        Raises:
            OutcomeUnknownError: It may have been changed.
        """
        return self._edits.change_address(shipment_id, recipient, email)

    def change_ship_option(self, shipment_ids: Sequence[str], ship_option: str) -> dict[str, Change]:
        """Ship by another option, named by its text; safe to repeat. One answer a shipment.

        Raises:
            OutcomeUnknownError: Some may have been changed.
            RejectedByPartnerError: Jetpack has no such option.
        """
        return self._edits.change_service(shipment_ids, self._catalogue.service_level(ship_option))

    def hold_shipments(self, shipment_ids: Sequence[str]) -> dict[str, Change]:
        """Put unpicked shipments on a manual hold, their stock reserved; safe to repeat. One answer a shipment.

        Raises:
            OutcomeUnknownError: Some may be held.
        """
        return self._edits.hold(shipment_ids)

    def release_shipments(self, shipment_ids: Sequence[str]) -> dict[str, Change]:
        """Lift a merchant's hold; Jetpack's own stay, and the answer says so. Safe to repeat. One answer a shipment.

        Raises:
            OutcomeUnknownError: Some may be released.
        """
        return self._edits.release(shipment_ids)

    def tracking(self, shipment_ids: Sequence[str]) -> Iterator[ParcelTracking]:
        """Read where parcels are, 25 a call; what has no label yet is left out."""
        asked = list(dict.fromkeys(each for each in shipment_ids if each.isdecimal()))
        for start in range(0, len(asked), MOST_TRACKED):
            # Repeated, for the list with commas that is documented was refused (facts section 11).
            query = [("ShipmentIds", each) for each in asked[start : start + MOST_TRACKED]]
            rows = self._api.read("/shipments-tracking", query).body
            if not isinstance(rows, list):
                raise UnexpectedAnswerError(partner=JETPACK, code="not_a_list")
            for row in rows:
                found = parsed(ShipmentTrackingPayload, row, partner=JETPACK).to_tracking()
                if found.shipment_id in asked:
                    yield found

    def catalogue(self, skus: frozenset[str], ship_options: frozenset[str], *, with_stock: bool = False) -> Catalogue:
        """Tell which of these SKUs and ship option texts Jetpack knows, and which are active.

        What is known and active may be ten minutes old; what is missing was asked for just now, but for customs
        data, whose lack may be a minute old. `with_stock` reads how many units of each SKU can be sold now, too.
        """
        return self._catalogue.read(skus, ship_options, with_stock=with_stock)

    def orders_since(self, since: datetime) -> Iterator[SeenAtJetpack]:
        """Find the orders of every channel inserted at or after `since`, oldest first, every page.

        Some from a moment before may be among them: nobody says whether the start itself is included.
        """
        start = (since.astimezone(UTC) - SECOND).isoformat()
        # Oldest first, so that what comes in meanwhile moves no page.
        for row in self._api.numbered_pages("/order", [("StartDate", start), ("SortOrder", "Oldest")]):
            yield parsed(SeenOrderPayload, row, partner=JETPACK).to_seen(since)

    def stock(self) -> Iterator[JetpackStock]:
        """Read the network's stock, every page; items without a SKU are left out."""
        for row in self._api.cursor_pages("/inventory-level", [("PageSize", "250")]):
            level = parsed(LevelPayload, row, partner=JETPACK)
            if level.sku:
                yield level.to_stock()

    def _is_ours(self, order: OrderPayload) -> bool:
        channel = order.channel.id if order.channel else None
        return channel is None or not self._api.channel_id or str(channel) == self._api.channel_id


def _order_body(new: NewJetpackOrder) -> dict[str, object]:
    to = new.recipient
    return {
        "reference_id": new.reference,
        "order_number": new.number,
        "shipping_method": new.ship_option,
        "type": "DTC",
        "purchase_date": new.purchased_at.astimezone(UTC).isoformat(),
        **_location(new.location),
        "recipient": {
            "name": to.name or to.company,
            "email": new.email or None,
            "phone_number": new.phone or to.phone or None,
            "address": {
                "address1": to.address1,
                "address2": to.address2 or None,
                "company_name": to.company or None,
                "city": to.city,
                "state": to.province_code or None,
                "zip_code": to.zip or None,
                "country": to.country_code,
            },
        },
        "products": [
            {
                "reference_id": sku,
                "name": name,
                "quantity": quantity,
                "external_line_id": line_id,
                **_unit_price(price),
            }
            for line_id, sku, name, quantity, price in new.lines
        ],
    }


def _location(center_id: str) -> dict[str, int]:
    if not center_id:
        return {}
    # Left out, the order would leave from anywhere; sent as it is, nobody says what becomes of it.
    if not CENTER_ID.fullmatch(center_id):
        message = "the location is no id of a fulfillment center"
        raise RejectedByPartnerError(message, partner=JETPACK, code="no_location")
    return {"location_id": int(center_id)}


def _unit_price(text: str) -> dict[str, float]:
    try:
        return {"unit_price": float(text)}
    except ValueError:
        return {}


def _cancellation(answer: CancelPayload) -> Cancellation:
    shipments = (answer.order.shipments if answer.order else None) or ()
    gone = {shipment.id for shipment in shipments if shipment.known_status == "Cancelled"}
    results = answer.results or ()
    refused = [each for each in results if not each.is_success and each.shipment_id not in gone]
    done = gone | {each.shipment_id for each in results if each.is_success}
    left = [shipment for shipment in shipments if shipment.id not in done]
    all_gone = bool(shipments) and len(gone) == len(shipments)
    if (answer.status == "Success" or all_gone) and done and not refused and not left:
        return Cancellation(confirmed=True)
    reasons = why_not_cancelled(each.reason for each in refused)
    return Cancellation(confirmed=False, reasons=tuple(reasons or [plain(f"status {answer.status}")]))
