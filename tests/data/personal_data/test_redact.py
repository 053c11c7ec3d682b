from __future__ import annotations

import pickle
from collections import Counter

import pyarrow as pa
import pytest

from labkit.data.personal_data.config import KINDS, PLACEHOLDERS, PersonalDataConfig
from labkit.data.personal_data.find import find_personal_data
from labkit.data.personal_data.redact import RedactPersonalData, replace_items
from labkit.data.pipeline.step import ROW, Step
from labkit.data.readers import SCHEMA
from tests.data.personal_data.planted import planted_documents


def batch_of(texts: list[str]) -> pa.RecordBatch:
    columns = [pa.array([f"{name}{n}" for n in range(len(texts))]) for name in SCHEMA.names]
    columns[SCHEMA.get_field_index("text")] = pa.array(texts)
    rows = pa.array(range(len(texts)), pa.int64())
    return pa.RecordBatch.from_arrays([*columns, rows], schema=SCHEMA.append(ROW))


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_counts_are_conserved_and_a_second_pass_finds_nothing(placeholder):
    config = PersonalDataConfig(placeholder=placeholder)
    texts = pa.array([f"<EMAIL> {document.text}" for document in planted_documents(200, seed=5)])
    items = find_personal_data(texts, config)
    rewritten = replace_items(texts, items, placeholder)
    counts = Counter((item.document, item.kind) for item in items)
    for number, (before, after) in enumerate(
        zip(texts.to_pylist(), rewritten.to_pylist(), strict=True)
    ):
        for kind in KINDS:
            written = PLACEHOLDERS[placeholder].format(kind)
            assert after.count(written) - before.count(written) == counts[number, kind]
    assert counts.total() > 600
    assert find_personal_data(rewritten, config) == []


def test_what_is_no_item_stays_as_it_is():
    for document in planted_documents(50, seed=6):
        texts = pa.array([document.text])
        items = find_personal_data(texts, PersonalDataConfig())
        raw, place, kept = document.text.encode(), 0, []
        for item in items:
            kept.append(raw[place : item.start])
            place = item.end
        written = replace_items(texts, items, "angle")[0].as_py()
        for item in items:
            written = written.replace(f"<{item.kind}>", "", 1)
        assert written.encode() == b"".join([*kept, raw[place:]])


def test_a_step_drops_nothing_unless_told():
    texts = ["nothing here", "a@b.de c@d.de", "a@b.de " + "word " * 300]
    batch = batch_of(texts)
    step = pickle.loads(pickle.dumps(RedactPersonalData()))
    assert isinstance(step, Step)
    outcome = step.apply(batch)
    assert outcome.dropped.num_rows == 0
    assert outcome.kept.schema == batch.schema
    assert outcome.kept["text"].to_pylist()[:2] == ["nothing here", "<EMAIL> <EMAIL>"]

    strict = RedactPersonalData(PersonalDataConfig(max_items_per_kb=100))
    outcome = strict.apply(batch)
    assert outcome.kept["row"].to_pylist() == [0, 2]
    [dropped] = outcome.dropped.to_pylist()
    assert dropped["text"] == texts[1]
    assert (dropped["rule"], dropped["threshold"]) == ("personal_data_per_kb", 100)
    assert dropped["value"] == pytest.approx(1000 * 2 / len(texts[1]))
    assert strict.apply(batch.slice(1, 1)).dropped.num_rows == 1
    assert strict.apply(batch.slice(0, 0)).kept.num_rows == 0
