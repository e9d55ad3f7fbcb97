"""The deployed local stack, started once for all tests that need it.

A module that uses it marks itself, so that under xdist all of them run in one process and find the same stack:

    pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack"), pytest.mark.enable_socket]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.stack import LocalStack
from tests.privacy import leaks_in

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    with LocalStack() as running:
        yield running
        leaks = leaks_in(running)
        assert not leaks, "\n".join(map(str, leaks))


@pytest.fixture(scope="module")
def clean_tables(stack: LocalStack) -> Iterator[None]:
    """Leave the session's stack to other modules as it was."""
    yield
    dynamodb = stack.client("dynamodb")
    for table in (stack.outputs[f"{name}TableName"] for name in ("Orders", "Settings", "Runtime")):
        for page in dynamodb.get_paginator("scan").paginate(TableName=table):
            for item in page["Items"]:
                dynamodb.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})
