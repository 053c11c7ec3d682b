"""Studies of arms that are declared, matched, tuned, run and judged."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from labkit.comparison.__main__ import open_study, work_on
from labkit.comparison.matching import matched
from labkit.comparison.run_study import run_study
from labkit.comparison.study import Study, extension, read_study
from labkit.comparison.study_record import StudyRecord, declare
from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord, runs_folder
from labkit.cost.spending import spending
from labkit.model.transformer import Transformer
from labkit.plan.plan import TrainingPlan
from labkit.training.run import run
from tests.training.tiny import tiny_plan, write_tiny_corpus


@pytest.fixture
def plan(lab_home: Path) -> TrainingPlan:
    torch.set_num_threads(1)
    data = write_tiny_corpus(lab_home)
    return tiny_plan(data, 12).with_overrides(
        {"evaluation.num_evaluations": 1, "checkpoints.num_checkpoints": 1}
    )


STUDY_OF_A_RUN_THAT_SLEEPS = """
import time
from labkit.comparison import run_study
run_study.PROCESSES.set_forkserver_preload([])
run_study._in_own_process(time.sleep, 600)
"""
ROPE = {"name": "rope", "changes": {"model.positions": "rope"}}
AGAIN = {"name": "again", "is_control": True}


def half(plan: TrainingPlan) -> dict[str, Any]:
    changes = {"budget.num_tokens": plan.budget.num_tokens // 2}
    return {"name": "half", "changes": changes, "is_control": True}


def arm(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "changes": {f"model.{key}": value for key, value in changes.items()}}


def tiny_study(plan: TrainingPlan, **changes: Any) -> Study:
    base: dict[str, Any] = {
        "name": "tiny",
        "plan": plan,
        "arms": [ROPE, half(plan), AGAIN],
        "rate_factors": (1.0, 2.0),
        "tuning_seeds": (100,),
        "seeds": (1, 2, 3),
    }
    return read_study(base | changes)


SWIGLU, MQA = {"model.feed_forward": "swiglu"}, {"model.num_kv_heads": 1}


@pytest.mark.parametrize("changes", [SWIGLU, MQA, {"model.positions": "rope"}, SWIGLU | MQA])
@pytest.mark.parametrize("equal", ["flops", "parameters"])
def test_widths_are_solved_until_arms_are_equal(plan, changes, equal):
    wide = plan.with_overrides({"model.d_ff": 512, "model.d_model": 128})
    arm = matched(wide, changes, equal)
    ratio = getattr(spending(arm), equal) / getattr(spending(wide), equal)
    assert ratio == pytest.approx(1, abs=0.01)
    if changes == SWIGLU:
        assert arm.model.d_ff == pytest.approx(512 * 2 / 3, abs=8)


def test_flops_are_torchs(plan):
    """Of a whole run: forward and backward, on every token."""
    model = Transformer(plan.model, kernel="written_out")
    ids_BT = torch.zeros((plan.data.batch_size, plan.sequence_length), dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        model(ids_BT).sum().backward()
    found = counter.get_total_flops() * plan.num_steps
    assert spending(plan).flops == pytest.approx(found, rel=0.01)


@pytest.mark.parametrize("equal", ["flops", "parameters"])
def test_an_arm_that_is_equal_as_it_is_keeps_its_width(plan, equal):
    """171 is no multiple of 8; rounding it would change a second thing."""
    odd = plan.with_overrides({"model.d_ff": 171})
    for changes in ({"optimizer.weight_decay": 0.3}, {"model.qk_norm": False}):
        assert matched(odd, changes, equal) == odd.with_overrides(changes)


def test_what_is_no_study_is_refused_in_words(tmp_path):
    with pytest.raises(LabError, match="holds no study.json"):
        open_study(tmp_path)
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(LabError, match="study.json is damaged"):
        open_study(tmp_path)
    with pytest.raises(LabError, match="--processes -1: give 1 or more"):
        work_on(tmp_path, -1)


def test_what_no_width_can_equal_is_refused(plan):
    with pytest.raises(LabError, match=r"takes \d.* times the baseline's flops at d_ff=8"):
        matched(plan, {"model.num_layers": 4, "model.d_ff": 8}, "flops")
    with pytest.raises(LabError, match="make the arms equal in another way"):
        declare(tiny_study(plan, arms=[arm("deep", num_layers=64)]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": []}, "an arm beside the baseline"),
        ({"arms": [{"name": "baseline"}]}, "two arms are called 'baseline'"),
        ({"tuning_seeds": (1,)}, "overlap"),
        ({"tuning_seeds": ()}, "need a tuning seed"),
        ({"rate_factors": (1, 1)}, "different numbers"),
        ({"arms": [ROPE | {"chnages": 1}]}, "not a study: arms.0.chnages"),
    ],
)
def test_a_study_that_would_not_compare_is_refused(plan, changes, message):
    with pytest.raises(LabError, match=message):
        tiny_study(plan, **changes)


@pytest.mark.parametrize(("best", "beyond"), [(0.5, 0.25), (1.0, None), (2.0, 4.0), (4.0, None)])
def test_the_grid_is_extended_once_beyond_an_edge(best, beyond):
    factors = (0.5, 1.0, 2.0) if best < 4 else (4.0,)
    assert extension(factors, best) == beyond


def test_a_study_from_declaration_to_verdict(plan):
    """Numbers of runs, seeds apart, verdicts on all; and a second time nothing is trained."""
    study = tiny_study(plan)
    record = declare(study)
    said: list[str] = []
    run_study(record, 2, said.append)
    result = record.result()
    arms = {one["name"]: one for one in result["arms"]}
    assert list(arms) == ["baseline", "rope", "half", "again"]
    tuned = [arms[name] for name in ("baseline", "rope")]
    assert all(len(arm["rates_tried"]) >= 2 for arm in tuned)
    plans = {
        name: [RunRecord(runs_folder() / one).read("plan") for one in arm["runs"]]
        for name, arm in arms.items()
    }
    assert [one["seed"] for one in plans["rope"]] == [1, 2, 3]
    assert [one["seed"] for one in plans["again"]] == [10_001, 10_002, 10_003]
    assert arms["half"]["to_baseline"]["flops"] == pytest.approx(0.5)
    for name in ("rope", "half", "again"):
        verdict = arms[name]["verdict"]
        assert verdict["word"] in ("better", "worse", "equivalent", "inconclusive")
        assert verdict["window_error"] > 0
        assert verdict["smallest_detectable"] > 0
    assert arms["half"]["verdict"]["effect"][0] > 0
    trained = {path: path.stat().st_mtime_ns for path in runs_folder().glob("*/status.json")}
    assert len(trained) >= study.num_runs
    run_study(record, 2, said.append)
    assert trained == {path: path.stat().st_mtime_ns for path in trained}


def test_a_run_of_a_study_is_the_run_alone(plan, lab_home):
    study = tiny_study(plan, arms=[ROPE], rate_factors=(1.0,), tuning_seeds=(), seeds=(1, 2))
    record = declare(study)
    run_study(record, 2, lambda _: None)
    run_id = record.result()["arms"][1]["runs"][1]
    alone = RunRecord(lab_home / "alone")
    run(study.run_plan(study.arms[0], 1.0, 2), alone.folder, say=lambda _: None)
    assert alone.read("result") == RunRecord(runs_folder() / run_id).read("result")


def test_a_killed_study_goes_on_and_ends_the_same(plan, lab_home):
    longer = plan.with_overrides({"budget.num_tokens": 30 * plan.budget.num_tokens})
    study = tiny_study(longer, arms=[ROPE], rate_factors=(1.0,), tuning_seeds=(), seeds=(1, 2))
    record = declare(study).begin()
    while record.progress().done < 1:
        assert record.is_running
        time.sleep(0.05)
    family = psutil.Process(json.loads(record.lock_file.read_bytes())["pid"])
    started = family.children(recursive=True)
    family.kill()
    _, alive = psutil.wait_procs(started, timeout=30)
    assert not alive
    while record.is_running:
        time.sleep(0.01)
    with pytest.raises(LabError, match="has no verdict yet"):
        record.result()
    run_study(record, 2, lambda _: None)
    killed = record.result()
    runs = [RunRecord(runs_folder() / one) for arm in killed["arms"] for one in arm["runs"]]
    ended = {one.run_id: one.status() for one in runs}
    assert {status.state for status in ended.values()} == {"finished"}, ended
    alone = RunRecord(lab_home / "alone")
    status = run(study.run_plan(study.arms[0], 1.0, 2), alone.folder, say=lambda _: None)
    assert status.state == "finished", status
    assert alone.read("result") == runs[-1].read("result")


def test_runs_end_with_a_study_that_nobody_waits_for():
    """Killed, its pid stays until whoever started it asks how it ended."""
    study = subprocess.Popen([sys.executable, "-c", STUDY_OF_A_RUN_THAT_SLEEPS])
    family = psutil.Process(study.pid)
    while len(started := family.children(recursive=True)) < 3:  # two of multiprocessing's own
        assert study.poll() is None
        time.sleep(0.05)
    study.kill()
    _, alive = psutil.wait_procs(started, timeout=30)
    for one in alive:
        one.kill()
    assert family.status() == psutil.STATUS_ZOMBIE
    study.wait()
    assert not alive


def test_a_run_that_diverged_is_counted_and_not_judged(plan):
    """As a record says it whose last evaluation was not finite."""
    study = tiny_study(plan, rate_factors=(1.0,), tuning_seeds=(), arms=[ROPE])
    record = declare(study)
    run_study(record, 2, lambda _: None)
    run_id = record.result()["arms"][1]["runs"][2]
    diverged = RunRecord(runs_folder() / run_id)
    result = diverged.read("result")
    nothing = dict.fromkeys(("loss", "low", "high", "bits_per_byte"))
    diverged.write("result", result | {"validation": result["validation"] | nothing})
    shutil.rmtree(record.verdict)
    run_study(record, 2, lambda _: None)
    found = record.result()["arms"][1]
    assert found["num_diverged"] == 1
    assert found["bits_per_byte"][2] is None
    assert found["verdict"]["word"] == "not comparable"
    assert "1 of 3 runs of it diverged" in found["verdict"]["reason"]


WILD = {
    "optimizer.learning_rate": 1.0,
    "optimizer.beta2": 0.0,
    "optimizer.epsilon": 1e-30,
    "optimizer.clip_norm": None,
}
"""AdamW that divides by nearly nothing: after three steps the model gives NaN."""


def test_a_study_whose_arm_really_diverges_ends_with_a_verdict_on_the_others(plan):
    """It is evaluated, with texts, while it gives NaN."""
    plan = plan.with_overrides({"evaluation.num_evaluations": 12, "optimizer.learning_rate": 0.01})
    arms = [{"name": "wild", "changes": WILD}, ROPE]
    record = declare(
        tiny_study(plan, arms=arms, rate_factors=(1.0,), tuning_seeds=(), seeds=(1, 2))
    )
    run_study(record, 2, lambda _: None)
    _, wild, rope = record.result()["arms"]
    assert (wild["num_diverged"], wild["verdict"]["word"]) == (2, "not comparable")
    assert rope["verdict"]["word"] in ("better", "worse", "equivalent", "inconclusive")
    diverged = RunRecord(runs_folder() / wild["runs"][0])
    assert diverged.status().state == "failed"
    assert diverged.rows("evaluation")[-1]["samples"] == ["(no text: the model gives NaN)"]


def test_what_cannot_run_ends_the_study_by_name(plan):
    long = plan.with_overrides({"model.context_length": 4096, "budget.num_tokens": 16384})
    with pytest.raises(LabError, match="rope.*not two windows of 4096"):
        run_study(declare(tiny_study(long, arms=[ROPE])), 2, lambda _: None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.context_length": 8}, "on other windows than the baseline"),
        ({"evaluation.num_windows": 5}, "on other windows than the baseline"),
        ({"data.mask_document_starts": True}, "on other windows than the baseline"),
        ({"seed": 7}, "the study sets the seed"),
        ({"optimizer.learning_rate": 0.9}, "a rate times 2 exceeds 1"),
    ],
)
def test_an_arm_that_could_not_be_judged_is_refused_before_it_runs(plan, changes, message):
    study = tiny_study(plan, arms=[{"name": "arm", "changes": changes}], equal="tokens")
    with pytest.raises(LabError, match=message):
        declare(study)


def test_studies_that_share_runs_wait_for_each_other(plan):
    """Both train the baseline; each run is there once."""
    common: dict[str, Any] = {"rate_factors": (1.0,), "tuning_seeds": (), "seeds": (1, 2)}
    studies = [tiny_study(plan, arms=[ROPE], name=name, **common) for name in ("one", "other")]
    records = [declare(study).begin() for study in studies]
    for record in records:
        record.wait()
    first, second = (record.result()["arms"] for record in records)
    assert [arm["runs"] for arm in first] == [arm["runs"] for arm in second]


def test_records_are_found_by_folder(plan):
    record = declare(tiny_study(plan))
    assert StudyRecord(record.folder).study == tiny_study(plan)
    assert record.progress().line == "waiting: 0 of 0 runs"


def test_half_the_steps_are_worse_and_the_baseline_is_itself(plan):
    """Five seeds against five others; fp32 on one thread, so that it is the same everywhere."""
    longer = plan.with_overrides({"budget.num_tokens": 5 * plan.budget.num_tokens})
    study = tiny_study(
        longer,
        arms=[half(longer), AGAIN],
        rate_factors=(1.0,),
        tuning_seeds=(),
        seeds=(1, 2, 3, 4, 5),
    )
    record = declare(study)
    run_study(record, 2, lambda _: None)
    words = {arm["name"]: arm["verdict"]["word"] for arm in record.result()["arms"][1:]}
    assert words["half"] == "worse"
    assert words["again"] in ("inconclusive", "equivalent")
