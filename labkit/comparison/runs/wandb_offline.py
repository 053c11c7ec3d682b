"""Runs that Weights & Biases wrote to disk, read by W&B's own reader: no account, no network.

The reader is `wandb-core leet inspect`, a program that comes with wandb; only W&B knows the format
of its files. A run that was resumed is one file for each start. A file that ends too early looks
the same whether the run was killed, goes on, ended a moment ago (W&B may write last what `finish`
left) or was copied in part: as far as it reaches it is read, and its state is "died".
"""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from labkit.comparison.runs.view import RunView, mixture_whole
from labkit.core.config import flatten
from labkit.core.errors import LabError

READER_TIMEOUT_SECONDS = 120
NOT_INSTALLED = "runs of W&B need the package wandb, which is not installed: pip install wandb"
NOT_FINITE = ("NaN", "Infinity", "-Infinity")


def find_offline_runs(path: Path) -> list[Path]:
    """The `.wandb` files at or below `path`, sorted: a file, a run's folder or a folder of runs.

    Raises:
        LabError: there is none.
    """
    if path.is_file() and path.suffix == ".wandb":
        return [path]
    found = [
        file
        for file in path.rglob("*.wandb")
        if file.is_file() and "latest-run" not in file.relative_to(path).parts  # a link to another
    ]
    if not found:
        what = "holds no W&B run" if path.exists() else "does not exist"
        raise LabError(f"{path} {what}; give a .wandb file, or a folder with offline-run-* in it")
    return sorted(found)


def read_offline(file: Path) -> RunView:
    """The run of one `.wandb` file.

    Raises:
        LabError: no such file, no run in it, a damaged file, or a reader that is missing or fails.
    """
    if not file.is_file():
        raise LabError(f"no W&B file {file}; give a run-*.wandb file, find_offline_runs lists them")
    records, last = _inspect(file), _inspect(file, "--summary")
    try:
        run = json.loads(last)
        lines = [json.loads(line) for line in records.split("\n") if line]
        items = [line["history"]["item"] for line in lines if line["type"] == "history"]
        summary = run["summary"] | _nulls(lines)
        if run["run_id"]:
            return RunView(
                run_id=run["run_id"],
                source="W&B offline",
                name=run["name"] or run["run_id"],
                state={None: "died", 0: "finished"}.get(run["exit_code"], "failed"),
                config=mixture_whole(flatten(run["config"])),
                history=history_of(items),
                summary=summary_of(summary),
            )
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise LabError(
            f"W&B's reader describes {file} in a way that labkit doesn't know ({error!r}); "
            "labkit knows wandb 0.31"
        ) from error
    raise LabError(
        f"{file} holds no run: it was cut short before W&B wrote its first 32 KiB, "
        "or was copied in part; copy it again, or leave it out"
    )


def _nulls(lines: list[dict[str, Any]]) -> dict[str, None]:
    """Summary values that were last set to None: `--summary` leaves them out."""
    last: dict[str, Any] = {}
    for line in lines:
        if line["type"] == "summary":
            last |= flatten(line["summary"].get("update", {}))
    return {key: None for key, value in last.items() if value is None}


def history_of(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each of W&B's steps, in their order; a number that is not finite is None."""
    rows: dict[int, dict[str, Any]] = {}
    for item in items:
        step = item["_step"]
        rows.setdefault(step, {}).update(_without_wandb(item) | {"step": step})
    return [rows[step] for step in sorted(rows)]


def summary_of(recorded: dict[str, Any]) -> dict[str, Any]:
    """Dotted names. The bits per byte of other code stand only under its metric's name; labkit
    gives them with its result, and there None means that the last evaluation was not finite.
    """
    found = _without_wandb(recorded)
    has_result = any(key.startswith("validation.") for key in found)
    if "validation/bits_per_byte" in found and not has_result:
        found["validation.bits_per_byte"] = found["validation/bits_per_byte"]
    return found


def _without_wandb(recorded: dict[str, Any]) -> dict[str, Any]:
    """Dotted, without the keys that W&B adds: _step, _runtime, _timestamp, _wandb."""
    return {k: _finite(v) for k, v in flatten(recorded).items() if not k.startswith("_")}


def _finite(value: Any) -> Any:
    """W&B writes NaN as text, its service may answer with the number."""
    is_infinite = isinstance(value, float) and not math.isfinite(value)
    return None if is_infinite or value in NOT_FINITE else value


def _inspect(file: Path, *flags: str) -> str:
    """What W&B's reader prints, which reports damage only beside it and goes on."""
    command = [_reader(), "leet", "inspect", "--no-observability", "--json", *flags]
    try:
        done = subprocess.run(
            [*command, "--run-file", str(file)],
            capture_output=True,
            encoding="utf-8",
            timeout=READER_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(
            f"W&B's reader failed on {file}: {error}; try `wandb leet {file}`"
        ) from error
    said = " ".join(done.stderr.split())[:300]
    if "corrupt" in said or "bad header" in said:
        raise LabError(f"{file} is damaged or no W&B file; copy it again ({said})")
    if done.returncode != 0:
        raise LabError(f"W&B's reader failed on {file}: {said or done.returncode}; try wandb>=0.31")
    return done.stdout


def _reader() -> str:
    try:
        from wandb.errors import Error
        from wandb.util import get_core_path
    except ImportError as error:
        raise LabError(NOT_INSTALLED) from error
    try:
        return get_core_path()
    except Error as error:
        raise LabError(f"wandb came without its reader: {error}; install wandb again") from error
