"""One estimate: parameters, FLOPs, GPU hours with their band, money, energy, memory.

hours = FLOPs per token x tokens / (peak x MFU x goodput). The band multiplies them by the range
in which the billed hours of published runs lie around a constant utilisation
(`published_runs.hours_band`): it says how far such an estimate is off, not how far yours will be.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from labkit.cost import money
from labkit.cost.config import CostConfig
from labkit.cost.flops import embedding_share, training_flops_per_token
from labkit.cost.hardware import Gpu, find_gpu, gpus
from labkit.cost.memory import training_memory
from labkit.cost.parameters import count_by_component, count_parameters
from labkit.cost.published_runs import hours_band


class CostEstimate(BaseModel):
    """The answer, in units its names give. A pure function of the config and the dated facts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_parameters: int
    parameters_by_component: dict[str, int]
    tokens_per_parameter: float
    flops_convention: str
    flops_per_token: dict[str, int]
    idle_embedding_share: float
    total_flops: float
    gpu_hours: float
    gpu_hours_low: float
    gpu_hours_high: float
    days: float
    price_usd_per_gpu_hour: float | None
    price_source: str
    """Whose price it is, or that none is known and what to do."""
    usd: float | None
    usd_low: float | None
    usd_high: float | None
    energy_mwh: float | None
    memory_bytes: dict[str, int]
    memory_bytes_total: int
    gpu_memory_bytes: int
    fits: bool

    @property
    def usd_band(self) -> tuple[float, float, float] | None:
        """Middle, low and high; None without a price."""
        if self.usd is None or self.usd_low is None or self.usd_high is None:
            return None
        return self.usd, self.usd_low, self.usd_high

    @property
    def shown_usd(self) -> str:
        """Money with its band in whole USD, or why it isn't known."""
        if self.usd is None:
            return self.price_source
        return f"{self.usd:,.0f} USD ({self.usd_low:,.0f} to {self.usd_high:,.0f})"


def estimate_cost(config: CostConfig) -> CostEstimate:
    gpu, model = find_gpu(config.gpu), config.model
    length = config.training_sequence_length
    per_token = {
        convention: training_flops_per_token(model, length, convention)
        for convention in ("6N", "6N+12LHQT")
    }
    total_flops = float(per_token[config.flops_convention]) * config.num_tokens
    hours = money.gpu_hours(total_flops, gpu.peak_flops_per_s, config.mfu, config.goodput)
    low, high = hours_band()
    price, source = _price(config, gpu)
    memory = training_memory(model, config.memory, length, config.num_gpus)
    return CostEstimate(
        num_parameters=count_parameters(model),
        parameters_by_component=count_by_component(model),
        tokens_per_parameter=config.num_tokens / count_parameters(model),
        flops_convention=config.flops_convention,
        flops_per_token=per_token,
        idle_embedding_share=embedding_share(model),
        total_flops=total_flops,
        gpu_hours=hours,
        gpu_hours_low=hours * low,
        gpu_hours_high=hours * high,
        days=hours / config.num_gpus / 24,
        price_usd_per_gpu_hour=price,
        price_source=source,
        usd=None if price is None else hours * price,
        usd_low=None if price is None else hours * low * price,
        usd_high=None if price is None else hours * high * price,
        energy_mwh=money.energy_mwh(hours, gpu.power_w) if gpu.power_w else None,
        memory_bytes=memory,
        memory_bytes_total=sum(memory.values()),
        gpu_memory_bytes=int(gpu.memory_bytes),
        fits=sum(memory.values()) <= gpu.memory_bytes,
    )


def _price(config: CostConfig, gpu: Gpu) -> tuple[float | None, str]:
    if config.price_usd_per_gpu_hour is not None:
        return config.price_usd_per_gpu_hour, "given"
    if gpu.usd_per_hour_typical is None:
        return None, f"no sourced price for {gpu.name}; give USD per GPU hour"
    return gpu.usd_per_hour_typical, f"typical rent, {gpu.price_source} ({gpu.price_as_of})"


def compare_gpus(config: CostConfig) -> dict[str, CostEstimate]:
    """The same run on the chosen GPU and every other that has a sourced price, at the same MFU
    and goodput.

    A given price belongs to the chosen GPU alone; the others take the table's.
    """
    estimates = {config.gpu: estimate_cost(config)}
    for name, gpu in gpus().items():
        if gpu.usd_per_hour_typical is not None and name != config.gpu:
            other = config.with_overrides({"gpu": name, "price_usd_per_gpu_hour": None})
            estimates[name] = estimate_cost(other)
    return {name: estimates[name] for name in gpus() if name in estimates}
