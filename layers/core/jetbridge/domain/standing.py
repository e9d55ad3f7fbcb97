"""Where an order stands when nothing is to be done now: its units, its hold, when to look again, what Shopify shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from jetbridge.domain.accounting import Rest, account, consigned, fulfilled_by_us_and_elsewhere, route_of
from jetbridge.domain.changes import Wish
from jetbridge.domain.gates import PASSED, SEVERAL, Gate
from jetbridge.domain.holds import REASONS, Hold, continued
from jetbridge.domain.identifiers import LineId
from jetbridge.domain.record import Consignment, ConsignmentState, NextLook, OrderRecord, UnitState, settled
from jetbridge.domain.store import Route

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jetbridge.domain.order import Order
    from jetbridge.domain.store import Store

Stops = dict[tuple[str, LineId | None], Gate]
"""Where units stopped that passed every gate of their own: by ShipStation order ("" on the direct route) and line.

None for the line speaks of all lines that are not named.
"""


@dataclass(frozen=True, slots=True)
class Mirror:
    """What has to change for Shopify to show our holds as they are (route `direct`). Safe to repeat."""

    hold: tuple[tuple[str, str, str], ...] = ()
    """(fulfillment order, Shopify's reason, ours in plain words)"""
    release: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(fulfillment order, its holds of ours)"""


NOTHING_TO_MIRROR = Mirror()


def stand(  # noqa: PLR0913 - what was read, and what was decided about it
    record: OrderRecord,
    order: Order,
    store: Store,
    now: datetime,
    *,
    stops: Mapping[tuple[str, LineId | None], Gate] | None = None,
    hold: Hold | None = None,
    wake: datetime | None = None,
) -> tuple[OrderRecord, Mirror]:
    """Write down where everything stands.

    Without a stop, units that passed every gate of their own wait for something under way elsewhere in the order.
    """
    places, rests = account(order, record, store, now)
    rests = [_stopped(rest, stops or {}) for rest in rests]
    for rest in rests:
        places[UnitState.WAITING if rest.gate.passed else rest.gate.state] += rest.quantity
    held = next((rest.gate for rest in rests if rest.gate.state is UnitState.HELD), None)
    if hold is None and held:
        same = (rest.gate.detail for rest in rests if rest.gate.state is held.state and rest.gate.reason == held.reason)
        hold = Hold(held.reason, now, SEVERAL.join(dict.fromkeys(same)))
    hold = hold or next((each.refusal for each in record.live if each.refusal), None)
    if hold is None and any(each.held_back for each in record.live):
        hold = Hold("store_hold", now, "on hold at the source after it was forwarded, and at Jetpack too")
    shown = held or next((rest.gate for rest in rests if not rest.gate.passed), None)
    standing = replace(
        record,
        ordered=max(sum(line.quantity for line in order.lines), 0),
        others=tuple(sorted((+places).items())),
        hold=continued(hold, record.hold),
        reason=(hold.reason if hold else "") or (shown.reason if shown else ""),
    )
    wakes = [wake, *(rest.gate.until for rest in rests)]
    return settled(standing, now, looked=NextLook.FORWARD, wake=wakes), mirror_of(rests, order, record, store)


def _stopped(rest: Rest, stops: Mapping[tuple[str, LineId | None], Gate]) -> Rest:
    if not rest.gate.passed:
        return rest
    return replace(rest, gate=stops.get((rest.part, rest.line_id)) or stops.get((rest.part, None), PASSED))


def mirror_of(rests: Iterable[Rest], order: Order, record: OrderRecord, store: Store) -> Mirror:
    """Find the fulfillment orders that should show a hold of ours and do not, or do and should not.

    A hold in Shopify is of whole fulfillment orders: one is held only if every unit left in it is, and nothing of
    it is at Jetpack and not announced, which a hold would keep from being so. Waiting is never mirrored.
    A hold that shows another reason than ours now is in both lists: taken off first, then put on anew.
    """
    gates: dict[str, list[Gate]] = {}
    for rest in rests:
        gates.setdefault(rest.fulfillment_order, []).append(rest.gate)
    mirroring = store.mirror_holds and route_of(order, record, store) is Route.DIRECT
    unannounced = consigned(record)
    unannounced.subtract(fulfilled_by_us_and_elsewhere(order, record)[0])
    hold, release = [], []
    for each in order.fulfillment_orders:
        if each.closed:
            continue
        why = _why(gates.get(each.id, []), record) if mirroring else None
        if any(line.remaining and unannounced[line.line_id] > 0 for line in each.lines):
            why = None
        ours = [mirrored for mirrored in each.holds if mirrored.ours]
        stale = [mirrored for mirrored in ours if why is None or mirrored.reason != why[0]]
        if stale:
            release.append((each.id, tuple(mirrored.id for mirrored in ours)))
        if why and len(each.holds) == len(ours) and (stale or not ours) and "HOLD" in each.supported_actions:
            hold.append((each.id, *why))
    return Mirror(tuple(hold), tuple(release)) if hold or release else NOTHING_TO_MIRROR


def _why(gates: list[Gate], record: OrderRecord) -> tuple[str, str] | None:
    """Say how Shopify shows why these units are held; None if some are not, or not by us."""
    if not gates or any(gate.state is not UnitState.HELD for gate in gates):
        return None
    reason = REASONS[gates[0].reason]
    by_person = record.wish is Wish.HOLD
    shown = reason.shopify or ("OTHER" if by_person and gates[0].reason == "store_hold" else "")
    return (shown, f"{gates[0].reason}: {reason.meaning}. {reason.next_step}") if shown else None


def standing(
    record: OrderRecord, order: Order, store: Store, now: datetime, *, hold: Hold | None = None
) -> OrderRecord:
    """Give every unit its place after something was taken back; with `hold`, free units are held by it."""
    held = Gate(UnitState.HELD, hold.reason, hold.detail) if hold else PASSED
    stops: Stops = dict.fromkeys((("", None), *((part.id, None) for part in order.shipstation)), held)
    return stand(record, order, store, now, stops=stops, hold=hold)[0]


def intended(record: OrderRecord, order: Order, consignment: Consignment, store: Store, now: datetime) -> OrderRecord:
    """Write a consignment down before it is sent: its units leave the others, so that no unit is in two places."""
    creating = replace(
        record.with_consignment(replace(consignment, state=ConsignmentState.CREATING)),
        route=route_of(order, record, store),
    )
    return stand(creating, order, store, now)[0]
