"""Shopify as the port ShopAdmin: what connecting a shop needs to see and to set up."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import Field

from jetbridge.errors import (
    CredentialsRejectedError,
    OutcomeUnknownError,
    RejectedByPartnerError,
    UnexpectedAnswerError,
)
from jetbridge.partners.reading import Payload, parsed
from jetbridge.partners.shopify import documents, metafields
from jetbridge.partners.shopify.graphql import SHOPIFY, ShopifyGraphQL, UserErrorPayload, refusal
from jetbridge.partners.shopify.nodes import (
    ConnectionPayload,  # noqa: TC001 - pydantic reads the annotations
    ReferencePayload,  # noqa: TC001
)
from jetbridge.partners.shopify.webhooks import ORDER_ID_AT, TOPICS
from jetbridge.ports import ShopFacts, ShopLocation, Subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from jetbridge.domain.store import ShopifyConnection
    from jetbridge.partners.http import Seams

logger = logging.getLogger(__name__)

CLAIMED_BY = "claimed_by"
"""The metafield of our installation that names the deployment."""


class PlanPayload(Payload):
    """`ShopPlan`."""

    name: str = Field(alias="publicDisplayName")


class ShopPayload(Payload):
    """`Shop`."""

    name: str
    domain: str = Field(alias="myshopifyDomain")
    time_zone: str = Field(alias="ianaTimezone")
    plan: PlanPayload


class ScopePayload(Payload):
    """`AccessScope`."""

    handle: str


class ClaimPayload(Payload):
    """`Metafield`; the digest changes with the value."""

    value: str
    digest: str = Field(alias="compareDigest")


class InstallationPayload(Payload):
    """`AppInstallation`."""

    id: str
    scopes: tuple[ScopePayload, ...] = Field(alias="accessScopes")
    claim: ClaimPayload | None = Field(default=None, alias="metafield")


class ShopAnswer(Payload):
    """The answer to SHOP."""

    shop: ShopPayload


class InstallationAnswer(Payload):
    """The answer to INSTALLATION."""

    installation: InstallationPayload = Field(alias="currentAppInstallation")


class LocationPayload(Payload):
    """`Location`."""

    id: str
    name: str
    active: bool = Field(alias="isActive")
    fulfills_online_orders: bool = Field(alias="fulfillsOnlineOrders")
    fulfillment_service: bool = Field(alias="isFulfillmentService")


class NamedPayload(Payload):
    """What may be offered under its name: a service of a carrier."""

    name: str
    active: bool


class RateProviderPayload(Payload):
    """`DeliveryRateProvider`; a price of the merchant's own has no services."""

    services: tuple[NamedPayload, ...] | None = Field(default=None, alias="participantServices")


class MethodPayload(NamedPayload):
    """`DeliveryMethodDefinition`."""

    provider: RateProviderPayload = Field(alias="rateProvider")

    @property
    def offered(self) -> tuple[str, ...]:
        """What customers can choose of it, by name."""
        if not self.active:
            return ()
        if self.provider.services is None:
            return (self.name,)
        return tuple(each.name for each in self.provider.services if each.active)


class ZonePayload(Payload):
    """`DeliveryLocationGroupZone`."""

    methods: ConnectionPayload[MethodPayload] = Field(alias="methodDefinitions")


class ProfileGroupPayload(Payload):
    """`DeliveryProfileLocationGroup`."""

    group: ReferencePayload = Field(alias="locationGroup")
    zones: ConnectionPayload[ZonePayload] = Field(alias="locationGroupZones")


class ProfilePayload(Payload):
    """`DeliveryProfile`."""

    groups: tuple[ProfileGroupPayload, ...] = Field(alias="profileLocationGroups")


class ProfileNode(ProfilePayload):
    """`DeliveryProfile` in a list."""

    id: str


class ProfileAnswer(Payload):
    """The answer to MORE_ZONES; null once the profile is gone."""

    profile: ProfilePayload | None = Field(alias="deliveryProfile")


class SubscriptionPayload(Payload):
    """`WebhookSubscription`."""

    id: str
    topic: str
    uri: str


class SubscribedPayload(Payload):
    """What webhookSubscriptionCreate says."""

    subscription: ReferencePayload | None = Field(default=None, alias="webhookSubscription")
    user_errors: tuple[UserErrorPayload, ...] | None = Field(default=None, alias="userErrors")


class UnsubscribedPayload(Payload):
    """What webhookSubscriptionDelete says."""

    deleted: str | None = Field(default=None, alias="deletedWebhookSubscriptionId")
    user_errors: tuple[UserErrorPayload, ...] | None = Field(default=None, alias="userErrors")


class ShopifyAdmin:
    """One Shopify shop, while it is connected, checked or given up."""

    def __init__(
        self,
        connection: ShopifyConnection,
        token: Callable[[bool], str],
        *,
        production: bool,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        seams: Seams | None = None,
    ) -> None:
        """Connect; nothing is sent yet. Arguments and errors as of ShopifyShop; `now` is our own clock."""
        self._graphql = ShopifyGraphQL(connection, token, production=production, seams=seams)
        self._domain = connection.shop
        self._now = now

    def facts(self) -> ShopFacts:
        """Look at the shop. Scopes that are not granted leave facts out, they do not fail."""
        began = self._now()
        data = self._unless_denied(documents.SHOP, {})
        clock_ahead_seconds = self._clock_ahead(began)
        shop = parsed(ShopAnswer, data, partner=SHOPIFY).shop if data else None
        installation = self._installation()
        return ShopFacts(
            name=shop.name if shop else "",
            domain=shop.domain if shop else self._domain,
            plan=shop.plan.name if shop else "",
            points_a_second=round(self._graphql.points_a_second),
            scopes=frozenset(scope.handle for scope in installation.scopes) if installation else frozenset(),
            locations=self._locations(),
            answered_version=self._graphql.answered_version,
            time_zone=shop.time_zone if shop else "UTC",
            claimed_by=installation.claim.value if installation and installation.claim else "",
            clock_ahead_seconds=clock_ahead_seconds,
        )

    def shipping_methods(self) -> tuple[str, ...]:
        """Name every shipping method of the delivery profiles that customers can choose, each once.

        Of carriers that are asked for their rates these are the services. Empty when the scope for it is missing.
        """
        try:
            nodes = self._graphql.pages(documents.DELIVERY_PROFILES, {}, ("deliveryProfiles",))
            profiles = [parsed(ProfileNode, node, partner=SHOPIFY) for node in nodes]
            zones = [zone for profile in profiles for zone in self._zones(profile)]
        except CredentialsRejectedError as error:
            if not _is_denial(error):
                raise
            return ()
        if any(zone.methods.next_cursor for zone in zones):
            logger.warning("a shipping zone has more methods than were read", extra={"shop": self._domain})
        names = (name.strip() for zone in zones for method in zone.methods.nodes for name in method.offered)
        return tuple(dict.fromkeys(name for name in names if name))

    def claim(self, owner: str) -> None:
        """Write into the shop who forwards its orders; an empty owner gives it back. Safe to repeat.

        Raises:
            RejectedByPartnerError: Shopify refused it; code STALE_OBJECT if somebody else wrote at the same moment.
            OutcomeUnknownError: It may have been written.
        """
        installation = self._installation()
        if installation is None:
            raise CredentialsRejectedError(partner=SHOPIFY, code="ACCESS_DENIED")
        if not owner:
            metafields.delete(self._graphql, installation.id, CLAIMED_BY)
            return
        written = {"type": "single_line_text_field", "value": owner}
        digest = installation.claim.digest if installation.claim else None
        metafields.write(self._graphql, installation.id, CLAIMED_BY, **written, compareDigest=digest)

    def subscriptions(self) -> tuple[Subscription, ...]:
        """List the subscriptions this app has made by the API, every page; those of its toml are not shown.

        A topic that we never subscribe to stays in the spelling of Shopify's enumeration.
        """
        nodes = self._graphql.pages(documents.SUBSCRIPTIONS, {}, ("webhookSubscriptions",))
        found = (parsed(SubscriptionPayload, node, partner=SHOPIFY) for node in nodes)
        return tuple(Subscription(each.id, (TOPIC_OF.get(each.topic, each.topic),), each.uri) for each in found)

    def subscribe(self, topic: str, address: str) -> None:
        """Subscribe to one topic (orders/updated). An address subscribed already counts as done.

        Raises:
            RejectedByPartnerError: Shopify refused it, in its words.
            OutcomeUnknownError: It may have been subscribed; repeating it is safe.
        """
        subscription: dict[str, object] = {"uri": address, "format": "JSON"}
        if topic in ORDER_ID_AT:
            # We read nothing but the id: names and addresses need not travel.
            subscription["includeFields"] = [ORDER_ID_AT[topic][0]]
        variables = {"topic": _enum_value(topic), "subscription": subscription}
        payload = self._graphql.change(documents.SUBSCRIBE, variables, "webhookSubscriptionCreate")
        answer = parsed(SubscribedPayload, payload, partner=SHOPIFY, error=OutcomeUnknownError)
        if answer.user_errors:
            # These errors have no code (facts/shopify.md section 3), only words.
            if any("already been taken" in (each.message or "") for each in answer.user_errors):
                return
            raise refusal(answer.user_errors)
        if answer.subscription is None:
            raise OutcomeUnknownError(partner=SHOPIFY, code="no_subscription")

    def unsubscribe(self, subscription_id: str) -> None:
        """Delete one subscription; one that is gone counts as done.

        Raises:
            RejectedByPartnerError: Shopify refused it, and it is still there.
            OutcomeUnknownError: It may have been deleted; repeating it is safe.
        """
        try:
            payload = self._graphql.change(documents.UNSUBSCRIBE, {"id": subscription_id}, "webhookSubscriptionDelete")
            answer = parsed(UnsubscribedPayload, payload, partner=SHOPIFY, error=OutcomeUnknownError)
            if answer.user_errors:
                raise refusal(answer.user_errors)
        except RejectedByPartnerError:
            # Nobody has recorded the words for "not there", so the list decides.
            if any(each.id == subscription_id for each in self.subscriptions()):
                raise
            return
        if answer.deleted is None:
            raise OutcomeUnknownError(partner=SHOPIFY, code="not_deleted")

    def _installation(self) -> InstallationPayload | None:
        data = self._unless_denied(documents.INSTALLATION, {"namespace": metafields.NAMESPACE, "key": CLAIMED_BY})
        return parsed(InstallationAnswer, data, partner=SHOPIFY).installation if data else None

    def _locations(self) -> tuple[ShopLocation, ...]:
        try:
            nodes = list(self._graphql.pages(documents.LOCATIONS, {}, ("locations",)))
        except CredentialsRejectedError as error:
            if not _is_denial(error):
                raise
            return ()
        return tuple(ShopLocation(**dict(parsed(LocationPayload, node, partner=SHOPIFY))) for node in nodes)

    def _zones(self, profile: ProfileNode) -> Iterator[ZonePayload]:
        for first in profile.groups:
            page: ProfileGroupPayload | None = first
            seen: set[str] = set()
            while page is not None:
                yield from page.zones.nodes
                after = page.zones.next_cursor
                if after in seen:
                    raise UnexpectedAnswerError(partner=SHOPIFY, code="cursor_repeats")
                seen.add(after or "")
                page = self._zones_after(profile.id, first.group.id, after) if after else None

    def _zones_after(self, profile_id: str, group_id: str, after: str) -> ProfileGroupPayload | None:
        variables = {"profile": profile_id, "group": group_id, "after": after}
        found = parsed(ProfileAnswer, self._graphql.ask(documents.MORE_ZONES, variables), partner=SHOPIFY).profile
        return next(iter(found.groups), None) if found else None

    def _unless_denied(self, document: str, variables: Mapping[str, object]) -> dict[str, object] | None:
        try:
            return self._graphql.ask(document, variables)
        except CredentialsRejectedError as error:
            if not _is_denial(error):
                raise
            return None

    def _clock_ahead(self, began: datetime) -> float:
        answered_at = self._graphql.answered_at
        if answered_at is None:
            return 0.0
        ours = began + (self._now() - began) / 2
        # The header tells the second, not where in it: on average half of it had passed.
        return round((answered_at + timedelta(seconds=0.5) - ours).total_seconds(), 1)


def _is_denial(error: CredentialsRejectedError) -> bool:
    """Tell a missing scope, said beside or instead of data, from credentials that are no good at all."""
    return error.code == "ACCESS_DENIED"


def _enum_value(topic: str) -> str:
    return topic.replace("/", "_").upper()


TOPIC_OF = {_enum_value(topic): topic for topic in TOPICS}
"""A value of the enumeration does not say where the slash was."""
