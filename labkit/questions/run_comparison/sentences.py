"""What notebook 60 found, in sentences made from its verdicts."""

from __future__ import annotations

from typing import Any

from labkit.comparison.run_comparison import RunComparison
from labkit.core.display import Html, paragraphs
from labkit.questions.run_comparison.tables import leak_checks
from labkit.statistics.verdict import shown_p


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
            *leak_checks([run for group in comparison.groups for run in group.runs]),
            "Learning rates are as they were found: where they were not tuned alike, a difference "
            "may be theirs. It holds for these runs' sizes, budgets and text alone.",
        ]
    )


def _effect(verdict: Any, equal_in: list[str]) -> str:
    estimate, low, high = verdict.effect_holm
    size = f"{estimate:+.3f} bits per byte at equal {' and '.join(equal_in)}"
    caution = f"; {verdict.caution}" if verdict.caution else ""
    return f"{size}, {low:+.3f} to {high:+.3f} and {shown_p(verdict.p_holm)} after Holm{caution}"
