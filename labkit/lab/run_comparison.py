"""Runs from anywhere beside each other: notebook 60."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.lab.architecture import architectures, declare, finish_study, record_architecture
from labkit.lab.chain import open_corpus
from labkit.lab.training import finish, prepare, prove_resume, record_two_recipes, two_recipes

if TYPE_CHECKING:
    from labkit.comparison.run_comparison import RunComparison, RunComparisonConfig
    from labkit.core.display import Html
    from labkit.plots.table import Table
    from labkit.widgets.run_comparison_panel import RunComparisonPanel


def compare_runs(overrides: Mapping[str, Any] | None = None, **parameters: Any) -> RunComparison:
    """Runs from anywhere, grouped by config and judged where they can be.

    A decision that is named and hasn't been made yet is made here with its notebook's defaults.
    """
    from labkit.comparison import run_comparison as rooms

    config = rooms.RunComparisonConfig.from_parameters({**parameters, "overrides": overrides})
    config = open_corpus(config)
    _need_runs(config)
    return rooms.RunComparison(config)


def _need_runs(config: RunComparisonConfig) -> None:
    from labkit.core.records.decision import NOTEBOOKS, find_decision
    from labkit.data.readers import corpus_name

    for name in config.decisions():
        number = name.removeprefix("decision:")
        if find_decision(NOTEBOOKS[number], config.corpus_hash()) is None:
            title = corpus_name(config.corpus)
            print(f"no decision of notebook {number} for {title}: making its defaults")
            {"30": _make_architecture, "50": _make_two_recipes}[number](config.corpus)


def _make_architecture(corpus: str) -> None:
    question = architectures(corpus=corpus)
    record = declare(question.study)
    finish_study(record)
    record_architecture(question, record)


def _make_two_recipes(corpus: str) -> None:
    question = two_recipes(corpus=corpus)
    runs = prepare(question)
    finish(runs)
    record_two_recipes(question, runs, prove_resume(question.plans["modern-open"]))


def run_table(comparison: RunComparison) -> Table:
    """Every run: its group, where it is recorded, how it ended and what it took."""
    from labkit.plots.table import Table
    from labkit.questions.run_comparison import tables

    return Table(tables.run_rows(comparison))


def difference_table(comparison: RunComparison) -> Table:
    """The fields in which the groups' configs differ, and no others."""
    from labkit.plots.table import Table
    from labkit.questions.run_comparison import tables

    return Table(tables.difference_rows(comparison))


def group_verdict_table(comparison: RunComparison) -> Table:
    """Every group against the baseline: a verdict with its evidence, or why there is none."""
    from labkit.plots.table import Table
    from labkit.questions.run_comparison import tables

    return Table(tables.verdict_rows(comparison))


def prediction_table(comparison: RunComparison) -> Table:
    """What was predicted before a run of each group, and what was measured."""
    from labkit.plots.table import Table
    from labkit.questions.run_comparison import tables

    return Table(tables.score_rows(comparison))


def run_samples(comparison: RunComparison) -> Html:
    """A text that each group's model writes, side by side; escaped."""
    from labkit.core.display import text_samples
    from labkit.questions.run_comparison import tables

    return text_samples(tables.sample_pairs(comparison))


def comparison_sentences(comparison: RunComparison) -> Html:
    """What was found, and what it holds for."""
    from labkit.questions.run_comparison import sentences

    return sentences.comparison_sentences(comparison)


def run_comparison_panel(comparison: RunComparison) -> RunComparisonPanel:
    """Curves of chosen groups and metric, with the band of their seeds; in batch, static."""
    from labkit.widgets.run_comparison_panel import RunComparisonPanel

    return RunComparisonPanel(comparison)


def record_comparison(comparison: RunComparison) -> Path:
    """Export the tables as CSV and record the decision of notebook 60."""
    from labkit.questions.run_comparison import decision

    return decision.record_comparison(comparison)
