"""A corpus named by the decision on it: what is read, what is said of it, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from labkit.core import artifacts
from labkit.core.config import ConfigError
from labkit.core.errors import LabError
from labkit.core.records.decision import current_decision, reference
from labkit.data.curation import Curation, CurationConfig, curate
from labkit.data.decided_corpora import corpus_line, decisions_behind, resolve_corpus
from labkit.data.exploration import Exploration, ExplorationConfig
from labkit.data.readers import read_documents
from labkit.questions.curation.decision import record_curation
from labkit.questions.exploration.decision import record_corpus
from tests.data.prose import BAKER, COPPER, ISLANDS


@pytest.fixture
def corpus(tmp_path: Path, lab_home: Path) -> str:
    path = tmp_path / "mine.jsonl"
    texts = [ISLANDS, ISLANDS, BAKER, COPPER]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    record_corpus(Exploration(ExplorationConfig(corpus=str(path))))
    return str(path)


@pytest.fixture
def curation(corpus: str) -> Curation:
    curation = curate(CurationConfig(steps="exact_duplicates"))
    record_curation(curation)
    return curation


def test_curation_reads_what_was_explored_and_the_next_what_was_curated(corpus, curation):
    explored, curated = (
        current_decision(name, None) for name in ("10_data_exploration", "11_data_curation")
    )
    assert curation.config.corpus == corpus
    assert curated[0].reads == {"decision:10": reference(explored[1])}
    [kept] = read_documents(resolve_corpus("decision:11"))
    assert kept["text"].to_pylist() == [ISLANDS, BAKER, COPPER]
    assert decisions_behind(resolve_corpus("decision:11")) == {"decision:11": reference(curated[1])}


def test_it_is_said_what_is_read(corpus, curation):
    share = 1 - len(ISLANDS) / len(ISLANDS * 2 + BAKER + COPPER)
    assert corpus_line(curation.curated.corpus) == (
        f"reads the curated folder datasets/{curation.curated.folder.name}: 3 of 4 documents, "
        f"{share:.0%} of the bytes of mine.jsonl"
    )
    passed_over = "reads mine.jsonl as it is: curation (notebook 11) is passed over"
    assert corpus_line(corpus) == passed_over


def test_text_that_is_not_what_was_decided_on_is_refused(corpus, curation):
    shutil.rmtree(curation.curated.folder)
    with pytest.raises(LabError, match=r"is gone; run notebooks/11_data_curation.ipynb again"):
        resolve_corpus("decision:11")
    Path(corpus).write_text('{"text": "another"}\n')
    with pytest.raises(LabError, match="mine.jsonl has changed since it was explored; run"):
        resolve_corpus("decision:10")


def test_before_a_decision_its_name_is_accepted_and_cannot_be_opened():
    assert CurationConfig().inputs() == {}
    with pytest.raises(LabError, match="no decision of 10_data_exploration; run notebooks/10"):
        curate(CurationConfig())
    with pytest.raises(ConfigError, match="decision:20 names no corpus; allowed are decision:10"):
        CurationConfig.from_parameters({"corpus": "decision:20"})
    assert not artifacts.exists(artifacts.home() / "datasets")
