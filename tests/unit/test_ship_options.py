"""The ship option mapping: what is listed, what is refused, and that saving a line releases what waited for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from jetbridge.domain.identifiers import OrderId, StoreSlug
from jetbridge.domain.record import Status
from jetbridge.domain.rules import Forward, Rule, RuleSet, SetShipOption
from jetbridge.domain.ship_options import ShipOptionMapping, normalized
from jetbridge.errors import CredentialsRejectedError, InvalidRequestError, NotFoundError, PartnerUnavailableError
from jetbridge.use_cases.ship_options import (
    LONGEST,
    OptionState,
    ShipOptions,
    delete_ship_option,
    discover_methods,
    list_ship_options,
    save_ship_option,
)
from tests.builders import MINUTE, STORE, a_fulfillment_order, a_line, a_store, an_order, on_shipstation
from tests.keeper import KEEPER, Keeper

if TYPE_CHECKING:
    from datetime import datetime

    from jetbridge.domain.ship_options import Method


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


def listed(keeper: Keeper) -> ShipOptions:
    return list_ship_options(STORE, settings=keeper.settings, **keeper.administering)


def delete(keeper: Keeper, method: str) -> None:
    delete_ship_option(STORE, method, **keeper.changing)


def wanting(keeper: Keeper, *methods: str) -> dict[str, OrderId]:
    """Let an order come for each method; gives them by it."""
    orders = {method: OrderId(str(100 + n)) for n, method in enumerate(methods)}
    for n, (method, order_id) in enumerate(orders.items()):
        parts = (a_fulfillment_order((a_line(),), n=100 + n),)
        keeper.put(an_order(id=order_id, name=f"#{2000 + n}", shipping_method=method, fulfillment_orders=parts))
        keeper.forward(keeper.wake(order_id))
    return orders


def status_of(keeper: Keeper, order_id: OrderId) -> Status:
    found = keeper.records.read(STORE, order_id)
    assert found
    return found.status


# -- saving -----------------------------------------------------------------------------------------------------------


def test_saving_a_mapping_forwards_exactly_the_orders_that_waited_for_it(keeper: Keeper) -> None:
    orders = wanting(keeper, "Drone", "Balloon")
    keeper.map("  DRONE ", "Expedited")
    assert keeper.release() == 1
    keeper.drain()
    assert status_of(keeper, orders["Drone"]) is Status.FORWARDED
    assert status_of(keeper, orders["Balloon"]) is Status.HELD


def test_saving_a_pattern_releases_every_method_it_stands_for(keeper: Keeper) -> None:
    orders = wanting(keeper, "Drone to the door", "Drone to the roof", "Balloon")
    keeper.map("drone*", "Expedited")
    assert keeper.release() == 2
    keeper.drain()
    assert [status_of(keeper, each) for each in orders.values()] == [Status.FORWARDED, Status.FORWARDED, Status.HELD]


def test_a_pattern_for_everything_takes_orders_without_a_method(keeper: Keeper) -> None:
    orders = wanting(keeper, "")
    keeper.map("*", "Standard")
    assert keeper.release() == 1
    keeper.drain()
    assert status_of(keeper, orders[""]) is Status.FORWARDED


def test_a_pattern_does_not_release_a_method_that_has_its_own_line(keeper: Keeper) -> None:
    keeper.map("Drone", "Expedited", active=False)
    wanting(keeper, "Drone")
    keeper.map("dro*", "Expedited")
    assert keeper.release() == 0


def test_activating_a_mapping_releases_what_its_being_off_held(keeper: Keeper) -> None:
    keeper.map("Drone", "Expedited", active=False)
    orders = wanting(keeper, "Drone")
    found = keeper.records.read(STORE, orders["Drone"])
    assert found
    assert found.hold
    assert (found.hold.reason, found.hold.detail) == ("inactive_ship_option", "drone")
    assert not keeper.sweep_queue.sent
    keeper.map("Drone", "Expedited")
    assert keeper.release() == 1
    keeper.drain()
    assert status_of(keeper, orders["Drone"]) is Status.FORWARDED


def test_a_line_is_saved_normalized_and_recorded_once(keeper: Keeper) -> None:
    for _ in range(2):
        assert keeper.map("  Drone   Delivery ", " Expedited ") == ShipOptionMapping(
            normalized("drone delivery"), "Expedited"
        )
    keeper.pass_time(MINUTE)
    keeper.map("Drone Delivery", "Expedited", active=False)
    assert keeper.changes == [
        (KEEPER, "ship_option_saved", "drone delivery → Expedited"),
        (KEEPER, "ship_option_saved", "drone delivery → Expedited, switched off"),
    ]


def test_saving_again_sends_the_message_again_because_it_may_have_been_lost(keeper: Keeper) -> None:
    keeper.map("Drone", "Expedited")
    first = [each.id for each in keeper.sweep_queue.sent]
    keeper.map("Drone", "Expedited")
    assert [each.id for each in keeper.sweep_queue.sent] == [*first, *first]
    assert len({each.cause for each in keeper.sweep_queue.sent}) == 2


@pytest.mark.parametrize(
    ("method", "option", "said"),
    [
        ("", "Standard", "needs a shipping method"),
        (" ", "Standard", "needs a shipping method"),
        ("Drone", " ", "needs a shipping method and a ship option"),
        ("é" * (LONGEST // 2 + 1), "Standard", "bytes long"),
        ("Drone", "Teleport", "does not know the ship option 'Teleport'; it offers: Expedited, Standard"),
        ("Drone", "Drone", "has switched off the ship option 'Drone'"),
        ("Drone", "expedited", "does not know"),
    ],
)
def test_a_line_that_can_never_work_is_refused_and_nothing_is_saved(
    keeper: Keeper, method: str, option: str, said: str
) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        keeper.map(method, option)
    assert keeper.settled_store.version == a_store().version
    assert not keeper.changes
    assert not keeper.sweep_queue.sent


def test_two_patterns_for_one_method_are_refused_by_both_names(keeper: Keeper) -> None:
    keeper.map("exp*", "Expedited")
    with pytest.raises(InvalidRequestError, match=r"'\*press' and 'exp\*'|'exp\*' and '\*press'"):
        keeper.map("*press", "Standard")
    keeper.map("exp*", "Standard")
    keeper.map("express two", "Standard")
    assert set(keeper.settled_store.ship_options) >= {"exp*", "express two"}


def test_a_line_that_is_switched_off_needs_no_word_of_jetpack(keeper: Keeper) -> None:
    keeper.administrations.warehouse_admin.fail("ship_options", PartnerUnavailableError(partner="jetpack"))
    keeper.map("Drone", "Teleport", active=False)
    assert not keeper.settled_store.ship_options[normalized("drone")].active


def test_nothing_is_saved_while_jetpack_cannot_be_asked(keeper: Keeper) -> None:
    keeper.administrations.warehouse_admin.fail("ship_options", PartnerUnavailableError(partner="jetpack"))
    with pytest.raises(PartnerUnavailableError):
        keeper.map("Drone", "Expedited")
    keeper.secrets.delete(STORE, "jetpack")
    with pytest.raises(CredentialsRejectedError):
        keeper.map("Drone", "Expedited")
    assert "drone" not in keeper.settled_store.ship_options


def test_a_store_that_is_not_connected_is_not_found(keeper: Keeper) -> None:
    nowhere = StoreSlug("nowhere")
    with pytest.raises(NotFoundError):
        save_ship_option(nowhere, "Drone", "Expedited", **keeper.changing, **keeper.administering)
    with pytest.raises(NotFoundError):
        delete_ship_option(nowhere, "Drone", **keeper.changing)
    with pytest.raises(NotFoundError):
        list_ship_options(nowhere, settings=keeper.settings, **keeper.administering)


# -- deleting ---------------------------------------------------------------------------------------------------------


def test_a_deleted_line_is_gone_and_recorded_once(keeper: Keeper) -> None:
    delete(keeper, " EXPRESS ")
    delete(keeper, "Express")
    assert "express" not in keeper.settled_store.ship_options
    assert keeper.changes == [(KEEPER, "ship_option_deleted", "express → Expedited")]
    assert not keeper.sweep_queue.sent


def test_a_line_whose_place_a_pattern_takes_releases_what_it_held(keeper: Keeper) -> None:
    keeper.map("Drone", "Expedited", active=False)
    keeper.map("dro*", "Expedited")
    orders = wanting(keeper, "Drone")
    keeper.release()
    delete(keeper, "Drone")
    assert keeper.release() == 1
    keeper.drain()
    assert status_of(keeper, orders["Drone"]) is Status.FORWARDED


# -- listing ----------------------------------------------------------------------------------------------------------


def test_every_line_is_listed_as_it_stands(keeper: Keeper) -> None:
    for method, option in (("a", "Drone"), ("b", "Teleport"), ("c*", "Standard")):
        keeper.settings.save_ship_option(STORE, ShipOptionMapping(normalized(method), option))
    keeper.settings.save_ship_option(STORE, ShipOptionMapping(normalized("d"), "Teleport", active=False))
    found = {each.method: (each.state, each.is_pattern) for each in listed(keeper).mappings}
    assert found == {
        "a": (OptionState.INACTIVE_AT_JETPACK, False),
        "b": (OptionState.GONE, False),
        "c*": (OptionState.ACTIVE, True),
        "d": (OptionState.INACTIVE, False),
        "express": (OptionState.ACTIVE, False),
        "standard": (OptionState.ACTIVE, False),
    }


def test_an_option_that_only_a_rule_sets_is_listed_too() -> None:
    rules = (
        Rule("to the moon", (Forward(), SetShipOption("Teleport"))),
        Rule("never", (SetShipOption("Elsewhere"),), active=False),
        Rule("at once", (SetShipOption("Expedited"),)),
    )
    found = listed(Keeper(a_store(rules=RuleSet(2, rules)))).rules
    assert [(each.rule, each.ship_option, each.state) for each in found] == [
        ("at once", "Expedited", OptionState.ACTIVE),
        ("to the moon", "Teleport", OptionState.GONE),
    ]


def test_a_jetpack_that_cannot_be_asked_is_said_and_nothing_called_gone(keeper: Keeper) -> None:
    keeper.administrations.warehouse_admin.fail("ship_options", PartnerUnavailableError(partner="jetpack"))
    found = listed(keeper)
    assert found.trouble
    assert {each.state for each in found.mappings} == {OptionState.ACTIVE}


def test_every_method_ever_wanted_is_listed_with_its_count_the_most_wanted_first(keeper: Keeper) -> None:
    wanting(keeper, "Balloon", "Drone", "drone ")
    found = [(each.method, each.orders) for each in listed(keeper).unmapped]
    assert found == [("drone", 2), ("balloon", 1)]


def test_what_partners_offer_is_listed_before_an_order_needs_it() -> None:
    keeper = Keeper(on_shipstation())
    discovered = discover_methods(STORE, settings=keeper.settings, clock=keeper.now, **keeper.administering)
    assert not discovered.troubles
    found = {each.method: each.orders for each in listed(keeper).unmapped}
    assert found == {"usps priority mail": 0, "ups® ground": 0, "fedex 2day®": 0}


def test_a_partner_that_cannot_be_asked_keeps_nobody_elses_methods_back() -> None:
    keeper = Keeper(on_shipstation())
    keeper.administrations.shop_admin.methods = ("Pigeon",)
    keeper.administrations.desk_admin.fail("services", PartnerUnavailableError(partner="shipstation"))
    discovered = discover_methods(STORE, settings=keeper.settings, clock=keeper.now, **keeper.administering)
    assert discovered.methods == ("pigeon",)
    assert len(discovered.troubles) == 1
    assert discovered.troubles[0].startswith("ShipStation: ")


def test_shipstation_is_not_asked_where_no_order_goes_by_it() -> None:
    keeper = Keeper(replace(on_shipstation(), routes=a_store().routes))
    discover_methods(STORE, settings=keeper.settings, clock=keeper.now, **keeper.administering)
    assert not keeper.administrations.desk_admin.calls["services"]


def test_what_is_listed_already_is_not_written_again(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper.administrations.shop_admin.methods = ("Pigeon", "Standard")
    written: list[list[str]] = []
    keep = keeper.settings.list_methods

    def listing(slug: StoreSlug, methods: list[Method], at: datetime) -> None:
        written.append(list(methods))
        keep(slug, methods, at)

    monkeypatch.setattr(keeper.settings, "list_methods", listing)
    for _ in range(2):
        discover_methods(STORE, settings=keeper.settings, clock=keeper.now, **keeper.administering)
    assert written == [["pigeon"], []]
