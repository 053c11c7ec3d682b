"""GPUs and what they rent for: facts with source and date, read from `facts/gpus.csv`."""

from __future__ import annotations

import csv
import difflib
import functools
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class Gpu:
    """One accelerator. Prices are for renting, in USD per GPU hour; None where no source is."""

    name: str
    aliases: tuple[str, ...]
    peak_flops_per_s: float
    """Dense (no sparsity), at `precision`."""
    precision: str
    memory_bytes: float
    """As the driver reports it, or the nominal GB (10^9 bytes) where that wasn't read."""
    power_w: float | None
    usd_per_hour_low: float | None
    usd_per_hour_typical: float | None
    usd_per_hour_high: float | None
    price_as_of: str
    price_source: str
    specification_source: str
    is_peak_verified: bool


@functools.cache
def gpus() -> dict[str, Gpu]:
    """All GPUs by name, in the table's order."""
    text = resources.files("labkit.cost").joinpath("facts/gpus.csv").read_text("utf-8")
    return {row["gpu"]: _gpu(row) for row in csv.DictReader(text.splitlines())}


def gpu_names() -> tuple[str, ...]:
    return tuple(gpus())


def find_gpu(name: str) -> Gpu:
    """The GPU of that name or alias.

    Raises:
        ValueError: with the nearest known names.
    """
    known = gpus()
    if name in known:
        return known[name]
    for gpu in known.values():
        if name in gpu.aliases:
            return gpu
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or list(known)
    raise ValueError(f"unknown GPU {name!r}; known: {', '.join(near)}")


def _gpu(row: dict[str, str]) -> Gpu:
    return Gpu(
        name=row["gpu"],
        aliases=tuple(filter(None, row["aliases"].split(";"))),
        peak_flops_per_s=float(row["dense_tflops"]) * 1e12,
        precision=row["dense_precision"],
        memory_bytes=_memory_bytes(row),
        power_w=_number(row["tdp_w"]),
        usd_per_hour_low=_number(row["usd_per_hour_low"]),
        usd_per_hour_typical=_number(row["usd_per_hour_typical"]),
        usd_per_hour_high=_number(row["usd_per_hour_high"]),
        price_as_of=row["price_as_of"],
        price_source=row["price_source"],
        specification_source=row["specification_source"],
        is_peak_verified=row["is_peak_verified"] == "yes",
    )


def _memory_bytes(row: dict[str, str]) -> float:
    """An "80 GB" H100 has 81,559 MiB, which is 85.5e9 bytes."""
    reported = _number(row["memory_mib"])
    return float(row["memory_gb"]) * 1e9 if reported is None else reported * 2**20


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
