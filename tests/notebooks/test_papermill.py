"""papermill's own command line on each notebook, with changed parameters: what it records.

Notebook 50 is in test_training.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.core.records.decision import current_decision, reference
from labkit.data.readers import fingerprint
from tests.comparison.small import SMALL_STUDY
from tests.notebooks.command_line import papermill, result_of, write_corpus


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    return write_corpus(tmp_path, 200)


def test_an_own_corpus_is_explored_curated_and_split_by_the_decisions_on_it(corpus, lab_home):
    explore, curate = "10_data_exploration", "11_data_curation"
    papermill(explore, lab_home, {"corpus": corpus, "num_examples": 2})
    assert result_of(explore, fingerprint(corpus))["config"]["num_examples"] == 2
    steps = {"steps": "exact_duplicates, personal_data"}
    papermill(curate, lab_home, {"corpus": "decision:10", **steps})
    curated, folder = current_decision(curate, None)
    assert curated.evidence["kept"]["documents"] == 200
    parameters = {"compare_on": "", "published": "", "vocab_size": 700}
    papermill("20_tokenizer_comparison", lab_home, {"corpus": "decision:11", **parameters})
    text = str(lab_home / curated.artifact / "documents.parquet")
    split = current_decision("20_tokenizer_comparison", fingerprint(text))[0]
    assert split.reads == {"decision:11": reference(folder)}
    found = result_of("20_tokenizer_comparison", fingerprint(text))["config"]
    assert found["corpus"] == text
    assert {name: found[name] for name in parameters} == parameters
    said = (lab_home.parent / "out.ipynb").read_text()
    assert f"reads the curated folder {curated.artifact}: 200 of 200 documents, 100%" in said


def test_the_cost_notebook(lab_home):
    papermill("40_cost_and_scaling", lab_home, {"model": "gpt2", "num_gpus": 8})
    assert result_of("40_cost_and_scaling")["config"]["num_gpus"] == 8


def test_a_study_and_the_comparison_of_its_runs(corpus, lab_home):
    pytest.importorskip("lightning", reason="needs labkit[train]")
    parameters = {"corpus": corpus, "questions": "positions", "overrides": SMALL_STUDY}
    papermill("30_architecture_ablation", lab_home, parameters)
    text = fingerprint(corpus)
    study = current_decision("30_architecture_ablation", text)[0]
    assert set(study.evidence["verdicts"]) == {
        "learned positions",
        "no positions",
        "half the tokens",
        "the baseline again",
    }
    assert (lab_home / study.artifact / "result.json").is_file()
    papermill("60_run_comparison", lab_home, {"corpus": corpus, "runs": "decision:30"})
    compared = result_of("60_run_comparison", text)
    assert {name: len(runs) for name, runs in compared["groups"].items()} == {
        "baseline": 4,
        "learned-positions": 2,
        "no-positions": 2,
        "half-the-tokens": 2,
    }
    assert compared["verdicts"]["half-the-tokens"]["word"] == "not comparable"
