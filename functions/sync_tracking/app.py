"""TrackingQueue: look at each order's shipments, and tell the shop what left.

Delivery semantics: a message is done when its look is recorded, also when the look ends in waiting (the
record's `due_at` brings it back). Only what our own tables refuse is reported as failed and comes again;
after five times it lies in the dead-letter queue, which therefore holds our bugs and nothing else.
"""

from __future__ import annotations

from typing import Any

from jetbridge import bootstrap
from jetbridge.use_cases.sync_tracking import sync_tracking

WORKER = bootstrap.worker("sync_tracking")


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's own
    """Work one batch, every order once; report the messages that failed."""
    ports = WORKER.look(context)
    with bootstrap.invocation(context):
        response, looked = WORKER.batch.work(event, lambda wake_up: sync_tracking(wake_up, **ports))
    WORKER.report(looked)
    return dict(response)
