"""What notebook 30 hands on: the changes that were shown to be better, often none.

At most one arm of each question, the one with the largest effect. That they add up was not tested.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labkit.comparison.study_record import StudyRecord
from labkit.comparison.study_tables import scope
from labkit.core import artifacts
from labkit.core.records.decision import NOTEBOOKS, Decision, record_decision
from labkit.questions.architecture.question import Architectures

NOTEBOOK = NOTEBOOKS["30"]


def record_architecture(question: Architectures, record: StudyRecord) -> Path:
    """Write the decision and its `result.json`."""
    result = record.result()
    chosen = better_arms(question, result)
    changes = {name: value for arm in chosen for name, value in arm["changes"].items()}
    recipe = question.config.recipe
    words = {arm["name"]: arm["verdict"]["word"] for arm in result["arms"] if arm["verdict"]}
    decision = Decision(
        notebook=NOTEBOOK,
        question="Which parts of the block does this text want, at equal FLOPs?",
        choice=f"{recipe} with {', '.join(arm['name'] for arm in chosen)}"
        if chosen
        else f"{recipe} as it is: nothing was shown to be better",
        artifact=record.verdict.relative_to(artifacts.home()).as_posix(),
        artifact_hash=artifacts.read_manifest(record.verdict).content_hash,
        corpus_hash=question.decision.corpus_hash,
        reads=question.reads,
        alternatives=[arm.name for arm in question.study.arms if not arm.is_control],
        evidence={
            "recipe": recipe,
            "changes": changes,
            "num_heads": question.study.plan.model.num_heads,
            "verdicts": words,
        },
        scope=f"{scope(result)} Learning rates are not handed on.",
    )
    return record_decision(decision, question.config, result)


def better_arms(question: Architectures, result: dict[str, Any]) -> list[dict[str, Any]]:
    """Of each question the arm with the largest effect among those judged better."""
    found = {arm["name"]: arm for arm in result["arms"]}
    chosen = []
    for arms in question.arms.values():
        better = [found[arm.name] for arm in arms if found[arm.name]["verdict"]["word"] == "better"]
        if better:
            chosen.append(min(better, key=lambda arm: arm["verdict"]["effect"][0]))
    return chosen
