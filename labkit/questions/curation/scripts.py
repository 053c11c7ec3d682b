"""In which letters text begins that the rules dropped: a hint where no record names its language.

By a sample: evenly spaced documents of four row groups, so that of any corpus about 16 MB are
unpacked; by each document's first characters. A script is no language: kana are Japanese,
Han letters without them likely Chinese, but Latin, Cyrillic or Arabic letters are those of many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labkit.data.columns import add_statistics
from labkit.data.curation import Curation
from labkit.data.pipeline.curated import DROPPED

NUM_GROUPS, NUM_DOCUMENTS, NUM_CHARACTERS = 4, 1000, 500
MIN_KANA = 0.05
"""Of Han letters and kana: Japanese prose has half, Chinese a sign or a name."""


def dropped_scripts(curation: Curation) -> Counter[str]:
    """Script (of `columns.SCRIPTS`, or "none") -> documents of the sample."""
    file = pq.ParquetFile(curation.curated.folder / DROPPED)
    num_groups = min(file.num_row_groups, NUM_GROUPS)
    groups = [(2 * n + 1) * file.num_row_groups // (2 * num_groups) for n in range(num_groups)]
    found = Counter[str]()
    for group in groups:
        table = file.read_row_group(group, columns=["text", "step_name"])
        texts = table.filter(pc.field("step_name") == "rules")["text"]
        size = min(NUM_DOCUMENTS // num_groups, len(texts))
        rows = np.linspace(0, len(texts) - 1, size).astype(np.int64)
        found.update(scripts(texts.take(rows).to_pylist()))
    return found


def scripts(texts: Sequence[str]) -> list[str]:
    """Of each text's beginning the script of most letters; kana where Han letters have some.

    >>> scripts(["To be", "日本語を話す人", "话说天下大势", "1, 2"])
    ['latin', 'kana', 'han', 'none']
    """
    beginnings = pa.array([text[:NUM_CHARACTERS] for text in texts], pa.large_string())
    counted = add_statistics(pa.RecordBatch.from_arrays([beginnings], ["text"]))
    names, han, kana = (counted[name].to_pylist() for name in ("script", "num_han", "num_kana"))
    return [
        "kana" if name == "han" and k >= MIN_KANA * (h + k) else name
        for name, h, k in zip(names, han, kana, strict=True)
    ]
