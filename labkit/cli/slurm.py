"""Write the Slurm script that trains a plan: it pauses before its time is up and starts again."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from labkit.batch.slurm_config import SlurmConfig
from labkit.cli.flags import add_headline_flags, add_set_flag, given_headline, given_overrides
from labkit.plan.plan import TrainingPlan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", type=Path, metavar="PLAN.JSON", help="a plan or its parameters")
    add_headline_flags(parser, SlurmConfig)
    add_set_flag(parser, TrainingPlan)
    parser.add_argument(
        "--out", type=Path, default=Path("job.sh"), metavar="FILE", help="default job.sh"
    )


def run(arguments: argparse.Namespace) -> int:
    from labkit.batch.slurm import prepare_job
    from labkit.core.config import validate
    from labkit.training.__main__ import read_plan

    options = validate(SlurmConfig, given_headline(arguments, SlurmConfig))
    plan = read_plan(arguments.plan).with_overrides(given_overrides(arguments))
    job = prepare_job(plan, options, arguments.out)
    print("\n".join(job.summary))
    print(f"sbatch {shlex.quote(str(arguments.out))}")
    return 0
