"""The generated script run under a false Slurm: signalled, requeued, and going on to the end."""

from __future__ import annotations

import re
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest

from labkit.batch.lead_time import recommend_lead_time
from labkit.batch.slurm import prepare_job
from labkit.batch.slurm_config import SlurmConfig
from labkit.core.records.run import RunRecord
from labkit.plan.plan import TrainingPlan
from tests.batch.false_slurm import JOB_ID, SECONDS, FalseSlurm, wait_until
from tests.training.tiny import tiny_plan, write_tiny_corpus

needs_training = pytest.mark.skipif(find_spec("lightning") is None, reason="needs labkit[train]")


@pytest.fixture
def slurm(tmp_path: Path) -> FalseSlurm:
    return FalseSlurm(tmp_path / "it's here")


def write_job(
    slurm: FalseSlurm, lab_home: Path, num_nodes: int = 1, num_steps: int = 2000, **options: str
) -> tuple[Path, RunRecord]:
    data = write_tiny_corpus(lab_home)
    plan = tiny_plan(data, num_steps, name="job", layout={"data_parallel": num_nodes})
    header = slurm.folder / "header.sh"
    header.write_text(f"#!/bin/bash -l\n#SBATCH -c 1 -N {num_nodes}\nset -eu\nexport A=1\n")
    path = slurm.folder / "job.sh"
    return path, prepare_job(plan, SlurmConfig(header=str(header), **options), path).record


def has_steps(record: RunRecord) -> bool:
    return record.metrics.exists() and bool(record.rows("step"))


@needs_training
@pytest.mark.parametrize(("num_nodes", "num_steps"), [(1, 2000), (2, 600)])
def test_before_its_time_is_up_it_pauses_asks_for_more_and_goes_on(
    num_nodes, num_steps, slurm, lab_home
):
    """Two nodes are two torchruns of one process, which meet at the port of the job."""
    script, record = write_job(slurm, lab_home, num_nodes, num_steps)
    job = slurm.submit(script)
    wait_until(lambda: has_steps(record), job)
    job.send_signal(signal.SIGUSR1)
    assert job.wait(SECONDS) == 0, slurm.output
    assert slurm.requeued == [f"requeue {JOB_ID}"]
    paused = record.status()
    assert (paused.state, paused.reason) == ("paused", "asked to pause")
    assert 0 < paused.step < num_steps
    assert not list(record.folder.glob("control.json*"))
    assert "paused: asked to pause" in slurm.output
    again = slurm.submit(script, SLURM_RESTART_COUNT="1")
    assert again.wait(SECONDS) == 0, slurm.output
    assert slurm.requeued == [f"requeue {JOB_ID}"]
    assert record.status().state == "finished"
    assert len(list(record.folder.glob("logs/process-*.log"))) == num_nodes - 1
    log = record.log_file.read_text()
    assert re.search(r"paused: asked to pause\n.* start from step-\d{8}\n", log)
    assert [row["step"] for row in record.rows("step")] == [*range(1, num_steps + 1)]
    lead = recommend_lead_time(TrainingPlan.model_validate(record.read("plan")), num_nodes)
    assert lead.source.endswith(f"measured in run {record.run_id}")
    assert "assumed" not in lead.source


@needs_training
def test_a_signal_before_the_first_step_is_not_lost_and_scancel_is_no_requeue(slurm, lab_home):
    """The run drops a request that was there before it: the job asks again."""
    script, record = write_job(slurm, lab_home)
    job = slurm.submit(script)
    wait_until((slurm.folder / "srun.options").exists, job)
    job.send_signal(signal.SIGTERM)
    wait_until((record.folder / "control.json").exists, job)
    assert job.wait(SECONDS) == 0, slurm.output
    assert record.status().state == "paused"
    assert slurm.requeued == []


def test_a_start_that_came_to_nothing_is_not_repeated(slurm, lab_home):
    """The run still says that it paused: at the step that this start began from."""
    stuck = slurm.folder / "stuck"
    stuck.write_text("#!/bin/sh\nwhile [ ! -e told ]; do sleep 0.1; done; exit 3\n")
    stuck.chmod(0o755)
    script, record = write_job(slurm, lab_home, python=str(stuck))
    record.set_status("paused", 40, "asked to pause")
    job = slurm.submit(script)
    wait_until((slurm.folder / "srun.options").exists, job)
    job.send_signal(signal.SIGUSR1)
    wait_until((record.folder / "control.json").exists, job)
    (slurm.folder / "told").touch()
    assert job.wait(SECONDS) == 3
    assert slurm.requeued == []
    assert "not queued again: the run did not pause at a step after 40" in slurm.output
    assert not (record.folder / "control.json").exists()
