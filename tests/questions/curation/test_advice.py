from __future__ import annotations

import json
from pathlib import Path

import pytest

from labkit.data.curation import CurationConfig, curate
from labkit.questions.curation.advice import curation_advice
from tests.data.prose import ISLANDS


@pytest.mark.parametrize(
    ("kept_of_30", "said"),
    [
        (3, "more is kept of books 100.0% (88.6% to 100.0%) than of web 10.0% (3.5% to 25.6%)"),
        (29, "what is kept of no two differs by more than their intervals, inconclusive"),
    ],
)
def test_sources_are_compared_by_their_intervals(
    kept_of_30: int, said: str, tmp_path: Path, lab_home
):
    """Of the forum, one document of two, too little is known either way."""
    sides = {"books": (30, 0), "web": (kept_of_30, 30 - kept_of_30), "forum": (1, 1)}
    records = [
        {"text": text, "source": source}
        for source, (good, bad) in sides.items()
        for text in [ISLANDS] * good + ["Buy now"] * bad
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    curation = curate(CurationConfig(corpus=str(path), steps="rules"))
    assert said in curation_advice(curation).markup
