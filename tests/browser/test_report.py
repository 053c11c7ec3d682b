"""A report opened as a file, as its reader does: every figure is drawn, nothing is asked for."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from labkit.batch.report import write_report
from labkit.batch.status import Status
from labkit.core import display
from labkit.plots.palette import figure
from tests.browser.lab import Lab
from tests.hostile import HOSTILE_TEXTS

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
STATUS = Status(run=1, notebook="toy", key="k", parameters={}, state="completed")


def output(kind: str, data: object) -> dict:
    return {"output_type": "display_data", "data": {kind: data}}


@pytest.fixture
def outside() -> Iterator[tuple[str, list[str]]]:
    """The address of an image on a server, and what that server was asked for."""
    asked: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Quiet: the list is the log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def plot_with(label: str, image: str) -> dict:
    plot = figure(title=label, height=200)
    plot.add_bar(x=[label], y=[1], hovertext=label)
    plot.add_layout_image(source=image)
    return output("application/vnd.plotly.v1+json", json.loads(str(plot.to_json())))


def test_a_report_shows_every_figure_and_requests_nothing(lab: Lab, tmp_path: Path, outside):
    address, asked = outside
    outputs = [
        plot_with(display.plain_label(text), f"{address}/figure-{number}.png")
        for number, text in enumerate(HOSTILE_TEXTS)
    ]
    outputs += [output("text/html", text) for text in HOSTILE_TEXTS]
    outputs += [
        output(
            "text/html",
            f'<p style="background:url({address}/style.png)"><div class="figure">no</div>',
        ),
        output("text/markdown", f"![image]({address}/prose.png)"),
    ]
    cells = [{"cell_type": "code", "metadata": {}, "source": "1", "outputs": outputs}]
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells}))
    write_report(tmp_path / "n.ipynb", tmp_path / "r.html", STATUS)
    page = lab.browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((tmp_path / "r.html").as_uri())
    page.locator(".js-plotly-plot .barlayer .point").nth(len(HOSTILE_TEXTS) - 1).wait_for()
    drawn = page.locator(".js-plotly-plot .barlayer .point").count()
    fired = page.evaluate("window.__fired")
    shown = page.evaluate("getComputedStyle(document.body).display")
    page.close()
    assert (drawn, fired, shown) == (len(HOSTILE_TEXTS), None, "block")
    assert errors == []
    assert asked == []
