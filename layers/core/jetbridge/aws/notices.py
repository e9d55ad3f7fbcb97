"""Where the people of a store are told of something: an SNS topic, to which they subscribe an address of theirs.

Every notice carries the attribute `store`, by which a subscription can be filtered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from jetbridge.aws.failures import transient

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

LONGEST_SUBJECT = 100

LONGEST_TEXT = 200_000
"""Bytes of text, of 256 KiB that SNS takes in all."""


class SnsNotices:
    """The port `Notices` on SNS."""

    def __init__(self, client: SNSClient, topic_arn: str) -> None:
        self._client = client
        self._topic = topic_arn

    def publish(self, store: str, subject: str, text: str) -> None:
        """Tell everybody who subscribed, perhaps twice. Never personal data.

        Raises:
            TransientError: Nobody was told.
        """
        try:
            self._client.publish(
                TopicArn=self._topic,
                Subject=_subject(f"{store}: {subject}"),
                Message=_text(text),
                MessageAttributes={"store": {"DataType": "String", "StringValue": store}},
            )
        except (BotoCoreError, ClientError) as error:
            # Not chained: a parameter error quotes what somebody wrote.
            raise transient(error) from None


def _subject(text: str) -> str:
    """Fit a text into a subject: printable ASCII on one line, which begins with the store's name."""
    plain = " ".join(text.split()).encode("ascii", "replace").decode("ascii")
    return "".join(each if each.isprintable() else "?" for each in plain)[:LONGEST_SUBJECT].rstrip()


def _text(text: str) -> str:
    """Fit a text into a message: not empty, not too long, nothing that is no text."""
    return text.encode("utf-8", "replace")[:LONGEST_TEXT].decode("utf-8", "ignore") or "-"
