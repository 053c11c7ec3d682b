"""A state as files, in one of two forms that are read alike.

consolidated   weights.pt and optimizer.pt, whole, written by the first process
sharded        process-00000.pt ... with what each holds of both, and cuts.json that says how the
               tensors were cut; a tensor is put together when it is asked for, one at a time

random.pt has torch's generators of each data rank, progress.json the rest; objective.pt what an
objective keeps between steps, where it keeps anything. Nothing is unpickled but tensors.
"""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch

from labkit.core import disk
from labkit.core.artifacts import DamagedArtifact
from labkit.core.errors import LabError
from labkit.training.sharding.pieces import Cut, cut_of, gather_whole, local
from labkit.training.sharding.processes import Processes

Checkpoint = dict[str, Any]
Format = Literal["sharded", "consolidated"]
COMPONENTS = ("weights", "optimizer", "random", "progress")
OBJECTIVE = "objective"
"""The component that may be missing."""
IN_PIECES = ("weights", "optimizer")
CUTS = "cuts.json"


class InPieces:
    """A tensor of a sharded checkpoint."""

    def __init__(self, cut: Cut, piece: Callable[[int, int], torch.Tensor]):
        self.cut, self.piece = cut, piece

    def whole(self) -> torch.Tensor:
        return self.cut.assemble(self.piece)


def whole(leaf: Any) -> Any:
    return leaf.whole() if isinstance(leaf, InPieces) else leaf


def write_files(folder: Path, state: Checkpoint, format: Format, processes: Processes) -> None:
    """All processes call it; the folder is one that all of them see.

    Raises:
        LabError: on every process, where one could not write or sees another folder.
    """
    is_sharded = processes.mesh is not None and format == "sharded"
    if is_sharded:
        held = {name: over_tensors(state[name], lambda _, one: local(one)) for name in IN_PIECES}
        processes.each(lambda: _save(held, folder / _file_of(processes.rank)))
    else:
        for name in IN_PIECES:
            found = state[name]
            if processes.mesh is not None:
                found = over_tensors(found, lambda _, one: gather_whole(one, processes))
            processes.first(lambda name=name, found=found: _save(found, folder / f"{name}.pt"))

    def write_the_rest() -> None:
        if is_sharded:
            _write_cuts(folder, state, processes)
            if missing := [n for n in range(processes.num) if not (folder / _file_of(n)).is_file()]:
                raise LabError(f"{folder}: process {missing[0]} wrote to another disk; share one")
        _save(state["random"], folder / "random.pt")
        if state[OBJECTIVE]:
            _save(state[OBJECTIVE], folder / f"{OBJECTIVE}.pt")
        disk.write_json(folder / "progress.json", state["progress"])

    processes.first(write_the_rest)


def read_files(folder: Path) -> Checkpoint:
    """Tensors of a sharded one are `InPieces`.

    Raises:
        DamagedArtifact: a component is missing.
        LabError: a file holds more than tensors.
    """
    state: Checkpoint = {}
    if (folder / CUTS).is_file():
        state |= _read_pieces(folder)
    for name in COMPONENTS:
        if name in state:
            continue
        path = folder / f"{name}{'.json' if name == 'progress' else '.pt'}"
        if not path.is_file():
            raise DamagedArtifact(f"{folder}: the checkpoint lacks its {name}; use another one")
        state[name] = _load_json(path) if path.suffix == ".json" else _load(path)
    path = folder / f"{OBJECTIVE}.pt"
    state[OBJECTIVE] = _load(path) if path.is_file() else {}
    return state


def over_tensors(value: Any, change: Callable[[str, torch.Tensor], Any], path: str = "") -> Any:
    """The same nested structure with each tensor changed; `change` is given its dotted path."""
    if isinstance(value, torch.Tensor):
        return change(path, value)
    if isinstance(value, Mapping):
        return {key: over_tensors(item, change, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [over_tensors(item, change, f"{path}.{n}") for n, item in enumerate(value)]
    return value


def _write_cuts(folder: Path, state: Checkpoint, processes: Processes) -> None:
    cuts: dict[str, Cut] = {}
    for name in IN_PIECES:
        over_tensors(state[name], lambda path, one: cuts.update({path: cut_of(one)}), name)
    layout = [processes.layout.data_parallel, processes.layout.tensor_parallel]
    disk.write_json(folder / CUTS, {"layout": layout, "cuts": cuts})


def _save(value: Any, path: Path) -> None:
    """torch gives a full disk an error of its own kind, without the disk's name."""
    try:
        torch.save(value, path)
    except RuntimeError as error:
        free = shutil.disk_usage(path.parent).free
        raise LabError(f"{path} could not be written, {free:,} bytes free: {error}") from error


def _read_pieces(folder: Path) -> Checkpoint:
    try:
        return _pieces(folder, json.loads((folder / CUTS).read_bytes()))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedArtifact(
            f"{folder}: its {CUTS} says nothing of use; use another one"
        ) from error


def _pieces(folder: Path, found: dict[str, Any]) -> Checkpoint:
    data_parallel, tensor_parallel = found["layout"]
    held = [_load(folder / _file_of(rank)) for rank in range(data_parallel * tensor_parallel)]
    flat: list[dict[str, torch.Tensor]] = []
    for one in held:
        tensors: dict[str, torch.Tensor] = {}
        for name in IN_PIECES:
            over_tensors(one[name], lambda path, leaf, t=tensors: t.update({path: leaf}), name)
        flat.append(tensors)

    def joined(path: str, _leaf: torch.Tensor) -> InPieces:
        shape, data_parts, tensor_parts, tensor_dim = found["cuts"][path]
        cut = Cut(tuple(shape), data_parts, tensor_parts, tensor_dim)
        return InPieces(cut, lambda data, tensor: flat[data * tensor_parallel + tensor][path])

    return {name: over_tensors(held[0][name], joined, name) for name in IN_PIECES}


def _file_of(rank: int) -> str:
    return f"process-{rank:05d}.pt"


def _load(path: Path) -> Any:
    """Mapped, not read: what is not asked for stays on disk."""
    if not path.is_file():
        raise DamagedArtifact(f"{path.parent}: the checkpoint lacks {path.name}; use another one")
    try:
        return torch.load(path, weights_only=True, map_location="cpu", mmap=True)
    except pickle.UnpicklingError as error:
        raise LabError(f"{path}: holds more than tensors, so nothing of it is loaded") from error
    except Exception as error:  # torch has no kind of its own for a file that is none of its own
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise DamagedArtifact(f"{path}: cannot be read ({reason}); use another one") from error


def _load_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DamagedArtifact(f"{path}: cannot be read ({error}); use another one") from error
