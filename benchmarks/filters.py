"""Gopher quality, Gopher repetition and FineWeb: labkit's rules against datatrove's filters.

    python -m benchmarks.filters [--megabytes 24] [--growth 100]

1. *Equal*: first reasons of every text that is timed and of every other below 100,000 characters
   (13,000 and more where packages are installed; chapters of the Three Kingdoms and their
   paragraphs) and 5,000 random texts with random thresholds, for words between white space and
   words that are characters. Then all mails of the SpamAssassin corpus, of any length, where they
   are here; of these C4's too, with what it rewrites. One different verdict ends the benchmark.
2. *Ratio*: CPU seconds of both sides on the same texts, A B A B, one process. datatrove gets the
   same words by its `split_into_words` replaced by `str.split`, and stops at its first reason; so
   does labkit, which leaves out n-grams where a rule before them refused. The *chain* is the three
   filters in datatrove's order, each on what the one before kept, and for labkit one rule set.
   *As shipped*: datatrove with its own words, spaCy's, whose verdicts are of other words.
3. *Growth*: CPU seconds at three sizes a decade apart, and the exponent fitted to them.
4. *Memory*: peak of a fresh process above its start (Linux), numba's import included, on batches of
   4 MB, with and without a text of 10 MB among them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

import numpy as np
import pyarrow as pa

from benchmarks import c4
from benchmarks.result import Record, conditions, ratios, write
from benchmarks.texts import first_megabytes, gather, num_megabytes
from labkit.data.corpora import find_corpus
from labkit.data.fetch import is_here
from labkit.data.kernel.definitions import Definitions
from labkit.data.readers import read_documents
from labkit.data.rules.c4 import C4
from labkit.data.rules.presets import chinese
from labkit.data.rules.rule import RuleSet
from tests.data.rules.datatrove_filters import (
    FILTERS,
    RULES,
    expected_reasons,
    found_reasons,
    random_text,
    random_thresholds,
    rule_set,
    words_as,
)

NUM_SLICES, GROWTH_ROUNDS, BATCH_MEGABYTES, NUM_RANDOM = 6, 3, 4, 5000
CHAIN = ("gopher_repetition", "gopher_quality", "fineweb")
DEFINITIONS = {"whitespace": Definitions(), "characters": chinese().definitions}
TARGETS = {"gopher_quality": 10, "gopher_repetition": 15, "fineweb": 1, "as shipped": 50}


def texts_of(corpus: str) -> list[str]:
    """None where the corpus isn't here."""
    if not is_here(find_corpus(corpus)):
        return []
    return [text for batch in read_documents(corpus) for text in batch.column("text").to_pylist()]


def chinese_texts() -> list[str]:
    """Paragraphs of the Three Kingdoms, two at a time; none where the corpus isn't here."""
    chapters = texts_of("sanguo")
    lines = [line for chapter in chapters for line in chapter.split("\n") if line.strip()]
    return chapters + ["\n".join(lines[at : at + 2]) for at in range(0, len(lines), 2)]


def compare(texts: list[str]) -> dict[str, dict[str, int]]:
    """Verdicts compared, and how many differ, by family and words."""
    found = {}
    rng = random.Random(7)
    for family in RULES:
        for words, definitions in DEFINITIONS.items():
            rules = rule_set(family, definitions)
            real = texts if words == "whitespace" else texts[::4]
            pairs = list(
                zip(expected_reasons(family, rules, real), found_reasons(rules, real), strict=True)
            )
            for _ in range(NUM_RANDOM // 50):
                moved = random_thresholds(rules, rng)
                made = [random_text(rng) for _ in range(50)]
                pairs += zip(
                    expected_reasons(family, moved, made), found_reasons(moved, made), strict=True
                )
            expected, decided = zip(*pairs, strict=True)
            found[f"{family}, {words}"] = counts(expected, decided, set(expected))
    return found


def compare_mails(mails: list[str]) -> dict[str, dict[str, int]]:
    """As `compare`, with published thresholds; C4's verdicts and texts, sentences by one regex."""
    found = {}
    for family in RULES:
        rules = rule_set(family)
        expected, decided = expected_reasons(family, rules, mails), found_reasons(rules, mails)
        found[f"{family}, mails"] = counts(expected, decided, set(expected))
    from datatrove.pipeline.filters import c4_filters

    batch = pa.RecordBatch.from_pydict({"row": range(len(mails)), "text": mails})
    with patch.object(c4_filters, "split_into_sentences", lambda line, _: c4.BOUNDARY.split(line)):
        expected = c4.theirs(c4_filters.C4QualityFilter(), mails)[1]
    found["C4, mails"] = counts(expected, c4.ours(C4(), batch)[1], {why for why, _ in expected})
    return found


def counts(expected: Sequence[Any], found: Sequence[Any], reasons: set[Any]) -> dict[str, int]:
    return {
        "num_verdicts": len(expected),
        "num_different": sum(a != b for a, b in zip(expected, found, strict=True)),
        "num_reasons": len(reasons),
    }


def ours(rules: RuleSet, texts: list[str]) -> float:
    batch = pa.array(texts, pa.large_string())
    started = time.process_time()
    rules.decide(batch)
    return time.process_time() - started


def theirs(families: tuple[str, ...], texts: list[str]) -> float:
    from datatrove.data import Document

    peers = []
    for family in families:
        rules = rule_set(family)
        limits = {rule.id: rule.threshold for rule in rules.rules}
        peers.append(FILTERS[family](limits, rules.definitions))
    documents = [Document(text=text, id="") for text in texts]
    started = time.process_time()
    for document in documents:
        all(peer.filter(document) is True for peer in peers)
    return time.process_time() - started


def chain() -> RuleSet:
    return RuleSet(name="chain", rules=tuple(rule for name in CHAIN for rule in RULES[name]()))


def measure(
    name: str, rules: RuleSet, peer: Callable[[list[str]], float], texts: list[str]
) -> Record:
    mine, other = [], []
    for number in range(NUM_SLICES):
        part = texts[number::NUM_SLICES]
        mine.append(ours(rules, part))
        other.append(peer(part))
    size = num_megabytes(texts)
    return {
        "name": name,
        "ratio": ratios(mine, other, digits=2),
        "unit": "MB of UTF-8 per CPU second, one thread",
        "ours_mb_per_cpu_s": round(size / sum(mine), 2),
        "peer_mb_per_cpu_s": round(size / sum(other), 2),
        "megabytes": round(size, 1),
        "num_documents": len(texts),
    }


def measure_all(texts: list[str], few: list[str]) -> list[Record]:
    records = []
    with words_as("whitespace"):
        for family in RULES:
            peer = f"datatrove's {family} filter, words split at white space"
            found = measure(family, rule_set(family), lambda t, f=family: theirs((f,), t), texts)
            records.append(found | {"peer": peer})
        found = measure("chain", chain(), lambda t: theirs(CHAIN, t), texts)
        records.append(found | {"peer": "datatrove's three filters, words split at white space"})
    theirs(CHAIN, few[:3])  # spaCy builds its vocabulary once
    found = measure("chain as shipped", chain(), lambda t: theirs(CHAIN, t), few)
    records.append(found | {"peer": "datatrove's three filters as shipped, spaCy's words"})
    for record in records:
        target = TARGETS.get(str(record["name"]).replace("chain ", ""))
        record |= {"target_ratio": target} if target else {}
    return records


def growth(texts: list[str], largest: float) -> Record:
    parts = [first_megabytes(texts, largest / 100), first_megabytes(texts, largest / 10), texts]
    seconds: list[list[float]] = [[] for _ in parts]
    for _ in range(GROWTH_ROUNDS):
        for part, spent in zip(parts, seconds, strict=True):
            spent.append(ours(chain(), part))
    sizes, costs = [num_megabytes(part) for part in parts], [median(spent) for spent in seconds]
    return {
        "megabytes": [round(size, 2) for size in sizes],
        "cpu_s": [round(cost, 4) for cost in costs],
        "exponent": round(float(np.polyfit(np.log(sizes), np.log(costs), 1)[0]), 3),
    }


def memory() -> dict[str, float]:
    """MB of a fresh process's peak above its start, with and without the long text."""
    found = {}
    for name, planted in (("without", "0"), ("with_10_mb_document", "1")):
        command = [sys.executable, "-m", "benchmarks.filters", "--peak", planted]
        found[name] = float(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def peak_above_start(has_planted: bool) -> float:
    rng = random.Random(0)
    words = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(1, 17))) for _ in range(30_000)]

    def text(num_words: int) -> str:
        parts = rng.choices(words, k=num_words)
        return " ".join(part + ("\n" if rng.random() < 0.05 else "") for part in parts)

    batches = [[text(1200) for _ in range(500)] for _ in range(5)]
    if has_planted:
        batches[2].append(text(950_000).ljust(10_000_000, "x"))  # short of the limit of n-grams
    arrays = [pa.array(batch, pa.large_string()) for batch in batches]
    del batches
    rules = chain()
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = peak_mb()
    for array in arrays:
        rules.decide(array)
    return round(peak_mb() - before, 1)


def peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--megabytes", type=float, default=24.0, help="compared with datatrove")
    parser.add_argument("--growth", type=float, default=100.0, help="MB of the largest size")
    parser.add_argument("--peak", type=int, default=-1, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak >= 0:
        print(peak_above_start(bool(arguments.peak)))
        return
    facts: dict[str, Any] = conditions("datatrove", "spacy", "numba", "numpy", "pyarrow")
    everything = gather(max(arguments.growth, arguments.megabytes))
    texts = first_megabytes(everything, arguments.megabytes)
    short = [text for text in everything[len(texts) :] if len(text) < 100_000]
    verdicts = compare([*texts, *short, *chinese_texts()])
    if mails := texts_of("spam-assassin"):
        verdicts |= compare_mails(mails)
    print(json.dumps(verdicts, indent=1))
    assert not any(found["num_different"] for found in verdicts.values()), "no figure"
    records = measure_all(texts, first_megabytes(texts, arguments.megabytes / 12))
    common = {
        "equal": "first reason of every text, exactly",
        "verdicts": verdicts,
        "growth_of_ours": growth(everything, arguments.growth),
        "peak_mb_above_start": memory(),
    }
    results = [record | common | facts for record in records]
    print(json.dumps(results, indent=1))
    write("filters", results)


if __name__ == "__main__":
    main()
