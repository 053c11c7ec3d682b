"""Which device and precision a plan runs in: a pure function of what was found on the machine.

A GPU that is there but cannot be used is an error that says why, never a silent CPU run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labkit.core.errors import LabError
from labkit.plan.parts import ComputePlan


@dataclass(frozen=True)
class DeviceFacts:
    """`cuda_build`: CUDA version torch was built for, None for a CPU build."""

    torch_version: str
    has_nvidia_gpu: bool
    cuda_build: str | None = None
    is_cuda_available: bool = False
    cuda_fault: str = ""
    gpu_name: str = ""
    has_gpu_bf16: bool = False
    is_mps_available: bool = False
    has_cpu_bf16: bool = False
    """bf16 matrix products in hardware; emulated they are slower than fp32."""


def choose_device(compute: ComputePlan, facts: DeviceFacts) -> ComputePlan:
    """The plan's device and precision, with `auto` settled.

    Raises:
        LabError: what was asked for is not there, or a GPU is there and unusable.
    """
    device = _device(compute.device, facts)
    precision = _precision(compute.precision, device, facts)
    return compute.model_copy(update={"device": device, "precision": precision})


def describe_device(compute: ComputePlan, facts: DeviceFacts, num_processes: int = 1) -> str:
    """The first line of a run's output."""
    where = {
        "cpu": f"{compute.num_threads} thread{'s' * (compute.num_threads != 1)}"
        + (", no NVIDIA GPU here" if not facts.has_nvidia_gpu else ", GPU left alone"),
        "cuda": facts.gpu_name,
        "mps": "Apple GPU",
    }[compute.device]
    several = f", {num_processes} processes" if num_processes > 1 else ""
    return f"device {compute.device} ({where}), precision {compute.precision}{several}"


def find_device_facts() -> DeviceFacts:
    """Look at this machine; imports torch."""
    import warnings

    import torch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        is_available = torch.cuda.is_available()
    return DeviceFacts(
        torch_version=torch.__version__,
        has_nvidia_gpu=is_available or any(Path("/dev").glob("nvidia[0-9]*")),
        cuda_build=torch.version.cuda,
        is_cuda_available=is_available,
        cuda_fault=" ".join(str(caught[0].message).split()) if caught else "",
        gpu_name=torch.cuda.get_device_name() if is_available else "",
        has_gpu_bf16=is_available and torch.cuda.is_bf16_supported(including_emulation=False),
        is_mps_available=torch.backends.mps.is_available(),
        has_cpu_bf16=_has_cpu_bf16(),
    )


def _device(wanted: str, facts: DeviceFacts) -> str:
    if wanted == "cpu":
        return "cpu"
    if wanted == "mps":
        if facts.is_mps_available:
            return "mps"
        raise LabError("device mps: no Apple GPU that torch can use here; give device auto or cpu")
    if facts.is_cuda_available:
        return "cuda"
    if facts.has_nvidia_gpu:
        raise LabError(
            f"there is a GPU, but {_why_unusable(facts)}; run `labkit doctor` for the fix, or give "
            "compute.device=cpu to train without it"
        )
    if wanted == "cuda":
        raise LabError("device cuda: no NVIDIA GPU here; give compute.device auto or cpu")
    return "mps" if facts.is_mps_available else "cpu"


def _why_unusable(facts: DeviceFacts) -> str:
    if facts.cuda_build is None:
        return f"torch {facts.torch_version} is a CPU build"
    return (
        f"torch {facts.torch_version}, built for CUDA {facts.cuda_build}, does not reach it: "
        f"{facts.cuda_fault or 'no reason given'}"
    )


def _precision(wanted: str, device: str, facts: DeviceFacts) -> str:
    if wanted == "fp16" and device != "cuda":
        raise LabError(f"precision fp16 needs an NVIDIA GPU, not {device}; give bf16 or fp32")
    if wanted == "bf16" and device == "cuda" and not facts.has_gpu_bf16:
        raise LabError(f"{facts.gpu_name} has no bf16; give precision fp16 or fp32")
    if wanted == "bf16" and device == "mps":
        raise LabError("precision bf16 is not supported on mps here; give fp32")
    if wanted != "auto":
        return wanted
    if device == "cuda":
        return "bf16" if facts.has_gpu_bf16 else "fp16"
    return "bf16" if device == "cpu" and facts.has_cpu_bf16 else "fp32"


def _has_cpu_bf16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return " avx512_bf16" in flags or " amx_bf16" in flags
