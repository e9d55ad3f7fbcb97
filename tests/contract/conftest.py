"""AWS in this process (moto), with tables and queues as the template declares them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import moto
import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

TEMPLATE = Path(__file__).parents[2] / "template.yaml"


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 29, 12, 0, 0, 123456, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **time: float) -> None:
        self.now += timedelta(**time)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@cache
def resources() -> dict[str, Any]:
    """The template's resources, with tags like !Ref left as their text."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda _loader, _tag, node: node.value)
    template: dict[str, Any] = yaml.load(TEMPLATE.read_text(), Loader)  # noqa: S506 - a SafeLoader, told of !tags
    return dict(template["Resources"])


# Clients are made once: making one takes longer than a test. moto must be imported before.
@cache
def client(service: Any) -> Any:  # noqa: ANN401 - any service
    return boto3.client(service, "us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")  # noqa: S106


@pytest.fixture
def aws() -> Iterator[None]:
    with moto.mock_aws():
        yield


@pytest.fixture
def dynamodb(aws: None) -> DynamoDBClient:  # noqa: ARG001 - wanted for what it does
    dynamodb: DynamoDBClient = client("dynamodb")
    for name in ("OrdersTable", "SettingsTable", "RuntimeTable"):
        wanted = ("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema")
        properties = resources()[name]["Properties"]
        dynamodb.create_table(TableName=name, **{key: properties[key] for key in wanted if key in properties})
    return dynamodb


@pytest.fixture
def sqs(aws: None) -> SQSClient:  # noqa: ARG001 - wanted for what it does
    found: SQSClient = client("sqs")
    return found


@pytest.fixture
def ssm(aws: None) -> SSMClient:  # noqa: ARG001 - wanted for what it does
    found: SSMClient = client("ssm")
    return found
