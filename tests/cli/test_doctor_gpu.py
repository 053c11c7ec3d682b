"""The driver's words are as nvidia-smi printed them; no GPU is needed to read them."""

from __future__ import annotations

import dataclasses

import pytest

from labkit.cli import doctor
from labkit.cli.doctor_gpu import (
    FAULTS,
    Gpu,
    GpuFacts,
    fitting_build,
    gpu,
    parse_driver,
    parse_gpus,
    parse_torch_cuda,
    processor,
    torch,
)

PYTHON = "/env/bin/python"
H100 = Gpu("NVIDIA H100 80GB HBM3", 81559 << 20, (9, 0))
T4 = Gpu("Tesla T4", 15360 << 20, (7, 5))
V100 = Gpu("Tesla V100-SXM2-16GB", 16384 << 20, (7, 0))
B200 = Gpu("NVIDIA B200", 183359 << 20, (10, 0))
K80 = Gpu("Tesla K80", 11441 << 20, (3, 7))
GOOD = GpuFacts(
    torch_version="2.13.0",
    torch_cuda="13.0",
    has_device_file=True,
    gpus=(H100,),
    driver="580.82.07",
    driver_cuda=(13, 0),
    cuda_fault="",
)


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (
            "Wed Jul 29 21:51:11 2020\n"
            "+-----------------------------------------------------------------------------+\n"
            "| NVIDIA-SMI 450.57       Driver Version: 450.57       CUDA Version: 11.0     |\n",
            ("450.57", (11, 0), ""),
        ),
        (
            "| NVIDIA-SMI 560.35.03              Driver Version: 560.35.03      "
            "CUDA Version: 12.6     |\n",
            ("560.35.03", (12, 6), ""),
        ),
        (
            "Sun Jun  7 08:16:57 2026\n| NVIDIA-SMI 610.43.02              "
            "KMD Version: 610.43.02     CUDA UMD Version: 13.3     |\n",
            ("610.43.02", (13, 3), ""),
        ),
        (
            "| NVIDIA-SMI 510.47.03    Driver Version: 510.47.03    CUDA Version: N/A      |\n",
            ("510.47.03", None, ""),
        ),
        ("No devices were found\n", ("", None, "")),
        (
            "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 5\n",
            ("", None, "Failed to initialize NVML: Driver/library version mismatch"),
        ),
        (
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make "
            "sure that the latest NVIDIA driver is installed and running.\n\n",
            (
                "",
                None,
                "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
                "Make sure that the latest NVIDIA driver is installed and running.",
            ),
        ),
        ("", ("", None, "nvidia-smi printed nothing")),
    ],
)
def test_driver_as_recorded(printed, expected):
    assert parse_driver(printed) == expected


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("NVIDIA H100 80GB HBM3, 81559 MiB, 9.0\n", (H100,)),
        ("Tesla T4, 15360 MiB, 7.5\nTesla T4, 15360 MiB, 7.5\n", (T4, T4)),
        ("NVIDIA GB10, [N/A], 12.1\n", (Gpu("NVIDIA GB10", None, (12, 1)),)),
        ('Field "compute_cap" is not a valid field to query.\n\n', ()),
        ("", ()),
    ],
)
def test_gpus_as_recorded(printed, expected):
    assert parse_gpus(printed) == expected


def test_build_of_torch_is_read_as_torch_tells_it():
    real = pytest.importorskip("torch")
    assert doctor._torch_cuda() == real.version.cuda
    assert parse_torch_cuda("cuda: Optional[str] = '12.6'\nhip: Optional[str] = None") == "12.6"
    assert parse_torch_cuda("debug = False\ncuda: Optional[str] = None\nhip = '6.4'") is None


@pytest.mark.parametrize(
    ("driver_cuda", "capability", "tag"),
    [
        ((13, 3), (9, 0), "cu130"),
        ((12, 2), (9, 0), "cu126"),  # minor version compatibility: any driver of CUDA 12
        ((13, 0), (7, 0), "cu126"),  # CUDA 13 has no code for Volta
        ((13, 0), (12, 1), "cu130"),
        ((12, 8), (10, 0), None),  # CUDA 12.6 has none for Blackwell
        ((11, 4), (8, 0), None),
        ((13, 0), None, "cu130"),
    ],
)
def test_build_that_driver_and_gpu_allow(driver_cuda, capability, tag):
    build = fitting_build(driver_cuda, capability)
    assert (build.tag if build else None) == tag


@pytest.mark.parametrize(
    ("changes", "state", "found", "fix"),
    [
        (
            {},
            "ok",
            "NVIDIA H100 80GB HBM3, 79.6 GiB, driver 580.82.07 for CUDA up to 13.0; torch computes "
            "on it, bf16 in hardware (compute capability 9.0): precision auto is bf16",
            "",
        ),
        (
            {"gpus": (T4, T4)},
            "ok",
            "the first of 2, driver 580.82.07 for CUDA up to 13.0; torch computes on it, no bf16 "
            "(compute capability 7.5, from 8.0 on): precision auto is fp16",
            "",
        ),
        ({"gpus": ()}, "ok", "present, driver 580.82.07", ""),
        (
            {"torch_version": None, "torch_cuda": None, "cuda_fault": None},
            "warn",
            "torch is not installed",
            f"{PYTHON} -m pip install -c constraints.txt",
        ),
        (
            {"torch_version": "2.13.0+cpu", "torch_cuda": None, "cuda_fault": None},
            "lack",
            "but torch 2.13.0+cpu has no CUDA in it",
            "--torch-backend=cu130 --reinstall-package torch torch==2.13.0",
        ),
        (
            {"driver_cuda": (12, 2), "driver": "535.104.05", "cuda_fault": "too old"},
            "lack",
            "torch 2.13.0 is built for CUDA 13.0, which needs a newer driver",
            f"{PYTHON} -m uv pip install --python {PYTHON} --torch-backend=cu126",
        ),
        (
            {"driver_cuda": (11, 4), "driver": "470.82.01", "cuda_fault": "too old"},
            "lack",
            "driver 470.82.01 for CUDA up to 11.4, but",
            "update the NVIDIA driver to 525 or newer",
        ),
        (
            {"gpus": (B200,), "driver_cuda": (12, 8), "cuda_fault": "too old"},
            "lack",
            "needs a newer driver",
            "update the NVIDIA driver to 580 or newer",
        ),
        (
            {"gpus": (V100,), "cuda_fault": "CUDA error: no kernel image is available"},
            "lack",
            "does not compute on it: CUDA error: no kernel image is available",
            "--torch-backend=cu126",
        ),
        (
            {"gpus": (K80,), "driver_cuda": (11, 4), "cuda_fault": "too old"},
            "lack",
            "Tesla K80",
            "labkit train --set compute.device=cpu",
        ),
        (
            {"visible_devices": "", "cuda_fault": "No CUDA GPUs are available"},
            "lack",
            "CUDA_VISIBLE_DEVICES='' hides it",
            "unset CUDA_VISIBLE_DEVICES",
        ),
        (
            {"driver": "", "driver_cuda": None, "gpus": (), "cuda_fault": "unknown error"}
            | {"smi_fault": "Failed to initialize NVML: Driver/library version mismatch"},
            "lack",
            "version mismatch",
            "sudo reboot",
        ),
        (
            {"cuda_fault": "CUDA unknown error"},
            "lack",
            "built for CUDA 13.0, does not compute on it: CUDA unknown error",
            "nvidia-uvm",
        ),
        (
            {"has_device_file": False, "gpus": (), "driver": "", "cuda_fault": None},
            "ok",
            "no NVIDIA GPU",
            "",
        ),
        (
            {"has_device_file": False, "gpus": (), "driver": "", "smi_fault": next(iter(FAULTS))},
            "warn",
            "none to be seen; couldn't communicate",
            "sudo modprobe nvidia",
        ),
    ],
)
def test_gpu_is_used_or_the_lack_is_named_with_its_fix(changes, state, found, fix):
    check = gpu(dataclasses.replace(GOOD, **changes), PYTHON)
    assert check.state == state
    assert found in check.found
    assert fix in check.fix
    assert bool(check.fix) == (state != "ok")


def test_torch_says_its_build():
    assert torch(GOOD, PYTHON).found == "2.13.0, built for CUDA 13.0"
    assert torch(GpuFacts("2.13.0+cpu"), PYTHON).found == "2.13.0+cpu, no CUDA in this build"
    assert torch(GpuFacts(None), PYTHON).fix.startswith(f"{PYTHON} -m pip install -c")


def test_why_torch_fails_is_asked_of_torch():
    real = pytest.importorskip("torch")
    assert doctor.why_torch_fails_on("cpu") == ""
    reason = doctor.why_torch_fails_on("cuda")
    assert bool(reason) == (not real.cuda.is_available())
    assert "\n" not in reason


def test_processor_is_judged_as_training_does():
    from labkit.plan.parts import ComputePlan
    from labkit.training.device import DeviceFacts, _has_cpu_bf16, choose_device

    flags = doctor.find_gpu().cpu_bf16_flags
    assert bool(flags) == _has_cpu_bf16()
    for flags in ((), ("amx_bf16",)):
        facts = DeviceFacts("2.13.0+cpu", has_nvidia_gpu=False, has_cpu_bf16=bool(flags))
        settled = choose_device(ComputePlan(), facts)
        found = processor(GpuFacts("2.13.0", num_cores=2, cpu_bf16_flags=flags)).found
        assert found.endswith(f"precision auto is {settled.precision}")
        assert found.startswith("2 cores")


@pytest.mark.parametrize(("card", "has_bf16"), [(H100, True), (T4, False)])
def test_precision_on_a_gpu_is_judged_as_training_does(card, has_bf16):
    from labkit.plan.parts import ComputePlan
    from labkit.training.device import DeviceFacts, choose_device

    facts = DeviceFacts("2.13.0", True, "13.0", True, gpu_name=card.name, has_gpu_bf16=has_bf16)
    settled = choose_device(ComputePlan(), facts)
    found = gpu(dataclasses.replace(GOOD, gpus=(card,)), PYTHON).found
    assert found.endswith(f"precision auto is {settled.precision}")
