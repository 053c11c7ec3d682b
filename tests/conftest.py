"""Every test writes below its own folder: LABKIT_HOME points into tmp_path."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def lab_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "artifacts"
    monkeypatch.setenv("LABKIT_HOME", str(home))
    return home
