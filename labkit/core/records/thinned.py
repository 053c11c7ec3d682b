"""Rows of steps at bounded memory: every 2^k-th step once there are too many of them.

Which steps stay depends on the steps alone, so that runs of one length keep the same ones.
"""

from __future__ import annotations

from typing import Any

MAX_ROWS = 10_000


class ThinnedRows:
    """At most `max_rows` rows, and the last one beside them.

    >>> thinned = ThinnedRows(max_rows=4)
    >>> for step in range(1, 12):
    ...     thinned.append({"step": step})
    >>> [row["step"] for row in thinned.kept], thinned.last
    ([4, 8], {'step': 11})
    """

    def __init__(self, max_rows: int = MAX_ROWS):
        self.max_rows, self.every = max_rows, 1
        self.kept: list[dict[str, Any]] = []
        self.last: dict[str, Any] | None = None

    def append(self, row: dict[str, Any]) -> None:
        self.last = row
        if row["step"] % self.every:
            return
        self.kept.append(row)
        while len(self.kept) > self.max_rows:
            self.every *= 2
            self.kept = [one for one in self.kept if not one["step"] % self.every]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Those kept, and the last one."""
        is_kept = self.last is None or (self.kept and self.kept[-1] is self.last)
        return self.kept if is_kept or self.last is None else [*self.kept, self.last]
