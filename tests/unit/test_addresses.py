"""Addresses: what is certain to be wrong is said in words that quote nothing, and nothing else is."""

from __future__ import annotations

from dataclasses import astuple, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetbridge.domain.addresses import COUNTRIES, is_military, is_po_box, problems
from jetbridge.domain.order import Address
from jetbridge.domain.ship_options import ShipOptionLimits
from tests.builders import ADDRESS

GERMAN = Address("Ada Sample", "", "Musterweg 1", "", "Berlin", "", "10115", "DE")
BRITISH = Address("Ada Sample", "", "Rose Cottage", "Mill Lane", "Ambleside", "", "LA22 9AB", "GB")
IRISH = Address("Ada Sample", "", "Ballymore House", "", "Ballymore", "", "", "IE")
HONG_KONG = Address("Ada Sample", "", "1 Nathan Road", "", "Kowloon", "KL", "", "HK")
SOLDIER = Address("Ada Sample", "", "USS Sample", "", "APO", "AE", "09123", "US")
NOTHING_SPECIAL = ShipOptionLimits("2-Day", po_boxes=False, military=False, needs_phone=True)


def wrong(address: Address | None, *, phone: str = "", limits: ShipOptionLimits | None = None) -> list[str]:
    return problems(address, phone=phone, limits=limits)


@pytest.mark.parametrize(
    "address",
    [
        ADDRESS,
        GERMAN,
        BRITISH,
        IRISH,
        HONG_KONG,
        SOLDIER,
        replace(ADDRESS, name="", company="Sample Ltd"),
        replace(ADDRESS, address1="One Apple Park Way"),
        replace(ADDRESS, address1="General Delivery"),
        replace(ADDRESS, address1="Main Street", address2="Suite 4"),
        replace(ADDRESS, province_code="PR", zip="00901"),
        replace(ADDRESS, province_code="", zip="00901", country_code="PR"),
        replace(ADDRESS, province_code="il", zip=" 62701-1234 ", country_code="us"),
        replace(ADDRESS, province_code="ON", zip="k1a0b1", country_code="CA"),
        replace(GERMAN, address1="Am Markt", address2="Haus 3"),
        replace(GERMAN, zip="D-10115"),
        replace(GERMAN, address1="1-2-3 Sample", zip="1000001", country_code="JP"),
        replace(GERMAN, address1="Lieu-dit Le Moulin", zip="75 001", country_code="FR"),
        replace(GERMAN, country_code="XK", zip=""),
    ],
)
def test_an_address_that_may_be_good_is_left_alone(address: Address) -> None:
    assert wrong(address) == []


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (None, "no shipping address"),
        (replace(ADDRESS, name=" "), "name missing"),
        (replace(ADDRESS, address1=""), "street missing"),
        (replace(ADDRESS, city=" "), "city missing"),
        (replace(ADDRESS, country_code=""), "country missing"),
        (replace(ADDRESS, country_code="ZZ"), "country is not an ISO 3166-1 code of two letters"),
        (replace(ADDRESS, country_code="USA"), "country is not an ISO 3166-1 code of two letters"),
        (replace(ADDRESS, province_code=""), "province or state missing"),
        (replace(ADDRESS, province_code="ON"), "province or state is not one of the country's"),
        (replace(ADDRESS, zip=""), "postal code missing"),
        (replace(GERMAN, zip=""), "postal code missing"),
        (replace(ADDRESS, zip="6270"), "postal code does not have the form of the country's"),
        (replace(ADDRESS, zip="٦٢٧٠١"), "postal code does not have the form of the country's"),
        (replace(BRITISH, zip="LA22"), "postal code does not have the form of the country's"),
        (replace(ADDRESS, address1="Nowhere Road"), "house number missing"),
        (replace(GERMAN, address1="Musterweg"), "house number missing"),
        (replace(ADDRESS, name="A" * 301), "name longer than 300 characters"),
    ],
)
def test_what_is_certain_to_be_wrong_is_said(address: Address | None, said: str) -> None:
    assert wrong(address) == [said]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert wrong(Address(country_code="US")) == [
        "name missing",
        "street missing",
        "city missing",
        "province or state missing",
        "postal code missing",
    ]


def test_a_phone_number_is_missed_only_where_a_carrier_wants_it() -> None:
    needing = ShipOptionLimits("Express", needs_phone=True)
    assert wrong(ADDRESS, limits=None) == []
    assert wrong(ADDRESS, limits=ShipOptionLimits("Express")) == []
    assert wrong(ADDRESS, phone=" n/a ", limits=needing) == ["phone number missing, which Express needs"]
    assert wrong(ADDRESS, phone="+1 555 0100", limits=needing) == []
    assert wrong(ADDRESS, phone="5" * 51) == ["phone number longer than 50 characters"]


@pytest.mark.parametrize(
    ("street", "country"),
    [
        ("PO Box 12", "US"),
        ("P.O. Box 12", "US"),
        ("p. o. box #12", "US"),
        ("POB 12", "US"),
        ("1 Main St, PO BOX 12", "US"),
        ("Post Office Box 12", "US"),
        ("Box 12", "SE"),
        ("GPO Box 12", "AU"),
        ("Locked Bag 12", "AU"),
        ("Postfach 1234", "DE"),
        ("Postbus 123", "NL"),
        ("Casilla 12-D", "CL"),
        ("Casilla de Correo 12", "AR"),
        ("Apartado Postal 12", "MX"),
        ("Apdo. 12", "ES"),
        ("Boîte postale 12", "FR"),
        ("B.P. 12", "FR"),
        ("BP 12", "CI"),
        ("Casella Postale 12", "IT"),
        ("Caixa Postal 12", "BR"),
        ("Skrytka pocztowa 12", "PL"),
    ],
)
def test_a_post_office_box_is_known_in_many_words(street: str, country: str) -> None:
    address = replace(ADDRESS, address1=street, country_code=country)
    assert is_po_box(address)
    refused = wrong(address, phone="1", limits=NOTHING_SPECIAL)
    assert "2-Day does not deliver to post office boxes" in refused
    assert not [each for each in wrong(address) if "house number" in each]


@pytest.mark.parametrize(
    ("first", "second", "country"),
    [
        ("12 Post Office Road", "", "US"),
        ("12 Boxwood Lane", "", "US"),
        ("RR 2 Box 18", "", "US"),
        ("12 Main St", "Box 4", "US"),
        ("Calle La Casilla 5", "", "ES"),
        ("Postbusweg 4", "", "NL"),
        ("Apartado 3", "", "ES"),
        ("BP Station 12", "", "US"),
        ("BP 12 Garage", "", "US"),
    ],
)
def test_a_street_is_not_taken_for_a_post_office_box(first: str, second: str, country: str) -> None:
    assert not is_po_box(replace(ADDRESS, address1=first, address2=second, country_code=country))


@pytest.mark.parametrize(
    "address",
    [
        SOLDIER,
        replace(ADDRESS, province_code="ap"),
        replace(ADDRESS, city=" Fpo "),
        replace(ADDRESS, city="DPO", province_code="AA"),
        replace(BRITISH, address1="Sgt Sample, BFPO 12"),
        replace(BRITISH, zip="BFPO 12"),
    ],
)
def test_a_military_address_is_known(address: Address) -> None:
    assert is_military(address)
    assert "2-Day does not deliver to military addresses" in wrong(address, phone="1", limits=NOTHING_SPECIAL)
    assert not wrong(replace(address, province_code="AE"), limits=ShipOptionLimits("Standard"))


@pytest.mark.parametrize("address", [ADDRESS, GERMAN, replace(GERMAN, city="APO"), replace(GERMAN, country_code="AE")])
def test_a_civilian_address_is_not_taken_for_a_military_one(address: Address) -> None:
    assert not is_military(address)


def test_every_country_of_iso_3166_is_known() -> None:
    assert len(COUNTRIES) == 249 + len({"XK"})
    assert all(len(each) == 2 and each.isupper() for each in COUNTRIES)


@given(
    st.builds(
        Address,
        *[st.text(alphabet="Zqx 7", min_size=6, max_size=12)] * 7,
        country_code=st.sampled_from(["US", "GB", "DE", "QQ", "Zqx777"]),
        phone=st.just("Zqx 7777777"),
    )
)
def test_no_finding_quotes_anything_of_the_address(address: Address) -> None:
    said = "; ".join(wrong(address, phone=address.phone, limits=NOTHING_SPECIAL))
    assert not [value for value in astuple(address) if value.strip() and value.strip() in said]
