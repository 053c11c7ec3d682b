from __future__ import annotations

import json
from pathlib import Path

import pytest

from labkit.comparison.tokenizers import (
    SIDES,
    TokenizerComparison,
    TokenizerComparisonConfig,
    within,
)
from labkit.core import artifacts
from labkit.core.config import ConfigError
from labkit.core.records.decision import current_decision
from labkit.data.readers import fingerprint
from labkit.questions.tokenizers.decision import record_tokenizer
from labkit.questions.tokenizers.sentences import tokenizer_sentences
from labkit.questions.tokenizers.tables import (
    all_measures,
    measure_table,
    split_table,
    tokens_per_million,
    unigram_scores,
)
from labkit.tokens.shards import Shards
from labkit.tokens.tokenizer import Tokenizer


@pytest.fixture
def comparison(tmp_path: Path) -> TokenizerComparison:
    path = tmp_path / "mine.jsonl"
    rows = [
        {"text": f"story {n} of the {word} and its {n * 7} friends. " * 8, "group": f"g{n // 2}"}
        for n, word in enumerate(["cat", "dog", "fox", "hen", "cow", "pig"] * 10)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return TokenizerComparison(
        TokenizerComparisonConfig.from_parameters(
            {"corpus": str(path), "compare_on": "python-docs", "published": "", "vocab_size": 400}
        )
    )


def test_nothing_trained_on_is_measured(comparison):
    train = set(comparison.texts("train"))
    [own, docs] = comparison.samples
    assert own.texts
    assert not train & set(own.texts)
    assert docs.corpus == "python-docs"
    assert sum(len(comparison.texts(side)) for side in SIDES) == 60
    for certificate in comparison.certificates.values():
        assert certificate.num_shared_groups == 0
        assert certificate.exact_document_share == 0


def test_tables_agree_with_the_tokenizers(comparison):
    rows = measure_table(comparison).to_pylist()
    assert [row["tokenizer"] for row in rows] == ["bytes", "bytes", "words", "words", "bpe", "bpe"]
    assert rows[0]["bytes per token"] == 1.0
    own = comparison.samples[0]
    bpe = comparison.tokenizers["bpe"]
    tokens = sum(len(bpe.encode(text)) for text in own.texts)
    size = sum(len(text.encode()) for text in own.texts)
    found = all_measures(comparison)["bpe", own.corpus, own.source]
    assert found.bytes_per_token.estimate == pytest.approx(size / tokens)
    costs = {(name, text): cost.estimate for name, text, cost in tokens_per_million(comparison)}
    characters = sum(map(len, own.texts))
    assert costs["bpe", f"{own.corpus}: {own.source}"] == pytest.approx(1e6 * tokens / characters)
    assert set(unigram_scores(comparison)) == {"bytes", "words", "bpe"}
    assert [row["side"] for row in split_table(comparison).to_pylist()] == list(SIDES)
    assert "0 works stand on two sides" in tokenizer_sentences(comparison)["split"].markup


def test_the_decision_hands_on_tokenizer_and_shards(comparison, lab_home):
    folder = record_tokenizer(comparison)
    corpus = comparison.config.corpus
    decision, found = current_decision("20_tokenizer_comparison", fingerprint(corpus))
    assert found == folder
    tokenizer = Tokenizer.load(lab_home / decision.artifact / "tokenizer.json")
    assert tokenizer.fingerprint == decision.artifact_hash
    sides = {side: Shards(lab_home / path) for side, path in decision.evidence["shards"].items()}
    for side, shards in sides.items():
        texts = comparison.texts(side)
        assert shards.facts.num_documents == len(texts)
        assert tokenizer.decode(shards.document(0)) == texts[0]
    facts = {side: shards.facts for side, shards in sides.items()}
    for side in ("validation", "test"):
        facts[side].certificate.check(facts["train"].document_set, facts[side].document_set)
    before = (folder / "result.json").read_bytes()
    again = record_tokenizer(TokenizerComparison(comparison.config))
    assert (again / "result.json").read_bytes() == before
    assert artifacts.read_manifest(again).inputs == comparison.config.inputs()


def test_a_corpus_without_a_network_is_named_and_the_rest_goes_on(monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PATH", "/nowhere")
    config = TokenizerComparisonConfig(
        corpus="python-docs", compare_on="sanguo", published="gpt2", vocab_size=300
    )
    comparison = TokenizerComparison(config)
    assert [sample.corpus for sample in comparison.samples] == ["python-docs"]
    assert len(comparison.lacking) == 2
    text = tokenizer_sentences(comparison)["lacking"].markup
    assert "sanguo is not here" in text
    assert "gpt2 is not here and cannot be fetched (npm is not installed)" in text


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"corpus": "nothing"}, "neither a registered corpus"),
        ({"compare_on": "sanguo, nothing"}, "neither a registered corpus"),
        ({"published": "gpt2, gpt7"}, "unknown gpt7; known: gpt2, qwen3, or a path"),
        ({"corpus": "python-docs", "compare_on": "python-docs"}, "must have different names"),
        ({"vocab_size": 100}, "should be greater than or equal to 300"),
    ],
)
def test_refusals(parameters, message):
    with pytest.raises(ConfigError, match=message):
        TokenizerComparisonConfig.from_parameters(parameters)


def test_any_tokenizer_file_is_compared(comparison, tmp_path):
    path = comparison.tokenizers["bpe"].save(tmp_path / "tokenizer.json")
    config = comparison.config.with_overrides({"published": str(path)})
    again = TokenizerComparison(config)
    own = again.samples[0]
    counts = [again.counts[name, own.corpus, own.source] for name in ("bpe", str(path))]
    assert counts[0].num_tokens.tolist() == counts[1].num_tokens.tolist()
    assert config.inputs() != comparison.config.inputs()


def test_texts_within_a_budget():
    assert within(["abc", "defg", "h"], 5) == ["abc", "de"]
    assert within([], 5) == []


def test_a_corpus_shorter_than_a_context_is_said_when_its_shards_are_made(tmp_path: Path):
    path = tmp_path / "short.jsonl"
    path.write_text("".join(json.dumps({"text": f"{word}."}) + "\n" for word in ("a", "b", "c")))
    settings = {"corpus": str(path), "compare_on": "", "published": "", "vocab_size": 300}
    comparison = TokenizerComparison(TokenizerComparisonConfig.from_parameters(settings))
    with pytest.warns(UserWarning, match="the train shards have .* fewer than 1 window of"):
        comparison.save_choice()
