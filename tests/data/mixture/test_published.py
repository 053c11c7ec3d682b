from __future__ import annotations

import math
import re

import pytest

from labkit.core.errors import LabError
from labkit.data.mixture.published import (
    composition_rows,
    kind_rows,
    published_models,
    published_shares,
    published_sources,
    sources_of,
)


def test_every_row_has_its_source_and_date():
    for row in published_sources():
        assert re.search(r"arXiv:\d{4}\.\d{5}|huggingface\.co/", row.reference), row
        assert row.place
        assert re.fullmatch(r"\d{4}-\d\d", row.as_of)
        assert row.weight is None or 0 < row.weight < 1
    assert len(published_models()) == 10
    names = [(row.model, row.source) for row in published_sources()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("model", published_models())
def test_weights_sum_to_one_within_their_rounding(model):
    sources = sources_of(model)
    shares, basis = published_shares(model)
    assert math.fsum(shares.values()) == pytest.approx(1)
    if basis == "published weight":
        printed = math.fsum(source.weight or 0 for source in sources)
        assert printed == pytest.approx(1, abs=0.0105)


def test_the_piles_weights_are_its_sizes_times_its_epochs():
    """A law inside the table: it finds a mistyped size, weight or epoch."""
    sources = sources_of("The Pile (GPT-NeoX-20B, Pythia)")
    assert len(sources) == 22
    read = {s.source: (s.num_bytes or 0) * (s.epochs or 0) for s in sources}
    assert sum(read.values()) / 2**30 == pytest.approx(1254.20, abs=0.3)
    for source in sources:
        share = read[source.source] / sum(read.values())
        assert source.weight == pytest.approx(share, abs=2e-4), source.source


@pytest.mark.parametrize(("model", "num_tokens"), [("Falcon-40B", 1000e9), ("Falcon-7B", 1500e9)])
def test_falcons_fractions_are_its_tokens_rounded(model, num_tokens):
    sources = sources_of(model)
    assert sum(s.num_tokens or 0 for s in sources) == num_tokens
    for source in sources:
        assert source.weight == pytest.approx((source.num_tokens or 0) / num_tokens, abs=0.0051)


def test_totals_are_those_printed_elsewhere():
    """ROOTS: 30.04% English on BLOOM's card; Dolma v1.7: 2.3 trillion tokens; OLMo 2: 3.90."""
    roots, basis = published_shares("BLOOM 176B (ROOTS)")
    assert basis == "bytes"
    assert roots["English"] == pytest.approx(0.3004, abs=0.002)
    dolma = sum(s.num_tokens or 0 for s in sources_of("OLMo 7B v1.7 (Dolma v1.7)"))
    assert dolma == pytest.approx(2308.5e9, abs=0.2e9)
    olmo = sum(s.num_tokens or 0 for s in sources_of("OLMo 2 (1124 mix, first stage)"))
    assert olmo == pytest.approx(3.90e12, abs=0.005e12)


def test_your_corpus_stands_beside_them():
    rows = composition_rows({"web": 300, "poems": 100})
    assert rows[0] | {"reference": ""} == {
        "model": "your corpus",
        "source": "web",
        "kind": "web",
        "share": 0.75,
        "share of": "bytes",
        "epochs": None,
        "reference": "",
    }
    assert len(rows) == 2 + len(published_sources())
    [web] = [row for row in kind_rows({"web": 300, "poems": 100}) if row["kind"] == "web"]
    assert web["your corpus"] == 0.75
    assert web["GPT-3 175B"] == pytest.approx(0.82 / 1.01)
    assert "GLM-130B" not in web
    with pytest.raises(LabError, match="should be 0 and up, and not all 0"):
        composition_rows({"web": 0})
    with pytest.raises(LabError, match="no published mixture of 'GPT-5'"):
        sources_of("GPT-5")
