"""Logs and metrics: one line an outcome, facts as keys, nothing personal, no store as a metric dimension."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger, Metrics
    from botocore.client import BaseClient

NAMESPACE = "Jetbridge"


class CallCounter:
    """Counts the AWS calls of an execution environment by operation: cost is a feature, so it is seen."""

    def __init__(self) -> None:
        self._calls: Counter[str] = Counter()
        self._lock = threading.Lock()

    def watch(self, client: BaseClient) -> None:
        """Count what this client sends from now on, retries too."""
        # First, because whoever answers in the network's place (a test's AWS) ends the event.
        client.meta.events.register_first("before-send", self._count)

    def _count(self, *, event_name: str, **_: object) -> None:
        with self._lock:
            self._calls[event_name.removeprefix("before-send.")] += 1

    def taken(self) -> dict[str, int]:
        """Give the calls counted since the last time, and begin anew."""
        with self._lock:
            calls, self._calls = dict(self._calls), Counter()
        return calls


def worker_logger() -> Logger:
    """Make the functions' structured logger; everything below `jetbridge` logs through it too."""
    from aws_lambda_powertools import Logger
    from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

    logger = Logger()
    copy_config_to_registered_loggers(source_logger=logger, include={"jetbridge"})
    return logger


def worker_metrics() -> Metrics:
    """Make the functions' metrics (embedded metric format, so without a call)."""
    from aws_lambda_powertools import Metrics

    return Metrics(namespace=NAMESPACE)


def webhook_line(partner: str, store: str, topic: str, outcome: str, delivery_id: str) -> None:
    """Print the intake's one line: log entry and metric in one (embedded metric format).

    By hand, because Powertools would cost this one function a tenth of its work (bench/RESULTS.md, lesson 4).
    Partner and topic come from outside: what is not plainly a name is not repeated.
    """
    print(  # noqa: T201 - standard output is where Lambda's log lines come from
        json.dumps(
            {
                "_aws": {
                    "Timestamp": int(time.time() * 1000),
                    "CloudWatchMetrics": [
                        {
                            "Namespace": NAMESPACE,
                            "Dimensions": [["service", "outcome"]],
                            "Metrics": [{"Name": "Webhook", "Unit": "Count"}],
                        }
                    ],
                },
                "level": "INFO" if outcome in ("queued", "ignored_topic") else "WARNING",
                "message": "webhook",
                "service": "receive_webhook",
                "outcome": outcome,
                "Webhook": 1,
                "partner": partner[:40],
                "store": store[:40],
                "topic": topic[:80],
                "delivery_id": delivery_id[:80],
            }
        )
    )
