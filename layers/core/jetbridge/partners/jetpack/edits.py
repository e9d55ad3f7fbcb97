"""Changes shipments that nobody has picked yet: address, ship option, hold, cancel (facts/shipbob.md section 10).

There is no way to change an order. What becomes of a change is said shipment by shipment in `is_success`, never by
the status; an answer that does not say it leaves the outcome unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from jetbridge.errors import OutcomeUnknownError
from jetbridge.partners.jetpack.api import JETPACK
from jetbridge.partners.jetpack.payloads import BatchCancelPayload, EditPayload, EditsPayload, ShipmentPayload
from jetbridge.partners.jetpack.refusals import (
    complaints_of,
    harmless,
    personal_words,
    refused_edit,
    why_not_cancelled,
)
from jetbridge.partners.reading import parsed
from jetbridge.ports import Cancellation, Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jetbridge.domain.order import Address
    from jetbridge.partners.http import Answer
    from jetbridge.partners.jetpack.api import JetpackApi

REFUSED = frozenset({400, 404, 422})
ABSENT = frozenset({404})
MOST_PER_CALL = 250  # the cap of the instructions endpoint; its siblings name none
UNKNOWN_SHIPMENT = "Jetpack does not know the shipment"


class ShipmentEdits:
    """Changes to the shipments of one account."""

    def __init__(self, api: JetpackApi) -> None:
        self._api = api

    def cancel(self, shipment_id: str) -> Cancellation:
        """Cancel one shipment. Refused because it is cancelled already counts as cancelled, once a read says so."""
        if not shipment_id.isdecimal():
            return Cancellation(confirmed=False, reasons=(UNKNOWN_SHIPMENT,))
        body = {"shipment_ids": [int(shipment_id)]}
        # The call for one shipment answers with the shipment; only this one says `is_success`.
        answer = self._api.write("/shipment:batchCancel", body, expected=REFUSED)
        if answer.status in REFUSED:
            reasons = [harmless(complaints_of(answer.body), frozenset())]
        else:
            results = parsed(BatchCancelPayload, answer.body, partner=JETPACK, error=OutcomeUnknownError).results or ()
            ours = [each for each in results if str(each.shipment_id) == shipment_id and each.is_success is not None]
            if not ours:
                raise OutcomeUnknownError(partner=JETPACK, code="no_result")
            if all(each.is_success for each in ours):
                return Cancellation(confirmed=True)
            reasons = why_not_cancelled(each.reason for each in ours)
        if self._is_cancelled(shipment_id):
            return Cancellation(confirmed=True)
        return Cancellation(confirmed=False, reasons=tuple(reasons or ["refused without words that may be repeated"]))

    def change_address(self, shipment_id: str, to: Address, email: str) -> Change:
        """Replace the whole address; what is left out is emptied. Its fields have other names than at creation."""
        body = {
            "street_address1": to.address1,
            "street_address2": to.address2 or None,
            "city": to.city,
            "state": to.province_code or None,
            "zip_code": to.zip or None,
            "country_code": to.country_code or None,
            "recipient_name": to.name or to.company or None,
            "company_name": to.company or None,
            "email": email or None,
            "phone_number": to.phone or None,
        }
        path = f"/shipment/{quote(shipment_id, safe='')}:updateAddress"
        answer = self._api.write(path, body, method="PUT", expected=REFUSED)
        personal = personal_words(to, email)
        if answer.status in REFUSED:
            return _refused(answer, personal)
        edit = parsed(EditPayload, answer.body, partner=JETPACK, error=OutcomeUnknownError)
        if edit.id is not None and str(edit.id) != shipment_id:
            raise OutcomeUnknownError(partner=JETPACK, code="other_shipment")
        return _change(edit, personal)

    def change_service(self, shipment_ids: Sequence[str], service_level: int) -> dict[str, Change]:
        """Ship by another service, named by the id of a service level, not of a shipping method (section 9)."""
        body = {"requested_shipping_service_id": service_level, "reason": "Changed by the merchant"}
        return self._change_all("/shipment:bulkUpdateShippingService", "PUT", shipment_ids, body)

    def hold(self, shipment_ids: Sequence[str]) -> dict[str, Change]:
        """Set a manual hold; the stock stays reserved."""
        return self._change_all("/shipment:bulkPlaceOnHold", "POST", shipment_ids, {"reserve_inventory": True})

    def release(self, shipment_ids: Sequence[str]) -> dict[str, Change]:
        """Lift what a merchant held; what Jetpack holds stays."""
        return self._change_all("/shipment:bulkReleaseHold", "POST", shipment_ids, {})

    def _change_all(
        self, path: str, method: str, shipment_ids: Sequence[str], body: dict[str, object]
    ) -> dict[str, Change]:
        asked = list(dict.fromkeys(shipment_ids))
        changes = {each: Change(done=False, reason=UNKNOWN_SHIPMENT) for each in asked if not each.isdecimal()}
        for batch in _batches([each for each in asked if each.isdecimal()]):
            numbers = [int(each) for each in batch]
            answer = self._api.write(path, body | {"shipment_ids": numbers}, method=method, expected=REFUSED)
            if answer.status in REFUSED:
                changes |= dict.fromkeys(batch, _refused(answer))
                continue
            results = parsed(EditsPayload, answer.body, partner=JETPACK, error=OutcomeUnknownError).results or ()
            said = {each.id: each for each in results}
            if not said.keys() >= set(numbers):
                raise OutcomeUnknownError(partner=JETPACK, code="no_result")
            changes |= {each: _change(said[int(each)]) for each in batch}
        return changes

    def _is_cancelled(self, shipment_id: str) -> bool:
        answer = self._api.read(f"/shipment/{shipment_id}", expected=ABSENT)
        if answer.status in ABSENT:
            return False
        return parsed(ShipmentPayload, answer.body, partner=JETPACK).known_status == "Cancelled"


def _refused(answer: Answer, personal: frozenset[str] = frozenset()) -> Change:
    if answer.status in ABSENT:
        return Change(done=False, reason=UNKNOWN_SHIPMENT)
    return Change(done=False, reason=refused_edit(answer.body, personal))


def _change(edit: EditPayload, personal: frozenset[str] = frozenset()) -> Change:
    if edit.is_success is None:
        raise OutcomeUnknownError(partner=JETPACK, code="no_result")
    if not edit.is_success:
        error = edit.error.model_dump(exclude_none=True) if edit.error else None
        return Change(done=False, reason=refused_edit(error, personal))
    return Change(done=True, reason="still on hold for other reasons" if edit.still_held else "")


def _batches(shipment_ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(shipment_ids), MOST_PER_CALL):
        yield shipment_ids[start : start + MOST_PER_CALL]
