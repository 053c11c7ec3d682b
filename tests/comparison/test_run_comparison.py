"""Runs from anywhere: grouped by what they are, judged where that is honest, exported whole."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from labkit.comparison.run_comparison import (
    RunComparison,
    RunComparisonConfig,
    equal_axes,
    group_runs,
    incomparable,
    scores,
)
from labkit.comparison.run_curves import curves
from labkit.comparison.runs.budget import missing_fields, plan_of
from labkit.comparison.runs.local import read_local
from labkit.comparison.runs.select import select_runs
from labkit.comparison.runs.view import RunView
from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord, runs_folder
from labkit.plan.plan import TrainingPlan
from labkit.questions.run_comparison.decision import record_comparison
from labkit.questions.run_comparison.sentences import comparison_sentences
from labkit.questions.run_comparison.tables import difference_rows, run_rows, verdict_rows
from labkit.statistics.verdict import Scores, judge
from labkit.training.launch import prepare
from labkit.training.run import run
from labkit.widgets.run_comparison_panel import RunComparisonPanel
from tests.training.tiny import tiny_plan, write_tiny_corpus

CORPUS = "python-docs"


@pytest.fixture
def plan(lab_home: Path) -> TrainingPlan:
    torch.set_num_threads(1)
    plan = tiny_plan(write_tiny_corpus(lab_home), 6)
    return plan.with_overrides({"evaluation.num_evaluations": 2, "name": "base"})


def trained(plan: TrainingPlan, **changes) -> RunRecord:
    changed = plan.with_overrides(changes)
    record = RunRecord(runs_folder() / changed.run_id)
    run(changed, record.folder, step_seconds=[0.01], say=lambda _: None)
    return record


@pytest.fixture
def comparison(plan: TrainingPlan) -> RunComparison:
    for seed in (1, 2):
        trained(plan, seed=seed)
        trained(plan, seed=seed, name="rope", **{"model.positions": "rope"})
    trained(plan, seed=1, name="short", **{"budget.num_tokens": 64})
    trained(plan, seed=1, name="one", **{"model.qk_norm": True})
    trained(plan, seed=1, name="few", **{"evaluation.num_windows": 5})
    return compared("base-*, rope-*, short-*, one-*, few-*")


def compared(runs: str, **changes) -> RunComparison:
    return RunComparison(RunComparisonConfig(runs=runs, corpus=CORPUS, **changes))


def test_groups_are_configs_and_only_differences_are_shown(comparison):
    assert {group.name: sorted(group.seeds) for group in comparison.groups} == {
        "base": [1, 2],
        "rope": [1, 2],
        "short": [1],
        "one": [1],
        "few": [1],
    }
    rows = {row["field"]: row for row in difference_rows(comparison)}
    assert set(rows) == {
        "model.positions",
        "model.qk_norm",
        "budget.num_tokens",
        "evaluation.num_windows",
    }
    assert rows["model.positions"]["rope"] == "rope"


def test_verdicts_where_they_are_honest_and_reasons_where_not(comparison):
    reasons = {row["group"]: (row["verdict"], row["because"]) for row in verdict_rows(comparison)}
    assert reasons["base"] == ("the baseline", "")
    assert reasons["short"] == ("not comparable", "equal in neither FLOPs nor tokens")
    assert reasons["one"][1].startswith("it has 1 finished seed")
    assert reasons["few"][1] == "evaluated on other windows (evaluation.num_windows)"
    runs = {name: select_runs(f"{name}-*", "") for name in ("base", "rope")}
    base, rope = (
        Scores(
            [view.bits_per_byte for view in runs[name]],
            np.stack(
                [v.window_nats * v.bits_per_byte / np.mean(v.window_nats) for v in runs[name]]
            ),
        )
        for name in ("base", "rope")
    )
    by_hand = judge(base, {"rope": rope})["rope"]
    assert comparison.verdicts["rope"].effect == pytest.approx(by_hand.effect)
    assert comparison.verdicts["rope"].window_error == pytest.approx(by_hand.window_error)
    assert "3 of 4 groups are not comparable" in comparison_sentences(comparison).markup


def test_a_diverged_run_and_one_at_work(comparison, plan):
    [view, other] = comparison.groups[1].runs
    diverged = dataclasses.replace(view, summary=view.summary | {"validation.bits_per_byte": None})
    at_work = dataclasses.replace(view, state="running")
    base = comparison.groups[0]
    for changed, message in (
        (diverged, "1 of 2 runs of it diverged"),
        (at_work, "1 finished seed"),
    ):
        group = comparison.groups[1]._replace(runs=[changed, other])
        comparison.others = [group]
        assert not incomparable(group, base)
        assert message in comparison._verdicts()["rope"].reason


def test_curves_are_on_steps_that_all_seeds_have(comparison):
    found = {one["name"]: one for one in curves(comparison, "validation/loss")}
    assert found["base"]["tokens"] == [3 * 64, 6 * 64]
    assert found["base"]["values"].shape == (2, 2)
    finals = [view.summary["validation.loss"] for view in comparison.groups[0].runs]
    assert found["base"]["values"][:, -1].tolist() == finals


def test_what_is_exported_reads_back(comparison, lab_home):
    folder = record_comparison(comparison)
    decision = json.loads((folder / "decision.json").read_text())
    exported = lab_home / decision["artifact"]
    rows = list(csv.DictReader((exported / "runs.csv").open(encoding="utf-8")))
    assert [row["run"] for row in rows] == [row["run"] for row in run_rows(comparison)]
    assert {row["model.positions"] for row in rows if row["group"] == "rope"} == {"rope"}
    groups = list(csv.DictReader((exported / "groups.csv").open()))
    assert [row["group"] for row in groups].count("base") == 2
    assert record_comparison(compared(comparison.config.runs)) == folder


def test_wandbs_offline_files_give_the_same_groups_and_scores(plan, tmp_path):
    """The same runs from their W&B files alone: equal scores, the seeds' error alone."""
    pytest.importorskip("wandb")
    for seed in (1, 2):
        for positions in ("learned", "rope"):
            changes = {"model.positions": positions, "tracking": "offline", "name": positions}
            record = trained(plan, seed=seed, **changes)
            shutil.copytree(record.folder / "wandb", tmp_path / "elsewhere" / record.run_id)
    local = compared("learned-*, rope-*")
    shutil.rmtree(runs_folder())
    remote = compared(str(tmp_path / "elsewhere"))
    assert [group.name for group in remote.groups] == [group.name for group in local.groups]
    assert {run.source for run in remote.views} == {"W&B offline"}
    for ours, theirs in zip(local.groups, remote.groups, strict=True):
        assert [run.bits_per_byte for run in theirs.runs] == [
            run.bits_per_byte for run in sorted(ours.runs, key=lambda run: run.run_id)
        ]
    [verdict], [other] = local.verdicts.values(), remote.verdicts.values()
    assert other.effect.estimate == pytest.approx(verdict.effect.estimate)
    assert other.window_error is None


def test_names_that_mean_no_run_are_refused(plan):
    with pytest.raises(LabError, match=r"no run, study or file 'nothing'; known: none here yet"):
        select_runs("nothing", "")
    with pytest.raises(LabError, match="known: decision:30, decision:50"):
        select_runs("decision:99", "")
    with pytest.raises(LabError, match="no runs named"):
        select_runs(" , ", "")
    prepare(plan)
    with pytest.raises(LabError, match="no group 'other'; there are: base"):
        compared("base-*", baseline="other")


def test_runs_that_tuned_a_rate_are_not_taken_for_seeds(plan):
    """Their scores are the best of several; a pattern that asks for them gets them."""
    trained(plan, seed=1)
    tuning = trained(plan, seed=100, name="tuning-base")
    assert len(select_runs("*", "")) == 1
    assert [view.run_id for view in select_runs("tuning-*", "")] == [tuning.run_id]


def test_a_waiting_run_is_a_row_without_figures(plan):
    view = read_local(prepare(plan).record)
    assert (view.state, view.bits_per_byte, view.history) == ("waiting", None, [])
    [group] = group_runs([view])
    assert group.name == "base"


def test_choosing_groups_and_metric_changes_the_figure(comparison, monkeypatch):
    monkeypatch.setenv("LABKIT_MODE", "interactive")
    panel = RunComparisonPanel(comparison)
    before = panel.figure.to_json()
    panel.metric.value = "train/loss"
    drawn = panel.figure.to_json()
    assert drawn != before
    panel.groups.value = ["rope"]
    assert {trace.legendgroup for trace in panel.figure.data} == {"rope"}


def changed_views(group, **changes):
    return group._replace(runs=[dataclasses.replace(run, **changes) for run in group.runs])


def with_config(group, **config):
    runs = [dataclasses.replace(run, config=run.config | config) for run in group.runs]
    return group._replace(runs=runs)


def test_what_would_be_a_false_verdict_is_refused_by_name(comparison):
    base, rope = comparison.groups[:2]
    one, two = rope.runs
    history = [row for row in one.history if row["step"] < 6]
    unseeded = [
        dataclasses.replace(run, config={k: v for k, v in run.config.items() if k != "seed"})
        for run in rope.runs
    ]
    for changed, message in (
        (changed_views(rope, state="stopped", history=history), "2 of 2 runs stopped before"),
        (changed_views(rope, state="failed", history=history), "2 of 2 runs failed before"),
        (with_config(rope, seed=1), "seed 1 more than once"),
        (rope._replace(runs=unseeded), "no seed in its config"),
        (with_config(rope, **{"model.context_length": 8}), r"other windows \(model.context_length"),
        (with_config(rope, **{"data.mask_document_starts": True}), "evaluated on other tokens"),
        (with_config(rope, **{"data.validation": None}), "is no labkit plan"),
        (with_config(rope, model=5), "is no labkit plan"),
        (
            rope._replace(runs=[one, dataclasses.replace(two, summary={"inputs.x": "other"})]),
            "data of one name and other content",
        ),
    ):
        assert re.search(message, incomparable(changed, base))
        if "context" not in message:
            assert re.search(message, incomparable(base, changed))
    whole = changed_views(rope, state="died")  # W&B's last words were lost, all steps were taken
    assert not incomparable(whole, base)


def foreign(name: str, score: float, tokens: int, config: dict[str, Any]) -> RunView:
    """What a training script that isn't labkit's logs: its config happens to have a few names."""
    logged = [{"validation/bits_per_byte": 3.0}, {"validation/bits_per_byte": score}]
    history = [
        row | {"step": 10 * (n + 1), "train/tokens": tokens * (n + 1) // 2}
        for n, row in enumerate(logged)
    ]
    summary = {"validation.bits_per_byte": score}
    run_id = f"{name}-{config['seed']}"
    return RunView(run_id, "W&B offline", name, "finished", config, history, summary)


@pytest.mark.parametrize(
    "text",
    [{}, {"data.validation": "val.bin", "data.tokenizer": "gpt2", "data.train": '{"t": 1.0}'}],
)
def test_of_a_foreign_config_nothing_is_invented(comparison, text):
    """One arm read 100 times the tokens, which only its history says."""
    views = [
        foreign(name, score + seed / 1000, tokens, {"seed": seed, **text, **changed})
        for name, score, tokens, changed in (
            ("small", 1.5, 10**6, {"optimizer.learning_rate": 1e-3}),
            ("large", 1.4, 10**8, {"optimizer.learning_rate": 3e-3}),
            ("longer", 1.3, 10**8, {"optimizer.learning_rate": 4e-3}),
        )
        for seed in (0, 1, 2)
    ]
    comparison.views = views
    comparison.groups = group_runs(views)
    comparison.baseline, *comparison.others = comparison.groups
    comparison.verdicts = comparison._verdicts()
    small, large, _ = verdict_rows(comparison)
    assert large["verdict"] == "not comparable"
    assert re.search("lacks name, model.* isn't known", large["because"])
    assert (small["tokens"], large["tokens"]) == ("1,000,000", "100,000,000")
    assert (large["FLOPs"], large["equal in"], large["difference"]) == ("unknown", "", "")
    assert equal_axes(comparison.groups[1], comparison.groups[2]) == ["tokens"]
    drawn = {one["name"]: one["tokens"] for one in curves(comparison, "validation/bits_per_byte")}
    assert drawn["small"] == [500_000, 1_000_000]


def test_a_plan_lacks_no_field_but_in_labkits_own_records(comparison):
    """An older version's record lacks a field that is new; of W&B's nobody knows whose it is."""
    view = comparison.views[0]
    older = {name: value for name, value in view.config.items() if name != "optimizer.beta2"}
    assert plan_of(dataclasses.replace(view, source="W&B online")) == plan_of(view)
    assert plan_of(dataclasses.replace(view, config=older))
    elsewhere = dataclasses.replace(view, config=older, source="W&B online")
    assert plan_of(elsewhere) is None
    assert missing_fields(elsewhere) == ["optimizer.beta2"]


def test_a_failed_run_has_diverged_whatever_it_scored_before(comparison):
    group = comparison.groups[1]
    history = [row for row in group.runs[0].history if row["step"] < 6]
    failed = dataclasses.replace(group.runs[0], state="failed", history=history)
    assert scores(group._replace(runs=[failed, group.runs[1]])).num_diverged == 1
    noted = dataclasses.replace(group.runs[0], summary=group.runs[0].summary | {"diverged_at": 4})
    assert scores(group._replace(runs=[noted, group.runs[1]])).num_diverged == 1


def test_the_axis_on_which_groups_are_equal_is_said(comparison):
    rows = {row["group"]: row for row in verdict_rows(comparison)}
    assert rows["rope"]["equal in"] == "flops, tokens"
    assert rows["short"]["equal in"] == ""
    assert "bits per byte at equal flops and tokens" in comparison_sentences(comparison).markup


def test_what_wandb_writes_of_a_run_is_the_same_group(plan, tmp_path):
    """0.0 comes back as 0, and the mixture's folders as fields."""
    pytest.importorskip("wandb")
    record = trained(plan, seed=1, tracking="offline")
    shutil.copytree(record.folder / "wandb", tmp_path / "elsewhere")
    shutil.rmtree(record.folder)
    trained(plan, seed=2)
    [group] = compared(f"base-*, {tmp_path / 'elsewhere'}").groups
    assert [run.source for run in group.runs] == ["local", "W&B offline"]


def test_what_others_logged_is_no_traceback(comparison):
    """A score that is text, a group called as a column, a value of 0, a metric that is markup."""
    view = comparison.views[0]
    named = dataclasses.replace(view, name="field", summary={"validation.bits_per_byte": "1.5"})
    assert named.bits_per_byte is None
    [group] = group_runs([named])
    assert group.name == "field (2)"
    rows = [{"step": 0, "<b>m</b>": 0.0}, {"step": 1, "<b>m</b>": "x"}, {"step": 2, "<b>m</b>": 2}]
    comparison.views = [dataclasses.replace(view, history=rows)]
    comparison.groups = group_runs(comparison.views)
    [curve] = curves(comparison, "<b>m</b>")
    assert curve["values"].tolist() == [[0.0, 2.0]]
    drawn = RunComparisonPanel(comparison)._draw("<b>m</b>", ["base"])
    assert drawn.layout.yaxis.title.text == "&lt;b&gt;m&lt;/b&gt;"


def test_damaged_records_are_named(plan):
    record = trained(plan, seed=1)
    with record.metrics.open("a") as file:
        file.write("{broken\n")
    with pytest.raises(LabError, match=r"metrics.jsonl is damaged .* aside"):
        select_runs("base-*", "")
    (record.folder / "plan.json").write_text("{")
    with pytest.raises(LabError, match=r"plan.json is damaged .* aside"):
        select_runs("base-*", "")
    with pytest.raises(LabError, match="no run, study or file"):
        select_runs("a" * 300, "")
