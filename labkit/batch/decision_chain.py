"""The decisions as a chain: what each notebook chose, on which decisions of others it rests.

It is followed back from the last notebook that has decided: what a decision rests on is what it
read, whatever has become current since. A decision of an earlier notebook that none of them read
is not shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from labkit.batch.job import reports_folder
from labkit.batch.publish import REPORT
from labkit.batch.status import Status
from labkit.core import artifacts
from labkit.core.display import escape
from labkit.core.records.decision import NOTEBOOKS, Decision, find_decision, reference


def decision_chain(reports: Mapping[str, Status]) -> str:
    """Markup; nothing where no decision rests on another.

    Args:
        reports: decision's folder below `decisions/` -> the run that recorded it.
    """
    found = _chain()
    if len(found) < 2:
        return ""
    rows = "".join(_row(name, decision, reports) for name, decision in sorted(found.items()))
    return (
        "<h2>What rests on what</h2><table><thead><tr><th>decision of</th><th>decided</th>"
        f"<th>chose</th><th>rests on</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def link(text: str, status: Status | None) -> str:
    """To the run's report, where there is one."""
    if status and status.folder and (reports_folder() / status.folder / REPORT).is_file():
        return f'<a href="{escape(status.folder)}/{REPORT}">{escape(text)}</a>'
    return escape(text)


def _chain() -> dict[str, Decision]:
    """Folder below `decisions/` -> decision."""
    for number in reversed(NOTEBOOKS):
        last = find_decision(NOTEBOOKS[number], None)
        if last and last[0].reads:
            found, waiting = {reference(last[1]): last[0]}, [*last[0].reads.values()]
            while waiting:
                name = waiting.pop()
                if name not in found and (decision := _read(name)):
                    found[name] = decision
                    waiting += decision.reads.values()
            return found
    return {}


def _read(name: str) -> Decision | None:
    try:
        file = artifacts.home() / "decisions" / name / "decision.json"
        return Decision.model_validate(json.loads(file.read_bytes()))
    except (OSError, ValueError):
        return None


def _row(name: str, decision: Decision, reports: Mapping[str, Status]) -> str:
    rests_on = [
        link(decided.partition("/")[0], reports.get(decided)) for decided in decision.reads.values()
    ]
    chosen = f"<code>{escape(decision.artifact)}</code>" if decision.artifact else ""
    cells = (
        link(decision.notebook, reports.get(name)),
        escape(decision.choice),
        chosen,
        ", ".join(rests_on),
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
