"""Train, validation and test without leaks, decided by content.

Documents that are the same text, belong to one group (versions of one work), or are
near-duplicates form a unit, and a unit goes to one side as a whole. Units are ordered by a hash
of the seed and their smallest content hash, so that the split depends neither on the order of the
documents nor on anything but their texts and groups; test is filled first, then validation, each
up to its size in bytes (or a share of a small corpus), and the rest is train.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, NamedTuple

from labkit.core.config import Config, field
from labkit.core.errors import LabError
from labkit.data.duplicates.components import find, join
from labkit.data.duplicates.near import near_duplicate_clusters

Side = Literal["train", "validation", "test"]


class SplitConfig(Config):
    """How large the held-out sides are and what counts as a near-duplicate."""

    validation_bytes: int = field(
        500_000, "validation text", unit="bytes", ge=0, le=10**10, scale="log"
    )
    test_bytes: int = field(500_000, "test text", unit="bytes", ge=0, le=10**10, scale="log")
    max_share: float = field(
        0.1,
        "of the corpus that a held-out side takes at most, but for one whole work",
        gt=0,
        le=0.5,
        step=0.01,
    )
    near_duplicate_jaccard: float = field(
        0.8, "5-gram Jaccard from which documents stay together", ge=0.6, le=1.0, step=0.05
    )
    seed: int = field(0, "seed of the order of units", ge=0, le=2**31 - 1)


class SplitDocument(NamedTuple):
    """What deciding needs of a document."""

    content_hash: str
    group: str
    num_bytes: int
    text: str


def split_documents(documents: Sequence[SplitDocument], config: SplitConfig) -> list[Side]:
    """The side of each document.

    Raises:
        LabError: too few works to give each side one, or none left to train on.
    """
    units = unit_numbers(documents, config.near_duplicate_jaccard)
    members: defaultdict[int, list[int]] = defaultdict(list)
    for position, unit in enumerate(units):
        members[unit].append(position)
    order = sorted(members.values(), key=lambda unit: _key(documents, unit, config.seed))
    sides: list[Side] = ["train"] * len(documents)
    most = math.ceil(config.max_share * sum(document.num_bytes for document in documents))
    wanted: list[tuple[Side, int]] = [
        ("test", min(config.test_bytes, most)),
        ("validation", min(config.validation_bytes, most)),
    ]
    for side, size in wanted:
        if size and len(order) < 2:
            raise LabError(
                f"no unit is left for {side}: the corpus has {len(members)} that can be separated "
                f"(works, near-duplicates and copies stay together); set {side}_bytes to 0"
            )
        order = _fill(documents, order, sides, side, size, most)
    if documents and not order:
        raise LabError(
            "the held-out sides take every unit and leave nothing to train on; lower max_share, "
            "test_bytes or validation_bytes"
        )
    return sides


def unit_numbers(documents: Sequence[SplitDocument], near_duplicate_jaccard: float) -> list[int]:
    """A number per document, equal for documents that must stay on one side."""
    parent = list(range(len(documents)))
    clusters = near_duplicate_clusters([d.text for d in documents], near_duplicate_jaccard)
    first: dict[tuple[str, str], int] = {}
    for position, document in enumerate(documents):
        join(parent, position, clusters[position])
        for key in (("group", document.group), ("content", document.content_hash)):
            join(parent, position, first.setdefault(key, position))
    return [find(parent, position) for position in range(len(documents))]


def _fill(
    documents: Sequence[SplitDocument],
    order: list[list[int]],
    sides: list[Side],
    side: Side,
    size: int,
    most: int,
) -> list[list[int]]:
    """Give units to a side while that brings it nearer to its size; returns those left.

    Where all are too large the smallest is taken.
    """
    sizes = [sum(documents[position].num_bytes for position in unit) for unit in order]
    taken, filled = set(), 0
    for number, unit_bytes in enumerate(sizes):
        is_nearer = abs(filled + unit_bytes - size) < abs(filled - size)
        if is_nearer and filled + unit_bytes <= most:
            taken.add(number)
            filled += unit_bytes
    if size and not taken:
        taken = {sizes.index(min(sizes))}
    for number in taken:
        for position in order[number]:
            sides[position] = side
    return [unit for number, unit in enumerate(order) if number not in taken]


def _key(documents: Sequence[SplitDocument], unit: Sequence[int], seed: int) -> bytes:
    smallest = min(documents[position].content_hash for position in unit)
    return hashlib.sha256(f"{seed}:{smallest}".encode()).digest()
