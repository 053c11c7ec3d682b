"""The questions of notebook 50, each answered by one table made from the records."""

from __future__ import annotations

from typing import Any

from labkit.core.config import leaves
from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord
from labkit.cost.parameters import count_parameters
from labkit.model.transformer import Transformer
from labkit.questions.training.question import TwoRecipes
from labkit.training.launch import Run
from labkit.training.optimizers.groups import group_rows, parameter_groups

Row = dict[str, Any]
UNITS = {
    "parameters": "",
    "seconds_of_steps": "s",
    "memory_bytes": "bytes",
    "usd": "USD",
}


def plan_rows(question: TwoRecipes) -> list[Row]:
    """The fields in which the two plans differ, and their sizes."""
    plans = question.plans
    flat = {recipe: leaves(plan) for recipe, plan in plans.items()}
    first, *_ = flat.values()
    differing = [name for name in first if len({str(one[name]) for one in flat.values()}) > 1]
    rows: list[Row] = [
        {"field": name} | {recipe: one[name] for recipe, one in flat.items()}
        for name in differing
        if not name.endswith((".preset", "name"))
    ]
    sizes = {recipe: count_parameters(plan.model) for recipe, plan in plans.items()}
    return [{"field": "parameters", **sizes}, *rows]


def group_table_rows(question: TwoRecipes) -> list[Row]:
    """Which parameters decay, by which rule each is moved."""
    import torch

    rows: list[Row] = []
    for recipe, plan in question.plans.items():
        with torch.device("meta"):
            model = Transformer(plan.model)
        groups = parameter_groups(model, plan.optimizer)
        rows += [{"recipe": recipe, **row} for row in group_rows(groups)]
    return rows


def result_rows(runs: dict[str, Run]) -> list[Row]:
    """What came out, with the interval over windows and what it took."""
    rows: list[Row] = []
    for recipe, run in runs.items():
        result, timing = finished(run.record)
        found = result["validation"]
        rows.append(
            {
                "recipe": recipe,
                "bits per byte": found["bits_per_byte"],
                "nats per token": round(found["loss"], 4),
                "95% over windows": f"{found['low']:.4f} to {found['high']:.4f}",
                "windows": found["num_windows"],
                "tokens": result["tokens"],
                "seconds of steps": round(timing["seconds_of_steps"], 1),
                "tokens/s": round(timing["tokens_per_s"]),
                "seed": run.plan.seed,
            }
        )
    return rows


def score_rows(runs: dict[str, Run]) -> list[Row]:
    """Predicted before the first step, measured after the last."""
    return [
        {
            "recipe": recipe,
            "quantity": name.replace("_", " ").removesuffix(" bytes"),
            "predicted": score["predicted"],
            "measured": score["measured"],
            "unit": UNITS[name],
            "measured / predicted": round(score["measured_to_predicted"], 3),
        }
        for recipe, run in runs.items()
        for name, score in finished(run.record)[1]["scores"].items()
    ]


def sample_pairs(runs: dict[str, Run]) -> list[tuple[str, str]]:
    """(label, text) of what the trained models write after an end of text."""
    return [
        (f"{recipe}, sample {number}", text)
        for recipe, run in runs.items()
        for number, text in enumerate(finished(run.record)[0]["validation"]["samples"], start=1)
    ]


def finished(record: RunRecord) -> tuple[dict[str, Any], dict[str, Any]]:
    """(result, timing).

    Raises:
        LabError: the run hasn't come to its end.
    """
    result, timing = record.read("result"), record.read("timing")
    if result is None or timing is None:
        state = record.status().state
        raise LabError(
            f"run {record.run_id} has no result yet ({state}); "
            f"lab.attach({record.run_id!r}).resume() goes on with it"
        )
    return result, timing
