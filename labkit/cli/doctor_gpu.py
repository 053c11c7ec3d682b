"""torch's build against the driver, the GPU and the processor: will a run use what is here?

A driver runs programs built for its own CUDA major version or an older one, whatever the minor
(NVIDIA, CUDA Compatibility, minor version compatibility). Whether torch computes on a GPU is asked
of torch: `is_available` is true on GPUs that its build has no machine code for.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from labkit.cli.doctor_report import Check, pip_install

GIB = 1 << 30
Version = tuple[int, int]

BF16_CAPABILITY: Version = (8, 0)
BF16_FLAGS = ("avx512_bf16", "amx_bf16")
"""Of /proc/cpuinfo; `labkit.training.device` goes by the same two."""

NO_DEVICES = "No devices were found"
FAULTS = {
    "couldn't communicate with the NVIDIA driver": "sudo modprobe nvidia && nvidia-smi",
    "Driver/library version mismatch": "sudo reboot  # the driver was updated under this kernel",
}
"""What nvidia-smi says -> what helps."""


@dataclass(frozen=True)
class Build:
    """A build of torch, and the GPUs it has machine code for by compute capability."""

    tag: str
    cuda_major: int
    min_driver: int
    lowest: Version
    highest: Version | None = None


BUILDS = (
    Build("cu130", cuda_major=13, min_driver=580, lowest=(7, 5)),
    Build("cu126", cuda_major=12, min_driver=525, lowest=(5, 0), highest=(9, 0)),
)
"""Published for torch 2.11 to 2.13 on x86 (pytorch's RELEASE.md, CUDA support matrix, 2026-09);
drivers from NVIDIA, CUDA Compatibility, table 1 (2026)."""


@dataclass(frozen=True)
class Gpu:
    name: str
    memory_bytes: float | None = None
    capability: Version | None = None


@dataclass(frozen=True)
class GpuFacts:
    """`cuda_fault`: empty where torch computed on the GPU, else its reason; None: not asked."""

    torch_version: str | None
    torch_cuda: str | None = None
    has_device_file: bool = False
    gpus: tuple[Gpu, ...] = ()
    driver: str = ""
    driver_cuda: Version | None = None
    smi_fault: str = ""
    visible_devices: str | None = None
    cuda_fault: str | None = None
    num_cores: int = 1
    cpu_bf16_flags: tuple[str, ...] = ()

    @property
    def is_present(self) -> bool:
        return bool(self.has_device_file or self.driver or self.gpus)


def parse_driver(text: str) -> tuple[str, Version | None, str]:
    """(driver's version, newest CUDA it runs, what is wrong) from what `nvidia-smi` printed.

    From driver 610 on the header says `KMD Version` and `CUDA UMD Version`.

    >>> parse_driver("| NVIDIA-SMI 580.65.06  Driver Version: 580.65.06  CUDA Version: 13.0 |")
    ('580.65.06', (13, 0), '')
    """
    driver = re.search(r"(?:Driver|KMD) Version:\s*(\d[\d.]*)", text)
    if driver is None:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        fault = lines[0] if lines else "nvidia-smi printed nothing"
        return "", None, "" if fault == NO_DEVICES else fault
    cuda = re.search(r"CUDA (?:UMD )?Version:\s*(\d+)\.(\d+)", text)
    return driver[1], (int(cuda[1]), int(cuda[2])) if cuda else None, ""


def parse_gpus(text: str) -> tuple[Gpu, ...]:
    """The rows of `nvidia-smi --query-gpu=name,memory.total,compute_cap --format=csv,noheader`.

    >>> parse_gpus("Tesla T4, 15360 MiB, 7.5")
    (Gpu(name='Tesla T4', memory_bytes=16106127360, capability=(7, 5)),)
    """
    found = []
    for line in text.splitlines():
        name, _, rest = line.partition(", ")
        memory, _, capability = rest.partition(", ")
        if not capability:
            continue
        mib = re.fullmatch(r"(\d+) MiB", memory.strip())
        version = re.fullmatch(r"(\d+)\.(\d+)", capability.strip())
        found.append(
            Gpu(
                name.strip(),
                int(mib[1]) * (1 << 20) if mib else None,
                (int(version[1]), int(version[2])) if version else None,
            )
        )
    return tuple(found)


def parse_torch_cuda(version_py: str) -> str | None:
    """The CUDA that torch was built for, from its version.py: reading takes no import.

    >>> parse_torch_cuda("cuda: Optional[str] = '13.0'")
    '13.0'
    """
    found = re.search(r"^cuda\b[^=]*=\s*['\"]([\d.]+)['\"]", version_py, re.MULTILINE)
    return found[1] if found else None


def fitting_build(driver_cuda: Version, capability: Version | None) -> Build | None:
    """The newest build that this driver runs and that has code for this GPU.

    >>> fitting_build((12, 2), (8, 0)).tag
    'cu126'
    """
    return next(
        (one for one in BUILDS if one.cuda_major <= driver_cuda[0] and _covers(one, capability)),
        None,
    )


def torch(facts: GpuFacts, interpreter: str) -> Check:
    if facts.torch_version is None:
        fix = pip_install(interpreter)
        return Check("torch", "warn", "not installed; only training needs it", fix)
    built = f"built for CUDA {facts.torch_cuda}" if facts.torch_cuda else "no CUDA in this build"
    return Check("torch", "ok", f"{facts.torch_version}, {built}")


def gpu(facts: GpuFacts, interpreter: str) -> Check:
    """A GPU that is there but cannot be used is a lack, and never passed over in silence."""
    if not facts.is_present:
        return _absent(facts)
    found = _describe(facts)
    if facts.torch_version is None:
        return Check("GPU", "warn", f"{found}; torch is not installed", pip_install(interpreter))
    if facts.cuda_fault == "":
        return Check("GPU", "ok", f"{found}; torch computes on it, {_precision(facts)}")
    why, fix = _unusable(facts, interpreter)
    return Check("GPU", "lack", f"{found}, but {why}", fix)


def processor(facts: GpuFacts) -> Check:
    cores = f"{facts.num_cores} core{'s' * (facts.num_cores != 1)}"
    if facts.cpu_bf16_flags:
        flags = ", ".join(facts.cpu_bf16_flags)
        found = f"{cores}, bf16 in hardware ({flags}): precision auto is bf16"
    else:
        found = f"{cores}, no bf16 in hardware: precision auto is fp32"
    return Check("CPU", "ok", found)


def _absent(facts: GpuFacts) -> Check:
    if facts.smi_fault:
        fix = _fix_of_fault(facts.smi_fault) or "nvidia-smi"
        return Check("GPU", "warn", f"none to be seen; {facts.smi_fault}", fix)
    return Check("GPU", "ok", "no NVIDIA GPU; training runs on the CPU, or on a Mac's GPU")


def _describe(facts: GpuFacts) -> str:
    """NVIDIA H200, 140.4 GiB, driver 580.65.06 for CUDA up to 13.0"""
    parts = ["present"]
    if facts.gpus:
        first = facts.gpus[0]
        parts = [first.name]
        if first.memory_bytes:
            parts.append(f"{first.memory_bytes / GIB:,.1f} GiB")
        if len(facts.gpus) > 1:
            parts.append(f"the first of {len(facts.gpus)}")
    if facts.driver:
        newest = f" for CUDA up to {_dotted(facts.driver_cuda)}" if facts.driver_cuda else ""
        parts.append(f"driver {facts.driver}{newest}")
    return ", ".join(parts)


def _precision(facts: GpuFacts) -> str:
    capability = facts.gpus[0].capability if facts.gpus else None
    if capability is None:
        return "bf16 unknown"
    shown = f"compute capability {_dotted(capability)}"
    if capability >= BF16_CAPABILITY:
        return f"bf16 in hardware ({shown}): precision auto is bf16"
    return f"no bf16 ({shown}, from {_dotted(BF16_CAPABILITY)} on): precision auto is fp16"


def _unusable(facts: GpuFacts, interpreter: str) -> tuple[str, str]:
    """(why torch does not compute on it, the fix)."""
    version, built_for = facts.torch_version, facts.torch_cuda
    capability = facts.gpus[0].capability if facts.gpus else None
    if facts.visible_devices in ("", "-1"):
        shown = f"CUDA_VISIBLE_DEVICES={facts.visible_devices!r} hides it"
        return shown, "unset CUDA_VISIBLE_DEVICES"
    if facts.smi_fault and (fix := _fix_of_fault(facts.smi_fault)):
        return facts.smi_fault, fix
    if built_for is None:
        return f"torch {version} has no CUDA in it", _other_torch(facts, interpreter)
    major = int(built_for.partition(".")[0])
    if facts.driver_cuda and major > facts.driver_cuda[0]:
        why = f"torch {version} is built for CUDA {built_for}, which needs a newer driver"
        return why, _other_torch(facts, interpreter)
    reason = facts.cuda_fault or "no reason given"
    why = f"torch {version}, built for CUDA {built_for}, does not compute on it: {reason}"
    has_code = [_covers(one, capability) for one in BUILDS if one.cuda_major == major]
    if has_code and not any(has_code):
        return why, _other_torch(facts, interpreter)
    return why, "nvidia-smi && sudo modprobe nvidia-uvm  # a GPU that is busy, or a driver half up"


def _other_torch(facts: GpuFacts, interpreter: str) -> str:
    """The command for a torch that this driver runs; where there is none, for the driver."""
    capability = facts.gpus[0].capability if facts.gpus else None
    tag = "auto"
    if facts.driver_cuda:
        build = fitting_build(facts.driver_cuda, capability)
        if build is None:
            return _other_driver(capability)
        tag = build.tag
    python = shlex.quote(interpreter)
    release = (facts.torch_version or "").partition("+")[0]
    return (
        f"{python} -m pip install uv && {python} -m uv pip install --python {python} "
        f"--torch-backend={tag} --reinstall-package torch torch=={release}"
    )


def _other_driver(capability: Version | None) -> str:
    wanted = [build.min_driver for build in BUILDS if _covers(build, capability)]
    if not wanted:
        return (
            "labkit train --set compute.device=cpu  # no torch from 2.11 on has code for this GPU"
        )
    return (
        "nvidia-smi --query-gpu=driver_version --format=csv  "
        f"# update the NVIDIA driver to {min(wanted)} or newer"
    )


def _covers(build: Build, capability: Version | None) -> bool:
    if capability is None:
        return True
    return build.lowest <= capability and (build.highest is None or capability <= build.highest)


def _fix_of_fault(fault: str) -> str:
    return next((fix for said, fix in FAULTS.items() if said in fault), "")


def _dotted(version: Version | None) -> str:
    return ".".join(map(str, version or ()))
