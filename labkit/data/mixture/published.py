"""What published models were trained on, and your corpus beside them.

A share is the published weight; where none is printed it is tokens x epochs, or bytes x epochs,
over their sum, and the row says so. Shares of tokens and of bytes differ by how well a tokenizer
does on a source (code and Chinese cost more), so compare them in their order of magnitude.
"""

from __future__ import annotations

import csv
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from labkit.core.errors import LabError

Basis = Literal["published weight", "tokens", "bytes"]
OWN = "your corpus"


@dataclass(frozen=True)
class PublishedSource:
    model: str
    source: str
    kind: str
    weight: float | None
    """As printed, 0..1: those of one model may sum to 1.01."""
    num_tokens: int | None
    num_bytes: int | None
    epochs: float | None
    """Passes over the source; None: not published, counted as 1."""
    reference: str
    place: str
    verified: Literal["primary", "secondary"]
    """primary: read in the authors' own file; secondary: in copies of it that agree."""
    as_of: str


@functools.cache
def published_sources() -> tuple[PublishedSource, ...]:
    text = (
        resources.files("labkit.data").joinpath("facts/published_mixtures.csv").read_text("utf-8")
    )
    return tuple(_source(row) for row in csv.DictReader(text.splitlines()))


def published_models() -> list[str]:
    return list(dict.fromkeys(source.model for source in published_sources()))


def sources_of(model: str) -> list[PublishedSource]:
    """The sources of one model.

    Raises:
        LabError: with the models there are.
    """
    found = [source for source in published_sources() if source.model == model]
    if not found:
        raise LabError(f"no published mixture of {model!r}; there are: {published_models()}")
    return found


def published_shares(model: str) -> tuple[dict[str, float], Basis]:
    """Source -> share of the training text, summing to 1, and what it was reckoned from."""
    sources = sources_of(model)
    amounts, basis = _amounts(sources)
    total = math.fsum(amounts)
    return {
        source.source: amount / total for source, amount in zip(sources, amounts, strict=True)
    }, basis


def composition_rows(own: Mapping[str, int] | None = None) -> list[dict[str, Any]]:
    """One row a source, your own corpus first: share, what it is a share of, epochs, reference.

    Args:
        own: source -> bytes of your corpus.
    """
    rows = _own_rows(own) if own else []
    for model in published_models():
        shares, basis = published_shares(model)
        rows += [
            {
                "model": model,
                "source": source.source,
                "kind": source.kind,
                "share": shares[source.source],
                "share of": basis,
                "epochs": source.epochs,
                "reference": f"{source.reference}, {source.place}",
            }
            for source in sources_of(model)
        ]
    return rows


def kind_rows(own: Mapping[str, int] | None = None) -> list[dict[str, Any]]:
    """One row a kind of text, one column a model: what share of its training it was.

    Your sources are kinds by their own names. Models that tell languages only are left out.
    """
    by_model: dict[str, dict[str, float]] = {}
    for row in composition_rows(own):
        kinds = by_model.setdefault(row["model"], {})
        kinds[row["kind"]] = kinds.get(row["kind"], 0.0) + row["share"]
    by_model = {
        model: kinds for model, kinds in by_model.items() if model == OWN or "language" not in kinds
    }
    every = dict.fromkeys(kind for kinds in by_model.values() for kind in kinds)
    return [
        {"kind": kind} | {model: kinds.get(kind) for model, kinds in by_model.items()}
        for kind in every
    ]


def _own_rows(own: Mapping[str, int]) -> list[dict[str, Any]]:
    total = sum(own.values())
    if total <= 0 or min(own.values()) < 0:
        raise LabError(f"bytes by source should be 0 and up, and not all 0: {dict(own)}")
    return [
        {
            "model": OWN,
            "source": source,
            "kind": source,
            "share": num_bytes / total,
            "share of": "bytes",
            "epochs": None,
            "reference": "counted",
        }
        for source, num_bytes in own.items()
    ]


def _amounts(sources: list[PublishedSource]) -> tuple[list[float], Basis]:
    weights = [source.weight for source in sources if source.weight is not None]
    if len(weights) == len(sources):
        return weights, "published weight"
    for basis in ("tokens", "bytes"):
        sizes = [getattr(source, f"num_{basis}") for source in sources]
        if None not in sizes:
            passes = [1.0 if source.epochs is None else source.epochs for source in sources]
            return [size * times for size, times in zip(sizes, passes, strict=True)], basis
    raise AssertionError(f"{sources[0].model}: neither weights nor sizes of all sources")


def _source(row: dict[str, str]) -> PublishedSource:
    def number(name: str, kind: type) -> Any:
        return kind(row[name]) if row[name] else None

    return PublishedSource(
        model=row["model"],
        source=row["source"],
        kind=row["kind"],
        weight=number("weight", float),
        num_tokens=number("num_tokens", int),
        num_bytes=number("num_bytes", int),
        epochs=number("epochs", float),
        reference=row["reference"],
        place=row["place"],
        verified="primary" if row["verified"] == "primary" else "secondary",
        as_of=row["as_of"],
    )
