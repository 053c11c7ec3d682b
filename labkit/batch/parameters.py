"""A notebook's parameters, checked before a kernel starts.

papermill only warns of an unknown name, checks neither types nor ranges, and executes a name that
is code. Here a name must be an identifier of the `parameters` cell and a value must be JSON of its
annotated type; when the notebook names a config (`metadata.labkit.config`), all of them together
must be a valid one. Names of secrets are refused: a parameter's value ends up in the output.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import json
import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labkit.core.config import Config
from labkit.core.errors import LabError

SECRET_NAMES = re.compile(
    r"(^|_)(api_?key|private_key|secret|password|passwd|passphrase|credentials?|"
    r"(access|auth|bearer|refresh|session|hf|github|gitlab|wandb|openai)_token)(_|$)|^token$",
    re.IGNORECASE,
)
JSON_TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "dict": (dict,),
    "list": (list,),
}


@dataclass(frozen=True)
class Notebook:
    """A notebook file, its declared parameters and the config they describe, if it names one."""

    path: Path
    content: bytes
    annotations: dict[str, str]
    defaults: dict[str, Any]
    config_type: type[Config] | None


def read_notebook(path: str | Path) -> Notebook:
    """Raises LabError: no such file, not a notebook, no or an unreadable parameters cell."""
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise LabError(f"{path}: not a file; give the path of a notebook")
        content = path.read_bytes()
    except OSError as error:
        raise LabError(f"{path}: cannot read the notebook ({error.strerror})") from error
    try:
        data = json.loads(content)
        cells, metadata = data["cells"], data.get("metadata", {})
        sources = [
            "".join(cell["source"])
            for cell in cells
            if "parameters" in cell.get("metadata", {}).get("tags", [])
        ]
        named = metadata.get("labkit", {}).get("config", "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LabError(f"{path}: not a notebook (nbformat 4 JSON)") from error
    annotations, defaults = _declared(path, sources[0] if sources else "")
    return Notebook(path, content, annotations, defaults, _config_type(path, named))


def check_parameters(notebook: Notebook, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given parameters, when each is allowed and all together make a valid config.

    Raises:
        LabError: naming the parameter, its value and what is allowed.
    """
    for name, value in given.items():
        _check_name(notebook, name)
        _check_value(name, value, notebook.annotations[name])
    if notebook.config_type:
        notebook.config_type.from_parameters({**notebook.defaults, **given})
    return dict(given)


def parse_parameter(notebook: Notebook, name: str, text: str) -> Any:
    """A value from a command line: text for `str` parameters, JSON for the others.

    A whole number may be written 2e12 for an `int`.
    """
    annotation = notebook.annotations.get(name)
    if annotation == "str":
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if annotation == "int" and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _declared(path: Path, source: str) -> tuple[dict[str, str], dict[str, Any]]:
    annotations, defaults = {}, {}
    try:
        for statement in ast.parse(source).body:
            if isinstance(statement, ast.AnnAssign):
                target, annotation = statement.target, ast.unparse(statement.annotation)
            elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                target, annotation = statement.targets[0], ""
            else:
                continue
            if isinstance(target, ast.Name) and statement.value is not None:
                annotations[target.id] = annotation
                defaults[target.id] = ast.literal_eval(statement.value)
    except (SyntaxError, ValueError) as error:
        raise LabError(f"{path}: the parameters cell must hold literals only ({error})") from error
    return annotations, defaults


def _config_type(path: Path, named: Any) -> type[Config] | None:
    if not named:
        return None
    module, _, name = str(named).partition(":")
    if not module.startswith("labkit."):
        raise LabError(f"{path}: metadata.labkit.config={named!r} is not a config of labkit")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise LabError(f"{path}: metadata.labkit.config={named!r} does not exist") from error
    if not (isinstance(found, type) and issubclass(found, Config)):
        raise LabError(f"{path}: metadata.labkit.config={named!r} is not a config of labkit")
    return found


def _check_name(notebook: Notebook, name: str) -> None:
    known = ", ".join(notebook.annotations) or "none: no cell is tagged 'parameters'"
    if not name.isidentifier() or keyword.iskeyword(name):
        raise LabError(f"{name!r} is not a parameter name; {notebook.path.name} has: {known}")
    if SECRET_NAMES.search(name):
        raise LabError(
            f"{name}: a secret passed as a parameter is written to the output notebook; "
            f"give it as an environment variable"
        )
    if name not in notebook.annotations:
        near = difflib.get_close_matches(name, notebook.annotations, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise LabError(f"unknown parameter {name!r}; {hint}{notebook.path.name} has: {known}")


def _check_value(name: str, value: Any, annotation: str) -> None:
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        same = json.loads(text.encode()) == value
    except (TypeError, ValueError, RecursionError):
        same = False
    if not same:
        raise LabError(f"{name}={_shown(value)}: only JSON values can be passed to a notebook")
    allowed = JSON_TYPES.get(annotation.partition("[")[0])
    if allowed is None or value is None:
        return
    is_bool_for_number = isinstance(value, bool) and bool not in allowed
    if not isinstance(value, allowed) or is_bool_for_number:
        found = type(value).__name__
        raise LabError(f"{name}={_shown(value)}: should be {annotation}, not {found}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else text[:100] + "…"
