"""One optimizer step, from the forward pass to the new weights; every training takes this one.

A step has U units of loss (tokens) in M micro-batches, which R data ranks share; L_m is the sum
over the units of micro-batch m. Each rank adds up the gradients of its own M / R, and DDP or FSDP2
takes the mean over ranks, which is the gradient of the mean over all units:

    g = 1/R sum_ranks sum_own d/dw [ L_m / (U / M) / (M / R) ] = d/dw [ sum_m L_m / U ]

The norm of g over all processes is measured after fp16's scale is taken out. A step whose loss or
norm is not finite changes no weight; else g is clipped to `clip_norm` (Pascanu et al. 2013) and the
optimizer moves the weights.
"""

# B examples, U units of an example

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch.distributed.fsdp import FSDPModule

from labkit.training.objective import LossFunction, StepBatch
from labkit.training.optimizers.gradients import clip, loss_and_norm, means_over_units
from labkit.training.optimizers.groups import set_learning_rate
from labkit.training.state import TrainingState


class StepFacts(NamedTuple):
    """What a step leaves to be recorded; of all processes together."""

    loss: float = 0.0
    gradient_norm: float = 0.0
    learning_rate: float = 0.0
    is_dropped: bool = False
    auxiliary: Mapping[str, float] = {}


def train_step(
    state: TrainingState,
    batch: StepBatch,
    loss_of: LossFunction,
    *,
    optimizer: Any = None,
    backward: Callable[[torch.Tensor], Any] = torch.Tensor.backward,
    no_sync: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> StepFacts:
    """Move the weights of `state` once.

    Args:
        optimizer: a wrapper of the state's own that counts its steps.
        backward: a backward pass that prepares for the exchange of gradients.
        no_sync: a context without that exchange; DDP's must hold the forward pass too.
    """
    optimizer, scaler, plan = optimizer or state.optimizer, state.scaler, state.plan
    num_own = len(batch.micro_batches)
    units_per_micro_batch = batch.num_units / (num_own * plan.layout.data_parallel)
    losses: list[torch.Tensor] = []
    auxiliary: dict[str, list[torch.Tensor]] = {}

    optimizer.zero_grad()
    for number, micro_batch in enumerate(batch.micro_batches, start=1):
        with _exchange(state, number == num_own, no_sync):
            with state.autocast():
                units_BU, sums = loss_of(state.model, micro_batch.to(state.device))
                loss = units_BU.sum() / units_per_micro_batch
            del units_BU  # it would outlive its backward pass
            backward(scaler.scale(loss / num_own))
        losses.append(loss.detach())
        for name, value in sums.items():
            auxiliary.setdefault(name, []).append(value.detach())

    scaler.unscale_(optimizer)
    mean_loss, norm = loss_and_norm(losses, state.weights, state.processes)
    is_dropped = state.guard.drops(float(mean_loss), float(norm))
    ratio = plan.learning_rate_ratio(state.step)
    set_learning_rate(optimizer, ratio)
    if is_dropped:
        optimizer.zero_grad()  # without gradients the optimizer changes nothing
    elif plan.optimizer.clip_norm is not None:
        clip(state.weights, plan.optimizer.clip_norm, norm)
    scaler.step(optimizer)
    scaler.update()
    state.step += 1
    return StepFacts(
        float(mean_loss),
        float(norm),
        ratio * plan.optimizer.learning_rate,
        is_dropped,
        means_over_units(auxiliary, batch.num_units, state.processes),
    )


def _exchange(
    state: TrainingState, is_last: bool, no_sync: Callable[[], AbstractContextManager[Any]]
) -> AbstractContextManager[Any]:
    """Gradients are exchanged after the last micro-batch; by FSDP2 after each, unless asked."""
    if isinstance(state.model, FSDPModule):
        if not state.plan.layout.reduce_every_micro_batch:
            state.model.set_requires_gradient_sync(is_last)
        return nullcontext()
    return nullcontext() if is_last else no_sync()
