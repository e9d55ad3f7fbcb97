"""Jetpack's HTTP conventions: version in the path, bearer token, channel header, two ways of paging, call budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetbridge.errors import ConfigurationError, UnexpectedAnswerError
from jetbridge.partners.http import Answer, Call, Meaning, Partner, PartnerHttp, Seams
from jetbridge.partners.origins import allowed_origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jetbridge.domain.store import JetpackConnection

JETPACK = "jetpack"
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
        """Refuse (ConfigurationError) an address that the token must not go to."""
        hosts = ("api.shipbob.com", "sandbox-api.shipbob.com")
        origin = allowed_origin(connection.api_url, vendor_hosts=hosts, production=production)
        if connection.channel_id and not connection.channel_id.isdecimal():
            message = "a Jetpack channel id is a number"
            raise ConfigurationError(message)
        self.channel_id = connection.channel_id
        self.remaining_calls: int | None = None
        """Calls left in the present minute, as the last answer said; None before the first."""
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

    def write(self, path: str, body: object = None, *, expected: frozenset[int]) -> Answer:
        """POST, once, through our channel."""
        return self._send(
            Call("POST", self._prefix + path, body=body, headers=self._channel(), write=True, expected=expected)
        )

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

    def _send(self, call: Call) -> Answer:
        answer = self._http.send(call)
        left = answer.headers.get("x-remaining-calls", "")
        if left.isdecimal():
            self.remaining_calls = int(left)
        return answer

    def _channel(self) -> dict[str, str]:
        return {"shipbob_channel_id": self.channel_id} if self.channel_id else {}
