"""A strict Shopify shop over HTTP: the Admin API as an app sees it, and the merchant and customer behind it."""

from __future__ import annotations

import datetime as dt
import heapq
import inspect
import itertools
import json
import re
import threading
import urllib.parse
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from graphql import ExecutionResult, OperationDefinitionNode, default_field_resolver, execute, get_operation_ast

from local.simulators.server import Request, Response, Simulator, new_id
from local.simulators.shopify_graphql import (
    MAX_QUERY_COST,
    CostBucket,
    QueryCost,
    ShopifyError,
    Term,
    answered_error,
    check_document,
    load_schema,
    page,
)
from local.simulators.shopify_merchant import Merchant
from local.simulators.shopify_mutations import Mutations, read_id
from local.simulators.shopify_store import ShopStore
from local.simulators.shopify_views import View, Views
from local.simulators.shopify_webhooks import MOST_FAILURES, RestBodies, WebhookOutbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from graphql import GraphQLResolveInfo

    from local.simulators.server import Delivery

GRAPHQL_PATH = re.compile(r"^/admin/api/(?P<version>[^/]+)/graphql\.json$")
TOKEN_PATH = "/admin/oauth/access_token"  # noqa: S105 - a path
TOKEN_LIFE_SECONDS = 86399

# Oldest first. A version older than the first is answered by the first, as Shopify does without a word.
API_VERSIONS = ("2026-01", "2026-04", "2026-07", "2026-10", "2027-01", "unstable")

SCOPES = frozenset(
    {
        "read_fulfillments",
        "read_inventory",
        "read_locations",
        "read_customers",
        "read_merchant_managed_fulfillment_orders",
        "read_orders",
        "read_products",
        "read_shipping",
        "write_inventory",
        "write_merchant_managed_fulfillment_orders",
        "write_orders",
    }
)
# What each root field asks for.
NEEDED_SCOPES = {
    "deliveryProfile": "read_shipping",
    "deliveryProfiles": "read_shipping",
    "fulfillment": "read_fulfillments",
    "fulfillmentCancel": "write_merchant_managed_fulfillment_orders",
    "fulfillmentCreate": "write_merchant_managed_fulfillment_orders",
    "fulfillmentEventCreate": "write_merchant_managed_fulfillment_orders",
    "fulfillmentOrderCancel": "write_merchant_managed_fulfillment_orders",
    "fulfillmentOrder": "read_merchant_managed_fulfillment_orders",
    "fulfillmentOrderHold": "write_merchant_managed_fulfillment_orders",
    "fulfillmentOrderMove": "write_merchant_managed_fulfillment_orders",
    "fulfillmentOrderOpen": "write_merchant_managed_fulfillment_orders",
    "fulfillmentOrderReleaseHold": "write_merchant_managed_fulfillment_orders",
    "fulfillmentOrderReportProgress": "write_merchant_managed_fulfillment_orders",
    "fulfillmentOrderSplit": "write_merchant_managed_fulfillment_orders",
    "fulfillmentOrders": "read_merchant_managed_fulfillment_orders",
    "fulfillmentTrackingInfoUpdate": "write_merchant_managed_fulfillment_orders",
    "inventoryItem": "read_inventory",
    "inventorySetQuantities": "write_inventory",
    "location": "read_locations",
    "locations": "read_locations",
    "order": "read_orders",
    "orderUpdate": "write_orders",
    "orders": "read_orders",
    "productVariants": "read_products",
    "tagsAdd": "write_orders",
    "tagsRemove": "write_orders",
}
# What fields further down ask for.
NEEDED_SCOPES_BELOW = {
    "Location.inventoryLevels": "read_inventory",
    "LineItem.product": "read_products",
    "Order.customer": "read_customers",
    "Order.fulfillmentOrders": "read_merchant_managed_fulfillment_orders",
    "ProductVariant.inventoryItem": "read_inventory",
}


class ShopifySimulator(Merchant, Simulator):
    """The shop. What a merchant or customer does is in `Merchant`; what an app may ask is answered here.

    `webhook_address` gets every topic, as a subscription in the app's toml would; the API makes more.
    `accept_http_addresses` lets a local stack subscribe plain and loopback addresses, which Shopify refuses.
    `search_lag_seconds` keeps fresh changes out of `orders` and `fulfillmentOrders` for that long.
    `denied_fields` (`Order.email`) are refused to the app, as data that wants another approval is.
    `retry_pace` is the pace of repeated deliveries: 1 for a second, two, four …, 0 for at once.
    """

    name: ClassVar[str] = "shopify"
    webhook_attempts: ClassVar[int] = 9  # the first and eight more

    def __init__(  # noqa: PLR0913 - a shop's settings
        self,
        *,
        shop: str = "demo.myshopify.com",
        access_token: str = "shpat_simulated",  # noqa: S107 - opens nothing but this simulator
        client_id: str = "simulated-client",
        client_secret: str = "simulated-secret",  # noqa: S107 - as above
        webhook_secret: str | None = None,
        webhook_address: str | None = None,
        api_version: str = "2026-10",
        bucket_size: int = 2000,
        restore_rate: int = 100,
        scopes: frozenset[str] = SCOPES,
        accept_http_addresses: bool = False,
        search_lag_seconds: float = 0.0,
        currency: str = "USD",
        plan: str = "Basic",
        utc_offset_hours: int = -5,
        location: str = "Main Warehouse",
        port: int = 0,
        seed: int = 0,
    ) -> None:
        """Open a shop with one location; webhooks are signed with `webhook_secret`, else the client secret."""
        super().__init__(port=port, seed=seed)
        self.shop = shop
        self.access_token = access_token
        self.client_id = client_id
        self.client_secret = client_secret
        self.scopes = set(scopes)
        self.currency = currency
        self.denied_fields: set[str] = set()
        self.search_lag_seconds = search_lag_seconds
        self.retry_pace = 1.0
        self._api_versions: tuple[str, ...] = API_VERSIONS
        self._deprecated_reason = ""
        self._token_refusal = ""
        self._old_secret: str | None = None
        # Token → until when, and the secret that made it.
        self._tokens: dict[str, tuple[dt.datetime | None, str]] = {access_token: (None, client_secret)}
        outbox = WebhookOutbox(
            shop=shop,
            secret=webhook_secret or client_secret,
            address=webhook_address,
            api_version=api_version,
            deliver=self.deliver,
            now=self.now,
        )
        zone = dt.timezone(dt.timedelta(hours=utc_offset_hours))
        self.store = ShopStore(seed=seed, outbox=outbox, bodies=RestBodies(zone), now=self.now)
        self.store.add_location(location)
        self.store.add_shipping_method("Standard", profile="General profile", zone="Domestic")
        self._views = Views(self.store, shop=shop, currency=currency, plan=plan, scopes=self.scopes)
        self._mutations = Mutations(self.store, self._views, accept_http_addresses=accept_http_addresses)
        self._schema = load_schema()
        self.bucket = CostBucket(bucket_size, restore_rate, self.now)
        self._later: list[tuple[dt.datetime, int, Callable[[], None]]] = []
        self._later_numbers = itertools.count()
        self._timers: list[threading.Timer] = []

    @property
    def webhook_address(self) -> str | None:
        """The address that gets every topic."""
        return self.store.outbox.address

    @webhook_address.setter
    def webhook_address(self, address: str | None) -> None:
        with self.lock:
            self.store.outbox.address = address

    @property
    def webhook_secret(self) -> str:
        """The secret webhooks are signed with."""
        return self.store.outbox.secret

    @webhook_secret.setter
    def webhook_secret(self, secret: str) -> None:
        with self.lock:
            self.store.outbox.secret = secret

    # -- time ----------------------------------------

    def stop(self) -> None:
        """Stop, and forget what was due later."""
        with self.lock:
            for timer in self._timers:
                timer.cancel()
        super().stop()

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something when that much time has passed, by the clock or by `move_clock`."""
        due = self.now() + dt.timedelta(seconds=seconds)
        heapq.heappush(self._later, (due, next(self._later_numbers), action))
        timer = threading.Timer(seconds, self.settle)
        timer.daemon = True
        self._timers = [*(t for t in self._timers if t.is_alive()), timer]
        timer.start()

    def settle(self) -> None:
        """Do what is due by now. Every request does it first."""
        with self.lock:
            while self._later and self._later[0][0] <= self.now():
                _, _, action = heapq.heappop(self._later)
                with self.store.event():
                    action()

    # -- HTTP ----------------------------------------

    def operation_of(self, request: Request) -> str:
        """Name a GraphQL call by its operation's root fields' first, else the token call."""
        if request.path == TOKEN_PATH:
            return "access_token"
        try:
            text = request.json()["query"]
        except (ValueError, KeyError, TypeError):
            return super().operation_of(request)
        checked = check_document(text) if isinstance(text, str) else None
        if checked is None or checked.document is None:
            return "graphql"
        for node in checked.document.definitions:
            if isinstance(node, OperationDefinitionNode):
                first = node.selection_set.selections[0]
                return first.name.value if hasattr(first, "name") and first.name else "graphql"
        return "graphql"

    def throttled(self, request: Request) -> Response:
        """Answer 429 with Retry-After; an empty cost bucket answers 200 with THROTTLED instead. Both are met."""
        del request
        body = {"errors": "Exceeded 2 calls per second for api client. Reduce request rates to resume service."}
        return Response(429, body, {"Retry-After": "2.0"})

    def handle(self, request: Request) -> Response:
        """Answer the token endpoint and the GraphQL endpoint; the rest is not there."""
        self.settle()
        if request.path == TOKEN_PATH and request.method == "POST":
            return self._answer_token(request)
        match = GRAPHQL_PATH.match(request.path)
        if not match or request.method != "POST":
            return Response(404, {"errors": "Not Found"})
        version = self._answering_version(match["version"])
        if version is None:
            return Response(404, {"errors": "Not Found"})
        headers = {"X-Shopify-API-Version": version, "X-Request-Id": new_id()}
        if self._deprecated_reason:
            headers["X-Shopify-API-Deprecated-Reason"] = self._deprecated_reason
        if not self._known_token(request.headers.get("x-shopify-access-token", "")):
            words = "[API] Invalid API key or access token (unrecognized login or wrong password)"
            return Response(401, {"errors": words}, headers)
        call = read_call(request)
        if isinstance(call, Response):
            return Response(call.status, call.body, headers)
        with self.lock:
            return Response(200, self._run(*call), headers)

    def _known_token(self, token: str) -> bool:
        with self.lock:
            if token not in self._tokens:
                return False
            expires, _ = self._tokens[token]
            return expires is None or self.now() < expires

    def _answer_token(self, request: Request) -> Response:
        if "json" in request.headers.get("content-type", ""):
            try:
                form = {key: str(value) for key, value in request.json().items()}
            except (ValueError, AttributeError):
                form = {}
        else:
            form = dict(urllib.parse.parse_qsl(request.body.decode("utf-8", "replace")))
        if form.get("grant_type") != "client_credentials":
            return Response(400, {"error": "unsupported_grant_type", "error_description": "unsupported grant type"})
        secret = form.get("client_secret", "")
        if form.get("client_id") != self.client_id or secret not in (self.client_secret, self._old_secret):
            return Response(400, {"error": "invalid_client", "error_description": "client id or secret is wrong"})
        if self._token_refusal:
            return Response(400, {"error": self._token_refusal, "error_description": "no token for this shop"})
        with self.lock:
            token = f"shpua_{new_id().replace('-', '')}"
            self._tokens[token] = self.now() + dt.timedelta(seconds=TOKEN_LIFE_SECONDS), secret
        scope = ",".join(sorted(self.scopes))
        return Response(200, {"access_token": token, "scope": scope, "expires_in": TOKEN_LIFE_SECONDS})

    def empty_bucket(self) -> None:
        """Spend all cost points, as another client of the same app would."""
        with self.lock:
            self.bucket.empty()

    def set_key_running(self, key: str, *, running: bool = True) -> None:
        """Let an idempotency key look as if its first call were still on its way."""
        with self.lock:
            (self._mutations.running_keys.add if running else self._mutations.running_keys.discard)(key)

    def revoke_tokens(self) -> None:
        """Make every token worthless; the client credentials still get new ones."""
        with self.lock:
            self._tokens.clear()

    def refuse_tokens(self, code: str) -> None:
        """Grant no token any more, for that reason (`shop_not_permitted`); an empty one grants them again."""
        with self.lock:
            self._token_refusal = code

    def rotate_secret(self, secret: str) -> None:
        """Give the app a second secret. Until `revoke_old_secret` both are good, and the older one signs."""
        with self.lock:
            self._old_secret, self.client_secret = self.client_secret, secret

    def revoke_old_secret(self) -> None:
        """Take the older secret away, and the tokens it made."""
        with self.lock:
            old, self._old_secret = self._old_secret, None
            self._tokens = {token: made for token, made in self._tokens.items() if made[1] != old}
            if self.store.outbox.secret == old:
                self.store.outbox.secret = self.client_secret

    def grant_scopes(self, scopes: list[str]) -> None:
        """Let the merchant grant the app these scopes instead of those before."""
        with self.lock:
            self.scopes.clear()
            self.scopes.update(scopes)

    def deny_fields(self, fields: list[str]) -> None:
        """Refuse the app these fields (`Order.email`) instead of those before."""
        with self.lock:
            self.denied_fields = set(fields)

    def end_versions(self, oldest: str) -> None:
        """Let the versions before `oldest` end: calls to them are answered by it, without a word."""
        with self.lock:
            self._api_versions = API_VERSIONS[API_VERSIONS.index(oldest) :]

    def deprecate(self, reason: str) -> None:
        """Say with every answer that something in it is deprecated; an empty reason ends it."""
        with self.lock:
            self._deprecated_reason = reason

    def _answering_version(self, asked: str) -> str | None:
        """Say which version answers: an older one is answered by the oldest, one that never was is not there."""
        if asked in self._api_versions:
            return asked
        if re.fullmatch(r"20\d\d-(01|04|07|10)", asked) and asked < self._api_versions[0]:
            return self._api_versions[0]
        return None

    def _post(self, delivery: Delivery, delay: float, attempt: int) -> None:
        """Send a delivery again, unless its subscription has seen too many failures in a row and is deleted."""
        failures = attempt - 1
        if failures == MOST_FAILURES:
            with self.lock:
                self.store.outbox.give_up(delivery.url, delivery.topic)
        super()._post(delivery, delay * self.retry_pace if failures else delay, attempt)

    def uninstall(self) -> None:
        """Let the merchant remove the app: the tokens die first, then app/uninstalled goes out."""
        with self.lock:
            self._tokens.clear()
            self._token_refusal = "app_not_installed"  # noqa: S105 - an error's code
            with self.store.event():
                body = {"id": 7000000001, "name": "Example Shop", "domain": self.shop, "myshopify_domain": self.shop}
                self.store.outbox.announce("app/uninstalled", body)
            self.store.outbox.subscriptions.clear()

    # -- GraphQL ----------------------------------------

    def _run(self, query: str, variables: Mapping[str, Any], operation_name: str | None) -> View:
        checked = check_document(query)
        if checked.errors or checked.document is None:
            return {"errors": list(checked.errors)}
        operation = get_operation_ast(checked.document, operation_name)
        if operation is None:
            words = f'No operation named "{operation_name}"' if operation_name else "An operation name is required"
            return {"errors": [{"message": words}]}
        cost = QueryCost(self._schema, checked.document, operation, variables)
        requested = cost.requested()
        if requested > MAX_QUERY_COST:
            return {"errors": [too_dear(requested)]}
        if not self.bucket.take(requested):
            block = {"requestedQueryCost": requested, "actualQueryCost": None, "throttleStatus": self.bucket.status()}
            error = {"message": "Throttled", "extensions": {"code": "THROTTLED", "documentation": "rate-limits"}}
            return {"errors": [error], "extensions": {"cost": block}}
        context: dict[str, Any] = {"warnings": []}
        result = execute(
            self._schema,
            checked.document,
            root_value=self._root(),
            context_value=context,
            variable_values=dict(variables),
            operation_name=operation_name,
            field_resolver=self._resolve,
        )
        if not isinstance(result, ExecutionResult):  # pragma: no cover - no resolver is asynchronous
            message = "a resolver was asynchronous"
            raise TypeError(message)
        actual = min(requested, cost.actual(result.data))
        self.bucket.give_back(requested - actual)
        body: View = {}
        if result.errors:
            body["errors"] = [answered_error(error) for error in result.errors]
        if result.data is not None or not result.errors or any(error.path for error in result.errors):
            body["data"] = result.data
        block = {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": self.bucket.status()}
        body["extensions"] = {"cost": block}
        if context["warnings"]:
            body["extensions"]["search"] = context["warnings"]
        return body

    def _denied(self, field: str, needed: str) -> Callable[..., None]:
        def deny(_: object, **_arguments: object) -> None:
            message = f"Access denied for {field} field. Required access: `{needed}` access scope."
            raise ShopifyError(message, "ACCESS_DENIED", requiredAccess=f"`{needed}` access scope.")

        return deny

    def _resolve(self, source: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:  # noqa: ANN401 - graphql-core's
        field = f"{info.parent_type.name}.{info.field_name}"
        needed = NEEDED_SCOPES_BELOW.get(field)
        if field in self.denied_fields or (needed and needed not in self.scopes):
            self._denied(info.field_name, needed or "another approval's")(source)
        return default_field_resolver(source, info, **arguments)

    def _root(self) -> dict[str, Any]:
        resolvers = self._queries() | self._mutations.root()
        denied = {
            field: self._denied(field, needed) for field, needed in NEEDED_SCOPES.items() if needed not in self.scopes
        }
        return resolvers | denied

    def _queries(self) -> dict[str, Any]:
        views, store = self._views, self.store

        def one[T](found: T | None, view: Callable[[T], View]) -> View | None:
            return view(found) if found is not None else None

        def routed(global_id: str) -> View | None:
            found = store.fulfillment_orders.get(read_id(global_id, "FulfillmentOrder"))
            return views.fulfillment_order(found) if found and found.order.routed else None

        def location(_: object, id: str | None = None) -> View | None:  # noqa: A002 - the schema's name
            found = store.find_location(None) if id is None else store.locations.get(read_id(id, "Location"))
            return one(found, views.location)

        return {
            "currentAppInstallation": lambda _: views.app_installation(),
            "deliveryProfile": lambda _, id: one(  # noqa: A006
                store.delivery_profiles.get(read_id(id, "DeliveryProfile")), views.delivery_profile
            ),
            "deliveryProfiles": lambda _, **arguments: page(
                list(store.delivery_profiles.values()),
                arguments,
                key=lambda profile: ("", profile.id),
                view=views.delivery_profile,
            ),
            "fulfillment": lambda _, id: one(store.fulfillments.get(read_id(id, "Fulfillment")), views.fulfillment),  # noqa: A006
            "fulfillmentOrder": lambda _, id: routed(id),  # noqa: A006
            "fulfillmentOrders": self._fulfillment_orders,
            "inventoryItem": lambda _, id: one(store.items.get(read_id(id, "InventoryItem")), views.inventory_item),  # noqa: A006
            "location": location,
            "locations": self._locations,
            "order": lambda _, id: one(store.orders.get(read_id(id, "Order")), views.order),  # noqa: A006
            "orders": self._orders,
            "productVariants": lambda _, **arguments: views.variants(arguments),
            "publicApiVersions": lambda _: [views.api_version(version) for version in self._api_versions],
            "shop": lambda _: views.shop(),
            "webhookSubscriptions": self._webhook_subscriptions,
        }

    def _indexed(self, updated_at: dt.datetime) -> bool:
        return updated_at <= self.now() - dt.timedelta(seconds=self.search_lag_seconds)

    def _orders(self, info: Any, **arguments: Any) -> View:  # noqa: ANN401 - graphql-core's
        found = [order for order in self.store.orders.values() if self._indexed(order.updated_at)]
        return self._views.orders(found, arguments, _warner(info, arguments))

    def _fulfillment_orders(self, info: Any, **arguments: Any) -> View:  # noqa: ANN401 - graphql-core's
        found = [
            fulfillment_order
            for fulfillment_order in self.store.fulfillment_orders.values()
            if fulfillment_order.order.routed
            and (arguments["includeClosed"] or fulfillment_order.live)
            and self._indexed(fulfillment_order.updated_at)
        ]
        return self._views.fulfillment_orders(found, arguments, _warner(info, arguments))

    def _locations(self, _: object, **arguments: Any) -> View:  # noqa: ANN401 - JSON
        by_name = arguments["sortKey"] == "NAME"
        return page(
            [place for place in self.store.locations.values() if place.is_active or arguments["includeInactive"]],
            arguments,
            key=lambda place: (place.name if by_name else "", place.id),
            view=self._views.location,
        )

    def _webhook_subscriptions(self, _: object, **arguments: Any) -> View:  # noqa: ANN401 - JSON
        topics, uri = arguments.get("topics"), arguments.get("uri")
        return page(
            [
                subscription
                for subscription in self.store.outbox.subscriptions.values()
                if (not topics or subscription.topic in topics) and (uri is None or subscription.uri == uri)
            ],
            arguments,
            key=lambda subscription: ("", subscription.id),
            view=self._views.subscription,
        )

    # -- the admin door ----------------------------------------

    ACTIONS: ClassVar[frozenset[str]] = frozenset(
        {
            "add_line",
            "add_location",
            "add_product",
            "add_shipping_method",
            "add_stock",
            "books",
            "cancel_fulfillment",
            "cancel_fulfillment_order",
            "cancel_order",
            "change_address",
            "create_order",
            "delete_order",
            "deny_fields",
            "deprecate",
            "edit_quantity",
            "empty_bucket",
            "end_versions",
            "fulfill_elsewhere",
            "grant_scopes",
            "hold_fulfillment_order",
            "mark_paid",
            "merge_fulfillment_orders",
            "move_fulfillment_order",
            "redact_customer",
            "redact_shop",
            "refund",
            "refuse_tokens",
            "release_fulfillment_order",
            "remove_units",
            "request_data",
            "rename_order",
            "reschedule_fulfillment_order",
            "revoke_old_secret",
            "revoke_tokens",
            "rotate_secret",
            "set_key_running",
            "set_note",
            "set_raw_financial_status",
            "set_risk",
            "set_stock",
            "set_tags",
            "settle",
            "split_fulfillment_order",
            "stock_of",
            "uninstall",
        }
    )

    def admin(self, action: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """Carry out a merchant's action by its method's name, with the method's arguments as JSON."""
        if action not in self.ACTIONS:
            raise KeyError(action)
        method = getattr(self, action)
        inspect.signature(method).bind(**body)  # a wrong argument is the caller's mistake, before anything is done
        result = method(**body)
        return json.loads(json.dumps({} if result is None else result, default=_plain))


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Decimal | dt.datetime) else repr(value)


def _warner(info: Any, arguments: Mapping[str, Any]) -> Callable[[Term], None]:  # noqa: ANN401 - graphql-core's
    def warn(term: Term) -> None:
        info.context["warnings"].append(
            {
                "path": [info.field_name],
                "query": arguments.get("query"),
                "warnings": [
                    {"field": term.field, "message": "Invalid search field for this query.", "code": "invalid_field"}
                ],
            }
        )

    return warn


def read_call(request: Request) -> tuple[str, Mapping[str, Any], str | None] | Response:
    """Read query, variables and operation name from a request, or the answer that refuses it."""
    if "application/graphql" in request.headers.get("content-type", ""):
        return request.body.decode("utf-8", "replace"), {}, None
    refused = Response(400, {"errors": {"query": "Required parameter missing or invalid"}})
    if "application/json" not in request.headers.get("content-type", ""):
        return refused
    try:
        body = request.json()
    except ValueError:
        return refused
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        return refused
    variables = body.get("variables") or {}
    if not isinstance(variables, dict):
        return Response(400, {"errors": {"variables": "must be a hash"}})
    return body["query"], variables, body.get("operationName")


def too_dear(requested: int) -> View:
    """Write the refusal of a query that costs more than one may."""
    return {
        "message": f"Query cost is {requested}, which exceeds the single query max cost limit ({MAX_QUERY_COST}).",
        "extensions": {"code": "MAX_COST_EXCEEDED", "cost": requested, "maxCost": MAX_QUERY_COST},
    }
