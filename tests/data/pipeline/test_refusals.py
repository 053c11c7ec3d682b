"""What a run refuses or says, and that it leaves no half of a curation behind."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pyarrow as pa
import pytest

from labkit.core import artifacts
from labkit.core.errors import LabError
from labkit.data.pipeline.run import run_pipeline
from labkit.data.pipeline.step import Outcome
from labkit.data.pipeline.workers import Workers
from labkit.data.readers import ReadPolicy
from labkit.data.reading import portions
from tests.data.pipeline.small_steps import (
    STEPS,
    TEXTS,
    ExactDuplicates,
    Mask,
    MinLength,
    write_corpus,
)


class Loses:
    name = "loses"

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        outcome = MinLength(12).apply(batch)
        return Outcome(outcome.kept.slice(1), outcome.dropped)


class Reverses(Loses):
    name = "reverses"

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        outcome = MinLength(12).apply(batch)
        kept = outcome.kept.take(pa.array(range(outcome.kept.num_rows))[::-1])
        return Outcome(kept, outcome.dropped)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Loses(), r"step 1 \(loses\): 189 documents in, \d+ kept and \d+ dropped; each must be on"),
        (Reverses(), "step reverses changed the order"),
        ("length", "step 1 is a str, which has neither `apply`"),
    ],
)
def test_a_step_that_breaks_the_contract_is_named(tmp_path: Path, lab_home, step, message):
    corpus = str(write_corpus(tmp_path / "c.jsonl"))
    with pytest.raises(LabError, match=message):
        run_pipeline(corpus, [step])
    assert not [path for path in (lab_home / "datasets").glob("*") if artifacts.exists(path)]


def test_memory_is_estimated_first_and_refused_with_advice(tmp_path: Path):
    corpus = str(write_corpus(tmp_path / "c.jsonl"))
    lines: list[str] = []
    run_pipeline(corpus, STEPS, say=lines.append)
    assert "MB of memory" in lines[0]
    assert "exact 0" in lines[0]
    assert "kept" in lines[-1]
    greedy = (ExactDuplicates(bytes_per_document=10**12),)
    with pytest.raises(LabError, match=r"needs about .* are free; take fewer processes"):
        run_pipeline(corpus, greedy)


def test_records_without_a_word_at_the_start_are_no_corpus_of_them(tmp_path: Path):
    corpus = tmp_path / "c.jsonl"
    records = ['{"text": ""}'] * 100 + ['{"text": "To be, or not to be"}']
    corpus.write_text("\n".join(records))
    lines: list[str] = []
    run_pipeline(str(corpus), [ExactDuplicates(bytes_per_document=10**6)], say=lines.append)
    assert "exact 101)" in lines[0]


def test_memory_of_a_packed_corpus_is_said_again_when_its_documents_are_counted(
    tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(portions, "PORTION_CHARACTERS", 600)
    plain = write_corpus(tmp_path / "c.jsonl")
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    lines: list[str] = []
    greedy = (ExactDuplicates(bytes_per_document=10**5), Mask())
    run_pipeline(str(tmp_path / "c.jsonl.gz"), greedy, say=lines.append)
    first, second = [line for line in lines if line.startswith("needs")]
    assert first.endswith("; more by the documents behind the first batch, not counted yet")
    assert f"exact {len(TEXTS) * 10**5 / 1e6:,.0f})" in second


def test_a_corpus_that_changes_while_it_is_read_gives_nothing(tmp_path: Path, lab_home: Path):
    corpus = write_corpus(tmp_path / "c.jsonl")

    def touch(line: str) -> None:
        os.utime(corpus, ns=(1, 1))

    with pytest.raises(LabError, match="changed while it was read"):
        run_pipeline(str(corpus), STEPS, say=touch)
    assert not list((lab_home / "datasets").iterdir())


def test_a_run_refused_before_a_batch_was_through_leaves_nothing(tmp_path: Path, lab_home: Path):
    corpus = str(write_corpus(tmp_path / "c.jsonl"))
    (tmp_path / "empty.jsonl").write_text("")
    refused = [
        (corpus, [ExactDuplicates(bytes_per_document=10**12)], "are free"),
        (corpus, [Loses()], "each must be on exactly one side"),
        (str(tmp_path / "empty.jsonl"), STEPS, "no documents in it"),
    ]
    for given, steps, why in refused:
        with pytest.raises(LabError, match=why):
            run_pipeline(given, steps)
        assert not list((lab_home / "datasets").iterdir())


def test_an_empty_corpus_and_one_that_is_not_there(tmp_path: Path):
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(LabError, match="no documents in it"):
        run_pipeline(str(tmp_path / "empty.jsonl"), STEPS)
    with pytest.raises(LabError, match="neither a registered corpus"):
        run_pipeline("shakespear", STEPS)


def test_a_curation_is_not_read_as_a_folder(tmp_path: Path):
    """What was dropped would come back."""
    made = run_pipeline(str(write_corpus(tmp_path / "c.jsonl")), STEPS, folder=tmp_path / "a" / "b")
    for folder in (made.folder, tmp_path):
        with pytest.raises(LabError, match=r"is what was not kept; give .*/b/documents\.parquet"):
            run_pipeline(str(folder), STEPS)
    again = run_pipeline(made.corpus, STEPS)
    assert again.result["read"] == made.result["kept"]


def test_why_no_document_was_taken_is_said(tmp_path: Path):
    (tmp_path / "c.jsonl").write_text('{"body": "a"}\n{"body": "b"}\n')
    reason = r"no documents in it; 2 rejected, the first at .*c\.jsonl:1: no 'text' in it"
    with pytest.raises(LabError, match=reason):
        run_pipeline(str(tmp_path / "c.jsonl"), STEPS, policy=ReadPolicy(on_error="skip"))


def test_a_corpus_that_changes_before_it_is_read_gives_nothing(tmp_path: Path, monkeypatch):
    """Between its name being made and its first byte being read: a pool takes seconds to start."""
    corpus = write_corpus(tmp_path / "c.jsonl")
    enter = Workers.__enter__

    def change(workers: Workers) -> Workers:
        write_corpus(corpus, ["another text, written while the workers started"])
        return enter(workers)

    monkeypatch.setattr(Workers, "__enter__", change)
    with pytest.raises(LabError, match="changed while it was read"):
        run_pipeline(str(corpus), STEPS)


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path):
    corpus = str(write_corpus(tmp_path / "c.jsonl"))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years of work")
    with pytest.raises(LabError, match="mine holds something else than a curation; give another"):
        run_pipeline(corpus, STEPS, folder=mine)
    assert (mine / "thesis.tex").read_text() == "years of work"
    (mine / "thesis.tex").unlink()
    assert run_pipeline(corpus, STEPS, folder=mine).result["read"]["documents"] == len(TEXTS)


def test_an_unfinished_run_into_a_folder_of_a_similar_name_is_left_alone(tmp_path: Path):
    corpus = str(write_corpus(tmp_path / "c.jsonl"))
    other = tmp_path / "out.v2.0123456789abcdef.unfinished"
    mine = tmp_path / "out.0123456789abcdef.unfinished"
    other.mkdir()
    mine.mkdir()
    run_pipeline(corpus, STEPS, folder=tmp_path / "out")
    assert other.is_dir()
    assert not mine.exists()
