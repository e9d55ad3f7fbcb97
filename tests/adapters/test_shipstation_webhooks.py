"""ShipStation's webhooks at the door: a token, an address in one of few shapes, nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from jetbridge.domain.shipstation import Resource
from jetbridge.errors import ForeignAddressError, MalformedRequestError
from jetbridge.partners.shipstation.resources import resource_from, text_of
from jetbridge.partners.shipstation.webhooks import ShipStationWebhooks
from tests.builders import STORE

if TYPE_CHECKING:
    from jetbridge.partners.webhooks import WebhookNotice

GUID = "1b7f3c1e-9a54-4c52-8f0a-2f2a1d9d7f10"
IMPORT = f"https://ssapi7.shipstation.com/orders?storeID=90001&importBatch={GUID}"
TOKEN = "kQ3vZxW1-token"  # noqa: S105 - invented
NOW = 1_795_000_000.25
READER = ShipStationWebhooks()


def a_body(address: object = IMPORT, event: object = "ORDER_NOTIFY") -> bytes:
    return json.dumps({"resource_url": address, "resource_type": event}).encode()


def read(raw: bytes, now: float = NOW, reader: ShipStationWebhooks = READER) -> WebhookNotice:
    return reader.read({}, raw, STORE, now)


def deduplication_id(raw: bytes, now: float) -> str:
    return read(raw, now).wake_ups[0].deduplication_id


# -- who may speak ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secrets", [(TOKEN,), ("older", TOKEN), (TOKEN, "newer")])
def test_any_token_in_use_opens(secrets: tuple[str, ...]) -> None:
    assert READER.signed({}, b"", secrets, NOW, token=TOKEN)


@pytest.mark.parametrize("token", ["", "k", TOKEN + "x", TOKEN.lower(), "\udcff", "кQ3vZxW1-token"])
def test_nothing_else_opens(token: str) -> None:
    assert not READER.signed({}, a_body(), (TOKEN, "older"), NOW, token=token)


def test_no_token_opens_a_store_without_secrets() -> None:
    assert not READER.signed({}, b"", (), NOW, token="")
    assert not READER.signed({}, b"", ("",), NOW, token="")


def test_a_signature_of_the_other_api_opens_nothing() -> None:
    headers = {"x-shipengine-rsa-sha256-key-id": "k", "x-shipengine-rsa-sha256-signature": "c2lnbmVk"}

    assert not READER.signed(headers, a_body(), (TOKEN,), NOW)
    assert READER.signed(headers, a_body(), (TOKEN,), NOW, token=TOKEN)


# -- what is queued -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "address", "canonical"),
    [
        ("ORDER_NOTIFY", IMPORT, f"https://ssapi7.shipstation.com/orders?importBatch={GUID}&storeID=90001"),
        (
            "ITEM_ORDER_NOTIFY",
            f"https://ssapi.shipstation.com/orders?importBatch={GUID}&includeOrderItems=true",
            f"https://ssapi.shipstation.com/orders?importBatch={GUID}&includeOrderItems=True",
        ),
        (
            "SHIP_NOTIFY",
            "https://ssapi11.shipstation.com/shipments?STOREID=90001&BatchID=77&includeshipmentitems=False",
            "https://ssapi11.shipstation.com/shipments?batchId=77&includeShipmentItems=False&storeID=90001",
        ),
        (
            "ITEM_SHIP_NOTIFY",
            "https://ssapi4.shipstation.com/shipments?storeID=90001&includeShipmentItems=True",
            "https://ssapi4.shipstation.com/shipments?includeShipmentItems=True&storeID=90001",
        ),
        (
            "FULFILLMENT_SHIPPED",
            "https://ssapi13.shipstation.com/fulfillments?fulfillmentId=33974374&page=3&pageSize=1",
            "https://ssapi13.shipstation.com/fulfillments?fulfillmentId=33974374",
        ),
        (
            "FULFILLMENT_REJECTED",
            "https://ssapi.shipstation.com/orders?orderId=5",
            "https://ssapi.shipstation.com/orders?orderId=5",
        ),
    ],
)
def test_every_event_wakes_a_sweep_of_its_address_in_one_spelling(event: str, address: str, canonical: str) -> None:
    notice = read(a_body(address, event))

    [wake_up] = notice.wake_ups
    assert (notice.topic, notice.queue) == (event.lower(), "sweep")
    assert (wake_up.store, wake_up.subject, wake_up.id, wake_up.seen_at) == (
        STORE,
        "shipstation_resource",
        canonical,
        NOW,
    )
    assert text_of(resource_from(wake_up.id)) == canonical


def test_what_was_queued_is_taken_apart_again() -> None:
    [wake_up] = read(a_body()).wake_ups

    assert resource_from(wake_up.id) == Resource(
        "https://ssapi7.shipstation.com", "orders", (("importBatch", GUID), ("storeID", "90001"))
    )


def test_a_delivery_has_the_same_id_when_it_is_repeated() -> None:
    assert read(a_body()).delivery_id == read(a_body(), NOW + 900).delivery_id != ""
    assert read(a_body()).delivery_id != read(a_body(event="ITEM_ORDER_NOTIFY")).delivery_id


@pytest.mark.parametrize("event", ["ORDER_DELETED", "track", "", "ORDER NOTIFY\n"])
def test_an_unknown_event_wakes_nobody(event: str) -> None:
    notice = read(a_body("https://elsewhere.example.test/", event))

    assert not notice.wake_ups
    assert "\n" not in notice.topic


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"{", b'"x"', a_body(event=None), a_body(event=7), a_body(address=None), a_body(address=[IMPORT])],
)
def test_what_the_vendor_does_not_send_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedRequestError):
        read(raw)


# -- when one thing is said twice -----------------------------------------------------------------------------------


def test_an_immediate_double_of_one_batch_is_one_message() -> None:
    assert deduplication_id(a_body(), NOW) == deduplication_id(a_body(), NOW + 1)


def test_the_same_batch_later_is_looked_at_again() -> None:
    assert deduplication_id(a_body(), NOW) != deduplication_id(a_body(), NOW + 6)


def test_another_batch_is_another_message() -> None:
    other = a_body(IMPORT.replace("1b7f", "2c80"))

    assert deduplication_id(a_body(), NOW) != deduplication_id(other, NOW)


def test_the_same_words_without_a_batch_may_be_news_each_time() -> None:
    body = a_body("https://ssapi7.shipstation.com/shipments?storeID=90001&includeShipmentItems=False", "SHIP_NOTIFY")

    assert deduplication_id(body, NOW) != deduplication_id(body, NOW + 0.01)


def test_two_events_about_one_address_are_two_messages() -> None:
    assert deduplication_id(a_body(), NOW) != deduplication_id(a_body(event="ITEM_ORDER_NOTIFY"), NOW)


# -- addresses ------------------------------------------------------------------------------------------------------

FOREIGN = [
    "",
    "https://ssapi.shipstation.com",
    "https://ssapi.shipstation.com/orders",
    "https://ssapi.shipstation.com/orders?",
    "https://ssapi.shipstation.com/orders?page=1",
    f"http://ssapi.shipstation.com/orders?importBatch={GUID}",
    f"ftp://ssapi.shipstation.com/orders?importBatch={GUID}",
    f"//ssapi.shipstation.com/orders?importBatch={GUID}",
    f"https:/ssapi.shipstation.com/orders?importBatch={GUID}",
    f"https:\\\\ssapi.shipstation.com\\orders?importBatch={GUID}",
    f"HTTPS://ssapi.shipstation.com/orders?importBatch={GUID}",
    f" https://ssapi.shipstation.com/orders?importBatch={GUID}",
    f"https://ssapi.shipstation.com/orders?importBatch={GUID}\n",
    f"https://ssapi.shipstation.com\t/orders?importBatch={GUID}",
    f"https://ssapi.shipstation.com:443/orders?importBatch={GUID}",
    f"https://ssapi.shipstation.com:8443/orders?importBatch={GUID}",
    f"https://user@ssapi.shipstation.com/orders?importBatch={GUID}",
    f"https://user:pass@ssapi.shipstation.com/orders?importBatch={GUID}",
    f"https://ssapi.shipstation.com@evil.example.test/orders?importBatch={GUID}",
    f"https://evil.example.test/orders?importBatch={GUID}",
    f"https://ssapi.shipstation.com.evil.example.test/orders?importBatch={GUID}",
    f"https://evil-ssapi.shipstation.com/orders?importBatch={GUID}",
    f"https://evil.ssapi.shipstation.com/orders?importBatch={GUID}",
    f"https://api.shipstation.com/orders?importBatch={GUID}",
    f"https://ssapi.shipstation.com./orders?importBatch={GUID}",
    f"https://ssapi.shipstation.com%2eevil.example.test/orders?importBatch={GUID}",
    f"https://ssapi.shipstation.com%00/orders?importBatch={GUID}",
    f"https://ssapi.shipstatiоn.com/orders?importBatch={GUID}",  # noqa: RUF001 - a Cyrillic o
    f"https://xn--ssapi-xyz.shipstation.com/orders?importBatch={GUID}",
    f"https://ssapi٣.shipstation.com/orders?importBatch={GUID}",
    f"https://ssapi７.shipstation.com/orders?importBatch={GUID}",  # noqa: RUF001 - a wide 7
    f"https://ssapi99999.shipstation.com/orders?importBatch={GUID}",
    f"https://127.0.0.1/orders?importBatch={GUID}",
    f"https://[::1]/orders?importBatch={GUID}",
    f"https://ssapi.shipstation.com/Orders?importBatch={GUID}",
    f"https://ssapi.shipstation.com/orders/?importBatch={GUID}",
    f"https://ssapi.shipstation.com//orders?importBatch={GUID}",
    f"https://ssapi.shipstation.com/orders/5?importBatch={GUID}",
    f"https://ssapi.shipstation.com/orders%2F..%2Fusers?importBatch={GUID}",
    f"https://ssapi.shipstation.com/orders/../users?importBatch={GUID}",
    f"https://ssapi.shipstation.com/users?importBatch={GUID}",
    f"https://ssapi.shipstation.com/orders;x?importBatch={GUID}",
    f"https://ssapi.shipstation.com/orders?importBatch={GUID}#fragment",
    f"https://ssapi.shipstation.com/orders?importBatch={GUID}&importBatch={GUID}",
    f"https://ssapi.shipstation.com/orders?importBatch={GUID}&IMPORTBATCH={GUID}",
    f"https://ssapi.shipstation.com/orders?importBatch={GUID}&page=1&Page=2",
    f"https://ssapi.shipstation.com/orders?importBatch={GUID}&callback=x",
    f"https://ssapi.shipstation.com/orders?importBatch={GUID}&&storeID=1",
    f"https://ssapi.shipstation.com/orders?importBatch={GUID}%00",
    "https://ssapi.shipstation.com/orders?importBatch=",
    "https://ssapi.shipstation.com/orders?importBatch=1",
    "https://ssapi.shipstation.com/orders?storeID=٣",
    "https://ssapi.shipstation.com/orders?storeID=-1",
    "https://ssapi.shipstation.com/orders?storeID=1,2",
    "https://ssapi.shipstation.com/orders?storeID=1%0d%0aX:y",
    "https://ssapi.shipstation.com/orders?includeOrderItems=maybe&storeID=1",
    "https://ssapi.shipstation.com/orders?storeID=1&" + "&".join(f"orderId={n}" for n in range(40)),
]


@pytest.mark.parametrize("address", FOREIGN)
def test_a_foreign_address_queues_nothing(address: str) -> None:
    with pytest.raises(MalformedRequestError) as refusal:
        read(a_body(address))

    assert GUID not in str(refusal.value)


@pytest.mark.parametrize("address", [each for each in FOREIGN if "?" not in each or "importBatch=" not in each])
def test_the_worker_is_as_strict(address: str) -> None:
    with pytest.raises(ForeignAddressError):
        resource_from(address)


def test_outside_production_a_simulator_may_send_its_own_address() -> None:
    address = f"http://127.0.0.1:8003/orders?importBatch={GUID}"

    [wake_up] = read(a_body(address), reader=ShipStationWebhooks(production=False)).wake_ups

    assert wake_up.id == address


def test_the_intake_loads_nothing_heavier_for_it() -> None:
    program = "import jetbridge.partners.shipstation.webhooks, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())

    assert "jetbridge.partners.shipstation.addresses" in loaded
    assert not {"pydantic", "requests", "zoneinfo", "jetbridge.domain.order"} & loaded
