"""The only place that turns text into HTML, so that text from a corpus is always inert.

`Html` is markup made here; anything else is text and is escaped. Figures have a markup of their
own (plotly reads a few tags in labels), so labels made from text go through `plain_label`.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from labkit.core.counted import counted

MAX_LABEL_CHARACTERS = 200
_EMPTY_BAR = "rgba(128,128,128,0.2)"
MAX_ON_ONE_LINE = 32
"""Characters of a table's cell that is not broken: an interval stays together."""
_UNSHOWABLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u061c\u00ad\ufeff]"
)


class Html:
    """Markup that is safe to show. Made only by this module's functions."""

    def __init__(self, markup: str):
        self.markup = markup

    def _repr_html_(self) -> str:
        return self.markup

    def __add__(self, other: Html) -> Html:
        return Html(self.markup + other.markup)


def escape(text: object) -> str:
    """Text for an HTML element or a quoted attribute; invisible controls become U+FFFD."""
    return html.escape(_UNSHOWABLE.sub("\ufffd", str(text)), quote=True)


def plain_label(text: object, limit: int = MAX_LABEL_CHARACTERS) -> str:
    """Text for a plotly title, tick or hover: escaped, on one line, cut at `limit` characters.

    Quotes stay: plotly shows their entities as they are, and a label is never an attribute.
    """
    line = " ".join(str(text).split())
    cut = line if len(line) <= limit else line[: limit - 1] + "…"
    return html.escape(_UNSHOWABLE.sub("\ufffd", cut), quote=False)


def paragraph(text: str) -> Html:
    return Html(f"<p>{escape(text)}</p>")


def paragraphs(texts: Iterable[str]) -> Html:
    return Html("".join(paragraph(text).markup for text in texts))


def fault(text: str) -> Html:
    """A refusal shown beside the control it concerns."""
    return Html(
        f'<span role="alert" style="color:#c2410c;font-weight:600">{escape(text)}</span>'
        if text
        else ""
    )


STALE_CLASS = "labkit-stale"
"""Greyed where a `stale_note` stands on the page."""


def stale_note(text: str) -> Html:
    """Say that what is of `STALE_CLASS` isn't the answer to what the page asks; nothing for ""."""
    style = f"<style>.{STALE_CLASS}{{opacity:0.35;filter:grayscale(1)}}</style>"
    return Html(style) + fault(text) if text else Html("")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "") -> Html:
    """A table of escaped cells; numbers are set right-aligned with thousands separators."""
    head = "".join(f'<th style="text-align:left">{escape(column)}</th>' for column in columns)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    title = f'<caption style="text-align:left">{escape(caption)}</caption>' if caption else ""
    return Html(
        f'<table class="labkit-table">{title}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def bars(
    caption: str, rows: Iterable[tuple[str, float, float, str]], colours: tuple[str, str]
) -> Html:
    """A bar per row of (label, share 0..1, share to mark, what stands beside); bar and mark differ
    in shape, not in colour alone.
    """
    bar, mark = map(escape, colours)
    body = "".join(
        f'<tr><td style="text-align:left">{escape(label)}</td><td style="width:60%">'
        f'<div style="position:relative;height:14px;min-width:60px;background:{_EMPTY_BAR}">'
        f'<div style="width:{share:.2%};height:100%;background:{bar}"></div>'
        f'<div style="position:absolute;left:calc({marked:.2%} - 1px);top:-2px;height:18px;'
        f'width:3px;background:{mark}"></div></div></td>{_cell(beside)}</tr>'
        for label, share, marked, beside in rows
    )
    return Html(
        f'<table class="labkit-table" style="width:100%;table-layout:auto">'
        f'<caption style="text-align:left">{escape(caption)}</caption><tbody>{body}</tbody></table>'
    )


def text_samples(samples: Iterable[tuple[str, str]], limit: int = 600) -> Html:
    """(label, text) pairs to read, each cut at `limit` characters, line breaks kept."""
    blocks = []
    for label, text in samples:
        cut = text if len(text) <= limit else text[:limit] + " […]"
        blocks.append(
            f'<details open style="overflow-wrap:anywhere"><summary>'
            f"{escape(label[:MAX_LABEL_CHARACTERS])}</summary>"
            f'<pre style="white-space:pre-wrap;margin:0 0 1em 1em">{escape(cut)}</pre></details>'
        )
    return Html("".join(blocks))


def _cell(value: Any) -> str:
    """A number to the right, text to the left; nothing where nothing is known."""
    if isinstance(value, float):  # a column of counts with a gap in it holds floats
        value = None if math.isnan(value) else int(value) if value.is_integer() else value
    if value is None:
        return "<td></td>"
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if not isinstance(value, int | float):
        wrapping = ";white-space:nowrap" if len(str(value)) <= MAX_ON_ONE_LINE else ""
        return f'<td style="text-align:left{wrapping}">{escape(value)}</td>'
    shown = f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
    return f'<td style="text-align:right">{shown}</td>'


def token_strip(label: str, tokens: Iterable[tuple[int, bytes]]) -> Html:
    """Tokens of a text as marked pieces in reading order, with id and bytes as their title.

    Neighbours differ in shade and stand between thin borders, so that no colour has to be told
    apart; each can be reached with Tab and is read out. Bytes that are no character by themselves
    are shown as hexadecimal.
    """
    pieces = []
    for number, (token, content) in enumerate(tokens):
        shade = _TOKEN_SHADES[number % len(_TOKEN_SHADES)]
        title = escape(f"id {token}: {repr(content)[2:-1] or 'special'}")
        pieces.append(
            f'<span tabindex="0" title="{title}" style="background-color:{shade};'
            f'border-right:1px solid currentColor">{escape(_shown(content))}</span>'
        )
    body = "".join(pieces)
    return Html(
        f"<p><strong>{escape(label)}</strong>: {counted(len(pieces), 'token')}</p>"
        f'<div style="white-space:pre-wrap;line-height:1.9;margin:0 0 1em 0">{body}</div>'
    )


def likelihood_strip(label: str, tokens: Iterable[tuple[bytes, float]]) -> Html:
    """Tokens with their log-likelihoods: the less likely, the darker the bar below it, and the
    probability as its title.
    """
    pieces = []
    for content, log_likelihood in tokens:
        probability = math.exp(log_likelihood)
        strength = min(-log_likelihood / _UNLIKELY_NATS, 1.0)
        title = escape(f"p = {probability:.2g}, {-log_likelihood:.2f} nats")
        pieces.append(
            f'<span tabindex="0" title="{title}" style="border-bottom:4px solid '
            f'rgba(217,98,43,{strength:.2f});border-right:1px solid rgba(128,128,128,0.4)">'
            f"{escape(_shown(content))}</span>"
        )
    return Html(
        f'<p style="margin:0"><strong>{escape(label)}</strong></p>'
        f'<div style="white-space:pre-wrap;line-height:1.9;margin:0 0 0.8em 0">'
        f"{''.join(pieces)}</div>"
    )


_UNLIKELY_NATS = 8.0
"""A token of probability 0.0003 and below has the darkest bar."""
_TOKEN_SHADES = ("rgba(59,125,216,0.22)", "rgba(217,98,43,0.22)", "rgba(42,157,106,0.22)")


def _shown(content: bytes) -> str:
    try:
        return content.decode() if content else "⌀"
    except UnicodeDecodeError:
        return f"⟨{content.hex(' ')}⟩"
