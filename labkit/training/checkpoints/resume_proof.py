"""Does a run that is cut in the middle end where an unbroken one does? Shown on the user's plan.

One process trains `steps` steps of the plan and leaves checkpoints half way and at the end; a
second, fresh one goes on from the half. Compared are the states right after the resume and at the
end, bit by bit: weights, optimizer, random generators, and which samples were seen.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from labkit.core import artifacts
from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord
from labkit.plan.plan import TrainingPlan
from labkit.training.checkpoints.difference import first_difference
from labkit.training.checkpoints.folder import load_checkpoint
from labkit.training.checkpoints.kept import checkpoint_folder
from labkit.training.launch import trainer_arguments
from labkit.training.settle import settle

STEPS = 12


class ResumeProof(NamedTuple):
    """`first_difference`: None when both ends are bit-equal, else the component."""

    resumed_at: int
    steps: int
    first_difference: str | None

    @property
    def sentence(self) -> str:
        outcome = "bitwise equal" if self.first_difference is None else self._where
        return (
            f"A fresh process that resumed at step {self.resumed_at} and an unbroken run are "
            f"{outcome} at step {self.steps}: weights, optimizer, random state, samples seen."
        )

    @property
    def _where(self) -> str:
        return f"NOT equal (first difference: {self.first_difference})"


def prove_resume(plan: TrainingPlan, steps: int = STEPS) -> ResumeProof:
    """Two processes on the first `steps` steps of the plan, in a folder that is removed.

    Raises:
        LabError: a process failed; with the end of its output.
    """
    steps = min(steps, plan.num_steps - 1)
    half = steps // 2
    if half < 1:
        raise LabError(f"a plan of {plan.num_steps} steps can't be cut; give it 3 steps or more")
    settled = settle(plan).with_overrides(
        {"tracking": "off", "checkpoints.keep": 1000, "evaluation.num_samples": 0}
    )
    runs = artifacts.home() / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".proof-", dir=runs) as folder:
        root = Path(folder)
        _train(settled, root / "whole", f"--until={steps}", f"--save-at={half},{steps}")
        middle = checkpoint_folder(root / "whole" / "checkpoints", half)
        _train(settled, root / "resumed", f"--until={steps}", f"--resume-from={middle}")
        ends = [
            load_checkpoint(checkpoint_folder(root / one / "checkpoints", steps), settled)
            for one in ("whole", "resumed")
        ]
    return ResumeProof(half, steps, first_difference(*ends))


def _train(plan: TrainingPlan, folder: Path, *flags: str) -> None:
    record = RunRecord(folder)
    record.write("plan", plan.model_dump(mode="json"))
    done = subprocess.run(
        [sys.executable, *trainer_arguments(record), *flags],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        raise LabError(
            f"the proof's run {folder.name!r} failed:\n{(done.stdout + done.stderr)[-2000:]}"
        )
