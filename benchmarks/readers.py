"""Reading JSON Lines: labkit's reader and datatrove's; A B A B, one thread, files in the cache.

    python -m benchmarks.readers [--megabytes 100]

Texts as the machine has them (whole documents), and the same texts cut into pieces of 600
characters, where the cost of a record shows; each plain and as gzip. Both sides get the same files
and give all texts and ids, which must be equal: labkit as Arrow batches of seven columns, with
duplicate keys, NaN and lone surrogates refused; datatrove as `Document` objects, where it has no
such checks. *json alone* is a loop of `json.loads` over the lines: a floor that keeps nothing.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import tempfile
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

from benchmarks.corpus_statistics import check_peer
from benchmarks.result import Record, conditions, ratios, write
from benchmarks.texts import gather, num_megabytes
from labkit.data.readers import read_documents

ROUNDS, PIECE_CHARACTERS = 5, 600
Columns = tuple[list[str], list[str]]
"""Ids and texts."""


def ours(path: Path) -> list[Any]:
    return list(read_documents(str(path)))


def our_columns(batches: list[Any]) -> Columns:
    ids, texts = ([batch.column(name).to_pylist() for batch in batches] for name in ("id", "text"))
    return list(chain.from_iterable(ids)), list(chain.from_iterable(texts))


def theirs(path: Path) -> list[Any]:
    from datatrove.pipeline.readers import JsonlReader

    return list(JsonlReader(str(path.parent), glob_pattern=path.name).run())


def their_columns(documents: list[Any]) -> Columns:
    return [document.id for document in documents], [document.text for document in documents]


def json_alone(path: Path) -> None:
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        for line in file:
            json.loads(line)


def timed(read: Callable[[Path], Any], path: Path) -> tuple[float, Any]:
    """CPU seconds, and what was read."""
    started = time.process_time()
    found = read(path)
    return time.process_time() - started, found


def measure(name: str, path: Path, megabytes: float) -> Record:
    spent: tuple[list[float], list[float]] = [], []
    floor: list[float] = []
    num_documents = 0
    for _ in range(ROUNDS):
        mine_s, mine = timed(ours, path)
        other_s, other = timed(theirs, path)
        ids, texts = our_columns(mine)
        assert (ids, texts) == their_columns(other), f"{name}: ids or texts differ: no figure"
        spent[0].append(mine_s)
        spent[1].append(other_s)
        floor.append(timed(json_alone, path)[0])
        num_documents = len(ids)
    return {
        "name": f"reading JSON Lines, {name}",
        "equal": "ids and texts, exactly and in order",
        "peer": "datatrove's JsonlReader (orjson)",
        "ratio": ratios(*spent, digits=2),
        "unit": "MB of UTF-8 text per CPU second, one thread",
        "ours_mb_per_cpu_s": round(megabytes * ROUNDS / sum(spent[0]), 1),
        "peer_mb_per_cpu_s": round(megabytes * ROUNDS / sum(spent[1]), 1),
        "json_alone_mb_per_cpu_s": round(megabytes * ROUNDS / sum(floor), 1),
        "num_documents": num_documents,
        "megabytes": round(megabytes, 1),
    }


def write_lines(path: Path, texts: list[str]) -> Path:
    rows = ({"text": text, "id": str(number)} for number, text in enumerate(texts))
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(lines, 6) if path.suffix == ".gz" else lines)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--megabytes", type=float, default=100.0)
    arguments = parser.parse_args()
    check_peer()
    import datatrove.pipeline.readers  # noqa: F401, its import is not its speed

    facts = conditions("datatrove", "orjson", "pyarrow")
    whole = gather(arguments.megabytes)
    starts = ((text, start) for text in whole for start in range(0, len(text), PIECE_CHARACTERS))
    pieces = [text[start : start + PIECE_CHARACTERS] for text, start in starts]
    pieces = [piece for piece in pieces if not piece.isspace()]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, texts in (("whole documents", whole), ("600 characters each", pieces)):
            for suffix in (".jsonl", ".jsonl.gz"):
                path = write_lines(Path(folder) / f"a{suffix}", texts)
                found = measure(f"{kind}, {suffix}", path, num_megabytes(texts))
                results.append(found | facts)
                path.unlink()
    print(json.dumps(results, indent=1))
    write("readers", results)


if __name__ == "__main__":
    main()
