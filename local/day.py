"""A merchant's day, compressed: who orders what, what happens to it, and what the warehouse does."""

from __future__ import annotations

import contextlib
import functools
import heapq
import itertools
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, override

from local.simulators.shipstation_account import SellerRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.simulators.jetpack import JetpackSimulator
    from local.simulators.shipstation import ShipStationSimulator
    from local.simulators.shopify import ShopifySimulator

SKUS = ("TEA-250", "TEA-500", "JAM-PLUM", "MUG-BLUE", "SCARF-RED", "SOAP-OAT")
UNMAPPED = "Courier on a bicycle"
ALIAS, ALIAS_OF = "TEA-XMAS", "TEA-250"
DEAR = "480.00"

KINDS: dict[str, int] = {
    "paid": 100,
    "several lines": 20,
    "two parcels": 17,
    "unpaid, then paid": 15,
    "unmapped method, mapped later": 12,
    "digital only": 8,
    "pickup": 8,
    "cancelled unpaid": 8,
    "cancelled after forwarding": 8,
    "line without SKU": 6,
    "goods and a download": 4,
    "address changed": 4,
    "dear, held by a rule, then let go": 5,
    "sold under another SKU": 4,
}
"""What customers do, and how many of them in a whole day."""

IN_THE_MIDDLE: dict[str, int] = {
    "paid": 12,
    "two parcels": 4,
    "unpaid, then paid": 3,
    "split in ShipStation": 3,
    "held in ShipStation": 3,
    "address corrected in ShipStation": 2,
    "cancelled in ShipStation": 2,
    "label bought in ShipStation": 2,
    "pickup": 2,
}
"""What happens in the shop that keeps ShipStation in the middle."""

PICK_AFTER_SECONDS = 14.0
DELIVER_AFTER_SECONDS = 8.0
HELD_SECONDS = 4.0


@dataclass
class Placed:
    """One order as placed: what kind it is, and when (epoch seconds) it could be forwarded."""

    number: str
    name: str
    kind: str
    at: float


@dataclass
class Day:
    """Places orders at a steady pace and lets things happen to them. Call `step` often until `over`."""

    shop: ShopifySimulator
    jetpack: JetpackSimulator
    store: str
    per_second: float
    share: float = 1.0
    seed: int = 7
    kinds: dict[str, int] = field(default_factory=lambda: KINDS)
    placed: dict[str, Placed] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Shuffle the day's orders, the same way for the same seed."""
        self.dice = random.Random(self.seed)  # noqa: S311 - a made-up day
        self.waiting = [kind for kind, count in self.kinds.items() for _ in range(max(1, round(count * self.share)))]
        self.dice.shuffle(self.waiting)
        self.orders = len(self.waiting)
        self._later: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._next = self._look_round = time.monotonic()
        self._seen: set[str] = set()

    @property
    def over(self) -> bool:
        """Whether every order is placed and all that was to happen to it happened."""
        return not self.waiting and not self._later

    def step(self) -> None:
        """Do what is due now."""
        now = time.monotonic()
        while self.waiting and now >= self._next:
            self._next += 1 / self.per_second
            self._place(self.waiting.pop())
        while self._later and self._later[0][0] <= now:
            heapq.heappop(self._later)[2]()
        self._warehouse()

    def _after(self, seconds: float, action: Callable[[], object]) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._numbers), action))

    def _lines(self, count: int, quantity: int = 1) -> list[dict[str, Any]]:
        skus = self.dice.sample(SKUS, count)
        return [{"sku": sku, "quantity": quantity, "price": "12.50"} for sku in skus]

    def _place(self, kind: str) -> None:
        two = kind in {"two parcels", "split in ShipStation"}
        lines = self._lines(3, 2) if kind == "several lines" else self._lines(1, 2 if two else 1)
        facts: dict[str, Any] = {}
        if kind == "digital only":
            lines = [{"sku": "EBOOK", "quantity": 1, "price": "5.00", "requires_shipping": False}]
            facts = {"delivery": "NONE"}
        elif kind == "goods and a download":
            lines.append({"sku": "EBOOK", "quantity": 1, "price": "5.00", "requires_shipping": False})
        elif kind == "pickup":
            facts = {"delivery": "PICK_UP"}
        elif kind == "line without SKU":
            lines[0]["sku"] = ""
            lines[0]["title"] = "Something handmade"
        elif kind == "dear, held by a rule, then let go":
            lines[0]["price"] = DEAR
        elif kind == "sold under another SKU":
            lines[0] |= {"sku": ALIAS, "title": "Christmas tea", "custom": True}
        elif kind == "unmapped method, mapped later":
            facts = {"shipping_method": UNMAPPED}
        elif kind in ("unpaid, then paid", "cancelled unpaid"):
            facts = {"financial_status": "PENDING"}
        order = self.shop.create_order(lines, **facts)
        number = str(order["number"])
        self.placed[number] = Placed(number, order["name"], kind, time.time())
        if kind == "two parcels":
            self.jetpack.split(f"{self.store}:{number}:1", 2)
        self._then(kind, order["number"])

    def _then(self, kind: str, order: int) -> None:
        if kind == "unpaid, then paid":
            self._after(self.dice.uniform(2, 8), lambda: self.shop.mark_paid(order))
        elif kind in ("cancelled unpaid", "cancelled after forwarding"):
            self._after(self.dice.uniform(5, 7), lambda: self.shop.cancel_order(order))
        elif kind == "address changed":
            street = {"address1": "77 New Street"}
            self._after(self.dice.uniform(5, 7), lambda: self.shop.change_address(order, **street))

    def _warehouse(self) -> None:
        """Ship what has lain long enough, then deliver it."""
        if time.monotonic() < self._look_round:
            return
        self._look_round = time.monotonic() + 1
        for order in self.jetpack.books()["orders"]:
            reference = order["reference_id"]
            if order["cancelled"] or reference in self._seen:
                continue
            self._seen.add(reference)
            self._after(PICK_AFTER_SECONDS, functools.partial(self._ship, reference))

    def _ship(self, reference: str) -> None:
        try:
            self.jetpack.ship(reference)
        except ValueError:
            books = self.jetpack.books()["orders"]
            if any(each["reference_id"] == reference and not each["cancelled"] for each in books):
                self._after(HELD_SECONDS, functools.partial(self._ship, reference))
            return  # cancelled meanwhile, or held: a person at the warehouse would see that too
        self._after(DELIVER_AFTER_SECONDS, lambda: self.jetpack.deliver_parcel(reference))


IMPORTED_WITHIN_SECONDS = 4.0
"""ShipStation imports every few seconds of such a day."""


@dataclass
class DayInTheMiddle(Day):
    """A day of the shop whose orders go by ShipStation, where people change things without telling the shop."""

    desk: ShipStationSimulator | None = None

    @override
    def _then(self, kind: str, order: int) -> None:
        super()._then(kind, order)
        if kind.endswith("in ShipStation"):
            self._after(IMPORTED_WITHIN_SECONDS, functools.partial(self._at_the_desk, kind, order))

    def _at_the_desk(self, kind: str, order: int) -> None:
        """Do what people do there, once the order is there."""
        assert self.desk  # noqa: S101 - such a day has one
        books = self.desk.books()["orders"]
        part = next((each for each in books if each["key"].startswith(f"{order}-")), None)
        if part is None:
            self._after(1.0, functools.partial(self._at_the_desk, kind, order))
            return
        with contextlib.suppress(SellerRefusedError):  # too late: it was shipped meanwhile
            self._do(kind, part["key"], next(iter(part["units"])), order)

    def _do(self, kind: str, key: str, sku: str, order: int) -> None:
        assert self.desk  # noqa: S101 - such a day has one
        match kind:
            case "split in ShipStation":
                self.desk.split_order(key, {sku: 1})
            case "held in ShipStation":
                self.desk.hold_order(key)
                self._after(25.0, functools.partial(self._restore, key))
            case "address corrected in ShipStation":
                self.desk.change_order(key, address={"street1": "78 Corrected Street"})
            case "cancelled in ShipStation":
                self.desk.cancel_order(key)
            case _:
                self.desk.buy_label(key, f"94001000000000{order % 10**8:08}")

    def _restore(self, key: str) -> None:
        with contextlib.suppress(SellerRefusedError):
            if self.desk:
                self.desk.restore_order(key)
