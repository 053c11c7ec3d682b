"""From FLOPs to hours, money and energy. Plain arithmetic, kept where its units can be read."""

from __future__ import annotations

SECONDS_PER_HOUR = 3600.0


def gpu_hours(
    total_flops: float, peak_flops_per_s: float, mfu: float, goodput: float = 1.0
) -> float:
    """Billed GPU hours. `mfu` is of a training step; `goodput` the share of billed time in steps.

    >>> round(gpu_hours(6 * 10e9 * 2e12, 312e12, 0.40))
    267094
    """
    return total_flops / (peak_flops_per_s * mfu * goodput) / SECONDS_PER_HOUR


def affordable_tokens(
    hours: float, flops_per_token: float, peak_flops_per_s: float, mfu: float, goodput: float = 1.0
) -> float:
    """Tokens that so many GPU hours train: the inverse of `gpu_hours`.

    >>> round(affordable_tokens(100_000, 6 * 10e9, 312e12, 0.40) / 10e9)  # per parameter
    75
    """
    return hours * SECONDS_PER_HOUR * peak_flops_per_s * mfu * goodput / flops_per_token


def energy_mwh(hours: float, power_w: float, pue: float = 1.1) -> float:
    """Energy of `hours` GPU hours at board power; `pue` is the data centre's overhead factor.

    1.1 is what Llama's authors assume (Touvron et al. 2023, section 6).
    """
    return hours * power_w * pue / 1e6


def break_even_hours(
    usd_per_gpu: float, rent_usd_per_gpu_hour: float, running_usd_per_gpu_hour: float = 0.0
) -> float:
    """Hours after which a bought GPU has cost less than a rented one.

    Raises:
        ValueError: when running an own GPU costs at least the rent, so that it never does.
    """
    saved = rent_usd_per_gpu_hour - running_usd_per_gpu_hour
    if saved <= 0:
        raise ValueError(
            f"running_usd_per_gpu_hour={running_usd_per_gpu_hour} is not below the rent "
            f"{rent_usd_per_gpu_hour}: buying never pays"
        )
    return usd_per_gpu / saved
