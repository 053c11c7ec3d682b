"""What decides the memory of one GPU beside the model: batch, precision, and who holds what."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from labkit.core.config import Config, field


class MemoryConfig(Config):
    micro_batch: int = field(
        1, "sequences per GPU in one forward pass", unit="sequences", ge=1, le=1 << 20
    )
    num_micro_batches: int = field(
        1, "forward passes of a step on each GPU; their gradients add up", ge=1, le=1 << 20
    )
    precision: Literal["fp32", "16-mixed"] = field(
        "16-mixed", "16-mixed: fp32 weights and optimizer, 16-bit activations"
    )
    attention_kernel: Literal["flash", "materialized"] = field(
        "flash", "flash: scores are never stored; materialized: the T x T matrix is"
    )
    recompute: Literal["none", "selective", "full"] = field(
        "none",
        "in the backward pass; selective: all but attention and every second product; "
        "full: whole blocks",
    )
    sharding: Literal["none", "full"] = field(
        "full", "full: weights, gradients and optimizer states split over all GPUs (ZeRO-3, FSDP)"
    )
    tensor_parallel: int = field(
        1, "GPUs that share each matrix and its products (Megatron)", unit="GPUs", ge=1, le=64
    )
    reshard_after_forward: bool = field(
        True, "gather a block's weights again for its backward pass; else they stay"
    )
    reduce_every_micro_batch: bool = field(
        True, "share out gradients after each forward pass; else whole ones stay until the last"
    )
    use_dropout: bool = field(False, "dropout after attention, on its scores, and after the MLP")

    @model_validator(mode="after")
    def _cuts_what_is_sharded(self) -> Self:
        if self.sharding == "none" and self.tensor_parallel > 1:
            raise ValueError(
                f"tensor_parallel={self.tensor_parallel} cuts matrices, sharding=none copies "
                "them; use sharding=full"
            )
        return self

    @property
    def uses_autocast(self) -> bool:
        """Whole weights in fp32, cast where they are used; FSDP2 gathers them in 16 bits."""
        return self.precision == "16-mixed" and self.sharding == "none"

    @property
    def product_bytes(self) -> int:
        """Of one element that a matrix product reads or gives."""
        return {"fp32": 4, "16-mixed": 2}[self.precision]

    @property
    def stream_bytes(self) -> int:
        """Of one element of the residual stream: fp32 under autocast, where norms give fp32."""
        return 4 if self.uses_autocast else self.product_bytes
