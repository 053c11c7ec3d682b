"""Rows of the corpus, counted on in its order by whichever processes read it.

How many documents a portion has is known once it is parsed, and its first row once all before it
are: `take` waits for its turn.
"""

from __future__ import annotations

import threading
from multiprocessing.context import BaseContext
from typing import Any

from labkit.core.errors import LabError

ENDED = -1


class RowNumbers:
    """Of one run. Given to a process as it starts, by the `context` that starts it."""

    def __init__(self, context: BaseContext | None = None):
        self._turn: Any = context.Condition() if context else threading.Condition()
        self._state: Any = context.RawArray("q", 2) if context else [0, 0]
        """The portion whose turn it is, and its first row."""

    def take(self, portion: int, num_documents: int) -> int:
        """The first row of a portion; portions are numbered from 0, and each takes once.

        Raises:
            LabError: one before it was given up.
        """
        with self._turn:
            self._wait_for(portion)
            if self._state[0] == ENDED:
                raise LabError("documents before these could not be read")
            first = self._state[1]
            self._state[:] = [portion + 1, first + num_documents]
            self._turn.notify_all()
        return first

    def give_up(self, portion: int) -> None:
        """Whoever waits behind it is refused; those before it have their rows."""
        with self._turn:
            self._wait_for(portion)
            self._end()

    def end(self) -> None:
        """Whoever waits is refused: the turn of a portion that reached no process doesn't come."""
        with self._turn:
            self._end()

    def _end(self) -> None:
        self._state[0] = ENDED
        self._turn.notify_all()

    def _wait_for(self, portion: int) -> None:
        self._turn.wait_for(lambda: self._state[0] in (portion, ENDED))
