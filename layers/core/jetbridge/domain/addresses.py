"""What is wrong with an address before Jetpack sees it. Nothing is guessed, put right, or quoted: it is personal data.

A finding holds the order until somebody changes the address in the shop, so only what is certain is one. The tables
say where they come from; what no table speaks of is left to Jetpack and its carriers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from jetbridge.domain.order import Address
from jetbridge.domain.ship_options import ShipOptionLimits


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


COUNTRIES = _codes(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC
    CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD
    GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH
    KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW
    MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC
    SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY
    UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    XK
    """
)
"""ISO 3166-1 alpha-2, and Kosovo by the code that Shopify and carriers use for want of one."""

PROVINCES: Mapping[str, frozenset[str]] = {
    "US": _codes(
        "AL AK AS AZ AR CA CO CT DE DC FL GA GU HI ID IL IN IA KS KY LA ME MH MD MA MI FM MN MS MO MT NE NV NH NJ NM "
        "NY NC ND MP OH OK OR PW PA PR RI SC SD TN TX UT VT VI VA WA WV WI WY UM AA AE AP"
    ),
    "CA": _codes("AB BC MB NB NL NS NT NU ON PE QC SK YT"),
    "AU": _codes("ACT JBT NSW NT QLD SA TAS VIC WA"),
}
"""Country → its provinces, where no parcel goes without one (Google's address data, which carriers' forms follow)."""

ZIP_NEEDED = _codes(
    """
    AS AT AU AX BE BL BR CA CH CN CZ DE DK EE ES FI FK FM FR GB GF GG GL GP GR GS GU HU IM IN IO IT JE JP KR LI LT LU LV
    MF MH MP MQ MX MY NC NL NO NZ PF PL PM PN PR PT PW RE RO RU SE SG SH SJ SK SM TC TR TW UA US VI WF YT ZA
    """
)
"""Where Google's address data calls the postal code required. Other countries have one, too, and do without."""

ZIP_FORMATS: Mapping[str, re.Pattern[str]] = {
    "US": re.compile(r"\d{5}([ -]?\d{4})?", re.ASCII),
    "CA": re.compile(r"[ABCEGHJ-NPRSTVXY]\d[A-Z][ -]?\d[A-Z]\d", re.ASCII),
    "GB": re.compile(r"GIR ?0AA|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|BFPO ?\d{1,4}", re.ASCII),
    "AU": re.compile(r"\d{4}", re.ASCII),
    "DE": re.compile(r"(DE?[ -]?)?\d{5}", re.ASCII),
    "FR": re.compile(r"(FR?[ -]?)?\d{2} ?\d{3}", re.ASCII),
    "NL": re.compile(r"(NL[ -]?)?[1-9]\d{3} ?[A-Z]{2}", re.ASCII),
    "JP": re.compile(r"\d{3}-?\d{4}", re.ASCII),
}
"""Postal codes of the countries whose form is beyond doubt: Shopify's and Google's address data agree on it."""

LONGEST_CODE = 3
"""ShipStation's book may write a province in full (facts/shipstation.md section 8 says text): that is not judged."""

HOUSES_NUMBERED = _codes("AT BE CA DE DK NL US")
"""Where a street without a number leads nowhere: of the countries Shopify's address data wants one of, those where
houses with a name instead (GB, IE) or without either (CH, FR, SE in the country) are not common."""

_NUMBER_IN_WORDS = re.compile(
    r"\b(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(thir|four|fif|six|seven|eigh|nine)teen"
    r"|(twen|thir|for|fif|six|seven|eigh|nine)ty|hundred)\b",
    re.IGNORECASE,
)
"""One Apple Park Way is a house number, too."""

_TO_BE_CALLED_FOR = re.compile(r"\b(general delivery|gd|poste restante|postlagernd)\b", re.IGNORECASE)

_PO_BOX = re.compile(
    r"""
    \bp\.?\s*o\.?\s*b(ox(?![a-z])|\.?\s*\#?\d)     # PO Box 12, P.O. Box, POB 12
    | \bpost\s*office\s*box\b
    | \b(gpo\s+box|locked\s+bag|private\s+bag)\b
    | \bpostfach\b
    | \bpostbus\s+\d
    | \bpostboks\b
    | \bbo[iî]te\s+postale\b
    | \bcasella\s+postale\b
    | \bcaixa\s+postal\b
    | \bapartado\s+(postal|de\s+correos|a[eé]reo)\b
    | \bapdo\.?\s+(postal|de\s+correos|a[eé]reo)?\s*\d
    | \bcasilla\s+(postal|de\s+correos?)\b
    | (^|,)\s*casilla\s+(n[o°º]?\.?\s*)?\d   # not Calle La Casilla 5
    | \bskrytka\s+pocztowa\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_BOX_ALONE = re.compile(r"\s*box\s*\#?\d+\s*", re.IGNORECASE)
"""The whole first line: a box on the second line is one in the house."""

_FRENCH_BOX = re.compile(r"\bb\.?\s?p\.?\s*\d", re.IGNORECASE)
_FRENCH = _codes("BE BF BJ CD CF CG CI CM DJ DZ FR GA GF GN GP LU MA MC MG ML MQ MR NC NE PF PM RE SN TD TG TN YT")

_MILITARY_PROVINCES = frozenset({"AA", "AE", "AP"})
_MILITARY_CITIES = frozenset({"APO", "FPO", "DPO"})
_BRITISH_FORCES = re.compile(r"\bBFPO\b", re.IGNORECASE)

LONGEST_NAME, LONGEST_PHONE = 300, 50
"""Jetpack's create refuses more (facts/shipbob.md section 6). It names no limit for the other lines."""


def is_po_box(address: Address) -> bool:
    """Whether it names a box at a post office."""
    lines = (address.address1, address.address2)
    if any(_PO_BOX.search(line) for line in lines) or _BOX_ALONE.fullmatch(address.address1):
        return True
    return _code(address.country_code) in _FRENCH and any(_FRENCH_BOX.search(line) for line in lines)


def is_military(address: Address) -> bool:
    """Whether it is a post office of the armed forces: American (APO, FPO, DPO) or British (BFPO)."""
    country = _code(address.country_code)
    if country == "US":
        return _code(address.province_code) in _MILITARY_PROVINCES or _code(address.city) in _MILITARY_CITIES
    lines = (address.address1, address.address2, address.city, address.zip)
    return country == "GB" and any(_BRITISH_FORCES.search(line) for line in lines)


def problems(address: Address | None, *, phone: str, limits: ShipOptionLimits | None) -> list[str]:
    """Say in plain words what is wrong with an address, and what the ship option's carrier cannot do with it.

    Args:
        address: Where the parcel goes; None when the order has no address.
        phone: The number the carrier would be given.
        limits: What the merchant says the ship option cannot do; None for nothing.

    Returns:
        Short sentences that quote nothing of the address; empty when all is well.
    """
    if address is None:
        return ["no shipping address"]
    found = [f"{name} missing" for name, text in _required(address).items() if not text.strip()]
    found += _place_problems(address)
    if _house_number_missing(address):
        found.append("house number missing")
    if len(address.name.strip() or address.company.strip()) > LONGEST_NAME:
        found.append(f"name longer than {LONGEST_NAME} characters")
    if len(phone.strip()) > LONGEST_PHONE:
        found.append(f"phone number longer than {LONGEST_PHONE} characters")
    return found + (_beyond(limits, address, phone) if limits else [])


def _required(address: Address) -> dict[str, str]:
    """Give what Jetpack's create requires of a recipient (facts/shipbob.md section 6)."""
    return {
        "name": address.name.strip() or address.company,
        "street": address.address1,
        "city": address.city,
        "country": address.country_code,
    }


def _place_problems(address: Address) -> list[str]:
    country = _code(address.country_code)
    # Japanese keyboards write full-width digits: the same code, in another form of the same characters.
    zip_code = unicodedata.normalize("NFKC", address.zip).strip().upper()
    if not country:
        return []
    if country not in COUNTRIES:
        return ["country is not an ISO 3166-1 code of two letters"]
    found = []
    if provinces := PROVINCES.get(country):
        province = _code(address.province_code)
        if not province:
            found.append("province or state missing")
        elif len(province) <= LONGEST_CODE and province not in provinces:
            found.append("province or state is not one of the country's")
    if not zip_code:
        found += ["postal code missing"] if country in ZIP_NEEDED else []
    elif (form := ZIP_FORMATS.get(country)) and not form.fullmatch(" ".join(zip_code.split())):
        found.append("postal code does not have the form of the country's")
    return found


def _house_number_missing(address: Address) -> bool:
    if _code(address.country_code) not in HOUSES_NUMBERED or not address.address1.strip():
        return False
    street = f"{address.address1} {address.address2}"
    numbered = any(each.isdigit() for each in street) or _NUMBER_IN_WORDS.search(street)
    elsewhere = _TO_BE_CALLED_FOR.search(street) or is_po_box(address) or is_military(address)
    return not (numbered or elsewhere)


def _beyond(limits: ShipOptionLimits, address: Address, phone: str) -> list[str]:
    """Say what of it the carrier of a ship option does not do."""
    found = []
    if not limits.po_boxes and is_po_box(address):
        found.append(f"{limits.ship_option} does not deliver to post office boxes")
    if not limits.military and is_military(address):
        found.append(f"{limits.ship_option} does not deliver to military addresses")
    if limits.needs_phone and not any(each.isdigit() for each in phone):
        found.append(f"phone number missing, which {limits.ship_option} needs")
    return found


def _code(text: str) -> str:
    return text.strip().upper()
