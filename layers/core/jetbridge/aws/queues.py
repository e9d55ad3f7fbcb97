"""Our queues, in SQS: wake-ups out, as few calls as possible."""

from __future__ import annotations

import hashlib
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from jetbridge.aws.failures import transient
from jetbridge.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_sqs import SQSClient

    from jetbridge.messages import WakeUp

MESSAGES_A_CALL = 10

LONGEST_GROUP = 128


class SqsWakeUpQueue:
    """The port `WakeUpQueue` on SQS. A queue whose address ends in `.fifo` gets a group and a deduplication id."""

    def __init__(self, client: SQSClient, queue_url: str) -> None:
        self._client = client
        self._url = queue_url
        self._fifo = queue_url.endswith(".fifo")

    def send(self, wake_ups: Sequence[WakeUp]) -> None:
        """Send wake-ups, ten a call.

        Raises:
            TransientError: The queue did not take all of them. Sending all again is safe.
        """
        try:
            if len(wake_ups) == 1:
                self._client.send_message(QueueUrl=self._url, **self._message(wake_ups[0]))
            elif wake_ups:
                self._send_batches(wake_ups)
        except (BotoCoreError, ClientError) as error:
            raise transient(error) from error

    def _send_batches(self, wake_ups: Sequence[WakeUp]) -> None:
        refused = []
        for some in batched(wake_ups, MESSAGES_A_CALL, strict=False):
            entries: list[Any] = [{"Id": str(n), **self._message(each)} for n, each in enumerate(some)]
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
            refused += answer.get("Failed", [])
        if refused:
            message = f"{len(refused)} of {len(wake_ups)} wake-ups were not taken"
            raise TransientError(message, partner="aws", code=refused[0]["Code"])

    def _message(self, wake_up: WakeUp) -> dict[str, Any]:
        body = wake_up.to_json()
        if not _printable(body):
            # SQS refuses most control characters and some others (facts/aws.md section 4.1); the emulators take them.
            message = "a wake-up is written in printable ASCII"
            raise ValueError(message)
        if not self._fifo:
            return {"MessageBody": body}
        group = wake_up.group
        if len(group) > LONGEST_GROUP or " " in group or "\x7f" in group or not _printable(group):
            group = hashlib.sha256(group.encode("utf-8", "surrogatepass")).hexdigest()
        return {"MessageBody": body, "MessageGroupId": group, "MessageDeduplicationId": wake_up.deduplication_id}


def _printable(text: str) -> bool:
    """Whether it is ASCII without control characters. DEL, which JSON leaves as it is, does no harm."""
    return text.isascii() and text.replace("\x7f", "").isprintable()
