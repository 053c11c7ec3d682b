"""What torch's CUDA allocator would hold for tensors that come and go: reserved bytes.

`torch.cuda.max_memory_reserved` is above what tensors take, since memory is asked of the GPU in
segments, and given back to the pool that it came from: one for each stream, small ones apart.
The rules are those of c10/cuda/CUDACachingAllocator.cpp with its default settings: sizes are
rounded up to 512 bytes; a request takes the smallest free block that holds it, split if enough is
left over; a free block joins its free neighbours; else there is a new segment. With
`expandable_segments` a pool is one segment that grows by pages.

Leaves out: giving segments back when a GPU is full, and what CUDA and NCCL take outside of it.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass, field

from labkit.training.dry_run.storages import Change, Storage

MIB = 1 << 20
SMALLEST = 512
LARGEST_SMALL = 1 * MIB
SMALL_SEGMENT = SMALL_PAGE = 2 * MIB
LARGE_SEGMENT = LARGE_PAGE = 20 * MIB
SEGMENT_OF_ITS_OWN, ROUNDED_TO = 10 * MIB, 2 * MIB


@dataclass(eq=False)
class Block:
    size: int
    is_free: bool = True
    before: Block | None = None
    after: Block | None = None


@dataclass(eq=False)
class Pool:
    """Of one stream: the free blocks in order of size, first come first."""

    is_small: bool
    expandable: bool
    reserved_bytes: int = 0
    last: Block | None = None
    free: list[tuple[int, int, Block]] = field(default_factory=list)
    num_freed: int = 0

    def allocate(self, size: int) -> Block:
        place = bisect.bisect_left(self.free, (size, -1))
        block = self.free.pop(place)[2] if place < len(self.free) else self._grow(size)
        rest = block.size - size
        if rest >= (SMALLEST if self.is_small or self.expandable else LARGEST_SMALL + 1):
            self._split(block, size)
        block.is_free = False
        return block

    def release(self, block: Block) -> None:
        if block.before and block.before.is_free:
            self._take_out(block.before)
            block = self._join(block.before, block)
        if block.after and block.after.is_free:
            self._take_out(block.after)
            block = self._join(block, block.after)
        self._put_in(block)

    def _grow(self, size: int) -> Block:
        if not self.expandable:
            segment = self._segment(size)
            self.reserved_bytes += segment
            return Block(segment)
        last = self.last if self.last and self.last.is_free else None
        page = SMALL_PAGE if self.is_small else LARGE_PAGE
        missing = -(-(size - (last.size if last else 0)) // page) * page
        self.reserved_bytes += missing
        if last:
            self._take_out(last)
            last.size += missing
            return last
        block = Block(missing, before=self.last)
        if self.last:
            self.last.after = block
        self.last = block
        return block

    def _segment(self, size: int) -> int:
        if self.is_small:
            return SMALL_SEGMENT
        if size < SEGMENT_OF_ITS_OWN:
            return LARGE_SEGMENT
        return -(-size // ROUNDED_TO) * ROUNDED_TO

    def _split(self, block: Block, size: int) -> None:
        rest = Block(block.size - size, before=block, after=block.after)
        if block.after:
            block.after.before = rest
        block.size, block.after = size, rest
        if self.last is block:
            self.last = rest
        self._put_in(rest)

    def _join(self, left: Block, right: Block) -> Block:
        left.size += right.size
        left.after = right.after
        if right.after:
            right.after.before = left
        if self.last is right:
            self.last = left
        return left

    def _put_in(self, block: Block) -> None:
        block.is_free = True
        self.num_freed += 1
        bisect.insort(self.free, (block.size, self.num_freed, block))

    def _take_out(self, block: Block) -> None:
        place = bisect.bisect_left(self.free, (block.size, -1))
        while self.free[place][2] is not block:
            place += 1
        del self.free[place]


def reserved_bytes(changes: Iterable[Change], *, expandable_segments: bool = False) -> int:
    """The most that is ever held.

    >>> big, small = Storage(30 * MIB, "x"), Storage(25 * MIB, "x")
    >>> reserved_bytes([(big, True), (big, False), (small, True)]) // MIB
    30
    >>> reserved_bytes([(small, True), (small, False), (big, True)]) // MIB
    56
    """
    pools: dict[tuple[str, bool], Pool] = {}
    blocks: dict[Storage, tuple[Pool, Block]] = {}
    for storage, has_come in changes:
        if not has_come:
            pool, block = blocks.pop(storage)
            pool.release(block)
            continue
        size = max(-(-storage.num_bytes // SMALLEST), 1) * SMALLEST
        is_small = size <= LARGEST_SMALL
        pool = pools.setdefault((storage.stream, is_small), Pool(is_small, expandable_segments))
        blocks[storage] = pool, pool.allocate(size)
    return sum(pool.reserved_bytes for pool in pools.values())
