"""The intake as API Gateway calls it: events in, answers and queued wake-ups out."""

from __future__ import annotations

import importlib
import json
import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from jetbridge.aws.secrets import save_webhook_secrets
from jetbridge.errors import TransientError
from jetbridge.use_cases.accept_webhook import MAX_BODY_BYTES
from tests.signing import (
    JETPACK_SECRET,
    SHOPIFY_SECRET,
    body,
    http_event,
    jetpack_headers,
    shopify_headers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import LambdaContext

ORDER = body(id=820982911946154508, email="ada@example.test", shipping_address={"address1": "1 Nowhere Rd"})


class Function:
    """The deployed function: its handler, and what lies in its queues."""

    def __init__(self, context: LambdaContext) -> None:
        self.sqs = boto3.client("sqs")
        self.urls = {}
        for name in ("order", "tracking"):
            made = self.sqs.create_queue(QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true"})
            self.urls[name] = made["QueueUrl"]
        self.urls["sweep"] = self.sqs.create_queue(QueueName="sweep")["QueueUrl"]
        self.context = context
        self.app: Any = None

    def call(self, event: dict[str, object]) -> int:
        return int(self.app.lambda_handler(event, self.context)["statusCode"])

    def queued(self, name: str) -> list[dict[str, Any]]:
        found = self.sqs.receive_message(QueueUrl=self.urls[name], MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [json.loads(message["Body"]) for message in found.get("Messages", [])]


@pytest.fixture
def function(lambda_context: LambdaContext, monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    with mock_aws():
        made = Function(lambda_context)
        monkeypatch.setenv("STAGE", "test")
        monkeypatch.setenv("ORDER_QUEUE_URL", made.urls["order"])
        monkeypatch.setenv("TRACKING_QUEUE_URL", made.urls["tracking"])
        monkeypatch.setenv("SWEEP_QUEUE_URL", made.urls["sweep"])
        ssm = boto3.client("ssm")
        save_webhook_secrets(ssm, "test", "demo", "shopify", ["older", SHOPIFY_SECRET])
        save_webhook_secrets(ssm, "test", "demo", "jetpack", [JETPACK_SECRET])
        from functions.receive_webhook import app

        made.app = importlib.reload(app)
        yield made


def shopify(**changes: Any) -> dict[str, object]:  # noqa: ANN401 - parts of an event
    raw = changes.pop("raw", ORDER)
    event = http_event("shopify", changes.pop("store", "demo"), shopify_headers(raw, **changes.pop("headers", {})), raw)
    return event | changes


def test_a_signed_order_becomes_one_wake_up_without_personal_data(
    function: Function, capsys: pytest.CaptureFixture[str]
) -> None:
    before = time.time()
    assert function.call(shopify()) == 202
    (message,) = function.queued("order")
    assert {name: message[name] for name in ("store", "subject", "id", "cause")} == {
        "store": "demo",
        "subject": "order",
        "id": "820982911946154508",
        "cause": "shopify:orders/create:w-1",
    }
    assert before <= message["seen_at"] <= time.time()
    said = capsys.readouterr().out + json.dumps(message)
    assert "example.test" not in said
    assert "Nowhere" not in said
    assert SHOPIFY_SECRET not in said


def test_a_base64_body_is_verified_over_its_bytes(function: Function) -> None:
    raw = b'{"id":820982911946154508,"note":"\\u00e4\\/"}'
    assert function.call(http_event("shopify", "demo", shopify_headers(raw), raw, encoded=True)) == 202
    assert function.call(shopify(body="%%%", isBase64Encoded=True)) == 400


def test_the_same_delivery_twice_is_one_message(function: Function) -> None:
    assert [function.call(shopify()) for _ in range(2)] == [202, 202]
    assert len(function.queued("order")) == 1
    assert function.call(shopify(headers={"delivery": "w-2"})) == 202
    groups = {message["cause"] for message in function.queued("order")}
    assert groups <= {"shopify:orders/create:w-1", "shopify:orders/create:w-2"}


def test_jetpack_wakes_the_tracking_queue(function: Function) -> None:
    raw = body(id=60000456, reference_id="demo:820982911946154508:1")
    event = http_event("jetpack", "demo", jetpack_headers(raw, at=time.time()), raw)
    assert function.call(event) == 202
    assert [message["id"] for message in function.queued("tracking")] == ["820982911946154508"]
    assert function.queued("order") == []


def test_unknown_stores_unknown_partners_and_bad_signatures_look_alike(function: Function) -> None:
    """A stranger learns nothing about which stores exist."""
    altered = ORDER.replace(b"Nowhere", b"Knowhere").decode()
    events = [
        shopify(body=altered),
        shopify(headers={"secret": "wrong"}),
        shopify(store="nobody"),
        shopify(store="../demo"),
        http_event("amazon", "demo", shopify_headers(ORDER), ORDER),
        http_event("jetpack", "demo", shopify_headers(ORDER), ORDER),
        shopify(headers={}, pathParameters=None),
    ]
    answers = [function.app.lambda_handler(event, function.context) for event in events]
    assert answers == [{"statusCode": 401}] * len(events)
    assert function.queued("order") == []


def test_an_unknown_store_is_remembered_as_such(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    client = function.app.INTAKE.secrets._client  # noqa: SLF001 - counting calls
    original = client.get_parameter

    def counted(**arguments: Any) -> object:  # noqa: ANN401 - boto3's
        asked.append(arguments["Name"])
        return original(**arguments)

    monkeypatch.setattr(client, "get_parameter", counted)
    assert [function.call(shopify(store="nobody")) for _ in range(3)] == [401, 401, 401]
    assert len(asked) == 1


def test_a_body_too_large_is_refused_before_anything_is_computed(function: Function) -> None:
    assert function.call(shopify(body="x" * (MAX_BODY_BYTES + 1))) == 413


def test_a_signed_body_that_cannot_be_read_is_refused(function: Function) -> None:
    assert function.call(shopify(raw=b"{")) == 400


def test_a_topic_nobody_waits_for_is_accepted_and_counted(
    function: Function, capsys: pytest.CaptureFixture[str]
) -> None:
    assert function.call(shopify(headers={"topic": "themes/publish"})) == 202
    assert function.queued("order") == []
    assert json.loads(capsys.readouterr().out)["outcome"] == "ignored_topic"


def test_a_queue_that_refuses_makes_the_sender_try_again(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def send(self, _wake_ups: object) -> None:
            raise TransientError

    intake = function.app.INTAKE
    monkeypatch.setattr(function.app, "INTAKE", type(intake)(intake.readers, intake.secrets, {"order": Refusing()}))
    assert function.call(shopify()) == 503


def test_a_changed_secret_is_noticed_at_the_first_delivery_signed_with_it(function: Function) -> None:
    assert function.call(shopify()) == 202
    save_webhook_secrets(boto3.client("ssm"), "test", "demo", "shopify", ["brand-new"])
    secrets = function.app.INTAKE.secrets
    later = time.monotonic() + 31
    secrets._clock = lambda: later  # noqa: SLF001 - half a minute passes
    assert function.call(shopify(headers={"secret": "brand-new"})) == 202
