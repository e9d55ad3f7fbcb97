"""Who signed a webhook, and what it names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetbridge.domain.identifiers import StoreSlug
from jetbridge.errors import MalformedRequestError
from jetbridge.partners.jetpack.webhooks import JetpackWebhooks
from jetbridge.partners.shopify.webhooks import ORDER_ID_AT, ShopifyWebhooks
from tests.signing import JETPACK_SECRET, SHOPIFY_SECRET, body, jetpack_headers, shopify_headers

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
    assert notice.wake_up
    assert (notice.wake_up.subject, notice.wake_up.id) == ("order", "820982911946154508")
    assert notice.wake_up.cause == f"shopify:{topic}:w-1"


@pytest.mark.parametrize(
    "fields",
    [
        {"fulfillment_order": {"id": "gid://shopify/FulfillmentOrder/9", "status": "open"}},
        {"original_fulfillment_order": {"id": "gid://shopify/FulfillmentOrder/9"}, "destination_location_id": "1"},
        {"replacement_fulfillment_order": {"id": "gid://shopify/FulfillmentOrder/9"}},
    ],
)
def test_fulfillment_order_topics_name_the_fulfillment_order(fields: dict[str, object]) -> None:
    raw = body(**fields)
    notice = SHOPIFY.read(shopify_headers(raw, topic="fulfillment_orders/moved"), raw, STORE, AT)
    assert notice.wake_up
    assert (notice.wake_up.subject, notice.wake_up.id) == ("fulfillment_order", "gid://shopify/FulfillmentOrder/9")


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"null", b'{"id": null}', b'{"id": true}', b'{"id": "x"}', b"\xff"])
def test_a_signed_body_that_names_no_order_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedRequestError) as caught:
        SHOPIFY.read(shopify_headers(raw), raw, STORE, AT)
    assert caught.value.__cause__ is None
    with pytest.raises(MalformedRequestError):
        JETPACK.read(jetpack_headers(raw, at=AT), raw, STORE, AT)


def test_topics_nobody_waits_for_wake_nothing() -> None:
    assert SHOPIFY.read(shopify_headers(ORDER, topic="themes/publish"), ORDER, STORE, AT).wake_up is None
    assert JETPACK.read(jetpack_headers(ORDER, at=AT, topic="billing.charge.created"), ORDER, STORE, AT).wake_up is None


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
    assert notice.wake_up
    assert (notice.wake_up.subject, notice.wake_up.id) == (subject, number)


@pytest.mark.parametrize("reference", ["SO-1042", "other:820982911946154508:1", "demo:x:1"])
def test_orders_of_others_at_jetpack_wake_nothing(reference: str) -> None:
    raw = body(id=60000456, reference_id=reference)
    assert JETPACK.read(jetpack_headers(raw, at=AT), raw, STORE, AT).wake_up is None
