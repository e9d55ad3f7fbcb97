"""The library requests, tamed: what a session may do, how long and how large an answer may be, what failures mean."""

from __future__ import annotations

import http.client
import io
import logging
import math
import time
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping, Sequence

USER_AGENT = "Jetbridge/0.1.0 (+orders to Jetpack, tracking and stock back)"
POOL_SIZE = 10  # a batch of ten messages is worked side by side
LARGEST_ANSWER_BYTES = 20 * 1024 * 1024
RETRY_HEADERS = ("retry-after", "x-retry-after")

_answer_ends_at: ContextVar[float] = ContextVar("answer_ends_at", default=math.inf)


def secure(session: requests.Session) -> None:
    """Let a session use nothing but what it is told in each call, and say nothing about it."""
    session.trust_env = False  # no proxy, no netrc, no other certificates out of the environment
    session.verify = True
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"User-Agent": USER_AGENT, "Accept": "application/json"})
    for scheme in ("https://", "http://"):
        session.mount(scheme, ImpatientAdapter(pool_connections=1, pool_maxsize=POOL_SIZE, max_retries=0))
    # Its debug lines and its warnings of odd headers hold the address with the query: a name, a number.
    logging.getLogger("urllib3").setLevel(logging.ERROR)


@contextmanager
def answer_within(seconds: float) -> Iterator[None]:
    """Let an answer that has not arrived after so many seconds fail, however steadily it drips."""
    token = _answer_ends_at.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _answer_ends_at.reset(token)


def content_of(response: requests.Response) -> bytes | None:
    """Read a streamed answer to its end; None when it is larger than any answer we know."""
    content = bytearray()
    for part in response.iter_content(65536):
        content += part
        if len(content) > LARGEST_ANSWER_BYTES:
            return None
    return bytes(content)


def nothing_was_sent(failure: requests.RequestException) -> bool:
    """Tell the failures before the first byte from those after it."""
    if isinstance(failure, requests.ConnectTimeout | requests.exceptions.InvalidHeader):
        return True
    reason = failure.args[0] if failure.args else None
    return isinstance(reason, MaxRetryError) and isinstance(reason.reason, NewConnectionError)


def retry_after(headers: Mapping[str, str], names: Sequence[str] = RETRY_HEADERS) -> float | None:
    """Read how long the partner asks to wait, in seconds: the longest of these headers, numbers or dates (RFC 9110)."""
    waits = [_seconds(text) for name in names if (text := headers.get(name))]
    return max((wait for wait in waits if wait is not None), default=None)


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


# -- an end for the whole answer --------------------------------------------------------------------------------------
# A read time-out begins anew with every byte, so a server that drips could hold us until Lambda ends the function.
# Each wait for the next byte is therefore cut at the end of the answer, in the one place where all bytes come in.


class ImpatientReader(io.RawIOBase):
    """What comes in on a socket, until the answer's time is over."""

    def __init__(self, raw: io.RawIOBase, connection: socket.socket) -> None:
        self._raw, self._connection = raw, connection

    def readable(self) -> bool:
        """Promise what BufferedReader asks for."""
        return True

    def readinto(self, buffer: Any, /) -> int | None:  # noqa: ANN401 - io's own words for a writable buffer
        """Wait for the next bytes, but never longer than the answer may take.

        Raises:
            TimeoutError: It took longer, or the socket's own time-out passed.
        """
        left = _answer_ends_at.get() - time.monotonic()
        if left <= 0:
            raise TimeoutError
        patience = self._connection.gettimeout()
        self._connection.settimeout(min(left, patience or math.inf) if left < math.inf else patience)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Let go of the socket, too."""
        self._raw.close()
        super().close()


class ImpatientResponse(http.client.HTTPResponse):
    """Reads status line, headers and body through an ImpatientReader."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:  # noqa: ANN401 - handed on as they are
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(ImpatientReader(self.fp.detach(), sock))


class ImpatientConnection(HTTPConnection):
    """Plain HTTP, for simulators."""

    response_class = ImpatientResponse  # type: ignore[mutable-override]  # read by the base class only
    debuglevel = 0  # whatever the process set for http.client: it would print headers


class ImpatientTlsConnection(HTTPSConnection):
    """HTTPS."""

    response_class = ImpatientResponse  # type: ignore[mutable-override]  # read by the base class only
    debuglevel = 0


class ImpatientPool(HTTPConnectionPool):
    """Makes such connections."""

    ConnectionCls = ImpatientConnection  # type: ignore[mutable-override]  # read by the base class only


class ImpatientTlsPool(HTTPSConnectionPool):
    """Makes such connections."""

    ConnectionCls = ImpatientTlsConnection  # type: ignore[mutable-override]  # read by the base class only


class ImpatientAdapter(HTTPAdapter):
    """Makes such pools."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - handed on as they are
        """Make the pools of this adapter's own classes."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": ImpatientPool, "https": ImpatientTlsPool}
