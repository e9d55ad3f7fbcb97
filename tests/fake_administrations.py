"""The partners' administrations in memory: what a shop owner sets up, and what connecting does to it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from jetbridge.domain.connection import JETPACK_EXTRAS, JETPACK_SCOPES, SHOPIFY_SCOPES
from jetbridge.errors import CredentialsRejectedError
from jetbridge.ports import Channel, DeskStore, ShopFacts, ShopLocation, Subscription, WarehouseFacts
from tests.builders import LOCATION, NOW
from tests.fake_partners import FakePartner

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from jetbridge.domain.store import JetpackConnection, ShipStationConnection, ShopifyConnection

SHOP = "demo.myshopify.com"
SHOP_CREDENTIALS = {"client_id": "app", "client_secret": "hush-shopify"}
JETPACK_CREDENTIALS = {"token": "hush-jetpack"}
DESK_CREDENTIALS = {"api_key": "hush-key", "api_secret": "hush-desk"}
SECRETS = ("hush-shopify", "hush-jetpack", "hush-key", "hush-desk")


class FakeAdmin(FakePartner):
    """What the three share: numbered subscriptions, and credentials that open the door."""

    def __init__(self, credentials: Mapping[str, str]) -> None:
        super().__init__()
        self.accepted = dict(credentials)
        self.given: dict[str, str] = {}
        self.subscribed: list[Subscription] = []
        self._ids = itertools.count(1)

    def open(self, credentials: Mapping[str, str]) -> None:
        """Remember what is shown; each call compares it."""
        self.given = dict(credentials)

    def subscriptions(self) -> tuple[Subscription, ...]:
        with self._opened("subscriptions"):
            return tuple(self.subscribed)

    def unsubscribe(self, subscription_id: str) -> None:
        with self._opened("unsubscribe"):
            self.subscribed = [each for each in self.subscribed if each.id != subscription_id]

    def add(self, address: str, *topics: str, active: bool = True) -> Subscription:
        """Let somebody have subscribed."""
        found = Subscription(str(next(self._ids)), topics, address, active)
        self.subscribed.append(found)
        return found

    @property
    def heard(self) -> list[tuple[str, tuple[str, ...], bool]]:
        """The subscriptions without their ids."""
        return sorted((each.address, each.topics, each.active) for each in self.subscribed)

    def _opened(self, name: str) -> AbstractContextManager[None]:
        if self.given != self.accepted:
            raise CredentialsRejectedError(partner="a partner", http_status=401)
        return self._call(name)


class FakeShopAdmin(FakeAdmin):
    """Shopify: facts that a test changes, a claim, one subscription a topic."""

    def __init__(self) -> None:
        super().__init__(SHOP_CREDENTIALS)
        self.shown = ShopFacts(
            name="Demo",
            domain=SHOP,
            plan="Basic",
            points_a_second=100,
            scopes=frozenset({*SHOPIFY_SCOPES, "read_all_orders", "read_customers", "read_shipping", "write_orders"}),
            locations=(ShopLocation(LOCATION, "Main warehouse", active=True),),
            answered_version="2026-10",
            time_zone="America/New_York",
        )
        self.methods: tuple[str, ...] = ("Standard", "Express")
        """What its delivery profiles offer."""

    def facts(self) -> ShopFacts:
        with self._opened("facts"):
            return self.shown

    def shipping_methods(self) -> tuple[str, ...]:
        with self._opened("shipping_methods"):
            return self.methods if "read_shipping" in self.shown.scopes else ()

    def claim(self, owner: str) -> None:
        with self._opened("claim"):
            self.shown = replace(self.shown, claimed_by=owner)

    def subscribe(self, topic: str, address: str) -> None:
        with self._opened("subscribe"):
            if not any(each.address == address and each.topics == (topic,) for each in self.subscribed):
                self.add(address, topic)


class FakeWarehouseAdmin(FakeAdmin):
    """Jetpack: facts that a test changes, and subscriptions whose secret is shown once."""

    def __init__(self) -> None:
        super().__init__(JETPACK_CREDENTIALS)
        self.secret_of: dict[str, str] = {}
        scopes = frozenset({*JETPACK_SCOPES, *JETPACK_EXTRAS})
        self.shown = WarehouseFacts(
            channels=(Channel("7", "Ours", "SMA", scopes), Channel("8", "Default", "ShipBob", frozenset())),
            ship_options=(("Standard", True), ("Expedited", True), ("Drone", False)),
            recent_orders=(("7", 4),),
        )
        self.shown_locations: tuple[tuple[str, str], ...] = (("9", "Bethlehem (PA)"), ("156", "Ontario 6 (CA)"))

    def ship_options(self) -> tuple[tuple[str, bool], ...]:
        with self._opened("ship_options"):
            return self.shown.ship_options

    def close_ship_option(self, name: str) -> None:
        """Let the merchant deactivate a row of the mapping."""
        rows = tuple((text, active and text != name) for text, active in self.shown.ship_options)
        self.shown = replace(self.shown, ship_options=rows)

    def locations(self) -> tuple[tuple[str, str], ...]:
        with self._opened("locations"):
            return self.shown_locations

    def facts(self, recent_since: datetime) -> WarehouseFacts:
        assert recent_since < NOW
        with self._opened("facts"):
            return self.shown

    def subscribe(self, topics: Sequence[str], address: str) -> str:
        with self._opened("subscribe"):
            made = self.add(address, *topics)
            self.secret_of[made.id] = f"whsec_{made.id}"
        return self.secret_of[made.id]


class FakeDeskAdmin(FakeAdmin):
    """ShipStation: an account of several stores, and subscriptions that nobody counts."""

    def __init__(self) -> None:
        super().__init__(DESK_CREDENTIALS)
        self.shown: tuple[DeskStore, ...] = (
            DeskStore("90001", "Demo shop", "Shopify", active=True, imports_by_itself=True, last_import_at=NOW),
            DeskStore("90002", "By hand", "ShipStation", active=True, imports_by_itself=False),
            DeskStore("90003", "Old shop", "Shopify", active=False, imports_by_itself=False),
        )
        self.of_store: dict[str, str] = {}
        self.shown_services: tuple[str, ...] = ("USPS Priority Mail", "UPS® Ground", "FedEx 2Day®")

    def services(self) -> tuple[str, ...]:
        with self._opened("services"):
            return self.shown_services

    def stores(self) -> tuple[DeskStore, ...]:
        with self._opened("stores"):
            return self.shown

    def subscribe(self, event: str, address: str, store_id: str) -> None:
        with self._opened("subscribe"):
            self.of_store[self.add(address, event).id] = store_id


class FakeAdministrations:
    """Opens the three, and remembers where they were said to be."""

    def __init__(self) -> None:
        self.shop_admin, self.warehouse_admin, self.desk_admin = FakeShopAdmin(), FakeWarehouseAdmin(), FakeDeskAdmin()
        self.opened: list[object] = []

    def shop(self, connection: ShopifyConnection, credentials: Mapping[str, str]) -> FakeShopAdmin:
        self.opened.append(connection)
        self.shop_admin.open(credentials)
        return self.shop_admin

    def warehouse(self, connection: JetpackConnection, credentials: Mapping[str, str]) -> FakeWarehouseAdmin:
        self.opened.append(connection)
        self.warehouse_admin.open(credentials)
        return self.warehouse_admin

    def desk(self, connection: ShipStationConnection, credentials: Mapping[str, str]) -> FakeDeskAdmin:
        self.opened.append(connection)
        self.desk_admin.open(credentials)
        return self.desk_admin

    @property
    def all(self) -> tuple[FakeAdmin, ...]:
        """All three."""
        return self.shop_admin, self.warehouse_admin, self.desk_admin
