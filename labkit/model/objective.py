"""The next token's surprise, -ln p(token), in nats; always in fp32."""

# B batch, T time, V vocab

from __future__ import annotations

import torch
from torch.nn import functional


def next_token_nats(logits_BTV: torch.Tensor, targets_BT: torch.Tensor) -> torch.Tensor:
    """(B, T) nats of each target."""
    nats_N = functional.cross_entropy(
        logits_BTV.float().flatten(0, 1), targets_BT.flatten(), reduction="none"
    )
    return nats_N.view_as(targets_BT)
