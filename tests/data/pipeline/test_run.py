from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from labkit.core import artifacts
from labkit.core.errors import LabError
from labkit.data.build import build_documents, load_columns
from labkit.data.pipeline.curated import Curated
from labkit.data.pipeline.run import run_pipeline
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


def contents(curated: Curated) -> dict[str, bytes]:
    files = curated.folder.iterdir()
    return {path.name: path.read_bytes() for path in files if path.name != artifacts.MANIFEST}


def by_hand() -> tuple[list[tuple[int, str]], list[tuple[int, str, str]]]:
    """(row, text) kept and (row, rule, text) dropped, without the pipeline."""
    kept, dropped, seen = [], [], set()
    for row, text in enumerate(TEXTS):
        if len(text) < 12:
            dropped.append((row, "too_short", text))
        elif text in seen:
            dropped.append((row, "copy", text))
        elif text.isdigit():
            dropped.append((row, "only_digits", text))
        else:
            masked = "".join("[NUMBER]" if c.isdigit() else c for c in text)
            kept.append((row, masked))
        seen.add(text)
    return kept, dropped


def test_every_document_is_kept_or_dropped_by_the_first_rule_that_refuses_it(tmp_path: Path):
    curated = run_pipeline(str(write_corpus(tmp_path / "c.jsonl")), STEPS)
    kept, dropped = by_hand()
    documents = curated.documents("row", "text").to_pydict()
    assert list(zip(documents["row"], documents["text"], strict=True)) == kept
    lost = curated.dropped("row", "rule", "text").to_pydict()
    assert list(zip(lost["row"], lost["rule"], lost["text"], strict=True)) == dropped
    first = curated.dropped("value", "threshold", "step", "step_name").to_pylist()[0]
    assert first == {"value": 5.0, "threshold": 12.0, "step": 1, "step_name": "length"}


def test_the_funnel_of_a_small_corpus_by_hand(tmp_path: Path):
    texts = ["short", "a b c d e f 1", "a b c d e f 1", "1234567890123", "第一回 宴桃園豪傑三結義"]
    curated = run_pipeline(str(write_corpus(tmp_path / "c.jsonl", texts)), STEPS)
    size = len(texts[-1].encode())
    columns = ["documents_in", "bytes_in", "documents_dropped", "bytes_dropped", "bytes_out"]
    assert [tuple(row[c] for c in columns) for row in curated.funnel.table().to_pylist()] == [
        (5, 5 + 39 + size, 1, 5, 39 + size),
        (4, 39 + size, 1, 13, 26 + size),
        (3, 26 + size, 1, 13, 13 + size + 7),  # "1" became "[NUMBER]"
    ]
    rules = curated.funnel.rules("source", "language").to_pylist()
    assert [(row["rule"], row["source"], row["language"], row["bytes"]) for row in rules] == [
        ("too_short", "web", "en", 5),
        ("copy", "mail", "en", 13),
        ("only_digits", "web", "en", 13),
    ]


@pytest.mark.parametrize("cut", [100, 2000])
def test_equal_bytes_for_any_cut_into_batches(tmp_path: Path, monkeypatch, cut: int):
    corpus = str(write_corpus(tmp_path / "c.jsonl"))
    expected = contents(run_pipeline(corpus, STEPS, folder=tmp_path / "whole"))
    monkeypatch.setattr(portions, "PORTION_CHARACTERS", cut)
    assert contents(run_pipeline(corpus, STEPS, folder=tmp_path / "cut")) == expected


@pytest.mark.parametrize(("processes", "start_method"), [(3, "fork"), (2, "spawn")])
def test_equal_bytes_for_any_number_of_processes(
    tmp_path: Path, monkeypatch, processes: int, start_method
):
    corpus = str(write_corpus(tmp_path / "c.jsonl"))
    expected = contents(run_pipeline(corpus, STEPS, folder=tmp_path / "one"))
    monkeypatch.setattr(portions, "PORTION_CHARACTERS", 500)
    keywords = {"processes": processes, "start_method": start_method}
    several = run_pipeline(corpus, STEPS, folder=tmp_path / "several", **keywords)
    assert contents(several) == expected
    assert several.timing["processes"] == processes


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_rows_of_a_damaged_corpus_are_those_of_one_process(tmp_path: Path, monkeypatch, suffix):
    """Which lines are documents is known only when each worker has parsed its own."""
    lines = write_corpus(tmp_path / "c.jsonl").read_bytes().splitlines()
    lines[3:3] = [b"", b"not JSON", b'{"text": 7}']
    lines[90:90] = [b"{"] * 20
    damaged = tmp_path / f"damaged.jsonl{suffix}"
    damaged.write_bytes((gzip.compress if suffix else bytes)(b"\n".join(lines)))
    monkeypatch.setattr(portions, "PORTION_CHARACTERS", 500)
    skip = ReadPolicy(on_error="skip")
    runs = [
        run_pipeline(str(damaged), STEPS, folder=tmp_path / str(n), processes=n, policy=skip)
        for n in (1, 3)
    ]
    assert contents(runs[0]) == contents(runs[1])
    one = runs[0]
    rows = one.documents("row")["row"].to_pylist() + one.dropped("row")["row"].to_pylist()
    assert sorted(rows) == list(range(len(TEXTS)))
    assert one.result["rejected"] == 22
    with pytest.raises(LabError, match=r":5: not JSON"):
        run_pipeline(str(damaged), STEPS, folder=tmp_path / "stopped", processes=3)


def test_what_is_kept_is_a_corpus_like_any_other(tmp_path: Path):
    curated = run_pipeline(str(write_corpus(tmp_path / "c.jsonl")), STEPS)
    built = build_documents(curated.corpus)
    names = ["id", "text", "source", "group", "language", "content_hash", "num_bytes"]
    assert load_columns(built, names) == load_columns(curated.folder, names)


def test_the_same_run_is_done_once_and_other_steps_are_another_run(tmp_path: Path):
    corpus = str(write_corpus(tmp_path / "c.jsonl"))
    first = run_pipeline(corpus, STEPS)
    assert run_pipeline(corpus, STEPS, processes=2).folder == first.folder
    assert run_pipeline(corpus, (MinLength(13), *STEPS[1:])).folder != first.folder
    with pytest.raises(LabError, match="was made with other steps; give another folder"):
        run_pipeline(corpus, (MinLength(13),), folder=first.folder)


def test_nothing_kept_and_nothing_dropped_are_results_too(tmp_path: Path):
    corpus = str(write_corpus(tmp_path / "c.jsonl"))
    nothing = run_pipeline(corpus, (MinLength(10_000), ExactDuplicates(), Mask()))
    assert nothing.documents("row").num_rows == 0
    assert nothing.dropped("row").num_rows == len(TEXTS)
    everything = run_pipeline(corpus, ())
    schemas = [pq.read_schema(curated.corpus) for curated in (nothing, everything)]
    assert schemas[0].equals(schemas[1])
    assert everything.documents("text")["text"].to_pylist() == TEXTS
    assert everything.result["dropped"] == {"documents": 0, "bytes": 0}


def test_what_cannot_be_read_is_counted_and_kept_beside(tmp_path: Path):
    corpus = write_corpus(tmp_path / "c.jsonl")
    lines = corpus.read_text().splitlines()
    corpus.write_text("\n".join([*lines[:20], '{"text": 3}', "not JSON", *lines[20:]]))
    with pytest.raises(LabError, match=r"c\.jsonl:21: "):
        run_pipeline(str(corpus), STEPS)
    curated = run_pipeline(str(corpus), STEPS, policy=ReadPolicy(on_error="skip"))
    rejected = (curated.folder / "rejected.jsonl").read_text().splitlines()
    assert [json.loads(line)["line"] for line in rejected] == [21, 22]
    assert curated.result["rejected"] == 2
    assert curated.result["read"]["documents"] == len(TEXTS)
