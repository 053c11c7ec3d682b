"""What notebook 11 hands on: the curated text, with the figures of how it came to be."""

from __future__ import annotations

from pathlib import Path

from labkit.core import artifacts
from labkit.core.counted import counted
from labkit.core.records.decision import NOTEBOOKS, Decision, record_decision
from labkit.data.curation import Curation
from labkit.data.decided_corpora import decisions_behind
from labkit.data.rules.presets import PRESETS
from labkit.questions.curation.tables import funnel_rows, kept_rows, rule_rows

NOTEBOOK = NOTEBOOKS["11"]


def record_curation(curation: Curation) -> Path:
    """Write the decision and its `result.json`; returns the folder."""
    config, curated = curation.config, curation.curated
    read, kept = curated.result["read"], curated.result["kept"]
    content_hash = artifacts.read_manifest(curated.folder, verify=False).content_hash
    decision = Decision(
        notebook=NOTEBOOK,
        question="Which of this text should a model be trained on?",
        choice=f"{kept['documents']:,} of {counted(read['documents'], 'document')}, "
        f"{kept['bytes'] / 1e6:.2f} of {read['bytes'] / 1e6:.2f} MB of {curated.result['corpus']}",
        artifact=curated.folder.relative_to(artifacts.home()).as_posix(),
        artifact_hash=content_hash,
        corpus_hash=config.inputs()["corpus"],
        reads=decisions_behind(config.corpus),
        alternatives=[f"preset {name}" for name in PRESETS if name != config.preset],
        evidence={"read": read, "kept": kept, "rejected": curated.result["rejected"]},
        scope=f"steps {config.steps}; rules of {config.preset}; no model was trained on either "
        "side, so that this says what was cut and why, not that a model gets better by it",
    )
    result = {
        "config": config.model_dump(mode="json", exclude={"processes"}),
        "dataset": content_hash,
        "funnel": funnel_rows(curation),
        "rules": rule_rows(curation),
        "kept": kept_rows(curation),
    }
    return record_decision(decision, config, result)
