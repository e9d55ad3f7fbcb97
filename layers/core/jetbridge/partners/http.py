"""Calls one partner over HTTPS: one session, one host, time-outs always, our errors for all that goes wrong.

Nothing begins that the function could not see the end of: `time_limit` says how long it has left. Errors leave
without the exception they came from: what requests says holds addresses with their query, and a refused header is
quoted with the token in it.
"""

from __future__ import annotations

import itertools
import json
import logging
import math
import random
import re
import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests
from requests.structures import CaseInsensitiveDict

from jetbridge.errors import (
    CredentialsRejectedError,
    OutcomeUnknownError,
    PartnerUnavailableError,
    RateLimitedError,
    RejectedByPartnerError,
    UnexpectedAnswerError,
)
from jetbridge.partners.session import RETRY_HEADERS, answer_within, content_of, nothing_was_sent, retry_after, secure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from jetbridge.errors import PartnerError

__all__ = ["Answer", "Call", "Meaning", "Partner", "PartnerHttp", "Seams", "time_limit"]

logger = logging.getLogger(__name__)

CONNECT_SECONDS, READ_SECONDS = 3.05, 10.0  # just above TCP's 3 s retransmission; between two bytes
ANSWER_SECONDS = 20.0  # from the first byte sent to the last one read
RECORDING_SECONDS = 1.0  # the end of a function's time belongs to writing down what came of the call
SHORTEST_SECONDS = 1.0  # no call begins with less
RETRIES = 2
RETRY_WITHIN_SECONDS = 10.0  # no repetition begins later: a look makes several calls
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 0.2, 2.0
# A frozen Lambda learns of a connection closed meanwhile only by a reset, which makes a write's outcome unknown.
IDLE_SECONDS = 30.0
# What callers may see of an answer's headers; the rest (cookies, traces) is nobody's business.
READABLE_HEADERS = frozenset(
    {
        "date",
        "link",
        "next-page",
        "page-number",
        "page-size",
        "retry-after",
        "total-count",
        "total-pages",
        "x-rate-limit-limit",
        "x-rate-limit-remaining",
        "x-rate-limit-reset",
        "x-ratelimit-remaining",
        "x-remaining-calls",
        "x-request-id",
        "x-retry-after",
        "x-shopify-api-deprecated-reason",
        "x-shopify-api-version",
    }
)
WORD = re.compile(r"[a-z._-]+|[0-9]{4}-[0-9]{2}")  # of a path; a version is one, too

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)


@contextmanager
def time_limit(seconds: float, *, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Say how long the function may still run.

    Until the block ends, calls made in it (and in threads that run in a copy of its context) wait and repeat only
    as long as that, less a second to write down what came of them. A call with no time left is not begun.
    """
    token = _ends_at.set(clock() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(token)


class Meaning(Enum):
    """What a status says about the call, apart from whether it was a read or a write."""

    REFUSED = "refused"
    CREDENTIALS = "credentials"
    THROTTLED = "throttled"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Partner:
    """Who is called, and where. `statuses` is its error table; every 5xx means FAILING without standing in it."""

    name: str
    origin: str
    statuses: Mapping[int, Meaning]
    authorization: Callable[[str], dict[str, str]]
    """Token → the headers that carry it."""
    retry_headers: Sequence[str] = RETRY_HEADERS
    """Where a THROTTLED answer says how long to wait, in seconds or as a date."""


@dataclass(frozen=True, slots=True)
class Seams:
    """What tests put in the place of the network, the clock and chance."""

    session: requests.Session | None = None
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `write` means: it must not be repeated, and a failure on the way leaves its outcome unknown.

    `expected` are refusals that the caller reads himself (a 404 may mean absence, a 422 many things).
    """

    method: str
    path: str
    query: Sequence[tuple[str, str]] = field(default=(), repr=False)
    body: object = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    write: bool = False
    expected: frozenset[int] = frozenset()
    form: Mapping[str, str] | None = field(default=None, repr=False)  # form-encoded, instead of a JSON body

    def __post_init__(self) -> None:
        """Refuse what would make another host of `origin + path`: a mistake of ours."""
        if not self.path.startswith("/"):
            message = "a path begins with a slash"
            raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the JSON (None where there was none) and the READABLE_HEADERS among the headers."""

    status: int
    body: Any = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


class Received(NamedTuple):
    """An answer as it came; no content when it was larger than we take."""

    status: int
    content: bytes | None
    headers: Mapping[str, str]


class PartnerHttp:
    """One partner's API, safe to use from several threads. Credentials go to `partner.origin` and nowhere else."""

    def __init__(self, partner: Partner, credentials: Callable[[bool], str], seams: Seams | None = None) -> None:
        seams = seams or Seams()
        self._partner = partner
        self._credentials = credentials
        self._sleep, self._jitter, self._clock = seams.sleep, seams.jitter, seams.clock
        self._session = seams.session or requests.Session()
        secure(self._session)
        self._used_at = self._clock()

    def send(self, call: Call) -> Answer:
        """Send a request and read the answer.

        A read is tried at most three times. `credentials(True)` is asked once for a newer token after a 401.

        Raises:
            CredentialsRejectedError: The token is refused, the new one too.
            RateLimitedError: Nothing was done; holds the seconds the partner asks to wait.
            PartnerUnavailableError: A read failed, or a write could not even be sent.
            OutcomeUnknownError: A write was sent, and nobody knows what became of it.
            RejectedByPartnerError: A write was refused.
            UnexpectedAnswerError: A read was refused, or the status is in no table (redirects are not).
        """
        begun_at = self._clock()
        for attempt in itertools.count():
            try:
                return self._once(call)
            except PartnerUnavailableError as error:
                wait = max(self._backoff(attempt), error.retry_after_seconds or 0.0)
                too_late = self._clock() - begun_at + wait > RETRY_WITHIN_SECONDS
                if call.write or attempt == RETRIES or too_late or self.time_left() - wait < SHORTEST_SECONDS:
                    raise
            self._sleep(wait)
        raise AssertionError  # pragma: no cover - the loop has no end of its own

    def query_of(self, address: str) -> list[tuple[str, str]]:
        """Take the query out of a `next` address, which may be a path or a URL.

        Raises:
            UnexpectedAnswerError: It leads to another host.
        """
        target = urlsplit(urljoin(f"{self._partner.origin}/", address))
        if f"{target.scheme}://{target.netloc}" != self._partner.origin:
            raise UnexpectedAnswerError(partner=self._partner.name, code="other_host")
        return parse_qsl(target.query, keep_blank_values=True)

    def time_left(self) -> float:
        """Seconds that calls may still take."""
        ends_at = _ends_at.get()
        return math.inf if ends_at is None else ends_at - self._clock() - RECORDING_SECONDS

    def _backoff(self, attempt: int) -> float:
        longest = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0**attempt)
        return longest * (0.5 + self._jitter() / 2)

    def _once(self, call: Call) -> Answer:
        token = self._credentials(False)  # noqa: FBT003 - the port of the secret store
        received = self._exchange(call, token)
        if received.status == requests.codes.unauthorized:
            renewed = self._credentials(True)  # noqa: FBT003
            if renewed != token:
                received = self._exchange(call, renewed)
        if not _is_done(received.status) and received.status not in call.expected:
            raise self._error(received, call)
        readable = {name: text for name, text in received.headers.items() if name.lower() in READABLE_HEADERS}
        return Answer(received.status, self._json(received, call), CaseInsensitiveDict(readable))

    def _exchange(self, call: Call, token: str) -> Received:
        if not (token and token.isascii() and token.isprintable()):
            raise CredentialsRejectedError(partner=self._partner.name, code="unusable_token")
        left = self.time_left()
        if left < SHORTEST_SECONDS:
            raise PartnerUnavailableError(partner=self._partner.name, code="no_time_left")
        self._forget_idle_connections()
        begun_at = self._clock()
        failure: requests.RequestException
        try:
            with (
                answer_within(min(ANSWER_SECONDS, left)),
                self._session.request(
                    call.method,
                    self._partner.origin + call.path,
                    params=list(call.query) or None,
                    json=call.body,
                    data=call.form,
                    headers={**call.headers, **self._partner.authorization(token)},
                    timeout=(min(CONNECT_SECONDS, left), min(READ_SECONDS, left)),
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                received = Received(response.status_code, content_of(response), response.headers)
        except requests.RequestException as caught:
            failure = caught
        else:
            self._tell(call, received.status, begun_at)
            return received
        code = type(failure).__name__
        self._tell(call, code, begun_at)
        if call.write and not nothing_was_sent(failure):
            raise OutcomeUnknownError(partner=self._partner.name, code=code)
        raise PartnerUnavailableError(partner=self._partner.name, code=code)

    def _tell(self, call: Call, outcome: int | str, begun_at: float) -> None:
        """One line for whoever debugs: never a query, a header or a body, and no id either."""
        if logger.isEnabledFor(logging.DEBUG):
            facts = {
                "partner": self._partner.name,
                "method": call.method,
                "path": re.sub(r"[^/:]+", lambda part: part[0] if WORD.fullmatch(part[0]) else "*", call.path),
                "outcome": outcome,
                "seconds": round(self._clock() - begun_at, 3),
            }
            logger.debug("partner called", extra=facts)

    def _forget_idle_connections(self) -> None:
        idle, self._used_at = self._clock() - self._used_at, self._clock()
        if idle > IDLE_SECONDS:
            for adapter in self._session.adapters.values():
                adapter.close()

    def _json(self, received: Received, call: Call) -> Any:  # noqa: ANN401 - JSON
        if received.content == b"":
            return None
        # A gateway's page or half an answer: the way failed, not the partner (facts/shipbob.md section 5).
        kind: type[PartnerError] = PartnerUnavailableError
        code = "not_json"
        try:
            if received.content is not None:
                return json.loads(received.content)
            kind, code = UnexpectedAnswerError, "too_large"
        except (ValueError, RecursionError):
            pass
        if not _is_done(received.status):
            return None  # the status says enough
        raise (OutcomeUnknownError if call.write else kind)(
            partner=self._partner.name, http_status=received.status, code=code
        )

    def _error(self, received: Received, call: Call) -> PartnerError:
        status, partner = received.status, self._partner.name
        failing = Meaning.FAILING if status >= requests.codes.server_error else None
        match self._partner.statuses.get(status, failing):
            case Meaning.CREDENTIALS:
                return CredentialsRejectedError(partner=partner, http_status=status)
            case Meaning.THROTTLED:
                wait = retry_after(received.headers, self._partner.retry_headers)
                return RateLimitedError(partner=partner, http_status=status, retry_after_seconds=wait)
            case Meaning.FAILING if call.write:
                return OutcomeUnknownError(partner=partner, http_status=status)
            case Meaning.FAILING:
                wait = retry_after(received.headers)
                return PartnerUnavailableError(partner=partner, http_status=status, retry_after_seconds=wait)
            case Meaning.REFUSED if call.write:
                return RejectedByPartnerError(partner=partner, http_status=status)
            case _:
                return UnexpectedAnswerError(partner=partner, http_status=status)


def _is_done(status: int) -> bool:
    return status // 100 == 2  # noqa: PLR2004 - 2xx
