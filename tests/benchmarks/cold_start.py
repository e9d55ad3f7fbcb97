"""What the built functions cost to start and to run, in CPU instructions, against the least a receiver can do.

The yardstick is not part of the project. It is looked for in BENCH_DIR, or beside the checkout in `shared/bench`, and
its prepared scratch folder in BENCH_WORK, as its own README says.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
BUILT = ROOT / ".aws-sam" / "build"
BASE = "floor_ingest"
QUEUES = "https://sqs.us-east-1.amazonaws.com/123456789012"
ENVIRONMENT = {
    "STAGE": "benchmark",
    "ORDERS_TABLE": "orders",
    "SETTINGS_TABLE": "settings",
    "ORDER_QUEUE_URL": f"{QUEUES}/order.fifo",
    "TRACKING_QUEUE_URL": f"{QUEUES}/tracking.fifo",
    "SWEEP_QUEUE_URL": f"{QUEUES}/sweep",
}
WORKERS = {"forward_order": "ForwardOrder", "sync_tracking": "SyncTracking"}
WAKE_UP = {"store": "demo-store", "subject": "order", "id": "820982911946154508", "cause": "benchmark", "seen_at": 0.0}

TARGETS = {
    ("receive_webhook", "init"): 1.08,
    ("receive_webhook", "cold"): 1.05,
    ("forward_order", "init"): 1.6,
    ("sync_tracking", "init"): 1.6,
}
WORDS = {"init": "init", "cold": "init + first call", "warm": "a warm call"}


def yardstick() -> Path:
    """Say where the yardstick would be."""
    return Path(os.environ.get("BENCH_DIR") or ROOT.parent / "shared" / "bench").resolve()


def scratch() -> Path:
    """Say where the yardstick's prepared scratch folder would be."""
    return Path(os.environ.get("BENCH_WORK") or Path(tempfile.gettempdir()) / "bench").resolve()


def missing() -> str:
    """Name the first thing without which nothing can be counted; empty when all is there."""
    wanted = {
        "the yardstick (BENCH_DIR, or shared/bench beside the checkout)": (yardstick() / "count_bench.py").is_file(),
        "the yardstick's scratch folder (BENCH_WORK, made by its prepare_env.py)": (scratch() / "venv").is_dir(),
        "valgrind": shutil.which("valgrind") is not None,
        "the built functions (make build)": BUILT.is_dir(),
    }
    return next((name for name, there in wanted.items() if not there), "")


def counted() -> Iterator[str]:
    """Count, and give the lines to print as they come. Takes some three minutes of two cores."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.json"
        command = [
            str(scratch() / "venv" / "bin" / "python"),
            str(yardstick() / "count_bench.py"),
            *("--work", str(scratch())),
            *("--defs", str(yardstick() / "reference" / "definitions.json")),
            *("--defs", str(_definitions(Path(folder)))),
            *("--only", ",".join([BASE, "receive_webhook", *WORKERS])),
            *("--json", str(results)),
        ]
        began = time.monotonic()
        with (Path(folder) / "said").open("w+") as said, subprocess.Popen(command, stdout=said, stderr=said) as running:
            while running.poll() is None:
                time.sleep(1)
                if (seconds := round(time.monotonic() - began)) % 20 == 0:
                    yield f"  … counting instructions, {seconds} s"
            if running.returncode:
                said.seek(0)
                yield f"  could not be counted: {said.read()[-1000:]}"
                return
        yield from _report(json.loads(results.read_text())["results"])


def _definitions(folder: Path) -> Path:
    """Write what the yardstick has to know about our functions."""
    event = folder / "wake_up.json"
    event.write_text(json.dumps({"Records": [{"messageId": "1", "body": json.dumps(WAKE_UP)}]}))
    shared = {
        "path": [str(BUILT / "CoreLayer" / "python"), str(scratch() / "site" / "boto3_pyc")],
        "handler": "app.lambda_handler",
    }
    intake = {
        **shared,
        "name": "receive_webhook",
        "code": str(BUILT / "ReceiveWebhook"),
        "event": str(yardstick() / "events" / "shopify_order.json"),
        "expect": {"statusCode": 202},
    }
    workers = [
        {
            **shared,
            "name": name,
            "code": str(BUILT / built),
            "event": str(event),
            "env": {"POWERTOOLS_SERVICE_NAME": name},
            "expect": {"batchItemFailures": []},
        }
        for name, built in WORKERS.items()
    ]
    file = folder / "definitions.json"
    file.write_text(json.dumps({"env": ENVIRONMENT, "handlers": [intake, *workers]}))
    return file


def _report(results: dict[str, dict[str, Any]]) -> Iterator[str]:
    floor = results[BASE]
    yield f"  {'':18}{'instructions':>14}{'ratio':>8}{'target':>9}   (ratio to {BASE})"
    for name in ("receive_webhook", *WORKERS):
        for what, words in WORDS.items():
            if what == "init" or name == "receive_webhook":
                target = TARGETS.get((name, what))
                yield (
                    f"  {name:18}{results[name][what] / 1e6:>12.1f} M{results[name][what] / floor[what]:>8.2f}"
                    f"{f'≤ {target:.2f}' if target else '-':>9}   {words}"
                )
    yield f"  modules at init: {', '.join(f'{name} {found["modules"]}' for name, found in results.items())}"
    yield "  The workers' event names a store that is not there: what the first look at a partner loads is not in it."
