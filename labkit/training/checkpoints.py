"""All that the next step depends on, as a folder that exists whole or not at all.

Weights, optimizer (moments and step counts), torch's generators (dropout) and progress: steps
taken, samples seen (as a hash), guards, loss scale. The folder is an artefact: written aside,
hashed, renamed. Where the data order stands follows from the step alone, so that another layout
can go on from it.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from labkit.core import artifacts
from labkit.core.artifacts import DamagedArtifact, Manifest
from labkit.core.config import flatten, hash_json, validate
from labkit.core.errors import LabError
from labkit.core.provenance import versions
from labkit.plan.plan import TrainingPlan
from labkit.training.checkpoint_files import (
    COMPONENTS,
    Checkpoint,
    read_files,
    whole,
    write_files,
)
from labkit.training.processes import ALONE, Processes

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
        processes.first(writing.close)
    return folder


def load_checkpoint(
    folder: Path,
    plan: TrainingPlan | None = None,
    *,
    of_any_layout: bool = False,
    verify: bool = True,
) -> Checkpoint:
    """The components, verified; with a plan, refused when it was another's.

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
        refuse_other(manifest, plan, folder, OF_THE_LAYOUT if of_any_layout else ())
    return read_files(folder)


def consolidate(folder: Path, target: Path) -> Path:
    """A checkpoint of any form as a consolidated one, for programs that read one file."""
    state = load_checkpoint(folder)
    manifest = artifacts.read_manifest(folder, verify=False)
    if manifest.config is None:
        raise LabError(f"{folder}: not a checkpoint of a training plan")
    together = {name: _wholes(state[name]) for name in COMPONENTS}
    return save_checkpoint(target, together, validate(TrainingPlan, manifest.config))


def _wholes(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _wholes(item) for key, item in value.items()}
    return [_wholes(item) for item in value] if isinstance(value, list) else whole(value)


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


def refuse_other(
    manifest: Manifest, plan: TrainingPlan, folder: Path, may_differ: tuple[str, ...] = ()
) -> None:
    """Raises LabError naming each difference in plan, data, tokenizer or minor version."""
    if manifest.config is None:
        raise LabError(f"{folder}: not a checkpoint of a training plan")
    there, here = flatten(manifest.config), flatten(plan.model_dump(mode="json"))
    differing = _differing(*(_without(one, may_differ) for one in (there, here)))
    differing += _differing(manifest.inputs, plan.inputs())
    minor = {name: _minor(version) for name, version in manifest.versions.items()}
    now = {name: _minor(version) for name, version in versions(*PACKAGES).items()}
    differing += _differing(minor, now)
    if differing:
        raise LabError(f"{folder} is from another run: {'; '.join(differing)}")


def first_difference(one: Checkpoint, other: Checkpoint) -> str | None:
    """The first component in which two states differ, down to the tensor; None when bit-equal."""
    for name in COMPONENTS:
        left, right = _leaves(one[name], name), _leaves(other[name], name)
        for key in [*left, *(key for key in right if key not in left)]:
            if key not in left or key not in right or not _equal(left[key], right[key]):
                return key
    return None


def tensor_bytes(tensor: torch.Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _leaves(value: Any, prefix: str) -> dict[str, Any]:
    if isinstance(value, Mapping):
        pairs = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, list | tuple):
        pairs = [(str(number), item) for number, item in enumerate(value)]
    else:
        return {prefix: value}
    found: dict[str, Any] = {}
    for key, item in pairs:
        found |= _leaves(item, f"{prefix}.{key}")
    return found


def _equal(one: Any, other: Any) -> bool:
    one, other = whole(one), whole(other)
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        same_kind = one.dtype == other.dtype and one.shape == other.shape
        return same_kind and tensor_bytes(one) == tensor_bytes(other)
    return type(one) is type(other) and one == other


def _differing(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    names = [*there, *(name for name in here if name not in there)]
    return [
        f"{name} was {there.get(name)!r}, is {here.get(name)!r}"
        for name in names
        if there.get(name) != here.get(name)
    ]


def _without(fields: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if not (names and name.startswith(names))}


def _minor(version: str) -> str:
    return ".".join(version.split("+")[0].split(".")[:2])


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
