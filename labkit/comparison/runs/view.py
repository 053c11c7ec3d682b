"""One training run as a table can show it, whoever recorded it and wherever it lies.

The names in `history` and `summary` are those that labkit sends to Weights & Biases, so that a
run reads the same from its own record and from there.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Source = Literal["local", "W&B offline", "W&B online"]


@dataclass(frozen=True)
class RunView:
    """`config`: dotted field -> JSON value. `history`: a row per logged step, each with "step" and
    any of "train/loss", "train/tokens", "validation/loss", "validation/bits_per_byte" and others.
    `summary`: dotted name -> last value, such as "validation.bits_per_byte", "tokens",
    "parameters".
    """

    run_id: str
    source: Source
    name: str
    state: str
    config: dict[str, Any]
    history: list[dict[str, Any]]
    summary: dict[str, Any]
    samples: list[str] = field(default_factory=list)
    window_nats: np.ndarray | None = None
    """Loss of each validation window; only labkit's own records hold them."""
    timing: dict[str, Any] | None = None

    @property
    def bits_per_byte(self) -> float | None:
        """Of the last evaluation; None where it was not finite, never measured, or no number."""
        found = self.summary.get("validation.bits_per_byte")
        if not isinstance(found, int | float) or isinstance(found, bool):
            return None
        return found if -math.inf < found < math.inf else None


def mixture_whole(config: dict[str, Any]) -> dict[str, Any]:
    """A dotted config with `data.train` as one value: its keys are folders, which may have dots."""
    start = "data.train."
    train = {key.removeprefix(start): config[key] for key in config if key.startswith(start)}
    rest = {key: value for key, value in config.items() if not key.startswith(start)}
    weights = {key: float(one) if isinstance(one, int) else one for key, one in train.items()}
    return rest | ({"data.train": json.dumps(weights, sort_keys=True)} if train else {})
