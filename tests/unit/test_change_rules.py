"""Changing rules: what is refused, what is recorded, who is woken, and what happens when something fails in between."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.domain.connection import JETPACK, SHOPIFY, Severity
from jetbridge.domain.identifiers import StoreSlug
from jetbridge.domain.rules import (
    DEFAULT_RULES,
    Comparison,
    Exclude,
    Forward,
    HoldOrder,
    Operator,
    Rule,
    SetLocation,
    SetShipOption,
)
from jetbridge.errors import ConflictError, InvalidRequestError, PartnerUnavailableError, TransientError
from jetbridge.use_cases.change_rules import (
    Activated,
    activate_rules,
    review_rules,
    roll_back_rules,
    save_rules,
    shadow_rules,
)
from tests.builders import NOW, STORE, a_store
from tests.fake_administrations import JETPACK_CREDENTIALS, SHOP_CREDENTIALS, FakeAdministrations
from tests.fakes import InMemoryQueue, InMemorySecretStore, InMemoryStoreSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetbridge.domain.changes import Change
    from jetbridge.messages import WakeUp
    from jetbridge.use_cases.change_rules import Review, Saved

NOBODY = StoreSlug("nobody")
US = Comparison("country", Operator.IS, "US")
FORWARD = Rule("forward", (Forward(),))
EXPRESS = Rule("express", (SetShipOption("Expedited"),), US)
TORN = Rule("torn", (Forward(), Exclude()), US)


class FailingQueue(InMemoryQueue):
    """Takes nothing until it is mended."""

    broken = True

    def send(self, wake_ups: Sequence[WakeUp]) -> None:
        if self.broken:
            raise TransientError
        super().send(wake_ups)


class ForgetfulSettings(InMemoryStoreSettings):
    """Cannot note a change until it is mended."""

    broken = False

    def note_change(self, slug: StoreSlug, change: Change) -> None:
        if self.broken:
            raise TransientError
        super().note_change(slug, change)


@dataclass
class Desk:
    """A store, and somebody who changes its rules; every act takes a minute."""

    settings: ForgetfulSettings = field(default_factory=lambda: ForgetfulSettings(a_store()))
    secrets: InMemorySecretStore = field(default_factory=InMemorySecretStore)
    partners: FakeAdministrations = field(default_factory=FakeAdministrations)
    queue: InMemoryQueue = field(default_factory=InMemoryQueue)
    now: datetime = NOW
    ids: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.secrets.save_credentials(STORE, JETPACK, JETPACK_CREDENTIALS)

    def clock(self) -> datetime:
        return self.now

    @property
    def ports(self) -> dict[str, Any]:
        self.now += timedelta(minutes=1)
        return {
            "settings": self.settings,
            "secrets": self.secrets,
            "administrations": self.partners,
            "clock": self.clock,
        }

    @property
    def more_ports(self) -> dict[str, Any]:
        return {**self.ports, "sweep_queue": self.queue, "new_id": lambda: str(next(self.ids))}

    def review(self, *rules: Rule, slug: StoreSlug = STORE) -> Review:
        return review_rules(slug, rules, **self.ports)

    def save(self, *rules: Rule, note: str = "", slug: StoreSlug = STORE) -> Saved:
        return save_rules(slug, rules, note=note, by="ada", **self.ports)

    def saved(self, *rules: Rule) -> int:
        version = self.save(*rules).version
        assert version
        return version

    def activate(self, version: int, *, instead_of: int, slug: StoreSlug = STORE) -> Activated:
        return activate_rules(slug, version, instead_of=instead_of, by="bob", **self.more_ports)

    def roll_back(self, version: int | None = None, *, instead_of: int, slug: StoreSlug = STORE) -> Activated:
        return roll_back_rules(slug, version, instead_of=instead_of, by="eve", **self.more_ports)

    def shadow(self, version: int | None, *, slug: StoreSlug = STORE) -> None:
        self.now += timedelta(minutes=1)
        shadow_rules(slug, version, by="ada", settings=self.settings, clock=self.clock)

    @property
    def active(self) -> int:
        store = self.settings.store(STORE)
        assert store
        return store.rules.version

    @property
    def log(self) -> list[tuple[str, str, str]]:
        """Who changed what, the first first."""
        return [(each.by, each.what, each.detail) for each in reversed(self.settings.changes(STORE))]

    @property
    def woken(self) -> list[str]:
        return [each.id for each in self.queue.sent]


@pytest.fixture
def desk() -> Desk:
    return Desk()


# -- looking a draft through ------------------------------------------------------------------------------------------


def test_a_draft_is_held_against_what_jetpack_offers_now(desk: Desk) -> None:
    gone = replace(EXPRESS, then=(SetShipOption("Teleport"), SetLocation("77")))

    assert desk.review(FORWARD, EXPRESS).remarks == ()
    found = desk.review(FORWARD, gone)

    assert not found.can_be_saved
    assert [each.path for each in found.remarks] == ["rules[1].then[0].ship_option", "rules[1].then[1].location"]
    assert desk.log == []


def test_jetpack_is_not_asked_for_what_no_rule_names(desk: Desk) -> None:
    assert desk.review(FORWARD).remarks == ()
    assert desk.partners.opened == []


@pytest.mark.parametrize("trouble", ["no credentials", "other credentials", "out of reach"])
def test_a_jetpack_that_cannot_be_asked_is_a_warning(desk: Desk, trouble: str) -> None:
    if trouble == "no credentials":
        desk.secrets.delete(STORE, JETPACK)
    elif trouble == "other credentials":
        desk.secrets.save_credentials(STORE, JETPACK, {"token": "old"})
    else:
        desk.partners.warehouse_admin.fail("ship_options", PartnerUnavailableError(partner="jetpack"))

    found = desk.review(FORWARD, EXPRESS)

    assert [(each.path, each.severity) for each in found.remarks] == [
        ("rules[1].then[0].ship_option", Severity.WARNING)
    ]
    assert found.can_be_saved


# -- saving -----------------------------------------------------------------------------------------------------------


def test_saving_makes_a_version_that_decides_nothing_yet(desk: Desk) -> None:
    saved = desk.save(FORWARD, EXPRESS, note="express to the US")

    assert saved.version == 2
    assert desk.active == 1
    rules = desk.settings.rules(STORE, 2)
    assert rules
    assert rules.rules == (FORWARD, EXPRESS)
    listed = desk.settings.rule_versions(STORE)[0]
    assert (listed.version, listed.active, listed.by, listed.note) == (2, False, "ada", "express to the US")
    assert desk.log == [("ada", "rules_saved", "version 2: express to the US")]
    assert desk.woken == []


def test_a_draft_with_an_error_is_not_saved(desk: Desk) -> None:
    saved = desk.save(FORWARD, TORN)

    assert saved.version is None
    assert [each.path for each in saved.remarks] == ["rules[1].then[1]"]
    assert [each.version for each in desk.settings.rule_versions(STORE)] == [1]
    assert desk.log == []


def test_a_draft_with_warnings_is_saved_and_they_are_shown(desk: Desk) -> None:
    saved = desk.save(Rule("hold", (HoldOrder(),)))

    assert saved.version == 2
    assert [each.path for each in saved.remarks] == ["rules"]


# -- activating -------------------------------------------------------------------------------------------------------


def test_activating_lets_a_version_decide_and_wakes_what_the_rules_held(desk: Desk) -> None:
    version = desk.saved(FORWARD)
    before = desk.settings.version(STORE)

    assert desk.activate(version, instead_of=1) == Activated(version, 1, ())

    assert desk.active == version
    assert desk.settings.version(STORE) > before
    assert desk.log[-1] == ("bob", "rules_activated", "version 2 instead of 1")
    assert desk.woken == ["held:rule_hold", "held:no_rule_matched"]
    assert {each.subject for each in desk.queue.sent} == {"batch"}
    assert {each.cause for each in desk.queue.sent} == {"rules:2:1"}


def test_rules_that_set_a_ship_option_wake_what_waits_for_one(desk: Desk) -> None:
    desk.activate(desk.saved(FORWARD, EXPRESS), instead_of=1)

    assert desk.woken[2:] == ["held:unmapped_ship_option", "held:inactive_ship_option"]


def test_a_version_is_looked_through_again_before_it_decides(desk: Desk) -> None:
    version = desk.saved(FORWARD, EXPRESS)
    desk.partners.warehouse_admin.close_ship_option("Expedited")

    with pytest.raises(
        InvalidRequestError, match=r"version 2 cannot decide. rules\[1\].then\[0\].ship_option: Jetpack"
    ):
        desk.activate(version, instead_of=1)

    assert desk.active == 1
    assert desk.woken == []


def test_what_somebody_else_activated_meanwhile_is_not_undone(desk: Desk) -> None:
    one, other = desk.saved(FORWARD), desk.saved(FORWARD, EXPRESS)
    desk.activate(other, instead_of=1)
    log = desk.log

    with pytest.raises(ConflictError):
        desk.activate(one, instead_of=1)

    assert desk.active == other
    assert desk.log == log


def test_activating_again_after_the_queue_failed_wakes_and_records_once(desk: Desk) -> None:
    desk.queue = queue = FailingQueue()
    version = desk.saved(FORWARD)
    with pytest.raises(TransientError):
        desk.activate(version, instead_of=1)
    assert desk.active == version

    queue.broken = False
    desk.activate(version, instead_of=1)

    assert desk.woken == ["held:rule_hold", "held:no_rule_matched"]
    assert [what for _, what, _ in desk.log] == ["rules_saved", "rules_activated"]


def test_activating_again_records_what_could_not_be_recorded(desk: Desk) -> None:
    version = desk.saved(FORWARD)
    desk.settings.broken = True
    with pytest.raises(TransientError):
        desk.activate(version, instead_of=1)

    desk.settings.broken = False
    desk.activate(version, instead_of=1)

    assert desk.log[-1] == ("bob", "rules_activated", "version 2 instead of 1")
    assert desk.woken


# -- going back -------------------------------------------------------------------------------------------------------


def test_going_back_again_and_again_goes_further_back(desk: Desk) -> None:
    first, second = desk.saved(FORWARD), desk.saved(FORWARD, EXPRESS)
    desk.activate(second, instead_of=1)
    desk.activate(first, instead_of=second)

    assert desk.roll_back(instead_of=first).version == second
    assert desk.roll_back(instead_of=second).version == 1
    assert desk.active == 1
    assert desk.log[-1] == ("eve", "rules_rolled_back", "version 1 instead of 3")
    assert desk.woken.count("held:rule_hold") == 4

    with pytest.raises(InvalidRequestError, match="nobody knows which version of the rules decided before 1"):
        desk.roll_back(instead_of=1)


def test_going_forth_after_going_back_goes_back_to_where_it_came_from(desk: Desk) -> None:
    first, second = desk.saved(FORWARD), desk.saved(FORWARD, EXPRESS)
    desk.activate(first, instead_of=1)
    desk.roll_back(instead_of=first)
    desk.activate(second, instead_of=1)

    assert desk.roll_back(instead_of=second).version == 1


def test_a_person_may_always_go_back_to_what_decided_before(desk: Desk) -> None:
    good, bad = desk.saved(FORWARD, EXPRESS), desk.saved(Rule("oops", (Exclude(),)))
    desk.activate(good, instead_of=1)
    desk.activate(bad, instead_of=good)
    desk.partners.warehouse_admin.close_ship_option("Expedited")

    found = desk.roll_back(instead_of=bad)

    assert desk.active == good
    assert [each.severity for each in found.remarks] == [Severity.ERROR]


def test_a_version_named_to_go_back_to_is_looked_through_like_any_other(desk: Desk) -> None:
    good = desk.saved(FORWARD, EXPRESS)
    desk.activate(good, instead_of=1)

    assert desk.roll_back(1, instead_of=good).version == 1
    desk.partners.warehouse_admin.close_ship_option("Expedited")
    with pytest.raises(InvalidRequestError):
        desk.roll_back(good, instead_of=1)
    assert desk.active == 1


def test_going_back_from_what_no_longer_decides_changes_nothing(desk: Desk) -> None:
    first, second = desk.saved(FORWARD), desk.saved(FORWARD, EXPRESS)
    desk.activate(first, instead_of=1)
    desk.activate(second, instead_of=first)

    with pytest.raises(ConflictError):
        desk.roll_back(instead_of=first)

    assert desk.active == second


# -- beside -----------------------------------------------------------------------------------------------------------


def test_a_version_runs_beside_until_that_is_ended(desk: Desk) -> None:
    version = desk.saved(FORWARD, EXPRESS)

    desk.shadow(version)
    store = desk.settings.store(STORE)
    assert store
    assert store.shadow
    assert (store.shadow.version, store.rules) == (version, DEFAULT_RULES)

    desk.shadow(None)
    store = desk.settings.store(STORE)
    assert store
    assert store.shadow is None
    assert desk.log[-2:] == [("ada", "rules_shadowed", "version 2"), ("ada", "rules_shadowed", "no version")]


def test_what_is_not_there_is_refused(desk: Desk) -> None:
    for act in (
        lambda: desk.review(FORWARD, slug=NOBODY),
        lambda: desk.save(FORWARD, slug=NOBODY),
        lambda: desk.activate(1, instead_of=1, slug=NOBODY),
        lambda: desk.roll_back(1, instead_of=1, slug=NOBODY),
        lambda: desk.shadow(None, slug=NOBODY),
    ):
        with pytest.raises(InvalidRequestError, match="there is no store nobody"):
            act()
    for act in (
        lambda: desk.activate(7, instead_of=1),
        lambda: desk.roll_back(7, instead_of=1),
        lambda: desk.shadow(7),
    ):
        with pytest.raises(InvalidRequestError, match="no version 7"):
            act()
    assert desk.log == []


# -- what Shopify has to grant ----------------------------------------------------------------------------------------

BY_CUSTOMER = Rule("wholesale", (Exclude(),), Comparison("customer_tags", Operator.INCLUDES_ANY, ("wholesale",)))


def test_rules_about_customer_tags_need_the_permission_to_read_customers() -> None:
    desk = Desk()
    assert [each.severity for each in desk.review(FORWARD, BY_CUSTOMER).remarks] == [Severity.WARNING]
    desk.secrets.save_credentials(STORE, SHOPIFY, SHOP_CREDENTIALS)
    assert desk.review(FORWARD, BY_CUSTOMER).remarks == ()
    desk.partners.shop_admin.shown = replace(desk.partners.shop_admin.shown, scopes=frozenset({"read_orders"}))
    refused = desk.save(FORWARD, BY_CUSTOMER)
    assert refused.version is None
    assert "read_customers" in refused.remarks[0].text
    assert desk.save(FORWARD).version
