"""A model that no process could hold is made in pieces and trained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.cost.parameters import count_parameters
from tests.training.tiny import tiny_plan, write_tiny_corpus

pytestmark = pytest.mark.xdist_group("sharded")
WORKER = Path(__file__).with_name("capped_worker.py")
BYTES_OF_STATES = 16
"""Per parameter: fp32 weight, gradient, two moments."""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's PSS")
def test_states_of_three_times_a_process_cap_are_trained_under_it(lab_home):
    """glibc would keep what FSDP2 frees: a fixed threshold makes it map large tensors apart."""
    size = {
        "model.d_model": 384,
        "model.d_ff": 1536,
        "model.num_layers": 32,
        "model.num_heads": 8,
        "model.num_kv_heads": 8,
        "layout.data_parallel": 4,
    }
    plan = tiny_plan(write_tiny_corpus(lab_home), 3).with_overrides(
        {**size, "model.head_dim": 48, "data.batch_size": 4}
    )
    cap = BYTES_OF_STATES * count_parameters(plan.model) / 3
    path = lab_home / "plan.json"
    path.write_text(plan.model_dump_json())
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*torchrun, "--nproc-per-node", "4", str(WORKER), str(path)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads((lab_home / f"rank-{rank}.json").read_text()) for rank in range(4)]
    for one in found:
        assert cap / 2 < one["rise"] < cap
        assert one["losses"] == found[0]["losses"]
        assert one["losses"][-1] < one["losses"][0]
