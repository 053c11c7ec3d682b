from __future__ import annotations

import json
import random
import time
from collections import Counter

import pyarrow as pa
import pytest

from labkit.data.personal_data.config import KINDS, PersonalDataConfig
from labkit.data.personal_data.find import find_personal_data
from labkit.data.personal_data.patterns import PATTERNS, PRIVATE_KEY_BLOCK
from labkit.data.personal_data.redact import replace_items
from labkit.data.readers import read_documents
from tests.data.personal_data.planted import planted_documents

CONFIG = PersonalDataConfig()


def redacted(text: str, config: PersonalDataConfig = CONFIG) -> str:
    texts = pa.array([text])
    [found] = replace_items(texts, find_personal_data(texts, config), "angle").to_pylist()
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("请联系张三13812345678或zhang@example.com。", "请联系张三<PHONE>或<EMAIL>。"),
        ("身份证号11010519491231002X。", "身份证号<ID_NUMBER>。"),
        ("11010519491331002X", "11010519491331002X"),  # a 13th month
        ("SSN 536-90-4399, not 666-12-3456", "SSN <ID_NUMBER>, not 666-12-3456"),
        ("4111 1111 1111 1111 123", "<CARD> 123"),
        ("+4915112345678, 4915112345678", "<PHONE>, <CARD>"),  # that is Luhn-valid
        ("AT61 1904 3002 3457 3201 BIC", "<BANK_ACCOUNT> BIC"),
        ("Größe: anna.müller@web.de.", "Größe: <EMAIL>."),
        ("+49 (0)30 1234567, 0049 30 1234567", "<PHONE>, <PHONE>"),
        ("212 555-1234, +1 212 555 1234", "<PHONE>, <PHONE>"),
        ("415.555.0123, 1.415.555.0123, 415.555-0123", "<PHONE>, <PHONE>, 415.555-0123"),
        ("252.227-7013 (c) (1) of DFARs", "252.227-7013 (c) (1) of DFARs"),
        ("192 384 768 1536 and +35236450.6", "192 384 768 1536 and +35236450.6"),
        ("030 1234567, (030)1234567, 030/1234567-12", "<PHONE>, <PHONE>, <PHONE>"),
        ("0151 23456789, 0131 245 1127, 020 7946 0018", "<PHONE>, <PHONE>, <PHONE>"),
        ("02139 36349, 0900 1200 1300, 012 345 678", "02139 36349, 0900 1200 1300, 012 345 678"),
        ("0801/20020731-3.gif, /0801/20020731", "0801/20020731-3.gif, /0801/20020731"),
        ("03371-37637, 040-7654321", "03371-37637, 040-7654321"),
        ("010-62345678, 010-12345678", "<PHONE>, 010-12345678"),
        ("1 030 1234567, 030 1234567 1", "1 030 1234567, 030 1234567 1"),  # rows of numbers
        ("+20 000 000 000 bytes", "+20 000 000 000 bytes"),
        ("+3.14159265358979, +52.5200066", "+3.14159265358979, +52.5200066"),
        ("doi:10.1111/0081-1750.00098, 0049 30 1234567", "doi:10.1111/0081-1750.00098, <PHONE>"),
        ("+1.7035555555, +49.30123456", "<PHONE>, <PHONE>"),  # of a domain's registration
        ("93.184.216.34 but 10.0.0.1", "<IP_ADDRESS> but 10.0.0.1"),
        ("2001:4860:4860::8888 but 2001:db8::1", "<IP_ADDRESS> but 2001:db8::1"),
        ("Jun 6 2006::, 2a02:8100::/32, ::", "Jun 6 2006::, 2a02:8100::/32, ::"),
        ("version=3.24.35.22, RELEASE 1.3.99.0", "version=3.24.35.22, RELEASE 1.3.99.0"),
        ("v.3.24.35.22, v 3.24.35.22", "v.3.24.35.22, v 3.24.35.22"),
        ("revision 1.67.2.1, Version/4.0.249.78", "revision 1.67.2.1, Version/4.0.249.78"),
        (
            "a==4.5.5.64, a>=4.5.5.64, Chrome/4.0.249.78",
            "a==4.5.5.64, a>=4.5.5.64, Chrome/4.0.249.78",
        ),
        ("cv-4.5.5.64-cp36, cv-4.5.5.64.dist-info", "cv-4.5.5.64-cp36, cv-4.5.5.64.dist-info"),
        ("ip.src==93.184.216.34, ip.addr!=8.8.4.99", "ip.src==<IP_ADDRESS>, ip.addr!=<IP_ADDRESS>"),
        ("my_ip==8.8.4.99 helo=8.8.4.99", "my_ip==<IP_ADDRESS> helo=<IP_ADDRESS>"),
        ("host/8.8.4.99, dialup-8.8.4.99.a.de", "host/<IP_ADDRESS>, dialup-<IP_ADDRESS>.a.de"),
        ("http://8.8.4.99/, 8.8.4.99-", "http://<IP_ADDRESS>/, <IP_ADDRESS>-"),
        ("srv 129.215.117.0 (a host)", "srv <IP_ADDRESS> (a host)"),
        ("622301198704120004 and 62230119870412004", "622301198704120004 and 62230119870412004"),
        ("622301198713120003", "<CARD>"),  # a 13th month
        ("x[2000::2], y()[3000::10]", "x[2000::2], y()[3000::10]"),
        ("http://[2001:4860:4860::8888]/", "http://[<IP_ADDRESS>]/"),
        ("git+ssh://git@github.com/a/b.git", "git+ssh://git@github.com/a/b.git"),
        ("git@github.com:a/b, a@b.de:c@d.de", "git@github.com:a/b, <EMAIL>:<EMAIL>"),
        ("NO9386011117947", "<BANK_ACCOUNT>"),  # the shortest
        ("api_key = 'x8Fj2kLm9QpR4sTv7Wz'", "api_key = '<KEY>'"),
        ("{'api_key' => 'x8Fj2kLm9QpR4sTv7Wz'}", "{'api_key' => '<KEY>'}"),
        ("8" * 40 + " 13812345678 13912345678", "8" * 40 + " <PHONE> <PHONE>"),
    ],
)
def test_by_hand(text, expected):
    assert redacted(text) == expected


def test_escapes_stay_whole():
    """A redacted string of JSON or code is one still."""
    text = json.dumps("mail\nbob@web.de\tanna@web.de, é" + "tom@web.de, \n13812345678")
    assert json.loads(redacted(text)) == "mail\n<EMAIL>\t<EMAIL>, é<EMAIL>, \n<PHONE>"
    assert redacted(r"CORP\karl@web.de") == r"CORP\<EMAIL>"


def test_special_addresses_are_a_choice():
    everywhere = PersonalDataConfig(ip_ranges="all")
    assert redacted("10.0.0.200, fe80::1", everywhere) == "<IP_ADDRESS>, <IP_ADDRESS>"
    assert redacted("12::, ::, fe80::, 2006::", everywhere) == "12::, ::, fe80::, 2006::"


def test_precision_and_recall_on_planted_items_in_three_languages():
    documents = planted_documents(900, seed=0)
    right, found, planted = Counter(), Counter(), Counter()
    items = find_personal_data(pa.array([document.text for document in documents]), CONFIG)
    for item in items:
        document = documents[item.document]
        raw = document.text.encode()
        place = (len(raw[: item.start].decode()), len(raw[: item.end].decode()), item.kind)
        found[document.language] += 1
        right[document.language] += place in document.items
    for document in documents:
        planted[document.language] += len(document.items)
    for language in planted:
        assert right[language] / found[language] >= 0.98, language
        assert right[language] / planted[language] >= 0.98, language


def fuzzed(count: int) -> list[str]:
    rng = random.Random(1)
    alphabet = "a@b.de|+49 |138|4111| |-|.|:|::|ü|中|1|x|key=|\n|8.8.8.8|2001:4860::1".split("|")
    alphabet += ["GB82WEST12345698765432", "ghp_" + "a1B2" * 9]
    alphabet += ["gho_" + "aBcDEFGHIJKL" * 3, "AKIA" + "ABCD" * 4]
    return ["".join(rng.choices(alphabet, k=40)) for _ in range(count)]


GLUE = " |.|-|:|::|,|/|@|+|(|)|%|_|'|=|é|中|\n|\\n|\\u00e9|<|0|1|a|key=|secret: |token_|1.|(0)|+86"


def glued(count: int) -> list[str]:
    """Lines as of mail headers: items and negatives side by side, some cut by what is between."""
    rng, documents = random.Random(9), planted_documents(300, seed=8)
    pieces = [
        document.text[piece.start : piece.end]
        for document in documents
        for piece in document.items + document.negatives
    ]
    pieces += ["Received: from [66.35.250.206] (helo=mail.example.net)", "<20020822.g7MBH@b.de>"]
    pieces += ["Thu, 22 Aug 2002 12:46:18 +0100", "(8.11.6/8.11.6)", "zzzz@localhost [127.0.0.1]"]
    pieces += 3 * ["+49(0) -3012345", "2001:2:3:4:5:6:10.0.0.200", "6222 0210 0011 2233 449"]

    def piece() -> str:
        chosen, cut = rng.choice(pieces), rng.randrange(40)
        return rng.choice(["", chosen, chosen, chosen[:cut] + rng.choice(glue) + chosen[cut:]])

    glue = GLUE.split("|")
    return ["".join(piece() + rng.choice(glue) for _ in range(20)) for _ in range(count)]


def find_everywhere(text: str, config: PersonalDataConfig) -> list[tuple[int, int, str, str]]:
    """Every pattern, at every place of one document, until nothing is found."""
    data, found, is_new = bytearray(text.encode()), [], True
    while is_new:
        is_new = False
        for pattern in (PRIVATE_KEY_BLOCK, *PATTERNS):
            place, group = 0, "item" if "item" in pattern.regex.groupindex else 0
            while match := pattern.regex.search(data, place):
                item = pattern.trim(match[group].decode(errors="replace"))
                place = match.start() + 1
                if pattern.accepts(item, config):
                    start = match.start(group)
                    place = start + len(item.encode())
                    data[start:place] = b"<" * (place - start)
                    found.append((start, place, pattern.kind, pattern.name))
                    is_new = True
    return sorted(found)


@pytest.mark.parametrize(
    "config", [CONFIG, PersonalDataConfig(ip_ranges="all", min_largest_octet=0)]
)
def test_every_match_is_at_a_place_where_it_is_looked_for(config):
    """The patterns over whole documents find the same: planted, fuzzed, glued, and real ones."""
    texts = [document.text for document in planted_documents(60, seed=2)] + fuzzed(400)
    texts += [text[:20_000] for text in _real_texts()] + glued(1000)
    found = find_personal_data(pa.array(texts), config)
    expected = [
        (number, *item)
        for number, text in enumerate(texts)
        for item in find_everywhere(text, config)
    ]
    assert found == expected
    names = Counter(item.pattern for item in found)
    assert names.keys() == {pattern.name for pattern in (PRIVATE_KEY_BLOCK, *PATTERNS)}
    assert len(found) > 3000


def test_batches_and_neighbours_do_not_matter():
    config = PersonalDataConfig(ip_ranges="all", min_largest_octet=0)
    planted = [document.text for document in planted_documents(40, seed=3)]
    texts = pa.array(["", "x", "::1", *planted, *fuzzed(300), "a@b.de"])
    whole = find_personal_data(texts, config)
    alone = [
        item._replace(document=number)
        for number in range(len(texts))
        for item in find_personal_data(texts.slice(number, 1), config)
    ]
    assert alone == whole
    assert whole[0] == (2, 0, 3, "IP_ADDRESS", "ipv6")


ATTACKS = {
    "dots": lambda n: "." * n,
    "a@": lambda n: "a@" * (n // 2),
    "a.a.": lambda n: "a." * (n // 2),
    "spaces": lambda n: " " * n,
    "digits": lambda n: "1" * n,
    "digits and dashes": lambda n: "1-" * (n // 2),
    "letters, then @": lambda n: "a" * n + "@",
    "phones in a chain": lambda n: "13812345678-" * (n // 12),
    "addresses in a chain": lambda n: "a@b.co:" * (n // 7),
    "key blocks": lambda n: "-----BEGIN PRIVATE KEY-----" * (n // 27),
    "assignments": lambda n: "secret=" * (n // 7),
    "colons": lambda n: "1::" * (n // 3),
    "tokens": lambda n: "s-" * (n // 2),
    "brackets": lambda n: "(030(" * (n // 5),
    "values": lambda n: "secret=a1" * (n // 9),
    "names of two bytes, then @": lambda n: ("é" * 64 + "@a.b ") * (n // 133),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_time_is_linear(attack):
    """16 times the text in less than 64 times the CPU seconds; a quadratic pattern takes 256."""
    sizes = (16_000, 256_000)
    texts = {size: pa.array([ATTACKS[attack](size)]) for size in sizes}
    spent: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(3):
        for size in sizes:
            started = time.process_time()
            find_personal_data(texts[size], CONFIG)
            spent[size].append(time.process_time() - started)
    assert min(spent[sizes[1]]) < 64 * max(min(spent[sizes[0]]), 0.001)


def _real_texts() -> list[str]:
    return [
        text for batch in read_documents("python-docs") for text in batch.column("text").to_pylist()
    ]


def test_every_kind_can_be_left_out():
    switches = ("emails", "phones", "id_numbers", "bank_accounts", "cards", "ip_addresses", "keys")
    texts = pa.array([document.text for document in planted_documents(60, seed=4)])
    kinds = {item.kind for item in find_personal_data(texts, CONFIG)}
    for switch, kind in zip(switches, KINDS, strict=True):
        kinds = {item.kind for item in find_personal_data(texts, CONFIG)}
        left = {
            item.kind for item in find_personal_data(texts, CONFIG.with_overrides({switch: False}))
        }
        assert kind in kinds
        assert kind not in left
