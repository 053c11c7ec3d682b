"""A mixture of experts in the feed-forward's place: a router sends each token to k of E of them.

    y = sum over the k chosen e of w_e FFN_e(x) + FFN_shared(x),  w = softmax(x W_router)

over the chosen alone where they are normalized (Mixtral, arXiv:2401.04088), else over all. The
matrices of all experts are one stacked tensor each, so that a process whose tokens use different
ones has a gradient for the same parameters: as modules of their own, experts would get each
other's gradients under FSDP2.

Two losses keep a router in use, each a mean over tokens, and over blocks:
balance  E sum_e f_e p_e, f_e the tokens' share that chose e, p_e its mean probability; k where all
         are used alike (Switch Transformer, Fedus et al. 2021, eq. 4)
z        (ln sum_e exp(logit_e))^2: logits stay small (ST-MoE, Zoph et al. 2022, eq. 5)
"""

# B batch, T time, N tokens, D model, F feed-forward, E experts, J chosen of them

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from labkit.model.config import ModelConfig
from labkit.model.feed_forward import ACTIVATIONS, GATES, make_feed_forward


class RouterLosses(NamedTuple):
    """Means over tokens; of several blocks, over blocks too. `penalty` is what a config makes of
    them, in nats per token."""

    balance: torch.Tensor
    z: torch.Tensor
    penalty: torch.Tensor


class Stack(nn.Module):
    """A matrix for each expert."""

    def __init__(self, num_experts: int, num_rows: int, num_columns: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_experts, num_rows, num_columns))


class Experts(nn.Module):
    """`losses` has those of the last pass in training mode, until they are taken."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        assert config.num_experts is not None
        shape = (config.num_experts, config.d_ff, config.d_model)
        self.router = nn.Linear(config.d_model, config.num_experts, bias=False)
        self.gate = Stack(*shape) if config.is_gated else None
        self.up = Stack(*shape)
        self.down = Stack(config.num_experts, config.d_model, config.d_ff)
        self.shared = None
        if config.shared_d_ff:
            own = {"num_experts": None, "d_ff": config.shared_d_ff}
            self.shared = make_feed_forward(config.model_copy(update=own))
        self.activation = (GATES if config.is_gated else ACTIVATIONS)[config.feed_forward]
        self.num_chosen = config.experts_per_token
        self.normalizes = config.normalize_expert_weights
        self.penalties = (config.balance_loss, config.router_z_loss)
        self.losses: RouterLosses | None = None

    def forward(self, x_BTD: torch.Tensor) -> torch.Tensor:
        x_ND = x_BTD.flatten(0, 1)
        logits_NE = self.router(x_ND).float()
        weights_NJ, chosen_NJ = self._choose(logits_NE)
        if self.training:
            balance, z = balance_loss(logits_NE, chosen_NJ), z_loss(logits_NE)
            scale_of_balance, scale_of_z = self.penalties
            self.losses = RouterLosses(balance, z, scale_of_balance * balance + scale_of_z * z)
        mixed_ND = self._mix(x_ND, weights_NJ.to(x_ND.dtype), chosen_NJ)
        if self.shared is not None:
            mixed_ND = mixed_ND + self.shared(x_ND)
        return mixed_ND.view_as(x_BTD)

    def _choose(self, logits_NE: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        weights_NJ, chosen_NJ = logits_NE.softmax(-1).topk(self.num_chosen, dim=-1)
        if self.normalizes:
            weights_NJ = weights_NJ / weights_NJ.sum(-1, keepdim=True)
        return weights_NJ, chosen_NJ

    def _mix(
        self, x_ND: torch.Tensor, weights_NJ: torch.Tensor, chosen_NJ: torch.Tensor
    ) -> torch.Tensor:
        """Tokens in the order of their experts, each expert's at once, and back again."""
        num_tokens, width = x_ND.shape
        order_M = chosen_NJ.flatten().argsort(stable=True)
        copies_MD = x_ND[:, None].expand(-1, self.num_chosen, -1).reshape(-1, width)[order_M]
        loads = split_sizes(expert_loads(chosen_NJ, self.router.out_features), len(order_M))
        stacks = [stack.weight for stack in (self.up, self.down, self.gate) if stack is not None]
        matrices = zip(*(stack.unbind(0) for stack in stacks), strict=True)
        given = zip(copies_MD.split(loads), matrices, strict=True)
        done_MD = torch.cat([self._expert(piece_LD, *each) for piece_LD, each in given])
        back_M = order_M.argsort()
        done_NJD = done_MD[back_M].view(num_tokens, self.num_chosen, width)
        return (done_NJD * weights_NJ[..., None]).sum(dim=1)

    def _expert(
        self,
        x_LD: torch.Tensor,
        up_FD: torch.Tensor,
        down_DF: torch.Tensor,
        gate_FD: torch.Tensor | None = None,
    ) -> torch.Tensor:
        hidden_LF = functional.linear(x_LD, up_FD)
        if gate_FD is None:
            hidden_LF = self.activation(hidden_LF)
        else:
            hidden_LF = self.activation(functional.linear(x_LD, gate_FD)) * hidden_LF
        return functional.linear(hidden_LF, down_DF)


def expert_loads(chosen_NJ: torch.Tensor, num_experts: int) -> torch.Tensor:
    """(E,): how many tokens chose each expert; the sum is tokens x chosen."""
    chosen_M = chosen_NJ.flatten()
    return chosen_M.new_zeros(num_experts).scatter_add_(0, chosen_M, torch.ones_like(chosen_M))


def split_sizes(loads_E: torch.Tensor, num_copies: int) -> list[int]:
    """Loads as numbers, which sum to the copies of tokens; a dry run without data takes others."""
    return loads_E.tolist()


def balance_loss(logits_NE: torch.Tensor, chosen_NJ: torch.Tensor) -> torch.Tensor:
    """How unevenly experts are used.

    >>> chosen_NJ = torch.tensor([[0], [1], [0], [1]])
    >>> float(balance_loss(torch.zeros(4, 2), chosen_NJ))
    1.0
    """
    num_tokens, num_experts = logits_NE.shape
    shares_E = expert_loads(chosen_NJ, num_experts) / num_tokens
    return num_experts * (shares_E * logits_NE.softmax(-1).mean(dim=0)).sum()


def z_loss(logits_NE: torch.Tensor) -> torch.Tensor:
    """How large the router's logits are; (ln E)^2 where all are 0."""
    return logits_NE.logsumexp(-1).square().mean()


def take_router_losses(model: nn.Module) -> RouterLosses | None:
    """The last pass' losses, a mean over blocks; None for a model without experts, or in eval."""
    parts = [part for part in model.modules() if isinstance(part, Experts)]
    found = [part.losses for part in parts if part.losses is not None]
    for part in parts:
        part.losses = None
    if not found:
        return None
    return RouterLosses(*(torch.stack(losses).mean() for losses in zip(*found, strict=True)))
