"""Arrays of a file that numpy wrote, as numbers alone: an array of objects could run code."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from labkit.core.errors import LabError


def load_arrays(path: Path, names: Sequence[str]) -> list[np.ndarray]:
    """The arrays of those names.

    Raises:
        LabError: one is missing, holds objects, or cannot be read.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return [arrays[name] for name in names]
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0][:200]
        raise LabError(f"{path}: no arrays of numbers ({reason}); make the folder again") from error
