"""Corpora of growing size as shards: seconds, memory, open files, and the start of a run on them.

    python -m benchmarks.corpus_size [--gigabytes 0.2 2]

The text is generated, so that none of it waits in memory: documents of about 4 kB over a fixed set
of words. Each size is written by two workers and opened in a process that may have `MAX_FILES`
files open. Memory is that of the process and its workers together, sampled twice a second, above
what it was before the first text. The start of a run is from the command to the first logged step
of two processes. Figures of several calls, for larger sizes, are kept side by side.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.result import Record, conditions, write
from labkit.core import artifacts, disk

MAX_FILES, NUM_WORKERS, DOCUMENT_WORDS, NUM_READS = 256, 2, 700, 20_000
SYLLABLES = "ba de fi go lu ma ne po ri su ta vo ke li".split()


def documents(num_bytes: float) -> Iterator[str]:
    rng = random.Random(0)
    words = ["".join(rng.choices(SYLLABLES, k=rng.randint(1, 4))) for _ in range(5000)]
    sentences = [" ".join(rng.choices(words, k=20)) + ".\n" for _ in range(20_000)]
    size = number = 0
    while size < num_bytes:
        text = f"{number} " + "".join(rng.choices(sentences, k=DOCUMENT_WORDS // 20))
        yield text
        size, number = size + len(text), number + 1


class Memory(threading.Thread):
    """The largest resident memory of this process and its children; shared pages count in each."""

    def __init__(self):
        super().__init__(daemon=True)
        self.start_bytes = self.peak_bytes = self._now()
        self.is_over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.is_over.wait(0.5):
            self.peak_bytes = max(self.peak_bytes, self._now())

    def above_start_mb(self) -> float:
        self.is_over.set()
        self.join()
        return round((self.peak_bytes - self.start_bytes) / 1e6)

    def _now(self) -> int:
        process, total = psutil.Process(), 0
        for one in [process, *process.children(recursive=True)]:
            try:
                total += one.memory_info().rss
            except psutil.Error:
                continue  # it has ended
        return total


def work(gigabytes: float) -> None:
    """Write, open and read in this process; print what it took."""
    from labkit.tokens.kinds import train_bpe
    from labkit.tokens.shard_writing import write_shards
    from labkit.tokens.shards import Shards

    resource.setrlimit(resource.RLIMIT_NOFILE, (MAX_FILES, MAX_FILES))
    home = artifacts.home()
    tokenizer = train_bpe(list(documents(2e6)), 4096)
    with artifacts.write_artifact(home / "tokenizers/generated") as temporary:
        tokenizer.save(temporary / "tokenizer.json")
    write_shards(documents(2e6), tokenizer, home / "shards/validation")  # numba compiles here
    memory, started = Memory(), time.perf_counter()
    folder = write_shards(
        documents(gigabytes * 1e9), tokenizer, home / "shards/train", num_workers=NUM_WORKERS
    )
    written_s = time.perf_counter() - started
    memory_mb = memory.above_start_mb()
    memory, started = Memory(), time.perf_counter()
    shards = Shards(folder)
    opened_s = time.perf_counter() - started
    rng, num_windows = random.Random(0), shards.num_windows(512)
    started = time.perf_counter()
    for _ in range(NUM_READS):
        shards.window(rng.randrange(num_windows), 512)
    found = {
        "gigabytes": round(shards.facts.num_bytes / 1e9, 2),
        "num_tokens": shards.facts.num_tokens,
        "num_documents": shards.facts.num_documents,
        "num_shards": len(shards.facts.shard_tokens),
        "write_s": round(written_s, 1),
        "write_mb_per_s": round(shards.facts.num_bytes / 1e6 / written_s, 1),
        "write_memory_mb_above_start": memory_mb,
        "open_s": round(opened_s, 3),
        "windows_per_s": round(NUM_READS / (time.perf_counter() - started)),
        "open_files": psutil.Process().num_fds(),
    }
    print(json.dumps(found), flush=True)


def start_seconds(home: Path) -> float:
    """From the command to the first logged step of a run on two processes."""
    from labkit.plan.plan import TrainingPlan
    from labkit.training.launch import launch

    plan = TrainingPlan().with_overrides(
        {"model.vocab_size": 4096, "model.num_layers": 1, "model.context_length": 512}
        | {"data.train": {"shards/train": 1.0}, "data.validation": "shards/validation"}
        | {"data.tokenizer": "tokenizers/generated", "data.batch_size": 2, "tracking": "off"}
        | {"budget.num_steps": 20, "layout.data_parallel": 2, "evaluation.num_evaluations": 1}
        | {"compute.device": "cpu", "compute.precision": "fp32", "compute.attention": "fused"}
        | {"compute.num_threads": 1, "checkpoints.num_checkpoints": 1}
    )
    before = os.environ.get("LABKIT_HOME")
    os.environ["LABKIT_HOME"] = str(home)
    try:
        started = time.perf_counter()
        run = launch(plan)
        while not run.record.rows("step"):
            time.sleep(0.1)
        seconds = time.perf_counter() - started
        run.wait()
    finally:
        del os.environ["LABKIT_HOME"]
        if before is not None:
            os.environ["LABKIT_HOME"] = before
    return round(seconds, 1)


def measure(gigabytes: float) -> Record:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.corpus_size", "--work", str(gigabytes)],
            env=os.environ | {"LABKIT_HOME": folder},
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
        return found | {"start_of_run_on_two_processes_s": start_seconds(home)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[0.2, 2.0])
    parser.add_argument("--work", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.work)
        return
    needed = 1.2e9 * max(arguments.gigabytes)
    if shutil.disk_usage(tempfile.gettempdir()).free < needed:
        sys.exit(f"{tempfile.gettempdir()} has less than {needed / 1e9:.0f} GB free")
    facts = conditions("numpy", "torch")
    sizes = [measure(gigabytes) for gigabytes in arguments.gigabytes]
    file = artifacts.home() / "benchmarks" / "corpus_size.json"
    before = disk.read_json(file) or {"sizes": []}
    measured = {one["gigabytes"] for one in sizes}
    sizes += [one for one in before["sizes"] if one["gigabytes"] not in measured]
    sizes.sort(key=lambda one: one["gigabytes"])
    memory = [one["write_memory_mb_above_start"] for one in sizes]
    print(json.dumps(sizes, indent=1))
    write(
        "corpus_size",
        {
            "name": "memory and open files over the size of a corpus",
            "equal": f"text generated by the same rule, two workers, {MAX_FILES} files may be open",
            "peer": "the smallest corpus here",
            "ratio": {"median": 1.0, "min": 1.0, "max": round(max(memory) / memory[0], 2)},
            "unit": "MB of memory above start",
            "sizes": sizes,
        }
        | facts,
    )


if __name__ == "__main__":
    main()
