"""Trained models: opened, asked for text, and given to other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labkit.exchange.trained_model import TrainedModel


def load_model(name: str | Path) -> TrainedModel:
    """A trained model: a model folder, a name in `models/`, a run's id, or a checkpoint.

    `lab.load_model(...).generate("To be")` continues a text.
    """
    from labkit.training.open_model import open_model

    return open_model(name)


def export_model(source: str | Path, target: str | Path | None = None) -> Path:
    """The newest checkpoint of a run, or one checkpoint, as a folder that `transformers` opens."""
    from labkit.training import export

    return export.export_model(source, target)


def import_model(folder: str | Path, name: str | None = None) -> Path:
    """A model folder from anywhere, in Hugging Face's layout, as `models/<name>` of the lab."""
    from labkit.exchange import folder as rooms

    return rooms.import_model(folder, name)
