"""Asks Shopify's Admin GraphQL and turns its four ways of saying no into our errors (facts/shopify.md section 10)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from jetbridge.errors import (
    ConfigurationError,
    CredentialsRejectedError,
    OutcomeUnknownError,
    PartnerUnavailableError,
    RateLimitedError,
    RejectedByPartnerError,
    UnexpectedAnswerError,
)
from jetbridge.partners.http import Call, Meaning, Partner, PartnerHttp, Seams
from jetbridge.partners.origins import allowed_origin
from jetbridge.partners.reading import Payload, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

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
FAILURES = frozenset({"INTERNAL_SERVER_ERROR", "TIMEOUT", "SERVICE_UNAVAILABLE"})
# Protected data that an app may be denied (facts section 13) and without which a parcel still arrives.
SPARED = frozenset({"email", "phone"})
LONGEST_WAIT_SECONDS = 2.0
MOST_WAITS = 3


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
        origin = allowed_origin(connection.admin_url, vendor_hosts=("*.myshopify.com",), production=production)
        host = origin.removeprefix("https://")
        if production and connection.shop.lower() not in {host, host.removesuffix(".myshopify.com")}:
            message = "the Shopify address is not the shop's own"
            raise ConfigurationError(message)
        self._version = connection.api_version
        self._path = f"/admin/api/{connection.api_version}/graphql.json"
        self._sleep = (seams or Seams()).sleep
        self._http = PartnerHttp(
            Partner(SHOPIFY, origin, STATUSES, lambda secret: {"X-Shopify-Access-Token": secret}), token, seams
        )
        self._version_was_checked = False

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
                # A status 429 is not waited out: the whole shop's budget is gone, and a line forms elsewhere.
                wait = error.retry_after_seconds
                if error.http_status or wait is None or wait > LONGEST_WAIT_SECONDS or waits == MOST_WAITS:
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
        body = {"query": document, "variables": variables}
        answer = self._http.send(Call("POST", self._path, body=body, write=bool(mutation)))
        self._notice_version(answer.headers)
        found = answer.body if isinstance(answer.body, dict) else {}
        data = found.get("data")
        # A payload that came tells more about its mutation than the errors beside it: those name parts of it.
        if not (mutation and isinstance(data, dict) and data.get(mutation)):
            _raise_first_error(found, write=bool(mutation))
        if isinstance(data, dict):
            return data
        if mutation:
            raise OutcomeUnknownError(partner=SHOPIFY, code="no_data")
        raise UnexpectedAnswerError(partner=SHOPIFY, code="no_data")

    def _notice_version(self, headers: Mapping[str, str]) -> None:
        # A version that is no longer reachable is answered by the oldest that is, without a word (facts section 1).
        answered = headers.get("X-Shopify-API-Version")
        if not self._version_was_checked and answered:
            self._version_was_checked = True
            if answered != self._version:
                logger.warning(
                    "Shopify answered in another API version", extra={"asked": self._version, "answered": answered}
                )


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
    """Give the cursor of the next page; None at the end."""
    info = _part(connection, "pageInfo")
    return str(info["endCursor"]) if info.get("hasNextPage") and info.get("endCursor") else None


def _raise_first_error(answer: Mapping[str, Any], *, write: bool) -> None:
    errors = answer.get("errors") or []
    for each in errors if isinstance(errors, list) else [errors]:
        error = _error(each if isinstance(each, dict) else {}, answer, write=write)
        if error:
            raise error


def _error(each: Mapping[str, Any], answer: Mapping[str, Any], *, write: bool) -> PartnerError | None:
    code = str(_part(each, "extensions").get("code") or "")
    path = each.get("path")
    if code == "THROTTLED":
        return RateLimitedError(partner=SHOPIFY, code=code, retry_after_seconds=_wait(answer))
    if code == "ACCESS_DENIED":
        spared = isinstance(path, list) and path and path[-1] in SPARED and answer.get("data") is not None
        return None if spared else CredentialsRejectedError(partner=SHOPIFY, code=code)
    if write:
        # What nobody knows may have been done.
        kind = RejectedByPartnerError if code in REFUSALS else OutcomeUnknownError
        return kind(partner=SHOPIFY, code=code or "unknown_error")
    if code in FAILURES:
        return PartnerUnavailableError(partner=SHOPIFY, code=code)
    return UnexpectedAnswerError(partner=SHOPIFY, code=code or "unknown_error")


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
