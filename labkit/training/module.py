"""The plan as a LightningModule: loss, learning rate, clipping, and the guard before each step.

Learning rate and gradient norm are decided here, where Lightning has summed the gradients of a
step and not yet applied them; everything that is written down is the recorder's business. Loss and
norm are those of the whole step, over all processes, so that each decides alike.
"""

from __future__ import annotations

from typing import Any

import lightning
import torch
from torch.distributed.fsdp import FSDPModule

from labkit.model.objective import next_token_nats
from labkit.model.transformer import Transformer
from labkit.plan.plan import TrainingPlan
from labkit.plan.schedule import learning_rate_ratio
from labkit.training.batches import MicroBatch
from labkit.training.guards import MOST_BAD_STEPS, MOST_OVERFLOWS, BadStepGuard
from labkit.training.optimizers.gradients import clip, loss_and_norm
from labkit.training.optimizers.groups import make_optimizer, parameter_groups, set_learning_rate
from labkit.training.sharding.processes import ALONE, Processes


class StepFacts:
    """Of the step at work: what the recorder reads when it is done.

    A plain object beside the module, since torch modules pay for each attribute that is set.
    """

    def __init__(self, step: int):
        self.step = step
        self.micro_losses: list[torch.Tensor] = []
        self.loss = self.gradient_norm = self.learning_rate = 0.0
        self.is_dropped = False


class TrainingModule(lightning.LightningModule):
    """`facts.step` counts the steps taken in the whole run, those before a resume included."""

    def __init__(
        self,
        plan: TrainingPlan,
        model: Transformer,
        processes: Processes = ALONE,
        step: int = 0,
    ):
        super().__init__()
        self.plan = plan
        self.model = model
        self.processes = processes
        self.groups = parameter_groups(model, plan.optimizer)
        self.optimizer = make_optimizer(self.groups, plan.optimizer, _muon_dtype(plan), processes)
        self.weights = [
            parameter for group in self.groups for parameter in group.parameters.values()
        ]
        self.facts = StepFacts(step)
        is_fp16 = plan.compute.precision == "fp16"
        self.guard = BadStepGuard(MOST_OVERFLOWS if is_fp16 else MOST_BAD_STEPS)
        self._num_own = plan.num_micro_batches // plan.layout.data_parallel

    def configure_model(self) -> None:
        """The model comes sharded; Lightning asks for the hook."""

    def configure_optimizers(self) -> torch.optim.Optimizer:  # pyright: ignore
        return self.optimizer

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Lightning would drop a step's gradients only after the next forward pass."""
        if not self.facts.micro_losses:
            self.optimizer.zero_grad()

    def training_step(self, batch: MicroBatch, _number: int) -> torch.Tensor:  # pyright: ignore
        """Nats over an even share of the step's targets, so that unequal numbers weigh right."""
        if not self.plan.layout.reduce_every_micro_batch and isinstance(self.model, FSDPModule):
            is_last = len(self.facts.micro_losses) == self._num_own - 1
            self.model.set_requires_gradient_sync(is_last)
        nats_BT = next_token_nats(self.model(batch.ids_BT), batch.targets_BT)
        loss = nats_BT.sum() / batch.targets_share
        self.facts.micro_losses.append(loss.detach())
        return loss

    def configure_gradient_clipping(self, *_: Any, **__: Any) -> None:
        """Clip the norm over all parameters; give a bad step no gradients to apply."""
        facts, plan = self.facts, self.plan
        loss, norm = loss_and_norm(facts.micro_losses, self.weights, self.processes)
        facts.loss, facts.gradient_norm = float(loss), float(norm)
        facts.micro_losses = []
        facts.is_dropped = self.guard.drops(facts.loss, facts.gradient_norm)
        middle = (facts.step + 0.5) * plan.tokens_per_step
        ratio = learning_rate_ratio(plan.schedule, middle, plan.num_steps * plan.tokens_per_step)
        set_learning_rate(self.optimizer, ratio)
        facts.learning_rate = ratio * plan.optimizer.learning_rate
        facts.step += 1
        if facts.is_dropped:
            self.optimizer.zero_grad()
        elif plan.optimizer.clip_norm is not None:
            clip(self.weights, plan.optimizer.clip_norm, norm)


def _muon_dtype(plan: TrainingPlan) -> torch.dtype:
    return torch.float32 if plan.compute.precision == "fp32" else torch.bfloat16
