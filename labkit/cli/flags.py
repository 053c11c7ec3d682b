"""Command-line flags made from a config's schema: the third face.

A headline field `num_tokens` becomes `--num-tokens` and, where no other field has that name,
`--tokens`. Fields of nested configs are set with `--set model.num_layers=16`.
"""

from __future__ import annotations

import argparse
from typing import Any

from labkit.core.config import Config, ConfigError, load_parameters
from labkit.core.schema import FieldFace, headline_faces, parse_value


def add_config_flags(parser: argparse.ArgumentParser, config_type: type[Config]) -> None:
    add_headline_flags(parser, config_type)
    add_set_flag(parser)
    parser.add_argument(
        "--overrides", metavar="JSON", help="the same as an object, as a W&B agent gives them"
    )
    parser.add_argument(
        "--params", metavar="FILE", help="YAML or JSON parameters, as a panel saves; flags win"
    )


def add_headline_flags(parser: argparse.ArgumentParser, config_type: type[Config]) -> None:
    faces = headline_faces(config_type)
    names = {face.name for face in faces}
    for face in faces:
        flags = [_flag(face.name)]
        short = face.name.removeprefix("num_")
        if short not in names:
            flags.append(_flag(short))
        parser.add_argument(
            *flags, dest=face.name, metavar=_metavar(face), help=_help(face).replace("%", "%%")
        )


def add_set_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="override a field of a nested config, e.g. model.num_layers=16 (repeatable)",
    )


def config_from_flags(arguments: argparse.Namespace, config_type: type[Config]) -> Any:
    """The config: parameter file < flags < `--overrides` < `--set`."""
    parameters = load_parameters(arguments.params) if arguments.params else {}
    parameters |= given_headline(arguments, config_type)
    overrides = parameters.get("overrides") or {}
    if not isinstance(overrides, dict):
        return config_type.from_parameters(parameters)  # which refuses it
    overrides = overrides | _overrides(arguments.overrides) | given_overrides(arguments)
    return config_type.from_parameters(parameters | {"overrides": overrides})


def given_headline(arguments: argparse.Namespace, config_type: type[Config]) -> dict[str, Any]:
    """The parameters that stand on the command line as flags of their own."""
    found = {}
    for face in headline_faces(config_type):
        given = getattr(arguments, face.name, None)
        if given is not None:
            found[face.name] = parse_value(given, is_text=face.kind in ("text", "choice"))
    return found


def given_overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    overrides = {}
    for item in arguments.set:
        name, separator, value = item.partition("=")
        if not separator:
            raise ConfigError({item: f"--set {item}: write FIELD=VALUE"})
        overrides[name] = parse_value(value)
    return overrides


def _overrides(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    found = parse_value(text)
    if not isinstance(found, dict):
        raise ConfigError({"overrides": f"--overrides {text}: give an object, field: value"})
    return found


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _metavar(face: FieldFace) -> str:
    return {"bool": "true|false", "int": "N", "float": "X", "mapping": "JSON", "list": "JSON"}.get(
        face.kind, "NAME"
    )


def _help(face: FieldFace) -> str:
    default = "" if face.default is None else f"; default {face.default}"
    choices = f": {', '.join(map(str, face.choices))}" if face.choices else ""
    return f"{face.help}{choices}{default}"
