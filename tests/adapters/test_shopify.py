"""Shopify's adapter: the documents we send, every way Shopify says no, and orders longer than a page."""

from __future__ import annotations

import copy
import json
import logging
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import responses
from responses.matchers import header_matcher, request_kwargs_matcher

from jetbridge.domain.identifiers import OrderId
from jetbridge.domain.order import Address
from jetbridge.domain.stock import ShopifyStock, StockChange
from jetbridge.domain.store import HARMLESS, ShopifyConnection
from jetbridge.errors import (
    ConfigurationError,
    CredentialsRejectedError,
    JetbridgeError,
    OutcomeUnknownError,
    PartnerUnavailableError,
    RateLimitedError,
    RejectedByPartnerError,
    UnexpectedAnswerError,
)
from jetbridge.partners.http import Seams, time_limit
from jetbridge.partners.shopify import documents
from jetbridge.partners.shopify.client import ShopifyShop
from jetbridge.partners.shopify.graphql import JITTER_SECONDS
from jetbridge.ports import MirroredHold, ParcelAnnouncement, TrackingNumber

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

type Json = dict[str, Any]

SHOP = "demo.myshopify.com"
URL = f"https://{SHOP}/admin/api/2026-10/graphql.json"
SECRET = "shpat_ada_0001"  # noqa: S105 - invented
ORDER = OrderId("820982911946154508")
GID = f"gid://shopify/Order/{ORDER}"
LOCATION = "gid://shopify/Location/1"
PARCEL = ParcelAnnouncement(
    (("gid://shopify/FulfillmentOrder/1", (("gid://shopify/FulfillmentOrderLineItem/11", 2),)),),
    "1ZTEST0001",
    "ups",
    "https://track.example.test/1ZTEST0001",
)
CHANGES = [StockChange("gid://shopify/InventoryItem/1", "TEA", 10, 4), StockChange("item-2", "MUG", 5, 0)]


class Shopify:
    """A shop with scripted answers."""

    def __init__(self, network: responses.RequestsMock) -> None:
        self.network = network
        self.slept: list[float] = []
        self.shop = ShopifyShop(
            ShopifyConnection(SHOP, f"https://{SHOP}"),
            lambda _again: SECRET,
            production=True,
            seams=Seams(sleep=self.slept.append, jitter=lambda: 1.0, clock=lambda: sum(self.slept)),
        )

    def answers(self, *bodies: Json, status: int = 200) -> None:
        for body in bodies:
            self.network.post(URL, json=body, status=status, headers={"X-Shopify-API-Version": "2026-10"})

    def sent(self, number: int = 0) -> Json:
        found: Json = json.loads(self.network.calls[number].request.body or "")
        return found


@pytest.fixture
def shopify() -> Iterator[Shopify]:
    with responses.RequestsMock() as network:
        yield Shopify(network)


def connection(*nodes: Json, cursor: str | None = None) -> Json:
    return {"pageInfo": {"hasNextPage": cursor is not None, "endCursor": cursor}, "nodes": list(nodes)}


def a_line(number: int, **changes: object) -> Json:
    return {
        "id": f"gid://shopify/LineItem/{number}",
        "sku": f"SKU-{number}",
        "name": f"Line {number}",
        "quantity": 2,
        "currentQuantity": 1,
        "requiresShipping": True,
        "isGiftCard": False,
        "originalUnitPriceSet": {"shopMoney": {"amount": "9.50"}},
    } | changes


def a_fulfillment_order_line(number: int) -> Json:
    return {
        "id": f"gid://shopify/FulfillmentOrderLineItem/{number}",
        "totalQuantity": 2,
        "remainingQuantity": 1,
        "lineItem": {"id": f"gid://shopify/LineItem/{number}"},
    }


def a_fulfillment_order(number: int, *lines: Json, cursor: str | None = None, **changes: object) -> Json:
    return {
        "id": f"gid://shopify/FulfillmentOrder/{number}",
        "status": "OPEN",
        "fulfillAt": "2026-11-22T07:00:00-05:00",
        "supportedActions": [{"action": "CREATE_FULFILLMENT"}, {"action": "HOLD"}],
        "assignedLocation": {"location": {"id": LOCATION}},
        "deliveryMethod": {"methodType": "SHIPPING"},
        "fulfillmentHolds": [{"id": "hold-1", "reason": "OTHER", "heldByRequestingApp": True}],
        "lineItems": connection(*lines, cursor=cursor),
    } | changes


def a_fulfillment(number: int, *, cursor: str | None = None, **changes: object) -> Json:
    return {
        "id": f"gid://shopify/Fulfillment/{number}",
        "status": "SUCCESS",
        "trackingInfo": [{"number": f"1ZTEST{number:04}"}, {"number": None}],
        "fulfillmentLineItems": connection(
            {"quantity": 1, "lineItem": {"id": "gid://shopify/LineItem/1"}}, cursor=cursor
        ),
    } | changes


def an_order(**changes: object) -> Json:
    return {
        "id": GID,
        "name": "#1001",
        "createdAt": "2026-11-22T05:00:00-05:00",
        "updatedAt": "2026-11-22T10:30:00Z",
        "cancelledAt": None,
        "test": False,
        "email": "ada@example.test",
        "phone": "",
        "tags": ["gift", "wholesale"],
        "displayFinancialStatus": "PAID",
        "paymentGatewayNames": ["shopify_payments"],
        "currencyCode": "USD",
        "currentTotalPriceSet": {"shopMoney": {"amount": "24.0"}},
        "risk": {"recommendation": "ACCEPT"},
        "shippingLines": {"nodes": [{"title": "Standard", "code": "std", "isRemoved": False}]},
        "shippingAddress": {
            "name": "Ada Sample",
            "company": None,
            "address1": "1 Nowhere Rd",
            "address2": None,
            "city": "Springfield",
            "provinceCode": "IL",
            "zip": "62701",
            "countryCodeV2": "US",
            "phone": None,
        },
        "lineItems": connection(a_line(1)),
        "fulfillmentOrders": connection(a_fulfillment_order(1, a_fulfillment_order_line(1))),
        "fulfillments": [],
    } | changes


def data(order: Json | None) -> Json:
    return {"data": {"order": order}}


# -- what is sent ---------------------------------------------------------------------------------------------------


def test_an_order_is_asked_for_with_our_token_and_time_outs(shopify: Shopify) -> None:
    shopify.network.post(
        URL,
        json=data(an_order()),
        match=[
            header_matcher({"X-Shopify-Access-Token": SECRET, "Content-Type": "application/json"}),
            request_kwargs_matcher({"timeout": (3.05, 10.0)}),
        ],
    )

    shopify.shop.read_order(ORDER)

    sent = shopify.sent()
    assert sent["query"] == documents.ORDER
    assert sent["variables"] == {"id": GID, "fulfillments": 3, "fulfillmentLines": 10, "withCustomer": False}


def test_a_parcel_is_announced_with_shopifys_spelling_of_the_carrier(shopify: Shopify) -> None:
    shopify.answers(
        {"data": {"fulfillmentCreate": {"fulfillment": {"id": "gid://shopify/Fulfillment/9"}, "userErrors": []}}}
    )

    assert shopify.shop.announce_parcel(PARCEL) == "gid://shopify/Fulfillment/9"

    assert shopify.sent()["variables"] == {
        "fulfillment": {
            "lineItemsByFulfillmentOrder": [
                {
                    "fulfillmentOrderId": "gid://shopify/FulfillmentOrder/1",
                    "fulfillmentOrderLineItems": [{"id": "gid://shopify/FulfillmentOrderLineItem/11", "quantity": 2}],
                }
            ],
            "notifyCustomer": True,
            "trackingInfo": {
                "company": "UPS",
                "number": "1ZTEST0001",
                "url": "https://track.example.test/1ZTEST0001",
            },
        }
    }


def test_a_parcel_of_nothing_is_not_announced(shopify: Shopify) -> None:
    nothing = ParcelAnnouncement((("gid://shopify/FulfillmentOrder/1", ()),), "1ZTEST0001", "UPS", "")

    with pytest.raises(RejectedByPartnerError):
        shopify.shop.announce_parcel(nothing)

    assert not shopify.network.calls


def test_changed_fulfillment_orders_name_their_order(shopify: Shopify) -> None:
    node = {"orderId": GID, "updatedAt": "2026-11-22T10:00:05Z"}
    shopify.answers({"data": {"fulfillmentOrders": connection(node)}})

    (found,) = shopify.shop.fulfillment_orders_changed_since(datetime(2026, 11, 22, tzinfo=UTC))

    assert found.order_id == ORDER


def test_an_unknown_carrier_goes_as_it_came_and_no_number_means_no_tracking(shopify: Shopify) -> None:
    for _ in range(2):
        shopify.answers({"data": {"fulfillmentCreate": {"fulfillment": {"id": "f-1"}, "userErrors": []}}})

    shopify.shop.announce_parcel(ParcelAnnouncement(PARCEL.lines, "1Z", "Example Post", ""))
    shopify.shop.announce_parcel(ParcelAnnouncement(PARCEL.lines, "", "UPS", "https://x.test", notify_customer=False))

    first, second = (shopify.sent(number)["variables"]["fulfillment"] for number in (0, 1))
    assert first["trackingInfo"] == {"company": "Example Post", "number": "1Z"}
    assert "trackingInfo" not in second
    assert second["notifyCustomer"] is False


def test_changes_are_asked_for_in_utc(shopify: Shopify) -> None:
    since = datetime.fromisoformat("2026-11-22T05:00:00.9-05:00")
    shopify.answers({"data": {"orders": connection({"id": GID, "updatedAt": "2026-11-22T10:00:05Z"}, cursor="c1")}})
    shopify.answers(
        {"data": {"orders": connection({"id": "gid://shopify/Order/7", "updatedAt": "2026-11-22T10:00:06Z"})}}
    )

    found = list(shopify.shop.orders_changed_since(since))

    assert [each.order_id for each in found] == [ORDER, "7"]
    assert found[0].updated_at == datetime(2026, 11, 22, 10, 0, 5, tzinfo=UTC)
    assert shopify.sent(0)["variables"] == {"query": "updated_at:>='2026-11-22T10:00:00Z'", "after": None}
    assert shopify.sent(1)["variables"]["after"] == "c1"


def test_available_is_set_with_its_key_and_what_it_was(shopify: Shopify) -> None:
    shopify.answers({"data": {"inventorySetQuantities": {"userErrors": []}}})

    assert shopify.shop.set_available(LOCATION, CHANGES[:1], idempotency_key="key-1") == {}

    assert shopify.sent()["variables"] == {
        "key": "key-1",
        "input": {
            "name": "available",
            "reason": "correction",
            "referenceDocumentUri": "gid://jetbridge/StockPush/key-1",
            "quantities": [
                {
                    "inventoryItemId": "gid://shopify/InventoryItem/1",
                    "locationId": LOCATION,
                    "quantity": 4,
                    "changeFromQuantity": 10,
                }
            ],
        },
    }


def test_no_change_is_no_call(shopify: Shopify) -> None:
    assert shopify.shop.set_available(LOCATION, [], idempotency_key="key-1") == {}


def test_more_than_a_list_may_hold_is_our_mistake(shopify: Shopify) -> None:
    with pytest.raises(ValueError, match="250"):
        shopify.shop.set_available(LOCATION, CHANGES[:1] * 251, idempotency_key="key-1")


def renumbered(shopify: Shopify, *numbers: TrackingNumber) -> Json:
    answer = {"fulfillment": {"id": "gid://shopify/Fulfillment/9"}, "userErrors": []}
    shopify.answers({"data": {"fulfillmentTrackingInfoUpdate": answer}})
    shopify.shop.change_tracking("gid://shopify/Fulfillment/9", numbers, notify_customer=True)
    variables: Json = shopify.sent()["variables"]
    return variables


def test_tracking_numbers_are_replaced_as_a_whole(shopify: Shopify) -> None:
    numbers = [TrackingNumber(f"1Z{n}", "ups", f"https://track.example.test/1Z{n}") for n in (1, 2)]

    assert renumbered(shopify, *numbers) == {
        "id": "gid://shopify/Fulfillment/9",
        "notify": True,
        "tracking": {
            "company": "UPS",
            "numbers": ["1Z1", "1Z2"],
            "urls": ["https://track.example.test/1Z1", "https://track.example.test/1Z2"],
        },
    }


def test_a_link_never_lands_at_another_number(shopify: Shopify) -> None:
    first, second, third = (
        TrackingNumber("1", "", "https://x.test/1"),
        TrackingNumber("2"),
        TrackingNumber("3", "", "x"),
    )

    assert renumbered(shopify, first, second, third)["tracking"] == {
        "numbers": ["1", "2", "3"],
        "urls": ["https://x.test/1"],
    }


@pytest.mark.parametrize("numbers", [[], [TrackingNumber("", "UPS", "https://x.test")]])
def test_numbers_are_never_replaced_by_none(shopify: Shopify, numbers: list[TrackingNumber]) -> None:
    with pytest.raises(RejectedByPartnerError):
        shopify.shop.change_tracking("gid://shopify/Fulfillment/9", numbers, notify_customer=True)

    assert not shopify.network.calls


def test_a_name_is_searched_for_as_a_phrase_and_compared_exactly(shopify: Shopify) -> None:
    names = ["#1001", "1001", "#1001-A", "#1001 ", "SO-1001", "#1O01"]
    nodes = [{"id": f"gid://shopify/Order/{n}", "name": name} for n, name in enumerate(names)]
    shopify.answers({"data": {"orders": connection(*nodes[:3], cursor="c1")}})
    shopify.answers({"data": {"orders": connection(*nodes[3:])}})

    assert shopify.shop.orders_named("#1001") == ("0", "1", "3")

    assert shopify.sent(0)["variables"] == {"query": 'name:"1001"', "after": None}
    assert shopify.sent(1)["variables"]["after"] == "c1"


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("so-1001/x", 'name:"so-1001/x"'),
        ('1001" OR status:any', 'name:"1001\\" or status:any"'),
        ("1001\\", 'name:"1001\\\\"'),
    ],
)
def test_a_name_cannot_become_another_search(shopify: Shopify, name: str, query: str) -> None:
    shopify.answers({"data": {"orders": connection()}})

    assert shopify.shop.orders_named(name) == ()
    assert shopify.sent()["variables"]["query"] == query


@pytest.mark.parametrize("name", ["", "#", " # "])
def test_no_name_finds_no_order(shopify: Shopify, name: str) -> None:
    assert shopify.shop.orders_named(name) == ()


# -- what is written to an order ------------------------------------------------------------------------------------

PART = "gid://shopify/FulfillmentOrder/1"
HOLD = MirroredHold("INCORRECT_ADDRESS", "The house number is missing.")
DONE: Json = {"userErrors": []}
HELD = {"fulfillmentHold": {"id": "gid://shopify/FulfillmentHold/1"}} | DONE


def test_a_hold_is_placed_under_our_handle_and_tells_nobody(shopify: Shopify) -> None:
    shopify.answers({"data": {"fulfillmentOrderHold": HELD}})

    shopify.shop.hold(PART, HOLD)

    assert shopify.sent()["variables"] == {
        "id": PART,
        "hold": {
            "reason": "INCORRECT_ADDRESS",
            "reasonNotes": "The house number is missing.",
            "handle": "jetbridge",
            "notifyMerchant": False,
        },
    }


def test_holds_are_released_by_their_ids_and_never_without(shopify: Shopify) -> None:
    shopify.answers({"data": {"fulfillmentOrderReleaseHold": {"fulfillmentOrder": {"id": PART}} | DONE}})

    shopify.shop.release_holds(PART, ())
    shopify.shop.release_holds(PART, ("hold-1", "hold-2"))

    assert len(shopify.network.calls) == 1
    assert shopify.sent()["variables"] == {"id": PART, "holdIds": ["hold-1", "hold-2"]}


def test_no_tags_are_no_call(shopify: Shopify) -> None:
    shopify.shop.add_tags(ORDER, ())
    shopify.shop.remove_tags(ORDER, ())

    assert not shopify.network.calls


def test_a_mark_is_a_metafield_of_our_app(shopify: Shopify) -> None:
    shopify.answers({"data": {"metafieldsSet": DONE}})
    shopify.answers({"data": {"metafieldsDelete": DONE}})

    shopify.shop.mark_forwarded(ORDER, ("demo:1:1", "demo:1:2"))
    shopify.shop.mark_forwarded(ORDER, ())

    metafield = {"ownerId": GID, "namespace": "$app", "key": "jetpack_references"}
    written = {"type": "list.single_line_text_field", "value": '["demo:1:1", "demo:1:2"]'}
    assert shopify.sent(0)["variables"] == {"metafields": [metafield | written]}
    assert shopify.sent(1)["variables"] == {"metafields": [metafield]}


def refused_with(code: str | None, words: str = "Not today.") -> Json:
    return {"userErrors": [{"field": ["id"], "message": words} | ({"code": code} if code else {})]}


WRITES: list[tuple[str, Callable[[ShopifyShop], None]]] = [
    ("fulfillmentOrderHold", lambda shop: shop.hold(PART, HOLD)),
    ("metafieldsDelete", lambda shop: shop.mark_forwarded(ORDER, ())),
    ("metafieldsSet", lambda shop: shop.mark_forwarded(ORDER, ("demo:1:1",))),
    ("orderUpdate", lambda shop: shop.set_note(ORDER, "Ring at Ada's")),
    ("tagsAdd", lambda shop: shop.add_tags(ORDER, ("Jetpack",))),
    ("tagsRemove", lambda shop: shop.remove_tags(ORDER, ("Jetpack",))),
]


@pytest.mark.parametrize(("field", "write"), WRITES)
def test_a_refused_write_is_refused(shopify: Shopify, field: str, write: Callable[[ShopifyShop], None]) -> None:
    shopify.answers({"data": {field: refused_with("TAKEN", "Not today, Ada's neighbor.")}})

    with pytest.raises(RejectedByPartnerError) as caught:
        write(shopify.shop)

    if field == "orderUpdate":
        assert "Ada" not in str(caught.value)  # what was sent is personal, and they may quote it
    else:
        assert caught.value.code == "TAKEN"


@pytest.mark.parametrize(("field", "write"), [*WRITES, ("fulfillmentOrderReleaseHold", None)])
@pytest.mark.parametrize("payload", [None, {}, {"userErrors": "?"}])
def test_a_write_that_is_not_confirmed_may_have_happened(
    shopify: Shopify, field: str, write: Callable[[ShopifyShop], None] | None, payload: Json | None
) -> None:
    shopify.answers({"data": {field: payload}})

    with pytest.raises(OutcomeUnknownError):
        (write or (lambda shop: shop.release_holds(PART, ("hold-1",))))(shopify.shop)


@pytest.mark.parametrize(
    ("field", "write"), [each for each in WRITES if each[0] not in {"metafieldsSet", "metafieldsDelete"}]
)
def test_a_write_that_shows_nothing_done_may_have_happened(
    shopify: Shopify, field: str, write: Callable[[ShopifyShop], None]
) -> None:
    shopify.answers({"data": {field: DONE}})

    with pytest.raises(OutcomeUnknownError):
        write(shopify.shop)


def test_a_handle_that_is_taken_means_held_already(shopify: Shopify) -> None:
    shopify.answers({"data": {"fulfillmentOrderHold": refused_with("DUPLICATE_FULFILLMENT_HOLD_HANDLE")}})

    shopify.shop.hold(PART, HOLD)


@pytest.mark.parametrize("code", ["TAKEN", "FULFILLMENT_ORDER_HOLD_LIMIT_REACHED", "FULFILLMENT_ORDER_NOT_FOUND"])
def test_no_other_refusal_means_held_already(shopify: Shopify, code: str) -> None:
    shopify.answers({"data": {"fulfillmentOrderHold": refused_with(code)}})

    with pytest.raises(RejectedByPartnerError) as caught:
        shopify.shop.hold(PART, HOLD)

    assert caught.value.code == code


@pytest.mark.parametrize(
    "left",
    [
        None,
        {"fulfillmentHolds": []},
        {"fulfillmentHolds": [{"id": "hold-9"}]},
    ],
)
def test_a_release_that_is_refused_where_the_holds_are_gone_is_done(shopify: Shopify, left: Json | None) -> None:
    shopify.answers({"data": {"fulfillmentOrderReleaseHold": refused_with(None, "It is not on hold.")}})
    shopify.answers({"data": {"fulfillmentOrder": left}})

    shopify.shop.release_holds(PART, ("hold-1", "hold-2"))

    assert shopify.sent(1)["query"] == documents.HOLDS


def test_a_release_that_is_refused_where_a_hold_is_left_is_refused(shopify: Shopify) -> None:
    shopify.answers({"data": {"fulfillmentOrderReleaseHold": refused_with("INVALID_ACCESS")}})
    shopify.answers({"data": {"fulfillmentOrder": {"fulfillmentHolds": [{"id": "hold-2"}]}}})

    with pytest.raises(RejectedByPartnerError) as caught:
        shopify.shop.release_holds(PART, ("hold-1", "hold-2"))

    assert caught.value.code == "INVALID_ACCESS"


@pytest.mark.parametrize("answer", [{"data": {}}, {"data": {"fulfillmentOrder": {}}}])
def test_holds_that_are_not_told_are_not_gone(shopify: Shopify, answer: Json) -> None:
    shopify.answers({"data": {"fulfillmentOrderReleaseHold": refused_with(None)}}, answer)

    with pytest.raises(UnexpectedAnswerError):
        shopify.shop.release_holds(PART, ("hold-1",))


# -- what is understood ---------------------------------------------------------------------------------------------


def read(shopify: Shopify, **changes: object) -> Any:  # noqa: ANN401 - an Order, checked attribute by attribute
    shopify.answers(data(an_order(**changes)))
    found = shopify.shop.read_order(ORDER)
    assert found
    return found


def test_an_order_is_translated(shopify: Shopify) -> None:
    order = read(shopify, fulfillments=[a_fulfillment(9)])

    assert order.id == ORDER
    assert order.created_at == datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
    assert (order.currency, order.total, order.risk, order.tags) == ("USD", "24", "ACCEPT", ("gift", "wholesale"))
    assert order.shipping_address == Address("Ada Sample", "", "1 Nowhere Rd", "", "Springfield", "IL", "62701", "US")
    (line,) = order.lines
    assert (line.id, line.sku, line.quantity, line.current_quantity, line.unit_price) == ("1", "SKU-1", 2, 1, "9.5")
    (part,) = order.fulfillment_orders
    assert part.id == "gid://shopify/FulfillmentOrder/1"
    assert part.supported_actions == {"CREATE_FULFILLMENT", "HOLD"}
    assert part.fulfill_at == datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    assert (part.holds[0].id, part.holds[0].reason, part.holds[0].ours) == ("hold-1", "OTHER", True)
    assert (part.lines[0].line_id, part.lines[0].total, part.lines[0].remaining) == ("1", 2, 1)
    (fulfillment,) = order.fulfillments
    assert (fulfillment.tracking_numbers, fulfillment.units) == (("1ZTEST0009",), (("1", 1),))


def without(payload: Json, *names: str) -> Json:
    return {name: value for name, value in payload.items() if name not in names}


NULLABLE = (
    "app",
    "attribution",
    "cancelledAt",
    "currencyCode",
    "currentShippingPriceSet",
    "currentSubtotalPriceSet",
    "currentTotalPriceSet",
    "currentTotalTaxSet",
    "currentTotalWeight",
    "customAttributes",
    "customer",
    "discountCodes",
    "displayFinancialStatus",
    "email",
    "note",
    "paymentGatewayNames",
    "phone",
    "presentmentCurrencyCode",
    "processedAt",
    "risk",
    "shippingAddress",
    "shippingLines",
    "sourceName",
    "tags",
    "totalReceivedSet",
)


@pytest.mark.parametrize("absent", [True, False])
def test_null_and_absent_are_one(shopify: Shopify, *, absent: bool) -> None:
    payload = an_order(
        lineItems=connection(
            a_line(1, sku="", name=None, originalUnitPriceSet=None, vendor=None, product=None, customAttributes=None),
            a_line(2, sku=None, product={"productType": None, "tags": None}),
        ),
        fulfillmentOrders=connection(
            a_fulfillment_order(
                1,
                fulfillAt=None,
                supportedActions=None,
                assignedLocation={"location": None},
                deliveryMethod=None,
                fulfillmentHolds=None,
            )
        ),
        fulfillments=[a_fulfillment(1, trackingInfo=None)],
    )
    shopify.answers(data(without(payload, *NULLABLE) if absent else payload | dict.fromkeys(NULLABLE)))

    order = shopify.shop.read_order(ORDER)

    assert order
    assert [line.sku for line in order.lines] == ["", ""]
    assert (order.risk, order.shipping_method, order.shipping_address) == ("UNKNOWN", "", None)
    assert (order.email, order.phone, order.tags, order.financial_status, order.total) == ("", "", (), "", "")
    assert (order.subtotal, order.shipping_paid, order.tax, order.amount_paid, order.total_weight_grams) == (
        *("", "", "", ""),
        0,
    )
    assert (order.processed_at, order.ship_by, order.presentment_currency, order.note) == (None, None, "", "")
    assert (order.source, order.channel, order.attributes, order.discount_codes) == ("", "", (), ())
    assert order.customer_tags == ()
    assert {(line.vendor, line.product_type, line.product_tags, line.properties) for line in order.lines} == {
        ("", "", (), ())
    }
    (part,) = order.fulfillment_orders
    assert (part.method_type, part.location_id, part.holds, part.supported_actions) == ("", "", (), frozenset())
    assert order.fulfillments[0].tracking_numbers == ()


def test_the_day_to_ship_by_is_the_earliest_of_the_open_parts(shopify: Shopify) -> None:
    days = (("CLOSED", "01"), ("OPEN", "05"), ("ON_HOLD", "03"), ("CANCELLED", "02"))
    parts = [
        a_fulfillment_order(number, status=status, fulfillBy=f"2026-12-{day}T00:00:00-05:00")
        for number, (status, day) in enumerate(days)
    ]

    order = read(shopify, fulfillmentOrders=connection(*parts, a_fulfillment_order(9, fulfillBy=None)))

    assert order.ship_by == datetime(2026, 12, 3, 5, tzinfo=UTC)


def test_weights_come_as_text_and_attributes_may_have_no_value(shopify: Shopify) -> None:
    given = [{"key": "gift", "value": None}, {"key": "gift", "value": "no"}]

    order = read(shopify, currentTotalWeight="18446744073709551615", customAttributes=given)

    assert (order.total_weight_grams, order.attributes) == (2**64 - 1, (("gift", ""), ("gift", "no")))


def test_unknown_enum_values_stay_text(shopify: Shopify) -> None:
    order = read(
        shopify,
        displayFinancialStatus="PAID_IN_SHELLS",
        risk={"recommendation": "PONDER"},
        fulfillmentOrders=connection(a_fulfillment_order(1, status="NAPPING", deliveryMethod={"methodType": "DRONE"})),
        fulfillments=[a_fulfillment(1, status="MAYBE")],
    )

    assert (order.financial_status, order.risk) == ("PAID_IN_SHELLS", "PONDER")
    assert (order.fulfillment_orders[0].status, order.fulfillment_orders[0].method_type) == ("NAPPING", "DRONE")
    assert not order.fulfillments[0].counts


@pytest.mark.parametrize(
    ("risk", "verdict"),
    [
        ({"recommendation": "NONE", "assessments": []}, "NONE"),
        ({"recommendation": "NONE", "assessments": None}, "NONE"),
        ({"recommendation": "NONE", "assessments": [{"riskLevel": "LOW"}]}, "NONE"),
        ({"recommendation": "NONE", "assessments": [{"riskLevel": "LOW"}, {"riskLevel": "PENDING"}]}, "PENDING"),
        ({"recommendation": "ACCEPT", "assessments": [{"riskLevel": "PENDING"}]}, "ACCEPT"),
        ({"recommendation": "CANCEL", "assessments": [{"riskLevel": "HIGH"}]}, "CANCEL"),
        ({"recommendation": None}, "UNKNOWN"),
        ({}, "UNKNOWN"),
        (None, "UNKNOWN"),
    ],
)
def test_a_risk_that_is_not_known_yet_or_not_shown_is_not_harmless(
    shopify: Shopify, risk: Json | None, verdict: str
) -> None:
    found = read(shopify, risk=risk).risk

    assert found == verdict
    assert (found in HARMLESS) == (verdict in {"ACCEPT", "NONE"})


@pytest.mark.parametrize(
    ("amount", "text"),
    [("24.0", "24"), ("24.00", "24"), ("0.0", "0"), ("0", "0"), ("49.95", "49.95"), ("100", "100"), ("-3.50", "-3.5")],
)
def test_money_is_a_decimal_so_that_equal_amounts_are_equal_texts(shopify: Shopify, amount: str, text: str) -> None:
    order = read(
        shopify,
        currentTotalPriceSet={"shopMoney": {"amount": amount}},
        lineItems=connection(a_line(1, originalUnitPriceSet={"shopMoney": {"amount": amount}})),
    )

    assert (order.total, order.lines[0].unit_price) == (text, text)


@pytest.mark.parametrize(
    ("lines", "method"),
    [
        ([{"title": "Gone", "isRemoved": True}, {"title": "Express", "isRemoved": False}], "Express"),
        ([{"title": None, "code": "custom"}], "custom"),
        ([], ""),
    ],
)
def test_the_first_shipping_line_that_stands_names_the_method(shopify: Shopify, lines: list[Json], method: str) -> None:
    assert read(shopify, shippingLines={"nodes": lines}).shipping_method == method


def test_an_id_that_cannot_be_one_is_an_order_that_is_not_there(shopify: Shopify) -> None:
    shopify.answers({"errors": [{"message": "x", "extensions": {"code": "RESOURCE_NOT_FOUND"}}]})

    assert shopify.shop.read_order_of("nonsense") is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("id",), "gid://shopify/Order/none"),
        (("updatedAt",), "yesterday"),
        (("lineItems", "nodes", 0, "quantity"), "ada@example.test"),
        (("fulfillmentOrders",), None),
        (("fulfillments",), None),
        (("fulfillments", 0, "fulfillmentLineItems", "nodes", 0, "lineItem"), None),
        (("currentTotalPriceSet", "shopMoney", "amount"), "ada@example.test"),
        (("currentTotalPriceSet", "shopMoney", "amount"), "NaN"),
        (("risk", "assessments"), "ada@example.test"),
    ],
)
def test_an_answer_of_another_shape_is_unexpected(shopify: Shopify, path: tuple[str | int, ...], value: object) -> None:
    payload: Any = copy.deepcopy(an_order(fulfillments=[a_fulfillment(1)]))
    place = payload
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    shopify.answers(data(payload))

    with pytest.raises(UnexpectedAnswerError) as caught:
        shopify.shop.read_order(ORDER)

    assert "ada@" not in "".join(traceback.format_exception(caught.value))


# -- longer than a page -----------------------------------------------------------------------------------------------


def test_a_long_order_is_read_to_its_end(shopify: Shopify) -> None:
    first = a_fulfillment_order(1, a_fulfillment_order_line(1), cursor="fo-lines")
    shopify.answers(
        data(
            an_order(lineItems=connection(a_line(1), cursor="lines"), fulfillmentOrders=connection(first, cursor="fos"))
        ),
        {"data": {"order": {"lineItems": connection(a_line(2))}}},
        {"data": {"order": {"fulfillmentOrders": connection(a_fulfillment_order(2, a_fulfillment_order_line(3)))}}},
        {"data": {"fulfillmentOrder": {"lineItems": connection(a_fulfillment_order_line(2))}}},
    )

    order = shopify.shop.read_order(ORDER)

    assert order
    assert [line.id for line in order.lines] == ["1", "2"]
    assert [[line.line_id for line in part.lines] for part in order.fulfillment_orders] == [["1", "2"], ["3"]]
    assert [shopify.sent(number)["variables"].get("after") for number in (1, 2, 3)] == ["lines", "fos", "fo-lines"]


def test_an_order_of_many_parcels_is_asked_for_all_of_them(shopify: Shopify) -> None:
    few = [a_fulfillment(number) for number in range(3)]
    many = [a_fulfillment(number) for number in range(20)]
    more = [a_fulfillment(number, cursor="lines" if number == 21 else None) for number in range(22)]
    shopify.answers(
        data(an_order(fulfillments=few)),
        {"data": {"order": {"fulfillments": many}}},
        {"data": {"order": {"fulfillments": more}}},
        {
            "data": {
                "fulfillment": {
                    "fulfillmentLineItems": connection(
                        {"quantity": None, "lineItem": {"id": "gid://shopify/LineItem/2"}}
                    )
                }
            }
        },
    )

    order = shopify.shop.read_order(ORDER)

    assert order
    assert len(order.fulfillments) == 22
    assert order.fulfillments[21].units == (("1", 1), ("2", 0))
    assert [shopify.sent(number)["variables"].get("fulfillments") for number in (0, 1, 2)] == [3, 20, 150]


def test_more_parcels_than_one_query_may_hold_are_not_guessed(shopify: Shopify) -> None:
    shopify.answers(data(an_order(fulfillments=[a_fulfillment(number) for number in range(3)])))
    for amount in (20, 150):
        shopify.answers({"data": {"order": {"fulfillments": [a_fulfillment(number) for number in range(amount)]}}})

    with pytest.raises(UnexpectedAnswerError) as caught:
        shopify.shop.read_order(ORDER)

    assert caught.value.code == "too_many_fulfillments"


def test_a_cursor_that_goes_in_circles_ends(shopify: Shopify) -> None:
    node = {"id": GID, "updatedAt": "2026-11-22T10:00:05Z"}
    shopify.answers({"data": {"orders": connection(node, cursor="c1")}})

    with pytest.raises(UnexpectedAnswerError) as caught:
        list(shopify.shop.orders_changed_since(datetime(2026, 11, 22, tzinfo=UTC)))

    assert caught.value.code == "cursor_repeats"


@pytest.mark.parametrize("answer", [{"orders": None}, {}, {"orders": {"nodes": None}}])
def test_a_connection_that_is_missing_is_no_empty_one(shopify: Shopify, answer: Json) -> None:
    shopify.answers({"data": answer})

    with pytest.raises(UnexpectedAnswerError):
        list(shopify.shop.orders_changed_since(datetime(2026, 11, 22, tzinfo=UTC)))


@pytest.mark.parametrize(
    "info", [{"hasNextPage": True, "endCursor": None}, {"hasNextPage": True}, {"hasNextPage": None}, {}, None]
)
def test_a_page_that_does_not_say_where_it_goes_on_is_not_the_last(shopify: Shopify, info: Json | None) -> None:
    shopify.answers({"data": {"orders": {"nodes": [], "pageInfo": info}}})

    with pytest.raises(UnexpectedAnswerError):
        list(shopify.shop.orders_changed_since(datetime(2026, 11, 22, tzinfo=UTC)))


@pytest.mark.parametrize("info", [{"hasNextPage": True, "endCursor": None}, {"hasNextPage": True}, {}])
def test_lines_that_go_on_without_a_cursor_are_not_all_of_them(shopify: Shopify, info: Json) -> None:
    shopify.answers(data(an_order(lineItems={"nodes": [a_line(1)], "pageInfo": info})))

    with pytest.raises(UnexpectedAnswerError):
        shopify.shop.read_order(ORDER)


def test_a_change_without_an_order_is_unexpected(shopify: Shopify) -> None:
    shopify.answers({"data": {"orders": connection({"updatedAt": "2026-11-22T10:00:05Z"})}})

    with pytest.raises(UnexpectedAnswerError):
        list(shopify.shop.orders_changed_since(datetime(2026, 11, 22, tzinfo=UTC)))


# -- stock ------------------------------------------------------------------------------------------------------------


def a_level(sku: str | None, *, tracked: bool = True, **quantities: int) -> Json:
    return {
        "item": {"id": f"item-{sku}", "sku": sku, "tracked": tracked},
        "quantities": [{"name": name, "quantity": quantity} for name, quantity in quantities.items()],
    }


def test_stock_is_of_tracked_items_with_a_sku(shopify: Shopify) -> None:
    levels = [
        a_level("TEA", available=-1, committed=3, reserved=2, safety_stock=1),
        a_level("BOOK", tracked=False, available=1, committed=0),
        a_level("", available=1, committed=0),
        a_level(None, available=1, committed=0),
    ]
    shopify.answers(
        {"data": {"location": {"inventoryLevels": connection(*levels, cursor="c1")}}},
        {"data": {"location": {"inventoryLevels": connection(a_level("MUG", available=4, committed=0))}}},
    )

    assert list(shopify.shop.stock(LOCATION)) == [
        ShopifyStock("item-TEA", "TEA", -1, 3, 2, 1),
        ShopifyStock("item-MUG", "MUG", 4, 0),
    ]


@pytest.mark.parametrize("location", [None, {"inventoryLevels": connection(a_level("TEA", available=1))}])
def test_stock_that_is_not_told_is_not_zero(shopify: Shopify, location: Json | None) -> None:
    shopify.answers({"data": {"location": location}})

    with pytest.raises(UnexpectedAnswerError):
        list(shopify.shop.stock(LOCATION))


def refused(*errors: tuple[str, list[str] | None]) -> Json:
    listed = [{"code": code, "field": field, "message": "no"} for code, field in errors]
    return {"data": {"inventorySetQuantities": {"userErrors": listed}}}


def test_entries_are_refused_by_item(shopify: Shopify) -> None:
    shopify.answers(
        refused(
            ("CHANGE_FROM_QUANTITY_STALE", ["input", "quantities", "0", "changeFromQuantity"]),
            ("", ["input", "quantities", "1"]),
        )
    )

    assert shopify.shop.set_available(LOCATION, CHANGES, idempotency_key="k") == {
        "gid://shopify/InventoryItem/1": "CHANGE_FROM_QUANTITY_STALE",
        "item-2": "REFUSED",
    }


@pytest.mark.parametrize(
    ("code", "field", "error"),
    [
        ("IDEMPOTENCY_CONCURRENT_REQUEST", None, OutcomeUnknownError),
        ("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", None, PartnerUnavailableError),
        ("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", None, RejectedByPartnerError),
        ("INVALID_REASON", ["input", "reason"], RejectedByPartnerError),
        ("INVALID_LOCATION", ["input", "quantities", "99", "locationId"], RejectedByPartnerError),
    ],
)
def test_a_push_refused_as_a_whole_is_an_error(
    shopify: Shopify, code: str, field: list[str] | None, error: type[Exception]
) -> None:
    shopify.answers(refused((code, field)))

    with pytest.raises(error) as caught:
        shopify.shop.set_available(LOCATION, CHANGES, idempotency_key="k")

    assert getattr(caught.value, "code", "") == code


def test_a_push_whose_answer_cannot_be_read_may_have_happened(shopify: Shopify) -> None:
    shopify.answers({"data": {"inventorySetQuantities": {"userErrors": "?"}}})

    with pytest.raises(OutcomeUnknownError):
        shopify.shop.set_available(LOCATION, CHANGES, idempotency_key="k")


# -- errors above the data --------------------------------------------------------------------------------------------


def errors(code: str, path: list[str] | None = None, **rest: object) -> Json:
    return {"errors": [{"message": "ada@example.test", "path": path, "extensions": {"code": code}}]} | rest


def throttled(requested: float = 92, available: float = 2, rate: float = 100) -> Json:
    status = {"maximumAvailable": 2000.0, "currentlyAvailable": available, "restoreRate": rate}
    cost = {"requestedQueryCost": requested, "actualQueryCost": None, "throttleStatus": status}
    return errors("THROTTLED", extensions={"cost": cost})


def by_reading(shop: ShopifyShop) -> object:
    return shop.read_order(ORDER)


def by_announcing(shop: ShopifyShop) -> object:
    return shop.announce_parcel(PARCEL)


@pytest.mark.parametrize(
    ("answer", "reading", "writing"),
    [
        (errors("ACCESS_DENIED"), CredentialsRejectedError, CredentialsRejectedError),
        (errors("ACCESS_DENIED", ["order"], data={"order": None}), CredentialsRejectedError, CredentialsRejectedError),
        (errors("ACCESS_DENIED", ["order", "email"], data=None), CredentialsRejectedError, CredentialsRejectedError),
        (errors("INTERNAL_SERVER_ERROR"), PartnerUnavailableError, OutcomeUnknownError),
        (errors("TIMEOUT", data={"order": None}), PartnerUnavailableError, OutcomeUnknownError),
        (errors("INVALID_VARIABLE"), UnexpectedAnswerError, RejectedByPartnerError),
        (errors("BAD_REQUEST"), UnexpectedAnswerError, RejectedByPartnerError),
        (errors("undefinedField"), UnexpectedAnswerError, RejectedByPartnerError),
        (errors("MAX_COST_EXCEEDED"), UnexpectedAnswerError, RejectedByPartnerError),
        (errors("SOMETHING_NEW"), UnexpectedAnswerError, OutcomeUnknownError),
        ({"errors": [{"message": "no code"}]}, UnexpectedAnswerError, OutcomeUnknownError),
        ({"errors": "Not Found"}, UnexpectedAnswerError, OutcomeUnknownError),
        ({"errors": ["?"]}, UnexpectedAnswerError, OutcomeUnknownError),
        ({"data": None}, UnexpectedAnswerError, OutcomeUnknownError),
        ({}, UnexpectedAnswerError, OutcomeUnknownError),
        ([], UnexpectedAnswerError, OutcomeUnknownError),
        (throttled(), RateLimitedError, RateLimitedError),
    ],
)
def test_errors_above_the_data(
    shopify: Shopify, answer: Json, reading: type[Exception], writing: type[Exception]
) -> None:
    shopify.answers(answer)

    for call, expected in ((by_reading, reading), (by_announcing, writing)):
        with pytest.raises(expected) as caught:
            call(shopify.shop)
        assert type(caught.value) is expected
        assert "ada@" not in str(caught.value)


@pytest.mark.parametrize("path", [["order", "email"], ["order", "phone"], ["order", "shippingAddress", "phone"]])
def test_what_a_parcel_does_not_need_may_be_denied(shopify: Shopify, path: list[str]) -> None:
    shopify.answers(errors("ACCESS_DENIED", path, data={"order": an_order(email=None)}))

    order = shopify.shop.read_order(ORDER)

    assert order
    assert order.email == ""


HOLDS = ["order", "fulfillmentOrders", "nodes", 0, "fulfillmentHolds", 0]


@pytest.mark.parametrize(
    "path",
    [
        ["order", "shippingAddress"],
        ["order", "risk"],
        ["order", "risk", "recommendation"],
        ["order", "fulfillmentOrders"],
        [*HOLDS[:-1]],
        [*HOLDS, "heldByRequestingApp"],
        ["order", "fulfillments"],
        ["order", "lineItems", "nodes", 0, "sku"],
        ["order"],
        [],
        None,
    ],
)
@pytest.mark.parametrize("code", ["ACCESS_DENIED", "INTERNAL_SERVER_ERROR", "SOMETHING_NEW", ""])
def test_what_a_decision_needs_may_not_be_missing(shopify: Shopify, path: list[Any] | None, code: str) -> None:
    shopify.answers(errors(code, path, data={"order": an_order()}))

    with pytest.raises(JetbridgeError) as caught:
        shopify.shop.read_order(ORDER)

    expected: Mapping[str, type[JetbridgeError]] = {
        "ACCESS_DENIED": CredentialsRejectedError,
        "INTERNAL_SERVER_ERROR": PartnerUnavailableError,
    }
    assert type(caught.value) is expected.get(code, UnexpectedAnswerError)


def test_a_denial_says_which_scope_is_missing_and_nothing_else(shopify: Shopify) -> None:
    needed = "`read_merchant_managed_fulfillment_orders` access scope."
    error = {
        "message": "Access denied for fulfillmentOrders field, ada@example.test. Required access: `read_orders`.",
        "path": [*HOLDS[:2], 0, "Ada Sample"],
        "extensions": {"code": "ACCESS_DENIED", "requiredAccess": needed},
    }
    shopify.answers({"errors": [error], "data": None})

    with pytest.raises(CredentialsRejectedError) as caught:
        shopify.shop.read_order(ORDER)

    assert str(caught.value) == (
        "access denied to order.fulfillmentOrders, which asks for read_merchant_managed_fulfillment_orders"
        " or read_orders partner=shopify code=ACCESS_DENIED"
    )


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {"fulfillment": None, "userErrors": []},
        {"fulfillment": {"id": None}, "userErrors": None},
        {"fulfillment": "f-1"},
        {"userErrors": ["?"]},
    ],
)
def test_a_mutation_that_says_nothing_may_have_happened(shopify: Shopify, payload: Json | None) -> None:
    shopify.answers({"data": {"fulfillmentCreate": payload}})

    with pytest.raises(OutcomeUnknownError):
        shopify.shop.announce_parcel(PARCEL)


def test_a_payload_counts_more_than_the_errors_beside_it(shopify: Shopify) -> None:
    payload = {"fulfillment": {"id": "f-1"}, "userErrors": []}
    path = ["fulfillmentCreate", "fulfillment", "name"]
    shopify.answers(errors("ACCESS_DENIED", path, data={"fulfillmentCreate": payload}))

    assert shopify.shop.announce_parcel(PARCEL) == "f-1"


def test_user_errors_keep_the_vendors_words(shopify: Shopify) -> None:
    words = [
        {"field": ["fulfillment"], "message": "Fulfillment order 1 has an unfulfillable status= closed."},
        {"field": None, "message": "Tell ada@example.test", "code": "LATER"},
    ]
    shopify.answers({"data": {"fulfillmentCreate": {"fulfillment": None, "userErrors": words}}})

    with pytest.raises(RejectedByPartnerError) as caught:
        shopify.shop.announce_parcel(PARCEL)

    assert "unfulfillable status= closed.; Tell …" in str(caught.value)


# -- throttling and versions ------------------------------------------------------------------------------------------


def test_a_short_wait_for_points_is_waited_out(shopify: Shopify) -> None:
    shopify.answers(throttled(requested=92, available=2, rate=100), data(an_order()))

    assert shopify.shop.read_order(ORDER)
    assert shopify.slept == [0.9 + JITTER_SECONDS]


def test_a_long_wait_for_points_is_left_to_the_caller(shopify: Shopify) -> None:
    shopify.answers(throttled(requested=502, available=2, rate=100))

    with pytest.raises(RateLimitedError) as caught:
        shopify.shop.read_order(ORDER)

    assert (caught.value.retry_after_seconds, shopify.slept) == (5.0, [])


def test_points_are_not_waited_for_beyond_the_functions_end(shopify: Shopify) -> None:
    shopify.answers(throttled(requested=92, available=2, rate=100))

    with time_limit(2.9, clock=lambda: 0.0), pytest.raises(RateLimitedError) as caught:
        shopify.shop.read_order(ORDER)

    assert (caught.value.retry_after_seconds, shopify.slept) == (0.9, [])


def test_waiting_for_points_has_an_end(shopify: Shopify) -> None:
    shopify.answers(throttled())

    with pytest.raises(RateLimitedError):
        shopify.shop.read_order(ORDER)

    assert len(shopify.slept) == 3


def test_a_mutation_does_not_wait_for_points(shopify: Shopify) -> None:
    shopify.answers(throttled())

    with pytest.raises(RateLimitedError):
        shopify.shop.announce_parcel(PARCEL)

    assert (shopify.slept, len(shopify.network.calls)) == ([], 1)


@pytest.mark.parametrize("extensions", [{}, {"cost": None}, {"cost": {"requestedQueryCost": "?"}}])
def test_throttling_without_figures_names_no_time(shopify: Shopify, extensions: Json) -> None:
    shopify.answers(errors("THROTTLED", extensions=extensions))

    with pytest.raises(RateLimitedError) as caught:
        shopify.shop.read_order(ORDER)

    assert caught.value.retry_after_seconds is None


def test_a_call_that_cannot_be_paid_for_is_not_sent(shopify: Shopify) -> None:
    shopify.answers(throttled(requested=502, available=2, rate=100))
    for _ in range(2):
        with pytest.raises(RateLimitedError) as caught:
            shopify.shop.read_order(ORDER)
        assert caught.value.retry_after_seconds == 5.0
    assert len(shopify.network.calls) == 1

    with pytest.raises(RateLimitedError):  # what it costs is not known yet, so it is asked
        shopify.shop.announce_parcel(PARCEL)

    assert len(shopify.network.calls) == 2


def test_points_come_back_with_time(shopify: Shopify) -> None:
    shopify.answers(throttled(requested=502, available=2, rate=100), data(an_order()))
    with pytest.raises(RateLimitedError):
        shopify.shop.read_order(ORDER)

    shopify.slept.append(3.5)  # which moves the clock; 1.5 seconds' worth is missing, no reason not to ask

    assert shopify.shop.read_order(ORDER)


def test_a_query_beyond_every_budget_is_left_to_shopifys_own_words(shopify: Shopify) -> None:
    shopify.answers(throttled(requested=5000, available=2), errors("MAX_COST_EXCEEDED"))
    with pytest.raises(RateLimitedError):
        shopify.shop.read_order(ORDER)

    with pytest.raises(UnexpectedAnswerError) as caught:
        shopify.shop.read_order(ORDER)

    assert caught.value.code == "MAX_COST_EXCEEDED"


def test_throttling_by_status_with_points_is_waited_out_like_the_other(shopify: Shopify) -> None:
    shopify.network.post(URL, json=throttled(requested=92, available=2, rate=100), status=429)
    shopify.answers(data(an_order()))

    assert shopify.shop.read_order(ORDER)
    assert shopify.slept == [0.9 + JITTER_SECONDS]


@pytest.mark.parametrize(("header", "wait"), [("7.0", 7.0), ("0.1", 0.9), (None, 0.9)])
def test_throttling_by_status_believes_whoever_asks_for_more(shopify: Shopify, header: str | None, wait: float) -> None:
    headers = {"Retry-After": header} if header else {}
    shopify.network.post(URL, json=throttled(requested=92, available=2), status=429, headers=headers)

    with pytest.raises(RateLimitedError) as caught:
        shopify.shop.announce_parcel(PARCEL)

    assert (caught.value.retry_after_seconds, caught.value.http_status) == (wait, 429)


def test_throttling_by_status_is_not_waited_out(shopify: Shopify) -> None:
    shopify.network.post(URL, json={"errors": "Exceeded"}, status=429, headers={"Retry-After": "2.0"})

    with pytest.raises(RateLimitedError) as caught:
        shopify.shop.read_order(ORDER)

    assert (caught.value.retry_after_seconds, shopify.slept) == (2.0, [])


@pytest.mark.parametrize(
    ("status", "reading", "writing"),
    [
        (400, UnexpectedAnswerError, RejectedByPartnerError),
        (401, CredentialsRejectedError, CredentialsRejectedError),
        (402, CredentialsRejectedError, CredentialsRejectedError),
        (403, CredentialsRejectedError, CredentialsRejectedError),
        (404, UnexpectedAnswerError, RejectedByPartnerError),
        (406, UnexpectedAnswerError, RejectedByPartnerError),
        (408, PartnerUnavailableError, OutcomeUnknownError),
        (413, UnexpectedAnswerError, RejectedByPartnerError),
        (414, UnexpectedAnswerError, RejectedByPartnerError),
        (415, UnexpectedAnswerError, RejectedByPartnerError),
        (422, UnexpectedAnswerError, RejectedByPartnerError),
        (423, CredentialsRejectedError, CredentialsRejectedError),
        (429, RateLimitedError, RateLimitedError),
        (430, RateLimitedError, RateLimitedError),
        (418, UnexpectedAnswerError, UnexpectedAnswerError),
        (503, PartnerUnavailableError, OutcomeUnknownError),
    ],
)
def test_a_status_comes_before_everything_else(
    shopify: Shopify, status: int, reading: type[Exception], writing: type[Exception]
) -> None:
    shopify.answers(data(an_order()), status=status)

    for call, expected in ((by_reading, reading), (by_announcing, writing)):
        with pytest.raises(expected) as caught:
            call(shopify.shop)
        assert type(caught.value) is expected


def test_another_version_is_mentioned_once(shopify: Shopify, caplog: pytest.LogCaptureFixture) -> None:
    shopify.network.post(URL, json=data(an_order()), headers={"X-Shopify-API-Version": "2027-01"})

    with caplog.at_level(logging.WARNING):
        shopify.shop.read_order(ORDER)
        shopify.shop.read_order(ORDER)

    (record,) = caplog.records
    assert record.getMessage() == "Shopify answered in another API version"
    assert (record.__dict__["asked"], record.__dict__["answered"]) == ("2026-10", "2027-01")


def test_deprecated_things_are_mentioned_once(shopify: Shopify, caplog: pytest.LogCaptureFixture) -> None:
    reason = "https://shopify.dev/api/usage/versioning"
    shopify.network.post(URL, json=data(an_order()), headers={"X-Shopify-API-Deprecated-Reason": reason})

    with caplog.at_level(logging.WARNING):
        shopify.shop.read_order(ORDER)
        shopify.shop.read_order(ORDER)

    (record,) = caplog.records
    assert record.__dict__["reason"] == reason


def test_the_version_asked_for_is_not_mentioned(shopify: Shopify, caplog: pytest.LogCaptureFixture) -> None:
    shopify.answers(data(an_order()))

    with caplog.at_level(logging.WARNING):
        shopify.shop.read_order(ORDER)

    assert not caplog.records


# -- where the token goes, and what errors say ------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["https://other.myshopify.com", "https://evil.test", f"http://{SHOP}"])
def test_the_token_goes_to_the_shop_only(address: str) -> None:
    with pytest.raises(ConfigurationError):
        ShopifyShop(ShopifyConnection(SHOP, address), lambda _again: SECRET, production=True)


@pytest.mark.parametrize("shop", [SHOP, "demo"])
def test_a_shop_may_be_named_short(shop: str) -> None:
    ShopifyShop(ShopifyConnection(shop, f"https://{SHOP}"), lambda _again: SECRET, production=True)


PERSONAL = f"Ada Sample, 1 Nowhere Rd, ada@example.test, {SECRET}"
SAYING_TOO_MUCH: Mapping[str, Callable[[], Json]] = {
    "error": lambda: {
        "errors": [{"message": PERSONAL, "path": [PERSONAL], "extensions": {"code": "INVALID_VARIABLE"}}]
    },
    "no code": lambda: {"errors": [{"message": PERSONAL}]},
    "text": lambda: {"errors": PERSONAL},
    "parts": lambda: {"errors": [{"extensions": PERSONAL, "path": PERSONAL}], "extensions": PERSONAL},
    "field": lambda: data(an_order(updatedAt=PERSONAL)),
    "id": lambda: data(an_order(id=PERSONAL)),
    "payload": lambda: {"data": {"fulfillmentCreate": {"fulfillment": None, "address": PERSONAL}}},
}


@pytest.mark.parametrize("answer", SAYING_TOO_MUCH)
@pytest.mark.parametrize("status", [200, 400, 401, 500])
@pytest.mark.parametrize("call", [by_reading, by_announcing])
def test_no_error_tells_the_token_or_anything_personal(
    shopify: Shopify, call: Callable[[ShopifyShop], object], status: int, answer: str
) -> None:
    shopify.answers(SAYING_TOO_MUCH[answer](), status=status)

    with pytest.raises(JetbridgeError) as caught:
        call(shopify.shop)

    said = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert not [word for word in ("Ada Sample", "Nowhere", "ada@", SECRET) if word in said]
