"""Functions over arrays, compiled by numba when first called and kept on disk.

Importing the file that holds one loads no numba. A compiled function calls no other: the cache on
disk knows one function's source only.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator. The arguments are arrays and numbers; the plain function is `__wrapped__`."""

    @functools.cache
    def build() -> Callable[..., Any]:
        import numba

        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return build()(*arguments)

    return call
