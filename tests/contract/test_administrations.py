"""WarehouseAdmin and DeskAdmin: the fakes and the adapters against the simulators list the same things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from jetbridge.domain.store import JetpackConnection, ShipStationConnection
from jetbridge.errors import CredentialsRejectedError
from jetbridge.partners.http import Seams
from jetbridge.partners.jetpack.administration import JetpackAdmin
from jetbridge.partners.shipstation.administration import ShipStationAccount
from local.simulators.jetpack import JetpackSimulator
from local.simulators.shipstation import ShipStationSimulator
from tests.builders import NOW
from tests.fake_administrations import (
    DESK_CREDENTIALS,
    JETPACK_CREDENTIALS,
    FakeDeskAdmin,
    FakeWarehouseAdmin,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetbridge.ports import DeskAdmin, WarehouseAdmin

CENTERS = (("9", "Bethlehem (PA)"), ("156", "Ontario 6 (CA)"))
SEAMS = Seams(sleep=lambda _seconds: None)


class Accounts(Protocol):
    """An account at Jetpack and one at ShipStation."""

    @property
    def warehouse(self) -> WarehouseAdmin: ...
    @property
    def desk(self) -> DeskAdmin: ...
    def close_option(self, name: str) -> None: ...
    def lock_out(self) -> None: ...


class FakeAccounts:
    def __init__(self) -> None:
        self.warehouse, self.desk = FakeWarehouseAdmin(), FakeDeskAdmin()
        self.warehouse.open(JETPACK_CREDENTIALS)
        self.desk.open(DESK_CREDENTIALS)

    def close_option(self, name: str) -> None:
        self.warehouse.close_ship_option(name)

    def lock_out(self) -> None:
        self.warehouse.open({})
        self.desk.open({})


class SimulatedAccounts:
    def __init__(self, jetpack: JetpackSimulator, shipstation: ShipStationSimulator) -> None:
        self.jetpack, self.shipstation = jetpack, shipstation
        self.warehouse: WarehouseAdmin = JetpackAdmin(
            JetpackConnection(jetpack.url), lambda _: "pat-example", production=False, now=lambda: NOW, seams=SEAMS
        )
        pair = {"api_key": shipstation.api_key, "api_secret": shipstation.api_secret}
        self.desk: DeskAdmin = ShipStationAccount(
            ShipStationConnection("", shipstation.url), lambda _: pair, production=False, seams=SEAMS
        )

    def close_option(self, name: str) -> None:
        self.jetpack.set_shipping_method(name, active=False)

    def lock_out(self) -> None:
        self.jetpack.token = self.shipstation.api_secret = "another"  # noqa: S105 - invented


@pytest.fixture(params=["fakes", "adapters"])
def accounts(request: pytest.FixtureRequest) -> Iterator[Accounts]:
    if request.param == "fakes":
        yield FakeAccounts()
        return
    with JetpackSimulator(rate_limit_per_minute=None) as jetpack, ShipStationSimulator(rate_limit=None) as shipstation:
        yield SimulatedAccounts(jetpack, shipstation)
        assert not jetpack.unknown_fields
        assert not shipstation.unknown_keys


def test_ship_options_are_listed_with_whether_they_are_active(accounts: Accounts) -> None:
    assert dict(accounts.warehouse.ship_options())["Standard"]

    accounts.close_option("Standard")

    assert dict(accounts.warehouse.ship_options())["Standard"] is False


def test_the_centers_that_ship_for_us_are_listed(accounts: Accounts) -> None:
    assert accounts.warehouse.locations() == CENTERS


def test_services_are_named_once(accounts: Accounts) -> None:
    services = accounts.desk.services()

    assert {"USPS Priority Mail", "UPS® Ground", "FedEx 2Day®"} <= set(services)
    assert len(set(services)) == len(services)


def test_nothing_is_listed_without_credentials(accounts: Accounts) -> None:
    accounts.lock_out()

    for read in (accounts.warehouse.ship_options, accounts.warehouse.locations, accounts.desk.services):
        with pytest.raises(CredentialsRejectedError):
            read()
