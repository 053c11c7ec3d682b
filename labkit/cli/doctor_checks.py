"""What the doctor says about given facts: pure functions, so that each lack can be tested."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from labkit.cli import doctor_gpu, doctor_jupyter, doctor_wandb
from labkit.cli.doctor_gpu import GpuFacts
from labkit.cli.doctor_jupyter import JupyterFacts
from labkit.cli.doctor_report import Check, pip_install
from labkit.cli.doctor_wandb import WandbFacts

GB = 1e9
MIN_PYTHON = (3, 11)
MIN_FREE_DISK_BYTES = 2 * GB
MIN_MEMORY_BYTES = 2 * GB
MALWARE_LIGHTNING = ("2.6.2", "2.6.3")
"""Releases of `lightning` with malware in them (GHSA-w37p-236h-pfx3)."""


@dataclass(frozen=True)
class Facts:
    """What was found; GPU, Jupyter and W&B beside those who judge them."""

    python: tuple[int, ...]
    interpreter: str
    gpu: GpuFacts
    lightning: str | None
    jupyter: JupyterFacts
    wandb: WandbFacts
    browser: str | None
    home: str
    home_is_writable: bool
    free_disk_bytes: float
    available_memory_bytes: float
    corpora: dict[str, bool] = field(default_factory=dict)


def all_checks(facts: Facts) -> Iterator[Check]:
    interpreter = facts.interpreter
    yield python(facts)
    yield doctor_gpu.torch(facts.gpu, interpreter)
    yield doctor_gpu.gpu(facts.gpu, interpreter)
    yield doctor_gpu.processor(facts.gpu)
    yield lightning(facts)
    yield doctor_jupyter.kernel(facts.jupyter, interpreter)
    yield doctor_jupyter.server(facts.jupyter, interpreter)
    yield doctor_jupyter.widgets(facts.jupyter, interpreter)
    yield doctor_wandb.wandb(facts.wandb, interpreter, facts.home)
    yield browser(facts)
    yield disk(facts)
    yield memory(facts)
    yield corpora(facts)


def python(facts: Facts) -> Check:
    version = ".".join(map(str, facts.python))
    if facts.python[:2] < MIN_PYTHON:
        fix = "make PYTHON=python3.12 run"
        return Check("Python", "lack", f"{version}; 3.11 or newer is needed", fix)
    return Check("Python", "ok", f"{version} at {facts.interpreter}")


def lightning(facts: Facts) -> Check:
    if facts.lightning in MALWARE_LIGHTNING:
        found = f"{facts.lightning} is a release with malware in it"
        fix = f"{facts.interpreter} -m pip uninstall -y lightning"
        return Check("lightning", "lack", found, fix)
    if facts.lightning is None:
        fix = pip_install(facts.interpreter)
        return Check("lightning", "warn", "not installed; only training needs it", fix)
    return Check("lightning", "ok", facts.lightning)


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
