"""Training memory of one GPU by parts, in bytes, at the moment of a step when it is highest.

Weights, gradients and AdamW's two moments take 16 bytes per parameter in fp32 and in 16-bit mixed
precision alike (fp32 masters), shared between data-parallel GPUs under full sharding (ZeRO-3,
Rajbhandari et al. 2020). What comes on top depends on the moment:

gather     the last block's weights come, activations of those before it are there
forward    activations of all blocks and the loss: logits in 16 bits, in fp32, their log-softmax
loss       the same, with two gradients of the logits in place of the logits themselves
block      in the backward pass of a block: what is computed again, gradients on their way
root       when embedding and head are reduced, last of all
step       the optimizer's: weights, gradients and states alone

Under full sharding (FSDP2, Zhao et al. 2023) blocks are groups, and embedding, positions, final
norm and head are one more, the root. The root's weights stay gathered from forward to backward;
a block's are there for its turn, beside the buffer of the one prefetched; on the way forward
beside two, since a buffer goes after the next one was read. Gradients are whole until they are
reduced, in fp32, in a buffer that goes when the next block's comes.

Leaves out: Muon (its states are half of AdamW's, its step has tensors of its own), kernels'
workspace, padding of shares, scores on their way where they are stored, and what the allocator
holds beyond tensors: `idle_pool_bytes` is the part of it that has a formula. A dry run counts all
of these but the workspace.
"""

from __future__ import annotations

from dataclasses import dataclass

from labkit.cost.activations import (
    backward_workspace_bytes,
    kept_activation_bytes,
    stem_activation_bytes,
)
from labkit.cost.memory_config import MemoryConfig
from labkit.cost.shares import (
    block_matrices,
    block_parameters,
    head_parameters,
    root_parameters,
)
from labkit.model.config import ModelConfig
from labkit.model.weights import FINAL_NORM

PARTS = (
    "weights",
    "gradients",
    "optimizer",
    "gathered weights",
    "whole gradients",
    "activations",
    "workspace",
    "logits",
)
MASTER = 4
"""Bytes of a weight, a gradient after its reduction, and of each of AdamW's moments."""


def training_memory(
    model: ModelConfig, memory: MemoryConfig, sequence_length: int, num_gpus: int
) -> dict[str, int]:
    """Part -> bytes on one GPU; the values sum to the whole.

    Raises:
        ValueError: tensor_parallel does not divide `num_gpus`.
    """
    if num_gpus % memory.tensor_parallel:
        raise ValueError(
            f"memory.tensor_parallel={memory.tensor_parallel} must divide num_gpus={num_gpus}"
        )
    if num_gpus == 1:
        memory = memory.model_copy(update={"sharding": "none"})
    step = _Step(model, memory, sequence_length, num_gpus // memory.tensor_parallel)
    moments = [step.gather(), step.forward(), step.loss(), step.root(), step.optimizer_step()]
    last = model.num_layers - 1
    moments += [step.block(num_done) for num_done in sorted({0, min(1, last), last})]
    highest = max(moments, key=lambda moment: sum(moment.values()))
    return {part: round(highest.get(part, 0)) for part in PARTS}


def idle_pool_bytes(
    model: ModelConfig, memory: MemoryConfig, num_gpus: int, parts: dict[str, int]
) -> int:
    """What torch's allocator holds beside `parts` for FSDP2's own streams, of use to no other.

    In the one that gathers: buffers of the root and of the first block, with what is sent of
    them. In the one that reduces: gradients, where `parts` has none of them yet.
    """
    if num_gpus == 1 or memory.sharding == "none":
        return 0
    data_parallel = num_gpus // memory.tensor_parallel
    block, root = (count(model, memory.tensor_parallel) for count in _GROUPS)
    gathered = memory.product_bytes * (root + block) * (1 + 1 / data_parallel)
    gradients = MASTER * (root + model.num_layers * block) / data_parallel
    return round(gathered * (data_parallel > 1) + max(gradients - parts["gradients"], 0))


_GROUPS = (block_parameters, root_parameters)


@dataclass(frozen=True)
class _Step:
    """Parts at the moments of a step, in bytes; B is a block's parameters, R the root's."""

    model: ModelConfig
    memory: MemoryConfig
    sequence_length: int
    data_parallel: int

    def gather(self) -> dict[str, float]:
        """Nothing moves where no share is gathered."""
        blocks = 1 if self.memory.reshard_after_forward else self.model.num_layers
        buffers = min(2, self.model.num_layers) if self.data_parallel > 1 else 0
        gathered = self._root + (blocks + buffers) * self._block
        return (
            self._states()
            | self._gradients(self._are_held)
            | {
                "activations": self._kept(self.model.num_layers - 1),
                "gathered weights": gathered * self.memory.product_bytes * self._is_sharded,
                "whole gradients": self._waiting(0),
            }
        )

    def forward(self) -> dict[str, float]:
        logits = self._num_logits * (10 if self.memory.precision == "16-mixed" else 8)
        logits += self._capped_logits
        return (
            self._with_all_activations(self.model.num_layers)
            | self._gradients(self._are_held)
            | {"logits": logits}
        )

    def loss(self) -> dict[str, float]:
        cast = self.model.num_layers if self.memory.recompute == "none" else 0
        return (
            self._with_all_activations(cast)
            | self._gradients(self._are_held)
            | {"logits": self._num_logits * 12 + self._capped_logits}
        )

    def block(self, num_done: int) -> dict[str, float]:
        """In the backward pass of the last block but `num_done`."""
        model, memory = self.model, self.memory
        left = model.num_layers - num_done
        parts = self._states() | self._gradients(self._are_held)
        parts["activations"] = self._kept(left)
        parts["workspace"] = backward_workspace_bytes(
            model, memory, self._num_tokens, self.sequence_length
        )
        matrix = model.d_model * model.d_ff / memory.tensor_parallel
        own = self._head + matrix * (model.num_experts or 1)
        if not self._is_sharded:
            cast = left if memory.recompute == "none" else 1
            parts["gathered weights"] = self._cast(cast * block_matrices(model))
            if not parts["gradients"]:
                parts["gradients"] = MASTER * (own + num_done * self._block)
            return parts
        others = min(left - 1, 1) * (self.data_parallel > 1)  # prefetched
        if not memory.reshard_after_forward:
            others = left - 1
        gathered = self._root + self._block * (1 + others)
        parts["gathered weights"] = gathered * memory.product_bytes
        if not self._are_held:
            parts["gradients"] = MASTER * num_done * self._block / self.data_parallel
        in_reduction = MASTER * self._block * min(num_done, 1)
        parts["whole gradients"] = own * memory.product_bytes + in_reduction
        parts["whole gradients"] += self._waiting(num_done)
        return parts

    def root(self) -> dict[str, float]:
        parts = self._states() | self._gradients(True)
        if self._is_sharded:
            if not self._are_held:
                parts["gradients"] -= MASTER * self._root / self.data_parallel
            unreduced = MASTER if self._waits else self.memory.product_bytes
            parts["whole gradients"] = self._root * (unreduced + MASTER)
        return parts

    def optimizer_step(self) -> dict[str, float]:
        return self._states() | self._gradients(True)

    def _with_all_activations(self, num_cast: int) -> dict[str, float]:
        """`num_cast`: blocks whose weights autocast holds."""
        model, memory = self.model, self.memory
        has_final_norm = model.norm_placement in FINAL_NORM
        head_input = memory.product_bytes + has_final_norm * memory.stream_bytes
        if self._is_sharded:
            blocks = 0 if memory.reshard_after_forward else model.num_layers * self._block
            gathered = (self._root + blocks) * memory.product_bytes
        else:
            gathered = self._cast(num_cast * block_matrices(model) + self._head)
        return self._states() | {
            "activations": self._kept(model.num_layers)
            + self._num_tokens * model.d_model * head_input,
            "gathered weights": gathered,
            "whole gradients": self._waiting(0),
        }

    def _kept(self, num_blocks: int) -> float:
        model, memory = self.model, self.memory
        each = kept_activation_bytes(model, memory, self._num_tokens, self.sequence_length)
        return num_blocks * each + stem_activation_bytes(model, memory, self._num_tokens)

    def _waiting(self, num_done: int) -> float:
        """Whole gradients of the micro-batches before, but of blocks that are reduced already."""
        return MASTER * (self._parameters - num_done * self._block) * self._waits

    def _states(self) -> dict[str, float]:
        share = self._parameters / (self.data_parallel if self._is_sharded else 1)
        return {"weights": MASTER * share, "optimizer": 2 * MASTER * share}

    def _gradients(self, held: bool) -> dict[str, float]:
        """DDP has them in the buckets that it sends, which stay."""
        buckets = not self._is_sharded and self.data_parallel > 1
        share = self._parameters / (self.data_parallel if self._is_sharded else 1)
        return {"gradients": MASTER * share * (held or buckets)}

    def _cast(self, num_parameters: float) -> float:
        """Autocast keeps what it cast until the backward pass has read it."""
        return num_parameters * self.memory.product_bytes if self.memory.uses_autocast else 0

    @property
    def _is_sharded(self) -> bool:
        return self.memory.sharding == "full"

    @property
    def _waits(self) -> bool:
        """Gradients of the micro-batches before are whole, in the dtype they are reduced in."""
        adds_up = self.memory.num_micro_batches > 1
        return self._is_sharded and adds_up and not self.memory.reduce_every_micro_batch

    @property
    def _are_held(self) -> bool:
        """Gradients of the micro-batches before are there, and a share of each where sharded."""
        return self.memory.num_micro_batches > 1 and not self._waits

    @property
    def _num_tokens(self) -> int:
        return self.memory.micro_batch * self.sequence_length

    @property
    def _num_logits(self) -> int:
        return self._num_tokens * self.model.vocab_size

    @property
    def _capped_logits(self) -> int:
        """A soft cap keeps its tanh."""
        return self._num_logits * self.memory.product_bytes * bool(self.model.logit_soft_cap)

    @property
    def _block(self) -> float:
        return block_parameters(self.model, self.memory.tensor_parallel)

    @property
    def _root(self) -> float:
        return root_parameters(self.model, self.memory.tensor_parallel)

    @property
    def _head(self) -> float:
        return head_parameters(self.model, self.memory.tensor_parallel)

    @property
    def _parameters(self) -> float:
        return self.model.num_layers * self._block + self._root
