"""A corpus as a fixed list of parts: what one process reads at a time, in the corpus' order.

A file of records is one part; text files, one document each, go together until there are 64 MB or
1,000 of them. A folder gives every file below it whose suffix is known, in any case, by name. Links
are followed, each folder and file once. What is not read is counted with its reason: `passed_over`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from labkit.core.errors import LabError
from labkit.data.reading.policy import ReadPolicy, suffixes_of
from labkit.data.reading.record import Origin

RECORD_SUFFIXES = {
    **dict.fromkeys((".jsonl", ".jsonl.gz", ".jsonl.zst"), "jsonl"),
    **dict.fromkeys((".ndjson", ".ndjson.gz", ".ndjson.zst"), "jsonl"),
    **dict.fromkeys((".json.gz", ".json.zst"), "jsonl"),  # as C4 and Dolma are shipped
    ".parquet": "parquet",
    ".warc": "warc",
    ".warc.gz": "warc",
    ".wet": "warc",
    ".wet.gz": "warc",
}
TEXTS_PER_PART, TEXT_BYTES_PER_PART = 1000, 64_000_000
CURATION = ("documents.parquet", "funnel.json")
"""Files of a curation, besides the one of what it dropped: `labkit.data.pipeline.curated`."""
SAVED_DATASET = ("dataset_info.json", "dataset_dict.json")


class Part(NamedTuple):
    """Some files of one format. Small and picklable: any process can read it."""

    kind: str
    files: tuple[str, ...]
    root: str
    """The corpus' folder, or the folder of its file."""
    num_bytes: int
    """On disk: how much of the corpus is done when this part is."""
    source: str
    """Of documents that don't name theirs and lie in no folder below the root."""
    licence: str = "unknown"
    """Of documents that don't name theirs."""

    def origin(self, path: Path) -> Origin:
        root = Path(self.root)
        is_below = path != root and path.is_relative_to(root)
        name = path.relative_to(root).as_posix() if is_below else path.name
        name = as_text(name)
        source = name.split("/")[0] if "/" in name else as_text(self.source)
        return Origin(name, source, self.licence, name.removesuffix(record_suffix(name)))


def as_text(path: str) -> str:
    r"""A path as text also where its bytes are no UTF-8, as file names may be.

    >>> print(as_text(os.fsdecode(b"caf\xe9.txt")))
    caf\xe9.txt
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def record_suffix(name: str) -> str:
    """
    >>> record_suffix("crawl/a.warc.gz"), record_suffix("notes.gz")
    ('.warc.gz', '')
    """
    known = (suffix for suffix in RECORD_SUFFIXES if name.lower().endswith(suffix))
    found = max(known, key=len, default="")
    return name[len(name) - len(found) :]


def find_parts_of(path: Path, policy: ReadPolicy, licence: str = "unknown") -> tuple[Part, ...]:
    """The parts of a file or a folder.

    Raises:
        LabError: a suffix that no format has, a folder without a file of a known one.
    """
    texts = suffixes_of(policy.text_suffixes)
    if path.is_dir():
        if any((path / name).is_file() for name in SAVED_DATASET):
            files = sorted(path.rglob("*.arrow"))
            return (Part("datasets", (str(path),), str(path), _size(files), path.name, licence),)
        files = files_below(path)
        _refuse_dropped(files)
        found = [(file, _kind(file, texts)) for file in files]
        parts = tuple(_group([(file, kind) for file, kind in found if kind], path, licence))
        if not parts:
            known = ", ".join((*texts, *RECORD_SUFFIXES))
            raise LabError(f"{path}: no file below this folder ends in {known}")
        return parts
    kind = _kind(path, texts)
    if not kind:
        known = ", ".join((*RECORD_SUFFIXES, *texts))
        raise LabError(f"{path}: cannot read {path.suffix or 'this'} files; give {known}")
    source = (
        path.parent.name if kind == "text" else path.name.removesuffix(record_suffix(path.name))
    )
    return (Part(kind, (str(path),), str(path.parent), _size([path]), source, licence),)


def passed_over(folder: Path, policy: ReadPolicy) -> dict[str, int]:
    """Why files below a folder are not read -> how many; each other file is in one part.

    Raises:
        LabError: a folder that can't be listed.
    """
    texts = suffixes_of(policy.text_suffixes)
    read, reasons = files_below(folder), Counter[str]()
    for file in read:
        if not _kind(file, texts):
            reasons[file.suffix.lower() or "no suffix"] += 1
    for reason, files in _left_out(folder).items():
        reasons[reason] += len(files)
    return dict(reasons.most_common())


def files_below(folder: Path) -> list[Path]:
    """Every file below a folder by name, but for those that are hidden or there twice.

    Raises:
        LabError: a folder that can't be listed.
    """
    return [file for file, reason in _walk(folder) if not reason]


def _left_out(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file, reason in _walk(folder):
        if reason:
            found.setdefault(reason, []).append(file)
    return found


def _walk(folder: Path) -> list[tuple[Path, str]]:
    """Every file below a folder by name, with why it is left out; links are followed once."""
    found: list[tuple[Path, str]] = []
    seen: set[str] = set()

    def refuse(error: OSError) -> None:
        raise LabError(f"{error.filename}: cannot be listed ({error.strerror})") from error

    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        is_hidden = any(map(_is_hidden, Path(place).relative_to(folder).parts))
        folders.sort()
        real = os.path.realpath(place)
        if real in seen:  # by another link, or a loop
            folders.clear()
            continue
        seen.add(real)
        for name in sorted(names):
            path = Path(place, name)
            hidden = "hidden" if is_hidden or _is_hidden(name) else ""
            target = os.path.realpath(path)
            twice = "there already under another name" if target in seen else ""
            seen.add(target)
            found.append((path, hidden or twice))
    return sorted(found)


def _is_hidden(name: str) -> bool:
    """Checkpoints of Jupyter, caches, files of macOS; `_SUCCESS` and the like."""
    return name.startswith((".", "_"))


def _refuse_dropped(files: Sequence[Path]) -> None:
    """A curation has what it dropped beside what it kept: read as a folder, both would come."""
    known = set(files)
    for file in files:
        if file.name == "dropped.parquet" and {file.with_name(n) for n in CURATION} <= known:
            raise LabError(
                f"{file.parent} is a curation, and {file.name} in it is what was not kept; "
                f"give {file.with_name(CURATION[0])}"
            )


def _kind(path: Path, texts: Sequence[str]) -> str:
    suffix = record_suffix(path.name)
    if suffix:
        return RECORD_SUFFIXES[suffix.lower()]
    name = path.name.lower()
    packed = tuple(f"{text}{one}" for text in texts for one in (".gz", ".zst"))
    return "text" if name.endswith((*texts, *packed)) else ""


def _group(files: list[tuple[Path, str]], root: Path, licence: str) -> Iterator[Part]:
    texts: list[Path] = []
    num_bytes = 0
    for file, kind in files:
        is_full = len(texts) >= TEXTS_PER_PART or num_bytes >= TEXT_BYTES_PER_PART
        if texts and (kind != "text" or is_full):
            yield Part("text", tuple(map(str, texts)), str(root), num_bytes, root.name, licence)
            texts, num_bytes = [], 0
        if kind == "text":
            texts.append(file)
            num_bytes += _size([file])
        else:
            yield Part(kind, (str(file),), str(root), _size([file]), root.name, licence)
    if texts:
        yield Part("text", tuple(map(str, texts)), str(root), num_bytes, root.name, licence)


def _size(files: Sequence[Path]) -> int:
    """Bytes on disk; a file that isn't there or isn't permitted counts nothing here."""
    total = 0
    for file in files:
        try:
            total += file.stat().st_size
        except OSError:
            continue
    return total
