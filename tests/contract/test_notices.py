"""What every Notices promises: the fake and SNS (moto) alike."""
# ruff: noqa: ANN401 - what SQS gives

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from botocore.stub import Stubber

from jetbridge.aws.notices import SnsNotices
from jetbridge.domain.identifiers import StoreSlug
from jetbridge.errors import TransientError
from tests.contract.conftest import client
from tests.fakes import InMemoryNotices

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from jetbridge.ports import Notices

NORTHWIND = StoreSlug("northwind-supply")
TOPIC = "arn:aws:sns:us-east-1:123456789012:notices"


class Told(Protocol):
    """A topic, and what its subscribers received."""

    @property
    def notices(self) -> Notices:
        """What is tested."""

    def texts(self) -> list[str]:
        """The texts that arrived, oldest first."""


class ToldInMemory:
    def __init__(self) -> None:
        self.notices = InMemoryNotices()

    def texts(self) -> list[str]:
        return [text for _, _, text in self.notices.told]


class ToldBySns:
    """A queue is subscribed, for a queue can be read."""

    def __init__(self, sns: Any, sqs: SQSClient) -> None:
        self._sqs = sqs
        self._queue = sqs.create_queue(QueueName="subscriber")["QueueUrl"]
        names: Any = ["QueueArn"]
        address = sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=names)["Attributes"]["QueueArn"]
        topic = sns.create_topic(Name="notices")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=address)
        self.notices = SnsNotices(sns, topic)

    def received(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while messages := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            found += [json.loads(each["Body"]) for each in messages]
        return found

    def texts(self) -> list[str]:
        return [each["Message"] for each in self.received()]


@pytest.fixture
def told_by_sns(aws: None, sqs: SQSClient) -> ToldBySns:  # noqa: ARG001 - wanted for what it does
    return ToldBySns(client("sns"), sqs)


@pytest.fixture(params=["fake", "sns"])
def topic(request: pytest.FixtureRequest) -> Told:
    if request.param == "fake":
        return ToldInMemory()
    found: Told = request.getfixturevalue("told_by_sns")
    return found


def test_what_is_published_arrives_as_it_was_written(topic: Told) -> None:
    topic.notices.publish(NORTHWIND, "Rule „Teuer“", "Order #1001: „teuer“ 🎁\nLook at it.")

    assert topic.texts() == ["Order #1001: „teuer“ 🎁\nLook at it."]


def test_every_notice_arrives(topic: Told) -> None:
    for n in range(3):
        topic.notices.publish(NORTHWIND, "Rule", f"Order #{n}")

    assert sorted(topic.texts()) == ["Order #0", "Order #1", "Order #2"]


# -- what only SNS has --------------------------------------------------------------------------------------------


def test_subscribers_can_filter_by_store(told_by_sns: ToldBySns) -> None:
    told_by_sns.notices.publish(NORTHWIND, "Rule", "Order #1001")

    (notice,) = told_by_sns.received()

    assert notice["Subject"] == "northwind-supply: Rule"
    assert notice["MessageAttributes"]["store"]["Value"] == NORTHWIND


@pytest.mark.parametrize(
    ("subject", "sent"),
    [
        ("Rule „Teuer“", "northwind-supply: Rule ?Teuer?"),
        ("two\r\nlines\tand\x00 \x1b more", "northwind-supply: two lines and? ? more"),
        ("x" * 200, "northwind-supply: " + "x" * 82),
        ("", "northwind-supply:"),
    ],
    ids=["not ASCII", "control characters", "long", "empty"],
)
def test_a_subject_is_made_to_fit(told_by_sns: ToldBySns, subject: str, sent: str) -> None:
    told_by_sns.notices.publish(NORTHWIND, subject, "text")

    (notice,) = told_by_sns.received()

    assert notice["Subject"] == sent


@pytest.mark.parametrize(
    ("text", "sent"),
    [("🎁" * 100_000, "🎁" * 50_000), ("a" + "é" * 150_000, "a" + "é" * 99_999), ("", "-"), ("half \ud83d", "half ?")],
    ids=["long", "cut in a letter", "empty", "half an emoji"],
)
def test_a_text_is_made_to_fit(told_by_sns: ToldBySns, text: str, sent: str) -> None:
    told_by_sns.notices.publish(NORTHWIND, "Rule", text)

    assert told_by_sns.texts() == [sent]


@pytest.mark.parametrize("code", ["Throttled", "InternalError", "AuthorizationError", "NotFound"])
def test_whatever_goes_wrong_nobody_was_told(code: str) -> None:
    sns = client("sns")
    with Stubber(sns) as stubber:
        stubber.add_client_error("publish", code)

        with pytest.raises(TransientError, match=code):
            SnsNotices(sns, TOPIC).publish(NORTHWIND, "Rule", "Order #1001")


def test_what_botocore_refuses_to_send_is_not_quoted(aws: None) -> None:  # noqa: ARG001 - no real network
    words: Any = ["a secret-value"]

    with pytest.raises(TransientError, match="ParamValidationError") as caught:
        SnsNotices(client("sns"), words).publish(NORTHWIND, "Rule", "Order #1001")

    assert "secret-value" not in str(caught.value)
    assert caught.value.__suppress_context__
