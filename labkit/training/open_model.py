"""A trained model by any name that it has: a folder, a name in `models/`, a run, a checkpoint."""

from __future__ import annotations

from pathlib import Path

from labkit.core import artifacts, disk
from labkit.core.errors import LabError
from labkit.core.records.run import RunRecord, runs_folder
from labkit.exchange.folder import CONFIG, models_folder, read_model
from labkit.exchange.trained_model import TrainedModel


def open_model(name: str | Path) -> TrainedModel:
    """The model that a name means.

    Args:
        name: a model folder, a name in `models/`, a run's id or folder, or a checkpoint's folder;
            of a run without a model folder the newest checkpoint.

    Raises:
        DamagedArtifact: a file differs from its manifest.
        LabError: there is none of that name (says which there are), or it cannot be read.
    """
    path = Path(name).expanduser()
    called = disk.slug(str(name))
    if (path / CONFIG).is_file():
        return read_model(path)
    if (path / "progress.json").is_file() or RunRecord(path).is_there:
        return _of_checkpoint(path)
    if artifacts.exists(models_folder() / called):
        return read_model(models_folder() / called)
    if RunRecord(runs_folder() / called).is_there:
        return _of_checkpoint(called)
    if path.is_dir():
        return read_model(path)  # refused, with the reason
    known = sorted(one.parent.name for one in models_folder().glob(f"*/{artifacts.MANIFEST}"))
    raise LabError(
        f"no model {str(name)!r}; give a model folder, a checkpoint, a run, or one of: "
        f"{', '.join(known) or 'none yet: train one, or import one with `labkit import`'}"
    )


def _of_checkpoint(source: str | Path) -> TrainedModel:
    """Imported when asked for: sharded tensors take torch a second to import."""
    from labkit.training import export

    return export.model_of_checkpoint(export.find_checkpoint(source))
