"""What rules say besides the decision: tags and notes on the Shopify order, notices to people, the forwarded mark."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jetbridge.domain.order import digest
from jetbridge.domain.planning import verdict_on
from jetbridge.domain.record import OWED
from jetbridge.domain.shipstation import as_seen
from jetbridge.errors import JetbridgeError, OutcomeUnknownError, PartnerError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jetbridge.domain.order import Order
    from jetbridge.domain.record import OrderRecord
    from jetbridge.domain.rules import Verdict
    from jetbridge.domain.store import Store
    from jetbridge.ports import Notices, Shop
    from jetbridge.use_cases.looking import Look


def owing_marks(record: OrderRecord, verdicts: Sequence[Verdict]) -> OrderRecord:
    """Note before a create that the rules' marks are still to be set: afterwards the rules are not asked again."""
    if record.owes_marks or not any(_said(verdicts)):
        return record
    told = {_key(message) for message in _said(verdicts)[-1]}
    rules, _, mark = record.shop_marked.partition("/")
    if rules == _rules_hash(verdicts) and told <= {*record.told}:
        return record
    return replace(record, shop_marked=f"{rules}/{mark}{OWED}")


def mark_at_shop(  # noqa: PLR0913, PLR0917 - the look, what it read, and what the rules said
    look: Look, store: Store, order: Order, record: OrderRecord, verdicts: Sequence[Verdict], notices: Notices
) -> OrderRecord:
    """Set tags, notes and the forwarded mark when the rules' word about them is new, and send each notice once.

    Everything here may be repeated: tags are added beside others, a note is read first. What a person takes off again
    by hand stays off, because only a new word of the rules is carried out.
    """
    if record.owes_marks and not verdicts:
        views = [as_seen(order, part.id) for part in order.shipstation] or [order]
        verdicts = [verdict_on(view, store, look.clock()) for view in views]
    before = record.shop_marked.removesuffix(OWED)
    wanted = _wanted(order, record, store, verdicts)
    told, failure = _notify(look, order, record, verdicts, notices)
    if wanted not in {before, "/"}:
        try:
            _mark(look.partners.shop(store), order, record, store, verdicts)
            look.did.append("tags and notes set at the shop")
        except (TransientError, OutcomeUnknownError) as error:
            look.did.append(f"tags and notes put off: {type(error).__name__}")
            wanted, failure = before, error
        except PartnerError as error:
            # The shop refuses, for a missing permission most often: asked again when the rules say something else.
            look.did.append(f"tags and notes refused by Shopify: {type(error).__name__}")
    owed, late = (OWED, failure) if failure else ("", None)
    marked = replace(record, shop_marked="" if wanted == "/" and not owed else f"{wanted}{owed}", told=told)
    if marked == record:
        return record

    def merged(current: OrderRecord) -> OrderRecord:
        current = replace(current, shop_marked=marked.shop_marked, told=marked.told)
        return look.put_off(current, late) if late else look.settle(current)

    return look.merge(record, merged)


def _wanted(order: Order, record: OrderRecord, store: Store, verdicts: Sequence[Verdict]) -> str:
    """Hash what should stand at the shop: the rules' word, as it last was while they are not asked, and our mark."""
    rules, _, mark = record.shop_marked.removesuffix(OWED).partition("/")
    if order.cancelled_at:
        return f"{rules}/{mark}"
    if verdicts:
        rules = _rules_hash(verdicts)
    if store.mark_forwarded and (references := _references(record)):
        mark = digest(references)
    return f"{rules}/{mark}"


def _said(verdicts: Sequence[Verdict]) -> list[list[str]]:
    """Give what all verdicts together want: tags on, tags off, notes, notices."""
    return [
        _all(each.add_tags for each in verdicts),
        _all(each.remove_tags for each in verdicts),
        _all(each.notes for each in verdicts),
        _all(each.notifications for each in verdicts),
    ]


def _rules_hash(verdicts: Sequence[Verdict]) -> str:
    *marks, _ = _said(verdicts)
    return digest(marks) if any(marks) else ""


def _mark(shop: Shop, order: Order, record: OrderRecord, store: Store, verdicts: Sequence[Verdict]) -> None:
    added, removed, notes, _ = _said(verdicts)
    has = {tag.casefold() for tag in order.tags}
    if add := [tag for tag in added if tag.casefold() not in has]:
        shop.add_tags(order.id, add)
    if remove := [tag for tag in removed if tag.casefold() in has]:
        shop.remove_tags(order.id, remove)
    if new := [note for note in notes if note not in order.note.splitlines()]:
        shop.set_note(order.id, "\n".join(filter(None, (order.note, *new))))
    if store.mark_forwarded and (references := _references(record)):
        shop.mark_forwarded(order.id, references)


def _notify(
    look: Look, order: Order, record: OrderRecord, verdicts: Sequence[Verdict], notices: Notices
) -> tuple[tuple[str, ...], JetbridgeError | None]:
    """Tell people once what a rule wants them to know; twice if we die between telling and noting it."""
    told, failure = record.told, None
    for message in _said(verdicts)[-1]:
        if (key := _key(message)) not in told:
            try:
                notices.publish(record.store, f"Order {order.name}", message)
            except JetbridgeError as error:
                look.did.append(f"nobody told: {type(error).__name__}")
                failure = error
                continue
            told = (*told, key)
            look.did.append("told people what a rule says")
    return told, failure


def _key(message: str) -> str:
    return digest(message)[:8]


def _references(record: OrderRecord) -> list[str]:
    return [each.reference for each in record.live if each.jetpack_order_id]


def _all(each: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(text for texts in each for text in texts))
