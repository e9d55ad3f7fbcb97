"""A store of the deployed stack whose partners misbehave on purpose: place, wait, and look at what came of it."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from jetbridge.domain.identifiers import OrderId
from jetbridge.errors import ConflictError
from local.audit import audit
from local.connection import StackTables, public_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jetbridge.domain.record import OrderRecord
    from local.partners import ConnectedStore
    from local.simulators.server import Simulator
    from local.simulators.shipstation import ShipStationSimulator
    from local.stack import LocalStack

PATIENCE_SECONDS = 30
ROUNDS = 5
"""How often an order may come due until it is where it belongs: more would be a circle."""

TEA: list[dict[str, Any]] = [{"sku": "TEA-250", "quantity": 2, "price": "12.50"}]


class StrainedStore:
    """A connected store, its partners, and our own book about its orders."""

    def __init__(self, stack: LocalStack, connected: ConnectedStore) -> None:
        self.stack = stack
        self.shop, self.jetpack = connected.shop, connected.jetpack
        self.shipstation = connected.shipstation
        self.slug = connected.store.slug
        self.records = StackTables(stack).records

    @property
    def desk(self) -> ShipStationSimulator:
        """ShipStation, in a store that has it in the middle."""
        assert self.shipstation is not None
        return self.shipstation

    @property
    def partners(self) -> list[Simulator]:
        """Everybody who can misbehave."""
        return [each for each in (self.shop, self.jetpack, self.shipstation) if each is not None]

    # -- what happens ------------------------------------------------------------------------------------------

    def place(self, **chosen: Any) -> str:  # noqa: ANN401 - what a customer may choose
        """Let a customer buy; gives the order's number."""
        return str(self.shop.create_order(TEA, **chosen)["number"])

    def forwarded(self) -> str:
        """Let a customer buy while nothing is wrong, until Jetpack has the order."""
        number = self.place()
        if self.shipstation:
            self.desk.import_orders()
            self.quiet()  # its webhooks are sent once, and a slow machine may lose one
            self.sweep_until_forwarded(number)
        self.until(lambda: self.created(number), f"order {number} of {self.slug} forwarded")
        self.quiet()
        return number

    def sweep_until_forwarded(self, number: str) -> None:
        """Let the sweep of what changed come, until Jetpack has the order."""

        def forwarded() -> bool:
            if not self.created(number):
                self.stack.tick("SweepOrders", {"task": "changed"})
                self.quiet()
            return bool(self.created(number))

        self.until(forwarded, f"order {number} of {self.slug} forwarded")

    def reference(self, number: str) -> str:
        """Name the order's first consignment, as Jetpack knows it."""
        return f"{self.slug}:{number}:1"

    def ask_console(self, action: str, **request: object) -> dict[str, Any]:
        """Let the merchant do something at the console; gives its answer."""
        event = {"action": action, "store": self.slug, "public_url": public_url(self.stack), **request}
        answer: dict[str, Any] = self.stack.tick("Console", event)
        return answer

    def connect_again(self, partner: str, credentials: Mapping[str, str]) -> None:
        """Give new credentials of one partner to the console."""
        answer = self.ask_console("connect", shop=self.shop.shop, credentials={partner: dict(credentials)})
        assert answer["ok"], answer["findings"]

    def all_well(self) -> None:
        """End every fault; answers that are slow already stay so."""
        for partner in self.partners:
            with partner.lock:
                partner.faults.clear()

    # -- waiting -----------------------------------------------------------------------------------------------

    def until(self, met: Callable[[], object], what: str) -> None:
        """Wait for processes that are not ours to steer."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not met():
            assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS} s: {what}"
            time.sleep(0.05)

    def quiet(self) -> None:
        """Wait until no webhook and no message is on its way."""
        self.until(
            lambda: (
                not any(each.outstanding_webhooks() for each in self.partners)
                and not sum(self.stack.queue_depths().values())
            ),
            "all quiet",
        )

    def come_due(self, number: str) -> None:
        """Let the time pass until the order is due, and the minute's sweep after it."""
        self.quiet()
        record = self.record(number)
        while record and record.due_at and (left := record.due_at - datetime.now(UTC)) > timedelta():
            with contextlib.suppress(ConflictError):  # a look ended just now
                self.records.write(_earlier(record, left + timedelta(seconds=1)))
            record = self.record(number)
        self.stack.tick("SweepOrders", {"task": "due"})
        self.quiet()

    def until_due(self, number: str, met: Callable[[], object], what: str) -> None:
        """Let the order come due, again and again but not for ever."""
        for _ in range(ROUNDS):
            self.come_due(number)
            if met():
                return
        message = f"not when due {ROUNDS} times: {what}; {self.story(number)}"
        raise AssertionError(message)

    # -- what came of it ---------------------------------------------------------------------------------------

    def record(self, number: str) -> OrderRecord | None:
        """Read our record of an order."""
        return self.records.read(self.slug, OrderId(number))

    def story(self, number: str) -> str:
        """Tell what the record says, and what was done and why: what a merchant would be shown."""
        record = self.record(number)
        if record is None:
            return ""
        hold = f"{record.hold.reason}: {record.hold.detail}" if record.hold else ""
        did = [each for event in self.records.timeline(self.slug, OrderId(number)) for each in event.did]
        return "; ".join([f"{record.status} {record.reason} {hold}".strip(), *did])

    def created(self, number: str) -> int:
        """Count the orders Jetpack made for an order, under whatever reference."""
        found = self.jetpack.books()["created"].items()
        return sum(times for reference, times in found if f":{number}:" in reference)

    def told(self, number: str) -> list[str]:
        """Give the tracking numbers the customer was told, one for each fulfillment."""
        lines = [line for order in self.shop.books() if str(order["number"]) == number for line in order["lines"]]
        return [each for line in lines for fulfilled in line["fulfilled"] for each in fulfilled["numbers"]]

    def marked(self, number: str) -> list[str]:
        """Give the tracking numbers the order was marked with in ShipStation, one for each fulfillment there."""
        books = self.desk.books()
        ours = {each["id"] for each in books["orders"] if each["key"].startswith(f"{number}-")}
        return [each["trackingNumber"] for each in books["fulfillments"] if each["orderId"] in ours]

    def dead_letters(self) -> dict[str, int]:
        """Count what lies in the dead-letter queues: our bugs, never a partner's."""
        return {name: depth for name, depth in self.stack.queue_depths().items() if "Dead" in name and depth}

    def differences(self, number: str) -> list[str]:
        """Compare our book of an order with Shopify's and Jetpack's, unit by unit."""
        books = [order for order in self.shop.books() if str(order["number"]) == number]
        jetpack = self.jetpack.books()
        jetpack["orders"] = [each for each in jetpack["orders"] if f":{number}:" in each["reference_id"]]
        record = self.record(number)
        return audit(books, jetpack, {number: record} if record else {}, self.slug).findings


def _earlier[T](value: T, by: timedelta) -> T:
    """Move all times in a record, but for the order's own, as if it had been written that much earlier."""
    return cast("T", _moved(value, by))


def _moved(value: object, by: timedelta) -> object:
    if isinstance(value, datetime):
        return value - by
    if isinstance(value, tuple):
        return tuple(_moved(each, by) for each in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in dataclasses.fields(value) if each.name != "created_at"]
        return dataclasses.replace(value, **{name: _moved(getattr(value, name), by) for name in names})
    return value
