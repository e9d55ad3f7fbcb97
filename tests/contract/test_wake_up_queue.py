"""What every WakeUpQueue promises: the fake and SQS (moto) alike."""
# ruff: noqa: ANN401 - builders and stand-in clients take whatever they are given

from __future__ import annotations

import itertools
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from jetbridge.aws.queues import SqsWakeUpQueue
from jetbridge.domain.identifiers import StoreSlug
from jetbridge.errors import TransientError
from jetbridge.messages import WakeUp
from tests.contract.conftest import client
from tests.fakes import InMemoryQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sqs import SQSClient

    from jetbridge.ports import WakeUpQueue
    from tests.contract.conftest import Clock

FIFO_URL = "https://sqs.us-east-1.amazonaws.com/123456789012/orders.fifo"


@dataclass
class Queue:
    """A queue and what can be received from it. Receiving empties it."""

    port: WakeUpQueue
    received: Callable[[], list[WakeUp]]


def wake_up(order_id: int | str = 7, cause: str = "shopify:orders/paid:1") -> WakeUp:
    return WakeUp(StoreSlug("northwind-supply"), "order", str(order_id), cause, 1764417600.25)


def sqs_queue(sqs: SQSClient, *, fifo: bool) -> Queue:
    attributes: Any = {"FifoQueue": "true"} if fifo else {}
    url = sqs.create_queue(QueueName="orders.fifo" if fifo else "sweeps", Attributes=attributes)["QueueUrl"]

    def received() -> list[WakeUp]:
        found: list[WakeUp] = []
        while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in batch:
                found.append(WakeUp.from_json(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    return Queue(SqsWakeUpQueue(sqs, url), received)


def fake_queue(clock: Clock, *, fifo: bool) -> Queue:
    fake = InMemoryQueue(fifo=fifo, clock=clock)
    return Queue(fake, lambda: fake.sent)


@pytest.fixture(params=["fake", "sqs"])
def fifo(request: pytest.FixtureRequest, clock: Clock) -> Queue:
    if request.param == "fake":
        return fake_queue(clock, fifo=True)
    return sqs_queue(request.getfixturevalue("sqs"), fifo=True)


@pytest.fixture(params=["fake", "sqs"])
def standard(request: pytest.FixtureRequest, clock: Clock) -> Queue:
    if request.param == "fake":
        return fake_queue(clock, fifo=False)
    return sqs_queue(request.getfixturevalue("sqs"), fifo=False)


class TestSending:
    @pytest.mark.parametrize("number", [0, 1, 10, 11, 35])
    def test_every_wake_up_arrives(self, fifo: Queue, standard: Queue, number: int) -> None:
        wake_ups = [wake_up(n) for n in range(number)]

        for queue in (fifo, standard):
            queue.port.send(wake_ups)

            assert sorted(queue.received(), key=lambda each: int(each.id)) == wake_ups

    def test_one_subject_keeps_its_order(self, fifo: Queue) -> None:
        wake_ups = [wake_up(cause=str(n)) for n in range(25)]

        fifo.port.send(wake_ups)

        assert fifo.received() == wake_ups

    def test_the_same_cause_is_not_taken_twice(self, fifo: Queue) -> None:
        fifo.port.send([wake_up()])
        fifo.port.send([wake_up(), wake_up(cause="sweep")])
        fifo.port.send([wake_up(), wake_up()])

        assert fifo.received() == [wake_up(), wake_up(cause="sweep")]

    def test_the_same_cause_wakes_different_subjects(self, fifo: Queue) -> None:
        fifo.port.send([wake_up(7), wake_up(8)])

        assert {each.id for each in fifo.received()} == {"7", "8"}

    def test_a_standard_queue_takes_whatever_it_is_given(self, standard: Queue) -> None:
        standard.port.send([wake_up()])
        standard.port.send([wake_up()])

        assert standard.received() == [wake_up(), wake_up()]

    @pytest.mark.parametrize("odd", ["ü🎁", "a b\tc\n", "\ud83d", "\x00\x1f\ufffe\uffff", "x" * 500])
    def test_an_id_of_any_characters_arrives_as_it_is(self, fifo: Queue, odd: str) -> None:
        fifo.port.send([wake_up(odd)])
        fifo.port.send([wake_up(odd, "2"), wake_up(8)])

        assert [each.id for each in fifo.received()].count(odd) == 2


class TestTheFake:
    def test_after_five_minutes_the_same_cause_is_taken_again(self, clock: Clock) -> None:
        fake = InMemoryQueue(clock=clock)
        fake.send([wake_up()])
        clock.pass_by(minutes=4, seconds=59)
        fake.send([wake_up()])
        assert len(fake.sent) == 1

        clock.pass_by(seconds=1)
        fake.send([wake_up()])
        assert len(fake.sent) == 2

    def test_it_shows_what_arrived_by_group(self) -> None:
        fake = InMemoryQueue()
        fake.send([wake_up(7), wake_up(8), wake_up(7, "again")])

        assert fake.groups == {
            "northwind-supply:order:7": [wake_up(7), wake_up(7, "again")],
            "northwind-supply:order:8": [wake_up(8)],
        }


# -- what only SQS has --------------------------------------------------------------------------------------------


@dataclass
class Recorder:
    """A client that keeps what it is asked to send, and refuses what it is told to."""

    refused: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.calls: list[list[dict[str, Any]]] = []

    def send_message(self, **message: Any) -> dict[str, Any]:
        self.calls.append([message])
        return {}

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: ARG002, N803
        self.calls.append(Entries)
        failed = [each for each in Entries if WakeUp.from_json(each["MessageBody"]).id in self.refused]
        return {"Failed": [{"Id": each["Id"], "Code": "InternalError", "SenderFault": False} for each in failed]}


def recording(url: str = FIFO_URL, **refused: frozenset[str]) -> tuple[SqsWakeUpQueue, Recorder]:
    recorder: Any = Recorder(**refused)
    return SqsWakeUpQueue(recorder, url), recorder


class TestCalls:
    @pytest.mark.parametrize(("number", "calls"), [(0, []), (1, [1]), (2, [2]), (10, [10]), (23, [10, 10, 3])])
    def test_as_few_as_possible(self, number: int, calls: list[int]) -> None:
        queue, recorder = recording()

        queue.send([wake_up(n) for n in range(number)])

        assert [len(entries) for entries in recorder.calls] == calls

    def test_a_fifo_message_names_its_subject_and_its_cause(self) -> None:
        queue, recorder = recording()

        queue.send([wake_up()])

        assert recorder.calls == [
            [
                {
                    "QueueUrl": FIFO_URL,
                    "MessageBody": wake_up().to_json(),
                    "MessageGroupId": "northwind-supply:order:7",
                    "MessageDeduplicationId": wake_up().deduplication_id,
                }
            ]
        ]

    def test_a_standard_message_is_only_its_body(self) -> None:
        queue, recorder = recording("https://sqs.us-east-1.amazonaws.com/123456789012/sweeps")

        queue.send([wake_up(7), wake_up(8)])

        assert [each.keys() for each in itertools.chain(*recorder.calls)] == [{"Id", "MessageBody"}] * 2

    @given(odd=st.text(max_size=300))
    def test_nothing_is_sent_that_sqs_refuses_though_moto_takes_it(self, odd: str) -> None:
        queue, recorder = recording()
        queue.send([wake_up(odd, odd)])

        ((message,),) = recorder.calls
        group, once = message["MessageGroupId"], message["MessageDeduplicationId"]
        assert 1 <= len(group) <= 128
        assert 1 <= len(once) <= 128
        assert set(group) | set(once) <= set(string.ascii_letters + string.digits + string.punctuation)
        assert message["MessageBody"].isascii()
        assert message["MessageBody"].isprintable() or "\x7f" in odd

    def test_a_long_group_is_the_same_for_the_same_subject_and_another_for_another(self) -> None:
        queue, recorder = recording()

        queue.send([wake_up("x" * 200), wake_up("x" * 200, "again"), wake_up("x" * 201)])

        first, again, other = (each["MessageGroupId"] for each in recorder.calls[0])
        assert first == again != other

    def test_a_body_sqs_would_refuse_is_a_bug_and_not_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        queue, recorder = recording()
        monkeypatch.setattr(WakeUp, "to_json", lambda _: '{"id": "\x00"}')

        with pytest.raises(ValueError, match="printable ASCII"):
            queue.send([wake_up()])
        assert recorder.calls == []


class TestFailures:
    def test_what_was_refused_is_told_after_everything_was_tried(self) -> None:
        queue, recorder = recording(refused=frozenset({"3", "12"}))

        with pytest.raises(TransientError, match="2 of 25"):
            queue.send([wake_up(n) for n in range(25)])

        assert len(recorder.calls) == 3

    @pytest.mark.parametrize("code", ["ThrottlingException", "AWS.SimpleQueueService.NonExistentQueue"])
    def test_an_answer_that_is_none_means_try_again_later(self, code: str) -> None:
        sqs = client("sqs")
        with Stubber(sqs) as stubber:
            stubber.add_client_error("send_message", code, http_status_code=400)
            stubber.add_client_error("send_message_batch", code, http_status_code=400)
            queue = SqsWakeUpQueue(sqs, FIFO_URL)

            with pytest.raises(TransientError, match=code):
                queue.send([wake_up()])
            with pytest.raises(TransientError, match=code):
                queue.send([wake_up(7), wake_up(8)])

    def test_nobody_at_the_other_end_means_try_again_later(self) -> None:
        class Deaf:
            def send_message(self, **_: object) -> None:
                raise EndpointConnectionError(endpoint_url=FIFO_URL)

        deaf: Any = Deaf()

        with pytest.raises(TransientError, match="cannot be reached"):
            SqsWakeUpQueue(deaf, FIFO_URL).send([wake_up()])
