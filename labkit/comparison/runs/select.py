"""Which runs are meant: by id, pattern, study, decision, or where Weights & Biases keeps them.

modern-*                 ids of records below `runs/`, with shell patterns; those that tuned a rate
                         only by a pattern that begins with `tuning-`
shakespeare-modern-*     studies by name: the runs their verdicts rest on
decision:30              the runs behind a notebook's current decision
folder/wandb             files that W&B wrote offline
wandb:entity/project     W&B's service
"""

from __future__ import annotations

import dataclasses
import json
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from labkit.comparison.runs.local import read_local
from labkit.comparison.runs.view import RunView
from labkit.comparison.runs.wandb_offline import find_offline_runs, read_offline
from labkit.comparison.runs.wandb_online import read_online
from labkit.comparison.study import TUNING
from labkit.comparison.study_record import StudyRecord, finished_studies
from labkit.core import artifacts
from labkit.core.counted import counted
from labkit.core.errors import LabError
from labkit.core.records.decision import NOTEBOOKS, Decision, current_decision
from labkit.core.records.run import RunRecord, runs_folder

WITH_RUNS = ("decision:30", "decision:50")
"""The decisions that rest on runs."""


def select_runs(listing: str, corpus_hash: str) -> list[RunView]:
    """Each run once, in the order named; `corpus_hash` is what decisions were made for.

    Raises:
        LabError: a name without runs, with what there is.
    """
    found: dict[tuple[str, str], RunView] = {}
    for name in filter(None, (one.strip() for one in listing.split(","))):
        for view in _named(name, corpus_hash):
            key = view.run_id, as_json(view.config.get("seed"))  # an id is a project's own
            known = found.get(key)
            found[key] = _joined(known, view) if known else view
    if not found:
        raise LabError(f"no runs named; give ids, studies or decisions: {_known()}")
    return list(found.values())


def _named(name: str, corpus_hash: str) -> Sequence[RunView]:
    if name.startswith("decision:"):
        return _decided(name, corpus_hash)
    if name.startswith("wandb:"):
        return read_online(name.removeprefix("wandb:"))
    records = [RunRecord(path.parent) for path in sorted(runs_folder().glob("*/plan.json"))]
    local = [
        record
        for record in records
        if fnmatchcase(record.run_id, name)
        and (name.startswith(TUNING) or not record.run_id.startswith(TUNING))
    ]
    studies = [one for one in finished_studies() if fnmatchcase(one.folder.name, name)]
    local += [record for study in studies for record in _runs_of(study)]
    if local:
        return [read_local(record) for record in local]
    path = Path(os.path.expanduser(name))
    if os.path.exists(path):
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # each file is a process of W&B's reader
            return list(pool.map(read_offline, find_offline_runs(path)))
    raise LabError(f"no run, study or file {name!r}; known: {_known()}")


def _decided(name: str, corpus_hash: str) -> list[RunView]:
    if name not in WITH_RUNS:
        raise LabError(f"{name}: no runs stand behind it; known: {', '.join(WITH_RUNS)}")
    decision, _ = current_decision(NOTEBOOKS[name.removeprefix("decision:")], corpus_hash)
    return [read_local(record) for record in _runs_behind(decision)]


def _runs_behind(decision: Decision) -> list[RunRecord]:
    if "runs" in decision.evidence:
        return [RunRecord(runs_folder() / run_id) for run_id in decision.evidence["runs"].values()]
    assert decision.artifact
    return _runs_of(StudyRecord((artifacts.home() / decision.artifact).parent))


def _runs_of(study: StudyRecord) -> list[RunRecord]:
    return [
        RunRecord(runs_folder() / run_id)
        for arm in study.result()["arms"]
        for run_id in arm["runs"]
    ]


def _joined(earlier: RunView, later: RunView) -> RunView:
    """Two W&B files of one run that was resumed: the later start's word counts."""
    for one in (earlier, later):
        if one.source == "local":
            return one
    before = {row["step"]: row for row in earlier.history}
    replaced = [row["step"] for row in later.history if before.get(row["step"], row) != row]
    if replaced:
        warnings.warn(
            f"two W&B files of run {later.run_id} differ in {counted(len(replaced), 'step')}, from "
            f"{min(replaced):,} to {max(replaced):,}; the later file's values are shown",
            stacklevel=2,
        )
    rows = {row["step"]: row for row in [*earlier.history, *later.history]}
    history = [rows[step] for step in sorted(rows)]
    return dataclasses.replace(later, history=history, summary={**earlier.summary, **later.summary})


def _known(limit: int = 8) -> str:
    ids = sorted(path.parent.name for path in runs_folder().glob("*/plan.json"))
    studies = [one.folder.name for one in finished_studies()]
    listed = [*studies, *ids]
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return (", ".join(listed[:limit]) or "none here yet") + more


def as_json(value: Any) -> str:
    """One text per value, to tell configs apart by; W&B writes 0.0 as 0."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True, default=str)
