"""Schedule: one message a store to InventoryQueue. InventoryQueue: push that store's stock to Shopify.

Delivery semantics: a push that cannot read a partner fails and its message comes again; writes are compared
with what was read, so a repeated or overlapping push changes nothing it should not.
"""

from __future__ import annotations

from typing import Any

from jetbridge import bootstrap
from jetbridge.messages import WakeUp
from jetbridge.use_cases.push_inventory import Pushed, push_inventory

WORKER = bootstrap.worker("push_inventory")


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's own
    """Work one batch of stores, or fan the schedule's tick out to them."""
    if "Records" not in event:
        at = bootstrap.now()
        stores = WORKER.settings.stores()
        WORKER.queues["inventory"].send(
            [WakeUp(slug, "stock", slug, f"schedule:{at.isoformat()}", at.timestamp()) for slug in stores]
        )
        WORKER.close()
        return {"stores": len(stores)}
    with bootstrap.invocation(context):
        response, pushed = WORKER.batch.work(event, _push)
    for each in pushed:
        WORKER.logger.info(
            "stock pushed",
            extra={
                "store": each.store,
                "outcome": each.outcome,
                "read": each.read,
                "changed": each.changed,
                "written": each.written,
                "skipped": dict(each.skipped),
                "refused": dict(each.refused),
            },
        )
        WORKER.metrics.add_metric(name="StockWritten", unit="Count", value=each.written)
    WORKER.close()
    return dict(response)


def _push(wake_up: WakeUp) -> Pushed:
    return push_inventory(
        wake_up.store,
        records=WORKER.records,
        settings=WORKER.settings,
        partners=WORKER.partners,
        clock=bootstrap.now,
    )
