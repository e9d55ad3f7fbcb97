"""ShipStation's book beside Shopify's: which orders there belong to which order here, read as seldom as possible.

Its key may make 40 calls a minute (facts/shipstation.md section 2): what a sweep's page has shown is not read again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from jetbridge.domain.gates import NOT_IMPORTED_LOOK
from jetbridge.domain.record import Status
from jetbridge.domain.shipstation import same_name, shopify_id_of
from jetbridge.domain.store import Route
from jetbridge.errors import PartnerError
from jetbridge.ports import KeptShipStationOrder

if TYPE_CHECKING:
    from jetbridge.domain.identifiers import OrderId
    from jetbridge.domain.order import Order
    from jetbridge.domain.record import OrderRecord
    from jetbridge.domain.store import Store
    from jetbridge.use_cases.looking import Look

FRESH = timedelta(minutes=2)
"""How old a kept order may be when nothing says that it has changed (DESIGN section 2)."""


class ShipStationBook:
    """What one look reads of it."""

    def __init__(self, look: Look, store: Store) -> None:
        self.look = look
        self.store = store
        self.records = look.records
        self.read_at: datetime | None = None
        """When the oldest read began of what `beside` put beside the order."""
        self._identified: list[KeptShipStationOrder] = []

    def part(self, shipstation_id: str, *, caused: bool) -> KeptShipStationOrder | None:
        """Give one of its orders: as kept, if that is fresh; else read now, and kept.

        `caused`: the wake-up is about this order, so that it must have been read after its cause.
        """
        look = self.look
        kept = self.records.read_shipstation_order(self.store.slug, shipstation_id)
        if kept and (
            look.began - kept.at < FRESH
            and not (caused and kept.at < datetime.fromtimestamp(look.wake_up.seen_at, UTC))
        ):
            return kept
        at = look.clock()
        order = look.partners.desk(self.store).read_order(shipstation_id)
        if order is None or self.store.shipstation is None or order.store_id != self.store.shipstation.store_id:
            return None  # another marketplace's is not ours to keep
        self.records.keep_shipstation_order(self.store.slug, order, None, at)
        return KeptShipStationOrder(order, at, kept.order_id if kept else None)

    def identify(self, kept: KeptShipStationOrder) -> tuple[OrderId | None, Order | None]:
        """Find the Shopify order an order there is, or is a part of (DESIGN section 7).

        Returns:
            Its id, and the order itself if it had to be read to be sure. No id: a person must say.
        """
        part = kept.order
        if kept.order_id:
            return kept.order_id, None
        if part.parent_id:
            parent = self.records.read_shipstation_order(self.store.slug, part.parent_id)
            if parent and parent.order_id and same_name(parent.order.number, part.number):
                self._identified.append(kept)
                return parent.order_id, None
        shop = self.look.partners.shop(self.store)
        guess = shopify_id_of(part)
        order = shop.read_order(guess) if guess else None
        if order is None or not same_name(order.name, part.number):
            named, order = shop.orders_named(part.number), None
            if len(named) != 1:
                return None, None
            self._identified.append(kept)
            return named[0], None
        self._identified.append(kept)
        return order.id, order

    def remember(self, order_id: OrderId) -> None:
        """Keep whose parts they are, for good. Only once the record names them: till then a sweep brings them again."""
        for kept in self._identified:
            self.records.keep_shipstation_order(self.store.slug, kept.order, order_id, kept.at)

    def beside(self, order: Order, record: OrderRecord | None, *seen: KeptShipStationOrder) -> Order:
        """Put what ShipStation has of an order beside it; `seen` are orders this look has read already."""
        if Route.SHIPSTATION not in self.store.routes or (record and record.route is Route.DIRECT):
            return order
        if record and record.status in {Status.SHIPPED, Status.DELIVERED} and not seen:
            return order  # everything left: nothing said there changes that
        parts = {kept.order.id: kept for kept in seen}
        for shipstation_id in record.parts if record else ():
            if shipstation_id not in parts and (kept := self.part(shipstation_id, caused=False)):
                parts[shipstation_id] = kept
        if not parts and self.look.began - order.created_at >= NOT_IMPORTED_LOOK and not order.cancelled_at:
            parts = {kept.order.id: kept for kept in self._found(order)}
        self.read_at = min((kept.at for kept in parts.values()), default=None)
        oldest_first = sorted(parts.values(), key=lambda kept: (len(kept.order.id), kept.order.id))
        return replace(order, shipstation=tuple(kept.order for kept in oldest_first))

    def _found(self, order: Order) -> list[KeptShipStationOrder]:
        before = len(self._identified)
        try:
            return self._search(order)
        except PartnerError:
            if Route.DIRECT not in self.store.routes:
                raise
            del self._identified[before:]  # half a search: the record names none of it, so a sweep must bring it again
            return []  # nobody said that it is there, and the direct route does not need it

    def _search(self, order: Order) -> list[KeptShipStationOrder]:
        """Ask for an order nobody told us of: a lost webhook and a sweep that missed it cost minutes."""
        at = self.look.clock()
        found = []
        for part in self.look.partners.desk(self.store).orders_numbered(order.name.removeprefix("#")):
            self.records.keep_shipstation_order(self.store.slug, part, None, at)
            kept = KeptShipStationOrder(part, at)
            before = len(self._identified)
            order_id, _ = self.identify(kept)
            if order_id == order.id:
                found.append(kept)
            else:
                del self._identified[before:]  # another order's: its own look will say so
        return found
