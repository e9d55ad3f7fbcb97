"""OrdersTable: the book about every order, in DynamoDB.

    pk = ORDER#{store}#{order_id}
    sk = STATE                  the OrderRecord: the only item written often, and the only lock
         SNAPSHOT               the order as last seen, compressed JSON; personal data, leaves after 90 days
         PARCEL#{shipment}      a finished parcel
         EVENT#{time}#{n}       one entry of the timeline; leaves after 90 days

    pk = SHIPSTATION#{store}#{shipstation_id}
    sk = ORDER                  an order of ShipStation as last read, whose part it is; like a snapshot

STATE holds the record's fields under their own names, without those that equal their default; inside its consignments,
hold and decision the names are those of `SHORT`. It carries the keys of three sparse KEYS_ONLY indexes:

    OpenOrders     store_status = {store}#{status}         since         absent once nothing is due any more
    Due            due_shard = DUE#{0..3}#{next look}      due_at        absent once nothing is due any more
    OrdersByDay    store_day = {store}#{YYYY-MM-DD}        created_at    for ever
"""

from __future__ import annotations

import contextlib
import json
import random
import time
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import TYPE_CHECKING, Any

from jetbridge.aws.failures import our_errors
from jetbridge.aws.items import Item, data_of, item, query
from jetbridge.aws.values import moment, plain, restored, timestamp
from jetbridge.domain.identifiers import OrderId, StoreSlug
from jetbridge.domain.order import Order, digest
from jetbridge.domain.record import NextLook, OrderRecord
from jetbridge.domain.shipstation import ShipStationOrder
from jetbridge.domain.timeline import TimelineEvent
from jetbridge.errors import ConfigurationError, ConflictError, InvalidRequestError, TransientError
from jetbridge.ports import DueOrder, KeptShipStationOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from mypy_boto3_dynamodb import DynamoDBClient

    from jetbridge.domain.record import Parcel, Status

KEEP = timedelta(days=90)
"""How long snapshots and timelines are kept. DynamoDB deletes up to two days late, so the end is checked here too."""

SHARDS = 4
"""Writes of one index key are limited to 1,000 a second; four are far beyond what the partners let through."""

KEYS_A_CALL = 100
"""The most BatchGetItem takes."""

ROUNDS = 8
"""How often BatchGetItem is asked for what it left out: about 12 s in all."""

SHORT = {
    # consignment
    "reference": "ref",
    "lines": "l",
    "state": "st",
    "sent_hash": "sh",
    "jetpack_order_id": "jo",
    "forwarded_at": "fa",
    "intent": "i",
    "parcels": "p",
    "cancel_asked": "ca",
    "trouble": "t",
    # its lines
    "line_id": "li",
    "quantity": "q",
    "components": "co",
    # its parcels
    "shipment_id": "si",
    "units": "u",
    "number": "no",
    "carrier": "cr",
    "fulfillment_id": "fi",
    "until": "un",
    "at_jetpack": "aj",
    # its intent
    "action": "ac",
    "payload_hash": "ph",
    # hold
    "reason": "re",
    "detail": "de",
    "change": "ch",
    # decision
    "outcome": "oc",
    "rule": "ru",
    "rules_version": "rv",
    "ship_option": "so",
    "location": "lo",
}
"""Names inside STATE's maps: DynamoDB charges a write by the started KB, names included. Others are written in full."""

_LONG = {short: name for name, short in SHORT.items()}


class DynamoOrderRecords:
    """The port `OrderRecords` on DynamoDB. `clock` gives the time by which things expire."""

    def __init__(
        self,
        client: DynamoDBClient,
        table_name: str,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._table = table_name
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter

    # -- the record -----------------------------------------------------------------------------------------

    def read(self, store: StoreSlug, order_id: OrderId) -> OrderRecord | None:
        """Read our record, strongly consistent."""
        found = self._get(store, order_id, "STATE", consistent=True)
        return _record(found) if found else None

    def read_many(self, store: StoreSlug, order_ids: Iterable[OrderId]) -> Iterator[OrderRecord]:
        """Read records a hundred a call, eventually consistent: half the price, and a write would notice.

        Raises:
            TransientError: DynamoDB left keys out again and again; some records may have been given already.
        """
        keys = [_key(store, order_id, "STATE") for order_id in dict.fromkeys(order_ids)]
        for some in batched(keys, KEYS_A_CALL, strict=False):
            yield from map(_record, self._read_batch(some))

    def write(self, record: OrderRecord) -> OrderRecord:
        """Write one record if nobody wrote it since.

        Raises:
            ConflictError: The stored version is not `record.version`; also when a write of ours arrived although
                its answer was lost, and was sent again by the SDK.
        """
        written = replace(record, version=record.version + 1)
        # nobody_began: version 0 means that no item was there when the look began
        # nobody_moved: otherwise the item is still the one that was read
        nobody_began, nobody_moved = "attribute_not_exists(pk)", "#version = :read"
        condition: dict[str, Any] = {"ConditionExpression": nobody_began}
        if record.version:
            condition = {
                "ConditionExpression": nobody_moved,
                "ExpressionAttributeNames": {"#version": "version"},
                "ExpressionAttributeValues": item({":read": record.version}),
            }
        with our_errors():
            self._client.put_item(TableName=self._table, Item=_state(written), **condition)
        return written

    # -- what is kept beside it -----------------------------------------------------------------------------

    def keep_snapshot(self, store: StoreSlug, order: Order, at: datetime) -> None:
        """Keep the order as seen at `at`, instead of the one before; it expires 90 days later."""
        # ASCII, because a name cut in the middle of an emoji would otherwise not be written at all.
        text = json.dumps(plain(replace(order, part=None)), separators=(",", ":"))
        snapshot = {"order": zlib.compress(text.encode("ascii")), "at": timestamp(at), "expires_at": _end(at)}
        self._put(_key(store, order.id, "SNAPSHOT") | item(snapshot))

    def read_snapshot(self, store: StoreSlug, order_id: OrderId) -> Order | None:
        """Read the order as last kept; None when there is none, it has expired, or another release wrote it."""
        found = self._get(store, order_id, "SNAPSHOT", consistent=True)
        return self._order(found) if found else None

    def note(self, store: StoreSlug, order_id: OrderId, event: TimelineEvent) -> None:
        """Add one entry to the timeline. The same entry again changes nothing; another of the same moment is kept."""
        entry = plain(event)
        at = entry.pop("at")
        sort_key = f"EVENT#{at}#{digest(entry)[:8]}"
        self._put(_key(store, order_id, sort_key) | item(entry | {"expires_at": _end(event.at)}))

    def timeline(self, store: StoreSlug, order_id: OrderId) -> list[TimelineEvent]:
        """Read the timeline, oldest first, without expired entries."""
        found = self._query("pk = :pk AND begins_with(sk, :event)", pk=_pk(store, order_id), event="EVENT#")
        return [
            restored(TimelineEvent, each | {"at": each["sk"].split("#")[1]})
            for each in found
            if not self._expired(each)
        ]

    def keep_parcel(self, store: StoreSlug, order_id: OrderId, parcel: Parcel) -> None:
        """Keep a finished parcel outside the record; repeating it changes nothing."""
        self._put(_key(store, order_id, f"PARCEL#{parcel.shipment_id}") | item(plain(parcel)))

    def redact(self, store: StoreSlug, order_id: OrderId) -> None:
        """Delete snapshot and timeline of an order, and what was kept of its orders in ShipStation."""
        record = self.read(store, order_id)
        keys = [_key(store, order_id, "SNAPSHOT")]
        events = self._query("pk = :pk AND begins_with(sk, :event)", pk=_pk(store, order_id), event="EVENT#")
        keys += [_key(store, order_id, each["sk"]) for each in events]
        keys += [_part_key(store, part, "ORDER") for part in (record.parts if record else ())]
        for key in keys:
            with our_errors():
                self._client.delete_item(TableName=self._table, Key=key)

    # -- ShipStation's book ---------------------------------------------------------------------------------

    def keep_shipstation_order(
        self, store: StoreSlug, order: ShipStationOrder, order_id: OrderId | None, at: datetime
    ) -> None:
        """Keep an order of ShipStation as seen at `at`; what was seen later is not overwritten."""
        text = json.dumps(plain(order), separators=(",", ":"))
        names = {"#order": "order", "#at": "at"}
        values = {":order": zlib.compress(text.encode("ascii")), ":at": timestamp(at), ":end": _end(at)}
        known = ""
        if order_id is not None:
            known, values = ", order_id = :of", values | {":of": order_id}
        with contextlib.suppress(ConflictError), our_errors():
            self._client.update_item(
                TableName=self._table,
                Key=_part_key(store, order.id, "ORDER"),
                UpdateExpression=f"SET #order = :order, #at = :at, expires_at = :end{known}",
                ConditionExpression="attribute_not_exists(pk) OR #at <= :at",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=item(values),
            )

    def read_shipstation_order(self, store: StoreSlug, shipstation_id: str) -> KeptShipStationOrder | None:
        """Read an order of ShipStation as last kept; None also when another release wrote it."""
        with our_errors():
            answer = self._client.get_item(
                TableName=self._table, Key=_part_key(store, shipstation_id, "ORDER"), ConsistentRead=True
            )
        found = data_of(answer["Item"]) if "Item" in answer else None
        if found is None or self._expired(found):
            return None
        try:
            order = restored(ShipStationOrder, json.loads(zlib.decompress(found["order"])))
        except (ValueError, zlib.error):
            return None
        order_id = OrderId(found["order_id"]) if "order_id" in found else None
        return KeptShipStationOrder(order, moment(found["at"]), order_id)

    # -- finding --------------------------------------------------------------------------------------------

    def due(self, now: datetime) -> Iterator[DueOrder]:
        """Find the records whose `due_at` is not after `now`, oldest first within a shard. Eventually consistent."""
        for shard in range(SHARDS):
            for look in NextLook:
                condition = "due_shard = :shard AND due_at <= :now"
                rows = self._query(condition, "Due", shard=f"DUE#{shard}#{look}", now=timestamp(now))
                for row in rows:
                    store, order_id = _ids(row["pk"])
                    yield DueOrder(store, order_id, moment(row["due_at"]), look)

    def open_orders(self, store: StoreSlug, status: Status) -> Iterator[OrderId]:
        """Find the unfinished orders in one status, the longest in it first. Eventually consistent."""
        for row in self._query("store_status = :status", "OpenOrders", status=f"{store}#{status}"):
            yield _ids(row["pk"])[1]

    def orders_of_day(self, store: StoreSlug, day: date) -> Iterator[OrderId]:
        """Find the orders created on a day (UTC), finished ones too, oldest first. Eventually consistent."""
        yield from self._of_day(store, day)

    def snapshots_of_day(
        self, store: StoreSlug, day: date, *, after: OrderId | None = None
    ) -> Iterator[tuple[OrderId, Order | None]]:
        """Read the orders created on a day as last kept, a hundred a call, in the order of `orders_of_day`.

        Raises:
            InvalidRequestError: `after` is no order of that day.
            TransientError: DynamoDB left keys out again and again; some orders may have been given already.
        """
        begin: dict[str, Any] = {}
        if after is not None:
            stood = self._get(store, after, "STATE", consistent=False)
            if stood is None or stood.get("store_day") != _day(store, day):
                message = f"{after} is no order of {day}"
                raise InvalidRequestError(message)
            # The index goes on behind an item that need not be the last of a page, when it is told all its keys.
            begin["ExclusiveStartKey"] = item({name: stood[name] for name in ("pk", "sk", "store_day", "created_at")})
        for some in batched(self._of_day(store, day, **begin), KEYS_A_CALL, strict=False):
            stored = self._read_batch([_key(store, order_id, "SNAPSHOT") for order_id in some])
            found = {each["pk"]: self._order(each) for each in stored}
            for order_id in some:
                yield order_id, found.get(_pk(store, order_id))

    # -- DynamoDB -------------------------------------------------------------------------------------------

    def _get(self, store: str, order_id: str, sort_key: str, *, consistent: bool) -> dict[str, Any] | None:
        with our_errors():
            answer = self._client.get_item(
                TableName=self._table, Key=_key(store, order_id, sort_key), ConsistentRead=consistent
            )
        return data_of(answer["Item"]) if "Item" in answer else None

    def _put(self, new: Item) -> None:
        with our_errors():
            self._client.put_item(TableName=self._table, Item=new)

    def _of_day(self, store: StoreSlug, day: date, **begin: Any) -> Iterator[OrderId]:  # noqa: ANN401 - Query's own
        rows = self._query("store_day = :day", "OrdersByDay", begin, day=_day(store, day))
        return (_ids(row["pk"])[1] for row in rows)

    def _query(
        self, condition: str, index: str = "", begin: dict[str, Any] | None = None, **values: str
    ) -> Iterator[dict[str, Any]]:
        named = ({"IndexName": index} if index else {}) | (begin or {})
        return query(
            self._client,
            TableName=self._table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=item({f":{name}": value for name, value in values.items()}),
            **named,
        )

    def _read_batch(self, keys: Sequence[Item]) -> Iterator[dict[str, Any]]:
        wanted: list[Any] = list(keys)
        for attempt in range(ROUNDS):
            with our_errors():
                answer = self._client.batch_get_item(RequestItems={self._table: {"Keys": wanted}})
            for found in answer["Responses"].get(self._table, []):
                yield data_of(found)
            if self._table not in answer["UnprocessedKeys"]:
                return
            wanted = list(answer["UnprocessedKeys"][self._table]["Keys"])
            if attempt < ROUNDS - 1:
                self._sleep(0.1 * 2**attempt * (0.5 + self._jitter() / 2))
        message = f"{len(wanted)} items were left out"
        raise TransientError(message, partner="aws", code="UnprocessedKeys")

    def _order(self, found: dict[str, Any]) -> Order | None:
        if self._expired(found):
            return None
        try:
            return restored(Order, json.loads(zlib.decompress(found["order"])))
        except (ValueError, zlib.error):
            return None

    def _expired(self, found: dict[str, Any]) -> bool:
        return bool(found["expires_at"] <= self._clock().timestamp())


def _pk(store: str, order_id: str) -> str:
    return f"ORDER#{store}#{order_id}"


def _part_pk(store: str, shipstation_id: str) -> str:
    return f"SHIPSTATION#{store}#{shipstation_id}"


def _part_key(store: str, shipstation_id: str, sort_key: str) -> Item:
    return item({"pk": _part_pk(store, shipstation_id), "sk": sort_key})


def _key(store: str, order_id: str, sort_key: str) -> Item:
    return item({"pk": _pk(store, order_id), "sk": sort_key})


def _ids(pk: str) -> tuple[StoreSlug, OrderId]:
    store, _, order_id = pk.removeprefix("ORDER#").rpartition("#")
    return StoreSlug(store), OrderId(order_id)


def _end(at: datetime) -> int:
    return int((at + KEEP).timestamp())


def _day(store: str, day: date) -> str:
    return f"{store}#{day.isoformat()}"


def _state(record: OrderRecord) -> Item:
    state = {name: _renamed(value, SHORT) for name, value in plain(record).items()}
    store, order_id = state.pop("store"), state.pop("order_id")
    if record.due_at is not None:
        shard = zlib.crc32(order_id.encode()) % SHARDS
        state["due_shard"] = f"DUE#{shard}#{record.next_look}"
        state["store_status"] = f"{store}#{record.status}"
    if record.created_at is not None:
        state["store_day"] = _day(store, record.created_at.astimezone(UTC).date())
    return _key(store, order_id, "STATE") | item(state)


def _renamed(data: Any, names: Mapping[str, str]) -> Any:  # noqa: ANN401 - plain data in and out
    """Rename the fields of every map in there."""
    match data:
        case dict():
            return {names.get(name, name): _renamed(value, names) for name, value in data.items()}
        case list():
            return [_renamed(each, names) for each in data]
        case _:
            return data


def _record(found: dict[str, Any]) -> OrderRecord:
    store, order_id = _ids(found["pk"])
    state = {name: _renamed(value, _LONG) for name, value in found.items()}
    try:
        return restored(OrderRecord, state | {"store": store, "order_id": order_id})
    except ValueError as error:
        # A release that knew more wrote it (a status, a state). Guessing could forward an order twice.
        message = f"order {order_id} of {store}: {error}"
        raise ConfigurationError(message) from None
