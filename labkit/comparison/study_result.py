"""What a study came to: scores and spending of each arm, and the verdicts on them.

`result.json` follows from the study and its data: no times. What each arm took stands in
`timing.json`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from labkit.comparison.study import BASELINE, Arm, Study, extension
from labkit.comparison.study_record import StudyRecord
from labkit.core import artifacts, disk, provenance
from labkit.core.records.run import RunRecord, runs_folder
from labkit.cost.spending import Spending, spending
from labkit.plan.plan import TrainingPlan
from labkit.statistics.verdict import Scores, Verdict, judge


class ArmRuns(NamedTuple):
    """`plan`: at the chosen factor; `tried`: factor -> mean bits per byte of the tuning seeds."""

    arm: Arm
    plan: TrainingPlan
    factor: float
    tried: dict[float, float]
    run_ids: list[str]


def write_verdict(record: StudyRecord, study: Study, arms: list[ArmRuns]) -> None:
    """`arms`: the baseline first."""
    scores = {runs.arm.name: _scores(runs) for runs in arms}
    verdicts: dict[str, Verdict] = {}
    for is_control in (False, True):
        names = [runs.arm.name for runs in arms[1:] if runs.arm.is_control == is_control]
        family = {name: scores[name] for name in names}
        verdicts |= judge(scores[BASELINE], family, alpha=study.alpha, margin=study.margin)
    first = spending(arms[0].plan)
    result = {
        "study": study.model_dump(mode="json"),
        "inputs": study.plan.inputs(),
        "leak_checks": sorted({_leak_check(run_id) for runs in arms for run_id in runs.run_ids}),
        "arms": [
            _arm(runs, first, scores[runs.arm.name], verdicts.get(runs.arm.name)) for runs in arms
        ],
    }
    inputs = {run_id: run_id for runs in arms for run_id in runs.run_ids}
    with artifacts.write_artifact(record.verdict, inputs=inputs) as temporary:
        disk.write_json(temporary / "result.json", result)
        disk.write_json(temporary / "timing.json", _timing(record, arms))


def _arm(
    runs: ArmRuns, baseline: Spending, scores: Scores, verdict: Verdict | None
) -> dict[str, Any]:
    spent = spending(runs.plan)
    at_edge = bool(runs.tried) and extension(tuple(runs.tried), runs.factor) is not None
    return {
        **runs.arm.model_dump(mode="json"),
        "d_ff": runs.plan.model.d_ff,
        **spent._asdict(),
        "to_baseline": {
            axis: getattr(spent, axis) / getattr(baseline, axis)
            for axis in ("flops", "parameters", "tokens")
        },
        "rate_factor": runs.factor,
        "rates_tried": {f"{one:g}": _finite(score) for one, score in runs.tried.items()},
        "is_at_edge": at_edge,
        "runs": runs.run_ids,
        "bits_per_byte": [_finite(one) for one in scores.bits_per_byte],
        "num_diverged": scores.num_diverged,
        "verdict": verdict._asdict() if verdict else None,
    }


def _leak_check(run_id: str) -> str:
    found = (RunRecord(runs_folder() / run_id).read("result") or {}).get("leak_check")
    return found or "leak check: none known"


def _scores(runs: ArmRuns) -> Scores:
    values, windows = [], []
    for run_id in runs.run_ids:
        record = RunRecord(runs_folder() / run_id)
        result = record.read("result") or {}
        found = result.get("validation", {})
        has_diverged = result.get("diverged_at") is not None
        values.append(math.nan if has_diverged else found.get("bits_per_byte") or math.nan)
        if found.get("loss"):
            read = record.read("windows")
            if read is not None:  # else an older version recorded it
                nats = np.array(read["nats_per_token"])
                windows.append(nats * found["bits_per_byte"] / found["loss"])
    return Scores(values, np.stack(windows) if len(windows) == len(values) else None)


def _timing(record: StudyRecord, arms: list[ArmRuns]) -> dict[str, Any]:
    """Of the runs on the study's seeds, those that tuned left out."""
    probed = (record.read("predictions") or {})["step_seconds"]
    return {
        "seconds_of_steps": {runs.arm.name: _seconds(runs) for runs in arms},
        "predicted_seconds_of_steps": {
            runs.arm.name: float(np.median(probed[runs.arm.name])) * runs.plan.num_steps
            for runs in arms
        },
        "versions": provenance.versions("torch", "lightning", "numpy"),
        "commit": provenance.commit(),
    }


def _seconds(runs: ArmRuns) -> list[float]:
    timings = [RunRecord(runs_folder() / run_id).read("timing") for run_id in runs.run_ids]
    return [timing["seconds_of_steps"] for timing in timings if timing]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
