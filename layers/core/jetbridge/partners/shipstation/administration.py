"""ShipStation as the port DeskAdmin: the stores of an account, its services and its webhook subscriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from jetbridge.errors import OutcomeUnknownError, RejectedByPartnerError, UnexpectedAnswerError
from jetbridge.partners.reading import parsed
from jetbridge.partners.shipstation.api import NOT_FOUND, SHIPSTATION, ShipStationApi, refused_write
from jetbridge.partners.shipstation.payloads import CarrierPayload, ServicePayload, StorePayload, WebhookPayload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jetbridge.domain.store import ShipStationConnection
    from jetbridge.partners.http import Seams
    from jetbridge.ports import DeskStore, Subscription

FRIENDLY_NAME = "Jetbridge"


class ShipStationAccount:
    """One account, seen by whoever connects a store of it."""

    def __init__(
        self,
        connection: ShipStationConnection,
        credentials: Callable[[bool], Mapping[str, str]],
        *,
        production: bool,
        seams: Seams | None = None,
    ) -> None:
        """Connect; nothing is sent yet. `connection.store_id` need not be known.

        Raises:
            ConfigurationError: The credentials must not go to this address.
        """
        self._api = ShipStationApi(connection, credentials, production=production, seams=seams)

    def stores(self) -> tuple[DeskStore, ...]:
        """List the account's stores, inactive ones too."""
        rows = _rows(self._api.read("/stores", [("showInactive", "true")]))
        return tuple(parsed(StorePayload, row, partner=SHIPSTATION).to_store() for row in rows)

    def services(self) -> tuple[str, ...]:
        """Name every service of every carrier once: a call a carrier, several accounts of one are one."""
        carriers = [parsed(CarrierPayload, row, partner=SHIPSTATION) for row in _rows(self._api.read("/carriers"))]
        names = [
            parsed(ServicePayload, row, partner=SHIPSTATION).name
            for code in dict.fromkeys(carrier.code for carrier in carriers if carrier.code)
            for row in _rows(self._api.read("/carriers/listservices", [("carrierCode", code)]))
        ]
        return tuple(dict.fromkeys(name for name in names if name))

    def subscriptions(self) -> tuple[Subscription, ...]:
        """List the account's webhook subscriptions."""
        body = self._api.read("/webhooks")
        rows = _rows(body.get("webhooks") if isinstance(body, dict) else body)
        return tuple(parsed(WebhookPayload, row, partner=SHIPSTATION).to_subscription() for row in rows)

    def subscribe(self, event: str, address: str, store_id: str) -> None:
        """Subscribe one store's event. Not deduplicated by ShipStation: list first.

        Raises:
            RejectedByPartnerError: Refused; nothing was subscribed.
            OutcomeUnknownError: It may have been subscribed: list again.
        """
        if not (store_id.isascii() and store_id.isdecimal()):
            raise RejectedByPartnerError(partner=SHIPSTATION, code="no_store_id")  # without one: all stores
        body = {"target_url": address, "event": event, "store_id": int(store_id), "friendly_name": FRIENDLY_NAME}
        answer = self._api.write("POST", "/webhooks/subscribe", body)
        if error := refused_write(answer):
            raise error
        made = answer.body if isinstance(answer.body, dict) else {}
        # The older reference answers {id}, the present one the whole subscription (facts section 5).
        if not (made.get("id") or made.get("WebHookID")):
            raise OutcomeUnknownError(partner=SHIPSTATION, code="no_subscription_id")

    def unsubscribe(self, subscription_id: str) -> None:
        """Delete one subscription; one that is gone counts as done.

        Raises:
            OutcomeUnknownError: It may have been deleted; deleting it again is safe.
        """
        answer = self._api.write("DELETE", f"/webhooks/{quote(subscription_id, safe='')}")
        if answer.status != NOT_FOUND and (error := refused_write(answer)):
            raise error


def _rows(body: object) -> list[object]:
    if not isinstance(body, list):
        raise UnexpectedAnswerError(partner=SHIPSTATION, code="not_a_list")
    return [row for row in body if row is not None]
