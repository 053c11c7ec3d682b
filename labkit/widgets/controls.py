"""One field of a config as controls: what it shows, what it reads, and when it was moved.

Which control a field gets follows from its kind: bool a checkbox, choice a dropdown, a number a
box to type in and, where its range is known, a slider beside it; text a box, a mapping or a list
its JSON. A control holds any value of its field exactly. Descriptions are shown as text and as
tooltips, never as markup.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets as widgets

from labkit.core.schema import FieldFace
from labkit.widgets.number_entry import notches, number_text, parse_number

LABEL_WIDTH = "190px"
Moved = Callable[[], None]


class Control:
    """`main` holds the value; `parts` stand in one row; `moved` is called after each change."""

    def __init__(self, face: FieldFace, main: Any, moved: Moved):
        self.face = face
        self.main = main
        self._moved = moved
        self._is_shown_by_program = False
        main.description = face.name.rpartition(".")[2]
        main.tooltip = face.help
        main.style.description_width = LABEL_WIDTH
        main.layout.width = "460px"
        main.observe(self._on_main, names="value")

    @property
    def parts(self) -> list[widgets.Widget]:
        unit = widgets.Label(value=self.face.unit, tooltip=self.face.help)
        return [self.main, unit] if self.face.unit else [self.main]

    def show(self, value: Any) -> None:
        """Show a value without reporting a move."""
        with self._silently():
            self._write(value)

    @contextlib.contextmanager
    def _silently(self) -> Iterator[None]:
        was, self._is_shown_by_program = self._is_shown_by_program, True
        try:
            yield
        finally:
            self._is_shown_by_program = was

    def read(self) -> Any:
        """The value for the config.

        Raises:
            ValueError: what is wrong with what was typed, without the field's name.
        """
        return self.main.value

    def _write(self, value: Any) -> None:
        self.main.value = value

    def _on_main(self, _change: Any) -> None:
        if not self._is_shown_by_program:
            self._moved()


class TextControl(Control):
    """A box; for an optional field an empty box means None."""

    def __init__(self, face: FieldFace, moved: Moved, box: Any = None):
        super().__init__(face, box or widgets.Text(continuous_update=False), moved)
        if face.optional:
            self.main.placeholder = "empty: none"

    def read(self) -> Any:
        text = self.main.value
        if self.face.optional and not text.strip():
            return None
        return self._parse(text)

    def _parse(self, text: str) -> Any:
        return text

    def _write(self, value: Any) -> None:
        self.main.value = "" if value is None else self._format(value)

    def _format(self, value: Any) -> str:
        return str(value)


class JsonControl(TextControl):
    """A dictionary or a list as one line of JSON."""

    def __init__(self, face: FieldFace, moved: Moved):
        super().__init__(face, moved, widgets.Textarea(continuous_update=False, rows=2))

    def _parse(self, text: str) -> Any:
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f'should be JSON such as {{"a": 1}} ({error})') from None

    def _format(self, value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)


class NumberControl(TextControl):
    """A box that takes 2e12 or 3e-4 and holds the value; a slider that writes notches into it.

    When a slider is first drawn the page may send its position back with float noise or snapped
    to its step: a position on the notch where the slider already stands is no move. A slider that
    moves is not set to its notch in return, since that answer would undo the next key press.
    """

    def __init__(self, face: FieldFace, moved: Moved):
        super().__init__(face, moved)
        self.main.layout.width = "320px"
        self.notches = notches(face)
        self.slider: Any = None
        if self.notches:
            low, high = self.notches.ends
            self.slider = widgets.FloatSlider(
                min=low, max=high, step=self.notches.step, readout=False, tooltip=face.help
            )
            self.slider.layout.width = "200px"
            self.slider.observe(self._on_slider, names="value")

    @property
    def parts(self) -> list[widgets.Widget]:
        box, *unit = super().parts
        return [box, self.slider, *unit] if self.slider else [box, *unit]

    def _parse(self, text: str) -> int | float:
        return parse_number(text, "int" if self.face.kind == "int" else "float")

    def _format(self, value: Any) -> str:
        return number_text(value)

    def _write(self, value: Any) -> None:
        super()._write(value)
        self._place_slider(value)

    def _place_slider(self, value: float | None) -> None:
        if self.notches is None or value is None:
            return
        with self._silently():
            self.slider.value = self.notches.position(value)

    def _on_main(self, change: Any) -> None:
        if not self._is_shown_by_program and self.slider:
            with contextlib.suppress(ValueError):
                self._place_slider(self.read())
        super()._on_main(change)

    def _on_slider(self, change: Any) -> None:
        if self._is_shown_by_program or self.notches is None:
            return
        notch = self.notches.nearest(change["new"])
        if notch == self.notches.nearest(change["old"]):
            return
        with self._silently():
            super()._write(notch)
        self._moved()


def make_control(face: FieldFace, value: Any, moved: Moved) -> Control:
    """The control for a field, showing `value`."""
    control: Control
    if face.kind == "bool" and not face.optional:
        control = Control(face, widgets.Checkbox(indent=True), moved)
    elif face.kind in ("bool", "choice"):
        control = Control(face, widgets.Dropdown(options=_options(face, value)), moved)
    elif face.kind in ("int", "float"):
        control = NumberControl(face, moved)
    elif face.kind in ("mapping", "list"):
        control = JsonControl(face, moved)
    else:
        control = TextControl(face, moved)
    control.show(value)
    return control


def _options(face: FieldFace, value: Any) -> list[tuple[str, Any]]:
    """Choices as (text, value); a value from elsewhere that is no choice is kept as one."""
    choices = list(face.choices) or [True, False]
    if value not in choices and value is not None:
        choices.append(value)
    return [("none", None)] * face.optional + [(str(choice), choice) for choice in choices]
