"""GPU hours, money and memory of a training run, from closed forms and dated prices."""

from __future__ import annotations

import argparse

from labkit.cli.flags import add_config_flags, config_from_flags
from labkit.core.counted import counted
from labkit.core.errors import LabError
from labkit.core.machine import GIB
from labkit.cost.config import CostConfig
from labkit.cost.estimate import CostEstimate, estimate_cost
from labkit.cost.kv_cache import cache_bytes_per_token, least_cache_bytes
from labkit.cost.parameters import count_active_parameters


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("preset", nargs="?", metavar="MODEL", help="the same as --model")
    add_config_flags(parser, CostConfig)
    parser.add_argument("--json", action="store_true", help="print the estimate as JSON")
    parser.add_argument(
        "--bought-for",
        type=float,
        metavar="USD",
        help="price of an own GPU: after how many hours it has cost less than the rent",
    )
    parser.add_argument(
        "--record", action="store_true", help="record it as the decision of notebook 40"
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.model and arguments.preset:
        raise LabError(f"two models: {arguments.preset} and --model {arguments.model}; give one")
    arguments.model = arguments.model or arguments.preset
    config = config_from_flags(arguments, CostConfig)
    estimate = estimate_cost(config)
    print(estimate.model_dump_json(indent=1) if arguments.json else describe(config, estimate))
    if arguments.bought_for is not None and not arguments.json:
        from labkit.questions.cost.sentences import rent_or_buy

        print(rent_or_buy(config, arguments.bought_for))
    if arguments.record:
        from labkit.questions.cost.decision import record_cost

        print(f"recorded in {record_cost(config)}")
    return 0


def _active(config: CostConfig) -> list[tuple[str, str]]:
    if config.model.num_experts is None:
        return []
    active = f"{count_active_parameters(config.model):,} of them active"
    return [
        ("", f"{active}: {config.model.experts_per_token} of {config.model.num_experts} experts")
    ]


def _cache(config: CostConfig) -> str:
    length = config.training_sequence_length
    least = least_cache_bytes(config.model, length) / GIB
    return (
        f"{cache_bytes_per_token(config.model):,} bytes per token of keys and values in bf16; "
        f"{least:.2f} GiB for {length:,} tokens"
    )


def describe(config: CostConfig, estimate: CostEstimate) -> str:
    """The estimate as lines of text, one quantity a line, with its unit and its assumption."""
    memory = ", ".join(
        f"{part} {size / GIB:.1f}" for part, size in estimate.memory_bytes.items() if size
    )
    lines = [
        ("model", f"{config.model.preset}, {estimate.num_parameters:,} parameters"),
        *_active(config),
        (
            "tokens",
            f"{config.num_tokens:.3g} = {estimate.tokens_per_parameter:.1f} per parameter, "
            f"in sequences of {config.training_sequence_length:,}",
        ),
        ("compute", f"{estimate.total_flops:.3g} FLOPs ({estimate.flops_convention})"),
        (
            "GPU hours",
            f"{estimate.gpu_hours:,.0f}  ({estimate.gpu_hours_low:,.0f} to "
            f"{estimate.gpu_hours_high:,.0f} as published runs scatter)",
        ),
        ("", f"at MFU {config.mfu:.2f} of {config.gpu}'s dense peak, goodput {config.goodput:.2f}"),
        ("days", f"{estimate.days:,.1f} on {counted(config.num_gpus, 'GPU')}"),
        ("money", estimate.shown_usd),
    ]
    if estimate.price_usd_per_gpu_hour is not None:
        price = f"{estimate.price_usd_per_gpu_hour:.2f} USD per GPU hour"
        lines.append(("", f"at {price}: {estimate.price_source}"))
    if estimate.energy_mwh is not None:
        lines.append(("energy", f"{estimate.energy_mwh:,.4g} MWh"))
    verdict = "fits" if estimate.fits else "DOES NOT FIT"
    lines += [
        (
            "memory",
            f"{estimate.memory_bytes_total / GIB:.1f} of {estimate.gpu_memory_bytes / GIB:.1f} GiB "
            f"per GPU, {verdict}",
        ),
        ("", f"{memory} GiB"),
        ("cache", _cache(config)),
    ]
    return "\n".join(f"{name:<10} {value}" for name, value in lines)
