"""The SKU map: which of the shop's SKUs are called otherwise at Jetpack, or are packed from several products there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from jetbridge.domain.changes import Change
from jetbridge.domain.connection import JETPACK, failure
from jetbridge.domain.skus import SkuMapping
from jetbridge.errors import InvalidRequestError, JetbridgeError
from jetbridge.use_cases.changing import release_held, store_to_change

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from jetbridge.domain.identifiers import StoreSlug
    from jetbridge.ports import Partners, StoreSettings, WakeUpQueue

LONGEST = 900
"""Bytes of a SKU: a key of DynamoDB holds 1,024 with what stands before it."""

MOST_COMPONENTS = 50
MOST_UNITS = 10_000


class SkuState(StrEnum):
    """Whether Jetpack can pack a SKU."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    UNKNOWN = "unknown"
    """Jetpack does not know it: an order would silently make a product of it."""
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True)
class MappedSku:
    """One line of the map, and how each of Jetpack's SKUs in it stands."""

    sku: str
    components: tuple[tuple[str, int], ...]
    states: tuple[SkuState, ...]
    """One a component."""


@dataclass(frozen=True, slots=True)
class SkuMap:
    """A store's SKU map."""

    mappings: tuple[MappedSku, ...]
    trouble: str = ""
    """Why Jetpack could not be asked."""


def list_skus(slug: StoreSlug, *, settings: StoreSettings, partners: Partners) -> SkuMap:
    """List the SKU map, and how Jetpack's SKUs in it stand.

    Raises:
        NotFoundError: No such store is connected.
        TransientError: Our own tables do not answer.
    """
    store = store_to_change(slug, settings)
    mappings = [each for _, each in sorted(store.sku_map.items())]
    names = frozenset(name for each in mappings for name, _ in each.components)
    known: Mapping[str, bool] | None = {}
    trouble = ""
    try:
        known = partners.warehouse(store).catalogue(names, frozenset()).skus if names else {}
    except JetbridgeError as problem:
        known, trouble = None, failure(JETPACK, problem).text
    listed = (
        MappedSku(each.sku, each.components, tuple(_state(name, known) for name, _ in each.components))
        for each in mappings
    )
    return SkuMap(tuple(listed), trouble)


def _state(sku: str, known: Mapping[str, bool] | None) -> SkuState:
    if known is None:
        return SkuState.NOT_ASKED
    if sku not in known:
        return SkuState.UNKNOWN
    return SkuState.ACTIVE if known[sku] else SkuState.INACTIVE


def save_sku(  # noqa: PLR0913 - the line, who saves it, and one keyword a port
    slug: StoreSlug,
    sku: str,
    components: Sequence[tuple[str, int]],
    *,
    by: str,
    settings: StoreSettings,
    partners: Partners,
    sweep_queue: WakeUpQueue,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
) -> SkuMapping:
    """Save one line of the SKU map; orders held for want of a SKU are woken by a message, not in this call.

    Safe to repeat. A product that Jetpack knows and has switched off may be named: its orders are held until it is on.

    Raises:
        NotFoundError: No such store is connected.
        InvalidRequestError: The line maps to nothing, or to a SKU that Jetpack does not know. Nothing was saved.
        PartnerError: Jetpack cannot be asked. Nothing was saved.
        TransientError: As above, or the queue did not take the message: then the line is saved, and held orders find
            it at their next look.
    """
    store = store_to_change(slug, settings)
    mapping = _mapping(sku, components)
    names = frozenset(name for name, _ in mapping.components)
    known = partners.warehouse(store).catalogue(names, frozenset()).skus
    if unknown := sorted(names - known.keys()):
        message = f"Jetpack does not know {', '.join(unknown)}: create the product there first"
        raise InvalidRequestError(message)
    if store.sku_map.get(sku) != mapping:
        settings.save_sku(slug, mapping)
        packed = " + ".join(f"{units} of {name}" for name, units in mapping.components)
        settings.note_change(slug, Change(clock(), by, "sku_saved", f"{sku} → {packed}"))
    _release(slug, sweep_queue, clock, new_id)
    return mapping


def _mapping(sku: str, components: Sequence[tuple[str, int]]) -> SkuMapping:
    if len(components) > MOST_COMPONENTS or any(units > MOST_UNITS for _, units in components):
        message = f"a SKU is mapped to at most {MOST_COMPONENTS} others, at most {MOST_UNITS} units of each"
        raise InvalidRequestError(message)
    if any(len(each.encode("utf-8", "surrogatepass")) > LONGEST for each in (sku, *(name for name, _ in components))):
        message = f"a SKU is at most {LONGEST} bytes long"
        raise InvalidRequestError(message)
    try:
        return SkuMapping(sku, tuple(components))
    except ValueError as error:
        raise InvalidRequestError(str(error)) from error


def delete_sku(  # noqa: PLR0913 - the line, who deletes it, and one keyword a port
    slug: StoreSlug,
    sku: str,
    *,
    by: str,
    settings: StoreSettings,
    sweep_queue: WakeUpQueue,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
) -> None:
    """Delete one line of the SKU map: the SKU has the same name at Jetpack from then on. What is gone counts as done.

    Raises:
        NotFoundError: No such store is connected.
        TransientError: Our tables do not answer; or the queue did not, and held orders find it at their next look.
    """
    if sku not in store_to_change(slug, settings).sku_map:
        return
    settings.delete_sku(slug, sku)
    settings.note_change(slug, Change(clock(), by, "sku_deleted", sku))
    _release(slug, sweep_queue, clock, new_id)


def _release(
    slug: StoreSlug, sweep_queue: WakeUpQueue, clock: Callable[[], datetime], new_id: Callable[[], str]
) -> None:
    # What an order is packed from also decides whether there is enough of it, and what customs are told.
    waited_for = ["unknown_sku", "inactive_sku", "out_of_stock", "customs_data_missing"]
    release_held(slug, waited_for, sweep_queue=sweep_queue, clock=clock, new_id=new_id)
