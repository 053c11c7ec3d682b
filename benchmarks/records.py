"""Seconds and memory of many records and of long ones, as users meet them.

10,000 run folders are listed, and those of a pattern chosen and grouped; a run of a million rows
is followed as a monitor does and compared; 1,000 files that W&B wrote offline are read. Each part
is a process of its own; its memory is that above what it held before. The peer reads the long run's
file whole with pandas, in turn with the monitor; both find the same last step and loss.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.result import Record, conditions, ratios, write
from labkit.core.records.run import RunRecord, runs_folder
from labkit.plan.plan import TrainingPlan

NUM_RUNS, NUM_ROWS, NUM_WANDB_FILES, NUM_ROUNDS = 10_000, 1_000_000, 1_000, 3
EVERY = 100_000
"""Steps between evaluations of the long run."""


def step_row(step: int) -> Record:
    at = {"step": step, "tokens": step * 512, "seconds": step * 1.0, "elapsed": step * 1.0}
    return {"kind": "step", **at, "loss": 3.0, "gradient_norm": 0.9, "learning_rate": 2.5e-4}


def evaluation_row(step: int) -> Record:
    found = {"loss": 3.0, "low": 2.9, "high": 3.1, "bits_per_byte": 1.2, "samples": ["x"]}
    return {"kind": "evaluation", "step": step, "tokens": step * 512, "seconds": 1.0, **found}


def write_run(name: str, plan: Record, rows: list[Record]) -> RunRecord:
    record = RunRecord(runs_folder() / name)
    record.write("plan", plan)
    record.append(rows)
    record.write("result", {"validation": {"bits_per_byte": 1.2}, "tokens": 512 * len(rows)})
    record.set_status("finished", len(rows))
    return record


def many_runs() -> Record:
    """One arm in a hundred has its runs chosen; each folder has ten steps."""
    from labkit.comparison.run_comparison import group_runs
    from labkit.comparison.runs.select import select_runs

    plan = TrainingPlan().model_dump(mode="json")
    rows = [*map(step_row, range(1, 11)), evaluation_row(10)]
    for number in range(NUM_RUNS):
        arm, seed = divmod(number, 10)
        changed = plan | {"seed": seed, "name": f"arm-{arm:04d}"}
        changed["optimizer"] = plan["optimizer"] | {"learning_rate": 1e-4 * (1 + arm)}
        write_run(f"arm-{arm:04d}-{seed}", changed, rows)
    found: Record = {}
    for what, pattern in (("chosen", "arm-00*"), ("all", "arm-*")):
        start = time.perf_counter()
        groups = group_runs(select_runs(pattern, ""))
        found[f"seconds_{what}"] = time.perf_counter() - start
        found[f"groups_{what}"] = len(groups)
    return found


def long_run() -> Record:
    from labkit.comparison.runs.local import read_local
    from labkit.training.launch import Run
    from labkit.training.recording.curves import FollowedRun

    record = write_run("long-0", TrainingPlan().model_dump(mode="json"), [])
    for first in range(1, NUM_ROWS, EVERY):
        steps = range(first, first + EVERY)
        record.append([*map(step_row, steps), evaluation_row(first + EVERY - 1)])
    before = peak_mb()
    found: Record = {"file_mb": round(record.metrics.stat().st_size / 1e6)}
    parts: dict[str, Callable[[], Any]] = {
        "progress_line": lambda: Run(record).progress_line(),
        "comparison": lambda: read_local(record),
        "num_steps": record.num_steps,
    }
    for name, call in parts.items():
        found[f"seconds_{name}"] = seconds_of(call)
    followed = FollowedRun(Run(record))
    found["monitor"] = [seconds_of(followed.follow)]
    found["peak_mb_above_start"] = round(peak_mb() - before)
    found["pandas"] = [seconds_of(lambda: read_with_pandas(record, followed))]
    for _ in range(NUM_ROUNDS - 1):
        found["monitor"].append(seconds_of(lambda: FollowedRun(Run(record)).follow()))
        found["pandas"].append(seconds_of(lambda: read_with_pandas(record, followed)))
    return found


def read_with_pandas(record: RunRecord, followed: Any) -> None:
    steps = pd.read_json(record.metrics, lines=True).query("kind == 'step'")
    assert steps["step"].iloc[-1] == followed.steps.last["step"]
    assert steps["loss"].min() == min(row["loss"] for row in followed.steps.rows)


def seconds_of(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def wandb_files() -> Record:
    import wandb

    from labkit.comparison.runs.select import select_runs

    folder = Path(tempfile.mkdtemp())
    settings = wandb.Settings(silent=True, x_disable_stats=True, x_disable_meta=True)
    run = wandb.init(mode="offline", dir=folder, id="r0", config={"a": {"b": 1}}, settings=settings)
    for step in range(300):
        run.log({"train/loss": 3.0, "train/tokens": step * 512}, step=step)
    run.finish()
    [written] = (folder / "wandb").glob("offline-run-*/*.wandb")
    copies = folder / "copies"
    copies.mkdir()
    for number in range(NUM_WANDB_FILES):
        shutil.copy(written, copies / f"run-{number:04d}.wandb")
    start = time.perf_counter()
    views = select_runs(str(copies), "")
    seconds = time.perf_counter() - start
    shutil.rmtree(folder)
    return {"seconds": seconds, "runs": len(views), "rows": len(views[0].history)}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


PARTS = {"many_runs": many_runs, "long_run": long_run, "wandb_files": wandb_files}


def measured(part: str) -> Record:
    """The part in a process of its own, with a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "benchmarks.records", "--part", part]
        done = subprocess.run(
            ["env", f"LABKIT_HOME={home}", *command], check=True, capture_output=True, text=True
        )
    return json.loads(done.stdout.splitlines()[-1], parse_float=lambda text: round(float(text), 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS)
    part = parser.parse_args().part
    if part:
        print(json.dumps(PARTS[part]()))
        return
    found = conditions("wandb", "pandas")
    for name in PARTS:
        found[name] = measured(name)
        print(name, found[name], flush=True)
    sizes = f"{NUM_RUNS:,} run folders; {NUM_ROWS:,} rows; {NUM_WANDB_FILES:,} W&B files"
    known = {
        "name": f"records: {sizes}",
        "equal": "last step and lowest loss of the long run",
        "peer": "pandas.read_json of the long run's rows, all in memory",
        "ratio": ratios(found["long_run"]["monitor"], found["long_run"]["pandas"]),
        "unit": "s, MB",
    }
    write("records", known | found)


if __name__ == "__main__":
    main()
