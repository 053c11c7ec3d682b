"""The questions of notebook 60, each answered by one table, figure or sentence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from labkit.comparison.run_comparison import Group, RunComparison, plan_of, scores
from labkit.comparison.runs.view import RunView
from labkit.core.display import Html, paragraphs
from labkit.cost.spending import spending
from labkit.statistics.verdict import shown_p

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


def verdict_rows(comparison: RunComparison) -> list[Row]:
    """Every group against the baseline, with what the verdict rests on or why there is none."""
    return [_verdict_row(comparison, group) for group in [comparison.baseline, *comparison.others]]


def _verdict_row(comparison: RunComparison, group: Group) -> Row:
    verdict = comparison.verdicts.get(group.name)
    found = scores(group)
    plan = plan_of(group.runs[0])
    spent = spending(plan) if plan else None
    return {
        "group": group.name,
        "verdict": verdict.word if verdict else "the baseline",
        "equal in": ", ".join(comparison.equal_in(group)),
        "because": verdict.reason if verdict else "",
        "bits per byte": _rounded(np.mean(found.finite) if found.finite else None),
        "difference": "{:+.4f} ({:+.4f} to {:+.4f})".format(*verdict.effect)
        if verdict and verdict.effect
        else "",
        "could have seen": _rounded(verdict.smallest_detectable if verdict else None),
        "seeds": len(found.bits_per_byte),
        "each seed": " ".join(f"{one:.4f}" for one in found.bits_per_byte),
        "diverged": found.num_diverged,
        "FLOPs": f"{spent.flops:.3g}" if spent else "unknown",
        "tokens": spent.tokens if spent else "unknown",
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


def curves(comparison: RunComparison, metric: str) -> list[dict[str, Any]]:
    """Name, tokens and values of each group whose plan is known, at the steps that all its runs
    with the metric have.
    """
    found = []
    for group in comparison.groups:
        logged = [
            {row["step"]: row[metric] for row in run.history if _is_number(row.get(metric))}
            for run in group.runs
        ]
        rows, plan = [one for one in logged if one], plan_of(group.runs[0])
        if not rows or plan is None:  # without a plan steps are of no known size
            continue
        steps = sorted(set.intersection(*map(set, rows)))
        values = np.array([[one[step] for step in steps] for one in rows])
        tokens = [step * plan.tokens_per_step for step in steps]
        if steps:
            found.append({"name": group.name, "tokens": tokens, "values": values})
    return found


def metrics(comparison: RunComparison) -> list[str]:
    """What the runs logged, as numbers; what validation says first."""
    names = {
        name
        for view in comparison.views
        for row in view.history
        for name, value in row.items()
        if isinstance(value, float)
    }
    return sorted(names, key=lambda name: (name.partition("/")[0] != "validation", name))


def sample_pairs(comparison: RunComparison) -> list[tuple[str, str]]:
    """(group, text) of each group's first run that has one."""
    found = []
    for group in comparison.groups:
        texts = [text for run in group.runs for text in run.samples[:1]]
        found += [(group.name, text) for text in texts[:1]]
    return found


def comparison_sentences(comparison: RunComparison) -> Html:
    """What was found, and what it holds for."""
    judged = {
        name: one for name, one in comparison.verdicts.items() if one.word != "not comparable"
    }
    lines = []
    for word in ("better", "worse", "equivalent", "inconclusive"):
        names = [
            f"{group.name} ({_effect(judged[group.name], comparison.equal_in(group))})"
            for group in comparison.others
            if group.name in judged and judged[group.name].word == word
        ]
        if names:
            lines.append(f"{word}: {', '.join(names)}")
    left = len(comparison.verdicts) - len(judged)
    text = "; ".join(lines) or "No group could be judged"
    return paragraphs(
        [
            f"Against {comparison.baseline.name}, {text}. {left} of "
            f"{len(comparison.verdicts)} groups are not comparable, each for the reason beside it.",
            "Learning rates are as they were found: where they were not tuned alike, a difference "
            "may be theirs. It holds for these runs' sizes, budgets and text alone.",
        ]
    )


def _effect(verdict: Any, equal_in: list[str]) -> str:
    size = f"{verdict.effect[0]:+.3f} bits per byte at equal {' and '.join(equal_in)}"
    return f"{size}, {shown_p(verdict.p_holm)}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _cost(run: RunView) -> Row:
    timing = run.timing or {}
    predicted = (timing.get("scores") or {}).get("seconds_of_steps", {})
    return {
        "seconds of steps": _rounded(timing.get("seconds_of_steps"), 1),
        "of predicted": _rounded(predicted.get("measured_to_predicted"), 2),
        "USD": _rounded(timing.get("usd"), 4),
    }


def _rounded(value: Any, digits: int = 4) -> float | None:
    return None if value is None else round(float(value), digits)
