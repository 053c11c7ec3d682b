"""The job script: what it asks of Slurm, what it refuses, and what it does under a false one."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from labkit.batch.slurm import make_job, prepare_job
from labkit.batch.slurm_allocation import limit_seconds
from labkit.batch.slurm_config import SlurmConfig
from labkit.core.config import validate
from labkit.core.errors import LabError
from labkit.plan.plan import TrainingPlan
from tests.training.tiny import tiny_plan, write_tiny_corpus

GPU = {"device": "cuda", "precision": "bf16", "attention": "auto", "num_threads": None}


@pytest.fixture
def plan(lab_home: Path) -> TrainingPlan:
    """Eight processes on GPUs."""
    data = write_tiny_corpus(lab_home) | {"batch_size": 16}
    return tiny_plan(data, compute=GPU, layout={"data_parallel": 4, "tensor_parallel": 2})


def script(plan: TrainingPlan, header: Path | None = None, **options: Any) -> str:
    return make_job(plan, SlurmConfig(header=header and str(header), **options)).script


def directives(text: str) -> dict[str, str]:
    found = re.findall(r"^#SBATCH --([a-z-]+)=?(.*)$", text, re.MULTILINE)
    assert len(found) == len(dict(found)), "one of them twice"
    return dict(found)


def write(folder: Path, *lines: str) -> Path:
    path = folder / "header.sh"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_two_nodes_of_four_gpus(plan):
    text = script(plan, num_nodes=2, memory="200G", time_limit="1-0")
    assert directives(text) == {
        "job-name": "tiny",
        "nodes": "2",
        "ntasks-per-node": "1",
        "gpus-per-node": "4",
        "cpus-per-task": "32",
        "mem": "200G",
        "time": "1-0",
        "signal": "B:USR1@300",  # 120 + 2 x (30 + 30 + 30)
        "requeue": "",
        "open-mode": "append",
    }
    assert "--nnodes=2 --nproc-per-node=4 --rdzv-backend=c10d" in text
    assert "srun --nodes=2 --ntasks=2 --ntasks-per-node=1 --cpus-per-task=32" in text
    assert "# told 300 s before its time is up: 120 s + 2 x (" in text


def test_one_node_needs_no_meeting_point(plan):
    text = script(plan)
    assert directives(text)["gpus-per-node"] == "8"
    assert "--nnodes=1 --nproc-per-node=8 --standalone" in text
    assert "rdzv" not in text


def test_the_users_options_win_and_stand_before_the_first_command(plan, tmp_path):
    header = write(
        tmp_path,
        "#!/bin/bash -l",
        "#SBATCH -N 2 -p gpu",
        "#SBATCH --gres=gpu:h100:4",
        "#SBATCH -c 64",
        "module load cuda",
        "#SBATCH --time 2-0",
        "#SBATCH --signal=B:SIGUSR1@900",
    )
    text = script(plan, header)
    lines = text.splitlines()
    assert lines[0] == "#!/bin/bash -l"
    assert "# told 900 s before its time is up: as the header says; recommended: 300 s" in text
    last = max(number for number, line in enumerate(lines) if line.startswith("#SBATCH"))
    first = min(number for number, line in enumerate(lines) if line and not line.startswith("#"))
    assert last < first
    assert lines[first] == "module load cuda"
    ours = directives(text.split("#SBATCH -N 2")[0])
    assert set(ours) == {"job-name", "ntasks-per-node", "requeue", "open-mode"}
    assert "--ntasks=2 --ntasks-per-node=1 --cpus-per-task=64" in text
    assert "--nproc-per-node=4" in text


def test_what_the_nodes_would_settle_is_settled(plan):
    """Threads are the CPUs of a process, as without it the cores that a node shows."""
    assert script(plan, cpus_per_process=3) == script(
        plan.with_overrides({"compute.num_threads": 3, "compute.attention": "fused"}),
        cpus_per_process=3,
    )


def test_no_requeue_is_left_at_that(plan, tmp_path):
    text = script(plan, write(tmp_path, "#SBATCH --no-requeue"))
    assert "scontrol requeue" not in text
    assert "\n#SBATCH --requeue" not in text
    assert "trap 'ask' USR1" in text
    assert "scontrol requeue" in script(plan)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"compute.device": "auto"}, "compute.device=auto: each node"),
        ({"compute.device": "mps", "compute.precision": "fp32"}, "--set compute.device=cuda"),
        ({"compute.precision": "auto"}, "--set compute.precision=bf16"),
        ({"compute.device": "cpu"}, "--set compute.attention=fused"),
        ({"compute.num_threads": 16}, "compute.num_threads=16, but each of 8 processes"),
        (
            {"layout.data_parallel": 8, "data.batch_size": 64},
            "16 processes: say on how many nodes, such as --nodes 2",
        ),
        (
            {"layout.data_parallel": 14, "data.batch_size": 14},
            "28 processes: say on how many nodes, such as --nodes 7",
        ),
    ],
)
def test_an_open_plan_is_refused_with_the_way_to_close_it(plan, changes, message):
    with pytest.raises(LabError) as error:
        script(plan.with_overrides(changes))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("line", "options", "message"),
    [
        ("-N 3", {}, "3 nodes x 2 processes are 6, the plan's layout has 8"),
        ("--nodes=2 --gpus-per-node=8", {}, "or --set layout.data_parallel=8"),
        ("--nodes=2 --gpus-per-node=h100:2", {}, "2 nodes x 2 processes are 4"),
        ("-N 2", {"num_nodes": 4}, "--nodes 4, but the header says 2; give it once"),
        ("-N 2-4", {}, "--nodes=2-4: give one whole number"),
        ("-N 2 --gpus=8", {}, "may be spread unevenly over 2 nodes; give --gpus-per-node"),
        ("-G 4", {}, "may be spread unevenly over 2 nodes"),
        ("--gres=gpu:0", {}, "--gres=gpu:0 gives no GPU"),
        ("-n 8", {}, "--ntasks=8: a node has one task"),
        ("--ntasks-per-node=8", {}, "--ntasks-per-node=8: a node has one task"),
        ("-a 1-4", {}, "--array=1-4: all its jobs would train the same run"),
        ("-c 4", {}, "--cpus-per-task=4 is for all 8 processes of a node; give 64"),
        ("-c 64", {"cpus_per_process": 4}, "--cpus-per-process 4, but the header says 8"),
        ("--signal=USR1@90", {}, "write #SBATCH --signal=B:USR1@240"),
        ("--signal=B:TERM@90", {}, "the batch shell must be told, by USR1"),
        ("--signal=B:USR1@90", {"lead_seconds": 90}, "by USR1 and once"),
        ("-t 4", {}, "--time=4 is all within the 240 s"),
        ("-t 1:0:0:0", {}, "--time=1:0:0:0: give minutes"),
        ("-t 10:00", {"time_limit": "20:00"}, "--time-limit 20:00, but the header says 10:00"),
    ],
)
def test_a_header_that_cannot_run_the_plan_is_refused(plan, tmp_path, line, options, message):
    with pytest.raises(LabError) as error:
        script(plan, write(tmp_path, f"#SBATCH {line}"), **options)
    assert message in str(error.value)


def test_only_a_layout_that_the_batch_can_have_is_suggested(plan):
    """Batches of 16: 2 groups can share one, 3 can't."""
    with pytest.raises(LabError, match=r"4, .* or GPUs, or --set layout.data_parallel=2$"):
        script(plan, num_nodes=2, processes_per_node=2)
    with pytest.raises(LabError, match=r"3 nodes x 2 processes are 6, .* or GPUs$"):
        script(plan, num_nodes=3)


def test_fields_are_checked(plan):
    with pytest.raises(LabError, match="memory='8 GB': give a number and K, M, G or T"):
        script(plan, memory="8 GB")
    with pytest.raises(LabError, match="lead_seconds=65536: should be less than or equal to 65535"):
        validate(SlurmConfig, {"lead_seconds": 65536})


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90", 5400),
        ("90:30", 5430),
        ("1:30:00", 5400),
        ("2-12", 216_000),
        ("2-12:30", 217_800),
        ("2-12:30:15", 217_815),
        ("UNLIMITED", float("inf")),
    ],
)
def test_times_as_sbatch_reads_them(written, seconds):
    """sbatch(1), --time."""
    assert limit_seconds(written) == seconds


HOSTILE = (
    "plain",
    "a b",
    "it's",
    '"q"',
    "$(touch x)",
    "a\\ b",
    "`id`",
    "ü",
    "-n",
    "*",
    "{a}",
    "%j",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_paths_reach_the_program_as_they_are(name, tmp_path, monkeypatch):
    """bash expands what the script hands to srun; nothing else runs."""
    home = tmp_path / name
    monkeypatch.setenv("LABKIT_HOME", str(home))
    plan = tiny_plan(write_tiny_corpus(home))
    text = script(plan, cpus_per_process=1, python=f"/{name}/python")
    shown = 'srun() { while [[ $1 == --* ]]; do shift; done; printf "%s\\n" "$@"; }\n'
    done = subprocess.run(
        ["bash", "-c", f"{shown}{text}"],
        cwd=tmp_path,
        env={"SLURM_JOB_ID": "7", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    arguments = done.stdout.splitlines()[1:]
    folder = str(home / "runs" / plan.run_id)
    assert arguments[:3] == [f"/{name}/python", "-m", "torch.distributed.run"]
    assert arguments[-4:-1] == [f"{folder}/plan.json", "--folder", folder]
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("num_nodes", [1, 2, 8])
def test_bash_reads_it(plan, num_nodes, tmp_path):
    text = script(plan, write(tmp_path, "set -euo pipefail"), num_nodes=num_nodes)
    done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_the_run_is_there_before_the_job(plan, tmp_path, lab_home):
    """Its plan is settled, and what is there already is left alone."""
    record = prepare_job(plan, SlurmConfig(num_nodes=2), tmp_path / "job.sh").record
    settled = TrainingPlan.model_validate(record.read("plan"))
    assert (settled.compute.attention, settled.compute.num_threads) == ("fused", 8)
    assert record.run_id == settled.run_id
    assert f"folder={shlex.quote(str(record.folder))}\n" in (tmp_path / "job.sh").read_text()
    assert record.status().state == "waiting"
    record.set_status("paused", 12)
    again = prepare_job(plan, SlurmConfig(num_nodes=4), tmp_path / "job.sh").record
    assert again.folder == record.folder
    assert again.status().step == 12
