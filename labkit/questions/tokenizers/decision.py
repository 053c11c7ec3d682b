"""What notebook 20 hands on: the tokenizer, and the shards of each side with their certificate."""

from __future__ import annotations

from pathlib import Path

from labkit.comparison.tokenizers import TokenizerComparison
from labkit.core import artifacts
from labkit.core.records.decision import NOTEBOOKS, Decision, record_decision
from labkit.questions.tokenizers.tables import all_measures, split_table

NOTEBOOK = NOTEBOOKS["20"]


def record_tokenizer(comparison: TokenizerComparison) -> Path:
    """Save tokenizer and shards, write the decision and its `result.json`."""
    config = comparison.config
    folder, shards = comparison.save_choice()
    home = artifacts.home()
    chosen = comparison.tokenizers[config.choice]
    sample = comparison.samples[0]
    measures = all_measures(comparison)
    found = measures[config.choice, sample.corpus, sample.source]
    shard_hashes = {
        side: artifacts.read_manifest(path, verify=False).content_hash
        for side, path in shards.items()
    }
    decision = Decision(
        notebook=NOTEBOOK,
        question="Which tokenizer turns this text into ids?",
        choice=f"{config.choice} with {chosen.vocab_size:,} ids: "
        f"{found.bytes_per_token.estimate:.2f} bytes per token on {sample.corpus}: {sample.source}",
        artifact=folder.relative_to(home).as_posix(),
        artifact_hash=chosen.fingerprint,
        corpus_hash=config.inputs()[config.corpus],
        reads=comparison.reads,
        alternatives=[name for name in comparison.tokenizers if name != config.choice],
        evidence={
            "shards": {side: path.relative_to(home).as_posix() for side, path in shards.items()},
            "shard_hashes": shard_hashes,
            "leak_check": comparison.certificates["validation"].summary,
        },
        scope="sequence lengths and losses of text; no model was trained",
    )
    result = {
        "config": config.model_dump(mode="json"),
        "tokenizers": {name: one.fingerprint for name, one in comparison.tokenizers.items()},
        "shards": shard_hashes,
        "split": split_table(comparison).to_pylist(),
        "measures": [
            {
                "tokenizer": name,
                "corpus": corpus,
                "source": source,
                "bytes_per_token": list(one.bytes_per_token),
                "tokens_per_word": list(one.tokens_per_word),
                "unknown_rate": list(one.unknown_rate),
                "round_trip_failures": one.num_round_trip_failures,
            }
            for (name, corpus, source), one in measures.items()
        ],
    }
    return record_decision(decision, config, result)
