"""What this machine has, what it lacks, and the fix for each lack.

✓ here, ! lacking but not needed for everything, ✗ lacking: the exit status is 1 only then.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from labkit.cli import doctor_gpu, doctor_jupyter
from labkit.cli.doctor_checks import Facts, all_checks
from labkit.cli.doctor_gpu import GpuFacts
from labkit.cli.doctor_jupyter import JupyterFacts
from labkit.cli.doctor_report import render
from labkit.cli.doctor_wandb import WandbFacts

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SMI_SECONDS = 20.0
GPU_QUERY = ("--query-gpu=name,memory.total,compute_cap", "--format=csv,noheader")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The doctor looks at everything."""


def run(_arguments: argparse.Namespace) -> int:
    checks = list(all_checks(gather_facts()))
    print("\n".join(render(check) for check in checks))
    num_lacks = sum(check.state == "lack" for check in checks)
    num_warnings = sum(check.state == "warn" for check in checks)
    print(f"\n{num_lacks} lacking, {num_warnings} to know about")
    return 1 if num_lacks else 0


def gather_facts() -> Facts:
    """Look at this machine. torch is imported only where a GPU is (it takes two seconds)."""
    import psutil

    from labkit.core import artifacts

    home = artifacts.home()
    nearest = next(folder for folder in (home, *home.parents) if folder.is_dir())
    return Facts(
        python=sys.version_info[:3],
        interpreter=sys.executable,
        gpu=find_gpu(),
        lightning=_version("lightning"),
        jupyter=find_jupyter(),
        wandb=find_wandb(),
        browser=find_browser(),
        home=str(home),
        home_is_writable=_is_writable(nearest),
        free_disk_bytes=shutil.disk_usage(nearest).free,
        available_memory_bytes=psutil.virtual_memory().available,
        corpora=_corpora(),
    )


def find_browser() -> str | None:
    """Chromium or Chrome: `$LABKIT_CHROMIUM`, else the first of its names in PATH."""
    given = os.environ.get("LABKIT_CHROMIUM")
    return given or next(filter(None, map(shutil.which, BROWSERS)), None)


def find_gpu() -> GpuFacts:
    driver, driver_cuda, smi_fault, gpus = "", None, "", ()
    if shutil.which("nvidia-smi"):
        driver, driver_cuda, smi_fault = doctor_gpu.parse_driver(_ask_smi())
        gpus = doctor_gpu.parse_gpus(_ask_smi(*GPU_QUERY)) if driver else ()
    found = GpuFacts(
        torch_version=_version("torch"),
        torch_cuda=_torch_cuda(),
        has_device_file=any(Path("/dev").glob("nvidia[0-9]*")),
        gpus=gpus,
        driver=driver,
        driver_cuda=driver_cuda,
        smi_fault=smi_fault,
        visible_devices=os.environ.get("CUDA_VISIBLE_DEVICES"),
        num_cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
        cpu_bf16_flags=_cpu_flags(doctor_gpu.BF16_FLAGS),
    )
    if not (found.is_present and found.torch_cuda):
        return found
    return dataclasses.replace(found, cuda_fault=why_torch_fails_on("cuda"))


def why_torch_fails_on(device: str) -> str:
    """Empty where torch multiplies two matrices right on that device, else its reason."""
    import warnings

    torch = importlib.import_module("torch")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters of them is raised too
            ones = torch.ones(8, 8, device=device)
            is_right = bool((ones @ ones == 8).all())
    except Exception as error:  # whatever keeps it from computing is what we ask for
        return " ".join(str(error).split())[:200] or type(error).__name__
    return "" if is_right else "a product of matrices came out wrong"


def find_jupyter() -> JupyterFacts:
    from jupyter_core.paths import jupyter_config_path, jupyter_path

    folders = jupyter_path("labextensions")
    pages = [Path(folder, "labconfig/page_config.json") for folder in jupyter_config_path()]
    return JupyterFacts(
        packages={name: _version(name) for name in doctor_jupyter.PACKAGES},
        jupyterlab=_version("jupyterlab"),
        server=shutil.which("jupyter-lab", path=str(Path(sys.executable).parent)),
        kernel_interpreter=_kernel_interpreter(),
        extensions=tuple(
            name
            for name in doctor_jupyter.EXTENSIONS
            if any(Path(folder, name, "package.json").is_file() for folder in folders)
        ),
        disabled=doctor_jupyter.disabled_extensions(
            [path.read_text("utf-8") for path in pages if path.is_file()]
        ),
    )


def find_wandb() -> WandbFacts:
    from urllib.parse import urlsplit

    from labkit.plan.plan import TrainingPlan

    url = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")
    host = urlsplit(url).netloc or url
    return WandbFacts(
        version=_version("wandb"),
        default=TrainingPlan.model_fields["tracking"].default,
        host=host,
        key_in=_place_of_key(host),
        mode_variable=os.environ.get("WANDB_MODE"),
    )


def _version(package: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _ask_smi(*arguments: str) -> str:
    """What nvidia-smi printed; where a driver hangs, that it did."""
    try:
        done = subprocess.run(
            ["nvidia-smi", *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SMI_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"nvidia-smi gave no answer: {error}"
    return done.stdout or done.stderr


def _torch_cuda() -> str | None:
    """The CUDA torch was built for, read from its version.py."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).with_name("version.py")
    return doctor_gpu.parse_torch_cuda(path.read_text("utf-8")) if path.is_file() else None


def _cpu_flags(wanted: tuple[str, ...]) -> tuple[str, ...]:
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return ()
    return tuple(flag for flag in wanted if flag in flags)


def _kernel_interpreter() -> str | None:
    """The program that kernel `python3` starts; Jupyter takes a bare name as its own Python."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        program = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return None
    return program if Path(program).is_absolute() else sys.executable


def _place_of_key(host: str) -> str | None:
    """Where W&B would find an API key for that host; the key itself goes nowhere."""
    import netrc

    if os.environ.get("WANDB_API_KEY"):
        return "WANDB_API_KEY"
    given = os.environ.get("NETRC")
    names = [given] if given else ["~/.netrc", "~/_netrc"]
    for name in names:
        try:
            entry = netrc.netrc(Path(name).expanduser()).authenticators(host)
        except (OSError, netrc.NetrcParseError):
            continue
        if entry and entry[2]:
            return name
    return None


def _is_writable(folder: Path) -> bool:
    import tempfile

    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _corpora() -> dict[str, bool]:
    """Registered corpus -> whether it can be read now, without a fetch."""
    from labkit.data.corpora import CORPORA
    from labkit.data.fetch import is_here

    return {name: not corpus.archive or is_here(corpus) for name, corpus in CORPORA.items()}
