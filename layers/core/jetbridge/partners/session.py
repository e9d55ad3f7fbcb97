"""The library requests, tamed: what a session may do, and what its failures mean."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, NewConnectionError

if TYPE_CHECKING:
    from collections.abc import Mapping

USER_AGENT = "Jetbridge/0.1.0 (+orders to Jetpack, tracking and stock back)"
POOL_SIZE = 10  # a batch of ten messages is worked side by side


def secure(session: requests.Session) -> None:
    """Let a session use nothing but what it is told in each call."""
    session.trust_env = False  # no proxy, no netrc, no other certificates out of the environment
    session.verify = True
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"User-Agent": USER_AGENT, "Accept": "application/json"})
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=POOL_SIZE, max_retries=0))


def nothing_was_sent(failure: requests.RequestException) -> bool:
    """Tell the failures before the first byte from those after it."""
    if isinstance(failure, requests.ConnectTimeout | requests.exceptions.InvalidHeader):
        return True
    reason = failure.args[0] if failure.args else None
    return isinstance(reason, MaxRetryError) and isinstance(reason.reason, NewConnectionError)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read how long the partner asks to wait, in seconds; both spellings, numbers and dates (RFC 9110)."""
    waits = [_seconds(text) for name in ("retry-after", "x-retry-after") if (text := headers.get(name))]
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
