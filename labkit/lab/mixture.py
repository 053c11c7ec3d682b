"""How sources are weighed against each other, here and in published models' training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.data.exploration import Exploration
    from labkit.plots.table import Table


def mixture_table(overrides: Mapping[str, Any] | None = None, **parameters: Any) -> Table:
    """Shares of the sources, and how often each is read for a budget of tokens."""
    from labkit.data.mixture import weights
    from labkit.plots.table import Table

    mixture = weights.MixtureConfig.from_parameters({**parameters, "overrides": overrides})
    return Table(weights.mixture_rows(mixture))


def draw_documents(
    exploration: Exploration,
    weights: Mapping[str, float] | None = None,
    scores: Sequence[float] | None = None,
    **parameters: Any,
) -> Table:
    """Documents drawn by their sources' weights and, where given, their scores."""
    from labkit.data.mixture import sampling
    from labkit.plots.table import Table

    config = sampling.SamplingConfig.from_parameters(parameters)
    return Table(sampling.drawn_rows(exploration.columns, config, weights, scores))


def composition_table(exploration: Exploration | None = None) -> Table:
    """Kinds of text in published models' training, beside the corpus' sources by their names."""
    from labkit.data.mixture import published
    from labkit.plots.table import Table

    return Table(published.kind_rows(_bytes_by_source(exploration)))


def published_mixtures(exploration: Exploration | None = None) -> Table:
    """Every source of published models' training with its reference; the corpus' own first."""
    from labkit.data.mixture import published
    from labkit.plots.table import Table

    return Table(published.composition_rows(_bytes_by_source(exploration)))


def _bytes_by_source(exploration: Exploration | None) -> dict[str, int] | None:
    if exploration is None:
        return None
    sizes = exploration.columns.group_by("source", use_threads=False).aggregate(
        [("num_bytes", "sum")]
    )
    return {row["source"]: row["num_bytes_sum"] for row in sizes.to_pylist()}
