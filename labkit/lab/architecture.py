"""Which change of the block is better, judged by a study: notebook 30."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.lab.chain import open_corpus
from labkit.lab.tokenizers import need_tokenizer
from labkit.lab.training import describe_device

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from labkit.comparison.study import Study
    from labkit.comparison.study_record import StudyRecord
    from labkit.core.display import Html
    from labkit.plan.plan import TrainingPlan
    from labkit.plots.table import Table
    from labkit.questions.architecture.question import Architectures
    from labkit.widgets.sweep_panel import SweepPanel


def architectures(overrides: Mapping[str, Any] | None = None, **parameters: Any) -> Architectures:
    """A study of the block's parts on the corpus as notebook 20 has split it; nothing runs yet."""
    from labkit.questions.architecture import question as rooms
    from labkit.questions.architecture.config import ArchitectureConfig

    config = ArchitectureConfig.from_parameters({**parameters, "overrides": overrides})
    config = open_corpus(config)
    need_tokenizer(config.corpus)
    question = rooms.Architectures(config)
    print(describe_device(question.study.plan))
    return question


def arm_table(question: Architectures) -> Table:
    """What each arm changes, and what it takes against the baseline."""
    from labkit.comparison import study_tables
    from labkit.plots.table import Table

    return Table(study_tables.arm_rows(question.study))


def declare(study: Study) -> StudyRecord:
    """Write a study down, before its first run; says what it takes."""
    from labkit.comparison import study_record

    record = study_record.declare(study)
    print(f"{record.folder.name}: {study.num_runs} runs")
    return record


def finish_study(record: StudyRecord) -> None:
    """Run what is left of a study in a process of its own, and wait for its verdict.

    Interrupting the kernel leaves the study at work; calling this again follows it.
    """
    record.begin().wait(print)
    print(f"{record.folder.name}: verdict is there")


def verdict_table(record: StudyRecord) -> Table:
    """Every arm with its evidence; a study without it has no table."""
    from labkit.comparison import study_tables
    from labkit.plots.table import Table

    return Table(study_tables.verdict_rows(record.result(), record.timing()))


def effect_figure(record: StudyRecord) -> go.Figure:
    """Effects in bits per byte with their intervals and each seed."""
    from labkit.comparison import study_tables
    from labkit.plots import comparison

    result = record.result()
    effects = study_tables.effects(result)
    return comparison.effect_figure(
        [comparison.Effect(**effect) for effect in effects], result["study"]["margin"]
    )


def study_sentences(record: StudyRecord) -> dict[str, Html]:
    """What was found, one sentence for each section of notebook 30."""
    from labkit.comparison import study_tables

    return study_tables.study_sentences(record.result(), record.timing())


def sweep_panel(plan: TrainingPlan, **sweep: Any) -> SweepPanel:
    """Values of chosen fields as a study, costed before it is launched; in batch, static."""
    from labkit.comparison.sweep import SweepConfig
    from labkit.widgets.sweep_panel import SweepPanel

    return SweepPanel(plan, SweepConfig.from_parameters(sweep))


def seeds_needed(difference: float, sd: float, alpha: float = 0.05, arms: int = 1) -> int:
    """Runs of each arm that find a true difference with chance 80%.

    Args:
        difference: the least that matters, in bits per byte.
        sd: of a score between seeds, in bits per byte.
        arms: compared with the baseline, among which `alpha` is shared.
    """
    from labkit.statistics import power

    return power.seeds_needed(difference, sd, alpha, arms)


def stored_study() -> Html:
    """The latest study of greater effort on this machine, else the one that came with labkit."""
    from labkit.questions.architecture import stored_study

    return stored_study.show_stored_study()


def record_architecture(question: Architectures, record: StudyRecord) -> Path:
    """Record the decision of notebook 30: the changes that were shown to be better, if any."""
    from labkit.questions.architecture import decision

    return decision.record_architecture(question, record)
