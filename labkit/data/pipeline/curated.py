"""What a run leaves: one artefact, complete or not there at all.

    documents.parquet     what was kept, with the statistics of `labkit.data.columns` and `row`,
                          its position in the corpus; a corpus for whatever takes a path
    dropped.parquet       what was not, stage by stage: the text as it reached the step, rule,
                          value, threshold, step and step_name; a copy's value is the row of
                          the document kept for it
    funnel.json           documents and bytes per step, source, language and rule
    rejected.jsonl        records that could not be read, if the corpus was read with skip
    result.json           the corpus, the steps and the sums

All of it follows from corpus, steps and code: equal bytes for any number of processes and any cut
into batches. Seconds stand beside the folder, in NAME.timing.json.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labkit.core import artifacts, disk
from labkit.data.pipeline.funnel import Funnel

DOCUMENTS, DROPPED, REJECTED = "documents.parquet", "dropped.parquet", "rejected.jsonl"
FUNNEL, RESULT = "funnel.json", "result.json"


class Curated:
    """A finished run, opened. `corpus` is the path that readers take."""

    def __init__(self, folder: Path, *, verify: bool = True):
        artifacts.read_manifest(folder, verify=verify)
        self.folder = folder

    @property
    def corpus(self) -> str:
        return str(self.folder / DOCUMENTS)

    @functools.cached_property
    def funnel(self) -> Funnel:
        return Funnel.model_validate_json((self.folder / FUNNEL).read_bytes())

    @functools.cached_property
    def result(self) -> dict[str, Any]:
        return json.loads((self.folder / RESULT).read_bytes())

    @property
    def timing(self) -> dict[str, Any]:
        """Seconds of the run that wrote it; {} where they were lost."""
        return disk.read_json(timing_file(self.folder)) or {}

    def documents(self, *columns: str) -> pa.Table:
        """What was kept; all columns but the text where none is named."""
        file = self.folder / DOCUMENTS
        return pq.read_table(file, columns=list(columns) or _columns_but_text(file))

    def dropped(self, *columns: str) -> pa.Table:
        """What was dropped, in the order of the corpus; all columns but the text likewise."""
        names = columns or _columns_but_text(self.folder / DROPPED)
        table = pq.read_table(self.folder / DROPPED, columns=[*{*names, "row"}])
        return table.sort_by("row").select(names)


def timing_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.timing.json")


def _columns_but_text(path: Path) -> list[str]:
    return [name for name in pq.read_schema(path).names if name != "text"]
