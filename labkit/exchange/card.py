"""The card of a trained model: README.md in Hugging Face's format, made from its record.

Data with licences and leak check, plan, bits per byte with their interval, and what the model is
not for. Nobody has said which licence the weights have: that of its texts does not decide it, so
the head says `unknown` until its owner edits it. The format:
https://huggingface.co/docs/hub/model-cards, read November 2026.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from labkit.core import artifacts
from labkit.core.errors import LabError
from labkit.data.cards.card import CardConfig, languages_of
from labkit.data.cards.curated_card import card_of_source
from labkit.data.cards.figures import inert
from labkit.data.cards.front_matter import is_language, join_card
from labkit.data.corpora import CORPORA
from labkit.data.readers import corpus_name
from labkit.exchange.config_json import what_the_file_lacks
from labkit.exchange.huggingface_families import what_is_beyond
from labkit.model.config import ModelConfig

NOT_OF_A_CORPUS = frozenset(("tokenizer", "documents"))
"""Inputs that the manifest of shards names beside the corpus."""


class Source(NamedTuple):
    """A corpus that was trained on; `card` is None where nothing is known of it."""

    name: str
    share: float
    card: CardConfig | None


@dataclass(frozen=True)
class Origin:
    """Where a model comes from, as far as its record tells."""

    name: str
    step: int
    num_tokens: int
    seed: int
    plan_hash: str
    changes: Mapping[str, Any]
    """Fields of the plan that differ from the default plan."""
    sources: Sequence[Source]
    leak_check: str = ""
    validation: Mapping[str, Any] = field(default_factory=dict)
    """Loss in nats per token with its interval; empty where it was not measured."""


def sources_of(shards: Mapping[str, float], folders: Mapping[str, Path]) -> list[Source]:
    """The corpora behind folders of shards -> weight, with what is known of each."""
    total = sum(shards.values())
    return [
        source
        for name, weight in shards.items()
        for source in _sources(name, folders[name], weight / total)
    ]


def model_card(config: ModelConfig, num_parameters: int, origin: Origin) -> str:
    """The README of the model, front matter first."""
    cards = [source.card for source in origin.sources if source.card]
    languages = sorted({code for card in cards for code in card.language if is_language(code)})
    head = {
        "license": "unknown",
        "language": languages,
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["labkit"],
    }
    parts = [
        f"# {inert(origin.name)}",
        f"A language model of {num_parameters:,} parameters: {config.num_layers} layers of "
        f"{config.d_model}, {config.context_length:,} tokens of context. Trained from scratch by "
        f"labkit on {origin.num_tokens:,} tokens, seed {origin.seed}.",
        *("## How to open it", _how_to_open(config)),
        *("## What it was trained on", _data(origin)),
        *("## How well it predicts", _quality(origin)),
        *("## How it was trained", _plan(origin)),
        *("## What it is not for", NOT_FOR),
        *("## Licence", LICENCE),
    ]
    return join_card({name: value for name, value in head.items() if value}, "\n\n".join(parts))


NOT_FOR = (
    "It continues text in the manner of its training data, and knows nothing else. It does not "
    "follow instructions, was not taught to refuse anything, and what it states is not to be "
    "relied on. It can repeat passages of its training data. Its loss was measured on held-out "
    "text of the same corpus alone: on other text, languages or tasks it was not evaluated."
)
LICENCE = (
    "Nobody has said yet under which licence these weights are. Say it in the head of this card "
    "(`license:`) before you publish them; the licences of the texts are above.\n"
)


def _how_to_open(config: ModelConfig) -> str:
    code = (
        "```python\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        "model = AutoModelForCausalLM.from_pretrained(FOLDER{flag})\n"
        "tokenizer = AutoTokenizer.from_pretrained(FOLDER{flag})\n"
        "```"
    )
    beyond = what_is_beyond(config)
    if beyond and (lacking := what_the_file_lacks(config)):
        return (
            "labkit opens it, by `lab.load_model(FOLDER)`; `transformers` can't: it has no class "
            f"with {lacking}."
        )
    why = (
        f"`transformers` has no class with {beyond}, so the folder brings its own, "
        "`modeling_labkit.py`, which you allow with `trust_remote_code=True`.\n\n"
    )
    end = (
        "\n\n`<|endoftext|>` within a text is read as text; give the tokenizer "
        "`split_special_tokens=False` where it should end one."
    )
    if not beyond:
        return code.replace("{flag}", "") + end
    return why + code.replace("{flag}", ", trust_remote_code=True") + end


def _data(origin: Origin) -> str:
    lines = [_source_line(source) for source in origin.sources]
    leak = f"{origin.leak_check.capitalize()}." if origin.leak_check else NO_CERTIFICATE
    return "\n".join([*lines, "", leak])


NO_CERTIFICATE = "Whether held-out text is in the training text was not checked."


def _source_line(source: Source) -> str:
    start = f"- {source.share:.0%} of the tokens: {inert(source.name)}"
    if source.card is None:
        return f"{start}. There is no data card of it, so its licence is unknown."
    card = source.card
    licence = inert(card.license_text or card.license_name or card.license, limit=None)
    problems = "".join(f"\n  - {inert(one, limit=None)}" for one in card.known_problems)
    known = f" Known problems:{problems}" if problems else ""
    return f"{start} ({inert(card.pretty_name)}). Licence: {licence.removesuffix('.')}.{known}"


def _quality(origin: Origin) -> str:
    found = origin.validation
    if not found or found["loss"] is None:
        return "Not measured at this step."
    rows = [["loss, nats per token", found["loss"], found["low"], found["high"]]]
    if bits := found.get("bits_per_byte"):
        scale = bits / found["loss"]
        interval = [found[end] * scale for end in ("low", "high")]
        rows.insert(0, ["bits per byte", bits, *interval])
    lines = [["measure", "value", "95% interval"], ["---"] * 3]
    lines += [[name, f"{value:.4f}", f"{low:.4f} to {high:.4f}"] for name, value, low, high in rows]
    return (
        "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        + f"\n\nOn {found['num_windows']} held-out windows. The interval is over windows: it says "
        "nothing of another seed, and is too narrow where the windows are of few documents."
    )


def _plan(origin: Origin) -> str:
    rows = "\n".join(
        f"| {inert(name)} | {inert(json.dumps(value, ensure_ascii=False), limit=None)} |"
        for name, value in origin.changes.items()
    )
    return (
        f"Step {origin.step:,} of plan `{origin.plan_hash}`. Its fields that differ from labkit's "
        f"default plan:\n\n| field | value |\n| --- | --- |\n{rows}"
    )


def _sources(name: str, folder: Path, share: float) -> list[Source]:
    """The corpora that the manifest of shards names; else the shards themselves."""
    found: set[str] = set()
    if artifacts.exists(folder):
        found = {*artifacts.read_manifest(folder, verify=False).inputs} - NOT_OF_A_CORPUS
    if not found:
        return [Source(f"the shards {name}", share, None)]
    return [Source(corpus_name(corpus), share, _known(corpus)) for corpus in sorted(found)]


def _known(corpus: str) -> CardConfig | None:
    try:
        card = card_of_source(corpus)
    except LabError:  # a card that can't be read tells nothing
        return None
    if card and not card.language and corpus in CORPORA:
        languages = languages_of({"languages": [CORPORA[corpus].language]})
        return card.model_copy(update={"language": tuple(languages)})
    return card
