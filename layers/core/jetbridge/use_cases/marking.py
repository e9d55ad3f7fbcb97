"""What rules say besides the decision: tags and notes on the Shopify order, notices to people, the forwarded mark."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from jetbridge.domain.accounting import route_of
from jetbridge.domain.order import digest
from jetbridge.domain.planning import verdict_on
from jetbridge.domain.record import HELD_LOOK, OWED, NextLook, UnitState, looking_again, units_by_state
from jetbridge.domain.shipstation import as_seen
from jetbridge.domain.store import Route
from jetbridge.errors import JetbridgeError, OutcomeUnknownError, PartnerError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from jetbridge.domain.order import Order
    from jetbridge.domain.record import OrderRecord
    from jetbridge.domain.store import Store
    from jetbridge.ports import Notices
    from jetbridge.use_cases.looking import Look

Write = tuple[str, "Callable[[], None]"]
"""What it does, in words, and how."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What the rules want besides their decision, all ShipStation orders of an order taken together."""

    add: list[str]
    remove: list[str]
    notes: list[str]
    notices: list[str]

    @property
    def marks(self) -> str:
        """Hash what is to be set at the shop; empty if nothing is."""
        marks = [self.add, self.remove, self.notes]
        return digest(marks) if any(marks) else ""


def owing_marks(record: OrderRecord, order: Order, store: Store, now: datetime) -> OrderRecord:
    """Note before a create that the rules' marks are still to be set: afterwards the rules are not asked again."""
    if record.owes_marks:
        return record
    said = _said(order, record, store, now)
    rules, mark = _set_last(record)
    if said.marks in {"", rules} and {_key(message) for message in said.notices} <= {*record.told}:
        return record
    return replace(record, shop_marked=f"{rules}/{mark}{OWED}")


def mark_at_shop(  # noqa: PLR0913 - the look, what it read, and how far it came
    look: Look,
    store: Store,
    order: Order,
    record: OrderRecord,
    notices: Notices,
    *,
    ruled: bool,
    failure: JetbridgeError | None = None,
) -> OrderRecord:
    """Set tags, notes and the forwarded mark when the word about them is new, and send each notice once.

    Everything here may be repeated: tags are added beside others, a note is read first. What a person takes off again
    by hand stays off, because only a new word of the rules is carried out.

    Args:
        look: The look that found nothing more to do at Jetpack.
        store: The merchant's settings.
        order: The source as it is now.
        record: Our record, as it was written.
        notices: Where people are told.
        ruled: Whether this look asked the rules. All of the order is then asked about, so that what they say of one
            ShipStation order is not taken for all they say.
        failure: What else could not be shown at the shop; with it, too, the look is put off.
    """
    rules, mark = _set_last(record)
    told, owed = record.told, list[JetbridgeError]()
    if ruled or record.owes_marks:
        said = _said(order, record, store, look.clock())
        told = _notify(look, order, record, said, notices, owed)
        if said.marks != rules and not order.cancelled_at:
            done = _carried_out(look, _tags_and_notes(look, store, order, said), owed)
            rules = said.marks if done else rules
    references = [each.reference for each in record.live if each.jetpack_order_id]
    wanted = digest(references) if references and (mark or store.mark_forwarded) else ""
    if wanted != mark and _carried_out(look, _forwarded_mark(look, store, order, references), owed):
        mark = wanted
    shop_marked = f"{rules}/{mark}{OWED}" if owed else f"{rules}/{mark}" if rules or mark else ""
    late = failure or next(iter(owed), None)

    def marked(current: OrderRecord) -> OrderRecord:
        current = replace(current, shop_marked=shop_marked, told=told)
        if late:
            return _come_back(look, current, late)
        current = replace(current, attempts=0, failing_since=None)
        # What waits has a moment to be looked at that only the plan knows; it is not put off.
        return current if not record.owes_marks or _waits(current) else look.settle(current)

    return look.merge(record, marked)


def _come_back(look: Look, record: OrderRecord, error: JetbridgeError) -> OrderRecord:
    """Back off; but units that wait for something else do not wait longer for a shop that takes no tags."""
    late = look.put_off(record, error)
    latest = look.clock() + HELD_LOOK
    if _waits(late) and late.forward_at and late.forward_at > latest:
        return looking_again(late, NextLook.FORWARD, latest)
    return late


def _waits(record: OrderRecord) -> bool:
    units = units_by_state(record)
    return bool(units[UnitState.WAITING] or units[UnitState.HELD])


def _set_last(record: OrderRecord) -> tuple[str, str]:
    """Give the hashes of what was set at the shop last: by the rules' word, and our mark."""
    rules, _, mark = record.shop_marked.removesuffix(OWED).partition("/")
    return rules, mark


def _said(order: Order, record: OrderRecord, store: Store, now: datetime) -> _Said:
    """Ask the rules about everything the order is on its route."""
    views = [order]
    if route_of(order, record, store) is Route.SHIPSTATION:
        views = [as_seen(order, part.id) for part in order.shipstation] or views
    verdicts = [verdict_on(view, store, now) for view in views]
    return _Said(
        _all(each.add_tags for each in verdicts),
        _all(each.remove_tags for each in verdicts),
        _all(each.notes for each in verdicts),
        _all(each.notifications for each in verdicts),
    )


def _tags_and_notes(look: Look, store: Store, order: Order, said: _Said) -> Iterator[Write]:
    shop = look.partners.shop(store)
    has = {tag.casefold() for tag in order.tags}
    if add := [tag for tag in said.add if tag.casefold() not in has]:
        yield "add tags", partial(shop.add_tags, order.id, add)
    if remove := [tag for tag in said.remove if tag.casefold() in has]:
        yield "remove tags", partial(shop.remove_tags, order.id, remove)
    if new := [note for note in said.notes if _lines(note) not in _lines(order.note)]:
        yield "add a note", partial(shop.set_note, order.id, "\n".join(filter(None, (order.note, *new))))


def _lines(text: str) -> str:
    """Bound a text by line ends, whichever: it is found in another only as whole lines."""
    return "\n".join(("", *text.splitlines(), ""))


def _forwarded_mark(look: Look, store: Store, order: Order, references: list[str]) -> Iterator[Write]:
    what = "mark as forwarded" if references else "take off the forwarded mark"
    yield what, partial(look.partners.shop(store).mark_forwarded, order.id, references)


def _carried_out(look: Look, writes: Iterable[Write], owed: list[JetbridgeError]) -> bool:
    """Make every write on its own; False if one of them is still owed."""
    done = True
    for what, write in writes:
        try:
            write()
            look.did.append(f"{what} at the shop")
        except (TransientError, OutcomeUnknownError) as error:
            look.did.append(f"{what} at the shop: put off ({type(error).__name__})")
            owed.append(error)
            done = False
        except PartnerError as error:
            # The shop refuses, for a missing permission most often: asked again when the rules say something else.
            look.did.append(f"{what} at the shop: refused ({type(error).__name__})")
    return done


def _notify(  # noqa: PLR0913, PLR0917 - whom to tell, what, and what came of it
    look: Look, order: Order, record: OrderRecord, said: _Said, notices: Notices, owed: list[JetbridgeError]
) -> tuple[str, ...]:
    """Tell people once what a rule wants them to know; twice if we die between telling and noting it."""
    told = record.told
    for message in said.notices:
        if (key := _key(message)) not in told:
            try:
                notices.publish(record.store, f"Order {order.name}", message)
            except JetbridgeError as error:
                look.did.append(f"nobody told: {type(error).__name__}")
                owed.append(error)
                continue
            told = (*told, key)
            look.did.append("told people what a rule says")
    return told


def _key(message: str) -> str:
    return digest(message)[:8]


def _all(each: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(text for texts in each for text in texts))
