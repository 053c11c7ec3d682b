"""A tokenizer as the files that `AutoTokenizer` opens, giving the ids that labkit gives.

`split_special_tokens` keeps labkit's rule there too: `<|endoftext|>` in a user's text is text, not
the end of a document. Who wants it as a special token says `split_special_tokens=False`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from labkit.core.errors import LabError
from labkit.tokens.tokenizer import Tokenizer

TOKENIZER = "tokenizer.json"


def tokenizer_files(tokenizer: Tokenizer, context_length: int) -> dict[str, bytes]:
    """Name -> content of each file."""
    spell = tokenizer.backend.id_to_token
    named = {
        "bos_token": tokenizer.end_of_text,
        "eos_token": tokenizer.end_of_text,
        "unk_token": tokenizer.unknown,
    }
    special = {name: spell(token) for name, token in named.items() if token is not None}
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context_length,
        "clean_up_tokenization_spaces": False,
        "split_special_tokens": True,
        **special,
    }
    return {
        TOKENIZER: tokenizer.backend.to_str().encode(),
        "tokenizer_config.json": _json(settings),
        "special_tokens_map.json": _json(special),
    }


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a model folder.

    Raises:
        LabError: there is no tokenizer.json.
    """
    if not (folder / TOKENIZER).is_file():
        raise LabError(
            f"{folder}: no {TOKENIZER}; save the model's tokenizer there as a fast one "
            "(AutoTokenizer.from_pretrained(...).save_pretrained(folder))"
        )
    return Tokenizer.load(folder / TOKENIZER)


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"
