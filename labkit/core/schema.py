"""What a face needs to know of each field of a config: kind, bounds, unit, choices, description.

Forms, command-line flags and notebook parameters are made from this one list, so that a field
added to a schema appears in all of them.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le

from labkit.core.config import Config

Kind = Literal["bool", "int", "float", "choice", "text", "mapping", "list"]


@dataclass(frozen=True)
class FieldFace:
    """One leaf field. `name` is dotted below nested configs; bounds are in the field's unit."""

    name: str
    kind: Kind
    default: Any
    description: str
    unit: str = ""
    lower: float | None = None
    lower_is_open: bool = False
    upper: float | None = None
    choices: tuple[Any, ...] = ()
    scale: Literal["linear", "log"] = "linear"
    step: float | None = None
    optional: bool = False

    @property
    def help(self) -> str:
        """Description, unit and range in one line."""
        parts = [self.description]
        if self.unit:
            parts.append(f"[{self.unit}]")
        if self.lower is not None or self.upper is not None:
            parts.append(f"({self.range})")
        return " ".join(parts)

    @property
    def range(self) -> str:
        low = "" if self.lower is None else f"{'>' if self.lower_is_open else ''}{self.lower:.12g}"
        high = "" if self.upper is None else f"{self.upper:.12g}"
        if low and high:
            return f"{low}..{high}"
        return f"at least {low}" if low else f"at most {high}"


def faces(config_type: type[Config], prefix: str = "") -> Iterator[FieldFace]:
    """All leaf fields in declared order; nested configs contribute dotted names."""
    for name, info in config_type.model_fields.items():
        annotation, optional = _strip_optional(info.annotation)
        if isinstance(annotation, type) and issubclass(annotation, Config):
            if annotation.preset_field:
                yield _preset_face(f"{prefix}{name}", annotation, info)
            yield from faces(annotation, f"{prefix}{name}.")
        else:
            yield _leaf_face(f"{prefix}{name}", annotation, optional, info)


def headline_faces(config_type: type[Config]) -> list[FieldFace]:
    """The top-level fields: what a notebook's parameters cell and the command line show."""
    return [face for face in faces(config_type) if "." not in face.name]


def parse_value(text: str, *, is_text: bool = False) -> Any:
    """JSON where it parses (2e12, true, null, {"a": 1}), else the text itself."""
    if is_text:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _preset_face(name: str, nested: type[Config], info: Any) -> FieldFace:
    assert nested.preset_field is not None
    inner = _leaf_face(name, str, False, nested.model_fields[nested.preset_field])
    default = info.get_default(call_default_factory=True)
    if isinstance(default, Config):
        default = getattr(default, nested.preset_field)
    return FieldFace(
        name=name,
        kind="choice",
        default=default,
        description=info.description or inner.description,
        choices=inner.choices,
    )


def _leaf_face(name: str, annotation: Any, optional: bool, info: Any) -> FieldFace:
    extra = info.json_schema_extra or {}
    choices = get_args(annotation) if get_origin(annotation) is Literal else ()
    if extra.get("choices"):
        choices = tuple(extra["choices"]())
    low = [m for m in info.metadata if isinstance(m, Ge | Gt)]
    high = [m.le for m in info.metadata if isinstance(m, Le)]
    return FieldFace(
        name=name,
        kind="choice" if choices else _kind(annotation),
        default=info.get_default(call_default_factory=True),
        description=info.description or "",
        unit=extra.get("unit", ""),
        lower=(low[0].ge if isinstance(low[0], Ge) else low[0].gt) if low else None,  # pyright: ignore
        lower_is_open=bool(low) and isinstance(low[0], Gt),
        upper=high[0] if high else None,  # pyright: ignore
        choices=choices,
        scale=extra.get("scale", "linear"),
        step=extra.get("step"),
        optional=optional,
    )


def _kind(annotation: Any) -> Kind:
    kinds: dict[Any, Kind] = {bool: "bool", int: "int", float: "float", str: "text"}
    groups: dict[Any, Kind] = {dict: "mapping", tuple: "list"}
    kind = kinds.get(annotation) or groups.get(get_origin(annotation))
    assert kind, f"no face for a field of type {annotation!r}"
    return kind


def _strip_optional(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [arg for arg in get_args(annotation) if arg is not type(None)]
        if len(rest) == 1:
            return rest[0], True
    return annotation, False
