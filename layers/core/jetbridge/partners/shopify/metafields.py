"""Our app's own metafields, on whatever they are kept (facts/shopify.md section 12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from jetbridge.errors import OutcomeUnknownError
from jetbridge.partners.reading import Payload, parsed
from jetbridge.partners.shopify import documents
from jetbridge.partners.shopify.graphql import SHOPIFY, UserErrorPayload, refusal

if TYPE_CHECKING:
    from jetbridge.partners.shopify.graphql import ShopifyGraphQL

NAMESPACE = "$app"
"""The app's own: nobody else can write there."""


class MetafieldsPayload(Payload):
    """What metafieldsSet and metafieldsDelete say; without user errors it is done."""

    user_errors: tuple[UserErrorPayload, ...] = Field(alias="userErrors")


def write(graphql: ShopifyGraphQL, owner_id: str, key: str, **given: object) -> None:
    """Write a metafield of an owner (GID): its `type`, `value`, and `compareDigest` if it must be what it was.

    Raises:
        RejectedByPartnerError: Shopify refused it.
        OutcomeUnknownError: It may have been written.
    """
    metafield = {"ownerId": owner_id, "namespace": NAMESPACE, "key": key, **given}
    _change(graphql, documents.SET_METAFIELDS, metafield, "metafieldsSet")


def delete(graphql: ShopifyGraphQL, owner_id: str, key: str) -> None:
    """Delete a metafield; one that is not there counts as done. Raises what `write` does."""
    metafield: dict[str, object] = {"ownerId": owner_id, "namespace": NAMESPACE, "key": key}
    _change(graphql, documents.DELETE_METAFIELDS, metafield, "metafieldsDelete")


def _change(graphql: ShopifyGraphQL, document: str, metafield: dict[str, object], field: str) -> None:
    payload = graphql.change(document, {"metafields": [metafield]}, field)
    answer = parsed(MetafieldsPayload, payload, partner=SHOPIFY, error=OutcomeUnknownError)
    if answer.user_errors:
        raise refusal(answer.user_errors)
