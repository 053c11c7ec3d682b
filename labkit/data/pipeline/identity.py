"""What a step is, as JSON: the part of a run's name that says what was done to the text.

Configs, frozen dataclasses and named tuples are described by type and fields, arrays by a hash of
their bytes, functions with what they hold (defaults, closure, their object), anything else by a
hash of its pickle. A step written outside labkit adds a hash of its source, since labkit's own is
hashed once for all; what that source calls elsewhere is not seen.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel


def describe(value: Any) -> Any:
    """JSON that is equal for equal steps, in any process."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return _digest(bytes(value))
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, np.ndarray) and value.dtype != object:
        return [str(value.dtype), list(value.shape), _digest(np.ascontiguousarray(value).tobytes())]
    if isinstance(value, Mapping):
        return sorted([str(describe(key)), describe(item)] for key, item in value.items())
    if isinstance(value, set | frozenset):
        return sorted((describe(item) for item in value), key=str)
    if (fields := _fields(value)) is not None:
        return {"type": _name(type(value)), **_source(type(value))} | {
            name: describe(item) for name, item in fields.items()
        }
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if isinstance(value, type):
        return {"type": _name(value)} | _source(value)
    if inspect.isroutine(value):
        return {"type": _name(value)} | _source(value) | _held(value)
    pickled = {"pickle": _digest(pickle.dumps(value, protocol=4))}
    return {"type": _name(type(value))} | _source(type(value)) | pickled


def _fields(value: Any) -> dict[str, Any] | None:
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, tuple) and (names := getattr(value, "_fields", None)):
        return dict(zip(names, tuple(value), strict=True))
    return None


def _held(function: Any) -> dict[str, Any]:
    """What a function has besides its source: two of one source may differ in it."""
    held = {
        "defaults": getattr(function, "__defaults__", None),
        "keywords": getattr(function, "__kwdefaults__", None),
        "of": function.__self__ if inspect.ismethod(function) else None,
    }
    if inspect.isfunction(function):
        closure = inspect.getclosurevars(function).nonlocals
        held["closure"] = {k: v for k, v in closure.items() if v is not function} or None
    return {name: describe(value) for name, value in held.items() if value is not None}


def _name(kind: Any) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _source(kind: Any) -> dict[str, str]:
    if kind.__module__.partition(".")[0] == "labkit":
        return {}
    try:
        return {"source": _digest(inspect.getsource(kind).encode())}
    except (OSError, TypeError):  # typed into an interpreter, or compiled
        return {}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
