from __future__ import annotations

import plotly.graph_objects as go
import pytest

from labkit.core.display import token_strip
from labkit.tokens.kinds import make_bytes, train_words
from labkit.widgets.tokenizer_viewer import TokenizerViewer, ViewedText
from tests.hostile import HOSTILE_TEXTS, active_elements


def viewer() -> TokenizerViewer:
    kinds = {"bytes": make_bytes(), "words": train_words(["the cat"] * 3, 10)}
    return TokenizerViewer(kinds, ViewedText(text="the cat é"))


def test_typing_moves_the_strips_and_the_one_figure(monkeypatch):
    monkeypatch.setenv("LABKIT_MODE", "interactive")
    shown: list = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    panel = viewer()
    panel._ipython_display_()
    figure = panel._figure
    assert list(figure.data[0].x) == [1, 10 / 3]
    panel.form.controls["text"].main.value = "the"
    assert list(panel._figure.data[0].x) == [1, 3]
    assert panel._figure is figure
    assert "3 tokens" in panel.readout.value


def test_in_batch_it_is_static(monkeypatch):
    monkeypatch.setenv("LABKIT_MODE", "batch")
    shown: list = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    viewer()._ipython_display_()
    assert type(shown[1]) is go.Figure
    assert "UNK" in shown[0].markup


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_text_is_inert_in_tokens(text):
    ids = make_bytes().encode(text).tolist()
    strip = token_strip(text, [(one, bytes([one])) for one in ids])
    whole = token_strip(text, [(1, text.encode())])
    assert active_elements(strip.markup) == []
    assert active_elements(whole.markup) == []


def test_pieces_of_a_character_are_hexadecimal_and_reachable():
    markup = token_strip("x", [(195, b"\xc3"), (169, b"\xa9"), (257, b"")]).markup
    assert "⟨c3⟩" in markup
    assert "⌀" in markup
    assert markup.count('tabindex="0"') == 3
    assert 'title="id 195: \\xc3"' in markup
