"""Schedules: wake what is due (each minute) and what changed (every 5), compare ship options with Jetpack's (hourly).

SweepQueue: what concerns many orders.

That is orders that waited for a setting, orders that ShipStation's webhooks point at, redactions, and replays.

Delivery semantics: sweeps only send wake-ups, which are deduplicated and safe to repeat; a sweep that fails
is made good by the next one, because due times and cursors move only with what was really sent. A replay goes on
from what it last saved, and no order counts twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetbridge import bootstrap
from jetbridge.errors import InvalidRequestError
from jetbridge.use_cases.redact_customer import note_data_request, redact_customer
from jetbridge.use_cases.replay_rules import continue_replay
from jetbridge.use_cases.sweep_orders import (
    Swept,
    read_resource,
    sweep_changed,
    sweep_due,
    sweep_jetpack,
    sweep_shipstation,
    wake_held,
)
from jetbridge.use_cases.watch_offers import watch_offers

if TYPE_CHECKING:
    from jetbridge.messages import WakeUp

WORKER = bootstrap.worker("sweep_orders")


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's own
    """Carry out one schedule's task, or one batch of SweepQueue."""
    with bootstrap.invocation(context):
        if "Records" in event:
            response, swept = WORKER.batch.work(event, lambda wake_up: _asked(wake_up, context))
        else:
            response, swept = {}, _scheduled(event.get("task", ""))
    for each in swept:
        log = WORKER.logger.warning if each.failed or each.warnings else WORKER.logger.info
        facts = {"task": each.task, "woken": each.woken, "failed": each.failed, "warnings": each.warnings}
        log("swept", extra=facts)
        if each.task not in {"redacted", "data_request", "replay"}:
            WORKER.metrics.add_metric(name="SweepWoken", unit="Count", value=each.woken)
        WORKER.metrics.add_metric(name="SweepFailed", unit="Count", value=len(each.failed))
    WORKER.close()
    return dict(response) or {"woken": sum(each.woken for each in swept)}


def _scheduled(task: str) -> list[Swept]:
    queues = WORKER.queues
    if task == "due":
        return [
            sweep_due(
                records=WORKER.records,
                order_queue=queues["order"],
                tracking_queue=queues["tracking"],
                clock=bootstrap.now,
            )
        ]
    if task == "changed":
        # First, so that what others sent is known before an order of the same name is woken.
        at_jetpack = sweep_jetpack(
            settings=WORKER.settings, partners=WORKER.partners, runtime=WORKER.runtime, clock=bootstrap.now
        )
        at_shopify = sweep_changed(
            settings=WORKER.settings,
            partners=WORKER.partners,
            runtime=WORKER.runtime,
            order_queue=queues["order"],
            clock=bootstrap.now,
        )
        at_shipstation = sweep_shipstation(
            records=WORKER.records,
            settings=WORKER.settings,
            partners=WORKER.partners,
            runtime=WORKER.runtime,
            order_queue=queues["order"],
            clock=bootstrap.now,
        )
        return [at_jetpack, at_shopify, at_shipstation]
    if task == "offers":
        return [
            watch_offers(
                settings=WORKER.settings,
                secrets=WORKER.secrets,
                administrations=WORKER.administrations,
                runtime=WORKER.runtime,
                notices=WORKER.notices,
                clock=bootstrap.now,
            )
        ]
    message = f"unknown task {task!r}: due, changed or offers"
    raise ValueError(message)


def _asked(wake_up: WakeUp, context: Any) -> Swept:  # noqa: ANN401 - as above
    """Carry out one message of SweepQueue."""
    match wake_up.subject:
        case "shipstation_resource":
            return _read_resource(wake_up)
        case "redaction":
            emptied = redact_customer(
                wake_up,
                records=WORKER.records,
                settings=WORKER.settings,
                partners=WORKER.partners,
                clock=bootstrap.now,
            )
            return Swept("redacted", emptied)
        case "data_request":
            known = note_data_request(wake_up, records=WORKER.records, clock=bootstrap.now)
            return Swept("data_request", int(known))
        case "replay":
            return _replay(wake_up, context)
        case _ if wake_up.id == "uninstalled":
            return Swept("uninstalled", failed={wake_up.store: "the app was removed from the shop"})
        case _:
            return _wake_held(wake_up)


def _read_resource(wake_up: WakeUp) -> Swept:
    try:
        resource = bootstrap.shipstation_resource(wake_up.id)
    except InvalidRequestError as error:
        return Swept("shipstation_resource", failed={wake_up.store: str(error)})
    return read_resource(
        wake_up,
        resource,
        records=WORKER.records,
        settings=WORKER.settings,
        partners=WORKER.partners,
        order_queue=WORKER.queues["order"],
        clock=bootstrap.now,
    )


def _replay(wake_up: WakeUp, context: Any) -> Swept:  # noqa: ANN401 - as above
    job = continue_replay(
        wake_up,
        records=WORKER.records,
        settings=WORKER.settings,
        runtime=WORKER.runtime,
        sweep_queue=WORKER.queues["sweep"],
        clock=bootstrap.now,
        time_left=WORKER.look(context)["time_left"],
    )
    return Swept("replay", failed={wake_up.store: job.error} if job and job.error else {})


def _wake_held(wake_up: WakeUp) -> Swept:
    return wake_held(
        wake_up.store,
        wake_up.id.removeprefix("held:"),
        wake_up.cause,
        records=WORKER.records,
        settings=WORKER.settings,
        order_queue=WORKER.queues["order"],
        clock=bootstrap.now,
    )
