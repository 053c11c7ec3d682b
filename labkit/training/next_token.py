"""Learn to predict the next token of a plan's shards; a unit of the loss is a token."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from labkit.core import artifacts
from labkit.model.experts import take_router_losses
from labkit.model.objective import next_token_nats
from labkit.plan.plan import TrainingPlan
from labkit.tokens.tokenizer import Tokenizer
from labkit.training.batches import IGNORED, TokenBatch, TrainingData
from labkit.training.objective import Loss, StepBatch, Validation
from labkit.training.sharding.processes import ALONE, Processes
from labkit.training.state import TrainingState
from labkit.training.validation import Validator


class NextToken:
    """Raises LabError where the plan's shards do not fit it, or are too few to validate on."""

    name = "next token"

    def __init__(self, plan: TrainingPlan, processes: Processes = ALONE):
        self.data = TrainingData(plan, processes)
        self.loss_of_guessing = math.log(plan.model.vocab_size)
        self.validator = Validator(
            self.data.validation,
            Tokenizer.load(artifacts.home() / plan.data.tokenizer / "tokenizer.json"),
            plan.evaluation,
            plan.sequence_length,
            plan.micro_batch,
            self.data.hidden_after,
        )

    def step_batch(self, step: int, state: TrainingState) -> StepBatch:
        return self.data.step_batch(step, state.processes)

    def loss(self, model: nn.Module, micro_batch: TokenBatch) -> Loss:
        return next_token_loss(model, micro_batch)

    def validate(self, state: TrainingState) -> Validation:
        found = self.validator.measure(state.model, self.loss, state.autocast, state.processes)
        seed = state.plan.seed + 1000 * state.step
        texts = self.validator.sample_texts(state.model, seed, state.autocast)
        figures = found._asdict()
        return Validation(figures, {"nats_per_token": figures.pop("window_nats")}, texts)

    def documents(self, step: int) -> Mapping[str, Sequence[int]]:
        return self.data.documents(step)

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the data order is a closed form of the step."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


def next_token_loss(model: nn.Module, batch: TokenBatch) -> Loss:
    """Nats of each token; while experts are trained, with what their routers are to keep to."""
    nats_BT = next_token_nats(model(batch.ids_BT), batch.targets_BT)
    losses = take_router_losses(model)
    if losses is None:
        return Loss(nats_BT)
    is_counted_BT = batch.targets_BT != IGNORED
    num_units = is_counted_BT.sum()
    auxiliary = {
        "next_token_loss": nats_BT.sum(),
        "expert_balance": losses.balance * num_units,
        "router_z": losses.z * num_units,
    }
    return Loss(nats_BT + losses.penalty * is_counted_BT, auxiliary)


def blank_batch(plan: TrainingPlan, num_micro_batches: int) -> StepBatch:
    """A step of the plan's shape without data."""
    ids_BT = torch.zeros(plan.micro_batch, plan.sequence_length, dtype=torch.long)
    batch = TokenBatch(ids_BT, ids_BT)
    return StepBatch([batch] * num_micro_batches, float(ids_BT.numel()), np.empty((0, 3)))
