"""Products and stock of the simulated warehouse, with levels that readers see late."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from local.simulators.jetpack_models import Centre, Item, Product

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

CENTRES = (Centre(9, "Bethlehem (PA)"), Centre(156, "Ontario 6 (CA)"))
CLOSED_CENTRES = (  # the network has many more than a merchant may use (facts section 12)
    Centre(3, "Cicero (IL)", active=False),
    Centre(36, "Moreno Valley (CA)", granted=False),
    Centre(210, "Sorting 1 (IL)", ships=False),
)


@dataclass
class Shelf:
    """Stock of one inventory item in one centre."""

    on_hand: int = 0
    committed: int = 0
    awaiting: int = 0
    internal_transfer: int = 0

    @property
    def fulfillable(self) -> int:
        """On hand and not allocated to an order."""
        return self.on_hand - self.committed


@dataclass(frozen=True)
class Levels:
    """The stock of one inventory item as reads show it from `visible_at` on."""

    visible_at: datetime
    exception: int
    shelves: Mapping[int, Shelf] = field(default_factory=dict)

    def total(self, name: str) -> int:
        """Add one quantity up over the centres."""
        return sum(getattr(shelf, name) for shelf in self.shelves.values())

    @property
    def sellable(self) -> int:
        """Fulfillable less exception (facts section 12); inbound goods are not sellable."""
        return self.total("fulfillable") - self.exception

    @property
    def backordered(self) -> int:
        """What has to be sent in before every waiting order can be shipped."""
        return max(0, self.exception - self.total("fulfillable"))


class Catalogue:
    """Products by SKU and their stock by centre. The owner holds the lock."""

    def __init__(
        self,
        now: Callable[[], datetime],
        delay_seconds: float,
        exception_of: Callable[[int], int],
    ) -> None:
        """Start empty; `exception_of` counts the units of an inventory item in blocked shipments."""
        self._now = now
        self.delay_seconds = delay_seconds
        self._exception_of = exception_of
        self.centres = CENTRES
        self.by_sku: dict[str, Product] = {}
        self.by_id: dict[int, Product] = {}
        self.by_inventory_id: dict[int, Product] = {}
        self._shelves: dict[int, dict[int, Shelf]] = {}
        self._published: dict[int, list[Levels]] = {}
        self._numbers = itertools.count(1)

    def centre(self, centre_id: int) -> Centre:
        """Find a centre; KeyError for an unknown one."""
        found = next((centre for centre in self.centres if centre.id == centre_id), None)
        if found is None:
            message = f"no centre {centre_id}"
            raise KeyError(message)
        return found

    def add(
        self,
        sku: str,
        name: str,
        *,
        active: bool = True,
        components: Mapping[int, int] | None = None,
        made_by_order: bool = False,
    ) -> Product:
        """Add a product without stock; an existing SKU is a ValueError."""
        if sku in self.by_sku:
            message = f"SKU {sku} exists"
            raise ValueError(message)
        number = next(self._numbers)
        product = Product(
            id=880000 + number,
            variant_id=990000 + number,
            inventory_id=21000000 + number,
            sku=sku,
            name=name,
            created_at=self._now(),
            active=active,
            components=dict(components or {}),
            made_by_order=made_by_order,
        )
        self.by_sku[sku] = product
        self.by_id[product.id] = product
        self.by_inventory_id[product.inventory_id] = product
        self._shelves[product.inventory_id] = {}
        self.publish([product.inventory_id], delayed=False)
        return product

    def shelf(self, inventory_id: int, centre_id: int) -> Shelf:
        """Give the shelf of an item in a centre, empty at first."""
        return self._shelves[inventory_id].setdefault(centre_id, Shelf())

    def items_of(self, product: Product, quantity: int) -> list[Item]:
        """Say what is picked for `quantity` of a product: itself, or the parts of a kit."""
        parts = product.components or {product.inventory_id: 1}
        return [
            Item(inventory_id, self.by_inventory_id[inventory_id].name, each * quantity)
            for inventory_id, each in parts.items()
        ]

    def short(self, items: Iterable[Item], centre_id: int) -> list[int]:
        """Name the inventory ids that the centre cannot serve in full."""
        needs: dict[int, int] = {}
        for item in items:
            needs[item.inventory_id] = needs.get(item.inventory_id, 0) + item.quantity - item.committed
        return [number for number, need in needs.items() if self.shelf(number, centre_id).fulfillable < need]

    def commit(self, items: Iterable[Item], centre_id: int) -> None:
        """Allocate stock to the items; the caller has made sure that it suffices."""
        for item in items:
            self.shelf(item.inventory_id, centre_id).committed += item.quantity - item.committed
            item.committed = item.quantity

    def release(self, items: Iterable[Item], centre_id: int) -> None:
        """Give allocated stock back."""
        for item in items:
            self.shelf(item.inventory_id, centre_id).committed -= item.committed
            item.committed = 0

    def take_out(self, items: Iterable[Item], centre_id: int) -> None:
        """Let the items leave the building; what they show as committed stays as it was."""
        for item in items:
            shelf = self.shelf(item.inventory_id, centre_id)
            shelf.on_hand -= item.quantity
            shelf.committed -= item.committed

    def publish(self, inventory_ids: Iterable[int], *, delayed: bool = True) -> None:
        """Show the present levels to reads, after the delay."""
        now = self._now()
        visible_at = now + timedelta(seconds=self.delay_seconds if delayed else 0.0)
        for number in set(inventory_ids):
            shelves = {
                centre_id: Shelf(shelf.on_hand, shelf.committed, shelf.awaiting, shelf.internal_transfer)
                for centre_id, shelf in self._shelves[number].items()
            }
            kept = _without_superseded(self._published.get(number, []), now)
            self._published[number] = [*kept, Levels(visible_at, self._exception_of(number), shelves)]

    def levels(self, inventory_id: int) -> Levels:
        """Give the levels that reads see now; KeyError for an unknown id."""
        now = self._now()
        published = self._published[inventory_id]
        return next((levels for levels in reversed(published) if levels.visible_at <= now), published[0])


def _without_superseded(published: list[Levels], now: datetime) -> list[Levels]:
    newest = max((index for index, levels in enumerate(published) if levels.visible_at <= now), default=0)
    return published[newest:]
