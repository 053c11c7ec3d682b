"""Registered corpora for tests, fetched once per machine into a folder that the runs share."""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path

from labkit.data.corpora import find_corpus
from labkit.data.fetch import corpus_folder, fetch

SHARED_HOME = Path(tempfile.gettempdir()) / f"labkit-test-corpora-{os.getuid()}"


@functools.cache
def fetched(name: str) -> Path:
    """Folder of the corpus below SHARED_HOME."""
    before = os.environ.get("LABKIT_HOME")
    os.environ["LABKIT_HOME"] = str(SHARED_HOME)
    try:
        return fetch(find_corpus(name))
    finally:
        if before is None:
            del os.environ["LABKIT_HOME"]
        else:
            os.environ["LABKIT_HOME"] = before


def link_corpus(name: str, home: Path) -> Path:
    """Make the corpus available below `home` without fetching it again."""
    source = fetched(name)
    target = home / "corpora" / source.name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)
    assert corpus_folder(find_corpus(name)) == target
    return target
