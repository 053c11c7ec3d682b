"""Files that exist whole or not at all, and clear words when the disk refuses.

A file is written under a temporary name in the same folder, hence file system, fsynced and
renamed. Temporaries carry host and process, so that those of a killed writer can be swept.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from labkit.core.errors import LabError

_TEMPORARY = re.compile(r"\.tmp-(?P<host>[^@]+)@(?P<pid>\d+)-[0-9a-f]{8}-")


def write_file(path: Path, content: bytes) -> Path:
    """Replace a file as a whole: temporary in the same folder, fsync, rename."""
    path = Path(path)
    temporary = temporary_beside(path)
    try:
        with clear_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


def free_bytes(folder: Path) -> int:
    """Room at a folder, or at the nearest one above it that is there."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def read_json(path: Path) -> Any:
    """What the file holds, or None where there is none.

    Raises:
        LabError: it is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise LabError(
            f"{path} is damaged ({error}); put back a copy of this file, or move it aside"
        ) from error


def write_json(path: Path, value: Any) -> Path:
    """Write sorted, indented JSON with a final newline: the same value gives the same bytes."""
    return write_file(path, _json_bytes(value))


def save_file(path: str | Path, content: bytes) -> Path:
    """`write_file` to where a person said: no folder is made, since it may be a typing mistake.

    Raises:
        LabError: the folder is not there, or cannot be written.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise LabError(f"cannot write {path}: it is a folder; give the name of a file in it")
    if not path.parent.is_dir():
        raise LabError(
            f"cannot write {path.name}: there is no folder {path.parent}; make it, or give a path "
            f"in one that is there, such as {_nearest_folder(path.parent.absolute()) / path.name}"
        )
    return write_file(path, content)


def save_json(path: str | Path, value: Any) -> Path:
    """`save_file` of what `write_json` writes."""
    return save_file(path, _json_bytes(value))


def sha256_file(path: Path) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def slug(text: str) -> str:
    """A file name made from text: letters, digits, dot, dash, underscore; at most 80 characters."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-")[:80] or "unnamed"


def temporary_beside(path: Path) -> Path:
    """A name in the same folder, hence file system, that `sweep` recognises."""
    token = uuid.uuid4().hex[:8]
    return path.parent / f".tmp-{_host()}@{os.getpid()}-{token}-{path.name}"


def sweep(folder: Path) -> int:
    """Remove temporaries that processes of this machine left behind; returns how many."""
    removed = 0
    for path in Path(folder).glob(".tmp-*"):
        match = _TEMPORARY.match(path.name)
        if not match or match["host"] != _host() or psutil.pid_exists(int(match["pid"])):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)  # another sweeper may be at it
        else:
            path.unlink(missing_ok=True)
        removed += 1
    return removed


@contextlib.contextmanager
def clear_errors(path: Path) -> Iterator[None]:
    """Turn what the system says of a write below `path` into one line that says what to do."""
    try:
        yield
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise LabError(
            f"cannot write {path} ({error.strerror}); make it writable or set LABKIT_HOME"
        ) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            free = shutil.disk_usage(_nearest_folder(path)).free
            text = f"disk full writing {path}: {free:,} bytes free; nothing changed"
            raise LabError(text) from error
        raise LabError(f"cannot write {path} ({error.strerror}); set LABKIT_HOME") from error


def _json_bytes(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def _host() -> str:
    return slug(socket.gethostname())[:40]


def _nearest_folder(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
