from __future__ import annotations

import pytest

from labkit.data.kernel.characters import (
    BOUNDARY,
    LETTER,
    PUNCTUATION,
    SPACE,
    TERMINATOR,
    flag_table,
)


def having(flag: int, terminators: str = "") -> set[str]:
    return {chr(code) for code in (flag_table(terminators) & flag).nonzero()[0]}


def test_by_hand():
    table = flag_table()
    assert table[ord("漢")] & LETTER
    assert table[0xA0] & SPACE
    assert not table[0x200B] & SPACE
    assert table[ord("。")] & TERMINATOR
    assert having(TERMINATOR, "。”") == {"。", "”"}


def test_line_boundaries_are_white_space_and_those_of_splitlines():
    assert having(BOUNDARY) == set("\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029") <= having(SPACE)


def test_punctuation_and_terminators_are_those_of_datatrove():
    text = pytest.importorskip("datatrove.utils.text")
    assert having(PUNCTUATION) == text.PUNCTUATION_SET
    assert having(TERMINATOR) == text.TERMINAL_PUNCTUATION
