"""The items of benchmark files: JSONL, a line an item, its text the named fields it has.

Fields follow each other on lines of their own; a list of texts, as of choices, is its texts. An
item is called by its file and line.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from labkit.core.errors import LabError
from labkit.data.splits import SplitDocument

FIELDS = ("question", "context", "passage", "prompt", "text", "choices", "answer")
"""Names that public benchmarks use; an item has some of them."""


class BenchmarkItem(NamedTuple):
    name: str
    text: str


def read_items(
    paths: str | Path | Iterable[str | Path], fields: Sequence[str] = FIELDS
) -> list[BenchmarkItem]:
    """The items of a file, of every `.jsonl` below a folder, or of a list of both.

    Raises:
        LabError: file, line and reason of the first line that is no item, or no file at all.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    files = [file for path in given for file in _files(Path(path).expanduser())]
    return [item for file in files for item in _items(file, fields)]


def as_documents(items: Iterable[BenchmarkItem]) -> list[SplitDocument]:
    """Items as the held-out side of a leak certificate, each a work of its own."""
    found = []
    for item in items:
        raw = item.text.encode("utf-8", "replace")
        digest = hashlib.sha256(raw).hexdigest()
        found.append(SplitDocument(digest, item.name, len(raw), item.text))
    return found


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = sorted(file for file in path.rglob("*.jsonl") if file.is_file())
    if not files:
        raise LabError(f"{path}: no benchmark here; give a .jsonl file or a folder of them")
    return files


def _items(path: Path, fields: Sequence[str]) -> Iterator[BenchmarkItem]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise LabError(f"{path}: cannot be read ({error.strerror})") from error
    with file:
        for number, line in enumerate(file, start=1):
            place = f"{path}:{number}"
            if not line.strip():
                continue
            try:
                record = json.loads(line.decode("utf-8-sig"))
            except (ValueError, RecursionError) as error:
                raise LabError(f"{place}: not a line of JSON ({error})") from error
            if not isinstance(record, dict):
                raise LabError(f"{place}: a {type(record).__name__}; an item is an object")
            texts = [text for name in fields for text in _texts(record.get(name))]
            if not texts:
                raise LabError(
                    f"{place}: no text in the fields {', '.join(fields)}; the item has "
                    f"{', '.join(map(str, record)) or 'none'}: name those to compare"
                )
            # A lone surrogate is no letter, and neither is "?".
            yield BenchmarkItem(place, "\n".join(texts).encode("utf-8", "replace").decode())


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):  # as choices: {"text": [...], "label": [...]}
        return _texts(value.get("text"))
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) and value.strip() else []
