"""The step that replaces personal data by typed placeholders, and drops nothing unless told.

Every item found becomes one placeholder, so that counts are conserved; bytes outside of items stay
as they are. With `max_items_per_kb` a document that is mostly personal data (an address list) is
dropped instead, by the number of its items per 1,000 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from labkit.data.personal_data.config import KINDS, PLACEHOLDERS, PersonalDataConfig
from labkit.data.personal_data.find import Item, find_personal_data
from labkit.data.pipeline.step import Outcome, Verdicts, split_by
from labkit.data.utf8 import utf8_bytes

RULE = "personal_data_per_kb"


@dataclass(frozen=True)
class RedactPersonalData:
    """Rewrites `text`; see `PersonalDataConfig` for the choices."""

    config: PersonalDataConfig = field(default_factory=PersonalDataConfig)
    name: str = "personal_data"

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        texts = batch.column("text")
        items = find_personal_data(texts, self.config)
        rewritten = replace_items(texts, items, self.config.placeholder)
        return split_by(batch, self._verdicts(texts, items), rewritten)

    def _verdicts(self, texts: pa.Array, items: Sequence[Item]) -> Verdicts:
        num_items = np.bincount(_documents(items), minlength=len(texts))
        density = 1000 * num_items / np.maximum(np.diff(utf8_bytes(texts)[1]), 1)
        limit = self.config.max_items_per_kb
        is_kept = density <= (np.inf if limit is None else limit)
        thresholds = np.full(len(texts), np.nan if limit is None else limit)
        return Verdicts(
            pa.array([None if kept else RULE for kept in is_kept.tolist()], pa.string()),
            pa.array(density, pa.float64()),
            pa.array(thresholds, pa.float64(), mask=np.isnan(thresholds)),
        )


def replace_items(texts: pa.Array, items: Sequence[Item], placeholder: str) -> pa.Array:
    """The texts with each item replaced by the placeholder of its kind.

    >>> found = find_personal_data(pa.array(["mail bob@web.de!"]), PersonalDataConfig())
    >>> replace_items(pa.array(["mail bob@web.de!"]), found, "angle").to_pylist()
    ['mail <EMAIL>!']
    """
    if not items:
        return texts
    raw, bounds = utf8_bytes(texts)
    data = memoryview(raw.data)
    written = {kind: PLACEHOLDERS[placeholder].format(kind).encode() for kind in KINDS}
    documents = _documents(items)
    starts = bounds[documents] + [item.start for item in items]
    ends = bounds[documents] + [item.end for item in items]
    pieces, place = [], 0
    for item, start, end in zip(items, starts.tolist(), ends.tolist(), strict=True):
        pieces += [data[place:start], written[item.kind]]
        place = end
    growth = np.zeros(len(texts), dtype=np.int64)
    np.add.at(growth, documents, starts - ends + [len(written[item.kind]) for item in items])
    joined = b"".join([*pieces, data[place:]])
    offsets = bounds + np.concatenate([[0], np.cumsum(growth)])
    return pa.LargeStringArray.from_buffers(
        len(texts), pa.py_buffer(offsets), pa.py_buffer(joined)
    ).cast(texts.type)


def _documents(items: Sequence[Item]) -> np.ndarray:
    return np.array([item.document for item in items], dtype=np.int64)
