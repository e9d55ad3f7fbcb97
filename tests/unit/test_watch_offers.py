"""A ship option that vanishes at Jetpack is told before an order needs it, to people once a day."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from jetbridge.domain.identifiers import StoreSlug
from jetbridge.domain.rules import Forward, Rule, RuleSet, SetShipOption
from jetbridge.errors import PartnerUnavailableError, TransientError
from tests.builders import STORE, a_store, an_order
from tests.keeper import Keeper

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR = timedelta(hours=1)


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


def test_nothing_is_said_while_jetpack_offers_everything(keeper: Keeper) -> None:
    swept = keeper.watch()
    assert (swept.warnings, swept.failed, keeper.notices.told) == ({}, {}, [])


def test_an_option_that_was_switched_off_is_told_before_any_order_needs_it(keeper: Keeper) -> None:
    keeper.administrations.warehouse_admin.close_ship_option("Expedited")
    swept = keeper.watch()
    assert swept.warnings[STORE] == (
        "Jetpack has switched off the ship option 'Expedited' (mapped from 'express'): such orders are held."
    )
    [(store, _, text)] = keeper.notices.told
    assert (store, "Expedited" in text) == (STORE, True)


def test_an_option_that_a_rule_sets_is_watched_too() -> None:
    rules = RuleSet(2, (Rule("to the moon", (Forward(), SetShipOption("Teleport"))),))
    keeper = Keeper(a_store(rules=rules, ship_options={}))
    assert "set by the rule 'to the moon'" in keeper.watch().warnings[STORE]


def test_the_log_warns_every_hour_and_people_are_told_once_a_day(keeper: Keeper) -> None:
    keeper.administrations.warehouse_admin.close_ship_option("Expedited")
    told = []
    for _ in range(26):
        assert STORE in keeper.watch().warnings
        told.append(len(keeper.notices.told))
        keeper.pass_time(HOUR)
    assert (told[0], told[23], told[24], told[25]) == (1, 1, 2, 2)


def test_a_notice_nobody_took_is_sent_the_next_hour(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper.administrations.warehouse_admin.close_ship_option("Expedited")

    def refuse(*_: object) -> None:
        raise TransientError

    take: Callable[[StoreSlug, str, str], None] = keeper.notices.publish
    monkeypatch.setattr(keeper.notices, "publish", refuse)
    assert STORE in keeper.watch().warnings
    monkeypatch.setattr(keeper.notices, "publish", take)
    keeper.watch()
    assert len(keeper.notices.told) == 1


def test_the_methods_that_partners_offer_by_now_are_listed(keeper: Keeper) -> None:
    keeper.administrations.shop_admin.methods = ("Pigeon", "Standard")
    keeper.watch()
    assert keeper.settings.unmapped_methods(STORE) == {"pigeon": 0}


def test_a_store_that_cannot_be_asked_holds_no_other_up(keeper: Keeper) -> None:
    sister = StoreSlug("sister")
    keeper.settings.save_store(a_store(slug=sister, version=0))
    keeper.administrations.warehouse_admin.fail("ship_options", PartnerUnavailableError(partner="jetpack"))
    keeper.administrations.shop_admin.methods = ("Pigeon",)
    swept = keeper.watch()
    assert set(swept.failed) == {STORE, sister}, "the one is not answered, the other has no credentials"
    assert keeper.settings.unmapped_methods(STORE) == {"pigeon": 0}, "Jetpack's silence keeps nobody else's back"
    keeper.secrets.save_credentials(sister, "shopify", keeper.secrets.shown[STORE, "shopify"])
    assert keeper.watch().failed == {}
    assert keeper.settings.unmapped_methods(sister) == {"pigeon": 0}


def test_an_order_by_a_vanished_option_is_held_and_nothing_is_sent(keeper: Keeper) -> None:
    keeper.the_warehouse.ship_options["Standard"] = False
    keeper.put(an_order())
    keeper.forward()
    assert (keeper.hold().reason, keeper.hold().detail) == ("inactive_ship_option", "standard")
    assert not keeper.the_warehouse.received
