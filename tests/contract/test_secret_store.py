"""What every SecretStore promises: the fake and SSM (moto) alike."""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING

import pytest
from botocore.stub import Stubber

from jetbridge.aws.secrets import SsmSecretStore, SsmWebhookSecrets
from jetbridge.domain.identifiers import StoreSlug
from jetbridge.errors import ConfigurationError, TransientError
from tests.contract.conftest import client
from tests.fakes import InMemorySecretStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_ssm import SSMClient

    from jetbridge.ports import SecretStore

NORTHWIND, SOUTHWIND = StoreSlug("northwind-supply"), StoreSlug("southwind")
OLD, NEW = "whsec_old-0123456789", "whsec_new-0123456789"


CONSOLE = "/jetbridge/test/console"


@pytest.fixture(params=["fake", "ssm"])
def adapter(request: pytest.FixtureRequest) -> SecretStore:
    if request.param == "fake":
        return InMemorySecretStore()
    return SsmSecretStore(request.getfixturevalue("ssm"), "test")


def test_a_store_that_was_never_connected_has_nothing(adapter: SecretStore) -> None:
    assert adapter.credentials(NORTHWIND, "shopify") is None
    assert list(adapter.webhook_secrets(NORTHWIND, "shopify")) == []


def test_credentials_are_read_as_they_were_saved_last(adapter: SecretStore) -> None:
    adapter.save_credentials(NORTHWIND, "shopify", {"access_token": OLD})
    adapter.save_credentials(NORTHWIND, "shopify", {"client_id": "id", "client_secret": NEW})

    assert adapter.credentials(NORTHWIND, "shopify") == {"client_id": "id", "client_secret": NEW}
    assert adapter.credentials(NORTHWIND, "jetpack") is None
    assert adapter.credentials(SOUTHWIND, "shopify") is None


def test_webhook_secrets_keep_their_order(adapter: SecretStore) -> None:
    adapter.save_webhook_secrets(NORTHWIND, "jetpack", [OLD])
    adapter.save_webhook_secrets(NORTHWIND, "jetpack", [NEW, OLD])

    assert list(adapter.webhook_secrets(NORTHWIND, "jetpack")) == [NEW, OLD]
    assert adapter.credentials(NORTHWIND, "jetpack") is None


def test_no_webhook_secret_at_all_takes_them_away_and_leaves_the_credentials(adapter: SecretStore) -> None:
    adapter.save_credentials(NORTHWIND, "jetpack", {"token": NEW})
    adapter.save_webhook_secrets(NORTHWIND, "jetpack", [OLD])

    for _ in range(2):
        adapter.save_webhook_secrets(NORTHWIND, "jetpack", [])

    assert list(adapter.webhook_secrets(NORTHWIND, "jetpack")) == []
    assert adapter.credentials(NORTHWIND, "jetpack") == {"token": NEW}


def test_what_is_deleted_is_gone_for_one_partner_of_one_store_and_may_be_deleted_again(adapter: SecretStore) -> None:
    for store in (NORTHWIND, SOUTHWIND):
        for partner in ("shopify", "jetpack"):
            adapter.save_credentials(store, partner, {"token": NEW})
            adapter.save_webhook_secrets(store, partner, [NEW])

    for _ in range(2):
        adapter.delete(NORTHWIND, "jetpack")

    assert adapter.credentials(NORTHWIND, "jetpack") is None
    assert list(adapter.webhook_secrets(NORTHWIND, "jetpack")) == []
    for store, partner in ((NORTHWIND, "shopify"), (SOUTHWIND, "jetpack")):
        assert adapter.credentials(store, partner) == {"token": NEW}
        assert list(adapter.webhook_secrets(store, partner)) == [NEW]


def test_a_console_that_nobody_set_up_has_no_tokens(adapter: SecretStore) -> None:
    adapter.save_credentials(NORTHWIND, "shopify", {"token": NEW})

    assert adapter.console_tokens() == {}


@pytest.mark.parametrize("tokens", [{}, {"maria": NEW}, {"maria": NEW, "josé": OLD}])
def test_the_consoles_tokens_are_read_by_name_and_as_they_are_now(
    request: pytest.FixtureRequest, adapter: SecretStore, tokens: dict[str, str]
) -> None:
    for now in ({"somebody": "else"}, tokens):
        if isinstance(adapter, InMemorySecretStore):
            adapter.console = now
        else:
            ssm: SSMClient = request.getfixturevalue("ssm")
            ssm.put_parameter(Name=CONSOLE, Value=json.dumps(now), Type="SecureString", Overwrite=True)
        assert adapter.console_tokens() == now


# -- what only SSM has --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stored", [NEW, f'["{NEW}"]', f'{{"maria": ["{NEW}"]}}', f'{{"maria": "{NEW}"'])
def test_console_tokens_nobody_can_read_are_not_quoted(ssm: SSMClient, stored: str) -> None:
    ssm.put_parameter(Name=CONSOLE, Value=stored, Type="SecureString")

    with pytest.raises(ConfigurationError, match=CONSOLE) as caught:
        SsmSecretStore(ssm, "test").console_tokens()

    assert NEW not in "".join(traceback.format_exception(caught.value))


def test_a_store_called_console_has_secrets_of_its_own(ssm: SSMClient) -> None:
    ssm.put_parameter(Name=CONSOLE, Value=json.dumps({"maria": OLD}), Type="SecureString")
    store = SsmSecretStore(ssm, "test")

    store.save_credentials(StoreSlug("console"), "shopify", {"token": NEW})

    assert store.console_tokens() == {"maria": OLD}
    assert store.credentials(StoreSlug("console"), "shopify") == {"token": NEW}


def test_the_intake_reads_what_was_stored_here(ssm: SSMClient) -> None:
    SsmSecretStore(ssm, "test").save_webhook_secrets(NORTHWIND, "jetpack", [NEW])

    assert list(SsmWebhookSecrets(ssm, "test").webhook_secrets(NORTHWIND, "jetpack")) == [NEW]


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException"])
@pytest.mark.parametrize(
    ("operation", "ask"),
    [
        ("get_parameter", lambda store: store.credentials(NORTHWIND, "shopify")),
        ("get_parameter", lambda store: store.console_tokens()),
        ("delete_parameter", lambda store: store.delete(NORTHWIND, "shopify")),
    ],
    ids=["credentials", "console_tokens", "delete"],
)
def test_a_failure_is_not_taken_for_nothing_stored(
    code: str, operation: str, ask: Callable[[SsmSecretStore], object]
) -> None:
    ssm = client("ssm")
    with Stubber(ssm) as stubber:
        stubber.add_client_error(operation, code)
        store = SsmSecretStore(ssm, "test")

        with pytest.raises((TransientError, ConfigurationError), match=code):
            ask(store)


def test_stored_credentials_nobody_can_use_are_not_quoted(ssm: SSMClient) -> None:
    name = "/jetbridge/test/northwind-supply/shopify"
    ssm.put_parameter(Name=name, Value=NEW, Type="SecureString")

    with pytest.raises(ConfigurationError, match=name) as caught:
        SsmSecretStore(ssm, "test").credentials(NORTHWIND, "shopify")

    assert NEW not in "".join(traceback.format_exception(caught.value))
