"""What every StoreSettings promises: the fake and DynamoDB (moto) alike."""
# ruff: noqa: ANN401 - builders and stand-in clients take whatever they are given

from __future__ import annotations

import itertools
import json
import random
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber
from hypothesis import HealthCheck, given, settings

from jetbridge.aws.items import attribute, data_of, item
from jetbridge.aws.settings_table import (
    DynamoStoreSettings,
    StoredJetpack,
    StoredOptionLimits,
    StoredSettings,
    StoredShipOption,
    StoredShipStation,
    StoredShopify,
    StoredSku,
)
from jetbridge.documents.rules import RuleSetDocument
from jetbridge.domain.changes import Change
from jetbridge.domain.identifiers import StoreSlug
from jetbridge.domain.rules import (
    DEFAULT_RULES,
    AddTag,
    AllOf,
    AnyLine,
    Comparison,
    Exclude,
    Forward,
    HoldOrder,
    Money,
    Not,
    Notify,
    Operator,
    Rule,
    RuleSet,
    SetShipOption,
    Split,
)
from jetbridge.domain.ship_options import Method, ShipOptionLimits, ShipOptionMapping, normalized
from jetbridge.domain.skus import SkuMapping
from jetbridge.domain.store import JetpackConnection, OutOfStock, ShipStationConnection, ShopifyConnection, Store
from jetbridge.errors import ConfigurationError, ConflictError, InvalidRequestError, TransientError
from jetbridge.ports import RuleVersion
from tests.contract.conftest import client
from tests.fakes import InMemoryStoreSettings
from tests.strategies import stores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from jetbridge.ports import StoreSettings
    from tests.contract.conftest import Clock

NORTHWIND, SOUTHWIND = StoreSlug("northwind-supply"), StoreSlug("southwind")
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
ANYTIME = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
STANDARD = ShipOptionMapping(normalized("Standard  Shipping"), "Ground")
EXPRESS = ShipOptionMapping(Method("express*"), "2-Day")
BUNDLE = SkuMapping("GIFT-BOX", (("TEE-BLK-M", 2), ("MUG", 1)))
WAITING = Rule("Everything waits „erst einmal“", (HoldOrder("look at it", for_hours=24),), stop=True)
MY_RULES = RuleSet(2, (WAITING, Rule("Forward", (Forward(), SetShipOption("2-Day")), active=False)))
PRE_ORDER = Comparison("sku", Operator.STARTS_WITH, "PRE-")
OTHER_RULES = (
    Rule(
        "Dear ones from abroad",
        (Forward(), AddTag("3PL"), Split(Not(PRE_ORDER), "pre-order", until=NOW)),
        when=AllOf(
            (
                Comparison("country", Operator.IS_NONE_OF, ("US", "CA")),
                Comparison("total", Operator.GREATER_THAN, Money(Decimal("99.50"), "USD")),
                AnyLine(PRE_ORDER),
            )
        ),
    ),
    Rule("Not ours", (Exclude("sold by somebody else"),)),
)
SAVED = Change(NOW, "maria", "rules_saved", "dear ones „zuerst“")

_numbers = itertools.count(1)


def a_store(slug: str = NORTHWIND, **fields: Any) -> Store:
    shopify = ShopifyConnection("northwind.example.test", "https://northwind.example.test")
    return Store(StoreSlug(slug), shopify, JetpackConnection(channel_id="1001"), **fields)


@pytest.fixture
def stored_in_dynamodb(dynamodb: DynamoDBClient, clock: Clock) -> DynamoStoreSettings:
    return DynamoStoreSettings(dynamodb, "SettingsTable", clock=clock)


@pytest.fixture(params=["fake", "dynamodb"])
def adapter(request: pytest.FixtureRequest) -> StoreSettings:
    if request.param == "fake":
        return InMemoryStoreSettings()
    found: StoreSettings = request.getfixturevalue("stored_in_dynamodb")
    return found


class TestAStore:
    def test_an_unknown_one_is_not_there(self, adapter: StoreSettings) -> None:
        assert adapter.store(NORTHWIND) is None
        assert adapter.version(NORTHWIND) == 0
        assert list(adapter.stores()) == []

    @given(store=stores)
    @ANYTIME
    def test_what_was_saved_is_read_with_the_next_version(self, adapter: StoreSettings, store: Store) -> None:
        store = replace(store, slug=StoreSlug(f"store-{next(_numbers)}"), rules=DEFAULT_RULES)
        adapter.save_store(store)
        for mapping in store.ship_options.values():
            adapter.save_ship_option(store.slug, mapping)

        version = 1 + len(store.ship_options)
        assert adapter.store(store.slug) == replace(store, version=version)
        assert adapter.version(store.slug) == version

    def test_every_setting_is_kept(self, adapter: StoreSettings) -> None:
        store = a_store(
            time_zone="America/Los_Angeles",
            mirror_holds=False,
            mark_forwarded=True,
            ships_from=frozenset({"US", "CA"}),
            out_of_stock=OutOfStock.SPLIT,
            option_limits=(ShipOptionLimits("Ground", po_boxes=False), ShipOptionLimits("2-Day", needs_phone=True)),
            rules=MY_RULES,
            shadow=RuleSet(3, OTHER_RULES),
        )

        adapter.save_store(store)

        assert adapter.store(NORTHWIND) == replace(store, version=1)

    def test_every_saved_one_is_named_once(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())
        adapter.save_store(a_store("southwind"))
        adapter.save_store(a_store(version=1, buffer=2))

        assert sorted(adapter.stores()) == [NORTHWIND, "southwind"]

    def test_of_two_who_change_the_same_version_the_second_learns_it(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())
        read = adapter.store(NORTHWIND)
        assert read
        adapter.save_store(replace(read, buffer=1))

        with pytest.raises(ConflictError):
            adapter.save_store(replace(read, buffer=2))
        with pytest.raises(ConflictError):
            adapter.save_store(a_store())

        kept = adapter.store(NORTHWIND)
        assert kept
        assert (kept.buffer, kept.version) == (1, 2)

    def test_saving_one_leaves_its_mapping_alone(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())
        adapter.save_ship_option(NORTHWIND, STANDARD)
        adapter.save_sku(NORTHWIND, BUNDLE)
        read = adapter.store(NORTHWIND)
        assert read

        adapter.save_store(replace(read, buffer=1, ship_options={}, sku_map={}))

        kept = adapter.store(NORTHWIND)
        assert kept
        assert kept.ship_options == {STANDARD.method: STANDARD}
        assert kept.sku_map == {BUNDLE.sku: BUNDLE}


class TestRules:
    def test_a_new_store_has_the_documented_rule(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())

        store = adapter.store(NORTHWIND)

        assert store
        assert store.rules == DEFAULT_RULES

    def test_the_saved_ones_are_active_in_their_order_until_others_are(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store(rules=MY_RULES))
        first = adapter.store(NORTHWIND)
        assert first
        assert first.rules == MY_RULES

        adapter.save_store(replace(first, rules=DEFAULT_RULES))

        second = adapter.store(NORTHWIND)
        assert second
        assert second.rules == DEFAULT_RULES

    def test_a_version_of_them_never_changes_what_it_says(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store(rules=MY_RULES))
        read = adapter.store(NORTHWIND)
        assert read

        with pytest.raises(ConflictError):
            adapter.save_store(replace(read, rules=replace(MY_RULES, rules=())))

        adapter.save_store(read)
        kept = adapter.store(NORTHWIND)
        assert kept
        assert kept.rules == MY_RULES

    def test_saving_a_store_moves_neither_its_rules_nor_its_shadow(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())
        for rules in (MY_RULES.rules, OTHER_RULES):
            adapter.save_rules(NORTHWIND, rules, SAVED)
        adapter.activate_rules(NORTHWIND, 3, instead_of=1)
        adapter.shadow_rules(NORTHWIND, 2)
        read = adapter.store(NORTHWIND)
        assert read

        adapter.save_store(replace(read, buffer=1))

        kept = adapter.store(NORTHWIND)
        assert kept
        assert (kept.rules, kept.shadow, kept.buffer) == (RuleSet(3, OTHER_RULES), MY_RULES, 1)


class TestVersionsOfRules:
    def test_a_new_store_has_one(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())

        assert list(adapter.rule_versions(NORTHWIND)) == [RuleVersion(1, active=True)]
        assert adapter.rules(NORTHWIND, 1) == DEFAULT_RULES
        assert adapter.rules(NORTHWIND, 2) is None

    def test_the_saved_ones_are_listed_with_who_saved_them_and_decide_nothing_yet(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())

        assert adapter.save_rules(NORTHWIND, MY_RULES.rules, SAVED) == MY_RULES
        assert adapter.save_rules(NORTHWIND, (), Change(NOW, "josé", "rules_saved")) == RuleSet(3, ())

        assert list(adapter.rule_versions(NORTHWIND)) == [
            RuleVersion(3, active=False, saved_at=NOW, by="josé"),
            RuleVersion(2, active=False, saved_at=NOW, by="maria", note="dear ones „zuerst“"),
            RuleVersion(1, active=True),
        ]
        store = adapter.store(NORTHWIND)
        assert store
        assert (store.rules, store.version) == (DEFAULT_RULES, 1)
        assert adapter.rules(NORTHWIND, 2) == MY_RULES
        assert adapter.rules(NORTHWIND, 3) == RuleSet(3, ())

    def test_the_next_one_follows_the_last_whichever_is_active(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store(rules=replace(MY_RULES, version=7)))

        assert adapter.save_rules(NORTHWIND, OTHER_RULES, SAVED).version == 8
        assert [each.version for each in adapter.rule_versions(NORTHWIND)] == [8, 7, 1]

    def test_each_store_counts_its_own(self, adapter: StoreSettings) -> None:
        for slug in (NORTHWIND, SOUTHWIND):
            adapter.save_store(a_store(slug))
            assert adapter.save_rules(slug, OTHER_RULES, SAVED).version == 2

    def test_long_ones_are_read_as_they_were_saved(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())
        many = tuple(replace(OTHER_RULES[0], name=f"Rule {n}") for n in range(200))

        saved = adapter.save_rules(NORTHWIND, many, SAVED)

        assert adapter.rules(NORTHWIND, saved.version) == RuleSet(2, many)

    def test_an_activated_one_decides_from_now_on(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())
        adapter.save_rules(NORTHWIND, MY_RULES.rules, SAVED)

        adapter.activate_rules(NORTHWIND, 2, instead_of=1)

        store = adapter.store(NORTHWIND)
        assert store
        assert (store.rules, store.version) == (MY_RULES, 2)
        assert [(each.version, each.active) for each in adapter.rule_versions(NORTHWIND)] == [(2, True), (1, False)]

    def test_rolling_back_reaches_the_default_and_returns(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())
        adapter.save_rules(NORTHWIND, MY_RULES.rules, SAVED)

        for version, before in ((2, 1), (1, 2), (2, 1), (2, 2)):
            adapter.activate_rules(NORTHWIND, version, instead_of=before)
            store = adapter.store(NORTHWIND)
            assert store
            assert store.rules == (DEFAULT_RULES if version == 1 else MY_RULES)
        assert adapter.version(NORTHWIND) == 5

    @pytest.mark.parametrize("active", [1, 2])
    def test_of_two_who_activate_instead_of_the_same_the_second_learns_it(
        self, adapter: StoreSettings, active: int
    ) -> None:
        adapter.save_store(a_store())
        for rules in (MY_RULES.rules, OTHER_RULES, ()):
            adapter.save_rules(NORTHWIND, rules, SAVED)
        adapter.activate_rules(NORTHWIND, active, instead_of=1)
        adapter.activate_rules(NORTHWIND, 3, instead_of=active)

        with pytest.raises(ConflictError):
            adapter.activate_rules(NORTHWIND, 4, instead_of=active)

        store = adapter.store(NORTHWIND)
        assert store
        assert (store.rules.version, store.version) == (3, 3)

    def test_what_was_never_saved_can_be_neither_activated_nor_a_shadow(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())

        with pytest.raises(InvalidRequestError):
            adapter.activate_rules(NORTHWIND, 2, instead_of=1)
        with pytest.raises(InvalidRequestError):
            adapter.shadow_rules(NORTHWIND, 2)

        store = adapter.store(NORTHWIND)
        assert store
        assert (store.rules, store.shadow, store.version) == (DEFAULT_RULES, None, 1)

    def test_a_store_that_is_not_there_has_none_and_takes_none(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store(rules=MY_RULES))
        adapter.delete_store(NORTHWIND)

        for slug in (NORTHWIND, SOUTHWIND):
            assert list(adapter.rule_versions(slug)) == []
            with pytest.raises(InvalidRequestError):
                adapter.save_rules(slug, OTHER_RULES, SAVED)
            with pytest.raises(InvalidRequestError):
                adapter.activate_rules(slug, 1, instead_of=1)
            with pytest.raises(InvalidRequestError):
                adapter.shadow_rules(slug, 1)
            with pytest.raises(InvalidRequestError):
                adapter.shadow_rules(slug, None)
            assert adapter.version(slug) == 0

    def test_a_shadow_is_shown_beside_the_active_ones_until_it_is_taken_away(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())
        adapter.save_rules(NORTHWIND, MY_RULES.rules, SAVED)

        adapter.shadow_rules(NORTHWIND, 2)

        store = adapter.store(NORTHWIND)
        assert store
        assert (store.rules, store.shadow, store.version) == (DEFAULT_RULES, MY_RULES, 2)
        assert [(each.version, each.shadow) for each in adapter.rule_versions(NORTHWIND)] == [(2, True), (1, False)]

        for version in (3, 4):
            adapter.shadow_rules(NORTHWIND, None)
            store = adapter.store(NORTHWIND)
            assert store
            assert (store.shadow, store.version) == (None, version)

    def test_they_stay_for_a_reconnect(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())
        for rules in (MY_RULES.rules, OTHER_RULES):
            adapter.save_rules(NORTHWIND, rules, SAVED)
        adapter.activate_rules(NORTHWIND, 2, instead_of=1)
        adapter.shadow_rules(NORTHWIND, 3)
        adapter.delete_store(NORTHWIND)

        adapter.save_store(a_store())

        store = adapter.store(NORTHWIND)
        assert store
        assert (store.rules, store.shadow) == (MY_RULES, RuleSet(3, OTHER_RULES))
        assert adapter.save_rules(NORTHWIND, (), SAVED).version == 4


class TestTheMapping:
    def test_a_saved_line_replaces_the_one_of_the_same_method_and_moves_the_version(
        self, adapter: StoreSettings
    ) -> None:
        adapter.save_store(a_store())
        adapter.save_ship_option(NORTHWIND, STANDARD)
        switched_off = replace(STANDARD, active=False)
        adapter.save_ship_option(NORTHWIND, switched_off)

        store = adapter.store(NORTHWIND)

        assert store
        assert store.ship_options == {STANDARD.method: switched_off}
        assert store.version == adapter.version(NORTHWIND) == 3

    def test_there_is_none_for_a_store_that_is_not_there(self, adapter: StoreSettings) -> None:
        with pytest.raises(InvalidRequestError):
            adapter.save_ship_option(NORTHWIND, STANDARD)

        assert adapter.store(NORTHWIND) is None
        assert adapter.version(NORTHWIND) == 0

    def test_a_deleted_line_is_gone_and_its_method_is_unmapped_again(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())
        adapter.note_method(NORTHWIND, STANDARD.method, NOW)
        adapter.save_ship_option(NORTHWIND, STANDARD)
        adapter.save_ship_option(NORTHWIND, EXPRESS)

        for version in (4, 5):
            adapter.delete_ship_option(NORTHWIND, STANDARD.method)

            store = adapter.store(NORTHWIND)
            assert store
            assert store.ship_options == {EXPRESS.method: EXPRESS}
            assert store.version == adapter.version(NORTHWIND) == version
        assert adapter.unmapped_methods(NORTHWIND) == {STANDARD.method: 1}

    def test_a_line_of_a_store_that_is_not_there_cannot_be_deleted(self, adapter: StoreSettings) -> None:
        with pytest.raises(InvalidRequestError):
            adapter.delete_ship_option(NORTHWIND, STANDARD.method)


class TestTheSkuMap:
    def test_a_saved_line_replaces_the_one_of_the_same_sku_and_moves_the_version(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())
        adapter.save_sku(NORTHWIND, BUNDLE)
        alias = SkuMapping(BUNDLE.sku, (("BOX-1", 1),))
        adapter.save_sku(NORTHWIND, alias)
        other_case = SkuMapping("gift-box", (("BOX-2", 1),))
        adapter.save_sku(NORTHWIND, other_case)

        store = adapter.store(NORTHWIND)

        assert store
        assert store.sku_map == {"GIFT-BOX": alias, "gift-box": other_case}
        assert store.version == adapter.version(NORTHWIND) == 4

    def test_a_sku_of_any_length_and_script_is_mapped(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())
        skus = ["é" * 2000, "é" * 2001, "袋 #1/2", "STORE", "SHIP_OPTION#standard shipping"]
        for n, sku in enumerate(skus, 1):
            adapter.save_sku(NORTHWIND, SkuMapping(sku, (("TEE", n),)))

        store = adapter.store(NORTHWIND)

        assert store
        assert store.sku_map == {sku: SkuMapping(sku, (("TEE", n),)) for n, sku in enumerate(skus, 1)}
        assert store.ship_options == {}

    def test_a_deleted_line_is_gone(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())
        adapter.save_sku(NORTHWIND, BUNDLE)

        for version in (3, 4):
            adapter.delete_sku(NORTHWIND, BUNDLE.sku)

            store = adapter.store(NORTHWIND)
            assert store
            assert (store.sku_map, store.version) == ({}, version)

    def test_there_is_none_for_a_store_that_is_not_there(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())
        adapter.delete_store(NORTHWIND)

        with pytest.raises(InvalidRequestError):
            adapter.save_sku(NORTHWIND, BUNDLE)
        with pytest.raises(InvalidRequestError):
            adapter.delete_sku(NORTHWIND, BUNDLE.sku)

        adapter.save_store(a_store())
        store = adapter.store(NORTHWIND)
        assert store
        assert store.sku_map == {}


class TestWhoChangedWhat:
    def test_nothing_was_changed_at_first(self, adapter: StoreSettings) -> None:
        assert list(adapter.changes(NORTHWIND)) == []

    def test_the_newest_comes_first_and_each_store_has_its_own(self, adapter: StoreSettings) -> None:
        made = [Change(NOW + timedelta(minutes=n), "maria", "sku_saved", f"„{n}“" if n else "") for n in range(150)]
        for change in random.Random(7).sample(made, len(made)):  # noqa: S311 - an order that is none
            adapter.note_change(NORTHWIND, change)
        adapter.note_change(SOUTHWIND, SAVED)

        assert list(adapter.changes(NORTHWIND)) == made[:-101:-1]
        assert list(adapter.changes(NORTHWIND, limit=3)) == made[:-4:-1]
        assert list(adapter.changes(NORTHWIND, limit=1000)) == made[::-1]
        assert list(adapter.changes(SOUTHWIND)) == [SAVED]

    def test_changes_of_one_moment_are_all_kept_and_the_same_one_only_once(self, adapter: StoreSettings) -> None:
        other = replace(SAVED, by="josé")
        for change in (SAVED, other, SAVED):
            adapter.note_change(NORTHWIND, change)

        assert sorted(adapter.changes(NORTHWIND), key=lambda change: change.by) == [other, SAVED]

    def test_they_stay_when_the_store_is_disconnected(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())
        adapter.note_change(NORTHWIND, SAVED)
        adapter.delete_store(NORTHWIND)

        assert list(adapter.changes(NORTHWIND)) == [SAVED]


class TestDisconnecting:
    def test_a_deleted_store_is_not_there_and_not_named(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())
        adapter.save_store(a_store("southwind"))

        for _ in range(2):
            adapter.delete_store(NORTHWIND)

        assert adapter.store(NORTHWIND) is None
        assert adapter.version(NORTHWIND) == 0
        assert list(adapter.stores()) == ["southwind"]

    def test_a_store_that_was_never_there_can_be_deleted(self, adapter: StoreSettings) -> None:
        adapter.delete_store(NORTHWIND)

        assert adapter.store(NORTHWIND) is None
        assert list(adapter.stores()) == []

    def test_a_deleted_store_takes_no_mapping(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())
        adapter.delete_store(NORTHWIND)

        with pytest.raises(InvalidRequestError):
            adapter.save_ship_option(NORTHWIND, STANDARD)

        adapter.save_store(a_store())
        store = adapter.store(NORTHWIND)
        assert store
        assert store.ship_options == {}

    def test_a_reconnected_one_has_its_rules_and_mappings_and_goes_on_counting(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store(rules=MY_RULES, buffer=7))
        adapter.save_ship_option(NORTHWIND, STANDARD)
        adapter.delete_store(NORTHWIND)

        adapter.save_store(a_store())

        store = adapter.store(NORTHWIND)
        assert store
        assert (store.rules, store.ship_options) == (MY_RULES, {STANDARD.method: STANDARD})
        assert (store.buffer, store.version) == (0, 3)
        with pytest.raises(ConflictError):
            adapter.save_store(a_store())

    def test_a_reconnected_one_may_bring_rules_of_its_own(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store(rules=MY_RULES))
        adapter.delete_store(NORTHWIND)
        others = replace(MY_RULES, version=3, rules=MY_RULES.rules[1:])

        adapter.save_store(a_store(rules=others))

        store = adapter.store(NORTHWIND)
        assert store
        assert store.rules == others


class TestUnmappedMethods:
    def test_they_are_listed_with_how_often_they_were_seen(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())
        for text in ("Express", "EXPRESS", "", "Lieferung für Köln 🎁"):
            adapter.note_method(NORTHWIND, normalized(text), NOW)
        adapter.note_method(StoreSlug("southwind"), Method("overnight"), NOW)

        assert adapter.unmapped_methods(NORTHWIND) == {"express": 2, "": 1, "lieferung für köln 🎁": 1}

    def test_a_method_of_any_length_is_noted_and_mapped(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())
        long = Method("é" * 2000)
        adapter.note_method(NORTHWIND, long, NOW)
        assert adapter.unmapped_methods(NORTHWIND) == {long: 1}

        adapter.save_ship_option(NORTHWIND, ShipOptionMapping(long, "Ground"))

        assert adapter.unmapped_methods(NORTHWIND) == {}
        store = adapter.store(NORTHWIND)
        assert store
        assert list(store.ship_options) == [long]

    def test_a_mapped_one_leaves_the_list_and_stays_away_when_an_old_look_notes_it(
        self, adapter: StoreSettings
    ) -> None:
        adapter.save_store(a_store())
        adapter.note_method(NORTHWIND, STANDARD.method, NOW)
        adapter.save_ship_option(NORTHWIND, STANDARD)
        assert adapter.unmapped_methods(NORTHWIND) == {}

        adapter.note_method(NORTHWIND, STANDARD.method, NOW)

        assert adapter.unmapped_methods(NORTHWIND) == {}
        store = adapter.store(NORTHWIND)
        assert store
        assert store.ship_options == {STANDARD.method: STANDARD}

    def test_one_that_is_offered_is_listed_before_any_order_uses_it(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())
        adapter.note_method(NORTHWIND, Method("overnight"), NOW)

        for _ in range(2):
            adapter.list_methods(NORTHWIND, [Method("overnight"), Method("economy"), Method("economy")], NOW)

        assert adapter.unmapped_methods(NORTHWIND) == {"overnight": 1, "economy": 0}
        adapter.note_method(NORTHWIND, Method("economy"), NOW)
        assert adapter.unmapped_methods(NORTHWIND) == {"overnight": 1, "economy": 1}

    def test_one_that_a_pattern_stands_for_is_mapped_while_the_pattern_is_there(self, adapter: StoreSettings) -> None:
        adapter.save_store(a_store())
        for method in ("express", "express (2 days)", "not express"):
            adapter.note_method(NORTHWIND, Method(method), NOW)
        adapter.list_methods(NORTHWIND, [Method("express saver")], NOW)

        adapter.save_ship_option(NORTHWIND, replace(EXPRESS, active=False))
        assert adapter.unmapped_methods(NORTHWIND) == {"not express": 1}

        adapter.delete_ship_option(NORTHWIND, EXPRESS.method)
        unmapped = {"express": 1, "express (2 days)": 1, "not express": 1, "express saver": 0}
        assert adapter.unmapped_methods(NORTHWIND) == unmapped

    def test_there_are_none_for_a_store_nobody_knows(self, adapter: StoreSettings) -> None:
        assert adapter.unmapped_methods(NORTHWIND) == {}


# -- what only DynamoDB has ---------------------------------------------------------------------------------------


class TestRemembering:
    def test_a_store_is_read_once_in_half_a_minute(self, dynamodb: DynamoDBClient, clock: Clock) -> None:
        reader = DynamoStoreSettings(dynamodb, "SettingsTable", clock=clock)
        writer = DynamoStoreSettings(dynamodb, "SettingsTable", clock=clock)
        writer.save_store(a_store())
        assert reader.store(NORTHWIND)
        writer.save_ship_option(NORTHWIND, STANDARD)

        clock.pass_by(seconds=29)
        remembered = reader.store(NORTHWIND)
        assert remembered
        assert remembered.ship_options == {}
        assert reader.version(NORTHWIND) == 2, "the version is always asked for"

        clock.pass_by(seconds=1)
        fresh = reader.store(NORTHWIND)
        assert fresh
        assert fresh.ship_options == {STANDARD.method: STANDARD}

    def test_what_was_forgotten_is_read_again(self, dynamodb: DynamoDBClient, clock: Clock) -> None:
        reader = DynamoStoreSettings(dynamodb, "SettingsTable", clock=clock)
        writer = DynamoStoreSettings(dynamodb, "SettingsTable", clock=clock)
        writer.save_store(a_store())
        assert reader.store(NORTHWIND)
        writer.save_ship_option(NORTHWIND, STANDARD)

        reader.forget(NORTHWIND)

        fresh = reader.store(NORTHWIND)
        assert fresh
        assert fresh.version == 2

    def test_a_store_that_was_not_there_is_seen_the_moment_it_is(self, dynamodb: DynamoDBClient, clock: Clock) -> None:
        reader = DynamoStoreSettings(dynamodb, "SettingsTable", clock=clock)
        assert reader.store(NORTHWIND) is None

        DynamoStoreSettings(dynamodb, "SettingsTable", clock=clock).save_store(a_store())

        assert reader.store(NORTHWIND)

    def test_a_store_that_has_not_changed_stays_the_very_same_and_costs_one_item(
        self, dynamodb: DynamoDBClient, clock: Clock, calls: list[str]
    ) -> None:
        writer = DynamoStoreSettings(dynamodb, "SettingsTable", clock=clock)
        writer.save_store(a_store(rules=MY_RULES))
        writer.save_sku(NORTHWIND, BUNDLE)
        reader = DynamoStoreSettings(dynamodb, "SettingsTable", clock=clock)
        first = reader.store(NORTHWIND)
        calls.clear()

        clock.pass_by(seconds=31)
        assert reader.store(NORTHWIND) is first
        reader.forget(NORTHWIND)
        assert reader.store(NORTHWIND) is first

        assert calls == ["GetItem", "GetItem"]

    def test_when_only_lines_have_changed_the_rules_stay_the_very_same(
        self, dynamodb: DynamoDBClient, clock: Clock
    ) -> None:
        settings = DynamoStoreSettings(dynamodb, "SettingsTable", clock=clock)
        settings.save_store(a_store(rules=MY_RULES, shadow=RuleSet(3, OTHER_RULES)))
        first = settings.store(NORTHWIND)
        assert first

        settings.save_ship_option(NORTHWIND, STANDARD)

        second = settings.store(NORTHWIND)
        assert second
        assert second.ship_options
        assert second.rules is first.rules
        assert second.shadow is first.shadow

        settings.activate_rules(NORTHWIND, 3, instead_of=2)
        third = settings.store(NORTHWIND)
        assert third
        assert third.rules is first.shadow

    def test_what_a_person_wrote_into_the_item_by_hand_is_seen_without_a_new_version(
        self, dynamodb: DynamoDBClient, clock: Clock
    ) -> None:
        settings = DynamoStoreSettings(dynamodb, "SettingsTable", clock=clock)
        settings.save_store(a_store())
        assert settings.store(NORTHWIND)

        put(dynamodb, version=1, settings=GOOD | {"buffer": 3})
        clock.pass_by(seconds=30)

        store = settings.store(NORTHWIND)
        assert store
        assert store.buffer == 3

    def test_a_line_written_while_the_others_are_read_is_not_missed_for_ever(
        self, dynamodb: DynamoDBClient, clock: Clock, request: pytest.FixtureRequest
    ) -> None:
        """The version is read first, so that what is remembered is never older than the version it stands under."""
        reader, writer = (DynamoStoreSettings(dynamodb, "SettingsTable", clock=clock) for _ in range(2))
        writer.save_store(a_store())

        def write_now(**_: object) -> None:
            dynamodb.meta.events.unregister("after-call.dynamodb.Query", write_now)
            writer.save_ship_option(NORTHWIND, STANDARD)

        dynamodb.meta.events.register("after-call.dynamodb.Query", write_now)
        request.addfinalizer(lambda: dynamodb.meta.events.unregister("after-call.dynamodb.Query", write_now))
        before = reader.store(NORTHWIND)
        assert before
        assert (before.version, before.ship_options) == (1, {})

        reader.forget(NORTHWIND)

        after = reader.store(NORTHWIND)
        assert after
        assert (after.version, after.ship_options) == (2, {STANDARD.method: STANDARD})

    @pytest.fixture
    def calls(self, dynamodb: DynamoDBClient) -> Iterator[list[str]]:
        """The names of DynamoDB's operations, as they are called."""
        called: list[str] = []

        def note(model: Any, **_: object) -> None:
            called.append(model.name)

        dynamodb.meta.events.register("before-call.dynamodb", note)
        yield called
        dynamodb.meta.events.unregister("before-call.dynamodb", note)


def put(dynamodb: DynamoDBClient, **data: Any) -> None:
    dynamodb.put_item(TableName="SettingsTable", Item=item({"pk": f"STORE#{NORTHWIND}", "sk": "STORE"} | data))


GOOD = {
    "shopify": {"shop": "northwind.example.test", "admin_url": "https://northwind.example.test"},
    "jetpack": {"channel_id": "1001"},
}


class TestWhatIsStored:
    def test_an_item_of_an_earlier_release_is_still_read(
        self, stored_in_dynamodb: DynamoStoreSettings, dynamodb: DynamoDBClient
    ) -> None:
        """The stored form is a contract: what is spelled out here lies in merchants' tables."""
        put(
            dynamodb,
            version=5,
            active_rules=2,
            settings=GOOD | {"buffer": 3, "locations": ["gid://shopify/Location/1"], "a_field_of_tomorrow": 1},
        )
        put(dynamodb, sk="SHIP_OPTION#express", method="express", ship_option="2 Day", active=False)
        put(dynamodb, sk="SKU#GIFT-BOX", sku="GIFT-BOX", components=[["TEE-BLK-M", 2], ["MUG", 1]])
        rules = {"rules": [{"name": "Go", "then": [{"action": "forward"}]}]}
        put(dynamodb, pk=f"RULES#{NORTHWIND}", sk="VERSION#000002", version=2, rules=json.dumps(rules))

        express = ShipOptionMapping(Method("express"), "2 Day", active=False)
        assert stored_in_dynamodb.store(NORTHWIND) == a_store(
            version=5,
            buffer=3,
            locations=frozenset({"gid://shopify/Location/1"}),
            rules=RuleSet(2, (Rule("Go", (Forward(),)),)),
            ship_options={express.method: express},
            sku_map={"GIFT-BOX": BUNDLE},
        )

    def test_a_setting_that_equals_its_default_is_not_stored_and_moves_with_it(
        self, stored_in_dynamodb: DynamoStoreSettings, dynamodb: DynamoDBClient
    ) -> None:
        stored_in_dynamodb.save_store(a_store())

        key = item({"pk": f"STORE#{NORTHWIND}", "sk": "STORE"})
        stored = data_of(dynamodb.get_item(TableName="SettingsTable", Key=key)["Item"])

        assert stored["settings"] == GOOD

    @pytest.mark.parametrize(
        ("settings", "field"),
        [
            ({"jetpack": {}}, "shopify: missing"),
            (GOOD | {"shopify": {"shop": "secret-value"}}, "shopify.admin_url: missing"),
            (GOOD | {"buffer": "secret-value"}, "buffer: int_parsing"),
            (GOOD | {"grace_minutes": -1}, "grace_minutes: greater_than_equal"),
            (GOOD | {"locations": [["secret-value"]]}, "locations.0: string_type"),
            (GOOD | {"time_zone": "Secret/Value"}, "time_zone: value_error"),
            (GOOD | {"time_zone": "../secret-value"}, "time_zone: value_error"),
            (GOOD | {"out_of_stock": "secret-value"}, "out_of_stock: enum"),
            (GOOD | {"option_limits": [{"po_boxes": True}]}, "option_limits.0.ship_option: missing"),
            ("secret-value", "(all): model_type"),
            (None, "(all): model_type"),
        ],
    )
    def test_what_cannot_be_used_is_named_by_its_field_and_never_quoted(
        self, stored_in_dynamodb: DynamoStoreSettings, dynamodb: DynamoDBClient, settings: object, field: str
    ) -> None:
        put(dynamodb, version=1, settings=settings)

        with pytest.raises(ConfigurationError) as caught:
            stored_in_dynamodb.store(NORTHWIND)

        assert str(caught.value) == f"settings of northwind-supply: {field}"
        assert caught.value.__suppress_context__

    def test_active_rules_that_are_not_there_are_not_replaced_by_others(
        self, stored_in_dynamodb: DynamoStoreSettings, dynamodb: DynamoDBClient
    ) -> None:
        put(dynamodb, version=1, settings=GOOD, active_rules=9)

        with pytest.raises(ConfigurationError, match="rules 9 of northwind-supply"):
            stored_in_dynamodb.store(NORTHWIND)

    @pytest.mark.parametrize(
        ("stored", "place"),
        [
            ('{"rules": [{"name": "Go", "then": [{"action": "secret-value"}]}]}', r"rules\.0\.then\.0"),
            ('{"rules": "secret-value"}', r"rules: "),
            ("secret-value", r"\(all\): json_invalid"),
            (b"secret-value ", r"\(all\): json_invalid"),
            ([{"name": "secret-value", "outcome": "forward"}], r"\(all\): json_type"),
            (None, r"\(all\): json_type"),
        ],
    )
    def test_rules_nobody_can_read_are_named_by_their_place_and_never_quoted(
        self, stored_in_dynamodb: DynamoStoreSettings, dynamodb: DynamoDBClient, stored: object, place: str
    ) -> None:
        put(dynamodb, version=1, settings=GOOD, active_rules=2)
        put(dynamodb, pk=f"RULES#{NORTHWIND}", sk="VERSION#000002", version=2, rules=stored)

        with pytest.raises(ConfigurationError, match=f"rules 2 of northwind-supply: {place}") as caught:
            stored_in_dynamodb.store(NORTHWIND)

        assert "secret-value" not in str(caught.value)
        assert caught.value.__suppress_context__
        with pytest.raises(ConfigurationError):
            stored_in_dynamodb.activate_rules(NORTHWIND, 2, instead_of=1)

    @pytest.mark.parametrize("components", [[], [["TEE", 0]], [["TEE", 1], ["TEE", 2]], [["TEE"]], "TEE"])
    def test_a_line_of_the_sku_map_that_maps_to_nothing_is_refused(
        self, stored_in_dynamodb: DynamoStoreSettings, dynamodb: DynamoDBClient, components: object
    ) -> None:
        put(dynamodb, version=1, settings=GOOD)
        put(dynamodb, sk="SKU#BOX", sku="BOX", components=components)

        with pytest.raises(ConfigurationError, match="SKU map of northwind-supply: "):
            stored_in_dynamodb.store(NORTHWIND)

    def test_short_rules_can_be_read_in_the_table_and_long_ones_take_little_of_it(
        self, stored_in_dynamodb: DynamoStoreSettings, dynamodb: DynamoDBClient
    ) -> None:
        stored_in_dynamodb.save_store(a_store())
        stored_in_dynamodb.save_rules(NORTHWIND, OTHER_RULES, SAVED)
        many = tuple(replace(OTHER_RULES[0], name=f"Rule {n}") for n in range(200))
        stored_in_dynamodb.save_rules(NORTHWIND, many, SAVED)

        short, long = (
            data_of(
                dynamodb.get_item(
                    TableName="SettingsTable", Key=item({"pk": f"RULES#{NORTHWIND}", "sk": f"VERSION#00000{n}"})
                )["Item"]
            )
            for n in (2, 3)
        )

        assert json.loads(short["rules"]) == RuleSetDocument.from_rules(OTHER_RULES).as_json()
        assert len(long["rules"]) < 5_000 < len(str(many))

    def test_rules_that_do_not_fit_are_refused_and_take_no_number(
        self, stored_in_dynamodb: DynamoStoreSettings
    ) -> None:
        stored_in_dynamodb.save_store(a_store())
        chance = random.Random(7)  # noqa: S311 - text that cannot be compressed

        def noise() -> str:
            return "".join(chr(chance.randrange(0x10000, 0x110000)) for _ in range(1000))

        huge = tuple(Rule(f"Rule {n}", (Notify(noise()),)) for n in range(170))

        with pytest.raises(InvalidRequestError, match="too long"):
            stored_in_dynamodb.save_rules(NORTHWIND, huge, SAVED)
        with pytest.raises(InvalidRequestError, match="larger than"):
            stored_in_dynamodb.save_rules(NORTHWIND, huge * 2, SAVED)
        with pytest.raises(InvalidRequestError, match="too long"):
            stored_in_dynamodb.save_rules(NORTHWIND, OTHER_RULES, replace(SAVED, detail="é" * 200_000))

        assert stored_in_dynamodb.save_rules(NORTHWIND, OTHER_RULES, SAVED).version == 2

    def test_rules_that_the_language_does_not_know_are_refused_by_their_place_and_never_quoted(
        self, stored_in_dynamodb: DynamoStoreSettings
    ) -> None:
        stored_in_dynamodb.save_store(a_store())
        wrong = Rule("Wrong", (Forward(),), when=Comparison("secret-value", Operator.IS, "secret-value"))

        with pytest.raises(InvalidRequestError, match=r"rules\.1\.when.*is no field") as caught:
            stored_in_dynamodb.save_rules(NORTHWIND, (*OTHER_RULES[:1], wrong), SAVED)

        assert "secret-value" not in str(caught.value)
        assert caught.value.__suppress_context__

    def test_of_two_who_save_rules_at_once_each_gets_a_version(
        self, stored_in_dynamodb: DynamoStoreSettings, dynamodb: DynamoDBClient, request: pytest.FixtureRequest
    ) -> None:
        stored_in_dynamodb.save_store(a_store())
        theirs: list[RuleSet] = []

        def they_are_first(**_: object) -> None:
            dynamodb.meta.events.unregister("before-parameter-build.dynamodb.PutItem", they_are_first)
            theirs.append(stored_in_dynamodb.save_rules(NORTHWIND, MY_RULES.rules, SAVED))

        event = "before-parameter-build.dynamodb.PutItem"
        dynamodb.meta.events.register(event, they_are_first)
        request.addfinalizer(lambda: dynamodb.meta.events.unregister(event, they_are_first))

        ours = stored_in_dynamodb.save_rules(NORTHWIND, OTHER_RULES, SAVED)

        assert (theirs, ours) == ([MY_RULES], RuleSet(3, OTHER_RULES))
        assert stored_in_dynamodb.rules(NORTHWIND, 2) == MY_RULES

    @pytest.mark.parametrize(
        ("domain", "stored", "elsewhere"),
        [
            (Store, StoredSettings, {"slug", "version", "rules", "shadow", "ship_options", "sku_map"}),
            (ShopifyConnection, StoredShopify, set()),
            (JetpackConnection, StoredJetpack, set()),
            (ShipStationConnection, StoredShipStation, set()),
            (ShipOptionMapping, StoredShipOption, set()),
            (ShipOptionLimits, StoredOptionLimits, set()),
            (SkuMapping, StoredSku, set()),
        ],
    )
    def test_no_field_of_the_domain_is_left_out(self, domain: Any, stored: Any, elsewhere: set[str]) -> None:
        assert {each.name for each in fields(domain)} - elsewhere == set(stored.model_fields)

    def test_the_last_sight_of_an_unmapped_method_is_kept(
        self, stored_in_dynamodb: DynamoStoreSettings, dynamodb: DynamoDBClient
    ) -> None:
        stored_in_dynamodb.note_method(NORTHWIND, Method("express"), NOW)

        key = {"pk": attribute(f"UNMAPPED#{NORTHWIND}"), "sk": attribute("METHOD#express")}
        stored = data_of(dynamodb.get_item(TableName="SettingsTable", Key=key)["Item"])

        assert (stored["seen"], stored["last_seen"]) == (1, "2026-11-29T12:00:00.000000Z")

    def test_a_store_of_many_lines_is_read_over_every_page(
        self, stored_in_dynamodb: DynamoStoreSettings, dynamodb: DynamoDBClient, request: pytest.FixtureRequest
    ) -> None:
        def small(params: dict[str, Any], **_: object) -> None:
            params["Limit"] = 2

        event = "before-parameter-build.dynamodb.Query"
        dynamodb.meta.events.register(event, small)
        request.addfinalizer(lambda: dynamodb.meta.events.unregister(event, small))
        stored_in_dynamodb.save_store(a_store())
        for n in range(7):
            stored_in_dynamodb.save_ship_option(NORTHWIND, ShipOptionMapping(Method(f"method {n}"), "Ground"))

        store = stored_in_dynamodb.store(NORTHWIND)

        assert store
        assert len(store.ship_options) == 7


def test_a_store_that_was_being_saved_when_the_write_failed_is_named_but_not_half_there(clock: Clock) -> None:
    """Names come first: the sweep passes over a name without settings."""
    dynamodb = client("dynamodb")
    with Stubber(dynamodb) as stubber:
        stubber.add_response("get_item", {})
        stubber.add_response("put_item", {})
        stubber.add_client_error("put_item", "ThrottlingException")
        stubber.add_response("get_item", {})
        unsaved = DynamoStoreSettings(dynamodb, "SettingsTable", clock=clock)

        with pytest.raises(TransientError):
            unsaved.save_store(a_store())

        assert unsaved.store(NORTHWIND) is None
