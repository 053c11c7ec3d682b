"""What an item of each kind looks like, and what it must fulfil besides.

Patterns run on UTF-8 bytes, so that letters and digits are ASCII: a Chinese character beside a
number is its end, as `\\b` on text would not have it. Every repetition is bounded: each start costs
a bounded number of steps, and time is linear in the text. The order is the precedence: an item
that was taken is out of sight of the patterns after it.

Left out: names, postal addresses, national phone numbers other than Chinese, North American and
those of `_NATIONAL`, e-mail addresses whose name is not in Latin letters, social security numbers
without dashes, passwords that no name announces. An address and a version can be written alike: in
`name 1.2.99.4`, `name-1.2.99.4` and `name/1.2.99.4` it is taken for an address.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from typing import NamedTuple

from labkit.data.personal_data.candidates import (
    ASSIGNED,
    CARD,
    CHINESE,
    EMAIL,
    IBAN,
    INTERNATIONAL,
    IPV4,
    IPV6,
    NATIONAL,
    NORTH_AMERICAN,
    RESIDENT,
    SOCIAL,
    TOKEN,
)
from labkit.data.personal_data.checksums import (
    luhn_is_valid,
    mod_11_2_is_valid,
    mod_97_is_valid,
)
from labkit.data.personal_data.config import PersonalDataConfig
from labkit.data.personal_data.number_plans import (
    IBAN_LENGTHS,
    PROVINCES,
    is_card_number,
    is_international_number,
    is_ip_address,
    is_north_american_number,
    is_registry_number,
    is_social_security_number,
)

_WORD = rb"0-9A-Za-z_"
_ESCAPED = rb"(?<=\\[bfnrt])"
"""Behind the escape of a line end, as strings of code and JSON have it, an item begins."""
_LEFT = rb"(?:(?<![" + _WORD + rb"])|" + _ESCAPED + rb")(?<![0-9][.-])"
_RIGHT = rb"(?![" + _WORD + rb"])(?![.-][0-9])"
"""A number is not part of a word, nor of a longer number joined by dot or dash."""
_LATIN = rb"[A-Za-z0-9]|[\xc3-\xc9][\x80-\xbf]"
"""Letters with diacritics are two bytes."""


class Pattern(NamedTuple):
    name: str
    kind: str
    place: int
    """Where it can begin: a bit of `candidates.py`."""
    regex: re.Pattern[bytes]
    """The item is the group `item` where there is one, else the whole match."""
    accepts: Callable[[str, PersonalDataConfig], bool]
    trim: Callable[[str], str] = str
    """The beginning of a match that is the item, where its length follows from itself."""


def _always(item: str, config: PersonalDataConfig) -> bool:
    return True


def _digits(item: str) -> str:
    return "".join(character for character in item if "0" <= character <= "9")


_NUMBER_HOST = re.compile(r"\d+(\.\d+|x)")


def _is_email(item: str, config: PersonalDataConfig) -> bool:
    """No host without a name (`icon@2x.png`, `tool@1.0.0-rc.x`)."""
    return _NUMBER_HOST.match(item.rpartition("@")[2]) is None


def _is_resident_id(item: str, config: PersonalDataConfig) -> bool:
    return _has_region_and_birth(item) and mod_11_2_is_valid(item)


def _has_region_and_birth(number: str) -> bool:
    if number[:2] not in PROVINCES or number[6:8] not in ("19", "20"):
        return False
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    return True


def _is_iban(item: str, config: PersonalDataConfig) -> bool:
    account = item.replace(" ", "")
    return IBAN_LENGTHS.get(account[:2]) == len(account) and mod_97_is_valid(account)


def _trim_iban(item: str) -> str:
    """As many letters and digits as the country's accounts have, up to a space."""
    length = IBAN_LENGTHS.get(item[:2], 0)
    ends = [n for n in range(length, len(item) + 1) if n - item.count(" ", 0, n) == length]
    return item[: ends[0]] if ends and item[ends[0] : ends[0] + 1] in ("", " ") else item


def _is_card(item: str, config: PersonalDataConfig) -> bool:
    """No resident's number with a wrong or a lost check digit, by chance valid as a card's."""
    digits = _digits(item)
    if len(digits) in (17, 18) and _has_region_and_birth(digits):
        return False
    return is_card_number(digits) and luhn_is_valid(digits)


def _is_social_security_number(item: str, config: PersonalDataConfig) -> bool:
    return is_social_security_number(item)


def _is_ip(item: str, config: PersonalDataConfig) -> bool:
    """None that ends in :: (`2a02:8100::`, `Jun 6 2006::`): a network's, or prose."""
    if item.endswith("::"):
        return False
    if ":" not in item and max(map(int, item.split("."))) < config.min_largest_octet:
        return False
    return is_ip_address(item, global_only=config.ip_ranges == "global")


def _is_international(item: str, config: PersonalDataConfig) -> bool:
    if re.fullmatch(r"\+\d+\.\d+", item):
        return is_registry_number(item)
    digits = _digits(item.replace("(0)", ""))
    return is_international_number(digits.removeprefix("00"))


def _is_north_american(item: str, config: PersonalDataConfig) -> bool:
    return is_north_american_number(_digits(item)[-10:])


def _is_token(item: str, config: PersonalDataConfig) -> bool:
    """With a digit, but for AWS: 1 in 500 of 36 random letters and digits has none."""
    return item.isupper() or any(character.isdigit() for character in item)


def _is_random(item: str, config: PersonalDataConfig) -> bool:
    """Letters and digits that alternate as no words do."""
    classes = [
        "digit" if c.isdigit() else "upper" if c.isupper() else "lower" for c in item if c.isalnum()
    ]
    if "digit" not in classes or len(set(classes)) < 2:
        return False
    changes = sum(one != other for one, other in pairwise(classes))
    return changes / (len(classes) - 1) >= config.min_key_transitions


_OCTET = rb"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_PRIVATE_KEY = (
    rb"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    rb"(?:\s{0,4}(?:Proc-Type|DEK-Info|Version|Comment):[^\n<]{0,120}\n){0,4}"
    rb"[A-Za-z0-9+/=\\\s]{0,20000}"
    rb"(?:-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----)?"
)
_TOKEN = (
    rb"(?<![A-Za-z0-9])(?:(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{36,255}"
    rb"|github_pat_[A-Za-z0-9_]{22,255}|glpat-[A-Za-z0-9_-]{20,64}|AIza[A-Za-z0-9_-]{35}"
    rb"|xox[abeoprs]-[A-Za-z0-9-]{12,250}|sk-[A-Za-z0-9_-]{20,250})(?![A-Za-z0-9])"
)
_ASSIGNED = (
    rb"(?i:api_?key|access_?key|secret|token|passw(?:or)?d|private_?key|credentials?)"
    rb"[A-Za-z0-9_]{0,20}[\"']?[ \t]{0,3}(?:=>|:=|=|:)[ \t]{0,3}[\"']?"
    rb"(?P<item>[A-Za-z0-9+/_=-]{16,200})(?![A-Za-z0-9+/_=(-])(?!\.[A-Za-z_])"
)
_NAME = rb"(?:_|" + _LATIN + rb")(?:[._%+'-]|" + _LATIN + rb"){0,63}@"
_HOST = rb"(?:(?:-|" + _LATIN + rb"){1,40}\.){1,6}[A-Za-z]{2,24}"
_BEFORE_NAME = (
    rb"(?:(?<![A-Za-z0-9_%+-])(?!(?<=\\)(?:[bfnrt]|u[0-9A-Fa-f]{4}))|" + _ESCAPED + rb"|"
    rb"(?<=\\u[0-9A-Fa-f]{4}))(?<![\xc3-\xc9][\x80-\xbf])(?<!ssh://)"
)
_AFTER_HOST = (
    rb"(?![A-Za-z0-9_-])(?!\.[A-Za-z0-9])"
    rb"(?!:(?!" + _NAME + rb")[A-Za-z~/])"  # host:path is a copy's target, but not host:name@host
)
_EMAIL = _BEFORE_NAME + _NAME + _HOST + _AFTER_HOST
_IBAN = rb"[A-Z]{2}[0-9]{2}(?:(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?|[A-Z0-9]{11,29})"
_LONG_CARD = rb"[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}\1[0-9]{3}"
_CARD = (  # not behind a +: German mobiles have 13 digits, and one in ten the check digit of a Visa
    rb"(?<!\+)(?:[0-9]{13,19}|[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}"
    rb"|[0-9]{4}([ -])[0-9]{6}\2[0-9]{4,5})"
)
_NO_PIN = rb"(?:(?<![=<>~!]=)|(?<=[^a-z]ip[=!]=)|(?<=(?:src|dst)[=!]=)|(?<=(?:addr|host)[=!]=))"
"""`name==4.5.5.64` is a version, `ip.addr==4.5.5.64`, as filters of packets have it, an address."""
_NO_WHEEL = rb"(?!-(?:cp|py)[23]|\.dist-info)"
_IPV4 = (
    _NO_PIN + rb"(?<![" + _WORD + rb"])(?<![0-9][.-])"
    rb"(?<!(?i:version|release)[ :=/])(?<!(?i:version|release)[:=] )(?<!Ver\. )(?<!\b[vV][. ])"
    rb"(?<!(?i:revision)[ :=])(?<!Chrome/)"
    rb"(?<!\xe7\x89\x88\xe6\x9c\xac)(?<!\xe7\x89\x88\xe6\x9c\xac )"  # 版本
    rb"(?:" + _OCTET + rb"\.){3}" + _OCTET + _RIGHT + _NO_WHEEL
)
_IPV6 = (
    rb"(?<![0-9A-Za-z_:.])(?<![0-9A-Za-z_)\]]\[)"  # x[2000::2] is a slice
    rb"(?:[0-9A-Fa-f]{1,4}:|:)(?:[0-9A-Fa-f]{0,4}:){1,6}"
    rb"(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9A-Fa-f]{1,4})?(?![0-9A-Za-z_:])(?!\.[0-9])"
)
_INTERNATIONAL = (
    rb"(?<![0-9A-Za-z_)+])(?<![0-9][.-])(?<!10\.[0-9]{4}/)(?<!10\.[0-9]{5}/)"  # a DOI's suffix
    rb"(?:\+|00(?=[1-9][0-9]{0,2}[ ./(-]))[1-9]"
    rb"(?:\(0\)|[ ./()-]{0,2}[0-9]){8,14}(?<=[0-9]{2})"  # +35236450.6 is a number
)
_NORTH_AMERICAN = (
    # three numbers with spaces alone are a row of numbers without +1, and 252.227-7013 is a clause
    rb"(?:(?:\+?1[ .-]?)?(?:\([2-9][0-9]{2}\)[ -]?[2-9][0-9]{2}[ .-]"
    rb"|[2-9][0-9]{2}(?:\.[2-9][0-9]{2}\.|[ -][2-9][0-9]{2}[.-]))"
    rb"|\+1 ?[2-9][0-9]{2} [2-9][0-9]{2} )[0-9]{4}"
)
_CHINESE_AREA = rb"0(?:10|2[0-9]|[3-9][0-9]{2})"
_CHINESE_MOBILE = (  # prefixes that are given out: 17938452872 is a number like any other
    rb"1(?:3[0-9]|4[4-9]|5[0-35-9]|6[2567]|7[0-8]|8[0-9]|9[0-35-9])"
)
_CHINESE_PHONE = (
    rb"(?:(?:\+|00)?86[ -]?)?(?:" + _CHINESE_MOBILE + rb"([ -]?)[0-9]{4}\1[0-9]{4}"
    rb"|(?:" + _CHINESE_AREA + rb"[ -]|\(" + _CHINESE_AREA + rb"\)[ -]?)[2-8][0-9]{6,7})"
)
_AREA = rb"0[1-9][0-9]{1,3}"
_SET_OFF = rb"(?:\(" + _AREA + rb"\) ?|" + _AREA + rb"(?: | ?/ ?))"
_NATIONAL = (  # 02139 36349 is of a table, 03371-37637 names a part, 0801/20020731-3.gif is a path
    rb"(?<![0-9][, ])(?<![+/])(?:" + _SET_OFF + rb"[1-9][0-9]{5,7}"
    rb"|0[1-9][0-9] [1-9][0-9]{2,3} [0-9]{4}|0[1-9][0-9]{2,3} [1-9][0-9]{2} [0-9]{3,4})"
    rb"(?:-[0-9]{1,3})?(?!/|\.[a-z]|[,: ][0-9])"
)


def _number(body: bytes) -> re.Pattern[bytes]:
    return re.compile(_LEFT + body + _RIGHT)


PRIVATE_KEY_BLOCK = Pattern("private_key", "KEY", 0, re.compile(_PRIVATE_KEY), _always)
PATTERNS = (
    Pattern("token", "KEY", TOKEN, re.compile(_TOKEN), _is_token),
    Pattern("assigned_key", "KEY", ASSIGNED, re.compile(_ASSIGNED), _is_random),
    Pattern("email", "EMAIL", EMAIL, re.compile(_EMAIL), _is_email),
    Pattern("iban", "BANK_ACCOUNT", IBAN, _number(_IBAN), _is_iban, trim=_trim_iban),
    Pattern("resident_id", "ID_NUMBER", RESIDENT, _number(rb"[0-9]{17}[0-9Xx]"), _is_resident_id),
    Pattern("card_of_19_digits", "CARD", CARD, _number(_LONG_CARD), _is_card),
    Pattern("card", "CARD", CARD, _number(_CARD), _is_card),
    Pattern(
        "social_security_number",
        "ID_NUMBER",
        SOCIAL,
        _number(rb"[0-9]{3}-[0-9]{2}-[0-9]{4}"),
        _is_social_security_number,
    ),
    Pattern("ipv4", "IP_ADDRESS", IPV4, re.compile(_IPV4), _is_ip),
    Pattern("chinese_phone", "PHONE", CHINESE, _number(_CHINESE_PHONE), _always),
    Pattern(
        "north_american_phone",
        "PHONE",
        NORTH_AMERICAN,
        _number(_NORTH_AMERICAN),
        _is_north_american,
    ),
    Pattern(
        "international_phone",
        "PHONE",
        INTERNATIONAL,
        re.compile(_INTERNATIONAL + _RIGHT),
        _is_international,
    ),
    Pattern("national_phone", "PHONE", NATIONAL, _number(_NATIONAL), _always),
    Pattern("ipv6", "IP_ADDRESS", IPV6, re.compile(_IPV6), _is_ip),
)
