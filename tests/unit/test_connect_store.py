"""Connecting and disconnecting: what is refused, what is found, what is left behind, and whatever cuts it short."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.domain.connection import (
    JETPACK_TOPICS,
    NAMES,
    SHIPSTATION_EVENTS,
    SHOPIFY_TOPICS,
    ConnectionRequest,
    Finding,
    Severity,
    broken,
    webhook_address,
)
from jetbridge.domain.identifiers import OrderId
from jetbridge.domain.order import FulfillmentHold
from jetbridge.domain.record import OrderRecord, Status
from jetbridge.domain.rules import HoldOrder, Rule, RuleSet
from jetbridge.domain.ship_options import normalized
from jetbridge.domain.store import Route, Store
from jetbridge.errors import (
    ConflictError,
    CredentialsRejectedError,
    OutcomeUnknownError,
    PartnerUnavailableError,
    RejectedByPartnerError,
    TransientError,
    UnexpectedAnswerError,
)
from jetbridge.ports import Channel, DeskStore, ShopLocation
from jetbridge.use_cases.connect_store import connect_store
from jetbridge.use_cases.disconnect_store import disconnect_store
from tests.builders import (
    LOCATION,
    MINUTE,
    NOW,
    ORDER_ID,
    STORE,
    a_fulfillment_order,
    a_line,
    a_store,
    an_order,
)
from tests.fake_administrations import (
    DESK_CREDENTIALS,
    JETPACK_CREDENTIALS,
    SECRETS,
    SHOP,
    SHOP_CREDENTIALS,
    FakeAdministrations,
)
from tests.fake_partners import FakeShop
from tests.fakes import InMemoryOrderRecords, InMemoryQueue, InMemorySecretStore, InMemoryStoreSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from jetbridge.errors import PartnerError
    from tests.fake_desk import FakeDesk
    from tests.fake_partners import FakeWarehouse

BASE = "https://jetbridge.example.test"
OWNER = f"Jetbridge test at {BASE}"
CREDENTIALS = {"shopify": SHOP_CREDENTIALS, "jetpack": JETPACK_CREDENTIALS, "shipstation": DESK_CREDENTIALS}
BOTH = frozenset({Route.DIRECT, Route.SHIPSTATION})


@dataclass
class Office:
    """One deployment, its partners, and a merchant who connects a store."""

    partners: FakeAdministrations = field(default_factory=FakeAdministrations)
    settings: InMemoryStoreSettings = field(default_factory=InMemoryStoreSettings)
    secrets: InMemorySecretStore = field(default_factory=InMemorySecretStore)
    records: InMemoryOrderRecords = field(default_factory=lambda: InMemoryOrderRecords(clock=lambda: NOW))
    sweep_queue: InMemoryQueue = field(default_factory=lambda: InMemoryQueue(fifo=False, clock=lambda: NOW))
    tokens: Any = field(default_factory=lambda: itertools.count(1))
    the_shop: FakeShop = field(default_factory=lambda: FakeShop(clock=lambda: NOW))
    at: datetime = NOW
    slowness: timedelta = timedelta()

    def connect(self, **given: Any) -> list[Finding]:  # noqa: ANN401 - whatever a request holds
        facts: dict[str, Any] = {"store": STORE, "shop": SHOP, "credentials": CREDENTIALS}
        return connect_store(
            ConnectionRequest(**facts | given),
            base_url=BASE,
            owner=OWNER,
            settings=self.settings,
            secrets=self.secrets,
            administrations=self.partners,
            clock=lambda: NOW,
            new_token=lambda: f"token-{next(self.tokens)}",
            sweep_queue=self.sweep_queue,
        )

    def disconnect(self, *, force: bool = False) -> list[Finding]:
        return disconnect_store(
            STORE,
            force=force,
            base_url=BASE,
            owner=OWNER,
            records=self.records,
            settings=self.settings,
            secrets=self.secrets,
            administrations=self.partners,
            partners=self,
            clock=lambda: self.at,
        )

    def shop(self, _store: Store) -> FakeShop:
        self.at += self.slowness
        return self.the_shop

    def warehouse(self, _store: Store) -> FakeWarehouse:
        raise AssertionError

    def desk(self, _store: Store) -> FakeDesk:
        raise AssertionError

    @property
    def store(self) -> Store:
        found = self.settings.store(STORE)
        assert found
        return found

    def world(self) -> object:
        """Everything that connecting leaves behind, but for ids, tokens and versions."""
        token = next(iter(self.secrets.webhook_secrets(STORE, "shipstation")), "none")
        heard = [
            [(address.replace(token, "TOKEN"), *rest) for address, *rest in admin.heard] for admin in self.partners.all
        ]
        claim = self.partners.shop_admin.shown.claimed_by
        store = self.settings.store(STORE)
        return heard, claim, self.secrets.shown, store and replace(store, version=0), self.jetpack_is_heard()

    def jetpack_is_heard(self) -> bool:
        """Whether what Jetpack signs with is a secret that we hold."""
        admin = self.partners.warehouse_admin
        held = self.secrets.webhook_secrets(STORE, "jetpack")
        return all(admin.secret_of.get(each.id) in held for each in admin.subscribed)


@pytest.fixture
def office() -> Office:
    return Office()


def codes(findings: list[Finding], severity: Severity = Severity.ERROR) -> list[str]:
    return [each.code for each in findings if each.severity is severity]


def texts(findings: list[Finding]) -> str:
    return "\n".join(f"{each.text} {each.next_step}" for each in findings)


# -- what connecting does ---------------------------------------------------------------------------------------------


def test_one_call_with_credentials_connects_a_store_and_finds_everything_else(office: Office) -> None:
    found = office.connect(routes=BOTH, ship_options={"Standard  Shipping": "Standard"})

    assert codes(found) == []
    assert codes(found, Severity.WARNING) == ["compliance_topics", "shipstation_rule"]
    assert found[-1].code == "connected"
    store = office.store
    assert store.shopify.admin_url == f"https://{SHOP}"
    assert (store.locations, store.stock_location) == (frozenset({LOCATION}), LOCATION)
    assert store.jetpack.channel_id == "7"
    assert store.shipstation
    assert store.shipstation.store_id == "90001"
    assert store.ship_options[normalized("standard shipping")].ship_option == "Standard"
    assert office.secrets.shown == {(STORE, partner): CREDENTIALS[partner] for partner in NAMES}
    assert office.secrets.webhook_secrets(STORE, "shopify") == ("hush-shopify",)
    assert office.partners.shop_admin.shown.claimed_by == OWNER


def test_every_partner_is_subscribed_once_a_topic_at_our_address(office: Office) -> None:
    office.connect(routes=BOTH)

    shop, jetpack, desk = office.partners.all
    to = webhook_address
    assert shop.heard == sorted((to(BASE, "shopify", STORE), (topic,), True) for topic in SHOPIFY_TOPICS)
    assert jetpack.heard == [(to(BASE, "jetpack", STORE), JETPACK_TOPICS, True)]
    assert desk.heard == sorted(
        (to(BASE, "shipstation", STORE, "token-1"), (event,), True) for event in SHIPSTATION_EVENTS
    )
    assert {*office.partners.desk_admin.of_store.values()} == {"90001"}
    assert office.secrets.webhook_secrets(STORE, "shipstation") == ("token-1",)
    assert office.jetpack_is_heard()


@pytest.mark.parametrize("routes", [None, BOTH])
def test_connecting_twice_changes_nothing_more_with_or_without_credentials(office: Office, routes: Any) -> None:  # noqa: ANN401
    office.connect(routes=routes, ship_options={"Standard": "Standard"})
    before, version = office.world(), office.store.version
    ids = [[each.id for each in admin.subscribed] for admin in office.partners.all]

    for credentials in (CREDENTIALS, {}):
        found = office.connect(credentials=credentials, routes=routes, ship_options={"Standard": "Standard"})
        assert codes(found) == []
        assert office.world() == before
        assert office.store.version == version
        assert [[each.id for each in admin.subscribed] for admin in office.partners.all] == ids


def test_without_shipstation_as_a_route_its_account_is_left_alone(office: Office) -> None:
    office.connect()

    assert not office.partners.desk_admin.calls
    assert (STORE, "shipstation") not in office.secrets.shown
    assert office.store.shipstation is None


def test_a_route_that_is_given_up_takes_its_webhooks_and_credentials_along(office: Office) -> None:
    office.connect(routes=BOTH)

    found = office.connect(routes=frozenset({Route.DIRECT}))

    assert codes(found) == []
    assert office.partners.desk_admin.subscribed == []
    assert (STORE, "shipstation") not in office.secrets.shown
    assert office.store.shipstation is None


def test_what_is_left_out_stays_and_what_is_given_changes(office: Office) -> None:
    office.connect(buffer=3, grace_minutes=10, forward_gateways=frozenset({"cash_on_delivery"}), locations={"1"})
    rules = RuleSet(2, (Rule("Everything waits", (HoldOrder(),)),))
    office.settings.save_store(replace(office.store, rules=rules))

    office.connect(buffer=0, forward_test_orders=True, credentials={})

    store = office.store
    assert (store.buffer, store.grace_minutes, store.forward_test_orders) == (0, 10, True)
    assert store.forward_gateways == {"cash_on_delivery"}
    assert store.rules == rules


def test_a_new_client_secret_is_accepted_beside_the_old_one(office: Office) -> None:
    office.connect()

    office.connect(credentials={"shopify": {"client_secret": "rotated"}})

    assert office.secrets.webhook_secrets(STORE, "shopify") == ("rotated", "hush-shopify")
    assert office.secrets.shown[STORE, "shopify"] == SHOP_CREDENTIALS


def test_a_permanent_token_is_shown_and_its_client_secret_only_verifies(office: Office) -> None:
    office.partners.shop_admin.accepted = {"access_token": "shpat"}
    given = {**CREDENTIALS, "shopify": {"access_token": " shpat ", "client_secret": "hush"}}

    assert codes(office.connect(credentials=given)) == []

    assert office.secrets.shown[STORE, "shopify"] == {"access_token": "shpat"}
    assert office.secrets.webhook_secrets(STORE, "shopify") == ("hush",)


def test_addresses_of_simulators_are_kept_until_others_are_given(office: Office) -> None:
    local = {"shopify": "http://127.0.0.1:1", "jetpack": "http://127.0.0.1:2", "shipstation": "http://127.0.0.1:3"}
    office.connect(addresses=local, routes=BOTH)
    office.connect()

    store = office.store
    assert store.shipstation
    found = (store.shopify.admin_url, store.jetpack.api_url, store.shipstation.api_url)
    assert found == tuple(local.values())


# -- webhooks that are there already ----------------------------------------------------------------------------------


def test_leftovers_that_point_at_us_go_and_everybody_elses_stay(office: Office) -> None:
    shop, jetpack, desk = office.partners.all
    ours = webhook_address(BASE, "shopify", STORE)
    shop.add(ours, "orders/paid")  # a topic nobody waits for any more
    shop.add(ours, "orders/updated", active=False)
    shop.add(webhook_address(BASE, "shopify", a_store().slug) + "-before", "orders/updated")
    for admin in office.partners.all:
        admin.add("https://elsewhere.example.test/webhooks", "orders/updated")
        admin.add(f"{BASE}.elsewhere.example.test/webhooks", "orders/updated")  # not our host, however it begins
    jetpack.add(f"{BASE}/webhooks/jetpack/gone", *JETPACK_TOPICS)
    desk.add(webhook_address(BASE, "shipstation", STORE, "old-token"), "ORDER_NOTIFY")

    office.connect(routes=BOTH)

    for admin, partner in zip(office.partners.all, NAMES, strict=True):
        strangers = [each for each in admin.subscribed if not each.address.startswith(f"{BASE}/")]
        assert len(strangers) == 2
        assert all(
            each.active and each.address.startswith(webhook_address(BASE, partner, STORE))
            for each in admin.subscribed
            if each not in strangers
        )
    assert sorted(each.topics[0] for each in shop.subscribed if each.address == ours) == sorted(SHOPIFY_TOPICS)


def test_another_store_in_the_same_account_keeps_its_webhooks(office: Office) -> None:
    other = a_store(slug="other", shopify=replace(a_store().shopify, shop="other.myshopify.com"), version=0)
    office.settings.save_store(other)
    kept = [
        office.partners.warehouse_admin.add(f"{BASE}/webhooks/jetpack/other", *JETPACK_TOPICS),
        office.partners.desk_admin.add(f"{BASE}/webhooks/shipstation/other/token", "ORDER_NOTIFY"),
    ]

    office.connect(routes=BOTH)
    office.disconnect()

    assert [each for admin in office.partners.all for each in admin.subscribed] == kept


def test_a_jetpack_subscription_whose_secret_is_not_ours_is_made_anew(office: Office) -> None:
    stranger = office.partners.warehouse_admin.add(webhook_address(BASE, "jetpack", STORE), *JETPACK_TOPICS)

    office.connect()

    assert stranger not in office.partners.warehouse_admin.subscribed
    assert office.jetpack_is_heard()


@pytest.mark.parametrize("damage", ["gone", "switched_off", "doubled", "fewer_topics"])
def test_a_damaged_jetpack_subscription_is_repaired_with_a_secret_we_hold(office: Office, damage: str) -> None:
    office.connect()
    admin = office.partners.warehouse_admin
    [made] = admin.subscribed
    match damage:
        case "gone":
            admin.subscribed = []
        case "switched_off":
            admin.subscribed = [replace(made, active=False)]
        case "doubled":
            admin.add(made.address, *JETPACK_TOPICS)
        case "fewer_topics":
            admin.subscribed = [replace(made, topics=JETPACK_TOPICS[1:])]
        case _:
            pytest.fail(damage)

    assert codes(office.connect()) == []

    assert admin.heard == [(made.address, JETPACK_TOPICS, True)]
    assert office.jetpack_is_heard()


def test_another_shipstation_store_gets_another_token_so_that_nothing_comes_for_the_old_one(office: Office) -> None:
    office.connect(routes=BOTH)
    desk = office.partners.desk_admin
    desk.shown = (*desk.shown, DeskStore("90009", "New", "Shopify", active=True, imports_by_itself=True))

    office.connect(routes=BOTH, shipstation_store="New")

    assert {each.address for each in desk.subscribed} == {webhook_address(BASE, "shipstation", STORE, "token-2")}
    assert {desk.of_store[each.id] for each in desk.subscribed} == {"90009"}


# -- whatever cuts it short -------------------------------------------------------------------------------------------


class DiedError(BaseException):
    """The process ended: nobody catches it."""


@dataclass
class Scissors:
    """Cuts a run at its n-th write, before or after the effect."""

    at: int
    after: bool
    error: BaseException
    count: int = 0

    def cut(self, write: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the write gives
        self.count += 1
        if self.count != self.at:
            return write()
        if self.after:
            write()
        raise self.error


WRITES = {
    "partners.shop_admin": ("claim", "subscribe", "unsubscribe"),
    "partners.warehouse_admin": ("subscribe", "unsubscribe"),
    "partners.desk_admin": ("subscribe", "unsubscribe"),
    "secrets": ("save_credentials", "save_webhook_secrets", "delete"),
    "settings": ("save_store", "save_ship_option", "delete_store"),
}


def cut_off(office: Office, scissors: Scissors, run: Callable[[], object]) -> None:
    """Run with every write of the office under the scissors."""
    with pytest.MonkeyPatch.context() as patch:
        for place, names in WRITES.items():
            owner: Any = office
            for step in place.split("."):
                owner = getattr(owner, step)
            for name in names:
                real = getattr(owner, name)
                patch.setattr(owner, name, lambda *a, real=real, **k: scissors.cut(lambda: real(*a, **k)))
        try:
            run()
        except (DiedError, TransientError, OutcomeUnknownError):
            return


def prepared(before: str) -> Office:
    office = Office()
    office.partners.shop_admin.add(f"{BASE}/webhooks/shopify/gone", "orders/updated")
    if before == "damaged":
        office.connect(routes=BOTH, ship_options={"Standard": "Standard"})
        jetpack, desk = office.partners.warehouse_admin, office.partners.desk_admin
        jetpack.subscribed = [replace(each, active=False) for each in jetpack.subscribed]
        desk.subscribed = desk.subscribed[1:]
    if before == "unheard":
        office.connect(routes=BOTH, ship_options={"Standard": "Standard"})
        office.partners.warehouse_admin.subscribed = []
    return office


@pytest.mark.parametrize("error", [DiedError(), PartnerUnavailableError("down"), OutcomeUnknownError("time-out")])
@pytest.mark.parametrize("before", ["new", "damaged", "unheard"])
def test_wherever_connecting_is_cut_short_connecting_again_repairs_it(before: str, error: BaseException) -> None:
    request: dict[str, Any] = {"routes": BOTH, "ship_options": {"Standard": "Standard"}}
    whole = prepared(before)
    scissors = Scissors(0, after=False, error=error)
    cut_off(whole, scissors, lambda: whole.connect(**request))
    assert scissors.count > (10 if before == "new" else 3)

    for at, after in itertools.product(range(1, scissors.count + 1), (False, True)):
        office = prepared(before)
        cut_off(office, Scissors(at, after, error), lambda office=office: office.connect(**request))  # type: ignore[misc]

        assert codes(office.connect(**request)) == [], (at, after)
        assert office.world() == whole.world(), (at, after)
        assert office.jetpack_is_heard(), (at, after)


@pytest.mark.parametrize("after", [False, True])
def test_wherever_disconnecting_is_cut_short_disconnecting_again_ends_it(after: bool) -> None:  # noqa: FBT001
    whole = prepared("new")
    whole.connect(routes=BOTH)
    scissors = Scissors(0, after=False, error=DiedError())
    cut_off(whole, scissors, whole.disconnect)

    for at in range(1, scissors.count + 1):
        office = prepared("new")
        office.connect(routes=BOTH)
        cut_off(office, Scissors(at, after, DiedError()), office.disconnect)

        assert codes(office.disconnect()) == []
        assert office.world() == whole.world(), at
        assert not office.secrets.shown, at
        assert not office.secrets.secrets, at


@pytest.mark.parametrize("error", [PartnerUnavailableError("down"), OutcomeUnknownError("time-out")])
def test_nothing_is_stored_when_the_claim_fails(office: Office, error: PartnerError) -> None:
    office.partners.shop_admin.fail("claim", error)

    found = office.connect()

    assert broken(found)
    assert office.settings.store(STORE) is None
    assert office.secrets.shown == {}
    assert not any(admin.calls["subscribe"] for admin in office.partners.all)


def test_a_webhook_that_is_refused_is_told_and_the_store_works_without_it(office: Office) -> None:
    office.partners.warehouse_admin.fail("subscribe", RejectedByPartnerError("too many webhooks"))

    found = office.connect()

    assert codes(found) == ["connect_again"]
    assert "too many webhooks" in texts(found)
    assert found[-1].code == "connected"
    assert office.settings.store(STORE)


def test_two_people_who_connect_at_the_same_time_are_told(office: Office) -> None:
    def save(store: Store) -> None:
        raise ConflictError(store.slug)

    office.settings.save_store = save  # type: ignore[method-assign]

    found = office.connect()

    assert codes(found) == ["connect_again"]
    assert not office.partners.shop_admin.subscribed


# -- what is refused, and said ----------------------------------------------------------------------------------------


def refused(office: Office, **given: Any) -> list[Finding]:  # noqa: ANN401 - whatever a request holds
    """Connect, and see that nothing was written by it."""
    before = office.world()
    found = office.connect(**given)
    assert broken(found)
    assert office.world() == before
    assert not any(admin.calls[name] for admin in office.partners.all for name in ("subscribe", "claim"))
    return found


def test_everything_that_is_missing_is_told_at_once(office: Office) -> None:
    found = refused(office, credentials={}, routes=BOTH)

    assert codes(found) == ["credentials_missing"] * 3
    assert {each.partner for each in found} == {*NAMES}


@pytest.mark.parametrize("partner", [*NAMES])
def test_half_a_pair_of_credentials_is_not_filled_up_with_stored_ones(office: Office, partner: str) -> None:
    found = refused(office, credentials={**CREDENTIALS, partner: {"client_id": "app", "api_key": "k"}}, routes=BOTH)

    assert [(each.code, each.partner) for each in found if each.severity is Severity.ERROR] == [
        ("credentials_missing", partner)
    ]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CredentialsRejectedError(http_status=401), "credentials_rejected"),
        (CredentialsRejectedError(http_status=402, code="suspended"), "suspended"),
        (PartnerUnavailableError("down"), "partner_unreachable"),
        (UnexpectedAnswerError("odd"), "answer_not_understood"),
    ],
)
@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_partner_that_does_not_open_is_told_with_the_next_step(
    office: Office, error: PartnerError, code: str, n: int
) -> None:
    office.partners.all[n].fail("stores" if n == 2 else "facts", error)

    found = refused(office, routes=BOTH)

    [finding] = [each for each in found if each.severity is Severity.ERROR]
    assert (finding.code, finding.partner) == (code, [*NAMES][n])
    assert finding.next_step


def test_a_name_never_changes_its_shop(office: Office) -> None:
    office.connect()
    before = office.world()

    found = office.connect(shop="another.myshopify.com")

    assert codes(found) == ["slug_taken"]
    assert office.world() == before


def test_a_shop_is_connected_once(office: Office) -> None:
    office.settings.save_store(a_store(slug="first", version=0))

    assert codes(refused(office)) == ["shop_connected_already"]


def test_credentials_of_another_shop_are_noticed(office: Office) -> None:
    shop = office.partners.shop_admin
    shop.shown = replace(shop.shown, domain="another.myshopify.com")

    assert codes(refused(office)) == ["other_shop"]


def test_a_shop_claimed_by_another_deployment_is_taken_over_only_when_asked(office: Office) -> None:
    shop = office.partners.shop_admin
    shop.shown = replace(shop.shown, claimed_by="Jetbridge prod at https://other.example.test")

    found = refused(office)
    assert codes(found) == ["claimed_elsewhere"]
    assert "other.example.test" in texts(found)

    assert codes(office.connect(take_over=True)) == []
    assert shop.shown.claimed_by == OWNER


def test_missing_permissions_are_named_with_what_they_are_for(office: Office) -> None:
    shop, jetpack = office.partners.shop_admin, office.partners.warehouse_admin
    shop.shown = replace(shop.shown, scopes=shop.shown.scopes - {"write_inventory", "read_all_orders"})
    lacking = Channel("7", "Ours", "SMA", jetpack.shown.channels[0].scopes - {"webhooks_write", "tracking_read"})
    jetpack.shown = replace(jetpack.shown, channels=(lacking,))

    found = refused(office)

    assert codes(found) == ["scopes_missing", "scopes_missing"]
    assert "write_inventory (to bring the stock back)" in texts(found)
    assert "webhooks_write (to register webhooks)" in texts(found)
    assert codes(found, Severity.WARNING)[:1] == ["no_read_all_orders"]


def test_a_permission_to_write_holds_the_one_to_read(office: Office) -> None:
    shop = office.partners.shop_admin
    reads = {"read_inventory", "read_merchant_managed_fulfillment_orders"}
    shop.shown = replace(shop.shown, scopes=shop.shown.scopes - reads)

    assert codes(office.connect()) == []


EAST, WEST = (
    ShopLocation("gid://shopify/Location/1", "East", active=True),
    ShopLocation("gid://shopify/Location/2", "West", active=True),
)


@pytest.mark.parametrize(
    "others",
    [
        ShopLocation("gid://shopify/Location/3", "Closed", active=False),
        ShopLocation("gid://shopify/Location/3", "Showroom", active=True, fulfills_online_orders=False),
        ShopLocation("gid://shopify/Location/3", "Their app", active=True, fulfillment_service=True),
    ],
    ids=lambda each: each.name,
)
def test_the_only_location_that_can_be_meant_is_taken(office: Office, others: ShopLocation) -> None:
    shop = office.partners.shop_admin
    shop.shown = replace(shop.shown, locations=(others, WEST))

    assert codes(office.connect()) == []
    assert office.store.locations == {WEST.id}


def test_of_several_locations_the_merchant_chooses_by_name_number_or_id(office: Office) -> None:
    shop = office.partners.shop_admin
    shop.shown = replace(shop.shown, locations=(EAST, WEST))

    found = refused(office)
    assert codes(found) == ["choose_location"]
    assert "East (gid://shopify/Location/1), West (gid://shopify/Location/2)" in texts(found)
    assert codes(refused(office, locations=frozenset({"North"}))) == ["choose_location"]
    assert codes(refused(office, locations=frozenset({"East"}), stock_location="North")) == ["choose_location"]

    office.connect(locations=frozenset({"East", "2"}), stock_location=EAST.id)
    assert office.store.locations == {EAST.id, WEST.id}
    assert office.store.stock_location == EAST.id


def test_stock_is_pushed_nowhere_if_that_is_wanted_or_not_clear(office: Office) -> None:
    shop = office.partners.shop_admin
    shop.shown = replace(shop.shown, locations=(EAST, WEST))

    found = office.connect(locations=frozenset({"East", "West"}))
    assert "no_stock_location" in codes(found, Severity.WARNING)
    assert office.store.stock_location == ""
    office.connect(stock_location="West")
    assert office.store.stock_location == WEST.id
    office.connect(stock_location="")
    assert office.store.stock_location == ""


def test_of_several_channels_the_merchant_chooses_and_a_reading_one_is_none(office: Office) -> None:
    jetpack = office.partners.warehouse_admin
    writing = jetpack.shown.channels[0].scopes
    jetpack.shown = replace(
        jetpack.shown, channels=(Channel("7", "One", "SMA", writing), Channel("9", "Two", "", writing))
    )

    assert codes(refused(office)) == ["choose_channel"]
    assert codes(refused(office, jetpack_channel="8")) == ["choose_channel"]
    office.connect(jetpack_channel="Two")
    assert office.store.jetpack.channel_id == "9"
    office.connect()
    assert office.store.jetpack.channel_id == "9"
    jetpack.shown = replace(jetpack.shown, channels=(Channel("8", "Reading", "", frozenset({"orders_read"})),))
    found = office.connect()
    assert codes(found) == ["choose_channel"]
    assert "through no channel" in texts(found)


def test_of_several_shipstation_stores_the_merchant_chooses(office: Office) -> None:
    desk = office.partners.desk_admin
    desk.shown = (*desk.shown, DeskStore("90004", "Second", "Shopify", active=True, imports_by_itself=True))

    found = refused(office, routes=BOTH)
    assert codes(found) == ["choose_shipstation_store"]
    assert "Demo shop (90001), Second (90004)" in texts(found)
    assert codes(refused(office, routes=BOTH, shipstation_store="By hand")) == ["choose_shipstation_store"]
    desk.shown = desk.shown[1:3]
    assert "no active store" in texts(refused(office, routes=BOTH))


def test_a_ship_option_that_jetpack_would_ship_as_standard_is_refused(office: Office) -> None:
    found = refused(office, ship_options={"Fast": "Expidited", "Air": "Drone", "Slow": "Standard"})

    assert codes(found) == ["ship_option_gone", "ship_option_gone"]
    assert "does not know" in texts(found)
    assert "has switched off" in texts(found)
    assert "Expedited, Standard" in texts(found)


def test_two_patterns_for_one_method_are_refused(office: Office) -> None:
    found = refused(office, ship_options={"exp*": "Expedited", "*press": "Standard"})

    assert codes(found) == ["bad_request"]
    assert "match both" in texts(found)


def test_what_is_mapped_while_connecting_wakes_what_waited_for_it_once(office: Office) -> None:
    office.connect(ship_options={"Drone Delivery": "Expedited"})
    office.connect(ship_options={"Drone Delivery": "Expedited"})

    assert [each.id for each in office.sweep_queue.sent] == [
        "held:unmapped_ship_option:drone delivery",
        "held:inactive_ship_option:drone delivery",
    ]


def test_a_queue_that_takes_nothing_keeps_no_store_from_being_connected(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise TransientError

    monkeypatch.setattr(office.sweep_queue, "send", refuse)
    found = office.connect(ship_options={"Standard": "Standard"})

    assert "connected" in {each.code for each in found}


def test_what_the_partners_offer_is_listed_before_an_order_needs_it(office: Office) -> None:
    office.connect(routes=BOTH, ship_options={"Standard": "Standard"})

    unmapped = office.settings.unmapped_methods(STORE)
    assert unmapped == {"express": 0, "usps priority mail": 0, "ups® ground": 0, "fedex 2day®": 0}


def test_a_partner_that_does_not_say_what_it_offers_keeps_no_store_from_being_connected(office: Office) -> None:
    office.partners.shop_admin.fail("shipping_methods", PartnerUnavailableError("down"))

    assert not broken(office.connect(ship_options={"Standard": "Standard"}))


def test_dates_mean_the_shops_time_zone_until_somebody_says_otherwise(office: Office) -> None:
    office.connect()
    assert office.store.time_zone == "America/New_York"
    office.settings.save_store(replace(office.store, time_zone="Europe/Berlin"))
    office.connect()
    assert office.store.time_zone == "Europe/Berlin"


def test_a_time_zone_that_nobody_knows_is_not_taken(office: Office) -> None:
    admin = office.partners.shop_admin
    admin.shown = replace(admin.shown, time_zone="Mars/Olympus")
    office.connect()
    assert office.store.time_zone == "UTC"


def test_orders_through_another_channel_are_warned_of(office: Office) -> None:
    jetpack = office.partners.warehouse_admin
    jetpack.shown = replace(jetpack.shown, recent_orders=(("7", 3), ("8", 12), ("11", 0)))

    found = office.connect()

    assert codes(found, Severity.WARNING).count("other_forwarder") == 1
    assert "12 orders reached Jetpack through another channel, Default (8)" in texts(found)


def test_an_import_that_is_off_is_told_and_the_store_connected(office: Office) -> None:
    desk = office.partners.desk_admin
    desk.shown = (replace(desk.shown[0], imports_by_itself=False),)

    found = office.connect(routes=BOTH)

    assert codes(found) == ["import_off"]
    assert office.store.shipstation


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"store": "My Shop"}, "lower-case"),
        ({"store": "a:b"}, "lower-case"),
        ({"shop": "shop.example.test"}, "myshopify.com"),
        ({"shop": "https://demo.myshopify.com"}, "myshopify.com"),
        ({"routes": frozenset()}, "needs a route"),
        ({"buffer": -1}, "negative"),
        ({"grace_minutes": -1}, "negative"),
        ({"credentials": {"amazon": {}}}, "partners are"),
        ({"ship_options": {"Standard": " "}}, "a mapping needs"),
    ],
)
def test_a_request_that_can_never_be_right_is_refused(office: Office, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        office.connect(**given)


def test_no_finding_and_no_repr_shows_a_credential(office: Office) -> None:
    admin = office.partners.warehouse_admin
    admin.accepted = {"token": "another"}
    found = office.connect(routes=BOTH) + office.disconnect()
    request = ConnectionRequest(STORE, SHOP, credentials=CREDENTIALS)

    for secret in SECRETS:
        assert secret not in texts(found)
        assert secret not in repr(request)


# -- disconnecting ----------------------------------------------------------------------------------------------------


def test_disconnecting_takes_everything_back_and_keeps_rules_mappings_and_orders(office: Office) -> None:
    office.connect(routes=BOTH, ship_options={"Standard": "Standard"})
    office.settings.save_store(replace(office.store, rules=RuleSet(2, (Rule("Wait", (HoldOrder(),)),))))
    kept = office.store
    office.records.write(OrderRecord(STORE, ORDER_ID, status=Status.FORWARDED, since=NOW, due_at=NOW + MINUTE))

    found = office.disconnect()

    assert codes(found) == []
    assert codes(found, Severity.WARNING) == ["orders_left"]
    assert [admin.subscribed for admin in office.partners.all] == [[], [], []]
    assert office.partners.shop_admin.shown.claimed_by == ""
    assert (office.secrets.shown, office.secrets.secrets) == ({}, {})
    assert office.settings.store(STORE) is None
    assert office.records.read(STORE, ORDER_ID)
    office.connect(routes=BOTH)
    assert (office.store.rules, office.store.ship_options) == (kept.rules, kept.ship_options)


def test_another_deployments_claim_is_not_given_back(office: Office) -> None:
    office.connect()
    shop = office.partners.shop_admin
    shop.shown = replace(shop.shown, claimed_by="somebody else")

    office.disconnect()

    assert shop.shown.claimed_by == "somebody else"


def test_a_partner_that_refuses_keeps_the_store_connected_unless_forced(office: Office) -> None:
    office.connect()
    office.partners.shop_admin.accepted = {"access_token": "another"}

    found = office.disconnect()
    assert codes(found) == ["credentials_rejected", "not_disconnected"]
    assert office.settings.store(STORE)
    assert office.secrets.shown

    found = office.disconnect(force=True)
    assert codes(found) == ["credentials_rejected"]
    assert found[-1].code == "disconnected"
    assert office.settings.store(STORE) is None
    assert office.secrets.shown == {}


def test_a_store_without_credentials_can_be_disconnected(office: Office) -> None:
    office.connect()
    office.secrets.delete(STORE, "jetpack")

    found = office.disconnect()

    assert codes(found) == []
    assert codes(found, Severity.WARNING) == ["webhooks_leftover"]
    assert office.settings.store(STORE) is None


OURS = FulfillmentHold("gid://shopify/FulfillmentHold/1", "OTHER", ours=True)
THEIRS = FulfillmentHold("gid://shopify/FulfillmentHold/2", "OTHER")


def held(office: Office, number: int = 1) -> OrderId:
    """Put an order into the shop that we hold there, and somebody else too."""
    order_id = OrderId(f"55000{number}")
    part = replace(a_fulfillment_order((a_line(),), n=number), status="ON_HOLD", holds=(OURS, THEIRS))
    office.the_shop.put(replace(an_order(fulfillment_orders=(part,)), id=order_id))
    office.records.write(OrderRecord(STORE, order_id, status=Status.HELD, since=NOW, due_at=NOW + MINUTE))
    return order_id


def holds(office: Office, order_id: OrderId) -> tuple[FulfillmentHold, ...]:
    return office.the_shop.orders[order_id].fulfillment_orders[0].holds


def test_disconnecting_takes_our_holds_off_in_shopify_and_nobody_elses(office: Office) -> None:
    office.connect()
    order_id = held(office)

    found = office.disconnect()

    assert holds(office, order_id) == (THEIRS,)
    assert codes(found, Severity.WARNING) == ["orders_left"]


def test_nobody_holds_in_shopify_anew_what_disconnecting_releases(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.connect()
    order_id = held(office)
    mirrors: list[bool] = []
    real = office.the_shop.release_holds

    def release(*given: Any) -> None:  # noqa: ANN401 - whatever the port takes
        mirrors.append(office.store.mirror_holds)
        real(*given)

    monkeypatch.setattr(office.the_shop, "release_holds", release)
    office.disconnect()

    assert mirrors == [False]
    assert holds(office, order_id) == (THEIRS,)


def test_holds_that_stay_in_shopify_are_told_and_keep_nobody_from_leaving(office: Office) -> None:
    office.connect()
    refused, released = held(office, 1), held(office, 2)
    office.the_shop.fail("release_holds", RejectedByPartnerError(partner="shopify"))

    found = office.disconnect()

    assert len(holds(office, refused)) + len(holds(office, released)) == 3
    assert codes(found, Severity.WARNING) == ["orders_left", "holds_left"]
    assert codes(found) == []
    assert office.settings.store(STORE) is None


def test_disconnecting_ends_though_there_are_more_holds_than_time(office: Office) -> None:
    office.connect()
    orders = [held(office, number) for number in range(1, 31)]
    office.slowness = timedelta(seconds=1)

    found = office.disconnect()

    kept = [order_id for order_id in orders if OURS in holds(office, order_id)]
    (left,) = (each for each in found if each.code == "holds_left")
    assert 0 < len(kept) < len(orders)
    assert left.text.startswith(f"{len(kept)} orders")
    assert [order_id in left.text for order_id in kept].count(True) == 10
    assert office.settings.store(STORE) is None


def test_what_only_shipstation_knows_has_no_hold_to_release(office: Office) -> None:
    office.connect(routes=BOTH)
    stand_in = OrderId("shipstation-800000001")
    office.records.write(OrderRecord(STORE, stand_in, status=Status.HELD, since=NOW, due_at=NOW + MINUTE))

    assert codes(office.disconnect(), Severity.WARNING) == ["orders_left"]
    assert not office.the_shop.calls["read_order"]
