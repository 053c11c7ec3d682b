"""`python -m labkit.comparison STUDY`: the process in which a study's runs are started.

STUDY is a study's folder, or a `study.json`. Started again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from labkit.comparison.run_study import run_study
from labkit.comparison.study import read_study
from labkit.comparison.study_record import StudyRecord, declare
from labkit.core.errors import LabError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m labkit.comparison", description=__doc__)
    parser.add_argument("study", type=Path, metavar="STUDY")
    parser.add_argument("--processes", type=int, help="runs at a time; by default one per core")
    arguments = parser.parse_args()
    try:
        work_on(arguments.study, arguments.processes)
    except LabError as error:
        print(f"labkit.comparison: {error}", file=sys.stderr)
        return 2
    return 0


def work_on(path: Path, num_processes: int | None) -> StudyRecord:
    """Run what is left of the study at `path`.

    Raises:
        LabError: no study there, no processes, or runs that could not run.
    """
    if num_processes is not None and num_processes < 1:
        raise LabError(f"--processes {num_processes}: give 1 or more runs at a time")
    record = open_study(path)
    run_study(record, num_processes, say=lambda line: print(line, flush=True))
    return record


def open_study(path: Path) -> StudyRecord:
    """The record of that folder, or of the study that file declares.

    Raises:
        LabError: neither.
    """
    if path.is_dir():
        record = StudyRecord(path)
        if record.read("study") is None:
            raise LabError(f"{path} holds no study.json; give a study's folder, or its study.json")
        return record
    try:
        return declare(read_study(json.loads(path.read_bytes())))
    except (OSError, ValueError) as error:
        if isinstance(error, LabError):
            raise
        raise LabError(f"{path}: not a study.json ({error})") from error


if __name__ == "__main__":
    sys.exit(main())
