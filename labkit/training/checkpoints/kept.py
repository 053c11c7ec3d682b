"""The checkpoints of a run: the newest that is whole, and those beyond the number it keeps."""

from __future__ import annotations

import shutil
from pathlib import Path

from labkit.core import artifacts
from labkit.core.artifacts import DamagedArtifact
from labkit.plan.plan import TrainingPlan
from labkit.training.checkpoints.files import Checkpoint
from labkit.training.checkpoints.folder import load_checkpoint


def checkpoint_folder(checkpoints: Path, step: int) -> Path:
    return checkpoints / f"step-{step:08d}"


def all_checkpoints(checkpoints: Path) -> list[Path]:
    """Newest first."""
    found = [path for path in checkpoints.glob("step-*") if artifacts.exists(path)]
    return sorted(found, reverse=True)


def newest_good(
    checkpoints: Path, plan: TrainingPlan
) -> tuple[Path | None, Checkpoint | None, list[str]]:
    """(folder, its state, why newer ones were passed over); (None, None, ...) to start afresh."""
    passed_over = []
    for folder in all_checkpoints(checkpoints):
        try:
            return folder, load_checkpoint(folder, plan), passed_over
        except DamagedArtifact as error:
            passed_over.append(str(error))
    return None, None, passed_over


def set_newer_aside(checkpoints: Path, folder: Path | None) -> None:
    """Rename what was passed over: its step will be taken and saved again, and it counts as none
    of those that are kept.
    """
    for damaged in all_checkpoints(checkpoints):
        if damaged == folder:
            return
        aside = damaged.with_name(f"damaged-{damaged.name}")
        shutil.rmtree(aside, ignore_errors=True)
        damaged.rename(aside)


def remove_old(checkpoints: Path, keep: int) -> None:
    for folder in all_checkpoints(checkpoints)[keep:]:
        shutil.rmtree(folder, ignore_errors=True)
