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
        self._blocks: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def sample(self, number: int) -> Sample:
        """Sample `number`, counted from 0 over the whole training."""
        block, inside = divmod(number, self.block_size)
        sources, ranks = self._block(block)
        source = int(sources[inside])
        position = int(self.counts(block * self.block_size)[source]) + int(ranks[inside])
        epoch, place = divmod(position, self.num_windows[source])
        key = _key(self.seed, "epoch", source, epoch)
        return Sample(source, epoch, permute(place, self.num_windows[source], key))

    def _block(self, block: int) -> tuple[np.ndarray, np.ndarray]:
        """Source of each sample of a block, and how many of that source come before it there."""
        if block not in self._blocks:
            before, after = (self.counts(n * self.block_size) for n in (block, block + 1))
            sources = np.repeat(np.arange(len(self.weights)), after - before)
            np.random.default_rng(_key(self.seed, "block", block)).shuffle(sources)
            ranks = np.empty_like(sources)
            for source in range(len(self.weights)):
                own = sources == source
                ranks[own] = np.arange(own.sum())
            self._blocks = {block: (sources, ranks)}
        return self._blocks[block]

    def counts(self, num_samples: int) -> np.ndarray:
        """Samples each source has had after `num_samples`, a multiple of the block size."""
        return np.diff(np.floor(self._cumulative * num_samples + 1e-9).astype(np.int64))

    def batch(
        self, step: int, ramp: BatchRamp, process: int = 0, num_processes: int = 1
    ) -> list[Sample]:
        """This process' share of the global batch of `step`: every `num_processes`-th sample.

        Raises:
            LabError: the batch can't be shared equally.
        """
        size, start = ramp.batch_size(step), ramp.first_sample(step)
        if size % num_processes:
            raise LabError(
                f"a batch of {size} samples (step {step}) can't be shared by {num_processes} "
                f"processes; make it a multiple"
            )
        return [self.sample(start + n) for n in range(process, size, num_processes)]


def permute(value: int, size: int, key: int) -> int:
    """A permutation of 0..size-1 chosen by `key`, computed for one value alone.

    Four Feistel rounds on the smallest even number of bits that holds `size`, walked until the
    value falls inside (Black and Rogaway 2002): at most four steps on average.
    """
    half = max((max(size - 1, 1).bit_length() + 1) // 2, 1)
    mask = (1 << half) - 1
    while True:
        left, right = value >> half, value & mask
        for round_ in range(4):
            mixed = (right * 0x9E3779B97F4A7C15 + key + round_ * 0xD1B54A32D192ED03) & (2**64 - 1)
            mixed = ((mixed ^ (mixed >> 32)) * 0xD6E8FEB86659FD93) & (2**64 - 1)
            left, right = right, left ^ ((mixed >> 32) & mask)
        value = left << half | right
        if value < size:
            return value


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
