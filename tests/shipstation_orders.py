"""Orders on ShipStation's route, and how far they have come: what its tests begin with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jetbridge.domain.store import Route
from tests.bridge import Bridge
from tests.builders import ADDRESS, MINUTE, a_line, a_part, an_order, on_shipstation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jetbridge.domain.order import Order

PART = "800000001"
SECOND = "800000002"
BOTH = frozenset(Route)
CORRECTED = replace(ADDRESS, address1="2 New St")


def the_order() -> Order:
    return an_order(a_line(quantity=3), a_line("JAM-1", n=2))


def bridged(order: Order | None = None, *, routes: frozenset[Route] | None = None) -> Bridge:
    """A shop with one order, and ShipStation beside it, which has not imported it yet."""
    bridge = Bridge(on_shipstation(routes=routes) if routes else on_shipstation())
    bridge.put(order or the_order())
    return bridge


def forwarded(*parcels: dict[str, int]) -> Bridge:
    bridge = bridged()
    if parcels:
        bridge.the_warehouse.split = lambda _: parcels
    bridge.imported(a_part(bridge.order))
    bridge.pass_time(2 * MINUTE)
    return bridge


def import_split(
    bridge: Bridge, *, first: Mapping[str, object] | None = None, second: Mapping[str, object] | None = None
) -> None:
    """Let ShipStation import the order in two: the tea, and split off it the jam."""
    tea, jam = a_part(bridge.order).lines
    bridge.imported(
        a_part(bridge.order, PART, lines=(tea,), **first or {}),
        a_part(bridge.order, SECOND, lines=(jam,), parent_id=PART, **second or {}),
    )
    bridge.pass_time(2 * MINUTE)


def statuses(bridge: Bridge) -> list[str]:
    """List the statuses of all shipments at Jetpack, the oldest first."""
    return [shipment.status for order in bridge.the_warehouse.orders.values() for shipment in order.shipments]
