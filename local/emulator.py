"""One built function in Lambda's own runtime interface emulator, without Docker.

The emulator is the binary that `sam local invoke` puts into its container; it ships inside the SAM CLI. Around it
stands what Lambda puts there: the built function as working directory, the built layer before everything else, boto3
behind it (it comes with the runtime, here from .venv), the function's variables from a running local stack. So this
shows that the artefact works and that an event is understood; queues, time-outs and permissions are `local.stack`'s.
"""

from __future__ import annotations

import argparse
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
    from collections.abc import Sequence
    from types import TracebackType

__all__ = ["Emulator"]

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Call one function with one event, on the running local stack or on one started for the call."""
    parser = argparse.ArgumentParser(prog="python -m local.emulator", description=main.__doc__)
    parser.add_argument("function", help="the function's name in template.yaml, such as ReceiveWebhook")
    parser.add_argument("event", type=Path, help="a JSON file, such as events/schedule_due.json")
    options = parser.parse_args(arguments)
    try:
        event = json.loads(options.event.read_text())
        with contextlib.ExitStack() as cleanup:
            state = StackState.read()
            if state is None:
                print("No local stack is running: one is started for this call.", file=sys.stderr, flush=True)
                state = cleanup.enter_context(LocalStack(tell=lambda line: print(f"  {line}", file=sys.stderr))).state
            if options.function not in state.environments:
                print(f"There is no function {options.function}: {', '.join(state.environments)}.", file=sys.stderr)
                return 2
            emulator = cleanup.enter_context(Emulator(state, options.function))
            try:
                print(json.dumps(emulator.invoke(event), indent=2))
            finally:
                print(emulator.output(), file=sys.stderr)
    except (OSError, ValueError, StackError) as error:
        print(error, file=sys.stderr)
        return 2
    except FunctionFailedError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
