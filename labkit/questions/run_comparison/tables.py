"""The questions of notebook 60, each answered by one table."""

from __future__ import annotations

from typing import Any

import numpy as np

from labkit.comparison.run_comparison import Group, RunComparison, scores
from labkit.comparison.runs.budget import budget
from labkit.comparison.runs.view import RunView
from labkit.statistics.bootstrap import Interval

Row = dict[str, Any]


def run_rows(comparison: RunComparison) -> list[Row]:
    """Every run with its group: where it is recorded, how it ended, what it took."""
    return [
        {
            "group": group.name,
            "seed": run.config.get("seed"),
            "run": run.run_id,
            "from": run.source,
            "state": run.state,
            "bits per byte": _rounded(run.bits_per_byte),
            "tokens": run.summary.get("tokens"),
            "parameters": run.summary.get("parameters"),
            "dropped steps": run.summary.get("dropped_steps"),
            **_cost(run),
        }
        for group in comparison.groups
        for run in group.runs
    ]


def difference_rows(comparison: RunComparison) -> list[Row]:
    """The fields in which the groups differ, a column for each group."""
    return [
        {"field": name} | {group.name: group.config.get(name) for group in comparison.groups}
        for name in comparison.differing_fields()
    ]


def leak_checks(runs: list[RunView]) -> list[str]:
    """What the runs say of validation text in their training text, each line once."""
    return sorted({str(run.summary.get("leak_check") or "leak check: none known") for run in runs})


def verdict_rows(comparison: RunComparison) -> list[Row]:
    """Every group against the baseline, with what the verdict rests on or why there is none."""
    return [_verdict_row(comparison, group) for group in [comparison.baseline, *comparison.others]]


def _verdict_row(comparison: RunComparison, group: Group) -> Row:
    verdict = comparison.verdicts.get(group.name)
    found = scores(group)
    spent = [budget(run) for run in group.runs]
    return {
        "group": group.name,
        "verdict": verdict.word if verdict else "the baseline",
        "equal in": ", ".join(comparison.equal_in(group)),
        "leak check": ", ".join(leak_checks(group.runs)),
        "because": verdict.because if verdict else "",
        "bits per byte": _rounded(np.mean(found.finite) if found.finite else None),
        "difference": _interval(verdict.effect if verdict else None),
        "difference (Holm)": _interval(verdict.effect_holm if verdict else None),
        "could have seen": _rounded(verdict.smallest_detectable if verdict else None),
        "seeds": len(found.bits_per_byte),
        "each seed": " ".join(f"{one:.4f}" for one in found.bits_per_byte),
        "diverged": found.num_diverged,
        "FLOPs": _range([one.flops for one in spent], "{:.3g}"),
        "tokens": _range([one.tokens for one in spent], "{:,.0f}"),
        "rates": "as found",
    }


def score_rows(comparison: RunComparison) -> list[Row]:
    """What was predicted of each run that has a record of it, and what was measured."""
    return [
        {
            "group": group.name,
            "seed": run.config.get("seed"),
            "quantity": name.replace("_", " "),
            "predicted": score["predicted"],
            "measured": score["measured"],
            "measured / predicted": round(score["measured_to_predicted"], 3),
        }
        for group in comparison.groups
        for run in group.runs[:1]
        for name, score in ((run.timing or {}).get("scores") or {}).items()
    ]


def sample_pairs(comparison: RunComparison) -> list[tuple[str, str]]:
    """(group, text) of each group's first run that has one."""
    found = []
    for group in comparison.groups:
        texts = [text for run in group.runs for text in run.samples[:1]]
        found += [(group.name, text) for text in texts[:1]]
    return found


def _cost(run: RunView) -> Row:
    timing = run.timing or {}
    predicted = (timing.get("scores") or {}).get("seconds_of_steps", {})
    return {
        "seconds of steps": _rounded(timing.get("seconds_of_steps"), 1),
        "of predicted": _rounded(predicted.get("measured_to_predicted"), 2),
        "USD": _rounded(timing.get("usd"), 4),
    }


def _interval(effect: Interval | None) -> str:
    return "{:+.4f} ({:+.4f} to {:+.4f})".format(*effect) if effect else ""


def _range(spent: list[float | None], form: str) -> str:
    """What each run of a group spent, or the least and the most of them."""
    known = [one for one in spent if one is not None]
    if len(known) < len(spent):
        return "unknown"
    shown = dict.fromkeys(form.format(one) for one in (min(known), max(known)))
    return " to ".join(shown)


def _rounded(value: Any, digits: int = 4) -> float | None:
    return None if value is None else round(float(value), digits)
