"""Which tensors a file has for a model, under the names that `transformers` gives them.

A family of `families/` is known by its config.json and tensors; `transformers` itself is not
needed. Any other model keeps labkit's own names, which `modeling_labkit.py` reads. What a foreign
folder has and our model can't express is refused by name. A bias that their class always has and
our model has not is written as zeros: the same function. Weights come in as fp32, which holds fp16
and bf16 exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch

from labkit.core.errors import LabError
from labkit.exchange.families.family import Family, Json
from labkit.exchange.huggingface_families import (
    FAMILIES,
    as_their_class_has_it,
    family_of,
    read_config,
)
from labkit.model.config import ModelConfig
from labkit.model.transformer import Transformer
from labkit.model.weights import all_weights

Tensors = Mapping[str, torch.Tensor]
Weight = Callable[[str], torch.Tensor]
"""Gives one of our parameters, whole, by its name."""


class Stored(NamedTuple):
    """A tensor of a file: ours stacked along their rows, then transposed where theirs is.

    With `groups` the rows of ours alternate, so many of each at a time; with an `expert` the
    tensor is that expert's alone.
    """

    name: str
    ours: tuple[str, ...]
    is_transposed: bool = False
    groups: int = 1
    expert: int | None = None


def stored_tensors(config: ModelConfig) -> list[Stored]:
    """What a file holds of a model of this config, in the order in which it is written."""
    return _stored(family_of(config), config)


def outgoing(config: ModelConfig, weight: Weight) -> Iterator[tuple[str, torch.Tensor]]:
    """(name, tensor) of each stored tensor, one at a time."""
    shapes = _shapes(config)
    for stored in stored_tensors(config):
        parts = [_weight_or_zeros(weight, one, shapes) for one in stored.ours]
        if stored.expert is not None:
            parts = [part[stored.expert] for part in parts]
        tensor = parts[0]
        if len(parts) > 1:
            grouped = [part.unflatten(0, (stored.groups, -1)) for part in parts]
            tensor = torch.cat(grouped, dim=1).flatten(0, 1)
        yield stored.name, (tensor.T if stored.is_transposed else tensor).contiguous()


def from_labkit(config: ModelConfig, state: Tensors, kind: str | None = None) -> Transformer:
    """The model of a config whose tensors `outgoing` wrote, bit for bit.

    Args:
        kind: the family that the file was written for, where another would be chosen today.

    Raises:
        LabError: a tensor missing, unknown or of another shape, or a bias that this config has not
            and that is no longer zero.
    """
    kind = kind or family_of(config)
    given = _named_as_expected(FAMILIES[kind], config, state) if kind in FAMILIES else state
    return _filled(config, _stored(kind, config), given)


def from_huggingface(config_json: Json, state: Tensors) -> Transformer:
    """The model that a config.json of `transformers` and its tensors describe.

    Raises:
        LabError: what has no equal here: another activation or scaling of RoPE, a family other
            than these; a tensor missing, unknown or of another shape.
    """
    config = read_config(config_json)
    kind = config_json["model_type"]
    given = _named_as_expected(FAMILIES[kind], config, state)
    return _filled(config, _stored(kind, config), given)


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


def _stored(kind: str | None, config: ModelConfig) -> list[Stored]:
    if kind not in FAMILIES:
        return [Stored(name, (name,)) for name in _shapes(config)]
    return list(_of_family(FAMILIES[kind], as_their_class_has_it(kind, config) or config))


def _of_family(family: Family, config: ModelConfig) -> Iterator[Stored]:
    """The tensors that their class has for a config that it can express."""
    shapes = _shapes(config)
    for theirs, ours in family.outside.items():
        yield from _module(theirs, ours, shapes)
    for layer in range(config.num_layers):
        prefix, own = family.layer_prefix.format(layer), f"blocks.{layer}."
        yield from _experts(family, config, prefix, own)
        for theirs, ours in family.layer(config).items():
            names = tuple(f"{own}{name}" for name in ours)
            for stored in _module(prefix + theirs, names, shapes):
                is_matrix = len(shapes[stored.ours[0]]) == 2
                yield stored._replace(
                    is_transposed=is_matrix and family.is_transposed,
                    groups=family.groups(config) if len(ours) > 1 else 1,
                )
    if not config.tie_embeddings:
        yield Stored(f"{family.head}.weight", ("head.weight",))
    if config.head_bias:
        yield Stored(f"{family.head}.bias", ("head.bias",))


def _experts(family: Family, config: ModelConfig, prefix: str, own: str) -> Iterator[Stored]:
    """A tensor for each expert where we have a stack."""
    for expert in range(config.num_experts or 0):
        for theirs, ours in (family.experts or {}).items():
            names = tuple(f"{own}{name}.weight" for name in ours)
            yield Stored(f"{prefix}{theirs.format(expert)}.weight", names, expert=expert)


def _module(
    theirs: str, ours: tuple[str, ...], shapes: Mapping[str, torch.Size]
) -> Iterator[Stored]:
    """Weight and bias of one of their modules, where the config has them."""
    for kind in ("weight", "bias"):
        names = tuple(f"{name}.{kind}" for name in ours)
        if names[0] in shapes:
            yield Stored(f"{theirs}.{kind}", names)


def _filled(config: ModelConfig, stored: list[Stored], given: Tensors) -> Transformer:
    _refuse_misfits({one.name for one in stored}, given)
    shapes = _shapes(config)
    ours: dict[str, torch.Tensor] = {}
    for one in stored:
        for name, part in _parts(one, given[one.name], shapes):
            if one.expert is None:
                ours[name] = part
                continue
            stack = ours.setdefault(name, torch.empty(shapes[name]))
            stack[one.expert] = part
    return with_weights(config, ours.__getitem__)


def _parts(
    stored: Stored, theirs: torch.Tensor, shapes: Mapping[str, torch.Size]
) -> Iterator[tuple[str, torch.Tensor]]:
    """Our tensors that one of theirs holds."""
    expected = [_shape_or_bias(name, shapes) for name in stored.ours]
    if stored.expert is not None:
        expected = [each[1:] for each in expected]
    tensor = theirs.T if stored.is_transposed else theirs
    shape = (sum(each[0] for each in expected), *expected[0][1:])
    if tensor.shape != shape or not tensor.is_floating_point():
        raise LabError(
            f"{stored.name} is {theirs.dtype} of shape {tuple(theirs.shape)}; config.json asks for "
            f"floats of shape {shape[::-1] if stored.is_transposed else shape}"
        )
    grouped = tensor.unflatten(0, (stored.groups, -1))
    rows = [each[0] // stored.groups for each in expected]
    for name, group in zip(stored.ours, grouped.split(rows, dim=1), strict=True):
        part = group.flatten(0, 1)
        if name in shapes:
            yield name, part.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
        elif part.any():
            raise LabError(
                f"{stored.name} is not zero, and the model of the key 'labkit' in config.json has "
                "no such bias: it was trained elsewhere since; remove that key to import it with "
                "its biases"
            )


def _named_as_expected(family: Family, config: ModelConfig, state: Tensors) -> Tensors:
    """Without masks that old files store; with the prefix that files of a bare body lack."""
    given = {name: tensor for name, tensor in state.items() if not name.endswith(family.masks)}
    if family.bare_prefix and not any(name.startswith(family.bare_prefix) for name in given):
        given = {
            name if name.startswith(f"{family.head}.") else family.bare_prefix + name: tensor
            for name, tensor in given.items()
        }
    embedding = next(iter(family.outside)) + ".weight"
    head = f"{family.head}.weight"
    if config.tie_embeddings and head in given and embedding in given:
        if not torch.equal(given[head], given[embedding]):
            raise LabError(
                f"tie_word_embeddings is true, but {head} differs from {embedding}; set it to false"
            )
        del given[head]
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
