from __future__ import annotations

from tests.model.conftest import one_thread

__all__ = ["one_thread"]
