"""Buttons that write what is on the page to files beside the notebook, and say which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from labkit.core.display import fault, paragraph
from labkit.core.errors import LabError
from labkit.widgets.markup import html_widget, show_html

EXPORT_CLASS = "labkit-exported"


def export_row(exports: Mapping[str, Callable[[Path], Path]]) -> widgets.HBox:
    """A button per file name; `exports` write to the path they are given."""
    line = html_widget(paragraph(""), EXPORT_CLASS)

    def button(name: str, write: Callable[[Path], Path]) -> widgets.Button:
        one = widgets.Button(description=f"Save {name}", tooltip=f"writes {name} here")
        one.on_click(lambda _: _export(line, name, write))
        return one

    return widgets.HBox([*(button(name, write) for name, write in exports.items()), line])


def _export(line: Any, name: str, write: Callable[[Path], Path]) -> None:
    try:
        show_html(line, paragraph(f"wrote {write(Path(name))}"))
    except (LabError, OSError) as error:
        show_html(line, fault(str(error)))
