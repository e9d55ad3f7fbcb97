"""What every WebhookSecrets promises: the fake and SSM (moto) alike; and the credentials kept beside them."""
# ruff: noqa: ANN401 - builders and stand-in clients take whatever they are given

from __future__ import annotations

import json
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.stub import Stubber

from jetbridge.aws import secrets as secrets_module
from jetbridge.aws.secrets import (
    UNKNOWN_NAMES,
    PartnerCredentials,
    SsmWebhookSecrets,
    save_credentials,
    save_webhook_secrets,
)
from jetbridge.errors import ConfigurationError, CredentialsRejectedError, InvalidRequestError, TransientError
from tests.contract.conftest import client
from tests.fakes import InMemoryWebhookSecrets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_ssm import SSMClient

    from jetbridge.ports import WebhookSecrets

STORE = "northwind-supply"
OLD, NEW = "whsec_old-0123456789", "whsec_new-0123456789"


class Seconds:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


class Both:
    """A port, and the way to change what it reads."""

    def __init__(self, port: WebhookSecrets, save: Callable[[str, str, Sequence[str]], None]) -> None:
        self.port = port
        self.save = save


@pytest.fixture(params=["fake", "ssm"])
def adapter(request: pytest.FixtureRequest, seconds: Seconds) -> Both:
    if request.param == "fake":
        fake = InMemoryWebhookSecrets()

        def keep(store: str, partner: str, found: Sequence[str]) -> None:
            fake.secrets[store, partner] = found

        return Both(fake, keep)
    ssm = request.getfixturevalue("ssm")
    return Both(
        SsmWebhookSecrets(ssm, "test", clock=seconds),
        lambda store, partner, found: save_webhook_secrets(ssm, "test", store, partner, found),
    )


class TestWebhookSecrets:
    def test_those_of_a_store_and_a_partner_are_given(self, adapter: Both) -> None:
        adapter.save(STORE, "shopify", [NEW])

        assert list(adapter.port.webhook_secrets(STORE, "shopify")) == [NEW]
        assert not adapter.port.webhook_secrets(STORE, "jetpack")
        assert not adapter.port.webhook_secrets("southwind", "shopify")

    def test_several_are_in_use_while_one_is_being_replaced(self, adapter: Both) -> None:
        adapter.save(STORE, "jetpack", [NEW, OLD])

        assert list(adapter.port.webhook_secrets(STORE, "jetpack")) == [NEW, OLD]

    @pytest.mark.parametrize(
        "name", ["", "UPPER", "a/b", "../production", "ü", "a" * 41, "-a", "a.b", "a\n", "${jndi}", "a b", "\ud83d"]
    )
    def test_a_name_that_is_none_has_none(self, adapter: Both, name: str) -> None:
        assert not adapter.port.webhook_secrets(name, "shopify")
        assert not adapter.port.webhook_secrets(STORE, name)
        assert not adapter.port.webhook_secrets_again(name, "shopify")

    def test_a_changed_one_is_seen_when_asked_for_again(self, adapter: Both, seconds: Seconds) -> None:
        adapter.save(STORE, "shopify", [OLD])
        assert list(adapter.port.webhook_secrets(STORE, "shopify")) == [OLD]
        adapter.save(STORE, "shopify", [NEW])
        seconds.now += 31

        assert list(adapter.port.webhook_secrets_again(STORE, "shopify")) == [NEW]
        assert list(adapter.port.webhook_secrets(STORE, "shopify")) == [NEW]


# -- what only SSM has --------------------------------------------------------------------------------------------


class Counting:
    """A client that counts the reads it passes on."""

    def __init__(self, real: SSMClient) -> None:
        self._real = real
        self.reads: list[str] = []

    def get_parameter(self, **request: Any) -> Any:
        self.reads.append(request["Name"])
        return self._real.get_parameter(**request)


@pytest.fixture
def counting(ssm: SSMClient) -> Any:
    return Counting(ssm)


class TestRemembering:
    def test_known_secrets_are_read_once_in_five_minutes(self, counting: Any, ssm: SSMClient, seconds: Seconds) -> None:
        save_webhook_secrets(ssm, "test", STORE, "shopify", [OLD])
        port = SsmWebhookSecrets(counting, "test", clock=seconds)

        for _ in range(3):
            assert port.webhook_secrets(STORE, "shopify") == (OLD,)
        assert counting.reads == ["/jetbridge/test/northwind-supply/shopify/webhook"]

        seconds.now += 300
        port.webhook_secrets(STORE, "shopify")
        assert len(counting.reads) == 2

    def test_a_name_that_leads_nowhere_is_remembered_for_a_minute(self, counting: Any, seconds: Seconds) -> None:
        port = SsmWebhookSecrets(counting, "test", clock=seconds)

        for _ in range(3):
            assert port.webhook_secrets("nobody", "shopify") == ()
        assert len(counting.reads) == 1

        seconds.now += 60
        port.webhook_secrets("nobody", "shopify")
        assert len(counting.reads) == 2

    def test_a_store_connected_meanwhile_works_within_a_minute(self, ssm: SSMClient, seconds: Seconds) -> None:
        port = SsmWebhookSecrets(ssm, "test", clock=seconds)
        assert port.webhook_secrets(STORE, "shopify") == ()
        save_webhook_secrets(ssm, "test", STORE, "shopify", [NEW])
        seconds.now += 60

        assert port.webhook_secrets(STORE, "shopify") == (NEW,)

    def test_names_that_are_none_cost_no_call(self, counting: Any, seconds: Seconds) -> None:
        port = SsmWebhookSecrets(counting, "test", clock=seconds)

        for name in ("../production", "UPPER", "", "a" * 41):
            port.webhook_secrets(name, "shopify")
            port.webhook_secrets(STORE, name)

        assert counting.reads == []

    def test_invented_names_neither_fill_the_memory_nor_push_a_real_store_out(
        self, counting: Any, ssm: SSMClient, seconds: Seconds
    ) -> None:
        save_webhook_secrets(ssm, "test", STORE, "shopify", [NEW])
        port = SsmWebhookSecrets(counting, "test", clock=seconds)
        port.webhook_secrets(STORE, "shopify")

        for n in range(UNKNOWN_NAMES + 50):
            port.webhook_secrets(f"invented-{n}", "shopify")
        read = len(counting.reads)

        assert port.webhook_secrets(STORE, "shopify") == (NEW,)
        assert port.webhook_secrets(f"invented-{UNKNOWN_NAMES + 49}", "shopify") == ()
        assert len(counting.reads) == read
        assert len(port._unknown) == UNKNOWN_NAMES  # noqa: SLF001 - its bound is the point

    def test_forged_signatures_make_us_read_again_at_most_every_thirty_seconds(
        self, counting: Any, ssm: SSMClient, seconds: Seconds
    ) -> None:
        save_webhook_secrets(ssm, "test", STORE, "shopify", [NEW])
        port = SsmWebhookSecrets(counting, "test", clock=seconds)
        port.webhook_secrets(STORE, "shopify")

        for _ in range(60):
            seconds.now += 1
            assert port.webhook_secrets_again(STORE, "shopify") == (NEW,)

        assert len(counting.reads) == 3

    def test_secrets_that_were_taken_away_are_gone(self, ssm: SSMClient, seconds: Seconds) -> None:
        save_webhook_secrets(ssm, "test", STORE, "shopify", [NEW])
        port = SsmWebhookSecrets(ssm, "test", clock=seconds)
        port.webhook_secrets(STORE, "shopify")
        ssm.delete_parameter(Name="/jetbridge/test/northwind-supply/shopify/webhook")
        seconds.now += 300

        assert port.webhook_secrets(STORE, "shopify") == ()

    @pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException", "InternalServerError"])
    def test_a_failure_is_not_taken_for_an_unknown_store(self, code: str) -> None:
        ssm = client("ssm")
        with Stubber(ssm) as stubber:
            stubber.add_client_error("get_parameter", code)
            stubber.add_response("get_parameter", {"Parameter": {"Value": f"  {NEW} \n\n{OLD}\n"}})
            port = SsmWebhookSecrets(ssm, "test")

            with pytest.raises(TransientError, match=code):
                port.webhook_secrets(STORE, "shopify")

            assert port.webhook_secrets(STORE, "shopify") == (NEW, OLD)


class TestCredentials:
    @pytest.fixture
    def provider(self, ssm: SSMClient) -> SSMProvider:
        return SSMProvider(boto3_client=ssm)

    @pytest.fixture
    def credentials(self, provider: SSMProvider) -> PartnerCredentials:
        return PartnerCredentials(provider, "test")

    def test_what_was_saved_is_read(self, credentials: PartnerCredentials, ssm: SSMClient) -> None:
        save_credentials(ssm, "test", STORE, "shopify", {"access_token": "shpat_0123"})
        save_credentials(ssm, "test", STORE, "jetpack", {"token": "pat_0123"})

        assert credentials.read(STORE, "shopify") == {"access_token": "shpat_0123"}
        assert credentials.read(STORE, "jetpack") == {"token": "pat_0123"}

    def test_they_are_remembered_until_asked_for_again(self, credentials: PartnerCredentials, ssm: SSMClient) -> None:
        save_credentials(ssm, "test", STORE, "jetpack", {"token": OLD})
        credentials.read(STORE, "jetpack")
        save_credentials(ssm, "test", STORE, "jetpack", {"token": NEW})

        assert credentials.read(STORE, "jetpack") == {"token": OLD}
        assert credentials.read_again(STORE, "jetpack") == {"token": NEW}
        assert credentials.read(STORE, "jetpack") == {"token": NEW}

    def test_a_store_without_them_is_not_connected(self, credentials: PartnerCredentials) -> None:
        with pytest.raises(CredentialsRejectedError, match="missing") as caught:
            credentials.read(STORE, "jetpack")
        assert caught.value.partner == "jetpack"

    @pytest.mark.parametrize("stored", [NEW, f'["{NEW}"]', f'{{"token": ["{NEW}"]}}', "17"])
    def test_what_is_no_object_of_texts_is_refused_and_not_quoted(
        self, credentials: PartnerCredentials, ssm: SSMClient, stored: str
    ) -> None:
        name = "/jetbridge/test/northwind-supply/jetpack"
        ssm.put_parameter(Name=name, Value=stored, Type="SecureString")

        with pytest.raises(ConfigurationError, match=name) as caught:
            credentials.read(STORE, "jetpack")
        assert NEW not in "".join(traceback.format_exception(caught.value))

    @pytest.mark.parametrize(
        ("code", "ours"), [("ThrottlingException", TransientError), ("AccessDeniedException", ConfigurationError)]
    )
    def test_a_failure_is_not_taken_for_a_missing_one(self, code: str, ours: type[Exception]) -> None:
        ssm = client("ssm")
        with Stubber(ssm) as stubber:
            stubber.add_client_error("get_parameter", code)

            with pytest.raises(ours, match=code):
                PartnerCredentials(SSMProvider(boto3_client=ssm), "test").read(STORE, "jetpack")

    def test_a_bug_behind_powertools_stays_visible(self) -> None:
        class Broken:
            meta = client("ssm").meta

            def get_parameter(self, **_: object) -> None:
                raise RuntimeError

        broken: Any = Broken()
        with pytest.raises(GetParameterError):
            PartnerCredentials(SSMProvider(boto3_client=broken), "test").read(STORE, "jetpack")


class TestSaving:
    def test_secrets_are_encrypted_parameters_under_their_documented_names(self, ssm: SSMClient) -> None:
        save_credentials(ssm, "test", STORE, "jetpack", {"token": NEW})
        save_webhook_secrets(ssm, "test", STORE, "jetpack", [NEW, OLD])

        found = {each["Name"]: each["Type"] for each in ssm.describe_parameters()["Parameters"]}
        assert found == {
            "/jetbridge/test/northwind-supply/jetpack": "SecureString",
            "/jetbridge/test/northwind-supply/jetpack/webhook": "SecureString",
        }
        credentials = ssm.get_parameter(Name="/jetbridge/test/northwind-supply/jetpack", WithDecryption=True)
        assert json.loads(credentials["Parameter"]["Value"]) == {"token": NEW}

    @pytest.mark.parametrize("secret", ["", " ", "two\nlines", f" {NEW}", f"{NEW}\n"])
    def test_a_secret_that_is_not_one_clean_line_is_refused_and_not_quoted(self, ssm: SSMClient, secret: str) -> None:
        with pytest.raises(InvalidRequestError) as caught:
            save_webhook_secrets(ssm, "test", STORE, "jetpack", [OLD, secret])
        assert NEW not in str(caught.value)
        assert ssm.describe_parameters()["Parameters"] == []

    def test_no_secret_at_all_is_refused(self, ssm: SSMClient) -> None:
        with pytest.raises(InvalidRequestError):
            save_webhook_secrets(ssm, "test", STORE, "jetpack", [])

    @pytest.mark.parametrize("name", ["../production", "UPPER", ""])
    def test_a_name_that_cannot_be_used_is_refused(self, ssm: SSMClient, name: str) -> None:
        with pytest.raises(InvalidRequestError):
            save_credentials(ssm, "test", name, "jetpack", {"token": NEW})
        with pytest.raises(InvalidRequestError):
            save_webhook_secrets(ssm, "test", STORE, name, [NEW])

    def test_a_failed_save_does_not_quote_what_was_to_be_saved(self, aws: None) -> None:  # noqa: ARG002
        ssm = client("ssm")
        with Stubber(ssm) as stubber:
            stubber.add_client_error("put_parameter", "ValidationException", f"bad value {NEW}")

            with pytest.raises(ConfigurationError) as caught:
                save_credentials(ssm, "test", STORE, "jetpack", {"token": NEW})
        assert NEW not in "".join(traceback.format_exception(caught.value))


def test_nothing_that_holds_a_secret_shows_it(ssm: SSMClient) -> None:
    save_webhook_secrets(ssm, "test", STORE, "shopify", [NEW])
    port = SsmWebhookSecrets(ssm, "test")
    port.webhook_secrets(STORE, "shopify")

    assert NEW not in repr(port)
    assert NEW not in repr(vars(port))


def test_the_intake_can_import_this_without_anything_heavy() -> None:
    """What a module loads is counted in a process of its own, where no test has loaded anything yet."""
    layer = secrets_module.__file__.rpartition("/jetbridge/")[0]
    wanted = "jetbridge.aws.secrets, jetbridge.aws.queues"
    program = f"import sys; sys.path.insert(0, {layer!r}); import {wanted}; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(told.stdout.split())

    assert not {"aws_lambda_powertools", "boto3", "pydantic", "jetbridge.domain.record"} & loaded
