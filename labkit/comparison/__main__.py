"""`python -m labkit.comparison STUDY`: the process in which a study's runs are started.

STUDY is a study's folder, or a `study.json`. Started again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from labkit.comparison.run_study import run_study
from labkit.comparison.study import read_study
from labkit.comparison.study_record import StudyRecord, declare
from labkit.core.config import load_parameters
from labkit.core.errors import LabError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m labkit.comparison", description=__doc__)
    parser.add_argument("study", type=Path, metavar="STUDY")
    parser.add_argument("--processes", type=int, help="runs at a time; by default one per core")
    arguments = parser.parse_args()
    try:
        run_study(open_study(arguments.study), arguments.processes, say=_say)
    except LabError as error:
        print(f"labkit.comparison: {error}", file=sys.stderr)
        return 2
    return 0


def open_study(path: Path) -> StudyRecord:
    """The record of that folder, or of the study that file declares."""
    if path.is_dir():
        return StudyRecord(path)
    return declare(read_study(load_parameters(path)))


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
