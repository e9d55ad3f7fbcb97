"""What a happy path costs at list prices: us-east-1, arm64, no free tier, USD."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from jetbridge.domain.record import FORWARDED_LOOK, SHIPPED_LOOK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.benchmarks.happy_path import Event

# Per million of each.
HTTP_REQUEST = 1.00
LAMBDA_REQUEST = 0.20
SQS_FIFO_REQUEST = 0.50
WRITE_UNIT = 0.625
READ_UNIT = 0.125
# Per million GB-seconds, and per million KB of logs (0.50 a GB).
GB_SECOND = 13.3334
LOG_KB = 0.50

# Assumptions, on the dear side: nothing is remembered from the order before.
INTAKE_GB, WORKER_GB = 0.25, 0.25
INTAKE_SECONDS = 0.020
OWN_SECONDS = 0.010
AWS_CALL_SECONDS = 0.008
PARTNER_CALL_SECONDS = 0.300
RECEIVE_AND_DELETE = 2
SWEPT_A_CALL = 10
FULL_BATCH = 10
"""A worker looks at the orders of a batch side by side, so ten of them take as long as one."""
INTAKE_LOG_KB = 0.7
"""The intake's line, and the HTTP API's."""
WORKER_LOG_KB = 0.9
"""What was looked at, what it cost, and the metrics."""

AT_WAREHOUSE, IN_TRANSIT = timedelta(hours=24), timedelta(hours=72)

ASSUMPTIONS = (
    "us-east-1, arm64, no free tier; settings and secrets are read each time",
    (
        f"the intake runs {INTAKE_SECONDS * 1000:.0f} ms at 256 MB; a look runs at 256 MB: "
        f"{OWN_SECONDS * 1000:.0f} ms, "
        f"{PARTNER_CALL_SECONDS * 1000:.0f} more a partner call, {AWS_CALL_SECONDS * 1000:.0f} an AWS call"
    ),
    f"logs: {INTAKE_LOG_KB} KB a webhook, {WORKER_LOG_KB} KB a look",
)

FIXED = (
    "fixed costs apart, a month: about 0.26 a polled queue, 0.10 an alarm, 0.30 a metric in use; schedules are free;",
    "records kept: 0.25 a GB, and 0.20 for its backup",
)


def cost(events: Iterable[Event], *, batch: int = 1) -> dict[str, float]:
    """Give USD a million orders by item, if these events happen to every order once and `batch` orders at a time."""
    found = [_cost(event, batch) for event in events]
    return {item: sum(each[item] for each in found) for item in found[0]}


def _cost(event: Event, batch: int) -> dict[str, float]:
    look = OWN_SECONDS + event.look.total() * AWS_CALL_SECONDS + event.partners.total() * PARTNER_CALL_SECONDS
    sends = 1 if event.webhook else 1 / SWEPT_A_CALL
    return {
        "HTTP API": HTTP_REQUEST * event.webhook,
        "Lambda, requests": LAMBDA_REQUEST * (event.webhook + 1 / batch),
        "Lambda, time": GB_SECOND * (event.webhook * INTAKE_GB * INTAKE_SECONDS + WORKER_GB * look / batch),
        "SQS": SQS_FIFO_REQUEST * (sends + RECEIVE_AND_DELETE / batch),
        "DynamoDB, items written": WRITE_UNIT * event.units.write,
        "DynamoDB, indexes written": WRITE_UNIT * event.units.index,
        "DynamoDB, read": READ_UNIT * event.units.read,
        "logs": LOG_KB * (event.webhook * INTAKE_LOG_KB + WORKER_LOG_KB),
    }


def due_looks() -> tuple[tuple[int, str], tuple[int, str]]:
    """Say how often an order is looked at because nobody says anything: at the warehouse, then in transit."""
    waits = ((AT_WAREHOUSE, FORWARDED_LOOK, "at the warehouse"), (IN_TRANSIT, SHIPPED_LOOK, "in transit"))
    first, second = (
        (
            round(wait / every) - 1,
            f"every {every.total_seconds() / 3600:g} h of {wait.total_seconds() / 3600:g} h {where}",
        )
        for wait, every, where in waits
    )
    return first, second
