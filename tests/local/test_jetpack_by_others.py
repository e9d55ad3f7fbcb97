"""The simulated 3PL driven by other people's code, so that no misreading of ours hides on both sides.

The API by a client that builds itself from the vendor's own description, the file as it was published; the webhooks
by the library of Standard Webhooks, which reads what the simulator signs and signs what our intake reads.
"""

from __future__ import annotations

import json
import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.partners.jetpack.webhooks import JetpackWebhooks
from local.simulators.jetpack import JetpackSimulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.simulators.server import Delivery

CHECKOUT = Path(__file__).parents[2]
CONTRACTS = Path(os.environ.get("CONTRACTS_DIR", CHECKOUT.parent / "shared" / "contracts"))
DESCRIPTION = CONTRACTS / "shipbob" / "openapi-2026-01.json"
VERSION = "/2026-01"

# -- the API, by a client made from the vendor's description --------------------------------------------

USED = (
    "/channel",
    "/shipping-method",
    "/product",
    "/inventory-level",
    "/order",
    "/shipment/{shipmentId}",
    "/shipment/{shipmentId}/timeline",
    "/shipment/{shipmentId}:cancel",
    "/shipment/{shipmentId}:updateAddress",
    "/shipment:bulkUpdateShippingService",
    "/shipment:batchCancel",
    "/shipments-tracking",
    "/webhook",
    "/webhook/{id}",
)


def part_of_the_description(address: str) -> dict[str, Any]:
    """Take the paths we use out of the file with all they refer to; nothing in them is changed."""
    whole = json.loads(DESCRIPTION.read_text())
    whole["servers"] = [{"url": address}]
    whole["paths"] = {f"{VERSION}{path}": whole["paths"][f"{VERSION}{path}"] for path in USED}
    schemas, needed, found = whole["components"]["schemas"], set[str](), {json.dumps(whole["paths"])}
    while found:
        names = set(re.findall(r'"#/components/schemas/([^"]+)"', found.pop())) - needed
        needed |= names
        found |= {json.dumps(schemas[name]) for name in names}
    whole["components"]["schemas"] = {name: schema for name, schema in schemas.items() if name in needed}
    described: dict[str, Any] = whole
    return described


class Stranger:
    """A client that knows the vendor's description and nothing of us; it refuses what does not fit, both ways."""

    def __init__(self, simulator: JetpackSimulator) -> None:
        aiopenapi3: Any = pytest.importorskip("aiopenapi3", reason="the client for OpenAPI descriptions is missing")
        httpx: Any = pytest.importorskip("httpx2", reason="the client for OpenAPI descriptions is missing")

        def session(*args: Any, **settings: Any) -> httpx.Client:  # noqa: ANN401 - whatever the library hands on
            return httpx.Client(*args, **settings, trust_env=False)

        session.__annotations__["return"] = httpx.Client
        address = f"{simulator.url}/openapi.json"
        self.refusals: Any = aiopenapi3.errors.HTTPClientError
        self._api = aiopenapi3.OpenAPI(address, part_of_the_description(simulator.url), session)
        self._api.authenticate(PAT=simulator.token)

    def __call__(self, line: str, body: object = None, **parameters: str) -> Any:  # noqa: ANN401 - the library's models
        method, path = line.split()
        request = self._api.createRequest((f"{VERSION}{path}", method.lower()))
        return request(data=body, parameters=parameters)


@pytest.fixture(scope="module")
def simulator() -> Iterator[JetpackSimulator]:
    if not DESCRIPTION.exists():
        pytest.skip(f"the vendor's description is not here ({DESCRIPTION}); set CONTRACTS_DIR")
    with JetpackSimulator(rate_limit_per_minute=None) as running:
        running.add_product("TEA-250", 100)
        running.tracks_as_in_april = True
        yield running


@pytest.fixture(scope="module")
def stranger(simulator: JetpackSimulator) -> Stranger:
    return Stranger(simulator)


def an_order(reference: str) -> dict[str, Any]:
    address = {"address1": "1 Nowhere Rd", "city": "Springfield", "country": "US"}
    return {
        "reference_id": reference,
        "shipping_method": "Standard",
        "type": "DTC",
        "recipient": {"name": "Ada Sample", "email": "ada@example.test", "address": address},
        "products": [{"reference_id": "TEA-250", "name": "Tea 250 g", "quantity": 2, "external_line_id": 1}],
    }


CHANNEL = {"shipbob_channel_id": "120001"}


def test_a_stranger_sends_an_order_and_follows_its_parcel(stranger: Stranger, simulator: JetpackSimulator) -> None:
    created = stranger("POST /order", an_order("demo:1:1"), **CHANNEL)
    assert created.reference_id == "demo:1:1"
    (listed,) = stranger("GET /order", ReferenceIds="demo:1:1")
    assert listed.id == created.id
    shipment = str(created.shipments[0].id)

    simulator.ship(int(shipment), tracking_number="1ZTEST0001")

    assert stranger("GET /shipment/{shipmentId}", shipmentId=shipment).tracking.tracking_number == "1ZTEST0001"
    (parcel,) = stranger("GET /shipments-tracking", ShipmentIds=shipment)
    assert (parcel.shipment_id, parcel.carrier_tracking_number) == (int(shipment), "1ZTEST0001")
    steps = stranger("GET /shipment/{shipmentId}/timeline", shipmentId=shipment)
    assert [step.log_type_id for step in steps][-1] == 612
    with pytest.raises(stranger.refusals, match="422"):
        stranger("POST /order", an_order("demo:1:1"), **CHANNEL)


def test_a_stranger_changes_shipments_until_they_are_picked(stranger: Stranger, simulator: JetpackSimulator) -> None:
    (shipment,) = stranger("POST /order", an_order("demo:2:1"), **CHANNEL).shipments
    elsewhere = {"street_address1": "2 Elsewhere St", "city": "Springfield"}
    overnight = {"shipment_ids": [shipment.id], "requested_shipping_service_id": 8, "reason": "Faster"}

    for expected in (True, False):
        changed = stranger("PUT /shipment/{shipmentId}:updateAddress", elsewhere, shipmentId=str(shipment.id))
        assert (changed.id, changed.is_success) == (shipment.id, expected)
        (changed,) = stranger("PUT /shipment:bulkUpdateShippingService", overnight).results
        assert (changed.id, changed.is_success) == (shipment.id, expected)
        simulator.pick(shipment.id)
    (kept,) = stranger("POST /shipment:batchCancel", {"shipment_ids": [shipment.id]}, **CHANNEL).results
    assert (kept.shipment_id, kept.is_success) == (shipment.id, False)


def test_a_stranger_cancels_a_shipment(stranger: Stranger) -> None:
    (shipment,) = stranger("POST /order", an_order("demo:3:1"), **CHANNEL).shipments

    assert stranger("POST /shipment/{shipmentId}:cancel", shipmentId=str(shipment.id)).status == "Cancelled"


def test_a_stranger_reads_the_catalogue(stranger: Stranger) -> None:
    assert {method.name for method in stranger("GET /shipping-method")} >= {"Standard", "Overnight"}
    assert [channel.id for channel in stranger("GET /channel").items if "orders_write" in channel.scopes] == [120001]
    (product,) = stranger("GET /product", SKU="TEA-250").items
    (level,) = stranger("GET /inventory-level").items
    assert (product.name, product.type) == ("TEA-250", "Regular")
    assert level.sku == "TEA-250"
    assert level.total_sellable_quantity <= level.total_on_hand_quantity <= 100


def test_a_stranger_subscribes(stranger: Stranger) -> None:
    body = {"url": "https://hooks.example.test/jetpack", "topics": ["order.shipped"]}
    made = stranger("POST /webhook", body)
    assert made.secret.startswith("whsec_")
    (listed,) = stranger("GET /webhook").items
    assert (listed.id, listed.enabled) == (made.id, True)
    stranger("DELETE /webhook/{id}", id=made.id)
    assert stranger("GET /webhook").items == []


# -- the webhooks, by the library of the standard --------------------------------------------------------

OLD, NEW, OTHER = "whsec_" + "A" * 32, "whsec_" + "B" * 32, "whsec_" + "C" * 32


@pytest.fixture
def standardwebhooks() -> Any:  # noqa: ANN401 - a module that need not be there
    return pytest.importorskip("standardwebhooks", reason="the library of Standard Webhooks is missing")


def test_the_librarys_reader_accepts_what_the_simulator_signs(
    monkeypatch: pytest.MonkeyPatch,
    standardwebhooks: Any,  # noqa: ANN401 - as above
) -> None:
    sent: list[Delivery] = []
    with JetpackSimulator(webhook_address="http://127.0.0.1:9/webhooks") as simulator:
        monkeypatch.setattr(simulator, "deliver", sent.append)
        simulator.webhook_secrets = (OLD, NEW)
        simulator.add_product("TEA-250", 5)
        simulator.add_foreign_order("demo:1001:1", {"TEA-250": 1})
        simulator.ship("demo:1001:1")
    (delivery,) = sent
    headers = delivery.sign()

    for secret in (OLD, NEW):
        assert standardwebhooks.Webhook(secret).verify(delivery.body, headers) == json.loads(delivery.body)
    for secret, body in ((OTHER, delivery.body), (NEW, delivery.body + b" ")):
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook(secret).verify(body, headers)


def test_our_reader_accepts_what_the_library_signs(standardwebhooks: Any) -> None:  # noqa: ANN401 - as above
    body = json.dumps({"id": 60000001, "reference_id": "demo:1001:1", "name": "Zoë"}, ensure_ascii=False)
    now = time.time()
    signature = standardwebhooks.Webhook(NEW).sign("msg_1", datetime.fromtimestamp(now, UTC), body)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(now)), "webhook-signature": f"v1,x {signature}"}
    reader = JetpackWebhooks()

    assert reader.signed(headers, body.encode(), (OLD, NEW), now)
    assert not reader.signed(headers, body.encode(), (OLD,), now)
    assert not reader.signed(headers, body.encode() + b" ", (NEW,), now)
