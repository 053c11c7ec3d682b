from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from labkit import lab
from labkit.core.config import ConfigError
from labkit.core.records.decision import current_decision
from labkit.data.build import dataset_folder
from labkit.data.exploration import (
    Exploration,
    ExplorationConfig,
    character_tables,
    duplicate_table,
    example_texts,
    script_table,
    size_table,
)
from labkit.data.zipf import count_units, total_counts, zipf_interval, zipf_slope
from labkit.questions.exploration.decision import record_corpus
from tests.hostile import HOSTILE_TEXTS, active_elements


def write(path: Path, texts: list[str], source: str = "a") -> str:
    with path.open("w", encoding="utf-8") as file:
        for number, text in enumerate(texts):
            row = {"id": f"{source}{number}", "text": text, "source": source}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return str(path)


def explore(path: Path, texts: list[str], **parameters) -> Exploration:
    return Exploration(ExplorationConfig(corpus=write(path, texts), **parameters))


def test_tables_by_hand(tmp_path: Path):
    exploration = explore(tmp_path / "a.jsonl", ["ab cd", "ab cd", "第一回\ufffd", ""])
    whole = size_table(exploration).to_pylist()[-1]
    assert (whole["documents"], whole["bytes"], whole["characters"]) == (4, 5 + 5 + 12, 5 + 5 + 4)
    [pair] = duplicate_table(exploration).to_pylist()
    assert pair == {"copies": 2, "bytes of one": 5, "documents": "a0, a1"}
    frequent, suspicious = character_tables(exploration)
    assert frequent.to_pylist()[0]["count"] == 2
    assert [row["code point"] for row in suspicious.to_pylist()] == ["U+FFFD"]
    shares = {row["class"]: row["characters"] for row in script_table(exploration).to_pylist()}
    assert shares == {"latin": 8, "han": 3, "space": 2, "symbols": 1}


def test_a_source_may_be_called_all(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "ab", "source": "all"}\n{"text": "abcd", "source": "web"}\n')
    rows = size_table(Exploration(ExplorationConfig(corpus=str(path)))).to_pylist()
    assert [row["characters"] for row in rows] == [2, 4, 6]


def test_what_the_budget_cut_is_said(tmp_path: Path):
    exploration = explore(tmp_path / "a.jsonl", ["x" * 10_001, "\ufffd"], text_budget=10_000)
    found = lab.corpus_sentences(exploration)
    for section in ("characters", "zipf"):
        assert "Only about the first 10,000 of 10,002 characters" in found[section].markup


def test_units_are_characters_where_words_have_no_spaces(tmp_path: Path):
    assert explore(tmp_path / "zh.jsonl", ["滚滚长江东逝水 浪花"]).unit == "characters"
    assert explore(tmp_path / "en.jsonl", ["to be or not"]).unit == "words"


def test_the_text_budget_bounds_what_is_read(tmp_path: Path):
    exploration = explore(tmp_path / "a.jsonl", ["x" * 6000] * 5, text_budget=10_000)
    assert len(list(exploration.texts())) == 2
    assert size_table(exploration).to_pylist()[-1]["characters"] == 30_000


def test_examples_follow_the_seed(tmp_path: Path):
    texts = [f"text {number}" for number in range(50)]
    first = example_texts(explore(tmp_path / "a.jsonl", texts, seed=1))
    assert first == example_texts(explore(tmp_path / "a.jsonl", texts, seed=1))
    assert first != example_texts(explore(tmp_path / "a.jsonl", texts, seed=2))
    assert len(first) == 6
    assert {text for _, text in first} <= set(texts)


def test_zipf_recovers_a_planted_exponent():
    ranks = np.arange(1, 3001)
    assert zipf_slope(1e9 * ranks**-1.3) == pytest.approx(1.3, abs=1e-6)
    assert np.isnan(zipf_slope([5] * 12))


def test_zipf_counts_do_not_depend_on_the_order_of_documents():
    texts = [f"w{i % 7} w{i % 3} Same" for i in range(300)]
    forwards, backwards = (
        total_counts(count_units(order, "words")) for order in (texts, texts[::-1])
    )
    assert forwards == backwards == Counter(" ".join(texts).lower().split())


def test_zipf_interval_holds_the_estimate():
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{w}" for w in rng.zipf(1.5, 500) if w < 5000) for _ in range(60)]
    found = zipf_interval(count_units(texts, "words"))
    assert found.low < found.estimate < found.high


def test_a_corpus_of_nothing_but_empty_documents_is_explored(tmp_path: Path):
    exploration = explore(tmp_path / "a.jsonl", ["", ""])
    for section, html in lab.corpus_sentences(exploration).items():
        assert html.markup, section
    assert lab.length_figure(exploration).layout.title.text.endswith("(2 empty ones not shown)")
    lab.zipf_figure(exploration)


def test_hostile_text_is_inert_in_every_table_and_figure(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    with path.open("w") as file:
        for text in HOSTILE_TEXTS:
            file.write(json.dumps({"id": text, "text": f"{text} {text}", "source": text}) + "\n")
            file.write(json.dumps({"id": text + "2", "text": f"{text} {text}"}) + "\n")
    exploration = lab.explore(corpus=str(path))
    frames = [lab.size_table(exploration), lab.duplicate_table(exploration)]
    frames += list(lab.character_tables(exploration))
    shown = [frame._repr_html_() for frame in frames]
    shown += [html.markup for html in lab.corpus_sentences(exploration).values()]
    shown.append(lab.examples(exploration).markup)
    for markup in shown:
        assert [e for e in active_elements(markup) if e != "<style>"] == []  # pandas' own style
    figures = (lab.length_figure, lab.script_figure, lab.zipf_figure)
    for text in HOSTILE_TEXTS:
        if text.startswith("<"):
            assert all(text[:8] not in make(exploration).to_json() for make in figures)


def test_the_decision_names_the_dataset_and_is_found_by_corpus(tmp_path: Path, lab_home: Path):
    exploration = explore(tmp_path / "a.jsonl", ["one text", "another"])
    folder = record_corpus(exploration)
    decision, found = current_decision("10_data_exploration", exploration.config.inputs()["corpus"])
    assert found == folder
    assert lab_home / decision.artifact == dataset_folder(exploration.config.corpus)
    before = (folder / "result.json").read_bytes()
    assert (record_corpus(exploration) / "result.json").read_bytes() == before


def test_a_missing_corpus_is_refused_with_its_field():
    with pytest.raises(ConfigError) as error:
        lab.explore(corpus="not/there.jsonl")
    assert list(error.value.faults) == ["corpus"]
    assert "neither a registered corpus" in str(error.value)
