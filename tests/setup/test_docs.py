"""What docs/*.md quote, name and run is what labkit says, has and does."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from labkit.cli import COMMANDS, main
from labkit.cli.doctor_gpu import Gpu, GpuFacts, gpu, torch
from labkit.cli.doctor_report import render
from labkit.core.config import leaves
from labkit.plan.plan import TrainingPlan

ROOT = Path(__file__).resolve().parents[2]
PAGES = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
CLUSTER, TROUBLE = PAGES["from_laptop_to_cluster.md"], PAGES["troubleshooting.md"]
SECONDS = 120
FIELD = "\0"


def code(page: str) -> str:
    """The page's code, a line for each line of its blocks and each span that is no quotation."""
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", page, re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^ *```.*?^ *```", "", page, flags=re.DOTALL | re.MULTILINE)
    return "\n".join([*blocks, *re.findall(r'`([^"`\n][^`\n]*)`', prose)])


def messages() -> list[str]:
    """Every text in labkit's source but docstrings, with FIELD where a value is put in."""
    found = []
    for path in sorted((ROOT / "labkit").rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.Constant) and id(node) not in docstrings:
                found.append(str(node.value))
            if isinstance(node, ast.JoinedStr):
                parts = [p.value if isinstance(p, ast.Constant) else FIELD for p in node.values]
                found.append("".join(map(str, parts)))
    return found


def is_said(quoted: str, texts: list[str]) -> bool:
    """Whether one text holds the quotation, with nothing but values where it has an ellipsis."""
    pattern = re.compile(f"{FIELD}+".join(map(re.escape, quoted.split("…"))))
    return any(pattern.search(text) for text in texts)


def test_quotes_are_told_from_inventions():
    texts = [f"run {FIELD} is here; delete {FIELD}", "no chromium"]
    assert is_said("… is here; delete …", texts)
    assert is_said("no chromium", texts)
    assert not is_said("… is there; delete …", texts)
    assert not is_said("no … chromium", texts)
    assert not is_said("run … delete …", texts)


def test_every_quoted_message_is_in_the_source():
    quotes = [quote for page in PAGES.values() for quote in re.findall(r'`"([^`]+)"`', page)]
    texts = messages()
    assert len(quotes) > 40
    assert [quote for quote in quotes if not is_said(quote, texts)] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_named_command_file_and_field_exists(name, capsys):
    page = PAGES[name]
    shown = code(page)
    for command in re.findall(r"\blabkit ([a-z]\w*)", shown):
        assert command in COMMANDS, command
    for target in re.findall(r"\bmake (?:\w+=\S+ )*([a-z]+)\b", shown):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text(), target
    for link in re.findall(r"\]\(([^)#:]+)\)", page):
        assert (ROOT / "docs" / link).exists(), link
    for notebook in re.findall(r"notebooks/(\w+)\.ipynb", shown):
        assert (ROOT / f"notebooks/{notebook}.ipynb").exists(), notebook
    fields = leaves(TrainingPlan())
    for field in re.findall(r"--set ([\w.]+)=", shown):
        assert field in fields, field
    for command, flags in re.findall(r"\blabkit ([a-z]+)([^\n&#]*)", shown):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        known = capsys.readouterr().out
        for flag in re.findall(r"(?<!\S)--?[a-z][\w-]*", flags):
            assert flag in known, f"labkit {command} {flag}"


def test_shown_lines_of_the_doctor_are_what_it_prints():
    facts = GpuFacts(
        torch_version="2.13.0",
        torch_cuda="13.0",
        gpus=(Gpu("NVIDIA H100 80GB HBM3", 81559 << 20, (9, 0)),),
        driver="580.82.07",
        driver_cuda=(13, 0),
        cuda_fault="",
    )
    shown = re.findall(r"<!-- doctor: GPU -->\n```\n(.*?)```", CLUSTER, re.DOTALL)
    printed = [render(check(facts, "python")) for check in (torch, gpu)]
    assert shown == ["\n".join(printed) + "\n"]


def test_the_plan_of_a_job_leaves_nothing_open():
    """Or another node would settle it in another way, and begin another run."""
    [block] = re.findall(r"```yaml\n(.*?)```", CLUSTER, re.DOTALL)
    plan = TrainingPlan().with_overrides(yaml.safe_load(block))
    assert all(value not in ("auto", None) for value in leaves(plan.compute).values())
    [threads] = re.findall(r"--cpus-per-task=(\d+)", CLUSTER)
    assert plan.compute.num_threads == int(threads)


@pytest.mark.skipif(find_spec("lightning") is None, reason="training is not installed")
def test_the_job_is_interrupted_asks_to_be_requeued_and_goes_on(tmp_path, lab_home):
    """The script as it is shown, but for where it finds labkit; `scontrol` only writes down."""
    from tests.training.tiny import tiny_plan, write_tiny_corpus

    plan = tiny_plan(write_tiny_corpus(lab_home), num_steps=2000, name="job")
    plan.save_parameters(tmp_path / "plan.yaml")
    [script] = re.findall(r"```bash\n(#!/bin/bash\n#SBATCH.*?)```", CLUSTER, re.DOTALL)
    body = re.sub(r"^(export LABKIT_HOME|source ).*\n", "", script, flags=re.MULTILINE)
    assert body != script
    (tmp_path / "job.sh").write_text(body)
    programs = {
        "labkit": f'exec "{sys.executable}" -m labkit "$@"',
        "scontrol": 'echo "$@" >> requeued',
    }
    for name, line in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    slurm = {"SLURM_JOB_ID": "77", "SLURM_JOB_NAME": "labkit", "SLURM_NTASKS": "1"} | dict.fromkeys(
        ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID"), "0"
    )
    environment = os.environ | slurm | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    environment["PYTHONPATH"] = str(ROOT)

    def submit() -> subprocess.Popen[bytes]:
        return subprocess.Popen(["bash", "job.sh"], cwd=tmp_path, env=environment)

    job = submit()
    deadline = time.monotonic() + SECONDS
    while not any(path.stat().st_size for path in lab_home.glob("runs/*/metrics.jsonl")):
        assert job.poll() is None, "ended before its first step"
        assert time.monotonic() < deadline
        time.sleep(0.1)
    job.send_signal(signal.SIGUSR1)
    assert job.wait(SECONDS) == 143
    assert (tmp_path / "requeued").read_text() == "requeue 77\n"
    [folder] = (lab_home / "runs").iterdir()
    assert '"interrupted"' in (folder / "status.json").read_text()
    assert submit().wait(SECONDS) == 0
    assert (tmp_path / "requeued").read_text() == "requeue 77\n"
    [same] = (lab_home / "runs").iterdir()
    assert same == folder
    assert '"finished"' in (folder / "status.json").read_text()
    log = (folder / "LOG.md").read_text()
    assert re.search(r"interrupted: signal SIGTERM\n.* start from step-\d{8}\n", log)
