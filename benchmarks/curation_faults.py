"""Kill a curation at 30 random moments: the next run must end with the bytes of an unkilled one.

    python -m benchmarks.curation_faults [--kills 30] [--seed 0]

One and two processes in turn, fork and spawn, SIGKILL to the whole group, or (every third) to the
parent alone, whose workers must then end by themselves. Moments are drawn evenly over the time that
an undisturbed run works, from its lock to its end; each trial is killed twice. One JSON line per
trial; exits with 1 at the first that fails.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from labkit.core import artifacts

CURATION = """
import sys
from pathlib import Path
from labkit.data.reading import portions
portions.PORTION_CHARACTERS = 40_000
from labkit.data.pipeline.run import run_pipeline
from tests.data.pipeline.small_steps import STEPS
if __name__ == "__main__":
    corpus, folder, processes, start_method = sys.argv[1:]
    run_pipeline(corpus, STEPS, folder=Path(folder), processes=int(processes),
                 start_method=start_method)
"""
WAYS = ((1, "fork"), (2, "fork"), (2, "spawn"))
SECONDS_TO_END = 10


class Bench:
    def __init__(self, root: Path):
        self.root = root
        self.script = root / "curation.py"
        self.script.write_text(CURATION)
        texts = [
            f"document {n % 700}: " + "the cat sat on the mat 1 " * (n % 50) for n in range(8000)
        ]
        records = (
            json.dumps({"text": text, "source": f"s{n % 3}"}) for n, text in enumerate(texts)
        )
        self.corpus = root / "corpus.jsonl"
        self.corpus.write_text("".join(f"{record}\n" for record in records))

    def start(self, folder: Path, processes: int, start_method: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, self.script, self.corpus, folder, processes, start_method]
        return subprocess.Popen([str(part) for part in command], start_new_session=True)

    def finish(self, folder: Path, processes: int, start_method: str) -> float:
        """Seconds that the run worked."""
        process = self.start(folder, processes, start_method)
        wait_for_lock(process, folder)
        started = time.monotonic()
        if process.wait() != 0:
            raise SystemExit("a run that nobody killed failed")
        return time.monotonic() - started


def wait_for_lock(process: subprocess.Popen[bytes], folder: Path) -> None:
    while process.poll() is None and not folder.with_name(f"{folder.name}.lock").exists():
        time.sleep(0.005)


def kill(process: subprocess.Popen[bytes], *, parent_alone: bool) -> bool:
    """Whether all its processes are gone."""
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    if parent_alone:
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    workers = [one for one in family if "resource_tracker" not in " ".join(_command(one))]
    return not psutil.wait_procs(workers, timeout=SECONDS_TO_END)[1]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def content(folder: Path) -> dict[str, bytes]:
    files = folder.iterdir()
    return {path.name: path.read_bytes() for path in files if path.name != artifacts.MANIFEST}


def trial(bench: Bench, number: int, seconds: dict[tuple, float], rng: random.Random) -> Any:
    way = WAYS[number % len(WAYS)]
    folder = bench.root / f"trial-{number}"
    moments, ended, finished_parts = [], [], []
    for _ in range(2):
        moments.append(rng.uniform(0, seconds[way]))
        process = bench.start(folder, *way)
        wait_for_lock(process, folder)
        time.sleep(moments[-1])
        ended.append(kill(process, parent_alone=number // 3 % 3 == 2))
        pattern = f"{folder.name}.*.unfinished/stage-*/part-*.json"
        finished_parts.append(len(list(bench.root.glob(pattern))))
    half_is_visible = folder.exists() and not artifacts.exists(folder)
    bench.finish(folder, *way)
    left = [path.name for path in bench.root.rglob(".tmp-*")]
    left += [path.name for path in bench.root.glob("*.unfinished")]
    return {
        "fault": "SIGKILL",
        "trial": number,
        "processes": way[0],
        "start_method": way[1],
        "moments_s": [round(moment, 3) for moment in moments],
        "finished_parts": finished_parts,
        "workers_ended": all(ended),
        "equal": content(folder) == content(bench.root / "whole"),
        "half_visible": half_is_visible,
        "left_over": left,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    os.environ["PYTHONPATH"] = os.getcwd()
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench(Path(temporary))
        seconds = {way: bench.finish(bench.root / "-".join(map(str, way)), *way) for way in WAYS}
        (bench.root / "1-fork").rename(bench.root / "whole")
        for way in WAYS[1:]:
            assert content(bench.root / "-".join(map(str, way))) == content(bench.root / "whole")
        for number in range(arguments.kills):
            found = trial(bench, number, seconds, rng)
            print(json.dumps(found), flush=True)
            good = found["equal"] and found["workers_ended"]
            if not good or found["half_visible"] or found["left_over"]:
                return 1
            shutil.rmtree(bench.root / f"trial-{number}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
