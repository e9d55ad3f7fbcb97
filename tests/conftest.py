"""What every test gets: made-up AWS credentials, an environment put back afterwards, and no network but loopback.

And what no test may do, whatever it is about: let a secret or a person's data out (privacy.py).
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import hypothesis
import pytest
import pytest_socket
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from tests import privacy

if TYPE_CHECKING:
    from collections.abc import Iterator

# Timing says nothing on a shared machine. The suite draws the same examples every time, so that a change passes or
# fails by what it changed; `make explore` (--hypothesis-profile explore) draws new ones, and many more.
hypothesis.settings.register_profile("jetbridge", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=3000, print_blob=True)
hypothesis.settings.load_profile("jetbridge")
# It also draws constants out of whatever modules of ours are loaded. Which ones depends on the process, and the
# invented secrets of the simulators are among them.
providers._get_local_constants = Constants  # noqa: SLF001 - there is no setting for it

privacy.install()

LOOPBACK = ["127.0.0.1", "::1", "localhost"]
_resolved: dict[str, set[str]] = {}

FAKE_AWS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    # A profile of the developer's own must not be found.
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


@pytest.fixture(autouse=True)
def _environment(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give made-up credentials, and put the environment back as it was. Stack tests bring credentials of their own."""
    before = dict(os.environ)
    if "stack" not in request.keywords:
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION"):
            os.environ.pop(name, None)
        os.environ.update(FAKE_AWS, POWERTOOLS_LOG_LEVEL="DEBUG")  # every line there can be is made, and looked at
    yield
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(autouse=True)
def _no_network() -> None:
    """Let a test reach this machine only: a call to a real partner would be a bug of ours. The plugin undoes it."""
    pytest_socket.socket_allow_hosts(LOOPBACK, allow_unix_socket=True, resolution_cache=_resolved)


@pytest.fixture(autouse=True)
def _nothing_leaks() -> Iterator[None]:
    """Fail the test during which a secret or somebody's data left. Our own debug lines are made, too, and looked at."""
    logging.getLogger("jetbridge").setLevel(logging.DEBUG)
    yield
    privacy.check()


@pytest.fixture(scope="session", autouse=True)
def _nothing_leaks_at_the_end() -> Iterator[None]:
    """The same for what leaves after the last test, while its fixtures are cleared away."""
    yield
    privacy.check()


@dataclass
class LambdaContext:
    """What Lambda hands to a handler beside the event."""

    function_name: str = "function-under-test"
    function_version: str = "$LATEST"
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:function-under-test"
    memory_limit_in_mb: int = 256
    aws_request_id: str = "00000000-0000-4000-8000-000000000000"
    log_group_name: str = "/jetbridge/test/function-under-test"
    log_stream_name: str = "2026/11/29/[$LATEST]00000000000000000000000000000000"
    remaining_milliseconds: int = 30_000

    def get_remaining_time_in_millis(self) -> int:
        """How long the function may still run."""
        return self.remaining_milliseconds


@pytest.fixture
def lambda_context() -> LambdaContext:
    return LambdaContext()
