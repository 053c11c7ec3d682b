"""One layout for every benchmark's result: what was equal, against whom, the ratio, on what.

`ratio` is always the peer's cost by labkit's, pair by pair in alternation (A B A B): above 1,
labkit is the cheaper. Absolute times beside it hold for this machine and its load of the moment.
A file holds one record, or a list of them where several peers or commands were measured.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from labkit.core import artifacts, disk, provenance

KEYS = ("name", "equal", "peer", "ratio", "unit", "versions", "machine")
SPREAD = ("median", "min", "max")
Record = dict[str, Any]


def conditions(*packages: str) -> Record:
    """Where and on what it runs; taken before anything is measured, for the load's sake."""
    return {
        "load_average_at_start": [round(load, 2) for load in os.getloadavg()],
        "date": datetime.now(UTC).date().isoformat(),
        "commit": provenance.commit(),
        "versions": provenance.versions(*packages),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.platform()}",
    }


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """
    >>> spread([2.0, 1.0, 4.0])
    {'median': 2.0, 'min': 1.0, 'max': 4.0}
    """
    found = (median(values), min(values), max(values))
    return {name: round(value, digits) for name, value in zip(SPREAD, found, strict=True)}


def ratios(ours: Sequence[float], peer: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Spread of the peer's cost by ours, pair by pair.

    >>> ratios(ours=[1.0, 2.0, 1.0], peer=[3.0, 2.0, 2.0])
    {'median': 2.0, 'min': 1.0, 'max': 3.0}
    """
    return spread([b / a for a, b in zip(ours, peer, strict=True)], digits)


def write(stem: str, result: Record | list[Record]) -> Path:
    """Write a benchmark's result under its script's name."""
    for record in result if isinstance(result, list) else [result]:
        missing = [key for key in KEYS if key not in record]
        assert not missing, f"{record.get('name')}: no {missing}"
    return disk.write_json(artifacts.home() / "benchmarks" / f"{stem}.json", result)
