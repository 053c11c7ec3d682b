from __future__ import annotations

import importlib.util
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from labkit.data.compiled import compile_together

SOURCE = """
def double(number):
    return 2 * number

def fourfold(number):
    return double(double(number))
"""


def module_of(path: Path, source: str) -> Any:
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_functions_are_compiled_once_by_several_threads(tmp_path):
    module = module_of(tmp_path / "doubles.py", SOURCE)
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


def test_changed_constants_of_another_file_are_compiled_anew(tmp_path):
    """numba's cache compares the function's own file, so that the old constant would stay in it."""
    flags = tmp_path / "flags.py"
    user = module_of(tmp_path / "user.py", "SPACE = 1\n\ndef space():\n    return SPACE\n")
    modified, found = time.time(), []
    for value, age in ((1, 20), (1, 20), (2, -20)):
        constants = module_of(flags, f"SPACE = {value}\n")
        os.utime(flags, (modified - age, modified - age))
        user.SPACE = constants.SPACE  # as its import would
        user.space = getattr(user.space, "py_func", user.space)
        compile_together(user, ["space"], constants=constants)
        found.append((user.space(), sum(user.space.stats.cache_hits.values())))
    assert found == [(1, 0), (1, 1), (2, 0)]
