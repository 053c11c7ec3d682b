"""The training step as a LightningModule, which any `lightning.Trainer` can fit.

Optimization is manual: Lightning's loop hands over the batch of a whole step, and its strategy
prepares the exchange of gradients. What a step computes is `train_step`, in the plan's precision.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import lightning
import torch
from torch.nn.parallel import DistributedDataParallel

from labkit.core.errors import LabError
from labkit.training.objective import Objective, StepBatch
from labkit.training.state import TrainingState
from labkit.training.step import StepFacts, train_step


class TrainingModule(lightning.LightningModule):
    """Fit it on `StepBatches` for one epoch; `facts` are those of the last step."""

    def __init__(self, state: TrainingState, objective: Objective):
        super().__init__()
        self.automatic_optimization = False
        self.model = state.model
        self.state, self.objective = state, objective
        self.facts = StepFacts()
        self.no_sync: Any = nullcontext

    def configure_model(self) -> None:
        """The model comes sharded; Lightning asks for the hook."""

    def configure_optimizers(self) -> torch.optim.Optimizer:  # pyright: ignore
        return self.state.optimizer

    def on_fit_start(self) -> None:
        if self.trainer.precision != "32-true":
            raise LabError(
                f"Trainer(precision={self.trainer.precision!r}): the precision is the plan's; "
                "leave it out and give compute.precision"
            )
        wrapped = self.trainer.strategy.model
        if isinstance(wrapped, DistributedDataParallel):
            self.no_sync = wrapped.no_sync

    def transfer_batch_to_device(self, batch: StepBatch, *_: Any) -> StepBatch:  # pyright: ignore
        """The step moves each micro-batch in its turn."""
        return batch

    def training_step(self, batch: StepBatch, _number: int) -> None:  # pyright: ignore
        self.facts = train_step(
            self.state,
            batch,
            self.objective.loss,
            optimizer=self.optimizers(),
            backward=self.manual_backward,
            no_sync=self.no_sync,
        )
