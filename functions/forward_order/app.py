"""OrderQueue: look at each order the batch names, and forward, take back or hold it.

Delivery semantics: a message is done when its look is recorded, also when the look ends in waiting (the
record's `due_at` brings it back). Only what our own tables refuse is reported as failed and comes again;
after five times it lies in the dead-letter queue, which therefore holds our bugs and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jetbridge import bootstrap
from jetbridge.use_cases.forward_order import forward_order

if TYPE_CHECKING:
    from jetbridge.messages import WakeUp
    from jetbridge.use_cases.looking import Looked

WORKER = bootstrap.worker("forward_order")


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's own
    """Work one batch, every order once; report the messages that failed."""
    ports = WORKER.look(context)

    def look(wake_up: WakeUp) -> Looked:
        return forward_order(wake_up, **ports, runtime=WORKER.runtime, notices=WORKER.notices)

    with bootstrap.invocation(context):
        response, looked = WORKER.batch.work(event, look)
    WORKER.report(looked)
    return dict(response)
