"""Command-line flags made from a config's schema: the third face.

A headline field `num_tokens` becomes `--num-tokens` and, where no other field has that name,
`--tokens`. Fields of nested configs are set with `--set model.num_layers=16`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import textwrap
from collections.abc import Sequence
from typing import Any

from labkit.core.config import Config, ConfigError, leaves, overridable
from labkit.core.parameter_file import load_parameters
from labkit.core.schema import FieldFace, faces, headline_faces, parse_value


def add_config_flags(
    parser: argparse.ArgumentParser, config_type: type[Config], required: Sequence[str] = ()
) -> None:
    """`required`: fields whose default is a notebook's and not the command's."""
    add_headline_flags(parser, config_type, required)
    add_set_flag(parser, config_type)
    parser.add_argument(
        "--overrides", metavar="JSON", help="the same as an object, as a W&B agent gives them"
    )
    parser.add_argument(
        "--params", metavar="FILE", help="YAML or JSON parameters, as a panel saves; flags win"
    )


def add_headline_flags(
    parser: argparse.ArgumentParser, config_type: type[Config], required: Sequence[str] = ()
) -> None:
    headline = headline_faces(config_type)
    names = {face.name for face in headline}
    for face in headline:
        flags = [_flag(face.name)]
        short = face.name.removeprefix("num_")
        if short not in names:
            flags.append(_flag(short))
        parser.add_argument(
            *flags,
            dest=face.name,
            metavar=_metavar(face),
            help=_help(face, face.name not in required).replace("%", "%%"),
        )


def add_set_flag(parser: argparse.ArgumentParser, config_type: type[Config]) -> None:
    """`--set`, and at the end of the help the fields that it takes."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="a field of those below, value as JSON or text (repeatable)",
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"fields for --set with their defaults:\n{_nested_fields(config_type)}"


def wrapped(text: str, indent: str = "") -> str:
    """To the terminal's width, the first line further left than the rest."""
    width = max(shutil.get_terminal_size().columns - 2, 20)
    return textwrap.fill(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=2 * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def config_from_flags(arguments: argparse.Namespace, config_type: type[Config]) -> Any:
    return config_type.from_parameters(parameters_from_flags(arguments, config_type))


def parameters_from_flags(
    arguments: argparse.Namespace, config_type: type[Config]
) -> dict[str, Any]:
    """Parameter file < flags < `--overrides` < `--set`."""
    parameters = load_parameters(arguments.params) if arguments.params else {}
    parameters |= given_headline(arguments, config_type)
    overrides = parameters.get("overrides") or {}
    if not isinstance(overrides, dict):
        return parameters  # which the config refuses
    overrides = overrides | _overrides(arguments.overrides) | given_overrides(arguments)
    return parameters | {"overrides": overrides}


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


def _nested_fields(config_type: type[Config]) -> str:
    config, groups = config_type(), dict[str, list[str]]()
    values, units = leaves(config), {face.name: face.unit for face in faces(config_type)}
    for name in overridable(config):
        group, _, field = name.partition(".")
        if field:
            unit = f" [{units[name]}]" if units[name] else ""
            groups.setdefault(group, []).append(f"{field}={_written(values[name])}{unit}")
    return "\n".join(wrapped(f"{group}. {'; '.join(of)}", "  ") for group, of in groups.items())


def _written(value: Any) -> str:
    value = _short(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _short(value: Any) -> Any:
    """
    >>> _short(1 / 3), _short(1e-05), _short("modern")
    (0.3333, 1e-05, 'modern')
    """
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _metavar(face: FieldFace) -> str:
    kinds = {"bool": "true|false", "int": "N", "float": "X", "mapping": "JSON", "list": "JSON"}
    return kinds.get(face.kind, "NAME" if face.kind == "choice" else "TEXT")


def _help(face: FieldFace, has_default: bool) -> str:
    has_default = has_default and face.default not in (None, "", {}, ())
    default = f"; default {_short(face.default)}" if has_default else ""
    choices = f": {', '.join(map(str, face.choices))}" if face.choices else ""
    return f"{face.help}{choices}{default}"
