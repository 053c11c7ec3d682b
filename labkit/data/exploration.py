"""The questions of notebook 10, each answered by one table.

`Exploration` opens a corpus once: statistics columns of all documents, and texts read up to a
budget for what needs the words themselves. Everything is a function of the config and the corpus.
"""

from __future__ import annotations

import functools
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import field_validator

from labkit.core.config import Config, field
from labkit.core.counted import counted
from labkit.data.build import build_documents, iterate_texts, load_columns, load_texts
from labkit.data.columns import CLASSES, code_points
from labkit.data.corpora import CORPORA
from labkit.data.decided_corpora import check_choice, corpus_inputs, with_corpus
from labkit.data.zipf import Unit, count_units
from labkit.statistics.bootstrap import Interval, bootstrap_interval

COLUMNS = [
    *("id", "source", "group", "language", "content_hash", "script", "mean_word_length"),
    *("num_bytes", "num_characters", "num_words", "num_lines"),
    *(f"num_{name.replace(' ', '_')}" for name in CLASSES),
]


class ExplorationConfig(Config):
    """Which corpus, and how much of it to show."""

    corpus: str = field(
        "shakespeare",
        f"registered corpus ({', '.join(CORPORA)}) or path: .jsonl, .parquet, .txt, WARC, a folder",
    )
    num_examples: int = field(6, "documents to read", unit="documents", ge=0, le=100)
    example_characters: int = field(
        600, "characters shown of each", unit="characters", ge=50, le=20_000
    )
    num_top: int = field(25, "rows in the tables of characters", ge=1, le=1000)
    text_budget: int = field(
        64_000_000,
        "characters read for words and characters; statistics use all documents",
        unit="characters",
        ge=10_000,
        le=10**10,
        scale="log",
    )
    seed: int = field(0, "seed of examples and intervals", ge=0, le=2**31 - 1)

    @field_validator("corpus")
    @classmethod
    def _is_readable(cls, corpus: str) -> str:
        return check_choice(corpus)

    def inputs(self) -> dict[str, str]:
        return corpus_inputs(self.corpus, key="corpus")


class Exploration:
    """One corpus, opened: `folder` is the built dataset, `columns` its statistics."""

    def __init__(self, config: ExplorationConfig):
        self.config = with_corpus(config)
        self.folder: Path = build_documents(self.config.corpus)
        self.columns: pa.Table = load_columns(self.folder, COLUMNS)

    def sources(self) -> list[str]:
        return sorted(set(self.columns["source"].to_pylist()))

    def of_source(self, source: str) -> pa.Table:
        return self.columns.filter(pc.field("source") == source)

    def texts(self) -> Iterator[str]:
        """Texts in order, until the budget is used up."""
        left = self.config.text_budget
        for batch in iterate_texts(self.folder):
            for text in batch.column("text").to_pylist():
                if left <= 0:
                    return
                left -= len(text)
                yield text

    @functools.cached_property
    def unit(self) -> Unit:
        """Characters where most letters are Han or kana, which are written without spaces."""
        han = _total(self.columns, "num_han") + _total(self.columns, "num_kana")
        letters = sum(_total(self.columns, f"num_{name.replace(' ', '_')}") for name in CLASSES[:8])
        return "characters" if han > letters / 2 else "words"

    @functools.cached_property
    def unit_blocks(self) -> list[Counter[str]]:
        return count_units(self.texts(), self.unit)


def size_table(exploration: Exploration) -> pa.Table:
    """Per source and in all: documents, bytes, characters, words, mean length with interval."""
    rows = []
    parts = [(source, exploration.of_source(source)) for source in exploration.sources()]
    for source, table in [*parts, ("all", exploration.columns)]:
        lengths = table["num_characters"].to_numpy()
        mean = bootstrap_interval(lengths, _mean, seed=exploration.config.seed)
        rows.append(
            {
                "source": source,
                "documents": table.num_rows,
                "bytes": _total(table, "num_bytes"),
                "characters": _total(table, "num_characters"),
                "words": _total(table, "num_words"),
                "median characters": int(np.median(lengths)),
                "mean characters": round(mean.estimate),
                "95% interval": f"{mean.low:,.0f} to {mean.high:,.0f}",
            }
        )
    return pa.Table.from_pylist(rows)


def script_table(exploration: Exploration) -> pa.Table:
    """Per source and class of character: characters and their share, 0..1."""
    rows = []
    for source in exploration.sources():
        table = exploration.of_source(source)
        counts = {name: _total(table, f"num_{name.replace(' ', '_')}") for name in CLASSES}
        whole = sum(counts.values()) or 1
        rows += [
            {"source": source, "class": name, "characters": n, "share": n / whole}
            for name, n in counts.items()
            if n
        ]
    return pa.Table.from_pylist(rows, schema=_SCRIPT_SCHEMA)


def character_tables(exploration: Exploration) -> tuple[pa.Table, pa.Table]:
    """(most frequent, suspicious) characters with code point, name and count.

    Suspicious are U+FFFD, byte order marks, controls other than line ends and tabs, and private
    or unassigned code points: traces of broken decoding.
    """
    counts = np.zeros(0x110000, dtype=np.int64)
    for joined in _joined(exploration.texts(), at_least=4_000_000):
        counts += np.bincount(code_points(joined), minlength=0x110000)
    order = np.argsort(-counts, kind="stable")
    present = [int(code) for code in order[: np.count_nonzero(counts)]]
    suspicious = [code for code in present if _is_suspicious(chr(code))]
    num_top = exploration.config.num_top
    return _characters(present[:num_top], counts), _characters(suspicious[:num_top], counts)


def duplicate_table(exploration: Exploration) -> pa.Table:
    """Groups of byte-identical documents: copies, bytes of one, ids."""
    # Threads would list the ids in another order each time.
    groups = exploration.columns.group_by("content_hash", use_threads=False).aggregate(
        [("id", "count"), ("id", "list"), ("num_bytes", "max")]
    )
    groups = groups.filter(pc.field("id_count") > 1).sort_by(
        [("num_bytes_max", "descending"), ("content_hash", "ascending")]
    )
    return pa.table(
        {
            "copies": groups["id_count"],
            "bytes of one": groups["num_bytes_max"],
            "documents": pa.array([_listed(ids) for ids in groups["id_list"].to_pylist()]),
        }
    )


def example_texts(exploration: Exploration) -> list[tuple[str, str]]:
    """(label, text) of documents drawn without replacement by the seed."""
    config, columns = exploration.config, exploration.columns
    rng = np.random.default_rng(config.seed)
    rows = rng.permutation(columns.num_rows)[: config.num_examples].tolist()
    labels = [
        f"{columns['id'][row].as_py()} · {columns['source'][row].as_py()} · "
        f"{counted(columns['num_characters'][row].as_py(), 'character')}"
        for row in rows
    ]
    return list(zip(labels, load_texts(exploration.folder, rows), strict=True))


_SCRIPT_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("class", pa.string()),
        ("characters", pa.int64()),
        ("share", pa.float64()),
    ]
)


def mean_length(exploration: Exploration) -> Interval:
    lengths = exploration.columns["num_characters"].to_numpy()
    return bootstrap_interval(lengths, _mean, seed=exploration.config.seed)


def _joined(texts: Iterable[str], at_least: int) -> Iterator[str]:
    """The texts in few long pieces: a histogram of all code points costs more than a short text."""
    waiting, size = [], 0
    for text in texts:
        waiting.append(text)
        size += len(text)
        if size >= at_least:
            yield "".join(waiting)
            waiting, size = [], 0
    yield "".join(waiting)


def _listed(ids: list[str], most: int = 20) -> str:
    more = f" and {len(ids) - most:,} more" if len(ids) > most else ""
    return ", ".join(ids[:most]) + more


def _mean(values: np.ndarray) -> float:
    return float(values.mean())


def _total(table: pa.Table, column: str) -> int:
    return pc.call_function("sum", [table[column]]).as_py() or 0


def _is_suspicious(character: str) -> bool:
    if character in "\n\r\t\f\v":
        return False
    return character in "\ufffd\ufeff" or unicodedata.category(character) in {"Cc", "Co", "Cn"}


def _characters(codes: list[int], counts: np.ndarray) -> pa.Table:
    whole = int(counts.sum()) or 1
    rows: list[dict[str, Any]] = [
        {
            "character": repr(chr(code))[1:-1],
            "code point": f"U+{code:04X}",
            "name": unicodedata.name(chr(code), "(no name)"),
            "count": int(counts[code]),
            "share": int(counts[code]) / whole,
        }
        for code in codes
    ]
    return pa.Table.from_pylist(rows, schema=_CHARACTER_SCHEMA)


_CHARACTER_SCHEMA = pa.schema(
    [
        ("character", pa.string()),
        ("code point", pa.string()),
        ("name", pa.string()),
        ("count", pa.int64()),
        ("share", pa.float64()),
    ]
)
