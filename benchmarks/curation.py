"""The whole chain of curation: speed, two processes against one, growth, memory.

    python -m benchmarks.curation [--megabytes 150] [--rounds 7] [--memory-rounds 3]

Read JSON lines, exact duplicates, Gopher's quality and repetition rules, FineWeb's, C4 (which
rewrites), near-duplicates by MinHash with every pair verified, personal data; write documents with
all statistics, dropped documents, funnel. Each run is a process of its own that has curated a small
corpus before the clock starts, so that what is compiled once is not measured; CPU seconds are of
the process and its workers. There is no peer that does the same: datatrove's steps are compared
one by one in benchmarks/filters.py, c4.py and duplicates.py.

Two chains: with the published thresholds, which drop much of what a machine has for text and so
spare later steps work; and with thresholds that refuse nothing, the most that the chain can cost.

- *two processes against one*: wall time, A B A B, forked from the warm process; equal bytes of
  every file asserted first.
- *growth*: CPU seconds at four sizes a decade apart, and the exponent fitted to them.
- *memory*: peak resident memory at each size, without and with a document of 10 MB in the middle:
  above a warm process, and above a cold one, which has numpy and pyarrow loaded and compiled
  nothing. Two readings: with the document by without it, at one size; and with the document at
  every size, the highest peak by the least.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

import numpy as np

from benchmarks.result import Record, conditions, ratios, spread, write
from benchmarks.texts import first_megabytes, gather, num_megabytes

CHAIN = (
    "read JSON lines, exact duplicates, Gopher quality and repetition, FineWeb, C4, "
    "near-duplicates (MinHash, verified), personal data, statistics, write Parquet"
)
PLANTED_BYTES = 10_000_000
C4_DROPS = ("drops_lorem_ipsum", "drops_curly_brackets")
THRESHOLDS = {
    "published": "published thresholds",
    "none": "thresholds that refuse nothing: every document goes through every step",
}


def chain(thresholds: str) -> list[Any]:
    """With `published` thresholds, or with `none`: every document goes through every step."""
    from labkit.data.duplicates.exact import ExactDuplicates
    from labkit.data.duplicates.near import NearDuplicates
    from labkit.data.personal_data.redact import RedactPersonalData
    from labkit.data.rules.c4 import C4
    from labkit.data.rules.presets import published

    rules, c4 = published(), C4()
    if thresholds == "none":
        never = {rule.id: 1e18 if rule.refuse == "above" else -1e18 for rule in rules.rules}
        rules = rules.with_thresholds(never)
        c4 = C4(requires_terminator=False, min_words_per_line=0, max_word_characters=10**9)
        c4 = c4.with_overrides({"min_sentences": 0} | dict.fromkeys(C4_DROPS, False))
    return [ExactDuplicates(), rules, c4, NearDuplicates(), RedactPersonalData()]


def child(corpus: Path, start: str, folder: Path, processes: int, thresholds: str) -> None:
    """One measured run, started `cold` or warmed by the corpus named; prints its figures."""
    before_bytes = resident("VmRSS")
    from labkit.data.pipeline.run import run_pipeline

    steps = chain(thresholds)
    if start != "cold":
        run_pipeline(start, steps, folder=folder / "small")
        reset_peak()
        before_bytes = resident("VmRSS")
    cpu, started = cpu_seconds(), time.perf_counter()
    curated = run_pipeline(
        str(corpus), steps, folder=folder / "curated", processes=processes, start_method="fork"
    )
    figures = {
        "seconds": time.perf_counter() - started,
        "cpu_s": cpu_seconds() - cpu,
        "peak_bytes_above_start": resident("VmHWM") - before_bytes,
        "documents": curated.result["read"]["documents"],
        "kept": curated.result["kept"]["documents"],
        "bytes": curated.result["read"]["bytes"],
        "content": content(curated.folder),
        "cpu_s_by_step": curated.timing["cpu_seconds"],
    }
    print(json.dumps(figures))


def content(folder: Path) -> str:
    """SHA-256 over all files but the manifest, which holds the time."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.name != "manifest.json":
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def reset_peak() -> None:
    """proc(5): 5 sets the peak to what is resident now."""
    Path("/proc/self/clear_refs").write_text("5")


def resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


class Bench:
    def __init__(self, root: Path, texts: list[str], megabytes: float):
        self.root = root
        self.sizes = [megabytes / 10**power for power in (3, 2, 1, 0)]
        self.files = [self.write(f"{size:g}", first_megabytes(texts, size)) for size in self.sizes]
        self.small = self.write("small", texts[-300:])
        self.planted = [self.plant(texts, size) for size in self.sizes]
        self.number = 0

    def plant(self, texts: list[str], size: float) -> Path:
        some = first_megabytes(texts, size)
        middle = len(some) // 2
        return self.write(f"planted-{size:g}", [*some[:middle], giant(texts), *some[middle:]])

    def write(self, name: str, texts: list[str]) -> Path:
        path = self.root / f"{name}.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for number, text in enumerate(texts):
                record = {"text": text, "source": f"s{number % 3}", "language": "unknown"}
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        return path

    def run(
        self, corpus: Path, processes: int = 1, thresholds: str = "none", *, is_warm: bool = True
    ) -> Record:
        self.number += 1
        folder, start = self.root / str(self.number), self.small if is_warm else "cold"
        command = [sys.executable, "-m", "benchmarks.curation", "--child", corpus, start]
        done = subprocess.run(
            [str(part) for part in [*command, folder, processes, thresholds]],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return json.loads(done.stdout.splitlines()[-1])


def giant(texts: list[str]) -> str:
    """One document of 10 MB, of the corpus' own lines, so that the rules have their work."""
    lines = dict.fromkeys(line for text in texts for line in text.splitlines())
    size, chosen = 0, []
    for line in lines:
        chosen.append(line)
        size += len(line.encode()) + 1
        if size >= PLANTED_BYTES:
            break
    return "\n".join(chosen)


def two_against_one(bench: Bench, rounds: int, thresholds: str) -> Record:
    one, two = [], []
    for _ in range(rounds):
        one.append(bench.run(bench.files[-1], 1, thresholds))
        two.append(bench.run(bench.files[-1], 2, thresholds))
        assert one[-1]["content"] == two[-1]["content"], "one and two processes differ: no figure"
    megabytes = one[0]["bytes"] / 1e6
    return {
        "name": f"curation by two processes against one, {THRESHOLDS[thresholds]}",
        "equal": "bytes of every file of the result",
        "peer": "labkit, one process",
        "ratio": ratios([r["seconds"] for r in two], [r["seconds"] for r in one], digits=2),
        "unit": "wall seconds",
        "seconds_one": spread([run["seconds"] for run in one]),
        "seconds_two": spread([run["seconds"] for run in two]),
        "mb_per_cpu_s_one": spread([megabytes / run["cpu_s"] for run in one], digits=2),
        "mb_per_cpu_s_two": spread([megabytes / run["cpu_s"] for run in two], digits=2),
        "cpu_s_by_step": one[-1]["cpu_s_by_step"],
        "kept": one[0]["kept"],
    }


def growth_and_memory(bench: Bench, rounds: int) -> Record:
    plain = [[bench.run(file) for _ in range(rounds)] for file in bench.files]
    planted = [[bench.run(file) for _ in range(rounds)] for file in bench.planted]
    cold = [
        [[bench.run(file, is_warm=False) for _ in range(rounds)] for file in files]
        for files in (bench.files, bench.planted)
    ]
    cpu = [median(run["cpu_s"] for run in of_size) for of_size in plain]
    sizes = [of_size[0]["bytes"] / 1e6 for of_size in plain]
    return {
        "growth": {
            "megabytes": [round(size, 3) for size in sizes],
            "cpu_s": [round(value, 3) for value in cpu],
            "exponent": round(float(np.polyfit(np.log(sizes), np.log(cpu), 1)[0]), 3),
        },
        "memory": {
            "documents": [of_size[0]["documents"] for of_size in plain],
            "above_a_warm_process": peaks(plain, planted),
            "above_a_cold_process": peaks(*cold),
        },
    }


def peaks(plain: list[list[Record]], planted: list[list[Record]]) -> Record:
    """MB at each size, medians, and the two readings of whether they are flat."""
    without, with_document = (
        [median(run["peak_bytes_above_start"] for run in of_size) / 1e6 for of_size in runs]
        for runs in (plain, planted)
    )
    by_size = zip(with_document[-2:], without[-2:], strict=True)
    return {
        "without": [round(peak, 1) for peak in without],
        "with_10_mb_document": [round(peak, 1) for peak in with_document],
        "with_by_without_at_the_two_largest": [round(one / other, 2) for one, other in by_size],
        "with_document_highest_by_least": round(max(with_document) / min(with_document), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--megabytes", type=float, default=150.0, help="of the largest corpus")
    parser.add_argument("--rounds", type=int, default=7, help="of one and two processes in turn")
    parser.add_argument("--memory-rounds", type=int, default=3, help="of growth and memory")
    parser.add_argument("--child", nargs=5, metavar="ARGUMENT", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        corpus, start, folder, processes, thresholds = arguments.child
        child(Path(corpus), start, Path(folder), int(processes), thresholds)
        return
    facts = conditions("pyarrow", "numpy", "numba")
    texts = gather(arguments.megabytes)
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench(Path(temporary), texts, arguments.megabytes)
        results = [two_against_one(bench, arguments.rounds, name) for name in THRESHOLDS]
        results[-1] |= growth_and_memory(bench, arguments.memory_rounds)
    common = {"chain": CHAIN, "megabytes": round(num_megabytes(texts), 1)} | facts
    results = [result | common for result in results]
    print(json.dumps(results, indent=1))
    write("curation", results)


if __name__ == "__main__":
    main()
