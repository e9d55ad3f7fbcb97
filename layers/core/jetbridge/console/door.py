"""Who may come in: whoever shows one of the tokens that SSM holds, and not too often.

    Authorization: Bearer {token}

A token has a name, which is recorded with whatever its owner changes. Guessing is slow: a source that was wrong too
often in a minute is not listened to for the next, whatever it shows.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from jetbridge.console.answers import RefusedError

if TYPE_CHECKING:
    from jetbridge.ports import Runtime, SecretStore

SHORTEST_TOKEN = 24
"""A shorter one opens nothing, so that nobody sets `admin`."""

LONGEST_TOKEN = 512

KNOWN_SECONDS = 300
AGAIN_SECONDS = 30
"""How often, at most, a token that does not fit makes us read the tokens again: one may just have been added."""

WINDOW_SECONDS = 60
CALLS = 600
"""Calls of one token in a window."""
WRONG_OF_SOURCE = 10
"""Wrong tokens of one source in a window."""
WRONG_OF_ALL = 100
"""Wrong tokens of everybody in a window. Beyond it they cost us no call of a table any more; right ones still fit."""

MOST_SHUT_OUT = 1000

HOW_TO_SET_ONE = (
    "No token opens this console yet. Whoever runs Jetbridge sets one as an SSM SecureString; the README says how."
)


class Door:
    """Knows the tokens by their digests, and who has been wrong too often."""

    def __init__(self, secrets: SecretStore, runtime: Runtime, *, clock: Callable[[], float]) -> None:
        self._secrets = secrets
        self._runtime = runtime
        self._clock = clock
        self._read_at = -math.inf
        self._digests: dict[str, bytes] = {}
        self._shut_out: dict[str, float] = {}
        self._flooded_until = -math.inf

    def opened_by(self, headers: Mapping[str, str], address: str) -> str:
        """Name whose token was shown.

        Raises:
            RefusedError: 401 without a token that fits, 429 after too many calls or too many wrong tokens.
            TransientError: Tables or secrets did not answer.
        """
        source = _source(address)
        self._listen_to(source)
        token = _token(headers)
        if not token:
            raise _unknown(self._known())
        name = self._owner(token)
        if not name:
            self._was_wrong(source)
            raise _unknown(self._digests)
        if not self._runtime.allow(f"console:calls:{name}", CALLS, WINDOW_SECONDS):
            raise _too_often("This token was used too often within a minute.")
        return name

    def _owner(self, token: str) -> str:
        given = _digest(token)
        name = _fitting(self._known(), given)
        if not name and self._clock() - self._read_at >= AGAIN_SECONDS:
            self._read()
            name = _fitting(self._digests, given)
        return name

    def _known(self) -> Mapping[str, bytes]:
        if self._clock() - self._read_at >= (KNOWN_SECONDS if self._digests else AGAIN_SECONDS):
            self._read()
        return self._digests

    def _read(self) -> None:
        tokens = self._secrets.console_tokens()
        self._digests = {name: _digest(token) for name, token in tokens.items() if len(token) >= SHORTEST_TOKEN}
        self._read_at = self._clock()

    def _listen_to(self, source: str) -> None:
        if self._shut_out.get(source, -math.inf) > self._clock():
            raise _too_often("Too many wrong tokens came from this address.")

    def _was_wrong(self, source: str) -> None:
        """Count a wrong token; the counts are everybody's, what came of them is remembered here."""
        now = self._clock()
        if self._flooded_until > now:
            raise _too_often("Too many wrong tokens are being shown.")
        if not self._runtime.allow("console:wrong", WRONG_OF_ALL, WINDOW_SECONDS):
            self._flooded_until = now + WINDOW_SECONDS
            raise _too_often("Too many wrong tokens are being shown.")
        if not self._runtime.allow(f"console:wrong:{source}", WRONG_OF_SOURCE, WINDOW_SECONDS):
            self._shut_out.pop(source, None)
            self._shut_out[source] = now + WINDOW_SECONDS
            if len(self._shut_out) > MOST_SHUT_OUT:
                del self._shut_out[next(iter(self._shut_out))]
            raise _too_often("Too many wrong tokens came from this address.")


def _token(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and len(token) <= LONGEST_TOKEN else ""


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def _fitting(digests: Mapping[str, bytes], given: bytes) -> str:
    """Compare with every token, always in the same time."""
    found = ""
    for name, digest in digests.items():
        if hmac.compare_digest(digest, given):
            found = name
    return found


def _source(address: str) -> str:
    """Name a source without keeping its address: a digest, of the whole network where one person has all of it."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    network = ipaddress.ip_network((found, 32 if found.version == 4 else 64), strict=False)  # noqa: PLR2004 - IPv4
    return hashlib.sha256(str(network).encode()).hexdigest()[:16]


def _unknown(tokens: Mapping[str, bytes]) -> RefusedError:
    message = "Show one of the console's tokens: Authorization: Bearer …" if tokens else HOW_TO_SET_ONE
    return RefusedError(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})


def _too_often(message: str) -> RefusedError:
    return RefusedError(429, "too_often", f"{message} Wait a minute.", headers={"Retry-After": str(WINDOW_SECONDS)})
