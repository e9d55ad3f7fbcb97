"""Mark orders as shipped in ShipStation: so that it tells the shop, or only so that nobody ships them again.

A mark is written down before it is made, and looked for before it is made again (facts/shipstation.md section 10:
what a repeated mark does is not documented).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from jetbridge.domain.parcels import with_parcel
from jetbridge.domain.record import MarkState, OrderRecord, Parcel, ParcelState, ShipStationMark, Writer
from jetbridge.domain.shipstation import Mark
from jetbridge.errors import PartnerError, RejectedByPartnerError
from jetbridge.use_cases.looking import LOOK_AGAIN, Look

if TYPE_CHECKING:
    from jetbridge.domain.record import Consignment
    from jetbridge.domain.store import Store

Waiting = list[tuple["Consignment", Parcel]]

PATIENCE = timedelta(minutes=60)
"""How long ShipStation has to tell the shop, before we do (DESIGN section 7)."""

FIRST_PROOF_LOOK, LONGEST_PROOF_LOOK = timedelta(minutes=1), timedelta(minutes=15)
"""When to look for the proof that it did, and again each time twice as late. Its list is read once for many orders."""

PROOF_WINDOW = PATIENCE + timedelta(minutes=30)


class ShipStationTelling:
    """What one look tells ShipStation of one order."""

    def __init__(self, look: Look, store: Store) -> None:
        self.look = look
        self.desk = look.partners.desk(store)

    def tell(self, record: OrderRecord, waiting: Waiting) -> tuple[OrderRecord, Waiting]:
        """Let ShipStation tell the shop of the order's first parcel, or see whether it has.

        Returns:
            The record as stored, and the parcels the shop must be told of by ourselves: later ones, changed
            numbers, and the first if ShipStation could not.
        """
        ours: Waiting = []
        for consignment, parcel in waiting:
            mark = record.mark(consignment.shipstation_id)
            if mark and mark.number != parcel.number and not parcel.told and _unproven(record, mark):
                # Nobody can say yet what the shop was told: a later parcel waits for the first.
                record = self._wait(record, consignment, parcel)
                continue
            if parcel.told or (mark and mark.number != parcel.number):
                ours.append((consignment, parcel))
                continue
            record = self._tell_first(record, consignment, parcel, mark)
            if record.writer is Writer.SHOPIFY:
                ours.append((consignment, parcel))
        return record, ours

    def _wait(self, record: OrderRecord, consignment: Consignment, parcel: Parcel) -> OrderRecord:
        look, later = self.look, replace(parcel, until=self.look.clock() + LOOK_AGAIN)
        return look.merge(record, lambda now: look.settle(_with(now, consignment, later)))

    def _tell_first(
        self, record: OrderRecord, consignment: Consignment, parcel: Parcel, mark: ShipStationMark | None
    ) -> OrderRecord:
        """Take the next step of telling one parcel: mark, look for the mark, look for the proof."""
        look, part = self.look, consignment.shipstation_id
        if mark and look.clock() - mark.since >= PATIENCE:
            told = self._shop_was_told(part, parcel.number) if mark.state is MarkState.MARKED else None
            return self._announced(record, consignment, parcel) if told else self._give_up(record, mark, "too late")
        if mark and mark.state is MarkState.MARKED:
            told = self._shop_was_told(part, parcel.number)
            if told:
                return self._announced(record, consignment, parcel)
            if told is False:
                return self._give_up(record, mark, "it could not tell the shop")
        else:
            record = self._mark(record, part, parcel.number, parcel, notify=True)
            mark = record.mark(part)
            if mark and mark.state is MarkState.FAILED:
                return self._give_up(record, mark, "it refused the mark")
        marked = mark is not None and mark.state is MarkState.MARKED
        waited = look.clock() - mark.since if mark else timedelta()
        proof = min(max(FIRST_PROOF_LOOK, waited), LONGEST_PROOF_LOOK, PATIENCE - waited)
        again = look.clock() + (proof if marked else LOOK_AGAIN)
        return look.merge(record, lambda now: look.settle(_with(now, consignment, replace(parcel, until=again))))

    def _shop_was_told(self, part: str, number: str) -> bool | None:
        """Whether ShipStation says that the shop knows; None while it says nothing."""
        try:
            rows = self.desk.fulfillments_since(self.look.clock() - PROOF_WINDOW)
            found = [each for each in rows if each.order_id == part and each.number == number and not each.voided]
        except PartnerError as error:
            self.look.did.append(f"ShipStation's fulfillments not read: {type(error).__name__}")
            return None
        if any(each.channel_told for each in found):
            return True
        return False if any(each.error for each in found) else None

    def _announced(self, record: OrderRecord, consignment: Consignment, parcel: Parcel) -> OrderRecord:
        look = self.look
        look.did.append(f"ShipStation has told the shop of parcel {parcel.shipment_id}")
        done = replace(parcel, state=ParcelState.ANNOUNCED, url="", until=None)
        return look.merge(record, lambda now: look.settle(_with(now, consignment, done)))

    def _give_up(self, record: OrderRecord, mark: ShipStationMark, why: str) -> OrderRecord:
        """Let us tell the shop instead, once and for all: it is read first, so nothing is told twice."""
        look = self.look
        look.did.append(f"ShipStation order {mark.shipstation_id}: {why}, so we tell the shop")
        return look.merge(record, lambda now: replace(now, writer=Writer.SHOPIFY))

    # -- marks -----------------------------------------------------------------------------------------------

    def mark_rest(self, record: OrderRecord) -> OrderRecord:
        """Mark what the shop was told of by us, without telling anybody. What cannot be marked in an hour is left."""
        for part, number in record.owed_marks:
            parcel = next(each for each in record.parcels if each.number == number)
            mark = record.mark(part)
            if mark and self.look.clock() - mark.since >= PATIENCE:
                self.look.did.append(f"ShipStation order {part} could not be marked as shipped")
                record = self._set(record, replace(mark, state=MarkState.FAILED, until=None))
            else:
                record = self._mark(record, part, number, parcel, notify=False)
        return record

    def _mark(self, record: OrderRecord, part: str, number: str, parcel: Parcel, *, notify: bool) -> OrderRecord:
        """Mark one order under an intent; after an unknown outcome look for the mark first."""
        look = self.look
        known = record.mark(part)
        mark = known or ShipStationMark(part, number, MarkState.MARKING, look.clock())
        record = look.write(look.settle(record.with_mark(replace(mark, until=look.intent_end()))))
        try:
            if known and any(each.number == number and not each.voided for each in self.desk.fulfillments_of(part)):
                look.did.append(f"ShipStation order {part} was marked already")
            else:
                self.desk.mark_shipped(Mark(part, number, parcel.carrier, look.clock(), notify))
                look.did.append(f"marked ShipStation order {part} as shipped")
        except RejectedByPartnerError as error:
            look.did.append(f"ShipStation refuses to mark order {part}: {error}")
            return self._set(record, replace(mark, state=MarkState.FAILED, until=None))
        except PartnerError as error:
            look.did.append(f"ShipStation order {part} not marked yet: {type(error).__name__}")
            return self._set(record, replace(mark, until=look.clock() + LOOK_AGAIN))
        return self._set(record, replace(mark, state=MarkState.MARKED, until=None))

    def _set(self, record: OrderRecord, mark: ShipStationMark) -> OrderRecord:
        return self.look.merge(record, lambda now: self.look.settle(now.with_mark(mark)))


def _unproven(record: OrderRecord, mark: ShipStationMark) -> bool:
    """Whether ShipStation is still to tell the shop of the parcel it was marked with."""
    first = (each for each in record.parcels if each.number == mark.number)
    return record.writer is Writer.SHIPSTATION and any(each.state is ParcelState.ANNOUNCING for each in first)


def _with(record: OrderRecord, consignment: Consignment, parcel: Parcel) -> OrderRecord:
    """Put a parcel in, unless it was told of by other means meanwhile."""
    for current in record.consignment(consignment.n).parcels:
        if current.shipment_id == parcel.shipment_id and current.state is ParcelState.ANNOUNCING:
            return with_parcel(record, consignment.n, parcel)
    return record
