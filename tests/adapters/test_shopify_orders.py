"""Orders of every kind a shop has, read by the adapter from the simulator, and what merchants do to their parts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.bootstrap import ConnectedPartners
from jetbridge.domain.identifiers import OrderId
from jetbridge.domain.rules import Comparison, Forward, Operator, Rule, RuleSet
from jetbridge.domain.store import ShopifyConnection
from jetbridge.errors import CredentialsRejectedError, RejectedByPartnerError
from jetbridge.partners.shopify.client import ShopifyShop
from jetbridge.ports import ParcelAnnouncement
from local.simulators.shopify import ShopifySimulator
from tests.builders import a_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetbridge.domain.order import FulfillmentOrder, Order

LARGEST_EXACT_DOUBLE = 2**53


class Shop:
    """A shop with tea, mugs and a shelf downtown, and the adapter that reads it."""

    def __init__(self, simulator: ShopifySimulator) -> None:
        self.simulator = simulator
        simulator.add_product("TEA", price="12.50", on_hand=1000)
        simulator.add_product("MUG", on_hand=1000)
        simulator.add_product("EBOOK", requires_shipping=False, tracked=False)
        self.downtown = simulator.add_location("Downtown")["id"]
        connection = ShopifyConnection(simulator.shop, simulator.url)
        self.adapter = ShopifyShop(connection, lambda _again: simulator.access_token, production=False)

    def that_wants_customers(self) -> ShopifyShop:
        simulator = self.simulator
        connection = ShopifyConnection(simulator.shop, simulator.url)
        token = simulator.access_token
        return ShopifyShop(connection, lambda _again: token, production=False, with_customer=True)

    def sold(self, *lines: dict[str, Any], **options: Any) -> Order:  # noqa: ANN401 - what a customer may choose
        bought = list(lines) or [{"sku": "TEA", "quantity": 3}, {"sku": "MUG", "quantity": 2}]
        made = self.simulator.create_order(bought, **options)
        return self.read(made["number"])

    def read(self, number: int | str) -> Order:
        order = self.adapter.read_order(OrderId(str(number)))
        assert order
        return order


@pytest.fixture
def shop() -> Iterator[Shop]:
    with ShopifySimulator() as simulator:
        yield Shop(simulator)


def open_units(order: Order) -> dict[str, int]:
    """Count the units still to ship, by SKU: what closed parts show means nothing (facts/shopify.md section 6)."""
    units: dict[str, int] = {}
    for part in order.fulfillment_orders:
        for line in () if part.closed else part.lines:
            sku = order.line(line.line_id).sku
            units[sku] = units.get(sku, 0) + line.remaining
    return {sku: quantity for sku, quantity in units.items() if quantity}


def live(order: Order) -> list[FulfillmentOrder]:
    return [part for part in order.fulfillment_orders if not part.closed]


# -- parts that change ------------------------------------------------------------------------------------------------


def test_a_part_that_moved_keeps_its_units_elsewhere(shop: Shop) -> None:
    order = shop.sold()
    (before,) = order.fulfillment_orders

    shop.simulator.move_fulfillment_order(before.id, shop.downtown)

    (after,) = live(shop.read(order.id))
    assert (after.id, after.location_id) == (before.id, shop.downtown)
    assert open_units(shop.read(order.id)) == {"TEA": 3, "MUG": 2}


def test_what_is_left_of_a_part_moves_under_a_new_id(shop: Shop) -> None:
    order = shop.sold()
    (before,) = order.fulfillment_orders
    shop.simulator.fulfill_elsewhere(order.id, number="1Z1", lines={"TEA": 1})

    shop.simulator.move_fulfillment_order(before.id, shop.downtown)

    after = shop.read(order.id)
    (moved,) = live(after)
    assert (moved.id != before.id, moved.location_id) == (True, shop.downtown)
    assert open_units(after) == {"TEA": 2, "MUG": 2}
    assert shop.adapter.read_order_of(before.id) == shop.adapter.read_order_of(moved.id) == after


def test_a_part_that_is_split_is_two(shop: Shop) -> None:
    order = shop.sold()

    shop.simulator.split_fulfillment_order(order.fulfillment_orders[0].id, "TEA", 1)

    after = shop.read(order.id)
    assert [sum(line.remaining for line in part.lines) for part in live(after)] == [1, 4]
    assert open_units(after) == {"TEA": 3, "MUG": 2}


def test_parts_that_are_merged_are_one_and_both_ids_lead_to_the_order(shop: Shop) -> None:
    order = shop.sold()
    shop.simulator.split_fulfillment_order(order.fulfillment_orders[0].id, "TEA", 1)
    parts = [part.id for part in live(shop.read(order.id))]

    shop.simulator.merge_fulfillment_orders(parts)

    after = shop.read(order.id)
    assert [part.id for part in live(after)] == parts[:1]
    assert open_units(after) == {"TEA": 3, "MUG": 2}
    assert shop.adapter.read_order_of(parts[1]) == after


def test_a_part_that_is_held_says_by_whom_and_allows_nothing(shop: Shop) -> None:
    order = shop.sold()
    part = order.fulfillment_orders[0].id

    shop.simulator.hold_fulfillment_order(part, reason="HIGH_RISK_OF_FRAUD")
    held = shop.read(order.id)
    shop.simulator.release_fulfillment_order(part)

    (hold,) = held.fulfillment_orders[0].holds
    assert (held.fulfillment_orders[0].status, hold.reason, hold.ours) == ("ON_HOLD", "HIGH_RISK_OF_FRAUD", False)
    assert "CREATE_FULFILLMENT" not in held.fulfillment_orders[0].supported_actions
    assert shop.read(order.id).fulfillment_orders == order.fulfillment_orders


def test_a_part_that_is_cancelled_is_replaced_by_another(shop: Shop) -> None:
    order = shop.sold()
    (before,) = order.fulfillment_orders

    shop.simulator.cancel_fulfillment_order(before.id)

    after = shop.read(order.id)
    assert [part.status for part in after.fulfillment_orders] == ["CANCELLED", "OPEN"]
    assert live(after)[0].id != before.id
    assert open_units(after) == {"TEA": 3, "MUG": 2}


def test_a_fulfillment_that_is_called_back_does_not_count_twice(shop: Shop) -> None:
    order = shop.sold()
    made = shop.simulator.fulfill_elsewhere(order.id, number="1Z1")["fulfillments"][0]

    shop.simulator.cancel_fulfillment(made)

    after = shop.read(order.id)
    assert [each.counts for each in after.fulfillments] == [False]
    assert open_units(after) == {"TEA": 3, "MUG": 2}


def test_a_part_put_off_says_until_when(shop: Shop) -> None:
    order = shop.sold(fulfill_in_seconds=3600)

    (part,) = order.fulfillment_orders

    assert part.status == "SCHEDULED"
    assert part.fulfill_at
    assert part.fulfill_at > datetime.now(UTC)
    assert "CREATE_FULFILLMENT" not in part.supported_actions


def test_an_order_not_routed_yet_has_no_parts(shop: Shop) -> None:
    assert shop.sold(delayed_routing_seconds=3600).fulfillment_orders == ()


def test_a_cancelled_order_says_when(shop: Shop) -> None:
    order = shop.sold()

    shop.simulator.cancel_order(order.id)

    after = shop.read(order.id)
    assert after.cancelled_at
    assert [line.current_quantity for line in after.lines] == [0, 0]
    assert open_units(after) == {}


def test_units_taken_out_are_not_to_be_shipped(shop: Shop) -> None:
    order = shop.sold()

    shop.simulator.remove_units(order.id, "TEA", 2)

    after = shop.read(order.id)
    assert [(line.quantity, line.current_quantity) for line in after.lines] == [(3, 1), (2, 2)]
    assert open_units(after) == {"TEA": 1, "MUG": 2}


# -- longer than a page -----------------------------------------------------------------------------------------------


def test_an_order_longer_than_every_page_loses_nothing(shop: Shop) -> None:
    skus = [f"SKU-{number:03}" for number in range(130)]
    for sku in skus:
        shop.simulator.add_product(sku, on_hand=1000)
    order = shop.sold(*({"sku": sku, "quantity": 2} for sku in skus))
    first = order.fulfillment_orders[0].id
    for sku in skus[:5]:
        shop.simulator.split_fulfillment_order(first, sku, 1)
        first = live(shop.read(order.id))[-1].id
    for number, sku in enumerate(skus[:25]):
        shop.simulator.fulfill_elsewhere(order.id, number=f"1Z{number}", lines={sku: 1})
    shop.simulator.fulfill_elsewhere(order.id, number="1ZLAST", lines=dict.fromkeys(skus[25:], 1))

    after = shop.read(order.id)

    assert [line.sku for line in after.lines] == skus
    assert len(after.fulfillment_orders) == 6
    assert len(after.fulfillments) == 26
    assert open_units(after) == dict.fromkeys(skus, 1)
    assert sum(quantity for each in after.fulfillments for _, quantity in each.units) == 130


# -- orders of other kinds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delivery", ["PICK_UP", "LOCAL", "PICKUP_POINT", "RETAIL", "NONE"])
def test_how_goods_reach_the_customer_is_told_by_the_part_alone(shop: Shop, delivery: str) -> None:
    order = shop.sold(delivery=delivery)

    assert {part.method_type for part in order.fulfillment_orders} == {delivery}
    assert all(line.requires_shipping for line in order.lines)


def test_a_pickup_has_no_address_and_a_method_named_like_the_place(shop: Shop) -> None:
    order = shop.sold(delivery="PICK_UP", location=shop.downtown)

    assert (order.shipping_address, order.shipping_method) == (None, "Downtown")


def test_digital_goods_and_gift_cards_need_no_shipping(shop: Shop) -> None:
    card = {"title": "Gift card", "gift_card": True, "requires_shipping": False, "custom": True, "price": "50.00"}
    order = shop.sold({"sku": "EBOOK", "quantity": 1}, card, {"sku": "TEA", "quantity": 1})

    assert [(line.sku, line.requires_shipping, line.gift_card) for line in order.lines] == [
        ("EBOOK", False, False),
        ("", False, True),
        ("TEA", True, False),
    ]


def test_an_order_of_digital_goods_alone_has_no_address_and_no_method(shop: Shop) -> None:
    order = shop.sold({"sku": "EBOOK", "quantity": 1})

    assert (order.shipping_address, order.shipping_method) == (None, "")


def test_a_custom_line_has_a_name_and_no_sku(shop: Shop) -> None:
    order = shop.sold({"title": "Engraving", "custom": True, "quantity": 2, "price": "3.00"})

    (line,) = order.lines
    assert (line.sku, line.name, line.quantity, line.requires_shipping) == ("", "Engraving", 2, True)


def test_a_draft_may_have_no_shipping_line_and_a_till_no_customer(shop: Shop) -> None:
    draft = shop.sold(source_name="shopify_draft_order", shipping_method=None, gateway="manual")
    till = shop.sold(source_name="pos", delivery="RETAIL", email=None, phone=None)

    assert (draft.shipping_method, draft.gateways, bool(draft.shipping_address)) == ("", ("manual",), True)
    assert (till.email, till.phone, till.shipping_address) == ("", "", None)


def test_a_test_order_says_so(shop: Shop) -> None:
    assert shop.sold(test=True).test
    assert not shop.sold().test


@pytest.mark.parametrize("status", ["AUTHORIZED", "EXPIRED", "PARTIALLY_PAID", "PENDING", "REFUNDED", "VOIDED"])
def test_who_has_not_paid_is_told_in_shopifys_words(shop: Shop, status: str) -> None:
    assert shop.sold(financial_status=status).financial_status == status


def test_a_status_that_no_schema_knows_stays_as_it_is(shop: Shop) -> None:
    order = shop.sold()

    shop.simulator.set_raw_financial_status(order.id, "PAID_IN_SHELLS")

    assert shop.read(order.id).financial_status == "PAID_IN_SHELLS"


@pytest.mark.parametrize(
    ("risk", "seen"),
    [("ACCEPT", "ACCEPT"), ("CANCEL", "CANCEL"), ("INVESTIGATE", "INVESTIGATE"), ("NONE", "NONE"), ("PENDING",) * 2],
)
def test_the_risk_is_shopifys_recommendation_once_there_is_one(shop: Shop, risk: str, seen: str) -> None:
    assert shop.sold(risk=risk).risk == seen


def test_money_is_the_shops_whatever_the_customer_paid_in(shop: Shop) -> None:
    order = shop.sold({"sku": "TEA", "quantity": 3}, currency="EUR", presentment_currency="GBP", exchange_rate="0.87")

    assert order.currency == "EUR"
    assert Decimal(order.lines[0].unit_price) == Decimal("12.5")
    assert Decimal(order.total) == Decimal("42.5")  # three, and 5 for the way


def test_an_order_tells_all_that_rules_may_ask(shop: Shop) -> None:
    shop.simulator.add_product("PRE-1", vendor="Old Kiln", product_type="Cup", tags=["new", "Fragile"], price="20.00")
    order = shop.sold(
        {"sku": "PRE-1", "quantity": 2, "properties": {"Engraving": "Ada", "_id": "7"}},
        {"title": "Ribbon", "custom": True, "price": "1.00", "vendor": "By hand"},
        shipping_price="4.50",
        tax="3.28",
        note="Ring twice.",
        attributes={"gift": "yes", "wrap": "blue"},
        source_name="4711",
        channel="Market",
        discount_codes=["SPRING", "VIP"],
        processed_at="2026-11-20T09:00:00-05:00",
        ship_within_seconds=7200,
        presentment_currency="CAD",
        exchange_rate="1.40",
    )

    cup, ribbon = order.lines
    assert (cup.vendor, cup.product_type, cup.product_tags) == ("Old Kiln", "Cup", ("Fragile", "new"))
    assert cup.properties == (("Engraving", "Ada"), ("_id", "7"))
    assert (ribbon.vendor, ribbon.product_type, ribbon.product_tags, ribbon.properties) == ("By hand", "", (), ())
    assert (order.subtotal, order.shipping_paid, order.tax, order.total) == ("41", "4.5", "3.28", "48.78")
    assert (order.amount_paid, order.currency, order.presentment_currency) == ("48.78", "USD", "CAD")
    assert order.processed_at == datetime(2026, 11, 20, 14, tzinfo=UTC)
    assert order.processed_at < order.created_at
    assert order.ship_by == order.created_at + timedelta(hours=2)
    assert order.total_weight_grams == 500
    assert (order.note, order.attributes) == ("Ring twice.", (("gift", "yes"), ("wrap", "blue")))
    assert (order.source, order.channel, order.discount_codes) == ("4711", "Market", ("SPRING", "VIP"))


def test_what_a_channel_calls_itself_comes_before_its_app(shop: Shop) -> None:
    assert shop.sold(channel="Market", attribution="Market Fashion").channel == "Market Fashion"
    assert shop.sold().channel == "Online Store"


def test_money_and_weight_are_of_what_is_left(shop: Shop) -> None:
    order = shop.sold({"sku": "TEA", "quantity": 4}, tax="4.00")

    shop.simulator.remove_units(order.id, "TEA", 2)

    after = shop.read(order.id)
    assert (order.subtotal, order.tax, order.total_weight_grams) == ("50", "4", 1000)
    assert (after.subtotal, after.tax, after.total_weight_grams) == ("25", "2", 500)
    assert (after.shipping_paid, after.amount_paid) == ("5", "59")


@pytest.mark.parametrize(("status", "paid"), [("PENDING", "0"), ("PARTIALLY_PAID", "27.5"), ("REFUNDED", "55")])
def test_who_has_not_paid_all_has_paid_less(shop: Shop, status: str, paid: str) -> None:
    assert shop.sold({"sku": "TEA", "quantity": 4}, financial_status=status).amount_paid == paid


def test_the_day_to_ship_by_is_told_by_open_parts_alone(shop: Shop) -> None:
    order = shop.sold(ship_within_seconds=7200)

    shop.simulator.fulfill_elsewhere(order.id, number="1Z1")

    assert order.ship_by
    assert shop.read(order.id).ship_by is None


def test_an_order_that_is_not_dated_has_no_day_to_ship_by(shop: Shop) -> None:
    assert shop.sold().ship_by is None


def test_customers_tags_are_read_where_they_are_wanted(shop: Shop) -> None:
    order = shop.sold(customer_tags=["vip", "Wholesale"])
    wanting = shop.that_wants_customers()

    found = wanting.read_order(order.id)

    assert order.customer_tags == ()
    assert found
    assert found.customer_tags == ("vip", "Wholesale")
    assert wanting.read_order_of(order.fulfillment_orders[0].id) == found


def test_without_their_scope_customers_tags_are_missed_only_where_they_are_wanted(shop: Shop) -> None:
    order = shop.sold(customer_tags=["vip"])
    shop.simulator.grant_scopes(sorted(shop.simulator.scopes - {"read_customers"}))

    assert shop.read(order.id) == order
    with pytest.raises(CredentialsRejectedError) as caught:
        shop.that_wants_customers().read_order(order.id)

    assert "order.customer" in str(caught.value)
    assert "read_customers" in str(caught.value)


class Secrets:
    """A secret store that knows one token."""

    def __init__(self, token: str) -> None:
        self.token = token

    def read(self, _store: str, _partner: str) -> dict[str, str]:
        return {"access_token": self.token}

    read_again = read


CUSTOMERS = RuleSet(2, (Rule("vip", (Forward(),), Comparison("customer_tags", Operator.INCLUDES_ANY, ("vip",))),))


@pytest.mark.parametrize(
    ("settings", "tags"),
    [
        ({}, ()),
        ({"rules": CUSTOMERS}, ("vip",)),
        ({"shadow": CUSTOMERS}, ("vip",)),
    ],
)
def test_customers_are_read_once_a_rule_asks_for_their_tags(
    shop: Shop, settings: dict[str, RuleSet], tags: tuple[str, ...]
) -> None:
    order = shop.sold(customer_tags=["vip"])
    secrets: Any = Secrets(shop.simulator.access_token)
    partners = ConnectedPartners(secrets, "test")
    shopify = ShopifyConnection(shop.simulator.shop, shop.simulator.url)
    plain, asking = a_store(shopify=shopify), a_store(shopify=shopify, **settings)

    for store, expected in ((plain, ()), (asking, tags), (plain, ())):
        found = partners.shop(store).read_order(order.id)
        assert found
        assert found.customer_tags == expected


def test_ids_beyond_what_a_double_holds_lose_no_digit(shop: Shop) -> None:
    made = shop.simulator.create_order([{"sku": "TEA", "quantity": 1}])

    order = shop.read(made["number"])

    assert int(order.id) > LARGEST_EXACT_DOUBLE
    assert order.id == str(made["number"])
    assert order.lines[0].id == str(made["lines"][0]["number"])
    assert order.fulfillment_orders[0].lines[0].line_id == order.lines[0].id


# -- what is denied ---------------------------------------------------------------------------------------------------


def test_without_the_scope_for_its_parts_an_order_is_not_read_at_all(shop: Shop) -> None:
    order = shop.sold()
    shop.simulator.grant_scopes(["read_orders", "read_products"])

    with pytest.raises(CredentialsRejectedError) as caught:
        shop.adapter.read_order(order.id)

    assert "order.fulfillmentOrders" in str(caught.value)
    assert "read_merchant_managed_fulfillment_orders" in str(caught.value)


@pytest.mark.parametrize(
    "field",
    [
        "FulfillmentHold.heldByRequestingApp",
        "LineItem.product",
        "Order.totalReceivedSet",
        "FulfillmentOrder.fulfillmentHolds",
        "Order.fulfillments",
        "Order.risk",
        "Order.shippingAddress",
        "OrderRiskSummary.recommendation",
        "OrderRiskSummary.assessments",
    ],
)
def test_without_what_decides_an_order_is_not_read_at_all(shop: Shop, field: str) -> None:
    order = shop.sold(hold_reason="OTHER")
    shop.simulator.deny_fields([field])

    with pytest.raises(CredentialsRejectedError):
        shop.adapter.read_order(order.id)


def test_without_e_mail_and_phone_an_order_is_read(shop: Shop) -> None:
    order = shop.sold(phone="+1 555 0100")
    shop.simulator.deny_fields(["Order.email", "Order.phone", "MailingAddress.phone"])

    after = shop.read(order.id)

    assert (order.email, order.phone) == ("ada@example.test", "+1 555 0100")
    assert (after.email, after.phone) == ("", "")
    assert after.shipping_address
    assert (after.shipping_address.city, after.shipping_address.phone) == ("Springfield", "")


def test_a_parcel_of_many_locations_is_refused_in_words(shop: Shop) -> None:
    order = shop.sold({"sku": "TEA", "quantity": 1}, {"sku": "MUG", "quantity": 1, "location": shop.downtown})

    assert len(order.fulfillment_orders) == 2
    lines = tuple((part.id, tuple((line.id, 1) for line in part.lines)) for part in order.fulfillment_orders)
    with pytest.raises(RejectedByPartnerError, match="same location"):
        shop.adapter.announce_parcel(ParcelAnnouncement(lines, "1Z1", "UPS", ""))
