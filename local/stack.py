"""The real template on one machine: MiniStack stands in for AWS, `sam build` and `sam deploy` do what they always do.

No Docker, no account, nothing that listens beyond loopback. MiniStack 1.5.33 runs each function in processes of the
interpreter it runs in itself, keeps them warm and reuses them, and starts another whenever all are busy (only the
event sources limit themselves, see below). A queue wakes its function at once; only messages that become visible
again by time are looked for, once a second. Permissions count: each call is held against the policies of the role
that the template gives the function, so a missing statement fails here as it would in an account.

What AWS does and this version of MiniStack does not, with what we do about it (here, never in the template):

- An HTTP API's `Body` is not read, so an API has no routes: `_create_routes` reads the deployed body and makes them.
- SQS batches are held against actions that do not exist (`sqs:SendMessageBatch`; on AWS `sqs:SendMessage` covers
  them): `_grant_batches` adds them where the template grants the single action.
- `DefaultRouteSettings` (throttling) and the access log are stored and not obeyed.
- Tables get no TTL and no point-in-time recovery from the template: expired items stay.
- A FIFO event source works one batch at a time, whatever `MaximumConcurrency` says; two calls of one function for one
  FIFO queue never overlap here. Standard queues do overlap.
- `StartMessageMoveTask` is missing: to redrive, receive, send and delete.
- Memory and architecture mean nothing. A function that raises loses its process, so the next call starts cold.
- A function that prints nothing answers 50 ms later: MiniStack waits that long for its first line.
- A function's variables are its own and MiniStack's; `AWS_ENDPOINT_URL` and made-up credentials are added.
- Schedules do fire, with no regard to the local stage's patience: they are switched off and `tick` calls the target.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.client
import json
import os
import platform
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType, TracebackType

    from local.partners import ConnectedStore

__all__ = [
    "AWS_SETTINGS",
    "ROOT",
    "FunctionFailedError",
    "LocalStack",
    "StackError",
    "StackState",
    "free_port",
    "host_architecture",
    "stop_group",
]

ROOT = Path(__file__).resolve().parent.parent
STATE_FILE = ROOT / ".stack" / "state.json"
BUILT_TEMPLATE = ROOT / ".aws-sam" / "build" / "template.yaml"
STACK_NAME = "jetbridge-local"

# What every AWS client on the local stack is told. These credentials are the account's owner: they may do everything.
AWS_SETTINGS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    # A profile of the person who runs this must not lead a call to a real account.
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}

# A local stage is impatient: the work of a killed worker has to be seen again within seconds, not minutes.
# Visibility is therefore only a little more than one time-out instead of six.
LOCAL_PARAMETERS = {
    "Stage": "local",
    "Schedules": "DISABLED",
    "WorkerTimeoutSeconds": "10",
    "WorkerVisibilitySeconds": "15",
}

ANY_METHOD = "x-amazon-apigateway-any-method"

READY_SECONDS = 30
LISTENING_MINISTACK = "/_ministack/health"


class StackError(Exception):
    """The local stack cannot run; the text is for the person at the terminal."""


class FunctionFailedError(Exception):
    """A function that was called directly raised or timed out."""


@dataclass(frozen=True)
class StackState:
    """What another process needs to know of a running stack."""

    endpoint_url: str
    outputs: Mapping[str, str]
    environments: Mapping[str, Mapping[str, str]]

    @classmethod
    def read(cls, path: Path = STATE_FILE) -> StackState | None:
        """Read what `make stack` left; None when no stack runs."""
        try:
            state = cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        return state if _answers(state.endpoint_url) else None  # one that was killed could not take its file away

    @contextlib.contextmanager
    def written(self, path: Path = STATE_FILE) -> Iterator[None]:
        """Leave the state for others as long as the block lasts."""
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=2))
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def host_architecture() -> str:
    """Name this machine's processor the way Lambda does."""
    return "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"


class LocalStack:
    """The deployed template, for as long as the `with` block lasts.

    Attributes:
        endpoint_url: Where MiniStack answers for every AWS service.
        console_token: What opens the console.
        outputs: The outputs of the template.
    """

    def __init__(self, *, port: int = 0, tell: Callable[[str], None] = lambda _: None) -> None:
        """Prepare a stack on `port` (0: any free one) that tells `tell` what it is doing."""
        self._port = port
        self._tell = tell
        self._cleanup = contextlib.ExitStack()
        self._folder = Path()
        self._resources: dict[str, str] = {}
        self._functions: dict[str, dict[str, Any]] = {}
        self._clients: dict[str, Any] = {}
        self.endpoint_url = ""
        self.console_token = ""
        self.outputs: dict[str, str] = {}

    # ------------------------------------------------------------------ life

    def __enter__(self) -> Self:
        """Build, start MiniStack, deploy.

        Raises:
            StackError: The port is taken, or one of the three failed.
        """
        with contextlib.ExitStack() as cleanup:
            cleanup.enter_context(_leaving_on_sigterm())
            port = free_port(self._port)
            self._folder = Path(tempfile.mkdtemp(prefix="jetbridge-stack-"))
            cleanup.callback(shutil.rmtree, self._folder, ignore_errors=True)
            self._tell("Building the functions and their layer")
            self._run(["make", "--silent", "build"])
            self._tell(f"Starting MiniStack on port {port}")
            self._start_ministack(port, cleanup)
            self._tell("Deploying template.yaml")
            self._deploy()
            self._look_up()
            self._create_routes()
            self._grant_batches()
            self._let_in()
            self._tell("The local stack is up")
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop every process that was started and remove every file that was made."""
        with _deaf_to_interrupts():
            self._cleanup.close()

    def _start_ministack(self, port: int, cleanup: contextlib.ExitStack) -> None:
        self.endpoint_url = f"http://127.0.0.1:{port}"
        log = cleanup.enter_context((self._folder / "ministack.log").open("w+b"))
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            cwd=self._folder,
            env=self._environment()
            | {
                "BIND_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(port),
                "MINISTACK_HOST": "127.0.0.1",  # goes into queue addresses
                "STATE_DIR": str(self._folder),
                "AUTH": "true",  # every call is held against its caller's policies
                "IOT_MTLS_ENABLED": "0",  # would listen on ports of their own
                "SFTP_ENABLED": "0",
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # its own group, so that it can be stopped with all its workers and nothing else
        )
        cleanup.callback(stop_group, process)
        deadline = time.monotonic() + READY_SECONDS
        while not _answers(self.endpoint_url):
            if process.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                text = f"MiniStack did not start:\n{log.read().decode(errors='replace')[-2000:]}"
                raise StackError(text)
            time.sleep(0.1)

    def _deploy(self) -> None:
        parameters = LOCAL_PARAMETERS | {"Architecture": host_architecture()}
        self._run(
            [
                str(ROOT / ".sam/bin/sam"),
                "deploy",
                "--template-file",
                str(BUILT_TEMPLATE),
                "--stack-name",
                STACK_NAME,
                "--region",
                AWS_SETTINGS["AWS_REGION"],
                "--resolve-s3",
                "--capabilities",
                "CAPABILITY_IAM",
                "CAPABILITY_AUTO_EXPAND",
                "--no-confirm-changeset",
                "--parameter-overrides",
                *(f"{name}={value}" for name, value in parameters.items()),
            ]
        )

    def _look_up(self) -> None:
        cloudformation = self.client("cloudformation")
        stack = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK_NAME):
            for resource in page["StackResourceSummaries"]:
                logical_id, name = resource["LogicalResourceId"], resource["PhysicalResourceId"]
                self._resources[logical_id] = name
                if resource["ResourceType"] == "AWS::Lambda::Function":
                    configuration = self.client("lambda").get_function_configuration(FunctionName=name)
                    self._functions[logical_id] = configuration

    def _create_routes(self) -> None:
        template = self.client("cloudformation").get_template(StackName=STACK_NAME, TemplateStage="Processed")
        gateway = self.client("apigatewayv2")
        for name, resource in template["TemplateBody"]["Resources"].items():
            if resource["Type"] != "AWS::ApiGatewayV2::Api":
                continue
            api = self._resources[name]
            for path, methods in resource["Properties"]["Body"]["paths"].items():
                for method, operation in methods.items():
                    uri = json.dumps(operation["x-amazon-apigateway-integration"]["uri"])
                    function = next(each for each in self._functions if f"${{{each}.Arn}}" in uri)
                    integration = gateway.create_integration(
                        ApiId=api,
                        IntegrationType="AWS_PROXY",
                        IntegrationUri=self._functions[function]["FunctionArn"],
                        PayloadFormatVersion="2.0",
                    )
                    key = f"{'ANY' if method == ANY_METHOD else method.upper()} {path}"
                    gateway.create_route(ApiId=api, RouteKey=key, Target=f"integrations/{integration['IntegrationId']}")

    def _let_in(self) -> None:
        """Set a token for the console, as docs/operations.md says."""
        self.console_token = secrets.token_urlsafe(32)
        self.client("ssm").put_parameter(
            Name=f"/jetbridge/{LOCAL_PARAMETERS['Stage']}/console",
            Value=json.dumps({"local": self.console_token}),
            Type="SecureString",
        )

    def _grant_batches(self) -> None:
        iam = self.client("iam")
        for name in [self._functions[each]["Role"].rpartition("/")[2] for each in self._functions]:
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
                document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
                for statement in document["Statement"]:
                    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                    if "sqs:SendMessage" in actions:
                        statement["Action"] = [*actions, "sqs:SendMessageBatch"]
                iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))

    # ------------------------------------------------------------------ use

    @property
    def state(self) -> StackState:
        """What another process needs to know of this stack."""
        environments = {logical_id: self.environment(logical_id) for logical_id in self._functions}
        return StackState(self.endpoint_url, self.outputs, environments)

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3's clients are made at run time
        """Give the boto3 client of a service, always the same one; threads may share it."""
        if service not in self._clients:
            name: Any = service  # the stubs know each service by a literal of its own
            self._clients[service] = boto3.client(
                name,
                endpoint_url=self.endpoint_url,
                region_name=AWS_SETTINGS["AWS_REGION"],
                aws_access_key_id=AWS_SETTINGS["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=AWS_SETTINGS["AWS_SECRET_ACCESS_KEY"],
                # No retries: a repeated call of a function would be a second call.
                config=Config(retries={"total_max_attempts": 1}, read_timeout=120, max_pool_connections=50),
            )
        return self._clients[service]

    def environment(self, logical_id: str) -> dict[str, str]:
        """Give the environment variables that the template gives a function."""
        return dict(self._functions[logical_id]["Environment"]["Variables"])

    def physical_id(self, logical_id: str) -> str:
        """Give the name or address that a resource of the template got."""
        return self._resources[logical_id]

    def webhook_url(self, partner: str, store: str) -> str:
        """Give the address a partner sends a store's webhooks to.

        It is the API's path form: nothing on this machine needs to resolve `*.execute-api` names.
        """
        return f"{self.endpoint_url}/_aws/execute-api/{self.physical_id('HttpApi')}/$default/webhooks/{partner}/{store}"

    @property
    def console_url(self) -> str:
        """Give the address of the people's door; /console and a path of the API follow."""
        return f"{self.endpoint_url}/_aws/execute-api/{self.physical_id('ConsoleApi')}/$default"

    def tick(self, logical_id: str, payload: object) -> Any:  # noqa: ANN401 - whatever the function answers
        """Call a function and wait for its answer, as a schedule would call it.

        Raises:
            FunctionFailedError: It raised or timed out.
        """
        answer = self.client("lambda").invoke(
            FunctionName=self.physical_id(logical_id), Payload=json.dumps(payload).encode()
        )
        result = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            text = f"{logical_id}: {result.get('errorType')}: {result.get('errorMessage')}"
            raise FunctionFailedError(text)
        return result

    def warm_up(self) -> None:
        """Let every function start once, so that what is watched next is not the start of this machine.

        The intake gets three processes: partners send several webhooks at once.
        """
        stranger: dict[str, Any] = {"pathParameters": {"partner": "nobody", "store": "nobody"}}
        empty: dict[str, Any] = {"Records": []}
        calls = [("ReceiveWebhook", stranger)] * 3
        calls += [(name, empty) for name in ("ForwardOrder", "SyncTracking", "PushInventory", "SweepOrders")]
        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(self.tick, name, payload) for name, payload in calls]:
                done.result()

    def logs(self, logical_id: str) -> str:
        """Give all that a function printed in calls that have ended, oldest first."""
        group = self._functions[logical_id]["LoggingConfig"]["LogGroup"]
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
        events = sorted((event for page in pages for event in page["events"]), key=lambda event: event["timestamp"])
        return "\n".join(event["message"] for event in events)

    def worker_processes(self, logical_id: str) -> list[int]:
        """Give the ids of the processes that run a function, busy and idle ones."""
        place = f"{self._folder}/ministack-lambda-{self.physical_id(logical_id)}-"
        return [process for process, command in _processes() if place in command]

    def queue_depths(self) -> dict[str, int]:
        """Count the messages in each queue, dead-letter queues included: waiting, delayed or being worked."""
        counted = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ]
        depths = {}
        for output, url in self.outputs.items():
            if output.endswith("QueueUrl"):
                found = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=counted)["Attributes"]
                depths[output.removesuffix("Url")] = sum(int(found[name]) for name in counted)
        return depths

    # ------------------------------------------------------------------ processes

    def _environment(self) -> dict[str, str]:
        """Make an environment that holds nothing of the caller's: functions inherit MiniStack's."""
        return AWS_SETTINGS | {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "TMPDIR": str(self._folder),  # MiniStack unpacks functions there
            "LANG": "C.UTF-8",
        }

    def _run(self, command: Sequence[str]) -> None:
        """Run one of our tools to its end; its output is shown only if it fails."""
        settings = {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "TMPDIR": str(self._folder),  # SAM leaves its packed templates there
            "SAM_CLI_POLL_DELAY": "0.3",  # the default asks every five seconds whether it is done
            "SAM_CLI_TELEMETRY": "0",
            "__SAM_CLI_APP_DIR": str(self._folder),
        }
        # The build may have to install from a package index, for which a machine has settings of its own.
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MAKE", "MFLAGS"))
        }
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=inherited | AWS_SETTINGS | {name: value for name, value in settings.items() if value},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate()
        finally:
            stop_group(process)
        if process.returncode != 0:
            text = f"`{' '.join(command[:2])}` failed:\n{output[-3000:]}"
            raise StackError(text)


def free_port(wanted: int = 0) -> int:
    """Find a port to listen on.

    Raises:
        StackError: The wanted one is taken.
    """
    with socket.socket() as listener:
        # As MiniStack's own listener: a port whose last connections are still winding down is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", wanted))
        except OSError as error:
            text = f"Port {wanted} is already in use; another local stack may be running."
            raise StackError(text) from error
        return int(listener.getsockname()[1])


def _answers(endpoint_url: str) -> bool:
    connection = http.client.HTTPConnection(endpoint_url.removeprefix("http://"), timeout=5)
    try:
        connection.request("GET", LISTENING_MINISTACK)
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _processes() -> Iterator[tuple[int, str]]:
    """List the machine's processes with their command lines."""
    if Path("/proc/self/cmdline").exists():  # small images have no `ps`
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):  # it ended meanwhile
                yield int(entry.parent.name), entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return
    listing = subprocess.run(["ps", "-axww", "-o", "pid=,args="], capture_output=True, text=True, check=True)  # noqa: S607
    for line in listing.stdout.splitlines():
        process, _, command = line.strip().partition(" ")
        yield int(process), command


def stop_group(process: subprocess.Popen[Any]) -> None:
    """End a process that we started, and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def _leaving_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into SystemExit, so that `with` blocks end as they do after Ctrl-C."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers, and only it is interrupted
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let a second Ctrl-C not stop the cleaning up after the first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _port(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text):
        message = f"{text!r} is not a port number"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _addresses(stack: LocalStack, connected: ConnectedStore) -> str:
    """Say where everything is, and how to put something else in a simulator's place."""
    slug, settings = connected.store.slug, stack.environment("SweepOrders")["SETTINGS_TABLE"]
    shop, jetpack = connected.shop, connected.jetpack
    return f"""
AWS            {stack.endpoint_url}  (AWS_ENDPOINT_URL; any credentials, region us-east-1)
Webhooks       {stack.webhook_url("{partner}", "{store}")}
               partner: shopify or jetpack; the connected store is {slug!r}
Console        export JETBRIDGE_URL='{stack.console_url}' JETBRIDGE_TOKEN={stack.console_token}
               python -m jetbridge orders; its description: curl '{stack.console_url}/console/openapi.json'

Shopify        {shop.url}  (simulator; token {shop.access_token}, webhook secret {shop.client_secret})
Jetpack        {jetpack.url}  (simulator; token {jetpack.token}, channel {connected.store.jetpack.channel_id})
  place an order   curl -d '{{"lines": [{{"sku": "TEA-250", "quantity": 2, "price": "12.50"}}]}}' \\
                        {shop.url}/_simulator/create_order
  ship everything  curl -d '{{"which": "REFERENCE"}}' {jetpack.url}/_simulator/ship
                   (references: curl -d '{{}}' {jetpack.url}/_simulator/books)

To put another server in a partner's place, write its address (`shopify.admin_url` or `jetpack.api_url`) to
table {settings}, item pk STORE#{slug}, sk STORE. Only a stage that is
not production takes an address that is not the vendor's own.

Schedules do not tick by themselves here. To let the minute pass:
  make invoke FUNCTION=SweepOrders EVENT=events/sweep_orders.schedule_due.json

Ctrl-C ends it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the local stack until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m local.stack", description="Run Jetbridge on this machine.")
    parser.add_argument("--port", type=_port, default=0, help="where to listen (default: any free port)")
    parser.add_argument("--state", type=Path, default=STATE_FILE, help="where to leave the addresses for `make invoke`")
    options = parser.parse_args(arguments)
    tell = functools.partial(print, flush=True)
    from local.partners import connected_store  # it needs this module

    try:
        with (
            LocalStack(port=options.port, tell=tell) as stack,
            connected_store(stack) as connected,
            stack.state.written(options.state),
        ):
            print(_addresses(stack, connected), flush=True)
            threading.Event().wait()
    except StackError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nThe local stack is down.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
