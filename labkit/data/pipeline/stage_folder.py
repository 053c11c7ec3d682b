"""The parts of one stage, and the word that they are all there.

`finished.json` is written when the last part is; the kept files of the stage before are then of no
use and removed, so that a run takes twice the corpus on disk at most.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from labkit.core import disk
from labkit.data.pipeline.parts import Part, kept_file, read_parts


class StageFolder:
    def __init__(self, path: Path):
        self.path = path

    def open(self) -> None:
        with disk.clear_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        disk.sweep(self.path)

    @property
    def facts(self) -> dict[str, Any] | None:
        """What `finish` was given, once it was."""
        return disk.read_json(self.path / "finished.json")

    def finish(self, num_parts: int, **facts: Any) -> None:
        disk.write_json(self.path / "finished.json", {"num_parts": num_parts} | facts)

    @functools.cached_property
    def parts(self) -> list[Part]:
        facts = self.facts
        assert facts is not None, f"{self.path} is not finished"
        return read_parts(self.path, facts["num_parts"])

    def find_damage(self, *, has_kept: bool) -> str:
        """The first file of a finished stage that isn't as it was written, or nothing.

        `has_kept` is false where the kept files have been removed.
        """
        facts = self.facts
        assert facts is not None, f"{self.path} is not finished"
        try:
            parts = read_parts(self.path, facts["num_parts"])
        except (OSError, ValueError) as error:
            return f"{self.path.name}: {' '.join(str(error).split())[:80]}"
        for part in parts:
            for name, sha256 in part.sha256.items():
                path = self.path / name
                is_needed = has_kept or path != kept_file(self.path, part.number)
                if is_needed and not (path.is_file() and disk.sha256_file(path) == sha256):
                    return f"{self.path.name}/{name}"
        return ""

    def remove_kept(self) -> None:
        for part in self.parts:
            kept_file(self.path, part.number).unlink(missing_ok=True)
