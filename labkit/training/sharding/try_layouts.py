"""The first steps of one plan on two processes in each layout: what a process then holds of the
model, and whether the losses are those of one process.

Bytes are counted on the tensors of the processes at work, between two steps: activations and
gathered weights are gone. An AdamW state is 16 bytes per parameter in all.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from labkit.core import artifacts
from labkit.core.canonical_json import hash_json
from labkit.core.config import ConfigError
from labkit.core.display import Html, paragraph
from labkit.core.records.run import RunRecord
from labkit.plan.plan import TrainingPlan
from labkit.training.launch import Run, prepare, start

STEPS = 10
ON_TWO: dict[str, dict[str, Any]] = {
    "copies (DDP)": {"layout.data_parallel": 2, "layout.sharding": "none"},
    "shares (FSDP2, as ZeRO-3)": {"layout.data_parallel": 2},
    "cut matrices (tensor parallel)": {"layout.tensor_parallel": 2},
}
PARTS = ("weights", "gradients", "optimizer")
Row = dict[str, Any]


class Layouts(NamedTuple):
    """`runs`: layout -> its first steps; `refusals`: layout -> why this plan can't have it."""

    alone: Run
    runs: dict[str, Run]
    refusals: dict[str, str]


def try_layouts(alone: Run) -> Layouts:
    """On the plan of a run that one process has finished; about ten seconds a layout.

    Raises:
        LabError: a process failed; with the end of its output.
    """
    runs: dict[str, Run] = {}
    refusals: dict[str, str] = {}
    for name, layout in ON_TWO.items():
        try:
            plan = _on_two(alone.plan, layout)
        except ConfigError as error:
            refusals[name] = str(error)
            continue
        folder = artifacts.home() / "layouts" / hash_json([plan.model_dump(), plan.inputs()])
        runs[name] = prepare(plan, folder)
        if runs[name].status().step < min(STEPS, plan.num_steps):
            _take_first_steps(runs[name].record, alone)
            runs[name].wait()
    return Layouts(alone, runs, refusals)


def layout_rows(layouts: Layouts) -> list[Row]:
    whole = layouts.alone.record.read("processes")
    rows = [{"layout": "one process", **_held(whole, whole)}]
    for name in ON_TWO:
        if name in layouts.refusals:
            rows.append({"layout": name, "share of one process": layouts.refusals[name]})
            continue
        run = layouts.runs[name]
        found = _held(run.record.read("processes"), whole)
        rows.append(
            {
                "layout": name,
                **found,
                "losses differ by at most, nats": f"{_farthest(run, layouts):.1g}",
            }
        )
    return rows


def layout_sentence(layouts: Layouts) -> Html:
    """Made from the table."""
    plan = layouts.alone.plan
    largest = max((_farthest(run, layouts) for run in layouts.runs.values()), default=0.0)
    rounding = {
        "bf16": "In bf16 that is rounding: one process keeps the residual stream in fp32, FSDP2 "
        "does not; with compute.precision=fp32 it is below 0.00001",
        "fp32": "That is the order in which sums were taken",
    }[plan.compute.precision]
    return paragraph(
        f"Each layout read the same samples. Over the first {STEPS} steps its losses lie within "
        f"{largest:.2g} nats of one process. {rounding}."
    )


def _on_two(plan: TrainingPlan, layout: dict[str, Any]) -> TrainingPlan:
    threads = max((plan.compute.num_threads or 1) // 2, 1)
    return plan.with_overrides(
        {
            **layout,
            "compute.num_threads": threads,
            "tracking": "off",
            "evaluation.num_samples": 0,
            "checkpoints.keep": 1,
        }
    )


def _take_first_steps(record: RunRecord, alone: Run) -> None:
    """Without measuring the speed first: that costs more than these steps."""
    record.write("predictions", alone.record.read("predictions"))
    start(record, f"--until={STEPS}")


def _held(processes: list[dict[str, int]], whole: list[dict[str, int]]) -> Row:
    """Of the process that holds most."""
    most = max(processes, key=lambda one: sum(one.values()))
    share = sum(most.values()) / sum(whole[0].values())
    row: Row = {f"{part}, MB": round(most[part] / 1e6, 2) for part in PARTS}
    return row | {"share of one process": f"{share:.4f}"}


def _farthest(run: Run, layouts: Layouts) -> float:
    own, one = (each.record.rows("step")[:STEPS] for each in (run, layouts.alone))
    return max(abs(a["loss"] - b["loss"]) for a, b in zip(own, one, strict=True))
