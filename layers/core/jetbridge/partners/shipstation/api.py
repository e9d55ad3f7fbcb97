"""ShipStation's HTTP conventions: Basic key and secret, 40 calls a minute, errors in several shapes."""

from __future__ import annotations

import base64
import math
import threading
from typing import TYPE_CHECKING, Any

from jetbridge.errors import (
    CredentialsRejectedError,
    OutcomeUnknownError,
    PartnerUnavailableError,
    RateLimitedError,
    RejectedByPartnerError,
    UnexpectedAnswerError,
)
from jetbridge.partners.http import Answer, Call, Meaning, Partner, PartnerHttp, Seams
from jetbridge.partners.origins import allowed_origin
from jetbridge.partners.shipstation.addresses import is_vendors
from jetbridge.partners.shipstation.refusals import harmless, is_validation, says_too_many

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jetbridge.domain.store import ShipStationConnection
    from jetbridge.errors import PartnerError

SHIPSTATION = "shipstation"
HOST = "ssapi.shipstation.com"
WINDOW_SECONDS = 60.0
"""What is left of a window that nobody measures."""

PAYMENT_REQUIRED, NOT_FOUND, TOO_MANY_REQUESTS, FAILED, UNAVAILABLE = 402, 404, 429, 500, 503
# Their bodies decide: a 500 may be a refusal, any of them may speak of the limit, 402 is the plan.
READ_HERE = frozenset({400, PAYMENT_REQUIRED, NOT_FOUND, 405, TOO_MANY_REQUESTS, FAILED, UNAVAILABLE})
REFUSED_FROM = 400
STATUSES = {401: Meaning.CREDENTIALS, 403: Meaning.CREDENTIALS, 408: Meaning.FAILING}


class RateWindow:
    """What is left of the minute, as the answers say: one key pair counts over all hosts and calls."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left: int | None = None
        self._in_flight = 0
        self._ends_at = 0.0
        self._lock = threading.Lock()

    @property
    def left(self) -> int | None:
        """Calls left; None when no answer said so, or its window is over."""
        with self._lock:
            return self._left_now()

    def enter(self) -> None:
        """Begin a call; RateLimitedError when there is none left."""
        with self._lock:
            left = self._left_now()
            if left is not None and left - self._in_flight <= 0:
                wait = self._ends_at - self._clock()
                raise RateLimitedError(partner=SHIPSTATION, code="window_used_up", retry_after_seconds=wait)
            self._in_flight += 1

    def leave(self) -> None:
        """End a call, however it ended."""
        with self._lock:
            self._in_flight -= 1

    def note(self, headers: Mapping[str, str]) -> None:
        """Take over what an answer says."""
        left, reset = headers.get("x-rate-limit-remaining", ""), _seconds(headers)
        if left.isascii() and left.isdecimal():
            with self._lock:
                self._left, self._ends_at = int(left), self._clock() + reset

    def close(self, headers: Mapping[str, str]) -> float:
        """Let nothing through until the window turns over; gives the seconds until then."""
        with self._lock:
            wait = _seconds(headers)
            self._left, self._ends_at = 0, self._clock() + wait
            return wait

    def _left_now(self) -> int | None:
        return self._left if self._clock() < self._ends_at else None


class ShipStationApi:
    """One account. Its credentials go to the configured host, and to ShipStation's others if that is one of them."""

    def __init__(
        self,
        connection: ShipStationConnection,
        credentials: Callable[[bool], Mapping[str, str]],
        *,
        production: bool,
        seams: Seams | None = None,
    ) -> None:
        """Refuse (ConfigurationError) an address that the credentials must not go to."""
        self.origin = allowed_origin(connection.api_url, vendor_hosts=(HOST,), production=production)
        self._credentials = credentials
        self._seams = seams or Seams()
        self.clock = self._seams.clock
        self._window = RateWindow(self.clock)
        self._hosts: dict[str, PartnerHttp] = {}
        self._lock = threading.Lock()

    @property
    def remaining_calls(self) -> int | None:
        """Calls left in the present minute, as the last answer said; None when nobody knows."""
        return self._window.left

    def allows(self, origin: str) -> bool:
        """Whether the credentials may go there."""
        return origin == self.origin or (is_vendors(origin) and is_vendors(self.origin))

    def read(self, path: str, query: Sequence[tuple[str, str]] = (), *, origin: str = "") -> Any:  # noqa: ANN401 - JSON
        """GET; gives the JSON.

        Raises:
            PartnerUnavailableError: ShipStation failed.
            UnexpectedAnswerError: It refused.
        """
        answer = self.try_read(path, query, origin=origin)
        if answer.status < REFUSED_FROM:
            return answer.body
        raise failed_read(answer)

    def read_if_there(self, path: str) -> Any | None:  # noqa: ANN401 - JSON
        """GET; None for a 404."""
        answer = self.try_read(path)
        if answer.status == NOT_FOUND:
            return None
        if answer.status < REFUSED_FROM:
            return answer.body
        raise failed_read(answer)

    def try_read(self, path: str, query: Sequence[tuple[str, str]] = (), *, origin: str = "") -> Answer:
        """GET; what came of it is the caller's to judge."""
        return self._send(Call("GET", path, query, expected=READ_HERE), origin or self.origin)

    def write(self, method: str, path: str, body: object = None) -> Answer:
        """Send a change, once; what came of it is the caller's to judge (`refused_write`)."""
        return self._send(Call(method, path, body=body, write=True, expected=READ_HERE), self.origin)

    def _send(self, call: Call, origin: str) -> Answer:
        http = self._host(origin)
        self._window.enter()
        try:
            answer = http.send(call)
        finally:
            self._window.leave()
        self._window.note(answer.headers)
        if answer.status == TOO_MANY_REQUESTS or says_too_many(answer.body):
            wait = self._window.close(answer.headers)
            raise RateLimitedError(partner=SHIPSTATION, http_status=answer.status, retry_after_seconds=wait)
        if answer.status == PAYMENT_REQUIRED:
            message = "the plan has no API access"
            raise CredentialsRejectedError(message, partner=SHIPSTATION, http_status=PAYMENT_REQUIRED, code="suspended")
        return answer

    def _host(self, origin: str) -> PartnerHttp:
        if not self.allows(origin):
            message = "not a host of ShipStation's"  # a mistake of ours: callers ask `allows` first
            raise ValueError(message)
        with self._lock:
            if origin not in self._hosts:
                partner = Partner(SHIPSTATION, origin, STATUSES, _authorization)
                self._hosts[origin] = PartnerHttp(partner, self._pair, self._seams)
            return self._hosts[origin]

    def _pair(self, again: bool) -> str:  # noqa: FBT001 - the port of the secret store
        """Join key and secret; empty, which is never sent, when they are none that Basic can carry."""
        found = self._credentials(again)
        key, secret = found.get("api_key", ""), found.get("api_secret", "")
        return f"{key}:{secret}" if key and secret and ":" not in key else ""


def failed_read(answer: Answer) -> PartnerError:
    """Class a read that brought nothing."""
    if answer.status >= FAILED:
        return PartnerUnavailableError(partner=SHIPSTATION, http_status=answer.status)
    return UnexpectedAnswerError(harmless(answer.body), partner=SHIPSTATION, http_status=answer.status)


def refused_write(answer: Answer) -> PartnerError | None:
    """Class a write: None when it is done. A 500 may be a refusal in disguise, but proves nothing."""
    body = answer.body
    if answer.status >= FAILED:
        if is_validation(body):
            return OutcomeUnknownError(
                harmless(body), partner=SHIPSTATION, http_status=answer.status, code="validation"
            )
        return OutcomeUnknownError(partner=SHIPSTATION, http_status=answer.status)
    refused = isinstance(body, dict) and body.get("success") is False
    if answer.status >= REFUSED_FROM or refused:
        return RejectedByPartnerError(harmless(body), partner=SHIPSTATION, http_status=answer.status)
    return None


def _authorization(pair: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _seconds(headers: Mapping[str, str]) -> float:
    """Read until when the window lasts: seconds, not a clock time (facts/shipstation.md section 2)."""
    try:
        seconds = float(headers.get("x-rate-limit-reset", ""))
    except ValueError:
        return WINDOW_SECONDS
    return min(max(seconds, 0.0), WINDOW_SECONDS) if math.isfinite(seconds) else WINDOW_SECONDS
