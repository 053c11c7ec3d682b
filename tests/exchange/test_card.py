"""The card of a model: what the hub reads of it, and what a person does."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs labkit[train]")

from labkit.batch.markup import markdown
from labkit.core.artifacts import write_artifact
from labkit.data.cards.card import CardConfig
from labkit.data.cards.front_matter import refusals, split_card
from labkit.exchange.card import Origin, Source, model_card, sources_of
from tests.hostile import HOSTILE_TEXTS, active_elements
from tests.model.models import tiny

KNOWN = CardConfig(
    pretty_name="Old plays",
    license="cc-by-4.0",
    language=("en",),
    license_text="CC BY 4.0, of their editors.",
    known_problems=("Spelling varies.",),
)


def origin(**changes) -> Origin:
    given = {
        "name": "plays-0123",
        "step": 24,
        "num_tokens": 1_536,
        "seed": 3,
        "plan_hash": "f" * 16,
        "changes": {"model.d_model": 24},
        "sources": [Source("plays", 0.75, KNOWN), Source("the shards x", 0.25, None)],
    }
    return Origin(**given | changes)


def card_of(**changes) -> str:
    return model_card(tiny(positions="rope", token_shift=True), 12_345, origin(**changes))


def test_the_hub_reads_its_head():
    head, _ = split_card(card_of(), "card")
    assert head == {
        "license": "unknown",
        "language": ["en"],
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["labkit"],
    }
    assert refusals(head) == []


def test_it_says_data_licence_leaks_plan_and_how_to_open_it():
    text = card_of(leak_check="leak check: 0.0% of 8 held-out documents")
    for said in (
        "12,345 parameters: 2 layers of 24",
        "on 1,536 tokens, seed 3",
        "- 75% of the tokens: plays (Old plays). Licence: CC BY 4.0, of their editors.",
        "  - Spelling varies.",
        "- 25% of the tokens: the shards x. There is no data card of it",
        "Leak check: 0.0% of 8 held-out documents.",
        "Step 24 of plan `ffffffffffffffff`",
        r"| model.d\_model | 24 |",
        "has no class with head_dim=10, token_shift=True",
        "from_pretrained(FOLDER, trust_remote_code=True)",
    ):
        assert said in text, said
    llama = tiny(positions="rope", norm="rmsnorm", feed_forward="swiglu")
    assert "trust_remote_code" not in model_card(llama, 1, origin())


def test_bits_per_byte_stand_with_their_interval():
    """Bits per byte of 2 at 4 nats per token: the interval is half that of the loss."""
    found = {"loss": 4.0, "low": 3.9, "high": 4.2, "bits_per_byte": 2.0, "num_windows": 20}
    text = card_of(validation=found)
    assert "| bits per byte | 2.0000 | 1.9500 to 2.1000 |" in text
    assert "| loss, nats per token | 4.0000 | 3.9000 to 4.2000 |" in text
    assert "On 20 held-out windows" in text
    assert "bits per byte |" not in card_of(validation=found | {"bits_per_byte": None})
    assert "Not measured at this step." in card_of()
    assert "was not checked" in card_of()


def test_names_from_the_data_stay_inert():
    sources = [
        Source(text, 0.1, KNOWN.model_copy(update={"pretty_name": text})) for text in HOSTILE_TEXTS
    ]
    text = card_of(name=HOSTILE_TEXTS[0], sources=sources, changes={HOSTILE_TEXTS[1]: "x"})
    assert active_elements(markdown(split_card(text, "card")[1])) == []


def test_sources_are_the_corpora_that_shards_name(tmp_path):
    for name, inputs in (("a", {"shakespeare": "f0"}), ("b", {}), ("c", {"old.jsonl": "f1"})):
        given = {"tokenizer": "t", "documents": "d", **inputs}
        with write_artifact(tmp_path / name, inputs=given) as folder:
            (folder / "shards.json").write_text("{}")
    shards = {"a": 2.0, "b": 1.0, "c": 0.5, "gone": 0.5}
    found = sources_of(shards, {name: tmp_path / name for name in shards})
    assert [source.name for source in found] == [
        "shakespeare",
        "the shards b",
        "old.jsonl",
        "the shards gone",
    ]
    assert [source.share for source in found] == [0.5, 0.25, 0.125, 0.125]
    cards = [source.card for source in found]
    assert cards[1:] == [None] * 3
    assert cards[0]
    assert cards[0].pretty_name.startswith("Shakespeare")
    assert cards[0].language == ("en",)
