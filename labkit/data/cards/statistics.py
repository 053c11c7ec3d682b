"""The figures of a dataset folder: counted from its documents, and from its funnel if it has one.

`documents.parquet` is read once, text by text; bytes are of the texts in UTF-8. A quantile is a
length that occurs: the smallest that at least that share of the documents does not exceed.
`funnel.json` is what a pipeline leaves (`labkit.data.pipeline`): documents per step and rule.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from labkit.core import disk
from labkit.core.errors import LabError
from labkit.data.pipeline.curated import DOCUMENTS, FUNNEL
from labkit.data.pipeline.funnel import Funnel
from labkit.data.utf8 import utf8_lengths

GROUPS = ("source", "language", "licence")
QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


def dataset_statistics(folder: Path) -> dict[str, Any]:
    """By source, language and licence; length quantiles, steps and rules, hashes of the files.

    Raises:
        LabError: no documents.parquet with a column `text`, no document in it, a damaged funnel.
    """
    folder = Path(folder)
    figures = _count(folder / DOCUMENTS)
    if not figures["documents"]:
        raise LabError(f"{folder / DOCUMENTS}: no document in it; a card needs one")
    names = [DOCUMENTS]
    if (folder / FUNNEL).is_file():
        figures |= _passed(folder / FUNNEL)
        names.append(FUNNEL)
    figures["files"] = {
        name: {
            "sha256": disk.sha256_file(folder / name),
            "bytes": (folder / name).stat().st_size,
        }
        for name in names
    }
    return figures


def _count(path: Path) -> dict[str, Any]:
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError:
        raise LabError(f"{path}: missing; a card is made of a dataset with {DOCUMENTS}") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise LabError(f"{path}: not a Parquet file ({error})") from error
    there = file.schema_arrow.names
    if "text" not in there:
        raise LabError(f"{path}: no column 'text'; it has {', '.join(there)}")
    groups = {name: (Counter[str](), Counter[str]()) for name in GROUPS}
    lengths: list[np.ndarray] = []
    wanted = ["text", *(name for name in groups if name in there)]
    for batch in file.iter_batches(batch_size=1024, columns=wanted):
        sizes = utf8_lengths(batch.column("text"))
        lengths.append(sizes)
        for name, (documents, num_bytes) in groups.items():
            values = batch.column(name).to_pylist() if name in there else [None] * len(sizes)
            for value, size in zip(values, sizes.tolist(), strict=True):
                key = "unknown" if value is None else str(value)
                documents[key] += 1
                num_bytes[key] += size
    every = np.concatenate(lengths) if lengths else np.zeros(0, dtype=np.int64)
    counts = {
        f"{name}s": {
            key: {"documents": documents[key], "bytes": num_bytes[key]} for key in sorted(documents)
        }
        for name, (documents, num_bytes) in groups.items()
    }
    sums = {"documents": len(every), "bytes": int(every.sum())}
    return sums | counts | {"bytes_of_a_document": _quantiles(every)}


def _passed(path: Path) -> dict[str, Any]:
    """Documents in and kept by step, and dropped by rule."""
    try:
        funnel = Funnel.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise LabError(f"{path}: not the funnel of a pipeline; run it again") from error
    steps = {
        f"{row['step']} {row['name']}": {
            name: row[name] for name in ("documents_in", "documents_kept", "bytes_in", "bytes_out")
        }
        for row in funnel.table().to_pylist()
    }
    rules = {
        f"{row['step']} {row['rule']}": {"documents": row["documents"], "bytes": row["bytes"]}
        for row in funnel.rules().to_pylist()
    }
    return {"steps": steps, "rules": rules}


def _quantiles(lengths: np.ndarray) -> dict[str, int]:
    if not len(lengths):
        return {}
    found = np.quantile(lengths, QUANTILES, method="inverted_cdf")
    return {f"{q:g}": int(value) for q, value in zip(QUANTILES, found, strict=True)}
