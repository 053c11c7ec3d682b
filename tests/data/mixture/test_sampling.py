from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chisquare

from labkit import lab
from labkit.core.errors import LabError
from labkit.data.mixture.sampling import SamplingConfig, document_probabilities, draw_documents

SHARES = {"web": 0.7, "books": 0.2, "code": 0.1}


def corpus() -> tuple[list[str], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    sources = rng.choice(list(SHARES), size=200, p=[0.2, 0.3, 0.5]).tolist()
    return sources, rng.integers(10, 5000, size=200), rng.random(200)


def test_expected_tokens_of_a_source_are_its_share():
    sources, lengths, scores = corpus()
    expected = document_probabilities(sources, lengths, scores, SHARES) * lengths
    for source, share in SHARES.items():
        own = expected[np.array(sources) == source].sum()
        assert own / expected.sum() == pytest.approx(share)


def test_inside_a_source_the_score_decides_and_none_is_left_out():
    found = document_probabilities(["a"] * 4, [5, 5, 5, 5], [0.0, 0.005, 0.5, 1.0], {"a": 1.0})
    assert found.tolist() == pytest.approx([0.01 / 1.52, 0.01 / 1.52, 0.5 / 1.52, 1 / 1.52])
    assert found.min() > 0


def test_draws_follow_the_probabilities_and_the_seed():
    """Chi-square on 1e5 draws; each source within three standard errors."""
    sources, lengths, scores = corpus()
    probabilities = document_probabilities(sources, lengths, scores, SHARES)
    config = SamplingConfig(num_documents=100_000, seed=3)
    drawn = draw_documents(probabilities, config)
    counts = np.bincount(drawn, minlength=len(sources))
    assert chisquare(counts, probabilities * 100_000).pvalue > 0.001
    for source in SHARES:
        own = np.array(sources) == source
        p = probabilities[own].sum()
        error = np.sqrt(p * (1 - p) * 100_000)
        assert abs(counts[own].sum() - p * 100_000) <= 3 * error
    assert (drawn == draw_documents(probabilities, config)).all()
    other = draw_documents(probabilities, SamplingConfig(num_documents=100_000, seed=4))
    assert (drawn != other).any()


def test_refusals_say_what_is_wrong():
    with pytest.raises(LabError, match="'b' has documents and no share"):
        document_probabilities(["a", "b"], [1, 1], [1, 1], {"a": 1.0})
    with pytest.raises(LabError, match="score nan of document 1 should be a number from 0 up"):
        document_probabilities(["a", "a"], [1, 1], [1, float("nan")], {"a": 1.0})
    with pytest.raises(LabError, match="source 'a' has 0 tokens; leave it out"):
        document_probabilities(["a"], [0], [1], {"a": 1.0})


def test_a_notebook_sees_which_documents_were_drawn(tmp_path: Path):
    path = tmp_path / "c.jsonl"
    lines = [{"text": "ab " * n, "source": "web" if n % 3 else "books"} for n in range(60)]
    path.write_text("\n".join(json.dumps(line) for line in lines))
    exploration = lab.explore(corpus=str(path))
    drawn = lab.draw_documents(exploration, weights={"web": 1, "books": 1}, num_documents=20_000)
    assert drawn["times drawn"].sum() == 20_000
    read = (drawn["bytes"] * drawn["times drawn"]).groupby(drawn["source"]).sum()
    assert read["web"] / read.sum() == pytest.approx(0.5, abs=0.03)
    best = lab.draw_documents(exploration, scores=[0.0] * 59 + [1.0], num_documents=1000)
    assert best.iloc[0]["document"] == "c-60"
    with pytest.raises(LabError, match="no weight of 'web'; give one to each source"):
        lab.draw_documents(exploration, weights={"books": 1})
