"""What this machine has, what it lacks, and the fix for each lack.

✓ here, ! lacking but not needed for everything, ✗ lacking: the exit status is 1 only then.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
from pathlib import Path

from labkit.cli.doctor_checks import Check, Facts, all_checks

HELP = "what this machine has, what it lacks, and the fix for each lack"
MARKS = {"ok": "✓", "warn": "!", "lack": "✗"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The doctor looks at everything."""


def run(_arguments: argparse.Namespace) -> int:
    checks = all_checks(gather_facts())
    print("\n".join(render(check) for check in checks))
    num_lacks = sum(check.state == "lack" for check in checks)
    num_warnings = sum(check.state == "warn" for check in checks)
    print(f"\n{num_lacks} lacking, {num_warnings} to know about")
    return 1 if num_lacks else 0


def render(check: Check) -> str:
    line = f"{MARKS[check.state]} {check.name:<14} {check.found}"
    return f"{line}\n{'':<17}{check.fix}" if check.fix else line


def gather_facts() -> Facts:
    """Look at this machine. torch is imported only where a GPU is (it takes two seconds)."""
    import psutil

    from labkit.core import artifacts

    home = artifacts.home()
    nearest = next(folder for folder in (home, *home.parents) if folder.is_dir())
    has_gpu = bool(shutil.which("nvidia-smi")) or any(Path("/dev").glob("nvidia[0-9]*"))
    return Facts(
        python=sys.version_info[:3],
        interpreter=sys.executable,
        packages={name: _version(name) for name in ("torch", "lightning", "ipywidgets")},
        has_gpu=has_gpu,
        torch_cuda=_torch_cuda() if has_gpu and _version("torch") else None,
        browser=find_browser(),
        kernel_interpreter=_kernel_interpreter(),
        has_labextension=(
            Path(sys.prefix, "share/jupyter/labextensions/@jupyter-widgets/jupyterlab-manager")
        ).is_dir(),
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


def _version(package: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _torch_cuda() -> tuple[str | None, bool, str]:
    """CUDA version torch was built for, whether it reaches the GPU, and why it does not."""
    import warnings

    torch = importlib.import_module("torch")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        is_available = bool(torch.cuda.is_available())
    reason = " ".join(str(caught[0].message).split()) if caught else ""
    return torch.version.cuda, is_available, reason


def _kernel_interpreter() -> str | None:
    """The program that kernel `python3` starts; Jupyter takes a bare name as its own Python."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        program = KernelSpecManager().get_kernel_spec("python3").argv[0]
    except NoSuchKernel:
        return None
    return program if Path(program).is_absolute() else sys.executable


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
