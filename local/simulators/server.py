"""What every partner simulator shares: a real HTTP server, a fault switch, webhooks sent, calls counted."""

from __future__ import annotations

import datetime as dt
import heapq
import itertools
import json
import random
import threading
import time
import urllib.parse
import uuid
from collections import Counter
from dataclasses import dataclass, field
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar, Self

import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ADMIN_PREFIX = "/_simulator/"


@dataclass(frozen=True)
class Request:
    """One HTTP request as it arrived; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 - whatever JSON the caller sent
        """Parse the body; raises ValueError when it is not JSON."""
        return json.loads(self.body)

    def first(self, name: str, default: str = "") -> str:
        """Give the first value of a query parameter."""
        return self.query.get(name, [default])[0]


@dataclass(frozen=True)
class Response:
    """One HTTP answer. `body` that is not bytes is sent as JSON."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Fault:
    """Something going wrong on purpose, for the next `times` calls of `operation` (`*` is any).

    `kind`: `429`, `500`, `524` (it was done, but the gateway lost patience: its HTML page), `html` (a gateway's
    HTML page with 502, nothing was done), `malformed` (it was done, the answer is 200 with half a JSON),
    `timeout_before` (the connection closes, nothing was done), `timeout_after` (it was done, the answer
    is lost), `slow` (it is done and answered only after `seconds`).
    """

    kind: str
    operation: str = "*"
    times: int = 1
    seconds: float = 0.0

    KINDS: ClassVar = ("429", "500", "524", "html", "malformed", "timeout_before", "timeout_after", "slow")

    def __post_init__(self) -> None:
        """Refuse a kind nobody carries out."""
        if self.kind not in self.KINDS:
            message = f"unknown fault {self.kind!r}, one of {', '.join(self.KINDS)}"
            raise ValueError(message)


HTML = {"content-type": "text/html"}
INSTEAD = {
    "500": Response(500, b"", {"content-type": "text/plain"}),
    "html": Response(502, b"<html><body>502 Bad Gateway</body></html>", HTML),
}
"""What is answered when nothing was done."""

AFTERWARDS = {
    "524": Response(524, b"<html><body>524 A timeout occurred</body></html>", HTML),
    "malformed": Response(200, b'{"id": 1, "half', {"content-type": "application/json"}),
}
"""What is answered when it was done."""


@dataclass
class WebhookFaults:
    """How badly webhooks travel: shares between 0 and 1, decided by the simulator's seed."""

    drop: float = 0.0
    repeat: float = 0.0
    delay: float = 0.0
    delay_seconds: float = 1.0


@dataclass(frozen=True)
class Delivery:
    """One webhook on its way. `sign` makes the headers anew at every attempt, as the vendors do."""

    url: str
    topic: str
    body: bytes
    sign: Callable[[], dict[str, str]]


class CloseConnectionError(Exception):
    """The server hangs up without an answer."""


class Simulator:
    """A partner's API on a free loopback port, in threads of this process.

    Subclasses answer `handle` (the partner's API), name each request in `operation_of` (for faults and
    counts), answer `throttled` in the partner's own words, and offer an admin door below `/_simulator/`
    through `admin`. Every public method takes `self.lock`.
    """

    name: ClassVar[str] = "partner"
    webhook_attempts: ClassVar[int] = 4
    webhook_timeout_seconds: ClassVar[float] = 5.0

    def __init__(self, *, port: int = 0, seed: int = 0) -> None:
        """Bind the port at once (`port` 0 takes a free one); `start` begins to answer."""
        self.lock = threading.RLock()
        self.random = random.Random(seed)  # noqa: S311 - faults, not secrets
        self.faults: list[Fault] = []
        self.webhook_faults = WebhookFaults()
        self.calls: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.webhooks_sent: Counter[str] = Counter()
        self.webhooks_refused: Counter[int] = Counter()
        self.clock_offset_seconds = 0.0
        self._outbox: list[tuple[float, int, Delivery, int]] = []
        self._numbers = itertools.count()
        self._wake = threading.Condition()
        self._in_flight = 0
        self._stopping = False
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._threads: list[threading.Thread] = []

    # -- life ------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The base address, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> Self:
        """Answer requests and send webhooks from now on."""
        targets: list[Callable[[], None]] = [lambda: self._server.serve_forever(0.05)]
        targets += [self._send_webhooks] * 4
        self._threads = [threading.Thread(target=target, daemon=True, name=self.name) for target in targets]
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """Stop answering and drop webhooks that were not sent yet."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if self._threads:
            self._server.shutdown()
            for thread in self._threads:
                thread.join(timeout=5)
        self._server.server_close()

    def __enter__(self) -> Self:
        """Start on entry."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop on exit."""
        self.stop()

    def now(self) -> dt.datetime:
        """Give the simulator's own time (UTC), which the admin door can move."""
        return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.clock_offset_seconds)

    # -- for the partner ----------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        """Answer one request of the partner's API."""
        raise NotImplementedError

    def operation_of(self, request: Request) -> str:
        """Name the request in the partner's words, for counts and faults."""
        return f"{request.method} {request.path}"

    def throttled(self, request: Request) -> Response:
        """Say "too many requests" in the partner's words."""
        raise NotImplementedError

    def admin(self, action: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401, ARG002 - JSON, for subclasses
        """Carry out one action of the admin door; KeyError for an unknown one."""
        raise KeyError(action)

    # -- faults ---------------------------------------------------------------------------------------

    def fail(self, kind: str, operation: str = "*", times: int = 1, seconds: float = 0.0) -> None:
        """Let the next `times` calls of `operation` go wrong (see `Fault`)."""
        with self.lock:
            self.faults.append(Fault(kind, operation, times, seconds))

    def _next_fault(self, operation: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and fault.operation in ("*", operation):
                    fault.times -= 1
                    return fault
            self.faults = [fault for fault in self.faults if fault.times > 0]
            return None

    def _answer(self, request: Request) -> Response:
        if request.path.startswith(ADMIN_PREFIX):
            return self._admin(request)
        operation = self.operation_of(request)
        fault = self._next_fault(operation)
        kind = fault.kind if fault else ""
        with self.lock:
            self.calls[operation] += 1
        if kind == "timeout_before":
            raise CloseConnectionError
        if kind == "429":
            return self.throttled(request)
        if kind in INSTEAD:
            return INSTEAD[kind]
        if fault and kind == "slow":
            time.sleep(fault.seconds)
        response = self.handle(request)
        if kind == "timeout_after":
            raise CloseConnectionError
        return AFTERWARDS.get(kind, response)

    def _admin(self, request: Request) -> Response:
        body = request.json() if request.body else {}
        action = request.path.removeprefix(ADMIN_PREFIX)
        try:
            if action == "fail":
                self.fail(**body)
                return Response(200, {})
            if action == "webhook_faults":
                with self.lock:
                    self.webhook_faults = WebhookFaults(**body)
                return Response(200, {})
            if action == "move_clock":
                with self.lock:
                    self.clock_offset_seconds += float(body["seconds"])
                return Response(200, {"now": self.now().isoformat()})
            if action == "calls":
                with self.lock:
                    return Response(200, dict(self.calls))
            return Response(200, self.admin(action, body))
        except (KeyError, TypeError, ValueError) as error:
            return Response(400, {"error": f"{type(error).__name__}: {error}"})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        simulator = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            server_version = simulator.name
            sys_version = ""
            disable_nagle_algorithm = True

            def _serve(self) -> None:
                url = urllib.parse.urlsplit(self.path)
                length = int(self.headers.get("content-length") or 0)
                request = Request(
                    self.command,
                    url.path,
                    urllib.parse.parse_qs(url.query, keep_blank_values=True),
                    {name.lower(): value for name, value in self.headers.items()},
                    self.rfile.read(length),
                )
                try:
                    response = simulator._answer(request)
                except CloseConnectionError:
                    self.close_connection = True
                    return
                with simulator.lock:
                    simulator.statuses[response.status] += 1
                raw = isinstance(response.body, bytes)
                body = response.body if raw else json.dumps(response.body).encode()
                self.send_response(response.status)
                headers = {"content-type": "application/json"} | dict(response.headers)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                try:
                    self.end_headers()
                    self.wfile.write(body)
                except ConnectionError:  # the caller did not wait for a slow answer
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _serve  # noqa: N815 - http.server's names

            def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002 - http.server's signature
                """Let the Date header go by the simulator's clock."""
                return format_datetime(simulator.now(), usegmt=True)

            def log_message(self, *_: object) -> None:
                """Stay silent: the simulator counts instead."""

        return Handler

    # -- webhooks ----------------------------------------------------------------------------------------

    def deliver(self, delivery: Delivery) -> None:
        """Send a webhook soon, with whatever the fault switch does to it on the way."""
        with self.lock:
            faults, dice = self.webhook_faults, self.random
            if dice.random() < faults.drop:
                self.webhooks_sent["dropped"] += 1
                return
            copies = 2 if dice.random() < faults.repeat else 1
            delays = [
                dice.random() * faults.delay_seconds if dice.random() < faults.delay else 0.0 for _ in range(copies)
            ]
        for delay in delays:
            self._post(delivery, delay, 1)

    def _post(self, delivery: Delivery, delay: float, attempt: int) -> None:
        with self._wake:
            heapq.heappush(self._outbox, (time.monotonic() + delay, next(self._numbers), delivery, attempt))
            self._wake.notify()

    def outstanding_webhooks(self) -> int:
        """Count the webhooks that wait or are on their way."""
        with self._wake:
            return len(self._outbox) + self._in_flight

    def _due(self) -> Iterator[tuple[Delivery, int]]:
        while True:
            with self._wake:
                while not self._stopping and (not self._outbox or self._outbox[0][0] > time.monotonic()):
                    wait = self._outbox[0][0] - time.monotonic() if self._outbox else None
                    self._wake.wait(wait)
                if self._stopping:
                    return
                _, _, delivery, attempt = heapq.heappop(self._outbox)
                self._in_flight += 1
            yield delivery, attempt

    def _send_webhooks(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            for delivery, attempt in self._due():
                try:
                    status = session.post(
                        delivery.url,
                        data=delivery.body,
                        headers={"content-type": "application/json"} | delivery.sign(),
                        timeout=self.webhook_timeout_seconds,
                        allow_redirects=False,
                    ).status_code
                except requests.RequestException:
                    status = 0
                accepted = 200 <= status < 300  # noqa: PLR2004 - HTTP
                with self.lock:
                    self.webhooks_sent[delivery.topic if accepted else "failed"] += 1
                    if not accepted:
                        self.webhooks_refused[status] += 1
                if not accepted and attempt < self.webhook_attempts:
                    self._post(delivery, 2.0 ** (attempt - 1), attempt + 1)
                with self._wake:
                    self._in_flight -= 1


def new_id() -> str:
    """Make a delivery id."""
    return str(uuid.uuid4())
