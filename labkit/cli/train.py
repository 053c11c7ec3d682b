"""Train a plan in as many processes as its layout says (--set layout.data_parallel=2), or detached.

A run's plan in another layout, or with more tokens: --params RUN/plan.json
--set budget.num_tokens=... --resume-from CHECKPOINT.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from labkit.cli.flags import add_config_flags, config_from_flags
from labkit.core.errors import LabError
from labkit.core.schema import headline_faces
from labkit.plan.plan import TrainingPlan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", nargs="?", type=Path, metavar="PLAN.JSON", help="a whole plan")
    add_config_flags(parser, TrainingPlan)
    parser.add_argument("--recipe", help="apply a recipe: gpt2, modern or modern-open")
    parser.add_argument(
        "--resume-from",
        type=Path,
        metavar="CHECKPOINT",
        help="go on from this folder, a checkpoint's or a run's: of the same plan in any layout, "
        "or of a shorter one at the same learning rates up to there",
    )
    parser.add_argument(
        "--allow-change",
        action="append",
        default=[],
        metavar="FIELD",
        help="go on although this field of the plan differs from what the run was begun with, or "
        "source: although labkit's own code does; it is recorded in amendments.json",
    )
    parser.add_argument(
        "--force", action="store_true", help="start although it cannot fit in this memory"
    )
    parser.add_argument("--detach", action="store_true", help="return at once; prints the run's id")


def run(arguments: argparse.Namespace) -> int:
    plan = _plan(arguments)
    given = arguments.resume_from
    flags = ["--resume-from", str(given.resolve())] if given else []
    flags += [f"--allow-change={name}" for name in arguments.allow_change]
    flags += ["--force"] if arguments.force else []
    if arguments.detach:
        from labkit.training.launch import prepare

        print(prepare(plan).begin(*flags).run_id)
        return 0
    from labkit.training.__main__ import exit_status, quieten

    if plan.layout.num_processes > 1 and "TORCHELASTIC_RUN_ID" not in os.environ:
        from labkit.training.launch import train_in_front

        return train_in_front(plan, *flags)
    from labkit.training.lean_import import import_lightning

    import_lightning()
    from labkit.training.run import run

    quieten()
    status = run(
        plan,
        resume_from=given,
        allowed=tuple(arguments.allow_change),
        force=arguments.force,
        say=lambda line: print(line, flush=True),
    )
    return exit_status(status)


def _plan(arguments: argparse.Namespace) -> TrainingPlan:
    from labkit.plan.recipes import with_recipe
    from labkit.training.__main__ import read_plan

    if arguments.plan is not None:
        names = [face.name for face in headline_faces(TrainingPlan)]
        if (
            arguments.params
            or arguments.set
            or arguments.overrides
            or any(getattr(arguments, n) for n in names)
        ):
            raise LabError("give a whole plan.json, or parameters and flags, not both")
        plan = read_plan(arguments.plan)
    else:
        plan = config_from_flags(arguments, TrainingPlan)
    return with_recipe(plan, arguments.recipe) if arguments.recipe else plan
