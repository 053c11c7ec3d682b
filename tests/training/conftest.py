"""Without labkit[train] there is nothing here to run."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.training.tiny import write_tiny_corpus

collect_ignore_glob = [] if find_spec("lightning") else ["*test_*.py"]


@pytest.fixture
def data(lab_home: Path) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    return write_tiny_corpus(lab_home)
