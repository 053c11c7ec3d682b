"""Which window of which source is sample number i: a closed form of (seed, i), without state.

Samples are grouped in blocks of B. By the end of block k a source j with cumulative weight W_j
(the sum of the weights up to and including j) has had

    c_j = floor(W_j n) - floor(W_(j-1) n)   samples of n = k B,

so that |c_j - w_j n| < 1 at every block's end, and the counts never fall when w_j B >= 1, which
the smallest B for the weights makes sure of. Inside a block the sources' turns are shuffled by
(seed, block). The c-th sample of a source is window c mod N of its epoch c div N, mapped by a
permutation keyed by (seed, source, epoch): every window once per epoch, without replacement.

Nothing is remembered between samples: any step can be the first, and processes that split a
global batch between them see the same one as a single process.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from labkit.core.errors import LabError

MIN_BLOCK = 64


class Sample(NamedTuple):
    source: int
    epoch: int
    window: int


class BatchRamp(NamedTuple):
    """Samples per step: from `first` up by `increment` every `steps_per_increment` to `last`.

    GPT-3 ramped from 32k to 3.2M tokens (Brown et al. 2020); first == last is no ramp.
    """

    first: int
    last: int
    increment: int = 0
    steps_per_increment: int = 1

    def batch_size(self, step: int) -> int:
        return min(self.first + step // self.steps_per_increment * self.increment, self.last)

    def first_sample(self, step: int) -> int:
        """Samples before `step`: the closed sum of all batch sizes so far.

        >>> BatchRamp(2, 6, 2, 3).first_sample(7)  # 2 2 2 4 4 4 6
        24
        """
        if not self.increment or self.first >= self.last:
            return step * min(self.first, self.last)
        num_rises = -(-(self.last - self.first) // self.increment)
        ramp_steps = min(step, num_rises * self.steps_per_increment)
        whole, rest = divmod(ramp_steps, self.steps_per_increment)
        before = self.steps_per_increment * (
            whole * self.first + self.increment * whole * (whole - 1) // 2
        )
        return before + rest * self.batch_size(ramp_steps - rest) + (step - ramp_steps) * self.last


class DataOrder:
    """Samples from sources with `num_windows[j]` windows and weight `weights[j]` each."""

    def __init__(self, num_windows: Sequence[int], weights: Sequence[float], seed: int):
        _check(num_windows, weights)
        total = math.fsum(weights)
        self.num_windows = tuple(num_windows)
        self.weights = tuple(weight / total for weight in weights)
        self.seed = seed
        self.block_size = max(MIN_BLOCK, math.ceil(1 / min(self.weights)))
        self._cumulative = np.minimum(np.cumsum([0.0, *self.weights]), 1.0)
        self._cumulative[-1] = 1.0
        self._cached: tuple[int, np.ndarray] | None = None

    def sample(self, number: int) -> Sample:
        """Sample `number`, counted from 0 over the whole training."""
        block, inside = divmod(number, self.block_size)
        return Sample(*self._block(block)[inside].tolist())

    def samples(self, first: int, count: int) -> np.ndarray:
        """(count, 3): source, epoch and window of the samples first, first + 1, ..."""
        numbers = np.arange(first, first + count)
        blocks, inside = np.divmod(numbers, self.block_size)
        return np.concatenate(
            [self._block(int(block))[inside[blocks == block]] for block in np.unique(blocks)]
        )

    def _block(self, block: int) -> np.ndarray:
        """(block_size, 3), computed in vectors: a sample alone would cost as much as its block."""
        if self._cached is None or self._cached[0] != block:
            self._cached = (block, self._compute(block))
        return self._cached[1]

    def _compute(self, block: int) -> np.ndarray:
        before, after = (self.counts(n * self.block_size) for n in (block, block + 1))
        sources = np.repeat(np.arange(len(self.weights)), after - before)
        np.random.default_rng(_key(self.seed, "block", block)).shuffle(sources)
        samples = np.empty((self.block_size, 3), dtype=np.int64)
        samples[:, 0] = sources
        for source, num_windows in enumerate(self.num_windows):
            own = np.flatnonzero(sources == source)
            epochs, places = np.divmod(before[source] + np.arange(len(own)), num_windows)
            samples[own, 1] = epochs
            for epoch in np.unique(epochs):
                key = _key(self.seed, "epoch", source, int(epoch))
                is_now = epochs == epoch
                samples[own[is_now], 2] = permute(places[is_now], num_windows, key)
        return samples

    def counts(self, num_samples: int) -> np.ndarray:
        """Samples each source has had after `num_samples`, a multiple of the block size."""
        return np.diff(np.floor(self._cumulative * num_samples + 1e-9).astype(np.int64))

    def batch(self, step: int, ramp: BatchRamp) -> np.ndarray:
        """(batch size, 3): the samples of `step`, over all processes."""
        return self.samples(ramp.first_sample(step), ramp.batch_size(step))


def permute(values: np.ndarray, size: int, key: int) -> np.ndarray:
    """Where a permutation of 0..size-1, chosen by `key`, sends each of the values.

    Four Feistel rounds on the smallest even number of bits that holds `size`, walked until the
    value falls inside (Black and Rogaway 2002): at most four steps on average.
    """
    half = np.uint64(max((max(size - 1, 1).bit_length() + 1) // 2, 1))
    mask = np.uint64((1 << int(half)) - 1)
    found = values.astype(np.uint64)
    outside = np.ones(len(found), dtype=bool)
    while outside.any():
        left, right = found[outside] >> half, found[outside] & mask
        for round_ in range(4):
            offset = np.uint64((key + round_ * 0xD1B54A32D192ED03) & (2**64 - 1))
            mixed = right * np.uint64(0x9E3779B97F4A7C15) + offset
            mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
            left, right = right, left ^ ((mixed >> np.uint64(32)) & mask)
        found[outside] = left << half | right
        outside = found >= size
    return found.astype(np.int64)


@functools.lru_cache(maxsize=1024)
def _key(*parts: object) -> int:
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _check(num_windows: Sequence[int], weights: Sequence[float]) -> None:
    if len(num_windows) != len(weights) or not weights:
        raise LabError(f"{len(num_windows)} sources but {len(weights)} weights")
    for number, (windows, weight) in enumerate(zip(num_windows, weights, strict=True)):
        if windows < 1:
            raise LabError(f"source {number} has no window; use a shorter sequence or more text")
        if not (weight > 0 and math.isfinite(weight)):
            raise LabError(f"weight {weight} of source {number} should be above 0; leave it out")
