from __future__ import annotations

import socket

import pytest
import torch.distributed as dist

from labkit.core.errors import LabError
from labkit.plan.layout import LayoutPlan
from labkit.training.sharding.processes import join


def test_processes_that_cannot_meet_say_where_and_what_to_look_at(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        torchrun = {"TORCHELASTIC_RUN_ID": "toy", "WORLD_SIZE": "2", "RANK": "0"}
        for name, value in {**torchrun, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(LabError, match=f"process 0 of 2 did not meet .* 127.0.0.1:{port}"):
            join(LayoutPlan(data_parallel=2), "cpu")
    assert not dist.is_initialized()
