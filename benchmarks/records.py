"""Reading the record of a long run: seconds, and memory above start.

    python -m benchmarks.records [--rows 1000000]

A record of so many steps, and a tenth of them, each read by every reader that a run has: the
progress line, the monitor, the comparison, the cut at a resume and the figures of the end.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

from benchmarks.result import Record, conditions, write
from labkit.comparison.runs.local import read_local
from labkit.core.records.run import RunRecord
from labkit.plan.plan import TrainingPlan
from labkit.training.launch import Run
from labkit.training.recording.curves import FollowedRun


def make(folder: Path, num_rows: int) -> RunRecord:
    record = RunRecord(folder)
    record.write("plan", TrainingPlan().model_dump(mode="json"))
    record.set_status("finished", num_rows)
    step: dict[str, Any] = {"seconds": 1.0, "elapsed": 1.0, "gradient_norm": 0.9}
    with record.metrics.open("w") as file:
        for n in range(1, num_rows + 1):
            row = {"kind": "step", "step": n, "tokens": n * 512, "loss": 3 + 1 / n} | step
            file.write(json.dumps(row | {"learning_rate": 0.00025}) + "\n")
    evaluation = {"kind": "evaluation", "step": num_rows, "loss": 3.0, "low": 2.9, "high": 3.1}
    record.append([evaluation | {"tokens": num_rows * 512}])
    return record


def measure(num_rows: int) -> Record:
    with tempfile.TemporaryDirectory() as home:
        os.environ["LABKIT_HOME"] = home
        record = make(Path(home) / "runs" / "long", num_rows)
        run = Run(record)
        readers = {
            "progress line": run.progress_line,
            "monitor": lambda: FollowedRun(run).follow(),
            "comparison": lambda: read_local(record),
            "rows of the end": lambda: (
                record.last_row("step"),
                record.last_row("evaluation"),
                record.num_steps(),
                sum(1 for _ in record.each_row("event")),
            ),
            "cut at a resume": lambda: record.cut_after(num_rows - 1000),
        }
        found: Record = {"rows": num_rows, "megabytes": round(record.metrics.stat().st_size / 1e6)}
        for name, read in readers.items():
            if name != "cut at a resume":  # which changes the file
                tracemalloc.start()
                read()
                found[f"{name} MB"] = round(tracemalloc.get_traced_memory()[1] / 1e6, 1)
                tracemalloc.stop()
            started = time.perf_counter()
            read()
            found[f"{name} s"] = round(time.perf_counter() - started, 3)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    num_rows, home = parser.parse_args().rows, os.environ.get("LABKIT_HOME")
    facts = conditions("numpy")
    sizes = [measure(count) for count in (num_rows // 10, num_rows)]
    os.environ.pop("LABKIT_HOME")
    if home:
        os.environ["LABKIT_HOME"] = home
    growth = [one["monitor MB"] for one in sizes]
    print(json.dumps(sizes, indent=1))
    write(
        "records",
        {
            "name": "reading the record of a long run",
            "equal": "rows made by the same rule",
            "peer": "a tenth of the rows",
            "ratio": dict.fromkeys(("median", "min", "max"), round(growth[1] / growth[0], 2)),
            "unit": "MB of memory of the monitor",
            "sizes": sizes,
        }
        | facts,
    )


if __name__ == "__main__":
    main()
