"""Runs of a Weights & Biases project, fetched through wandb's public API.

Unverified against the live service: tested with the installed client's classes and answers in the
form that its queries ask for.
"""

from __future__ import annotations

import os
import socket
import urllib.parse
import urllib.request
from typing import Any

from labkit.comparison.runs.view import RunView, mixture_whole
from labkit.comparison.runs.wandb_offline import NOT_INSTALLED, history_of, summary_of
from labkit.core.config import flatten
from labkit.core.errors import LabError

NETWORK_TIMEOUT_SECONDS = 10
INSTEAD = "or read the offline files on disk (find_offline_runs)"


def read_online(address: str, api: Any = None) -> list[RunView]:
    """The runs at "entity/project", oldest first, or the one at "entity/project/run_id".

    `state` is W&B's own word: "crashed" is a run whose process went silent. `api` is a
    `wandb.Api`, or anything with its `run` and `runs`.

    Raises:
        LabError: no such address, no run there, no API key, no network, wandb not installed.
    """
    parts = address.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise LabError(f"W&B address {address!r}; give entity/project or entity/project/run_id")
    api = api or _connect()
    try:
        runs = [api.run(address)] if len(parts) == 3 else list(api.runs(address, lazy=False))
        fetched = [(run, *_contents(run)) for run in runs]
    except Exception as error:  # wandb raises its own, requests' and plain ValueError
        raise LabError(
            f"W&B gave no runs for {address!r}: {_first_line(error)}; "
            f"check the address and the network, {INSTEAD}"
        ) from error
    if not fetched:
        raise LabError(f"W&B holds no run in {address!r}; check the address")
    return [
        RunView(
            run_id=run.id,
            source="W&B online",
            name=run.name or run.id,
            state=run.state,
            config=mixture_whole(flatten(config)),
            history=history_of(items),
            summary=summary_of(summary),
        )
        for run, config, summary, items in fetched
    ]


def _contents(run: Any) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """`summary_metrics` is `summary` as plain dictionaries; `history()` would be a sample."""
    return run.config, run.summary_metrics, list(run.scan_history())


def _connect() -> Any:
    """The API, without the question for a key that `wandb.Api()` would put and wait for."""
    os.environ.setdefault("WANDB_SILENT", "true")
    try:
        import wandb
    except ImportError as error:
        raise LabError(NOT_INSTALLED) from error
    try:
        if wandb.login(prompt=False, verify=False):
            _reach(wandb.setup().settings.base_url)
            return wandb.Api(timeout=NETWORK_TIMEOUT_SECONDS)
    except Exception as error:
        raise LabError(
            f"W&B can't be reached: {_first_line(error)}; "
            f"check the network and `wandb login`, {INSTEAD}"
        ) from error
    mode = os.environ.get("WANDB_MODE", "not set")
    raise LabError(
        f"no W&B API key, or W&B is set to offline (WANDB_MODE is {mode}); "
        f"run `wandb login`, {INSTEAD}"
    )


def _reach(url: str) -> None:
    """Fail before wandb starts its service: that goes on trying, and can keep the process from
    ending. A proxy is left to the service.
    """
    where = urllib.parse.urlsplit(url)
    port = where.port or {"http": 80}.get(where.scheme, 443)
    if not urllib.request.getproxies():
        socket.create_connection((where.hostname, port), NETWORK_TIMEOUT_SECONDS).close()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
