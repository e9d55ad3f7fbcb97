"""RuntimeTable: what may be lost without harm, in DynamoDB.

pk = CURSOR#{store}              sk = {name}        how far a sweep has come; leaves 30 days after it was last moved
pk = EVENT#{store}               sk = {partner}     when a webhook of a partner was last noted; leaves 30 days later
pk = FOREIGN#{store}             sk = {key}         somebody else's order at Jetpack; leaves after 90 days
pk = USES#{what}                 sk = {s}#{n}       uses of `what` in the nth window of s seconds; leaves when it ends
pk = JOBS#{store}                sk = {id}          a replay, compressed JSON; leaves 30 days after it last moved
pk = SHADOW#{store}#{version}    sk = {order id}    where a rule set in the shadow differs; leaves after 30 days
"""

from __future__ import annotations

import heapq
import json
import zlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jetbridge.aws.failures import our_errors
from jetbridge.aws.items import data_of, item, key_part, query
from jetbridge.aws.values import moment, plain, restored, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient

    from jetbridge.domain.replay import Difference, ReplayJob

KEEP = timedelta(days=30)
"""A sweep that has not run for so long begins anew; partners do not list older changes reliably anyway."""

KEEP_FOREIGN = timedelta(days=90)
"""Orders are not kept longer, so none is forwarded anew that is older."""


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

    def note_foreign_order(self, store: str, key: str, reference: str, at: datetime) -> None:
        """Remember for 90 days that somebody else has an order at Jetpack."""
        pk, sk = f"FOREIGN#{store}", key_part(key)
        self._put(pk, sk, KEEP_FOREIGN, key=key, reference=reference, at=timestamp(at))

    def foreign_order(self, store: str, key: str) -> str | None:
        """Give the reference of somebody else's order at Jetpack that is remembered under this key."""
        found = self._get(f"FOREIGN#{store}", key_part(key))
        return str(found["reference"]) if found else None

    def allow(self, what: str, limit: int, seconds: int) -> bool:
        """Count one use of `what` and say whether it is among the first `limit` of this window of `seconds`.

        Raises:
            TransientError: It could not be counted; whoever asks must not take that for a yes.
        """
        window = int(self._clock().timestamp()) // seconds
        with our_errors():
            answer = self._client.update_item(
                TableName=self._table,
                Key=item({"pk": f"USES#{key_part(what)}", "sk": f"{seconds}#{window}"}),
                UpdateExpression="ADD uses :one SET expires_at = :end",
                ExpressionAttributeValues=item({":one": 1, ":end": (window + 1) * seconds}),
                ReturnValues="UPDATED_NEW",
            )
        return int(data_of(answer["Attributes"])["uses"]) <= limit

    def save_job(self, job: ReplayJob) -> None:
        """Keep a job's progress; it expires 30 days after the last."""
        # Compressed, because its examples repeat themselves and it is written once a slice.
        text = json.dumps(plain(job), separators=(",", ":"))
        self._put(f"JOBS#{job.store}", job.id, job=zlib.compress(text.encode("ascii")))

    def job(self, store: str, job_id: str) -> ReplayJob | None:
        """Read a job's progress; None also when another release wrote it."""
        found = self._get(f"JOBS#{store}", job_id)
        return _job(found) if found else None

    def jobs(self, store: str) -> Sequence[ReplayJob]:
        """List a store's jobs, the newest first; a person starts them, so they are few."""
        found = [job for each in self._query(f"JOBS#{store}") if (job := _job(each))]
        return sorted(found, key=lambda job: job.started_at, reverse=True)

    def note_difference(self, store: str, version: int, difference: Difference, at: datetime) -> None:
        """Remember that a rule set in the shadow decides otherwise; once an order and version, for 30 days."""
        self._put(f"SHADOW#{store}#{version}", difference.order_id, at=timestamp(at), **plain(difference))

    def differences(self, store: str, version: int, *, limit: int = 100) -> Sequence[Difference]:
        """Read what a rule set in the shadow would have decided otherwise, the latest first.

        Reads all that were noted, which are those of 30 days at most, and keeps `limit` of them in memory.
        """
        from jetbridge.domain.replay import Difference

        noted = self._query(f"SHADOW#{store}#{version}")
        latest = heapq.nlargest(limit, noted, key=lambda each: str(each["at"]))
        return [restored(Difference, each) for each in latest]

    def _moment(self, pk: str, sk: str) -> datetime | None:
        found = self._get(pk, sk)
        return moment(found["at"]) if found else None

    def _keep(self, pk: str, sk: str, at: datetime) -> None:
        self._put(pk, sk, at=timestamp(at))

    def _get(self, pk: str, sk: str) -> dict[str, Any] | None:
        with our_errors():
            answer = self._client.get_item(TableName=self._table, Key=item({"pk": pk, "sk": sk}), ConsistentRead=True)
        found = data_of(answer["Item"]) if "Item" in answer else None
        return found if found and self._lives(found) else None

    def _put(self, pk: str, sk: str, keep: timedelta = KEEP, **data: Any) -> None:  # noqa: ANN401 - plain data
        expires_at = int((self._clock() + keep).timestamp())
        with our_errors():
            self._client.put_item(
                TableName=self._table, Item=item({"pk": pk, "sk": sk} | data | {"expires_at": expires_at})
            )

    def _query(self, pk: str) -> Iterator[dict[str, Any]]:
        found = query(
            self._client,
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=item({":pk": pk}),
        )
        return filter(self._lives, found)

    def _lives(self, found: dict[str, Any]) -> bool:
        # DynamoDB deletes up to two days late.
        return bool(found["expires_at"] > self._clock().timestamp())


def _job(found: dict[str, Any]) -> ReplayJob | None:
    # Late: the intake imports this module, too, and replaying knows the whole domain.
    from jetbridge.domain.replay import ReplayJob

    try:
        return restored(ReplayJob, json.loads(zlib.decompress(found["job"])))
    except (ValueError, zlib.error):
        return None
