"""Everything the vendor refuses about an order before it exists (facts section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.simulators.jetpack_answers import INT32_MAX, parse_time

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from local.simulators.jetpack_stock import Catalogue

ORDER_TYPES = ("DTC", "DropShip", "B2B")
SALES_CHANNELS = (
    "amazon",
    "bigcommerce",
    "ebay",
    "faire",
    "macy",
    "magento",
    "shein",
    "shopify",
    "squarespace",
    "targetplus",
    "temu",
    "tiktok",
    "unleashed",
    "walmart",
    "woocommerce",
)
CARRIER_TYPES = ("Parcel", "Freight")
PAYMENT_TERMS = ("Collect", "ThirdParty", "Prepaid", "MerchantResponsible")
KNOWN: Mapping[str, frozenset[str]] = {
    "": frozenset(
        [
            "reference_id",
            "order_number",
            "shipping_method",
            "type",
            "recipient",
            "products",
            "purchase_date",
            "gift_message",
            "location_id",
            "financials",
            "tags",
            "requested_delivery_date",
            "shipping_terms",
            "retailer_program_data",
            "sales_channel",
            "origin_platform_program",
        ]
    ),
    "recipient": frozenset({"name", "address", "email", "phone_number"}),
    "recipient.address": frozenset(
        {"address1", "address2", "company_name", "city", "state", "country", "zip_code", "type"}
    ),
    "products[]": frozenset(
        [
            "reference_id",
            "name",
            "quantity",
            "sku",
            "unit_price",
            "upc",
            "gtin",
            "external_line_id",
            "quantity_unit_of_measure_code",
            "id",
        ]
    ),
    "tags[]": frozenset({"name", "value"}),
    "financials": frozenset({"total_price"}),
}


class OrderCheck:
    """Collects the errors of one create request as the vendor writes them: field to texts."""

    def __init__(self, order: Mapping[str, Any]) -> None:
        """Check at once; read `errors` (400) and `unknown` afterwards."""
        self.errors: dict[str, list[str]] = {}
        self.unknown: list[str] = []
        self._order(order)

    def _refuse(self, path: str, text: str) -> None:
        self.errors.setdefault(path, []).append(text)

    def _text(
        self, holder: Mapping[str, Any], path: str, *, required: bool = False, least: int = 0, most: int | None = None
    ) -> None:
        value = holder.get(path.rpartition(".")[2])
        if value is None or (required and isinstance(value, str) and not value.strip()):
            if required:
                self._refuse(path, f"The {path} field is required.")
        elif not isinstance(value, str):
            self._refuse(path, f"The field {path} must be a string.")
        elif len(value) < least or (most is not None and len(value) > most):
            self._refuse(path, f"The field {path} must be a string with a length between {least} and {most}.")

    def _number(
        self, holder: Mapping[str, Any], path: str, *, required: bool = False, whole: bool = True, least: int = 0
    ) -> None:
        value = holder.get(path.rpartition(".")[2])
        if value is None:
            if required:
                self._refuse(path, f"The {path} field is required.")
        elif isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            self._refuse(path, f"The field {path} must be a number.")
        elif whole and not least <= value <= INT32_MAX:
            self._refuse(path, f"The field {path} must be between {least} and {INT32_MAX}.")

    def _choice(
        self, holder: Mapping[str, Any], path: str, choices: Collection[str], *, required: bool = False
    ) -> None:
        value = holder.get(path.rpartition(".")[2])
        if value is None:
            if required:
                self._refuse(path, f"The {path} field is required.")
        elif value not in choices:
            self._refuse(path, f"The value '{value}' is not valid for {path}.")

    def _time(self, holder: Mapping[str, Any], path: str) -> None:
        value = holder.get(path.rpartition(".")[2])
        if value is not None and parse_time(value) is None:
            self._refuse(path, f"The field {path} must be a date and time.")

    def _object(self, holder: Mapping[str, Any], path: str, *, required: bool = False) -> Mapping[str, Any] | None:
        value = holder.get(path.rpartition(".")[2])
        if value is None:
            if required:
                self._refuse(path, f"The {path} field is required.")
        elif not isinstance(value, dict):
            self._refuse(path, f"The field {path} must be an object.")
        else:
            self._note_unknown(path, value)
            return value
        return None

    def _note_unknown(self, path: str, value: Mapping[str, Any]) -> None:
        # The vendor drops what it does not know without a word; noted, so that a test can find our typos.
        if path in KNOWN:
            self.unknown += [f"{path}.{name}".removeprefix(".") for name in value if name not in KNOWN[path]]

    def _order(self, order: Mapping[str, Any]) -> None:
        self._note_unknown("", order)
        self._text(order, "reference_id", required=True, least=1, most=300)
        self._text(order, "order_number", most=400)
        self._text(order, "shipping_method", required=True, least=1)
        self._choice(order, "type", ORDER_TYPES, required=True)
        self._text(order, "gift_message", most=500)
        self._text(order, "origin_platform_program", most=100)
        self._choice(order, "sales_channel", SALES_CHANNELS)
        self._number(order, "location_id")
        self._time(order, "purchase_date")
        self._time(order, "requested_delivery_date")
        financials = self._object(order, "financials")
        if financials is not None:
            self._number(financials, "financials.total_price", whole=False)
        recipient = self._object(order, "recipient", required=True)
        if recipient is not None:
            self._recipient(recipient)
        for position, product in enumerate(self._list(order, "products", least=1)):
            self._product(product, f"products[{position}]")
        for position, tag in enumerate(self._list(order, "tags")):
            self._note_unknown("tags[]", tag)
            self._text(tag, f"tags[{position}].name", required=True, least=1, most=50)
            self._text(tag, f"tags[{position}].value", required=True, least=1, most=500)
        terms = self._object(order, "shipping_terms")
        if terms is not None:
            self._choice(terms, "shipping_terms.carrier_type", CARRIER_TYPES)
            self._choice(terms, "shipping_terms.payment_term", PAYMENT_TERMS)
        self._object(order, "retailer_program_data")

    def _list(self, order: Mapping[str, Any], name: str, least: int = 0) -> list[Mapping[str, Any]]:
        value = order.get(name)
        if value is None and not least:
            return []
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self._refuse(name, f"The field {name} must be a list of objects.")
            return []
        if len(value) < least:
            self._refuse(name, f"The field {name} must have at least {least} element.")
        return value

    def _recipient(self, recipient: Mapping[str, Any]) -> None:
        self._text(recipient, "recipient.name", required=True, least=1, most=300)
        self._text(recipient, "recipient.phone_number", most=50)
        self._text(recipient, "recipient.email")
        email = recipient.get("email")
        if isinstance(email, str) and not _is_email(email):
            self._refuse("recipient.email", "The recipient.email field is not a valid e-mail address.")
        address = self._object(recipient, "recipient.address", required=True)
        if address is not None:
            for name in ("address1", "city", "country"):
                self._text(address, f"recipient.address.{name}", required=True, least=1)
            for name in ("address2", "company_name", "state", "zip_code"):
                self._text(address, f"recipient.address.{name}")

    def _product(self, product: Mapping[str, Any], path: str) -> None:
        self._note_unknown("products[]", product)
        if "reference_id" in product or "id" not in product:
            self._text(product, f"{path}.reference_id", required=True, least=1)
            if "name" not in product:
                self._refuse(f"{path}.name", f"The {path}.name field is required.")
            self._text(product, f"{path}.name")
            self._text(product, f"{path}.sku")
            self._text(product, f"{path}.upc", most=50)
            self._text(product, f"{path}.gtin", most=50)
            self._number(product, f"{path}.unit_price", whole=False)
        else:
            self._number(product, f"{path}.id", required=True)
        self._number(product, f"{path}.quantity", required=True, least=1)
        self._number(product, f"{path}.external_line_id", least=-INT32_MAX - 1)
        self._text(product, f"{path}.quantity_unit_of_measure_code")


def meaning_errors(order: Mapping[str, Any], catalogue: Catalogue) -> dict[str, list[str]]:
    """Find what is well formed but makes no sense (422): trade orders without terms, unknown ids."""
    errors: dict[str, list[str]] = {}
    if order["type"] != "DTC":
        terms = order.get("shipping_terms") or {}
        retail = order.get("retailer_program_data") or {}
        if not terms.get("carrier_type") or not terms.get("payment_term"):
            errors["shipping_terms"] = [f"Shipping terms are required for {order['type']} orders."]
        if not retail.get("purchase_order_number") or not retail.get("retailer_program_type"):
            errors["retailer_program_data"] = [f"Retailer program data is required for {order['type']} orders."]
    location_id = order.get("location_id")
    if location_id is not None and location_id not in {centre.id for centre in catalogue.centres}:
        errors["location_id"] = [f"Location {location_id} does not exist."]
    for position, product in enumerate(order["products"]):
        if "reference_id" in product:
            if product["reference_id"] not in catalogue.by_sku and not product.get("name"):
                errors[f"products[{position}].name"] = ["A name is required for a product that does not exist yet."]
        elif product["id"] not in catalogue.by_id:
            errors[f"products[{position}].id"] = [f"Product {product['id']} does not exist."]
    return errors


def _is_email(text: str) -> bool:
    name, at, host = text.partition("@")
    return bool(name and at and host) and "@" not in host and " " not in text
