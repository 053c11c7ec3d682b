"""All that the next step depends on, as a folder that exists whole or not at all.

    weights.pt     the model
    optimizer.pt   its moments and step counts
    random.pt      torch's generators (dropout)
    progress.json  steps taken, samples seen (as a hash), guards, loss scale

The folder is an artefact: written aside, hashed, renamed. Nothing in it is unpickled but tensors.
Where the data order stands follows from the step alone.
"""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from labkit.core import artifacts, disk
from labkit.core.artifacts import DamagedArtifact, Manifest
from labkit.core.config import flatten, hash_json
from labkit.core.errors import LabError
from labkit.core.provenance import versions
from labkit.plan.plan import TrainingPlan

TENSORS = ("weights", "optimizer", "random")
COMPONENTS = (*TENSORS, "progress")
PACKAGES = ("torch", "lightning", "numpy")
Checkpoint = dict[str, Any]


def save_checkpoint(folder: Path, state: Checkpoint, plan: TrainingPlan) -> Path:
    """Write the components; temporary and final folder share a file system."""
    with artifacts.write_artifact(
        folder, config=plan, inputs=plan.inputs(), seed=plan.seed, packages=PACKAGES
    ) as temporary:
        for name in TENSORS:
            torch.save(state[name], temporary / f"{name}.pt")
        disk.write_json(temporary / "progress.json", state["progress"])
    return folder


def load_checkpoint(folder: Path, plan: TrainingPlan | None = None) -> Checkpoint:
    """The components, verified; with a plan, refused when it was another's.

    Raises:
        DamagedArtifact: a file differs from the manifest, or a component is missing.
        LabError: naming what differs between its plan, data or versions and the given ones, or
            a file that holds more than tensors.
    """
    folder = Path(folder)
    manifest = artifacts.read_manifest(folder)
    if manifest.config is not None and hash_json(manifest.config) != manifest.config_hash:
        raise DamagedArtifact(f"{folder}: its manifest differs from its hash; use another one")
    if plan is not None:
        refuse_other(manifest, plan, folder)
    state: Checkpoint = {}
    for name in COMPONENTS:
        path = folder / (f"{name}.pt" if name in TENSORS else f"{name}.json")
        if not path.is_file():
            raise DamagedArtifact(f"{folder}: the checkpoint lacks its {name}; use another one")
        if name in TENSORS:
            state[name] = _load_tensors(path)
        else:
            state[name] = json.loads(path.read_bytes())
    return state


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


def refuse_other(manifest: Manifest, plan: TrainingPlan, folder: Path) -> None:
    """Raises LabError naming each difference in plan, data, tokenizer or minor version."""
    if manifest.config is None:
        raise LabError(f"{folder}: not a checkpoint of a training plan")
    differing = _differing(flatten(manifest.config), flatten(plan.model_dump(mode="json")))
    differing += _differing(manifest.inputs, plan.inputs())
    minor = {name: _minor(version) for name, version in manifest.versions.items()}
    here = {name: _minor(version) for name, version in versions(*PACKAGES).items()}
    differing += _differing(minor, here)
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


def _load_tensors(path: Path) -> Any:
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        raise LabError(f"{path}: holds more than tensors, so nothing of it is loaded") from error


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
