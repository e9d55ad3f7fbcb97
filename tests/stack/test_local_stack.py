from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
import requests

from jetbridge.domain.identifiers import StoreSlug
from jetbridge.messages import WakeUp
from local.emulator import Emulator
from local.stack import ROOT, FunctionFailedError, LocalStack, StackState, main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack"), pytest.mark.enable_socket]

PATIENCE_SECONDS = 30


def wait_until(met: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not met():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS} s: {what}"
        time.sleep(0.1)


def test_every_name_that_somebody_needs_is_an_output(stack: LocalStack) -> None:
    functions = {"ReceiveWebhook", "ForwardOrder", "SyncTracking", "PushInventory", "SweepOrders"}
    queues = {"Order", "Tracking", "Inventory", "Sweep"}
    expected = (
        {f"{function}Name" for function in functions}
        | {f"{queue}QueueUrl" for queue in queues}
        | {f"{queue}DeadLetterQueueUrl" for queue in queues}
        | {"OrdersTableName", "SettingsTableName", "RuntimeTableName", "WebhookUrl"}
    )

    assert expected <= stack.outputs.keys()
    assert all(stack.outputs[name] for name in expected)
    assert stack.environment("ForwardOrder")["ORDERS_TABLE"] == stack.outputs["OrdersTableName"]


def test_a_webhook_reaches_its_function_and_a_forged_one_changes_nothing(stack: LocalStack) -> None:
    before = stack.queue_depths()

    answer = requests.post(stack.webhook_url("shopify", "nobody"), json={"id": 1}, timeout=30)

    assert answer.status_code == requests.codes.unauthorized
    assert stack.worker_processes("ReceiveWebhook")
    assert stack.queue_depths() == before


def test_a_message_in_a_fifo_queue_wakes_its_worker(stack: LocalStack) -> None:
    wake_up = WakeUp(StoreSlug("no-such-store"), "order", "1", "test", time.time())

    stack.client("sqs").send_message(
        QueueUrl=stack.outputs["OrderQueueUrl"],
        MessageBody=wake_up.to_json(),
        MessageGroupId=wake_up.group,
        MessageDeduplicationId=wake_up.deduplication_id,
    )

    wait_until(lambda: "no-such-store" in stack.logs("ForwardOrder"), "a line of forward_order about the message")


def test_a_tick_answers_with_what_the_function_returns(stack: LocalStack) -> None:
    assert stack.tick("SweepOrders", {"task": "due"}) == {"woken": 0}


def test_a_tick_that_fails_says_why(stack: LocalStack) -> None:
    with pytest.raises(FunctionFailedError, match="no-such-task"):
        stack.tick("SweepOrders", {"task": "no-such-task"})


def test_a_worker_can_be_killed_in_the_middle_of_a_call(stack: LocalStack) -> None:
    stack.tick("PushInventory", {"task": "fan_out"})
    failures: list[FunctionFailedError] = []

    def call() -> None:
        try:
            stack.tick("PushInventory", {"task": "fan_out"})
        except FunctionFailedError as error:
            failures.append(error)

    [worker] = stack.worker_processes("PushInventory")
    os.kill(worker, signal.SIGSTOP)  # now a call cannot end before we say so
    calling = threading.Thread(target=call)
    calling.start()
    time.sleep(0.5)
    os.kill(worker, signal.SIGKILL)
    calling.join(PATIENCE_SECONDS)

    assert failures
    assert stack.tick("PushInventory", {"task": "fan_out"}) == {"stores": 0}


def test_a_function_may_do_what_its_own_policy_says_and_nothing_else(stack: LocalStack) -> None:
    iam, role = stack.client("iam"), stack.physical_id("PushInventoryRole")
    policy = iam.get_role_policy(RoleName=role, PolicyName="push_inventory")["PolicyDocument"]
    iam.delete_role_policy(RoleName=role, PolicyName="push_inventory")
    try:
        with pytest.raises(FunctionFailedError):
            stack.tick("PushInventory", {"task": "fan_out"})
    finally:
        iam.put_role_policy(RoleName=role, PolicyName="push_inventory", PolicyDocument=json.dumps(policy))

    assert stack.tick("PushInventory", {"task": "fan_out"}) == {"stores": 0}


@pytest.mark.emulator
def test_a_built_function_runs_in_lambdas_own_emulator(stack: LocalStack) -> None:
    with Emulator(stack.state, "SweepOrders") as emulator:
        assert emulator.invoke({"task": "due"}) == {"woken": 0}
        with pytest.raises(FunctionFailedError, match="no-such-task"):
            emulator.invoke({"task": "no-such-task"})


def test_a_stack_that_is_told_to_stop_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    command = [sys.executable, "-m", "local.stack", "--state", str(file)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        assert any(line.startswith("Ctrl-C") for line in process.stdout), "it ended before it was up"
        state = StackState.read(file)
        assert state
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        process.kill()
        process.wait()

    host, _, port = state.endpoint_url.removeprefix("http://").partition(":")
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
    assert not list(tmp_path.iterdir())


def test_a_taken_port_is_said_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert main(["--port", str(port)]) == 2

    assert capsys.readouterr().err == f"Port {port} is already in use; another local stack may be running.\n"
