"""What notebook 60 hands on: the verdicts, and the runs as tables for other programs.

runs.csv      a row per run: group, outcome, cost, every field of its config that differs
history.csv   a row per run and logged step
groups.csv    run and group, as Weights & Biases' "Group by" takes them
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from labkit.comparison.run_comparison import RunComparison
from labkit.core import artifacts
from labkit.core.canonical_json import hash_json
from labkit.core.records.decision import NOTEBOOKS, Decision, record_decision
from labkit.questions.run_comparison.tables import run_rows, verdict_rows

NOTEBOOK = NOTEBOOKS["60"]


def record_comparison(comparison: RunComparison) -> Path:
    """Export the tables, write the decision and its `result.json`."""
    config = comparison.config
    folder = export(comparison)
    verdicts = comparison.verdicts
    better = {name: one.effect for name, one in verdicts.items() if one.word == "better"}
    chosen = min(better, key=lambda name: better[name] or math.inf) if better else ""
    decision = Decision(
        notebook=NOTEBOOK,
        question="Which of these runs' configs is better, and do we know?",
        choice=f"{chosen} is better than {comparison.baseline.name}"
        if chosen
        else f"nothing is shown to be better than {comparison.baseline.name}",
        artifact=folder.relative_to(artifacts.home()).as_posix(),
        artifact_hash=artifacts.read_manifest(folder).content_hash,
        corpus_hash=config.corpus_hash(),
        reads=comparison.reads,
        alternatives=[group.name for group in comparison.groups],
        evidence={"verdicts": {name: one.word for name, one in verdicts.items()}},
        scope="these runs, with learning rates as they were found",
    )
    result = {
        "config": config.model_dump(mode="json"),
        "groups": {group.name: [run.run_id for run in group.runs] for group in comparison.groups},
        "differing_fields": comparison.differing_fields(),
        "verdicts": {name: one._asdict() for name, one in verdicts.items()},
    }
    return record_decision(decision, config, result)


def export(comparison: RunComparison) -> Path:
    """The tables as files, in a folder named by what is in them."""
    views = [run for group in comparison.groups for run in group.runs]
    runs = run_rows(comparison)
    fields = comparison.differing_fields()
    for row, view in zip(runs, views, strict=True):
        row |= {name: view.config.get(name) for name in fields}
    history = [{"run": view.run_id, **row} for view in views for row in view.history]
    groups = [{"run": row["run"], "group": row["group"]} for row in runs]
    tables: dict[str, list[dict[str, Any]]] = {"runs": runs, "history": history, "groups": groups}
    text = {name: pd.DataFrame(rows).to_csv(index=False) for name, rows in tables.items()}
    text["verdicts"] = pd.DataFrame(verdict_rows(comparison)).to_csv(index=False)
    folder = artifacts.home() / "comparisons" / hash_json(text)
    with artifacts.write_artifact(folder, config=comparison.config) as temporary:
        for name, content in text.items():
            (temporary / f"{name}.csv").write_text(content, "utf-8")
    return folder
