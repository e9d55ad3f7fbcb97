"""ShipStation's V1 API as a server: strict about requests, stateful, rate-limited, in Pacific time."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hmac
import inspect
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from local.simulators import shipstation_lists as lists
from local.simulators import shipstation_orders as orders
from local.simulators.server import Request, Response
from local.simulators.shipstation_answers import Call, RefusedError, refuse
from local.simulators.shipstation_channel import Channel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from local.simulators.shopify import ShopifySimulator

type Handler = Callable[[ShipStationSimulator, Call], Response]

WINDOW_SECONDS = 60.0
READABLE = ("application/json", "application/*", "text/json", "*/*")


@dataclass(frozen=True)
class Route:
    """One operation: how it is asked for, and the query keys that it knows, in lower case."""

    method: str
    pattern: re.Pattern[str]
    operation: str
    handler: Handler
    keys: frozenset[str]

    @classmethod
    def of(cls, line: str, handler: Handler, keys: str = "") -> Self:
        """Build a route from `METHOD /path/{id}`; the operation is the handler's name."""
        method, path = line.split()
        pattern = re.compile(re.escape(path).replace(r"\{id\}", r"(?P<id>\d+)"), re.IGNORECASE)
        return cls(method, pattern, handler.__name__, handler, frozenset(keys.lower().split()))


PAGES = "page pageSize sortBy sortDir"
ORDER_KEYS = (
    f"{PAGES} customerName itemKeyword createDateStart createDateEnd modifyDateStart modifyDateEnd orderDateStart "
    "orderDateEnd paymentDateStart paymentDateEnd orderNumber orderStatus storeId customsCountryCode "
    "importBatch includeOrderItems"
)
SHIPPED_KEYS = (
    f"{PAGES} orderId orderNumber trackingNumber recipientName createDateStart createDateEnd shipDateStart shipDateEnd"
)
LABEL_KEYS = (
    f"{SHIPPED_KEYS} recipientCountryCode carrierCode serviceCode voidDateStart voidDateEnd storeId batchId "
    "includeShipmentItems"
)
_route = Route.of
ROUTES = (
    _route("GET /orders", orders.list_orders, ORDER_KEYS),
    _route("GET /orders/listbytag", orders.list_orders_by_tag, "orderStatus tagId page pageSize"),
    _route("GET /orders/{id}", orders.get_order),
    _route("POST /orders/markasshipped", orders.mark_as_shipped),
    _route("POST /orders/addtag", orders.add_tag),
    _route("POST /orders/removetag", orders.remove_tag),
    _route("POST /orders/holduntil", orders.hold_until),
    _route("POST /orders/restorefromhold", orders.restore_from_hold),
    _route("POST /orders/createorder", orders.create_order),
    _route("GET /fulfillments", lists.list_fulfillments, f"{SHIPPED_KEYS} fulfillmentId"),
    _route("GET /shipments", lists.list_shipments, LABEL_KEYS),
    _route("GET /accounts/listtags", lists.list_tags),
    _route("GET /carriers", lists.list_carriers),
    _route("GET /carriers/listservices", lists.list_services, "carrierCode"),
    _route("GET /stores", lists.list_stores, "showInactive marketplaceId"),
    _route("GET /stores/getrefreshstatus", lists.get_refresh_status, "storeId"),
    _route("POST /stores/refreshstore", lists.refresh_store, "storeId refreshDate"),
    _route("GET /stores/{id}", lists.get_store),
    _route("POST /webhooks/subscribe", lists.subscribe),
    _route("GET /webhooks", lists.list_webhooks),
    _route("DELETE /webhooks/{id}", lists.delete_webhook),
)
OPERATIONS = tuple(route.operation for route in ROUTES)


class ShipStationSimulator(Channel):
    """ShipStation V1 as documented and recorded; the paths that Jetbridge has no use for are not there.

    Public attributes may be changed at any time, by the admin door's `set` too: see `settings`.
    """

    name: ClassVar[str] = "shipstation"
    actions: ClassVar[frozenset[str]] = frozenset(
        [
            "add_store",
            "add_tag",
            "books",
            "buy_label",
            "cancel_order",
            "change_order",
            "combine_orders",
            "create_order",
            "delegate_to_provider",
            "hold_order",
            "import_orders",
            "mark_shipped_by_hand",
            "provider_rejects",
            "provider_ships",
            "receive_payment",
            "restore_order",
            "see_order",
            "set_externally_fulfilled",
            "set_store",
            "split_order",
            "tag_order",
            "tell_channels",
            "untag_order",
            "void_label",
        ]
    )
    settings: ClassVar[Mapping[str, type | tuple[type, ...]]] = {
        "api_key": str,
        "api_secret": str,
        "suspended": bool,
        "rate_limit": (int, type(None)),
        "throttle_reset_seconds": int,
        "origin": (str, type(None)),
        "null_rows": bool,
        "fulfillment_pages_zero": bool,
        "long_subscribe_answer": bool,
        "already_shipped_status": int,
        "refuses_unknown_carriers": bool,
        "channel_broken": bool,
        "notify_delay_seconds": (int, float),
        "keeps_number_sign": bool,
        "imports_fulfillable_quantity": bool,
        "imports_each_fulfillment_order": bool,
        "split_keys_are_new": bool,
    }

    def __init__(  # noqa: PLR0913 - the settings of a partner
        self,
        *,
        shop: ShopifySimulator | None = None,
        api_key: str = "shipstation-key",
        api_secret: str = "shipstation-secret",  # noqa: S107 - invented
        store_id: int = 304352,
        store_name: str = "Demo Shop",
        rate_limit: int | None = 40,
        origin: str | None = None,
        import_every: float | None = None,
        notify_delay_seconds: float = 5.0,
        already_shipped_status: Literal[400, 500] = 400,
        port: int = 0,
        seed: int = 0,
    ) -> None:
        """Open an account with one Shopify store and a manual one.

        Args:
            shop: Where orders come from and tracking goes to; None makes orders by `create_order` only.
            api_key: The user of Basic authentication.
            api_secret: Its password.
            store_id: The Shopify store's id.
            store_name: What people called it.
            rate_limit: Calls a minute; None for no limit and no headers of it.
            origin: What a `resource_url` starts with; None takes the simulator's own address.
            import_every: Seconds between imports in a thread of its own, which also tells channels.
            notify_delay_seconds: How long after shipping the channel is told, by the clock.
            already_shipped_status: What marking a shipped order gets, which is documented nowhere.
            port: 0 takes a free one.
            seed: For webhook faults.
        """
        super().__init__(store_id=store_id, store_name=store_name, origin=origin, port=port, seed=seed)
        self.shop = shop
        self.api_key = api_key
        self.api_secret = api_secret
        self.suspended = False
        self.rate_limit = rate_limit
        self.throttle_reset_seconds = 1
        self.import_every = import_every
        self.notify_delay_seconds = notify_delay_seconds
        self.already_shipped_status: int = already_shipped_status
        self.refuses_unknown_carriers = False
        self.long_subscribe_answer = False
        self.null_rows = False
        self.fulfillment_pages_zero = False
        self.unreadable_orders: set[int] = set()
        self.channel_broken = False
        self.keeps_number_sign = False
        self.imports_fulfillable_quantity = False
        self.imports_each_fulfillment_order = False
        self.split_keys_are_new = False
        self._window_began = float("-inf")
        self._spent = 0

    # -- the door ----------------------------------------

    def handle(self, request: Request) -> Response:
        """Answer one request: credentials, rate, plan, route, then the operation."""
        with self.lock:
            self.settle()
            if not self._knows(request.headers.get("authorization", "")):
                return Response(401, {"message": "Unauthorized"})
            left = self._spend()
            if left is not None and left < 0:
                return self._too_many(self._seconds_left())
            try:
                response = self._operate(request)
            except RefusedError as refusal:
                response = refusal.response
            if left is None:
                return response
            return dataclasses.replace(response, headers={**response.headers, **self._rate(left, self._seconds_left())})

    def operation_of(self, request: Request) -> str:
        """Name the operation (one of `OPERATIONS`), `unknown` for anything else."""
        for route in ROUTES:
            if route.method == request.method and route.pattern.fullmatch(request.path):
                return route.operation
        return "unknown"

    def throttled(self, request: Request) -> Response:  # noqa: ARG002 - the base class's signature
        """Answer 429 as documented."""
        return self._too_many(self.throttle_reset_seconds)

    def _knows(self, header: str) -> bool:
        scheme, _, token = header.partition(" ")
        try:
            given = base64.b64decode(token, validate=True)
        except binascii.Error:
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(given, f"{self.api_key}:{self.api_secret}".encode())

    def _spend(self) -> int | None:
        """Take one call out of the window; gives what is left, below zero when there was none."""
        if self.rate_limit is None:
            return None
        now = self.now().timestamp()
        if now >= self._window_began + WINDOW_SECONDS:
            self._window_began, self._spent = now, 0
        if self._spent >= self.rate_limit:
            return -1
        self._spent += 1
        return self.rate_limit - self._spent

    def _seconds_left(self) -> int:
        return max(1, math.ceil(self._window_began + WINDOW_SECONDS - self.now().timestamp()))

    def _rate(self, left: int, seconds: int) -> dict[str, str]:
        return {
            "X-Rate-Limit-Limit": str(self.rate_limit),
            "X-Rate-Limit-Remaining": str(left),
            "X-Rate-Limit-Reset": str(seconds),
        }

    def _too_many(self, seconds: int) -> Response:
        return Response(429, {"message": "Too Many Requests"}, self._rate(0, seconds))

    def _operate(self, request: Request) -> Response:
        if self.suspended:
            refuse(402, "Your plan does not include access to the API.")
        accepted = request.headers.get("accept", "*/*").lower()
        if not any(each in accepted for each in READABLE):
            refuse(400, "The API answers application/json only.")
        at_path = [(route, match) for route in ROUTES if (match := route.pattern.fullmatch(request.path))]
        for route, match in at_path:
            if route.method == request.method:
                query = self._read_query(route, request)
                return route.handler(self, Call(request, int(match.groupdict().get("id") or 0), query))
        if at_path:
            words = f"The requested resource does not support http method '{request.method}'."
            raise RefusedError(405, {"Message": words})
        raise RefusedError(404, {"Message": "No HTTP resource was found that matches the request URI."})

    def _read_query(self, route: Route, request: Request) -> dict[str, str]:
        """Read the query with keys in lower case. Unknown keys are ignored, and noted: no client of ours has any."""
        self.note_unknown(f"{route.operation}?", (name for name in request.query if name.lower() not in route.keys))
        return {name.lower(): values[0] for name, values in request.query.items()}

    def note_unknown(self, operation: str, names: Iterable[str]) -> None:
        """Note keys of a query or body that nobody knows, for a test to find."""
        for name in names:
            self.unknown_keys[operation + name if operation.endswith("?") else f"{operation}.{name}"] += 1

    def with_null_rows[T](self, rows: Sequence[T]) -> list[T | None]:
        """Give the rows, with a null one before the first and in the middle when `null_rows` says so."""
        found: list[T | None] = list(rows)
        if self.null_rows:
            found.insert(len(found) // 2 + 1, None)
            found.insert(0, None)
        return found

    # -- the admin door ----------------------------------------

    def admin(self, action: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """Carry out a person's action by its method's name and arguments, or `set` some settings."""
        if action == "set":
            return self._set(body)
        if action == "make_unreadable":
            with self.lock:
                self.unreadable_orders = set(body["orders"])
            return {}
        if action not in self.actions:
            raise KeyError(action)
        method = getattr(self, action)
        inspect.signature(method).bind(**body)  # a wrong argument is the caller's mistake, before anything is done
        return json.loads(json.dumps(method(**body), default=str))

    def _set(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        for name, value in settings.items():
            if not isinstance(value, self.settings[name]):
                message = f"{name} can not be {value!r}"
                raise TypeError(message)
        with self.lock:
            for name, value in settings.items():
                setattr(self, name, value)
        return {}
