"""The deployed template, end to end, in fair weather and foul: what a merchant would see."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from jetbridge.domain.identifiers import OrderId
from jetbridge.domain.record import Status
from local.audit import audit
from local.connection import StackTables
from local.partners import ConnectedStore, connected_store
from local.simulators.server import Delivery, WebhookFaults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jetbridge.domain.record import OrderRecord
    from local.simulators.server import Request, Response
    from local.stack import LocalStack

pytestmark = [
    pytest.mark.stack,
    pytest.mark.xdist_group("stack"),
    pytest.mark.enable_socket,
    pytest.mark.usefixtures("clean_tables"),
]

SLUG = "main-job"
PATIENCE_SECONDS = 60
TEA: list[dict[str, Any]] = [{"sku": "TEA-250", "quantity": 2, "price": "12.50"}]


class Running:
    """The stack with one connected store."""

    def __init__(self, stack: LocalStack, connected: ConnectedStore) -> None:
        self.stack, self.shop, self.jetpack = stack, connected.shop, connected.jetpack
        self.tables = StackTables(stack)
        self.slug = connected.store.slug

    def record(self, number: object) -> OrderRecord | None:
        return self.tables.records.read(self.slug, OrderId(str(number)))

    def status(self, number: object) -> Status | None:
        found = self.record(number)
        return found.status if found else None

    def told(self, number: object) -> list[str]:
        """Give the tracking numbers the customer was told."""
        lines = [line for order in self.shop.books() if order["number"] == number for line in order["lines"]]
        return [each for line in lines for told in line["fulfilled"] for each in told["numbers"]]

    def until(self, met: Callable[[], object], what: str, *, ticking: bool = False) -> None:
        """Wait for processes that are not ours to steer."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not met():
            assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS} s: {what}"
            if ticking:
                self.stack.tick("SweepOrders", {"task": "due"})
            time.sleep(0.2)

    def quiet(self) -> None:
        """Wait until no webhook and no message is on its way."""
        self.until(
            lambda: (
                not self.shop.outstanding_webhooks()
                and not self.jetpack.outstanding_webhooks()
                and not sum(self.stack.queue_depths().values())
            ),
            "all quiet",
        )

    def audited(self, *numbers: object) -> tuple[int, int, list[str]]:
        wanted = {str(number) for number in numbers}
        books = [order for order in self.shop.books() if str(order["number"]) in wanted]
        jetpack = self.jetpack.books()
        jetpack["orders"] = [each for each in jetpack["orders"] if each["reference_id"].split(":")[1] in wanted]
        records = {str(number): found for number in numbers if (found := self.record(number))}
        result = audit(books, jetpack, records, self.slug)
        return result.lost, result.doubled, result.findings


@pytest.fixture(scope="module")
def running(stack: LocalStack) -> Iterator[Running]:
    with connected_store(stack, slug=SLUG) as connected:
        yield Running(stack, connected)


def test_a_signed_order_reaches_jetpack_and_its_two_parcels_come_back(running: Running) -> None:
    number = running.shop.create_order(TEA)["number"]
    running.until(lambda: running.status(number) is Status.FORWARDED, "forwarded")
    reference = f"{SLUG}:{number}:1"
    running.jetpack.split(reference, 2)
    running.jetpack.ship(reference)
    running.until(lambda: len(running.told(number)) == 2, "both parcels announced")
    assert len(set(running.told(number))) == 2
    running.jetpack.deliver_parcel(reference)
    running.until(lambda: running.status(number) is Status.DELIVERED, "delivered")
    assert running.audited(number) == (0, 0, [])


def test_any_body_twice_or_altered_causes_no_partner_write_and_no_new_version(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[Delivery, dict[str, str]]] = []
    for partner in (running.shop, running.jetpack):
        monkeypatch.setattr(partner, "_post", _recorded(partner._post, sent))  # noqa: SLF001 - its own outbox
    number = running.shop.create_order(TEA)["number"]
    running.until(lambda: running.status(number) is Status.FORWARDED, "forwarded")
    running.jetpack.ship(f"{SLUG}:{number}:1")
    running.until(lambda: running.told(number), "announced")
    running.quiet()
    monkeypatch.undo()
    before, writes = running.record(number), _writes(running)
    assert {delivery.topic for delivery, _ in sent} >= {"orders/updated", "order.shipped"}
    for delivery, headers in sent:
        again = requests.post(delivery.url, data=delivery.body, headers=_json(headers), timeout=30)
        assert again.status_code == requests.codes.accepted
        flipped = bytearray(delivery.body)
        flipped[len(flipped) // 2] ^= 1
        forged = requests.post(delivery.url, data=bytes(flipped), headers=_json(headers), timeout=30)
        assert forged.status_code == requests.codes.unauthorized
    running.quiet()
    assert running.record(number) == before
    assert _writes(running) == writes


def _recorded(
    post: Callable[[Delivery, float, int], None], sent: list[tuple[Delivery, dict[str, str]]]
) -> Callable[[Delivery, float, int], None]:
    """Send every webhook with headers made once, so that the very same request can be sent a second time."""

    def recorded(delivery: Delivery, delay: float, attempt: int) -> None:
        headers = delivery.sign()
        sent.append((delivery, headers))
        post(Delivery(delivery.url, delivery.topic, delivery.body, lambda: headers), delay, attempt)

    return recorded


def _json(headers: dict[str, str]) -> dict[str, str]:
    return {"content-type": "application/json"} | headers


def _writes(running: Running) -> dict[str, int]:
    calls = running.shop.calls | running.jetpack.calls
    return {name: calls[name] for name in ("create_order", "cancel_order", "fulfillmentCreate")}


def test_killed_between_the_create_and_the_record_leaves_one_jetpack_order(running: Running) -> None:
    killed: list[int] = []
    original = running.jetpack.handle

    def create_and_kill(request: Request) -> Response:
        answer = original(request)
        if running.jetpack.operation_of(request) == "create_order" and not killed:
            for process in running.stack.worker_processes("ForwardOrder"):
                killed.append(process)
                os.kill(process, signal.SIGKILL)
        return answer

    running.jetpack.handle = create_and_kill  # type: ignore[method-assign]
    try:
        number = running.shop.create_order(TEA)["number"]
        running.until(lambda: killed, "a create to be killed")
        assert running.status(number) is Status.FORWARDING
        running.until(lambda: running.status(number) is Status.FORWARDED, "forwarded after all", ticking=True)
    finally:
        del running.jetpack.handle
    reference = f"{SLUG}:{number}:1"
    assert running.jetpack.books()["created"][reference] == 1
    assert running.audited(number) == (0, 0, [])


def test_lost_late_and_repeated_webhooks_lose_and_double_nothing(running: Running) -> None:
    running.shop.webhook_faults = WebhookFaults(drop=0.5, repeat=0.5, delay=0.5, delay_seconds=1.0)
    try:
        numbers = [running.shop.create_order(TEA)["number"] for _ in range(8)]
        running.quiet()
        running.stack.tick("SweepOrders", {"task": "changed"})
        for number in numbers:
            running.until(lambda number=number: running.status(number) is Status.FORWARDED, "forwarded")  # type: ignore[misc]
    finally:
        running.shop.webhook_faults = WebhookFaults()
    assert running.audited(*numbers) == (0, 0, [])


def test_what_is_not_ours_to_send_is_not_sent_and_says_why(running: Running) -> None:
    reasons = {
        "unpaid": running.shop.create_order(TEA, financial_status="PENDING")["number"],
        "pickup": running.shop.create_order(TEA, delivery="PICK_UP")["number"],
        "unmapped_ship_option": running.shop.create_order(TEA, shipping_method="Drone")["number"],
        "unknown_sku": running.shop.create_order([{"sku": "GHOST", "quantity": 1, "price": "1", "custom": True}])[
            "number"
        ],
        "fraud_risk": running.shop.create_order(TEA, risk="INVESTIGATE")["number"],
    }
    for reason, number in reasons.items():

        def shown(number: object = number, reason: str = reason) -> bool:
            found = running.record(number)
            return found is not None and found.reason == reason

        running.until(shown, reason)
    assert running.audited(*reasons.values()) == (0, 0, [])
    assert not any(
        f":{number}:" in reference for reference in running.jetpack.books()["created"] for number in reasons.values()
    )


def test_stock_reaches_the_shop(running: Running) -> None:
    running.jetpack.set_stock("SOAP-OAT", 123)
    running.stack.tick("PushInventory", {"task": "fan_out"})
    running.until(lambda: running.shop.stock_of("SOAP-OAT")["available"] == 123, "stock pushed")


def test_nothing_was_dead_lettered(running: Running) -> None:
    running.quiet()
    assert not {name: depth for name, depth in running.stack.queue_depths().items() if "Dead" in name and depth}
