"""What the doctor says about given facts: pure functions, so that each lack can be tested."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Literal

GB = 1e9
MIN_PYTHON = (3, 11)
MIN_FREE_DISK_BYTES = 2 * GB
MIN_MEMORY_BYTES = 2 * GB
MALWARE_LIGHTNING = ("2.6.2", "2.6.3")
"""Releases of `lightning` with malware in them."""
INSTALL = "pip install -c constraints.txt -e '.[all,dev]'"


@dataclass(frozen=True)
class Facts:
    """What was found. `torch_cuda`: CUDA version of the build, GPU reached or not, and why not."""

    python: tuple[int, ...]
    interpreter: str
    packages: dict[str, str | None]
    has_gpu: bool
    torch_cuda: tuple[str | None, bool, str] | None
    browser: str | None
    kernel_interpreter: str | None
    has_labextension: bool
    home: str
    home_is_writable: bool
    free_disk_bytes: float
    available_memory_bytes: float
    corpora: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """One line: `fix` is a command to copy, or empty."""

    name: str
    state: Literal["ok", "warn", "lack"]
    found: str
    fix: str = ""


def all_checks(facts: Facts) -> list[Check]:
    checks = (python, torch, gpu, lightning, kernel, widgets, browser, disk, memory, corpora)
    return [check(facts) for check in checks]


def python(facts: Facts) -> Check:
    version = ".".join(map(str, facts.python))
    if facts.python[:2] < MIN_PYTHON:
        fix = "make PYTHON=python3.12 run"
        return Check("Python", "lack", f"{version}; 3.11 or newer is needed", fix)
    return Check("Python", "ok", f"{version} at {facts.interpreter}")


def torch(facts: Facts) -> Check:
    version = facts.packages["torch"]
    if version is None:
        return Check("torch", "warn", "not installed; only training needs it", INSTALL)
    return Check("torch", "ok", version)


def gpu(facts: Facts) -> Check:
    """A GPU that is there but cannot be used is a lack, and never passed over in silence."""
    if not facts.has_gpu:
        return Check("GPU", "ok", "no NVIDIA GPU; everything here runs on the CPU")
    if facts.torch_cuda is None:
        return Check("GPU", "warn", "present, but torch is not installed", INSTALL)
    built_for, is_reached, reason = facts.torch_cuda
    if is_reached:
        return Check("GPU", "ok", f"present; torch built for CUDA {built_for} reaches it")
    if built_for is None:
        found = f"present, but torch {facts.packages['torch']} is a CPU build"
        release = (facts.packages["torch"] or "").partition("+")[0]
        fix = f"pip install --force-reinstall torch=={release}"
        return Check("GPU", "lack", found, fix)
    found = f"present, but torch built for CUDA {built_for} does not reach it: "
    fix = "nvidia-smi  # the newest CUDA this driver can run; update it or take an older torch"
    return Check("GPU", "lack", found + (reason or "no reason given"), fix)


def lightning(facts: Facts) -> Check:
    version = facts.packages["lightning"]
    if version in MALWARE_LIGHTNING:
        found = f"{version} is a release with malware in it"
        return Check("lightning", "lack", found, "pip uninstall -y lightning")
    if version is None:
        return Check("lightning", "warn", "not installed; only training needs it", INSTALL)
    return Check("lightning", "ok", version)


def kernel(facts: Facts) -> Check:
    fix = f"{facts.interpreter} -m ipykernel install --sys-prefix --name python3"
    found = facts.kernel_interpreter
    if found is None:
        return Check("Jupyter kernel", "lack", "no kernel named python3", fix)
    if not _is_same_program(found, facts.interpreter):
        wrong = f"python3 starts {found}, not {facts.interpreter}"
        return Check("Jupyter kernel", "lack", wrong, fix)
    return Check("Jupyter kernel", "ok", f"python3 starts {found}")


def widgets(facts: Facts) -> Check:
    version = facts.packages["ipywidgets"]
    fix = "pip install -c constraints.txt --force-reinstall ipywidgets jupyterlab_widgets"
    if version is None:
        return Check("widgets", "lack", "ipywidgets is not installed", fix)
    if not facts.has_labextension:
        found = f"ipywidgets {version}, but JupyterLab's extension for it is not beside this Python"
        return Check("widgets", "lack", found, fix)
    return Check("widgets", "ok", f"ipywidgets {version} with its JupyterLab extension")


def browser(facts: Facts) -> Check:
    if facts.browser is None:
        found = "no chromium; only the browser tests need one"
        return Check("browser", "warn", found, "sudo apt-get install -y chromium")
    return Check("browser", "ok", facts.browser)


def disk(facts: Facts) -> Check:
    if not facts.home_is_writable:
        fix = "export LABKIT_HOME=/a/folder/you/may/write"
        return Check("artifacts", "lack", f"{facts.home} cannot be written", fix)
    found = f"{facts.free_disk_bytes / GB:,.1f} GB free for {facts.home}"
    if facts.free_disk_bytes < MIN_FREE_DISK_BYTES:
        fix = "export LABKIT_HOME=/a/larger/disk"
        return Check(
            "artifacts", "warn", f"{found}; {MIN_FREE_DISK_BYTES / GB:g} GB is little", fix
        )
    return Check("artifacts", "ok", found)


def memory(facts: Facts) -> Check:
    found = f"{facts.available_memory_bytes / GB:,.1f} GB available"
    if facts.available_memory_bytes < MIN_MEMORY_BYTES:
        fix = "ps aux --sort=-rss | head  # what holds it"
        return Check("memory", "warn", f"{found}; {MIN_MEMORY_BYTES / GB:g} GB is needed", fix)
    return Check("memory", "ok", found)


def corpora(facts: Facts) -> Check:
    here = [name for name, is_here in facts.corpora.items() if is_here]
    away = [name for name, is_here in facts.corpora.items() if not is_here]
    found = f"here: {', '.join(here) or 'none'}"
    if away:
        found += f"; can be fetched: {', '.join(away)}"
        return Check("corpora", "warn", found, f"labkit fetch {' '.join(away)}")
    return Check("corpora", "ok", found)


def _is_same_program(one: str, other: str) -> bool:
    """One folder, and not two versions in it; links stay, as environments may share a base."""
    folders, names = zip(
        *(os.path.split(os.path.abspath(path)) for path in (one, other)), strict=True
    )
    has_version = all("." in name for name in names)
    return folders[0] == folders[1] and (names[0] == names[1] or not has_version)
