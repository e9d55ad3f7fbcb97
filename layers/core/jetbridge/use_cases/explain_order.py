"""Explain what the rules say of one order, real or pasted, and why. Nothing is changed, and no partner is told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from jetbridge.domain.rule_evaluation import compiled
from jetbridge.domain.ship_options import mapping_for, normalized
from jetbridge.domain.shipstation import as_seen
from jetbridge.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from jetbridge.domain.identifiers import OrderId, StoreSlug
    from jetbridge.domain.order import Order
    from jetbridge.domain.rules import RuleSet, Verdict
    from jetbridge.domain.ship_options import Method
    from jetbridge.domain.store import Store
    from jetbridge.ports import OrderRecords, Partners, StoreSettings


class SeenIn(StrEnum):
    """Where the order that is explained came from."""

    SNAPSHOT = "snapshot"
    SHOP = "shop"
    GIVEN = "given"


class Mapped(StrEnum):
    """What the store's mapping says of a shipping method."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    UNMAPPED = "unmapped"


@dataclass(frozen=True, slots=True)
class ExplainedView:
    """What the rules say of the order as one book shows it."""

    part: str
    """The ShipStation order; empty for the order as Shopify shows it."""
    verdict: Verdict
    method: Method
    """Its shipping method, as mappings know it."""
    mapped: Mapped
    ship_option: str
    """What it would be shipped by: the rules' choice, else an active mapping's; empty for none."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the rules say of an order, once for each of its ShipStation orders on that route."""

    store: StoreSlug
    order_id: OrderId
    name: str
    seen_in: SeenIn
    rules_version: int
    views: tuple[ExplainedView, ...]


def explain_order(  # noqa: PLR0913 - which order, by which rules, and one keyword a port
    slug: StoreSlug,
    *,
    order_id: OrderId | None = None,
    order: Order | None = None,
    rules: RuleSet | None = None,
    records: OrderRecords,
    settings: StoreSettings,
    partners: Partners,
    clock: Callable[[], datetime],
) -> Explanation:
    """Explain one order: as last seen, else as the shop shows it now, else as it was given.

    Args:
        slug: The store.
        order_id: Which of its orders; or
        order: an order that was given, and is looked up nowhere.
        rules: A draft to go by; None for the active rules.
        records: OrdersTable.
        settings: SettingsTable.
        partners: For an order of which no snapshot is kept.
        clock: What time it is.

    Raises:
        InvalidRequestError: No such store or order, or not exactly one of `order_id` and `order` was given.
        PartnerError: The shop had to be asked and did not answer.
    """
    if (order_id is None) is (order is None):
        message = "name an order or give one"
        raise InvalidRequestError(message)
    store = settings.store(slug)
    if store is None:
        message = "no such store"
        raise InvalidRequestError(message)
    seen_in = SeenIn.GIVEN
    if order_id is not None:
        order, seen_in = records.read_snapshot(slug, order_id), SeenIn.SNAPSHOT
        if order is None:
            order, seen_in = partners.shop(store).read_order(order_id), SeenIn.SHOP
    if order is None:
        message = "no such order"
        raise InvalidRequestError(message)
    rules, now = rules or store.rules, clock()
    views = [as_seen(order, part.id) for part in order.shipstation] or [order]
    explained = tuple(_explained(view, rules, store, now) for view in views)
    return Explanation(slug, order.id, order.name, seen_in, rules.version, explained)


def _explained(view: Order, rules: RuleSet, store: Store, now: datetime) -> ExplainedView:
    verdict = compiled(rules, store).explain(view, now)
    mapping = mapping_for(view.shipping_method, store.ship_options)
    mapped = Mapped.UNMAPPED if mapping is None else Mapped.ACTIVE if mapping.active else Mapped.INACTIVE
    by_mapping = mapping.ship_option if mapping and mapping.active else ""
    part = view.part.id if view.part else ""
    ship_option = verdict.ship_option or by_mapping
    return ExplainedView(part, verdict, normalized(view.shipping_method), mapped, ship_option)
