"""An executed notebook as one HTML file: prose, tables and figures first, code folded away.

Figures are drawn by plotly.js, which is part of the file (4.9 MB): a report can be copied or
mailed and still shows everything without a network; the page's policy forbids any request.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labkit.batch.markup import clean_markup, markdown
from labkit.batch.page import page
from labkit.batch.status import Status
from labkit.core.disk import write_file
from labkit.core.display import escape

PLOTLY = "application/vnd.plotly.v1+json"
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
DRAW = """
document.addEventListener("DOMContentLoaded", () => {
  for (const data of document.querySelectorAll('script[type="application/json"]')) {
    const figure = JSON.parse(data.textContent);
    const place = data.parentElement;
    place.replaceChildren();
    Plotly.newPlot(place, figure.data, figure.layout, {responsive: true, displaylogo: false});
  }
});
"""


def write_report(notebook: Path, report: Path, status: Status) -> None:
    """Render the executed notebook `notebook` to the file `report`."""
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    body = [_run_header(status), *(_cell(cell) for cell in cells)]
    markup = "\n".join(filter(None, body))
    scripts = _plotly_scripts() if 'class="figure"' in markup else ""
    write_file(report, page(status.notebook, markup, scripts).encode("utf-8", "replace"))


def _run_header(status: Status) -> str:
    good = status.state == "completed"
    parameters = ", ".join(f"{name}={value!r}" for name, value in status.parameters.items())
    reason = f": {status.reason}" if status.reason else ""
    measured = "not measured"
    if status.seconds is not None and status.peak_memory_mb is not None:
        measured = f"{status.seconds:,.1f} s · {status.peak_memory_mb:,.0f} MB"
    return (
        f'<header class="run"><a href="../../index.html">all reports</a> · run {status.run} · '
        f'<span class="{"good" if good else "bad"}">{escape(status.state + reason)}</span> · '
        f"{measured}<br>"
        f"<code>{escape(parameters or 'default parameters')}</code></header>"
    )


def _cell(cell: dict[str, Any]) -> str:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return markdown(source)
    if cell["cell_type"] != "code" or not source.strip():
        return ""
    code = f'<details class="code"><summary>code</summary><pre>{escape(source)}</pre></details>'
    return code + "".join(_output(output) for output in _joined(cell.get("outputs", [])))


def _joined(outputs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What was printed in one go as one output: a kernel sends a line at a time."""
    for name, group in itertools.groupby(outputs, key=lambda one: one.get("name")):
        if name is None:
            yield from group
        else:
            text = "".join(_text(one["text"]) for one in group)
            yield {"output_type": "stream", "name": name, "text": text}


def _output(output: dict[str, Any]) -> str:
    kind = output["output_type"]
    if kind == "stream":
        return f"<pre>{escape(_text(output['text']))}</pre>"
    if kind == "error":
        traceback = "\n".join(output.get("traceback", [])) or output.get("evalue", "")
        return f'<pre class="bad">{escape(_text(traceback))}</pre>'
    return _display(output.get("data", {}))


def _display(data: dict[str, Any]) -> str:
    if PLOTLY in data:
        figure = json.dumps(data[PLOTLY], ensure_ascii=False).replace("<", "\\u003c")
        return f'<div class="figure"><script type="application/json">{figure}</script></div>'
    if "text/html" in data:
        return f"<div>{clean_markup(_text(data['text/html']))}</div>"
    if "text/markdown" in data:
        return markdown(_text(data["text/markdown"]))
    if "image/png" in data:
        png = re.sub(r"[^A-Za-z0-9+/=]", "", _text(data["image/png"]))
        return f'<img alt="figure" src="data:image/png;base64,{png}">'
    if "text/plain" in data:
        return f"<pre>{escape(_text(data['text/plain']))}</pre>"
    return ""


def _text(value: str | list[str]) -> str:
    return ANSI.sub("", value if isinstance(value, str) else "".join(value))


@functools.cache
def _plotly_scripts() -> str:
    from plotly.offline import get_plotlyjs

    return f"<script>{get_plotlyjs()}</script><script>{DRAW}</script>"
