"""Where two states of a run differ, down to the tensor and its last bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from labkit.training.checkpoints.files import COMPONENTS, OBJECTIVE, Checkpoint, whole


def first_difference(one: Checkpoint, other: Checkpoint) -> str | None:
    """The first component that differs, such as `weights.head.weight`; None when bit-equal."""
    for name in (*COMPONENTS, OBJECTIVE):
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
