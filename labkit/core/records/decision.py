"""What a notebook concludes and hands on: question, choice, alternatives, evidence, scope.

A decision is an artefact under `decisions/<notebook>/`; a pointer file beside it names the
current one for each corpus. 'Newest' is never a rule: writing a decision moves the pointer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from labkit.core import artifacts, disk
from labkit.core.canonical_json import hash_json
from labkit.core.config import Config
from labkit.core.errors import LabError

NO_CORPUS = "any"


class Decision(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    notebook: str
    question: str
    choice: str
    artifact: str | None = None
    """Folder of the chosen artefact, relative to `artifacts.home()`."""
    artifact_hash: str | None = None
    corpus_hash: str = NO_CORPUS
    alternatives: list[str]
    evidence: dict[str, Any]
    scope: str


def record_decision(decision: Decision, config: Config, result: dict[str, Any]) -> Path:
    """Write `decision.json` and `result.json`, and make this the current decision.

    The folder's name is made from all three, so that equal work lands in the same place.
    """
    root = artifacts.home() / "decisions" / disk.slug(decision.notebook)
    name = hash_json([config.model_dump(mode="json"), decision.model_dump(mode="json"), result])
    folder = root / name
    with artifacts.write_artifact(folder, config=config, inputs=config.inputs()) as temporary:
        disk.write_json(temporary / "decision.json", decision.model_dump(mode="json"))
        disk.write_json(temporary / "result.json", result)
    disk.write_json(_pointer(decision.notebook, decision.corpus_hash), {"folder": name})
    return folder


def current_decision(notebook: str, corpus_hash: str = NO_CORPUS) -> tuple[Decision, Path]:
    """The decision the pointer names, verified.

    Raises:
        LabError: no decision yet (says which notebook makes it), or one for another corpus.
    """
    pointer = _pointer(notebook, corpus_hash)
    if not pointer.is_file():
        raise LabError(
            f"no decision of {notebook} for corpus {corpus_hash}; run notebooks/{notebook}.ipynb"
        )
    folder = pointer.parent / json.loads(pointer.read_text())["folder"]
    artifacts.read_manifest(folder)
    decision = Decision.model_validate_json((folder / "decision.json").read_text())
    if decision.corpus_hash != corpus_hash:
        raise LabError(f"{folder} was decided for corpus {decision.corpus_hash}, not {corpus_hash}")
    return decision, folder


def _pointer(notebook: str, corpus_hash: str) -> Path:
    root = artifacts.home() / "decisions" / disk.slug(notebook)
    return root / f"current-{disk.slug(corpus_hash)}.json"
