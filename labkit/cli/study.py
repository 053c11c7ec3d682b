"""Run a study: arms x seeds, tuned, judged. Started again, it goes on where it was."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="study.json, or a study's folder")
    parser.add_argument("--processes", type=int, help="runs at a time; by default one per core")


def run(arguments: argparse.Namespace) -> int:
    from labkit.comparison.__main__ import work_on
    from labkit.comparison.study_tables import scope, sentence

    record = work_on(arguments.study, arguments.processes)
    result = record.result()
    for arm in result["arms"][1:]:
        print(sentence(arm, result["study"]["margin"]))
    print(scope(result))
    return 0
