"""Committed results have one layout, and every benchmark that `make bench` runs has one."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.result import KEYS, SPREAD, ratios, write

ROOT = Path(__file__).resolve().parents[2]
RESULTS = sorted((ROOT / "docs/results").glob("*.json"))
STUDIES = {"faults", "recipes", "architectures", "open_recipe", "notebooks", "filter_thresholds"}
"""Experiments and times without a peer: a layout of their own."""
BENCH = re.findall(
    r"-m benchmarks\.(\w+)",
    (ROOT / "Makefile").read_text().partition("\nbench:")[2].split("\n\n")[0],
)


def records(path: Path) -> list[dict[str, Any]]:
    found = json.loads(path.read_text("utf-8"))
    return found if isinstance(found, list) else [found]


@pytest.mark.parametrize(
    "path", [p for p in RESULTS if p.stem not in STUDIES], ids=lambda p: p.stem
)
def test_a_result_says_what_was_equal_against_whom_and_on_what(path):
    for record in records(path):
        assert set(KEYS) <= set(record), record["name"]
        for key in ("name", "equal", "peer", "unit", "machine"):
            assert isinstance(record[key], str), key
            assert record[key], key
        assert set(record["ratio"]) == set(SPREAD)
        assert 0 < record["ratio"]["min"] <= record["ratio"]["median"] <= record["ratio"]["max"]
        assert {"python", "labkit"} < set(record["versions"])


@pytest.mark.parametrize("path", RESULTS, ids=lambda p: p.stem)
def test_a_result_has_a_machine_and_what_was_equal(path):
    for record in records(path):
        assert record["machine"]
        assert record["equal"]


def test_make_bench_runs_benchmarks():
    assert len(BENCH) >= 5


@pytest.mark.parametrize("stem", BENCH)
def test_each_benchmark_has_its_committed_result(stem):
    assert (ROOT / "benchmarks" / f"{stem}.py").is_file()
    assert (ROOT / "docs/results" / f"{stem}.json").is_file()


def test_each_result_has_its_script():
    for path in RESULTS:
        assert (ROOT / "benchmarks" / path.name).with_suffix(".py").is_file(), path.name


def test_no_script_takes_the_name_of_a_module_that_others_import():
    """`python benchmarks/recipes.py` puts the folder first on the path: statistics.py would win."""
    names = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert not names & sys.stdlib_module_names


def test_the_ratio_is_the_peers_cost_by_ours_pair_by_pair():
    found = ratios(ours=[1.0, 2.0, 1.0], peer=[3.0, 2.0, 2.0])
    assert found == {"median": 2.0, "min": 1.0, "max": 3.0}


def test_a_result_without_its_machine_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    whole = dict.fromkeys(KEYS, "x")
    assert write("whole", whole).is_file()
    with pytest.raises(AssertionError, match="machine"):
        write("part", [whole, {key: "x" for key in KEYS if key != "machine"}])
    assert not (tmp_path / "benchmarks" / "part.json").exists()
