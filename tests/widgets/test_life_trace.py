from __future__ import annotations

import json
from pathlib import Path

import pytest

from labkit.data.duplicates.exact import ExactDuplicates
from labkit.data.life_trace import Lives
from labkit.data.personal_data.redact import RedactPersonalData
from labkit.data.pipeline.run import run_pipeline
from labkit.data.rules.rule import Rule, RuleSet
from labkit.data.training_windows import TokenSpan
from labkit.widgets.life_trace import LifeTracePanel, show_trace
from tests.hostile import HOSTILE_TEXTS, active_elements

RULES = RuleSet(
    name="lengths",
    rules=(Rule(id="short", value="num_words", refuse="below", threshold=3, unit="words"),),
)
STEPS = [ExactDuplicates(), RULES, RedactPersonalData()]
TEXTS = ["ring bob@web.de at once", "too short", "ring bob@web.de at once", "one two three"]


def lives(folder: Path, records: list[dict], steps: list, **more) -> Lives:
    corpus = folder / "corpus.jsonl"
    corpus.write_text("\n".join(map(json.dumps, records)))
    return Lives(run_pipeline(str(corpus), steps), str(corpus), steps, **more)


def span(row: int) -> TokenSpan | None:
    text = b"ring <EMAIL> at once"
    return TokenSpan(4, len(text), 8, 2, lambda at, size: text[at - 4 : at - 4 + size])


@pytest.fixture
def panel(tmp_path, monkeypatch) -> LifeTracePanel:
    monkeypatch.setenv("LABKIT_MODE", "interactive")
    records = [{"text": text, "id": f"d{n % 3}", "source": "s"} for n, text in enumerate(TEXTS)]
    return LifeTracePanel(lives(tmp_path, records, STEPS, span=span), row=0)


def test_a_kept_document_is_told_from_source_to_training(panel):
    shown = panel.readout.value
    assert shown.startswith("<p>Row 0: kept.</p>")
    assert "Copies by exact_duplicates: 2 documents; row 0 stays" in shown
    assert "Personal data: 1 EMAIL; replaced by placeholders." in shown
    assert "Rewritten by personal_data: 23 bytes in, 20 out, 1 change" in shown
    assert "**********" in shown
    assert (
        "Training windows: 2; their tokens decoded are equal to the bytes that were kept" in shown
    )
    assert "8 tokens in none" in shown
    assert "bob@" not in shown


def test_row_id_and_buttons_choose_the_document(panel):
    panel.box.value = "1"
    assert panel.value.row == 1
    assert panel.readout.value.startswith(
        "<p>Row 1: dropped by short, step 2; its value is 2 words, the rule keeps at least 3 words"
    )
    panel.box.value = "d0"
    assert panel.value.row == 0
    assert "2 documents have this id" in panel.said.value
    panel.box.value = "nobody"
    assert "no document has the row or id &#x27;nobody&#x27;" in panel.said.value
    panel.box.value = "77"
    assert "row 77: the corpus has rows 0 to 3. Below is still row 0." in panel.said.value
    assert panel.value.row == 0
    panel.box.value = "1"
    assert panel.said.value == ""


def test_in_batch_it_is_static(panel, monkeypatch):
    monkeypatch.setenv("LABKIT_MODE", "batch")
    shown: list = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    panel._ipython_display_()
    assert shown[0].markup == show_trace(panel.value).markup


def test_hostile_documents_stay_text(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_MODE", "interactive")
    names = ("text", "id", "source", "group", "language", "licence", "url")
    records = [dict.fromkeys(names, text) for text in [*HOSTILE_TEXTS, *HOSTILE_TEXTS]]
    for record in records:
        record["text"] += f" bob@web.de {record['text']}"
    found = lives(tmp_path, records, [ExactDuplicates(), RedactPersonalData()])
    panel = LifeTracePanel(found)
    for row in range(len(records)):
        panel.box.value = str(row)
        assert panel.value.row == row
        assert active_elements(panel.readout.value + panel.said.value) == []
