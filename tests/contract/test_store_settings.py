"""What every StoreSettings promises: the fake and DynamoDB (moto) alike."""
# ruff: noqa: ANN401 - builders and stand-in clients take whatever they are given

from __future__ import annotations

import itertools
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber
from hypothesis import HealthCheck, given, settings

from jetbridge.aws.items import attribute, data_of, item
from jetbridge.aws.settings_table import (
    DynamoStoreSettings,
    StoredJetpack,
    StoredRule,
    StoredRules,
    StoredSettings,
    StoredShipOption,
    StoredShipStation,
    StoredShopify,
)
from jetbridge.domain.identifiers import StoreSlug
from jetbridge.domain.rules import DEFAULT_RULES, Outcome, Rule, RuleSet
from jetbridge.domain.ship_options import Method, ShipOptionMapping, normalized
from jetbridge.domain.store import JetpackConnection, ShipStationConnection, ShopifyConnection, Store
from jetbridge.errors import ConfigurationError, ConflictError, InvalidRequestError, TransientError
from tests.contract.conftest import client
from tests.fakes import InMemoryStoreSettings
from tests.strategies import stores

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from jetbridge.ports import StoreSettings
    from tests.contract.conftest import Clock

NORTHWIND = StoreSlug("northwind-supply")
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
STANDARD = ShipOptionMapping(normalized("Standard  Shipping"), "Ground")
MY_RULES = RuleSet(2, (Rule("Everything waits", Outcome.HOLD, stop=True), Rule("Forward", Outcome.FORWARD)))

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
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
    def test_what_was_saved_is_read_with_the_next_version(self, adapter: StoreSettings, store: Store) -> None:
        store = replace(store, slug=StoreSlug(f"store-{next(_numbers)}"))
        adapter.save_store(store)
        for mapping in store.ship_options.values():
            adapter.save_ship_option(store.slug, mapping)

        version = 1 + len(store.ship_options)
        assert adapter.store(store.slug) == replace(store, version=version)
        assert adapter.version(store.slug) == version

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
        read = adapter.store(NORTHWIND)
        assert read

        adapter.save_store(replace(read, buffer=1, ship_options={}))

        kept = adapter.store(NORTHWIND)
        assert kept
        assert kept.ship_options == {STANDARD.method: STANDARD}


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
        rules = [{"name": "Wait", "outcome": "hold", "stop": True}, {"name": "Go", "outcome": "forward"}]
        put(dynamodb, pk=f"RULES#{NORTHWIND}", sk="VERSION#000002", version=2, rules=rules)

        express = ShipOptionMapping(Method("express"), "2 Day", active=False)
        assert stored_in_dynamodb.store(NORTHWIND) == a_store(
            version=5,
            buffer=3,
            locations=frozenset({"gid://shopify/Location/1"}),
            rules=RuleSet(2, (Rule("Wait", Outcome.HOLD, stop=True), Rule("Go", Outcome.FORWARD))),
            ship_options={express.method: express},
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

    def test_a_rule_with_an_outcome_nobody_knows_is_refused(
        self, stored_in_dynamodb: DynamoStoreSettings, dynamodb: DynamoDBClient
    ) -> None:
        put(dynamodb, version=1, settings=GOOD, active_rules=2)
        rules = [{"name": "Go", "outcome": "teleport"}]
        put(dynamodb, pk=f"RULES#{NORTHWIND}", sk="VERSION#000002", version=2, rules=rules)

        with pytest.raises(ConfigurationError, match=r"rules\.0\.outcome: enum"):
            stored_in_dynamodb.store(NORTHWIND)

    @pytest.mark.parametrize(
        ("domain", "stored", "elsewhere"),
        [
            (Store, StoredSettings, {"slug", "version", "rules", "ship_options"}),
            (ShopifyConnection, StoredShopify, set()),
            (JetpackConnection, StoredJetpack, set()),
            (ShipStationConnection, StoredShipStation, set()),
            (ShipOptionMapping, StoredShipOption, set()),
            (RuleSet, StoredRules, set()),
            (Rule, StoredRule, set()),
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
        stubber.add_response("query", {"Items": []})
        unsaved = DynamoStoreSettings(dynamodb, "SettingsTable", clock=clock)

        with pytest.raises(TransientError):
            unsaved.save_store(a_store())

        assert unsaved.store(NORTHWIND) is None
