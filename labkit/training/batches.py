"""Samples of a plan as tensors: windows of the shards in the data order, one micro-batch at a time.

No state: iterating from any step gives the same batches as having come there.
"""

# B batch, T time

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import torch

from labkit.core import artifacts
from labkit.core.errors import LabError
from labkit.plan.plan import TrainingPlan
from labkit.tokens.shards import Shards
from labkit.training.data_order import BatchRamp, DataOrder


class TrainingData:
    """The plan's training shards, opened and checked against its model.

    Raises:
        LabError: shards of another tokenizer, or ids beyond the model's vocabulary.
    """

    def __init__(self, plan: TrainingPlan):
        self.length = plan.sequence_length
        self.micro_batch = plan.micro_batch
        self.sources = [Shards(artifacts.home() / name) for name in plan.data.train]
        self.validation = Shards(artifacts.home() / plan.data.validation)
        _check(plan, [*self.sources, self.validation])
        num_windows = [source.num_windows(self.length) for source in self.sources]
        self.order = DataOrder(num_windows, list(plan.data.train.values()), plan.seed)
        self.ramp = BatchRamp(plan.data.batch_size, plan.data.batch_size)

    def samples(self, step: int) -> np.ndarray:
        """(batch_size, 3): source, epoch, window."""
        return self.order.batch(step, self.ramp)

    def micro_batches(self, step: int) -> Iterator[torch.Tensor]:
        """(B, T + 1) ids: inputs and, one further, their targets."""
        samples = self.samples(step)
        for start in range(0, len(samples), self.micro_batch):
            yield self._stack(samples[start : start + self.micro_batch])

    def _stack(self, samples: np.ndarray) -> torch.Tensor:
        ids = np.empty((len(samples), self.length + 1), dtype=np.int64)
        for row, (source, _, window) in enumerate(samples.tolist()):
            ids[row] = self.sources[source].window(window, self.length)
        return torch.from_numpy(ids)


class StepBatches:
    """The micro-batches of steps `first` to `last` - 1 in a row, for Lightning's loop."""

    def __init__(self, data: TrainingData, first: int, last: int):
        self.data, self.first, self.last = data, first, last

    def __iter__(self) -> Iterator[torch.Tensor]:
        for step in range(self.first, self.last):
            yield from self.data.micro_batches(step)


def chain_hash(previous: str, samples: np.ndarray) -> str:
    """Names all samples up to a step: equal when the same were seen in the same order."""
    return hashlib.sha256(previous.encode() + samples.tobytes()).hexdigest()[:16]


def _check(plan: TrainingPlan, all_shards: list[Shards]) -> None:
    tokenizers = {shards.facts.tokenizer for shards in all_shards}
    if len(tokenizers) > 1:
        raise LabError(
            f"shards of different tokenizers in one plan: {', '.join(sorted(tokenizers))}"
        )
    vocab_size = all_shards[0].facts.vocab_size
    if vocab_size > plan.model.vocab_size:
        raise LabError(
            f"the tokenizer has {vocab_size:,} ids, model.vocab_size={plan.model.vocab_size:,}; "
            f"give model.vocab_size={vocab_size}"
        )
    certificate = all_shards[-1].facts.certificate
    if certificate and len(all_shards) == 2:
        certificate.check(all_shards[0].facts.document_set, all_shards[1].facts.document_set)
