"""What Shopify may sell, and that nothing else is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from jetbridge.domain.stock import JetpackStock, ShopifyStock, available
from jetbridge.errors import OutcomeUnknownError
from jetbridge.use_cases.push_inventory import ITEMS_A_CALL, push_inventory
from tests.bridge import Bridge
from tests.builders import LOCATION, STORE, a_line, a_store, an_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetbridge.domain.stock import StockChange
    from jetbridge.use_cases.push_inventory import Pushed

COUNTS = st.integers(0, 50)


def on_shelf(bridge: Bridge, sku: str = "TEA-250", *, sellable: int, available: int, committed: int = 0) -> None:
    """Jetpack has `sellable`, Shopify shows `available` with `committed` units sold but not fulfilled."""
    bridge.the_warehouse.levels[sku] = JetpackStock(sku, sellable, sellable, 0)
    item = ShopifyStock(f"gid://shopify/InventoryItem/{sku}", sku, available, committed)
    bridge.the_shop.levels.setdefault(LOCATION, {})[item.item_id] = item


def push(bridge: Bridge) -> Pushed:
    return push_inventory(STORE, records=bridge.records, settings=bridge.settings, partners=bridge, clock=bridge.now)


def shown(bridge: Bridge, sku: str = "TEA-250") -> int:
    return bridge.the_shop.levels[LOCATION][f"gid://shopify/InventoryItem/{sku}"].available


def a_bridge(**settings: object) -> Bridge:
    bridge = Bridge(a_store(**settings))
    bridge.the_warehouse.levels.clear()
    return bridge


@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, st.integers(0, 5))
def test_never_below_zero_never_more_than_jetpack_can_ship_beyond_what_is_sold(  # noqa: PLR0913, PLR0917 - figures
    sellable: int, exception: int, committed: int, known: int, reserved: int, buffer: int
) -> None:
    level = JetpackStock("TEA-250", sellable, sellable, exception)
    item = ShopifyStock("1", "TEA-250", 0, committed, reserved=reserved)
    result = available(level, item, known_at_jetpack=known, buffer=buffer)
    assert 0 <= result <= max(0, sellable - exception)
    unknown_to_jetpack = committed - min(known, committed)
    assert result == 0 or result + unknown_to_jetpack + reserved + buffer <= sellable - exception


def test_units_sold_but_not_yet_at_jetpack_come_off() -> None:
    """Pushing the plain sellable figure would sell them twice."""
    bridge = a_bridge(buffer=1)
    on_shelf(bridge, sellable=10, available=9, committed=3)
    assert push(bridge).written == 1
    assert shown(bridge) == 10 - 3 - 1


def test_units_jetpack_took_off_itself_are_not_taken_off_twice() -> None:
    bridge = a_bridge()
    bridge.put(an_order(a_line(quantity=3)))
    bridge.forward()
    on_shelf(bridge, sellable=7, available=0, committed=3)
    push(bridge)
    assert shown(bridge) == 4, "Jetpack's level may not know of the order yet: rather too little"
    bridge.pass_time(timedelta(minutes=6))
    push(bridge)
    assert shown(bridge) == 7


def test_shipped_and_announced_units_are_no_longer_counted() -> None:
    bridge = a_bridge()
    bridge.put(an_order(a_line(quantity=3)))
    bridge.forward()
    bridge.pass_time(timedelta(minutes=6))
    bridge.the_warehouse.ship("70000001", "1Z1")
    bridge.track()
    on_shelf(bridge, sellable=7, available=0, committed=2)
    push(bridge)
    assert shown(bridge) == 5


def test_only_what_differs_is_written_and_every_write_is_compared() -> None:
    bridge = a_bridge()
    on_shelf(bridge, "TEA-250", sellable=5, available=5)
    on_shelf(bridge, "JAM-1", sellable=4, available=9)
    result = push(bridge)
    assert (result.read, result.changed, result.written) == (2, 1, 1)
    assert push(bridge).changed == 0
    assert bridge.the_shop.calls["set_available"] == 1


def test_a_sale_between_read_and_write_is_not_overwritten() -> None:
    bridge = a_bridge()
    on_shelf(bridge, sellable=5, available=9)
    original = bridge.the_shop.set_available

    def sold_meanwhile(location_id: str, changes: Sequence[StockChange], *, idempotency_key: str) -> dict[str, str]:
        item = bridge.the_shop.levels[LOCATION]["gid://shopify/InventoryItem/TEA-250"]
        sold = replace(item, available=item.available - 2, committed=2)
        bridge.the_shop.levels[LOCATION][item.item_id] = sold
        bridge.the_shop.set_available = original  # type: ignore[method-assign]
        return original(location_id, changes, idempotency_key=idempotency_key)

    bridge.the_shop.set_available = sold_meanwhile  # type: ignore[method-assign]
    result = push(bridge)
    assert (result.written, dict(result.refused)) == (0, {"CHANGE_FROM_QUANTITY_STALE": 1})
    assert shown(bridge) == 7
    push(bridge)
    assert shown(bridge) == 3


def test_one_refused_item_does_not_hold_up_the_rest() -> None:
    bridge = a_bridge()
    for number in range(5):
        on_shelf(bridge, f"SKU-{number}", sellable=5, available=1)
    original = bridge.the_shop.set_available

    def refuse_one(location_id: str, changes: Sequence[StockChange], *, idempotency_key: str) -> dict[str, str]:
        refused = {change.item_id: "INVALID_INVENTORY_ITEM" for change in changes if change.sku == "SKU-2"}
        return refused or original(location_id, changes, idempotency_key=idempotency_key)

    bridge.the_shop.set_available = refuse_one  # type: ignore[method-assign]
    result = push(bridge)
    assert (result.written, dict(result.refused)) == (4, {"INVALID_INVENTORY_ITEM": 1})
    assert [shown(bridge, f"SKU-{number}") for number in range(5)] == [5, 5, 1, 5, 5]


def test_lists_hold_at_most_250_items_and_the_scarcest_goes_first() -> None:
    bridge = a_bridge()
    for number in range(ITEMS_A_CALL + 1):
        on_shelf(bridge, f"SKU-{number}", sellable=number, available=1000)
    sent: list[Sequence[StockChange]] = []
    original = bridge.the_shop.set_available

    def recorded(location_id: str, changes: Sequence[StockChange], *, idempotency_key: str) -> dict[str, str]:
        sent.append(changes)
        return original(location_id, changes, idempotency_key=idempotency_key)

    bridge.the_shop.set_available = recorded  # type: ignore[method-assign]
    push(bridge)
    assert [len(changes) for changes in sent] == [ITEMS_A_CALL, 1]
    assert sent[0][0].sku == "SKU-0"


def test_after_an_unknown_outcome_the_same_key_is_used_again() -> None:
    bridge = a_bridge()
    on_shelf(bridge, sellable=5, available=9)
    bridge.the_shop.fail("set_available", OutcomeUnknownError(), after=True)
    assert push(bridge).written == 1
    assert shown(bridge) == 5


def test_an_empty_answer_closes_no_shop_and_ambiguous_skus_are_left_alone() -> None:
    bridge = a_bridge()
    item = ShopifyStock("gid://shopify/InventoryItem/1", "TEA-250", 9, 0)
    bridge.the_shop.levels[LOCATION] = {"1": item, "2": replace(item, item_id="gid://shopify/InventoryItem/2")}
    assert push(bridge).outcome == "no_levels"
    bridge.the_warehouse.levels["TEA-250"] = JetpackStock("TEA-250", 5, 5, 0)
    assert dict(push(bridge).skipped) == {"sku_on_several_items": 2}
    bridge.the_warehouse.levels = {"JAM-1": JetpackStock("JAM-1", 5, 5, 0)}
    bridge.the_shop.levels[LOCATION] = {"1": item}
    assert dict(push(bridge).skipped) == {"unknown_at_jetpack": 1}
    assert push(a_bridge(stock_location="")).outcome == "no_stock_location"
