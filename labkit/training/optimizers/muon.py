"""Muon for the blocks' matrices and AdamW for everything else, as one optimizer.

Muon (Jordan et al. 2024) applies the momentum with its singular values pushed towards 1, by five
Newton-Schulz steps of a quintic; the rate is scaled by sqrt(max(1, rows / columns)) as in
`torch.optim.Muon`. Matrices of one shape, or its transpose, go through the steps as one batch.
Those run in bf16 where the plan does, else in fp32: where bf16 is emulated it is the slow one.

Sharded, momentum stays where its weights are. For each shape every process is sent some of the
matrices whole, pushes those, and sends the pieces back (`muon_exchange.py`).
"""

# N matrices, R rows, C columns (R <= C)

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim.adamw import adamw

from labkit.training.optimizers.muon_exchange import exchange
from labkit.training.sharding.pieces import cut_of, local
from labkit.training.sharding.processes import ALONE, Processes

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
NUM_STEPS = 5
EPSILON = 1e-7


class MuonAdamW(torch.optim.Optimizer):
    """Each group says by `uses_muon` which rule moves it, and carries that rule's numbers.

    Parameters without a gradient are left as they are, their state too.
    """

    def __init__(
        self, groups: Iterable[dict[str, Any]], dtype: torch.dtype, processes: Processes = ALONE
    ):
        super().__init__(groups, {})
        self.dtype, self.processes = dtype, processes

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
            momenta = [self._momentum(weight, group["momentum"]) for weight in weights]
            for weight, direction in zip(weights, self._directions(weights, momenta), strict=True):
                rows, columns = weight.shape
                rate = group["lr"] * math.sqrt(max(1, rows / columns))
                held = local(weight)
                held.mul_(1 - group["lr"] * group["weight_decay"])
                held.add_(direction, alpha=-rate)

    def _directions(
        self, weights: list[torch.Tensor], momenta: list[torch.Tensor]
    ) -> list[torch.Tensor]:
        if self.processes.mesh is None:
            return orthogonalize_all(momenta, self.dtype)
        cuts = [cut_of(weight) for weight in weights]
        whole, give_back = exchange(momenta, cuts, self.processes)
        return give_back(orthogonalize_all(whole, self.dtype))

    def _momentum(self, weight: torch.Tensor, momentum: float) -> torch.Tensor:
        """Nesterov's look ahead, after taking in the gradient; of what this process holds."""
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        assert weight.grad is not None
        held, gradient = local(state["momentum"]), local(weight.grad)
        held.lerp_(gradient, 1 - momentum)
        return gradient.lerp(held, momentum)

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
            [local(weight) for weight in weights],
            [local(weight.grad) for weight in weights if weight.grad is not None],
            [local(state["exp_avg"]) for state in states],
            [local(state["exp_avg_sq"]) for state in states],
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


def orthogonalize_all(matrices: list[torch.Tensor], dtype: torch.dtype) -> list[torch.Tensor]:
    """Of one shape, or its transpose, as one batch; in the type they came in."""
    if not matrices:
        return []
    wide_NRC = torch.stack([one if one.shape[0] <= one.shape[1] else one.mT for one in matrices])
    pushed_NRC = orthogonalize(wide_NRC, dtype).to(matrices[0].dtype)
    return [
        wide_RC if matrix.shape[0] <= matrix.shape[1] else wide_RC.mT
        for matrix, wide_RC in zip(matrices, pushed_NRC, strict=True)
    ]


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
