from __future__ import annotations

import socket

import pytest
import torch.distributed as dist

from labkit.core.errors import LabError
from labkit.plan.layout import LayoutPlan
from labkit.training.__main__ import main
from labkit.training.sharding.processes import join
from tests.training.tiny import tiny_plan, write_tiny_corpus


def test_a_process_other_than_the_first_that_meets_nobody_says_so_itself(
    lab_home, monkeypatch, capsys
):
    """The first waits for it, and is ended without a word."""
    plan = tiny_plan(write_tiny_corpus(lab_home)).with_overrides({"layout.data_parallel": 2})
    path = lab_home / "plan.json"
    path.write_text(plan.model_dump_json())
    torchrun = {"TORCHELASTIC_RUN_ID": "toy", "WORLD_SIZE": "2", "RANK": "1"}
    for name, value in {**torchrun, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)

    def refused(_backend):
        raise dist.DistNetworkError("no interface eth7")

    monkeypatch.setattr(dist, "init_process_group", refused)
    monkeypatch.setattr("sys.argv", ["labkit.training", str(path)])
    assert main() == 2
    said = capsys.readouterr().err
    assert "process 1 of 2 did not meet the others at 127.0.0.1:1 (no interface eth7)" in said


def test_processes_that_cannot_meet_say_where_and_what_to_look_at(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        torchrun = {"TORCHELASTIC_RUN_ID": "toy", "WORLD_SIZE": "2", "RANK": "0"}
        for name, value in {**torchrun, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(LabError, match=f"process 0 of 2 did not meet .* 127.0.0.1:{port}"):
            join(LayoutPlan(data_parallel=2), "cpu")
    assert not dist.is_initialized()
