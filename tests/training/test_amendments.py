"""A run that goes on under another plan, other code, or from another run's folder."""

from __future__ import annotations

import json

import pytest

from labkit.core.config import leaves
from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord
from labkit.plan.amendments import FREE_TO_CHANGE
from labkit.plan.plan import TrainingPlan
from labkit.training.checkpoints import source
from labkit.training.checkpoints.kept import all_checkpoints
from labkit.training.checkpoints.source import FILE, source_hashes
from labkit.training.launch import prepare
from labkit.training.run import run
from tests.training.tiny import tiny_plan


def quiet(plan: TrainingPlan, folder, **keywords):
    return run(plan, folder, say=lambda _: None, step_seconds=[0.01], **keywords)


def test_a_limit_that_was_reached_is_lifted_and_the_run_is_the_same(data, lab_home):
    plan = tiny_plan(data, 12)
    whole = quiet(plan, lab_home / "whole")
    record = RunRecord(lab_home / "run")
    limited = plan.with_overrides({"budget.max_minutes": 1e-6})
    assert quiet(limited, record.folder).state == "stopped"
    taken = len(record.rows("step"))
    assert taken < 12
    assert quiet(limited, record.folder).state == "stopped"
    assert len(record.rows("step")) == taken  # not one step more at each start
    lifted = limited.with_overrides({"budget.max_minutes": None, "tracking": "off"})
    assert quiet(lifted, record.folder).state == whole.state == "finished"
    results = [(lab_home / name / "result.json").read_bytes() for name in ("whole", "run")]
    assert results[0] == results[1]
    [change] = record.read("amendments")
    assert (change["field"], change["from"], change["to"]) == ("budget.max_minutes", 1e-6, None)


def test_what_can_change_the_result_names_another_run(data, lab_home):
    plan = tiny_plan(data, 4)
    for name, value in leaves(plan).items():
        is_free = name.startswith(FREE_TO_CHANGE)
        changed = {"seed": 1, "tracking": "offline", "checkpoints.keep": 7}.get(name)
        if changed is not None and changed != value:
            assert (plan.with_overrides({name: changed}).run_id == plan.run_id) == is_free
    quiet(plan, lab_home / "run")
    with pytest.raises(LabError, match="different in seed"):
        quiet(plan.with_overrides({"seed": 1}), lab_home / "run")
    first = prepare(plan).record
    again = prepare(plan.with_overrides({"checkpoints.keep": 7})).record
    assert again.folder == first.folder
    assert again.read("plan")["checkpoints"]["keep"] == 7


def test_other_code_is_refused_by_file_unless_it_is_allowed(data, lab_home, monkeypatch):
    plan, record = tiny_plan(data, 8), RunRecord(lab_home / "run")
    assert quiet(plan, record.folder, until=4).state == "paused"
    [checkpoint, *_] = all_checkpoints(record.checkpoints)
    assert json.loads((checkpoint / FILE).read_bytes()) == source_hashes()
    edited = source_hashes() | {"model/norms.py": "0" * 16}
    monkeypatch.setattr(source, "source_hashes", lambda: edited)
    with pytest.raises(LabError, match=r"model/norms\.py changed.*--allow-change source"):
        quiet(plan, record.folder)
    assert quiet(plan, record.folder, allowed=("source",)).state == "finished"
    [change] = record.read("amendments")
    assert change["field"] == "source"
    assert change["to"] == ["model/norms.py"]


def test_a_runs_folder_means_its_newest_good_checkpoint(data, lab_home):
    plan = tiny_plan(data, 8)
    first = RunRecord(lab_home / "first")
    quiet(plan, first.folder, until=6)  # it keeps those of steps 4 and 6
    [newest, _] = all_checkpoints(first.checkpoints)
    (newest / "weights.pt").write_bytes(b"damaged")
    other = RunRecord(lab_home / "other")
    assert quiet(plan, other.folder, resume_from=first.folder).state == "finished"
    assert other.rows("step")[0]["step"] == 5
    with pytest.raises(LabError, match="has no checkpoint to go on from"):
        quiet(plan, lab_home / "third", resume_from=prepare(plan).record.folder)
