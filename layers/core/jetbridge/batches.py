"""Working an SQS batch: every subject once, subjects side by side, failures reported one by one."""

from __future__ import annotations

import contextvars
import logging
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from jetbridge.errors import JetbridgeError
from jetbridge.messages import WakeUp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["BatchWorker"]

_log = logging.getLogger(__name__)

BatchResponse = dict[str, list[dict[str, str]]]


def _groups(records: Iterable[Mapping[str, Any]]) -> tuple[list[list[tuple[str, WakeUp]]], list[str]]:
    groups: dict[str, list[tuple[str, WakeUp]]] = {}
    unreadable: list[str] = []
    for record in records:
        try:
            wake_up = WakeUp.from_json(record["body"])
        except ValueError as error:
            log_failure(error, subject="unreadable message")
            unreadable.append(record["messageId"])
        else:
            groups.setdefault(wake_up.group, []).append((record["messageId"], wake_up))
    return list(groups.values()), unreadable


class BatchWorker:
    """Keeps the threads that work a batch, for the life of the execution environment.

    A FIFO batch often holds several wake-ups of one order (created, paid, routed). All of them were known
    before the look begins, so one look answers them all: the newest is worked, the others are done with it.
    A subject that fails is reported with all its messages, so that their order is kept and nothing is lost.
    """

    def __init__(self, threads: int = 10) -> None:
        self._pool = ThreadPoolExecutor(threads)

    def work[T](self, event: Mapping[str, Any], look: Callable[[WakeUp], T]) -> tuple[BatchResponse, list[T]]:
        """Call `look` once for every subject of the batch.

        Returns:
            What Lambda expects from a handler that reports partial batch failures, and what each look returned.
            A body that is none of ours fails alone, and ends in the dead-letter queue.
        """
        groups, unreadable = _groups(event["Records"])
        newest = [max((wake_up for _, wake_up in group), key=lambda wake_up: wake_up.seen_at) for group in groups]
        # Each look runs with what was set for this invocation: how long it may take.
        futures = [self._pool.submit(contextvars.copy_context().run, look, wake_up) for wake_up in newest]
        failed = [{"itemIdentifier": message_id} for message_id in unreadable]
        results: list[T] = []
        for group, future in zip(groups, futures, strict=True):
            try:
                results.append(future.result())
            except Exception as error:  # noqa: BLE001 - the edge: whatever it was, these messages come again
                log_failure(error, subject=group[0][1].group)
                failed.extend({"itemIdentifier": message_id} for message_id, _ in group)
        return {"batchItemFailures": failed}, results


def log_failure(error: BaseException, **facts: str) -> None:
    """Log an error that was not expected: its type and place always, its words only if they are ours.

    A stranger's exception may quote the data it stumbled over, and that data may be a customer's address.
    """
    frames = traceback.extract_tb(error.__traceback__)
    _log.error(
        "look failed",
        extra={
            **facts,
            "error": type(error).__name__,
            "detail": str(error) if isinstance(error, JetbridgeError) else "",
            "at": [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames[-6:]],
        },
    )
