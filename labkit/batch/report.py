"""An executed notebook as one HTML file: prose, tables and figures first, code folded away.

Figures are drawn by plotly.js, which is part of the file (4.9 MB): a report can be copied or
mailed and still shows everything without a network. Markup from outputs is reduced to tables and
text by an allow-list, so that nothing in a corpus can run, load or restyle the page.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import bleach
import mistune
from bleach.css_sanitizer import CSSSanitizer

from labkit.batch.page import page
from labkit.batch.status import Status
from labkit.core.artifacts import write_file
from labkit.core.display import escape

PLOTLY = "application/vnd.plotly.v1+json"
ALLOWED_TAGS = (
    "table caption colgroup col thead tbody tfoot tr th td p div span br b strong i em code pre "
    "ul ol li h3 h4 details summary small sub sup"
).split()
ALLOWED_ATTRIBUTES = {
    "*": ["class", "style", "role", "title", "tabindex", "aria-label"],
    "details": ["open"],
    "td": ["colspan", "rowspan"],
    "th": ["colspan", "rowspan", "scope"],
}
ALLOWED_STYLES = (
    "color background-color text-align font-weight white-space margin padding border-bottom "
    "border-radius"
).split()
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
NOTEBOOK_LINKS = re.compile(r"\[([^\]]*)\]\([^)]*\.ipynb\)")
STYLE_BLOCKS = re.compile(r"<style\b.*?</style\s*>", re.IGNORECASE | re.DOTALL)
DRAW = """
document.addEventListener("DOMContentLoaded", () => {
  for (const place of document.querySelectorAll("div.figure")) {
    const figure = JSON.parse(place.querySelector("script").textContent);
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
    write_file(report, page(status.notebook, markup, scripts).encode())


def _run_header(status: Status) -> str:
    good = status.state == "completed"
    parameters = ", ".join(f"{name}={value!r}" for name, value in status.parameters.items())
    reason = f": {status.reason}" if status.reason else ""
    return (
        f'<header class="run"><a href="../../index.html">all reports</a> · run {status.run} · '
        f'<span class="{"good" if good else "bad"}">{escape(status.state + reason)}</span> · '
        f"{status.seconds} s · {status.peak_memory_mb} MB<br>"
        f"<code>{escape(parameters or 'default parameters')}</code></header>"
    )


def _cell(cell: dict[str, Any]) -> str:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return _markdown(source)
    if cell["cell_type"] != "code" or not source.strip():
        return ""
    code = f'<details class="code"><summary>code</summary><pre>{escape(source)}</pre></details>'
    return code + "".join(_output(output) for output in cell.get("outputs", []))


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
        return _markdown(_text(data["text/markdown"]))
    if "image/png" in data:
        png = re.sub(r"[^A-Za-z0-9+/=]", "", _text(data["image/png"]))
        return f'<img alt="figure" src="data:image/png;base64,{png}">'
    if "text/plain" in data:
        return f"<pre>{escape(_text(data['text/plain']))}</pre>"
    return ""


def clean_markup(markup: str) -> str:
    """Tables and text of an output; other elements become text, other attributes are dropped."""
    return bleach.clean(
        STYLE_BLOCKS.sub("", markup),
        tags=ALLOWED_TAGS,
        attributes=ALLOWED_ATTRIBUTES,
        css_sanitizer=CSSSanitizer(allowed_css_properties=ALLOWED_STYLES),
    )


def _markdown(source: str) -> str:
    source = NOTEBOOK_LINKS.sub(r"\1", source)
    html = mistune.create_markdown(escape=True, plugins=["table", "strikethrough", "url"])(source)
    assert isinstance(html, str)
    return html


def _text(value: str | list[str]) -> str:
    return ANSI.sub("", value if isinstance(value, str) else "".join(value))


@functools.cache
def _plotly_scripts() -> str:
    from plotly.offline import get_plotlyjs

    return f"<script>{get_plotlyjs()}</script><script>{DRAW}</script>"
