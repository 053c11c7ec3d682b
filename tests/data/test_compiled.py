from __future__ import annotations

import importlib.util
import threading

import numpy as np
import pyarrow as pa

from labkit.data.compiled import compile_together
from labkit.data.kernel.text_columns import text_bytes
from labkit.data.ngrams import utf8_bytes

SOURCE = """
def double(number):
    return 2 * number

def fourfold(number):
    return double(double(number))
"""


def test_functions_are_compiled_once_by_several_threads(tmp_path):
    path = tmp_path / "doubles.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("doubles", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    gate, found = threading.Barrier(6), []

    def work() -> None:
        gate.wait()
        compile_together(module, ("double", "fourfold"))
        found.append((module.fourfold, module.fourfold(np.int64(3))))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(module.fourfold, 12)] * 6
    assert len(module.fourfold.signatures) == 1


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
        for bytes_of in (text_bytes, utf8_bytes):
            assert not bytes_of(texts)[0].flags.writeable
