"""The bytes below an Arrow array of strings: read where they lie, without Python strings."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def utf8_bytes(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """(uint8 data, int64[texts + 1] bounds of the texts in it); the data is no copy.

    >>> data, bounds = utf8_bytes(pa.array(["a b", "或"]))
    >>> data.tobytes().decode(), bounds.tolist()
    ('a b或', [0, 3, 6])
    """
    if not pa.types.is_string(texts.type) and not pa.types.is_large_string(texts.type):
        texts = texts.cast(pa.large_string())
    _, offsets, data = texts.buffers()
    values = np.frombuffer(data if data else b"", dtype=np.uint8)
    values.flags.writeable = False  # as those of a file are: numba compiles for one kind alone
    if offsets is None or not len(texts):
        return values[:0], np.zeros(len(texts) + 1, dtype=np.int64)
    width = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    found = np.frombuffer(offsets, dtype=width)[texts.offset : texts.offset + len(texts) + 1]
    bounds = found.astype(np.int64)
    return values[bounds[0] : bounds[-1]], bounds - bounds[0]


def utf8_lengths(texts: pa.Array) -> np.ndarray:
    """Bytes of each text, int64; a null has none."""
    lengths = pc.call_function("binary_length", [texts]).fill_null(0)
    return np.asarray(lengths, dtype=np.int64)
