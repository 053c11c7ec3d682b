"""A run's record as all but the first process keep it: read, never written."""

from __future__ import annotations

from typing import Any

from labkit.core.records.run import Request, RunRecord, State


class SilentRecord(RunRecord):
    def write(self, name: str, value: Any) -> None:
        pass

    def set_status(self, state: State, step: int, reason: str = "") -> None:
        pass

    def append(self, rows: list[dict[str, Any]]) -> None:
        pass

    def log(self, text: str) -> None:
        pass

    def take_request(self) -> Request | None:
        return None
