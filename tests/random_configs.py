"""Seeded random valid configs of any type, drawn from its faces: for laws that hold for all."""

from __future__ import annotations

import math
import random
import string
from collections.abc import Iterator
from typing import Any, TypeVar

from labkit.core.config import Config, ConfigError, validate
from labkit.core.schema import FieldFace, faces

C = TypeVar("C", bound=Config)
MAX_TRIES = 2000
LETTERS = string.ascii_letters + string.digits + " _-.:/'\"\\<>&{}%#,;\n\t中文éß😀"


def random_configs(config_type: type[C], count: int, seed: int = 0) -> Iterator[C]:
    """`count` configs: a preset for each group that has some, then a few fields changed.

    Draws that a rule between fields refuses are drawn again.
    """
    rng = random.Random(seed)
    for _ in range(count):
        yield _draw(config_type, rng)


def _draw(config_type: type[C], rng: random.Random) -> C:
    for _ in range(MAX_TRIES):
        data = _start(config_type, rng).model_dump()
        leaves = [face for face in faces(config_type) if _is_free(face, config_type)]
        for face in rng.sample(leaves, rng.randint(0, min(6, len(leaves)))):
            *groups, leaf = face.name.split(".")
            target = data
            for group in groups:
                target = target[group]
            target[leaf] = random_value(face, rng)
        try:
            return validate(config_type, data)
        except ConfigError:
            continue
    raise AssertionError(f"no valid {config_type.__name__} in {MAX_TRIES} draws")


def random_value(face: FieldFace, rng: random.Random) -> Any:
    if face.optional and rng.random() < 0.3:
        return None
    if face.kind == "bool":
        return rng.random() < 0.5
    if face.kind == "choice":
        return rng.choice(face.choices)
    if face.kind == "text":
        return "x" + "".join(rng.choice(LETTERS) for _ in range(rng.randint(0, 20)))
    if face.kind == "mapping":
        return {
            f"k{i}": rng.choice([rng.random(), i, "<b>", True]) for i in range(rng.randint(0, 3))
        }
    return _number(face, rng)


def _number(face: FieldFace, rng: random.Random) -> int | float:
    low = face.lower if face.lower is not None else -1e6
    high = face.upper if face.upper is not None else max(1e6, 10 * abs(low))
    if face.scale == "log" or high > 1000 * max(low, 1):
        floor = max(low, min(1.0, high / 1e9))
        value = math.exp(rng.uniform(math.log(floor), math.log(high)))
    else:
        value = rng.uniform(low, high)
    if face.kind == "int":
        return min(max(round(value), math.ceil(low)), math.floor(high))
    return min(max(rng.choice([value, float(f"{value:.3g}")]), low), high)


def _start(config_type: type[Config], rng: random.Random) -> Config:
    names = {face.name: face for face in faces(config_type)}
    start: dict[str, Any] = {}
    for name, info in config_type.model_fields.items():
        if isinstance(info.default, Config) and info.default.preset_field:
            start[name] = rng.choice(names[name].choices)
    if config_type.preset_field:
        return config_type.from_preset(rng.choice(names[config_type.preset_field].choices))
    return config_type.model_validate(config_type().model_dump() | start)


def _is_free(face: FieldFace, config_type: type[Config]) -> bool:
    """Whether the field is drawn on its own: presets are chosen first and set others."""
    *groups, leaf = face.name.split(".")
    owner: Any = config_type
    for group in groups:
        owner = owner.model_fields[group].default.__class__
    if leaf == owner.preset_field:
        return False
    return not (leaf in owner.model_fields and isinstance(owner.model_fields[leaf].default, Config))
