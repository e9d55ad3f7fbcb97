"""RuntimeTable: what may be lost without harm, in DynamoDB.

pk = CURSOR#{store}    sk = {name}       how far a sweep has come; leaves 30 days after it was last moved
pk = EVENT#{store}     sk = {partner}    when a webhook of a partner was last noted; leaves 30 days later
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from jetbridge.aws.failures import our_errors
from jetbridge.aws.items import data_of, item
from jetbridge.aws.values import moment, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient

KEEP = timedelta(days=30)
"""A sweep that has not run for so long begins anew; partners do not list older changes reliably anyway."""


class DynamoRuntime:
    """The port `Runtime` on DynamoDB. `clock` gives the time by which things expire."""

    def __init__(self, client: DynamoDBClient, table_name: str, *, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._table = table_name
        self._clock = clock

    def cursor(self, store: str, name: str) -> datetime | None:
        """Read how far a sweep has come; None when it never ran or not for 30 days."""
        return self._moment(f"CURSOR#{store}", name)

    def save_cursor(self, store: str, name: str, at: datetime) -> None:
        """Remember how far a sweep has come."""
        self._keep(f"CURSOR#{store}", name, at)

    def note_event(self, store: str, partner: str, at: datetime) -> None:
        """Remember that a partner's webhook arrived; called at most every few minutes a process."""
        self._keep(f"EVENT#{store}", partner, at)

    def last_event(self, store: str, partner: str) -> datetime | None:
        """Say when a partner's webhook was last noted; None for never, or not for 30 days."""
        return self._moment(f"EVENT#{store}", partner)

    def _moment(self, pk: str, sk: str) -> datetime | None:
        with our_errors():
            answer = self._client.get_item(TableName=self._table, Key=item({"pk": pk, "sk": sk}), ConsistentRead=True)
        if "Item" not in answer:
            return None
        found = data_of(answer["Item"])
        # DynamoDB deletes up to two days late.
        return moment(found["at"]) if found["expires_at"] > self._clock().timestamp() else None

    def _keep(self, pk: str, sk: str, at: datetime) -> None:
        expires_at = int((self._clock() + KEEP).timestamp())
        with our_errors():
            self._client.put_item(
                TableName=self._table,
                Item=item({"pk": pk, "sk": sk, "at": timestamp(at), "expires_at": expires_at}),
            )
