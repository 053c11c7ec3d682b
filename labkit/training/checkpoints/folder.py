"""A checkpoint: all that the next step depends on, as a folder that exists whole or not at all.

Weights, optimizer (moments and step counts), torch's generators (dropout) and progress: steps
taken, samples seen (as a hash), guards, loss scale. The folder is an artefact: written aside,
hashed, renamed. Where the data order stands follows from the step alone, so that another layout
can go on from it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labkit.core import artifacts
from labkit.core.artifacts import DamagedArtifact, Manifest
from labkit.core.canonical_json import hash_json
from labkit.core.config import flatten, validate
from labkit.core.errors import LabError
from labkit.core.provenance import versions
from labkit.plan.amendments import SOURCE, must_agree
from labkit.plan.plan import TrainingPlan
from labkit.training.checkpoints.check import check_progress
from labkit.training.checkpoints.files import (
    COMPONENTS,
    OBJECTIVE,
    Checkpoint,
    read_files,
    whole,
    write_files,
)
from labkit.training.checkpoints.longer_run import OF_THE_LENGTH, refuse_other_rates
from labkit.training.checkpoints.source import changed_source, write_source
from labkit.training.sharding.processes import ALONE, Processes

PACKAGES = ("torch", "lightning", "numpy")
OF_THE_LAYOUT = (
    "layout.",
    "checkpoints.",
    "data.micro_batch",
    "compute.attention",
    "compute.num_threads",
    "name",
)
"""Fields that say how a run is computed and kept, not what: another layout may go on."""


def save_checkpoint(
    folder: Path, state: Checkpoint, plan: TrainingPlan, processes: Processes = ALONE
) -> Path:
    """Write the components; temporary and final folder share a file system. All processes call it.

    Raises:
        LabError: on every process, where one could not write.
    """
    with contextlib.ExitStack() as writing:
        temporary = processes.first(
            lambda: writing.enter_context(
                artifacts.write_artifact(
                    folder, config=plan, inputs=plan.inputs(), seed=plan.seed, packages=PACKAGES
                )
            )
        )
        write_files(temporary, state, plan.checkpoints.format, processes)
        processes.first(lambda: write_source(temporary))
        processes.first(writing.close)
    return folder


def load_checkpoint(
    folder: Path,
    plan: TrainingPlan | None = None,
    *,
    is_fork: bool = False,
    verify: bool = True,
    allowed: tuple[str, ...] = (),
) -> Checkpoint:
    """The components, verified; with a plan, refused when it was another's.

    Args:
        is_fork: a run in another folder goes on from here: its layout may differ, and its length,
            as far as the learning rates agree.
        allowed: further fields that may differ, and "source" for labkit's own code.

    Raises:
        DamagedArtifact: a file differs from the manifest, or a component is missing.
        LabError: naming what differs between its plan, data or versions and the given ones, or
            a file that holds more than tensors.
    """
    folder = Path(folder)
    manifest = artifacts.read_manifest(folder, verify=verify)
    if manifest.config is not None and hash_json(manifest.config) != manifest.config_hash:
        raise DamagedArtifact(f"{folder}: its manifest differs from its hash; use another one")
    if plan is not None:
        may_differ = (*allowed, *(OF_THE_LAYOUT + OF_THE_LENGTH if is_fork else ()))
        refuse_other(manifest, plan, folder, may_differ)
        if SOURCE not in allowed:
            _refuse_other_source(folder)
    state = read_files(folder)
    check_progress(folder, state["progress"])
    if plan is not None and is_fork and manifest.config is not None:
        source = validate(TrainingPlan, manifest.config)
        refuse_other_rates(folder, source, plan, state["progress"]["step"])
    return state


def consolidate(folder: Path, target: Path) -> Path:
    """A checkpoint of any form as a consolidated one, for programs that read one file."""
    state = load_checkpoint(folder)
    manifest = artifacts.read_manifest(folder, verify=False)
    if manifest.config is None:
        raise LabError(f"{folder}: not a checkpoint of a training plan")
    together = {name: _wholes(state[name]) for name in (*COMPONENTS, OBJECTIVE)}
    return save_checkpoint(target, together, validate(TrainingPlan, manifest.config))


def _wholes(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _wholes(item) for key, item in value.items()}
    return [_wholes(item) for item in value] if isinstance(value, list) else whole(value)


def refuse_other(
    manifest: Manifest, plan: TrainingPlan, folder: Path, may_differ: tuple[str, ...] = ()
) -> None:
    """Raises LabError naming each difference in plan, data, tokenizer or minor version."""
    if manifest.config is None:
        raise LabError(f"{folder}: not a checkpoint of a training plan")
    there, here = flatten(manifest.config), flatten(plan.model_dump(mode="json"))
    differing = _differing(*(must_agree(one, may_differ) for one in (there, here)))
    differing += _differing(manifest.inputs, plan.inputs())
    minor = {name: _minor(version) for name, version in manifest.versions.items()}
    now = {name: _minor(version) for name, version in versions(*PACKAGES).items()}
    differing += _differing(minor, now)
    if differing:
        raise LabError(f"{folder} is from another run: {'; '.join(differing)}")


def _refuse_other_source(folder: Path) -> None:
    if changed := changed_source(folder):
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise LabError(
            f"{folder} was made by other code of labkit: {', '.join(changed[:3])}{more} changed; "
            f"go on with the code that made it, or give --allow-change {SOURCE}: the result may "
            "then differ from an unbroken run's"
        )


def _differing(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    names = [*there, *(name for name in here if name not in there)]
    return [
        f"{name} was {there.get(name)!r}, is {here.get(name)!r}"
        for name in names
        if there.get(name) != here.get(name)
    ]


def _minor(version: str) -> str:
    return ".".join(version.split("+")[0].split(".")[:2])
