"""The threshold panel and the life trace as a person sees them, hostile documents among others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.browser.lab import Lab
from tests.browser.test_hostile_text import THEIRS
from tests.hostile import HOSTILE_TEXTS

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PANEL, RATES = ".labkit-panel", ".labkit-panel .labkit-rates"
RUN = """
from labkit.data.duplicates.exact import ExactDuplicates
from labkit.data.life_trace import Lives
from labkit.data.personal_data.redact import RedactPersonalData
from labkit.data.pipeline.run import run_pipeline
from labkit.data.readers import read_documents
from labkit.data.rules.measured import measure, with_changes
from labkit.data.rules.presets import english
from labkit.widgets.life_trace import LifeTracePanel
from labkit.widgets.threshold_panel import ThresholdPanel
"""
THRESHOLDS = """
others = {rule: None for rule in english().ids if rule not in ("empty", "gopher_short_doc")}
rules = with_changes(english(), others | {"gopher_short_doc": 0})
panel = ThresholdPanel(measure(read_documents(CORPUS), rules))
panel
"""
TRACE = """
steps = [ExactDuplicates(), english(), RedactPersonalData()]
lives = Lives(run_pipeline(CORPUS, steps), CORPUS, steps)
trace = LifeTracePanel(lives)
trace
"""


def write_corpus(path: Path) -> str:
    """Texts of 1 to 60 words, by hostile authors from hostile sources."""
    with path.open("w") as file:
        for number in range(60):
            hostile = HOSTILE_TEXTS[number % 12]
            words = " ".join(f"of-{number}" for _ in range(number))
            record = {"text": f"{hostile} {words}", "id": hostile, "source": hostile}
            file.write(json.dumps(record) + "\n")
    return f"CORPUS = {str(path)!r}"


def test_a_moved_threshold_moves_bars_counts_and_examples(lab: Lab, write_notebook, tmp_path: Path):
    corpus = write_corpus(tmp_path / "corpus.jsonl")
    with lab.page_of(write_notebook("thresholds", corpus, RUN, THRESHOLDS)) as notebook:
        page = notebook.page
        assert notebook.run_all(), notebook.errors_in_cells()
        page.locator(RATES).wait_for()
        readout = notebook.text(f"{PANEL} .labkit-readout")
        rates = notebook.text(RATES)
        flips = notebook.text(f"{PANEL} .labkit-flips")
        slider = page.locator(".labkit-rule-gopher_short_doc .noUi-handle")
        notebook.press(slider, "ArrowRight", 6)
        notebook.wait_for_change(f"{PANEL} .labkit-readout", readout)
        notebook.wait_for_change(RATES, rates)
        notebook.wait_for_change(f"{PANEL} .labkit-flips", flips)
        page.wait_for_function(
            "() => document.querySelector('.labkit-flips').innerText.includes('against 30')"
        )
        page.locator(PANEL).screenshot(path=tmp_path / "thresholds.png")
        assert notebook.ask_kernel("print(panel.changes)") == "{'gopher_short_doc': 30.0}"
        asked = (
            "print(next(iter(read_documents(CORPUS))).num_rows, int(panel.verdict.is_kept.sum()))"
        )
        num_documents, num_kept = notebook.ask_kernel(asked).split()
        assert notebook.text(f"{PANEL} .labkit-readout").startswith(
            f"{num_kept} of {num_documents} documents are kept"
        )
        page.locator(".labkit-rule-gopher_short_doc input[type=checkbox]").uncheck()
        page.wait_for_function(
            "() => document.querySelector('.labkit-rules').innerText.includes('switched off')"
        )
        names = page.locator(".labkit-rule-empty input").evaluate_all(
            "inputs => inputs.map(i => i.labels[0]?.innerText.trim() || i.title)"
        )
        assert all(names), "a control without a name"
        assert page.evaluate("window.__fired") is None
        assert page.evaluate(THEIRS) == []
        assert notebook.console_errors == []
        assert notebook.outside_requests == []


def test_a_person_looks_a_document_up(lab: Lab, write_notebook, tmp_path: Path):
    corpus = write_corpus(tmp_path / "corpus.jsonl")
    with lab.page_of(write_notebook("trace", corpus, RUN, TRACE)) as notebook:
        page = notebook.page
        assert notebook.run_all(), notebook.errors_in_cells()
        readout = f"{PANEL} .labkit-readout"
        page.locator(readout).wait_for()
        before = notebook.text(readout)
        box = page.locator(f"{PANEL} input[type=text]")
        box.fill("3")
        box.press("Enter")
        assert notebook.wait_for_change(readout, before).startswith("Row 3: dropped by ")
        for row in range(12):
            before = notebook.text(readout)
            box.fill(str(row + 12))
            box.press("Enter")
            notebook.wait_for_change(readout, before)
        page.locator(".labkit-draw-dropped").click()
        page.locator(PANEL).screenshot(path=tmp_path / "trace.png")
        assert page.evaluate("window.__fired") is None
        assert page.evaluate(THEIRS) == []
        assert notebook.console_errors == []
        assert notebook.outside_requests == []
