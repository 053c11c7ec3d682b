"""A file of parameters, as a panel saves it or a person writes it: YAML or JSON, as data alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labkit.core.errors import LabError

MAX_PARAMETER_FILE_BYTES = 1 << 20


def load_parameters(path: str | Path) -> dict[str, Any]:
    """Read a parameter file (YAML or JSON) as data; tags, aliases and large files are refused."""
    import yaml

    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise LabError(f"{path}: cannot read parameters ({error.strerror})") from error
    if len(raw) > MAX_PARAMETER_FILE_BYTES:
        raise LabError(f"{path}: {len(raw)} bytes; a parameter file has at most 1 MiB")
    try:
        text = raw.decode()
        for event in yaml.parse(text):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None):
                raise LabError(f"{path}: YAML aliases and tags are not allowed in a parameter file")
        data = yaml.safe_load(text)
    except LabError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise LabError(f"{path}: not a parameter file ({reason})") from error
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise LabError(f"{path}: expected a mapping of parameter names to values")
    return data
