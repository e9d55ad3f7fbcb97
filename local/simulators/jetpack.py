"""The 3PL as a server: strict, stateful, rate-limited, and as late with its reads as the real one."""

from __future__ import annotations

import dataclasses
import re
import urllib.parse
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from local.simulators import jetpack_catalogue as catalogue
from local.simulators import jetpack_edits as edits
from local.simulators import jetpack_orders as orders
from local.simulators import jetpack_shipments as shipments
from local.simulators.jetpack_answers import Call, RefusedError, refuse_fields
from local.simulators.jetpack_books import books_of
from local.simulators.jetpack_floor import Floor
from local.simulators.jetpack_warehouse import OTHER_CHANNEL, Warehouse
from local.simulators.server import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local.simulators.jetpack_models import Json

type Handler = Callable[[Warehouse, Call], Response]

WINDOW_SECONDS = 60.0
SCOPES = frozenset(
    [
        "channels_read",
        "orders_read",
        "orders_write",
        "products_read",
        "products_write",
        "inventory_read",
        "inventory_write",
        "webhooks_read",
        "webhooks_write",
        "locations_read",
        "fulfillments_read",
        "fulfillments_write",
        "returns_read",
        "returns_write",
        "tracking_read",
    ]
)


@dataclass(frozen=True)
class Route:
    """One operation: how it is asked for, what it is called in counts and faults, what it needs."""

    method: str
    pattern: re.Pattern[str]
    operation: str
    handler: Handler
    scope: str
    channel: Literal["required", "optional", "unused"]
    parameters: frozenset[str]

    @classmethod
    def of(
        cls,
        line: str,
        handler: Handler,
        scope: str,
        channel: Literal["required", "optional", "unused"] = "unused",
        parameters: str = "",
    ) -> Self:
        """Build a route from `METHOD /path/{some_id}`; the operation is the handler's name."""
        method, path = line.split()
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>\\d+)", re.escape(path))
        return cls(
            method,
            re.compile(pattern),
            handler.__name__,
            handler,
            scope,
            channel,
            frozenset(parameters.split()),
        )


ORDER_FILTERS = (
    "Page Limit IDs ReferenceIds StartDate EndDate SortOrder HasTracking LastUpdateStartDate LastUpdateEndDate "
    "IsTrackingUploaded LastTrackingUpdateStartDate LastTrackingUpdateEndDate"
)
PRODUCT_FILTERS = "Search SKU SellerSKU Name InventoryId VariantId ProductId LastUpdatedTimestamp ChannelIds SortBy"
LEVEL_FILTERS = "SearchBy InventoryIds IsActive IsDigital PageSize SortBy Cursor cursor"
LOCATION_FILTERS = "IncludeInactive ReceivingEnabled AccessGranted"
_route = Route.of
ROUTES = (
    _route("GET /channel", catalogue.list_channels, "channels_read", "unused", "RecordsPerPage Cursor cursor"),
    _route("POST /order", orders.create_order, "orders_write", "required"),
    _route("GET /order", orders.list_orders, "orders_read", "optional", ORDER_FILTERS),
    _route("GET /order/{order_id}", orders.get_order, "orders_read", "optional"),
    _route("POST /order/{order_id}:cancel", orders.cancel_order, "orders_write", "required"),
    _route("GET /order/{order_id}/shipment", shipments.list_order_shipments, "orders_read", "optional"),
    _route("GET /order/{order_id}/shipment/{shipment_id}", shipments.get_shipment, "orders_read", "optional"),
    _route("GET /order/{order_id}/shipment/{shipment_id}/timeline", shipments.get_timeline, "orders_read", "optional"),
    _route("GET /order/{order_id}/shipment/{shipment_id}/logs", shipments.get_logs, "orders_read", "optional"),
    _route("POST /order/{order_id}/shipment/{shipment_id}:cancel", shipments.cancel_shipment, "orders_write"),
    _route("GET /shipment/{shipment_id}", shipments.get_shipment, "orders_read", "optional"),
    _route("GET /shipment/{shipment_id}/timeline", shipments.get_timeline, "orders_read", "optional"),
    _route("GET /shipment/{shipment_id}/logs", shipments.get_logs, "orders_read", "optional"),
    _route("POST /shipment/{shipment_id}:cancel", shipments.cancel_shipment, "orders_write"),
    _route("POST /shipment:batchCancel", shipments.batch_cancel_shipments, "orders_write", "required"),
    _route("POST /shipment:bulkPlaceOnHold", edits.place_on_hold, "orders_write"),
    _route("POST /shipment:bulkReleaseHold", edits.release_hold, "orders_write"),
    _route("PUT /shipment/{shipment_id}:updateAddress", edits.update_address, "orders_write"),
    _route("PUT /shipment:bulkUpdateShippingService", edits.update_shipping_service, "orders_write"),
    _route("GET /shipment/{shipment_id}:getLineItems", edits.get_line_items, "orders_read"),
    _route("POST /shipment/{shipment_id}:updateLineItems", edits.update_line_items, "orders_write"),
    _route("POST /shipment:batchUpdateTrackingUpload", shipments.upload_tracking, "orders_write"),
    _route("GET /shipments-tracking", shipments.track_shipments, "tracking_read", "unused", "ShipmentIds"),
    _route("GET /tracking", shipments.track_numbers, "tracking_read", "unused", "TrackingIds"),
    _route("GET /shipping-method", catalogue.list_shipping_methods, "orders_read", "unused", "Page Limit"),
    _route("GET /location", catalogue.list_locations, "locations_read", "unused", LOCATION_FILTERS),
    _route(
        "GET /product",
        catalogue.list_products,
        "products_read",
        "optional",
        f"{PRODUCT_FILTERS} SortOrder PageSize Cursor cursor",
    ),
    _route("GET /product/{product_id}", catalogue.get_product, "products_read", "optional"),
    _route("GET /inventory", catalogue.list_inventory, "inventory_read", "unused", LEVEL_FILTERS),
    _route("GET /inventory/{inventory_id}", catalogue.get_inventory, "inventory_read"),
    _route("GET /inventory-level", catalogue.list_inventory_levels, "inventory_read", "unused", LEVEL_FILTERS),
    _route(
        "GET /inventory-level/locations",
        catalogue.list_inventory_levels_by_location,
        "inventory_read",
        "unused",
        f"{LEVEL_FILTERS} LocationType LocationId",
    ),
    _route("GET /inventory-level/{inventory_id}", catalogue.get_inventory_level, "inventory_read"),
    _route(
        "GET /inventory-level/{inventory_id}/locations", catalogue.get_inventory_level_by_location, "inventory_read"
    ),
    _route("POST /webhook", catalogue.create_webhook, "webhooks_write", "optional"),
    _route("GET /webhook", catalogue.list_webhooks, "webhooks_read", "unused", "RecordsPerPage Cursor cursor"),
    _route("DELETE /webhook/{webhook_id}", catalogue.delete_webhook, "webhooks_write"),
)
OPERATIONS = tuple(dict.fromkeys(route.operation for route in ROUTES))


class JetpackSimulator(Floor):
    """ShipBob's API as documented and observed, refusing what the vendor refuses.

    Public attributes may be changed at any time: `token`, `scopes`, `rate_limit_per_minute`,
    `webhook_address`, `webhook_secrets` (several during a rotation), `webhook_clock`, `read_delay_seconds`,
    `has_tracking_is_broken`, `tracks_as_in_april` (another shape of tracking), `standardises_addresses`,
    `auto_processing_pause`, `retry_after_seconds` (what a 429 made by a fault asks for).
    """

    name: ClassVar[str] = "jetpack"
    admin_actions: ClassVar[frozenset[str]] = frozenset(
        [
            "add_product",
            "set_stock",
            "set_active",
            "set_digital",
            "set_customs",
            "add_shipping_method",
            "set_shipping_method",
            "process",
            "pick",
            "pack",
            "label",
            "ship",
            "scan",
            "deliver_parcel",
            "change_tracking_number",
            "hold",
            "release_hold",
            "raise_exception",
            "clear_exception",
            "cancel_by_person",
            "edit_by_person",
            "show_as",
            "disable_webhook",
            "delete_order",
            "split",
            "add_foreign_order",
            "books",
        ]
    )
    admin_settings: ClassVar[Mapping[str, type | tuple[type, ...]]] = {
        "token": str,
        "rate_limit_per_minute": (int, type(None)),
        "webhook_address": (str, type(None)),
        "read_delay_seconds": (int, float),
        "process_after_seconds": (int, float, type(None)),
        "has_tracking_is_broken": bool,
        "tracks_as_in_april": bool,
        "standardises_addresses": bool,
        "auto_processing_pause": bool,
    }

    def __init__(  # noqa: PLR0913 - the settings of a partner
        self,
        *,
        token: str = "pat-example",  # noqa: S107 - invented
        channel_id: int = 120001,
        webhook_secret: str = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY",  # noqa: S107 - invented
        webhook_address: str | None = None,
        version: str = "2026-07",
        rate_limit_per_minute: int | None = 150,
        read_delay_seconds: float = 0.0,
        stock_delay_seconds: float = 0.0,
        process_after_seconds: float | None = 0.0,
        shipped_webhook: Literal["all_labels", "each_label"] = "all_labels",
        split: Callable[[str, int], int] | None = None,
        port: int = 0,
        seed: int = 0,
    ) -> None:
        """Open an account with one writing channel and no products.

        Args:
            token: The personal access token; any other is a 401.
            channel_id: The channel the token writes through.
            webhook_secret: Signs what goes to `webhook_address`.
            webhook_address: Gets every topic, as if subscribed in the dashboard.
            version: The path's first part; 2026-01 is served too.
            rate_limit_per_minute: Sliding window over all calls; None for no limit.
            read_delay_seconds: How late list and get follow a change; answers to the change itself do not wait.
            stock_delay_seconds: How late the stock levels follow.
            process_after_seconds: When an order leaves ImportReview; None waits for `process`.
            shipped_webhook: `order.shipped` once all labels exist (newer page) or at each label (older page).
            split: Says into how many parcels an order goes, given its reference and units.
            port: 0 takes a free one.
            seed: For webhook faults and made-up secrets.
        """
        super().__init__(
            channel_id=channel_id,
            webhook_secret=webhook_secret,
            webhook_address=webhook_address,
            read_delay_seconds=read_delay_seconds,
            stock_delay_seconds=stock_delay_seconds,
            process_after_seconds=process_after_seconds,
            shipped_webhook=shipped_webhook,
            split=split,
            port=port,
            seed=seed,
        )
        self.token = token
        self.scopes = set(SCOPES)
        self.versions = frozenset({version, "2026-01"})
        self.rate_limit_per_minute = rate_limit_per_minute
        self.retry_after_seconds = 1
        self._recent: deque[float] = deque()

    def channels(self) -> list[Json]:
        """List the merchant's channels: ours writes, the others can only be read."""
        reading = sorted(scope for scope in self.scopes if scope.endswith("_read"))
        return [
            self.channel | {"application_name": "SMA", "scopes": sorted(self.scopes)},
            {"id": 120000, "name": "ShipBob Default", "application_name": "ShipBob", "scopes": reading},
            OTHER_CHANNEL | {"application_name": "Forwarder", "scopes": reading},
        ]

    def books(self) -> Json:
        """Tell an auditor everything: each order with its units and parcels, and each create attempt."""
        with self.lock:
            self.advance()
            return books_of(self)

    # -- the door ---------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        """Answer one request: version, token, rate, route, scope, channel, then the operation."""
        with self.lock:
            self.advance()
            try:
                version, path = self._version_of(request)
                self._check_token(request)
                left = self._spend()
            except RefusedError as refusal:
                return refusal.response
            try:
                response = self._operate(request, version, path)
            except RefusedError as refusal:
                response = refusal.response
        if left is None:
            return response
        return dataclasses.replace(response, headers=dict(response.headers) | {"x-remaining-calls": str(left)})

    def operation_of(self, request: Request) -> str:
        """Name the operation (one of `OPERATIONS`), `unknown` for anything else."""
        _, _, rest = _path(request).removeprefix("/").partition("/")
        found = self._find(request.method, f"/{rest}")
        return found[0].operation if found else "unknown"

    def throttled(self, request: Request) -> Response:  # noqa: ARG002 - the base class's signature
        """Answer 429 as documented."""
        return self._too_many(self.retry_after_seconds)

    def _too_many(self, seconds: int) -> Response:
        return Response(
            429,
            {"statusCode": 429, "message": f"Rate limit is exceeded. Try again in {seconds} seconds."},
            {"x-remaining-calls": "0", "x-retry-after": str(seconds)},
        )

    def _version_of(self, request: Request) -> tuple[str, str]:
        version, _, rest = _path(request).removeprefix("/").partition("/")
        if version not in self.versions:
            raise RefusedError(404)
        return version, f"/{rest}"

    def _check_token(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            raise RefusedError(401)

    def _spend(self) -> int | None:
        """Take one call out of the sliding window; a refused call takes none."""
        if self.rate_limit_per_minute is None:
            return None
        now = self.now().timestamp()
        while self._recent and self._recent[0] <= now - WINDOW_SECONDS:
            self._recent.popleft()
        if len(self._recent) >= self.rate_limit_per_minute:
            wait = self._recent[0] + WINDOW_SECONDS - now if self._recent else WINDOW_SECONDS
            refusal = RefusedError(429)
            refusal.response = self._too_many(int(wait) + 1)
            raise refusal
        self._recent.append(now)
        return self.rate_limit_per_minute - len(self._recent)

    def _find(self, method: str, path: str) -> tuple[Route, re.Match[str]] | None:
        for route in ROUTES:
            match = route.pattern.fullmatch(path)
            if match and route.method == method:
                return route, match
        return None

    def _operate(self, request: Request, version: str, path: str) -> Response:
        found = self._find(request.method, path)
        if found is None:
            raise RefusedError(405 if any(route.pattern.fullmatch(path) for route in ROUTES) else 404)
        route, match = found
        if route.scope not in self.scopes:
            # A token older than the scope: 401 was seen live on tracking (facts section 3), else 403.
            raise RefusedError(401 if route.scope == "tracking_read" else 403)
        # Filters that do not exist are ignored without a word; noted, so that a test can find our mistakes.
        self.unknown_fields.update(
            f"{route.operation}?{name}" for name in request.query if name not in route.parameters
        )
        call = Call(
            request=request,
            version=version,
            ids={name: int(text) for name, text in match.groupdict().items()},
            channel_id=self._channel_of(request, route),
        )
        return route.handler(self, call)

    def _channel_of(self, request: Request, route: Route) -> int | None:
        text = request.headers.get("shipbob_channel_id")
        if route.channel == "unused" or (text is None and route.channel == "optional"):
            return None
        if not text:
            refuse_fields({"shipbob_channel_id": ["The shipbob_channel_id header is required."]})
        if not text.isdigit():
            refuse_fields({"shipbob_channel_id": [f"The value '{text}' is not valid."]})
        known = {channel["id"]: channel["scopes"] for channel in self.channels()}
        if route.scope not in known.get(int(text), ()):
            raise RefusedError(403)
        return int(text)

    # -- the admin door ---------------------------------------------------------------------------

    def admin(self, action: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """Carry out a warehouse method by its name and arguments, or `set` some settings."""
        if action == "set":
            return self._set(body)
        if action not in self.admin_actions:
            raise KeyError(action)
        answer = getattr(self, action)(**body)
        return {} if answer is None else answer

    def _set(self, settings: Mapping[str, Any]) -> Json:
        for name, value in settings.items():
            if not isinstance(value, self.admin_settings[name]):
                message = f"{name} can not be {value!r}"
                raise TypeError(message)
        with self.lock:
            for name, value in settings.items():
                setattr(self, name, value)
        return {}


def _path(request: Request) -> str:
    return urllib.parse.unquote(request.path)
