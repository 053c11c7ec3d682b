"""Lightning's Trainer with nothing on it but what a run needs, and a probe of its speed."""

from __future__ import annotations

import time
from typing import Any

import lightning
import torch

from labkit.model.initialization import initialize
from labkit.model.transformer import Transformer
from labkit.plan.plan import TrainingPlan
from labkit.training.batches import StepBatches, TrainingData
from labkit.training.module import TrainingModule

NUM_PROBE_STEPS = 20
NUM_WARMUP_STEPS = 3
PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
ACCELERATORS = {"cpu": "cpu", "cuda": "gpu", "mps": "mps"}


def make_module(plan: TrainingPlan) -> TrainingModule:
    """The plan's model at its starting weights; torch's generator at the plan's seed."""
    model = initialize(Transformer(plan.model, kernel=plan.compute.attention), plan.seed)
    torch.manual_seed(plan.seed)
    return TrainingModule(plan, model)


def make_trainer(plan: TrainingPlan, num_steps: int, callback: lightning.Callback) -> Any:
    """Its own logging, bars, checkpoints and samplers cost more than a step of a small model."""
    return lightning.Trainer(
        accelerator=ACCELERATORS[plan.compute.device],
        devices=1,
        precision=PRECISIONS[plan.compute.precision],  # pyright: ignore[reportArgumentType]
        max_steps=num_steps,
        accumulate_grad_batches=plan.data.batch_size // plan.micro_batch,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def probe_step_seconds(plan: TrainingPlan, data: TrainingData) -> list[float]:
    """Seconds of single steps of this plan, on weights that are thrown away."""
    timer = _StepTimer()
    steps = min(NUM_PROBE_STEPS, plan.num_steps)
    make_trainer(plan, steps, timer).fit(make_module(plan), StepBatches(data, 0, steps))
    return timer.seconds[NUM_WARMUP_STEPS:] or timer.seconds


class _StepTimer(lightning.Callback):
    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._last_step, self._last = 0, 0.0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._last_step, self._last = pl_module.facts.step, time.perf_counter()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if pl_module.facts.step > self._last_step:
            now = time.perf_counter()
            self.seconds.append(now - self._last)
            self._last_step, self._last = pl_module.facts.step, now
