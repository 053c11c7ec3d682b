"""The two ends of a finished run: what follows from its plan, and what it took."""

from __future__ import annotations

from typing import Any

from labkit.core import provenance
from labkit.core.records.run import RunRecord
from labkit.plan.plan import TrainingPlan
from labkit.training.checkpoints.state import RunState
from labkit.training.recording import predictions
from labkit.training.recording.recorder import Clock
from labkit.training.state import TrainingState


def result(
    plan: TrainingPlan,
    record: RunRecord,
    state: TrainingState,
    run: RunState,
    hashes: dict[str, str],
) -> dict[str, Any]:
    """No times and no machine: the same bytes wherever the plan runs. `hashes`: of its state.

    `diverged_at` is the step at which the loss went where it still was at the end, or None.
    """
    last, step = record.last_row("evaluation"), record.last_row("step")
    assert last
    assert step
    return {
        "plan_hash": plan.lasting.hash,
        "inputs": plan.inputs(),
        "leak_check": record.read("leak_check"),
        "parameters": sum(parameter.numel() for parameter in state.model.parameters()),
        "steps": state.step,
        "tokens": state.step * plan.tokens_per_step,
        "dropped_steps": state.guard.num_dropped,
        "diverged_at": run.watch.diverged_at,
        "skipped_batches": run.skipped,
        "final_training_loss": step["loss"],
        "validation": {k: v for k, v in last.items() if k not in ("kind", "seconds", "took")},
        "state": hashes,
    }


def timing(
    plan: TrainingPlan, record: RunRecord, clock: Clock, memory_before: int, device_name: str
) -> dict[str, Any]:
    """Seconds, memory and money, and how the predictions did."""
    seconds, of_steps = clock.elapsed, clock.of_steps
    num_steps = record.num_steps()  # fewer where another run's checkpoint was the start
    tokens = num_steps * plan.tokens_per_step
    is_whole = num_steps == plan.num_steps
    price = plan.budget.usd_per_hour
    predicted = record.read("predictions")
    measured = {
        "parameters": record.read("result")["parameters"],
        "seconds_of_steps": of_steps if is_whole else None,
        "memory_bytes": predictions.peak_memory_bytes(plan.compute.device) - memory_before,
        "usd": seconds / 3600 * price if price and is_whole else None,
    }
    return {
        "seconds": seconds,
        "seconds_of_evaluations_and_checkpoints": seconds - of_steps,
        "tokens_per_s": tokens / of_steps,
        "mfu": predictions.utilization(
            predicted, tokens, tokens / of_steps / plan.layout.num_processes
        ),
        "starts": sum(row["text"].startswith("start") for row in record.each_row("event")),
        **measured,
        "scores": predictions.score(predicted, measured),
        "device": _devices(plan, device_name),
        "versions": provenance.versions("torch", "lightning", "numpy"),
        "commit": provenance.commit(),
    }


def _devices(plan: TrainingPlan, gpu_name: str) -> str:
    count = plan.compute.num_threads or 1
    one = gpu_name or f"{count} CPU thread{'s' if count > 1 else ''}"
    num = plan.layout.num_processes
    return one if num == 1 else f"{num} processes of {one}"
