from __future__ import annotations

from itertools import pairwise

import pyarrow as pa
import pytest

from labkit.data.utf8 import utf8_bytes, utf8_lengths

TEXTS = ["To be", "", "或不😀", None, "é"]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
@pytest.mark.parametrize(("first", "size"), [(0, 5), (1, 3), (4, 1), (5, 0)])
def test_the_bytes_are_those_that_python_encodes(kind, first, size):
    data, bounds = utf8_bytes(pa.array(TEXTS, kind).slice(first, size))
    encoded = [(text or "").encode() for text in TEXTS[first : first + size]]
    assert data.tobytes() == b"".join(encoded)
    assert [data[start:stop].tobytes() for start, stop in pairwise(bounds)] == encoded
    assert utf8_lengths(pa.array(TEXTS, kind).slice(first, size)).tolist() == [*map(len, encoded)]


def test_text_is_read_only_wherever_it_comes_from():
    """Else numba compiles all of it twice: for a list's texts and for those of a file."""
    batch = pa.RecordBatch.from_pydict({"text": ["a b", "c"]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    [read] = pa.ipc.open_stream(sink.getvalue())
    assert batch["text"].buffers()[2].is_mutable
    assert not read["text"].buffers()[2].is_mutable
    for texts in (batch["text"], read["text"], batch["text"].slice(0, 0), pa.array([""])):
        assert not utf8_bytes(texts)[0].flags.writeable
