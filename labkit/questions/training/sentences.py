"""What notebook 50 found, one sentence for each of its sections."""

from __future__ import annotations

from labkit.core.display import Html, paragraph
from labkit.questions.training.tables import finished
from labkit.training.launch import Run


def recipe_sentences(runs: dict[str, Run]) -> dict[str, Html]:
    """What was found, one sentence for each section of notebook 50."""
    results = {recipe: finished(run.record) for recipe, run in runs.items()}
    (first, (one, _)), (second, (other, _)) = results.items()
    nats = [result["validation"]["loss"] for result in (one, other)]
    better, worse = (first, second) if nats[0] < nats[1] else (second, first)
    seconds = {
        recipe: timing["scores"]["seconds_of_steps"] for recipe, (_, timing) in results.items()
    }
    off = ", ".join(
        f"{recipe} {score['measured_to_predicted']:.2f}" for recipe, score in seconds.items()
    )
    dropped = sum(result["dropped_steps"] for result, _ in results.values())
    texts = {
        "result": (
            f"After {one['tokens']:,} tokens each, {better} is {abs(nats[0] - nats[1]):.3f} nats "
            f"per token below {worse} on the same {one['validation']['num_windows']} windows. "
            f"Inconclusive as to the recipes: one seed each says nothing of the next, and they are "
            f"equal in tokens, not in parameters ({one['parameters']:,} and "
            f"{other['parameters']:,}) or time."
        ),
        "predictions": (
            f"The steps took, times the 20-step probe's prediction: {off}. {dropped} steps were "
            f"dropped for NaN or infinite values. Measured memory holds the libraries' workspace "
            f"too, which the closed form leaves out; under a small model it is most of it."
        ),
        "tracking": _tracking(runs),
    }
    return {section: paragraph(text) for section, text in texts.items()}


def _tracking(runs: dict[str, Run]) -> str:
    lines = [
        line
        for run in runs.values()
        for line in run.last_output().splitlines()
        if line.startswith("W&B")
    ]
    return " · ".join(lines) or "W&B tracking was off."
