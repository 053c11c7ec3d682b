"""How text should become tokens: notebook 20."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.lab.chain import open_corpus

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from labkit.comparison.tokenizers import TokenizerComparison
    from labkit.core.display import Html
    from labkit.plots.table import Table
    from labkit.widgets.tokenizer_viewer import TokenizerViewer


def compare_tokenizers(
    overrides: Mapping[str, Any] | None = None, **parameters: Any
) -> TokenizerComparison:
    """Split the corpus, train the tokenizers on its train side, draw the samples to measure."""
    from labkit.comparison import tokenizers

    config = tokenizers.TokenizerComparisonConfig.from_parameters(
        {**parameters, "overrides": overrides}
    )
    return tokenizers.TokenizerComparison(open_corpus(config))


def split_table(comparison: TokenizerComparison) -> Table:
    """Documents, works, bytes and leak check of each side."""
    from labkit.plots.table import Table
    from labkit.questions.tokenizers import tables

    return Table(tables.split_table(comparison).to_pandas())


def tokenizer_table(comparison: TokenizerComparison) -> Table:
    """Each tokenizer on each source, with intervals."""
    from labkit.plots.table import Table
    from labkit.questions.tokenizers import tables

    return Table(tables.measure_table(comparison).to_pandas())


def token_cost_figure(comparison: TokenizerComparison) -> go.Figure:
    """Tokens that a million characters cost, by tokenizer and text."""
    from labkit.plots import tokenizers
    from labkit.questions.tokenizers.tables import tokens_per_million

    return tokenizers.token_cost_figure(
        [
            tokenizers.TokenCost(name, text, *interval)
            for name, text, interval in tokens_per_million(comparison)
        ]
    )


def tokenizer_sentences(comparison: TokenizerComparison) -> dict[str, Html]:
    """What was found, one sentence for each section of notebook 20."""
    from labkit.questions.tokenizers import sentences

    return sentences.tokenizer_sentences(comparison)


def tokenizer_viewer(comparison: TokenizerComparison) -> TokenizerViewer:
    """Type a text and see it cut by every tokenizer; in batch an example, static."""
    from labkit.widgets.tokenizer_viewer import TokenizerViewer

    return TokenizerViewer(comparison.tokenizers)


def record_tokenizer(comparison: TokenizerComparison) -> Path:
    """Save the chosen tokenizer and the shards made with it; record the decision of notebook 20."""
    from labkit.questions.tokenizers import decision

    return decision.record_tokenizer(comparison)


def need_tokenizer(corpus: str) -> None:
    """Make notebook 20's defaults where it hasn't been run on the corpus."""
    from labkit.core.records.decision import NOTEBOOKS, find_decision
    from labkit.data.readers import corpus_name, fingerprint

    if find_decision(NOTEBOOKS["20"], fingerprint(corpus)) is None:
        name = corpus_name(corpus)
        print(f"no decision of notebook 20 for {name}: making its defaults (a minute)")
        record_tokenizer(compare_tokenizers(corpus=corpus, compare_on="", published=""))
