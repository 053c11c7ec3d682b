"""What the README shows is what the commands print."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

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


def results(stem: str) -> Any:
    return json.loads((ROOT / "docs/results" / f"{stem}.json").read_text("utf-8"))


def named(stem: str, part: str) -> dict[str, Any]:
    """The one record of a result whose name has the part."""
    [found] = [record for record in results(stem) if part in record["name"]]
    return found


def shown_ratio(record: dict[str, Any]) -> str:
    median, low, high = (
        f"{value:.2g}" if value < 99.5 else f"{value:.0f}"
        for value in (record["ratio"][name] for name in ("median", "min", "max"))
    )
    return f"{median} ({low} to {high})"


def shown_time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def shown_memory(megabytes: float) -> str:
    return f"{round(megabytes, -1):.0f} MB" if megabytes < 995 else f"{megabytes / 1000:.1f} GB"


def notebook_figures() -> dict[str, tuple[str, str]]:
    """Notebook -> (time, memory) of its longest run."""
    found: dict[str, tuple[str, str]] = {}
    for row in sorted(results("notebooks")["notebooks"], key=lambda row: row["seconds"]):
        found[row["notebook"]] = shown_time(row["seconds"]), shown_memory(row["peak_memory_mb"])
    return found


def test_speeds_are_those_of_the_committed_results():
    encoding = named("encoding", "encoding against tokenizers")
    ratio = encoding["ratio"]
    assert encoding["equal"]
    for text in (
        f"{encoding['ours_mb_per_cpu_s']:.1f} MB per CPU second",
        f"{ratio['median']:.1f} times",
        f"({ratio['min']:.1f} to {ratio['max']:.1f} over slices)",
        f"{encoding['num_documents']:,} documents of {encoding['megabytes']} MB",
        shown_ratio(encoding),
        shown_ratio(named("corpus_statistics", "shared figures")),
        shown_ratio(named("corpus_statistics", "whitespace words")),
        shown_ratio(results("trainer")),
        *(shown_ratio(record) for record in results("sharding")[:2]),
        *(
            shown_ratio(record)
            for record in results("filters")
            if record["name"] != "chain"  # between its parts
        ),
        *(shown_ratio(record) for record in results("c4")),
        shown_ratio(named("duplicates", "white space")),
        shown_ratio(results("readers")[0]),
        shown_ratio(named("personal_data", "all kinds, all texts")),
        shown_ratio(named("personal_data", "all kinds, mails")),
        *(f"{record['mb_per_cpu_s_one']['median']:.1f}" for record in results("curation")),
        *(shown_ratio(record) for record in results("curation")),
        f"{results('thresholds')['ours_ms']['median']:.0f} ms in the median",
        "{precision:.3f} and recall {recall:.3f}".format(
            **named("personal_data", "all kinds, all texts")["planted"][-2]
        ),
        *(
            f"{record['median_absolute_error']:.1%}"
            for record in results("memory")
            if "idle pools" in record["name"] or "expandable" in record["name"]
        ),
        f"{named('slider', 'cost panel')['ours_cpu_ms']['median']:.0f} ms",
        f"{named('imports', '--help')['ours']['cpu_s']:.2g} s",
        f"{named('imports', 'labkit import lab')['ours']['cpu_s'] * 1000:.0f} ms",
    ):
        assert text in README, text


@pytest.mark.parametrize("notebook", [path.stem for path in (ROOT / "notebooks").glob("*.ipynb")])
def test_times_and_memory_of_a_notebook_are_those_measured(notebook):
    time, memory = notebook_figures()[notebook]
    assert re.search(
        rf"\| `{notebook}` \| .+ \| {re.escape(time)} \| {re.escape(memory)} \|", README
    )
    first = json.loads((ROOT / f"notebooks/{notebook}.ipynb").read_text())["cells"][0]
    assert f"**Takes** {time} and {memory}" in "".join(first["source"])


def test_the_whole_takes_what_was_measured():
    whole = results("notebooks")
    assert f"`make run` takes {shown_time(whole['seconds_of_all'])}" in README
    assert f"a second time {shown_time(whole['seconds_of_all_again'])}" in README
    assert whole["date"] in README


def test_the_studys_figure_says_what_was_found():
    study = results("architectures")
    assert study["date"] in README
    drawn = (ROOT / "docs/architectures.svg").read_text("utf-8")
    for arm in study["result"]["arms"][1:]:
        assert f"{arm['name']}: {arm['verdict']['word']}" in drawn
    verdicts = {arm["name"]: arm["verdict"] for arm in study["result"]["arms"]}
    unshown = ("LayerNorm", "post-norm", "GQA", "MQA", "the baseline again")
    assert {verdicts[name]["word"] for name in unshown} == {"inconclusive"}
    assert {verdicts[name]["word"] for name in ("GELU", "half the tokens")} == {"worse"}
    effect, low, high = verdicts["learned positions"]["effect"]
    assert f"{effect:+.3f} bits per byte ({low:+.3f} to {high:+.3f})" in README


def test_what_the_open_recipe_costs_is_what_its_study_found():
    study = results("open_recipe")
    [arm] = study["result"]["arms"][1:]
    assert arm["verdict"]["word"] == "worse"
    effect, low, high = arm["verdict"]["effect"]
    assert f"that costs {effect:+.3f} bits per byte ({low:+.3f} to {high:+.3f};" in README
    assert f"run once on {study['date']}" in README


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
    for command in re.findall(r"(?:^|`)labkit (\w+)", README, re.MULTILINE):
        assert command in COMMANDS, command
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / link).exists(), link
    for target in re.findall(r"make (?:\w+=\S+ )*([a-z]+)", README):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text(), target


def test_each_notebook_is_in_the_table():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert f"| `{path.stem}` |" in README


def test_faults_are_those_of_the_committed_trials():
    rows = {row["fault"]: row for row in results("faults")["faults"]}
    damages = [rows[kind] for kind in ("flip", "cut", "zero")]
    rows["damaged"] = {key: sum(row[key] for row in damages) for key in ("held", "trials")}
    shown = {
        "SIGKILL": "SIGKILL",
        "SIGTERM": "SIGTERM",
        "resume": "resumes",
        "damaged": "damaged checkpoints",
        "hang": "hung processes named",
        "full disk": "full disks",
        "tracking dead": "W&B dead",
        "node failure": "lost nodes",
    }
    for fault, words in shown.items():
        assert f"{words} {rows[fault]['held']} of {rows[fault]['trials']}" in README
    assert f"in {rows['hang']['most_seconds']:g} s at most" in README
