"""A language model as an artefact: trained once for a corpus, language and config; verified."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa

from labkit.core import artifacts, provenance
from labkit.core.canonical_json import hash_json
from labkit.core.errors import LabError
from labkit.data.quality.ngram_model import NgramConfig, NgramModel, train_ngram_model
from labkit.data.quality.stored_arrays import load_arrays
from labkit.data.readers import fingerprint, read_documents

TABLES = "ngram_model.npz"


def build_ngram_model(corpus: str, language: str, config: NgramConfig) -> Path:
    """The artefact of a model of the corpus' documents of one language.

    Raises:
        LabError: the corpus has no document of that language.
    """
    inputs = {
        "corpus": fingerprint(corpus),
        "language": language,
        "code": provenance.source_hash("data"),
    }
    folder = artifacts.home() / "quality" / f"ngrams-{hash_json([inputs, config.model_dump()])}"
    if not artifacts.exists(folder):
        model = train_ngram_model(_texts(corpus, language, config.max_characters), config)
        save_ngram_model(model, folder, config, inputs)
    return folder


def save_ngram_model(
    model: NgramModel, folder: Path, config: NgramConfig, inputs: dict[str, str]
) -> None:
    with artifacts.write_artifact(folder, config=config, inputs=inputs) as temporary:
        np.savez(
            temporary / TABLES,
            order=np.int64(model.order),
            characters=model.characters,
            gram_keys=model.gram_keys,
            gram_bits=model.gram_bits,
            context_keys=model.context_keys,
            context_bits=model.context_bits,
        )


def load_ngram_model(folder: Path) -> NgramModel:
    """What was saved.

    Raises:
        LabError: the folder is damaged or holds something else.
    """
    if TABLES not in artifacts.read_manifest(folder).files:
        raise LabError(f"{folder}: no n-gram model; build one with build_ngram_model")
    order, *tables = load_arrays(folder / TABLES, [field.name for field in fields(NgramModel)])
    return NgramModel(int(order), *tables)


def _texts(corpus: str, language: str, max_characters: int) -> pa.Array:
    texts, num_characters = list[str](), 0
    seen = set[str]()
    for batch in read_documents(corpus):
        columns = (batch.column(name).to_pylist() for name in ("text", "language"))
        for text, its_language in zip(*columns, strict=True):
            seen.add(str(its_language))
            if its_language == language and num_characters < max_characters:
                texts.append(text)
                num_characters += len(text)
        if num_characters >= max_characters:
            break
    if not num_characters:
        raise LabError(f"{corpus}: no text in {language!r}; it has {', '.join(sorted(seen))}")
    return pa.array(texts, pa.large_string())
