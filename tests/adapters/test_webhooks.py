"""Who signed a webhook, and what it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetbridge.domain.identifiers import StoreSlug
from jetbridge.errors import MalformedRequestError
from jetbridge.partners.jetpack.webhooks import JetpackWebhooks
from jetbridge.partners.shopify.webhooks import ORDER_ID_AT, ORDERS_AT, TOPICS, WHOLE_SHOP, ShopifyWebhooks
from local.simulators.shopify import ShopifySimulator
from tests.signing import JETPACK_SECRET, SHOPIFY_SECRET, body, jetpack_headers, shopify_headers

if TYPE_CHECKING:
    from local.simulators.server import Delivery

STORE = StoreSlug("demo")
AT = 1_795_305_600.0
ORDER = body(id=820982911946154508, admin_graphql_api_id="gid://shopify/Order/820982911946154508")
SHOPIFY, JETPACK = ShopifyWebhooks(), JetpackWebhooks()


def test_shopify_accepts_any_secret_still_in_use() -> None:
    headers = shopify_headers(ORDER)
    assert SHOPIFY.signed(headers, ORDER, ["new", SHOPIFY_SECRET], AT)
    assert not SHOPIFY.signed(headers, ORDER, ["new"], AT)
    assert not SHOPIFY.signed(headers, ORDER, [], AT)


@given(st.integers(0, len(ORDER) - 1), st.integers(1, 255))
def test_one_flipped_byte_breaks_either_signature(at: int, mask: int) -> None:
    altered = bytearray(ORDER)
    altered[at] ^= mask
    assert not SHOPIFY.signed(shopify_headers(ORDER), bytes(altered), [SHOPIFY_SECRET], AT)
    assert not JETPACK.signed(jetpack_headers(ORDER, at=AT), bytes(altered), [JETPACK_SECRET], AT)


@pytest.mark.parametrize("given_signature", ["", "no base64!", "äö", "AAAA"])
def test_shopify_refuses_what_is_no_signature(given_signature: str) -> None:
    headers = shopify_headers(ORDER) | {"x-shopify-hmac-sha256": given_signature}
    assert not SHOPIFY.signed(headers, ORDER, [SHOPIFY_SECRET], AT)
    assert not SHOPIFY.signed({}, ORDER, [SHOPIFY_SECRET], AT)


def test_jetpack_agrees_with_the_fact_sheets_test_vector() -> None:
    raw = b'{"id":70000123,"order_id":60000456,"reference_id":"SO-1042","status":"OnHold"}'
    headers = {
        "webhook-id": "msg_2demo0000000000000000001",
        "webhook-timestamp": "1795305600",
        "webhook-signature": "v1,bYj+YKyMf6MPhC7wEHZOZf5CS58dOsyqwq+PbTXSb+g=",
    }
    assert JETPACK.signed(headers, raw, [JETPACK_SECRET], AT)
    several = headers | {"webhook-signature": f"v2,x v1,AAAA {headers['webhook-signature']}"}
    assert JETPACK.signed(several, raw, [JETPACK_SECRET], AT)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_jetpack_refuses_a_delivery_more_than_five_minutes_off(seconds: int) -> None:
    assert not JETPACK.signed(jetpack_headers(ORDER, at=AT + seconds), ORDER, [JETPACK_SECRET], AT)
    assert JETPACK.signed(jetpack_headers(ORDER, at=AT + seconds * 299 // 301), ORDER, [JETPACK_SECRET], AT)


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_jetpack_refuses_a_delivery_without_a_header_or_with_a_spoilt_secret(missing: str) -> None:
    headers = jetpack_headers(ORDER, at=AT)
    assert not JETPACK.signed({**headers, missing: ""}, ORDER, [JETPACK_SECRET], AT)
    assert not JETPACK.signed(headers, ORDER, ["whsec_not base64"], AT)


@pytest.mark.parametrize("topic", sorted(ORDER_ID_AT))
def test_every_order_topic_names_its_order_without_losing_digits(topic: str) -> None:
    raw = ORDER
    if topic == "orders/edited":
        raw = body(order_edit={"id": 1, "order_id": 820982911946154508})
    elif ORDER_ID_AT[topic] == ("order_id",):
        raw = body(id=1, order_id=820982911946154508)
    notice = SHOPIFY.read(shopify_headers(raw, topic=topic), raw, STORE, AT)
    (wake_up,) = notice.wake_ups
    assert (wake_up.subject, wake_up.id) == ("order", "820982911946154508")
    assert wake_up.cause == f"shopify:{topic}:w-1"


@pytest.mark.parametrize(
    "fields",
    [
        {"fulfillment_order": {"id": "gid://shopify/FulfillmentOrder/9", "status": "open"}},
        {"original_fulfillment_order": {"id": "gid://shopify/FulfillmentOrder/9"}, "destination_location_id": "1"},
        {"replacement_fulfillment_order": {"id": "gid://shopify/FulfillmentOrder/9"}},
        {
            "fulfillment_order": {"id": "gid://shopify/FulfillmentOrder/9", "status": "open"},
            "remaining_fulfillment_order": {"id": "gid://shopify/FulfillmentOrder/10", "status": "open"},
            "replacement_fulfillment_order": None,
            "split_line_items": [{"id": "gid://shopify/FulfillmentOrderLineItem/1", "quantity": 1}],
        },
        {
            "fulfillment_order_merges": {"fulfillment_order": {"id": "gid://shopify/FulfillmentOrder/9"}},
            "merge_intents": [{"fulfillment_order_id": 10, "fulfillment_order_line_items": []}],
        },
        {"fulfillment_order_merges": [{"fulfillment_order": {"id": "gid://shopify/FulfillmentOrder/9"}}]},
        {"fulfillment_order_merges": [], "merge_intents": [{"fulfillment_order_id": 9}, {"fulfillment_order_id": 10}]},
        {
            "fulfillment_hold": {"id": "gid://shopify/FulfillmentHold/1", "reason": "other"},
            "fulfillment_order": {"id": "gid://shopify/FulfillmentOrder/9", "status": "on_hold"},
        },
        {
            "fulfillment_order_merchant_request": {"id": "gid://shopify/FulfillmentOrderMerchantRequest/1"},
            "submitted_fulfillment_order": {"id": "gid://shopify/FulfillmentOrder/9"},
        },
    ],
)
def test_fulfillment_order_topics_name_the_fulfillment_order(fields: dict[str, object]) -> None:
    raw = body(**fields)
    notice = SHOPIFY.read(shopify_headers(raw, topic="fulfillment_orders/moved"), raw, STORE, AT)
    (wake_up,) = notice.wake_ups
    assert (wake_up.subject, wake_up.id) == ("fulfillment_order", "gid://shopify/FulfillmentOrder/9")


@pytest.mark.parametrize("topic", ["fulfillment_orders/merged", "fulfillment_holds/added", "fulfillment_orders/new"])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"fulfillment_order": None},
        {"fulfillment_order": {"id": "gid://shopify/FulfillmentOrder/"}},
        {"fulfillment_order_merges": [], "merge_intents": []},
        {"merge_intents": [{"fulfillment_order_id": True}]},
        {"merge_intents": {"fulfillment_order_id": 9}},
    ],
)
def test_a_fulfillment_order_topic_without_one_is_malformed(topic: str, fields: dict[str, object]) -> None:
    raw = body(**fields)
    with pytest.raises(MalformedRequestError):
        SHOPIFY.read(shopify_headers(raw, topic=topic), raw, STORE, AT)


CUSTOMER = {"id": 191167, "email": "ada@example.test", "phone": "555-0100"}
SHOP = {"shop_id": 954889, "shop_domain": "demo.myshopify.com"}


@pytest.mark.parametrize(
    ("topic", "key", "subject"),
    [
        ("customers/redact", "orders_to_redact", "redaction"),
        ("customers/data_request", "orders_requested", "data_request"),
    ],
)
def test_a_customer_who_asks_about_data_wakes_each_of_the_orders_once(topic: str, key: str, subject: str) -> None:
    raw = body(**SHOP, customer=CUSTOMER, **{key: [820982911946154508, "7", 7]})
    notice = SHOPIFY.read(shopify_headers(raw, topic=topic), raw, STORE, AT)

    assert [(each.subject, each.id) for each in notice.wake_ups] == [(subject, "820982911946154508"), (subject, "7")]
    assert notice.queue == "sweep"
    assert {each.cause for each in notice.wake_ups} == {f"shopify:{topic}:w-1"}
    assert len({each.deduplication_id for each in notice.wake_ups}) == 2
    assert "ada@" not in "".join(each.to_json() for each in notice.wake_ups)


@pytest.mark.parametrize(
    ("topic", "key"), [("customers/redact", "orders_to_redact"), ("customers/data_request", "orders_requested")]
)
def test_a_customer_without_orders_wakes_nothing_and_a_list_that_is_none_is_malformed(topic: str, key: str) -> None:
    raw = body(**SHOP, customer=CUSTOMER, **{key: []})
    assert SHOPIFY.read(shopify_headers(raw, topic=topic), raw, STORE, AT).wake_ups == ()
    for listed in (None, "7", {"id": 7}, [7, "x"], [None], [True]):
        raw = body(**SHOP, customer=CUSTOMER, **{key: listed})
        with pytest.raises(MalformedRequestError):
            SHOPIFY.read(shopify_headers(raw, topic=topic), raw, STORE, AT)


@pytest.mark.parametrize(
    ("topic", "subject", "what"),
    [("shop/redact", "redaction", "shop"), ("app/uninstalled", "batch", "uninstalled")],
)
def test_what_concerns_the_whole_shop_wakes_one_sweep(topic: str, subject: str, what: str) -> None:
    raw = body(**SHOP)
    notice = SHOPIFY.read(shopify_headers(raw, topic=topic), raw, STORE, AT)
    (wake_up,) = notice.wake_ups
    assert (wake_up.subject, wake_up.id, notice.queue) == (subject, what, "sweep")


def a_shops_day(shop: ShopifySimulator) -> set[str]:
    """Let a merchant do everything once that a topic of ours speaks of; gives the ids of orders and their parts."""
    shop.add_product("TEA", on_hand=100)
    order = shop.create_order([{"sku": "TEA", "quantity": 6}], financial_status="PENDING", fulfill_in_seconds=60)
    number, part = order["number"], order["fulfillment_orders"][0]["id"]
    shop.clock_offset_seconds += 61
    shop.settle()
    shop.mark_paid(number)
    shop.set_risk(number, "INVESTIGATE")
    shop.reschedule_fulfillment_order(part, 60)
    shop.clock_offset_seconds += 61
    shop.settle()
    shop.hold_fulfillment_order(part)
    shop.release_fulfillment_order(part)
    shop.split_fulfillment_order(part, "TEA", 2)
    shop.merge_fulfillment_orders([each["id"] for each in shop.books()[0]["fulfillment_orders"]])
    shop.move_fulfillment_order(part, shop.add_location("Downtown")["id"])
    shop.edit_quantity(number, "TEA", 5)
    shop.fulfill_elsewhere(number, number="1Z1", lines={"TEA": 2})
    shop.refund(number, "TEA", 1)
    shop.cancel_fulfillment(shop.fulfill_elsewhere(number, number="1Z2", lines={"TEA": 1})["fulfillments"][0])
    gone = shop.create_order([{"sku": "TEA"}])
    shop.cancel_fulfillment_order(gone["fulfillment_orders"][0]["id"])
    shop.cancel_order(gone["number"])
    shop.redact_customer(number)
    shop.request_data(number)
    known = {*shop.store.orders, *shop.store.fulfillment_orders}
    shop.delete_order(gone["number"])
    shop.uninstall()
    shop.redact_shop()
    return {str(each) for each in known}


def test_everything_a_shop_sends_is_signed_and_leads_to_its_order() -> None:
    shop = ShopifySimulator(webhook_secret=SHOPIFY_SECRET, webhook_address="https://bridge.example.test")
    sent: list[Delivery] = []
    shop.store.outbox._deliver = sent.append  # noqa: SLF001 - nobody listens: what would be sent is looked at
    known = a_shops_day(shop)
    shop.stop()
    heard: dict[str, set[str]] = {}

    for delivery in sent:
        headers = {name.lower(): value for name, value in delivery.sign().items()}
        assert SHOPIFY.signed(headers, delivery.body, [SHOPIFY_SECRET], AT)
        notice = SHOPIFY.read(headers, delivery.body, STORE, AT)
        for each in notice.wake_ups:
            heard.setdefault(notice.topic, set()).add(each.subject)
            assert notice.topic in WHOLE_SHOP or each.id.rpartition("/")[2] in known

    untold = {"fulfillment_orders/manually_reported_progress_stopped", "fulfillment_orders/progress_reported"}
    assert heard.keys() == {*TOPICS, *ORDERS_AT, *WHOLE_SHOP} - untold
    assert {topic: subjects for topic, subjects in heard.items() if len(subjects) > 1} == {}


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"null", b'{"id": null}', b'{"id": true}', b'{"id": "x"}', b"\xff"])
def test_a_signed_body_that_names_no_order_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedRequestError) as caught:
        SHOPIFY.read(shopify_headers(raw), raw, STORE, AT)
    assert caught.value.__cause__ is None
    with pytest.raises(MalformedRequestError):
        JETPACK.read(jetpack_headers(raw, at=AT), raw, STORE, AT)


def test_topics_nobody_waits_for_wake_nothing() -> None:
    assert SHOPIFY.read(shopify_headers(ORDER, topic="themes/publish"), ORDER, STORE, AT).wake_ups == ()
    assert JETPACK.read(jetpack_headers(ORDER, at=AT, topic="billing.charge.created"), ORDER, STORE, AT).wake_ups == ()


@pytest.mark.parametrize(
    ("topic", "fields", "subject", "number"),
    [
        ("order.shipped", {"id": 60000456, "reference_id": "demo:820982911946154508:1"}, "order", "820982911946154508"),
        ("order.shipped", {"id": 60000456}, "jetpack_order", "60000456"),
        ("order.shipment.on_hold", {"id": 7, "order_id": 60000456}, "jetpack_order", "60000456"),
        ("order.shipment.tracking.updated", {"shipment_id": 7}, "shipment", "7"),
        ("order.shipment.delivered", {"data": {"id": 7, "order_id": 60000456}}, "jetpack_order", "60000456"),
    ],
)
def test_jetpack_topics_name_our_order_or_jetpacks(
    topic: str, fields: dict[str, object], subject: str, number: str
) -> None:
    raw = body(**fields)
    notice = JETPACK.read(jetpack_headers(raw, at=AT, topic=topic), raw, STORE, AT)
    (wake_up,) = notice.wake_ups
    assert (wake_up.subject, wake_up.id) == (subject, number)


@pytest.mark.parametrize("reference", ["SO-1042", "other:820982911946154508:1", "demo:x:1"])
def test_orders_of_others_at_jetpack_wake_nothing(reference: str) -> None:
    raw = body(id=60000456, reference_id=reference)
    assert JETPACK.read(jetpack_headers(raw, at=AT), raw, STORE, AT).wake_ups == ()
