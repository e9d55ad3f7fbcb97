"""The watch over what leaves, watched: it notices every seeded person and secret on every way out."""

from __future__ import annotations

import importlib
import inspect
import json
import logging
import pkgutil
import re
import subprocess
import sys
import uuid
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import boto3
import moto
import pytest
from aws_lambda_powertools import Logger, Metrics

import local.simulators
from jetbridge.aws.clients import client_maker
from jetbridge.aws.queues import SqsWakeUpQueue
from jetbridge.aws.secrets import save_credentials
from jetbridge.domain.identifiers import StoreSlug
from jetbridge.errors import ConfigurationError, RejectedByPartnerError, TransientError
from jetbridge.messages import WakeUp
from local.partners import JETPACK_SECRET as DEMO_SECRET
from local.stack import ROOT
from tests.builders import ADDRESS, an_order
from tests.fakes import InMemoryQueue
from tests.privacy import Leak, found_in, leaking, leaks_in, taken
from tests.signing import JETPACK_SECRET, SHOPIFY_SECRET

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SEEN = "ada@example.test"


def logged(text: str) -> None:
    logging.getLogger("jetbridge.somewhere").debug("no mail for %s", text)


def logged_as_an_extra(text: str) -> None:
    logging.getLogger("jetbridge").info("looked", extra={"did": [{"to": text}]})


def logged_with_an_exception(text: str) -> None:
    try:
        raise ValueError(text)  # noqa: TRY301 - the shortest way to an exception with a traceback
    except ValueError:
        logging.getLogger("jetbridge").warning("failed", exc_info=True)


def logged_by_somebody_else(text: str) -> None:
    logging.getLogger("botocore.hooks").warning("sent %s", text)


def logged_by_powertools(text: str) -> None:
    Logger(service=f"test-{id(text)}").info({"message": "looked", "address": text})


def printed(text: str) -> None:
    function = ModuleType("functions.forward_order.app")
    exec("def say(text):\n    print({'to': text})", vars(function))  # noqa: S102 - a module that is not a test
    function.say(text)


def counted(text: str) -> None:
    metrics = Metrics(namespace="Jetbridge", service="test")
    metrics.add_metric("Looked", "Count", 1)
    metrics.add_metadata("order", text)
    metrics.flush_metrics()


def sent(text: str) -> None:
    with moto.mock_aws():
        sqs = boto3.client("sqs")
        url = sqs.create_queue(QueueName="order")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"id": text}))


def sent_in_a_batch(text: str) -> None:
    with moto.mock_aws():
        sqs = boto3.client("sqs")
        url = sqs.create_queue(QueueName="order.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        SqsWakeUpQueue(sqs, url).send([WakeUp(StoreSlug("demo"), "order", text, "test", 1.0)])


def queued(text: str) -> None:
    InMemoryQueue().send([WakeUp(StoreSlug("demo"), "order", "1", f"for {text}", 1.0)])


def raised(text: str) -> None:
    RejectedByPartnerError(f"{text} is no address", partner="jetpack")


def raised_as_a_code(text: str) -> None:
    TransientError(partner="jetpack", code=text)


def raised_without_a_partner(text: str) -> None:
    ConfigurationError(text)


WAYS: list[Callable[[str], None]] = [
    logged,
    logged_as_an_extra,
    logged_with_an_exception,
    logged_by_somebody_else,
    logged_by_powertools,
    printed,
    counted,
    sent,
    sent_in_a_batch,
    queued,
    raised,
    raised_as_a_code,
    raised_without_a_partner,
]


@pytest.mark.parametrize("way", WAYS)
def test_a_leak_is_noticed_whichever_way_it_takes(way: Callable[[str], None]) -> None:
    with leaking() as found:
        way(SEEN)
    assert SEEN in {leak.found for leak in found}
    assert all("tests/test_privacy.py:" in leak.where for leak in found)

    with leaking() as found:
        way("nobody")
    assert not found


def test_what_leaked_on_purpose_fails_no_test() -> None:
    with leaking():
        logged(SEEN)

    assert not taken()


def everybody() -> dict[str, str]:
    """Every person and secret that is defined somewhere, by where."""
    found = {
        "builders: name": ADDRESS.name,
        "builders: street": ADDRESS.address1,
        "builders: mail": an_order().email or "",
        "signing: Shopify": SHOPIFY_SECRET,
        "signing: Jetpack": JETPACK_SECRET,
        "demo: Jetpack": DEMO_SECRET,
    }
    for each in pkgutil.iter_modules(local.simulators.__path__, "local.simulators."):
        module = importlib.import_module(each.name)
        for name, simulator in inspect.getmembers(module, inspect.isclass):
            if simulator.__module__ == each.name and name.endswith("Simulator"):
                found |= {
                    f"{name}: {parameter.name}": parameter.default
                    for parameter in inspect.signature(simulator).parameters.values()
                    if re.search("token|secret|key", parameter.name) and isinstance(parameter.default, str)
                }
        for name, value in vars(module).items():
            if name.endswith("ADDRESS") and isinstance(value, dict):
                parts = {key: value.get(key) for key in ("name", "address1", "street1", "phone")}
                found |= {f"{each.name} {name}: {key}": text for key, text in parts.items() if isinstance(text, str)}
    return found


EVERYBODY = everybody()


def test_the_simulators_are_asked_for_their_secrets() -> None:
    assert {"JetpackSimulator: token", "ShopifySimulator: client_secret"} <= EVERYBODY.keys()
    assert any(name.endswith(("street1", "address1")) for name in EVERYBODY)


@pytest.mark.parametrize("name", EVERYBODY)
@pytest.mark.parametrize("written", [str, quote, quote_plus, json.dumps, repr])
def test_everybody_is_looked_for(name: str, written: Callable[[str], str]) -> None:
    assert found_in(f"because {written(EVERYBODY[name])}.")


def test_the_people_in_the_example_events_are_looked_for() -> None:
    people = 0
    for path in sorted((ROOT / "events").glob("receive_webhook.*.json")):
        body = json.loads(path.read_text())["body"]
        mails = re.findall(r"[\w.]+@[\w.]+", body)
        assert all(found_in(mail) for mail in mails), path.name
        people += len(mails)
    assert people


@pytest.mark.parametrize(
    "text",
    [
        "https://demo.example.test/webhooks/shopify/demo",
        "a Jetpack webhook secret begins with whsec_",
        "Authorization: Basic or Bearer?",
        "shpat_…",
        "looked at order 820982911946154508, 1ZTEST0001",
        "path-to-nowhere",
    ],
)
def test_what_is_nobodys_is_not_taken_for_a_leak(text: str) -> None:
    assert not found_in(text)


def test_a_secret_that_was_made_up_just_now_is_looked_for_once_it_is_stored() -> None:
    secret = f"invented-{uuid.uuid4()}"
    assert not found_in(secret)

    with moto.mock_aws():
        save_credentials(boto3.client("ssm"), "test", StoreSlug("demo"), "shopify", {"client_secret": secret})
    with leaking() as found:
        logged(f"the secret is {secret}")

    assert secret in {leak.found for leak in found}


def test_a_stacks_logs_and_queues_are_looked_through() -> None:
    with moto.mock_aws():
        sqs = boto3.client("sqs")
        url = sqs.create_queue(QueueName="order")["QueueUrl"]
        stack: Any = SimpleNamespace(
            state=SimpleNamespace(environments={"ForwardOrder": {}, "SyncTracking": {}}),
            logs={"ForwardOrder": "looked", "SyncTracking": f'{{"to": "{SEEN}"}}'}.__getitem__,
            client=lambda _service: sqs,
            outputs={"OrderQueueUrl": url, "OrderQueueName": "order"},
        )
        with leaking():
            for text in ("nobody", SHOPIFY_SECRET, *["nobody"] * 20):
                sqs.send_message(QueueUrl=url, MessageBody=text)
        found = leaks_in(stack)

    assert found == [Leak("log of SyncTracking", SEEN), Leak("OrderQueueUrl", SHOPIFY_SECRET)]


def test_nothing_of_the_sdk_is_told_even_when_everything_is() -> None:
    """An operator may set the functions to DEBUG; the SDK would then print every item and secret it sends."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    try:
        with moto.mock_aws():
            make = client_maker()
            ssm, sqs = make("ssm"), make("sqs")
            boto3.client("ssm").put_parameter(Name="/jetbridge/secret", Value=SHOPIFY_SECRET, Type="SecureString")
            ssm.get_parameter(Name="/jetbridge/secret", WithDecryption=True)
            sqs.list_queues(QueueNamePrefix=SEEN)
    finally:
        root.setLevel(before)


LEAKING = """
import logging

def test_quiet():
    logging.getLogger("jetbridge").info("looked")

def test_loud():
    logging.getLogger("jetbridge").info("looked at ada@example.test")

def test_quiet_again():
    pass
"""


def test_a_test_that_leaks_fails_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "test_leaking.py").write_text(LEAKING)

    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-c", "pyproject.toml"]
    ended = subprocess.run(
        [*command, "--rootdir", str(tmp_path), "-rA", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "3 passed, 1 error" in ended.stdout
    assert re.search(r"ERROR \S*::test_loud", ended.stdout)
    assert "AssertionError: log record: 'ada@example.test'" in ended.stdout
