"""Muon for the blocks' matrices and AdamW for everything else, as one optimizer.

Muon (Jordan et al. 2024) applies the momentum with its singular values pushed towards 1, by five
Newton-Schulz steps of a quintic; the rate is scaled by sqrt(max(1, rows / columns)) as in
`torch.optim.Muon`. Matrices of one shape, or its transpose, go through the steps as one batch.
Those run in bf16 where the plan does, else in fp32: where bf16 is emulated it is the slow one.
"""

# N matrices, R rows, C columns (R <= C)

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim.adamw import adamw

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
NUM_STEPS = 5
EPSILON = 1e-7


class MuonAdamW(torch.optim.Optimizer):
    """Each group says by `uses_muon` which rule moves it, and carries that rule's numbers.

    Parameters without a gradient are left as they are, their state too.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], dtype: torch.dtype):
        super().__init__(groups, {})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # pyright: ignore
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            (self._muon if group["uses_muon"] else self._adamw)(group)
        return loss

    def _muon(self, group: dict[str, Any]) -> None:
        by_shape: defaultdict[tuple[int, int], list[torch.Tensor]] = defaultdict(list)
        for weight in group["params"]:
            if weight.grad is not None:
                rows, columns = weight.shape
                by_shape[min(rows, columns), max(rows, columns)].append(weight)
        for weights in by_shape.values():
            updates = [self._momentum(weight, group["momentum"]) for weight in weights]
            wide_NRC = torch.stack([u if u.shape[0] <= u.shape[1] else u.mT for u in updates])
            for weight, wide_RC in zip(
                weights, orthogonalize(wide_NRC, self.dtype).to(weights[0].dtype), strict=True
            ):
                rows, columns = weight.shape
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                rate = group["lr"] * math.sqrt(max(1, rows / columns))
                weight.add_(wide_RC if rows <= columns else wide_RC.mT, alpha=-rate)

    def _momentum(self, weight: torch.Tensor, momentum: float) -> torch.Tensor:
        """Nesterov's look ahead, after taking in the gradient."""
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        assert weight.grad is not None
        state["momentum"].lerp_(weight.grad, 1 - momentum)
        return weight.grad.lerp(state["momentum"], momentum)

    def _adamw(self, group: dict[str, Any]) -> None:
        weights = [weight for weight in group["params"] if weight.grad is not None]
        for weight in weights:
            if not self.state[weight]:
                self.state[weight] = {
                    "step": torch.zeros((), dtype=torch.float32, device=weight.device),
                    "exp_avg": torch.zeros_like(weight),
                    "exp_avg_sq": torch.zeros_like(weight),
                }
        if not weights:
            return
        states = [self.state[weight] for weight in weights]
        adamw(
            weights,
            [weight.grad for weight in weights if weight.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


def orthogonalize(matrices_NRC: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Singular values of each matrix pushed to about 0.7 to 1.2, vectors kept."""
    a, b, c = COEFFICIENTS
    x_NRC = matrices_NRC.to(dtype)
    x_NRC = x_NRC / x_NRC.norm(dim=(-2, -1), keepdim=True).clamp(min=EPSILON)
    for _ in range(NUM_STEPS):
        gram_NRR = x_NRC @ x_NRC.mT
        update_NRR = torch.baddbmm(gram_NRR, gram_NRR, gram_NRR, beta=b, alpha=c)
        x_NRC = torch.baddbmm(x_NRC, update_NRR, x_NRC, beta=a)
    return x_NRC
