"""The two ends of a finished run: what follows from its plan, and what it took."""

from __future__ import annotations

from typing import Any

from labkit.core import provenance
from labkit.core.records.run import RunRecord
from labkit.plan.plan import TrainingPlan
from labkit.training import predictions
from labkit.training.module import TrainingModule
from labkit.training.recorder import Clock
from labkit.training.state import RunState, gather_state, state_hashes


def result(
    plan: TrainingPlan, record: RunRecord, module: TrainingModule, run: RunState
) -> dict[str, Any]:
    """No times and no machine: the same bytes wherever the plan runs."""
    last = record.rows("evaluation")[-1]
    return {
        "plan_hash": plan.hash,
        "inputs": plan.inputs(),
        "parameters": sum(parameter.numel() for parameter in module.model.parameters()),
        "steps": module.facts.step,
        "tokens": module.facts.step * plan.tokens_per_step,
        "dropped_steps": module.guard.num_dropped,
        "final_training_loss": record.rows("step")[-1]["loss"],
        "validation": {k: v for k, v in last.items() if k not in ("kind", "seconds")},
        "state": state_hashes(gather_state(module, run, {})),
    }


def timing(
    plan: TrainingPlan, record: RunRecord, clock: Clock, memory_before: int, device_name: str
) -> dict[str, Any]:
    """Seconds, memory and money, and how the predictions did."""
    seconds, of_steps = clock.elapsed, clock.of_steps
    tokens = plan.num_steps * plan.tokens_per_step
    price = plan.budget.usd_per_hour
    predicted = record.read("predictions")
    measured = {
        "parameters": record.read("result")["parameters"],
        "seconds_of_steps": of_steps,
        "memory_bytes": predictions.peak_memory_bytes(plan.compute.device) - memory_before,
        "usd": seconds / 3600 * price if price else None,
    }
    return {
        "seconds": seconds,
        "seconds_of_evaluations_and_checkpoints": seconds - of_steps,
        "tokens_per_s": tokens / of_steps,
        "mfu": predictions.utilization(predicted, tokens, tokens / of_steps),
        "starts": sum(row["text"].startswith("start") for row in record.rows("event")),
        **measured,
        "scores": predictions.score(predicted, measured),
        "device": device_name or _threads(plan),
        "versions": provenance.versions("torch", "lightning", "numpy"),
        "commit": provenance.commit(),
    }


def _threads(plan: TrainingPlan) -> str:
    count = plan.compute.num_threads or 1
    return f"{count} CPU thread{'s' if count > 1 else ''}"
