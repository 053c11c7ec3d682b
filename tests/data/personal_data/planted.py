"""Documents in three languages with items and hard negatives at known places, made by a seed.

Items are made from what issuers publish (check digits by trial, groups by custom), not from the
patterns that look for them. A document is sentences; a sentence has one slot.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import random
import string
import uuid
from collections.abc import Callable
from typing import NamedTuple

Random = random.Random


class PlantedItem(NamedTuple):
    start: int
    end: int
    kind: str


class PlantedDocument(NamedTuple):
    language: str
    text: str
    items: list[PlantedItem]
    """Places in characters."""
    negatives: list[PlantedItem]
    """`kind` is the kind of negative."""


SENTENCES = {
    "en": {
        "item": [
            "Please contact {}.",
            "Our records show {}, which we keep.",
            "({})",
            "He wrote to me: {}",
            "Is {} still right?",
            '"{}" was on the card.',
            "Details: {}; more below.",
        ],
        "plain": [
            "The meeting was moved to another day, as nobody had time.",
            "It was a bright cold day in April, and the clocks were striking.",
            "Whoever reads this far knows what the matter is about.",
        ],
        "negative": ["See {} for more.", "We compared it with {}, without success.", "Item: {}."],
    },
    "zh": {
        "item": [
            "请联系{}。",
            "我们的记录是{}，请核对。",
            "（{}）",
            "他写道：{}",
            "是不是{}？",
            "登记为{}的用户",
        ],
        "plain": [
            "会议改到了另外一天，因为大家都没有时间。",
            "话说天下大势，分久必合，合久必分。",
            "读到这里的人都知道这是怎么回事。",
        ],
        "negative": ["参见{}。", "我们把它和{}做了比较，没有成功。", "项目：{}，其他从略"],
    },
    "de": {
        "item": [
            "Bitte wenden Sie sich an {}.",
            "In unseren Akten steht {}, und dabei bleibt es.",
            "({})",
            "Er schrieb mir: {}",
            "Stimmt {} noch?",
            "„{}“ stand auf dem Zettel.",
        ],
        "plain": [
            "Die Sitzung wurde verschoben, weil niemand Zeit hatte.",
            "Über allen Gipfeln ist Ruh, in allen Wipfeln spürest du kaum einen Hauch.",
            "Wer bis hierher liest, weiß, worum es geht.",
        ],
        "negative": [
            "Siehe {} für Näheres.",
            "Wir verglichen es mit {}, ohne Erfolg.",
            "Posten: {}.",
        ],
    },
}

_NAMES = (
    "anna li.wei mueller j.smith wang_fang max-weber r.k.narayan schröder info x7 o'neill".split()
)
_HOSTS = "example mail web-post uni-bonn cs.stanford student.tsinghua sub.corp a1 163".split()
_ENDINGS = "com org de cn com.cn co.uk edu museum io".split()


def email(rng: Random) -> str:
    name = rng.choice(_NAMES) + rng.choice(["", "+news", str(rng.randrange(3000))])
    made = f"{name}@{rng.choice(_HOSTS)}.{rng.choice(_ENDINGS)}"
    return made.upper() if rng.random() < 0.1 else made


_MOBILE_PREFIXES = "130 139 147 150 158 166 173 178 186 188 191 199".split()
"""Of China's three networks."""


def phone(rng: Random) -> str:
    def digits(n: int) -> str:
        return "".join(rng.choices(string.digits, k=n))

    mobile = rng.choice(_MOBILE_PREFIXES), digits(4), digits(4)
    area, exchange = (f"{rng.choice('23456789')}0{rng.choice('2345')}" for _ in range(2))
    made = [
        "".join(mobile),
        "-".join(mobile),
        " ".join(mobile),
        "+86 " + "".join(mobile),
        "+86-" + "-".join(mobile),
        f"010-{rng.choice('5678')}{digits(7)}",
        f"0755-{rng.choice('5678')}{digits(7)}",
        f"({area}) {exchange}-{digits(4)}",
        f"{area}-{exchange}-{digits(4)}",
        f"+1 {area} {exchange} {digits(4)}",
        f"1-{area}-{exchange}-{digits(4)}",
        f"+49 {rng.choice(['30', '89', '171', '221'])} {rng.choice('23456789')}{digits(6)}",
        f"+49 (0)40 {rng.choice('23456789')}{digits(3)}-{digits(3)}",
        f"+44 20 7{digits(3)} {digits(4)}",
        f"+33 {rng.choice('123456')} " + " ".join(digits(2) for _ in range(4)),
        f"+39 06 {rng.choice('456')}{digits(7)}",
        f"0049 30 {rng.choice('23456789')}{digits(6)}",
        f"{rng.choice(['030 ', '0171 ', '(089) ', '040/'])}{rng.choice('23456789')}{digits(6)}",
        f"0{rng.choice(['20 79', '131 2'])}{digits(2)} {digits(4)}",
        f"01{rng.choice(['223', '632'])} {rng.choice('23456789')}{digits(5)}",
    ]
    return rng.choice(made)


def resident_id(rng: Random) -> str:
    region = rng.choice(["110105", "310101", "440306", "510104", "650102"])
    body = f"{region}{rng.randrange(1930, 2015)}{rng.randrange(1, 13):02}{rng.randrange(1, 29):02}"
    body += f"{rng.randrange(1000):03}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(weight * int(digit) for weight, digit in zip(weights, body, strict=True))
    return body + "10X98765432"[total % 11]


def id_number(rng: Random) -> str:
    if rng.random() < 0.6:
        return resident_id(rng)
    area = rng.choice([area for area in range(1, 900) if area != 666])
    return f"{area:03}-{rng.randrange(1, 100):02}-{rng.randrange(1, 10000):04}"


def bank_account(rng: Random) -> str:
    form = rng.choice(["DE" + "0" * 18, "GBWEST" + "0" * 14, "FR" + "0" * 23, "NLABNA" + "0" * 10])
    body = "".join(rng.choice(string.digits) if c == "0" else c for c in form)
    country, rest = body[:2], body[2:]
    number = "".join(str(string.digits.find(c) if c.isdigit() else ord(c) - 55) for c in rest)
    checks = 98 - int(number + "".join(str(ord(c) - 55) for c in country) + "00") % 97
    whole = f"{country}{checks:02}{rest}"
    pieces = [whole[n : n + 4] for n in range(0, len(whole), 4)]
    return " ".join(pieces) if rng.random() < 0.5 else whole


def card(rng: Random) -> str:
    first, length = rng.choice([("4", 16), ("53", 16), ("2230", 16), ("37", 15), ("6225", 16)])
    body = first + "".join(rng.choices(string.digits, k=length - len(first) - 1))
    [number] = [body + check for check in string.digits if _luhn_sum(body + check) % 10 == 0]
    cuts = (4, 8, 12) if length == 16 else (4, 10)
    joint = rng.choice(["", " ", "-"])
    ends = zip((0, *cuts), (*cuts, length), strict=True)
    return joint.join(number[one:other] for one, other in ends)


def _luhn_sum(number: str) -> int:
    total = 0
    for place, digit in enumerate(reversed(number)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled // 10 + doubled % 10
    return total


def ip_address(rng: Random) -> str:
    if rng.random() < 0.3:
        return str(ipaddress.IPv6Address((0x2A02 << 112) | rng.getrandbits(rng.choice([16, 100]))))
    while True:
        address = ipaddress.IPv4Address(rng.getrandbits(32))
        if address.is_global and not address.is_multicast:
            return str(address)


def key(rng: Random) -> str:
    def letters(n: int, alphabet: str = string.ascii_letters + string.digits) -> str:
        return "".join(rng.choices(alphabet, k=n))

    pem = base64.encodebytes(rng.randbytes(160)).decode().strip()
    made = [
        "AKIA" + letters(16, string.ascii_uppercase + "234567"),
        rng.choice(["ghp_", "gho_", "ghs_"]) + letters(36),
        f"xoxb-{rng.randrange(10**11, 10**12)}-{letters(24)}",
        "AIza" + letters(35),
        f"-----BEGIN RSA PRIVATE KEY-----\n{pem}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----",
    ]
    return rng.choice(made)


ITEMS: dict[str, Callable[[Random], str]] = {
    "EMAIL": email,
    "PHONE": phone,
    "ID_NUMBER": id_number,
    "BANK_ACCOUNT": bank_account,
    "CARD": card,
    "IP_ADDRESS": ip_address,
    "KEY": key,
}

NEGATIVES: dict[str, Callable[[Random], str]] = {
    "version": lambda rng: (
        f"v{rng.randrange(9)}.{rng.randrange(40)}.{rng.randrange(200)}.{rng.randrange(99)}"
    ),
    "section": lambda rng: ".".join(str(rng.randrange(1, 13)) for _ in range(4)),
    "date": lambda rng: (
        f"{rng.randrange(1900, 2030)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02} 10:15:22"
    ),
    "years": lambda rng: f"{rng.randrange(1800, 1950)}-{rng.randrange(1951, 2030)}",
    "isbn": lambda rng: f"ISBN 978-3-16-{rng.randrange(10**6):06}-{rng.randrange(10)}",
    "isbn_joined": lambda rng: f"978{rng.randrange(10**10):010}",
    "doi": lambda rng: (
        f"doi:10.1016/j.cell.{rng.randrange(2000, 2025)}.{rng.randrange(10**8, 10**9)}"
    ),
    "sha256": lambda rng: hashlib.sha256(rng.randbytes(8)).hexdigest(),
    "commit": lambda rng: f"commit {hashlib.sha1(rng.randbytes(8)).hexdigest()}",
    "uuid": lambda rng: str(uuid.UUID(int=rng.getrandbits(128))),
    "price": lambda rng: (
        f"${rng.randrange(1, 999)},{rng.randrange(1000):03},{rng.randrange(1000):03}.00"
    ),
    "amount": lambda rng: (
        f"{rng.randrange(1, 99)} {rng.randrange(1000):03} {rng.randrange(1000):03} Euro"
    ),
    "timestamp": lambda rng: str(rng.randrange(10**9, 17 * 10**8)),
    "decimal": lambda rng: f"3.{rng.randrange(10**14, 10**15)}",
    "login": lambda rng: f"{rng.choice(_NAMES)}@localhost",
    "decorator": lambda rng: "@property",
    "clone": lambda rng: "git@github.com:numpy/numpy.git",
    "package": lambda rng: f"lodash@4.17.{rng.randrange(99)}",
    "picture": lambda rng: "icon@2x.png",
    "scope": lambda rng: "std::dec::face",
    "clock": lambda rng: f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}",
    "private_address": lambda rng: f"192.168.{rng.randrange(256)}.{rng.randrange(256)}",
    "documentation_address": lambda rng: f"2001:db8::{rng.randrange(1, 9999)}",
    "name": lambda rng: "cache_key = 'user_profile_page_v2_section'",
    "public_key": lambda rng: "-----BEGIN PUBLIC KEY-----",
    "false_id": lambda rng: _with_other_last(resident_id(rng), rng),
    "false_card": lambda rng: _with_other_last(_plain_card(rng), rng),
    "cut_id": lambda rng: resident_id(rng)[:17],
    "pin": lambda rng: (
        f"cv{rng.choice(['==', '>='])}4.{rng.randrange(12)}.0.{rng.randrange(33, 99)}"
    ),
    "padded": lambda rng: f"R-{rng.randrange(9999):05}-{rng.randrange(10**5):05}",
    "post_code": lambda rng: f"{rng.randrange(1001, 9999):05} {rng.randrange(10, 99999)}",
    "path": lambda rng: f"/images/0{rng.randrange(801, 999)}/{rng.randrange(10**7, 10**8)}.gif",
    "clause": lambda rng: (
        f"{rng.randrange(202, 300)}.{rng.randrange(212, 300)}-7{rng.randrange(999):03}"
    ),
    "year_and_colons": lambda rng: f"Jun 6 {rng.randrange(2000, 2030)}::",
    "release": lambda rng: (
        rng.choice(["release ", "Version: ", "v "]) + f"3.24.{rng.randrange(33, 256)}.22"
    ),
}


def _with_other_last(number: str, rng: Random) -> str:
    return number[:-1] + rng.choice([c for c in string.digits if c != number[-1]])


def _plain_card(rng: Random) -> str:
    return "".join(c for c in card(rng) if c.isdigit())


def planted_documents(num_documents: int, seed: int) -> list[PlantedDocument]:
    """Documents of 12 sentences: 4 with an item, 4 with a negative, 4 with neither."""
    rng = random.Random(seed)
    return [_document(rng, rng.choice(list(SENTENCES))) for _ in range(num_documents)]


def _document(rng: Random, language: str) -> PlantedDocument:
    roles = ["item", "negative", "plain"] * 4
    rng.shuffle(roles)
    text, items, negatives = "", [], []
    for role in roles:
        sentence = rng.choice(SENTENCES[language][role])
        if role != "plain":
            table = ITEMS if role == "item" else NEGATIVES
            kind = rng.choice(list(table))
            made = table[kind](rng)
            start = len(text) + sentence.index("{}")
            place = PlantedItem(start, start + len(made), kind)
            (items if role == "item" else negatives).append(place)
            sentence = sentence.format(made)
        text += sentence + ("" if language == "zh" else " ")
    return PlantedDocument(language, text, items, negatives)
