"""What notebook 70 hands on: which model, and whether that is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labkit.core.records.decision import NOTEBOOKS, Decision, record_decision
from labkit.questions.evaluation import tables
from labkit.questions.evaluation.question import Evaluation

NOTEBOOK = NOTEBOOKS["70"]


def record_evaluation(question: Evaluation) -> Path:
    """Write the decision and its `result.json`."""
    choice, reason = chosen(question)
    accuracies = tables.accuracies(question)
    decision = Decision(
        notebook=NOTEBOOK,
        question="Which of these models answers better, and is it shown?",
        choice=f"{choice}: {reason}",
        corpus_hash=question.corpus_hash,
        reads=question.reads,
        alternatives=[name for name in question.models if name != choice],
        evidence={
            "words": {
                f"{model}, {task}": one.word if one else "not scored"
                for (model, task), one in accuracies.items()
            },
        },
        scope=f"tasks {question.config.tasks}, by likelihood {question.config.rule}; "
        "no answer was generated",
    )
    result: dict[str, Any] = {
        "config": question.config.model_dump(mode="json"),
        "tasks": {task.name: task.hash for task in question.tasks.values()},
        "scores": [
            {"model": model, "task": task, **(one._asdict() if one else {"word": "not scored"})}
            for (model, task), one in accuracies.items()
        ],
        "compared": tables.paired_rows(question),
        "swapped": tables.swapped_rows(question),
        "seen": tables.seen_rows(question),
        "bits_per_byte": {
            name: list(one.bits_per_byte) for name, one in question.text_scores.items()
        },
    }
    return record_decision(decision, question.config, result)


def chosen(question: Evaluation) -> tuple[str, str]:
    """The first model, unless another is shown to be better on more tasks than it is worse on."""
    first, *others = question.models
    best, margin, reason = first, 0, "no other is shown to be better"
    for other in others:
        words = [one.word for one in question.comparisons[other]]
        won, lost = words.count("worse"), words.count("better")  # the words are the first model's
        if won - lost > margin:
            best, margin = other, won - lost
            reason = f"shown to be better than {first} on {won} of {len(words)} tasks"
        elif best == first and lost > won:
            reason = f"shown to be better than {other} on {lost} of {len(words)} tasks"
    return best, reason
