"""Near-duplicates among 6,046 mails and 1,000 planted pairs, all pairs known; against datatrove.

    python -m benchmarks.duplicates [--megabytes 3] [--documents 200000]

Truth is the Jaccard of sets of 5-grams of unit *strings*, of all pairs of documents: no hash of
labkit's is in it. Planted pairs are windows of mails with some words changed, 1,000 above the
threshold and as many below. Two corpora: mails as they came, and their bodies, which have far more
near-duplicates. Asserted before any figure:

- every pair that is joined has a true Jaccard of at least the threshold (precision 1);
- at least 99.5% of the true pairs end in one cluster, of mails and of planted pairs;
- bytes of signatures and of the step are equal for 1, 2 and 3 processes, by fork and by spawn;
- peak memory of settling that many documents is at most what was predicted, and 1 kB each.

The peer is datatrove's signature step, 128 minima of 5-grams, in two forms: its English words
(spaCy) as shipped, and words split at white space. Both sides sign the same texts, one thread; the
mean error of both estimates on the planted pairs is held below 0.04 first. datatrove's writing of
files is left out of its time, labkit's content hashes are in its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

import numpy as np
import pyarrow as pa

from benchmarks.result import Record, conditions, ratios, write
from benchmarks.texts import first_megabytes, num_megabytes
from labkit.data.duplicates.candidates import candidate_pairs
from labkit.data.duplicates.keep import Claims
from labkit.data.duplicates.near import NearDuplicates, Sketch, join_sketches
from labkit.data.duplicates.signatures import estimate_jaccard
from labkit.data.duplicates.verify import jaccard, shingles
from labkit.data.ngrams import UNITS
from labkit.data.readers import read_documents

NUM_PLANTED, WINDOW_UNITS, NUM_SLICES = 1000, 300, 6
SURVEY = NearDuplicates()
Pairs = set[tuple[int, int]]


def read_mails() -> list[str]:
    return [
        text
        for batch in read_documents("spam-assassin")
        for text in batch.column("text").to_pylist()
    ]


def plant(texts: Sequence[str], seed: int = 0) -> list[str]:
    """Pairs side by side: a window of a mail's words, and the same with some of them changed.

    Up to 6 changed of 300 words leave a Jaccard of at least 0.816 where no 5-gram repeats; every
    second pair has 8 to 25.
    """
    rng, planted = random.Random(seed), []
    long = [units for text in texts if len(units := UNITS.findall(text)) > WINDOW_UNITS]
    for number in range(2 * NUM_PLANTED):
        units = rng.choice(long)
        start = rng.randrange(len(units) - WINDOW_UNITS)
        window = units[start : start + WINDOW_UNITS]
        changed = list(window)
        num_changed = rng.randint(8, 25) if number % 2 else rng.randint(0, 6)
        for place in rng.sample(range(WINDOW_UNITS), num_changed):
            changed[place] = f"changed{rng.randrange(10**6)}"
        planted += [" ".join(window), " ".join(changed)]
    return planted


def true_pairs(texts: Sequence[str], threshold: float) -> dict[tuple[int, int], float]:
    """Jaccard of all pairs at or above the threshold, by exact ids of unit strings."""
    from scipy.sparse import csr_matrix

    ids: dict[str, int] = {}
    documents, grams = [], []
    for number, text in enumerate(texts):
        units = [ids.setdefault(unit, len(ids)) for unit in UNITS.findall(text.lower())]
        # A text of fewer than 5 units is one gram: the rest of it is -1.
        units += [-1] * (5 - len(units)) if units else []
        for at in range(len(units) - 4):
            grams.append(units[at : at + 5])
            documents.append(number)
    _, columns = np.unique(np.array(grams, dtype=np.int32), axis=0, return_inverse=True)
    ones = np.ones(len(columns), dtype=np.int32)
    table = csr_matrix((ones, (documents, columns.ravel())), (len(texts), columns.max() + 1))
    table.data[:] = 1
    sizes = np.diff(table.indptr)
    table = table[:, np.bincount(table.indices) > 1]
    common = (table @ table.T).tocoo()
    one, other = common.row.astype(np.int64), common.col.astype(np.int64)
    similar = common.data / (sizes[one] + sizes[other] - common.data)
    wanted = (one < other) & (similar >= threshold)
    pairs = zip(one[wanted].tolist(), other[wanted].tolist(), strict=True)
    return dict(zip(pairs, similar[wanted].tolist(), strict=True))


def batches_of(texts: Sequence[str], size: int) -> list[pa.RecordBatch]:
    found = []
    for first in range(0, len(texts), size):
        part = texts[first : first + size]
        rows = pa.array(range(first, first + len(part)), pa.int64())
        found.append(pa.RecordBatch.from_pydict({"text": pa.array(part), "row": rows}))
    return found


def judge(texts: Sequence[str]) -> Record:
    """Joined pairs against the truth; asserts precision and recall."""
    truth = true_pairs(texts, SURVEY.threshold)
    claims, signatures = join_sketches(SURVEY.sketch(b) for b in batches_of(texts, 800))
    blocks = candidate_pairs(signatures, SURVEY.bands, SURVEY.threshold)
    candidates = {(a, b) for block in blocks for a, b in block.tolist()}
    sets = {number: shingles(texts[number]) for number in set(chain(*candidates))}
    joined = {
        (a, b) for a, b in candidates if jaccard(sets[a], sets[b]) >= SURVEY.threshold
    }  # as `verify.connect` does, but for pairs that hang together already
    clusters = SURVEY.components(claims, signatures, lambda rows: [texts[row] for row in rows])
    found = {(a, b) for a, b in truth if clusters[a] == clusters[b]}
    first_planted = len(texts) - 4 * NUM_PLANTED
    planted = {pair for pair in truth if pair[0] >= first_planted and pair[0] % 2 == 0}
    planted = {(a, b) for a, b in planted if b == a + 1}
    rest = set(truth) - planted
    recalls = {
        "recall_planted": len(found & planted) / len(planted),
        "recall_mails": len(found & rest) / len(rest),
    }
    assert joined <= set(truth), "a joined pair below the threshold"
    assert min(recalls.values()) >= 0.995, recalls
    return {
        "num_true_pairs": len(truth),
        "num_true_planted_pairs": len(planted),
        "num_candidates": len(candidates),
        "candidate_precision": round(len(joined) / len(candidates), 4),
        "verified_precision": len(joined & set(truth)) / len(joined),
        "pair_recall_before_closure": round(len(joined) / len(truth), 4),
        "num_dropped": int((clusters != np.arange(len(texts))).sum()),
    } | {name: round(value, 4) for name, value in recalls.items()}


def digest(texts: Sequence[str], num_processes: int, method: str) -> str:
    """Of the signatures and the step, the corpus cut as suits that many processes."""
    batches = batches_of(texts, 300 + 170 * num_processes)
    with ProcessPoolExecutor(num_processes, multiprocessing.get_context(method)) as pool:
        sketches = list(pool.map(SURVEY.sketch, batches))
    signatures = join_sketches(sketches).signatures
    step = SURVEY.settle(sketches, lambda rows: [texts[row] for row in rows])
    parts = (signatures, step.rows, step.kept_rows)
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def memory(num_documents: int) -> Record:
    """Peak of settling that many signatures without any near pair."""

    def sketches() -> Iterator[Sketch]:
        rng = np.random.default_rng(0)
        for first in range(0, num_documents, 1000):
            size = (1000, SURVEY.num_permutations)
            claims = Claims(
                np.arange(first, first + 1000),
                rng.integers(0, 2**63, (1000, 2), dtype=np.uint64),
                np.full(1000, 5000),
                np.zeros(1000),
            )
            yield Sketch(claims, rng.integers(0, 2**32, size, dtype=np.uint32))

    warm_up = join_sketches([next(sketches())])
    SURVEY.components(*warm_up, texts=lambda rows: [])
    tracemalloc.start()
    SURVEY.settle(sketches(), lambda rows: [])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    predicted = SURVEY.predicted_bytes(num_documents)
    assert peak <= predicted <= 1000 * num_documents, (peak, predicted)
    return {
        "num_documents": num_documents,
        "peak_bytes_per_document": round(peak / num_documents, 1),
        "predicted_bytes_per_document": predicted / num_documents,
    }


def signers(folder: str) -> dict[str, Any]:
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
    from datatrove.utils.word_tokenizers import WhitespaceTokenizer

    class Runs(WhitespaceTokenizer):
        """datatrove's class of this name runs spaCy; this one splits at white space."""

        def word_tokenize(self, text: str) -> list[str]:
            return text.split()

    config = MinhashConfig(n_grams=5, num_buckets=32, hashes_per_bucket=4)
    shipped, split = (MinhashDedupSignature(folder, config) for _ in range(2))
    split.word_tokenizer = Runs()
    return {"English words as shipped": shipped, "words split at white space": split}


def theirs(signer: Any, texts: Sequence[str]) -> tuple[float, np.ndarray]:
    started, found = time.process_time(), []
    for text in texts:
        grams = signer.get_shingles(text)
        found.append(signer.get_signature(grams) if len(grams) else [[0] * 4] * 32)
    return time.process_time() - started, np.array(found).reshape(len(texts), -1)


def ours(batch: pa.RecordBatch) -> tuple[float, np.ndarray]:
    started = time.process_time()
    sketch = SURVEY.sketch(batch)
    return time.process_time() - started, sketch.signatures


def estimate_error(signatures: np.ndarray, truth: Sequence[float]) -> float:
    return float(np.abs(estimate_jaccard(signatures[::2], signatures[1::2]) - truth).mean())


def against(name: str, signer: Any, texts: Sequence[str], planted: Sequence[str]) -> Record:
    known = true_pairs(planted, 0.0)
    truth = [known.get((at, at + 1), 0.0) for at in range(0, len(planted), 2)]
    (batch,) = batches_of(planted, len(planted))
    errors = [estimate_error(found, truth) for _, found in (ours(batch), theirs(signer, planted))]
    assert max(errors) <= 0.04, errors
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(NUM_SLICES):
        part = texts[number::NUM_SLICES]
        (batch,) = batches_of(part, len(part))
        seconds[0].append(ours(batch)[0])
        seconds[1].append(theirs(signer, part)[0])
    size = num_megabytes(list(texts))
    return {
        "name": f"MinHash signatures against datatrove, {name}",
        "equal": "the texts, 5-grams, 128 minima; error of the estimate on planted pairs",
        "peer": f"datatrove's MinhashDedupSignature, {name}, without its files",
        "ratio": ratios(*seconds, digits=1),
        "unit": "MB of UTF-8 per CPU second, one thread",
        "ours_mb_per_cpu_s": round(size / sum(seconds[0]), 1),
        "peer_mb_per_cpu_s": round(size / sum(seconds[1]), 3),
        "mean_estimate_error": dict(zip(("ours", "peer"), np.round(errors, 4), strict=True)),
        "megabytes": round(size, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--megabytes", type=float, default=3.0, help="signed by both sides")
    parser.add_argument("--documents", type=int, default=200_000, help="of the memory figure")
    arguments = parser.parse_args()
    facts = conditions("datatrove", "spacy", "numba", "numpy", "pyarrow")
    mails = read_mails()
    bodies = [text.replace("\r\n", "\n").partition("\n\n")[2] for text in mails]
    whole, planted = [*mails, *plant(mails)], plant(mails)
    proof = {
        "mails": judge(whole),
        "bodies": judge([*bodies, *plant(bodies, seed=1)]),
        "memory": memory(arguments.documents),
    }
    ways = [(count, method) for method in ("fork", "spawn") for count in (1, 2, 3)]
    digests = {f"{count} {method}": digest(whole, count, method) for count, method in ways}
    assert len(set(digests.values())) == 1, digests
    shuffled = random.Random(0).sample(mails, len(mails))
    texts = first_megabytes(shuffled, arguments.megabytes)
    common = {"threshold": SURVEY.threshold, "bands": SURVEY.bands._asdict(), "proof": proof}
    common |= {"equal_bytes_by": list(digests), "num_planted_pairs": NUM_PLANTED}
    with tempfile.TemporaryDirectory() as folder:
        peers = signers(folder)
        for signer in peers.values():
            theirs(signer, texts[:2])  # spaCy builds its vocabulary once
        results = [
            against(name, signer, texts, planted) | common | facts for name, signer in peers.items()
        ]
    print(json.dumps(results, indent=1))
    write("duplicates", results)


if __name__ == "__main__":
    main()
