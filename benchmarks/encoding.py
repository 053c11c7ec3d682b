"""Text to ids in one thread: labkit's kernel, Hugging Face `tokenizers`, tiktoken; A B A B.

    python -m benchmarks.encoding [--megabytes 100]

The text is what this machine has (`benchmarks/texts.py`). The vocabulary is GPT-2's where it can
be had, else 32,000 tokens trained on 10 MB.

Every document's ids must be equal, or there is no figure. Each slice of the text is encoded by
each in turn; the figure is the median over slices of the ratio of CPU seconds. Encoding is timed
as each is asked for ids: arrays from the kernel, `Encoding` objects from `tokenizers` whose lists
are not yet made, lists from tiktoken.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ |= {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

import psutil
import tiktoken
import tokenizers

from benchmarks.result import Record, conditions, ratios, write
from benchmarks.texts import first_megabytes, gather, num_megabytes
from labkit.core.errors import LabError
from labkit.tokens.bpe_kernel import BpeKernel
from labkit.tokens.kinds import train_bpe
from labkit.tokens.tokenizer import byte_alphabet
from labkit.tokens.vocabularies import load_vocabulary

NUM_SLICES, BATCH_DOCUMENTS = 6, 256
SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
PEERS = {
    "tokenizers": "tokenizers, encode_batch_fast",
    "tiktoken": "tiktoken, encode_ordinary, with the same ranks",
}
Encode = Callable[[list[str]], list[Any]]


def vocabulary(texts: list[str]) -> tuple[str, tokenizers.Tokenizer]:
    try:
        return "GPT-2's", load_vocabulary("gpt2").backend
    except LabError as error:
        print(f"going on with a vocabulary of our own: {error}")
    sample = first_megabytes(texts, 10)
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
        megabytes.append(num_megabytes(part))
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


def figures(measured: Record, peer: str) -> Record:
    assert not measured["different"][peer], f"ids differ from those of {peer}: no figure"
    ours, theirs = measured["seconds"]["labkit"], measured["seconds"][peer]
    total = sum(measured["megabytes"])
    return {
        "name": f"encoding against {peer}",
        "equal": "token ids of every document",
        "peer": PEERS[peer],
        "ratio": ratios(ours, theirs, digits=2),
        "unit": "MB of UTF-8 per CPU second, one thread",
        "num_documents_different": measured["different"][peer],
        "ours_mb_per_cpu_s": round(total / sum(ours), 2),
        "peer_mb_per_cpu_s": round(total / sum(theirs), 2),
        "ours_cpu_s": round(sum(ours), 2),
        "peer_cpu_s": round(sum(theirs), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--megabytes", type=float, default=100.0)
    arguments = parser.parse_args()
    facts = conditions("tokenizers", "tiktoken", "numba", "numpy")
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
    }
    results = [figures(measured, peer) | common | facts for peer in PEERS]
    print(json.dumps(results, indent=1))
    write("encoding", results)


if __name__ == "__main__":
    main()
