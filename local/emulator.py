"""One built function in Lambda's own runtime interface emulator, without Docker.

The emulator is the binary that `sam local invoke` puts into its container; it ships inside the SAM CLI. Around it
stands what Lambda puts there: the built function as working directory, the built layer before everything else, boto3
behind it (it comes with the runtime, here from .venv), the function's variables from a running local stack. So this
shows that the artefact works and that an event is understood; queues, time-outs and permissions are `local.stack`'s.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import boto3

from jetbridge.aws.secrets import SsmWebhookSecrets
from local.partners import connected_store
from local.simulators.jetpack_webhooks import sign
from local.simulators.shopify_webhooks import signature
from local.stack import (
    AWS_SETTINGS,
    ROOT,
    FunctionFailedError,
    LocalStack,
    StackError,
    StackState,
    free_port,
    host_architecture,
    stop_group,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

__all__ = ["Emulator", "signed_anew"]

HANDLER = "app.lambda_handler"
TIMEOUT_SECONDS = 60
START_SECONDS = 10
INVOCATIONS = "/2015-03-31/functions/function/invocations"


class Emulator:
    """One function, started for as long as the `with` block lasts: the first call is cold, the others warm."""

    def __init__(self, stack: StackState, logical_id: str) -> None:
        """Prepare the function that the template calls `logical_id`, to work against `stack`."""
        self._logical_id = logical_id
        self._environment = {**stack.environments[logical_id], "AWS_ENDPOINT_URL": stack.endpoint_url}
        self._cleanup = contextlib.ExitStack()
        self._log = Path()
        self._port = 0

    def __enter__(self) -> Self:
        """Start the emulator.

        Raises:
            StackError: It does not start.
        """
        built = ROOT / ".aws-sam" / "build"
        [package] = (ROOT / ".sam/lib").glob("python*/site-packages/samcli/local/rapid")
        self._port = free_port()
        with contextlib.ExitStack() as cleanup:
            folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="jetbridge-emulator-")))
            self._log = folder / "log"
            process = subprocess.Popen(
                [
                    str(package / f"aws-lambda-rie-{host_architecture()}"),
                    *("--runtime-interface-emulator-address", f"127.0.0.1:{self._port}"),
                    *("--runtime-api-address", f"127.0.0.1:{free_port()}"),
                    *(sys.executable, "-m", "awslambdaric", HANDLER),
                ],
                cwd=built / self._logical_id,
                # Nothing of the caller's environment: a function must not lean on it.
                env=AWS_SETTINGS
                | self._environment
                | {
                    "PATH": os.defpath,
                    "LANG": "C.UTF-8",
                    "PYTHONPATH": str(built / "CoreLayer" / "python"),
                    "PYTHONDONTWRITEBYTECODE": "1",  # the build is what would be deployed: nothing may be added to it
                    "AWS_LAMBDA_FUNCTION_NAME": self._logical_id,
                    "AWS_LAMBDA_FUNCTION_TIMEOUT": str(TIMEOUT_SECONDS),
                    "LAMBDA_TASK_ROOT": str(built / self._logical_id),
                },
                stdin=subprocess.DEVNULL,
                stdout=cleanup.enter_context(self._log.open("wb")),
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            cleanup.callback(stop_group, process)
            self._wait(process)
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the emulator and the function."""
        self._cleanup.close()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=1)
        while True:
            try:
                connection.connect()
            except OSError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    text = f"The emulator did not start:\n{self.output()[-2000:]}"
                    raise StackError(text) from error
                time.sleep(0.02)
            else:
                connection.close()
                return

    def invoke(self, event: object) -> Any:  # noqa: ANN401 - whatever the function answers
        """Call the function and wait for its answer.

        Raises:
            FunctionFailedError: It raised, did not answer in time or died.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_SECONDS + 5)
        try:
            connection.request("POST", INVOCATIONS, json.dumps(event), {"Content-Type": "application/json"})
            body = connection.getresponse().read()
        finally:
            connection.close()
        try:
            answer = json.loads(body)
        except ValueError as error:  # the emulator says in plain words that the function timed out
            text = f"{self._logical_id}: {body.decode(errors='replace')}"
            raise FunctionFailedError(text) from error
        if isinstance(answer, dict) and "errorMessage" in answer:
            text = f"{self._logical_id}: {answer.get('errorType')}: {answer['errorMessage']}"
            raise FunctionFailedError(text)
        return answer

    def output(self) -> str:
        """Give what the function and the emulator printed so far."""
        return self._log.read_text(errors="replace")


type Event = Mapping[str, Any]


def _as_shopify(event: Event, raw: bytes, secret: str, at: float) -> dict[str, Any]:
    del at  # Shopify signs the body alone
    return {"headers": event["headers"] | {"x-shopify-hmac-sha256": signature(raw, secret)}}


def _as_jetpack(event: Event, raw: bytes, secret: str, at: float) -> dict[str, Any]:
    timestamp = str(int(at))
    signed = sign(secret, event["headers"]["webhook-id"], timestamp, raw)
    return {"headers": event["headers"] | {"webhook-timestamp": timestamp, "webhook-signature": signed}}


def _as_shipstation(event: Event, raw: bytes, secret: str, at: float) -> dict[str, Any]:
    del raw, at  # it signs nothing: it only knows the address
    parameters, context = event["pathParameters"] | {"token": secret}, event["requestContext"]
    path = f"/webhooks/shipstation/{parameters['store']}/{secret}"
    return {
        "rawPath": path,
        "pathParameters": parameters,
        "requestContext": context | {"http": context["http"] | {"path": path}},
    }


SIGNERS: Mapping[str, Callable[[Event, bytes, str, float], dict[str, Any]]] = {
    "shopify": _as_shopify,
    "jetpack": _as_jetpack,
    "shipstation": _as_shipstation,
}
"""How each partner proves who it is: the parts of an event that a secret changes."""


def signed_anew(event: Any, stack: StackState, at: float) -> Any:  # noqa: ANN401 - whatever wakes a function
    """Give a webhook as its partner would sign it at `at`, with the secret that the stack keeps for the store.

    Jetpack's signatures are good for five minutes, so one in a file cannot stay valid. ShipStation's token is the
    store's own. Anything but a webhook of a connected store is given back as it is.
    """
    parameters = event.get("pathParameters") if isinstance(event, dict) else None
    partner, store = (parameters or {}).get("partner", ""), (parameters or {}).get("store", "")
    if partner not in SIGNERS:
        return event
    ssm = boto3.client(
        "ssm",
        endpoint_url=stack.endpoint_url,
        region_name=AWS_SETTINGS["AWS_REGION"],
        aws_access_key_id=AWS_SETTINGS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=AWS_SETTINGS["AWS_SECRET_ACCESS_KEY"],
    )
    secrets = SsmWebhookSecrets(ssm, stack.environments["ReceiveWebhook"]["STAGE"]).webhook_secrets(store, partner)
    if not secrets:
        return event
    body = event["body"]
    raw = base64.b64decode(body) if event["isBase64Encoded"] else body.encode()
    return event | SIGNERS[partner](event, raw, secrets[0], at)


def _started(cleanup: contextlib.ExitStack) -> StackState:
    """Start a stack with both partners and the store `demo`, for as long as `cleanup` lasts."""
    _say("No local stack is running: one is started for this call, with both partners and the store demo.")
    stack = cleanup.enter_context(LocalStack(tell=lambda line: _say(f"  {line}")))
    cleanup.enter_context(connected_store(stack))
    return stack.state


def _say(line: str) -> None:
    """Tell the person at the terminal; standard output is for the answer."""
    print(line, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Call one function with one event, on the running local stack or on one started for the call."""
    parser = argparse.ArgumentParser(prog="python -m local.emulator", description=main.__doc__)
    parser.add_argument("function", help="the function's name in template.yaml, such as ReceiveWebhook")
    parser.add_argument("event", type=Path, help="a JSON file, such as events/sweep_orders.schedule_due.json")
    parser.add_argument("--as-stored", action="store_true", help="leave a webhook's stored signature, valid or not")
    options = parser.parse_args(arguments)
    try:
        event = json.loads(options.event.read_text())
        with contextlib.ExitStack() as cleanup:
            state = StackState.read() or _started(cleanup)
            if options.function not in state.environments:
                _say(f"There is no function {options.function}: {', '.join(state.environments)}.")
                return 2
            if not options.as_stored:
                stored, event = event, signed_anew(event, state, time.time())
                if event != stored:
                    _say("Signed anew, as the store's partner would sign it now; --as-stored sends it as it is.")
            emulator = cleanup.enter_context(Emulator(state, options.function))
            try:
                print(json.dumps(emulator.invoke(event), indent=2))
            finally:
                _say(emulator.output())
    except (OSError, ValueError, StackError) as error:
        _say(str(error))
        return 2
    except FunctionFailedError as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
