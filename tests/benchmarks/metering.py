"""What DynamoDB charges for the calls of a client: units from the items themselves, indexes included.

The emulators answer "1" to whatever they are asked, so the rules are applied here (facts: a write unit is a started
KB of the larger of the item before and after; an index is written only when what it holds changes, and moving an
entry is a delete and a put; a read unit is 4 KB, half of one if eventually consistent).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

KB = 1024
READ_KB = 4

Item = dict[str, Any]


@dataclass
class Units:
    """What a few calls are charged."""

    write: int = 0
    index: int = 0
    """Writes to indexes; charged like the others."""
    read: float = 0


class DynamoMeter:
    """Follows a client and adds up what its calls cost. Knows only the operations of the happy path."""

    def __init__(self, client: DynamoDBClient, tables: Mapping[str, Mapping[str, Any]]) -> None:
        self.items: dict[tuple[str, str, str], Item] = {}
        self.units = Units()
        self._tables = tables
        self._request: Item = {}
        client.meta.events.register("provide-client-params.dynamodb", self._asked)
        client.meta.events.register("after-call.dynamodb", self._answered)

    def taken(self) -> Units:
        """Give what was added up since the last time, and begin anew."""
        units, self.units = self.units, Units()
        return units

    def largest(self, sort_key: str) -> int:
        """Give the size of the largest item now stored under a sort key."""
        return max(size_of(item) for (_, _, found), item in self.items.items() if found == sort_key)

    def _asked(self, *, params: Item, **_: object) -> None:
        self._request = params

    def _answered(self, *, parsed: Item, model: Any, **_: object) -> None:  # noqa: ANN401 - botocore's own
        if "Error" in parsed:
            message = f"{model.name} failed: {parsed['Error']}"
            raise RuntimeError(message)
        match model.name:
            case "PutItem":
                self._put(self._request["TableName"], self._request["Item"])
            case "GetItem":
                self._read([parsed.get("Item", {})])
            case "Query":
                self._read(parsed["Items"])
            case other:
                message = f"nothing is known about what {other} costs"
                raise NotImplementedError(message)

    def _put(self, table: str, item: Item) -> None:
        key = (table, item["pk"]["S"], item["sk"]["S"])
        before = self.items.get(key, {})
        self.items[key] = item
        self.units.write += max(ceil(size_of(before) / KB), ceil(size_of(item) / KB))
        keys = [each["AttributeName"] for each in self._tables[table]["KeySchema"]]
        for index in self._tables[table].get("GlobalSecondaryIndexes", ()):
            own = [each["AttributeName"] for each in index["KeySchema"]]
            old, new = (_entry(each, own, keys) for each in (before, item))
            if old != new:
                self.units.index += bool(old) + bool(new)

    def _read(self, items: list[Item]) -> None:
        units = max(1, ceil(sum(map(size_of, items)) / (READ_KB * KB)))
        self.units.read += units if self._request.get("ConsistentRead") else units / 2


def _entry(item: Item, own: list[str], keys: list[str]) -> Item:
    """Give what a KEYS_ONLY index holds of an item: nothing unless the item has the index's own keys."""
    return {name: item[name] for name in (*own, *keys)} if all(name in item for name in own) else {}


def size_of(item: Item) -> int:
    """Give an item's size by DynamoDB's published rules, in bytes."""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(str(content).encode())
        case "B":
            return len(bytes(content))
        case "N":
            return 1 + ceil(len(content) / 2)
        case "L":
            return 3 + sum(1 + _size(each) for each in content)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _size(each) for name, each in content.items())
        case _:
            return 1
