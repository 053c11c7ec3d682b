"""Markup of outputs, reduced to tables and text, so that nothing in a corpus can act on a page.

The page is written anew from what a parser saw: allowed elements and attributes by name, all else
as escaped text, and only elements opened here are closed. So it does not matter how a browser would
have read the original. One pass, linear in its length.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from html.parser import HTMLParser

import mistune

from labkit.core.display import escape

ALLOWED_TAGS = frozenset(
    (
        "table caption colgroup col thead tbody tfoot tr th td p div span br b strong i em code "
        "pre ul ol li h3 h4 details summary small sub sup"
    ).split()
)
VOID_TAGS = frozenset({"br", "col"})
ALLOWED_ATTRIBUTES = frozenset(
    "class style role title tabindex aria-label open colspan rowspan scope".split()
)
ALLOWED_STYLES = frozenset(
    (
        "color background-color text-align font-weight white-space margin padding line-height "
        "border-right border-bottom border-radius overflow-wrap"
    ).split()
)
STYLE_VALUE = re.compile(r"([#\w\s.,%-]|rgba?\([\d.,\s]*\)){1,100}")
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
TO_PARENTS = re.compile(r"(\.{0,2}/)*")

Attributes = Iterable[tuple[str, str | None]]


def clean_markup(markup: str) -> str:
    """The markup with allowed elements only; others become text, style sheets are left out."""
    cleaner = _Cleaner()
    # The parser looks for the end of a comment or tag from each beginning: quadratic where none is.
    complete, end, rest = markup.replace("<!", "&lt;!").rpartition(">")
    cleaner.feed(complete + end)
    cleaner.close()
    cleaner.handle_data(rest)
    return cleaner.finish()


def markdown(source: str) -> str:
    """Prose as markup. Images are named, not loaded; only links with a scheme lead anywhere."""
    render = mistune.create_markdown(
        renderer=_Prose(escape=True), plugins=["table", "strikethrough", "url"]
    )
    html = render(source)
    assert isinstance(html, str)
    return html


class _Prose(mistune.HTMLRenderer):
    def image(self, text: str, url: str, title: str | None = None) -> str:
        return escape(text or "image")

    def link(self, text: str, url: str, title: str | None = None) -> str:
        """A relative link is meant from the notebook's folder and would be dead from a report's."""
        if SCHEME.match(url):
            return super().link(text, url, title)
        if url.endswith(".ipynb"):  # its text names the notebook
            return text
        return f"{text} <code>{escape(TO_PARENTS.sub('', url, count=1))}</code>"


class _Cleaner(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.open: list[str] = []
        self.num_open: Counter[str] = Counter()
        self.in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "style":
            self.in_style = True
        elif tag not in ALLOWED_TAGS:
            self.parts.append(escape(self.get_starttag_text() or ""))
        else:
            self.parts.append(f"<{tag}{_attributes(attrs)}>")
            if tag not in VOID_TAGS:
                self.open.append(tag)
                self.num_open[tag] += 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "style":
            self.in_style = False
        elif tag not in ALLOWED_TAGS:
            self.parts.append(escape(f"</{tag}>"))
        elif self.num_open[tag]:
            while self._close_last() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self.in_style:
            self.parts.append(escape(data))

    def finish(self) -> str:
        while self.open:
            self._close_last()
        return "".join(self.parts)

    def _close_last(self) -> str:
        tag = self.open.pop()
        self.num_open[tag] -= 1
        self.parts.append(f"</{tag}>")
        return tag


def _attributes(attributes: Attributes) -> str:
    kept = []
    for name, value in attributes:
        if name == "style":
            value = _styles(value or "")
        if name in ALLOWED_ATTRIBUTES:
            kept.append(f' {name}="{escape(value)}"' if value else f" {name}")
    return "".join(kept)


def _styles(style: str) -> str:
    pairs = (declaration.partition(":") for declaration in style.split(";"))
    return ";".join(
        f"{name.strip()}:{value.strip()}"
        for name, _, value in pairs
        if name.strip().lower() in ALLOWED_STYLES and STYLE_VALUE.fullmatch(value)
    )
