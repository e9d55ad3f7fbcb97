"""Secrets, in SSM SecureStrings: what we show to partners, and what their webhooks are signed with.

    /jetbridge/{stage}/{store}/{partner}            JSON object of credentials, text → text
    /jetbridge/{stage}/{store}/{partner}/webhook    webhook secrets, one a line: several while one is being replaced
    /jetbridge/{stage}/console                      JSON object of the console's tokens, name → token

Two of a partner, because the intake may read only the second. It also imports this module, so Powertools stays out
of it: a `PartnerCredentials` gets its provider from outside.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from jetbridge.aws.failures import our_errors, transient, translated
from jetbridge.errors import ConfigurationError, CredentialsRejectedError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aws_lambda_powertools.utilities.parameters import SSMProvider
    from mypy_boto3_ssm import SSMClient

CREDENTIALS_SECONDS = 300

UNKNOWN_NAMES = 500
"""How many names that lead nowhere are remembered; anybody on the internet can invent more."""

AGAIN_SECONDS = 30
"""How often, at most, a signature that does not fit makes us read the same secrets again."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
"""A store's or a partner's name. Nothing else is put into a parameter's name."""


class PartnerCredentials:
    """What we show to partners, read through Powertools and remembered for five minutes."""

    def __init__(self, provider: SSMProvider, stage: str) -> None:
        self._provider = provider
        self._stage = stage

    def read(self, store: str, partner: str) -> dict[str, str]:
        """Read a store's credentials for a partner.

        Raises:
            CredentialsRejectedError: None are stored: the store is not, or no longer, connected.
            ConfigurationError: What is stored is no JSON object of texts.
            TransientError: SSM did not answer.
        """
        return self._read(store, partner, again=False)

    def read_again(self, store: str, partner: str) -> dict[str, str]:
        """Read them anew, after the partner refused those that were remembered. Raises what `read` raises."""
        return self._read(store, partner, again=True)

    def _read(self, store: str, partner: str, *, again: bool) -> dict[str, str]:
        from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

        name = _parameter(self._stage, store, partner)
        try:
            stored = self._provider.get(name, max_age=CREDENTIALS_SECONDS, decrypt=True, force_fetch=again)
        except GetParameterError as error:
            cause = error.__context__  # Powertools keeps only the text of what it caught
            if isinstance(cause, ClientError) and _absent(cause):
                message = "no credentials are stored"
                raise CredentialsRejectedError(message, partner=partner, code="missing") from None
            if isinstance(cause, (BotoCoreError, ClientError)):
                raise translated(cause) from None
            raise
        return _credentials(name, stored)


def _credentials(name: str, stored: object) -> dict[str, str]:
    try:
        found = json.loads(str(stored))
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        message = f"{name} holds no JSON object of texts"
        raise ConfigurationError(message)
    return found


@dataclass(frozen=True, slots=True)
class _Known:
    """What SSM said, and when."""

    at: float
    secrets: tuple[str, ...] = field(repr=False)


class SsmWebhookSecrets:
    """The port `WebhookSecrets` on SSM, for the intake. `clock` gives seconds, from any beginning."""

    def __init__(
        self,
        client: SSMClient,
        stage: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        known_seconds: float = 300,
        unknown_seconds: float = 60,
    ) -> None:
        self._client = client
        self._stage = stage
        self._clock = clock
        self._known_seconds = known_seconds
        self._unknown_seconds = unknown_seconds
        self._known: dict[tuple[str, str], _Known] = {}
        # Apart from the known, so that invented names cannot push a real one out. Oldest first.
        self._unknown: dict[tuple[str, str], _Known] = {}

    def webhook_secrets(self, store: str, partner: str) -> Sequence[str]:
        """Give the secrets in use; empty for a store or partner we do not know.

        Raises:
            TransientError: SSM did not answer.
        """
        return self._secrets(store, partner, self._known_seconds, self._unknown_seconds)

    def webhook_secrets_again(self, store: str, partner: str) -> Sequence[str]:
        """Give them read anew, because a signature did not fit, unless they were read in the last 30 s."""
        return self._secrets(store, partner, AGAIN_SECONDS, AGAIN_SECONDS)

    def _secrets(self, store: str, partner: str, known_seconds: float, unknown_seconds: float) -> Sequence[str]:
        key, now = (store, partner), self._clock()
        if (known := self._known.get(key)) and now - known.at < known_seconds:
            return known.secrets
        if (unknown := self._unknown.get(key)) and now - unknown.at < unknown_seconds:
            return ()
        if not (_NAME.fullmatch(store) and _NAME.fullmatch(partner)):
            return ()
        found = _Known(now, self._fetch(store, partner))
        self._known.pop(key, None)
        self._unknown.pop(key, None)
        if found.secrets:
            self._known[key] = found
        else:
            self._unknown[key] = found
            if len(self._unknown) > UNKNOWN_NAMES:
                del self._unknown[next(iter(self._unknown))]
        return found.secrets

    def _fetch(self, store: str, partner: str) -> tuple[str, ...]:
        name = _webhook_parameter(self._stage, store, partner)
        try:
            answer = self._client.get_parameter(Name=name, WithDecryption=True)
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and _absent(error):
                return ()
            raise transient(error) from error
        return _lines(answer["Parameter"]["Value"])


def save_credentials(client: SSMClient, stage: str, store: str, partner: str, credentials: Mapping[str, str]) -> None:
    """Store what we show to a partner, instead of what was there. For connecting a store, never for a function.

    Raises:
        InvalidRequestError: The name of the store or the partner cannot be used.
    """
    _save(client, _parameter(stage, store, partner), json.dumps(dict(credentials)))


def save_webhook_secrets(client: SSMClient, stage: str, store: str, partner: str, secrets: Sequence[str]) -> None:
    """Store all secrets in use, instead of those that were there; keep the old one while a partner changes over.

    Raises:
        InvalidRequestError: A name cannot be used, or a secret is empty or has white space around or line ends in it.
    """
    if not secrets or not all(secret and [secret.strip()] == secret.split("\n") for secret in secrets):
        message = "a webhook secret is one line without white space around it"
        raise InvalidRequestError(message)
    _save(client, _webhook_parameter(stage, store, partner), "\n".join(secrets))


class SsmSecretStore:
    """The port `SecretStore` on SSM, for whoever connects stores. Remembers nothing."""

    def __init__(self, client: SSMClient, stage: str) -> None:
        self._client = client
        self._stage = stage

    def credentials(self, store: str, partner: str) -> dict[str, str] | None:
        """Read what is shown to a partner; None when nothing is stored.

        Raises:
            ConfigurationError: What is stored is no JSON object of texts.
        """
        name = _parameter(self._stage, store, partner)
        stored = self._read(name)
        return None if stored is None else _credentials(name, stored)

    def save_credentials(self, store: str, partner: str, credentials: Mapping[str, str]) -> None:
        """Store what is shown to a partner, instead of what was there."""
        save_credentials(self._client, self._stage, store, partner, credentials)

    def webhook_secrets(self, store: str, partner: str) -> Sequence[str]:
        """Read the webhook secrets in use; empty when there are none."""
        return _lines(self._read(_webhook_parameter(self._stage, store, partner)) or "")

    def save_webhook_secrets(self, store: str, partner: str, secrets: Sequence[str]) -> None:
        """Store all webhook secrets in use, instead of those that were there; none at all takes them away."""
        if secrets:
            save_webhook_secrets(self._client, self._stage, store, partner, secrets)
        else:
            self._delete(_webhook_parameter(self._stage, store, partner))

    def delete(self, store: str, partner: str) -> None:
        """Forget credentials and webhook secrets; what is gone counts as done."""
        # The secrets first: without credentials nothing would be left to find them by.
        self._delete(_webhook_parameter(self._stage, store, partner))
        self._delete(_parameter(self._stage, store, partner))

    def console_tokens(self) -> Mapping[str, str]:
        """Read the tokens that open the console, by the name of who has it; empty when there are none.

        Raises:
            ConfigurationError: What is stored is no JSON object of texts.
        """
        name = console_parameter(self._stage)
        stored = self._read(name)
        return {} if stored is None else _credentials(name, stored)

    def _read(self, name: str) -> str | None:
        try:
            return self._client.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and _absent(error):
                return None
            raise translated(error) from None

    def _delete(self, name: str) -> None:
        try:
            self._client.delete_parameter(Name=name)
        except (BotoCoreError, ClientError) as error:
            if not (isinstance(error, ClientError) and _absent(error)):
                raise translated(error) from None


def _lines(stored: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, stored.split("\n"))))


def _save(client: SSMClient, name: str, value: str) -> None:
    with our_errors():
        client.put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def _parameter(stage: str, store: str, partner: str) -> str:
    if not (_NAME.fullmatch(store) and _NAME.fullmatch(partner)):
        message = "a store's and a partner's name hold lower-case letters, digits and dashes only, at most 40"
        raise InvalidRequestError(message)
    return f"/jetbridge/{stage}/{store}/{partner}"


def _webhook_parameter(stage: str, store: str, partner: str) -> str:
    return f"{_parameter(stage, store, partner)}/webhook"


def console_parameter(stage: str) -> str:
    """Name the parameter of the console's tokens."""
    return f"/jetbridge/{stage}/console"


def _absent(error: ClientError) -> bool:
    return error.response.get("Error", {}).get("Code") == "ParameterNotFound"
