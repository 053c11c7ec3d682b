"""The hostile texts in a real page: none of them runs, loads or becomes an element."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.lab import Lab
from tests.hostile import HOSTILE_TEXTS

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

DISPLAYS = """
import json
from IPython.display import display as show
from labkit.core import display
from labkit.plots.palette import figure
texts = json.loads(TEXTS)
for text in texts:
    show(display.paragraph(text), display.fault(text), display.text_samples([(text, text)]))
    show(display.table([text], [[text], [1]], caption=text))
"""
FIGURE = """
labels = [display.plain_label(text) for text in texts]
for label in labels:
    plot = figure(title=label, xaxis_title=label, height=250, showlegend=True)
    plot.add_bar(x=[label], y=[1], name=label, text=label, hovertext=label)
    plot.add_annotation(text=label, x=0, y=1)
    show(plot)
"""
FORM = """
from labkit.core.config import Config, field
from labkit.widgets.form import ConfigForm
from pydantic import create_model
fields = {f"f{i}": (str, field(text, text, unit=text)) for i, text in enumerate(texts)}
fields |= {f"n{i}": (int, field(1, text, unit=text, le=9)) for i, text in enumerate(texts)}
choices = {"c": (str, field(texts[1], texts[1], choices=lambda: texts))}
form = ConfigForm(create_model("Hostile", __base__=Config, **fields, **choices)())
for i, text in enumerate(texts):
    form.controls[f"n{i}"].main.value = text
form
"""
THEIRS = """() => [...document.querySelectorAll(`
    .jp-OutputArea-output :is(script, iframe, form, math, img[src], [onerror], [onload],
    [onmouseover], [onfocus], [srcdoc], [autofocus], a[href^="javascript" i],
    a[*|href^="javascript" i])`)]
    .map(element => element.outerHTML.slice(0, 200))"""


def test_hostile_texts_stay_text(lab: Lab, write_notebook, tmp_path: Path):
    import json

    texts = f"TEXTS = {json.dumps(HOSTILE_TEXTS)!r}"
    path = write_notebook("hostile", texts, DISPLAYS, FIGURE, FORM)
    with lab.page_of(path) as notebook:
        page = notebook.page
        assert notebook.run_all(), notebook.errors_in_cells()
        page.locator(".labkit-form").wait_for()
        plots = page.locator(".js-plotly-plot .barlayer .point")
        assert plots.count() == len(HOSTILE_TEXTS)
        for bar in plots.all():
            bar.scroll_into_view_if_needed()
            bar.hover(force=True)
        assert page.get_by_role("alert").count() == 2 * len(HOSTILE_TEXTS)
        page.screenshot(path=tmp_path / "hostile.png")
        assert page.evaluate("window.__fired") is None
        assert page.evaluate(THEIRS) == []
        assert page.evaluate("getComputedStyle(document.body).display") != "none"
        assert notebook.console_errors == []
        assert notebook.outside_requests == []


def test_the_page_would_fire_if_text_were_markup(lab: Lab, write_notebook):
    """The marker and the search see a text that is shown without `core.display`."""
    source = f"from IPython.display import HTML\nHTML({HOSTILE_TEXTS[1]!r})"
    with lab.page_of(write_notebook("raw", source)) as notebook:
        assert notebook.run_all()
        notebook.page.wait_for_function("window.__fired === 1")
        assert len(notebook.page.evaluate(THEIRS)) == 1
