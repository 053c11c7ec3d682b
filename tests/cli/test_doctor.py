from __future__ import annotations

import dataclasses
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.cli import doctor, main
from labkit.cli.doctor_checks import Facts, all_checks
from labkit.cli.doctor_gpu import GpuFacts
from labkit.cli.doctor_jupyter import EXTENSIONS, PACKAGES, JupyterFacts
from labkit.cli.doctor_wandb import WandbFacts

GOOD = Facts(
    python=(3, 11, 7),
    interpreter="/env/bin/python",
    gpu=GpuFacts(torch_version="2.13.0+cpu"),
    lightning="2.6.6",
    jupyter=JupyterFacts(
        packages=dict.fromkeys(PACKAGES, "8.1"),
        jupyterlab="4.6.6",
        server="/env/bin/jupyter-lab",
        kernel_interpreter="/env/bin/python3",
        extensions=tuple(EXTENSIONS),
    ),
    wandb=WandbFacts(version="0.31.0", default="offline", host="api.wandb.ai"),
    browser="/usr/bin/chromium",
    home="/lab/artifacts",
    home_is_writable=True,
    free_disk_bytes=50e9,
    available_memory_bytes=8e9,
    corpora={"shakespeare": True},
)


def jupyter(**changes):
    return {"jupyter": dataclasses.replace(GOOD.jupyter, **changes)}


def wandb(**changes):
    return {"wandb": dataclasses.replace(GOOD.wandb, **changes)}


def check_of(name, **changes):
    checks = {check.name: check for check in all_checks(dataclasses.replace(GOOD, **changes))}
    return checks[name]


def test_a_good_machine_lacks_nothing():
    assert {check.state for check in all_checks(GOOD)} == {"ok"}


@pytest.mark.parametrize(
    ("changes", "name", "state", "found", "fix"),
    [
        ({"python": (3, 10, 2)}, "Python", "lack", "3.10.2; 3.11 or newer", "make PYTHON="),
        (
            {"lightning": "2.6.3"},
            "lightning",
            "lack",
            "2.6.3 is a release with malware",
            "/env/bin/python -m pip uninstall -y lightning",
        ),
        ({"lightning": None}, "lightning", "warn", "only training", "pip install -c"),
        (
            jupyter(kernel_interpreter=None),
            "Jupyter kernel",
            "lack",
            "no kernel",
            "ipykernel install",
        ),
        (
            jupyter(kernel_interpreter="/usr/bin/python3"),
            "Jupyter kernel",
            "lack",
            "starts /usr/bin/python3, not /env/bin/python",
            "/env/bin/python -m ipykernel install --sys-prefix",
        ),
        (jupyter(jupyterlab=None), "JupyterLab", "lack", "not installed", "install -c"),
        (
            jupyter(server=None),
            "JupyterLab",
            "warn",
            "4.6.6 belongs to another environment",
            "/env/bin/python -m jupyterlab notebooks",
        ),
        (
            jupyter(packages=GOOD.jupyter.packages | {"ipywidgets": None, "ipykernel": None}),
            "widgets",
            "lack",
            "not installed: ipykernel, ipywidgets",
            "--force-reinstall --no-deps ipywidgets",
        ),
        (
            jupyter(extensions=("anywidget",)),
            "widgets",
            "lack",
            "no extension @jupyter-widgets/jupyterlab-manager",
            "jupyterlab_widgets anywidget",
        ),
        (
            jupyter(disabled=("anywidget",)),
            "widgets",
            "lack",
            "disabled in JupyterLab: anywidget",
            "jupyter labextension enable anywidget",
        ),
        (wandb(version=None), "W&B", "warn", "tracking is offline needs it", "install -c"),
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
    check = check_of(name, **changes)
    assert check.state == state
    assert found in check.found
    assert fix in check.fix
    others = [one for one in all_checks(dataclasses.replace(GOOD, **changes)) if one != check]
    assert {one.state for one in others} == {"ok"}


@pytest.mark.parametrize(
    ("changes", "found", "fix"),
    [
        ({}, "no API key for api.wandb.ai; tracking is offline", "wandb login && wandb sync"),
        ({"key_in": "~/.netrc"}, "API key in ~/.netrc", "wandb sync /lab/artifacts/runs/*/wandb/"),
        ({"mode_variable": "online"}, "WANDB_MODE=online does not decide it", "wandb sync"),
    ],
)
def test_wandb_says_what_a_run_does_and_how_to_send_it(changes, found, fix):
    check = check_of("W&B", **wandb(**changes))
    assert check.state == "ok"
    assert found in check.found
    assert check.fix.startswith(fix) or fix in check.fix


@pytest.mark.parametrize("place", ["WANDB_API_KEY", "netrc"])
def test_a_key_is_found_and_never_kept(place, tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert doctor.find_wandb().key_in is None
    if place == "netrc":
        place = str(tmp_path / "netrc")
        Path(place).write_text("machine api.wandb.ai login user password not-to-be-seen\n")
    else:
        monkeypatch.setenv(place, "not-to-be-seen")
    facts = doctor.find_wandb()
    assert facts.key_in == place
    assert "not-to-be-seen" not in repr(facts)
    monkeypatch.setenv("WANDB_API_KEY", "")
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert doctor.find_wandb().key_in is None


def test_extensions_are_those_jupyterlab_itself_would_load(tmp_path, monkeypatch):
    """Oracle: the server's own page; switched off as `jupyter labextension disable` writes it."""
    monkeypatch.setitem(sys.modules, "rfc3987_syntax", None)  # seconds to import
    config = pytest.importorskip("jupyterlab_server.config")
    from jupyter_core.paths import jupyter_path

    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    page = config.get_page_config(jupyter_path("labextensions"))
    loaded = {one["name"] for one in page["federated_extensions"]}
    assert set(doctor.find_jupyter().extensions) == loaded & set(EXTENSIONS)
    (tmp_path / "labconfig").mkdir()
    (tmp_path / "labconfig/page_config.json").write_text(
        '{"disabledExtensions": {"anywidget": true, "jupyterlab_pygments": true}}'
    )
    page = config.get_page_config(jupyter_path("labextensions"))
    disabled = doctor.find_jupyter().disabled
    assert set(disabled) == set(page["disabledExtensions"]) & set(EXTENSIONS) == {"anywidget"}


def test_this_machine_in_a_second():
    """Processor time of a fresh process; with a GPU it imports torch, which takes two."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "labkit", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == (1 if "✗" in done.stdout else 0), done.stderr
    assert "✓ Python" in done.stdout
    if "no NVIDIA GPU" in done.stdout:
        assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


def test_only_a_lack_fails(monkeypatch, capsys):
    monkeypatch.setattr(
        doctor, "gather_facts", lambda: dataclasses.replace(GOOD, browser=None, python=(3, 9, 1))
    )
    assert main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "✗ Python         3.9.1; 3.11 or newer is needed\n" in printed
    assert "! browser" in printed
    assert "1 lacking, 1 to know about" in printed
