"""Without labkit[train] there is nothing here to run."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("lightning") else ["*test_*.py"]
