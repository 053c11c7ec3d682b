"""The figures of a dataset folder, counted from its Parquet files in one pass over their texts.

`documents.parquet` holds the dataset; `dropped.parquet`, where there is one, what a pipeline took
out, with the rule in a column. Bytes are of the texts in UTF-8. A quantile is a length that occurs:
the smallest that at least that share of the documents does not exceed.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from labkit.core import disk
from labkit.core.errors import LabError

KEPT, DROPPED = "documents.parquet", "dropped.parquet"
OTHER_FILES = ("funnel.json", "stages.json", "rejected.jsonl")
QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


def dataset_statistics(folder: Path) -> dict[str, Any]:
    """Counts, shares by source and language, length quantiles, and the hashes of the files.

    Raises:
        LabError: no documents.parquet with a column `text`, or no document in it.
    """
    folder = Path(folder)
    kept = _count(folder / KEPT, ("source", "language"))
    if not kept["documents"]:
        raise LabError(f"{folder / KEPT}: no document in it; a card needs one")
    figures: dict[str, Any] = {
        "documents": kept["documents"],
        "bytes": kept["bytes"],
        "sources": kept["source"],
        "languages": kept["language"],
        "bytes_of_a_document": kept["quantiles"],
    }
    names = [KEPT]
    if (folder / DROPPED).is_file():
        dropped = _count(folder / DROPPED, ("rule",))
        figures["dropped"] = {
            "documents": dropped["documents"],
            "bytes": dropped["bytes"],
            "rules": dropped["rule"],
        }
        names.append(DROPPED)
    names += [name for name in OTHER_FILES if (folder / name).is_file()]
    figures["files"] = {
        name: {
            "sha256": disk.sha256_file(folder / name),
            "bytes": (folder / name).stat().st_size,
        }
        for name in names
    }
    return figures


def _count(path: Path, columns: tuple[str, ...]) -> dict[str, Any]:
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError:
        raise LabError(f"{path}: missing; a card is made of a dataset with {KEPT}") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise LabError(f"{path}: not a Parquet file ({error})") from error
    there = file.schema_arrow.names
    if "text" not in there:
        raise LabError(f"{path}: no column 'text'; it has {', '.join(there)}")
    by_column = {name: (Counter[str](), Counter[str]()) for name in columns}
    lengths: list[np.ndarray] = []
    wanted = ["text", *(name for name in columns if name in there)]
    for batch in file.iter_batches(batch_size=1024, columns=wanted):
        sizes = _text_bytes(batch.column("text"))
        lengths.append(sizes)
        for name, (documents, num_bytes) in by_column.items():
            values = batch.column(name).to_pylist() if name in there else []
            for value, size in zip(values, sizes.tolist(), strict=False):
                key = "unknown" if value is None else str(value)
                documents[key] += 1
                num_bytes[key] += size
    every = np.concatenate(lengths) if lengths else np.zeros(0, dtype=np.int64)
    found: dict[str, Any] = {
        name: {
            key: {"documents": documents[key], "bytes": num_bytes[key]} for key in sorted(documents)
        }
        for name, (documents, num_bytes) in by_column.items()
    }
    return found | {
        "documents": len(every),
        "bytes": int(every.sum()),
        "quantiles": _quantiles(every),
    }


def _text_bytes(texts: pa.Array) -> np.ndarray:
    """Bytes of each text in UTF-8, int64, without making Python strings."""
    import pyarrow.compute as pc

    return np.asarray(pc.call_function("binary_length", [texts]).fill_null(0), dtype=np.int64)


def _quantiles(lengths: np.ndarray) -> dict[str, int]:
    if not len(lengths):
        return {}
    found = np.quantile(lengths, QUANTILES, method="inverted_cdf")
    return {f"{q:g}": int(value) for q, value in zip(QUANTILES, found, strict=True)}
