"""One sentence for each section of notebook 40, made from the estimate it speaks of."""

from __future__ import annotations

from labkit.core.display import Html, paragraph
from labkit.core.errors import LabError
from labkit.core.machine import GIB
from labkit.cost.config import CostConfig
from labkit.cost.estimate import compare_gpus, estimate_cost
from labkit.cost.measured_steps import measured_steps
from labkit.cost.money import break_even_hours
from labkit.cost.published_runs import hours_band, num_families, published_runs

HOURS_PER_DAY = 24


def cost_sentences(config: CostConfig) -> dict[str, Html]:
    """Section -> paragraph."""
    estimate = estimate_cost(config)
    largest = max(
        estimate.parameters_by_component, key=estimate.parameters_by_component.__getitem__
    )
    share = estimate.parameters_by_component[largest] / estimate.num_parameters
    both = estimate.flops_per_token
    prices = {n: one.usd for n, one in compare_gpus(config).items() if one.usd is not None}
    cheapest = min(prices, key=prices.__getitem__)
    part = max(estimate.memory_bytes, key=estimate.memory_bytes.__getitem__)
    low, high = hours_band()
    worst = max(abs(step.mfu / step.reported_mfu - 1) for step in measured_steps())
    texts = {
        "parameters": (
            f"{config.model.preset} has {estimate.num_parameters:,} parameters; {share:.0%} of "
            f"them are in the {largest}. {config.num_tokens:.3g} tokens are "
            f"{estimate.tokens_per_parameter:.1f} per parameter (Chinchilla's rule of thumb is 20)."
        ),
        "flops": (
            f"The conventions differ by {both['6N+12LHQT'] / both['6N'] - 1:.1%} at sequences of "
            f"{config.training_sequence_length:,} tokens; this estimate uses "
            f"{estimate.flops_convention}, and so must the MFU. The input embedding is "
            f"{estimate.idle_embedding_share:.1%} of 6N and does no work."
        ),
        "money": (
            f"On {config.num_gpus:,} x {config.gpu}: {estimate.gpu_hours:,.0f} GPU hours, "
            f"{estimate.days:,.1f} days, {estimate.shown_usd}. Cheapest at the same MFU: "
            f"{cheapest}, {prices[cheapest]:,.0f} USD."
        ),
        "memory": (
            f"{estimate.memory_bytes_total / GIB:.1f} GiB of {estimate.gpu_memory_bytes / GIB:.1f} "
            f"are needed on each GPU, most of it {part}: it "
            f"{'fits' if estimate.fits else 'does not fit'}, before about 10% of allocator slack."
        ),
        "trust": (
            f"The FLOP count reproduces {len(measured_steps())} published MFU figures within "
            f"{worst:.2%}. Whole runs are another matter: {len(published_runs())} published ones "
            f"of {num_families()} families, each predicted from the other families, were billed "
            f"{low:.2f} to {high:.2f} times the prediction in the middle 80% of families. That is "
            f"the band shown above."
        ),
    }
    return {section: paragraph(text) for section, text in texts.items()}


def rent_or_buy(
    config: CostConfig, usd_per_gpu: float, running_usd_per_gpu_hour: float = 0.0
) -> str:
    """After how many hours a bought GPU has cost less than the rent, and how many this run takes.

    Args:
        usd_per_gpu: price of one GPU with its share of the machine.
        running_usd_per_gpu_hour: electricity, space and people.

    Raises:
        LabError: no price, or running an own GPU costs the rent or more.
    """
    if usd_per_gpu <= 0:
        raise LabError(f"a GPU bought for {usd_per_gpu:g} USD: give a price above 0")
    estimate = estimate_cost(config)
    rent, own = estimate.price_usd_per_gpu_hour, running_usd_per_gpu_hour
    if rent is None:
        raise LabError(estimate.price_source)
    try:
        hours = break_even_hours(usd_per_gpu, rent, own)
    except ValueError as error:
        raise LabError(str(error)) from None
    share = estimate.days * HOURS_PER_DAY / hours
    return (
        f"A GPU bought for {usd_per_gpu:,.0f} USD and run for {own:g} USD an hour has cost less "
        f"than one rented for {rent:.2f} USD an hour after {hours:,.0f} hours at work; this run "
        f"takes {estimate.days * HOURS_PER_DAY:,.0f} hours on each GPU, {share:.1%} of them."
    )
