"""Run one notebook without a person: parameters checked before, status and HTML report after."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("notebook", type=Path)
    parser.add_argument(
        "-p",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="a parameter (repeatable); JSON for all but text",
    )
    parser.add_argument(
        "-f",
        "--params",
        action="append",
        default=[],
        metavar="FILE",
        help="parameters as a panel saves them; each file is one job (repeatable)",
    )
    add_limits(parser)


def add_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cell-timeout", type=_at_least_one, default=3600, metavar="S", help="default 3600"
    )
    parser.add_argument(
        "--timeout", type=_at_least_one, default=7200, metavar="S", help="whole notebook; 7200"
    )
    parser.add_argument("--workers", type=_at_least_one, metavar="N", help="default: one per core")
    parser.add_argument("--force", action="store_true", help="also what is done already")


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: should be a whole number, at least 1")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    from labkit.batch.execute import Limits
    from labkit.batch.job import make_job
    from labkit.batch.parameters import parse_parameter, read_notebook
    from labkit.batch.pool import run_jobs
    from labkit.core.parameter_file import load_parameters

    notebook = read_notebook(arguments.notebook)
    given = {name: parse_parameter(notebook, name, value) for name, value in arguments.p}
    files = [load_parameters(path) for path in arguments.params] or [{}]
    jobs = [make_job(notebook, {**parameters, **given}) for parameters in files]
    limits = Limits(arguments.cell_timeout, arguments.timeout)
    unfinished = run_jobs(jobs, limits, num_workers=arguments.workers, force=arguments.force)
    return exit_status(unfinished, len(jobs))


def exit_status(unfinished: Sequence[str], num_jobs: int) -> int:
    """0, or 1 with the last lines on stderr: what did not finish, why, and what to do."""
    if not unfinished:
        return 0
    count = f"{len(unfinished)} of {num_jobs} notebook runs did not finish"
    lines = [f"{count}; the same command again goes on with them:", *unfinished]
    print("\n  ".join(lines), file=sys.stderr)
    return 1
