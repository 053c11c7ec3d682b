"""papermill's own command line on each notebook, with changed parameters: what it records."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from labkit.core.records.decision import current_decision
from labkit.data.readers import fingerprint
from tests.comparison.small import SMALL_STUDY

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    path = tmp_path / "mine.jsonl"
    words = "one two three four five six seven eight nine ten".split()
    texts = [" ".join(words[n % 10 :] * (n % 7 + 12)) + f" {n}." for n in range(200)]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return str(path)


def papermill(notebook: str, home: Path, parameters: dict[str, Any]) -> None:
    """In its own process, as a person calls it: parameters from a file."""
    source, folder = ROOT / "notebooks" / f"{notebook}.ipynb", home.parent
    given = folder / "params.yaml"
    given.write_text(yaml.safe_dump(parameters))
    command = [sys.executable, "-m", "papermill", source, folder / "out.ipynb", "-f", given]
    done = subprocess.run(
        [*command, "--cwd", folder, "--no-progress-bar"],
        capture_output=True,
        text=True,
        env=os.environ | {"LABKIT_HOME": str(home)},
    )
    assert done.returncode == 0, done.stderr[-3000:]


def result_of(notebook: str, corpus_hash: str | None = None) -> dict[str, Any]:
    arguments = (notebook, corpus_hash) if corpus_hash else (notebook,)
    _, folder = current_decision(*arguments)
    return json.loads((folder / "result.json").read_text())


@pytest.mark.parametrize(
    ("notebook", "parameters"),
    [
        ("10_data_exploration", {"num_examples": 2}),
        ("20_tokenizer_comparison", {"compare_on": "", "published": "", "vocab_size": 700}),
    ],
)
def test_notebooks_on_an_own_corpus(notebook, parameters, corpus, lab_home):
    papermill(notebook, lab_home, {"corpus": corpus, **parameters})
    found = result_of(notebook, fingerprint(corpus))["config"]
    assert {name: found[name] for name in parameters} == parameters


def test_the_cost_notebook(lab_home):
    papermill("40_cost_and_scaling", lab_home, {"model": "gpt2", "num_gpus": 8})
    assert result_of("40_cost_and_scaling")["config"]["num_gpus"] == 8


def test_the_training_notebook(corpus, lab_home):
    pytest.importorskip("lightning", reason="needs labkit[train]")
    small = {"d_model": 32, "num_layers": 1, "num_tokens": 8000, "tracking": "off", "seed": 3}
    papermill("50_fsdp_training", lab_home, {"corpus": corpus, **small})
    result = result_of("50_fsdp_training", fingerprint(corpus))
    assert {plan["seed"] for plan in result["plans"].values()} == {3}
    assert result["resume"]["first_difference"] is None


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
