"""Schedules: wake what is due (each minute) and what changed at the source (every 5). SweepQueue: wake what waited.

Delivery semantics: sweeps only send wake-ups, which are deduplicated and safe to repeat; a sweep that fails
is made good by the next one, because due times and cursors move only with what was really sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetbridge import bootstrap
from jetbridge.use_cases.sweep_orders import Swept, sweep_changed, sweep_due, wake_held

if TYPE_CHECKING:
    from jetbridge.messages import WakeUp

WORKER = bootstrap.worker("sweep_orders")


def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Carry out one schedule's task, or one batch of SweepQueue."""
    if "Records" in event:
        response, swept = WORKER.batch.work(event, _wake_held)
    else:
        response, swept = {}, [_scheduled(event.get("task", ""))]
    for each in swept:
        log = WORKER.logger.warning if each.failed else WORKER.logger.info
        log("swept", extra={"task": each.task, "woken": each.woken, "failed": each.failed})
        WORKER.metrics.add_metric(name="SweepWoken", unit="Count", value=each.woken)
        WORKER.metrics.add_metric(name="SweepFailed", unit="Count", value=len(each.failed))
    WORKER.close()
    return dict(response) or {"woken": sum(each.woken for each in swept)}


def _scheduled(task: str) -> Swept:
    queues = WORKER.queues
    if task == "due":
        return sweep_due(
            records=WORKER.records, order_queue=queues["order"], tracking_queue=queues["tracking"], clock=bootstrap.now
        )
    if task == "changed":
        return sweep_changed(
            settings=WORKER.settings,
            partners=WORKER.partners,
            runtime=WORKER.runtime,
            order_queue=queues["order"],
            clock=bootstrap.now,
        )
    message = f"unknown task {task!r}: due or changed"
    raise ValueError(message)


def _wake_held(wake_up: WakeUp) -> Swept:
    return wake_held(
        wake_up.store,
        wake_up.id.removeprefix("held:"),
        wake_up.cause,
        records=WORKER.records,
        order_queue=WORKER.queues["order"],
        clock=bootstrap.now,
    )
