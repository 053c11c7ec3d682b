"""Who gives out which numbers: the published plans that tell a number from a row of digits.

From knowledge of the named documents, as of 2025; a plan that grows afterwards is missed here.
"""

from __future__ import annotations

import functools
import ipaddress
import re

# ITU-T E.164, assigned country codes.
_COUNTRY_CODE = re.compile(
    r"1|7|20|27|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
    r"|21[1-368]|22\d|23\d|24\d|25[0-8]|26\d|29[01789]"
    r"|35\d|37\d|38[0-35-79]|42[013]|50\d|59\d"
    r"|67[02-9]|68[0-35-9]|69[0-2]|80[08]|85[02356]|87[08]|88[0-368]|96[0-8]|97[0-79]|99[2-68]"
)
_ITALY = "39"  # the only plan whose national numbers keep their leading zero

# GB/T 2260: first two digits, the province.
PROVINCES = frozenset(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 "
    "71 81 82 83".split()
)

# SWIFT IBAN registry: length by country.
IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FO GL NL SD FK",
        19: "MK SI",
        20: "AT BA EE KZ LT LU XK MN",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}

# ISO/IEC 7812 issuer ranges as the networks publish them: (first digits, lengths).
_ISSUERS = (
    (re.compile(r"4"), (13, 16, 19)),  # Visa
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),  # Mastercard
    (re.compile(r"3[47]"), (15,)),  # American Express
    (re.compile(r"6011|64[4-9]|65"), (16, 17, 18, 19)),  # Discover
    (re.compile(r"62|81"), (16, 17, 18, 19)),  # UnionPay
    (re.compile(r"352[89]|35[3-8]"), (16, 17, 18, 19)),  # JCB
    (re.compile(r"30[0-5]|3[689]"), (14,)),  # Diners Club
)

# RFC 6890 and its successors, the special ranges of the IANA registries.
_SPECIAL_NETWORKS = [
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 "
        "192.0.2.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3 "
        "2001:db8::/32 3fff::/20"
    ).split()
]
_GLOBAL_UNICAST_V6 = ipaddress.ip_network("2000::/3")

# Printed in advertisements and therefore void, says the Social Security Administration.
_ADVERTISED_SSNS = {"078-05-1120", "219-09-9999"}


def is_international_number(digits: str) -> bool:
    """Digits after the + : 9 to 15 of them, a country code, a national number without a trunk 0.

    >>> is_international_number("493012345678"), is_international_number("20000000000")
    (True, False)
    """
    code = _longest_country_code(digits)
    if code is None or not 9 <= len(digits) <= 15:
        return False
    national = digits[len(code) :]
    if code == "1":
        return len(national) == 10 and is_north_american_number(national)
    return code == _ITALY or national[0] != "0"


def is_registry_number(number: str) -> bool:
    """+code.number as domain registries write it (RFC 5733, 2.5); other signed decimals are none.

    Own choice: 8 to 12 digits after the dot, so that coordinates and doubles stay.

    >>> is_registry_number("+1.7035555555"), is_registry_number("+3.14159265358979")
    (True, False)
    """
    code, _, national = number.removeprefix("+").partition(".")
    if _longest_country_code(code + national) != code or not 8 <= len(national) <= 12:
        return False
    return is_international_number(code + national)


def _longest_country_code(digits: str) -> str | None:
    """E.164 codes are prefix-free but for 7 and 1, which are whole by themselves."""
    return next((digits[:n] for n in (1, 2, 3) if _COUNTRY_CODE.fullmatch(digits[:n])), None)


def is_north_american_number(ten_digits: str) -> bool:
    """Area and exchange start with 2-9, and an area is not of the form N11 (NANPA)."""
    return ten_digits[0] in "23456789" and ten_digits[3] in "23456789" and ten_digits[1:3] != "11"


def is_card_number(digits: str) -> bool:
    """An issuer's first digits and that issuer's length; the check digit is `luhn_is_valid`."""
    return any(first.match(digits) and len(digits) in lengths for first, lengths in _ISSUERS)


def is_social_security_number(number: str) -> bool:
    """AAA-GG-SSSS: no area 000, 666 or 9xx, no group 00, no serial 0000.

    >>> is_social_security_number("536-90-4399"), is_social_security_number("666-12-3456")
    (True, False)
    """
    area, group, serial = number.split("-")
    is_void = area in ("000", "666") or area[0] == "9" or group == "00" or serial == "0000"
    return not is_void and number not in _ADVERTISED_SSNS


@functools.lru_cache(maxsize=1 << 14)  # mails name the same hosts again and again
def is_ip_address(text: str, *, global_only: bool) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if not global_only:
        return True
    if address.version == 6 and address not in _GLOBAL_UNICAST_V6:
        return False
    return not any(address in n for n in _SPECIAL_NETWORKS if n.version == address.version)
