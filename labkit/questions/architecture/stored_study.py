"""The latest study of the greater effort, to read beside a demo.

The one that comes with labkit was declared and run once; it is shown where none was run here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from labkit.comparison.study import Study
from labkit.comparison.study_record import finished_studies
from labkit.comparison.study_tables import scope, sentence
from labkit.core import artifacts
from labkit.core.display import Html, paragraphs
from labkit.core.errors import LabError

RESULTS = Path(__file__).resolve().parents[3] / "docs" / "results"
SHIPPED = RESULTS / "architectures.json"
OPEN_RECIPE = RESULTS / "open_recipe.json"
OPEN_STUDY = "shakespeare-modern-open"
"""Of recipes, not of parts of the block: notebook 50 tells it."""


class Stored(NamedTuple):
    date: str
    where: str
    result: dict[str, Any]


def latest_study() -> Stored | None:
    """Of effort `study`: made here last, else the one that came along; None without either."""
    for record in reversed(finished_studies()):
        try:
            result = record.result()
            Study.model_validate(result["study"])
        except (LabError, ValidationError):  # damaged, or of another version
            continue
        if result["study"]["effort"] == "study" and result["study"]["name"] != OPEN_STUDY:
            made = artifacts.read_manifest(record.verdict, verify=False).created
            return Stored(made[:10], record.folder.name, result)
    return _shipped(SHIPPED)


def show_stored_study() -> Html:
    found = latest_study()
    if found is None:
        return paragraphs(
            ['No study of greater effort is stored here; run this notebook with effort = "study".']
        )
    return _told(found)


def show_open_recipe() -> Html:
    """The verdict between the recipes `modern-open` and `modern`, which is the baseline."""
    found = _shipped(OPEN_RECIPE)
    if found is None:
        return paragraphs(
            [
                "modern-open was not judged against modern here: the study of it comes with "
                "labkit's repository; `python -m benchmarks.open_recipe` runs it there."
            ]
        )
    return _told(found, " The baseline is modern; modern-open is the same without token shift.")


def _shipped(path: Path) -> Stored | None:
    if not path.is_file():
        return None
    shipped = json.loads(path.read_bytes())
    return Stored(shipped["date"], "which came with labkit", shipped["result"])


def _told(found: Stored, more: str = "") -> Html:
    margin = found.result["study"]["margin"]
    arms = [sentence(arm, margin) for arm in found.result["arms"][1:]]
    return paragraphs([f"Study of {found.date}, {found.where}.{more}", *arms, scope(found.result)])
