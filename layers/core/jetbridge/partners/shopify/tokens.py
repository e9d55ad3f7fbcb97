"""Shopify's access tokens (facts/shopify.md section 2): one that stays, or one a day for the app's id and secret."""

from __future__ import annotations

import re
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from pydantic import Field

from jetbridge.errors import CredentialsRejectedError, TransientError
from jetbridge.partners.http import Call, Partner, PartnerHttp, Seams
from jetbridge.partners.reading import Payload, parsed
from jetbridge.partners.shopify.graphql import SHOPIFY, STATUSES, origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jetbridge.domain.store import ShopifyConnection
    from jetbridge.partners.http import Answer

PATH = "/admin/oauth/access_token"
RENEW_EARLY_SECONDS = 300.0
# Refusals that Shopify explains in the body; which status it gives them is not documented for all.
EXPLAINED = frozenset({HTTPStatus.BAD_REQUEST.value, HTTPStatus.UNAUTHORIZED.value, HTTPStatus.FORBIDDEN.value})
CODE = re.compile(r"[a-z_]{1,40}")


class TokenPayload(Payload):
    """What the client-credentials grant answers. A token that does not say how long it lives is renewed hourly."""

    access_token: str = Field(min_length=1, repr=False)
    expires_in: float = Field(default=3600.0, gt=0)


class Token(NamedTuple):
    """A token that was granted, to whom, and until when by our own clock. No `repr` of it is ever written."""

    text: str
    client: tuple[str, str]
    renew_at: float
    ends_at: float


class ShopifyTokens:
    """Gives the access token of one shop, from several threads at once.

    What is stored is either `access_token`, which stays, or `client_id` and `client_secret`, for which Shopify
    grants a token that lives for a day: it is asked for when the first call needs it, again some minutes before it
    ends, and once more after a 401. Renewals are one at a time.
    """

    def __init__(
        self,
        connection: ShopifyConnection,
        credentials: Callable[[bool], Mapping[str, str]],
        *,
        production: bool,
        seams: Seams | None = None,
    ) -> None:
        """Read and send nothing yet.

        Args:
            connection: Where the shop is.
            credentials: Gives what is stored; True asks for it anew, after a 401.
            production: Whether only Shopify's own hosts will do.
            seams: What tests put in the place of the network, the clock and chance.

        Raises:
            ConfigurationError: The secret must not go to this address.
        """
        seams = seams or Seams()
        self._credentials = credentials
        self._clock = seams.clock
        origin = origin_of(connection, production=production)
        # The secret travels in the form, not in a header; what stands in for a token here is sent nowhere.
        self._http = PartnerHttp(Partner(SHOPIFY, origin, STATUSES, lambda _: {}), lambda _again: "form", seams)
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._handed_out = threading.local()

    def __call__(self, again: bool) -> str:  # noqa: FBT001 - after a 401 a token is asked for again
        """Give the token.

        Raises:
            CredentialsRejectedError: Nothing usable is stored, or Shopify grants this app no token for this shop.
            TransientError: Neither Shopify nor a token that still lives could be had.
        """
        stored = self._credentials(again)
        try:
            return self._given(stored, again=again)
        except CredentialsRejectedError:
            # What is remembered may be older than what is stored: a secret that was just replaced.
            newer = stored if again else self._credentials(True)  # noqa: FBT003 - the port of the secret store
            if newer == stored:
                raise
        return self._given(newer, again=True)

    def _given(self, stored: Mapping[str, str], *, again: bool) -> str:
        if stored.get("access_token"):
            return stored["access_token"]
        client = (stored.get("client_id", ""), stored.get("client_secret", ""))
        if not all(client):
            message = "neither an access token nor a client id with its secret is stored"
            raise CredentialsRejectedError(message, partner=SHOPIFY, code="missing")
        with self._lock:
            refused = getattr(self._handed_out, "text", None) if again else None
            self._token = self._living(client, refused) or self._granted(client)
            self._handed_out.text = self._token.text
            return self._token.text

    def _living(self, client: tuple[str, str], refused: str | None) -> Token | None:
        """Give the token at hand if it will do, renewed early if that works.

        A token belongs to the secret that made it, so it goes with it. One that another thread has fetched since
        this thread's was refused need not be fetched once more.
        """
        token = self._token
        if token is None or token.client != client or token.text == refused or self._clock() >= token.ends_at:
            return None
        if self._clock() < token.renew_at:
            return token
        try:
            return self._granted(client)
        except TransientError:
            return token

    def _granted(self, client: tuple[str, str]) -> Token:
        form = {"grant_type": "client_credentials", "client_id": client[0], "client_secret": client[1]}
        # A second grant harms nothing, so this may be repeated like a read.
        answer = self._http.send(Call("POST", PATH, form=form, expected=EXPLAINED))
        asked_at = self._clock()
        if answer.status in EXPLAINED:
            raise _refusal(answer)
        granted = parsed(TokenPayload, answer.body, partner=SHOPIFY)
        early = min(RENEW_EARLY_SECONDS, granted.expires_in / 2)
        ends_at = asked_at + granted.expires_in
        return Token(granted.access_token, client, ends_at - early, ends_at)


def _refusal(answer: Answer) -> CredentialsRejectedError:
    """Read why: `app_not_installed`, `shop_not_permitted`, `invalid_client`; the explanation stays unread."""
    code = answer.body.get("error") if isinstance(answer.body, dict) else None
    known = code if isinstance(code, str) and CODE.fullmatch(code) else "no_token"
    message = "Shopify grants this app no token for this shop"
    return CredentialsRejectedError(message, partner=SHOPIFY, http_status=answer.status, code=known)
