"""Writes to an order: holds of its parts, tags, note, and our mark (facts/shopify.md sections 6 and 12)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import Field

from jetbridge.errors import OutcomeUnknownError, RejectedByPartnerError, UnexpectedAnswerError
from jetbridge.partners.reading import Payload, parsed
from jetbridge.partners.shopify import documents, metafields
from jetbridge.partners.shopify.graphql import SHOPIFY, UserErrorPayload, refusal
from jetbridge.partners.shopify.nodes import ReferencePayload  # noqa: TC001 - pydantic reads the annotations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetbridge.partners.shopify.graphql import ShopifyGraphQL
    from jetbridge.ports import MirroredHold

HELD_ALREADY = "DUPLICATE_FULFILLMENT_HOLD_HANDLE"
JETPACK_REFERENCES = "jetpack_references"
"""The metafield of an order that names the references it is at Jetpack under."""


class RefusalsPayload(Payload):
    """What every mutation here says when it did nothing."""

    user_errors: tuple[UserErrorPayload, ...] | None = Field(default=None, alias="userErrors")


class HoldPayload(RefusalsPayload):
    """What fulfillmentOrderHold says."""

    done: ReferencePayload | None = Field(default=None, alias="fulfillmentHold")


class ReleasePayload(RefusalsPayload):
    """What fulfillmentOrderReleaseHold says."""

    done: ReferencePayload | None = Field(default=None, alias="fulfillmentOrder")


class TagsPayload(RefusalsPayload):
    """What tagsAdd and tagsRemove say."""

    done: ReferencePayload | None = Field(default=None, alias="node")


class UpdatePayload(RefusalsPayload):
    """What orderUpdate says."""

    done: ReferencePayload | None = Field(default=None, alias="order")


class HeldPayload(Payload):
    """The `fulfillmentOrder` of HOLDS."""

    holds: tuple[ReferencePayload, ...] = Field(alias="fulfillmentHolds")


class HoldsAnswer(Payload):
    """The answer to HOLDS. Null means that there is no such fulfillment order any more."""

    fulfillment_order: HeldPayload | None = Field(alias="fulfillmentOrder")


def hold(graphql: ShopifyGraphQL, fulfillment_order_id: str, wanted: MirroredHold) -> None:
    """Hold all of a fulfillment order under a handle, which Shopify gives once to an app."""
    given = {
        "reason": wanted.reason,
        "reasonNotes": wanted.notes,
        "handle": wanted.handle,
        "notifyMerchant": False,
    }
    variables = {"id": fulfillment_order_id, "hold": given}
    payload = graphql.change(documents.HOLD, variables, "fulfillmentOrderHold")
    answer = parsed(HoldPayload, payload, partner=SHOPIFY, error=OutcomeUnknownError)
    if any(each.code == HELD_ALREADY for each in answer.user_errors or ()):
        return
    _done(answer.done, answer.user_errors)


def release_holds(graphql: ShopifyGraphQL, fulfillment_order_id: str, hold_ids: Sequence[str]) -> None:
    """Release holds by their ids; without one there is nothing to release."""
    if not hold_ids:
        return
    variables = {"id": fulfillment_order_id, "holdIds": list(hold_ids)}
    try:
        payload = graphql.change(documents.RELEASE_HOLDS, variables, "fulfillmentOrderReleaseHold")
        answer = parsed(ReleasePayload, payload, partner=SHOPIFY, error=OutcomeUnknownError)
        _done(answer.done, answer.user_errors)
    except RejectedByPartnerError:
        # Nobody has recorded what Shopify says of a hold that is gone, so what is left decides.
        if _held(graphql, fulfillment_order_id) & set(hold_ids):
            raise


def add_tags(graphql: ShopifyGraphQL, gid: str, tags: Sequence[str]) -> None:
    """Put tags on an order."""
    _change_tags(graphql, documents.ADD_TAGS, gid, tags, "tagsAdd")


def remove_tags(graphql: ShopifyGraphQL, gid: str, tags: Sequence[str]) -> None:
    """Take tags off an order."""
    _change_tags(graphql, documents.REMOVE_TAGS, gid, tags, "tagsRemove")


def set_note(graphql: ShopifyGraphQL, gid: str, note: str) -> None:
    """Replace an order's note."""
    payload = graphql.change(documents.SET_NOTE, {"id": gid, "note": note}, "orderUpdate")
    answer = parsed(UpdatePayload, payload, partner=SHOPIFY, error=OutcomeUnknownError)
    if answer.user_errors:
        # A note may be personal, and these words may quote it.
        raise RejectedByPartnerError(partner=SHOPIFY, code="note_refused")
    _done(answer.done, None)


def mark_forwarded(graphql: ShopifyGraphQL, gid: str, references: Sequence[str]) -> None:
    """Write the references into our metafield; without any there is nothing to be marked."""
    if not references:
        metafields.delete(graphql, gid, JETPACK_REFERENCES)
        return
    value = json.dumps(list(references))
    metafields.write(graphql, gid, JETPACK_REFERENCES, type="list.single_line_text_field", value=value)


def _change_tags(graphql: ShopifyGraphQL, document: str, gid: str, tags: Sequence[str], field: str) -> None:
    if not tags:
        return
    payload = graphql.change(document, {"id": gid, "tags": list(tags)}, field)
    answer = parsed(TagsPayload, payload, partner=SHOPIFY, error=OutcomeUnknownError)
    _done(answer.done, answer.user_errors)


def _held(graphql: ShopifyGraphQL, fulfillment_order_id: str) -> set[str]:
    try:
        data = graphql.ask(documents.HOLDS, {"id": fulfillment_order_id})
    except UnexpectedAnswerError as error:
        if error.code == "RESOURCE_NOT_FOUND":  # a GID that cannot be one (facts/shopify.md section 6)
            return set()
        raise
    found = parsed(HoldsAnswer, data, partner=SHOPIFY).fulfillment_order
    return {each.id for each in found.holds} if found else set()


def _done(what: ReferencePayload | None, errors: Sequence[UserErrorPayload] | None) -> None:
    if errors:
        raise refusal(errors)
    if what is None:
        raise OutcomeUnknownError(partner=SHOPIFY, code="not_confirmed")
