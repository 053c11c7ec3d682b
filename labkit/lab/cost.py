"""What a run will take, before it is run: notebook 40."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from labkit.core.display import Html
    from labkit.cost.config import CostConfig
    from labkit.cost.estimate import CostEstimate
    from labkit.plots.table import Table
    from labkit.widgets.cost_panel import CostPanel


def cost_config(overrides: Mapping[str, Any] | None = None, **parameters: Any) -> CostConfig:
    """The validated question of notebook 40 from its parameters."""
    from labkit.cost.config import CostConfig

    return CostConfig.from_parameters({**parameters, "overrides": overrides})


def estimate_cost(config: CostConfig) -> CostEstimate:
    """GPU hours with their band, money, energy and memory: plain arithmetic, milliseconds."""
    from labkit.cost import estimate

    return estimate.estimate_cost(config)


def parameter_table(estimate: CostEstimate) -> Table:
    """Parameters and their share by component."""
    from labkit.plots.table import Table
    from labkit.questions.cost.tables import parameter_rows

    return Table(parameter_rows(estimate))


def flops_table(config: CostConfig) -> Table:
    """Training FLOPs per token: both conventions, and what the matrix products really take."""
    from labkit.plots.table import Table
    from labkit.questions.cost.tables import flops_rows

    return Table(flops_rows(config))


def gpu_table(config: CostConfig) -> Table:
    """The same run on each GPU with a price, with its measured MFU where known."""
    from labkit.plots.table import Table
    from labkit.questions.cost.tables import gpu_rows

    return Table(gpu_rows(config))


def money_figure(config: CostConfig) -> go.Figure:
    """USD on each GPU with a sourced price, with the band of published runs."""
    from labkit.cost.estimate import compare_gpus
    from labkit.plots import cost

    bars = [
        cost.Money(name, *estimate.usd_band)
        for name, estimate in compare_gpus(config).items()
        if estimate.usd_band
    ]
    return cost.money_figure(bars, chosen=config.gpu)


def memory_figure(estimate: CostEstimate) -> go.Figure:
    """Memory of one GPU by parts against its capacity."""
    from labkit.plots import cost

    return cost.memory_figure(estimate.memory_bytes, estimate.gpu_memory_bytes)


def published_hours_figure() -> go.Figure:
    """Billed hours of published runs against what other families' utilisation predicts."""
    from labkit.cost.published_runs import hours_band, predicted_hours, published_runs
    from labkit.plots import cost

    runs = published_runs()
    return cost.hours_figure(
        [run.model for run in runs],
        [predicted_hours(run) for run in runs],
        [run.gpu_hours for run in runs],
        hours_band(),
    )


def cost_sentences(config: CostConfig) -> dict[str, Html]:
    """What was found, said in sentences made from the result: one for each section."""
    from labkit.questions.cost import sentences

    return sentences.cost_sentences(config)


def rent_or_buy(
    config: CostConfig, usd_per_gpu: float, running_usd_per_gpu_hour: float = 0.0
) -> Html:
    """After how many hours a bought GPU has cost less than a rented one; hours of this run."""
    from labkit.core.display import paragraph
    from labkit.questions.cost import sentences

    return paragraph(sentences.rent_or_buy(config, usd_per_gpu, running_usd_per_gpu_hour))


def cost_panel(config: CostConfig) -> CostPanel:
    """The form of the question with live read-outs; in batch, the same as a static figure."""
    from labkit.widgets.cost_panel import CostPanel

    return CostPanel(config)


def record_cost(config: CostConfig) -> Path:
    """Record the decision of notebook 40; returns its folder."""
    from labkit.questions.cost import decision

    return decision.record_cost(config)
