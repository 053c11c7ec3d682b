"""The one door through which markup reaches a page as a widget.

ipywidgets' HTML widget sets `innerHTML` as it is; so it takes only what `core.display` made.
"""

from __future__ import annotations

import ipywidgets as widgets

from labkit.core.display import Html


def html_widget(content: Html | None = None, css_class: str = "") -> widgets.HTML:
    widget = widgets.HTML()
    if content is not None:
        show_html(widget, content)
    if css_class:
        widget.add_class(css_class)
    return widget


def show_html(widget: widgets.HTML, content: Html) -> None:
    """Replace what the widget shows; an empty one takes no room on the page."""
    assert isinstance(content, Html), f"only core.display makes markup, not {type(content)}"
    widget.value = content.markup
    widget.layout.display = None if content.markup else "none"


def look_like_output(widget: widgets.DOMWidget) -> None:
    """Tables and text in it get JupyterLab's style of a cell's output."""
    for css_class in ("jp-RenderedHTMLCommon", "jp-OutputArea-output"):
        widget.add_class(css_class)
