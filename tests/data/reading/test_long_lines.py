from __future__ import annotations

import json
import random
import tracemalloc

import pytest

from labkit.data.reading import jsonl, long_lines
from labkit.data.reading.record import Fault, Origin

ORIGIN = Origin("a.jsonl", "a")
PIECES = ["word", " ", "c0", "é", "第一回", "𩸽", '\\"', "\\\\", "\\n", "\\u00e9", "\\uD83D\\ude00"]
BROKEN = ["\\ud83d", "\\x", "\\", '"', "\n", "\x00", "\xff", "}"]


@pytest.fixture
def every_line_is_long(monkeypatch):
    monkeypatch.setattr(jsonl, "LONG_BYTES", 0)
    monkeypatch.setattr(long_lines, "LONG_BYTES", 1)
    monkeypatch.setattr(long_lines, "_PIECE_BYTES", 1)


def read(line: bytes) -> tuple:
    [found] = jsonl.read_lines(line, 1, ORIGIN, 10_000_000)
    return (found.rule, found.reason, found.number) if isinstance(found, Fault) else found


@pytest.mark.usefixtures("every_line_is_long")
def test_a_text_in_pieces_is_what_json_reads():
    seeded = random.Random(3)
    for _ in range(2000):
        text = "".join(seeded.choices(PIECES, k=seeded.randrange(30)))
        line = f' {{"id": "{seeded.choice(PIECES)}", "text": "{text}", "more": ["{text}"]}} '
        fields = json.loads(line)
        assert read(line.encode())[:2] == (fields["id"], fields["text"])


def test_a_line_is_refused_for_the_same_reason_long_or_short(request):
    seeded = random.Random(4)
    lines = []
    for _ in range(2000):
        text = "".join(seeded.choices([*PIECES, *BROKEN], k=seeded.randrange(12)))
        stand_in = seeded.choice(["", "0", "1"])
        lines.append(f'{{"text": "{text}", "url": "{stand_in}"}}'.encode("latin1", "replace"))
        lines.append(f'{{"url": "{text}{text}", "text": "{text}{stand_in}"}}'.encode())
    lines = [line for line in lines if b"\n" not in line]
    short = [read(line) for line in lines]
    request.getfixturevalue("every_line_is_long")
    assert [read(line) for line in lines] == short


@pytest.mark.usefixtures("every_line_is_long")
@pytest.mark.parametrize("text", ["0", "\\u0030", "1", "\\u0031"])
def test_a_longer_string_is_not_taken_for_a_text_that_reads_as_its_stand_in(text: str):
    line = f'{{"text": "{text}", "url": "longer than that"}}'
    assert read(line.encode())[1] == json.loads(line)["text"]


def test_a_cut_line_with_many_quotes_is_looked_at_once():
    """From each quote to the end, as it was, takes minutes."""
    line = b'{"text": "' + b'say \\"hi\\" to them ' * 60_000
    assert read(line)[0] == "read_json"


@pytest.mark.parametrize("is_escaped", [False, True])
def test_a_long_text_of_wide_characters_is_not_there_thrice(is_escaped: bool):
    text = "é第\n中 " * 200_000 + "𩸽"
    line = json.dumps({"text": text}, ensure_ascii=is_escaped).encode()
    tracemalloc.start()
    record = read(line)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert record.text == text
    assert peak < 2.2 * 4 * len(text)  # 3.3 and 2.7 where the line is parsed whole
