"""Which of a corpus' documents should stay, and why the others went: notebook 11."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.lab.chain import choose_corpus

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from labkit.comparison.tokenizers import TokenizerComparison
    from labkit.core.display import Html
    from labkit.data.curation import Curation
    from labkit.plots.table import Table
    from labkit.widgets.life_trace import LifeTracePanel
    from labkit.widgets.threshold_panel import ThresholdPanel


def curate(overrides: Mapping[str, Any] | None = None, **parameters: Any) -> Curation:
    """A corpus through the steps asked for; where it was cut off, it goes on."""
    from labkit.data import curation

    config = curation.CurationConfig.from_parameters({**parameters, "overrides": overrides})
    return curation.curate(choose_corpus(config), say=print)


def funnel_table(curation: Curation) -> Table:
    """What came to each step and what left it, in documents and bytes."""
    from labkit.plots.table import Table
    from labkit.questions.curation.tables import funnel_rows

    return Table(funnel_rows(curation))


def funnel_figure(curation: Curation) -> go.Figure:
    """What each step kept and dropped of what came to it."""
    from labkit.plots import curation as plots
    from labkit.questions.curation.tables import funnel_rows

    return plots.funnel_figure(
        [
            plots.Passed(row["step"].partition(" ")[2], row["documents in"], row["kept"])
            for row in funnel_rows(curation)
        ]
    )


def rule_table(curation: Curation) -> Table:
    """The rules that dropped anything, those that cost most bytes first."""
    from labkit.plots.table import Table
    from labkit.questions.curation.tables import rule_rows

    return Table(rule_rows(curation))


def kept_table(curation: Curation) -> Table:
    """What is left of each source and language."""
    from labkit.plots.table import Table
    from labkit.questions.curation.tables import kept_rows

    return Table(kept_rows(curation))


def preset_table(curation: Curation) -> Table:
    """What the rules of each preset would keep of the raw text."""
    from labkit.plots.table import Table
    from labkit.questions.curation.tables import preset_rows

    return Table(preset_rows(curation))


def copy_table(curation: Curation) -> Table:
    """The documents that stand for most copies."""
    from labkit.plots.table import Table
    from labkit.questions.curation.tables import copy_rows

    return Table(copy_rows(curation))


def personal_data_table(curation: Curation) -> Table:
    """Items replaced in what was kept, by kind."""
    from labkit.plots.table import Table
    from labkit.questions.curation.tables import personal_data_rows

    return Table(personal_data_rows(curation))


def dropped_examples(curation: Curation) -> Html:
    """Dropped documents to read, each with the rule, its value and its limit."""
    from labkit.core.display import text_samples
    from labkit.questions.curation import tables

    return text_samples(tables.dropped_examples(curation))


def epochs_table(curation: Curation, bytes_per_token: float = 4.0) -> Table:
    """How often each kept source is read for the budget of tokens."""
    from labkit.plots.table import Table
    from labkit.questions.curation.tables import mixture_table_rows

    return Table(mixture_table_rows(curation, bytes_per_token))


def curation_sentences(curation: Curation) -> dict[str, Html]:
    """What was found, said in sentences made from the result: one for each section."""
    from labkit.questions.curation import sentences

    return sentences.curation_sentences(curation)


def threshold_panel(curation: Curation) -> ThresholdPanel:
    """Every rule's threshold as a control; what is kept and what flips follows."""
    from labkit.data.rules.measured import measure
    from labkit.data.rules.presets import PRESETS
    from labkit.widgets.threshold_panel import ThresholdPanel

    config = curation.config
    documents = measure(curation.raw(), PRESETS[config.preset]())
    return ThresholdPanel(documents, config.seed, config)


def life_trace(
    curation: Curation,
    row: int | str | None = None,
    tokenized: TokenizerComparison | None = None,
    sequence_length: int = 256,
) -> LifeTracePanel:
    """The life of one document, kept or dropped, by its row or id; else of one drawn by the seed.

    `tokenized`, a comparison of tokenizers on `curation.curated.corpus`, adds the training windows
    of so many tokens that the document is in.
    """
    from labkit.data.life_trace import Lives
    from labkit.questions.curation.tables import mixture
    from labkit.widgets.life_trace import LifeTracePanel

    config, span = curation.config, None
    if tokenized is not None:
        from labkit.comparison.token_spans import training_spans

        span = training_spans(tokenized, curation.curated, sequence_length)
    lives = Lives(
        curation.curated,
        config.corpus,
        config.make_steps(),
        policy=config.reading,
        mixture=mixture(curation, 4.0),
        span=span,
    )
    return LifeTracePanel(lives, row, config.seed)


def record_curation(curation: Curation) -> Path:
    """Record the decision of notebook 11: the text a model should be trained on."""
    from labkit.questions.curation import decision

    return decision.record_curation(curation)
