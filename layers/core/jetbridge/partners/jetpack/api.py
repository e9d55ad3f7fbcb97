"""Jetpack's HTTP conventions: version in the path, bearer token, channel header, two ways of paging, call budget."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jetbridge.errors import ConfigurationError, UnexpectedAnswerError
from jetbridge.partners.http import Answer, Call, Meaning, Partner, PartnerHttp, Seams
from jetbridge.partners.origins import allowed_origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jetbridge.domain.store import JetpackConnection

JETPACK = "jetpack"
VERSION = re.compile(r"[0-9]{4}-(01|07)")
PAGE_SIZE = 250  # the most of either way of paging
MOST_PAGES = 100
# facts/shipbob.md section 5. 409 is in no published contract: it stays unknown.
STATUSES = {
    400: Meaning.REFUSED,
    401: Meaning.CREDENTIALS,
    402: Meaning.CREDENTIALS,
    403: Meaning.CREDENTIALS,
    404: Meaning.REFUSED,
    405: Meaning.REFUSED,
    408: Meaning.FAILING,
    413: Meaning.REFUSED,
    415: Meaning.REFUSED,
    422: Meaning.REFUSED,
    429: Meaning.THROTTLED,
}


class JetpackApi:
    """One account, one version, one channel."""

    def __init__(
        self,
        connection: JetpackConnection,
        token: Callable[[bool], str],
        *,
        production: bool,
        seams: Seams | None = None,
    ) -> None:
        """Refuse (ConfigurationError) an address that the token must not go to, and what cannot be a version."""
        hosts = ("api.shipbob.com", "sandbox-api.shipbob.com")
        origin = allowed_origin(connection.api_url, vendor_hosts=hosts, production=production)
        if connection.channel_id and not connection.channel_id.isdecimal():
            message = "a Jetpack channel id is a number"
            raise ConfigurationError(message)
        if not VERSION.fullmatch(connection.api_version):
            message = "a version of Jetpack's API is a year and 01 or 07, as in 2026-07"
            raise ConfigurationError(message)
        self.channel_id = connection.channel_id
        self.remaining_calls: int | None = None
        """Calls left in the present minute, as the last answer said; None before the first."""
        self.date = ""
        """When Jetpack gave its last answer, by its own clock (the header `Date`)."""
        self._prefix = f"/{connection.api_version}"
        self._http = PartnerHttp(
            Partner(JETPACK, origin, STATUSES, lambda secret: {"Authorization": f"Bearer {secret}"}), token, seams
        )

    def read(
        self,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        *,
        in_channel: bool = False,
        expected: frozenset[int] = frozenset(),
    ) -> Answer:
        """GET; with the channel header an answer shows that channel only (facts section 3)."""
        return self._send(
            Call("GET", self._prefix + path, query, headers=self._channel() if in_channel else {}, expected=expected)
        )

    def write(
        self,
        path: str,
        body: object = None,
        *,
        method: str = "POST",
        in_channel: bool = True,
        expected: frozenset[int] = frozenset(),
    ) -> Answer:
        """POST, PUT or DELETE, once, through our channel."""
        headers = self._channel() if in_channel else {}
        return self._send(Call(method, self._prefix + path, body=body, headers=headers, write=True, expected=expected))

    def cursor_pages(self, path: str, query: Sequence[tuple[str, str]]) -> Iterator[Any]:
        """Give every item of a cursor-paged list.

        `next` is a path or a URL (facts section 4). Only its query is taken over, and only from our own host.

        Raises:
            UnexpectedAnswerError: Not a page, another host, or a cursor that goes in circles.
        """
        seen: set[str] = set()
        while True:
            body = self.read(path, query).body
            items = body.get("items") if isinstance(body, dict) else None
            if not isinstance(items, list):
                raise UnexpectedAnswerError(partner=JETPACK, code="not_a_page")
            yield from items
            following = str(body.get("next") or "")
            if not following:
                return
            if following in seen:
                raise UnexpectedAnswerError(partner=JETPACK, code="cursor_repeats")
            seen.add(following)
            query = self._http.query_of(following)

    def numbered_pages(
        self, path: str, query: Sequence[tuple[str, str]] = (), *, at_most: int | None = None
    ) -> Iterator[Any]:
        """Give every item of a numbered list, or those of the first `at_most` pages.

        Pages are bare arrays, their count stands in a header that may be missing or wrong: an empty page is the
        last one whatever it says, and after a full one comes another.

        Raises:
            UnexpectedAnswerError: Not a list, the same page again, or no end.
        """
        before: list[Any] = []
        for page in range(1, (at_most or MOST_PAGES) + 1):
            answer = self.read(path, [*query, ("Page", str(page)), ("Limit", str(PAGE_SIZE))])
            rows = answer.body
            if not isinstance(rows, list):
                raise UnexpectedAnswerError(partner=JETPACK, code="not_a_list")
            if rows and rows == before:
                raise UnexpectedAnswerError(partner=JETPACK, code="page_repeats")
            yield from rows
            pages = answer.headers.get("total-pages", "")
            announced = pages.isdecimal() and page < int(pages)
            if not rows or not (announced or len(rows) >= PAGE_SIZE):
                return
            before = rows
        if at_most is None:
            raise UnexpectedAnswerError(partner=JETPACK, code="no_last_page")

    def _send(self, call: Call) -> Answer:
        answer = self._http.send(call)
        left = answer.headers.get("x-remaining-calls", "")
        if left.isdecimal():
            self.remaining_calls = int(left)
        self.date = answer.headers.get("date", "")
        return answer

    def _channel(self) -> dict[str, str]:
        return {"shipbob_channel_id": self.channel_id} if self.channel_id else {}
