"""Verify a large artefact once, and remember it in a small file beside its folder.

`.NAME.verified` holds the SHA-256 of the manifest and, of every file, size and time of its last
change. While these stay as they are, the files are not hashed again. Damage that changes neither,
such as a disk's own, is found by `artifacts.read_manifest`, or after the small file is deleted.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from labkit.core import artifacts, disk
from labkit.core.artifacts import CARD, MANIFEST, Manifest
from labkit.core.errors import LabError


def verify_once(folder: Path) -> Manifest:
    """The manifest of a folder whose files agree with it, now or when they were last changed.

    Raises:
        DamagedArtifact: naming the file and what differs.
    """
    folder = Path(folder)
    if (folder / MANIFEST).is_file() and _remembered(folder) == _state(folder):
        return artifacts.read_manifest(folder, verify=False)
    before = _state(folder) if artifacts.exists(folder) else None
    manifest = artifacts.read_manifest(folder)
    _remember(folder, before)
    return manifest


def remember_written(folder: Path) -> None:
    """Call after `write_artifact`, which has hashed every file for the manifest."""
    _remember(folder, _state(folder))


def note_file(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.verified")


def _remembered(folder: Path) -> Any:
    try:
        return disk.read_json(note_file(folder))
    except LabError:
        return None


def _remember(folder: Path, state: Any) -> None:
    with contextlib.suppress(LabError):  # a disk that is only read from is verified each time
        disk.write_json(note_file(folder), state)


def _state(folder: Path) -> dict[str, Any]:
    files = {
        path.relative_to(folder).as_posix(): path.stat()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return {
        "manifest": disk.sha256_file(folder / MANIFEST),
        "files": {
            name: [found.st_size, found.st_mtime_ns]
            for name, found in files.items()
            if name not in (MANIFEST, *CARD)
        },
    }
