"""Sets of questions that a package carries."""

from __future__ import annotations

import pytest

from labkit.evaluation.item import fault_of
from labkit.evaluation.registered import REGISTERED, load_task
from tests.corpora import SHARED_HOME


@pytest.mark.parametrize("name", REGISTERED)
def test_each_row_is_a_question_or_is_counted(name, monkeypatch):
    monkeypatch.setenv("LABKIT_HOME", str(SHARED_HOME))
    task = load_task(name)
    assert len(task.items) + sum(task.refused.values()) == REGISTERED[name].num_rows
    assert sum(task.refused.values()) < 0.03 * REGISTERED[name].num_rows
    assert not any(fault_of(item) for item in task.items)


def test_letters_of_options_are_taken_off(monkeypatch):
    monkeypatch.setenv("LABKIT_HOME", str(SHARED_HOME))
    first = load_task("openbookqa").items[0]
    assert first.choices[0] == " make more phone calls"
    assert first.choices[first.gold] == " quit eating lunch out"
