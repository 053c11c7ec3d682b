"""What docs/*.md quote, name and run is what labkit says, has and does."""

from __future__ import annotations

import ast
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from labkit.cli import COMMANDS, main
from labkit.cli.doctor_gpu import Gpu, GpuFacts, gpu, torch
from labkit.cli.doctor_report import render
from labkit.core.config import leaves
from labkit.data.curation import CurationConfig
from labkit.plan.plan import TrainingPlan
from tests.training.tiny import tiny_plan, write_tiny_corpus

ROOT = Path(__file__).resolve().parents[2]
PAGES = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
CLUSTER, TROUBLE = PAGES["from_laptop_to_cluster.md"], PAGES["troubleshooting.md"]
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
    fields = leaves(TrainingPlan()) | leaves(CurationConfig())
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


def test_the_shown_job_is_written_from_a_laptops_plan(tmp_path, lab_home, monkeypatch, capsys):
    """With the header that the page shows, in the line that it shows."""
    monkeypatch.chdir(tmp_path)
    tiny_plan(write_tiny_corpus(lab_home)).save_parameters("plan.yaml")
    [header] = re.findall(r"```bash\n(#!/bin/bash.*?)```", CLUSTER, re.DOTALL)
    Path("header.sh").write_text(header)
    [command] = re.findall(r"<!-- slurm -->\n```\nlabkit (.*)\nsbatch job.sh\n", CLUSTER)
    assert main(shlex.split(command)) == 0
    assert "\n2 nodes x 2 processes, cuda in bf16, time limit 12:00:00\n" in capsys.readouterr().out
    script = Path("job.sh").read_text()
    assert script.startswith("#!/bin/bash -l\n")
    assert "\n#SBATCH --gpus-per-node=2\n" in script
    assert script.count("--time=") == 1
    assert script.index("module load cuda") > script.rindex("#SBATCH")


def test_an_open_plan_is_refused_in_one_line(tmp_path, lab_home, capsys):
    path = tiny_plan(write_tiny_corpus(lab_home)).save_parameters(tmp_path / "plan.yaml")
    assert main(["slurm", str(path), "--set", "compute.precision=auto"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("labkit slurm: compute.precision=auto: each node would settle it")
    assert said.count("\n") == 1


def test_lightnings_environments_are_all_named():
    spec = find_spec("lightning")
    if spec is None or spec.origin is None:
        pytest.skip("training is not installed")
    source = Path(spec.origin).parent / "fabric/plugins/environments/__init__.py"
    known = set(re.findall(r"import (\w+Environment)\b", source.read_text()))
    named = set(re.findall(r"^\| `(\w+Environment)` \|", CLUSTER, re.MULTILINE))
    assert named == known - {"ClusterEnvironment"}  # which is the base of the others
