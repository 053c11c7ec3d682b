"""Where a result came from: commit, versions, and a hash of labkit's own source."""

from __future__ import annotations

import functools
import hashlib
import platform
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent


@functools.cache
def source_hash(room: str = "") -> str:
    """First 16 hex digits of SHA-256 over code and facts, of one room or of the whole package."""
    digest = hashlib.sha256()
    for path in sorted((PACKAGE / room).rglob("*")):
        if path.suffix in {".py", ".csv", ".json"}:
            digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0")
            digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@functools.cache
def commit() -> str | None:
    """Commit of the checkout labkit runs from ("+changes" when it is not clean), or None."""
    try:
        run = functools.partial(
            subprocess.run, cwd=PACKAGE, capture_output=True, text=True, timeout=10, check=True
        )
        head = run(["git", "rev-parse", "--short=12", "HEAD"]).stdout.strip()
        changed = run(["git", "status", "--porcelain", "--", "."]).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{head}+changes" if changed else head


def versions(*packages: str) -> dict[str, str]:
    """Installed versions of labkit, Python and the named packages that are there."""
    found = {"python": platform.python_version()}
    for package in ("labkit", *packages):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
