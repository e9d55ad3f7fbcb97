"""Changing settings: what is refused, that nobody writes over another, and that what waited is woken."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from jetbridge.domain.identifiers import StoreSlug
from jetbridge.domain.record import Status
from jetbridge.domain.ship_options import ShipOptionLimits
from jetbridge.domain.store import OutOfStock, Store
from jetbridge.errors import ConflictError, InvalidRequestError, NotFoundError, PartnerUnavailableError
from jetbridge.use_cases.change_store import WAKES, StoreChanges, change_store
from tests.builders import ADDRESS, FOREIGN_LOCATION, LOCATION, STORE, a_store, an_order
from tests.keeper import KEEPER, Keeper


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


def change(keeper: Keeper, *, version: int | None = None, **changes: Any) -> Store:  # noqa: ANN401 - any setting
    now = keeper.settled_store.version if version is None else version
    return change_store(STORE, StoreChanges(**changes), version=now, **keeper.changing, **keeper.administering)


@pytest.mark.parametrize(
    "changes",
    [
        {"buffer": 5},
        {"grace_minutes": 30},
        {"forward_financial_states": frozenset({"PAID", "AUTHORIZED"})},
        {"forward_gateways": frozenset({"Cash on Delivery (COD)"})},
        {"accepted_risks": frozenset({"NONE", "ACCEPT", "INVESTIGATE"})},
        {"forward_test_orders": True},
        {"mirror_holds": False},
        {"mark_forwarded": True},
        {"out_of_stock": OutOfStock.SPLIT},
        {"option_limits": (ShipOptionLimits("Expedited", po_boxes=False, needs_phone=True),)},
        {"ships_from": frozenset({"US", "CA"})},
        {"stock_location": ""},
        {"time_zone": "Europe/Berlin"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_setting_can_be_changed_and_is_recorded(keeper: Keeper, changes: dict[str, Any]) -> None:
    [(name, value)] = changes.items()
    before = keeper.settled_store
    after = change(keeper, **changes)
    assert after == replace(before, version=before.version + 1, **changes)
    [(by, what, detail)] = keeper.changes
    assert (by, what, detail.startswith(f"{name}: ")) == (KEEPER, "settings_changed", True)
    assert getattr(keeper.settled_store, name) == value


def test_every_change_there_can_be_is_one_of_the_stores_own_settings() -> None:
    names = {each.name for each in fields(StoreChanges)}
    assert names <= {each.name for each in fields(Store)}
    assert WAKES.keys() <= names


def test_what_is_left_out_or_the_same_changes_nothing(keeper: Keeper) -> None:
    assert change(keeper) == change(keeper, buffer=0, time_zone="UTC") == keeper.settled_store
    assert (keeper.settled_store.version, keeper.changes, keeper.sweep_queue.sent) == (1, [], [])


def test_a_list_may_be_emptied(keeper: Keeper) -> None:
    change(keeper, ships_from=frozenset({"US"}))
    change(keeper, ships_from=frozenset())
    assert keeper.settled_store.ships_from == frozenset()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"buffer": -1}, "buffer: not below zero"),
        ({"grace_minutes": -1}, "grace_minutes: from 0"),
        ({"grace_minutes": 10_081}, "grace_minutes: from 0 to 10080"),
        ({"forward_financial_states": frozenset({"paid"})}, "forward_financial_states: among AUTHORIZED"),
        ({"forward_gateways": frozenset({" "})}, "forward_gateways: "),
        ({"accepted_risks": frozenset({"HIGH"})}, "accepted_risks: among ACCEPT"),
        ({"ships_from": frozenset({"USA"})}, "ships_from: ISO codes"),
        ({"option_limits": (ShipOptionLimits(" "),)}, "option_limits: "),
        ({"option_limits": (ShipOptionLimits("A"), ShipOptionLimits("A", po_boxes=False))}, "option_limits: "),
        ({"time_zone": "Mars/Olympus"}, "time_zone: not the IANA name"),
        ({"time_zone": ""}, "time_zone: "),
        ({"time_zone": "../../etc/passwd"}, "time_zone: "),
        ({"stock_location": "gid://shopify/Location/999"}, "stock_location: the shop has no such active location"),
    ],
)
def test_what_can_never_be_right_is_refused_and_nothing_is_changed(
    keeper: Keeper, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        change(keeper, mirror_holds=False, **changes)
    assert (keeper.settled_store, keeper.changes) == (a_store(), [])


def test_everything_that_is_wrong_is_named_at_once(keeper: Keeper) -> None:
    with pytest.raises(InvalidRequestError, match=r"^buffer: .*; grace_minutes: .*; time_zone: "):
        change(keeper, buffer=-1, grace_minutes=-1, time_zone="nowhere")


def test_a_location_of_the_shop_is_taken_and_asked_for_only_when_it_changes(keeper: Keeper) -> None:
    change(keeper, stock_location="")
    assert not keeper.administrations.shop_admin.calls["facts"]
    change(keeper, stock_location=LOCATION)
    assert keeper.settled_store.stock_location == LOCATION
    keeper.administrations.shop_admin.fail("facts", PartnerUnavailableError(partner="shopify"))
    with pytest.raises(PartnerUnavailableError):
        change(keeper, stock_location=FOREIGN_LOCATION)


def test_who_decided_by_older_settings_is_told_so_and_changes_nothing(keeper: Keeper) -> None:
    change(keeper, buffer=5)
    with pytest.raises(ConflictError):
        change(keeper, version=1, buffer=9)
    assert keeper.settled_store.buffer == 5
    assert len(keeper.changes) == 1


def test_a_store_that_is_not_connected_is_not_found(keeper: Keeper) -> None:
    with pytest.raises(NotFoundError):
        change_store(StoreSlug("nowhere"), StoreChanges(buffer=1), version=0, **keeper.changing, **keeper.administering)


@pytest.mark.parametrize(
    ("order", "reason", "changes"),
    [
        ({"risk": "INVESTIGATE"}, "fraud_risk", {"accepted_risks": frozenset({"NONE", "INVESTIGATE"})}),
        (
            {"financial_status": "PENDING", "gateways": ("COD",)},
            "unpaid",
            {"forward_gateways": frozenset({"COD"})},
        ),
        (
            {"financial_status": "EXPIRED"},
            "unpaid",
            {"forward_financial_states": frozenset({"PAID", "EXPIRED"})},
        ),
    ],
)
def test_a_change_forwards_what_was_held_for_want_of_it(
    keeper: Keeper, order: dict[str, Any], reason: str, changes: dict[str, Any]
) -> None:
    keeper.put(an_order(**order))
    keeper.forward()
    record = keeper.record()
    assert (record.hold.reason if record.hold else record.reason) == reason
    change(keeper, **changes)
    assert keeper.release() == 1
    keeper.drain()
    assert keeper.record().status is Status.FORWARDED


def test_shorter_grace_forwards_what_waited_for_the_longer() -> None:
    keeper = Keeper(a_store(grace_minutes=60))
    keeper.put(an_order())
    keeper.forward()
    assert keeper.record().reason == "grace"
    change(keeper, grace_minutes=0)
    assert keeper.release() == 1
    keeper.drain()
    assert keeper.record().status is Status.FORWARDED


def test_a_ship_option_that_serves_boxes_after_all_forwards_what_was_held() -> None:
    keeper = Keeper(a_store(option_limits=(ShipOptionLimits("Standard", po_boxes=False),)))
    keeper.put(an_order(shipping_address=replace(ADDRESS, address1="PO Box 12")))
    keeper.forward()
    assert keeper.hold().reason == "invalid_address"
    change(keeper, option_limits=())
    keeper.release()
    keeper.drain()
    assert keeper.record().status is Status.FORWARDED


def test_a_change_that_lifts_nothing_wakes_nobody(keeper: Keeper) -> None:
    change(keeper, buffer=3, mirror_holds=False)
    assert not keeper.sweep_queue.sent
