"""`reports/index.html`: the latest run of each notebook and parameters, with what it decided."""

from __future__ import annotations

import json
from pathlib import Path

from labkit.batch.decision_chain import decision_chain, link
from labkit.batch.job import reports_folder
from labkit.batch.page import page
from labkit.batch.status import Status, all_statuses
from labkit.core import artifacts
from labkit.core.canonical_json import canonical_json
from labkit.core.disk import write_file
from labkit.core.display import escape

LOOK = {"completed": "good", "running": "running"}
HEAD = ("notebook", "parameters", "state", "minutes", "memory", "decided")


def write_index() -> Path:
    latest: dict[str, Status] = {}
    for status in all_statuses():
        latest[canonical_json([status.notebook, status.parameters])] = status
    rows = sorted(latest.values(), key=lambda status: (status.notebook, status.run))
    table = (
        f"<table><thead><tr>{''.join(f'<th>{name}</th>' for name in HEAD)}</tr></thead>"
        f"<tbody>{''.join(_row(status) for status in rows)}</tbody></table>"
    )
    chain = decision_chain({one.decision: one for one in rows if one.decision})
    intro = (
        "<h1>labkit reports</h1><p>The latest run of each notebook and its parameters. "
        "Reports are complete files: copy one, and its figures come along.</p>"
    )
    return write_file(
        reports_folder() / "index.html", page("labkit reports", intro + chain + table).encode()
    )


def _row(status: Status) -> str:
    name = link(status.notebook, status)
    parameters = ", ".join(f"{key}={value}" for key, value in status.parameters.items())
    reason = f"<br><small>{escape(status.reason)}</small>" if status.reason else ""
    minutes = "" if status.seconds is None else f"{status.seconds / 60:.2f}"
    memory = "" if status.peak_memory_mb is None else f"{status.peak_memory_mb:,.0f} MB"
    cells = (
        name,
        f"<code>{escape(parameters or 'defaults')}</code>",
        f'<span class="{LOOK.get(status.state, "bad")}">{escape(status.state)}</span>{reason}',
        minutes,
        memory,
        _decision(status),
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _decision(status: Status) -> str:
    if not status.decision:
        return ""
    file = artifacts.home() / "decisions" / status.decision / "decision.json"
    try:
        return escape(json.loads(file.read_text("utf-8"))["choice"])
    except (OSError, ValueError, KeyError):
        return escape(status.decision)
