"""The Shopify simulator, asked and listened to over HTTP as an app would."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import pytest
import requests
from graphql import get_named_type, is_abstract_type, is_leaf_type

from local.simulators.shopify import ShopifySimulator
from local.simulators.shopify_graphql import load_schema, page_weight
from local.simulators.shopify_store import RefusedError
from local.simulators.shopify_webhooks import TOPICS, enum_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = "webhook-secret"  # noqa: S105 - opens nothing but this simulator
TOKEN = "shpat_test"  # noqa: S105 - as above

ORDER = """
query Order($id: ID!) {
  order(id: $id) {
    id legacyResourceId name test tags displayFinancialStatus displayFulfillmentStatus paymentGatewayNames updatedAt
    closedAt cancelledAt
    shippingAddress { name city provinceCode zip countryCodeV2 }
    shippingLines(first: 5) { nodes { title code } }
    risk { recommendation assessments { riskLevel } }
    totalPriceSet { shopMoney { amount currencyCode } }
    lineItems(first: 20) {
      nodes {
        id sku quantity currentQuantity unfulfilledQuantity requiresShipping variant { inventoryItem { tracked } }
      }
    }
    fulfillmentOrders(first: 20) { nodes { ...FO } }
    fulfillments(first: 20) {
      id name status displayStatus deliveredAt
      trackingInfo(first: 10) { company number url }
      fulfillmentLineItems(first: 20) { nodes { quantity lineItem { id sku } } }
      events(first: 10) { nodes { status message } }
    }
  }
}
fragment FO on FulfillmentOrder {
  id status fulfillAt
  supportedActions { action }
  assignedLocation { name location { id } }
  deliveryMethod { methodType presentedName }
  destination { firstName city province countryCode }
  fulfillmentHolds { id reason handle heldByRequestingApp }
  lineItems(first: 20) { nodes { id sku totalQuantity remainingQuantity lineItem { id } } }
}
"""

FULFILL = """
mutation Fulfill($fulfillment: FulfillmentInput!) {
  fulfillmentCreate(fulfillment: $fulfillment) {
    fulfillment { id name status trackingInfo(first: 10) { company number url } }
    userErrors { field message }
  }
}
"""

SET_QUANTITIES = """
mutation Set($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { reason changes { name delta quantityAfterChange item { sku } } }
    userErrors { code field message }
  }
}
"""

HOLD = """
mutation Hold($id: ID!, $hold: FulfillmentOrderHoldInput!) {
  fulfillmentOrderHold(id: $id, fulfillmentHold: $hold) {
    fulfillmentHold { id heldByRequestingApp } fulfillmentOrder { id status } remainingFulfillmentOrder { id }
    userErrors { code field message }
  }
}
"""

RELEASE = """
mutation Release($id: ID!, $holdIds: [ID!]) {
  fulfillmentOrderReleaseHold(id: $id, holdIds: $holdIds) {
    fulfillmentOrder { id status } userErrors { code field message }
  }
}
"""

SUBSCRIBE = """
mutation Subscribe($topic: WebhookSubscriptionTopic!, $sub: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $sub) {
    webhookSubscription { id topic uri name apiVersion { handle } } userErrors { field message }
  }
}
"""


class Inbox:
    """An app's webhook address that keeps what comes."""

    def __init__(self) -> None:
        """Listen on a free port."""
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.arrived = threading.Condition()
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                with inbox.arrived:
                    inbox.received.append(({k.lower(): v for k, v in self.headers.items()}, body))
                    answer = inbox.answers.pop(0) if inbox.answers else 200
                    inbox.arrived.notify_all()
                self.send_response(answer)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/webhooks"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def wait_for(self, topic: str, count: int = 1) -> list[dict[str, Any]]:
        """Give the bodies of a topic as soon as there are that many."""
        with self.arrived:
            arrived = self.arrived.wait_for(lambda: len(self.of(topic)) >= count, timeout=5)
            assert arrived, f"no {topic}, but {[headers['x-shopify-topic'] for headers, _ in self.received]}"
            return [json.loads(body) for _, body in self.of(topic)]

    def of(self, topic: str) -> list[tuple[dict[str, str], bytes]]:
        """Give what came of a topic."""
        return [entry for entry in self.received if entry[0]["x-shopify-topic"] == topic]

    def topics_when_quiet(self, simulator: ShopifySimulator) -> list[str]:
        """Wait until nothing is on its way, then give the topics in order of arrival and forget them."""
        deadline = time.monotonic() + 5
        while simulator.outstanding_webhooks() and time.monotonic() < deadline:
            threading.Event().wait(0.002)
        with self.arrived:
            topics = [headers["x-shopify-topic"] for headers, _ in self.received]
            self.received.clear()
            return topics


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as started:
        yield started


@pytest.fixture
def shop(inbox: Inbox) -> Iterator[ShopifySimulator]:
    simulator = ShopifySimulator(access_token=TOKEN, webhook_secret=SECRET, webhook_address=inbox.url)
    simulator.add_product("TEA-1", title="Green Tea", price="12.50", on_hand=100)
    simulator.add_product("MUG-2", title="Mug", on_hand=50)
    simulator.add_product("EBOOK", requires_shipping=False, tracked=False)
    with simulator:
        inbox.topics_when_quiet(simulator)
        yield simulator


type Ask = Callable[..., dict[str, Any]]


def call(shop: ShopifySimulator, document: str, /, version: str = "2026-10", **variables: Any) -> requests.Response:  # noqa: ANN401 - JSON
    return requests.post(
        f"{shop.url}/admin/api/{version}/graphql.json",
        json={"query": document, "variables": variables},
        headers={"X-Shopify-Access-Token": TOKEN},
        timeout=10,
    )


@pytest.fixture
def ask(shop: ShopifySimulator) -> Ask:
    """Ask and give the data; errors above it fail the test."""

    def send(query: str, /, **variables: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        body = call(shop, query, **variables).json()
        assert "errors" not in body, body
        data: dict[str, Any] = body["data"]
        return data

    return send


@pytest.fixture
def refused(shop: ShopifySimulator) -> Callable[..., dict[str, Any]]:
    """Ask and give the first error above the data."""

    def send(query: str, /, **variables: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        error: dict[str, Any] = call(shop, query, **variables).json()["errors"][0]
        return error

    return send


def fulfillment_orders(ask: Ask, order: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(ORDER, id=order["id"])["order"]["fulfillmentOrders"]["nodes"]
    return found


def shipment(fulfillment_order: dict[str, Any], *units: int, **tracking: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Write the input that ships these units of the first lines, or everything."""
    group: dict[str, Any] = {"fulfillmentOrderId": fulfillment_order["id"]}
    if units:
        lines = fulfillment_order["lineItems"]["nodes"]
        group["fulfillmentOrderLineItems"] = [
            {"id": line["id"], "quantity": quantity} for line, quantity in zip(lines, units, strict=False)
        ]
    return {"lineItemsByFulfillmentOrder": [group], "trackingInfo": tracking}


class TestDoor:
    def test_a_wrong_token_is_refused_with_401_and_the_version_is_named(self, shop: ShopifySimulator) -> None:
        answer = requests.post(
            f"{shop.url}/admin/api/2026-10/graphql.json",
            json={"query": "{ shop { name } }"},
            headers={"X-Shopify-Access-Token": "wrong"},
            timeout=5,
        )

        assert answer.status_code == 401
        assert answer.json()["errors"].startswith("[API] Invalid API key or access token")
        assert answer.headers["X-Shopify-API-Version"] == "2026-10"

    @pytest.mark.parametrize(
        ("asked", "answered"), [("2026-10", "2026-10"), ("2026-04", "2026-04"), ("2024-07", "2026-01")]
    )
    def test_a_version_out_of_reach_is_answered_by_the_oldest_without_a_word(
        self, shop: ShopifySimulator, asked: str, answered: str
    ) -> None:
        answer = call(shop, "{ shop { myshopifyDomain } }", version=asked)

        assert answer.json()["data"] == {"shop": {"myshopifyDomain": "demo.myshopify.com"}}
        assert answer.headers["X-Shopify-API-Version"] == answered

    @pytest.mark.parametrize("version", ["2031-01", "latest"])
    def test_a_version_that_never_was_is_not_found(self, shop: ShopifySimulator, version: str) -> None:
        assert call(shop, "{ shop { name } }", version=version).status_code == 404

    @pytest.mark.parametrize("body", [b"", b"[]", b'{"q": 1}', b'{"query": 5}'])
    def test_a_body_without_a_query_is_a_bad_request(self, shop: ShopifySimulator, body: bytes) -> None:
        answer = requests.post(
            f"{shop.url}/admin/api/2026-10/graphql.json",
            data=body,
            headers={"X-Shopify-Access-Token": TOKEN, "Content-Type": "application/json"},
            timeout=5,
        )

        assert answer.status_code == 400
        assert answer.json() == {"errors": {"query": "Required parameter missing or invalid"}}

    @pytest.mark.parametrize("form", ["data", "json"])
    def test_client_credentials_give_a_token_for_a_day(self, shop: ShopifySimulator, form: str) -> None:
        credentials = {
            "grant_type": "client_credentials",
            "client_id": shop.client_id,
            "client_secret": shop.client_secret,
        }
        answer = requests.post(f"{shop.url}/admin/oauth/access_token", timeout=5, **{form: credentials})  # type: ignore[arg-type]
        token = answer.json()["access_token"]

        def status() -> int:
            url = f"{shop.url}/admin/api/2026-10/graphql.json"
            headers = {"X-Shopify-Access-Token": token}
            return requests.post(url, json={"query": "{ shop { id } }"}, headers=headers, timeout=5).status_code

        assert answer.json()["expires_in"] == 86399
        assert "read_orders" in answer.json()["scope"].split(",")
        assert status() == 200
        requests.post(f"{shop.url}/_simulator/move_clock", json={"seconds": 86400}, timeout=5)
        assert status() == 401

    def test_wrong_credentials_give_none(self, shop: ShopifySimulator) -> None:
        form = {"grant_type": "client_credentials", "client_id": "x", "client_secret": "y"}

        assert requests.post(f"{shop.url}/admin/oauth/access_token", data=form, timeout=5).status_code == 400

    def token(self, shop: ShopifySimulator, secret: str) -> requests.Response:
        form = {"grant_type": "client_credentials", "client_id": shop.client_id, "client_secret": secret}
        return requests.post(f"{shop.url}/admin/oauth/access_token", data=form, timeout=5)

    def test_a_token_lives_and_dies_with_the_secret_that_made_it(self, shop: ShopifySimulator) -> None:
        old, new = shop.client_secret, "second-secret"

        def status(token: str) -> int:
            url, headers = f"{shop.url}/admin/api/2026-10/graphql.json", {"X-Shopify-Access-Token": token}
            return requests.post(url, json={"query": "{ shop { id } }"}, headers=headers, timeout=5).status_code

        shop.rotate_secret(new)
        tokens = [self.token(shop, secret).json()["access_token"] for secret in (old, new)]
        both = [status(token) for token in tokens]
        shop.revoke_old_secret()

        assert both == [200, 200]
        assert [status(token) for token in tokens] == [401, 200]
        assert [self.token(shop, secret).status_code for secret in (old, new)] == [400, 200]

    def test_webhooks_are_signed_with_the_oldest_secret_that_is_not_revoked(self) -> None:
        with ShopifySimulator(client_secret="first") as shop:  # noqa: S106 - opens nothing
            shop.rotate_secret("second")
            during = shop.webhook_secret
            shop.revoke_old_secret()

        assert (during, shop.webhook_secret) == ("first", "second")

    def test_no_token_is_granted_for_a_reason(self, shop: ShopifySimulator) -> None:
        shop.refuse_tokens("shop_not_permitted")
        foreign = self.token(shop, shop.client_secret)
        shop.uninstall()
        gone = self.token(shop, shop.client_secret)

        assert [(each.status_code, each.json()["error"]) for each in (foreign, gone)] == [
            (400, "shop_not_permitted"),
            (400, "app_not_installed"),
        ]

    def test_a_version_that_ends_falls_forward(self, shop: ShopifySimulator) -> None:
        shop.end_versions("2026-10")

        answered = [call(shop, "{ shop { id } }", version=asked) for asked in ("2026-04", "2026-10", "2027-01")]

        assert [each.headers["X-Shopify-API-Version"] for each in answered] == ["2026-10", "2026-10", "2027-01"]
        versions = call(shop, "{ publicApiVersions { handle } }").json()["data"]["publicApiVersions"]
        assert versions[0] == {"handle": "2026-10"}

    def test_what_is_deprecated_is_said_in_a_header(self, shop: ShopifySimulator) -> None:
        assert "X-Shopify-API-Deprecated-Reason" not in call(shop, "{ shop { id } }").headers

        shop.deprecate("https://shopify.dev/changelog")

        reason = call(shop, "{ shop { id } }").headers["X-Shopify-API-Deprecated-Reason"]
        assert reason == "https://shopify.dev/changelog"

    def test_the_date_header_goes_by_the_simulators_clock(self, shop: ShopifySimulator) -> None:
        shop.clock_offset_seconds += 86400

        date = parsedate_to_datetime(call(shop, "{ shop { id } }").headers["Date"])

        assert abs((date - shop.now()).total_seconds()) < 5

    def test_a_slow_answer_is_the_same_answer(self, shop: ShopifySimulator) -> None:
        shop.fail("slow", operation="shop", seconds=0.01)

        assert call(shop, "{ shop { name } }").json()["data"] == {"shop": {"name": "Example Shop"}}

    def test_a_fault_of_429_says_when_to_come_again(self, shop: ShopifySimulator) -> None:
        shop.fail("429", operation="order")

        answer = call(shop, ORDER, id="gid://shopify/Order/1")

        assert answer.status_code == 429
        assert float(answer.headers["Retry-After"]) > 0
        assert call(shop, ORDER, id="gid://shopify/Order/1").json()["data"] == {"order": None}
        assert shop.calls["order"] == 2


class TestGraphql:
    @pytest.mark.parametrize(
        ("query", "code", "words"),
        [
            ("{ shop { nmae } }", "undefinedField", "Field 'nmae' doesn't exist on type 'Shop'"),
            ("{ order { id } }", "missingRequiredArguments", "Field 'order' is missing required arguments: id"),
            ('{ shop(id: "1") { id } }', "argumentNotAccepted", "Field 'shop' doesn't accept argument 'id'"),
            ("{ shop", "PARSE_ERROR", "Syntax Error"),
            ("{ shop }", "selectionMismatch", "Field must have selections"),
        ],
    )
    def test_what_the_schema_does_not_know_is_refused(
        self, refused: Callable[..., dict[str, Any]], query: str, code: str, words: str
    ) -> None:
        error = refused(query)

        assert error["extensions"]["code"] == code
        assert words in error["message"]

    def test_a_missing_variable_is_refused_above_the_data(self, shop: ShopifySimulator) -> None:
        body = call(shop, ORDER).json()

        assert body["errors"][0]["extensions"]["code"] == "INVALID_VARIABLE"
        assert "data" not in body

    @pytest.mark.parametrize("wrong", ["17", "gid://shopify/Product/17", "gid://shopify/Order/abc"])
    def test_a_malformed_id_is_refused_above_the_data(self, shop: ShopifySimulator, wrong: str) -> None:
        body = call(shop, ORDER, id=wrong).json()

        assert body["errors"][0]["message"] == "invalid id"
        assert body["errors"][0]["extensions"]["code"] == "RESOURCE_NOT_FOUND"
        assert body["data"] == {"order": None}

    def test_an_order_that_is_not_there_is_null(self, ask: Ask) -> None:
        assert ask(ORDER, id="gid://shopify/Order/17") == {"order": None}

    def test_a_scope_that_is_missing_denies_the_field_and_no_other(self, shop: ShopifySimulator) -> None:
        shop.scopes.remove("read_orders")

        body = call(shop, 'query { shop { name } order(id: "gid://shopify/Order/1") { id } }').json()

        assert body["data"] == {"shop": {"name": "Example Shop"}, "order": None}
        assert body["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
        assert body["errors"][0]["path"] == ["order"]

    def test_the_app_sees_itself(self, ask: Ask) -> None:
        data = ask("{ currentAppInstallation { accessScopes { handle } } publicApiVersions { handle supported } }")

        assert {"handle": "write_inventory"} in data["currentAppInstallation"]["accessScopes"]
        assert {"handle": "2026-10", "supported": True} in data["publicApiVersions"]


class TestScopes:
    @pytest.mark.parametrize(
        ("query", "scope", "path"),
        [
            ("{ locations(first: 1) { nodes { id } } }", "read_locations", ["locations"]),
            ("{ deliveryProfiles(first: 1) { nodes { id } } }", "read_shipping", ["deliveryProfiles"]),
            ("{ order(id: $id) { customer { tags } } }", "read_customers", ["order", "customer"]),
            ("{ o: order(id: $id) { id } }", "read_orders", ["o"]),
            (
                "{ order(id: $id) { name fulfillmentOrders(first: 1) { nodes { id } } } }",
                "read_merchant_managed_fulfillment_orders",
                ["order", "fulfillmentOrders"],
            ),
        ],
    )
    def test_a_scope_that_is_missing_is_named_at_the_field(
        self, shop: ShopifySimulator, query: str, scope: str, path: list[str]
    ) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])
        document = f"query($id: ID!) {query}" if "$id" in query else query
        variables = {"id": order["id"]} if "$id" in query else {}
        assert "errors" not in call(shop, document, **variables).json()

        shop.grant_scopes(sorted(shop.scopes - {scope}))

        (error,) = call(shop, document, **variables).json()["errors"]
        assert (error["path"], error["extensions"]["code"]) == (path, "ACCESS_DENIED")
        assert scope in error["extensions"]["requiredAccess"]

    def test_a_field_that_may_be_null_is_denied_beside_the_data(self, shop: ShopifySimulator) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])
        shop.deny_fields(["Order.email"])

        body = call(shop, "query($id: ID!) { order(id: $id) { name email } }", id=order["id"]).json()

        assert body["data"] == {"order": {"name": order["name"], "email": None}}
        assert body["errors"][0]["path"] == ["order", "email"]

    def test_a_field_that_may_not_be_null_takes_its_parents_with_it(self, shop: ShopifySimulator) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])
        shop.deny_fields(["Order.risk"])

        risk = call(shop, "query($id: ID!) { order(id: $id) { risk { recommendation } } }", id=order["id"]).json()
        shop.deny_fields(["ShopPlan.publicDisplayName"])
        plan = call(shop, "{ shop { name plan { publicDisplayName } } }").json()

        assert (risk["data"], risk["errors"][0]["path"]) == ({"order": None}, ["order", "risk"])
        assert (plan["data"], plan["errors"][0]["path"]) == (None, ["shop", "plan", "publicDisplayName"])


class TestCompleteness:
    # Fields that need an argument; the connections' `first` is added by itself.
    ARGUMENTS = {  # noqa: RUF012 - a constant
        "metafield": 'key: "forwarded"',
        "quantities": 'names: ["available", "on_hand"]',
    }

    def selection(self, kind: Any, depth: int, known: dict[str, str]) -> str:  # noqa: ANN401 - any GraphQL type
        """Select every field of a type, as deep as told."""
        fields = []
        for name, field in kind.fields.items():
            inner = get_named_type(field.type)
            arguments = self.ARGUMENTS.get(name) or known.get(f"{kind.name}.{name}", "")
            if "first" in field.args:
                arguments = "first: 2"
            called = f"{name}({arguments})" if arguments else name
            if is_leaf_type(inner):
                fields.append(called)
            elif depth and not is_abstract_type(inner):
                fields.append(f"{called} {{ {self.selection(inner, depth - 1, known)} }}")
        return " ".join(fields) or "__typename"

    def test_every_field_of_the_schema_is_answered(self, shop: ShopifySimulator, ask: Ask) -> None:
        order = shop.create_order([{"sku": "TEA-1", "quantity": 3}, {"title": "Engraving", "custom": True}])
        ask(
            TestTagsAndMetafields.SET,
            m=[{"ownerId": order["id"], "key": "forwarded", "type": "json", "value": "[1]"}],
        )
        shop.fulfill_elsewhere(order["id"], number="1Z1", company="UPS", lines={"TEA-1": 1})
        shop.hold_fulfillment_order(order["fulfillment_orders"][0]["id"])
        ask(SUBSCRIBE, topic="ORDERS_PAID", sub={"uri": "https://app.example.test/hook"})
        nodes = ask(
            "{ productVariants(first: 1) { nodes { inventoryItem { id } } } locations(first: 1) { nodes { id } }"
            " deliveryProfiles(first: 1) { nodes { id } } }"
        )
        profile = nodes["deliveryProfiles"]["nodes"][0]["id"]
        item, place = nodes["productVariants"]["nodes"][0]["inventoryItem"]["id"], nodes["locations"]["nodes"][0]["id"]
        shipped = shop.books()[0]["lines"][0]["fulfilled"][0]["fulfillment"]
        roots = {
            "order": f'id: "{order["id"]}"',
            "fulfillmentOrder": f'id: "{order["fulfillment_orders"][0]["id"]}"',
            "fulfillment": f'id: "{shipped}"',
            "inventoryItem": f'id: "{item}"',
            "deliveryProfile": f'id: "{profile}"',
        }
        known = {
            "InventoryItem.inventoryLevel": f'locationId: "{place}"',
            "Location.inventoryLevel": f'inventoryItemId: "{item}"',
        }
        schema = load_schema()
        assert schema.query_type is not None
        for name, field in schema.query_type.fields.items():
            arguments = roots.get(name) or ("first: 2" if "first" in field.args else "")
            called = f"{name}({arguments})" if arguments else name

            data = ask(f"{{ {called} {{ {self.selection(get_named_type(field.type), 3, known)} }} }}")

            assert data[name], name


class TestCost:
    PAGE = "query($id: ID!) { location(id: $id) { inventoryLevels(first: 250) { nodes { item { sku } } } } }"

    def test_cost_meets_the_one_published_measurement(self, shop: ShopifySimulator) -> None:
        cost = call(shop, self.PAGE, id="gid://shopify/Location/1").json()["extensions"]["cost"]

        assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (25, 1)
        assert cost["throttleStatus"]["maximumAvailable"] == 2000
        assert cost["throttleStatus"]["restoreRate"] == 100

    def test_scalars_are_free_and_mutations_cost_ten(self, shop: ShopifySimulator) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])

        tagged = call(
            shop, 'mutation($id: ID!) { tagsAdd(id: $id, tags: ["a"]) { node { id } } }', id=order["id"]
        ).json()
        named = call(shop, "{ shop { id name email } }").json()

        assert tagged["extensions"]["cost"]["requestedQueryCost"] == 11
        assert named["extensions"]["cost"]["actualQueryCost"] == 1

    @pytest.mark.parametrize(
        ("directive", "cost"),
        [
            ("", 2),
            ("@include(if: true)", 2),
            ("@include(if: false)", 1),
            ("@include(if: $yes)", 2),
            ("@include(if: $no)", 1),
            ("@skip(if: $yes)", 1),
            ("@skip(if: $no)", 2),
            ("@include(if: $yes) @skip(if: $yes)", 1),
        ],
    )
    def test_what_is_left_out_costs_nothing(self, shop: ShopifySimulator, directive: str, cost: int) -> None:
        variables: dict[str, Any] = {name: name == "yes" for name in ("yes", "no") if f"${name}" in directive}
        declared = f"query({', '.join(f'${name}: Boolean!' for name in variables)})" if variables else ""

        answer = call(shop, f"{declared} {{ shop {{ id plan {directive} {{ shopifyPlus }} }} }}", **variables)

        assert answer.json()["extensions"]["cost"]["requestedQueryCost"] == cost

    def test_larger_pages_cost_more_and_never_less(self) -> None:
        weights = [page_weight(size) for size in range(251)]

        assert weights == sorted(weights)
        assert weights[0] == 0

    def test_an_empty_bucket_throttles_until_it_has_filled_again(self, shop: ShopifySimulator) -> None:
        shop.empty_bucket()

        throttled = call(shop, self.PAGE, id="gid://shopify/Location/1")
        shop.clock_offset_seconds += 60

        assert throttled.status_code == 200
        body = throttled.json()
        assert body["errors"][0]["extensions"]["code"] == "THROTTLED"
        assert "data" not in body
        assert body["extensions"]["cost"]["actualQueryCost"] is None
        assert body["extensions"]["cost"]["requestedQueryCost"] == 25
        assert "errors" not in call(shop, self.PAGE, id="gid://shopify/Location/1").json()

    def test_what_was_asked_and_not_used_is_given_back(self, shop: ShopifySimulator) -> None:
        for _ in range(100):  # 2500 points asked, 100 used
            assert "errors" not in call(shop, self.PAGE, id="gid://shopify/Location/1").json()

    def test_a_query_beyond_a_thousand_points_is_never_run(self, shop: ShopifySimulator) -> None:
        deep = (
            "nodes { fulfillmentOrders(first: 250) { nodes { lineItems(first: 250) { nodes { lineItem { id } } } } } }"
        )

        error = call(shop, f"{{ orders(first: 250) {{ {deep} }} }}").json()["errors"][0]

        assert error["extensions"]["code"] == "MAX_COST_EXCEEDED"


class TestOrders:
    def test_an_order_reads_as_it_was_bought(self, shop: ShopifySimulator, ask: Ask) -> None:
        made = shop.create_order(
            [{"sku": "TEA-1", "quantity": 3}, {"sku": "EBOOK"}], shipping_method="Express", gateway="paypal"
        )

        order = ask(ORDER, id=made["id"])["order"]

        assert int(order["legacyResourceId"]) > 2**53
        assert order["id"].endswith(order["legacyResourceId"])
        assert (order["name"], order["test"], order["paymentGatewayNames"]) == ("#1001", False, ["paypal"])
        assert (order["displayFinancialStatus"], order["displayFulfillmentStatus"]) == ("PAID", "UNFULFILLED")
        assert order["totalPriceSet"]["shopMoney"] == {"amount": "52.5", "currencyCode": "USD"}
        assert order["shippingLines"]["nodes"] == [{"title": "Express", "code": "Express"}]
        assert order["shippingAddress"]["provinceCode"] == "IL"
        assert order["risk"] == {"recommendation": "ACCEPT", "assessments": [{"riskLevel": "LOW"}]}
        tea, ebook = order["fulfillmentOrders"]["nodes"]
        assert tea["deliveryMethod"] == {"methodType": "SHIPPING", "presentedName": "Express"}
        assert ebook["deliveryMethod"]["methodType"] == "NONE"
        assert tea["status"] == "OPEN"
        assert {action["action"] for action in tea["supportedActions"]} == {
            "CREATE_FULFILLMENT",
            "REPORT_PROGRESS",
            "MOVE",
            "HOLD",
            "SPLIT",
        }
        assert tea["destination"]["province"] == "Illinois"
        assert [(line["sku"], line["remainingQuantity"]) for line in tea["lineItems"]["nodes"]] == [("TEA-1", 3)]
        assert tea["lineItems"]["nodes"][0]["lineItem"]["id"] == order["lineItems"]["nodes"][0]["id"]

    def test_the_same_seed_gives_the_same_ids(self) -> None:
        ids = []
        for _ in range(2):
            shop = ShopifySimulator(seed=7)
            shop.add_product("A")
            ids.append(shop.create_order([{"sku": "A"}])["id"])
            shop.stop()

        assert ids[0] == ids[1]

    def test_a_pickup_order_requires_shipping_and_has_no_address(self, shop: ShopifySimulator, ask: Ask) -> None:
        order = ask(ORDER, id=shop.create_order([{"sku": "TEA-1"}], delivery="PICK_UP")["id"])["order"]

        assert order["shippingAddress"] is None
        assert order["lineItems"]["nodes"][0]["requiresShipping"]
        assert order["shippingLines"]["nodes"][0]["title"] == "Main Warehouse"
        assert order["fulfillmentOrders"]["nodes"][0]["deliveryMethod"]["methodType"] == "PICK_UP"

    def test_fulfillment_orders_appear_when_routing_is_through(
        self, shop: ShopifySimulator, ask: Ask, inbox: Inbox
    ) -> None:
        order = shop.create_order([{"sku": "TEA-1"}], delayed_routing_seconds=3600)

        before = fulfillment_orders(ask, order)
        inbox.wait_for("orders/create")
        committed = shop.stock_of("TEA-1")["committed"]
        requests.post(f"{shop.url}/_simulator/move_clock", json={"seconds": 3601}, timeout=5)
        after = fulfillment_orders(ask, order)

        assert before == []
        assert committed == 1
        assert inbox.wait_for("fulfillment_orders/order_routing_complete") == [
            {"fulfillment_order": {"id": after[0]["id"], "status": "open"}}
        ]

    def test_lines_at_two_locations_are_two_fulfillment_orders(self, shop: ShopifySimulator, ask: Ask) -> None:
        shop.add_location("Shop Floor")

        order = shop.create_order([{"sku": "TEA-1"}, {"sku": "MUG-2", "location": "Shop Floor"}])

        names = [fo["assignedLocation"]["name"] for fo in fulfillment_orders(ask, order)]
        assert names == ["Main Warehouse", "Shop Floor"]

    def test_a_scheduled_order_opens_on_its_day(self, shop: ShopifySimulator, ask: Ask, inbox: Inbox) -> None:
        order = shop.create_order([{"sku": "TEA-1"}], fulfill_in_seconds=86400)

        before = fulfillment_orders(ask, order)[0]
        shop.clock_offset_seconds += 86401
        after = fulfillment_orders(ask, order)[0]

        assert (before["status"], after["status"]) == ("SCHEDULED", "OPEN")
        assert before["fulfillAt"] is not None
        assert "CREATE_FULFILLMENT" not in [action["action"] for action in before["supportedActions"]]
        inbox.wait_for("fulfillment_orders/scheduled_fulfillment_order_ready")

    def test_a_financial_status_nobody_knows_yet_can_appear(self, shop: ShopifySimulator, ask: Ask) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])
        shop.set_raw_financial_status(order["id"], "SOMETHING_NEW")

        assert ask(ORDER, id=order["id"])["order"]["displayFinancialStatus"] == "SOMETHING_NEW"

    def test_units_removed_before_shipping_need_no_shipping(self, shop: ShopifySimulator, ask: Ask) -> None:
        order = shop.create_order([{"sku": "TEA-1", "quantity": 4}])

        shop.remove_units(order["id"], "TEA-1", 3)

        line = ask(ORDER, id=order["id"])["order"]["lineItems"]["nodes"][0]
        assert (line["quantity"], line["currentQuantity"], line["unfulfilledQuantity"]) == (4, 1, 1)
        assert fulfillment_orders(ask, order)[0]["lineItems"]["nodes"][0]["remainingQuantity"] == 1
        assert shop.stock_of("TEA-1")["committed"] == 1
        assert ask(ORDER, id=order["id"])["order"]["displayFinancialStatus"] == "PARTIALLY_REFUNDED"

    def test_an_edit_says_what_changed_and_not_the_order(self, shop: ShopifySimulator, ask: Ask, inbox: Inbox) -> None:
        order = shop.create_order([{"sku": "TEA-1", "quantity": 2}])
        line_id = order["lines"][0]["number"]

        shop.edit_quantity(order["id"], "TEA-1", 5)
        shop.edit_quantity(order["id"], "TEA-1", 4)
        shop.add_line(order["id"], {"sku": "MUG-2", "quantity": 2})

        more, fewer, new = sorted(
            (body["order_edit"] for body in inbox.wait_for("orders/edited", 3)), key=lambda edit: edit["id"]
        )
        assert more["line_items"] == {"additions": [{"id": line_id, "delta": 3}], "removals": []}
        assert fewer["line_items"] == {"additions": [], "removals": [{"id": line_id, "delta": -1}]}
        assert new["line_items"]["additions"][0]["delta"] == 2
        assert more["order_id"] == order["number"]
        lines = fulfillment_orders(ask, order)[0]["lineItems"]["nodes"]
        assert [(line["sku"], line["remainingQuantity"]) for line in lines] == [("TEA-1", 4), ("MUG-2", 2)]
        assert (shop.stock_of("TEA-1")["committed"], shop.stock_of("MUG-2")["committed"]) == (4, 2)

    def test_a_cancelled_order_gives_its_stock_back_and_cannot_ship(
        self, shop: ShopifySimulator, ask: Ask, inbox: Inbox
    ) -> None:
        order = shop.create_order([{"sku": "TEA-1", "quantity": 2}])
        before = fulfillment_orders(ask, order)[0]

        shop.cancel_order(order["id"])

        seen = ask(ORDER, id=order["id"])["order"]
        assert seen["cancelledAt"] is not None
        assert seen["displayFinancialStatus"] == "REFUNDED"
        assert [(fo["status"], fo["supportedActions"]) for fo in seen["fulfillmentOrders"]["nodes"]] == [
            ("CANCELLED", [])
        ]
        assert shop.stock_of("TEA-1")["available"] == 100
        inbox.wait_for("orders/cancelled")
        errors = ask(FULFILL, fulfillment=shipment(before))["fulfillmentCreate"]["userErrors"]
        assert "unfulfillable status= cancelled" in errors[0]["message"]

    def test_an_order_with_parcels_out_cannot_be_cancelled(self, shop: ShopifySimulator) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])
        shop.fulfill_elsewhere(order["id"], number="1Z1")

        with pytest.raises(ValueError, match="outstanding fulfillments"):
            shop.cancel_order(order["id"])

    def test_an_address_change_moves_the_orders_time(self, shop: ShopifySimulator, ask: Ask) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])
        before = ask(ORDER, id=order["id"])["order"]["updatedAt"]
        shop.clock_offset_seconds += 5

        shop.change_address(order["id"], city="Shelbyville", first_name="Bo")

        after = ask(ORDER, id=order["id"])["order"]
        assert (after["shippingAddress"]["city"], after["shippingAddress"]["name"]) == ("Shelbyville", "Bo Example")
        assert after["updatedAt"] > before

    def test_a_risk_result_can_come_late(self, shop: ShopifySimulator, ask: Ask, inbox: Inbox) -> None:
        order = shop.create_order([{"sku": "TEA-1"}], risk="PENDING")
        pending = ask(ORDER, id=order["id"])["order"]["risk"]

        shop.set_risk(order["id"], "CANCEL")

        assert pending == {"recommendation": "NONE", "assessments": [{"riskLevel": "PENDING"}]}
        assert ask(ORDER, id=order["id"])["order"]["risk"]["recommendation"] == "CANCEL"
        assert inbox.wait_for("orders/risk_assessment_changed")[0]["risk_level"] == "high"

    def test_a_deleted_order_leaves_its_id_in_a_webhook_only(
        self, shop: ShopifySimulator, ask: Ask, inbox: Inbox
    ) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])
        inbox.topics_when_quiet(shop)

        shop.delete_order(order["id"])

        assert inbox.wait_for("orders/delete") == [{"id": order["number"]}]
        assert ask(ORDER, id=order["id"]) == {"order": None}
        assert shop.stock_of("TEA-1")["committed"] == 0


class TestNamesAndMoney:
    NAMED = "query($query: String!) { orders(first: 10, query: $query) { nodes { name } } }"

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ('name:"1001"', ["#1001", "#1001-A"]),
            ('name:"#1001"', ["#1001", "#1001-A"]),
            ('name:"1001-a"', ["#1001-A"]),
            ('name:"SO-7"', ["SO-7", "so 7"]),
            ("name:SO-7", ["SO-7", "so 7"]),
            ('name:"100"', []),
            ('name:"#"', []),
        ],
    )
    def test_names_are_searched_by_their_parts(
        self, shop: ShopifySimulator, ask: Ask, query: str, found: list[str]
    ) -> None:
        for name in (None, "#1001-A", "SO-7", "so 7"):
            shop.create_order([{"sku": "TEA-1"}], name=name)

        assert [node["name"] for node in ask(self.NAMED, query=query)["orders"]["nodes"]] == found

    def test_an_order_is_renamed_by_the_admin_door(self, shop: ShopifySimulator) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])

        shop.rename_order(order["name"], "SO-7")

        assert shop.rename_order("SO-7", "SO-8")["name"] == "SO-8"

    def test_tax_comes_on_top_and_goes_with_what_is_refunded(
        self, shop: ShopifySimulator, ask: Ask, inbox: Inbox
    ) -> None:
        order = shop.create_order([{"sku": "TEA-1", "quantity": 2}], tax="2.50", discount_codes=["SPRING"])
        created = inbox.wait_for("orders/create")[0]
        shop.remove_units(order["id"], "TEA-1", 1)
        sums = (
            "currentSubtotalPriceSet currentTotalTaxSet currentShippingPriceSet currentTotalPriceSet totalReceivedSet"
        )
        money = " ".join(f"{each} {{ shopMoney {{ amount }} }}" for each in sums.split())

        seen = ask(f"query($id: ID!) {{ order(id: $id) {{ {money} }} }}", id=order["id"])["order"]

        assert (created["total_tax"], created["subtotal_price"], created["total_price"]) == ("2.50", "25.00", "32.50")
        assert created["discount_codes"] == [{"code": "SPRING", "amount": "0.00", "type": "fixed_amount"}]
        amounts = [seen[each]["shopMoney"]["amount"] for each in sums.split()]
        assert amounts == ["12.5", "1.25", "5.0", "18.75", "32.5"]
        assert shop.remove_units(order["id"], "TEA-1", 1)["financial_status"] == "REFUNDED"

    def test_a_customer_may_pay_in_another_currency(self, shop: ShopifySimulator, ask: Ask, inbox: Inbox) -> None:
        order = shop.create_order(
            [{"sku": "TEA-1", "quantity": 2}], currency="EUR", presentment_currency="GBP", exchange_rate="0.8"
        )

        money = "{ shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } }"
        query = f"query($id: ID!) {{ order(id: $id) {{ currencyCode presentmentCurrencyCode totalPriceSet {money} }} }}"
        seen = ask(query, id=order["id"])["order"]
        body = inbox.wait_for("orders/create")[0]

        assert (seen["currencyCode"], seen["presentmentCurrencyCode"]) == ("EUR", "GBP")
        assert seen["totalPriceSet"] == {
            "shopMoney": {"amount": "30.0", "currencyCode": "EUR"},
            "presentmentMoney": {"amount": "24.0", "currencyCode": "GBP"},
        }
        assert (body["currency"], body["presentment_currency"], body["total_price"]) == ("EUR", "GBP", "30.00")
        assert body["total_price_set"]["presentment_money"] == {"amount": "24.00", "currency_code": "GBP"}


class TestPages:
    QUERY = """
    query Changed($first: Int!, $after: String, $query: String) {
      orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
        pageInfo { hasNextPage endCursor } nodes { id name updatedAt }
      }
    }
    """

    def names(self, ask: Ask, query: str | None = None, size: int = 2) -> list[str]:
        names: list[str] = []
        after = None
        while True:
            page = ask(self.QUERY, first=size, after=after, query=query)["orders"]
            names += [node["name"] for node in page["nodes"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                return names

    def test_every_order_comes_once_in_order_of_change(self, shop: ShopifySimulator, ask: Ask) -> None:
        orders = [shop.create_order([{"sku": "TEA-1"}]) for _ in range(5)]
        shop.set_note(orders[1]["id"], "gift")

        assert self.names(ask) == ["#1001", "#1003", "#1004", "#1005", "#1002"]

    def test_an_order_that_changes_between_two_pages_comes_again_at_the_end(
        self, shop: ShopifySimulator, ask: Ask
    ) -> None:
        orders = [shop.create_order([{"sku": "TEA-1"}]) for _ in range(4)]
        first = ask(self.QUERY, first=2, query=None)["orders"]
        shop.set_note(orders[0]["id"], "gift")

        rest = ask(self.QUERY, first=9, after=first["pageInfo"]["endCursor"], query=None)["orders"]["nodes"]

        assert [node["name"] for node in rest] == ["#1003", "#1004", "#1001"]

    def test_changed_since_is_inclusive_and_to_the_second(self, shop: ShopifySimulator, ask: Ask) -> None:
        shop.create_order([{"sku": "TEA-1"}])
        shop.clock_offset_seconds += 10
        second = shop.create_order([{"sku": "TEA-1"}])
        at = ask(ORDER, id=second["id"])["order"]["updatedAt"]

        assert self.names(ask, f"updated_at:>='{at}'") == ["#1002"]
        assert self.names(ask, f"updated_at:>={at} AND status:open") == ["#1002"]
        assert self.names(ask, f"updated_at:<'{at}'") == ["#1001"]

    def test_a_search_field_that_does_not_exist_is_passed_over_with_a_warning(self, shop: ShopifySimulator) -> None:
        shop.create_order([{"sku": "TEA-1"}])

        body = call(shop, self.QUERY, first=5, query="update_at:>2030-01-01").json()

        assert len(body["data"]["orders"]["nodes"]) == 1
        assert body["extensions"]["search"][0]["warnings"][0]["field"] == "update_at"

    def test_a_fresh_change_can_be_missing_from_a_search_for_a_while(self, shop: ShopifySimulator, ask: Ask) -> None:
        shop.search_lag_seconds = 5
        order = shop.create_order([{"sku": "TEA-1"}])

        assert self.names(ask) == []
        assert ask(ORDER, id=order["id"])["order"]["name"] == "#1001"
        shop.clock_offset_seconds += 6
        assert self.names(ask) == ["#1001"]

    @pytest.mark.parametrize("first", [251, -1])
    def test_a_page_has_at_most_250(self, refused: Callable[..., dict[str, Any]], first: int) -> None:
        assert "between 0 and 250" in refused(self.QUERY, first=first)["message"]

    def test_a_cursor_of_somewhere_else_is_refused(self, refused: Callable[..., dict[str, Any]]) -> None:
        assert "Invalid cursor" in refused(self.QUERY, first=5, after="bm9uc2Vuc2U=")["message"]

    def test_fulfillment_orders_are_found_by_their_own_time(self, shop: ShopifySimulator, ask: Ask) -> None:
        query = """
        query($query: String) {
          fulfillmentOrders(first: 5, includeClosed: true, query: $query, sortKey: UPDATED_AT) {
            nodes { id status order { name } }
          }
        }
        """
        shop.create_order([{"sku": "TEA-1"}])
        shipped = shop.create_order([{"sku": "TEA-1"}])
        shop.fulfill_elsewhere(shipped["id"], number="1Z1")

        everything = ask(query)["fulfillmentOrders"]["nodes"]
        closed = ask(query, query="status:closed")["fulfillmentOrders"]["nodes"]

        assert [node["status"] for node in everything] == ["OPEN", "CLOSED"]
        assert [node["order"]["name"] for node in closed] == ["#1002"]


class TestFulfilling:
    def test_shipping_everything_closes_the_order_and_takes_the_stock(
        self, shop: ShopifySimulator, ask: Ask, inbox: Inbox
    ) -> None:
        order = shop.create_order([{"sku": "TEA-1", "quantity": 2}])
        inbox.topics_when_quiet(shop)

        made = ask(FULFILL, fulfillment=shipment(fulfillment_orders(ask, order)[0], number="1Z999", company="UPS"))

        assert made["fulfillmentCreate"]["userErrors"] == []
        fulfillment = made["fulfillmentCreate"]["fulfillment"]
        assert (fulfillment["name"], fulfillment["status"]) == ("#1001.1", "SUCCESS")
        assert fulfillment["trackingInfo"][0]["url"].endswith("1Z999")
        seen = ask(ORDER, id=order["id"])["order"]
        assert seen["displayFulfillmentStatus"] == "FULFILLED"
        assert seen["closedAt"] is not None
        assert seen["fulfillmentOrders"]["nodes"][0]["status"] == "CLOSED"
        stock = shop.stock_of("TEA-1")
        assert (stock["on_hand"], stock["committed"], stock["available"]) == (98, 0, 98)
        assert sorted(inbox.topics_when_quiet(shop)) == [
            "fulfillments/create",
            "inventory_levels/update",
            "orders/fulfilled",
            "orders/updated",
        ]

    def test_parcels_add_up(self, shop: ShopifySimulator, ask: Ask) -> None:
        order = shop.create_order([{"sku": "TEA-1", "quantity": 3}, {"sku": "MUG-2", "quantity": 1}])
        fulfillment_order = fulfillment_orders(ask, order)[0]

        ask(FULFILL, fulfillment=shipment(fulfillment_order, 2, number="A", company="Unheard Of"))
        between = ask(ORDER, id=order["id"])["order"]
        ask(FULFILL, fulfillment=shipment(fulfillment_order, 1, 1, number="B", url="https://track.example.test/B"))
        after = ask(ORDER, id=order["id"])["order"]

        assert between["displayFulfillmentStatus"] == "PARTIALLY_FULFILLED"
        assert between["fulfillmentOrders"]["nodes"][0]["status"] == "IN_PROGRESS"
        assert after["displayFulfillmentStatus"] == "FULFILLED"
        assert [f["trackingInfo"][0] for f in after["fulfillments"]] == [
            {"company": "Unheard Of", "number": "A", "url": None},
            {"company": None, "number": "B", "url": "https://track.example.test/B"},
        ]
        books = shop.books()[0]["lines"][0]
        assert [(entry["units"], entry["numbers"], entry["by"]) for entry in books["fulfilled"]] == [
            (2, ["A"], "app"),
            (1, ["B"], "app"),
        ]

    def test_several_numbers_are_one_fulfillment(self, shop: ShopifySimulator, ask: Ask) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])
        entry = shipment(fulfillment_orders(ask, order)[0], numbers=["1Z1", "1Z2"], company="UPS")

        tracking = ask(FULFILL, fulfillment=entry)["fulfillmentCreate"]["fulfillment"]["trackingInfo"]

        assert [parcel["number"] for parcel in tracking] == ["1Z1", "1Z2"]
        assert all(parcel["url"] for parcel in tracking)

    def test_a_carrier_in_the_wrong_spelling_is_unknown(self, shop: ShopifySimulator, ask: Ask) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])
        entry = shipment(fulfillment_orders(ask, order)[0], number="1Z1", company="ups")

        assert ask(FULFILL, fulfillment=entry)["fulfillmentCreate"]["fulfillment"]["trackingInfo"][0]["url"] is None

    def test_what_shopify_refuses_is_refused_in_its_words(self, shop: ShopifySimulator, ask: Ask) -> None:
        order = shop.create_order([{"sku": "TEA-1", "quantity": 2}])
        other = shop.create_order([{"sku": "MUG-2"}])
        one, two = fulfillment_orders(ask, order)[0], fulfillment_orders(ask, other)[0]

        def message(fulfillment: dict[str, Any]) -> str:
            payload = ask(FULFILL, fulfillment=fulfillment)["fulfillmentCreate"]
            assert payload["fulfillment"] is None
            return str(payload["userErrors"][0]["message"])

        both = shipment(one)["lineItemsByFulfillmentOrder"] + shipment(two)["lineItemsByFulfillmentOrder"]
        nobody = {"id": "gid://shopify/FulfillmentOrder/17", "lineItems": one["lineItems"]}
        assert message(shipment(one, 3)) == "Invalid fulfillment order line item quantity requested."
        assert message(shipment(one, 0)) == "Quantity must be greater than 0"
        assert message(shipment(nobody, 0)) == "Quantity must be greater than 0"
        assert message(shipment(nobody, 1)) == "Fulfillment order does not exist."
        assert "same order" in message({"lineItemsByFulfillmentOrder": both})
        assert message(shipment(one, 1) | {"trackingInfo": {"url": "https://x.example.test"}}).startswith(
            "A tracking url"
        )
        assert message({"lineItemsByFulfillmentOrder": []}).startswith("Line items")
        assert shop.stock_of("TEA-1")["committed"] == 2

    def test_two_locations_cannot_leave_in_one_fulfillment(self, shop: ShopifySimulator, ask: Ask) -> None:
        shop.add_location("Shop Floor")
        order = shop.create_order([{"sku": "TEA-1"}, {"sku": "MUG-2", "location": "Shop Floor"}])
        groups = [shipment(fo)["lineItemsByFulfillmentOrder"][0] for fo in fulfillment_orders(ask, order)]

        errors = ask(FULFILL, fulfillment={"lineItemsByFulfillmentOrder": groups})["fulfillmentCreate"]["userErrors"]

        assert "same location" in errors[0]["message"]

    def test_what_is_closed_stays_closed(self, shop: ShopifySimulator, ask: Ask) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])
        fulfillment_order = fulfillment_orders(ask, order)[0]
        shop.fulfill_elsewhere(order["id"], number="ELSE-1", by="ShipStation")

        errors = ask(FULFILL, fulfillment=shipment(fulfillment_order, 1))["fulfillmentCreate"]["userErrors"]

        number = fulfillment_order["id"].rpartition("/")[2]
        assert errors == [
            {
                "field": ["fulfillment"],
                "message": f"Fulfillment order {number} has an unfulfillable status= closed.",
            }
        ]
        assert shop.books()[0]["lines"][0]["fulfilled"][0]["by"] == "ShipStation"

    def test_a_lost_answer_was_done_all_the_same(self, shop: ShopifySimulator, ask: Ask) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])
        entry = shipment(fulfillment_orders(ask, order)[0], number="1Z1")
        shop.fail("timeout_after", operation="fulfillmentCreate")

        with pytest.raises(requests.ConnectionError):
            call(shop, FULFILL, fulfillment=entry)

        assert len(ask(ORDER, id=order["id"])["order"]["fulfillments"]) == 1

    def test_new_numbers_replace_all_the_old(self, shop: ShopifySimulator, ask: Ask, inbox: Inbox) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])
        made = ask(FULFILL, fulfillment=shipment(fulfillment_orders(ask, order)[0], numbers=["OLD1", "OLD2"]))
        update = """
        mutation($id: ID!, $t: FulfillmentTrackingInput!) {
          fulfillmentTrackingInfoUpdate(fulfillmentId: $id, trackingInfoInput: $t) {
            fulfillment { trackingInfo(first: 5) { number } } userErrors { field message }
          }
        }
        """

        payload = ask(update, id=made["fulfillmentCreate"]["fulfillment"]["id"], t={"number": "NEW"})

        numbers = payload["fulfillmentTrackingInfoUpdate"]["fulfillment"]["trackingInfo"]
        assert numbers == [{"number": "NEW"}]
        assert inbox.wait_for("fulfillments/update")[0]["tracking_numbers"] == ["NEW"]
        unknown = ask(update, id="gid://shopify/Fulfillment/17", t={"number": "NEW"})
        assert unknown["fulfillmentTrackingInfoUpdate"]["userErrors"]

    def test_a_delivery_is_seen_on_the_fulfillment(self, shop: ShopifySimulator, ask: Ask) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])
        made = ask(FULFILL, fulfillment=shipment(fulfillment_orders(ask, order)[0], number="1Z1"))
        event = {
            "fulfillmentId": made["fulfillmentCreate"]["fulfillment"]["id"],
            "status": "DELIVERED",
            "happenedAt": "2026-11-20T10:00:00Z",
            "message": "at the door",
        }

        ask(
            "mutation($e: FulfillmentEventInput!) { fulfillmentEventCreate(fulfillmentEvent: $e) "
            "{ fulfillmentEvent { status } userErrors { message } } }",
            e=event,
        )

        fulfillment = ask(ORDER, id=order["id"])["order"]["fulfillments"][0]
        assert (fulfillment["displayStatus"], fulfillment["deliveredAt"]) == ("DELIVERED", "2026-11-20T10:00:00Z")
        assert fulfillment["events"]["nodes"] == [{"status": "DELIVERED", "message": "at the door"}]

    def test_a_cancelled_fulfillment_opens_a_new_fulfillment_order(self, shop: ShopifySimulator, ask: Ask) -> None:
        order = shop.create_order([{"sku": "TEA-1", "quantity": 2}])
        made = ask(FULFILL, fulfillment=shipment(fulfillment_orders(ask, order)[0], number="1Z1"))
        cancel = "mutation($id: ID!) { fulfillmentCancel(id: $id) { fulfillment { status } userErrors { message } } }"

        for _ in range(2):  # repeating it is harmless
            payload = ask(cancel, id=made["fulfillmentCreate"]["fulfillment"]["id"])["fulfillmentCancel"]
            assert payload == {"fulfillment": {"status": "CANCELLED"}, "userErrors": []}

        old, new = fulfillment_orders(ask, order)
        assert (old["status"], old["lineItems"]["nodes"][0]["remainingQuantity"]) == ("CLOSED", 2)
        assert (new["status"], new["lineItems"]["nodes"][0]["remainingQuantity"]) == ("OPEN", 2)
        assert ask(ORDER, id=order["id"])["order"]["lineItems"]["nodes"][0]["unfulfilledQuantity"] == 2
        stock = shop.stock_of("TEA-1")
        assert (stock["on_hand"], stock["committed"]) == (100, 2)


class TestFulfillmentOrders:
    def test_our_own_hold_is_known_as_ours(self, shop: ShopifySimulator, ask: Ask, inbox: Inbox) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])
        held = fulfillment_orders(ask, order)[0]
        hold = {"reason": "INCORRECT_ADDRESS", "handle": "jetbridge"}

        made = ask(HOLD, id=held["id"], hold=hold)["fulfillmentOrderHold"]
        shop.hold_fulfillment_order(held["id"], reason="HIGH_RISK_OF_FRAUD")
        seen = fulfillment_orders(ask, order)[0]
        ours = ask(RELEASE, id=held["id"], holdIds=[made["fulfillmentHold"]["id"]])["fulfillmentOrderReleaseHold"]
        everybodys = ask(RELEASE, id=held["id"])["fulfillmentOrderReleaseHold"]

        assert made["fulfillmentOrder"] == {"id": held["id"], "status": "ON_HOLD"}
        assert [h["heldByRequestingApp"] for h in seen["fulfillmentHolds"]] == [True, False]
        assert "CREATE_FULFILLMENT" not in [action["action"] for action in seen["supportedActions"]]
        assert ours["fulfillmentOrder"]["status"] == "ON_HOLD"
        assert everybodys["fulfillmentOrder"]["status"] == "OPEN"
        body = inbox.wait_for("fulfillment_orders/placed_on_hold")[0]
        assert body["fulfillment_order"]["id"] == held["id"]
        assert body["created_fulfillment_hold"]["reason"] == "incorrect_address"
        assert inbox.wait_for("fulfillment_orders/hold_released")[0]["fulfillment_order"]["status"] == "open"

    def test_a_handle_holds_once_and_an_app_ten_times(self, shop: ShopifySimulator, ask: Ask) -> None:
        held = fulfillment_orders(ask, shop.create_order([{"sku": "TEA-1"}]))[0]

        def code(handle: str) -> str | None:
            errors = ask(HOLD, id=held["id"], hold={"reason": "OTHER", "handle": handle})["fulfillmentOrderHold"]
            return errors["userErrors"][0]["code"] if errors["userErrors"] else None

        assert [code(f"h{i}") for i in range(10)] == [None] * 10
        assert code("h3") == "DUPLICATE_FULFILLMENT_HOLD_HANDLE"
        assert code("h11") == "FULFILLMENT_ORDER_HOLD_LIMIT_REACHED"

    def test_holding_a_part_gives_the_rest_a_new_id(self, shop: ShopifySimulator, ask: Ask) -> None:
        order = shop.create_order([{"sku": "TEA-1", "quantity": 5}])
        held = fulfillment_orders(ask, order)[0]
        line = held["lineItems"]["nodes"][0]["id"]

        made = ask(
            HOLD,
            id=held["id"],
            hold={"reason": "OTHER", "fulfillmentOrderLineItems": [{"id": line, "quantity": 2}]},
        )["fulfillmentOrderHold"]

        first, rest = fulfillment_orders(ask, order)
        assert made["remainingFulfillmentOrder"]["id"] == rest["id"] != held["id"]
        assert (first["status"], first["lineItems"]["nodes"][0]["remainingQuantity"]) == ("ON_HOLD", 2)
        assert (rest["status"], rest["lineItems"]["nodes"][0]["remainingQuantity"]) == ("OPEN", 3)
        assert shop.stock_of("TEA-1")["committed"] == 5

    def test_moving_all_keeps_the_id_and_takes_the_promise_along(
        self, shop: ShopifySimulator, ask: Ask, inbox: Inbox
    ) -> None:
        place = shop.add_location("Shop Floor")
        order = shop.create_order([{"sku": "TEA-1", "quantity": 2}])
        moved = fulfillment_orders(ask, order)[0]
        move = """
        mutation($id: ID!, $to: ID!, $items: [FulfillmentOrderLineItemInput!]) {
          fulfillmentOrderMove(id: $id, newLocationId: $to, fulfillmentOrderLineItems: $items) {
            movedFulfillmentOrder { id } originalFulfillmentOrder { id } userErrors { code field message }
          }
        }
        """

        part = [{"id": moved["lineItems"]["nodes"][0]["id"], "quantity": 1}]
        partly = ask(move, id=moved["id"], to=place["id"], items=part)["fulfillmentOrderMove"]
        wholly = ask(move, id=moved["id"], to=place["id"])["fulfillmentOrderMove"]
        again = ask(move, id=moved["id"], to=place["id"])["fulfillmentOrderMove"]

        assert partly["movedFulfillmentOrder"]["id"] != moved["id"]
        assert wholly["movedFulfillmentOrder"]["id"] == moved["id"]
        assert again["userErrors"]
        assert shop.stock_of("TEA-1")["committed"] == 0
        assert shop.stock_of("TEA-1", "Shop Floor")["committed"] == 2
        assert inbox.wait_for("fulfillment_orders/moved")[0]["destination_location_id"] == place["id"]

    def test_reported_progress_stops_a_move_until_opened(self, shop: ShopifySimulator, ask: Ask) -> None:
        place = shop.add_location("Shop Floor")
        found = fulfillment_orders(ask, shop.create_order([{"sku": "TEA-1"}]))[0]
        move = (
            "mutation($id: ID!, $to: ID!) { fulfillmentOrderMove(id: $id, newLocationId: $to) "
            "{ movedFulfillmentOrder { id } userErrors { code } } }"
        )
        progress = (
            "mutation($id: ID!) { fulfillmentOrderReportProgress(id: $id) "
            "{ fulfillmentOrder { status } userErrors { code } } }"
        )
        reopen = "mutation($id: ID!) { fulfillmentOrderOpen(id: $id) { fulfillmentOrder { status } } }"

        working = ask(progress, id=found["id"])["fulfillmentOrderReportProgress"]["fulfillmentOrder"]
        stopped = ask(move, id=found["id"], to=place["id"])["fulfillmentOrderMove"]["userErrors"]
        ask(reopen, id=found["id"])
        moved = ask(move, id=found["id"], to=place["id"])["fulfillmentOrderMove"]["userErrors"]

        assert working["status"] == "IN_PROGRESS"
        assert stopped == [{"code": "CANNOT_MOVE_FULFILLMENT_ORDER_WITH_REPORTED_PROGRESS"}]
        assert moved == []

    def test_a_split_makes_a_second_fulfillment_order(self, shop: ShopifySimulator, ask: Ask, inbox: Inbox) -> None:
        order = shop.create_order([{"sku": "TEA-1", "quantity": 3}])
        found = fulfillment_orders(ask, order)[0]
        lines = [{"id": found["lineItems"]["nodes"][0]["id"], "quantity": 1}]
        split = """
        mutation($splits: [FulfillmentOrderSplitInput!]!) {
          fulfillmentOrderSplit(fulfillmentOrderSplits: $splits) {
            fulfillmentOrderSplits { fulfillmentOrder { id } remainingFulfillmentOrder { id } }
            userErrors { code }
          }
        }
        """
        entry = {"fulfillmentOrderId": found["id"], "fulfillmentOrderLineItems": lines}

        made = ask(split, splits=[entry])["fulfillmentOrderSplit"]
        nothing = ask(split, splits=[entry | {"fulfillmentOrderLineItems": []}])["fulfillmentOrderSplit"]

        assert made["fulfillmentOrderSplits"][0]["fulfillmentOrder"]["id"] == found["id"]
        assert [fo["lineItems"]["nodes"][0]["remainingQuantity"] for fo in fulfillment_orders(ask, order)] == [1, 2]
        assert inbox.wait_for("fulfillment_orders/split")[0]["split_line_items"][0]["quantity"] == 1
        assert nothing["userErrors"]

    def test_a_cancelled_fulfillment_order_is_replaced(self, shop: ShopifySimulator, ask: Ask, inbox: Inbox) -> None:
        order = shop.create_order([{"sku": "TEA-1", "quantity": 3}])

        shop.cancel_fulfillment_order(order["fulfillment_orders"][0]["id"])

        old, new = fulfillment_orders(ask, order)
        assert (old["status"], old["lineItems"]["nodes"][0]["remainingQuantity"]) == ("CANCELLED", 0)
        assert (new["status"], new["lineItems"]["nodes"][0]["remainingQuantity"]) == ("OPEN", 3)
        body = inbox.wait_for("fulfillment_orders/cancelled")[0]
        assert body["replacement_fulfillment_order"]["id"] == new["id"]
        assert shop.stock_of("TEA-1")["committed"] == 3

    CANCEL = """
    mutation($id: ID!) {
      fulfillmentOrderCancel(id: $id) {
        fulfillmentOrder { id status } replacementFulfillmentOrder { id status } userErrors { code field message }
      }
    }
    """

    def test_an_app_cancels_a_fulfillment_order_unless_progress_was_reported(
        self, shop: ShopifySimulator, ask: Ask
    ) -> None:
        order = shop.create_order([{"sku": "TEA-1", "quantity": 3}])
        number = order["fulfillment_orders"][0]["id"]
        ask("mutation($id: ID!) { fulfillmentOrderReportProgress(id: $id) { fulfillmentOrder { id } } }", id=number)

        reported = ask(self.CANCEL, id=number)["fulfillmentOrderCancel"]
        ask("mutation($id: ID!) { fulfillmentOrderOpen(id: $id) { fulfillmentOrder { id } } }", id=number)
        done = ask(self.CANCEL, id=number)["fulfillmentOrderCancel"]
        again = ask(self.CANCEL, id=number)["fulfillmentOrderCancel"]
        unknown = ask(self.CANCEL, id="gid://shopify/FulfillmentOrder/1")["fulfillmentOrderCancel"]

        assert reported["userErrors"][0]["code"] == "FULFILLMENT_ORDER_HAS_MANUALLY_REPORTED_PROGRESS"
        assert (done["fulfillmentOrder"]["status"], done["replacementFulfillmentOrder"]["status"]) == (
            "CANCELLED",
            "OPEN",
        )
        assert "cancelable" in again["userErrors"][0]["message"]
        assert "does not exist" in unknown["userErrors"][0]["message"]

    def test_merged_fulfillment_orders_are_one_and_the_webhook_names_both(
        self, shop: ShopifySimulator, ask: Ask, inbox: Inbox
    ) -> None:
        order = shop.create_order([{"sku": "TEA-1", "quantity": 3}, {"sku": "MUG-2", "quantity": 1}])
        shop.split_fulfillment_order(order["fulfillment_orders"][0]["id"], "TEA-1", 1)
        first, second = fulfillment_orders(ask, order)

        shop.merge_fulfillment_orders([first["id"], second["id"]])

        kept, gone = fulfillment_orders(ask, order)
        units = {line["sku"]: line["remainingQuantity"] for line in kept["lineItems"]["nodes"]}
        assert (kept["id"], units, gone["status"]) == (first["id"], {"TEA-1": 3, "MUG-2": 1}, "CLOSED")
        body = inbox.wait_for("fulfillment_orders/merged")[0]
        assert body["fulfillment_order_merges"]["fulfillment_order"] == {"id": first["id"], "status": "open"}
        assert [f"gid://shopify/FulfillmentOrder/{each['fulfillment_order_id']}" for each in body["merge_intents"]] == [
            first["id"],
            second["id"],
        ]
        assert shop.stock_of("TEA-1")["committed"] == 3

    @pytest.mark.parametrize("count", [0, 1])
    def test_what_cannot_be_merged_is_refused(self, shop: ShopifySimulator, count: int) -> None:
        orders = [shop.create_order([{"sku": "TEA-1"}]) for _ in range(2)]
        parts = [order["fulfillment_orders"][0]["id"] for order in orders]

        with pytest.raises(RefusedError):
            shop.merge_fulfillment_orders(parts[:count] or parts)

    def test_a_hold_is_told_with_its_fulfillment_order(self, shop: ShopifySimulator, inbox: Inbox) -> None:
        part = shop.create_order([{"sku": "TEA-1"}])["fulfillment_orders"][0]["id"]

        hold = shop.hold_fulfillment_order(part, reason="HIGH_RISK_OF_FRAUD")
        shop.release_fulfillment_order(part)

        for topic, status in (("added", "on_hold"), ("released", "open")):
            body = inbox.wait_for(f"fulfillment_holds/{topic}")[0]
            assert body["fulfillment_order"] == {"id": part, "status": status}
            assert (body["fulfillment_hold"]["id"], body["fulfillment_hold"]["reason"]) == (
                hold["id"],
                "high_risk_of_fraud",
            )

    def test_what_is_put_off_twice_opens_at_the_second_time(
        self, shop: ShopifySimulator, ask: Ask, inbox: Inbox
    ) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])
        number = order["fulfillment_orders"][0]["id"]
        shop.reschedule_fulfillment_order(number, 3600)
        shop.reschedule_fulfillment_order(number, 7200)

        shop.clock_offset_seconds += 3601
        early = fulfillment_orders(ask, order)[0]["status"]
        shop.clock_offset_seconds += 3600

        assert early == "SCHEDULED"
        assert fulfillment_orders(ask, order)[0]["status"] == "OPEN"
        assert len(inbox.wait_for("fulfillment_orders/rescheduled", 2)) == 2


class TestStock:
    def item(self, ask: Ask, sku: str) -> str:
        query = "query($q: String) { productVariants(first: 5, query: $q) { nodes { sku inventoryItem { id } } } }"
        nodes = ask(query, q=f'sku:"{sku}"')["productVariants"]["nodes"]
        return next(str(node["inventoryItem"]["id"]) for node in nodes if node["sku"] == sku)

    def location(self, ask: Ask) -> str:
        return str(ask("{ locations(first: 5) { nodes { id name } } }")["locations"]["nodes"][0]["id"])

    def entry(self, ask: Ask, sku: str, quantity: int, expected: int | None) -> dict[str, Any]:
        return {
            "inventoryItemId": self.item(ask, sku),
            "locationId": self.location(ask),
            "quantity": quantity,
            "changeFromQuantity": expected,
        }

    def write(self, *entries: dict[str, Any], name: str = "available", reason: str = "correction") -> dict[str, Any]:
        return {"name": name, "reason": reason, "quantities": list(entries)}

    def test_open_orders_promise_units_paid_or_not(self, shop: ShopifySimulator, ask: Ask) -> None:
        shop.create_order([{"sku": "TEA-1", "quantity": 3}])
        shop.create_order([{"sku": "TEA-1", "quantity": 4}], financial_status="PENDING")
        shop.set_stock("TEA-1", 100, reserved=1, damaged=2, safety_stock=5, quality_control=1, incoming=40)
        query = """
        query($id: ID!) {
          location(id: $id) {
            inventoryLevels(first: 1) {
              nodes {
                item { sku tracked }
                quantities(names: ["available", "on_hand", "committed", "reserved", "safety_stock", "damaged",
                                   "incoming", "quality_control"]) { name quantity }
              }
            }
          }
        }
        """

        level = ask(query, id=self.location(ask))["location"]["inventoryLevels"]["nodes"][0]

        assert level["item"] == {"sku": "TEA-1", "tracked": True}
        assert {entry["name"]: entry["quantity"] for entry in level["quantities"]} == {
            "available": 100 - 7 - 1 - 2 - 5 - 1,
            "on_hand": 100,
            "committed": 7,
            "reserved": 1,
            "safety_stock": 5,
            "damaged": 2,
            "incoming": 40,
            "quality_control": 1,
        }

    def test_setting_available_moves_on_hand_too(self, shop: ShopifySimulator, ask: Ask, inbox: Inbox) -> None:
        shop.create_order([{"sku": "TEA-1", "quantity": 10}])
        inbox.topics_when_quiet(shop)

        payload = ask(SET_QUANTITIES, key="k1", input=self.write(self.entry(ask, "TEA-1", 60, 90)))

        group = payload["inventorySetQuantities"]["inventoryAdjustmentGroup"]
        assert [(change["name"], change["delta"], change["quantityAfterChange"]) for change in group["changes"]] == [
            ("available", -30, None),
            ("on_hand", -30, None),
        ]
        assert shop.stock_of("TEA-1") | {"incoming": 0} == {
            "available": 60,
            "on_hand": 70,
            "committed": 10,
            "reserved": 0,
            "safety_stock": 0,
            "damaged": 0,
            "incoming": 0,
            "quality_control": 0,
        }
        body = inbox.wait_for("inventory_levels/update")[0]
        assert body["available"] == 60
        assert "?inventory_item_id=" in body["admin_graphql_api_id"]

    def test_without_the_directive_nothing_is_done(self, shop: ShopifySimulator, ask: Ask) -> None:
        query = SET_QUANTITIES.replace(" @idempotent(key: $key)", "").replace(", $key: String!", "")

        body = call(shop, query, input=self.write(self.entry(ask, "TEA-1", 1, None))).json()

        assert body["data"] == {"inventorySetQuantities": None}
        assert body["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
        assert shop.stock_of("TEA-1")["available"] == 100

    def test_the_expected_quantity_must_be_said_even_when_null(
        self, shop: ShopifySimulator, ask: Ask, refused: Callable[..., dict[str, Any]]
    ) -> None:
        entry = self.entry(ask, "TEA-1", 1, None)

        without = {key: value for key, value in entry.items() if key != "changeFromQuantity"}
        error = refused(SET_QUANTITIES, key="k1", input=self.write(without))
        ask(SET_QUANTITIES, key="k2", input=self.write(entry))

        assert error["extensions"]["code"] == "INVALID_FIELD_ARGUMENTS"
        assert shop.stock_of("TEA-1")["available"] == 1

    def test_one_stale_entry_writes_nothing_at_all(self, shop: ShopifySimulator, ask: Ask) -> None:
        entries = (self.entry(ask, "MUG-2", 5, 50), self.entry(ask, "TEA-1", 1, 99))

        payload = ask(SET_QUANTITIES, key="k1", input=self.write(*entries))["inventorySetQuantities"]

        assert payload["inventoryAdjustmentGroup"] is None
        assert [(error["code"], error["field"]) for error in payload["userErrors"]] == [
            ("CHANGE_FROM_QUANTITY_STALE", ["input", "quantities", "1", "changeFromQuantity"])
        ]
        assert (shop.stock_of("MUG-2")["available"], shop.stock_of("TEA-1")["available"]) == (50, 100)

    def test_wrong_entries_are_named_one_by_one(self, ask: Ask) -> None:
        good = self.entry(ask, "TEA-1", 1, None)
        entries = (
            good,
            good | {"quantity": 2},
            good | {"inventoryItemId": "gid://shopify/InventoryItem/1"},
            good | {"locationId": "gid://shopify/Location/1"},
            self.entry(ask, "MUG-2", 1_000_000_001, None),
        )

        written = self.write(*entries, name="available", reason="because") | {"referenceDocumentUri": "no uri"}
        errors = ask(SET_QUANTITIES, key="k1", input=written)["inventorySetQuantities"]["userErrors"]
        negative = ask(SET_QUANTITIES, key="k2", input=self.write(self.entry(ask, "TEA-1", -1, None), name="on_hand"))[
            "inventorySetQuantities"
        ]["userErrors"]
        name = ask(SET_QUANTITIES, key="k3", input=self.write(good, name="damaged"))["inventorySetQuantities"]

        assert {error["code"] for error in errors} == {
            "INVALID_REASON",
            "INVALID_REFERENCE_DOCUMENT",
            "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR",
            "INVALID_INVENTORY_ITEM",
            "INVALID_LOCATION",
            "INVALID_QUANTITY_TOO_HIGH",
        }
        assert negative[0]["code"] == "INVALID_QUANTITY_NEGATIVE"
        assert name["userErrors"][0]["code"] == "INVALID_NAME"

    def test_at_most_250_entries_travel_together(self, ask: Ask, refused: Callable[..., dict[str, Any]]) -> None:
        error = refused(SET_QUANTITIES, key="k1", input=self.write(*[self.entry(ask, "TEA-1", 1, None)] * 251))

        assert error["extensions"]["code"] == "MAX_INPUT_SIZE_EXCEEDED"

    def test_a_key_stands_for_one_change(self, shop: ShopifySimulator, ask: Ask) -> None:
        first = self.write(self.entry(ask, "TEA-1", 60, 100))
        other = self.write(self.entry(ask, "TEA-1", 70, 60))

        def codes(key: str, given: dict[str, Any]) -> list[str]:
            payload = ask(SET_QUANTITIES, key=key, input=given)["inventorySetQuantities"]
            return [error["code"] for error in payload["userErrors"]]

        assert codes("k1", first) == []
        assert codes("k1", first) == []  # the same answer again, though 100 is stale by now
        assert codes("k1", other) == ["IDEMPOTENCY_KEY_PARAMETER_MISMATCH"]
        assert codes("k2", first) == ["CHANGE_FROM_QUANTITY_STALE"]
        assert codes("k2", first) == ["IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"]
        shop.set_key_running("k3")
        assert codes("k3", other) == ["IDEMPOTENCY_CONCURRENT_REQUEST"]
        shop.set_key_running("k3", running=False)
        assert codes("k3", other) == []
        shop.clock_offset_seconds += 25 * 3600
        assert codes("k1", self.write(self.entry(ask, "TEA-1", 5, 70))) == []

    def test_a_search_by_sku_finds_its_relatives_too(self, shop: ShopifySimulator, ask: Ask) -> None:
        for sku in ("ABC-1", "ABC-1-RED", "1-ABC", "ABC-1"):
            shop.add_product(sku)
        query = "query($q: String) { productVariants(first: 9, query: $q) { nodes { sku } } }"

        phrase = ask(query, q='sku:"ABC-1"')["productVariants"]["nodes"]
        loose = ask(query, q="sku:ABC-1")["productVariants"]["nodes"]

        assert [node["sku"] for node in phrase] == ["ABC-1", "ABC-1-RED", "ABC-1"]
        assert len(loose) == 4

    def test_an_item_knows_its_level_by_location(self, ask: Ask) -> None:
        query = """
        query($id: ID!, $at: ID!) {
          inventoryItem(id: $id) {
            sku duplicateSkuCount inventoryLevel(locationId: $at) { quantities(names: ["available"]) { quantity } }
          }
        }
        """

        item = ask(query, id=self.item(ask, "MUG-2"), at=self.location(ask))["inventoryItem"]

        assert item["inventoryLevel"] == {"quantities": [{"quantity": 50}]}
        assert item["duplicateSkuCount"] == 0

    def test_levels_come_page_by_page(self, shop: ShopifySimulator, ask: Ask) -> None:
        for number in range(5):
            shop.add_product(f"N-{number}", on_hand=number)
        query = """
        query($id: ID!, $after: String) {
          location(id: $id) {
            inventoryLevels(first: 3, after: $after) { pageInfo { hasNextPage endCursor } nodes { item { sku } } }
          }
        }
        """
        skus, after = [], None
        while True:
            levels = ask(query, id=self.location(ask), after=after)["location"]["inventoryLevels"]
            skus += [node["item"]["sku"] for node in levels["nodes"]]
            after = levels["pageInfo"]["endCursor"]
            if not levels["pageInfo"]["hasNextPage"]:
                break

        assert skus == ["TEA-1", "MUG-2", "EBOOK", "N-0", "N-1", "N-2", "N-3", "N-4"]


class TestTagsAndMetafields:
    SET = """
    mutation($m: [MetafieldsSetInput!]!) {
      metafieldsSet(metafields: $m) {
        metafields { namespace key value compareDigest } userErrors { code field message elementIndex }
      }
    }
    """

    def test_tags_are_added_and_removed_and_echoed_when_they_change(
        self, shop: ShopifySimulator, ask: Ask, inbox: Inbox
    ) -> None:
        order = shop.create_order([{"sku": "TEA-1"}], tags=["vip"])
        inbox.topics_when_quiet(shop)
        add = "mutation($id: ID!, $t: [String!]!) { tagsAdd(id: $id, tags: $t) { node { ... on Order { tags } } } }"
        remove = "mutation($id: ID!, $t: [String!]!) { tagsRemove(id: $id, tags: $t) { node { id } } }"

        added = ask(add, id=order["id"], t=["jetbridge", "VIP"])["tagsAdd"]["node"]["tags"]
        echoed = inbox.topics_when_quiet(shop)
        ask(add, id=order["id"], t=["jetbridge"])
        silent = inbox.topics_when_quiet(shop)
        ask(remove, id=order["id"], t=["Vip"])

        assert added == ["jetbridge", "vip"]
        assert echoed == ["orders/updated"]
        assert silent == []
        assert ask(ORDER, id=order["id"])["order"]["tags"] == ["jetbridge"]

    def test_a_metafield_is_the_apps_own_and_can_be_compared(self, shop: ShopifySimulator, ask: Ask) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])
        field = {"ownerId": order["id"], "key": "forwarded", "type": "json", "value": '{"to": 1}'}

        def write(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
            payload: dict[str, Any] = ask(self.SET, m=[field | changes])["metafieldsSet"]
            return payload

        made = write(compareDigest=None)["metafields"][0]
        exists = write(compareDigest=None)["userErrors"][0]
        changed = write(compareDigest=made["compareDigest"], value='{"to": 2}')
        stale = write(compareDigest=made["compareDigest"], value='{"to": 3}')["userErrors"][0]
        unguarded = write(value='{"to": 4}')
        read = ask(
            'query($id: ID!) { order(id: $id) { metafield(key: "forwarded") { value jsonValue } } }', id=order["id"]
        )

        assert made["namespace"].startswith("app--")
        assert (exists["code"], stale["code"]) == ("STALE_OBJECT", "STALE_OBJECT")
        assert changed["userErrors"] == unguarded["userErrors"] == []
        assert read["order"]["metafield"] == {"value": '{"to": 4}', "jsonValue": {"to": 4}}

    def test_one_wrong_metafield_stops_all(self, shop: ShopifySimulator, ask: Ask) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])
        good = {"ownerId": order["id"], "key": "good", "type": "boolean", "value": "true"}

        def code(**changes: Any) -> tuple[str, int]:  # noqa: ANN401 - JSON
            errors = ask(self.SET, m=[good, good | changes])["metafieldsSet"]["userErrors"]
            return errors[0]["code"], errors[0]["elementIndex"]

        assert code(key="x") == ("TOO_SHORT", 1)
        assert code(value="maybe") == ("INVALID_VALUE", 1)
        assert code(type="bool") == ("INVALID_TYPE", 1)
        assert code(value="") == ("BLANK", 1)
        assert code(ownerId="gid://shopify/Order/17") == ("INVALID", 1)
        assert len(ask(self.SET, m=[good] * 26)["metafieldsSet"]["userErrors"]) == 1
        assert ask('query($id: ID!) { order(id: $id) { metafield(key: "good") { value } } }', id=order["id"]) == {
            "order": {"metafield": None}
        }

    def test_a_comma_parts_one_tag_from_the_next(self, shop: ShopifySimulator, ask: Ask) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])
        add = "mutation($id: ID!, $t: [String!]!) { tagsAdd(id: $id, tags: $t) { node { ... on Order { tags } } } }"

        assert ask(add, id=order["id"], t=["b, a,,"])["tagsAdd"]["node"]["tags"] == ["a", "b"]

    NOTE = """
    mutation($input: OrderInput!) { orderUpdate(input: $input) { order { note } userErrors { field message } } }
    """

    def test_a_note_is_replaced_and_echoed_when_it_changes(
        self, shop: ShopifySimulator, ask: Ask, inbox: Inbox
    ) -> None:
        order = shop.create_order([{"sku": "TEA-1"}], note="Ring twice.")
        inbox.topics_when_quiet(shop)
        echoes = []

        for given in ({}, {"note": "Door."}, {"note": "Door."}, {"note": ""}, {"note": None}):
            payload = ask(self.NOTE, input={"id": order["id"], **given})["orderUpdate"]
            echoes.append((payload["order"]["note"], inbox.topics_when_quiet(shop)))

        assert echoes == [
            ("Ring twice.", []),
            ("Door.", ["orders/updated"]),
            ("Door.", []),
            (None, ["orders/updated"]),
            (None, []),
        ]

    def test_a_note_has_an_end_and_an_order(self, shop: ShopifySimulator, ask: Ask) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])

        for given in ({"id": order["id"], "note": "x" * 5001}, {"id": "gid://shopify/Order/17", "note": "x"}):
            payload = ask(self.NOTE, input=given)["orderUpdate"]
            assert payload["order"] is None
            assert payload["userErrors"]

    def test_metafields_of_orders_ask_for_a_scope_that_the_apps_own_do_not(
        self, shop: ShopifySimulator, ask: Ask
    ) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])
        owner = ask("{ currentAppInstallation { id } }")["currentAppInstallation"]["id"]
        shop.grant_scopes(sorted(shop.scopes - {"write_orders"}))
        field = {"key": "claim", "type": "boolean", "value": "true"}

        assert ask(self.SET, m=[field | {"ownerId": owner}])["metafieldsSet"]["userErrors"] == []
        (error,) = call(shop, self.SET, m=[field | {"ownerId": order["id"]}]).json()["errors"]
        assert (error["path"], error["extensions"]["code"]) == (["metafieldsSet"], "ACCESS_DENIED")
        assert "write_orders" in error["extensions"]["requiredAccess"]

    def test_a_shop_is_claimed_and_given_up_by_a_metafield_of_the_installation(self, ask: Ask) -> None:
        query = '{ currentAppInstallation { id metafield(namespace: "$app", key: "claim") { value } } }'
        owner = ask(query)["currentAppInstallation"]["id"]

        ask(self.SET, m=[{"ownerId": owner, "key": "claim", "type": "single_line_text_field", "value": "prod"}])
        claimed = ask(query)["currentAppInstallation"]["metafield"]
        gone = ask(
            "mutation($m: [MetafieldIdentifierInput!]!) { metafieldsDelete(metafields: $m) "
            "{ deletedMetafields { key } userErrors { message } } }",
            m=[{"ownerId": owner, "namespace": "$app", "key": "claim"}],
        )["metafieldsDelete"]

        assert claimed == {"value": "prod"}
        assert gone == {"deletedMetafields": [{"key": "claim"}], "userErrors": []}
        assert ask(query)["currentAppInstallation"]["metafield"] is None


class TestWebhooks:
    def test_a_paid_order_is_announced_in_full(self, shop: ShopifySimulator, inbox: Inbox) -> None:
        order = shop.create_order(
            [{"sku": "TEA-1", "quantity": 2, "properties": {"_gift": "yes"}}], note="Salt & <Pepper>", tags=["a", "b"]
        )

        body = inbox.wait_for("orders/create")[0]

        assert sorted(inbox.topics_when_quiet(shop)) == [
            "fulfillment_orders/order_routing_complete",
            "inventory_levels/update",
            "orders/create",
            "orders/paid",
            "orders/updated",
        ]
        assert body["id"] == order["number"] > 2**53
        assert body["admin_graphql_api_id"] == order["id"]
        assert (body["financial_status"], body["fulfillment_status"], body["tags"]) == ("paid", None, "a, b")
        assert (body["total_price"], body["note"]) == ("30.00", "Salt & <Pepper>")
        assert body["created_at"].endswith("-05:00")
        assert body["shipping_address"]["province_code"] == "IL"
        assert "checkout_id" not in body
        line = body["line_items"][0]
        assert (line["quantity"], line["current_quantity"], line["fulfillable_quantity"]) == (2, 2, 2)
        assert (line["price"], line["properties"]) == ("12.50", [{"name": "_gift", "value": "yes"}])

    def test_headers_and_signature_are_shopifys(self, shop: ShopifySimulator, inbox: Inbox) -> None:
        shop.create_order([{"sku": "TEA-1"}], note="a/b & c")
        inbox.wait_for("orders/create")
        inbox.wait_for("orders/updated")

        headers, body = inbox.of("orders/create")[0]
        later, _ = inbox.of("orders/updated")[0]

        expected = base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest()).decode()
        assert headers["x-shopify-hmac-sha256"] == expected
        assert rb"a\/b \u0026 c" in body
        assert json.dumps(json.loads(body)).encode() != body
        assert headers["content-type"] == "application/json"
        assert headers["user-agent"] == "Shopify-Captain-Hook"
        assert headers["x-shopify-shop-domain"] == "demo.myshopify.com"
        assert headers["x-shopify-api-version"] == "2026-10"
        assert headers["x-shopify-webhook-id"] != later["x-shopify-webhook-id"]
        assert headers["x-shopify-event-id"] == later["x-shopify-event-id"]
        assert headers["x-shopify-triggered-at"].endswith("Z")

    def test_a_repeated_delivery_has_the_same_webhook_id(self, shop: ShopifySimulator, inbox: Inbox) -> None:
        shop.webhook_faults.repeat = 1.0

        shop.create_order([{"sku": "TEA-1"}])

        inbox.wait_for("orders/create", 2)
        assert len({headers["x-shopify-webhook-id"] for headers, _ in inbox.of("orders/create")}) == 1

    def test_a_refused_delivery_is_sent_again_as_it_was(self, shop: ShopifySimulator, inbox: Inbox) -> None:
        inbox.answers = [503]

        shop.mark_paid(shop.create_order([{"sku": "EBOOK"}], financial_status="PENDING")["id"])

        with inbox.arrived:
            assert inbox.arrived.wait_for(
                lambda: len({h["x-shopify-webhook-id"] for h, _ in inbox.received}) < len(inbox.received), timeout=5
            )

    def test_every_topic_of_ours_is_in_the_schema(self, ask: Ask) -> None:
        values = ask('{ __type(name: "WebhookSubscriptionTopic") { enumValues { name } } }')["__type"]["enumValues"]

        assert {value["name"] for value in values} == {enum_value(topic) for topic in TOPICS}

    def test_an_address_can_subscribe_by_the_api_and_leave(self, inbox: Inbox) -> None:
        shop = ShopifySimulator(access_token=TOKEN, accept_http_addresses=True)
        shop.add_product("TEA-1")
        sub = {"uri": inbox.url, "name": "intake"}
        fields = sub | {"includeFields": ["id", "line_items.sku"]}
        with shop:
            made = call(shop, SUBSCRIBE, topic="ORDERS_PAID", sub=fields).json()["data"]["webhookSubscriptionCreate"]
            shop.create_order([{"sku": "TEA-1"}])
            body = inbox.wait_for("orders/paid")[0]
            listed = call(shop, "{ webhookSubscriptions(first: 5) { nodes { uri topic name } } }").json()["data"]
            delete = "mutation($id: ID!) { webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId } }"
            gone = call(shop, delete, id=made["webhookSubscription"]["id"]).json()["data"]
            shop.create_order([{"sku": "TEA-1"}])
            topics = inbox.topics_when_quiet(shop)

        assert made["webhookSubscription"]["apiVersion"] == {"handle": "2026-10"}
        assert topics == ["orders/paid"]
        assert body.keys() == {"id", "line_items"}
        assert listed["webhookSubscriptions"]["nodes"] == [{"topic": "ORDERS_PAID"} | sub]
        assert gone["webhookSubscriptionDelete"]["deletedWebhookSubscriptionId"] == made["webhookSubscription"]["id"]

    @pytest.mark.parametrize(
        ("sub", "words"),
        [
            ({"uri": "http://app.example.test/hook"}, "http:// is not supported"),
            ({"uri": "https://localhost/hook"}, "internal domain"),
            ({"uri": "https://other.myshopify.com/hook"}, "internal domain"),
            ({"uri": ""}, "can't be blank"),
            ({"uri": "ftp://app.example.test"}, "is invalid"),
            ({"uri": "https://app.example.test/hook", "name": "no spaces"}, "Name is invalid"),
            ({"uri": "https://taken.example.test/hook"}, "already been taken"),
        ],
    )
    def test_an_address_shopify_would_not_take_is_refused(self, ask: Ask, sub: dict[str, Any], words: str) -> None:
        taken = {"uri": "https://taken.example.test/hook"}
        assert ask(SUBSCRIBE, topic="ORDERS_PAID", sub=taken)["webhookSubscriptionCreate"]["userErrors"] == []

        payload = ask(SUBSCRIBE, topic="ORDERS_PAID", sub=sub)["webhookSubscriptionCreate"]

        assert payload["webhookSubscription"] is None
        assert words in payload["userErrors"][0]["message"]
        assert payload["userErrors"][0]["field"][0] == "webhookSubscription"

    LISTED = "{ webhookSubscriptions(first: 5) { nodes { uri } } }"

    def test_eight_refusals_in_a_row_end_a_subscription_made_by_the_api(self, inbox: Inbox) -> None:
        shop = ShopifySimulator(access_token=TOKEN, accept_http_addresses=True)
        shop.retry_pace = 0.0
        shop.add_product("TEA-1")
        with shop:
            for topic in ("ORDERS_CREATE", "ORDERS_PAID"):
                call(shop, SUBSCRIBE, topic=topic, sub={"uri": inbox.url})
            inbox.answers = [503] * 9
            shop.create_order([{"sku": "TEA-1"}], financial_status="PENDING")
            tried = inbox.topics_when_quiet(shop)
            left = call(shop, self.LISTED).json()["data"]["webhookSubscriptions"]["nodes"]
            shop.create_order([{"sku": "TEA-1"}])

            assert tried == ["orders/create"] * 9
            assert left == [{"uri": inbox.url}]
            assert inbox.topics_when_quiet(shop) == ["orders/paid"]

    def test_an_address_of_the_apps_own_settings_stays_whatever_it_answers(self, inbox: Inbox) -> None:
        shop = ShopifySimulator(access_token=TOKEN, webhook_address=inbox.url)
        shop.retry_pace = 0.0
        with shop:
            inbox.answers = [503] * 9
            shop.redact_shop()
            assert inbox.topics_when_quiet(shop) == ["shop/redact"] * 9
            shop.redact_shop()
            assert inbox.topics_when_quiet(shop) == ["shop/redact"]

    def test_seven_refusals_in_a_row_do_not(self, inbox: Inbox) -> None:
        shop = ShopifySimulator(access_token=TOKEN, accept_http_addresses=True)
        shop.retry_pace = 0.0
        shop.add_product("TEA-1")
        with shop:
            call(shop, SUBSCRIBE, topic="ORDERS_CREATE", sub={"uri": inbox.url})
            inbox.answers = [503] * 7
            shop.create_order([{"sku": "TEA-1"}])
            assert inbox.topics_when_quiet(shop) == ["orders/create"] * 8
            left = call(shop, self.LISTED).json()["data"]

        assert left["webhookSubscriptions"]["nodes"] == [{"uri": inbox.url}]

    def test_a_refund_writes_its_amounts_as_numbers(self, shop: ShopifySimulator, inbox: Inbox) -> None:
        order = shop.create_order([{"sku": "TEA-1", "quantity": 2}])
        shop.fulfill_elsewhere(order["id"])

        shop.refund(order["id"], "TEA-1", 1, restock=True)

        body = inbox.wait_for("refunds/create")[0]
        assert body["refund_line_items"][0]["subtotal"] == 12.5
        assert body["refund_line_items"][0]["restock_type"] == "return"
        assert body["transactions"][0]["amount"] == "12.50"
        assert shop.stock_of("TEA-1")["on_hand"] == 99

    def test_an_uninstalled_app_has_no_token_left(self, shop: ShopifySimulator, inbox: Inbox) -> None:
        shop.uninstall()

        assert inbox.wait_for("app/uninstalled")[0]["myshopify_domain"] == "demo.myshopify.com"
        assert call(shop, "{ shop { id } }").status_code == 401

    def test_a_privacy_request_names_the_order(self, shop: ShopifySimulator, inbox: Inbox) -> None:
        order = shop.create_order([{"sku": "TEA-1"}])

        shop.redact_customer(order["id"])

        assert inbox.wait_for("customers/redact")[0]["orders_to_redact"] == [order["number"]]

    def test_a_shop_that_is_to_be_forgotten_says_so(self, shop: ShopifySimulator, inbox: Inbox) -> None:
        requests.post(f"{shop.url}/_simulator/redact_shop", json={}, timeout=5)

        assert inbox.wait_for("shop/redact")[0] == {"shop_id": 7000000001, "shop_domain": "demo.myshopify.com"}


class TestAdminDoor:
    def act(self, shop: ShopifySimulator, action: str, **body: Any) -> requests.Response:  # noqa: ANN401 - JSON
        return requests.post(f"{shop.url}/_simulator/{action}", json=body, timeout=5)

    def test_a_merchants_day_by_http(self, shop: ShopifySimulator) -> None:
        order = self.act(
            shop, "create_order", lines=[{"sku": "TEA-1", "quantity": 2}], financial_status="PENDING"
        ).json()
        self.act(shop, "mark_paid", order=order["name"])
        self.act(shop, "edit_quantity", order=order["id"], line="TEA-1", quantity=3)
        self.act(shop, "fulfill_elsewhere", order=order["id"], number="1Z1", company="UPS", lines={"TEA-1": 1})

        line = self.act(shop, "books").json()[0]["lines"][0]

        assert (line["ordered"], line["current"], line["fulfilled_units"], line["remaining"]) == (3, 3, 1, 2)
        assert line["shippable"] == 2
        assert line["fulfilled"][0]["numbers"] == ["1Z1"]

    @pytest.mark.parametrize(
        ("action", "body"),
        [
            ("no_such_action", {}),
            ("stop", {}),
            ("create_order", {"lines": []}),
            ("create_order", {"lines": [{"sku": "UNHEARD-OF"}]}),
            ("create_order", {"lines": [{"sku": "TEA-1"}], "delivery": "DRONE"}),
            ("create_order", {"lines": [{"sku": "TEA-1"}], "colour": "red"}),
            ("create_order", {"lines": [{"sku": "TEA-1"}], "processed_at": "2026-11-20T09:00:00"}),
            ("create_order", {"lines": [{"sku": "TEA-1"}], "processed_at": "yesterday"}),
            ("mark_paid", {"order": "17"}),
        ],
    )
    def test_what_makes_no_sense_is_a_bad_request(
        self, shop: ShopifySimulator, action: str, body: dict[str, Any]
    ) -> None:
        assert self.act(shop, action, **body).status_code == 400

    def test_what_customers_may_choose_and_what_the_merchant_says_of_an_order(
        self, shop: ShopifySimulator, ask: Ask
    ) -> None:
        self.act(shop, "add_shipping_method", name="UPS", zone="Abroad", services={"UPS Ground": True})
        order = self.act(shop, "create_order", lines=[{"sku": "TEA-1"}], customer_tags=["vip"], tags=["new"]).json()
        tagged = self.act(shop, "set_tags", order=order["id"], tags=["Jetpack", "gift"]).json()

        profiles = ask(
            "{ deliveryProfiles(first: 1) { nodes { name default profileLocationGroups { locationGroupZones(first: 5) {"
            " nodes { zone { name } methodDefinitions(first: 5) { nodes { name active rateProvider { __typename"
            " ... on DeliveryParticipant { participantServices { name active } }"
            " ... on DeliveryRateDefinition { price { amount } } } } } } } } } } }"
        )["deliveryProfiles"]["nodes"]

        assert tagged["tags"] == ["gift", "Jetpack"]
        ((domestic, abroad),) = (
            group["locationGroupZones"]["nodes"] for each in profiles for group in each["profileLocationGroups"]
        )
        price = {"__typename": "DeliveryRateDefinition", "price": {"amount": "5.0"}}
        services = [{"name": "UPS Ground", "active": True}]
        asked = {"__typename": "DeliveryParticipant", "participantServices": services}
        assert domestic["methodDefinitions"]["nodes"] == [{"name": "Standard", "active": True, "rateProvider": price}]
        assert abroad["methodDefinitions"]["nodes"] == [{"name": "UPS", "active": True, "rateProvider": asked}]

    def test_books_say_what_may_not_leave(self, shop: ShopifySimulator) -> None:
        lines = [{"sku": "TEA-1"}]
        shop.create_order(lines)
        shop.create_order(lines, financial_status="PENDING")
        shop.create_order(lines, test=True)
        shop.create_order(lines, hold_reason="OTHER")
        shop.create_order(lines, delayed_routing_seconds=3600)
        shop.create_order(lines, delivery="PICK_UP")
        shop.cancel_order(shop.create_order(lines)["id"])

        assert [entry["lines"][0]["shippable"] for entry in shop.books()] == [1, 0, 0, 0, 0, 0, 0]

    def test_promised_stock_always_equals_what_open_fulfillment_orders_hold(self, shop: ShopifySimulator) -> None:
        shop.add_location("Shop Floor")
        for step in range(12):
            order = shop.create_order([{"sku": "TEA-1", "quantity": 4}, {"sku": "MUG-2", "quantity": 2}])
            first = order["fulfillment_orders"][0]["id"]
            if step % 2:
                shop.split_fulfillment_order(first, "TEA-1", 3)
            if step % 3 == 0:
                shop.move_fulfillment_order(first, "Shop Floor")
            if step % 4 == 0:
                shop.remove_units(order["id"], "TEA-1", 1)
            if step % 3 == 1:
                shop.fulfill_elsewhere(order["id"], number=str(step), lines={"TEA-1": 2})
            if step % 6 == 1:
                fulfillment = shop.fulfill_elsewhere(order["id"], number=f"x{step}")["fulfillments"][0]
                shop.cancel_fulfillment(fulfillment)
            if step % 5 == 4:
                shop.edit_quantity(order["id"], "MUG-2", 4)
            if step == 8:
                shop.cancel_order(order["id"])

        for sku in ("TEA-1", "MUG-2"):
            promised = sum(shop.stock_of(sku, place)["committed"] for place in ("Main Warehouse", "Shop Floor"))
            lines = [line for order in shop.books() for line in order["lines"] if line["sku"] == sku]
            assert promised == sum(line["remaining"] for line in lines)
            assert all(line["current"] == line["fulfilled_units"] + line["remaining"] for line in lines)
