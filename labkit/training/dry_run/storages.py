"""When each tensor's memory came and went, and as part of what: a log under a dispatch mode.

Every operator's results are looked up by storage, so that views count once; a weak reference says
when one is gone. FSDP2 also empties and refills storages in place, and gathers and reduces by
operators of its own, which is how those parts are known. A part may be learned late, as that a
tensor was a gradient when it is reduced: parts are read from the log at its end.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch.distributed._functional_collectives import AsyncCollectiveTensor
from torch.distributed.tensor import DTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WRAPPERS = (DTensor, AsyncCollectiveTensor)
"""They hold no memory; the tensors inside them come by on their own."""


@dataclass(eq=False)
class Storage:
    num_bytes: int
    part: str
    stream: str = "compute"


Change = tuple[Storage, bool]
"""A storage that came (True) or went (False)."""


class StorageLog(TorchDispatchMode):
    """`phase` is the part of what nothing else is known of; `operators` counts calls."""

    def __init__(self, logit_counts: Iterable[int] = ()):
        """`logit_counts`: of how many elements logits are, whole or cut."""
        super().__init__()
        self.changes: list[Change] = []
        self.operators: Counter[str] = Counter()
        self.phase = "activations"
        self._logit_counts = frozenset(logit_counts)
        self._live: dict[int, Storage] = {}
        self._watchers: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(issubclass(one, WRAPPERS) for one in types):
            return NotImplemented
        if func is torch.ops.aten._local_scalar_dense.default:
            return 0.0  # a number is read, of a tensor without data: finite, and no overflow
        results = func(*args, **(kwargs or {}))
        self.operators[str(func)] += 1
        for tensor in _tensors(results):
            self._find(tensor, self._part_of(func, args, tensor))
        if known := _KNOWN_BY.get(str(func)):
            for tensors, part, stream in known(args, kwargs or {}):
                self.mark(tensors, part, stream)
        return results

    def __enter__(self) -> StorageLog:
        resize = torch.UntypedStorage.resize_

        def resized(storage: torch.UntypedStorage, size: int) -> Any:
            before = self._live.get(storage._cdata)
            self._forget(storage._cdata)
            result = resize(storage, size)
            if size:
                self._add(storage, "gathered weights" if before is None else before.part)
            return result

        self._patch = mock.patch.object(torch.UntypedStorage, "resize_", resized)
        self._patch.start()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._patch.stop()

    def mark(self, tensors: Any, part: str, stream: str | None = None) -> None:
        """Say what tensors are, also for the time before; weights stay weights."""
        for tensor in _tensors(tensors):
            found = self._find(tensor, part)
            if found.part != "weights":
                found.part, found.stream = part, stream or found.stream

    def _find(self, tensor: torch.Tensor, part: str) -> Storage:
        storage = tensor.untyped_storage()
        return self._live.get(storage._cdata) or self._add(storage, part)

    def _add(self, storage: torch.UntypedStorage, part: str) -> Storage:
        key = storage._cdata
        self._live[key] = Storage(storage.nbytes(), part)
        self._watchers[key] = weakref.ref(storage, lambda _gone: self._forget(key))
        self.changes.append((self._live[key], True))
        return self._live[key]

    def _forget(self, key: int) -> None:
        if (gone := self._live.pop(key, None)) is not None:
            self.changes.append((gone, False))

    def _part_of(self, func: Any, args: Any, result: torch.Tensor) -> str:
        if result.numel() in self._logit_counts:
            return "logits"
        is_copy = func is torch.ops.aten._to_copy.default
        if is_copy and self._find(args[0], self.phase).part == "weights":
            return "gathered weights"
        return self.phase


def from_then_on(changes: Sequence[Change], start: int) -> list[Change]:
    """As if what was there at `start` had come just then."""
    there: dict[Storage, None] = {}
    for storage, has_come in changes[:start]:
        if has_come:
            there[storage] = None
        else:
            del there[storage]
    return [*((storage, True) for storage in there), *changes[start:]]


def peak(changes: Iterable[Change]) -> dict[str, int]:
    """Part -> bytes at the moment when all of them together were the most.

    >>> a, b, c = Storage(4, "x"), Storage(2, "x"), Storage(3, "y")
    >>> peak([(a, True), (b, True), (b, False), (c, True), (a, False), (b, True)])
    {'x': 4, 'y': 3}
    """
    now: Counter[str] = Counter()
    highest: Counter[str] = Counter()
    for storage, has_come in changes:
        now[storage.part] += storage.num_bytes if has_come else -storage.num_bytes
        if now.total() > highest.total():
            highest = now.copy()
    return {part: size for part, size in highest.items() if size}


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [_local(one) for one in tree_leaves(tree) if isinstance(one, torch.Tensor)]


def _local(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


_KNOWN_BY = {
    "fsdp.all_gather_copy_in.default": lambda args, _: [(args[:2], "gathered weights", "gather")],
    "fsdp.split_with_sizes_copy.default": lambda _, kwargs: [
        (kwargs["out"], "gathered weights", None),
    ],
    "fsdp.chunk_cat.default": lambda args, kwargs: [
        (args[0], "whole gradients", None),
        (kwargs["out"], "whole gradients", None),
    ],
    "c10d._reduce_scatter_base_.default": lambda args, _: [(args[0], "gradients", "reduce")],
}
"""Operator -> the tensors that it says something of. FSDP2 gathers, and takes what it reduces, on
streams of its own."""
