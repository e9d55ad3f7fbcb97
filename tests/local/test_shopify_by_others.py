"""The Shopify simulator, driven by Shopify's own Python library, which knows nothing of our reading of the vendor."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
from typing import TYPE_CHECKING, Any

import pytest
from graphql import build_client_schema, get_introspection_query

from jetbridge.partners.shopify.documents import FULFILLMENT_CREATE, FULFILLMENT_PAGES, ORDER, SUBSCRIBE
from local.simulators.shopify import SCOPES, ShopifySimulator
from local.simulators.shopify_graphql import load_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

shopify: Any = pytest.importorskip("shopify", reason="ShopifyAPI, Shopify's library for Python, is not installed")

VERSION = "2026-10"


@pytest.fixture
def simulator() -> Iterator[ShopifySimulator]:
    with ShopifySimulator(accept_http_addresses=True) as started:
        started.add_product("TEA", on_hand=10)
        yield started


@pytest.fixture
def library(simulator: ShopifySimulator) -> Iterator[Any]:
    """Let the library take this machine for a shop: it puts "127", its domain and its port together."""
    settings = {name: getattr(shopify.Session, name) for name in ("protocol", "myshopify_domain", "port")}
    port = urllib.parse.urlsplit(simulator.url).port
    shopify.Session.setup(protocol="http", myshopify_domain="0.0.1", port=port)
    shopify.ShopifyResource.activate_session(shopify.Session("127.0.0.1", VERSION, simulator.access_token))
    yield shopify.GraphQL()
    shopify.ShopifyResource.clear_session()
    shopify.Session.setup(**settings)


def execute(library: Any, document: str, name: str | None = None, **variables: object) -> dict[str, Any]:  # noqa: ANN401
    """Send a document as the library does; it gives the text of whatever came with 200."""
    answer: dict[str, Any] = json.loads(library.execute(document, variables, name))
    return answer


def test_the_library_speaks_to_the_version_it_was_told(simulator: ShopifySimulator, library: Any) -> None:  # noqa: ANN401
    answer = execute(library, "{ shop { myshopifyDomain plan { publicDisplayName } } }")

    assert library.endpoint == f"{simulator.url}/admin/api/{VERSION}/graphql.json"
    assert answer["data"] == {"shop": {"myshopifyDomain": simulator.shop, "plan": {"publicDisplayName": "Basic"}}}
    assert answer["extensions"]["cost"]["throttleStatus"]["restoreRate"] == 100


def test_the_library_chooses_among_operations_by_name(library: Any) -> None:  # noqa: ANN401
    document = "query Name { shop { name } } query Money { shop { currencyCode } }"

    assert execute(library, document, "Money")["data"] == {"shop": {"currencyCode": "USD"}}
    assert execute(library, document, "Weather")["errors"]


def test_the_library_reads_and_ships_an_order(simulator: ShopifySimulator, library: Any) -> None:  # noqa: ANN401
    made = simulator.create_order([{"sku": "TEA", "quantity": 2}])
    pages = dict(zip(("fulfillments", "fulfillmentLines"), FULFILLMENT_PAGES[0], strict=True))
    order = execute(library, ORDER, "Order", id=made["id"], withCustomer=True, **pages)["data"]["order"]
    part = order["fulfillmentOrders"]["nodes"][0]

    groups = [{"fulfillmentOrderId": part["id"]}]
    shipped = execute(library, FULFILLMENT_CREATE, fulfillment={"lineItemsByFulfillmentOrder": groups})
    again = execute(library, FULFILLMENT_CREATE, fulfillment={"lineItemsByFulfillmentOrder": groups})

    assert order["id"] == made["id"]
    assert shipped["data"]["fulfillmentCreate"]["userErrors"] == []
    assert "unfulfillable status= closed" in again["data"]["fulfillmentCreate"]["userErrors"][0]["message"]


def test_the_library_subscribes(library: Any) -> None:  # noqa: ANN401
    given = {"topic": "ORDERS_PAID", "subscription": {"uri": "https://app.example.test/hook"}}

    first = execute(library, SUBSCRIBE, "Subscribe", **given)["data"]["webhookSubscriptionCreate"]
    second = execute(library, SUBSCRIBE, "Subscribe", **given)["data"]["webhookSubscriptionCreate"]

    assert first["webhookSubscription"]["id"].startswith("gid://shopify/WebhookSubscription/")
    assert second["userErrors"][0]["message"] == "Address for this topic has already been taken"


def test_the_library_sees_the_schema_as_it_is_written(library: Any) -> None:  # noqa: ANN401
    seen = build_client_schema(execute(library, get_introspection_query())["data"])

    assert seen.type_map.keys() == load_schema().type_map.keys()


def test_the_library_counts_a_write_scope_as_a_read_scope(library: Any) -> None:  # noqa: ANN401
    document = "{ currentAppInstallation { accessScopes { handle } } }"
    handles = execute(library, document)["data"]["currentAppInstallation"]["accessScopes"]

    granted = shopify.ApiAccess([scope["handle"] for scope in handles])

    assert granted == shopify.ApiAccess(list(SCOPES))
    assert granted.covers(shopify.ApiAccess("read_orders,read_inventory"))
    assert not granted.covers(shopify.ApiAccess("write_returns"))


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda simulator: simulator.revoke_tokens(), 401),
        (lambda simulator: simulator.fail("429"), 429),
        (lambda simulator: simulator.fail("html"), 502),
    ],
)
def test_the_library_takes_a_refusal_for_one(
    simulator: ShopifySimulator,
    library: Any,  # noqa: ANN401 - the library has no types
    change: Any,  # noqa: ANN401 - a parameter
    status: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(simulator)

    with pytest.raises(urllib.error.HTTPError) as caught:
        library.execute("{ shop { name } }")

    assert caught.value.code == status
    caught.value.close()
    capsys.readouterr()  # it prints what it gets


def test_points_that_are_spent_and_scopes_that_are_missing_come_with_200(
    simulator: ShopifySimulator,
    library: Any,  # noqa: ANN401 - the library has no types
) -> None:
    simulator.grant_scopes([])
    denied = execute(library, "{ shop { name } locations(first: 1) { nodes { id } } }")
    simulator.empty_bucket()
    throttled = execute(library, "{ locations(first: 250) { nodes { id } } }")

    assert denied["data"] is None
    assert (denied["errors"][0]["path"], denied["errors"][0]["extensions"]["code"]) == (["locations"], "ACCESS_DENIED")
    assert throttled["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert "data" not in throttled
