"""Reads and sets the stock of one location (facts/shopify.md section 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from jetbridge.domain.stock import ShopifyStock
from jetbridge.errors import OutcomeUnknownError, PartnerUnavailableError, UnexpectedAnswerError
from jetbridge.partners.reading import Payload, parsed
from jetbridge.partners.shopify import documents
from jetbridge.partners.shopify.graphql import SHOPIFY, UserErrorPayload, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jetbridge.domain.stock import StockChange
    from jetbridge.partners.shopify.graphql import ShopifyGraphQL

MOST_CHANGES = 250  # per list argument (facts section 10)


class InventoryItemPayload(Payload):
    """`InventoryItem`."""

    id: str
    sku: str | None = None
    tracked: bool


class QuantityPayload(Payload):
    """`InventoryQuantity`."""

    name: str
    quantity: int


class InventoryLevelPayload(Payload):
    """`InventoryLevel`."""

    item: InventoryItemPayload
    quantities: tuple[QuantityPayload, ...]


class SetQuantitiesPayload(Payload):
    """What inventorySetQuantities says; without user errors it is done."""

    user_errors: tuple[UserErrorPayload, ...] | None = Field(default=None, alias="userErrors")


def read_stock(graphql: ShopifyGraphQL, location_id: str) -> Iterator[ShopifyStock]:
    """Read a location's levels, page by page: tracked items with a SKU only."""
    path = ("location", "inventoryLevels")
    for node in graphql.pages(documents.LOCATION_STOCK, {"id": location_id}, path):
        level = parsed(InventoryLevelPayload, node, partner=SHOPIFY)
        if not level.item.tracked or not level.item.sku:
            continue
        quantities = {each.name: each.quantity for each in level.quantities}
        if not {"available", "committed"} <= quantities.keys():
            raise UnexpectedAnswerError(partner=SHOPIFY, code="no_quantities")
        yield ShopifyStock(
            item_id=level.item.id,
            sku=level.item.sku,
            available=quantities["available"],
            committed=quantities["committed"],
            reserved=quantities.get("reserved", 0),
            safety_stock=quantities.get("safety_stock", 0),
        )


def set_available(
    graphql: ShopifyGraphQL, location_id: str, changes: Sequence[StockChange], *, idempotency_key: str
) -> dict[str, str]:
    """Set `available`, all or nothing.

    Returns:
        Inventory item id → code, for the entries that kept Shopify from writing.

    Raises:
        OutcomeUnknownError: It may have been written, or is being written under this key at this moment.
        PartnerUnavailableError: The first try under this key failed on Shopify's side: take a new key.
        RejectedByPartnerError: Refused as a whole.
        ValueError: More than 250 changes.
    """
    if len(changes) > MOST_CHANGES:
        message = f"more than {MOST_CHANGES} changes in one call"
        raise ValueError(message)
    if not changes:
        return {}
    entries = [
        {
            "inventoryItemId": change.item_id,
            "locationId": location_id,
            "quantity": change.quantity,
            "changeFromQuantity": change.change_from,
        }
        for change in changes
    ]
    given = {
        "name": "available",
        "reason": "correction",
        "referenceDocumentUri": f"gid://jetbridge/StockPush/{idempotency_key}",
        "quantities": entries,
    }
    variables = {"input": given, "key": idempotency_key}
    payload = graphql.change(documents.SET_AVAILABLE, variables, "inventorySetQuantities")
    answer = parsed(SetQuantitiesPayload, payload, partner=SHOPIFY, error=OutcomeUnknownError)
    return _refused(answer.user_errors or (), changes)


def _refused(errors: Sequence[UserErrorPayload], changes: Sequence[StockChange]) -> dict[str, str]:
    refused: dict[str, str] = {}
    for each in errors:
        code = each.code or ""
        if code == "IDEMPOTENCY_CONCURRENT_REQUEST":
            raise OutcomeUnknownError(partner=SHOPIFY, code=code)
        if code == "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED":
            raise PartnerUnavailableError(partner=SHOPIFY, code=code)
        place = _entry(each)
        if place is None or place >= len(changes):
            raise refusal(errors)
        refused[changes[place].item_id] = code or "REFUSED"
    return refused


def _entry(error: UserErrorPayload) -> int | None:
    # ["input", "quantities", "3", "quantity"]: the index comes as text.
    match error.field:
        case ["input", "quantities", index, *_] if str(index).isdecimal():
            return int(index)
        case _:
            return None
