"""What a person orders for one order: look again, hold, release, exclude, forward now, cancel at Jetpack.

A wish is state, not an effect: it is written into the record, and the next look does what follows from it. Should the
wake-up be lost, the record is due and the sweep finds it within a minute.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from jetbridge.domain.changes import Change, Ordered, Wish
from jetbridge.domain.holds import REASONS
from jetbridge.domain.record import (
    FINISHED,
    ConsignmentState,
    NextLook,
    OrderRecord,
    Status,
    UnitState,
    looking_again,
    units_by_state,
)
from jetbridge.domain.shipstation import stood_in_for
from jetbridge.domain.timeline import TimelineEvent
from jetbridge.errors import ConflictError, InvalidRequestError, NotFoundError, TransientError
from jetbridge.messages import WakeUp
from jetbridge.use_cases.changing import store_to_change

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from jetbridge.domain.identifiers import OrderId, StoreSlug
    from jetbridge.ports import OrderRecords, StoreSettings, WakeUpQueue

BY = "console"
LONGEST_REASON = 200

MERGES = 20
"""Each failed write means that somebody else succeeded, so this is never reached but by a bug."""


class OrderAction(StrEnum):
    """What can be ordered."""

    LOOK_AGAIN = "look_again"
    HOLD = "hold"
    RELEASE = "release"
    """Lift what a person ordered: the rules decide again."""
    EXCLUDE = "exclude"
    FORWARD_NOW = "forward_now"
    CANCEL = "cancel"
    """As exclude: Jetpack is asked to cancel what is not picked yet, and gets nothing more."""


WISHES = {
    OrderAction.HOLD: Wish.HOLD,
    OrderAction.EXCLUDE: Wish.EXCLUDE,
    OrderAction.CANCEL: Wish.EXCLUDE,
    OrderAction.FORWARD_NOW: Wish.FORWARD,
}


@dataclass(frozen=True, slots=True)
class Acted:
    """What was ordered, and what follows from it."""

    order_id: OrderId
    name: str
    action: OrderAction
    status: Status
    """As it was when that was ordered; the look that follows changes it."""
    text: str


def act_on_order(  # noqa: PLR0913 - which order, what, by whom, and one keyword a port
    slug: StoreSlug,
    order_id: OrderId,
    action: OrderAction,
    *,
    reason: str = "",
    by: str,
    records: OrderRecords,
    settings: StoreSettings,
    order_queue: WakeUpQueue,
    tracking_queue: WakeUpQueue,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
) -> Acted:
    """Order something for one order. Safe to repeat.

    Args:
        slug: The store.
        order_id: The order.
        action: What to do.
        reason: Why, in the person's own words; shown with the order, so it names no customer.
        by: Who orders it.
        records: OrdersTable.
        settings: SettingsTable.
        order_queue: Wakes the way forward.
        tracking_queue: Wakes the way back.
        clock: The time.
        new_id: Makes an id of this order.

    Raises:
        NotFoundError: No such store is connected, or nobody here has seen such an order.
        InvalidRequestError: It makes no sense for the order as it stands; says why.
        ConflictError: The record was written by others again and again.
        TransientError: Our own tables or queues do not answer.
    """
    store_to_change(slug, settings)
    reason = " ".join(reason.split())
    if len(reason) > LONGEST_REASON:
        message = f"reason: at most {LONGEST_REASON} characters"
        raise InvalidRequestError(message)
    now = clock()
    wake_up = WakeUp(slug, "order", order_id, f"person:{new_id()}", now.timestamp())
    if action is OrderAction.LOOK_AGAIN:
        record = _read(slug, order_id, records)
        order_queue.send([wake_up])
        tracking_queue.send([wake_up])
    else:
        ordered = Ordered(WISHES[action], by, now, reason) if action in WISHES else None
        record = _ordered(slug, order_id, action, ordered, now, records)
        # It is written and due: what the queue does not take, the sweep finds.
        with contextlib.suppress(TransientError):
            order_queue.send([wake_up])
    did = f"{by} ordered: {action.replace('_', ' ')}{f' ({reason})' if reason else ''}"
    records.note(slug, order_id, TimelineEvent(now, BY, f"person:{by}", record.status, (did,)))
    settings.note_change(slug, Change(now, by, f"order_{action}", f"{record.name or order_id} ({order_id})"))
    return Acted(order_id, record.name, action, record.status, FOLLOWS[action])


FOLLOWS = {
    OrderAction.LOOK_AGAIN: "The order is read again at its source and at Jetpack, within a minute.",
    OrderAction.HOLD: "The order is held until somebody releases it; what lies at Jetpack unpicked is stopped there.",
    OrderAction.RELEASE: "What was ordered for it is lifted; the rules decide again, within a minute.",
    OrderAction.EXCLUDE: "The order is left to somebody else; what lies at Jetpack unpicked is cancelled there.",
    OrderAction.FORWARD_NOW: (
        "The order is forwarded within a minute, whatever risk, grace minutes, rules and stock say. It still needs a "
        "payment, an address, known SKUs and a ship option."
    ),
    OrderAction.CANCEL: (
        "Jetpack is asked to cancel what is not picked yet, and gets nothing more of this order. What is picked ships; "
        "the order's timeline says what came of it."
    ),
}
"""What a person is told."""


def _read(slug: StoreSlug, order_id: OrderId, records: OrderRecords) -> OrderRecord:
    record = records.read(slug, order_id)
    if record is None:
        message = "nobody here has seen an order with this id: it is the number at the end of its address in Shopify"
        raise NotFoundError(message)
    return record


def _ordered(  # noqa: PLR0913, PLR0917 - which order, and what is written into its record
    slug: StoreSlug,
    order_id: OrderId,
    action: OrderAction,
    ordered: Ordered | None,
    now: datetime,
    records: OrderRecords,
) -> OrderRecord:
    """Write a wish, or that there is none any more, into the record, whoever writes it meanwhile."""
    for _ in range(MERGES):
        record = _read(slug, order_id, records)
        if senseless := _senseless(record, action):
            raise InvalidRequestError(senseless)
        wished = looking_again(replace(record, ordered_by_person=ordered), NextLook.FORWARD, now)
        try:
            return records.write(wished)
        except ConflictError:
            continue
    raise ConflictError


def _senseless(record: OrderRecord, action: OrderAction) -> str:  # noqa: C901, PLR0911 - one return a reason
    """Say why an action makes no sense for the order as it stands; empty when it does."""
    units = units_by_state(record)
    before = record.ordered_by_person
    if action is OrderAction.RELEASE:
        if before:
            return ""
        if record.hold:
            found = REASONS[record.hold.reason]
            return f"no person holds it; it is held because {found.meaning}. {found.next_step}"
        return "nobody ordered anything for it"
    if stood_in_for(record.order_id):
        return "nobody knows yet which Shopify order it is; what is ordered for it now would be lost"
    if before and WISHES[action] is before.wish:
        return ""  # ordered again
    if record.status in FINISHED and record.status is not Status.EXCLUDED:
        return f"the order is {record.status}: nothing of it is left"
    at_jetpack = units[UnitState.FORWARDED] + units[UnitState.FORWARDING]
    here = units[UnitState.WAITING] + units[UnitState.HELD]
    if action is OrderAction.FORWARD_NOW:
        unknown = any(each.trouble and each.state is ConsignmentState.CREATING for each in record.live)
        if record.unseen or here + units[UnitState.EXCLUDED] or unknown:
            return ""
        return "nothing of it is left to forward: it is at Jetpack already, or was sent or cancelled by others"
    if record.unseen or here + at_jetpack:
        return ""
    if record.status is Status.EXCLUDED:
        return "the order is excluded already: nothing of it goes to Jetpack"
    return "all of it has left Jetpack already"
