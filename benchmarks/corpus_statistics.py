"""Statistics of every document: labkit's columns, datatrove's stats blocks; A B A B, one thread.

    python -m benchmarks.corpus_statistics [--megabytes 24] [--growth 100]

One record for each peer, all on the same documents:

- *blocks, spaCy words*: DocStats, WordStats and LineStats in a row, as shipped, English. spaCy's
  words are not labkit's (runs without white space), so words are not compared.
- *blocks, whitespace words*: the same, WordStats given a tokenizer that splits as labkit does.
- *shared figures*: one datatrove block that computes only what both have (characters, share of
  white space, words, lines, mean word length), in the very expressions of datatrove's blocks.
- *Python alone*: len, split and splitlines in a loop. A floor; nothing of it is datatrove's.

labkit always makes all its columns. Beyond the shared figures those are a SHA-256, bytes, the
script, and characters of 13 classes; datatrove's blocks add shares of upper case, ellipses, short
and long words and lines, stop words, types by tokens, bullets and duplicated lines. Digits and
punctuation are in both and not compared: labkit counts by Unicode category, datatrove by
`str.isdigit` and a list. Lines are `splitlines` on both sides (datatrove's words per line), since
its `n_lines` splits at newlines only. datatrove gets `Document` objects made before the clock
starts and one group, the summary; labkit starts from Arrow and ends in Arrow.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from importlib.util import find_spec
from statistics import median
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

import numpy as np
import pyarrow as pa

from benchmarks.result import Record, conditions, ratios, write
from benchmarks.texts import first_megabytes, gather, num_megabytes
from labkit.data.columns import add_statistics, class_table

NUM_SLICES, BATCH_MEGABYTES, GROWTH_ROUNDS = 6, 4, 5
COLUMNS = ["num_characters", "num_space", "num_words", "num_lines", "mean_word_length"]
SHARED = "characters, words, lines, share of white space, mean word length"
PEERS = {
    "blocks, spaCy words": (
        "datatrove's DocStats, WordStats, LineStats as shipped",
        "characters, lines, share of white space (words are of another definition)",
    ),
    "blocks, whitespace words": ("datatrove's blocks, words split at white space", SHARED),
    "shared figures": ("one datatrove block that makes the shared figures only", SHARED),
    "Python alone": ("len, split and splitlines in a loop (floor)", "characters, words, lines"),
}
NEEDED = ("datatrove", "spacy", "tldextract", "regex")


def check_peer() -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise SystemExit(
            f"this benchmark's peer is not installed (no {', '.join(missing)}). `make bench` "
            "installs it; by hand: pip install -c constraints.txt -e '.[bench]', or set "
            "PYTHONPATH to a folder that pip install --target filled with it"
        )


def ours(batch: pa.RecordBatch) -> tuple[float, list[dict[str, Any]]]:
    """(CPU seconds, the compared columns as rows)."""
    started = time.process_time()
    batch = add_statistics(batch)
    return time.process_time() - started, batch.select(COLUMNS).to_pylist()


def theirs(blocks: list[Any], texts: list[str]) -> tuple[float, list[dict[str, Any]]]:
    """The blocks one after the other on a stream of documents, as a pipeline runs them."""
    from datatrove.data import Document

    stream: Any = [Document(text=text, id=str(number)) for number, text in enumerate(texts)]
    started = time.process_time()
    for block in blocks:
        stream = block.run(stream)
    documents = list(stream)
    return time.process_time() - started, [document.metadata for document in documents]


def python_alone(texts: list[str]) -> tuple[float, list[dict[str, Any]]]:
    started = time.process_time()
    rows = [(len(text), len(text.split()), len(text.splitlines())) for text in texts]
    spent = time.process_time() - started
    return spent, [dict(zip(("length", "n_words", "lines"), row, strict=True)) for row in rows]


def peers(folder: str) -> dict[str, list[Any]]:
    from datatrove.pipeline.stats import DocStats, LineStats, WordStats
    from datatrove.pipeline.stats.base import BaseStats, _safe_divide
    from datatrove.utils.word_tokenizers import WhitespaceTokenizer

    class Runs(WhitespaceTokenizer):
        """datatrove's class of this name runs spaCy; this one splits at white space."""

        def word_tokenize(self, text: str) -> list[str]:
            return text.split()

    class Shared(BaseStats):
        def extract_stats(self, doc: Any) -> dict[str, int | float]:
            words, lines = doc.text.split(), doc.text.splitlines()
            return {
                "length": len(doc.text),
                "white_space_ratio": _safe_divide(
                    sum([1 for c in doc.text if c.isspace()]), len(doc.text)
                ),
                "n_words": len(words),
                "avg_word_length": _safe_divide(sum([len(word) for word in words]), len(words)),
                "avg_words_per_line": _safe_divide(len(words), len(lines)),
            }

    group: Any = {"output_folder": folder, "groups_to_compute": ["summary"]}
    ends = DocStats(**group), LineStats(**group)
    return {
        "blocks, spaCy words": [ends[0], WordStats(**group), ends[1]],
        "blocks, whitespace words": [ends[0], WordStats(language=Runs(), **group), ends[1]],
        "shared figures": [Shared(**group)],
    }


def expected(name: str, row: dict[str, Any], num_words: int) -> dict[str, float]:
    """What the peer must have found, exactly, given labkit's row."""
    characters, space, words, lines, length = (row[column] for column in COLUMNS)
    if name == "Python alone":
        return {"length": characters, "n_words": words, "lines": lines}
    shared = {"length": characters, "white_space_ratio": space / characters}
    if name == "blocks, spaCy words":
        return shared | {"avg_words_per_line": num_words / lines}
    return shared | {
        "n_words": words,
        "avg_words_per_line": words / lines,
        "avg_word_length": length,
    }


def num_different(name: str, rows: list[dict[str, Any]], found: list[dict[str, Any]]) -> int:
    """Documents of which any compared figure differs."""
    pairs = zip(rows, found, strict=True)
    return sum(
        any(other[key] != value for key, value in expected(name, row, other["n_words"]).items())
        for row, other in pairs
    )


def measure(texts: list[str], blocks: dict[str, list[Any]]) -> dict[str, Any]:
    """Per peer: our seconds just before its own, its seconds, its words, documents that differ."""
    seconds = {name: ([], []) for name in PEERS}
    words, different = dict.fromkeys([*PEERS, "labkit"], 0), dict.fromkeys(PEERS, 0)
    for number in range(NUM_SLICES):
        part = texts[number::NUM_SLICES]
        batch = pa.RecordBatch.from_pydict({"text": part})
        for name in PEERS:
            spent, rows = ours(batch)
            peer_spent, found = theirs(blocks[name], part) if name in blocks else python_alone(part)
            seconds[name][0].append(spent)
            seconds[name][1].append(peer_spent)
            words[name] += sum(other["n_words"] for other in found)
            different[name] += num_different(name, rows, found)
        words["labkit"] += sum(row["num_words"] for row in rows)
    return {"seconds": seconds, "words": words, "different": different}


def growth(texts: list[str], largest: float) -> Record:
    """CPU seconds at a hundredth, a tenth and all of the text, and the exponent fitted to them."""
    parts = [first_megabytes(texts, largest / 100), first_megabytes(texts, largest / 10), texts]
    batches = []
    for part in parts:
        step = max(1, round(len(part) * BATCH_MEGABYTES / num_megabytes(part)))
        batches.append(
            [
                pa.RecordBatch.from_pydict({"text": part[first : first + step]})
                for first in range(0, len(part), step)
            ]
        )
    seconds: list[list[float]] = [[] for _ in parts]
    for _ in range(GROWTH_ROUNDS):
        for one, spent in zip(batches, seconds, strict=True):
            spent.append(sum(ours(batch)[0] for batch in one))
    sizes, costs = [num_megabytes(part) for part in parts], [median(spent) for spent in seconds]
    exponent = float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])
    return {
        "megabytes": [round(size, 2) for size in sizes],
        "cpu_s": [round(cost, 4) for cost in costs],
        "exponent": round(exponent, 3),
    }


def figures(name: str, measured: dict[str, Any], size: float) -> Record:
    assert not measured["different"][name], f"{name}: figures differ: no figure"
    mine, other = measured["seconds"][name]
    peer, equal = PEERS[name]
    return {
        "name": f"corpus statistics against {name}",
        "equal": f"{equal}; of every document, exactly",
        "peer": peer,
        "ratio": ratios(mine, other, digits=2),
        "unit": "MB of UTF-8 per CPU second, one thread",
        "ours_mb_per_cpu_s": round(size / sum(mine), 2),
        "peer_mb_per_cpu_s": round(size / sum(other), 2),
        "ours_words": measured["words"]["labkit"],
        "peer_words": measured["words"][name],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--megabytes", type=float, default=24.0, help="compared with the peers")
    parser.add_argument("--growth", type=float, default=100.0, help="MB of the largest size")
    arguments = parser.parse_args()
    check_peer()
    facts = conditions("datatrove", "spacy", "numpy", "pyarrow")
    started = time.process_time()
    class_table()
    table_s = time.process_time() - started
    everything = gather(max(arguments.growth, arguments.megabytes))
    texts = first_megabytes(everything, arguments.megabytes)
    with tempfile.TemporaryDirectory() as folder:
        blocks = peers(folder)
        measure(texts[:NUM_SLICES], blocks)  # spaCy builds its vocabulary once
        measured = measure(texts, blocks)
    common = {
        "num_documents": len(texts),
        "megabytes": round(num_megabytes(texts), 1),
        "num_slices": NUM_SLICES,
        "class_table_once_s": round(table_s, 3),
        "growth_of_ours": growth(everything, arguments.growth),
    }
    size = num_megabytes(texts)
    results = [figures(name, measured, size) | common | facts for name in PEERS]
    print(json.dumps(results, indent=1))
    write("corpus_statistics", results)


if __name__ == "__main__":
    main()
