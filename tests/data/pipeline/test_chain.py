"""The lab's own steps, on licences of installed packages: near-duplicates by nature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from labkit.data.duplicates.exact import ExactDuplicates
from labkit.data.duplicates.near import NearDuplicates
from labkit.data.personal_data.redact import RedactPersonalData
from labkit.data.pipeline.corpus import Corpus
from labkit.data.pipeline.run import run_pipeline
from labkit.data.pipeline.step import Survey
from labkit.data.readers import ReadPolicy
from labkit.data.reading import portions
from labkit.data.rules.c4 import C4
from labkit.data.rules.presets import english
from tests.data.pipeline.test_run import contents

CORPUS = "package-licences"
STEPS = (
    ExactDuplicates(),
    english(),
    C4(requires_terminator=False, min_sentences=1),
    NearDuplicates(),
    RedactPersonalData(),
)


def one_after_another() -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The corpus as one batch through each step, without the pipeline."""
    batches = list(Corpus(CORPUS, ReadPolicy()).read())
    batch = pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
    dropped: list[tuple[Any, ...]] = []
    for step in STEPS:
        if isinstance(step, Survey):
            texts = dict(
                zip(batch.column("row").to_pylist(), batch.column("text").to_pylist(), strict=True)
            )
            step = step.settle(
                iter([step.sketch(batch)]), lambda rows, texts=texts: [texts[row] for row in rows]
            )
        outcome = step.apply(batch)
        batch = outcome.kept
        dropped += as_rows(outcome.dropped, "row", "rule", "value", "threshold")
    return as_rows(batch, "row", "text"), sorted(dropped)


def as_rows(table: Any, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.select(list(columns)).to_pylist()]


def test_the_chain_decides_as_its_steps_do_on_the_whole_corpus(tmp_path: Path, monkeypatch):
    kept, dropped = one_after_another()
    monkeypatch.setattr(portions, "PORTION_CHARACTERS", 100_000)
    curated = run_pipeline(CORPUS, STEPS, folder=tmp_path / "cut")
    assert as_rows(curated.documents("row", "text"), "row", "text") == kept
    names = ("row", "rule", "value", "threshold")
    assert as_rows(curated.dropped(*names), *names) == dropped
    assert {row["name"] for row in curated.funnel.rules().to_pylist()} >= {"near_duplicates"}
    two = run_pipeline(CORPUS, STEPS, folder=tmp_path / "two", processes=2, start_method="fork")
    assert contents(two) == contents(curated)
