"""`labkit evaluate` on model folders and a file of questions."""

from __future__ import annotations

import json

import pytest

from labkit.cli import main
from labkit.exchange.folder import models_folder, write_model
from tests.evaluation.asked import items
from tests.exchange.saved import with_bytes
from tests.hostile import HOSTILE_TEXTS, active_elements
from tests.model.models import random_model, tiny


@pytest.fixture
def models() -> list[str]:
    for name, d_ff in (("one", 40), ("other", 48)):
        model = random_model(tiny(vocab_size=257, context_length=64, d_ff=d_ff))
        write_model(models_folder() / name, with_bytes(model))
    return ["one", "other"]


def write_questions(path) -> None:
    rows = [{"stem": one.stem, "choices": one.choices, "gold": one.gold} for one in items(40)]
    rows[0]["stem"] = "x" * 100
    path.write_text("\n".join(map(json.dumps, rows)))


def test_two_models_are_asked_questions_of_a_file(models, tmp_path, capsys):
    path = tmp_path / "questions.jsonl"
    write_questions(path)
    assert main(["evaluate", *models, "--tasks", str(path)]) == 0
    said = capsys.readouterr().out
    assert "one against other" in said
    assert "25.0%" in said
    assert main(["evaluate", *models, "--tasks", str(path), "--form", "letters"]) == 0
    capsys.readouterr()
    assert main(["evaluate", *models, "--tasks", "none.jsonl"]) == 2
    assert "no task none.jsonl" in capsys.readouterr().err


def test_the_browser_shows_a_question_and_nothing_of_it_is_active(models, monkeypatch):
    from labkit.evaluation.item import Item
    from labkit.evaluation.scoring import score_items
    from labkit.training.open_model import open_model
    from labkit.widgets.item_browser import ItemBrowser, ShownItem

    monkeypatch.setenv("LABKIT_MODE", "interactive")
    model = open_model("one")
    hostile = [Item("h", text[:20], (text[:15], " b"), 0) for text in HOSTILE_TEXTS[:4]]
    browser = ItemBrowser({"one": model}, {"one": {"t": score_items(model, hostile)}})
    for number in range(1, 5):
        markup = browser.page(ShownItem(number=number)).markup
        assert "picked" in markup
        assert active_elements(markup) == []
    assert "question 4 of 4" in browser.page(ShownItem(number=99)).markup
