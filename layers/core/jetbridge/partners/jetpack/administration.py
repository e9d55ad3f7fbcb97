"""Jetpack as the port WarehouseAdmin: what connecting a store looks at, and its webhook subscriptions."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from jetbridge.errors import OutcomeUnknownError, RejectedByPartnerError, UnexpectedAnswerError
from jetbridge.partners.http import Seams
from jetbridge.partners.jetpack.api import JETPACK, PAGE_SIZE, JetpackApi
from jetbridge.partners.jetpack.catalogue import CatalogueReader
from jetbridge.partners.jetpack.payloads import (
    AccountChannelPayload,
    CenterPayload,
    ChannelOfOrderPayload,
    SubscriptionPayload,
)
from jetbridge.partners.jetpack.refusals import complaints_of, harmless
from jetbridge.partners.reading import parsed
from jetbridge.ports import Channel, Subscription, WarehouseFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from jetbridge.domain.store import JetpackConnection

REFUSED = frozenset({400, 422})
ABSENT = frozenset({404})
RECENT_PAGES = 4  # a thousand orders tell who else forwards
LISTED = [("RecordsPerPage", str(PAGE_SIZE))]
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{20,}={0,2}")


class JetpackAdmin:
    """One account at Jetpack, looked at before and after it is connected."""

    def __init__(
        self,
        connection: JetpackConnection,
        token: Callable[[bool], str],
        *,
        production: bool,
        now: Callable[[], datetime],
        seams: Seams | None = None,
    ) -> None:
        """Connect; nothing is sent yet.

        Args:
            connection: Where the account is; its channel is not needed.
            token: Gives the access token; True asks for a newer one, after a 401.
            production: Whether only the vendor's own hosts will do.
            now: Our clock, which theirs is compared with.
            seams: What tests put in the place of the network, the clock and chance.

        Raises:
            ConfigurationError: The token must not go to this address.
        """
        self._api = JetpackApi(connection, token, production=production, seams=seams)
        self._catalogue = CatalogueReader(self._api, (seams or Seams()).clock)
        self._now = now

    def ship_options(self) -> tuple[tuple[str, bool], ...]:
        """List every ship option text now, and whether it is active."""
        return tuple(self._catalogue.ship_options())

    def locations(self) -> tuple[tuple[str, str], ...]:
        """List the fulfillment centers that may ship for us: (id, name)."""
        rows = self._api.read("/location", [("AccessGranted", "true")]).body
        if not isinstance(rows, list):
            raise UnexpectedAnswerError(partner=JETPACK, code="not_a_list")
        # Whether the filter is obeyed is not relied on: some accounts are shown all of them (facts section 12).
        centers = [parsed(CenterPayload, row, partner=JETPACK) for row in rows]
        return tuple((str(each.id), each.name or "") for each in centers if each.ships)

    def facts(self, recent_since: datetime) -> WarehouseFacts:
        """Look at the account. Of recent orders the newest thousand are counted, over all channels."""
        channels = tuple(
            Channel(str(each.id), each.name or "", each.application_name or "", frozenset(each.scopes or ()))
            for row in self._api.cursor_pages("/channel", LISTED)
            for each in (parsed(AccountChannelPayload, row, partner=JETPACK),)
        )
        ahead = self._clock_ahead()
        return WarehouseFacts(
            channels=channels,
            ship_options=tuple(self._catalogue.ship_options()),
            recent_orders=self._recent_orders(recent_since),
            clock_ahead_seconds=ahead,
        )

    def subscriptions(self) -> tuple[Subscription, ...]:
        """List the webhook subscriptions, every page. One that failed for days is listed as not active."""
        return tuple(
            Subscription(str(each.id), each.topics or (), each.url or "", active=each.enabled is not False)
            for row in self._api.cursor_pages("/webhook", LISTED)
            for each in (parsed(SubscriptionPayload, row, partner=JETPACK),)
        )

    def subscribe(self, topics: Sequence[str], address: str) -> str:
        """Subscribe to topics of every channel; the secret is shown this once and returned.

        Raises:
            RejectedByPartnerError: Refused; there is no subscription.
            UnexpectedAnswerError: It came without a secret we could use, and was deleted again.
            OutcomeUnknownError: There may be a subscription whose secret nobody knows: list, delete, try again.
        """
        body = {"url": address, "topics": list(topics), "description": "Jetbridge"}
        # With the channel's header some topics would be told of that channel only: an older text, so not relied on.
        answer = self._api.write("/webhook", body, in_channel=False, expected=REFUSED)
        if answer.status in REFUSED:
            message = harmless(complaints_of(answer.body), frozenset())
            raise RejectedByPartnerError(message, partner=JETPACK, http_status=answer.status)
        made = parsed(SubscriptionPayload, answer.body, partner=JETPACK, error=OutcomeUnknownError)
        if made.secret and SECRET.fullmatch(made.secret):
            return made.secret
        self.unsubscribe(str(made.id))
        raise UnexpectedAnswerError(partner=JETPACK, code="no_secret")

    def unsubscribe(self, subscription_id: str) -> None:
        """Delete one subscription; one that is gone counts as done.

        Raises:
            OutcomeUnknownError: It may have been deleted.
        """
        path = f"/webhook/{quote(subscription_id, safe='')}"
        self._api.write(path, method="DELETE", in_channel=False, expected=ABSENT)

    def _recent_orders(self, since: datetime) -> tuple[tuple[str, int], ...]:
        query = [("StartDate", since.astimezone(UTC).isoformat()), ("SortOrder", "Newest")]
        counted: Counter[str] = Counter()
        for row in self._api.numbered_pages("/order", query, at_most=RECENT_PAGES):
            channel = parsed(ChannelOfOrderPayload, row, partner=JETPACK).channel
            counted[str(channel.id) if channel and channel.id else ""] += 1
        return tuple(sorted(counted.items()))

    def _clock_ahead(self) -> float:
        try:
            theirs = parsedate_to_datetime(self._api.date)
        except ValueError:
            return 0.0
        return (theirs - self._now()).total_seconds() if theirs.tzinfo else 0.0
