"""What a rule can ask about an order: every field with its kind, where it comes from, and the operators of each kind.

Left out of ShipStation's list (facts/shipstation.md section 15) is what only a label has (carrier, package, USPS zone,
shipping account, ship-from location before Jetpack chooses one), what its API does not show (deliver-by date, notes to
the buyer, brand), and what is the same for every order of a store (store, marketplace: `channel` and `source` tell
Shopify's apart).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Context, Decimal, InvalidOperation
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter, pos
from typing import Any
from zoneinfo import ZoneInfo

from jetbridge.domain.addresses import is_military, is_po_box
from jetbridge.domain.order import Line, Order
from jetbridge.domain.rules import Comparison, Operator, RelativeTime
from jetbridge.domain.ship_options import normalized
from jetbridge.domain.shipstation import ShipStationOrder


class Kind(StrEnum):
    """What a field holds; it decides about the operators and the value."""

    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    WEIGHT = "weight"
    """A number, in grams."""
    DATE = "date"
    YES_NO = "yes_no"
    TAGS = "tags"
    """Any number of texts."""


_BLANK = (Operator.IS_BLANK, Operator.IS_NOT_BLANK)
_NUMBERS = (
    Operator.IS,
    Operator.IS_NOT,
    Operator.LESS_THAN,
    Operator.AT_MOST,
    Operator.GREATER_THAN,
    Operator.AT_LEAST,
    Operator.BETWEEN,
    *_BLANK,
)

OPERATORS: Mapping[Kind, tuple[Operator, ...]] = {
    Kind.TEXT: (
        Operator.IS,
        Operator.IS_NOT,
        Operator.IS_ONE_OF,
        Operator.IS_NONE_OF,
        Operator.CONTAINS,
        Operator.CONTAINS_NOT,
        Operator.STARTS_WITH,
        Operator.STARTS_NOT_WITH,
        Operator.ENDS_WITH,
        Operator.ENDS_NOT_WITH,
        *_BLANK,
    ),
    Kind.NUMBER: _NUMBERS,
    Kind.MONEY: _NUMBERS,
    Kind.WEIGHT: _NUMBERS,
    Kind.DATE: (Operator.BEFORE, Operator.AFTER, Operator.ON, Operator.BETWEEN, *_BLANK),
    Kind.YES_NO: (Operator.IS, *_BLANK),
    Kind.TAGS: (Operator.INCLUDES_ANY, Operator.INCLUDES_ALL, Operator.INCLUDES_NONE, *_BLANK),
}
"""Kind → its operators. A field that is never blank has no use for the last two, and may be asked all the same."""

NEGATIONS: Mapping[Operator, Operator] = {
    Operator.IS_NOT: Operator.IS,
    Operator.IS_NONE_OF: Operator.IS_ONE_OF,
    Operator.CONTAINS_NOT: Operator.CONTAINS,
    Operator.STARTS_NOT_WITH: Operator.STARTS_WITH,
    Operator.ENDS_NOT_WITH: Operator.ENDS_WITH,
    Operator.INCLUDES_NONE: Operator.INCLUDES_ANY,
    Operator.IS_NOT_BLANK: Operator.IS_BLANK,
}
"""Operator → the one it is the negation of: exactly one of the two is true of any order."""

NAN = math.nan
"""A number or moment that is blank."""

Read = Callable[[Any], Any]
"""An order (or a line of one) → what its field holds, as the partner gave it."""


class Source(StrEnum):
    """Which book knows a field. On the route `direct` ShipStation's are blank."""

    SHOPIFY = "Shopify"
    SHIPSTATION = "ShipStation"
    EITHER = "ShipStation, else Shopify"
    JETBRIDGE = "Jetbridge"


@dataclass(frozen=True, slots=True)
class Field:
    """One thing a rule can ask about."""

    name: str
    kind: Kind
    meaning: str
    """In plain words, for shop owners."""
    source: Source
    read: Read
    of_line: bool = False
    """Whether it is about a line: asked inside any_line, every_line, no_line or a split only."""
    keyed: bool = False
    """Whether it is many by name, so that a condition has to say which (`key`)."""
    repeats: bool = False
    """Whether the same few values come again and again, so that folded ones are worth remembering."""

    @property
    def label(self) -> str:
        """How it is called in sentences."""
        return self.name.replace("_", " ")


# -- reading --------------------------------------------------------------------------------------------------------


def _of_address(name: str) -> Read:
    read = attrgetter(name)
    return lambda order: read(order.shipping_address) if order.shipping_address else ""


def _of_part(read: Callable[[ShipStationOrder], Any], otherwise: Any = "") -> Read:  # noqa: ANN401 - as the field has it
    return lambda order: read(order.part) if order.part else otherwise


def _of_lines(read: Callable[[Line], Iterable[str]]) -> Read:
    return lambda order: tuple(each for line in order.lines for each in read(line))


def _locations(order: Order) -> tuple[str, ...]:
    """Give every open location by its whole id and by the number at its end: people paste either."""
    found = [each.location_id for each in order.fulfillment_orders if not each.closed]
    return tuple(name for each in found for name in (each, each.rpartition("/")[2]))


_US = frozenset({"US", "AS", "GU", "MH", "FM", "MP", "PW", "PR", "UM", "VI"})
"""The United States with what its post serves as its own."""


def _international(order: Order) -> bool | None:
    country = order.shipping_address.country_code.strip().upper() if order.shipping_address else ""
    return country not in _US if country else None


def _named(pairs: Iterable[tuple[str, str]], key: str) -> str:
    wanted = normalized(key)
    return next((value for name, value in pairs if normalized(name) == wanted), "")


def keyed_read(field: Field, key: str) -> Read:
    """Give the reading of a field that is many by name."""
    pairs = field.read
    return lambda subject: _named(pairs(subject), key)


# -- the fields -----------------------------------------------------------------------------------------------------

T, N, M, W, D, Y, S = Kind.TEXT, Kind.NUMBER, Kind.MONEY, Kind.WEIGHT, Kind.DATE, Kind.YES_NO, Kind.TAGS
SHOPIFY, SHIPSTATION, EITHER = Source.SHOPIFY, Source.SHIPSTATION, Source.EITHER

SHIP_OPTION = "ship_option"
"""The one field that the store's settings decide about."""

_ALL = (
    # destination
    Field("country", T, "Country of the address, two letters", EITHER, _of_address("country_code"), repeats=True),
    Field("province", T, "State or province, its code", EITHER, _of_address("province_code"), repeats=True),
    Field("city", T, "City", EITHER, _of_address("city")),
    Field("zip", T, "Postal code", EITHER, _of_address("zip")),
    Field("address1", T, "First line of the address", EITHER, _of_address("address1")),
    Field("address2", T, "Second line of the address", EITHER, _of_address("address2")),
    Field(
        "international", Y, "Whether it leaves the United States (its territories are inside)", EITHER, _international
    ),
    Field(
        "po_box",
        Y,
        "Whether the address is a box at a post office",
        EITHER,
        lambda order: is_po_box(order.shipping_address) if order.shipping_address else None,
    ),
    Field(
        "military",
        Y,
        "Whether the address is a post office of the armed forces (APO, FPO, DPO, BFPO)",
        EITHER,
        lambda order: is_military(order.shipping_address) if order.shipping_address else None,
    ),
    Field("residential", Y, "Whether it is a home", SHIPSTATION, _of_part(attrgetter("residential"), None)),
    Field(
        "address_verified",
        T,
        "What ShipStation says of the address: Address validated successfully, Address validation warning, …",
        SHIPSTATION,
        _of_part(attrgetter("address_verified")),
        repeats=True,
    ),
    # people
    Field("recipient_name", T, "Who gets the parcel", EITHER, _of_address("name")),
    Field("recipient_company", T, "The company that gets the parcel", EITHER, _of_address("company")),
    Field("email", T, "The customer's e-mail address", SHOPIFY, attrgetter("email")),
    Field(
        "phone",
        T,
        "The phone number of the address, else the order's",
        EITHER,
        lambda order: (order.shipping_address.phone if order.shipping_address else "") or order.phone,
    ),
    Field("customer_tags", S, "Tags of the customer", SHOPIFY, attrgetter("customer_tags"), repeats=True),
    Field("buyer_id", T, "The customer's user name", SHIPSTATION, _of_part(attrgetter("username"))),
    Field(
        "assigned_user",
        T,
        "Id of the person the order is assigned to",
        SHIPSTATION,
        _of_part(attrgetter("assigned_to")),
        repeats=True,
    ),
    # money
    Field("total", M, "Order total", SHOPIFY, attrgetter("total")),
    Field("subtotal", M, "Order subtotal, without shipping and tax", SHOPIFY, attrgetter("subtotal")),
    Field("shipping_paid", M, "What the customer pays for shipping", SHOPIFY, attrgetter("shipping_paid")),
    Field("tax", M, "Tax", SHOPIFY, attrgetter("tax")),
    Field("amount_paid", M, "What has been paid so far", SHOPIFY, attrgetter("amount_paid")),
    Field(
        "currency",
        T,
        "The shop's currency, in which all amounts here are",
        SHOPIFY,
        attrgetter("currency"),
        repeats=True,
    ),
    Field(
        "market_currency",
        T,
        "The currency the customer paid in",
        SHOPIFY,
        attrgetter("presentment_currency"),
        repeats=True,
    ),
    Field("payment_status", T, "PAID, PENDING, AUTHORIZED, …", SHOPIFY, attrgetter("financial_status"), repeats=True),
    Field("payment_gateways", S, "What it was paid through", SHOPIFY, attrgetter("gateways"), repeats=True),
    Field("discount_codes", S, "Discount codes used", SHOPIFY, attrgetter("discount_codes"), repeats=True),
    Field(
        "risk", T, "Shopify's advice: ACCEPT, INVESTIGATE, CANCEL or NONE", SHOPIFY, attrgetter("risk"), repeats=True
    ),
    # dates
    Field(
        "order_date",
        D,
        "When the customer placed it",
        SHOPIFY,
        lambda order: order.processed_at or order.created_at,
    ),
    Field(
        "created_at",
        D,
        "When the shop got it: later than `order_date` for imported orders",
        SHOPIFY,
        attrgetter("created_at"),
    ),
    Field("paid_at", D, "When it was paid", SHIPSTATION, attrgetter("paid_at")),
    Field("ship_by", D, "When it has to leave", EITHER, attrgetter("ship_by")),
    # the order
    Field("order_number", T, "The order's name: #1001", SHOPIFY, attrgetter("name")),
    Field(
        "tags",
        S,
        "Tags of the order; on the route shipstation, those of both books",
        EITHER,
        attrgetter("tags"),
        repeats=True,
    ),
    Field("channel", T, "The sales channel's name", SHOPIFY, attrgetter("channel"), repeats=True),
    Field(
        "source", T, "web, pos, shopify_draft_order, or the id of an app", SHOPIFY, attrgetter("source"), repeats=True
    ),
    Field("shipstation_source", T, "Order source", SHIPSTATION, _of_part(attrgetter("source")), repeats=True),
    Field("test", Y, "Whether it is a test order", SHOPIFY, attrgetter("test")),
    Field("gift", Y, "Whether it is marked as a gift", SHIPSTATION, _of_part(attrgetter("gift"), None)),
    Field("gift_message", T, "The message that goes with a gift", SHIPSTATION, _of_part(attrgetter("gift_message"))),
    # counts and weights: of lines with units left
    Field(
        "total_quantity",
        N,
        "Units in the order, without those removed or refunded",
        SHOPIFY,
        lambda order: sum(line.current_quantity for line in order.lines),
    ),
    Field("line_count", N, "Lines of the order that have units left", SHOPIFY, lambda order: len(order.lines)),
    Field(
        "weight",
        W,
        "Weight of the order in grams; blank while nobody knows it",
        EITHER,
        lambda order: (order.part.weight_grams if order.part else 0) or order.total_weight_grams or NAN,
    ),
    # goods, as one set for the order: for anything finer ask the lines
    Field("skus", S, "SKUs of the order", SHOPIFY, _of_lines(lambda line: (line.sku,))),
    Field(
        "vendors", S, "Vendors of the order's products", SHOPIFY, _of_lines(lambda line: (line.vendor,)), repeats=True
    ),
    Field(
        "product_types",
        S,
        "Types of the order's products",
        SHOPIFY,
        _of_lines(lambda line: (line.product_type,)),
        repeats=True,
    ),
    # shipping
    Field(
        "shipping_method",
        T,
        "The shipping method's text, as chosen at the checkout",
        EITHER,
        attrgetter("shipping_method"),
        repeats=True,
    ),
    Field(
        SHIP_OPTION,
        T,
        "The ship option that the store's active mapping gives for the shipping method",
        Source.JETBRIDGE,
        attrgetter("shipping_method"),
        repeats=True,
    ),
    Field(
        "fulfillment_locations",
        S,
        "Ids of the Shopify locations the order is assigned to",
        SHOPIFY,
        _locations,
        repeats=True,
    ),
    # notes
    Field("note", T, "The order's note in Shopify", SHOPIFY, attrgetter("note")),
    Field("customer_notes", T, "Notes from the buyer", SHIPSTATION, _of_part(attrgetter("customer_notes"))),
    Field("internal_notes", T, "Internal notes", SHIPSTATION, _of_part(attrgetter("internal_notes"))),
    *(
        Field(
            f"custom_field_{n}",
            T,
            f"Custom field {n}",
            SHIPSTATION,
            _of_part(lambda part, at=n - 1: part.custom_fields[at] if at < len(part.custom_fields) else ""),  # type: ignore[misc]  # bound now
        )
        for n in (1, 2, 3)
    ),
    Field(
        "attribute", T, "An additional detail of the order, by its name", SHOPIFY, attrgetter("attributes"), keyed=True
    ),
    # lines
    Field("sku", T, "SKU", SHOPIFY, attrgetter("sku"), of_line=True, repeats=True),
    Field("name", T, "The line's name: product and variant", SHOPIFY, attrgetter("name"), of_line=True, repeats=True),
    Field(
        "quantity",
        N,
        "Units left, without those removed or refunded",
        SHOPIFY,
        attrgetter("current_quantity"),
        of_line=True,
    ),
    Field("ordered_quantity", N, "Units ordered", SHOPIFY, attrgetter("quantity"), of_line=True),
    Field("unit_price", M, "Price of one unit before discounts", SHOPIFY, attrgetter("unit_price"), of_line=True),
    Field("vendor", T, "The product's vendor", SHOPIFY, attrgetter("vendor"), of_line=True, repeats=True),
    Field("product_type", T, "The product's type", SHOPIFY, attrgetter("product_type"), of_line=True, repeats=True),
    Field("product_tags", S, "The product's tags", SHOPIFY, attrgetter("product_tags"), of_line=True, repeats=True),
    Field(
        "property",
        T,
        "What the customer chose or wrote for the line, by its name",
        SHOPIFY,
        attrgetter("properties"),
        of_line=True,
        keyed=True,
    ),
    Field(
        "requires_shipping", Y, "Whether it is shipped at all", SHOPIFY, attrgetter("requires_shipping"), of_line=True
    ),
    Field("gift_card", Y, "Whether it is a gift card", SHOPIFY, attrgetter("gift_card"), of_line=True),
    Field(
        "warehouse_location",
        T,
        "Where it lies in the warehouse",
        SHIPSTATION,
        attrgetter("warehouse_location"),
        of_line=True,
        repeats=True,
    ),
)

FIELDS: Mapping[str, Field] = {field.name: field for field in _ALL}
"""Everything a rule can ask, by name."""


# -- values made comparable -----------------------------------------------------------------------------------------
# Blank is "" of text, NaN of numbers and moments, the empty set of tags, None of yes_no: every positive comparison
# with it is false by itself, so that no closure has to ask.

_PLACES = 6
_BEYOND = 30
_EXACT = Context(prec=_BEYOND + _PLACES + 10)
REMEMBERED = 4096
"""Folded values kept for each kind: words that come again. Never texts that people write."""


def fold(text: str) -> str:
    """Fold case and white space."""
    return " ".join(text.casefold().split())


def fold_all(texts: Iterable[str]) -> frozenset[str]:
    """Fold a set of texts; what is blank is none."""
    return frozenset(found for each in texts if (found := fold(each)))


def exact_all(texts: Iterable[str]) -> frozenset[str]:
    """Take a set of texts as they are, but for what is blank."""
    return frozenset(each for each in texts if each.strip())


remembered_fold = lru_cache(REMEMBERED)(fold)
remembered_fold_all = lru_cache(REMEMBERED)(fold_all)


def scaled(number: Decimal) -> float:
    """Make a number comparable: an integer of millionths, which is exact; NaN for what is none."""
    if number.is_nan():
        return NAN
    if not number:
        return 0
    if number.is_infinite() or number.adjusted() > _BEYOND:
        return -math.inf if number.is_signed() else math.inf
    return int(number.scaleb(_PLACES, _EXACT).to_integral_value(context=_EXACT))


@lru_cache(REMEMBERED)
def amount(text: str) -> float:
    """Read a number given as text; NaN when it is none."""
    whole, _, places = text.partition(".")
    digits = whole + places.ljust(_PLACES, "0")
    if len(digits) == len(whole) + _PLACES <= _BEYOND and whole and digits.isascii() and digits.isdigit():
        return int(digits)  # what partners send, without the way through Decimal
    try:
        return scaled(Decimal(text))
    except (InvalidOperation, ValueError):
        return NAN


def whole_or_not(number: Decimal) -> float:
    """Make a number comparable with whole ones: exact if it is whole itself, and between the right two if not."""
    if not number or not number.is_finite() or number.adjusted() > _BEYOND:
        return scaled(number)
    return int(number) if number == number.to_integral_value(context=_EXACT) else float(number)


def aware(moment: datetime, zone: tzinfo = UTC) -> datetime:
    """Give a moment a time zone if it has none."""
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def instant(moment: datetime | None) -> float:
    """Make a moment comparable: seconds since 1970."""
    return NAN if moment is None else aware(moment).timestamp()


def zone_of(name: str) -> tzinfo:
    """Find a time zone by its IANA name; UTC for one nobody knows."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return UTC


def day_of(moment: date | datetime | RelativeTime, now: datetime, zone: tzinfo) -> tuple[float, float]:
    """Give the start of the day a moment is on, in that zone, and the start of the next."""
    try:
        if isinstance(moment, RelativeTime):
            moment = _moved(now, moment, zone)
        if isinstance(moment, datetime):
            moment = aware(moment, zone).astimezone(zone).date()
    except OverflowError:
        return NAN, NAN
    return _midnight(moment, zone, 0), _midnight(moment, zone, 1)


def span_of(moment: date | datetime | RelativeTime, now: datetime, zone: tzinfo) -> tuple[float, float]:
    """Give where a moment begins and where it is over: the same for all but whole days."""
    if isinstance(moment, RelativeTime):
        try:
            at = _moved(now, moment, zone).timestamp()
        except OverflowError:
            at = -math.inf if (moment.days, moment.hours) < (0, 0) else math.inf
        return at, at
    if isinstance(moment, datetime):
        at = aware(moment, zone).timestamp()
        return at, at
    return day_of(moment, now, zone)


def _moved(now: datetime, by: RelativeTime, zone: tzinfo) -> datetime:
    """Move by days on the calendar (the clock on the wall shows the same), then by hours."""
    wall = aware(now).astimezone(zone) + timedelta(days=by.days)
    return wall.astimezone(UTC) + timedelta(hours=by.hours)


def _midnight(day: date, zone: tzinfo, later: int) -> float:
    try:
        return datetime.combine(day + timedelta(days=later), datetime.min.time(), zone).timestamp()
    except OverflowError:
        return -math.inf if day.year == date.min.year else math.inf


def conversion(field: Field, *, match_case: bool) -> Callable[[Any], Hashable]:  # noqa: PLR0911 - one a kind
    """Give what makes a field's value comparable."""
    match field.kind:
        case Kind.TEXT:
            return str if match_case else remembered_fold if field.repeats else fold
        case Kind.TAGS:
            if match_case:
                return exact_all
            return remembered_fold_all if field.repeats else fold_all
        case Kind.MONEY:
            return amount
        case Kind.NUMBER | Kind.WEIGHT:
            return pos  # which gives a number as it is, faster than a function of ours
        case Kind.DATE:
            return instant
        case Kind.YES_NO:
            return _as_it_is


def _as_it_is(value: Hashable) -> Hashable:
    return value


def read_of(comparison: Comparison) -> Read:
    """Give the reading of what a comparison asks."""
    field = FIELDS[comparison.field]
    return keyed_read(field, comparison.key) if field.keyed else field.read
