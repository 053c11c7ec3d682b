"""The frozen, validated base of every config: one schema with four faces.

Towards notebooks, papermill, the command line and W&B the same config is a flat dictionary of
*parameters*: one value for each top-level field (a nested config is given by the name of the
preset it started from) and `overrides`, dotted field -> JSON value, for what differs from the
preset. `from_parameters(to_parameters(config)) == config`. Precedence: preset < parameter <
override.
"""

from __future__ import annotations

import difflib
import functools
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from labkit.core.canonical_json import hash_json
from labkit.core.disk import save_file
from labkit.core.errors import LabError

C = TypeVar("C", bound="Config")
_SCIENTIFIC = re.compile(r"[+-]?\d+(\.\d+)?[eE][+-]?\d+")


class ConfigError(LabError):
    """A refused config. `faults` maps each dotted field to what is wrong with its value."""

    def __init__(self, faults: Mapping[str, str]):
        self.faults = dict(faults)
        super().__init__("; ".join(self.faults.values()))


def field(
    default: Any,
    description: str,
    *,
    unit: str = "",
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    scale: Literal["linear", "log"] = "linear",
    step: float | None = None,
    choices: Callable[[], Sequence[str]] | None = None,
    added_later: bool = False,
) -> Any:
    """A pydantic field with what every face needs: bounds, unit, description, scale, choices.

    `choices` is a function, so that facts on disk are read when a face asks and not at import.
    `step` is the grid a control rounds to; it never constrains the value itself. A field that was
    `added_later` is written only where it differs from its default, so that a config from before
    keeps its canonical JSON, its hash and the names of its runs.
    """
    extra: dict[str, Any] = {"unit": unit, "scale": scale, "step": step, "choices": choices}
    extra |= {"added_later": True} if added_later else {}
    return Field(
        default=default, description=description, ge=ge, gt=gt, le=le, json_schema_extra=extra
    )


class Config(BaseModel):
    """Frozen; unknown fields, NaN and infinities are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True
    )

    preset_field: ClassVar[str | None] = None
    """Name of the field that holds the preset a config started from, if it has presets."""

    @classmethod
    def from_preset(cls, name: str) -> Self:
        """The published or default config of that name."""
        raise ValueError(f"{cls.__name__} has no presets; give its fields instead of {name!r}")

    @field_validator("*", mode="before")
    @classmethod
    def _is_of_its_kind(cls, value: Any, info: ValidationInfo) -> Any:
        """Text is no number, list or object; only 2e12, which YAML reads as text, is a number."""
        declared = cls.model_fields[info.field_name or ""]
        annotation = declared.annotation
        if isinstance(value, str) and get_origin(annotation) is tuple:
            meant = json.dumps(_listed(value, declared.default))
            raise ValueError(f"should be a list, such as {meant}")
        if isinstance(value, str) and get_origin(annotation) is dict:
            raise ValueError('should be an object, such as {"name": 1}')
        is_number = {int, float} & {annotation, *get_args(annotation)}
        if not is_number or not isinstance(value, bool | str):
            return value
        if isinstance(value, str) and _SCIENTIFIC.fullmatch(value):
            return float(value)
        raise ValueError(f"should be a number, not {type(value).__name__}")

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped = dump(self)
        for name, default in later_defaults(type(self)).items():
            if dumped.get(name, _MISSING) == default:
                del dumped[name]
        return dumped

    @model_validator(mode="before")
    @classmethod
    def _accept_preset_name(cls, value: Any) -> Any:
        return cls.from_preset(value).model_dump() if isinstance(value, str) else value

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """The config that flat parameters describe.

        Raises:
            ConfigError: naming every refused field with its value and what is allowed.
        """
        headline = dict(parameters)
        overrides = headline.pop("overrides", None) or {}
        if not isinstance(overrides, Mapping):
            raise ConfigError(
                {"overrides": f"overrides={overrides!r}: give a dictionary of dotted field: value"}
            )
        if not overrides:
            return validate(cls, headline)
        data = _with_nested_starts(cls, headline)
        return validate(cls, _override(data, overrides, overridable(cls())))

    def to_parameters(self) -> dict[str, Any]:
        """JSON-typed parameters that give this config back."""
        parameters: dict[str, Any] = {}
        overrides: dict[str, Any] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if not isinstance(value, Config):
                parameters[name] = value
                continue
            start = _start_of(value)
            if value.preset_field:
                parameters[name] = getattr(value, value.preset_field)
            overrides |= {f"{name}.{key}": v for key, v in differences(start, value).items()}
        return parameters | {"overrides": overrides}

    def with_overrides(self, overrides: Mapping[str, Any]) -> Self:
        """A copy with dotted fields changed, validated as a whole.

        Raises:
            ConfigError: an unknown field (with the nearest known ones) or a refused value.
        """
        data = _override(self.model_dump(), overrides, overridable(self))
        return validate(type(self), data)

    def inputs(self) -> dict[str, str]:
        """What this config reads from disk: name -> fingerprint. Part of a batch job's identity."""
        return {}

    @property
    def hash(self) -> str:
        return hash_json(self.model_dump())

    def save_parameters(self, path: str | Path) -> Path:
        """Write the file that `papermill -f`, `labkit batch --params` and the CLI take."""
        import yaml

        text = yaml.safe_dump(self.to_parameters(), sort_keys=False, allow_unicode=True)
        return save_file(path, text.encode())


def validate(config_type: type[C], data: Mapping[str, Any]) -> C:
    """`config_type(**data)`, with refusals as one `ConfigError`."""
    try:
        return config_type.model_validate(dict(data))
    except ValidationError as error:
        raise ConfigError(_faults(error, config_type)) from None


def flatten(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as dotted keys: {"a": {"b": 1}} -> {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in data.items():
        dotted = f"{prefix}{key}"
        flat |= flatten(value, f"{dotted}.") if isinstance(value, dict) else {dotted: value}
    return flat


def leaves(config: Config, prefix: str = "") -> dict[str, Any]:
    """Dotted fields and their values; a field that holds a mapping is one leaf."""
    found: dict[str, Any] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        is_group = isinstance(value, Config)
        found |= leaves(value, f"{prefix}{name}.") if is_group else {f"{prefix}{name}": value}
    return found


def overridable(config: Config) -> list[str]:
    """Dotted fields that `overrides` may name."""
    presets = _preset_fields(config)
    return [name for name in leaves(config) if name not in presets]


def differences(before: Config, after: Config) -> dict[str, Any]:
    """Dotted fields of `after` whose values differ from `before`."""
    old, new = leaves(before), leaves(after)
    return {key: value for key, value in new.items() if old.get(key, _MISSING) != value}


_MISSING = object()


@functools.cache
def later_defaults(config_type: type[Config]) -> dict[str, Any]:
    """Fields that were added later, with the value that is not written."""
    return {
        name: info.default
        for name, info in config_type.model_fields.items()
        if isinstance(extra := info.json_schema_extra, dict) and "added_later" in extra
    }


def _listed(text: str, default: Any) -> list[str]:
    """What was meant: what stands between commas, or a sentence as it is; single words where the
    field's own are."""
    if default and isinstance(default, tuple) and not any(" " in str(item) for item in default):
        return text.replace(",", " ").split()
    words = [word.strip() for word in text.split(",")]
    return [text] if any(" " in word for word in words) else words


def _override(data: Any, overrides: Mapping[str, Any], known: Sequence[str]) -> dict[str, Any]:
    """`data` with dotted fields set; rules between fields are checked later, on the whole."""
    for dotted, value in overrides.items():
        if dotted not in known:
            near = difflib.get_close_matches(str(dotted), known, n=3)
            first = dict.fromkeys(re.sub(r"\..*", ".*", name) for name in known)
            hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(first)}"
            raise ConfigError({str(dotted): f"overrides: unknown field {dotted!r}; {hint}"})
        *groups, leaf = dotted.split(".")
        target = data
        for group in groups:
            target = target[group]
        target[leaf] = value
    return data


def _with_nested_starts(config_type: type[Config], headline: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with each nested config written out from its preset or default."""
    data, faults = dict(headline), dict[str, str]()
    for name, info in config_type.model_fields.items():
        start = info.get_default(call_default_factory=True)
        if not isinstance(start, Config):
            continue
        given = data.get(name, start)
        try:
            nested = type(start).model_validate(given)
        except ValidationError as error:
            faults |= {name: f"{name}={given!r}: {'; '.join(_faults(error, type(start)).values())}"}
        else:
            data[name] = nested.model_dump()
    if faults:
        raise ConfigError(faults)
    return data


def _preset_fields(config: Config, prefix: str = "") -> set[str]:
    """Dotted names that say which preset a config started from: given by name, not overridden."""
    found = {f"{prefix}{config.preset_field}"} if config.preset_field else set()
    for name in type(config).model_fields:
        value = getattr(config, name)
        if isinstance(value, Config):
            found |= _preset_fields(value, f"{prefix}{name}.")
    return found


def _start_of(config: Config) -> Config:
    name = getattr(config, config.preset_field) if config.preset_field else None
    return type(config).from_preset(name) if name else type(config)()


def _faults(error: ValidationError, config_type: type[Config]) -> dict[str, str]:
    faults: dict[str, str] = {}
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"])
        given = item.get("input")
        reason = item["msg"].removeprefix("Value error, ").replace("Input should", "should")
        if item["type"] == "extra_forbidden":
            near = difflib.get_close_matches(where, config_type.model_fields, n=3)
            known = near or list(config_type.model_fields)
            faults[where] = f"unknown parameter {where!r}; known: {', '.join(known)}"
        elif item["type"] == "value_error" and (not where or isinstance(given, dict)):
            faults[where] = reason
        elif isinstance(given, float) and not math.isfinite(given):
            faults[where] = f"{where}={given}: should be a finite number"
        else:
            faults[where] = f"{where}={given!r}: {reason}"
    return faults
