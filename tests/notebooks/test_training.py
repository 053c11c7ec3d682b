"""Notebook 50 twice in one home: in batch, then by papermill's command line with another rate.

The second takes up what the first has trained, the layouts too, and trains what is new.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("lightning", reason="needs labkit[train]")

from labkit import lab
from labkit.batch.execute import Limits, execute
from labkit.batch.job import Job, make_job
from labkit.batch.status import Status
from labkit.core.records.decision import current_decision
from labkit.data.readers import fingerprint
from tests.notebooks.command_line import ROOT, papermill, result_of, write_corpus

NOTEBOOK = "50_fsdp_training"
SMALL = {"d_model": 32, "num_layers": 1, "num_tokens": 30_000, "tracking": "off", "seed": 3}
OVERRIDES = {
    "compute.precision": "fp32",
    "compute.num_threads": 1,
    "evaluation.num_evaluations": 2,
    "evaluation.sample_tokens": 16,
}
"""A run of 20 steps would evaluate 10 times, longer than it trains."""
pytestmark = pytest.mark.xdist_group("notebook 50")


class Batch(NamedTuple):
    home: Path
    parameters: dict[str, Any]
    job: Job
    status: Status


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    home = tmp_path_factory.mktemp("training") / "artifacts"
    corpus = write_corpus(home.parent, 300)
    parameters = {"corpus": corpus, **SMALL, "overrides": OVERRIDES}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABKIT_HOME", str(home))
        job = make_job(ROOT / "notebooks" / f"{NOTEBOOK}.ipynb", parameters)
        return Batch(home, parameters, job, execute(job, Limits(200, 300)))


@pytest.fixture(autouse=True)
def _in_its_home(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_HOME", str(batch.home))


def test_two_recipes_are_trained_predicted_and_resumed(batch):
    home, parameters, job, status = batch
    assert status.state == "completed", status.reason
    decision, folder = current_decision(NOTEBOOK, fingerprint(parameters["corpus"]))
    result = json.loads((folder / "result.json").read_text())
    assert result["resume"]["first_difference"] is None
    for recipe, one in result["runs"].items():
        assert one["steps"] == 20
        assert one["validation"]["loss"] < 8
        scores = json.loads(
            (home / "runs" / decision.evidence["runs"][recipe] / "timing.json").read_text()
        )["scores"]
        assert scores["parameters"]["measured_to_predicted"] == 1
        assert scores["seconds_of_steps"]["predicted"] > 0
    assert (home / decision.evidence["checkpoint"] / "weights.pt").is_file()
    assert (home / decision.artifact / "model.safetensors").is_file()
    said = (job.folder / "notebook.ipynb").read_text()
    assert f"model folder: {home / decision.artifact}\\n" in said
    assert f"labkit generate {Path(decision.artifact).name} --prompt" in said
    assert f"go on with: {home / decision.evidence['checkpoint']}\\n" in said
    written = lab.load_model(home / decision.artifact).generate("the", 5)
    assert str(written).startswith("the")
    [whole] = json.loads(
        (home / "runs" / decision.evidence["runs"]["modern-open"] / "processes.json").read_text()
    )
    shares = [
        [own["weights"] / whole["weights"] for own in json.loads(path.read_text())]
        for path in (home / "layouts").glob("*/processes.json")
    ]
    one_head_is_not_cut = [0.5, 1.0]
    assert sorted(map(max, shares)) == pytest.approx(one_head_is_not_cut, abs=0.02)
    report = (job.folder / "report.html").read_text()
    assert "Each layout read the same samples. Over the first 10 steps" in report
    assert "Inconclusive as to the recipes" in report
    assert "are bitwise equal at step 12" in report


def test_papermill_trains_what_is_new_and_takes_up_the_rest(batch):
    text = fingerprint(batch.parameters["corpus"])
    before, _ = current_decision(NOTEBOOK, text)
    papermill(NOTEBOOK, batch.home, {**batch.parameters, "gpt2_learning_rate": 2e-3})
    after, _ = current_decision(NOTEBOOK, text)
    result = result_of(NOTEBOOK, text)
    assert {plan["seed"] for plan in result["plans"].values()} == {SMALL["seed"]}
    assert result["plans"]["gpt2"]["optimizer"]["learning_rate"] == 2e-3
    assert result["resume"]["first_difference"] is None
    runs = [one.evidence["runs"] for one in (before, after)]
    assert runs[0]["modern-open"] == runs[1]["modern-open"]
    assert runs[0]["gpt2"] != runs[1]["gpt2"]


def test_both_models_are_asked_the_same_questions(batch):
    corpus = batch.parameters["corpus"]
    asked = {"num_items": 40, "num_documents": 8, "overrides": {"own.stem_characters": 60}}
    papermill("70_evaluation", batch.home, {"corpus": corpus, **asked})
    result = result_of("70_evaluation", fingerprint(corpus))
    models = {row["model"] for row in result["scores"]}
    assert models == {"gpt2", "modern-open"}
    for row in result["scores"]:
        estimate, low, high = row["accuracy"]
        assert 0 <= low <= estimate <= high <= 1
        assert row["num_items"] + row["num_unscored"] <= 40
    assert {row["task"] for row in result["compared"]} <= set(result["tasks"])
    planted, *_ = result["seen"]
    assert planted["not seen"] == 0
    assert planted["seen"] > 0
    decision, _ = current_decision("70_evaluation", fingerprint(corpus))
    assert set(decision.reads) == {"decision:20", "decision:50"}
