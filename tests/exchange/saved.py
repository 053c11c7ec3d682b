"""Tiny models written into a folder."""

from __future__ import annotations

from pathlib import Path

from labkit.exchange.folder import Outgoing, outgoing_model, write_model
from labkit.exchange.huggingface import Weight
from labkit.model.transformer import Transformer
from labkit.tokens.kinds import make_bytes

CARD = "---\nlicense: unknown\n---\n\n# A model\n"


def weight_of(model: Transformer) -> Weight:
    weights = dict(model.named_parameters())
    return lambda name: weights[name].detach()


def bare(model: Transformer) -> Outgoing:
    """Without a tokenizer, for a model of any vocabulary."""
    return Outgoing(model.config, weight_of(model), None, {}, "")


def with_bytes(model: Transformer, card: str = CARD) -> Outgoing:
    """With the tokenizer of bytes, for a model of 257 ids."""
    return outgoing_model(model.config, weight_of(model), make_bytes(), card)


def save(model: Transformer, folder: Path) -> Path:
    return write_model(folder, bare(model))
