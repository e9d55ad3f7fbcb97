"""Somebody else's ShipStation client drives the simulator, so that a misreading of ours cannot hide on both sides.

AsyncShipStation knows orders, stores and webhooks of V1. Its `subscribe` sends V2's key to V1, so its connection is
used directly there; it has nothing for tags, holds, markasshipped, fulfillments and shipments, which go the same way.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from local.simulators.shipstation import ShipStationSimulator

others = pytest.importorskip("AsyncShipStation", reason="somebody else's client is not installed")
common = pytest.importorskip("AsyncShipStation.common")
base = pytest.importorskip("AsyncShipStation.common.base")
portals = pytest.importorskip("AsyncShipStation.v1webhooks")
shops = pytest.importorskip("AsyncShipStation.stores")

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

type Json = dict[str, Any]

ADDRESS = {"name": "Ada Example", "street1": "12 Sample Street", "city": "Springfield", "country": "US"}


@pytest.fixture
def shipstation(monkeypatch: pytest.MonkeyPatch) -> Iterator[ShipStationSimulator]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ShipStationSimulator(rate_limit=None) as simulator:
        yield simulator


def driven(
    simulator: ShipStationSimulator, drive: Callable[[Any], Awaitable[Any]], *, secret: str | None = None
) -> Any:  # noqa: ANN401 - whatever the client gives
    """Run a coroutine with a started connection of that client, closed afterwards."""

    async def run() -> object:
        config = base.ConnectionConfig(version="v1", v1_endpoint=simulator.url)
        connection = others.ShipStationConnection(
            v1_key=simulator.api_key, v1_secret=secret or simulator.api_secret, config=config
        )
        await connection.start("v1")
        try:
            return await drive(connection)
        finally:
            await connection.close("v1", force=True)

    return asyncio.run(run())


def calling(simulator: ShipStationSimulator, method: str, path: str, **more: Any) -> Any:  # noqa: ANN401 - JSON
    """Make a call the client has no method for, with its headers and its way of writing JSON and queries."""

    async def call(connection: Any) -> Any:  # noqa: ANN401 - the client's
        return await connection.request(method, f"{simulator.url}{path}", "v1", **more)

    answer = driven(simulator, call)
    assert answer.status_code == 200, answer.text
    return answer.json() if answer.content else None


def test_it_lists_orders_by_its_filters_and_pages(shipstation: ShipStationSimulator) -> None:
    for number in ("100", "1001", "200"):
        shipstation.create_order(number)

    async def list_orders(connection: Any) -> list[Any]:  # noqa: ANN401 - the client's
        orders = others.OrderPortal
        return [
            await orders.where(connection, orderNumber="100"),
            await orders.where(connection, page=2, pageSize=2, sortBy="CreateDate", sortDir="ASC"),
            await orders.where(connection, modifyDateStart="2020-01-01 00:00:00", orderStatus="awaiting_shipment"),
            await orders.where(connection, storeId=shipstation.store_id, orderDateEnd="2020-01-01"),
        ]

    answers = driven(shipstation, list_orders)
    assert [status for status, _ in answers] == [200, 200, 200, 200]
    numbers = [[order["orderNumber"] for order in body["orders"]] for _, body in answers]
    assert numbers == [["100", "1001"], ["200"], ["100", "1001", "200"], []]
    assert shipstation.unknown_keys == {}


def test_it_finds_every_field_it_knows_of_an_order(shipstation: ShipStationSimulator) -> None:
    line = {"sku": "TEA", "weight": {"value": 2.0, "units": "ounces", "WeightUnits": 1}}
    order = shipstation.create_order("1", [line])
    types = pytest.importorskip("AsyncShipStation.orders._types")
    assert set(types.V1Order.__annotations__) - {"__kind__"} <= set(order)
    assert set(types.V1AdvancedOptions.__annotations__) - {"__kind__"} <= set(order["advancedOptions"])
    assert set(others.Endpoints.__members__) >= {"ORDERS", "STORES", "V1WEBHOOKS"}
    # Its item has createdDate for createDate, a slip: the vendor's own description has the latter.
    slips = {"__kind__", "createdDate"}
    assert set(types.V1OrderItem.__annotations__) - slips <= set(order["items"][0])
    assert set(common.V1Address.__annotations__) - {"__kind__"} == set(order["shipTo"])
    assert set(common.V1Weight.__annotations__) - {"__kind__"} == set(order["items"][0]["weight"])


def test_it_creates_an_order_and_updates_it_by_its_key(shipstation: ShipStationSimulator) -> None:
    async def write(connection: Any) -> list[Any]:  # noqa: ANN401 - the client's
        given = {"orderStatus": "awaiting_shipment", "billTo": ADDRESS, "shipTo": ADDRESS, "orderKey": "key-1"}
        given["orderDate"] = "2026-11-19T10:00:00.0000000"
        orders = others.OrderPortal
        return [
            await orders.update_order(connection, orderNumber="M-1", internalNotes="careful", **given),
            await orders.update_order(connection, orderNumber="M-2", items=[{"sku": "TEA", "quantity": 2}], **given),
            await orders.update_order(connection, orderNumber="M-3", **given | {"shipTo": {"name": ""}}),
        ]

    first, second, third = driven(shipstation, write)
    assert (first[0], first[1]["internalNotes"]) == (200, "careful")
    assert (second[1]["orderId"], second[1]["orderNumber"]) == (first[1]["orderId"], "M-2")
    assert second[1]["internalNotes"] is None  # an update is not a patch
    assert third[0] == 500
    assert shipstation.see_order("key-1")["orderNumber"] == "M-2"


def test_it_lists_stores_and_subscriptions(shipstation: ShipStationSimulator) -> None:
    body = {"target_url": "https://bridge.example.test/", "event": "ORDER_NOTIFY", "store_id": None}
    made = calling(shipstation, "POST", "/webhooks/subscribe", json=body)
    types = pytest.importorskip("AsyncShipStation.v1webhooks._types")

    async def read(connection: Any) -> list[Any]:  # noqa: ANN401 - the client's
        return [
            await portals.V1WebhookPortal.all(connection),
            await shops.StorePortal.all(connection, showInactive=True, marketplaceId=1000),
        ]

    webhooks, stores = driven(shipstation, read)
    (row,) = webhooks[1]["webhooks"]
    assert row["WebHookID"] == made["id"]
    assert set(types.V1Webhook.__annotations__) - {"__kind__"} == set(row)
    (store,) = stores[1]
    assert store["storeId"] == shipstation.store_id
    stores_types = pytest.importorskip("AsyncShipStation.stores._types")
    assert set(stores_types.V1Store.__annotations__) - {"__kind__"} == set(store)
    assert calling(shipstation, "DELETE", f"/webhooks/{made['id']}") is None
    assert shipstation.webhooks == {}


def test_its_requests_tag_mark_and_read_back(shipstation: ShipStationSimulator) -> None:
    tag = shipstation.add_tag("3PL")["tagId"]
    order_id = shipstation.create_order("1")["orderId"]
    body = {"orderId": order_id, "tagId": tag}
    assert calling(shipstation, "POST", "/orders/addtag", json=body)["success"] is True
    mark = {"orderId": order_id, "carrierCode": "ups", "trackingNumber": "1Z1", "notifySalesChannel": True}
    query = {"orderStatus": "awaiting_shipment", "tagId": tag}
    assert calling(shipstation, "GET", "/orders/listbytag", params=query)["total"] == 1
    assert calling(shipstation, "POST", "/orders/markasshipped", json=mark)["orderNumber"] == "1"
    # As httpx writes a blank and a boolean.
    window = {"createDateStart": "2020-01-01 00:00:00", "orderId": order_id}
    assert calling(shipstation, "GET", "/fulfillments", params=window)["total"] == 1
    assert calling(shipstation, "GET", "/shipments", params={"includeShipmentItems": True})["total"] == 0
    assert shipstation.unknown_keys == {}


def test_it_understands_a_refusal(shipstation: ShipStationSimulator) -> None:
    async def read(connection: Any) -> Any:  # noqa: ANN401 - the client's
        return await others.OrderPortal.where(connection)

    status, body = driven(shipstation, read, secret="wrong")  # noqa: S106 - made up
    assert status == 500  # what it makes of any status it did not expect
    assert "401" in str(body)
