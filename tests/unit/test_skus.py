"""The SKU map: what is refused, how its lines stand at Jetpack, and that saving one releases what waited for it."""

from __future__ import annotations

import pytest

from jetbridge.domain.identifiers import StoreSlug
from jetbridge.domain.record import Status
from jetbridge.domain.skus import SkuMapping
from jetbridge.errors import InvalidRequestError, NotFoundError, PartnerUnavailableError
from jetbridge.use_cases.skus import MOST_COMPONENTS, MOST_UNITS, SkuState, delete_sku, list_skus, save_sku
from tests.builders import MINUTE, STORE, a_line, a_store, an_order
from tests.keeper import KEEPER, Keeper


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


def test_saving_a_mapping_forwards_the_order_that_waited_for_it_as_jetpack_packs_it(keeper: Keeper) -> None:
    keeper.put(an_order(a_line("GIFT-BOX", 2)))
    keeper.forward()
    assert keeper.hold().reason == "unknown_sku"
    keeper.map_sku("GIFT-BOX", ("TEA-250", 2), ("JAM-1", 1))
    keeper.release()
    keeper.drain()
    assert keeper.record().status is Status.FORWARDED
    assert keeper.units_at_jetpack() == {"TEA-250": 4, "JAM-1": 2}


def test_an_order_that_waits_for_something_else_is_not_woken(keeper: Keeper) -> None:
    keeper.put(an_order(shipping_method="Drone"))
    keeper.forward()
    keeper.map_sku("GIFT-BOX", ("TEA-250", 2))
    assert keeper.release() == 0


def test_a_line_is_recorded_once_and_its_message_sent_each_time(keeper: Keeper) -> None:
    for _ in range(2):
        keeper.map_sku("GIFT-BOX", ("TEA-250", 2), ("JAM-1", 1))
    assert keeper.changes == [(KEEPER, "sku_saved", "GIFT-BOX → 2 of TEA-250 + 1 of JAM-1")]
    assert [each.id for each in keeper.sweep_queue.sent].count("held:unknown_sku") == 2


@pytest.mark.parametrize(
    ("sku", "components", "said"),
    [
        ("", [("TEA-250", 1)], "a SKU is mapped to"),
        ("GIFT-BOX", [], "a SKU is mapped to"),
        ("GIFT-BOX", [("TEA-250", 0)], "a SKU is mapped to"),
        ("GIFT-BOX", [("TEA-250", 1), ("TEA-250", 2)], "a SKU is mapped to"),
        ("GIFT-BOX", [(" ", 1)], "a SKU is mapped to"),
        ("GIFT-BOX", [("TEA-250", 1), ("TAE-250", 1)], "Jetpack does not know TAE-250"),
        ("GIFT-BOX", [("TEA-250", MOST_UNITS + 1)], "at most"),
        ("GIFT-BOX", [(f"TEA-{n}", 1) for n in range(MOST_COMPONENTS + 1)], "at most"),
        ("X" * 901, [("TEA-250", 1)], "bytes long"),
    ],
)
def test_a_line_that_can_never_work_is_refused_and_nothing_is_saved(
    keeper: Keeper, sku: str, components: list[tuple[str, int]], said: str
) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        keeper.map_sku(sku, *components)
    assert keeper.settled_store.version == a_store().version
    assert (keeper.changes, keeper.sweep_queue.sent) == ([], [])


def test_nothing_is_saved_while_jetpack_cannot_be_asked(keeper: Keeper) -> None:
    keeper.the_warehouse.fail("catalogue", PartnerUnavailableError(partner="jetpack"))
    with pytest.raises(PartnerUnavailableError):
        keeper.map_sku("GIFT-BOX", ("TEA-250", 2))
    assert not keeper.settled_store.sku_map


def test_every_line_is_listed_with_how_it_stands_at_jetpack(keeper: Keeper) -> None:
    keeper.map_sku("GIFT-BOX", ("TEA-250", 2), ("JAM-1", 1))
    keeper.the_warehouse.skus["JAM-1"] = False
    del keeper.the_warehouse.skus["TEA-250"]
    [line] = list_skus(STORE, settings=keeper.settings, partners=keeper).mappings
    assert line.components == (("TEA-250", 2), ("JAM-1", 1))
    assert line.states == (SkuState.UNKNOWN, SkuState.INACTIVE)
    keeper.the_warehouse.fail("catalogue", PartnerUnavailableError(partner="jetpack"))
    found = list_skus(STORE, settings=keeper.settings, partners=keeper)
    assert found.trouble
    assert found.mappings[0].states == (SkuState.NOT_ASKED, SkuState.NOT_ASKED)


def test_an_empty_map_asks_nobody(keeper: Keeper) -> None:
    assert list_skus(STORE, settings=keeper.settings, partners=keeper).mappings == ()
    assert not keeper.the_warehouse.calls


def test_a_deleted_line_is_gone_recorded_once_and_wakes_what_it_held(keeper: Keeper) -> None:
    keeper.settings.save_sku(STORE, SkuMapping("TEA-250", (("TAE-250", 1),)))
    keeper.put(an_order())
    keeper.forward()
    assert keeper.hold().reason == "unknown_sku"
    for _ in range(2):
        delete_sku(STORE, "TEA-250", **keeper.changing)
    keeper.pass_time(MINUTE)
    keeper.release()
    keeper.drain()
    assert keeper.record().status is Status.FORWARDED
    assert keeper.changes == [(KEEPER, "sku_deleted", "TEA-250")]


def test_a_store_that_is_not_connected_is_not_found(keeper: Keeper) -> None:
    nowhere = StoreSlug("nowhere")
    with pytest.raises(NotFoundError):
        list_skus(nowhere, settings=keeper.settings, partners=keeper)
    with pytest.raises(NotFoundError):
        save_sku(nowhere, "GIFT-BOX", [("TEA-250", 1)], partners=keeper, **keeper.changing)
    with pytest.raises(NotFoundError):
        delete_sku(nowhere, "GIFT-BOX", **keeper.changing)
