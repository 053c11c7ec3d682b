"""A form made from a config's schema: one control per field, nested configs folded away.

`form.value` is a frozen config and always a valid one: moving a control builds a new config, and
what is refused is said beside its field while the value stays the last valid one, and what was
computed from that value is greyed. Choosing a preset sets every field of its group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import ipywidgets as widgets

from labkit.core.config import Config, ConfigError, validate
from labkit.core.display import STALE_CLASS, fault, stale_note
from labkit.core.schema import FieldFace, faces
from labkit.widgets.controls import LABEL_WIDTH, Control, make_control
from labkit.widgets.markup import html_widget, show_html

C = TypeVar("C", bound=Config)
FAULT_CLASS = "labkit-fault"
STALE = "What is greyed follows from the last valid values, not from those on the page."
WHOLE = ""
"""Where a fault of the whole config, or of one that no control shows, is said."""


class ConfigForm(Generic[C]):
    """Controls for `config`; shown as the last value of a cell. Fields in `first`, dotted, stand
    above the folds.
    """

    def __init__(self, config: C, first: Sequence[str] = ()):
        self.faults: dict[str, str] = {}
        self.controls: dict[str, Control] = {}
        self._config_type = type(config)
        self._value = config
        self._callbacks: list[Callable[[C], None]] = []
        self._presets = dict(_presets(config))
        self._fault_lines: dict[str, widgets.HTML] = {}
        self._answers: list[widgets.DOMWidget] = []
        self._stale_line = html_widget(stale_note(""), FAULT_CLASS)
        self._first = frozenset(first)
        known = {face.name: face for face in faces(type(config))}
        top = [self._row(known[name], "", dict(_leaves(config, ""))[name]) for name in first]
        folded = self._group(config, "")
        self.widget = widgets.VBox([*top, *folded, self._fault_line(WHOLE), self._stale_line])
        self.widget.add_class("labkit-form")

    @property
    def value(self) -> C:
        return self._value

    @value.setter
    def value(self, config: C) -> None:
        assert type(config) is self._config_type
        self._show(config, "")
        self._rebuild()

    def observe(self, callback: Callable[[C], None]) -> None:
        """Call with the new config, once per change of it."""
        self._callbacks.append(callback)

    def answered_by(self, *answers: widgets.DOMWidget) -> None:
        """Grey these widgets, which show what follows from `value`, while the form has a fault."""
        self._answers += answers
        self._grey_answers()

    def save(self, path: str | Path) -> Path:
        """Write the parameter file that papermill and the command line take.

        Raises:
            ConfigError: while the form shows a fault: the file would not be what is on the page.
        """
        self.refuse_faults()
        return self._value.save_parameters(path)

    def refuse_faults(self) -> None:
        """
        Raises:
            ConfigError: while the form shows a fault: `value` is not what is on the page.
        """
        if self.faults:
            raise ConfigError(self.faults)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.widget._repr_mimebundle_(**options)

    def _group(self, config: Config, prefix: str) -> list[Any]:
        own = _own_faces(config)
        rows: list[Any] = [
            self._row(face, prefix, getattr(config, face.name))
            for face in own
            if f"{prefix}{face.name}" not in self._first
        ]
        folds: dict[str, list[Any]] = {}
        for name, nested in _nested(config):
            inner = f"{prefix}{name}."
            children = self._group(nested, inner)
            if nested.preset_field:
                at = list(type(config).model_fields).index(name)
                rows.insert(min(at, len(rows)), children.pop(0))
            folds[f"{name}: advanced"] = [*children, self._fault_line(f"{prefix}{name}")]
        for title, children in folds.items():
            fold = widgets.Accordion(children=[widgets.VBox(children)], selected_index=None)
            fold.set_title(0, title)
            rows.append(fold)
        return rows

    def _row(self, face: FieldFace, prefix: str, value: Any) -> widgets.Widget:
        name = f"{prefix}{face.name}"
        control = make_control(face, value, lambda: self._moved(name))
        control.main.add_class(f"labkit-field-{name.replace('.', '-')}")
        if name in self._presets and prefix:
            control.main.description = prefix.rstrip(".")
        self.controls[name] = control
        line = self._fault_line(name)
        line.layout.margin = f"0 0 0 {LABEL_WIDTH}"
        return widgets.VBox([widgets.HBox(control.parts), line])

    def _fault_line(self, name: str) -> widgets.HTML:
        line = html_widget(fault(""), FAULT_CLASS)
        self._fault_lines[name] = line
        return line

    def _moved(self, name: str) -> None:
        if name in self._presets:
            chosen = self.controls[name].read()
            self._show(self._presets[name].from_preset(chosen), name.rpartition(".")[0])
        self._rebuild()

    def _show(self, config: Config, group: str) -> None:
        prefix = f"{group}." if group else ""
        for name, value in _leaves(config, prefix):
            self.controls[name].show(value)

    def _rebuild(self) -> None:
        data, refused = self._read()
        value = self._value
        try:
            value = validate(self._config_type, data)
        except ConfigError as error:
            refused = error.faults | refused
        self.faults = refused
        self._say_faults()
        self._grey_answers()
        if refused or value.hash == self._value.hash:
            return
        self._value = value
        for callback in self._callbacks:
            callback(value)

    def _read(self) -> tuple[dict[str, Any], dict[str, str]]:
        """What the controls hold, as nested data; what could not be read stays the last value."""
        data, refused = self._value.model_dump(), {}
        for name, control in self.controls.items():
            *groups, leaf = name.split(".")
            target = data
            for group in groups:
                target = target[group]
            try:
                target[leaf] = control.read()
            except ValueError as error:
                refused[name] = f"{name}={control.main.value!r}: {error}"
        return data, refused

    def _grey_answers(self) -> None:
        is_stale = bool(self.faults and self._answers)
        note = stale_note(STALE if is_stale else "")
        if self._stale_line.value != note.markup:
            show_html(self._stale_line, note)
        for answer in self._answers:
            (answer.add_class if is_stale else answer.remove_class)(STALE_CLASS)

    def _say_faults(self) -> None:
        said: dict[str, list[str]] = {name: [] for name in self._fault_lines}
        for name, text in self.faults.items():
            said[_nearest_line(name, self._fault_lines)].append(text)
        for name, texts in said.items():
            markup = fault("; ".join(texts))
            if self._fault_lines[name].value != markup.markup:
                show_html(self._fault_lines[name], markup)


def _own_faces(config: Config) -> list[FieldFace]:
    """Faces of the leaf fields, the preset first."""
    nested = dict(_nested(config))
    own = [f for f in faces(type(config)) if "." not in f.name and f.name not in nested]
    return sorted(own, key=lambda face: face.name != config.preset_field)


def _nested(config: Config) -> Iterator[tuple[str, Config]]:
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, Config):
            yield name, value


def _leaves(config: Config, prefix: str) -> Iterator[tuple[str, Any]]:
    nested = dict(_nested(config))
    for name in type(config).model_fields:
        if name in nested:
            yield from _leaves(nested[name], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", getattr(config, name)


def _presets(config: Config, prefix: str = "") -> Iterator[tuple[str, type[Config]]]:
    """Dotted name of each field that holds a preset, and the config it is a preset of."""
    if config.preset_field:
        yield f"{prefix}{config.preset_field}", type(config)
    for name, nested in _nested(config):
        yield from _presets(nested, f"{prefix}{name}.")


def _nearest_line(name: str, lines: Mapping[str, Any]) -> str:
    while name not in lines and name:
        name = name.rpartition(".")[0]
    return name
