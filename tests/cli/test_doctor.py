from __future__ import annotations

import dataclasses
import time

import pytest

from labkit.cli import doctor, main
from labkit.cli.doctor_checks import Facts, all_checks

GOOD = Facts(
    python=(3, 11, 7),
    interpreter="/env/bin/python",
    packages={"torch": "2.13.0+cpu", "lightning": "2.6.6", "ipywidgets": "8.1.9"},
    has_gpu=False,
    torch_cuda=None,
    browser="/usr/bin/chromium",
    kernel_interpreter="/env/bin/python3",
    has_labextension=True,
    home="/lab/artifacts",
    home_is_writable=True,
    free_disk_bytes=50e9,
    available_memory_bytes=8e9,
    corpora={"shakespeare": True},
)


def packages(**changes: str | None) -> dict[str, str | None]:
    return GOOD.packages | changes


def test_a_good_machine_lacks_nothing():
    assert {check.state for check in all_checks(GOOD)} == {"ok"}


@pytest.mark.parametrize(
    ("changes", "name", "state", "found", "fix"),
    [
        ({"python": (3, 10, 2)}, "Python", "lack", "3.10.2; 3.11 or newer", "make PYTHON="),
        ({"packages": packages(torch=None)}, "torch", "warn", "only training", "pip install -c"),
        (
            {"has_gpu": True, "torch_cuda": (None, False, "")},
            "GPU",
            "lack",
            "torch 2.13.0+cpu is a CPU build",
            "--force-reinstall torch==2.13.0",
        ),
        (
            {"has_gpu": True, "torch_cuda": ("13.0", False, "driver is too old")},
            "GPU",
            "lack",
            "CUDA 13.0 does not reach it: driver is too old",
            "nvidia-smi",
        ),
        ({"has_gpu": True, "torch_cuda": ("13.0", True, "")}, "GPU", "ok", "reaches it", ""),
        ({"has_gpu": True}, "GPU", "warn", "torch is not installed", "pip install"),
        (
            {"packages": packages(lightning="2.6.3")},
            "lightning",
            "lack",
            "2.6.3 is a release with malware",
            "pip uninstall -y lightning",
        ),
        ({"packages": packages(lightning=None)}, "lightning", "warn", "only training", "pip"),
        ({"packages": packages(lightning="2.6.4")}, "lightning", "ok", "2.6.4", ""),
        ({"kernel_interpreter": None}, "Jupyter kernel", "lack", "no kernel", "ipykernel install"),
        (
            {"kernel_interpreter": "/usr/bin/python3"},
            "Jupyter kernel",
            "lack",
            "starts /usr/bin/python3, not /env/bin/python",
            "/env/bin/python -m ipykernel install --sys-prefix",
        ),
        ({"has_labextension": False}, "widgets", "lack", "extension", "jupyterlab_widgets"),
        (
            {"packages": packages(ipywidgets=None)},
            "widgets",
            "lack",
            "not installed",
            "pip install",
        ),
        ({"browser": None}, "browser", "warn", "only the browser tests", "apt-get install"),
        ({"home_is_writable": False}, "artifacts", "lack", "cannot be written", "LABKIT_HOME="),
        ({"free_disk_bytes": 1e9}, "artifacts", "warn", "1.0 GB free", "LABKIT_HOME="),
        ({"available_memory_bytes": 1e9}, "memory", "warn", "1.0 GB available", "ps aux"),
        (
            {"corpora": {"a": True, "b": False}},
            "corpora",
            "warn",
            "here: a; can be fetched: b",
            "labkit fetch b",
        ),
    ],
)
def test_each_lack_is_named_with_its_fix(changes, name, state, found, fix):
    checks = {check.name: check for check in all_checks(dataclasses.replace(GOOD, **changes))}
    assert checks[name].state == state
    assert found in checks[name].found
    assert fix in checks[name].fix
    assert bool(checks[name].fix) == (state != "ok")
    assert [c.name for c in checks.values() if c.state != "ok" and c.name != name] in (
        [],
        ["GPU"],
    )


def test_this_machine_in_under_three_seconds(capsys):
    start = time.perf_counter()
    status = main(["doctor"])
    seconds = time.perf_counter() - start
    printed = capsys.readouterr().out
    assert status == (1 if "✗" in printed else 0)
    assert "✓ Python" in printed
    assert seconds < 3


def test_only_a_lack_fails(monkeypatch, capsys):
    monkeypatch.setattr(
        doctor, "gather_facts", lambda: dataclasses.replace(GOOD, browser=None, python=(3, 9, 1))
    )
    assert main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "✗ Python         3.9.1; 3.11 or newer is needed\n" in printed
    assert "! browser" in printed
    assert "1 lacking, 1 to know about" in printed
