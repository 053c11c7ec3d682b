"""From a curation through a split to the windows that a model is trained on."""

from __future__ import annotations

import pytest

from labkit import lab
from labkit.core.errors import LabError


def test_a_traced_document_is_in_windows_that_decode_to_its_bytes_or_held_out(lab_home):
    curation = lab.curate(corpus="python-docs", steps="rules, personal_data")
    quick = {"compare_on": "", "published": "", "vocab_size": 600}
    tokenized = lab.compare_tokenizers(corpus=curation.curated.corpus, **quick)
    rows = curation.curated.documents("row")["row"].to_pylist()
    windows = [lab.life_trace(curation, row, tokenized).value.windows for row in rows[:12]]
    trained = [side == "train" for side in tokenized.sides[:12]]
    assert [one is not None for one in windows] == trained
    assert set(trained) == {True, False}
    assert all(one.equals_text for one in windows if one)
    other = lab.compare_tokenizers(corpus="python-docs", **quick)
    with pytest.raises(LabError, match="the comparison is of python-docs; make one with corpus="):
        lab.life_trace(curation, rows[0], other)
