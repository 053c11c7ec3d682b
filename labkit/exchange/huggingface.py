"""Which tensors a file has for a model, under the names that `transformers` gives them.

GPT-2, Llama and Qwen3 are known by their config.json and tensors; `transformers` itself is not
needed. Any other model keeps labkit's own names, which `modeling_labkit.py` reads. What a foreign
folder has and our model can't express is refused by name. A bias that their class always has and
our model has not is written as zeros: the same function. Weights come in as fp32, which holds fp16
and bf16 exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch

from labkit.core.config import validate
from labkit.core.errors import LabError
from labkit.exchange.huggingface_families import FAMILIES, Family, Json, family_of
from labkit.model.config import ModelConfig
from labkit.model.transformer import Transformer
from labkit.model.weights import all_weights

Tensors = Mapping[str, torch.Tensor]
Weight = Callable[[str], torch.Tensor]
"""Gives one of our parameters, whole, by its name."""


class Stored(NamedTuple):
    """A tensor of a file: ours stacked along their rows, then transposed where theirs is."""

    name: str
    ours: tuple[str, ...]
    is_transposed: bool = False


def stored_tensors(config: ModelConfig) -> list[Stored]:
    """What a file holds of a model of this config, in the order in which it is written."""
    kind = family_of(config)
    if kind is not None:
        return list(_of_family(FAMILIES[kind], config))
    return [Stored(name, (name,)) for name in _shapes(config)]


def outgoing(config: ModelConfig, weight: Weight) -> Iterator[tuple[str, torch.Tensor]]:
    """(name, tensor) of each stored tensor, one at a time."""
    shapes = _shapes(config)
    for name, ours, is_transposed in stored_tensors(config):
        parts = [_weight_or_zeros(weight, one, shapes) for one in ours]
        tensor = torch.cat(parts) if len(parts) > 1 else parts[0]
        yield name, (tensor.T if is_transposed else tensor).contiguous()


def from_labkit(config: ModelConfig, state: Tensors) -> Transformer:
    """The model of a config whose tensors `outgoing` wrote, bit for bit.

    Raises:
        LabError: a tensor missing, unknown or of another shape, or a bias that this config has not
            and that is no longer zero.
    """
    kind = family_of(config)
    given = _named_as_expected(FAMILIES[kind], config, state) if kind else state
    return _filled(config, stored_tensors(config), given)


def from_huggingface(config_json: Json, state: Tensors) -> Transformer:
    """The model that a config.json of `transformers` and its tensors describe.

    Raises:
        LabError: what has no equal here: rope scaling, sliding windows, another activation, a
            family other than these; a tensor missing, unknown or of another shape.
    """
    kind = config_json.get("model_type")
    if kind not in FAMILIES:
        raise LabError(f"model_type={kind!r} is not known here; known: {', '.join(FAMILIES)}")
    family = FAMILIES[kind]
    config = validate(ModelConfig, family.read(config_json))
    given = _named_as_expected(family, config, state)
    return _filled(config, list(_of_family(family, config)), given)


def with_weights(config: ModelConfig, weight: Weight) -> Transformer:
    """A model that takes the given tensors as its parameters; nothing is initialised first."""
    with torch.device("meta"):
        model = Transformer(config)
    shapes = _shapes(config)
    model.load_state_dict({name: weight(name) for name in shapes}, strict=False, assign=True)
    if config.tie_embeddings:
        model.head.weight = model.embedding.weight
    return model


def _shapes(config: ModelConfig) -> dict[str, torch.Size]:
    """Of our parameters by name, a shared one once."""
    return {weight.name: torch.Size(weight.shape) for weight in all_weights(config)}


def _of_family(family: Family, config: ModelConfig) -> Iterator[Stored]:
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
        yield Stored(f"{theirs}.weight", weights, is_matrix and family.is_transposed)
        if family.has_bias(config, ours[0]):
            yield Stored(f"{theirs}.bias", tuple(f"{name}.bias" for name in ours))
    if not config.tie_embeddings:
        yield Stored("lm_head.weight", ("head.weight",))


def _filled(config: ModelConfig, stored: list[Stored], given: Tensors) -> Transformer:
    _refuse_misfits({one.name for one in stored}, given)
    shapes = _shapes(config)
    ours: dict[str, torch.Tensor] = {}
    for one in stored:
        ours |= _parts(one, given[one.name], shapes)
    return with_weights(config, ours.__getitem__)


def _parts(
    stored: Stored, theirs: torch.Tensor, shapes: Mapping[str, torch.Size]
) -> dict[str, torch.Tensor]:
    """Our tensors that one of theirs holds."""
    expected = [_shape_or_bias(name, shapes) for name in stored.ours]
    tensor = theirs.T if stored.is_transposed else theirs
    shape = (sum(each[0] for each in expected), *expected[0][1:])
    if tensor.shape != shape or not tensor.is_floating_point():
        raise LabError(
            f"{stored.name} is {theirs.dtype} of shape {tuple(theirs.shape)}; config.json asks for "
            f"floats of shape {shape[::-1] if stored.is_transposed else shape}"
        )
    found: dict[str, torch.Tensor] = {}
    parts = tensor.split([each[0] for each in expected])
    for name, part in zip(stored.ours, parts, strict=True):
        if name in shapes:
            found[name] = part.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
        elif part.any():
            raise LabError(
                f"{stored.name} is not zero, and the model of the key 'labkit' in config.json has "
                "no such bias: it was trained elsewhere since; remove that key to import it with "
                "its biases"
            )
    return found


def _named_as_expected(family: Family, config: ModelConfig, state: Tensors) -> Tensors:
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
    return given


def _refuse_misfits(expected: set[str], given: Tensors) -> None:
    missing, unknown = sorted(expected - given.keys()), sorted(given.keys() - expected)
    if missing or unknown:
        raise LabError(
            f"tensors don't fit config.json: missing {missing[:4] or 'none'} ({len(missing)}), "
            f"unknown {unknown[:4] or 'none'} ({len(unknown)}); check that both are of one model"
        )


def _weight_or_zeros(weight: Weight, name: str, shapes: Mapping[str, torch.Size]) -> torch.Tensor:
    return weight(name) if name in shapes else torch.zeros(_shape_or_bias(name, shapes))


def _shape_or_bias(name: str, shapes: Mapping[str, torch.Size]) -> torch.Size:
    """Of a parameter, or of the bias that one of our weights would have."""
    return shapes[name] if name in shapes else shapes[name.removesuffix("bias") + "weight"][:1]
