from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny matrices are slower on several."""
    torch = pytest.importorskip("torch", reason="needs labkit[train]")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
