"""What notebook 10 hands on: the dataset it looked at, with the figures that speak for it."""

from __future__ import annotations

from pathlib import Path

from labkit.core import artifacts
from labkit.core.counted import counted
from labkit.core.records.decision import NOTEBOOKS, Decision, record_decision
from labkit.data.corpora import CORPORA
from labkit.data.exploration import Exploration, duplicate_table, size_table
from labkit.data.readers import corpus_name

NOTEBOOK = NOTEBOOKS["10"]


def record_corpus(exploration: Exploration) -> Path:
    """Write the decision and its `result.json`; returns the folder."""
    config, folder = exploration.config, exploration.folder
    sizes = size_table(exploration).to_pylist()
    whole = sizes[-1]
    content_hash = artifacts.read_manifest(folder, verify=False).content_hash
    duplicates = duplicate_table(exploration)
    decision = Decision(
        notebook=NOTEBOOK,
        question="Which text do the next notebooks read, and what is in it?",
        choice=f"{corpus_name(config.corpus)}: {counted(whole['documents'], 'document')}, "
        f"{whole['bytes'] / 1e6:.2f} MB, "
        f"{counted(duplicates.num_rows, 'text')} with exact copies",
        artifact=folder.relative_to(artifacts.home()).as_posix(),
        artifact_hash=content_hash,
        corpus_hash=config.inputs()["corpus"],
        alternatives=[name for name in CORPORA if name != config.corpus],
        evidence={"bytes": whole["bytes"], "documents": whole["documents"]},
        scope="simple statistics of the whole corpus, before any cleaning",
    )
    result = {
        "config": config.model_dump(mode="json"),
        "dataset": content_hash,
        "sizes": sizes,
        "exact_duplicates": duplicates.to_pylist(),
    }
    return record_decision(decision, config, result)
