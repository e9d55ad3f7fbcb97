"""The console as it is invoked: real adapters, real partners on this machine, requests in, findings out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge import bootstrap
from jetbridge.domain.connection import SHIPSTATION_EVENTS, SHOPIFY_TOPICS, Trouble
from jetbridge.domain.store import ShipStationConnection
from jetbridge.messages import WakeUp
from local.simulators.shipstation import ShipStationSimulator
from tests.builders import STORE
from tests.functions.conftest import lines, sqs_event

if TYPE_CHECKING:
    from tests.functions.conftest import World

BASE = "https://jetbridge.example.test"
SHOP = "demo.myshopify.com"
Answer = dict[str, Any]


@pytest.fixture(autouse=True)
def _address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_URL", f"{BASE}/")


def connect(world: World, **given: Any) -> Answer:  # noqa: ANN401 - whatever a request holds
    event: dict[str, Any] = {
        "action": "connect",
        "store": STORE,
        "shop": SHOP,
        "credentials": {
            "shopify": {"client_id": world.shop.client_id, "client_secret": world.shop.client_secret},
            "jetpack": {"token": world.jetpack.token},
        },
    }
    return world.call("console", event | given)


def codes(answer: Answer, severity: str = "error") -> list[str]:
    return [each["code"] for each in answer["findings"] if each["severity"] == severity]


def test_a_store_is_connected_checked_and_disconnected(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.settings.delete_store(STORE)
    local = {"shopify": world.shop.url, "jetpack": world.jetpack.url}

    answer = connect(world, addresses=local, ship_options={"Standard": "Standard"}, buffer=2)

    assert (answer["ok"], codes(answer)) == (True, [])
    store = world.settings.store(STORE)
    assert store
    assert (store.shopify.admin_url, store.buffer) == (world.shop.url, 2)
    assert store.jetpack.channel_id == str(world.jetpack.channel["id"])
    for partner in ("shopify", "jetpack"):
        for name in (partner, f"{partner}/webhook"):
            found = world.ssm.get_parameter(Name=f"/jetbridge/test/{STORE}/{name}")["Parameter"]
            assert found["Type"] == "SecureString"

    again = connect(world)
    assert codes(again) == []

    checked = world.call("console", {"action": "check", "store": STORE})
    assert codes(checked) == []
    assert set(checked["troubles"]) == {*Trouble}
    good = {(each["code"], each["partner"]) for each in checked["findings"] if each["severity"] == "ok"}
    for partner in ("shopify", "jetpack"):
        assert good >= {(code, partner) for code in ("credentials_accepted", "scopes", "webhooks", "version", "clock")}

    gone = world.call("console", {"action": "disconnect", "store": STORE})
    assert gone["ok"]
    assert world.settings.store(STORE) is None
    assert not world.ssm.describe_parameters()["Parameters"]
    assert codes(world.call("console", {"action": "check", "store": STORE})) == ["not_connected"]
    assert [(each.by, each.what) for each in world.settings.changes(STORE)] == [
        ("IAM", "store_disconnected"),
        ("IAM", "store_connected"),
        ("IAM", "store_connected"),
    ]

    said = capsys.readouterr().out
    for secret in (world.shop.client_secret, world.jetpack.token, world.shop.access_token):
        assert secret not in said
        assert secret not in json.dumps([answer, again, checked, gone])
    assert [line["action"] for line in lines(said) if line["message"] == "console"] == [
        "connect",
        "connect",
        "check",
        "disconnect",
        "check",
    ]


def test_the_partners_are_told_where_to_send_and_what(world: World) -> None:
    connect(world)

    admin = world.call("console", {"action": "check", "store": STORE})
    assert not {"webhooks_missing", "webhooks_leftover"} & {each["code"] for each in admin["findings"]}
    assert world.shop.calls["webhookSubscriptionCreate"] == len(SHOPIFY_TOPICS)
    assert world.jetpack.calls["create_webhook"] == 1


def test_shipstation_is_connected_checked_and_given_up(world: World) -> None:
    with ShipStationSimulator(store_id=304352) as desk:
        credentials = {"shipstation": {"api_key": desk.api_key, "api_secret": desk.api_secret}}
        credentials |= {"jetpack": {"token": world.jetpack.token}}
        credentials |= {"shopify": {"client_id": world.shop.client_id, "client_secret": world.shop.client_secret}}
        given = {"routes": ["direct", "shipstation"], "addresses": {"shipstation": desk.url}}

        for _ in range(2):
            assert "connected" in {
                each["code"] for each in connect(world, credentials=credentials, **given)["findings"]
            }

        store = world.settings.store(STORE)
        assert store
        assert store.shipstation == ShipStationConnection("304352", desk.url)
        name = f"/jetbridge/test/{STORE}/shipstation/webhook"
        token = world.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        account = bootstrap.OpenAdministrations("test").desk(store.shipstation, credentials["shipstation"])
        wanted = {(f"{BASE}/webhooks/shipstation/{STORE}/{token}", (event,)) for event in SHIPSTATION_EVENTS}
        assert {(each.address, each.topics) for each in account.subscriptions()} == wanted
        assert len(account.subscriptions()) == len(wanted)

        desk.suspended = True
        assert codes(world.call("console", {"action": "check", "store": STORE})) == ["suspended"]
        desk.suspended = False
        assert world.call("console", {"action": "disconnect", "store": STORE})["ok"]
        assert account.subscriptions() == ()


@pytest.mark.parametrize("partner", ["shopify", "jetpack"])
def test_wrong_credentials_are_told_and_nothing_is_stored(world: World, partner: str) -> None:
    wrong = {"shopify": {"access_token": "wrong", "client_secret": "wrong"}, "jetpack": {"token": "wrong"}}[partner]
    right = {"shopify": {"access_token": world.shop.access_token, "client_secret": world.shop.client_secret}}
    credentials = {**right, "jetpack": {"token": world.jetpack.token}, partner: wrong}
    before = [each["Name"] for each in world.ssm.describe_parameters()["Parameters"]]

    answer = connect(world, credentials=credentials)

    assert not answer["ok"]
    assert [(each["code"], each["partner"]) for each in answer["findings"] if each["severity"] == "error"] == [
        ("credentials_rejected", partner)
    ]
    assert [each["Name"] for each in world.ssm.describe_parameters()["Parameters"]] == before
    assert not world.shop.calls["webhookSubscriptionCreate"]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({}, "action: one of connect, check, disconnect"),
        ({"action": "reboot"}, "action: one of"),
        ({"action": ["connect"]}, "action: one of"),
        ({"action": "check"}, "store: "),
        ({"action": "check", "store": "A/../B"}, "store: "),
        ({"action": "check", "store": STORE, "public_url": 7}, "public_url: "),
        ({"action": "connect", "store": STORE}, "shop: Field required"),
        ({"action": "connect", "store": STORE, "shop": SHOP, "colour": "hush"}, "nobody knows colour"),
        ({"action": "connect", "store": STORE, "shop": SHOP, "routes": ["hush"]}, "routes.0: Input should be"),
        ({"action": "connect", "store": STORE, "shop": "hush.example.test"}, "ends in .myshopify.com"),
        (
            {"action": "connect", "store": STORE, "shop": SHOP, "credentials": {"jetpack": "hush"}},
            "credentials.jetpack",
        ),
    ],
)
def test_what_is_asked_wrongly_is_told_without_quoting_it(world: World, event: Answer, said: str) -> None:
    answer = world.call("console", event)

    assert (answer["ok"], codes(answer)) == (False, ["bad_request"])
    assert said in answer["findings"][0]["text"]
    assert "hush" not in json.dumps(answer)


def test_production_is_told_neither_another_address_of_ours_nor_of_a_partner(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAGE", "prod")

    answer = connect(world, public_url="https://elsewhere.example.test")
    assert codes(answer) == ["bad_request"]
    answer = connect(world, addresses={"shopify": world.shop.url, "jetpack": world.jetpack.url})
    assert codes(answer) == ["address_refused", "address_refused"]
    assert not world.shop.calls
    assert not world.jetpack.calls


def test_tables_that_refuse_are_told_as_our_own_trouble(world: World) -> None:
    world.dynamodb.delete_table(TableName="SettingsTable")

    assert codes(world.call("console", {"action": "check", "store": STORE})) == ["our_side"]


def test_a_webhook_that_was_worked_is_seen_by_the_next_check(world: World) -> None:
    connect(world)
    number = world.shop.create_order([{"sku": "TEA-250", "quantity": 1, "price": "12.50"}])["number"]

    def seen() -> set[str]:
        answer = world.call("console", {"action": "check", "store": STORE})
        return {each["partner"] for each in answer["findings"] if each["code"] == "last_webhook"}

    world.wake("forward_order", number, cause="due:now")
    assert seen() == set()
    world.wake("forward_order", number, cause="shopify:orders/updated:1")
    assert seen() == {"shopify"}
    world.wake("sync_tracking", number, cause="jetpack:order.shipped:1")
    assert seen() == {"shopify", "jetpack"}


def test_one_process_notes_a_partners_webhooks_once_in_five_minutes(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    from functions.forward_order import app

    world.wake("forward_order", 1, cause="shopify:orders/updated:1")
    for n, minutes in enumerate([0, 4, 1]):
        world.ahead += minutes * (world.ahead.resolution * 60_000_000)
        wake_up = WakeUp(STORE, "order", "1", f"shopify:orders/updated:{n}", world.now().timestamp())
        app.lambda_handler(sqs_event(wake_up.to_json()), world.context)

    written = [
        line["aws_calls"].get("dynamodb.PutItem", 0) for line in lines(capsys.readouterr().out) if "aws_calls" in line
    ]
    assert written == [1, 0, 0, 1]
