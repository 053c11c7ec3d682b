"""Lightning's Trainer with nothing on it but what a run needs, and a probe of its speed."""

from __future__ import annotations

import gc
import time
from typing import Any

import lightning
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, Strategy

from labkit.plan.plan import TrainingPlan
from labkit.training.module import TrainingModule
from labkit.training.objective import Objective, StepBatches
from labkit.training.sharding.processes import ALONE, Processes, num_local
from labkit.training.state import make_state

NUM_PROBE_STEPS = 20
NUM_WARMUP_STEPS = 3
ACCELERATORS = {"cpu": "cpu", "cuda": "gpu", "mps": "mps"}


def make_trainer(
    plan: TrainingPlan, callback: lightning.Callback, processes: Processes = ALONE
) -> Any:
    """Its own logging, bars, checkpoints and samplers cost more than a step of a small model."""
    return lightning.Trainer(
        accelerator=ACCELERATORS[plan.compute.device],
        max_epochs=1,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        **_distribution(plan, processes),
    )


def _distribution(plan: TrainingPlan, processes: Processes) -> dict[str, Any]:
    """One process is none of Slurm's business; several are torchrun's."""
    if processes.num == 1:
        return {"devices": 1, "plugins": [LightningEnvironment()]}
    strategy: Strategy = DDPStrategy(gradient_as_bucket_view=True)  # else held twice
    if processes.mesh is not None:
        strategy = ModelParallelStrategy(plan.layout.data_parallel, plan.layout.tensor_parallel)
    return {
        "devices": num_local(),
        "num_nodes": processes.num // num_local(),
        "strategy": strategy,
        "plugins": [TorchElasticEnvironment()],
    }


def probe_step_seconds(
    plan: TrainingPlan, objective: Objective, processes: Processes = ALONE
) -> list[float]:
    """Seconds of single steps of this plan, on weights that are thrown away."""
    timer = _StepTimer()
    before = objective.state_dict()
    state = make_state(plan.model_copy(update={"start_from": ""}), processes)
    batches = StepBatches(objective, state, min(NUM_PROBE_STEPS, plan.num_steps))
    make_trainer(plan, timer, processes).fit(TrainingModule(state, objective), batches)
    objective.load_state_dict(before)
    del state, batches
    gc.collect()  # or the probe's model would stay beside the real one
    return timer.seconds[NUM_WARMUP_STEPS:] or timer.seconds


class _StepTimer(lightning.Callback):
    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._last = 0.0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._last = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = time.perf_counter()
        self.seconds.append(now - self._last)
        self._last = now
