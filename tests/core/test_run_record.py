from __future__ import annotations

import json
from pathlib import Path

import pytest

from labkit.core.records import run
from labkit.core.records.run import RunRecord


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        ("evaluate pause", "pause"),
        ("pause evaluate", "pause"),
        ("stop evaluate", "stop"),
        ("pause stop", "stop"),
        ("evaluate evaluate", "evaluate"),
    ],
)
def test_the_last_request_is_taken_once_and_no_evaluation_in_place_of_an_end(
    tmp_path: Path, asked, taken
):
    record = RunRecord(tmp_path)
    for request in asked.split():
        record.ask(request)
    assert [record.take_request(), record.take_request()] == [taken, None]
    assert list(tmp_path.iterdir()) == []


def test_what_is_asked_while_a_request_is_read_is_the_next(tmp_path: Path, monkeypatch):
    record = RunRecord(tmp_path)
    record.ask("evaluate")

    def asked_meanwhile(content):
        monkeypatch.undo()
        record.ask("pause")
        return json.loads(content)

    monkeypatch.setattr(run.json, "loads", asked_meanwhile)
    assert [record.take_request(), record.take_request()] == ["evaluate", "pause"]


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"request": "dance"}', "{}"])
def test_what_is_no_request_is_none_and_goes(tmp_path: Path, content):
    record = RunRecord(tmp_path)
    record.control.write_text(content)
    assert record.take_request() is None
    assert list(tmp_path.iterdir()) == []
