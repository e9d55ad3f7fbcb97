"""Asks Shopify's Admin GraphQL and turns its four ways of saying no into our errors (facts/shopify.md section 10)."""

from __future__ import annotations

import logging
import re
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from jetbridge.errors import (
    ConfigurationError,
    CredentialsRejectedError,
    OutcomeUnknownError,
    PartnerUnavailableError,
    RateLimitedError,
    RejectedByPartnerError,
    UnexpectedAnswerError,
)
from jetbridge.partners.http import SHORTEST_SECONDS, Answer, Call, Meaning, Partner, PartnerHttp, Seams
from jetbridge.partners.origins import allowed_origin
from jetbridge.partners.reading import Payload, plain
from jetbridge.partners.session import retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from jetbridge.domain.store import ShopifyConnection
    from jetbridge.errors import PartnerError

logger = logging.getLogger(__name__)

SHOPIFY = "shopify"
STATUSES = {
    400: Meaning.REFUSED,
    401: Meaning.CREDENTIALS,
    402: Meaning.CREDENTIALS,  # the shop is frozen
    403: Meaning.CREDENTIALS,
    404: Meaning.REFUSED,
    406: Meaning.REFUSED,
    408: Meaning.FAILING,
    413: Meaning.REFUSED,
    414: Meaning.REFUSED,
    415: Meaning.REFUSED,
    422: Meaning.REFUSED,
    423: Meaning.CREDENTIALS,  # the shop is locked
    429: Meaning.THROTTLED,
    430: Meaning.THROTTLED,
}
# Codes of top-level errors that say the document was refused as a whole, before anything was done.
REFUSALS = frozenset(
    {
        "BAD_REQUEST",
        "INVALID_FIELD_ARGUMENTS",
        "INVALID_VARIABLE",
        "MAX_COST_EXCEEDED",
        "PARSE_ERROR",
        "RESOURCE_NOT_FOUND",
        "argumentLiteralsIncompatible",
        "missingRequiredArguments",
        "undefinedField",
        "variableMismatch",
    }
)
THROTTLED = "THROTTLED"
TOO_MANY = frozenset({HTTPStatus.TOO_MANY_REQUESTS.value})
FAILURES = frozenset({"INTERNAL_SERVER_ERROR", "TIMEOUT", "SERVICE_UNAVAILABLE"})
# Protected data that an app may be denied (facts section 13) and without which a parcel still arrives. Nothing
# that a decision looks at: an order whose risk or holds are not shown must not look harmless.
SPARED = frozenset({"email", "phone"})
LONGEST_WAIT_SECONDS = 2.0
JITTER_SECONDS = 0.25
MOST_WAITS = 3
SCOPE = re.compile(r"\b(?:read|write)_[a-z_]{1,60}\b")
FIELD = re.compile(r"[A-Za-z]\w{0,40}", re.ASCII)


class Bucket(NamedTuple):
    """The points of our app at this shop, as the last answer told them (facts section 10)."""

    available: float
    maximum: float
    rate: float
    at: float
    """By our own clock, seconds."""

    def wait_for(self, points: float, now: float) -> float:
        """Say how many seconds it takes until so many points are there; none for more than there can ever be."""
        missing = points - self.available - (now - self.at) * self.rate
        return max(0.0, missing) / self.rate if points <= self.maximum else 0.0


def origin_of(connection: ShopifyConnection, *, production: bool) -> str:
    """Give the shop's address, if it is one that its credentials may go to.

    Raises:
        ConfigurationError: It is not.
    """
    origin = allowed_origin(connection.admin_url, vendor_hosts=("*.myshopify.com",), production=production)
    host = origin.removeprefix("https://")
    if production and connection.shop.lower() not in {host, host.removesuffix(".myshopify.com")}:
        message = "the Shopify address is not the shop's own"
        raise ConfigurationError(message)
    return origin


class ShopifyGraphQL:
    """One shop's Admin GraphQL, of one version."""

    def __init__(
        self,
        connection: ShopifyConnection,
        token: Callable[[bool], str],
        *,
        production: bool,
        seams: Seams | None = None,
    ) -> None:
        """Refuse (ConfigurationError) an address that the token must not go to."""
        seams = seams or Seams()
        origin = origin_of(connection, production=production)
        self._version = connection.api_version
        self._path = f"/admin/api/{connection.api_version}/graphql.json"
        self._sleep, self._jitter, self._clock = seams.sleep, seams.jitter, seams.clock
        self._http = PartnerHttp(
            Partner(SHOPIFY, origin, STATUSES, lambda secret: {"X-Shopify-Access-Token": secret}), token, seams
        )
        self._headers: Mapping[str, str] = {}
        self._mentioned: set[str] = set()
        self._bucket: Bucket | None = None
        self._costs: dict[str, float] = {}

    @property
    def answered_version(self) -> str:
        """The API version of the last answer, which falls forward once ours has ended; empty before any answer."""
        return self._headers.get("X-Shopify-API-Version", "")

    @property
    def answered_at(self) -> datetime | None:
        """When Shopify says its last answer was made, to the second."""
        try:
            return parsedate_to_datetime(self._headers.get("Date", ""))
        except ValueError:
            return None

    @property
    def points_a_second(self) -> float:
        """How fast the shop's plan restores our points; 0 while unknown."""
        return self._bucket.rate if self._bucket else 0.0

    def ask(self, document: str, variables: Mapping[str, object]) -> dict[str, Any]:
        """Send a query. Short throttling is waited out here.

        Returns:
            `data`, in which only what an app may be denied without harm can be missing.

        Raises:
            UnexpectedAnswerError: The query was refused; code RESOURCE_NOT_FOUND means an id that names nothing.
        """
        for waits in range(MOST_WAITS + 1):
            try:
                return self._send(document, variables)
            except RateLimitedError as error:
                # A bare 429 is not waited out: it is no lack of points, and a line forms elsewhere.
                wait = error.retry_after_seconds
                if error.code != THROTTLED or wait is None or wait > LONGEST_WAIT_SECONDS or waits == MOST_WAITS:
                    raise
                wait += JITTER_SECONDS * self._jitter()
                if self._http.time_left() - wait < SHORTEST_SECONDS:  # the function ends before
                    raise
            self._sleep(wait)
        raise AssertionError  # pragma: no cover - the last try returns or raises

    def pages(
        self, document: str, variables: Mapping[str, object], path: Sequence[str], *, after: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """Give every node of the connection found under `path`, page by page.

        Raises:
            UnexpectedAnswerError: The connection is missing, or its cursor goes in circles.
        """
        seen: set[str | None] = {after}
        while True:
            found: Any = self.ask(document, {**variables, "after": after})
            for name in path:
                found = found.get(name) if isinstance(found, dict) else None
            if not isinstance(found, dict) or not isinstance(found.get("nodes"), list):
                raise UnexpectedAnswerError(partner=SHOPIFY, code="no_connection")
            yield from found["nodes"]
            following = next_cursor(found)
            if following is None:
                return
            if following in seen:
                raise UnexpectedAnswerError(partner=SHOPIFY, code="cursor_repeats")
            seen.add(following)
            after = following

    def change(self, document: str, variables: Mapping[str, object], field: str) -> dict[str, Any]:
        """Send a mutation, once.

        Returns:
            The payload of `field`, its userErrors with it.

        Raises:
            RejectedByPartnerError: The whole document was refused; nothing was done.
            OutcomeUnknownError: It may have been done.
        """
        payload = self._send(document, variables, mutation=field).get(field)
        if not isinstance(payload, dict):
            raise OutcomeUnknownError(partner=SHOPIFY, code="no_payload")
        return payload

    def _send(self, document: str, variables: Mapping[str, object], mutation: str = "") -> dict[str, Any]:
        self._afford(document)
        body = {"query": document, "variables": variables}
        call = Call("POST", self._path, body=body, write=bool(mutation), expected=TOO_MANY)
        answer = self._http.send(call)
        found = answer.body if isinstance(answer.body, dict) else {}
        self._learn(document, found, answer.headers)
        if answer.status in TOO_MANY:
            raise _too_many(answer)
        data = found.get("data")
        # A payload that came tells more about its mutation than the errors beside it: those name parts of it.
        if not (mutation and isinstance(data, dict) and data.get(mutation)):
            _raise_first_error(found, write=bool(mutation))
        if isinstance(data, dict):
            return data
        if mutation:
            raise OutcomeUnknownError(partner=SHOPIFY, code="no_data")
        raise UnexpectedAnswerError(partner=SHOPIFY, code="no_data")

    def _afford(self, document: str) -> None:
        """Send nothing that would only be refused: it costs a call and brings the answer no nearer."""
        if self._bucket and document in self._costs:
            wait = self._bucket.wait_for(self._costs[document], self._clock())
            if wait > LONGEST_WAIT_SECONDS:
                raise RateLimitedError(partner=SHOPIFY, code="no_points", retry_after_seconds=wait)

    def _learn(self, document: str, found: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self._headers = headers
        cost = _part(_part(found, "extensions"), "cost")
        bucket = _part(cost, "throttleStatus")
        try:
            available, maximum = float(bucket["currentlyAvailable"]), float(bucket["maximumAvailable"])
            rate = float(bucket["restoreRate"])
            requested = float(cost["requestedQueryCost"])
        except (KeyError, TypeError, ValueError):
            pass
        else:
            self._bucket = Bucket(available, maximum, rate, self._clock()) if rate > 0 else None
            self._costs[document] = requested
        # A version that is no longer reachable is answered by the oldest that is, without a word (facts section 1).
        if self.answered_version not in {"", self._version}:
            self._mention(
                "Shopify answered in another API version", asked=self._version, answered=plain(self.answered_version)
            )
        if reason := headers.get("X-Shopify-API-Deprecated-Reason"):
            self._mention("Shopify says that we use what it has deprecated", reason=plain(reason))

    def _mention(self, what: str, **facts: str) -> None:
        if what not in self._mentioned:
            self._mentioned.add(what)
            logger.warning(what, extra=facts)


class UserErrorPayload(Payload):
    """Why a mutation did nothing. `field` is a path whose indexes come as text; plain ones have no code."""

    field: tuple[str | int, ...] | None = None
    message: str | None = None
    code: str | None = None


def refusal(errors: Sequence[UserErrorPayload]) -> RejectedByPartnerError:
    """Make an error of `userErrors`: the vendor's words, and the first code."""
    words = plain("; ".join(each.message or "no reason given" for each in errors))
    return RejectedByPartnerError(words, partner=SHOPIFY, code=errors[0].code or "")


def next_cursor(connection: Mapping[str, Any]) -> str | None:
    """Give the cursor of the next page; None at the end.

    Raises:
        UnexpectedAnswerError: There is more, or nobody knows, and no cursor leads there.
    """
    info = _part(connection, "pageInfo")
    if info.get("hasNextPage") is False:
        return None
    if not info.get("hasNextPage") or not info.get("endCursor"):
        raise UnexpectedAnswerError(partner=SHOPIFY, code="no_cursor")
    return str(info["endCursor"])


def _too_many(answer: Answer) -> RateLimitedError:
    """Read a 429: with THROTTLED and points in it, or bare (facts section 14, contradiction 5)."""
    found = answer.body if isinstance(answer.body, dict) else {}
    codes = {_part(each, "extensions").get("code") for each in _errors(found)}
    waits = [wait for wait in (retry_after(answer.headers), _wait(found)) if wait is not None]
    return RateLimitedError(
        partner=SHOPIFY,
        http_status=answer.status,
        code=THROTTLED if THROTTLED in codes else "",
        retry_after_seconds=max(waits, default=None),
    )


def _raise_first_error(answer: Mapping[str, Any], *, write: bool) -> None:
    for each in _errors(answer):
        error = _error(each, answer, write=write)
        if error:
            raise error


def _errors(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    errors = answer.get("errors") or []
    return [each if isinstance(each, dict) else {} for each in (errors if isinstance(errors, list) else [errors])]


def _error(each: Mapping[str, Any], answer: Mapping[str, Any], *, write: bool) -> PartnerError | None:
    code = str(_part(each, "extensions").get("code") or "")
    path = each.get("path")
    if code == THROTTLED:
        return RateLimitedError(partner=SHOPIFY, code=code, retry_after_seconds=_wait(answer))
    if code == "ACCESS_DENIED":
        spared = isinstance(path, list) and path and path[-1] in SPARED and answer.get("data") is not None
        return None if spared else CredentialsRejectedError(_denial(each, path), partner=SHOPIFY, code=code)
    if write:
        # What nobody knows may have been done.
        kind = RejectedByPartnerError if code in REFUSALS else OutcomeUnknownError
        return kind(partner=SHOPIFY, code=code or "unknown_error")
    if code in FAILURES:
        return PartnerUnavailableError(partner=SHOPIFY, code=code)
    return UnexpectedAnswerError(partner=SHOPIFY, code=code or "unknown_error")


def _denial(each: Mapping[str, Any], path: object) -> str:
    """Name the field and the scopes it asks for: words of the schema, nothing that Shopify wrote freely."""
    names = [part for part in path if isinstance(part, str) and FIELD.fullmatch(part)] if isinstance(path, list) else []
    said = f"{_part(each, 'extensions').get('requiredAccess', '')} {each.get('message', '')}"
    scopes = list(dict.fromkeys(SCOPE.findall(said)))
    message = f"access denied to {'.'.join(names) or 'the query'}"
    return f"{message}, which asks for {' or '.join(scopes)}" if scopes else message


def _wait(answer: Mapping[str, Any]) -> float | None:
    cost = _part(_part(answer, "extensions"), "cost")
    bucket = _part(cost, "throttleStatus")
    try:
        missing = float(cost["requestedQueryCost"]) - float(bucket["currentlyAvailable"])
        return max(0.0, missing) / float(bucket["restoreRate"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None


def _part(of: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = of.get(name)
    return found if isinstance(found, dict) else {}
