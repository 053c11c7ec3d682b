"""Kernels that keep for the backward pass what a GPU's keep, for dry runs on CPU tensors.

RMSNorm      its input and one number per row; a CPU's keeps each step of the formula
dropout      a mask of one byte; a CPU's keeps one of the tensor's type
attention    with dropout still fused, its mask drawn again; a CPU's stores the scores
softmax      in fp32 under autocast; a CPU's stays in 16 bits
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch.nn import functional


@contextmanager
def kernels_of_a_gpu() -> Iterator[None]:
    attend, soften = functional.scaled_dot_product_attention, torch.Tensor.softmax

    def rms_norm(x: torch.Tensor, _shape: Any, weight: torch.Tensor, eps: Any = None) -> Any:
        return _RMSNorm.apply(x, weight)

    def attention(*tensors: Any, dropout_p: float = 0.0, **options: Any) -> Any:
        return attend(*tensors, **options)

    def dropout(x: torch.Tensor, p: float, training: bool = True, *_: Any) -> torch.Tensor:
        return torch.native_dropout(x, p, True)[0] if training and p else x

    def softmax(x: torch.Tensor, dim: int) -> torch.Tensor:
        is_cast = torch.is_autocast_enabled("cpu")
        return soften(x, dim, dtype=torch.float32 if is_cast else None)

    with (
        mock.patch.object(functional, "rms_norm", rms_norm),
        mock.patch.object(functional, "scaled_dot_product_attention", attention),
        mock.patch.object(functional, "dropout", dropout),
        mock.patch.object(torch.Tensor, "softmax", softmax),
    ):
        yield


class _RMSNorm(torch.autograd.Function):
    """Sizes alone: keeps its input, its weight and one number of each row."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:  # pyright: ignore
        ctx.save_for_backward(x, weight, torch.empty_like(x[..., :1], dtype=torch.float32))
        return torch.empty_like(x)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:  # pyright: ignore
        x, weight, _ = ctx.saved_tensors
        return torch.empty_like(x), torch.empty_like(weight)
