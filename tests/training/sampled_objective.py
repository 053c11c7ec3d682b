"""An objective as post-training will have them: sampled, scored by a frozen model, used twice.

Each rollout continues a ragged batch of prompts by 8 tokens, drawn from the weights of its step.
A frozen model says how likely it finds each continuation; REINFORCE (Williams 1992) raises the
probability of those above the mean. Two updates share a rollout, so that a run cut between them
must find it in its checkpoint.
"""

# B rows, T time, P prompt

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from labkit.model.generation import generate_batch
from labkit.plan.plan import TrainingPlan
from labkit.training.objective import Loss, StepBatch, Validation
from labkit.training.sharding.apply_layout import release_gathered
from labkit.training.sharding.processes import ALONE, Processes
from labkit.training.state import TrainingState, make_frozen_model
from tests.training.tiny import tiny_plan

PROMPTS = [[5, 17], [20, 3, 9, 41], [88], [7, 120, 64], [30, 31, 32, 33, 34], [255, 0], [1], [2, 2]]
NUM_NEW = 8
UPDATES_PER_ROLLOUT = 2
WIDTH = max(map(len, PROMPTS)) + NUM_NEW


def sampled_plan(data: dict[str, Any]) -> TrainingPlan:
    """Six updates on three rollouts, each row in a micro-batch of two."""
    plan = tiny_plan(data | {"batch_size": len(PROMPTS), "micro_batch": 2})
    changes = {"budget.num_steps": 6, "evaluation.num_evaluations": 2, "checkpoints.keep": 9}
    return plan.with_overrides(changes)


class Rows(NamedTuple):
    """Prompt and continuation; `is_new_BT` marks the inputs whose next token was sampled."""

    ids_BT: torch.Tensor
    is_new_BT: torch.Tensor
    reference_nats_BT: torch.Tensor
    advantage_B: torch.Tensor

    def to(self, device: torch.device) -> Rows:
        return Rows(*(one.to(device) for one in self))


def nats_of(model: nn.Module, ids_BT: torch.Tensor) -> torch.Tensor:
    """(B, T - 1) nats of each token after the first."""
    logits_BTV = model(ids_BT[:, :-1]).float()
    return functional.cross_entropy(logits_BTV.mT, ids_BT[:, 1:], reduction="none")


def sampled_loss(model: nn.Module, rows: Rows) -> Loss:
    nats_BT = nats_of(model, rows.ids_BT)
    units_BT = rows.advantage_B[:, None] * nats_BT * rows.is_new_BT
    distance_BT = (rows.reference_nats_BT - nats_BT) * rows.is_new_BT
    return Loss(units_BT, {"kl": distance_BT.sum()})


def blank_rows(plan: TrainingPlan, num_micro_batches: int) -> StepBatch:
    shape = (plan.micro_batch, WIDTH - 1)
    ids_BT = torch.zeros(plan.micro_batch, WIDTH, dtype=torch.long)
    rows = Rows(ids_BT, torch.zeros(shape), torch.zeros(shape), torch.zeros(plan.micro_batch))
    return StepBatch([rows] * num_micro_batches, 1.0, np.empty((0, 2)))


class Sampled:
    name = "sampled"
    loss_of_guessing = math.inf

    def __init__(self, plan: TrainingPlan, processes: Processes = ALONE):
        self.reference = make_frozen_model(plan.with_overrides({"seed": 77}), processes)
        self.rollout: dict[str, torch.Tensor] = {}

    def step_batch(self, step: int, state: TrainingState) -> StepBatch:
        number, turn = divmod(step, UPDATES_PER_ROLLOUT)
        if turn == 0:
            self.rollout = self._sample(state, number)
        whole = Rows(**self.rollout)
        size, processes = state.plan.micro_batch, state.processes
        starts = range(0, len(PROMPTS), size)
        own = starts[processes.data_rank :: processes.layout.data_parallel]
        batches = [Rows(*(one[start : start + size] for one in whole)) for start in own]
        names = np.array([[number, row] for row in range(len(PROMPTS))])
        return StepBatch(batches, float(NUM_NEW * len(PROMPTS)), names)

    def loss(self, model: nn.Module, micro_batch: Rows) -> Loss:
        return sampled_loss(model, micro_batch)

    def validate(self, state: TrainingState) -> Validation:
        with torch.no_grad():
            rows = self._sample(state, 10**6)
        scores = -rows["reference_nats_BT"].sum(1) / NUM_NEW
        mean, error = float(scores.mean()), float(scores.std()) / len(scores) ** 0.5
        figures = {"loss": -mean, "low": -mean - 2 * error, "high": -mean + 2 * error}
        return Validation(figures, {"score": scores.tolist()})

    def documents(self, step: int) -> dict[str, list[int]]:
        return {}

    def state_dict(self) -> dict[str, Any]:
        return dict(self.rollout)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rollout = dict(state)

    @torch.no_grad()
    def _sample(self, state: TrainingState, number: int) -> dict[str, torch.Tensor]:
        """The rows of all data ranks, each sampled and scored by one of them."""
        processes = state.processes
        own = range(len(PROMPTS))[processes.data_rank :: processes.layout.data_parallel]
        ids_BT = torch.zeros(len(own), WIDTH, dtype=torch.long)
        is_new_BT = torch.zeros(len(own), WIDTH - 1)
        continued = generate_batch(
            state.model,
            [PROMPTS[row] for row in own],
            [NUM_NEW] * len(own),
            seeds=[state.plan.seed + 1000 * number + row for row in own],
        )
        for place, (row, new) in enumerate(zip(own, continued, strict=True)):
            length = len(PROMPTS[row])
            ids_BT[place, : length + NUM_NEW] = torch.tensor([*PROMPTS[row], *new])
            is_new_BT[place, length - 1 : length - 1 + NUM_NEW] = 1
        nats_BT = nats_of(self.reference, ids_BT) * is_new_BT
        release_gathered(state.model)
        release_gathered(self.reference)
        parts = processes.from_all((list(own), ids_BT, is_new_BT, nats_BT))
        rows = [row for part in parts for row in part[0]]
        order = torch.tensor([rows.index(row) for row in range(len(PROMPTS))])
        ids_BT, is_new_BT, nats_BT = (
            torch.cat([part[n] for part in parts])[order] for n in (1, 2, 3)
        )
        score_B = -nats_BT.sum(1) / NUM_NEW
        advantage_B = (score_B - score_B.mean()) / score_B.std()
        return Rows(ids_BT, is_new_BT, nats_BT, advantage_B)._asdict()
