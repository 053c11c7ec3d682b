"""Run all notebooks in batch on real corpora, and write an index of their reports."""

from __future__ import annotations

import argparse
from pathlib import Path

from labkit.cli.batch import add_limits, exit_status


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--notebooks", type=Path, default=Path("notebooks"), metavar="DIR")
    add_limits(parser)


def run(arguments: argparse.Namespace) -> int:
    from labkit.batch.execute import Limits
    from labkit.batch.lineup import lineup
    from labkit.batch.pool import run_jobs

    limits = Limits(arguments.cell_timeout, arguments.timeout)
    unfinished, num_jobs = [], 0
    for stage in lineup(arguments.notebooks):
        num_jobs += len(stage)
        unfinished += run_jobs(stage, limits, num_workers=arguments.workers, force=arguments.force)
    return exit_status(unfinished, num_jobs)
