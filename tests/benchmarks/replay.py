"""How fast a replay goes, and how much memory it takes: two sets of 200 mixed rules over many past orders.

python -m tests.benchmarks.replay [--orders 100000]           in this process: what the processor does
python -m tests.benchmarks.replay --stack [--orders 100000]   through the deployed local stack (`make build` first)
"""

from __future__ import annotations

import argparse
import json
import random
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import batched
from multiprocessing import get_context
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import TYPE_CHECKING, Any

import boto3

from jetbridge.aws.orders_table import DynamoOrderRecords
from jetbridge.aws.queues import SqsWakeUpQueue
from jetbridge.aws.runtime_table import DynamoRuntime
from jetbridge.aws.settings_table import DynamoStoreSettings
from jetbridge.aws.values import plain, restored
from jetbridge.domain.changes import Change
from jetbridge.domain.identifiers import LineId, OrderId, StoreSlug
from jetbridge.domain.order import Address, Fulfillment, FulfillmentOrder, FulfillmentOrderLine, Line, Order
from jetbridge.domain.record import OrderRecord
from jetbridge.domain.replay import JobState, ReplayJob
from jetbridge.domain.rules import (
    DEFAULT_RULES,
    Action,
    AddTag,
    AllOf,
    AnyLine,
    AnyOf,
    Comparison,
    Condition,
    Exclude,
    Forward,
    HoldOrder,
    Money,
    NoLine,
    Not,
    Operator,
    RelativeTime,
    Rule,
    RuleSet,
    SetShipOption,
)
from jetbridge.use_cases.replay_rules import replay_orders, start_replay
from local.stack import AWS_SETTINGS, LocalStack
from tests.builders import a_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from jetbridge.domain.store import Store

RULES = 200
SLUG = StoreSlug("replays")
DAYS = 30
POOL = 2000
"""How many different orders there are in one process; they come again and again under other names."""

Tell = Callable[[str], None]

# -- what is replayed -------------------------------------------------------------------------------------------------

COUNTRIES = ["US"] * 12 + ["CA"] * 3 + ["GB"] * 2 + ["AU", "DE", "FR", "NZ", "JP", "MX", "CH", "NO"]
METHODS = ["Standard", "Standard", "Express", "Expedited", "Free Shipping", "International Economy"]
TAGS = ["vip", "gift", "preorder", "wholesale", "subscription", "fragile", "hold", "influencer"]
PREFIXES = ["JB-", "JB-", "BND-", "HAZ-", "DIG-", "OS-", "SAMPLE-"]


def an_order(n: int, created_at: datetime) -> Order:
    """Make an order with everything a read of Shopify brings; the same for the same number."""
    dice = random.Random(n)  # noqa: S311 - the same orders every time
    country, total = dice.choice(COUNTRIES), Decimal(dice.randrange(500, 40000)) / 100
    lines = tuple(
        Line(
            LineId(str(12_000_000_000_000 + n * 10 + line)),
            f"{dice.choice(PREFIXES)}{dice.randrange(1000):04}",
            f"A thing of the shop's, number {line}",
            quantity := dice.choice([1, 1, 1, 2, 3, 12]),
            quantity,
            unit_price=str(dice.randrange(300, 15000) / 100),
            vendor=dice.choice(["Acme", "Globex", "Initech", "Umbrella"]),
            product_type="Thing",
            product_tags=("summer", "sale"),
        )
        for line in range(dice.choice([1, 1, 2, 3, 4]))
    )
    shipped = tuple(
        FulfillmentOrderLine(f"gid://shopify/FulfillmentOrderLineItem/{each.id}", each.id, each.quantity, 0)
        for each in lines
    )
    return Order(
        OrderId(str(5_000_000_000_000 + n)),
        f"#{n}",
        created_at,
        created_at + timedelta(days=2),
        lines,
        (FulfillmentOrder(f"gid://shopify/FulfillmentOrder/{n}", "CLOSED", "1", "SHIPPING", frozenset(), shipped),),
        (Fulfillment(f"gid://shopify/Fulfillment/{n}", "SUCCESS", (f"1Z{n}",), tuple((i.id, 1) for i in lines)),),
        financial_status=dice.choice(["PAID", "PAID", "PENDING"]),
        gateways=("shopify_payments",),
        shipping_method=dice.choice(METHODS),
        shipping_address=Address(
            "Ada Sample", "", f"{n} Nowhere Rd", "", "Springfield", "IL", "62701", country, "+15550100"
        ),
        email="ada@example.test",
        tags=tuple(dice.sample(TAGS, dice.randrange(4))),
        currency="USD",
        total=str(total),
        subtotal=str(total - 5),
        shipping_paid="5.00",
        processed_at=created_at,
        total_weight_grams=dice.randrange(50, 9000),
        source="web",
        channel="Online Store",
        attributes=(("gift wrap", "no"),),
    )


def rules(*, draft: bool = False) -> RuleSet:
    """Make 200 rules of every kind of field; the draft holds some orders more, and ships some otherwise."""
    dice = random.Random(20261122)  # noqa: S311 - the same rules every time
    found = [*DEFAULT_RULES.rules, *(_rule(n, dice) for n in range(RULES - 2))]
    if draft:
        large = Comparison("total", Operator.GREATER_THAN, Money(Decimal(380), "USD"))
        found.append(Rule("hold the largest", (HoldOrder("look at it"),), large))
    else:
        found.append(Rule("never", (Exclude(),), Comparison("order_number", Operator.IS, "#0")))
    return RuleSet(3 if draft else 2, tuple(found))


def _rule(n: int, dice: random.Random) -> Rule:
    actions: list[tuple[Action, ...]] = [
        (Forward(),),
        (SetShipOption("2-Day"),),
        (AddTag(f"rule-{n}"),),
        (Forward(), SetShipOption("Standard")),
    ]
    conditions: list[Condition] = [
        Comparison("country", Operator.IS_ONE_OF, tuple(dice.sample(COUNTRIES, 2))),
        Comparison("total", Operator.AT_LEAST, Money(Decimal(dice.randrange(100, 390)), "USD")),
        Comparison("tags", Operator.INCLUDES_ANY, (dice.choice(TAGS),)),
        Comparison("source", Operator.IS, "web"),
        Comparison("zip", Operator.STARTS_WITH, str(dice.randrange(100))),
        Comparison("shipping_method", Operator.CONTAINS, dice.choice(["express", "econ", "free"])),
        AnyLine(Comparison("sku", Operator.STARTS_WITH, dice.choice(PREFIXES))),
        NoLine(Comparison("quantity", Operator.GREATER_THAN, Decimal(dice.randrange(2, 12)))),
        Not(Comparison("payment_status", Operator.IS, "PENDING")),
        AnyOf(
            (
                Comparison("weight", Operator.LESS_THAN, Decimal(dice.randrange(100, 9000))),
                Comparison("vendors", Operator.INCLUDES_ANY, ("Acme",)),
            )
        ),
    ]
    if n % 20 == 0:
        conditions = [Comparison("created_at", Operator.AFTER, RelativeTime(days=-dice.randrange(1, 30)))]
    parts = dice.sample(conditions, min(len(conditions), dice.choice([2, 3, 4])))
    return Rule(f"rule {n}", dice.choice(actions), AllOf(tuple(parts)))


# -- in this process --------------------------------------------------------------------------------------------------


def megabytes() -> float:
    """Say how much memory this process has ever held."""
    return getrusage(RUSAGE_SELF).ru_maxrss / 1024


def in_process(orders: int, tell: Tell) -> None:
    """Replay stored snapshots without a table, and print what it takes on one core."""
    began_at, store = datetime(2026, 11, 22, tzinfo=UTC), a_store()
    pool = [
        zlib.compress(json.dumps(plain(an_order(n, began_at - timedelta(seconds=n * 7)))).encode())
        for n in range(min(POOL, orders))
    ]
    held: list[float] = []

    def stored() -> Iterator[Order]:
        for n in range(orders):
            if n == orders // 10:
                held.append(megabytes())
            yield restored(Order, json.loads(zlib.decompress(pool[n % len(pool)])))

    began = time.process_time()
    for _ in stored():
        pass
    reading = time.process_time() - began
    tell(f"Replay of {orders:,} stored orders against a draft of {RULES} rules, one core")
    tell(f"  {reading:.1f} s of each line are unpacking snapshots of {sum(map(len, pool)) // len(pool)} bytes")
    for name, live in (("the default rules", DEFAULT_RULES), (f"{RULES} active rules", rules())):
        held.clear()
        began = time.process_time()
        tally = replay_orders(stored(), live=live, draft=rules(draft=True), store=store)
        seconds = time.process_time() - began
        tell(
            f"  from {name:18}{seconds:6.1f} s, {orders / seconds:,.0f} orders/s (target: 100,000 in < 20 s); memory "
            f"after the first tenth: {megabytes() - held[0]:+.1f} MB (target: flat); alike: {tally.same:,}"
        )


# -- through the stack ------------------------------------------------------------------------------------------------


class _Collected:
    """Stands in for DynamoDB's client: keeps what would be put, so that many can be written at once."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []

    def put_item(self, *, Item: dict[str, Any], **_: object) -> None:  # noqa: N803 - DynamoDB's name
        self.items.append(Item)


def _seed(dynamodb: DynamoDBClient, table: str, numbers: range, orders: int, now: datetime) -> int:
    collected = _Collected()
    records = DynamoOrderRecords(collected, table)  # type: ignore[arg-type]  # all it is asked for
    spread = timedelta(days=DAYS) / orders
    for some in batched(numbers, 12, strict=False):
        for n in some:
            created_at = now - spread * n
            order = an_order(n, created_at)
            records.write(OrderRecord(SLUG, order.id, name=order.name, created_at=created_at))
            records.keep_snapshot(SLUG, order, now)
        dynamodb.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": each}} for each in collected.items]})
        collected.items.clear()
    return len(numbers)


@dataclass
class StackReplay:
    """A store on the local stack with past orders and a draft, to be replayed by the deployed function."""

    stack: LocalStack
    tell: Tell = lambda _: None

    def __post_init__(self) -> None:
        """Open the tables that the functions use."""
        names, dynamodb = self.stack.environment("SweepOrders"), self.stack.client("dynamodb")
        self.table = names["ORDERS_TABLE"]
        self.settings = DynamoStoreSettings(dynamodb, names["SETTINGS_TABLE"], clock=_now, max_age_seconds=0)
        self.runtime = DynamoRuntime(dynamodb, names["RUNTIME_TABLE"], clock=_now)
        self.queue = SqsWakeUpQueue(self.stack.client("sqs"), self.stack.outputs["SweepQueueUrl"])

    def seed(self, orders: int, *, processes: int = 2) -> None:
        """Write snapshots over the last 30 days, as looks would have left them."""
        now = _now()
        self._connect(a_store(slug=SLUG, version=0))
        if processes == 1:
            _seed(self.stack.client("dynamodb"), self.table, range(orders), orders, now)
            return
        parts = [range(start, min(start + 1000, orders)) for start in range(0, orders, 1000)]
        jobs = [(self.stack.endpoint_url, self.table, part, orders, now) for part in parts]
        began, written = time.monotonic(), 0
        with get_context("spawn").Pool(processes) as pool:
            for count in pool.imap_unordered(_seed_part, jobs):
                written += count
                if written % 10_000 == 0:
                    self.tell(f"  … {written:,} orders written, {time.monotonic() - began:.0f} s")

    def _connect(self, store: Store) -> None:
        self.settings.save_store(store)
        active = self.settings.save_rules(SLUG, rules().rules, Change(_now(), "benchmark", "rules_saved"))
        self.settings.activate_rules(SLUG, active.version, instead_of=1)
        draft = self.settings.save_rules(SLUG, rules(draft=True).rules, Change(_now(), "benchmark", "rules_saved"))
        self.draft = draft.version

    def start(self) -> ReplayJob:
        """Start the replay as the console does."""
        return start_replay(
            SLUG,
            self.draft,
            days=DAYS,
            by="benchmark",
            settings=self.settings,
            runtime=self.runtime,
            sweep_queue=self.queue,
            clock=_now,
            new_id=lambda: f"replay-{time.time_ns()}",
        )

    def job(self, job: ReplayJob) -> ReplayJob:
        """Read how far it is."""
        found = self.runtime.job(SLUG, job.id)
        if found is None:
            message = "the job is gone"
            raise RuntimeError(message)
        return found

    def follow(self, job: ReplayJob, *, patience_seconds: float, seen: Callable[[ReplayJob], None]) -> ReplayJob:
        """Watch a replay to its end."""
        moved_at = time.monotonic()
        while (now := self.job(job)).state is JobState.RUNNING:
            if now.seen != job.seen:
                moved_at = time.monotonic()
            elif time.monotonic() - moved_at > patience_seconds:
                message = f"it stands still at {now.seen}"
                raise RuntimeError(message)
            job = now
            seen(job)
            time.sleep(0.5)
        return now

    def megabytes(self) -> float:
        """Say how much memory the largest process of the function holds now."""
        return max((_resident(process) for process in self.stack.worker_processes("SweepOrders")), default=0.0)


def _seed_part(job: tuple[str, str, range, int, datetime]) -> int:
    """Seed in a process of its own."""
    endpoint_url, table, numbers, orders, now = job
    dynamodb = boto3.client(
        "dynamodb",
        endpoint_url=endpoint_url,
        region_name=AWS_SETTINGS["AWS_REGION"],
        aws_access_key_id=AWS_SETTINGS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=AWS_SETTINGS["AWS_SECRET_ACCESS_KEY"],
    )
    return _seed(dynamodb, table, numbers, orders, now)


def _now() -> datetime:
    return datetime.now(UTC)


def _resident(process: int) -> float:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:  # it has ended, or this is no Linux
        return 0.0
    lines = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(lines["VmRSS"].split()[0]) / 1024


def through_the_stack(orders: int, tell: Tell) -> None:
    """Seed the deployed local stack, replay, follow the progress, and print what it took."""
    with LocalStack(tell=tell) as stack:
        replays = StackReplay(stack, tell)
        tell(f"Writing {orders:,} orders of {DAYS} days")
        replays.seed(orders)
        held: list[tuple[int, float]] = []
        began, told = time.monotonic(), 0.0

        def seen(job: ReplayJob) -> None:
            nonlocal told
            held.append((job.seen, replays.megabytes()))
            if time.monotonic() - told > 5:
                told = time.monotonic()
                where = f"day {job.day + 1} of {job.of_days}, slice {job.slices}"
                tell(f"  {job.seen:,} orders, {where}, {held[-1][1]:.0f} MB")

        job = replays.follow(replays.start(), patience_seconds=120, seen=seen)
        seconds = time.monotonic() - began
        early = max((memory for at, memory in held if at <= orders / 10), default=0.0)
        tell(f"Replay of {orders:,} stored orders through the deployed stack: {job.state} {job.error}")
        tell(f"  {seconds:.0f} s, {job.seen / seconds:,.0f} orders/s, {job.slices + 1} slices of at most some 7 s")
        tell(f"  largest process: {early:.0f} MB in the first tenth, {max(memory for _, memory in held):.0f} MB in all")
        tell(f"  seen {job.seen:,}, unreadable {job.unreadable:,}, alike {job.same:,}, {dict(job.groups)}")


def main() -> None:
    """Print one or the other."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.replay")
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--stack", action="store_true")
    options = parser.parse_args()
    (through_the_stack if options.stack else in_process)(options.orders, lambda text: print(text, flush=True))


if __name__ == "__main__":
    main()
