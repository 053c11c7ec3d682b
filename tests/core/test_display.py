from __future__ import annotations

import pytest

from labkit.core import display
from tests.hostile import HOSTILE_TEXTS, active_elements


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_text_is_inert_in_every_display(text):
    shown = [
        display.paragraph(text),
        display.fault(text),
        display.table([text], [[text, 1]], caption=text),
        display.text_samples([(text, text)]),
        display.bars(text, [(text, 0.5, 1.0, text)], (text, text)),
        display.Html(f'<p title="{display.escape(text)}">{display.plain_label(text)}</p>'),
    ]
    for html in shown:
        assert active_elements(html.markup) == []


def test_the_scanner_sees_what_is_not_escaped():
    assert [t for t in HOSTILE_TEXTS if not active_elements(f'<p title="{t}">{t}</p>')] == [
        HOSTILE_TEXTS[8],  # a Markdown link: text, once it is not rendered as Markdown
        HOSTILE_TEXTS[10],  # entities: text, unless decoded twice
    ]


def test_controls_become_visible_and_long_labels_are_cut():
    assert display.escape("a\x00b\u202ec") == "a\ufffdb\ufffdc"
    assert display.plain_label("x\n" * 300) == ("x " * 100)[:199] + "…"
    assert display.plain_label("a < b") == "a &lt; b"


def test_numbers_are_set_with_separators():
    markup = display.table(["n", "share"], [[1234567, 0.123456]]).markup
    assert ">1,234,567<" in markup
    assert ">0.1235<" in markup


def test_gaps_are_blank_and_counts_are_counts():
    shown = display.table(["n"], [(150528.0,), (float("nan"),), (None,), (2.743647,)]).markup
    assert "150,528<" in shown
    assert "2.744<" in shown
    assert shown.count("<td></td>") == 2
