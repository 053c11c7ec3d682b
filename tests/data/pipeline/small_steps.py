"""Steps of three lines each, and a corpus for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from labkit.data.pipeline.step import Outcome, Verdicts, split_by


def verdicts(rules: list[str | None], values: list[float], threshold: float) -> Verdicts:
    return Verdicts(
        pa.array(rules, pa.string()),
        pa.array(values, pa.float64()),
        pa.array([threshold] * len(rules), pa.float64()),
    )


@dataclass(frozen=True)
class MinLength:
    num_characters: int
    name: str = "length"

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        sizes = [len(text) for text in batch.column("text").to_pylist()]
        rules = [None if size >= self.num_characters else "too_short" for size in sizes]
        return split_by(batch, verdicts(rules, sizes, self.num_characters))


@dataclass(frozen=True)
class Mask:
    """Rewrites: a digit becomes [NUMBER]. Drops what is one number."""

    name: str = "mask"

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        texts = batch.column("text").to_pylist()
        rules = ["only_digits" if text.isdigit() else None for text in texts]
        masked = ["".join("[NUMBER]" if c.isdigit() else c for c in text) for text in texts]
        kept = split_by(batch, verdicts(rules, [1.0] * len(texts), 1.0), pa.array(masked)).kept
        dropped = split_by(batch, verdicts(rules, [1.0] * len(texts), 1.0)).dropped
        return Outcome(kept, dropped)


@dataclass(frozen=True)
class Copies:
    """What `ExactDuplicates` settles to."""

    rows: frozenset[int]
    name: str = "exact"

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        rules = ["copy" if row in self.rows else None for row in batch.column("row").to_pylist()]
        return split_by(batch, verdicts(rules, [1.0] * batch.num_rows, 1.0))


@dataclass(frozen=True)
class ExactDuplicates:
    """Texts whose 20 first characters are equal are looked at whole."""

    name: str = "exact"
    bytes_per_document: int = 100

    def predicted_bytes(self, num_documents: int, num_bytes: int) -> int:
        return self.bytes_per_document * num_documents

    def sketch(self, batch: pa.RecordBatch) -> list[tuple[int, str]]:
        texts = [text[:20] for text in batch.column("text").to_pylist()]
        return list(zip(batch.column("row").to_pylist(), texts, strict=True))

    def settle(
        self,
        sketches: Iterable[list[tuple[int, str]]],
        texts: Callable[[Sequence[int]], list[str]],
    ) -> Copies:
        starts: dict[str, list[int]] = {}
        for row, start in (pair for sketch in sketches for pair in sketch):
            starts.setdefault(start, []).append(row)
        candidates = [row for rows in starts.values() if len(rows) > 1 for row in rows]
        found = dict(zip(candidates, texts(candidates), strict=True))
        first: dict[str, int] = {}
        copies = {row for row in sorted(candidates) if first.setdefault(found[row], row) != row}
        return Copies(frozenset(copies))


STEPS = (MinLength(12), ExactDuplicates(), Mask())
TEXTS = [
    *(
        "short",
        "the quick brown fox",
        "the quick brown fox",
        "123456789012",
        "call 555 now, please",
    ),
    *(
        "the quick brown fox jumps over it",
        "the quick brown fox jumps over me",
        "",
        "第一回 宴桃園 " * 9,
    ),
    *(f"document {n % 40} says: {'word ' * (n % 7)}" for n in range(180)),
]


def write_corpus(path: Path, texts: Sequence[str] = TEXTS) -> Path:
    sources = ("web", "books", "mail")
    with path.open("w") as file:
        for number, text in enumerate(texts):
            language = "zh" if "第" in text else "en"
            record = {"text": text, "source": sources[number % 3], "language": language}
            file.write(json.dumps(record) + "\n")
    return path
