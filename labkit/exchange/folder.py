"""A trained model as a folder in Hugging Face's layout: what every later room takes and gives.

config.json                what opens it, with labkit's own config under the key `labkit`
model.safetensors          weights in fp32, or parts of at most 5 GB with an index
tokenizer.json             and the two files that `AutoTokenizer` reads beside it
generation_config.json     which ids begin and end a text
modeling_labkit.py         where `transformers` has no class for the model, and this file has it
README.md                  the model card; yours to edit
manifest.json              SHA-256 of every file but the card, written last
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from labkit.core import artifacts, disk
from labkit.core.errors import LabError
from labkit.exchange.config_json import (
    MODELING,
    generation_config,
    read_labkit_config,
    what_the_file_lacks,
    write_config_json,
)
from labkit.exchange.gguf_files import SUFFIX, read_gguf
from labkit.exchange.huggingface import Weight, from_huggingface, from_labkit, outgoing
from labkit.exchange.huggingface_families import family_of
from labkit.exchange.tokenizer_files import TOKENIZER, read_tokenizer, tokenizer_files
from labkit.exchange.trained_model import TrainedModel
from labkit.exchange.weight_files import PART_BYTES, read_weights, write_weights
from labkit.model.config import ModelConfig
from labkit.tokens.tokenizer import Tokenizer

CONFIG, GENERATION, CARD = "config.json", "generation_config.json", artifacts.CARD[0]
KEPT = (TOKENIZER, "tokenizer_config.json", "special_tokens_map.json", GENERATION)
"""Files that an import takes over as they are."""


class Outgoing(NamedTuple):
    """A model on its way into a folder: its config, its parameters by name, and its other files."""

    config: ModelConfig
    weight: Weight
    end_of_text: int | None
    files: Mapping[str, bytes]
    card: str


def outgoing_model(
    config: ModelConfig, weight: Weight, tokenizer: Tokenizer, card: str
) -> Outgoing:
    """A model of ours with all files that its folder needs."""
    end_of_text = tokenizer.end_of_text
    files = tokenizer_files(tokenizer, config.context_length)
    files |= {GENERATION: _json(generation_config(end_of_text))}
    return Outgoing(config, weight, end_of_text, files, card)


def models_folder() -> Path:
    return artifacts.home() / "models"


def write_model(
    folder: Path,
    model: Outgoing,
    *,
    inputs: Mapping[str, str] | None = None,
    seed: int | None = None,
    part_bytes: int = PART_BYTES,
) -> Path:
    """Write the folder, whole or not at all; a card that is there is left as it is.

    Raises:
        LabError: the folder holds something already, or the disk is full.
    """
    refuse_occupied(folder)
    writing = artifacts.write_artifact(
        folder, config=model.config, inputs=inputs, seed=seed, packages=("torch", "safetensors")
    )
    with writing as temporary:
        disk.write_json(temporary / CONFIG, write_config_json(model.config, model.end_of_text))
        if family_of(model.config) is None and not what_the_file_lacks(model.config):
            source = Path(__file__).with_name(MODELING)
            disk.write_file(temporary / MODELING, source.read_bytes())
        for name, content in model.files.items():
            disk.write_file(temporary / name, content)
        write_weights(temporary, outgoing(model.config, model.weight), part_bytes)
    put_card(folder, model.card)
    return folder


def put_card(folder: Path, card: str) -> None:
    """Write the card where there is none; it is outside the manifest, so that it can be edited."""
    if card and not (folder / CARD).is_file():
        disk.write_file(folder / CARD, card.encode())


def refuse_occupied(folder: Path) -> None:
    """Raises LabError where a folder holds anything, which would be removed."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LabError(f"{folder} is there already and not empty; give another name, or remove it")


def read_model(folder: str | Path) -> TrainedModel:
    """The model of a folder that labkit or `transformers` wrote.

    Raises:
        DamagedArtifact: a file differs from the manifest.
        LabError: a file is missing, unreadable or a pickle; or the model has no equal here.
    """
    folder = Path(folder).expanduser()
    config_json = read_config_json(folder)
    if artifacts.exists(folder):
        artifacts.read_manifest(folder)
    config, state = read_labkit_config(config_json), read_weights(folder)
    if config is None:
        model = from_huggingface(config_json, state)
    else:
        model = from_labkit(config, state, config_json.get("model_type"))
    tokenizer = read_tokenizer(folder)
    return TrainedModel(folder.name, model, tokenizer, end_of_text(folder, config_json, tokenizer))


def import_model(folder: str | Path, name: str | None = None) -> Path:
    """A model folder from anywhere, or a GGUF file, as an artefact of the lab: `models/<name>`.

    Raises:
        LabError: what `read_model` or `read_gguf` refuses, or the name is taken.
    """
    folder = Path(folder).expanduser()
    is_gguf = folder.suffix == SUFFIX
    called = name or (folder.stem if is_gguf else folder.resolve().name)
    target = models_folder() / disk.slug(called)
    refuse_occupied(target)
    found = read_gguf(folder) if is_gguf else read_model(folder)
    weights: dict[str, torch.Tensor] = dict(found.model.named_parameters())
    made = outgoing_model(
        found.config, lambda one: weights[one].detach(), found.tokenizer, _card_of(folder)
    )
    kept = {one: (folder / one).read_bytes() for one in _there(folder, KEPT)}
    before = artifacts.read_manifest(folder, verify=False) if artifacts.exists(folder) else None
    return write_model(
        target,
        made._replace(end_of_text=found.end_of_text, files={**made.files, **kept}),
        inputs=before.inputs if before else {},
        seed=before.seed if before else None,
    )


def read_config_json(folder: Path) -> dict[str, Any]:
    """config.json of a model folder.

    Raises:
        LabError: there is no such folder or file, or it is no JSON object.
    """
    if not folder.is_dir():
        raise LabError(f"{folder}: no such folder; give one with {CONFIG} and model.safetensors")
    config_json = disk.read_json(folder / CONFIG)
    if not isinstance(config_json, dict):
        raise LabError(f"{folder}: no {CONFIG} of a model; a model folder has one")
    return config_json


def end_of_text(folder: Path, config_json: Mapping[str, Any], tokenizer: Tokenizer) -> int | None:
    """The first id that ends a text, as the folder's files say, else as the tokenizer does."""
    generation = disk.read_json(folder / GENERATION) or {}
    for said in (generation.get("eos_token_id"), config_json.get("eos_token_id")):
        first = said[0] if isinstance(said, list) and said else said
        if isinstance(first, int):
            return first
    return tokenizer.end_of_text


def _card_of(folder: Path) -> str:
    path = folder / CARD
    return path.read_text("utf-8", "replace") if path.is_file() else f"# {folder.name}\n"


def _there(folder: Path, names: Iterable[str]) -> list[str]:
    return [name for name in names if (folder / name).is_file()]


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"
