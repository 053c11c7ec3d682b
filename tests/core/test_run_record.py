from __future__ import annotations

import json
import random
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


def long_record(folder: Path, count: int = 3000) -> RunRecord:
    """Rows of uneven length, so that blocks read back end anywhere; a torn line at the end."""
    folder.mkdir()
    record, rng = RunRecord(folder), random.Random(0)
    rows = []
    for step in range(1, count + 1):
        rows.append({"kind": "step", "step": step, "note": "é" * rng.randint(0, 40)})
        if step % 500 == 0:
            rows.append({"kind": "evaluation", "step": step, "samples": ["x" * 90_000]})
    record.append(rows)
    with record.metrics.open("ab") as file:
        file.write(b'{"kind": "step", "st')
    return record


def test_rows_read_in_parts_from_the_end_and_one_by_one_are_the_rows_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    record = long_record(tmp_path / "r")
    lines = record.metrics.read_bytes().split(b"\n")[:-1]
    whole = [json.loads(line) for line in lines]
    assert list(record.each_row()) == whole
    backwards = list(record._lines_from_the_end())
    assert [line for _, line in reversed(backwards)] == lines
    assert all(record.metrics.read_bytes()[at : at + len(line)] == line for at, line in backwards)
    monkeypatch.setattr("labkit.core.records.run.ROWS_BYTES", 5000)
    found, offset = [], 0
    while (part := record.rows_from(offset))[1] > offset:
        found, offset = found + part[0], part[1]
    assert found == whole
    assert record.last_row("evaluation") == whole[-1]
    assert record.num_steps() == 3000
    assert record.last_row("event") is None


def test_cutting_back_keeps_the_rows_up_to_a_step(tmp_path: Path):
    for step in (3000, 2999, 1000, 0):
        record = long_record(tmp_path / str(step))
        kept = [row for row in record.each_row() if row["step"] <= step]
        record.cut_after(step)
        assert record.rows() == kept
        assert record.metrics.read_bytes()[-1:] in (b"\n", b"")
