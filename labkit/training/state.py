"""The model at work with all that a step moves beside its weights, and how both begin."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from labkit.model.initialization import starting_weights
from labkit.model.transformer import Transformer
from labkit.plan.plan import TrainingPlan
from labkit.training.guards import MOST_BAD_STEPS, MOST_OVERFLOWS, BadStepGuard
from labkit.training.optimizers.groups import make_optimizer, parameter_groups
from labkit.training.sharding.apply_layout import shard
from labkit.training.sharding.pieces import fill
from labkit.training.sharding.processes import ALONE, Processes, local_rank
from labkit.training.start_from import weights_to_start_from

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


class TrainingState:
    """`step` counts the steps taken in the whole run, those before a resume included."""

    def __init__(self, plan: TrainingPlan, model: Transformer, processes: Processes = ALONE):
        self.plan, self.model, self.processes = plan, model, processes
        self.device = model.embedding.weight.device
        self.groups = parameter_groups(model, plan.optimizer)
        self.optimizer = make_optimizer(self.groups, plan.optimizer, _muon_dtype(plan), processes)
        self.weights = [one for group in self.groups for one in group.parameters.values()]
        is_fp16 = plan.compute.precision == "fp16"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=is_fp16)
        self.guard = BadStepGuard(MOST_OVERFLOWS if is_fp16 else MOST_BAD_STEPS)
        self.step = 0

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision of a forward pass; FSDP2 has a policy of its own in its place."""
        dtype = AUTOCAST.get(self.plan.compute.precision)
        if dtype is None or self.processes.mesh is not None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype, cache_enabled=False)


def make_state(plan: TrainingPlan, processes: Processes = ALONE) -> TrainingState:
    """The plan's model at its starting weights; torch's generator at the plan's seed."""
    model = make_model(plan, processes)
    seed_randomness(plan.seed, processes)
    return TrainingState(plan, model, processes)


def make_model(plan: TrainingPlan, processes: Processes = ALONE) -> Transformer:
    """The plan's model at its starting weights, in the plan's layout.

    Where it is sharded, no process ever holds more than its share and one whole tensor.
    """
    model = _laid_out(plan, processes)
    if plan.start_from:
        starts = weights_to_start_from(model, plan, processes)
    else:
        starts = starting_weights(model, plan.seed)
    with torch.no_grad():
        for parameter, start in starts:
            fill(parameter, start, processes)
    return model


def make_frozen_model(plan: TrainingPlan, processes: Processes = ALONE) -> Transformer:
    """A model that is read and never trained, to stand beside the one that is."""
    return make_model(plan, processes).eval().requires_grad_(False)


def _laid_out(plan: TrainingPlan, processes: Processes) -> Transformer:
    """Weights without values where they are sharded, with torch's own elsewhere."""
    if processes.mesh is None:
        model = Transformer(plan.model, kernel=plan.compute.attention)
        shard(model, plan, None)
        return model.to(_device(plan))
    with torch.device("meta"):
        model = Transformer(plan.model, kernel=plan.compute.attention)
    shard(model, plan, processes.mesh)
    model.to_empty(device=_device(plan))
    if plan.model.tie_embeddings:
        model.head.weight = model.embedding.weight  # made anew, each for itself
    return model


def seed_randomness(seed: int, processes: Processes) -> None:
    """Dropout differs between data ranks; the first one has the plan's own seed."""
    torch.manual_seed(seed + 1_000_003 * processes.data_rank)


def _device(plan: TrainingPlan) -> torch.device:
    if plan.compute.device == "cuda":
        return torch.device("cuda", local_rank())
    return torch.device(plan.compute.device)


def _muon_dtype(plan: TrainingPlan) -> torch.dtype:
    return torch.float32 if plan.compute.precision == "fp32" else torch.bfloat16
