from __future__ import annotations

import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from labkit.batch.markup import clean_markup, markdown
from labkit.batch.report import _cell, write_report
from labkit.batch.status import Status
from labkit.core import display
from labkit.plots.palette import figure
from tests.hostile import HOSTILE_TEXTS, active_elements

STATUS = Status(
    run=1, notebook="10_x", key="k", parameters={"corpus": "<b>"}, state="completed", seconds=1.0
)


def report(tmp_path: Path, outputs: list[dict], markdown: str = "# Title") -> str:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": markdown},
        {"cell_type": "code", "metadata": {}, "source": "x < 1", "outputs": outputs},
    ]
    notebook = tmp_path / "n.ipynb"
    notebook.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}))
    write_report(notebook, tmp_path / "r.html", STATUS)
    return (tmp_path / "r.html").read_text()


def html_output(markup: str) -> dict:
    return {"output_type": "display_data", "data": {"text/html": markup}}


class Loads(HTMLParser):
    """Everything a page would load or run, without plotly's and our own inline scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("src", "href", "data", "action") and re.match(r"(https?:)?//", value or ""):
                self.found.append(f"{tag} {value}")


def body(page: str) -> str:
    return page.partition("<body>")[2]


def test_tables_and_text_are_shown_and_code_is_folded(tmp_path: Path):
    frame = pd.DataFrame({"a": [1, 2]})
    page = report(
        tmp_path,
        [
            html_output(frame._repr_html_()),
            html_output(display.table(["n"], [[1234]]).markup),
            {"output_type": "stream", "name": "stdout", "text": ["\x1b[31mred\x1b[0m\n"]},
            {"output_type": "execute_result", "data": {"text/plain": "42 < 43"}},
        ],
    )
    text = body(page)
    for part in ("<h1>Title</h1>", "<td>2</td>", "1,234", "<pre>red\n</pre>", "42 &lt; 43"):
        assert part in text
    assert '<details class="code"><summary>code</summary><pre>x &lt; 1</pre></details>' in text
    assert ".dataframe tbody" not in text
    assert "text-align:" in text.replace(" ", "")


def test_a_figure_carries_its_library_and_loads_nothing(tmp_path: Path):
    plot = figure(title="</script><b>x")
    plot.add_bar(x=[1], y=[2])
    page = report(
        tmp_path,
        [
            {
                "output_type": "display_data",
                "data": {"application/vnd.plotly.v1+json": json.loads(plot.to_json())},
            }
        ],
    )
    loads = Loads()
    loads.feed(page)
    assert loads.found == []
    data = re.search(r'<script type="application/json">(.*?)</script>', body(page), re.DOTALL)
    assert data
    assert json.loads(data[1])["layout"]["title"]["text"] == "</script><b>x"
    assert "Plotly.newPlot" in page


def test_a_page_without_figures_is_small(tmp_path: Path):
    assert len(report(tmp_path, [])) < 10_000


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_text_is_inert_wherever_it_stands(tmp_path: Path, text):
    page = report(
        tmp_path,
        [
            html_output(text),
            html_output(pd.DataFrame({text: [text]})._repr_html_()),
            html_output(display.text_samples([(text, text)]).markup),
            {"output_type": "stream", "name": "stdout", "text": text},
            {"output_type": "display_data", "data": {"text/markdown": text}},
            {"output_type": "display_data", "data": {"image/svg+xml": text, "text/plain": text}},
            {"output_type": "display_data", "data": {"application/javascript": text}},
            {"output_type": "error", "ename": "E", "evalue": text, "traceback": [text]},
        ],
        markdown=text,
    )
    found = [element for element in active_elements(body(page)) if element != "<a>"]
    assert found == []
    assert "javascript:" not in re.sub(r">[^<]*<", "><", body(page)).replace("&quot;", "")


@pytest.mark.parametrize(
    "source", ["![plot](http://a.example/x.png)", "![plot](//a.example/x.png 'title')"]
)
def test_prose_names_an_image_and_loads_none(tmp_path: Path, source):
    output = {"output_type": "display_data", "data": {"text/markdown": source}}
    page = report(tmp_path, [output], markdown=source)
    assert active_elements(body(page)) == ["<a>"]  # to the index of all reports
    assert body(page).count("<p>plot</p>") == 2


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("([how](../docs/page.md))", "(how <code>docs/page.md</code>)"),
        ("[a](#b)", "a <code>#b</code>"),
        ("[**20**](20_tokenizer.ipynb)", "<strong>20</strong>"),
        ("[site](https://a.example/x)", '<a href="https://a.example/x">site</a>'),
    ],
)
def test_prose_has_no_link_that_would_be_dead_in_a_report(source, shown):
    assert markdown(source) == f"<p>{shown}</p>\n"


def test_the_page_forbids_every_request(tmp_path: Path):
    head = report(tmp_path, []).partition("<body>")[0]
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', head)
    assert policy
    assert policy[1].startswith("default-src 'none'")
    assert "http" not in policy[1]


def test_text_that_utf8_cannot_hold_is_shown_all_the_same(tmp_path: Path):
    output = {"output_type": "stream", "name": "stdout", "text": "a\ud800b"}
    assert "a?b" in report(tmp_path, [output])


@pytest.mark.parametrize(
    ("markup", "cleaned"),
    [
        ("a < b & c", "a &lt; b &amp; c"),
        ("</div></body><b>x", "&lt;/body&gt;<b>x</b>"),
        ("<i><b>x</i>y", "<i><b>x</b></i>y"),
        ('<p style="color:url(//a.example)" onclick="x" id="y">z', "<p style>z</p>"),
        ("<script>1 < 2</script>", "&lt;script&gt;1 &lt; 2&lt;/script&gt;"),
        ("<!-- <b>x</b> -->", "&lt;!-- <b>x</b> --&gt;"),
        ("<style>p{}</style>x", "x"),
    ],
)
def test_markup_is_written_anew(markup, cleaned):
    assert clean_markup(markup) == cleaned


@pytest.mark.parametrize(
    "shape", ["<style ", "<!--", "<", '<a b="', "<![CDATA[", "</", "&#", "<p "]
)
def test_cleaning_takes_time_in_proportion_to_length(shape):
    started = time.perf_counter()
    clean_markup(shape * 40_000)
    clean_markup(shape * 40_000 + ">")
    assert time.perf_counter() - started < 5


def test_clean_markup_keeps_what_display_makes():
    for html in (
        display.table(["a"], [[1.5, "x"]], caption="c"),
        display.text_samples([("label", "a\nb")]),
        display.fault("wrong"),
        display.paragraph("a < b"),
    ):
        cleaned = clean_markup(html.markup).replace('open=""', "open")
        assert re.sub(r"[\s;]", "", cleaned) == re.sub(r"[\s;]", "", html.markup)


def test_lines_printed_one_after_the_other_are_one_block():
    printed = [{"output_type": "stream", "name": "stdout", "text": f"{n}\n"} for n in range(3)]
    shown = {"output_type": "display_data", "data": {"text/plain": "a table"}}
    cell = {"cell_type": "code", "source": "x", "outputs": [*printed, shown, *printed[:1]]}
    body = _cell(cell)
    assert body.count("<pre>") == 4  # the code, 0 to 2, the table, 0 again
    assert "0\n1\n2\n</pre>" in body
