"""What a failed AWS call means to us: the one table from botocore's errors to ours."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004 - theirs

from jetbridge.errors import ConfigurationError, ConflictError, JetbridgeError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSING = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "KmsThrottled",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "ServiceUnavailable",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TransactionInProgressException",
    }
)
"""Codes that pass by themselves; so does every answer of 500 and above."""


def translated(error: BotoCoreError | ClientError) -> JetbridgeError:
    """Give our error for one of theirs: a lost condition, something passing, or a deployment that is wrong.

    Only AWS's code is told: the texts of parameter errors quote the values that they complain about.
    """
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code == "ConditionalCheckFailedException":
            return ConflictError("somebody else wrote first")
        if code in PASSING or status >= 500:  # noqa: PLR2004 - HTTP's own border
            return transient(error)
        return ConfigurationError(f"AWS refuses {error.operation_name}: {code}")
    if isinstance(error, (ConnectionError, HTTPClientError)):
        return transient(error)
    return ConfigurationError(f"AWS cannot be called: {type(error).__name__}")


def transient(error: BotoCoreError | ClientError) -> TransientError:
    """Give a TransientError whatever it was, for callers that can only try again later."""
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return TransientError(f"AWS did not do {error.operation_name}", partner="aws", http_status=status, code=code)
    return TransientError("AWS cannot be reached", partner="aws", code=type(error).__name__)


@contextmanager
def our_errors() -> Iterator[None]:
    """Turn the errors of the AWS calls inside into ours."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        # Not chained: a parameter error quotes the item, and the item may be somebody's address.
        raise translated(error) from None
