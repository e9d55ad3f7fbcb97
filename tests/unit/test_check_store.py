"""Checking: every line of the troubleshooting guide is a finding under its heading, with what to do next."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.domain.connection import (
    CODES,
    JETPACK_TOPICS,
    SHOPIFY_EXTRAS,
    VERSION_ENDS,
    Finding,
    Severity,
    Trouble,
    clock_finding,
    error,
    failure,
    good,
    grouped,
    in_words,
    version_finding,
)
from jetbridge.domain.holds import OWNERS, REASONS, Hold
from jetbridge.domain.identifiers import OrderId
from jetbridge.domain.record import Consignment, ConsignmentState, OrderRecord, Parcel, ParcelState, Status
from jetbridge.domain.rules import Forward, HoldOrder, Rule, RuleSet, SetShipOption
from jetbridge.domain.ship_options import ShipOptionMapping, normalized
from jetbridge.domain.store import JetpackConnection, ShopifyConnection
from jetbridge.errors import CredentialsRejectedError, PartnerUnavailableError, RateLimitedError
from jetbridge.use_cases.check_store import MOST_ORDERS, check_store
from tests.builders import MINUTE, NOW, STORE
from tests.fakes import InMemoryRuntime
from tests.unit.test_connect_store import BASE, BOTH, OWNER, Office

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Checked(Office):
    """A connected store, and the answer of a check."""

    def __init__(self) -> None:
        super().__init__()
        self.runtime = InMemoryRuntime(clock=lambda: NOW)
        self.connect(routes=BOTH, ship_options={"Standard": "Standard"})
        for partner in ("shopify", "jetpack", "shipstation"):
            self.runtime.note_event(STORE, partner, NOW - HOUR)

    def check(self) -> list[Finding]:
        return check_store(
            STORE,
            base_url=BASE,
            owner=OWNER,
            records=self.records,
            settings=self.settings,
            secrets=self.secrets,
            runtime=self.runtime,
            administrations=self.partners,
            clock=lambda: NOW,
        )

    def put(self, n: int = 1, **facts: Any) -> None:  # noqa: ANN401 - whatever a record holds
        given: dict[str, Any] = {"name": f"#{1000 + n}", "since": NOW - HOUR, "due_at": NOW + MINUTE}
        self.records.write(OrderRecord(STORE, OrderId(str(n)), **given | facts))


@pytest.fixture
def store() -> Checked:
    return Checked()


def wrong(findings: list[Finding]) -> list[str]:
    return [each.code for each in findings if each.severity is not Severity.OK]


def only(findings: list[Finding]) -> Finding:
    [found] = [each for each in findings if each.severity is not Severity.OK]
    return found


def test_a_store_in_good_health_has_nothing_to_complain_of_under_any_heading(store: Checked) -> None:
    found = store.check()

    assert wrong(found) == []
    assert all(grouped(found).values())
    for partner in ("shopify", "jetpack", "shipstation"):
        good_ones = {each.code for each in found if each.partner == partner}
        assert good_ones >= {"credentials_accepted", "webhooks", "last_webhook"}
    assert {each.code for each in found} >= {"scopes", "version", "clock", "import_alive", "rules", "no_order_held"}


def test_checking_writes_nothing(store: Checked) -> None:
    before = store.world()
    store.check()
    store.check()
    assert store.world() == before
    assert store.partners.shop_admin.calls["subscribe"] == len(store.partners.shop_admin.subscribed)


def damaged(name: str, **changes: Any) -> Callable[[Checked], None]:  # noqa: ANN401 - whatever the facts hold
    def damage(store: Checked) -> None:
        admin: Any = getattr(store.partners, name)
        admin.shown = replace(admin.shown, **changes)

    return damage


def desk_store(**changes: Any) -> Callable[[Checked], None]:  # noqa: ANN401 - whatever the facts hold
    def damage(store: Checked) -> None:
        admin = store.partners.desk_admin
        admin.shown = (replace(admin.shown[0], **changes), *admin.shown[1:])

    return damage


def credentials_changed(name: str) -> Callable[[Checked], None]:
    def damage(store: Checked) -> None:
        getattr(store.partners, name).accepted = {"token": "another"}

    return damage


def suspended(store: Checked) -> None:
    error = CredentialsRejectedError(partner="shipstation", http_status=402, code="suspended")
    store.partners.desk_admin.fail("stores", error)


def unsubscribed(name: str) -> Callable[[Checked], None]:
    def damage(store: Checked) -> None:
        admin = getattr(store.partners, name)
        admin.subscribed = admin.subscribed[1:]

    return damage


def disabled(store: Checked) -> None:
    admin = store.partners.warehouse_admin
    admin.subscribed = [replace(each, active=False) for each in admin.subscribed]


def pointing_elsewhere(store: Checked) -> None:
    admin = store.partners.warehouse_admin
    admin.subscribed = []
    admin.add("https://before.example.test/webhooks/jetpack/demo", *JETPACK_TOPICS)


def rule_switched_off(store: Checked) -> None:
    rules = RuleSet(2, (Rule("Forward", (Forward(),), active=False), Rule("Wait", (HoldOrder(),))))
    store.settings.save_store(replace(store.store, rules=rules))


def unmapped(store: Checked) -> None:
    store.settings.note_method(STORE, normalized("Drone delivery"), NOW)


def set_by_a_rule_to_nothing(store: Checked) -> None:
    rules = RuleSet(2, (Rule("to the moon", (Forward(), SetShipOption("Teleport"))),))
    store.settings.save_store(replace(store.store, rules=rules))


def mapped_to_nothing(store: Checked) -> None:
    store.settings.save_ship_option(STORE, ShipOptionMapping(normalized("Air"), "Drone"))


def silent(store: Checked) -> None:
    store.runtime = InMemoryRuntime(clock=lambda: NOW)
    for partner in ("shopify", "shipstation"):
        store.runtime.note_event(STORE, partner, NOW)


def secret_lost(store: Checked) -> None:
    store.secrets.save_webhook_secrets(STORE, "shopify", ())


def credentials_lost(store: Checked) -> None:
    store.secrets.shown.pop((STORE, "jetpack"))


def held_for(reason: str) -> Callable[[Checked], None]:
    return lambda store: store.put(status=Status.HELD, hold=Hold(reason, NOW - HOUR))


F, H, T = Trouble.NOT_FORWARDING, Trouble.ON_HOLD, Trouble.NO_TRACKING

TROUBLESHOOTING: list[tuple[Trouble, str, Callable[[Checked], None]]] = [
    (F, "credentials_rejected", credentials_changed("shop_admin")),
    (F, "credentials_rejected", credentials_changed("warehouse_admin")),
    (F, "credentials_rejected", credentials_changed("desk_admin")),
    (F, "credentials_missing", credentials_lost),
    (F, "suspended", suspended),
    (F, "scopes_missing", damaged("shop_admin", scopes=frozenset({"read_orders", "read_all_orders", *SHOPIFY_EXTRAS}))),
    (F, "webhooks_missing", unsubscribed("shop_admin")),
    (F, "webhooks_missing", unsubscribed("desk_admin")),
    (F, "webhook_secret_missing", secret_lost),
    (F, "no_active_rule", rule_switched_off),
    (F, "import_off", desk_store(active=False)),
    (F, "import_off", desk_store(imports_by_itself=False)),
    (F, "import_late", desk_store(last_import_at=NOW - 7 * HOUR)),
    (F, "import_late", desk_store(last_import_at=None)),
    (F, "choose_shipstation_store", desk_store(id="90010")),
    (F, "location_missing", damaged("shop_admin", locations=())),
    (F, "choose_channel", damaged("warehouse_admin", channels=())),
    (F, "claimed_elsewhere", damaged("shop_admin", claimed_by="Jetbridge prod at https://other.example.test")),
    (F, "version_fell_forward", damaged("shop_admin", answered_version="2027-01")),
    (F, "other_forwarder", damaged("warehouse_admin", recent_orders=(("8", 3),))),
    (F, "unmapped_methods", unmapped),
    (F, "ship_option_gone", set_by_a_rule_to_nothing),
    (F, "ship_option_gone", mapped_to_nothing),
    (F, "held", held_for("unknown_sku")),
    (F, "no_webhook_yet", silent),
    (F, "failed_forwarding", lambda store: store.put(status=Status.FAILED, failed="Timeout")),
    (F, "outcome_unknown", lambda store: store.put(status=Status.FORWARDING, since=NOW - 2 * HOUR)),
    (F, "backing_off", lambda store: store.put(status=Status.WAITING, failing_since=NOW - HOUR)),
    (H, "held", held_for("jetpack_hold")),
    (H, "unmapped_methods", unmapped),
    (H, "ship_option_gone", mapped_to_nothing),
    (T, "webhooks_missing", disabled),
    (T, "webhooks_missing", pointing_elsewhere),
    (T, "scopes_missing", damaged("shop_admin", scopes=frozenset({"read_orders", "read_all_orders", *SHOPIFY_EXTRAS}))),
    (T, "clock_wrong", damaged("warehouse_admin", clock_ahead_seconds=-400.0)),
    (T, "failed_tracking", lambda store: store.put(status=Status.FAILED, track_failed="Rejected")),
    (T, "unshipped_for_long", lambda store: store.put(status=Status.FORWARDED, since=NOW - 6 * DAY)),
    (T, "backing_off", lambda store: store.put(status=Status.FORWARDED, track_failing_since=NOW - HOUR)),
]


@pytest.mark.parametrize(
    ("trouble", "code", "damage"),
    TROUBLESHOOTING,
    ids=[f"{n}-{code}" for n, (_, code, _) in enumerate(TROUBLESHOOTING)],
)
def test_the_cause_of_a_trouble_is_found_under_its_heading_with_the_next_step(
    store: Checked, trouble: Trouble, code: str, damage: Callable[[Checked], None]
) -> None:
    damage(store)

    found = store.check()

    finding = only(found)
    assert finding.code == code
    assert grouped(found)[trouble][0] is finding
    assert finding.next_step.endswith(".")


def test_one_partner_that_is_down_hides_nothing_of_the_others(store: Checked) -> None:
    store.partners.shop_admin.fail("facts", PartnerUnavailableError("down"))

    found = store.check()

    assert only(found).code == "partner_unreachable"
    assert "credentials_accepted" in [each.code for each in found if each.partner == "jetpack"]


def test_a_parcel_the_shop_does_not_take_is_told(store: Checked) -> None:
    parcel = Parcel("70000001", (), ParcelState.FAILED)
    consignment = Consignment(1, "demo:1:1", (), ConsignmentState.LIVE, parcels=(parcel,))
    store.put(status=Status.FAILED, consignments=(consignment,))

    finding = only(store.check())

    assert (finding.code, finding.explains) == ("parcels_untold", (T,))
    assert "#1001" in finding.text


@pytest.mark.parametrize("reason", sorted(OWNERS))
def test_every_hold_reason_is_counted_with_its_owner_and_age(store: Checked, reason: str) -> None:
    for n, age in enumerate((1, 5, 2), start=1):
        store.put(n, status=Status.HELD, hold=Hold(reason, NOW - age * HOUR))

    finding = only(store.check())

    assert finding.text.startswith("3 orders are held because ")
    assert f"({reason}), the longest for 5 hours" in finding.text
    assert finding.next_step == REASONS[reason].next_step


def test_a_hold_of_jetpacks_counts_although_the_order_itself_is_not_held_by_us(store: Checked) -> None:
    trouble = Hold("jetpack_exception", NOW - DAY)
    consignment = Consignment(1, "demo:1:1", (), ConsignmentState.LIVE, trouble=trouble)
    store.put(status=Status.HELD, consignments=(consignment,))

    assert only(store.check()).text.startswith("1 order is held because Jetpack cannot ship it yet")


def test_orders_that_wait_are_told_by_reason_and_are_no_trouble(store: Checked) -> None:
    for n in range(1, 4):
        store.put(n, status=Status.WAITING, reason="unpaid")

    found = store.check()

    assert wrong(found) == []
    assert [each.text for each in found if each.code == "waiting"] == ["3 orders are waiting: unpaid."]


def test_beyond_a_thousand_orders_the_number_no_longer_matters(store: Checked) -> None:
    for n in range(1, MOST_ORDERS + 5):
        store.put(n, status=Status.HELD, hold=Hold("unknown_sku", NOW))

    assert only(store.check()).text.startswith("at least 1000 orders are held")


def test_a_store_nobody_knows_is_not_connected(store: Checked) -> None:
    store.settings.delete_store(STORE)

    assert only(store.check()).code == "not_connected"


def test_leftovers_are_told_and_go_when_connected_again(store: Checked) -> None:
    store.partners.shop_admin.add(f"{BASE}/webhooks/shopify/before", "orders/updated")

    assert only(store.check()).code == "webhooks_leftover"
    store.connect(routes=BOTH)
    assert wrong(store.check()) == []


def test_a_store_on_the_direct_route_is_not_asked_about_shipstation(store: Checked) -> None:
    store.connect(routes=frozenset({"direct"}))
    store.partners.desk_admin.calls.clear()

    assert not [each for each in store.check() if each.partner == "shipstation"]
    assert not store.partners.desk_admin.calls


# -- the words --------------------------------------------------------------------------------------------------------


def test_every_hold_reason_has_words_and_a_step() -> None:
    assert all(each.meaning and each.next_step and each.lifted_when for each in REASONS.values())


def test_the_versions_we_speak_by_default_have_an_end_that_is_known() -> None:
    assert ShopifyConnection("", "").api_version in VERSION_ENDS["shopify"]
    assert JetpackConnection().api_version in VERSION_ENDS["jetpack"]


@pytest.mark.parametrize(
    ("today", "code", "severity"),
    [
        (date(2026, 11, 22), "version", Severity.OK),
        (date(2027, 7, 17), "version", Severity.OK),
        (date(2027, 7, 18), "version_ends", Severity.WARNING),
        (date(2027, 10, 15), "version_ends", Severity.WARNING),
        (date(2027, 10, 16), "version_ended", Severity.ERROR),
    ],
)
def test_the_end_of_a_version_is_told_ninety_days_ahead(today: date, code: str, severity: Severity) -> None:
    finding = version_finding("shopify", "2026-10", "2026-10", today)

    assert (finding.code, finding.severity) == (code, severity)


def test_a_version_nobody_knows_is_warned_of() -> None:
    assert version_finding("jetpack", "experimental", "", NOW.date()).severity is Severity.WARNING


@pytest.mark.parametrize(
    ("seconds", "severity"),
    [
        (0.0, Severity.OK),
        (-60.0, Severity.OK),
        (61.0, Severity.WARNING),
        (-300.0, Severity.WARNING),
        (301.0, Severity.ERROR),
    ],
)
def test_a_clock_that_is_off_is_told_before_signatures_fail(seconds: float, severity: Severity) -> None:
    assert clock_finding("jetpack", seconds).severity is severity


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (-MINUTE, "0 seconds"),
        (timedelta(seconds=1), "1 second"),
        (119 * MINUTE, "1 hour"),
        (59 * MINUTE, "59 minutes"),
        (49 * HOUR, "2 days"),
    ],
)
def test_a_length_of_time_is_told_in_its_largest_unit(time: timedelta, words: str) -> None:
    assert in_words(time) == words


def test_a_finding_has_a_known_code_and_a_complaint_a_next_step() -> None:
    with pytest.raises(ValueError, match="unknown finding"):
        good("nonsense", "text")
    with pytest.raises(ValueError, match="no next step"):
        error("held", "text", "")


def test_the_gravest_findings_come_first() -> None:
    found = [good("rules", "fine"), error("no_active_rule", "text", "step"), good("locations", "fine")]

    assert grouped(found)[F][0].code == "no_active_rule"


def test_a_partner_that_asks_us_to_slow_down_is_not_called_down() -> None:
    assert "slow down" in failure("shipstation", RateLimitedError("429")).text


def test_every_code_is_used_somewhere() -> None:
    from pathlib import Path

    layer = Path(__file__).parents[2] / "layers/core/jetbridge"
    places = [layer / "domain/connection.py", *(layer / "use_cases").glob("*_store.py")]
    places.append(layer.parents[2] / "functions/console/app.py")
    said = "".join(path.read_text() for path in places)

    assert [code for code in CODES if f'("{code}"' not in said and f'"{code}",\n' not in said] == []


def test_methods_that_are_only_offered_are_nothing_to_complain_of(store: Checked) -> None:
    store.settings.list_methods(STORE, [normalized("Pigeon")], NOW)
    [found] = [each for each in store.check() if each.code == "unmapped_methods"]
    assert found.severity is Severity.OK
    assert "no order has needed one" in found.text


def test_a_store_whose_rules_choose_every_ship_option_needs_no_mapping(store: Checked) -> None:
    store.settings.delete_ship_option(STORE, normalized("Standard"))
    rules = RuleSet(2, (Rule("all by the cheapest", (Forward(), SetShipOption("Standard"))),))
    store.settings.save_store(replace(store.store, rules=rules))
    assert wrong(store.check()) == []
