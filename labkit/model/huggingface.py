"""Models from and for `transformers`: GPT-2, Llama and Qwen3, by their config.json and tensors.

`transformers` itself is not needed. What one side can't express is refused by name. A bias that
their class always has and our model has not is written as zeros: the same function. Dropout is
part of training: their Llama and Qwen3 drop attention's weights alone, so 0 is written for them.
Weights come in as fp32, which holds fp16 and bf16 exactly.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from labkit.core.config import validate
from labkit.core.disk import write_file, write_json
from labkit.core.errors import LabError
from labkit.model.config import ModelConfig
from labkit.model.huggingface_families import FAMILIES, Family, Json, family_of
from labkit.model.transformer import Transformer

Tensors = Mapping[str, torch.Tensor]


def from_huggingface(config_json: Json, state: Tensors) -> Transformer:
    """The model that a config.json and its tensors describe.

    Raises:
        LabError: what has no equal here: rope scaling, sliding windows, another activation, a
            family other than these; a tensor missing, unknown or of another shape.
    """
    kind = config_json.get("model_type")
    if kind not in FAMILIES:
        raise LabError(f"model_type={kind!r} is not known here; known: {', '.join(FAMILIES)}")
    family = FAMILIES[kind]
    config = validate(ModelConfig, family.read(config_json))
    rows = list(_rows(family, config))
    given = _named_as_expected(family, config, state, {theirs for theirs, _, _ in rows})
    model = Transformer(config)
    ours = model.state_dict()
    for theirs, names, is_transposed in rows:
        targets = [ours[name] for name in names]
        tensor = given[theirs].T if is_transposed else given[theirs]
        shape = (sum(target.shape[0] for target in targets), *targets[0].shape[1:])
        if tensor.shape != shape or not tensor.is_floating_point():
            raise LabError(
                f"{theirs} is {given[theirs].dtype} of shape {tuple(given[theirs].shape)}; "
                f"config.json asks for floats of shape {shape[::-1] if is_transposed else shape}"
            )
        for target, part in zip(targets, tensor.split([len(t) for t in targets]), strict=True):
            target.copy_(part)
    return model


def to_huggingface(model: Transformer) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """(config.json, copies of the tensors) that `transformers` gives the same logits for.

    Raises:
        LabError: a choice that none of its families has, such as token_shift.
    """
    kind = family_of(model.config)
    family = FAMILIES[kind]
    ours = model.state_dict()
    state = {}
    for theirs, names, is_transposed in _rows(family, model.config):
        tensor = torch.cat([_weight_or_zeros(ours, name) for name in names])
        state[theirs] = tensor.T.contiguous() if is_transposed else tensor
    config_json = family.write(model.config) | {
        "model_type": kind,
        "architectures": [family.architecture],
        "dtype": str(model.embedding.weight.dtype).removeprefix("torch."),
        "vocab_size": model.config.vocab_size,
        "tie_word_embeddings": model.config.tie_embeddings,
        "bos_token_id": None,
        "eos_token_id": None,
    }
    return config_json, state


def save_huggingface(model: Transformer, folder: str | Path) -> Path:
    """Write model.safetensors, then config.json, for `from_pretrained(folder)`."""
    config_json, state = to_huggingface(model)
    content = safetensors.torch.save(state, metadata={"format": "pt"})
    write_file(Path(folder) / "model.safetensors", content)
    write_json(Path(folder) / "config.json", config_json)
    return Path(folder)


def load_huggingface(folder: str | Path) -> Transformer:
    """The model of a folder with config.json and model.safetensors, whole or in shards.

    Raises:
        LabError: a file missing or unreadable, or what `from_huggingface` refuses.
    """
    folder = Path(folder)
    try:
        config_json = json.loads((folder / "config.json").read_bytes())
        state: dict[str, torch.Tensor] = {}
        for path in sorted(folder.glob("model*.safetensors")):
            state |= safetensors.torch.load_file(path)
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise LabError(f"{folder}: cannot read a model ({error})") from error
    if not isinstance(config_json, dict) or not state:
        raise LabError(f"{folder}: needs config.json and model.safetensors; save both there")
    return from_huggingface(config_json, state)


def _rows(family: Family, config: ModelConfig) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """(their tensor, our tensors stacked in it, whether theirs is transposed)."""
    modules: list[tuple[str, tuple[str, ...], bool]] = [
        (theirs, (ours,), False) for theirs, ours in family.outside.items()
    ]
    for layer in range(config.num_layers):
        for theirs, ours in family.layer.items():
            names = tuple(f"blocks.{layer}.{name}" for name in ours)
            modules.append((family.layer_prefix.format(layer) + theirs, names, True))
    for theirs, ours, is_inside in modules:
        is_matrix = is_inside and not ours[0].endswith("norm")
        weights = tuple(f"{name}.weight" for name in ours)
        yield f"{theirs}.weight", weights, is_matrix and family.is_transposed
        if family.has_bias(config, ours[0]):
            yield f"{theirs}.bias", tuple(f"{name}.bias" for name in ours), False
    if not config.tie_embeddings:
        yield "lm_head.weight", ("head.weight",), False


def _named_as_expected(
    family: Family, config: ModelConfig, state: Tensors, expected: set[str]
) -> dict[str, torch.Tensor]:
    """Without masks that old files store; with the prefix that files of a bare body lack."""
    given = {name: tensor for name, tensor in state.items() if not name.endswith(family.masks)}
    if family.bare_prefix and not any(name.startswith(family.bare_prefix) for name in given):
        given = {
            name if name == "lm_head.weight" else family.bare_prefix + name: tensor
            for name, tensor in given.items()
        }
    embedding = next(iter(family.outside)) + ".weight"
    if config.tie_embeddings and "lm_head.weight" in given and embedding in given:
        if not torch.equal(given["lm_head.weight"], given[embedding]):
            raise LabError(
                f"tie_word_embeddings is true, but lm_head.weight differs from {embedding}; "
                "set it to false"
            )
        del given["lm_head.weight"]
    missing, unknown = sorted(expected - given.keys()), sorted(given.keys() - expected)
    if missing or unknown:
        raise LabError(
            f"tensors don't fit config.json: missing {missing[:4] or 'none'} ({len(missing)}), "
            f"unknown {unknown[:4] or 'none'} ({len(unknown)}); check that both are of one model"
        )
    return given


def _weight_or_zeros(ours: Tensors, name: str) -> torch.Tensor:
    if name in ours:
        return ours[name]
    weight = ours[name.removesuffix("bias") + "weight"]
    return weight.new_zeros(weight.shape[0])
