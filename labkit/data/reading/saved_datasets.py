"""Hugging Face `datasets`: a folder it saved, or whatever it can load, streamed.

A folder that `save_to_disk` wrote is read from its Arrow files. `hf:FOLDER` streams local files
through `datasets`' own builders (CSV, JSON, Parquet, text), `hf:OWNER/NAME@REVISION` a dataset of
the hub: the one place of the lab that reads text over a network, and only when it is named so.
The split is `train`, where there are several. Remote code is never run.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from labkit.core.errors import LabError
from labkit.data.reading.policy import ReadPolicy
from labkit.data.reading.record import Fault, Origin, Record
from labkit.data.reading.tables import known_columns, rows_of

PREFIX = "hf:"
SPLIT = "train"
ROWS_AT_A_TIME = 64
_HUB = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)@(?P<revision>[0-9a-f]{7,40})")


def check_hub_name(name: str) -> str:
    """What follows `hf:`: a folder that is there, or a dataset of the hub with its revision.

    Raises:
        LabError: neither; a dataset of the hub without a commit, which could change.
    """
    if Path(name).is_dir() or _HUB.fullmatch(name):
        return name
    raise LabError(
        f"{PREFIX}{name}: neither a folder here nor a dataset of the Hugging Face hub with its "
        f"commit; give {PREFIX}FOLDER or {PREFIX}OWNER/NAME@COMMIT"
    )


def read_saved(path: Path, origin: Origin, policy: ReadPolicy) -> Iterator[Record | Fault]:
    import datasets

    try:
        loaded: Any = datasets.load_from_disk(str(path))
    except Exception as error:  # of many kinds: files gone, damaged, another version
        raise Fault("read_damaged", f"datasets cannot load it ({error})") from error
    if isinstance(loaded, datasets.DatasetDict):
        loaded = _split(loaded)
    yield from _stream(loaded.to_iterable_dataset(), origin, policy)


def read_hub(path: Path, origin: Origin, policy: ReadPolicy) -> Iterator[Record | Fault]:
    import datasets

    name = str(path)
    hub = None if path.is_dir() else _HUB.fullmatch(name)
    if hub:
        warnings.warn(f"{PREFIX}{name} is read over the network, from the hub", stacklevel=2)
    place, revision = (hub["name"], hub["revision"]) if hub else (str(path.resolve()), None)
    try:
        loaded: Any = datasets.load_dataset(place, revision=revision, streaming=True)
        loaded = _split(loaded)
    except Fault:
        raise
    except Exception as error:  # of many kinds: no network, no such dataset, no data files
        raise Fault("read_open", f"datasets cannot stream it ({error})") from error
    yield from _stream(loaded, origin, policy)


def _split(splits: Any) -> Any:
    if len(splits) == 1:
        return next(iter(splits.values()))
    if SPLIT not in splits:
        raise Fault("read_schema", f"no split {SPLIT!r}; it has {', '.join(splits)}")
    return splits[SPLIT]


def _stream(dataset: Any, origin: Origin, policy: ReadPolicy) -> Iterator[Record | Fault]:
    number = 0
    tables = iter(dataset.with_format("arrow").iter(batch_size=ROWS_AT_A_TIME))
    while True:
        try:
            table: pa.Table | None = next(tables, None)
        except Exception as error:  # whatever the builder of that format raises
            raise Fault("read_damaged", f"after row {number}: damaged ({error})") from error
        if table is None:
            return
        for batch in table.select(known_columns(table.schema)).to_batches():
            yield from rows_of(batch, number + 1, origin, policy)
            number += batch.num_rows
