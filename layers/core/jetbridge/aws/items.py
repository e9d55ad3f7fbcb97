"""Plain data as DynamoDB items and back, and queries that follow every page.

boto3 has serializers of its own; importing them costs as much as a client, and these few types are all we store.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from jetbridge.aws.failures import our_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]
"""A DynamoDB item as the low-level client takes and gives it: attribute name → {type: value}."""

LONGEST_KEY = 900
"""Bytes of somebody's text that fit into a sort key (1,024 at most) with its prefix; longer ones are hashed."""


def attribute(value: Any) -> dict[str, Any]:  # noqa: ANN401, PLR0911 - one return a kind of value
    """Write one plain value as DynamoDB does."""
    match value:
        case str():
            return {"S": value}
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case bytes():
            return {"B": value}
        case None:
            return {"NULL": True}
        case list():
            return {"L": [attribute(each) for each in value]}
        case dict():
            return {"M": item(value)}
        case _:
            message = f"{type(value).__name__} is not stored"
            raise TypeError(message)


def value_of(stored: Mapping[str, Any]) -> Any:  # noqa: ANN401 - plain data out
    """Read one value as DynamoDB writes it."""
    ((kind, value),) = stored.items()
    match kind:
        case "N":
            return int(value)
        case "NULL":
            return None
        case "L":
            return [value_of(each) for each in value]
        case "M":
            return data_of(value)
        case _:
            return value


def item(data: Mapping[str, Any]) -> Item:
    """Write plain data as an item."""
    return {name: attribute(value) for name, value in data.items()}


def data_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Read an item as plain data."""
    return {name: value_of(value) for name, value in stored.items()}


def key_part(text: str) -> str:
    """Make the part of a key that stands for somebody's text; the text itself is to be an attribute too."""
    raw = text.encode("utf-8", "surrogatepass")
    return text if len(raw) <= LONGEST_KEY else hashlib.sha256(raw).hexdigest()


def query(client: DynamoDBClient, **request: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - Query's own parameters
    """Run a query to its end, page after page, each page only when it is wanted.

    Raises:
        TransientError: DynamoDB did not answer; some items may have been given already.
    """
    while True:
        with our_errors():
            page = client.query(**request)
        for found in page["Items"]:
            yield data_of(found)
        if "LastEvaluatedKey" not in page:
            return
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
