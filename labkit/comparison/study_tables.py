"""A study's outcome as a table and sentences. What lacks its evidence is not shown at all."""

from __future__ import annotations

import math
import re
from statistics import median
from typing import Any

from labkit.comparison.study import BASELINE, Study, read_study
from labkit.core.display import Html, paragraph, paragraphs
from labkit.core.errors import LabError
from labkit.cost.spending import spending
from labkit.statistics.verdict import shown_p

Row = dict[str, Any]
EVIDENCE = {
    "bits_per_byte": "a score of each seed",
    "rates_tried": "the learning rates that were tried",
    "flops": "compute",
    "tokens": "tokens",
    "to_baseline": "what the arms are equal in",
}
EVIDENCE_OF_A_VERDICT = {
    "effect": "its interval",
    "p_holm": "its p-value after Holm",
    "smallest_detectable": "the smallest difference it could have seen",
}


def verdict_rows(result: dict[str, Any], timing: dict[str, Any]) -> list[Row]:
    """One row per arm in declared order.

    Raises:
        LabError: a row without its number of seeds, interval, rates or compute.
    """
    study = read_study(result["study"])
    return [_row(arm, study, timing) for arm in result["arms"]]


def _row(arm: dict[str, Any], study: Study, timing: dict[str, Any]) -> Row:
    _check(arm)
    scores = [one for one in arm["bits_per_byte"] if one is not None]
    verdict = arm["verdict"] or {}
    tried = list(arm["rates_tried"])
    edge = ", at the edge" if arm["is_at_edge"] else ""
    return {
        "arm": arm["name"] + (" (control)" if arm["is_control"] else ""),
        "changed": _listed(arm["changes"]),
        "verdict": verdict.get("word", "the baseline"),
        "bits per byte": _shown(sum(scores) / len(scores) if scores else None),
        "difference": _interval(verdict.get("effect")),
        "difference (Holm)": _interval(verdict.get("effect_holm")),
        "p (Holm)": shown_p(verdict.get("p_holm")).removeprefix("p = ").removeprefix("p "),
        "could have seen": _shown(verdict.get("smallest_detectable")),
        "seeds": len(arm["bits_per_byte"]),
        "each seed": " ".join(_shown(one) for one in arm["bits_per_byte"]),
        "diverged": arm["num_diverged"],
        "rate x": f"{arm['rate_factor']:g} of {', '.join(tried) or 'one'}{edge}",
        "d_ff": arm["d_ff"],
        "parameters": arm["parameters"],
        "of them embeddings": arm["embedding_parameters"],
        "FLOPs": f"{arm['flops']:.3g} ({arm['to_baseline']['flops']:.3f}x)",
        "tokens": arm["tokens"],
        "seconds of a run": _mean(timing["seconds_of_steps"].get(arm["name"], [])),
    }


def _check(arm: dict[str, Any]) -> None:
    lacking = [what for name, what in EVIDENCE.items() if arm.get(name) is None]
    verdict = arm.get("verdict")
    if arm["name"] != BASELINE and (verdict is None or "word" not in verdict):
        lacking.append("its verdict")
    elif verdict and verdict["word"] != "not comparable":
        lacking += [w for name, w in EVIDENCE_OF_A_VERDICT.items() if verdict.get(name) is None]
    if lacking:
        raise LabError(
            f"no table of {arm['name']!r} without {', '.join(lacking)}; run the study again"
        )


def scope(result: dict[str, Any]) -> str:
    """What the verdicts hold for, and what is known of validation text in the training text."""
    study = read_study(result["study"])
    model, plan = study.plan.model, study.plan
    return (
        f"Holds for {_without_hashes(study, result)}: {model.num_layers} layers of "
        f"{model.d_model}, {plan.num_steps:,} steps of {plan.tokens_per_step:,} tokens, equal "
        f"{study.equal}, {len(study.seeds)} seeds, rates {_listed_factors(study)}, initialisation "
        f"{model.initialization}. Of larger models it says nothing. "
        f"{', '.join(result.get('leak_checks', ['leak check: none known']))}."
    )


def _without_hashes(study: Study, result: dict[str, Any]) -> str:
    return re.sub(r"-[0-9a-f]{16}", "", study.about or ", ".join(result["inputs"]))


def sentence(arm: dict[str, Any], margin: float) -> str:
    """What was found of one arm."""
    verdict = arm["verdict"]
    if verdict["word"] == "not comparable":
        return f"{arm['name']} cannot be judged: {verdict['reason']}."
    estimate, low, high = verdict["effect"]
    size = f"{estimate:+.3f} bits per byte (95% interval {low:+.3f} to {high:+.3f}"
    if holm := verdict.get("effect_holm"):  # else an older version judged it
        size += f", after Holm {holm[1]:+.3f} to {holm[2]:+.3f}"
    seeds = f"{len(arm['bits_per_byte'])} seeds, {shown_p(verdict['p_holm'])} after Holm)"
    found = {
        "better": "is better than the baseline",
        "worse": "is worse than the baseline",
        "equivalent": f"is equivalent to the baseline within {margin:g}",
        "inconclusive": "is not told apart from the baseline",
    }[verdict["word"]]
    unseen = ""
    if verdict["word"] == "inconclusive":
        seen = verdict["smallest_detectable"]
        unseen = f"; a difference of {seen:.3f} would have been seen with chance 80%"
    caution = f"; {verdict['caution']}" if verdict.get("caution") else ""
    return f"{arm['name']} {found}: {size}, {seeds}{unseen}{caution}."


def arm_rows(study: Study) -> list[Row]:
    """What each arm changes and spends, before anything has run."""
    first = spending(study.arm_plan(study.baseline))
    rows: list[Row] = []
    for arm in study.all_arms:
        plan = study.arm_plan(arm)
        spent = spending(plan)
        rows.append(
            {
                "arm": arm.name + (" (control)" if arm.is_control else ""),
                "changed": _listed(arm.changes),
                "d_ff": plan.model.d_ff,
                "parameters": spent.parameters,
                "of them embeddings": spent.embedding_parameters,
                "FLOPs": f"{spent.flops:.3g} ({spent.flops / first.flops:.3f}x)",
                "tokens": spent.tokens,
                "runs to tune": 0 if arm.is_control else study.num_tuning_runs,
                "runs": len(study.seeds_of(arm)),
            }
        )
    return rows


def effects(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Name, word, interval (after Holm) and seeds of each arm that was judged, against the
    baseline's mean.
    """
    scores = result["arms"][0]["bits_per_byte"]
    found = []
    for arm in result["arms"][1:]:
        verdict = arm["verdict"]
        if verdict["effect"] is not None:
            estimate, low, high = verdict.get("effect_holm") or verdict["effect"]
            mean = sum(scores) / len(scores)
            found.append(
                {
                    "name": arm["name"],
                    "word": verdict["word"],
                    "estimate": estimate,
                    "low": low,
                    "high": high,
                    "seeds": [one - mean for one in arm["bits_per_byte"]],
                }
            )
    return found


def study_sentences(result: dict[str, Any], timing: dict[str, Any]) -> dict[str, Html]:
    """What was found, for each section of notebook 30."""
    margin = result["study"]["margin"]
    arms = [sentence(arm, margin) for arm in result["arms"][1:] if not arm["is_control"]]
    controls = [sentence(arm, margin) for arm in result["arms"] if arm["is_control"]]
    return {
        "result": paragraphs([*arms, scope(result)]),
        "controls": paragraphs(controls),
        "predictions": paragraph(_predictions(timing)),
    }


def _predictions(timing: dict[str, Any]) -> str:
    predicted, measured = timing["predicted_seconds_of_steps"], timing["seconds_of_steps"]
    ratios = [
        sum(measured[arm]) / len(measured[arm]) / predicted[arm]
        for arm in predicted
        if measured.get(arm)
    ]
    if not ratios:
        return "No run came to its end, so that nothing can be scored."
    return (
        f"A run's steps took {min(ratios):.2f} to {max(ratios):.2f} times what 20 steps of its arm "
        f"had predicted (median {median(ratios):.2f})."
    )


def _listed(changes: dict[str, Any]) -> str:
    return ", ".join(f"{name.partition('.')[2]}={value}" for name, value in changes.items())


def _listed_factors(study: Study) -> str:
    factors = " ".join(f"{one:g}" for one in study.rate_factors)
    if not study.num_tuning_runs:
        return f"x {factors}, not tuned"
    return f"x {factors} on {len(study.tuning_seeds)} further seeds"


def _interval(effect: list[float] | None) -> str:
    if effect is None:
        return ""
    estimate, low, high = effect
    return f"{estimate:+.4f} ({low:+.4f} to {high:+.4f})"


def _shown(value: float | None, form: str = "{:.4f}") -> str:
    return "" if value is None or not math.isfinite(value) else form.format(value)


def _mean(values: list[float]) -> float | None:
    return round(sum(values) / len(values), 1) if values else None
