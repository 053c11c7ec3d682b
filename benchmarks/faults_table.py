"""Run all fault trials and gather their lines: `docs/results/faults.json`, a row for each fault.

python -m benchmarks.faults_table [--from FILE ...]      files of lines that were printed before
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.result import conditions
from labkit.core import artifacts, disk

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ("faults.py", "curation_faults.py", "training_faults.py", "liveness_faults.py")


def lines_of(script: str) -> Iterator[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "benchmarks" / script)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        yield line


def table(lines: Iterable[str]) -> list[dict[str, Any]]:
    """Trials and those that held by fault, with the longest time where one was measured."""
    rows: dict[str, dict[str, Any]] = {}
    for line in lines:
        if not line.startswith("{"):
            continue
        trial = json.loads(line)
        name = "kill of a shard build" if "workers" in trial else trial["fault"]
        row = rows.setdefault(name, {"fault": name, "trials": 0, "held": 0})
        row["trials"] += 1
        row["held"] += bool(trial.get("ok", trial.get("equal")))
        if "seconds" in trial:
            row["most_seconds"] = max(row.get("most_seconds", 0.0), trial["seconds"])
    return list(rows.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="files", type=Path, nargs="*", default=[])
    files = parser.parse_args().files
    where = conditions("torch", "lightning", "wandb")
    if files:
        lines = [line for file in files for line in file.read_text().splitlines()]
    else:
        lines = [line for script in SCRIPTS for line in lines_of(script)]
    found = table(lines)
    result = {"name": "fault trials", "equal": "results equal to an unbroken run's, to the byte"}
    disk.write_json(
        artifacts.home() / "benchmarks" / "faults.json", where | result | {"faults": found}
    )
    for row in found:
        print(row)
    return 0 if all(row["held"] == row["trials"] for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
