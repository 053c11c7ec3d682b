"""Checkpoints of one layout go on in another."""

from __future__ import annotations

import pytest

from labkit.cli import main
from labkit.core.records.run import RunRecord
from labkit.training.checkpoints.difference import first_difference
from labkit.training.checkpoints.folder import load_checkpoint
from labkit.training.run import run
from tests.training.sharding.cases import RESUMED, plan_of
from tests.training.sharding.records import end_of, half_of, losses, record_of, samples_of

pytestmark = [pytest.mark.xdist_group("sharded"), pytest.mark.usefixtures("_in_that_home")]
ALONE = {"data.micro_batch": 2}


@pytest.mark.parametrize(("start", "layout"), [*RESUMED, ("muon-fsdp", "both")])
def test_a_checkpoint_of_any_layout_goes_on_in_another(start, layout, on_four):
    resumed = record_of(on_four, f"{start}-to-{layout}")
    name = "alone" if start == "whole" else "sharded"
    unbroken = RunRecord(on_four / name / start)
    assert losses(resumed) == pytest.approx(losses(unbroken)[10:], abs=1e-6)
    assert samples_of(resumed) == samples_of(unbroken)
    if start.endswith(layout):
        assert first_difference(end_of(resumed), end_of(unbroken)) is None


def test_one_process_goes_on_from_shards_and_from_their_consolidation(on_two, data, tmp_path):
    plan = plan_of(data, "modern", **ALONE)
    unbroken = record_of(on_two, "muon-fsdp")
    start = half_of(on_two, "muon-fsdp")
    assert main(["consolidate", str(start), str(tmp_path / "one-file")]) == 0
    for number, folder in enumerate((start, tmp_path / "one-file")):
        record = RunRecord(tmp_path / str(number))
        run(plan, record.folder, resume_from=folder, step_seconds=[0.01], say=lambda _: None)
        assert losses(record) == pytest.approx(losses(unbroken)[10:], abs=1e-6)
        assert samples_of(record) == samples_of(unbroken)
    assert first_difference(load_checkpoint(start), load_checkpoint(tmp_path / "one-file")) is None
    assert sorted(path.name for path in (tmp_path / "one-file").glob("*.pt")) == [
        "optimizer.pt",
        "random.pt",
        "weights.pt",
    ]
