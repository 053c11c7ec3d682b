"""The questions of notebook 70, each answered by one table; no score stands without chance."""

from __future__ import annotations

from typing import Any

from labkit.evaluation.accuracy import Accuracy, measure_accuracy
from labkit.evaluation.rules import RULES, is_right
from labkit.evaluation.scoring import ItemScore
from labkit.questions.evaluation.question import Evaluation
from labkit.statistics.bootstrap import Interval
from labkit.statistics.paired import compare_paired

Row = dict[str, Any]


def task_rows(question: Evaluation) -> list[Row]:
    """What is asked: how many questions, of which text, and what was refused."""
    return [
        {
            "task": task.name,
            "questions": len(task.items),
            "from": task.source,
            "licence": task.licence,
            "hash": task.hash,
            "refused": "; ".join(f"{count} {reason}" for reason, count in task.refused.items()),
        }
        for task in question.tasks.values()
    ]


def score_rows(question: Evaluation, rule: str | None = None) -> list[Row]:
    """Each model on each task by one rule, beside chance."""
    return [
        {"task": task, "model": model, **accuracy_row(scores, rule or question.config.rule)}
        for task in question.tasks
        for model, by_task in question.scores.items()
        for scores in [by_task[task]]
    ]


def accuracy_row(scores: list[ItemScore], rule: str) -> Row:
    found = measure_accuracy(scores, rule)
    if found is None:
        return {"right": "", "word": "not scored", "not scored": len(scores), "rule": rule}
    return {
        "right": shown(found.accuracy),
        "chance": f"{found.chance:.1%}",
        "word": found.word,
        "same place": f"{found.majority:.1%}",
        "longest": f"{found.longest:.1%}",
        "questions": found.num_items,
        "not scored": found.num_unscored,
        "rule": rule,
    }


def rule_rows(question: Evaluation) -> list[Row]:
    """The first model by every rule: a word that depends on the rule is a weak one."""
    first, *_ = question.scores
    rows = []
    for task, scores in question.scores[first].items():
        row: Row = {"task": task}
        for rule in RULES:
            found = measure_accuracy(scores, rule)
            row[rule] = f"{found.accuracy.estimate:.1%}, {found.word}" if found else "not scored"
        rows.append(row)
    return rows


def paired_rows(question: Evaluation) -> list[Row]:
    """The first model against each other one, on the same questions."""
    first, *_ = question.models
    return [
        {
            "task": one.task,
            "model": f"{first} against {other}",
            "difference": shown(one.paired.effect, "+"),
            "word": one.word,
            "p (Holm)": round(one.p_holm, 4),
            "every rule agrees": one.is_robust,
            "could have seen": f"{one.paired.smallest_detectable:.1%}",
            "questions needed": one.paired.items_needed,
            "interval to unpaired": round(one.paired.width_to_unpaired, 2),
        }
        for other, found in question.comparisons.items()
        for one in found
    ]


def swapped_rows(question: Evaluation) -> list[Row]:
    """What is left of the accuracy where each question stands after another one's stem."""
    rows = []
    for model, by_task in question.scores.items():
        for task, scores in by_task.items():
            swapped = question.swapped_scores[model][task]
            found = _drop(scores, swapped, question.config.rule)
            if found is not None:
                rows.append({"task": task, "model": model, **found})
    return rows


def seen_rows(question: Evaluation) -> list[Row]:
    """How many questions the training text holds; those planted from it must all be found."""
    planted, found = question.planted
    sets = {f"{planted.name}, planted from training text": found, **question.seen}
    return [
        {
            "task": task,
            "questions": len(answers),
            "seen": sum(one is True for one in answers),
            "not seen": sum(one is False for one in answers),
            "too short to look for": sum(one is None for one in answers),
        }
        for task, answers in sets.items()
    ]


def text_rows(question: Evaluation) -> list[Row]:
    """Bits per byte of held-out documents, and the perplexities that go by other units."""
    return [
        {
            "model": model,
            "bits per byte": "{:.4f} ({:.4f} to {:.4f})".format(*one.bits_per_byte),
            "perplexity per token": round(one.perplexity_per_token, 3),
            "per character": round(one.perplexity_per_character, 4),
            "per byte": round(one.perplexity_per_byte, 4),
            "documents": one.num_documents,
            "bytes": one.num_bytes,
            "interval": "too narrow: few or unequal documents" if one.is_too_narrow else "",
        }
        for model, one in question.text_scores.items()
    ]


def accuracies(question: Evaluation) -> dict[tuple[str, str], Accuracy | None]:
    """(model, task) -> accuracy by the config's rule."""
    return {
        (model, task): measure_accuracy(scores, question.config.rule)
        for model, by_task in question.scores.items()
        for task, scores in by_task.items()
    }


def shown(interval: Interval, sign: str = "") -> str:
    """
    >>> shown(Interval(0.5, 0.4, 0.6))
    '50.0% (40.0 to 60.0)'
    """
    estimate, low, high = (100 * one for one in interval)
    return f"{estimate:{sign}.1f}% ({low:{sign}.1f} to {high:{sign}.1f})"


def _drop(scores: list[ItemScore], swapped: list[ItemScore], rule: str) -> Row | None:
    """Paired by question: the choices stay, so that only the stem differs."""
    pairs = [
        (float(a), float(b), score.item.group)
        for score, other in zip(scores, swapped, strict=True)
        for a, b in [(is_right(score, rule), is_right(other, rule))]
        if a is not None and b is not None
    ]
    if len(pairs) < 2:
        return None
    right, without, groups = zip(*pairs, strict=True)
    many = len(set(groups)) > 1
    paired = compare_paired(right, without, groups if many else None)
    return {
        "with its stem": f"{sum(right) / len(right):.1%}",
        "with another's": f"{sum(without) / len(without):.1%}",
        "difference": shown(paired.effect, "+"),
        "reads the stem": "yes"
        if paired.p_value <= 0.05 and paired.effect.estimate > 0
        else "not shown",
    }
