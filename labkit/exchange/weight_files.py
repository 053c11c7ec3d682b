"""Tensors as safetensors files: one, or parts of at most 5 GB with an index.

Names and index are those of Hugging Face's hub. Only safetensors are read: a pickle can run code
when it is loaded (https://docs.python.org/3/library/pickle.html).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from labkit.core import disk
from labkit.core.errors import LabError

WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
PART_BYTES = 5 * 10**9
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle")


def write_weights(
    folder: Path, tensors: Iterable[tuple[str, torch.Tensor]], part_bytes: int = PART_BYTES
) -> None:
    """Write the tensors in order; no more than one part of them is held at a time.

    Raises:
        LabError: the disk is full.
    """
    parts: list[list[str]] = []
    held: dict[str, torch.Tensor] = {}
    total = size = 0
    for name, tensor in tensors:
        if held and size + tensor.nbytes > part_bytes:
            parts.append(_save(held, folder / _aside(len(parts))))
            held, size = {}, 0
        held[name] = tensor
        size += tensor.nbytes
        total += tensor.nbytes
    parts.append(_save(held, folder / _aside(len(parts))))
    names = [_part_name(number, len(parts)) for number in range(len(parts))]
    for number, name in enumerate(names):
        (folder / _aside(number)).rename(folder / name)
    if len(parts) > 1:
        places = {one: name for name, part in zip(names, parts, strict=True) for one in part}
        disk.write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": places})


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of a folder by name.

    Raises:
        LabError: there are only pickles, a part is missing, or a file cannot be read.
    """
    state: dict[str, torch.Tensor] = {}
    for path in _files(folder):
        try:
            state |= safetensors.torch.load_file(path)
        except (OSError, safetensors.SafetensorError) as error:
            raise LabError(f"{path}: cannot be read ({error}); get the file again") from error
    return state


def _files(folder: Path) -> list[Path]:
    if (folder / INDEX).is_file():
        return _parts_of_index(folder)
    if (folder / WHOLE).is_file():
        return [folder / WHOLE]
    if pickles := sorted(path.name for kind in PICKLES for path in folder.glob(kind)):
        raise LabError(
            f"{folder}: has its weights as a pickle ({pickles[0]}), which can run any code when it "
            f"is read, and is not read here; get {WHOLE}, or save it with safetensors where you "
            "trust it"
        )
    raise LabError(f"{folder}: no weights; a model folder has {WHOLE} or {INDEX}")


def _parts_of_index(folder: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads((folder / INDEX).read_bytes())["weight_map"].values()))
        paths = [folder / name for name in names]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabError(f"{folder / INDEX}: names no parts; get the file again") from error
    for path in paths:
        if path.parent != folder or path.suffix != ".safetensors":
            raise LabError(f"{folder / INDEX}: names {path.name!r}, which is no safetensors part")
        if not path.is_file():
            raise LabError(f"{folder}: lacks {path.name}, which {INDEX} names; get it too")
    return paths


def _save(tensors: dict[str, torch.Tensor], path: Path) -> list[str]:
    """safetensors gives a full disk an error of its own kind, without the disk's name."""
    try:
        safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})
    except (OSError, safetensors.SafetensorError) as error:
        free = shutil.disk_usage(path.parent).free
        raise LabError(f"{path} could not be written, {free:,} bytes free: {error}") from error
    return list(tensors)


def _aside(number: int) -> str:
    return f"part-{number:05d}.safetensors"


def _part_name(number: int, count: int) -> str:
    return WHOLE if count == 1 else f"model-{number + 1:05d}-of-{count:05d}.safetensors"
