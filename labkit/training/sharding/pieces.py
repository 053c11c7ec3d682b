"""A tensor in pieces: which part of the whole each process holds, and the whole from its parts.

FSDP2 cuts the rows of what tensor parallel has left of a tensor. Both cut as `torch.chunk` does:
pieces of ceil(size / parts) rows or columns, the last ones smaller or empty.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor, Replicate

from labkit.training.sharding.processes import DATA, TENSOR, Processes


class Cut(NamedTuple):
    """Of a tensor of this shape: `tensor_parts` along `tensor_dim`, each `data_parts` along 0."""

    shape: tuple[int, ...]
    data_parts: int = 1
    tensor_parts: int = 1
    tensor_dim: int = 0

    def piece(self, whole: torch.Tensor, data_rank: int, tensor_rank: int) -> torch.Tensor:
        """A view of what the process holds.

        >>> Cut((4, 4), 2, 2, 1).piece(torch.arange(16).view(4, 4), 1, 0).tolist()
        [[8, 9], [12, 13]]
        """
        part = whole
        if self.tensor_parts > 1:
            part = _chunk(part, self.tensor_dim, self.tensor_parts, tensor_rank)
        return _chunk(part, 0, self.data_parts, data_rank) if self.data_parts > 1 else part

    def piece_shape(self, data_rank: int, tensor_rank: int) -> tuple[int, ...]:
        sizes = list(self.shape)
        if self.tensor_parts > 1:
            _, sizes[self.tensor_dim] = _part(
                sizes[self.tensor_dim], self.tensor_parts, tensor_rank
            )
        if self.data_parts > 1:
            _, sizes[0] = _part(sizes[0], self.data_parts, data_rank)
        return tuple(sizes)

    def assemble(self, piece: Callable[[int, int], torch.Tensor]) -> torch.Tensor:
        """The whole from `piece(data_rank, tensor_rank)`."""
        columns = [
            torch.cat([piece(data, tensor) for data in range(self.data_parts)])
            if self.data_parts > 1
            else piece(0, tensor)
            for tensor in range(self.tensor_parts)
        ]
        return torch.cat(columns, self.tensor_dim) if len(columns) > 1 else columns[0]


def cut_of(tensor: torch.Tensor) -> Cut:
    if not isinstance(tensor, DTensor):
        return Cut(tuple(tensor.shape))
    names = tensor.device_mesh.mesh_dim_names or ()
    parts, tensor_dim = {DATA: 1, TENSOR: 1}, 0
    for number, (name, placement) in enumerate(zip(names, tensor.placements, strict=True)):
        if not isinstance(placement, Replicate):
            parts[name] = tensor.device_mesh.size(number)
            if name == TENSOR:
                tensor_dim = placement.dim  # pyright: ignore[reportAttributeAccessIssue]
    return Cut(tuple(tensor.shape), parts[DATA], parts[TENSOR], tensor_dim)


def local(tensor: torch.Tensor) -> torch.Tensor:
    """What this process holds, as a view."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def fill(tensor: torch.Tensor, whole: torch.Tensor, processes: Processes) -> None:
    """This process' piece of the whole, put where it is held."""
    assert whole.shape == tensor.shape, (whole.shape, tensor.shape)  # copy_ would broadcast
    piece = cut_of(tensor).piece(whole, processes.data_rank, processes.tensor_rank)
    local(tensor).copy_(piece)


def gather_whole(tensor: torch.Tensor, processes: Processes) -> torch.Tensor | None:
    """The whole in main memory on the first process, None on the others. All must call it."""
    piece = local(tensor).detach()
    if not isinstance(tensor, DTensor):
        return piece.cpu() if processes.is_first else None
    cut = cut_of(tensor)
    ranks = [divmod(rank, processes.layout.tensor_parallel) for rank in range(processes.num)]
    shapes = [cut.piece_shape(*rank) for rank in ranks]
    sizes = [torch.Size(shape).numel() for shape in shapes]
    padded = piece.new_zeros(max(sizes))
    padded[: piece.numel()] = piece.flatten()
    found = [torch.empty_like(padded) for _ in ranks] if processes.is_first else None
    dist.gather(padded, found)
    if found is None:
        return None
    pieces = {
        rank: flat[:size].view(shape).cpu()
        for rank, flat, size, shape in zip(ranks, found, sizes, shapes, strict=True)
    }
    return cut.assemble(lambda data_rank, tensor_rank: pieces[data_rank, tensor_rank])


def _chunk(tensor: torch.Tensor, dim: int, parts: int, number: int) -> torch.Tensor:
    return tensor.narrow(dim, *_part(tensor.shape[dim], parts, number))


def _part(size: int, parts: int, number: int) -> tuple[int, int]:
    """(start, length)"""
    step = -(-size // parts)
    start = min(number * step, size)
    return start, min(step, size - start)
