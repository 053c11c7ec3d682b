"""What a notebook concludes and hands on: question, choice, alternatives, evidence, scope.

A decision is an artefact under `decisions/<notebook>/`. Pointer files beside it name the current
one of each corpus, and the current one of the notebook whatever its corpus (`current.json`).
'Newest' is never a rule: recording a decision, or choosing it again, moves its two pointers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from labkit.core import artifacts, disk
from labkit.core.canonical_json import hash_json
from labkit.core.config import Config
from labkit.core.errors import LabError

NO_CORPUS = "any"
NOTEBOOKS = {
    "10": "10_data_exploration",
    "11": "11_data_curation",
    "20": "20_tokenizer_comparison",
    "30": "30_architecture_ablation",
    "40": "40_cost_and_scaling",
    "50": "50_fsdp_training",
    "60": "60_run_comparison",
    "70": "70_evaluation",
}
"""Number, as in `decision:20`, -> the notebook that decides."""


class Decision(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    notebook: str
    question: str
    choice: str
    artifact: str | None = None
    """Folder of the chosen artefact, relative to `artifacts.home()`."""
    artifact_hash: str | None = None
    corpus_hash: str = NO_CORPUS
    reads: dict[str, str] = {}
    """The decisions that this one rests on: `decision:20` -> its folder below `decisions/`."""
    alternatives: list[str]
    evidence: dict[str, Any]
    scope: str


def record_decision(decision: Decision, config: Config, result: dict[str, Any]) -> Path:
    """Write `decision.json` and `result.json`, and make this the current decision.

    The folder's name is made from all three, so that equal work lands in the same place.
    """
    name = hash_json([config.model_dump(mode="json"), decision.model_dump(mode="json"), result])
    folder = _root(decision.notebook) / name
    with artifacts.write_artifact(folder, config=config, inputs=config.inputs()) as temporary:
        disk.write_json(temporary / "decision.json", decision.model_dump(mode="json"))
        disk.write_json(temporary / "result.json", result)
    _move_pointers(decision, folder)
    return folder


def choose_decision(reference: str) -> None:
    """Make a decision of before the current one again.

    Args:
        reference: its folder below `decisions/`.
    """
    folder = artifacts.home() / "decisions" / reference
    _move_pointers(_read(folder), folder)


def current_decision(notebook: str, corpus_hash: str | None = NO_CORPUS) -> tuple[Decision, Path]:
    """The decision the pointer names, verified; with None the current one whatever its corpus.

    Raises:
        LabError: no decision yet (says which notebook makes it), or one for another corpus.
    """
    pointer = _pointer(notebook, corpus_hash)
    if not pointer.is_file():
        if corpus_hash is None:
            raise LabError(f"no decision of {notebook}; run notebooks/{notebook}.ipynb")
        raise LabError(
            f"no decision of {notebook} for corpus {corpus_hash}; run notebooks/{notebook}.ipynb"
        )
    folder = pointer.parent / json.loads(pointer.read_text())["folder"]
    artifacts.read_manifest(folder)
    decision = _read(folder)
    if corpus_hash is not None and decision.corpus_hash != corpus_hash:
        raise LabError(f"{folder} was decided for corpus {decision.corpus_hash}, not {corpus_hash}")
    return decision, folder


def find_decision(notebook: str, corpus_hash: str | None) -> tuple[Decision, Path] | None:
    """The current decision, or None where there is none yet."""
    is_made = _pointer(notebook, corpus_hash).is_file()
    return current_decision(notebook, corpus_hash) if is_made else None


def current_decisions(notebook: str) -> Iterator[tuple[Decision, Path]]:
    """The current decision of each corpus."""
    for pointer in sorted(_root(notebook).glob("current-*.json")):
        folder = pointer.parent / json.loads(pointer.read_text())["folder"]
        yield _read(folder), folder


def references(numbers: Sequence[str], corpus_hash: str | None) -> dict[str, str]:
    """`decision:20` -> its folder below `decisions/`, of those that have been made."""
    found = {number: find_decision(NOTEBOOKS[number], corpus_hash) for number in numbers}
    return {f"decision:{number}": reference(one[1]) for number, one in found.items() if one}


def reference(folder: Path) -> str:
    """A decision's folder below `decisions/`, as `reads` and a notebook's last line name it."""
    return f"{folder.parent.name}/{folder.name}"


def _read(folder: Path) -> Decision:
    return Decision.model_validate_json((folder / "decision.json").read_text())


def _move_pointers(decision: Decision, folder: Path) -> None:
    for corpus_hash in (decision.corpus_hash, None):
        disk.write_json(_pointer(decision.notebook, corpus_hash), {"folder": folder.name})


def _pointer(notebook: str, corpus_hash: str | None) -> Path:
    name = f"current-{disk.slug(corpus_hash)}" if corpus_hash else "current"
    return _root(notebook) / f"{name}.json"


def _root(notebook: str) -> Path:
    return artifacts.home() / "decisions" / disk.slug(notebook)
