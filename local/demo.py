"""`make demo`: a merchant's day on the deployed template, seen as it happens, and the ledger at its end."""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import sys
import time
import uuid
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from jetbridge.bootstrap import now
from jetbridge.domain.identifiers import OrderId
from jetbridge.domain.ledger import balance
from jetbridge.domain.record import Status
from jetbridge.use_cases.map_ship_option import map_ship_option
from local.audit import Audit, audit
from local.connection import StackTables
from local.day import UNMAPPED, Day
from local.partners import ConnectedStore, connected_store
from local.simulators.server import WebhookFaults
from local.stack import LocalStack, StackError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetbridge.domain.record import OrderRecord

REPORT = Path(".demo/report.json")
PER_SECOND = 1.0
SETTLE_SECONDS = 150.0
TICKS = {"due": 4.0, "changed": 20.0}
"""A day in minutes: the schedules of one and five minutes come this many seconds apart."""

SETTLED = {Status.DELIVERED, Status.SHIPPED, Status.EXCLUDED, Status.CANCELLED, Status.HELD, Status.WAITING}


@dataclass
class Ticks:
    """Calls the scheduled functions, as EventBridge Scheduler would, without holding the day up."""

    stack: LocalStack
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(3))
    last: dict[str, float] = field(default_factory=dict)
    running: dict[str, Future[Any]] = field(default_factory=dict)

    def step(self) -> None:
        """Start what is due, unless it still runs; raise what failed."""
        for task, seconds in TICKS.items():
            done = self.running.get(task)
            if done and not done.done():
                continue
            if done:
                self.running.pop(task).result()
            if time.monotonic() - self.last.get(task, 0.0) >= seconds:
                self.last[task] = time.monotonic()
                self.running[task] = self.pool.submit(self.stack.tick, "SweepOrders", {"task": task})

    def push_inventory(self) -> None:
        """Fan the stock push out, as every 15 minutes; it runs beside the day."""
        self.running["stock"] = self.pool.submit(self.stack.tick, "PushInventory", {"task": "fan_out"})

    def finish(self) -> None:
        """Wait for what was started."""
        for call in self.running.values():
            call.result()
        self.running.clear()


class Demo:
    """One run: the day, what is shown of it, and the report."""

    def __init__(self, stack: LocalStack, connected: ConnectedStore, day: Day, console: Console) -> None:
        self.stack = stack
        self.connected = connected
        self.day = day
        self.console = console
        self.tables = StackTables(stack)
        self.slug = connected.store.slug

    def records(self) -> dict[str, OrderRecord]:
        """Read our own books of today."""
        ids = self.tables.records.orders_of_day(self.slug, now().date())
        return {record.order_id: record for record in self.tables.records.read_many(self.slug, ids)}

    def run(self) -> None:
        """Let the day pass, then wait until nothing is on its way any more."""
        ticks = Ticks(self.stack)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.connected.shop.webhook_faults = WebhookFaults(drop=0.02, repeat=0.15, delay=0.3, delay_seconds=2.0)
        self.connected.jetpack.webhook_faults = WebhookFaults(repeat=0.15, delay=0.3, delay_seconds=2.0)
        with Progress(*columns, console=self.console, disable=not self.console.is_terminal) as progress:
            placed = progress.add_task("orders placed", total=self.day.orders)
            settled = progress.add_task("orders settled", total=self.day.orders)
            last, mapped, deadline = 0.0, False, 0.0
            while True:
                self.day.step()
                ticks.step()
                if not mapped and len(self.day.placed) >= self.day.orders // 2:
                    mapped = True
                    self._map_method()
                    ticks.push_inventory()
                if time.monotonic() - last > 2.0:  # noqa: PLR2004 - seconds between two looks at our books
                    last = time.monotonic()
                    done = self._settled()
                    progress.update(placed, completed=len(self.day.placed))
                    progress.update(settled, completed=done)
                    self._say(done)
                    if self.day.over and self._quiet() and done == self.day.orders:
                        break
                    if self.day.over and not deadline:
                        deadline = time.monotonic() + SETTLE_SECONDS
                    if deadline and time.monotonic() > deadline:
                        self.console.print("some orders did not settle in time: the ledger below says which")
                        break
                time.sleep(0.05)
        ticks.finish()
        ticks.push_inventory()
        ticks.finish()
        self._wait_for_stock()

    def _say(self, done: int) -> None:
        if not self.console.is_terminal:
            self.console.print(f"  placed {len(self.day.placed)}, settled {done} of {self.day.orders}")

    def _settled(self) -> int:
        statuses = {number: record.status for number, record in self.records().items()}
        return sum(statuses.get(number) in SETTLED for number in self.day.placed)

    def _quiet(self) -> bool:
        """Whether no webhook and no message is on its way, and no parcel is still to be announced or delivered."""
        shop, jetpack = self.connected.shop, self.connected.jetpack
        waiting = shop.outstanding_webhooks() + jetpack.outstanding_webhooks() + sum(self.stack.queue_depths().values())
        open_parcels = any(record.status is Status.SHIPPED for record in self.records().values())
        return not waiting and not open_parcels

    def _wait_for_stock(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.stack.queue_depths().get("InventoryQueue"):
            time.sleep(0.2)

    def _map_method(self) -> None:
        unmapped = self.tables.settings.unmapped_methods(self.slug)
        self.console.print(f"  the merchant maps {UNMAPPED!r} to 2-Day (seen on {sum(unmapped.values())} orders)")
        map_ship_option(
            self.slug,
            UNMAPPED,
            "2-Day",
            settings=self.tables.settings,
            sweep_queue=self.tables.sweep_queue,
            clock=now,
            new_id=lambda: str(uuid.uuid4()),
        )

    # -- the end of the day ----------------------------------------------------------------------------------

    def audited(self) -> Audit:
        """Compare the three books."""
        return audit(self.connected.shop.books(), self.connected.jetpack.books(), self.records(), self.slug)

    def forward_seconds(self) -> list[float]:
        """Measure placing an order → Jetpack has it, for orders that nothing kept waiting."""
        created = {
            order["reference_id"].split(":")[1]: datetime.fromisoformat(order["created_at"]).timestamp()
            for order in reversed(self.connected.jetpack.books()["orders"])
        }
        prompt = ("paid", "several lines", "two parcels", "goods and a download")
        return [
            created[placed.number] - placed.at
            for placed in self.day.placed.values()
            if placed.kind in prompt and placed.number in created
        ]

    def aws_calls(self, *functions: str) -> Counter[str]:
        """Add up the AWS calls that functions logged, by operation."""
        calls: Counter[str] = Counter()
        for function in functions:
            for line in _json_lines(self.stack.logs(function)):
                calls.update(line.get("aws_calls", {}))
        return calls

    def aws_calls_for_orders(self) -> Counter[str]:
        """Add up what was called because of orders: schedules call as often with none."""
        calls = self.aws_calls("ForwardOrder", "SyncTracking")
        webhooks = _json_lines(self.stack.logs("ReceiveWebhook"))
        calls["sqs.SendMessage"] += sum(line.get("outcome") == "queued" for line in webhooks)
        return calls

    def report(self, result: Audit) -> dict[str, Any]:
        """Put the run into figures."""
        seconds = sorted(self.forward_seconds())
        calls = self.aws_calls_for_orders()
        schedules = self.aws_calls("SweepOrders", "PushInventory")
        orders = len(self.day.placed)
        return {
            "orders": orders,
            "lost": result.lost,
            "doubled": result.doubled,
            "announced_twice": result.announced_twice,
            "unannounced": result.unannounced,
            "by_status": dict(sorted(result.by_status.items())),
            "arrival_per_second": self.day.per_second,
            "forward_seconds": {
                "p50": round(statistics.median(seconds), 2) if seconds else None,
                "p95": round(seconds[int(len(seconds) * 0.95)], 2) if seconds else None,
                "orders": len(seconds),
            },
            "aws_calls_per_order": round(calls.total() / max(1, orders), 2),
            "aws_calls": dict(sorted(calls.items())),
            "aws_calls_of_schedules": dict(sorted(schedules.items())),
            "partner_calls": {
                "shopify": dict(self.connected.shop.calls),
                "jetpack": dict(self.connected.jetpack.calls),
            },
            "webhooks": {
                "shopify": dict(self.connected.shop.webhooks_sent),
                "jetpack": dict(self.connected.jetpack.webhooks_sent),
            },
            "stock_pushes": self.stock_pushes(),
            "dead_letters": {name: n for name, n in self.stack.queue_depths().items() if "DeadLetter" in name},
            "findings": result.findings,
        }

    def stock_pushes(self) -> list[dict[str, Any]]:
        """Give what each stock push logged."""
        lines = _json_lines(self.stack.logs("PushInventory"))
        figures = ("read", "changed", "written", "skipped", "refused")
        return [{name: line[name] for name in figures} for line in lines if line.get("message") == "stock pushed"]

    def show(self, result: Audit) -> None:
        """Print the states, the ledger and three timelines."""
        table = Table(title="Orders by status")
        table.add_column("status")
        table.add_column("orders", justify="right")
        for status in Status:
            if result.by_status[status]:
                table.add_row(status, str(result.by_status[status]))
        self.console.print(table)
        for kind in ("unmapped method, mapped later", "two parcels", "cancelled after forwarding"):
            placed = next((each for each in self.day.placed.values() if each.kind == kind), None)
            if placed:
                self._timeline(placed.number, f"{placed.name} ({kind})")
        records = self.records()
        for record in [each for each in records.values() if each.status is Status.FAILED][:3]:
            self._timeline(record.order_id, f"{record.name}, which needs a person: {record.needs_person}")
        ledger = balance(records.values())
        units = ", ".join(f"{state} {count}" for state, count in sorted(ledger.units.items()))
        self.console.print(f"Ledger: {ledger.ordered} units ordered = {units}", soft_wrap=True)
        written = [str(push["written"]) for push in self.stock_pushes()]
        self.console.print(f"Stock: {len(written)} pushes to Shopify wrote {', '.join(written) or 'no'} SKUs")
        for finding in result.findings[:20]:
            self.console.print(f"  {finding}")
        self.console.print(f"lost {result.lost}, doubled {result.doubled}", style="bold")

    def _timeline(self, number: str, title: str) -> None:
        self.console.print(f"\nTimeline of {title}", style="bold")
        for event in self.tables.records.timeline(self.slug, OrderId(number)):
            self.console.print(
                f"  {event.at:%H:%M:%S}  {event.by:<13} {'; '.join(event.did)}", highlight=False, soft_wrap=True
            )


def _json_lines(text: str) -> list[dict[str, Any]]:
    lines = []
    for line in text.splitlines():
        start = line.find("{")
        if start >= 0:
            try:
                lines.append(json.loads(line[start:]))
            except ValueError:
                continue
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; 0 if the ledger balances, 1 if not, 2 if it could not start."""
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="part of the day to run (default: all 210 orders)")
    parser.add_argument("--per-second", type=float, default=PER_SECOND, help="orders placed a second")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--port", type=int, default=0, help="where the local AWS listens (default: any free port)")
    parser.add_argument("--report", type=Path, default=REPORT)
    options = parser.parse_args(arguments)
    console = Console()
    tell = functools.partial(console.print, highlight=False, soft_wrap=True)
    try:
        with (
            LocalStack(port=options.port, tell=tell) as stack,
            connected_store(stack, seed=options.seed, busy=True) as connected,
        ):
            day = Day(
                connected.shop, connected.jetpack, connected.store.slug, options.per_second, options.share, options.seed
            )
            tell(f"A merchant's day: {day.orders} orders, {options.per_second:g} a second; webhooks come late or twice")
            stack.warm_up()
            demo = Demo(stack, connected, day, console)
            demo.run()
            result = demo.audited()
            report = demo.report(result)
            demo.show(result)
            options.report.parent.mkdir(parents=True, exist_ok=True)
            options.report.write_text(json.dumps(report, indent=2) + "\n")
            seconds = report["forward_seconds"]
            tell(
                f"placed → at Jetpack: p50 {seconds['p50']} s, p95 {seconds['p95']} s;"
                f" AWS calls an order: {report['aws_calls_per_order']}; report in {options.report}"
            )
            return 0 if result.clean and not any(report["dead_letters"].values()) else 1
    except StackError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        console.print("\nStopped; everything that was started is down again.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
