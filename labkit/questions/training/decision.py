"""What notebook 50 hands on: the trained model with fewer bits per byte, as a model folder."""

from __future__ import annotations

from pathlib import Path

from labkit.core import artifacts
from labkit.core.records.decision import NOTEBOOKS, Decision, record_decision
from labkit.questions.training.question import TwoRecipes
from labkit.questions.training.tables import finished
from labkit.training.checkpoints.kept import all_checkpoints
from labkit.training.checkpoints.resume_proof import ResumeProof
from labkit.training.export import export_model
from labkit.training.launch import Run

NOTEBOOK = NOTEBOOKS["50"]


def record_two_recipes(question: TwoRecipes, runs: dict[str, Run], proof: ResumeProof) -> Path:
    """Write the decision and its `result.json`."""
    results = {recipe: finished(run.record)[0] for recipe, run in runs.items()}
    chosen = min(results, key=lambda recipe: results[recipe]["validation"]["loss"])
    record = runs[chosen].record
    checkpoint = all_checkpoints(record.checkpoints)[0]
    model = export_model(checkpoint)  # there already, where the run ended in this version
    loss = results[chosen]["validation"]
    decision = Decision(
        notebook=NOTEBOOK,
        question="What does this text, through this tokenizer, train to in this budget?",
        choice=f"{chosen}: {loss['loss']:.4f} nats per token "
        f"({loss['low']:.4f} to {loss['high']:.4f}) after {results[chosen]['tokens']:,} tokens",
        artifact=model.relative_to(artifacts.home()).as_posix(),
        artifact_hash=artifacts.read_manifest(model).content_hash,
        corpus_hash=question.decision.corpus_hash,
        reads=question.reads,
        alternatives=[recipe for recipe in runs if recipe != chosen],
        evidence={
            "runs": {recipe: run.run_id for recipe, run in runs.items()},
            "checkpoint": checkpoint.relative_to(artifacts.home()).as_posix(),
            "resume": proof.sentence,
            "architecture": question.architecture.choice if question.architecture else "recipe",
            "leak_check": question.decision.evidence["leak_check"],
        },
        scope="one seed each: which model came out lower, not which recipe is better",
    )
    result = {
        "config": question.config.model_dump(mode="json"),
        "plans": {recipe: plan.model_dump(mode="json") for recipe, plan in question.plans.items()},
        "runs": results,
        "resume": proof._asdict(),
    }
    return record_decision(decision, question.config, result)
