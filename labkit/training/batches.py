"""Samples of a plan as tensors: windows of the shards in the data order, in micro-batches.

No state: iterating from any step gives the same batches as having come there. The micro-batches of
a step are dealt to the data ranks in turn, so that every layout sees the same ones.
"""

# B batch, T time

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from labkit.core import artifacts
from labkit.core.counted import counted
from labkit.core.errors import LabError
from labkit.core.verified import verify_once
from labkit.plan.plan import TrainingPlan
from labkit.tokens.shards import Shards
from labkit.training.data_order import BatchRamp, DataOrder
from labkit.training.objective import StepBatch
from labkit.training.sharding.processes import ALONE, Processes

IGNORED = -100
"""A target that torch's cross-entropy leaves out."""


class TokenBatch(NamedTuple):
    """Inputs and the token after each of them."""

    ids_BT: torch.Tensor
    targets_BT: torch.Tensor

    def to(self, device: torch.device) -> TokenBatch:
        return TokenBatch(self.ids_BT.to(device), self.targets_BT.to(device))


class TrainingData:
    """The plan's training shards, opened and checked against its model.

    Raises:
        LabError: shards of another tokenizer, or ids beyond the model's vocabulary.
    """

    def __init__(self, plan: TrainingPlan, processes: Processes = ALONE):
        folders = [artifacts.home() / name for name in (*plan.data.train, plan.data.validation)]
        processes.first(lambda: _verify(folders))
        self.length = plan.sequence_length
        self.micro_batch = plan.micro_batch
        self.names = list(plan.data.train)
        *self.sources, self.validation = (Shards(folder, verify=False) for folder in folders)
        _check(plan, [*self.sources, self.validation])
        self.hidden_after = hidden_after(plan, self.validation)
        num_windows = [_num_windows(source, self.length) for source in self.sources]
        self.order = DataOrder(num_windows, list(plan.data.train.values()), plan.seed)
        self.ramp = BatchRamp(plan.data.batch_size, plan.data.batch_size)

    def samples(self, step: int) -> np.ndarray:
        """(batch_size, 3): source, epoch, window."""
        return self.order.batch(step, self.ramp)

    def step_batch(self, step: int, processes: Processes = ALONE) -> StepBatch:
        """This process' share of the step; its units are the targets that count."""
        samples = self.samples(step)
        starts = range(0, len(samples), self.micro_batch)
        own = starts[processes.data_rank :: processes.layout.data_parallel]
        windows = [self._stack(samples[start : start + self.micro_batch]) for start in own]
        batches = [token_batch(ids, self.hidden_after) for ids in windows]
        if self.hidden_after is None:
            return StepBatch(batches, float(len(samples) * self.length), samples)
        counted = sum(int((batch.targets_BT != IGNORED).sum()) for batch in batches)
        return StepBatch(batches, float(max(processes.sum_of_samples(counted), 1)), samples)

    def documents(self, step: int) -> dict[str, list[int]]:
        """Folder of a source -> numbers of the documents that the step has tokens of."""
        found: dict[str, set[int]] = {}
        for source, _, window in self.samples(step).tolist():
            shards, start = self.sources[source], window * self.length
            first, last = (_document_at(shards, at) for at in (start, start + self.length))
            found.setdefault(self.names[source], set()).update(range(first, last + 1))
        return {name: sorted(numbers) for name, numbers in sorted(found.items())}

    def _stack(self, samples: np.ndarray) -> torch.Tensor:
        ids = np.empty((len(samples), self.length + 1), dtype=np.int64)
        for row, (source, _, window) in enumerate(samples.tolist()):
            ids[row] = self.sources[source].window(window, self.length)
        return torch.from_numpy(ids)


def _document_at(shards: Shards, position: int) -> int:
    """The number of the document that the token at `position` is of."""
    numbers = range(shards.facts.num_documents)
    return bisect.bisect_right(numbers, position, key=lambda number: shards.span(number)[1])


def hidden_after(plan: TrainingPlan, shards: Shards) -> int | None:
    """The id after which a target does not count, in training as in validation."""
    return shards.facts.end_of_text if plan.data.mask_document_starts else None


def token_batch(ids_BS: torch.Tensor, hidden_after: int | None = None) -> TokenBatch:
    """Windows of S = T + 1 ids as inputs and targets, those after `hidden_after` IGNORED."""
    inputs_BT, targets_BT = ids_BS[:, :-1], ids_BS[:, 1:]
    if hidden_after is not None:
        targets_BT = targets_BT.masked_fill(inputs_BT == hidden_after, IGNORED)
    return TokenBatch(inputs_BT, targets_BT)


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


def _verify(folders: Iterable[Path]) -> None:
    for folder in folders:
        verify_once(folder)


def _num_windows(shards: Shards, length: int) -> int:
    if not (found := shards.num_windows(length)):
        raise LabError(
            f"{shards.folder} has {counted(shards.facts.num_tokens, 'token')}: not one window of "
            f"{length:,} and the token after it; give data.sequence_length less, or more text"
        )
    return found
