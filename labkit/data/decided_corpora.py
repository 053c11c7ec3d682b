"""A corpus that a decision names: `decision:10`, as it was explored; `decision:11`, as curated.

The name stands for the decision that was recorded last in that notebook, whatever its corpus: the
pointer `current.json` (`core/records/decision.py`). Whoever opens a config puts the corpus itself
in the name's place, so that records say what was read, and a pointer that moves later changes
nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from labkit.core import artifacts
from labkit.core.config import Config
from labkit.core.counted import counted
from labkit.core.errors import LabError
from labkit.core.records.decision import (
    NOTEBOOKS,
    current_decision,
    current_decisions,
    find_decision,
    reference,
    references,
)
from labkit.data.pipeline.curated import DOCUMENTS, FUNNEL, Curated
from labkit.data.readers import ReadPolicy, check_corpus, corpus_name, fingerprint

C = TypeVar("C", bound=Config)
EXPLORED, CURATED = "decision:10", "decision:11"
PREFIX = "decision:"


def check_choice(corpus: str) -> str:
    """As `check_corpus`, but for the name of a decision, which stays as it is.

    Raises:
        LabError: neither a decision on a corpus nor a corpus.
    """
    if not corpus.startswith(PREFIX):
        return check_corpus(corpus)
    if corpus not in (EXPLORED, CURATED):
        raise LabError(
            f"{corpus} names no corpus; allowed are {EXPLORED} (the text explored), {CURATED} (the "
            "text curated), a registered corpus, or a path"
        )
    return corpus


def is_decided(corpus: str) -> bool:
    """Whether the corpus can be opened: a decision that names it has been made."""
    number = corpus.removeprefix(PREFIX)
    return not corpus.startswith(PREFIX) or find_decision(NOTEBOOKS[number], None) is not None


def resolve_corpus(corpus: str) -> str:
    """The registered name or path that a decision stands for; any other corpus as it is.

    Raises:
        LabError: no such decision yet, or its text is gone or another one now.
    """
    if not corpus.startswith(PREFIX):
        return corpus
    return _explored() if corpus == EXPLORED else _curated()


def with_corpus(config: C) -> C:
    """The config with its corpus in place of the decision that names it."""
    corpus: str = getattr(config, "corpus")  # noqa: B009
    return config.model_copy(update={"corpus": resolve_corpus(corpus)})


def corpus_inputs(
    corpus: str, policy: ReadPolicy | None = None, *, key: str | None = None
) -> dict[str, str]:
    """What a config reads: the corpus, or `key`, -> its fingerprint; nothing before it is decided.

    A notebook that is given a decision nobody has made yet makes it when it runs.
    """
    if not is_decided(corpus):
        return {}
    return {key or corpus: fingerprint(resolve_corpus(corpus), policy)}


def decisions_behind(corpus: str) -> dict[str, str]:
    """The current decision that chose this corpus, for `Decision.reads`; empty where none did."""
    if curated := find_curated(corpus):
        artifact = curated.folder.relative_to(artifacts.home()).as_posix()
        for decision, folder in current_decisions(NOTEBOOKS["11"]):
            if decision.artifact == artifact:
                return {CURATED: reference(folder)}
        return {}
    return references(["10"], fingerprint(corpus))


def find_curated(corpus: str) -> Curated | None:
    """The curation below `artifacts/` whose documents the path names."""
    folder = Path(corpus).parent
    is_one = Path(corpus).name == DOCUMENTS and (folder / FUNNEL).is_file()
    if not is_one or not folder.is_relative_to(artifacts.home()):
        return None
    return Curated(folder, verify=False)


def corpus_line(corpus: str) -> str:
    """Which curated folder is read, or that curation was passed over."""
    curated = find_curated(corpus)
    if curated is None:
        return f"reads {corpus_name(corpus)} as it is: curation (notebook 11) is passed over"
    read, kept = curated.result["read"], curated.result["kept"]
    share = kept["bytes"] / max(read["bytes"], 1)
    return (
        f"reads the curated folder datasets/{curated.folder.name}: {kept['documents']:,} of "
        f"{counted(read['documents'], 'document')}, {share:.0%} of the bytes of "
        f"{curated.result['corpus']}"
    )


def _explored() -> str:
    decision, folder = current_decision(NOTEBOOKS["10"], None)
    corpus = check_corpus(json.loads((folder / "result.json").read_bytes())["config"]["corpus"])
    if fingerprint(corpus) != decision.corpus_hash:
        raise LabError(
            f"{EXPLORED}: {corpus} has changed since it was explored; run "
            f"notebooks/{decision.notebook}.ipynb again, or name the corpus itself"
        )
    return corpus


def _curated() -> str:
    decision, _ = current_decision(NOTEBOOKS["11"], None)
    assert decision.artifact
    folder = artifacts.home() / decision.artifact
    again = f"run notebooks/{decision.notebook}.ipynb again"
    if not artifacts.exists(folder):
        raise LabError(f"{CURATED}: its folder {folder} is gone; {again}")
    if artifacts.read_manifest(folder).content_hash != decision.artifact_hash:
        raise LabError(f"{CURATED}: {folder} holds another text than was decided on; {again}")
    return str(folder / DOCUMENTS)
