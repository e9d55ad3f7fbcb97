"""Hypothesis strategies for domain values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from jetbridge.domain.changes import Ordered, Wish
from jetbridge.domain.holds import OWNERS, Hold
from jetbridge.domain.identifiers import LineId, OrderId, StoreSlug
from jetbridge.domain.order import (
    Address,
    Fulfillment,
    FulfillmentHold,
    FulfillmentOrder,
    FulfillmentOrderLine,
    Line,
    Order,
)
from jetbridge.domain.record import (
    ConsignedLine,
    Consignment,
    ConsignmentState,
    Decision,
    Intent,
    MarkState,
    NextLook,
    OrderRecord,
    Parcel,
    ParcelState,
    ShipStationMark,
    Status,
    UnitState,
    Writer,
)
from jetbridge.domain.rules import DEFAULT_RULES, RuleSet
from jetbridge.domain.ship_options import Method, ShipOptionLimits, ShipOptionMapping, normalized
from jetbridge.domain.shipstation import ShipStationLine, ShipStationOrder
from jetbridge.domain.store import JetpackConnection, OutOfStock, Route, ShipStationConnection, ShopifyConnection, Store
from tests.rule_strategies import rule_lists

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - given by timezones
digits = st.integers(1, 2**63).map(str)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
quantities = st.integers(0, 500)
slugs: SearchStrategy[StoreSlug] = st.from_regex(r"[a-z0-9][a-z0-9-]{0,39}", fullmatch=True).map(StoreSlug)
order_ids: SearchStrategy[OrderId] = digits.map(OrderId)
line_ids: SearchStrategy[LineId] = digits.map(LineId)
methods: SearchStrategy[Method] = texts.map(normalized)


def tuples_of[T](each: SearchStrategy[T], *, at_most: int = 3) -> SearchStrategy[tuple[T, ...]]:
    return st.lists(each, max_size=at_most).map(tuple)


# -- records: anything the types allow, sensible or not; for what stores and compares them --------------------

holds = st.builds(Hold, st.sampled_from(sorted(OWNERS)), moments, detail=texts, change=texts)
intents = st.builds(Intent, texts, texts, moments, payload_hash=texts, since=st.none() | moments, refused=st.booleans())
decisions = st.builds(
    Decision, texts, rule=texts, rules_version=st.integers(0, 1000), ship_option=texts, location=texts
)
parcels = st.builds(
    Parcel,
    digits,
    tuples_of(st.tuples(line_ids, quantities)),
    st.sampled_from(ParcelState),
    number=texts,
    carrier=texts,
    url=texts,
    fulfillment_id=texts,
    until=st.none() | moments,
    told=texts,
    at_jetpack=tuples_of(st.tuples(texts, quantities)),
)
marks = st.builds(ShipStationMark, digits, texts, st.sampled_from(MarkState), moments, st.none() | moments)
consignments = st.builds(
    Consignment,
    st.integers(1, 99),
    texts,
    tuples_of(st.builds(ConsignedLine, line_ids, texts, quantities, tuples_of(st.tuples(texts, quantities)))),
    st.sampled_from(ConsignmentState),
    sent_hash=texts,
    jetpack_order_id=digits,
    forwarded_at=st.none() | moments,
    intent=st.none() | intents,
    parcels=tuples_of(parcels),
    shipstation_id=texts,
    held_back=st.booleans(),
    refusal=st.none() | holds,
    cancel_asked=st.booleans(),
    trouble=st.none() | holds,
)
order_records = st.builds(
    OrderRecord,
    slugs,
    order_ids,
    name=texts,
    created_at=st.none() | moments,
    status=st.sampled_from(Status),
    ordered_by_person=st.none() | st.builds(Ordered, st.sampled_from(Wish), texts, moments, texts),
    shop_marked=texts,
    told=tuples_of(texts),
    since=st.none() | moments,
    looked_at=st.none() | moments,
    jetpack_looked_at=st.none() | moments,
    due_at=st.none() | moments,
    next_look=st.sampled_from(NextLook),
    ordered=quantities,
    others=tuples_of(st.tuples(st.sampled_from(UnitState), quantities)),
    reason=texts,
    hold=st.none() | holds,
    decision=st.none() | decisions,
    consignments=tuples_of(consignments),
    route=st.none() | st.sampled_from(Route),
    ignored=texts,
    parts=tuples_of(digits),
    writer=st.none() | st.sampled_from(Writer),
    marks=tuples_of(marks),
    rejections=tuples_of(st.tuples(texts, holds)),
    shipstation_looked_at=st.none() | moments,
    seen_hash=texts,
    attempts=quantities,
    failing_since=st.none() | moments,
    failed=texts,
)

# -- orders: consistent, as Shopify would show them -------------------------------------------------------------

addresses = st.builds(Address, *[texts] * 9)
lines = st.builds(Line, line_ids, texts, texts, st.integers(1, 50), st.just(0), st.booleans(), st.booleans(), texts)


parts = st.builds(
    ShipStationOrder,
    *[digits, texts, texts, texts, digits, moments],
    lines=tuples_of(st.builds(ShipStationLine, texts, texts, texts, quantities, st.booleans())),
    method=texts,
    ship_to=st.none() | addresses,
    tags=tuples_of(texts),
    held_until=texts,
    parent_id=texts,
    merged_ids=tuples_of(digits),
    externally_fulfilled=st.booleans(),
    customer_notes=texts,
    internal_notes=texts,
)


@st.composite
def orders(draw: DrawFn) -> Order:
    """An order whose fulfillment orders and fulfillments name its own lines, never more units than there are."""
    ordered = draw(st.lists(lines, min_size=1, max_size=4, unique_by=lambda line: line.id))
    found = [
        Line(
            line.id,
            line.sku,
            line.name,
            line.quantity,
            draw(st.integers(0, line.quantity)),
            line.requires_shipping,
            line.gift_card,
            line.unit_price,
        )
        for line in ordered
    ]
    sent = {line.id: draw(st.integers(0, line.current_quantity)) for line in found}
    created = draw(moments)
    fulfillment_order = FulfillmentOrder(
        id="gid://shopify/FulfillmentOrder/1",
        status=draw(st.sampled_from(["OPEN", "IN_PROGRESS", "SCHEDULED", "ON_HOLD", "CLOSED", "CANCELLED"])),
        location_id="gid://shopify/Location/1",
        method_type=draw(st.sampled_from(["SHIPPING", "PICK_UP", "NONE", ""])),
        supported_actions=draw(st.frozensets(st.sampled_from(["CREATE_FULFILLMENT", "HOLD", "MOVE"]))),
        lines=tuple(
            FulfillmentOrderLine(f"gid://shopify/FulfillmentOrderLineItem/{line.id}", line.id, line.quantity, left)
            for line in found
            if (left := line.current_quantity - sent[line.id])
        ),
        holds=draw(tuples_of(st.builds(FulfillmentHold, texts, texts, st.booleans()))),
        fulfill_at=draw(st.none() | moments),
    )
    units = tuple((line_id, quantity) for line_id, quantity in sent.items() if quantity)
    fulfillment = Fulfillment("gid://shopify/Fulfillment/1", "SUCCESS", draw(tuples_of(texts)), units)
    return Order(
        id=draw(order_ids),
        name=draw(texts),
        created_at=created,
        updated_at=draw(moments),
        lines=tuple(found),
        fulfillment_orders=(fulfillment_order,),
        fulfillments=(fulfillment,) if units else (),
        cancelled_at=draw(st.none() | moments),
        test=draw(st.booleans()),
        financial_status=draw(st.sampled_from(["PAID", "PENDING", "AUTHORIZED", "REFUNDED", ""])),
        gateways=draw(tuples_of(texts)),
        risk=draw(st.sampled_from(["NONE", "ACCEPT", "INVESTIGATE", "CANCEL"])),
        shipping_method=draw(texts),
        shipping_address=draw(st.none() | addresses),
        email=draw(texts),
        phone=draw(texts),
        tags=draw(tuples_of(texts)),
        currency=draw(st.sampled_from(["USD", "EUR", ""])),
        total=draw(texts),
        shipstation=draw(tuples_of(parts, at_most=2)),
    )


# -- settings ---------------------------------------------------------------------------------------------------

rule_sets = st.just(DEFAULT_RULES) | st.builds(RuleSet, st.integers(2, 10**6), rule_lists)
mappings = st.builds(ShipOptionMapping, methods, texts, st.booleans())
stores = st.builds(
    Store,
    slugs,
    st.builds(ShopifyConnection, texts, texts, texts),
    st.builds(JetpackConnection, texts, texts, texts),
    locations=st.frozensets(texts, max_size=3),
    stock_location=texts,
    buffer=quantities,
    grace_minutes=quantities,
    forward_financial_states=st.frozensets(texts, max_size=3),
    forward_gateways=st.frozensets(texts, max_size=3),
    accepted_risks=st.frozensets(texts, max_size=3),
    forward_test_orders=st.booleans(),
    routes=st.frozensets(st.sampled_from(Route), min_size=1),
    shipstation=st.none() | st.builds(ShipStationConnection, digits, texts),
    time_zone=st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu"]),
    mirror_holds=st.booleans(),
    mark_forwarded=st.booleans(),
    ships_from=st.frozensets(texts, max_size=3),
    out_of_stock=st.sampled_from(OutOfStock),
    option_limits=tuples_of(st.builds(ShipOptionLimits, texts, st.booleans(), st.booleans(), st.booleans())),
    rules=rule_sets,
    ship_options=st.lists(mappings, max_size=3).map(lambda found: {each.method: each for each in found}),
)
