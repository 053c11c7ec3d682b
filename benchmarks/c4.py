"""C4's rules: labkit's compiled pass, datatrove's `C4QualityFilter`; A B A B, one thread.

    python -m benchmarks.c4 [--documents 13000] [--fuzzed 5000]

Verdict, first reason and rewritten text of every document must be equal, or there is no figure:
registered corpora, documentation and source of this machine, English and Chinese (the chapters of
Sanguo, their halves and paragraphs among them), and documents fuzzed of what the rules look for.

Two records. In *regex sentences* both split sentences alike: datatrove is given the regular
expression that labkit's rule is. In *datatrove's sentences* both call datatrove's own splitter,
spaCy's rules; labkit only where kept lines don't settle it. datatrove gets `Document` objects made
before the clock starts; labkit starts from Arrow and ends in Arrow, kept and dropped.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import time
from collections import Counter
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

import pyarrow as pa

from benchmarks.result import Record, conditions, ratios, write
from benchmarks.texts import gather, num_megabytes
from labkit.data.readers import read_documents
from labkit.data.rules.c4 import C4, POLICY_PHRASES

NUM_SLICES, NUM_SLOW_SLICES = 6, 3
MEGABYTES = 200
SLOW_SHARE = 8
"""datatrove's splitter runs at 1 MB/s: the figure of it is of every eighth document."""
CLOSING = "[\"'\\])’”」』）]*+"
BOUNDARY = re.compile(rf"[.!?]{CLOSING}\s++(?=\S)|[。！？；]{CLOSING}\s*+(?=[^\s.!?。！？；])")
ENDS = ("\n", "\n", "\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028")
PIECES = [
    *(
        "The ship sailed.",
        'He said "no"!',
        "It was 3.14 or so.",
        "'tis true?",
        "Wait...",
        "Go. On!",
    ),
    *("[1]", "[12]", "[٣]", "[]", "[edit]", "[citation needed]", "[[2]]", "[2", "[x]", "[1 2]"),
    *("{", "}", "Lorem Ipsum", "JavaScript", "javascrİpt", "coo\u212aie policy", "uses Cookies"),
    *(*POLICY_PHRASES, *ENDS, "\u2029", " ", "  ", "\t", "\u3000", "\u00a0", "\x1f", "\ufeff"),
    *(
        "你好。",
        "真的！？",
        "“是。”",
        "他说；",
        "。",
        "é",
        "𝒳",
        ".",
        "three small words.",
        '"',
        "…",
    ),
    *("a" * 999 + ".", "a" * 1000, "a" * 1001, "字" * 1001, "\x00", "?", "terms of"),
]
Decision = tuple[str | None, str]


def real_documents(count: int) -> list[str]:
    """English, Chinese and code; Sanguo also by halves of chapters and by paragraphs."""
    chapters = [t for b in read_documents("sanguo") for t in b.column("text").to_pylist()]
    halves = [part for t in chapters for part in (t[: len(t) // 2], t[len(t) // 2 :])]
    paragraphs = [p for t in chapters for p in re.split(r"\n+", t) if len(p) > 100]
    chinese = [*chapters, *halves, *paragraphs]
    others = [text for text in gather(MEGABYTES) if text not in set(chapters)]
    return [*chinese, *others[: count - len(chinese)]]


def is_chinese(text: str) -> bool:
    """A third of its first characters are Han."""
    start = text[:2000]
    return len(re.findall(r"[\u4e00-\u9fff]", start)) * 3 > len(start)


def fuzzed_documents(count: int, real: list[str]) -> list[str]:
    """Pieces that the rules look for, every second time between lines of a real document."""
    rng = random.Random(0)
    texts = []
    for number in range(count):
        pieces = rng.choices(PIECES, k=rng.randrange(50))
        if number % 3:  # these drop a document, so that most would end there
            pieces = [piece for piece in pieces if piece not in ("{", "Lorem Ipsum")]
        if number % 2:
            lines = rng.choice(real)[:4000].splitlines()
            pieces += rng.sample(lines, min(len(lines), 12))
            rng.shuffle(pieces)
        texts.append("".join(piece + rng.choice(["", " ", " ", "\n"]) for piece in pieces))
    return texts


def ours(step: C4, batch: pa.RecordBatch) -> tuple[float, list[Decision]]:
    """(CPU seconds, first reason and text of each document)."""
    started = time.process_time()
    outcome = step.apply(batch)
    spent = time.process_time() - started
    found = {row["row"]: (None, row["text"]) for row in outcome.kept.to_pylist()}
    found |= {row["row"]: (row["rule"], row["text"]) for row in outcome.dropped.to_pylist()}
    return spent, [found[row] for row in range(batch.num_rows)]


def theirs(peer: Any, texts: list[str]) -> tuple[float, list[Decision]]:
    from datatrove.data import Document

    documents = [Document(text=text, id="") for text in texts]
    started = time.process_time()
    verdicts = [peer.filter(document) for document in documents]
    spent = time.process_time() - started
    reasons = [None if verdict is True else verdict[1] for verdict in verdicts]
    pairs = zip(reasons, documents, texts, strict=True)
    return spent, [(why, before if why else after.text) for why, after, before in pairs]


def compare(step: C4, peer: Any, texts: list[str], num_slices: int) -> Record:
    mine, other, reasons, different = [], [], Counter[str](), 0
    for number in range(num_slices):
        part = texts[number::num_slices]
        batch = pa.RecordBatch.from_pydict({"row": range(len(part)), "text": part})
        spent, found = ours(step, batch)
        peer_spent, expected = theirs(peer, part)
        mine.append(spent)
        other.append(peer_spent)
        reasons.update(reason or "kept" for reason, _ in found)
        different += sum(a != b for a, b in zip(found, expected, strict=True))
    assert not different, f"{different} documents differ: no figure"
    size = num_megabytes(texts)
    return {
        "num_documents": len(texts),
        "megabytes": round(size, 1),
        "num_different": different,
        "verdicts": dict(sorted(reasons.items())),
        "ratio": ratios(mine, other, digits=2),
        "unit": "MB of UTF-8 per CPU second, one thread",
        "ours_mb_per_cpu_s": round(size / sum(mine), 2),
        "peer_mb_per_cpu_s": round(size / sum(other), 2),
    }


def measure(sentences: str, real: list[str], fuzzed: list[str]) -> Record:
    """Equality on fuzzed and real documents, the ratio on the real ones."""
    from datatrove.pipeline.filters import c4_filters

    own = c4_filters.split_into_sentences
    is_regex = sentences == "regex"
    if is_regex:
        setattr(c4_filters, "split_into_sentences", lambda line, _: BOUNDARY.split(line))  # noqa: B010
    else:
        real, fuzzed = real[::SLOW_SHARE], fuzzed[::SLOW_SHARE]
    try:
        step, peer = C4.model_validate({"sentences": sentences}), c4_filters.C4QualityFilter()
        ours(step, pa.RecordBatch.from_pydict({"row": range(4), "text": real[:4]}))
        theirs(peer, real[:4])
        slices = NUM_SLICES if is_regex else NUM_SLOW_SLICES
        attack = compare(step, peer, fuzzed, slices)
        found = compare(step, peer, real, slices)
    finally:
        setattr(c4_filters, "split_into_sentences", own)  # noqa: B010
    name = "regex sentences" if is_regex else "datatrove's sentences"
    return {
        "name": f"C4, {name}",
        "equal": "verdict, first reason and rewritten text of every document",
        "peer": f"datatrove's C4QualityFilter, {name}",
        **found,
        "fuzzed": {key: attack[key] for key in ("num_documents", "num_different", "verdicts")},
        "num_slices": slices,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--documents", type=int, default=13_000, help="real ones")
    parser.add_argument("--fuzzed", type=int, default=5_000, help="made of what the rules look for")
    arguments = parser.parse_args()
    facts = conditions("datatrove", "spacy", "numpy", "numba", "pyarrow")
    real = real_documents(arguments.documents)
    fuzzed = fuzzed_documents(arguments.fuzzed, real)
    facts["num_chinese_documents"] = sum(is_chinese(text) for text in real)
    results = [measure(kind, real, fuzzed) | facts for kind in ("regex", "datatrove")]
    print(json.dumps(results, indent=1, ensure_ascii=False))
    write("c4", results)


if __name__ == "__main__":
    main()
