"""Calls one partner over HTTPS: one session, one host, time-outs always, our errors for all that goes wrong.

Errors leave without the exception they came from: what requests says holds addresses with their query, and a
refused header is quoted with the token in it.
"""

from __future__ import annotations

import itertools
import json
import random
import time
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests

from jetbridge.errors import (
    CredentialsRejectedError,
    OutcomeUnknownError,
    PartnerUnavailableError,
    RateLimitedError,
    RejectedByPartnerError,
    UnexpectedAnswerError,
)
from jetbridge.partners.session import nothing_was_sent, retry_after, secure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jetbridge.errors import PartnerError

__all__ = ["Answer", "Call", "Meaning", "Partner", "PartnerHttp", "Seams"]

TIMEOUT_SECONDS = (3.05, 10.0)  # connect (just above TCP's 3 s retransmission), read
RETRIES = 2
RETRY_WITHIN_SECONDS = 10.0  # no repetition begins later: two more tries still fit into a worker's minute
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 0.2, 2.0
# A frozen Lambda learns of a connection closed meanwhile only by a reset, which makes a write's outcome unknown.
IDLE_SECONDS = 30.0


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
    query: Sequence[tuple[str, str]] = ()
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    write: bool = False
    expected: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, the JSON (None where there was none) and the headers."""

    status: int
    body: Any
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
                if call.write or attempt == RETRIES or too_late:
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

    def _backoff(self, attempt: int) -> float:
        longest = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0**attempt)
        return longest * (0.5 + self._jitter() / 2)

    def _once(self, call: Call) -> Answer:
        token = self._credentials(False)  # noqa: FBT003 - the port of the secret store
        response = self._exchange(call, token)
        if response.status_code == requests.codes.unauthorized:
            renewed = self._credentials(True)  # noqa: FBT003
            if renewed != token:
                response = self._exchange(call, renewed)
        done = requests.codes.ok <= response.status_code < requests.codes.multiple_choices
        if not done and response.status_code not in call.expected:
            raise self._error(response, call)
        return Answer(response.status_code, self._json(response, call), response.headers)

    def _exchange(self, call: Call, token: str) -> requests.Response:
        if not (token and token.isascii() and token.isprintable()):
            raise CredentialsRejectedError(partner=self._partner.name, code="unusable_token")
        self._forget_idle_connections()
        failure: requests.RequestException
        try:
            return self._session.request(
                call.method,
                self._partner.origin + call.path,
                params=list(call.query) or None,
                json=call.body,
                headers={**call.headers, **self._partner.authorization(token)},
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
            )
        except requests.RequestException as caught:
            failure = caught
        code = type(failure).__name__
        if call.write and not nothing_was_sent(failure):
            raise OutcomeUnknownError(partner=self._partner.name, code=code)
        raise PartnerUnavailableError(partner=self._partner.name, code=code)

    def _forget_idle_connections(self) -> None:
        idle, self._used_at = self._clock() - self._used_at, self._clock()
        if idle > IDLE_SECONDS:
            for adapter in self._session.adapters.values():
                adapter.close()

    def _json(self, response: requests.Response, call: Call) -> Any:  # noqa: ANN401 - JSON
        if not response.content:
            return None
        try:
            return json.loads(response.content)
        except ValueError:
            pass
        if not response.ok:
            return None  # the status says enough
        # A gateway's page or half an answer: the way failed, not the partner (facts/shipbob.md section 5).
        kind = OutcomeUnknownError if call.write else PartnerUnavailableError
        raise kind(partner=self._partner.name, http_status=response.status_code, code="not_json")

    def _error(self, response: requests.Response, call: Call) -> PartnerError:
        status, partner = response.status_code, self._partner.name
        failing = Meaning.FAILING if status >= requests.codes.server_error else None
        match self._partner.statuses.get(status, failing):
            case Meaning.CREDENTIALS:
                return CredentialsRejectedError(partner=partner, http_status=status)
            case Meaning.THROTTLED:
                wait = retry_after(response.headers)
                return RateLimitedError(partner=partner, http_status=status, retry_after_seconds=wait)
            case Meaning.FAILING if call.write:
                return OutcomeUnknownError(partner=partner, http_status=status)
            case Meaning.FAILING:
                wait = retry_after(response.headers)
                return PartnerUnavailableError(partner=partner, http_status=status, retry_after_seconds=wait)
            case Meaning.REFUSED if call.write:
                return RejectedByPartnerError(partner=partner, http_status=status)
            case _:
                return UnexpectedAnswerError(partner=partner, http_status=status)
