"""What the README shows is what the commands print."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from labkit.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
SHOWN = re.findall(r"<!-- labkit (.+?) -->\n```\n(.*?)```", README, re.DOTALL)


def test_outputs_are_shown():
    assert SHOWN


@pytest.mark.parametrize(("command", "output"), SHOWN)
def test_shown_output_is_what_the_command_prints(command, output, capsys):
    assert main(shlex.split(command)) == 0
    assert capsys.readouterr().out == output


def test_speeds_are_those_of_the_committed_results():
    [tokenizers, _] = json.loads((ROOT / "docs/results/encoding.json").read_text())
    assert tokenizers["equal"]
    ratio = tokenizers["ratio"]
    for text in (
        f"{tokenizers['ours_mb_per_cpu_s']:.1f} MB per CPU second",
        f"{ratio['median']:.1f} times",
        f"({ratio['min']:.1f} to {ratio['max']:.1f} over slices)",
        f"{tokenizers['num_documents']:,} documents of {tokenizers['megabytes']} MB",
    ):
        assert text in README


def test_training_figures_are_those_of_the_committed_results():
    study = json.loads((ROOT / "docs/results/recipes.json").read_text())["ratios"]
    tokens, seconds, documented = (
        study[name]
        for name in (
            "tokens_against_gpt2",
            "cpu_seconds_against_gpt2",
            "cpu_seconds_against_documented",
        )
    )
    trainer = json.loads((ROOT / "docs/results/trainer.json").read_text())
    for text in (
        f"{tokens['ratio']:.1f} times fewer tokens (95% interval {tokens['low']:.1f} to "
        f"{tokens['high']:.1f})",
        f"{seconds['ratio']:.1f} times less CPU time ({seconds['low']:.1f} to "
        f"{seconds['high']:.1f})",
        f"{documented['ratio']:.1f} times less CPU time ({documented['low']:.1f} to "
        f"{documented['high']:.1f})",
        f"{trainer['overhead_ms']['median']:.1f} ms of CPU per step",
    ):
        assert text in README, text


def test_every_named_command_and_file_exists():
    for command in re.findall(r"labkit (\w+)", README):
        assert command in COMMANDS, command
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / link).exists(), link
    for target in re.findall(r"make (?:\w+=\S+ )*([a-z]+)", README):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text(), target


def test_each_notebook_is_in_the_table():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert f"| `{path.stem}` |" in README
