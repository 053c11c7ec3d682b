from __future__ import annotations

import pytest

from labkit.core.errors import LabError
from labkit.plan.parts import ComputePlan
from labkit.training.device import DeviceFacts, choose_device, describe_device

LAPTOP = DeviceFacts("2.13.0+cpu", has_nvidia_gpu=False)
SERVER = DeviceFacts("2.13.0+cpu", has_nvidia_gpu=False, has_cpu_bf16=True)
MAC = DeviceFacts("2.13.0", has_nvidia_gpu=False, is_mps_available=True)
H100 = DeviceFacts("2.13.0", True, "12.8", True, "", "NVIDIA H100 80GB HBM3", has_gpu_bf16=True)
T4 = DeviceFacts("2.13.0", True, "12.8", True, "", "Tesla T4", has_gpu_bf16=False)
CPU_BUILD = DeviceFacts("2.13.0+cpu", has_nvidia_gpu=True, has_cpu_bf16=True)
OLD_DRIVER = DeviceFacts(
    "2.13.0", True, "12.8", False, "The NVIDIA driver on your system is too old"
)
SILENT = DeviceFacts("2.13.0", True, "12.8", False)


@pytest.mark.parametrize(
    ("facts", "device", "precision", "chosen"),
    [
        (LAPTOP, "auto", "auto", ("cpu", "fp32")),
        (SERVER, "auto", "auto", ("cpu", "bf16")),
        (SERVER, "cpu", "fp32", ("cpu", "fp32")),
        (LAPTOP, "auto", "bf16", ("cpu", "bf16")),
        (MAC, "auto", "auto", ("mps", "fp32")),
        (MAC, "cpu", "auto", ("cpu", "fp32")),
        (H100, "auto", "auto", ("cuda", "bf16")),
        (H100, "cpu", "auto", ("cpu", "fp32")),
        (T4, "auto", "auto", ("cuda", "fp16")),
        (T4, "cuda", "fp32", ("cuda", "fp32")),
        (CPU_BUILD, "cpu", "auto", ("cpu", "bf16")),
        (OLD_DRIVER, "cpu", "auto", ("cpu", "fp32")),
        (MAC, "mps", "fp32", ("mps", "fp32")),
        (T4, "auto", "fp16", ("cuda", "fp16")),
        (H100, "cuda", "fp16", ("cuda", "fp16")),
        (LAPTOP, "cpu", "fp16", "precision fp16 needs an NVIDIA GPU, not cpu; give bf16 or fp32"),
        (MAC, "mps", "fp16", "precision fp16 needs an NVIDIA GPU, not mps"),
        (MAC, "cuda", "auto", "no NVIDIA GPU here; give compute.device auto or cpu"),
        (H100, "mps", "auto", "no Apple GPU that torch can use here"),
        (OLD_DRIVER, "cuda", "auto", "built for CUDA 12.8, does not reach it: The NVIDIA driver"),
        (SILENT, "auto", "auto", "does not reach it: no reason given"),
        (LAPTOP, "cuda", "auto", "no NVIDIA GPU here; give compute.device auto or cpu"),
        (LAPTOP, "mps", "auto", "no Apple GPU that torch can use here"),
        (LAPTOP, "auto", "fp16", "precision fp16 needs an NVIDIA GPU, not cpu"),
        (MAC, "auto", "bf16", "bf16 is not supported on mps"),
        (T4, "auto", "bf16", "Tesla T4 has no bf16; give precision fp16 or fp32"),
        (CPU_BUILD, "auto", "auto", r"there is a GPU, but torch 2.13.0\+cpu is a CPU build"),
        (CPU_BUILD, "cuda", "auto", "or give compute.device=cpu to train without it"),
        (OLD_DRIVER, "auto", "auto", "does not reach it: The NVIDIA driver on your system is too"),
    ],
)
def test_the_choice_is_a_table(facts, device, precision, chosen):
    compute = ComputePlan(device=device, precision=precision)
    if isinstance(chosen, str):
        with pytest.raises(LabError, match=chosen):
            choose_device(compute, facts)
    else:
        found = choose_device(compute, facts)
        assert (found.device, found.precision) == chosen
        assert choose_device(found, facts) == found


def test_the_line_says_where_and_how():
    compute = ComputePlan(device="cpu", precision="bf16", num_threads=2)
    assert describe_device(compute, SERVER) == (
        "device cpu (2 threads, no NVIDIA GPU here), precision bf16"
    )
    assert "GPU left alone" in describe_device(compute, H100)
    gpu = ComputePlan(device="cuda", precision="bf16")
    mac = ComputePlan(device="mps", precision="fp32")
    assert describe_device(mac, MAC) == "device mps (Apple GPU), precision fp32"
    assert describe_device(gpu, H100) == "device cuda (NVIDIA H100 80GB HBM3), precision bf16"
