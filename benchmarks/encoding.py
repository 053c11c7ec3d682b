"""Text to ids in one thread: labkit's kernel, Hugging Face `tokenizers`, tiktoken; A B A B.

    python benchmarks/encoding.py [--megabytes 100]

The text is what this machine has: the interpreter's library, the documentation and source of
installed packages, and the registered corpora that are here; equal documents count once. The
vocabulary is GPT-2's where it can be had, else 32,000 tokens trained on 10 MB.

Every document's ids must be equal, or there is no figure. Each slice of the text is encoded by
each in turn; the figure is the median over slices of the ratio of CPU seconds. Encoding is timed
as each is asked for ids: arrays from the kernel, `Encoding` objects from `tokenizers` whose lists
are not yet made, lists from tiktoken.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import re
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

os.environ |= {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

import psutil
import tiktoken
import tokenizers

from labkit.core import artifacts, disk, provenance
from labkit.core.errors import LabError
from labkit.data.corpora import CORPORA
from labkit.data.fetch import is_here
from labkit.data.readers import read_documents
from labkit.tokens.bpe_kernel import BpeKernel
from labkit.tokens.kinds import train_bpe
from labkit.tokens.tokenizer import byte_alphabet
from labkit.tokens.vocabularies import load_vocabulary

NUM_SLICES, BATCH_DOCUMENTS, MAX_FILE_BYTES = 6, 256, 4_000_000
SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
Encode = Callable[[list[str]], list[Any]]


def gather(megabytes: float) -> list[str]:
    """Corpora, then documentation, then source until there is enough; shuffled with seed 0."""
    seen, texts, size = set(), [], 0
    for text in _every_text():
        digest = hashlib.sha256(text.encode()).digest()
        if not text or digest in seen:
            continue
        seen.add(digest)
        texts.append(text)
        size += len(text.encode())
        if size >= megabytes * 1e6:
            break
    random.Random(0).shuffle(texts)
    return texts


def _every_text() -> Iterator[str]:
    for name, corpus in CORPORA.items():
        if is_here(corpus):
            for batch in read_documents(name):
                yield from batch.column("text").to_pylist()
    library, packages = Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))
    yield from _files(library, {".py", ".txt"})
    yield from _files(packages, {".md", ".txt", ".rst", ".json"})
    yield from _files(packages, {".py"})


def _files(folder: Path, suffixes: set[str]) -> Iterator[str]:
    """UTF-8 files of at most 4 MB: one table of numbers must not stand for a language."""
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix in suffixes]
    random.Random(0).shuffle(paths)
    for path in paths:
        if not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:
            continue
        try:
            yield path.read_bytes().decode()
        except UnicodeDecodeError:
            continue


def vocabulary(texts: list[str]) -> tuple[str, tokenizers.Tokenizer]:
    try:
        return "GPT-2's", load_vocabulary("gpt2").backend
    except LabError as error:
        print(f"going on with a vocabulary of our own: {error}")
    sample, size = [], 0
    for text in texts:
        sample.append(text)
        size += len(text.encode())
        if size >= 10_000_000:
            break
    return "32,000 tokens trained on 10 MB of this text", train_bpe(sample, 32_000).backend


def build(backend: tokenizers.Tokenizer) -> BpeKernel:
    kernel = BpeKernel.from_tokenizer(backend)
    if kernel is None:
        raise ValueError("the kernel declines this vocabulary")
    return kernel


def as_tiktoken(backend: tokenizers.Tokenizer) -> tiktoken.Encoding:
    alphabet = byte_alphabet()
    vocab = backend.get_vocab(with_added_tokens=False)
    ranks = {bytes(alphabet[c] for c in token): number for token, number in vocab.items()}
    return tiktoken.Encoding("peer", pat_str=SPLIT, mergeable_ranks=ranks, special_tokens={})


def cpu_seconds(encode: Encode, batches: list[list[str]]) -> tuple[float, list[Any]]:
    started = time.process_time()
    encoded = [ids for batch in batches for ids in encode(batch)]
    return time.process_time() - started, encoded


def measure(texts: list[str], encoders: dict[str, Encode]) -> dict[str, Any]:
    """Seconds by encoder and slice, and how many documents have ids other than the first's."""
    seconds: dict[str, list[float]] = {name: [] for name in encoders}
    different = dict.fromkeys(encoders, 0)
    megabytes, num_tokens = [], 0
    for number in range(NUM_SLICES):
        part = texts[number::NUM_SLICES]
        batches = [
            part[first : first + BATCH_DOCUMENTS] for first in range(0, len(part), BATCH_DOCUMENTS)
        ]
        megabytes.append(sum(len(text.encode()) for text in part) / 1e6)
        ours: list[list[int]] = []
        for name, encode in encoders.items():
            spent, encoded = cpu_seconds(encode, batches)
            seconds[name].append(spent)
            ids = [list(getattr(one, "ids", one)) for one in encoded]
            ours = ours or ids
            different[name] += sum(a != b for a, b in zip(ours, ids, strict=True))
        num_tokens += sum(map(len, ours))
    return {
        "seconds": seconds,
        "different": different,
        "megabytes": megabytes,
        "num_tokens": num_tokens,
    }


def peak_memory_mb(encode: Encode, texts: list[str]) -> float | None:
    """Peak of resident memory above the present one while all texts are encoded and let go."""
    reset, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    if not reset.exists():
        return None
    reset.write_text("5")
    before = psutil.Process().memory_info().rss
    for first in range(0, len(texts), BATCH_DOCUMENTS):
        encode(texts[first : first + BATCH_DOCUMENTS])
    peak = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    return round((int(peak[1]) * 1024 - before) / 1e6, 1) if peak else None


def figures(measured: dict[str, Any], peer: str) -> dict[str, Any]:
    ours, theirs = measured["seconds"]["labkit"], measured["seconds"][peer]
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    total = sum(measured["megabytes"])
    return {
        "name": f"encoding against {peer}",
        "equal": measured["different"][peer] == 0,
        "num_documents_different": measured["different"][peer],
        "ours_mb_per_cpu_s": round(total / sum(ours), 2),
        "peer_mb_per_cpu_s": round(total / sum(theirs), 2),
        "ours_cpu_s": round(sum(ours), 2),
        "peer_cpu_s": round(sum(theirs), 2),
        "ratio": {
            "median": round(median(ratios), 2),
            "min": round(min(ratios), 2),
            "max": round(max(ratios), 2),
        },
        "unit": "MB of UTF-8 per CPU second, one thread",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--megabytes", type=float, default=100.0)
    arguments = parser.parse_args()
    texts = gather(arguments.megabytes)
    name, backend = vocabulary(texts)
    backend.encode_special_tokens = True
    peer = as_tiktoken(backend)
    memory_at_start, started = psutil.Process().memory_info().rss, time.perf_counter()
    kernel = build(backend)
    build_s = time.perf_counter() - started
    built_mb = (psutil.Process().memory_info().rss - memory_at_start) / 1e6
    encoding_mb = peak_memory_mb(kernel.encode_batch, texts)
    kernel = build(backend)  # with an empty cache
    encoders: dict[str, Encode] = {
        "labkit": kernel.encode_batch,
        "tokenizers": lambda batch: backend.encode_batch_fast(batch, add_special_tokens=False),
        "tiktoken": lambda batch: [peer.encode_ordinary(text) for text in batch],
    }
    measured = measure(texts, encoders)
    common = {
        "vocabulary": name,
        "megabytes": round(sum(measured["megabytes"]), 1),
        "num_documents": len(texts),
        "num_tokens": measured["num_tokens"],
        "num_slices": NUM_SLICES,
        "build_s": round(build_s, 2),
        "peak_memory_mb_above_start": None
        if encoding_mb is None
        else round(built_mb + encoding_mb, 1),
        "versions": provenance.versions("tokenizers", "tiktoken", "numba", "numpy"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.platform()}",
    }
    results = [figures(measured, peer) | common for peer in ("tokenizers", "tiktoken")]
    print(json.dumps(results, indent=1))
    disk.write_json(artifacts.home() / "benchmarks" / "encoding.json", results)
    if not results[0]["equal"]:
        raise SystemExit("the ids differ: no figure")


if __name__ == "__main__":
    main()
