"""Functions over arrays, compiled by numba when first called and kept on disk.

Importing the file that holds one loads no numba. The cache on disk knows the source of one file
only, so that no compiled function calls one of another file. Arrays of text are read-only, wherever
Arrow has them from: numba compiles anew for each kind of array.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

_LOCK = threading.Lock()


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator. The function calls no other of the file; the plain one is `__wrapped__`."""

    @functools.cache
    def build() -> Callable[..., Any]:
        import numba

        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return build()(*arguments)

    return call


def compile_together(
    module: ModuleType,
    names: Iterable[str],
    constants: ModuleType | None = None,
    borrowing: bool = False,
) -> None:
    """Functions of one file that find each other there as globals, each after those it calls.

    `constants` is the module that they have constants from, which are compiled in. `borrowing`
    functions neither make arrays nor return any: references to those they are given are not
    counted, atomically, at each call, which took more than half of the time of some.
    """
    import numba
    from numba.extending import is_jitted

    options: dict[str, Any] = {"_nrt": False} if borrowing else {}  # as numba's own sorts have it
    with _LOCK:
        for name in names:
            function = getattr(module, name)
            if not is_jitted(function):
                dispatcher = numba.njit(cache=True, nogil=True, **options)(function)
                if constants is not None:
                    _forget_older(dispatcher, Path(str(constants.__file__)).stat().st_mtime)
                setattr(module, name, dispatcher)


def _forget_older(dispatcher: Any, modified: float) -> None:
    """Drop what is on disk of a function and is older: numba looks at the function's file alone."""
    code = dispatcher.py_func.__code__
    pattern = f"{Path(code.co_filename).stem}.{code.co_name}-*.nbi"
    for index in Path(dispatcher.stats.cache_path).glob(pattern):
        with suppress(FileNotFoundError):  # another process was first
            if index.stat().st_mtime < modified:
                index.unlink()
