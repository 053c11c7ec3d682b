"""The checkpoints of a run: the newest that is whole, and those beyond the number it keeps."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

from labkit.core import artifacts
from labkit.core.artifacts import DamagedArtifact
from labkit.plan.plan import TrainingPlan
from labkit.training.checkpoints.files import Checkpoint
from labkit.training.checkpoints.folder import load_checkpoint
from labkit.training.guards import Health


def checkpoint_folder(checkpoints: Path, step: int) -> Path:
    return checkpoints / f"step-{step:08d}"


def all_checkpoints(checkpoints: Path) -> list[Path]:
    """Newest first."""
    found = [path for path in checkpoints.glob("step-*") if artifacts.exists(path)]
    return sorted(found, reverse=True)


def newest_good(
    checkpoints: Path, plan: TrainingPlan, allowed: tuple[str, ...] = ()
) -> tuple[Path | None, Checkpoint | None, list[str]]:
    """(folder, its state, why newer ones were passed over); (None, None, ...) to start afresh.

    One of a run that had diverged would end there again: the last before it is taken, if there is
    one and the plan doesn't go on regardless.
    """
    found = all_checkpoints(checkpoints)
    diverged = [folder for folder in found if health(folder) == "diverged"]
    passed_over = []
    if plan.guards.on_divergence != "note" and len(diverged) < len(found):
        passed_over = [f"{folder}: the run had diverged" for folder in diverged]
        found = [folder for folder in found if folder not in diverged]
    for folder in found:
        try:
            return folder, load_checkpoint(folder, plan, allowed=allowed), passed_over
        except DamagedArtifact as error:
            passed_over.append(str(error))
    return None, None, passed_over


def set_newer_aside(checkpoints: Path, folder: Path | None) -> None:
    """Rename what was passed over: its step will be taken and saved again, and it counts as none
    of those that are kept.
    """
    for newer in all_checkpoints(checkpoints):
        if newer == folder:
            return
        aside = newer.with_name(f"passed-over-{newer.name}")
        shutil.rmtree(aside, ignore_errors=True)
        newer.rename(aside)


def remove_old(checkpoints: Path, keep: int) -> None:
    """Beyond the newest `keep` good ones; others stay where these are fewer; the newest stays."""
    found = all_checkpoints(checkpoints)
    good = [folder for folder in found if health(folder) == "good"][:keep]
    others = [folder for folder in found if folder not in good][: keep - len(good)]
    for folder in found[1:]:
        if folder not in (*good, *others):
            shutil.rmtree(folder, ignore_errors=True)


def newest_before(checkpoints: Path, step: int) -> Path | None:
    """The newest good and undamaged one that has at most so many steps."""
    for folder in all_checkpoints(checkpoints):
        if folder <= checkpoint_folder(checkpoints, step) and health(folder) == "good":
            with contextlib.suppress(DamagedArtifact):
                artifacts.read_manifest(folder)
                return folder
    return None


def health(folder: Path) -> Health:
    """What the run thought of its weights when it saved them."""
    try:
        return json.loads((folder / "progress.json").read_bytes()).get("health", "good")
    except (OSError, ValueError, AttributeError):
        return "unsettled"
