"""The code that made a checkpoint: a hash of each file that can change a bit of the result."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path

import labkit
from labkit.core import disk

FILE = "source.json"
_ROOMS = ("model", "plan", "training")
_READ = ("tokens/shards.py", "tokens/tokenizer.py")
_LOOKING_ON = ("recording", "dry_run", "launch.py", "watch.py", "export.py", "open_model.py")
"""Folders and files of `training` that observe a run or don't take part."""


@functools.cache
def source_hashes() -> dict[str, str]:
    """File below labkit -> the first 16 digits of its SHA-256."""
    root = Path(labkit.__file__).parent
    files = [root / name for name in _READ]
    for room in _ROOMS:
        files += sorted((root / room).rglob("*.py"))
    return {
        path.relative_to(root).as_posix(): disk.sha256_file(path)[:16]
        for path in files
        if not {path.name, path.parent.name} & {*_LOOKING_ON}
    }


def write_source(folder: Path) -> None:
    disk.write_json(folder / FILE, source_hashes())


def changed_source(folder: Path) -> list[str]:
    """Files of labkit that are not those that made the checkpoint; of an older one none is known.

    >>> changed_source(Path("a folder without the file"))
    []
    """
    path = folder / FILE
    if not path.is_file():
        return []
    there: Mapping[str, str] = json.loads(path.read_bytes())
    here = source_hashes()
    return sorted(name for name in {*there, *here} if there.get(name) != here.get(name))
