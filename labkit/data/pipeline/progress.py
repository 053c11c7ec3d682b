"""One line every 15 seconds: how far, how fast, how long this stage still takes.

Speed is that since the first batch was through, which on a first use waits for compilation.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from labkit.core.counted import counted

EVERY_SECONDS = 15.0

Say = Callable[[str], None]


def say_nothing(line: str) -> None:
    pass


class Progress:
    """Of one stage. `total_bytes` is None where the corpus' size is not known beforehand."""

    def __init__(
        self,
        stage: str,
        total_bytes: int | None,
        say: Say,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._stage, self._total, self._say, self._clock = stage, total_bytes, say, clock
        self._last = clock()
        self._measured_from = (self._last, 0)
        self._bytes = self._documents = 0

    def advance(self, documents: int, num_bytes: int) -> None:
        is_first = not self._documents
        self._documents += documents
        self._bytes += num_bytes
        now = self._clock()
        if now - self._last >= EVERY_SECONDS:
            self._last = now
            self._say(self.line(now))
        if is_first:
            self._measured_from = (now, self._bytes)

    def line(self, now: float) -> str:
        started, before = self._measured_from
        rate = (self._bytes - before) / (now - started) if now > started else 0.0
        of, left = "", ""
        if self._total:
            of = f" of {self._total / 1e6:,.1f}"
            left = f", {max(self._total - self._bytes, 0) / rate:,.0f} s left" if rate else ""
        return (
            f"{self._stage}: {self._bytes / 1e6:,.1f}{of} MB, "
            f"{counted(self._documents, 'document')}, {rate / 1e6:,.1f} MB/s{left}"
        )
