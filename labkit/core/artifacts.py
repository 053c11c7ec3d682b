"""Where files go, and how a folder comes to exist whole or not at all.

An artefact is a folder. It is written under a temporary name in the same file system, fsynced,
and renamed; `manifest.json` is the last file written in it and holds SHA-256 and size of every
other file, the config and its hash, the hashes of the inputs, seed, versions and commit, and a hash
of all this. A folder without a manifest does not exist for the lab; one whose files differ from it
is damaged, and nothing is read from it. A card (`CARD`) may be put into it later, and edited there.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from labkit.core import disk, provenance
from labkit.core.canonical_json import hash_json
from labkit.core.config import Config
from labkit.core.errors import LabError

MANIFEST = "manifest.json"
CARD = ("README.md", "stats.json")
"""What is said of an artefact; it has hashes of its own (`labkit.data.cards`)."""


class DamagedArtifact(LabError):
    """A folder that differs from its manifest, or whose manifest cannot be read."""


class FileEntry(BaseModel):
    sha256: str
    bytes: int


class Manifest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    files: dict[str, FileEntry]
    config: dict[str, Any] | None = None
    config_hash: str | None = None
    inputs: dict[str, str] = {}
    seed: int | None = None
    versions: dict[str, str] = {}
    source_hash: str
    commit: str | None = None
    created: str
    manifest_hash: str | None = None
    """Over all the others; older manifests have none."""

    def with_own_hash(self) -> Manifest:
        return self.model_copy(update={"manifest_hash": self._own_hash})

    @property
    def is_as_written(self) -> bool:
        return self.manifest_hash in (None, self._own_hash)

    @property
    def _own_hash(self) -> str:
        return hash_json(self.model_dump(mode="json", exclude={"manifest_hash"}))

    @property
    def content_hash(self) -> str:
        """First 16 hex digits over names and hashes of the files: what names the artefact."""
        listing = "".join(f"{name}\0{self.files[name].sha256}\n" for name in sorted(self.files))
        return hashlib.sha256(listing.encode()).hexdigest()[:16]


def home() -> Path:
    """`$LABKIT_HOME`, else `artifacts/` beside labkit's pyproject above here, else ~/.labkit."""
    if given := os.environ.get("LABKIT_HOME"):
        return Path(given).expanduser().resolve()
    here = Path.cwd()
    for folder in (here, *here.parents):
        project = folder / "pyproject.toml"
        if project.is_file() and 'name = "labkit"' in project.read_text("utf-8", "replace"):
            return folder / "artifacts"
    return Path.home() / ".labkit"


@contextlib.contextmanager
def write_artifact(
    folder: Path,
    *,
    config: Config | None = None,
    inputs: Mapping[str, str] | None = None,
    seed: int | None = None,
    packages: tuple[str, ...] = (),
) -> Iterator[Path]:
    """Yield a temporary folder that becomes `folder`, with its manifest, when the block succeeds.

    When `folder` is already a valid artefact it is kept and the new one discarded: equal names
    mean equal content, since names are made from hashes. After an error nothing is left.
    """
    folder = Path(folder)
    temporary = disk.temporary_beside(folder)
    with disk.clear_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        disk.sweep(folder.parent)
        temporary.mkdir()
    try:
        try:
            yield temporary
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise  # what failed may be a read of the caller's
            with disk.clear_errors(folder):
                raise
        with disk.clear_errors(folder):
            manifest = Manifest(
                files={
                    path.relative_to(temporary).as_posix(): _entry(path, sync=True)
                    for path in sorted(temporary.rglob("*"))
                    if path.is_file()
                },
                config=config.model_dump(mode="json") if config else None,
                config_hash=config.hash if config else None,
                inputs=dict(inputs or {}),
                seed=seed,
                versions=provenance.versions(*packages),
                source_hash=provenance.source_hash(),
                commit=provenance.commit(),
                created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            ).with_own_hash()
            disk.write_file(temporary / MANIFEST, manifest.model_dump_json(indent=1).encode())
            _publish(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def exists(folder: Path) -> bool:
    """Whether the folder has a manifest. `read_manifest` tells whether it is whole."""
    return (Path(folder) / MANIFEST).is_file()


def read_manifest(folder: Path, *, verify: bool = True) -> Manifest:
    """The manifest, after checking its own hash, and every file's size and SHA-256 against it.

    Raises:
        DamagedArtifact: naming the file and what differs.
    """
    folder = Path(folder)
    advice = f"delete {folder} and make it again"
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise DamagedArtifact(f"{folder}: no {MANIFEST}; {advice}") from None
    except (OSError, ValidationError) as error:
        raise DamagedArtifact(f"{folder / MANIFEST}: unreadable; {advice}") from error
    if not manifest.is_as_written:
        raise DamagedArtifact(f"{folder / MANIFEST}: differs from its own hash; {advice}")
    if verify:
        for name, expected in manifest.files.items():
            _check(folder / name, expected, advice)
        found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        if extra := sorted(found - {*manifest.files, MANIFEST, *CARD}):
            raise DamagedArtifact(f"{folder / extra[0]}: not in the manifest; {advice}")
    return manifest


def _publish(temporary: Path, folder: Path) -> None:
    gate = os.open(folder.parent, os.O_RDONLY)
    try:
        fcntl.flock(gate, fcntl.LOCK_EX)  # or two writers could each remove the other's folder
        if exists(folder):
            read_manifest(folder)
            return
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
        os.fsync(gate)
    finally:
        os.close(gate)


def _entry(path: Path, *, sync: bool = False) -> FileEntry:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if sync:
            os.fsync(file.fileno())
        return FileEntry(sha256=digest, bytes=path.stat().st_size)


def _check(path: Path, expected: FileEntry, advice: str) -> None:
    if not path.is_file():
        raise DamagedArtifact(f"{path}: missing; {advice}")
    found = _entry(path)
    if found.bytes != expected.bytes:
        raise DamagedArtifact(
            f"{path}: {found.bytes} bytes where the manifest says {expected.bytes}; {advice}"
        )
    if found.sha256 != expected.sha256:
        raise DamagedArtifact(
            f"{path}: SHA-256 {found.sha256[:12]}... where the manifest says "
            f"{expected.sha256[:12]}...; {advice}"
        )
