"""Columns of counts from a column of text, in one compiled pass each over its bytes."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa

from labkit.data.kernel.definitions import Definitions


def count_columns(
    texts: pa.Array, definitions: Definitions, wanted: Collection[str]
) -> dict[str, np.ndarray]:
    """One int64 array per wanted column of `COLUMNS`, one entry per text."""
    raise NotImplementedError
