"""What is in a corpus: notebook 10."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.lab.chain import choose_corpus

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from labkit.core.display import Html
    from labkit.data.exploration import Exploration
    from labkit.plots.table import Table
    from labkit.widgets.corpus_panel import CorpusPanel


def explore(overrides: Mapping[str, Any] | None = None, **parameters: Any) -> Exploration:
    """Open a corpus: fetched when it isn't here, built once, then read from `datasets/`."""
    from labkit.data import exploration

    config = exploration.ExplorationConfig.from_parameters({**parameters, "overrides": overrides})
    return exploration.Exploration(choose_corpus(config))


def size_table(exploration: Exploration) -> Table:
    """Documents, bytes, characters, words and lengths per source."""
    from labkit.data import exploration as rooms
    from labkit.plots.table import Table

    return Table(rooms.size_table(exploration).to_pandas())


def length_figure(exploration: Exploration) -> go.Figure:
    """Histogram of document lengths per source."""
    from labkit.plots import corpus

    return corpus.length_figure(
        {
            source: exploration.of_source(source)["num_characters"].to_numpy()
            for source in exploration.sources()
        }
    )


def script_figure(exploration: Exploration) -> go.Figure:
    """Shares of scripts, digits, spaces, punctuation per source."""
    from labkit.data.exploration import script_table
    from labkit.plots import corpus

    rows = script_table(exploration).to_pylist()
    return corpus.script_figure([(row["source"], row["class"], row["share"]) for row in rows])


def character_tables(exploration: Exploration) -> tuple[Table, Table]:
    """(most frequent characters, suspicious ones)."""
    from labkit.data import exploration as rooms
    from labkit.plots.table import Table

    frequent, suspicious = rooms.character_tables(exploration)
    return Table(frequent.to_pandas()), Table(suspicious.to_pandas())


def zipf_figure(exploration: Exploration) -> go.Figure:
    """Rank against frequency with the fitted exponent."""
    from labkit.data import zipf
    from labkit.plots import corpus

    total = zipf.total_counts(exploration.unit_blocks)
    units, counts = zip(*total.most_common(), strict=True) if total else ((), ())
    slope = zipf.zipf_slope(counts)
    return corpus.zipf_figure(units, counts, slope, (zipf.FIRST_RANK, zipf.LAST_RANK))


def duplicate_table(exploration: Exploration) -> Table:
    """Groups of byte-identical documents, largest first."""
    from labkit.data import exploration as rooms
    from labkit.plots.table import Table

    return Table(rooms.duplicate_table(exploration).to_pandas())


def examples(exploration: Exploration) -> Html:
    """Documents to read, drawn by the seed; their text is escaped."""
    from labkit.core.display import text_samples
    from labkit.data.exploration import example_texts

    return text_samples(example_texts(exploration), exploration.config.example_characters)


def corpus_sentences(exploration: Exploration) -> dict[str, Html]:
    """What was found in the corpus, one sentence for each section of notebook 10."""
    from labkit.questions.exploration import sentences

    return sentences.corpus_sentences(exploration)


def corpus_panel(exploration: Exploration) -> CorpusPanel:
    """Lengths by source, bins and minimum length; in batch a static figure."""
    from labkit.widgets.corpus_panel import CorpusPanel

    return CorpusPanel(exploration)


def record_corpus(exploration: Exploration) -> Path:
    """Record the decision of notebook 10: the dataset the next notebooks read."""
    from labkit.questions.exploration import decision

    return decision.record_corpus(exploration)
