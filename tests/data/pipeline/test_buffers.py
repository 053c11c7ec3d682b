from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from labkit.data.duplicates.exact import ExactDuplicates
from labkit.data.duplicates.near import NearDuplicates
from labkit.data.pipeline.corpus import Corpus
from labkit.data.pipeline.parts import Given, kept_file, read_batch, write_part
from labkit.data.pipeline.stages import Stage
from labkit.data.pipeline.step import Verdicts, split_by
from labkit.data.readers import ReadPolicy
from labkit.data.reading import portions
from tests.data.pipeline.small_steps import write_corpus

LARGE = "a long text of some words " * 40_000


def batch_of(path: Path, texts: list[str]) -> pa.RecordBatch:
    return next(iter(Corpus(str(write_corpus(path, texts)), ReadPolicy()).read()))


def verdicts(rules: list[str | None]) -> Verdicts:
    numbers = pa.array([None if rule is None else 1.0 for rule in rules], pa.float64())
    return Verdicts(pa.array(rules, pa.string()), numbers, numbers)


@pytest.mark.parametrize(("rule", "side"), [(None, "kept"), ("any", "dropped")])
def test_documents_that_share_a_fate_are_not_copied(tmp_path: Path, rule, side: str):
    batch = batch_of(tmp_path / "c.jsonl", [LARGE, "b"])
    outcome = split_by(batch, verdicts([rule, rule]))
    whole = getattr(outcome, side)
    assert whole.num_rows == 2
    assert sum(part.num_rows for part in outcome) == 2
    assert whole.column("text").buffers()[2].address == batch.column("text").buffers()[2].address


def test_a_document_longer_than_a_portion_is_one_by_itself(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(portions, "PORTION_CHARACTERS", 100)
    texts = ["a" * 30, "b" * 30, "c" * 500, "d" * 30, "e" * 100, "f" * 100]
    corpus = Corpus(str(write_corpus(tmp_path / "c.jsonl", texts)), ReadPolicy())
    assert [batch.num_rows for batch in corpus.read()] == [2, 1, 1, 1, 1]


@pytest.mark.parametrize("survey", [ExactDuplicates(), NearDuplicates()])
def test_a_sketch_holds_no_text(tmp_path: Path, survey):
    """From a part read again, whose columns are one piece of memory."""
    batch = batch_of(tmp_path / "c.jsonl", [LARGE, LARGE])
    write_part(tmp_path, 0, Given.of(batch), Stage(1).work(batch))
    del batch
    before = pa.total_allocated_bytes()
    sketch = survey.sketch(read_batch(kept_file(tmp_path, 0)))
    assert pa.total_allocated_bytes() - before < 10_000, sketch
