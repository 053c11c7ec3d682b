"""Lightning's Trainer with nothing on it but what a run needs, and a probe of its speed."""

from __future__ import annotations

import gc
import time
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, Strategy

from labkit.model.initialization import initialize, starting_weights
from labkit.model.transformer import Transformer
from labkit.plan.plan import TrainingPlan
from labkit.training.batches import StepBatches, TrainingData
from labkit.training.module import TrainingModule
from labkit.training.sharding.apply_layout import shard
from labkit.training.sharding.pieces import fill
from labkit.training.sharding.processes import ALONE, Processes, local_rank, num_local

NUM_PROBE_STEPS = 20
NUM_WARMUP_STEPS = 3
ACCELERATORS = {"cpu": "cpu", "cuda": "gpu", "mps": "mps"}


def make_module(plan: TrainingPlan, processes: Processes = ALONE) -> TrainingModule:
    """The plan's model at its starting weights; torch's generator at the plan's seed.

    Where it is sharded, no process ever holds more than its share and one whole tensor.
    """
    if processes.mesh is None:
        model = Transformer(plan.model, kernel=plan.compute.attention)
        shard(model, plan, None)
        initialize(model.to(_device(plan)), plan.seed)
    else:
        model = _made_in_pieces(plan, processes)
    seed_randomness(plan.seed, processes)
    return TrainingModule(plan, model, processes)


def _made_in_pieces(plan: TrainingPlan, processes: Processes) -> Transformer:
    with torch.device("meta"):
        model = Transformer(plan.model, kernel=plan.compute.attention)
    shard(model, plan, processes.mesh)
    model.to_empty(device=_device(plan))
    if plan.model.tie_embeddings:
        model.head.weight = model.embedding.weight  # made anew, each for itself
    with torch.no_grad():
        for parameter, start in starting_weights(model, plan.seed):
            fill(parameter, start, processes)
    return model


def seed_randomness(seed: int, processes: Processes) -> None:
    """Dropout differs between data ranks; the first one has the plan's own seed."""
    torch.manual_seed(seed + 1_000_003 * processes.data_rank)


def make_trainer(
    plan: TrainingPlan,
    num_steps: int,
    callback: lightning.Callback,
    processes: Processes = ALONE,
) -> Any:
    """Its own logging, bars, checkpoints and samplers cost more than a step of a small model."""
    return lightning.Trainer(
        accelerator=ACCELERATORS[plan.compute.device],
        precision=_precision(plan, processes),  # pyright: ignore[reportArgumentType]
        max_steps=num_steps,
        accumulate_grad_batches=plan.num_micro_batches // plan.layout.data_parallel,
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


def _precision(plan: TrainingPlan, processes: Processes) -> str:
    """FSDP2 has a policy of its own: autocast would keep a copy of every weight it gathered."""
    if processes.mesh is not None:
        return "32-true"
    return {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}[plan.compute.precision]


def _device(plan: TrainingPlan) -> torch.device:
    if plan.compute.device == "cuda":
        return torch.device("cuda", local_rank())
    return torch.device(plan.compute.device)


def probe_step_seconds(
    plan: TrainingPlan, data: TrainingData, processes: Processes = ALONE
) -> list[float]:
    """Seconds of single steps of this plan, on weights that are thrown away."""
    timer = _StepTimer()
    steps = min(NUM_PROBE_STEPS, plan.num_steps)
    trainer = make_trainer(plan, steps, timer, processes)
    trainer.fit(make_module(plan, processes), StepBatches(data, 0, steps, processes))
    del trainer
    gc.collect()  # or the probe's model would stay beside the real one
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
