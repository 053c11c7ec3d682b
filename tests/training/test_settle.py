from __future__ import annotations

import pytest
import torch

from labkit.model.attention import KERNELS
from labkit.plan.plan import TrainingPlan
from labkit.training.device import DeviceFacts
from labkit.training.settle import num_cores, settle

LAPTOP = DeviceFacts("2.13.0+cpu", has_nvidia_gpu=False)
H100 = DeviceFacts("2.13.0", True, "12.8", True, "", "NVIDIA H100 80GB HBM3", has_gpu_bf16=True)


def test_what_is_left_open_is_measured_once_and_nothing_is_disturbed():
    threads, random = torch.get_num_threads(), torch.get_rng_state()
    plan = TrainingPlan()
    settled = settle(plan, LAPTOP)
    assert settled.compute.attention in KERNELS
    assert settled.compute.num_threads in {1, num_cores()}
    assert (settled.compute.device, settled.compute.precision) == ("cpu", "fp32")
    assert settle(plan, LAPTOP) == settled
    assert settle(settled, LAPTOP) == settled
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), random)


def test_what_is_given_stays():
    given = {"compute.attention": "written_out", "compute.num_threads": 3}
    settled = settle(TrainingPlan().with_overrides(given), LAPTOP)
    assert (settled.compute.attention, settled.compute.num_threads) == ("written_out", 3)


def test_on_a_gpu_the_fused_kernel_is_taken_without_measuring(lab_home):
    settled = settle(TrainingPlan(), H100)
    assert settled.compute.attention == "fused"
    assert settled.compute.device == "cuda"
    assert not (lab_home / "measured").exists()


@pytest.mark.parametrize("positions", ["learned", "rope", "none"])
def test_every_kind_of_block_can_be_timed(positions):
    plan = TrainingPlan().with_overrides({"model.positions": positions, "compute.num_threads": 1})
    assert settle(plan, LAPTOP).compute.attention in KERNELS
