"""`make demo`: a merchant's day on the deployed template, seen as it happens, and the ledger at its end."""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import sys
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from botocore.exceptions import BotoCoreError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from jetbridge.bootstrap import now
from jetbridge.domain.identifiers import OrderId
from jetbridge.domain.ledger import balance
from jetbridge.domain.record import Status
from local.audit import Audit, audit
from local.connection import StackTables
from local.day import ALIAS, ALIAS_OF, IN_THE_MIDDLE, KINDS, UNMAPPED, Day, DayInTheMiddle
from local.partners import ConnectedStore, connected_store
from local.simulators.server import WebhookFaults
from local.stack import FunctionFailedError, LocalStack, StackError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jetbridge.domain.identifiers import StoreSlug
    from jetbridge.domain.record import OrderRecord

REPORT = Path(".demo/report.json")
PER_SECOND = 1.0
LET_GO_EVERY_SECONDS = 15.0
"""How often the merchant looks at the dear orders that a rule holds."""

SETTLE_SECONDS = 240.0
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
    failed: list[str] = field(default_factory=list)

    def step(self) -> None:
        """Start what is due, unless it still runs. One that fails is noted: the next one does its work."""
        for task, seconds in TICKS.items():
            done = self.running.get(task)
            if done and not done.done():
                continue
            if done:
                self._ended(self.running.pop(task))
            if time.monotonic() - self.last.get(task, 0.0) >= seconds:
                self.last[task] = time.monotonic()
                self.running[task] = self.pool.submit(self.stack.tick, "SweepOrders", {"task": task})

    def push_inventory(self) -> None:
        """Fan the stock push out, as every 15 minutes; it runs beside the day."""
        self.running["stock"] = self.pool.submit(self.stack.tick, "PushInventory", {"task": "fan_out"})

    def finish(self) -> None:
        """Wait for what was started."""
        for call in self.running.values():
            self._ended(call)
        self.running.clear()

    def _ended(self, call: Future[Any]) -> None:
        try:
            call.result()
        except (FunctionFailedError, BotoCoreError) as error:
            self.failed.append(type(error).__name__ if isinstance(error, BotoCoreError) else str(error))


@dataclass
class Shop:
    """One store's day, with its partners and its books."""

    connected: ConnectedStore
    day: Day
    tables: StackTables

    @property
    def slug(self) -> StoreSlug:
        """The store's name."""
        return self.connected.store.slug

    @property
    def route(self) -> str:
        """By which way its orders go, in the words of the report."""
        return "shipstation" if self.connected.shipstation else "direct"

    def records(self) -> dict[str, OrderRecord]:
        """Read our own books of today."""
        ids = self.tables.records.orders_of_day(self.slug, now().date())
        return {record.order_id: record for record in self.tables.records.read_many(self.slug, ids)}

    def settled(self) -> int:
        """Count the orders that nothing is on its way for."""
        statuses = {number: record.status for number, record in self.records().items()}
        return sum(statuses.get(number) in SETTLED for number in self.day.placed)

    def outstanding(self) -> int:
        """Count webhooks on their way, and orders with a parcel still to be announced or delivered."""
        partners = (self.connected.shop, self.connected.jetpack, self.connected.shipstation)
        webhooks = sum(partner.outstanding_webhooks() for partner in partners if partner)
        return webhooks + sum(record.status is Status.SHIPPED for record in self.records().values())

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


class Demo:
    """One run: the day of two shops, what is shown of it, and the report."""

    def __init__(self, stack: LocalStack, shops: Sequence[Shop], console: Console) -> None:
        self.stack = stack
        self.shops = shops
        self.console = console
        self.tables = shops[0].tables
        self.orders = sum(shop.day.orders for shop in shops)
        self.ticks = Ticks(stack)

    @property
    def placed(self) -> int:
        """How many orders were placed so far."""
        return sum(len(shop.day.placed) for shop in self.shops)

    @property
    def over(self) -> bool:
        """Whether customers and people are done for today."""
        return all(shop.day.over for shop in self.shops)

    def run(self) -> None:
        """Let the day pass, then wait until nothing is on its way any more."""
        ticks = self.ticks
        self._set_rules(self.shops[0])
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._strain()
        with Progress(*columns, console=self.console, disable=not self.console.is_terminal) as progress:
            placed = progress.add_task("orders placed", total=self.orders)
            settled = progress.add_task("orders settled", total=self.orders)
            last, mapped, let_go, deadline = 0.0, False, 0.0, 0.0
            while True:
                for shop in self.shops:
                    shop.day.step()
                ticks.step()
                if not mapped and self.placed >= self.orders // 2:
                    mapped = True
                    self._map_method(self.shops[0])
                    ticks.push_inventory()
                if time.monotonic() - last > 2.0:  # noqa: PLR2004 - seconds between two looks at our books
                    last = time.monotonic()
                    if mapped and last >= let_go:
                        let_go = last + LET_GO_EVERY_SECONDS
                        self._let_go(self.shops[0])
                    done = sum(shop.settled() for shop in self.shops)
                    progress.update(placed, completed=self.placed)
                    progress.update(settled, completed=done)
                    self._say(done)
                    if self.over and self._quiet() and done == self.orders:
                        break
                    if self.over and not deadline:
                        deadline = time.monotonic() + SETTLE_SECONDS
                    if deadline and time.monotonic() > deadline:
                        self.console.print("some orders did not settle in time: the ledger below says which")
                        break
                time.sleep(0.05)
        ticks.finish()
        ticks.push_inventory()
        ticks.finish()
        self._wait_for_stock()

    def _strain(self) -> None:
        """Let webhooks be lost, late and repeated."""
        for shop in self.shops:
            shop.connected.shop.webhook_faults = WebhookFaults(drop=0.02, repeat=0.15, delay=0.3, delay_seconds=2.0)
            shop.connected.jetpack.webhook_faults = WebhookFaults(repeat=0.15, delay=0.3, delay_seconds=2.0)
            if shop.connected.shipstation:
                faults = WebhookFaults(drop=0.1, repeat=0.15, delay=0.3, delay_seconds=2.0)
                shop.connected.shipstation.webhook_faults = faults

    def _say(self, done: int) -> None:
        if not self.console.is_terminal:
            self.console.print(f"  placed {self.placed}, settled {done} of {self.orders}")

    def _quiet(self) -> bool:
        """Whether no webhook and no message is on its way, and no parcel is still to be announced or delivered."""
        return not any(shop.outstanding() for shop in self.shops) and not sum(self.stack.queue_depths().values())

    def _wait_for_stock(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.stack.queue_depths().get("InventoryQueue"):
            time.sleep(0.2)

    # -- the merchant at the console, over its API -------------------------------------------------------------

    def _console(self, method: str, shop: Shop, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        answer = requests.request(
            method,
            f"{self.stack.console_url}/console/stores/{shop.slug}/{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.stack.console_token}"},
            timeout=60,
        )
        answer.raise_for_status()
        return answer.json()

    def _set_rules(self, shop: Shop) -> None:
        """Hold what is dear until somebody has looked at it, and say what an alias is at Jetpack."""
        dear = {"field": "total", "operator": "at_least", "value": {"amount": "300.00", "currency": "USD"}}
        rules = [
            {"name": "Forward to Jetpack", "then": [{"action": "forward"}]},
            {
                "name": "Look at dear orders first",
                "when": dear,
                "then": [{"action": "hold", "reason": "dear"}, {"action": "add_tag", "tag": "dear"}],
            },
        ]
        saved = self._console("POST", shop, "rules", {"rules": rules})
        self._console("POST", shop, f"rules/{saved['version']}/activate", {"instead_of": 1})
        self._console("PUT", shop, "skus", {"sku": ALIAS, "components": [{"sku": ALIAS_OF, "units": 1}]})

    def _let_go(self, shop: Shop) -> None:
        for row in self._console("GET", shop, "orders?status=held&reason=rule_hold")["orders"]:
            self._console(
                "POST", shop, f"orders/{row['order_id']}/actions", {"action": "forward_now", "reason": "seen"}
            )

    def _map_method(self, shop: Shop) -> None:
        unmapped = self.tables.settings.unmapped_methods(shop.slug)
        self.console.print(f"  the merchant maps {UNMAPPED!r} to 2-Day (seen on {sum(unmapped.values())} orders)")
        self._console("PUT", shop, "ship-options", {"method": UNMAPPED, "ship_option": "2-Day"})

    # -- the end of the day ----------------------------------------------------------------------------------

    def audited(self) -> Audit:
        """Compare all books of both shops."""
        return sum((shop.audited() for shop in self.shops), Audit())

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
        direct = self.shops[0]
        calls = self.aws_calls_for_orders()
        schedules = self.aws_calls("SweepOrders", "PushInventory")
        return {
            "orders": self.placed,
            "lost": result.lost,
            "doubled": result.doubled,
            "announced_twice": result.announced_twice,
            "unannounced": result.unannounced,
            "by_status": dict(sorted(result.by_status.items())),
            "arrival_per_second": direct.day.per_second,
            "forward_seconds": percentiles(direct.forward_seconds()),
            "routes": {shop.route: self._of_route(shop) for shop in self.shops},
            "aws_calls_per_order": round(calls.total() / max(1, self.placed), 2),
            "aws_calls": dict(sorted(calls.items())),
            "aws_calls_of_schedules": dict(sorted(schedules.items())),
            "stock_pushes": self.stock_pushes(),
            "failed_ticks": self.ticks.failed,
            "dead_letters": {name: n for name, n in self.stack.queue_depths().items() if "DeadLetter" in name},
            "findings": result.findings,
        }

    def _of_route(self, shop: Shop) -> dict[str, Any]:
        partners = {
            "shopify": shop.connected.shop,
            "jetpack": shop.connected.jetpack,
            "shipstation": shop.connected.shipstation,
        }
        writers = Counter(record.writer for record in shop.records().values() if record.writer)
        return {
            "orders": len(shop.day.placed),
            "by_status": dict(sorted(shop.audited().by_status.items())),
            "forward_seconds": percentiles(shop.forward_seconds()),
            "told_by": dict(sorted(writers.items())),
            "partner_calls": {name: dict(partner.calls) for name, partner in partners.items() if partner},
            "webhooks": {name: dict(partner.webhooks_sent) for name, partner in partners.items() if partner},
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
        audits = [shop.audited() for shop in self.shops]
        for shop in self.shops:
            table.add_column(shop.route, justify="right")
        for status in Status:
            if result.by_status[status]:
                table.add_row(status, *(str(each.by_status[status]) for each in audits))
        self.console.print(table)
        for kind in ("dear, held by a rule, then let go", "cancelled after forwarding", "split in ShipStation"):
            self._timeline_of(kind)
        records = [(shop, record) for shop in self.shops for record in shop.records().values()]
        for shop, record in [each for each in records if each[1].status is Status.FAILED][:3]:
            title = f"{record.name}, which needs a person: {record.needs_person}"
            self._timeline(shop.slug, record.order_id, title)
        ledger = balance(record for _, record in records)
        units = ", ".join(f"{state} {count}" for state, count in sorted(ledger.units.items()))
        self.console.print(f"Ledger: {ledger.ordered} units ordered = {units}", soft_wrap=True)
        written = [str(push["written"]) for push in self.stock_pushes()]
        self.console.print(f"Stock: {len(written)} pushes to Shopify wrote {', '.join(written) or 'no'} SKUs")
        for failure in self.ticks.failed:
            self.console.print(f"  a schedule's call failed, and the next one did its work: {failure}", soft_wrap=True)
        for finding in result.findings[:20]:
            self.console.print(f"  {finding}")
        self.console.print(f"lost {result.lost}, doubled {result.doubled}", style="bold")

    def _timeline_of(self, kind: str) -> None:
        for shop in self.shops:
            placed = next((each for each in shop.day.placed.values() if each.kind == kind), None)
            if placed:
                self._timeline(shop.slug, placed.number, f"{placed.name} ({kind})")
                return

    def _timeline(self, slug: StoreSlug, number: str, title: str) -> None:
        self.console.print(f"\nTimeline of {title}", style="bold")
        for event in self.tables.records.timeline(slug, OrderId(number)):
            self.console.print(
                f"  {event.at:%H:%M:%S}  {event.by:<13} {'; '.join(event.did)}", highlight=False, soft_wrap=True
            )


def percentiles(seconds: Sequence[float]) -> dict[str, float | int | None]:
    """Put durations into three figures."""
    ordered = sorted(seconds)
    return {
        "p50": round(statistics.median(ordered), 2) if ordered else None,
        "p95": round(ordered[int(len(ordered) * 0.95)], 2) if ordered else None,
        "orders": len(ordered),
    }


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


def shops_of(
    stack: LocalStack, direct: ConnectedStore, middle: ConnectedStore, options: argparse.Namespace
) -> list[Shop]:
    """Give both shops a day of the same length."""
    tables = StackTables(stack)
    pace = options.per_second * sum(IN_THE_MIDDLE.values()) / sum(KINDS.values())
    first = Day(direct.shop, direct.jetpack, direct.store.slug, options.per_second, options.share, options.seed)
    second = DayInTheMiddle(
        middle.shop,
        middle.jetpack,
        middle.store.slug,
        pace,
        options.share,
        options.seed,
        IN_THE_MIDDLE,
        desk=middle.shipstation,
    )
    return [Shop(direct, first, tables), Shop(middle, second, tables)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; 0 if the ledger balances, 1 if not, 2 if it could not start."""
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="part of the day to run (default: all 252 orders)")
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
            connected_store(stack, seed=options.seed, busy=True) as direct,
            connected_store(stack, slug="middle", seed=options.seed, busy=True, in_the_middle=True) as middle,
        ):
            demo = Demo(stack, shops_of(stack, direct, middle, options), console)
            tell(
                f"A merchant's day: {demo.orders} orders in two shops, the second with ShipStation in the middle;"
                " webhooks come late, twice or never"
            )
            stack.warm_up()
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
