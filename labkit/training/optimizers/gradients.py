"""Loss and gradient norm of a whole step, over all processes, in one exchange; and clipping by it.

Each process squares and sums what it holds; what several of them hold alike counts once. A norm
clipped per process would train another model on every number of processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.distributed as dist
from torch import nn

from labkit.training.sharding.pieces import cut_of, local
from labkit.training.sharding.processes import Processes

EPSILON = 1e-6
"""As torch's clipping has it."""


def loss_and_norm(
    micro_losses: Sequence[torch.Tensor], weights: Sequence[nn.Parameter], processes: Processes
) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean of the step's micro-batches in their global order, and the norm of its gradient."""
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    losses = torch.stack(list(micro_losses))
    if processes.num == 1:
        return losses.mean(), torch.nn.utils.get_total_norm(gradients)
    num_data_ranks = processes.layout.data_parallel
    exchanged = losses.new_zeros(1 + len(losses) * num_data_ranks)
    if processes.mesh is not None:
        exchanged[0] = _own_squares(gradients, processes)
    if processes.tensor_rank == 0:
        exchanged[1 + processes.data_rank :: num_data_ranks] = losses
    dist.all_reduce(exchanged)
    if processes.mesh is None:
        return exchanged[1:].mean(), torch.nn.utils.get_total_norm(gradients)
    return exchanged[1:].mean(), exchanged[0].sqrt()


def means_over_units(
    sums: Mapping[str, Sequence[torch.Tensor]], num_units: float, processes: Processes
) -> dict[str, float]:
    """The step's mean of each named sum; every process has the same names."""
    if not sums:
        return {}
    totals = torch.stack([torch.stack(list(one)).sum() for one in sums.values()])
    if processes.num > 1:
        if processes.tensor_rank > 0:
            totals.zero_()  # the same samples as the first of the group
        dist.all_reduce(totals)
    return dict(zip(sums, (totals / num_units).tolist(), strict=True))


def clip(weights: Sequence[nn.Parameter], largest: float, norm: torch.Tensor) -> None:
    """Scale gradients so that their norm over all processes is at most `largest`."""
    gradients = [local(weight.grad) for weight in weights if weight.grad is not None]
    if gradients:
        ratio = (largest / (norm + EPSILON)).clamp(max=1.0)
        torch._foreach_mul_(gradients, ratio)  # pyright: ignore[reportPrivateImportUsage]


def _own_squares(gradients: Sequence[torch.Tensor], processes: Processes) -> torch.Tensor:
    """Squares of this process' share: what tensor parallel left whole counts on its first rank."""
    own = [
        local(gradient)
        for gradient in gradients
        if processes.tensor_rank == 0 or cut_of(gradient).tensor_parts > 1
    ]
    return torch.nn.utils.get_total_norm(own).square()
