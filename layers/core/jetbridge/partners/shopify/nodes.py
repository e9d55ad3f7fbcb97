"""What the objects of Shopify's graph have in common: ids, pages and times."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field

from jetbridge.errors import UnexpectedAnswerError
from jetbridge.partners.reading import Payload


class PageInfoPayload(Payload):
    """Whether a connection goes on, and where."""

    has_next_page: bool = Field(alias="hasNextPage")
    end_cursor: str | None = Field(default=None, alias="endCursor")


class ConnectionPayload[Node](Payload):
    """One page of a connection."""

    page_info: PageInfoPayload | None = Field(default=None, alias="pageInfo")
    nodes: tuple[Node, ...]

    @property
    def next_cursor(self) -> str | None:
        """The cursor of the next page; None at the end, and where no further page was asked for.

        Raises:
            UnexpectedAnswerError: There is more, and no cursor leads there.
        """
        if self.page_info is None or not self.page_info.has_next_page:
            return None
        if not self.page_info.end_cursor:
            raise UnexpectedAnswerError(partner="shopify", code="no_cursor")
        return self.page_info.end_cursor


class ReferencePayload(Payload):
    """An object of which only the id is asked."""

    id: str


def order_gid(order_id: str) -> str:
    """Write an order's GID."""
    return f"gid://shopify/Order/{order_id}"


def legacy_id(gid: str) -> str:
    """Take the digits out of a GID.

    Raises:
        UnexpectedAnswerError: There are none.
    """
    digits = gid.rpartition("/")[2].partition("?")[0]
    if not (digits.isascii() and digits.isdigit()):
        raise UnexpectedAnswerError(partner="shopify", code="no_legacy_id")
    return digits


def utc(at: datetime | None) -> datetime | None:
    """Move a time to UTC."""
    return at.astimezone(UTC) if at else None
