"""A text cut by several tokenizers, side by side: type, and the pieces and their number follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go

from labkit.core.config import Config, field
from labkit.core.display import Html, token_strip
from labkit.plots.tokenizers import bytes_per_token_figure
from labkit.tokens.tokenizer import Tokenizer
from labkit.widgets.form import ConfigForm
from labkit.widgets.markup import html_widget, show_html
from labkit.widgets.mode import is_interactive

EXAMPLE = "Whan that Aprille: he'll pay 1,234.56 for naïve 第一回 code\n    return x != y"


class ViewedText(Config):
    """What is cut."""

    text: str = field(EXAMPLE, "any text")
    max_tokens: int = field(200, "tokens shown of each tokenizer", ge=1, le=2000)


class TokenizerViewer:
    """`value` is the text on the page; in batch the panel is static."""

    def __init__(self, tokenizers: Mapping[str, Tokenizer], viewed: ViewedText | None = None):
        self._tokenizers = tokenizers
        self.form = ConfigForm(viewed or ViewedText())
        self.readout = html_widget(self.strips(), "labkit-readout")
        self._figure: Any = None
        self.form.observe(self._show)

    @property
    def value(self) -> ViewedText:
        return self.form.value

    def strips(self) -> Html:
        """One strip of marked tokens for each tokenizer."""
        markup = Html("")
        for name, tokenizer in self._tokenizers.items():
            ids = tokenizer.encode(self.value.text)[: self.value.max_tokens].tolist()
            pairs = [(token, _bytes_of(tokenizer, token)) for token in ids]
            markup += token_strip(name, pairs)
        return markup

    def figure(self) -> go.Figure:
        text = self.value.text
        num_bytes = len(text.encode())
        ratios = [
            (name, num_bytes / max(len(tokenizer.encode(text)), 1))
            for name, tokenizer in self._tokenizers.items()
        ]
        return bytes_per_token_figure(ratios)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if not is_interactive():
            display(self.strips())
            display(self.figure())
            return
        if self._figure is None:
            self._figure = go.FigureWidget(self.figure())
            self.form.answered_by(self.readout, self._figure)
        display(widgets.VBox([self.form.widget, self.readout, self._figure]))

    def _show(self, _viewed: ViewedText) -> None:
        show_html(self.readout, self.strips())
        if self._figure is not None:
            fresh: Any = self.figure()
            self._figure.data[0].x = fresh.data[0].x


def _bytes_of(tokenizer: Tokenizer, token: int) -> bytes:
    return b"UNK" if token == tokenizer.unknown else tokenizer.token_bytes(token)
