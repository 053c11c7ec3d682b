"""One tokenizer, whatever its kind: text to ids and back, the bytes of each token, a file.

Every kind is a standard `tokenizer.json` of Hugging Face's `tokenizers`, which loads anywhere.
Special tokens mark what is not text: they are never split, never made from a user's text unless
allowed, and stand for no bytes.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tokenizers

from labkit.core.disk import save_file
from labkit.core.errors import LabError

END_OF_TEXT = "<|endoftext|>"
UNKNOWN = "<|unk|>"


class Tokenizer:
    """Encodes to numpy arrays of uint32."""

    def __init__(self, backend: tokenizers.Tokenizer, name: str):
        backend.encode_special_tokens = True
        backend.no_truncation()  # published files carry both, and they would lose or add ids
        backend.no_padding()
        if getattr(backend.model, "dropout", None):
            backend.model.dropout = None
        self.backend = backend
        self.name = name

    @classmethod
    def load(cls, path: str | Path, name: str | None = None) -> Tokenizer:
        """Any `tokenizer.json`.

        Raises:
            LabError: no such file, or not a tokenizer.
        """
        path = Path(path)
        try:
            text = path.read_text("utf-8")
            return cls(tokenizers.Tokenizer.from_str(text), name or path.parent.name)
        except OSError as error:
            raise LabError(f"{path}: cannot read a tokenizer ({error.strerror})") from error
        except Exception as error:  # tokenizers raises bare Exception for what it can't parse
            raise LabError(f"{path}: not a tokenizer.json ({str(error)[:120]})") from error

    def save(self, path: str | Path) -> Path:
        """Write `tokenizer.json`; `Tokenizer.load(save(path))` gives the same ids."""
        return save_file(path, self.backend.to_str().encode())

    def encode(self, text: str, *, allow_special: bool = False) -> np.ndarray:
        """Ids of a text; with `allow_special`, special tokens written in it become their ids."""
        return self.encode_batch([text], allow_special=allow_special)[0]

    def encode_batch(
        self, texts: Sequence[str], *, allow_special: bool = False
    ) -> list[np.ndarray]:
        for position, text in enumerate(texts):
            refuse_surrogates(text, position)
        self.backend.encode_special_tokens = not allow_special
        try:
            encodings = self.backend.encode_batch_fast(list(texts), add_special_tokens=False)
        finally:
            self.backend.encode_special_tokens = True
        return [np.array(encoding.ids, dtype=np.uint32) for encoding in encodings]

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """Text of the ids, special tokens left out; UNK and broken UTF-8 show as U+FFFD."""
        parts = map(self._shown_bytes.__getitem__, np.asarray(ids).tolist())
        return b"".join(parts).decode("utf-8", "replace")

    def token_bytes(self, token: int) -> bytes:
        """What a token stands for; b"" for special tokens and UNK.

        Raises:
            LabError: the tokenizer's decoder keeps no account of bytes.
        """
        return self._all_token_bytes[token]

    def pieces(self, text: str) -> list[tuple[int, str]]:
        """(id, the characters it covers) in order; how an unknown token's spelling is found."""
        refuse_surrogates(text, 0)
        encoding = self.backend.encode(text, add_special_tokens=False)
        return [
            (token, text[start:end])
            for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True)
        ]

    @property
    def vocab_size(self) -> int:
        """Rows an embedding needs: one more than the largest id."""
        return max(self._vocabulary.values()) + 1

    @functools.cached_property
    def special_ids(self) -> frozenset[int]:
        added = self.backend.get_added_tokens_decoder()
        return frozenset(number for number, token in added.items() if token.special)

    @property
    def end_of_text(self) -> int | None:
        return self.backend.token_to_id(END_OF_TEXT)

    @functools.cached_property
    def unknown(self) -> int | None:
        """The id that stands for what the vocabulary doesn't have, if it can happen."""
        model = json.loads(self.backend.to_str())["model"]
        token = model.get("unk_token")
        return self.backend.token_to_id(token) if token else None

    @functools.cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change when any id may."""
        return hashlib.sha256(self.backend.to_str().encode()).hexdigest()[:16]

    @functools.cached_property
    def _vocabulary(self) -> dict[str, int]:
        return self.backend.get_vocab(with_added_tokens=True)

    @functools.cached_property
    def _shown_bytes(self) -> list[bytes]:
        shown = list(self._all_token_bytes)
        if self.unknown is not None:
            shown[self.unknown] = "\ufffd".encode()
        return shown

    @functools.cached_property
    def _all_token_bytes(self) -> list[bytes]:
        spell = _speller(self.backend)
        spelled = [b""] * self.vocab_size
        for token, number in self._vocabulary.items():
            if number not in self.special_ids:
                spelled[number] = spell(token)
        return spelled


def byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-in for each byte: character -> byte (Radford et al. 2019)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(256 + number): byte for number, byte in enumerate(others)
    }


def _speller(backend: tokenizers.Tokenizer):
    decoder = json.dumps(json.loads(backend.to_str())["decoder"])
    if '"ByteLevel"' in decoder:
        alphabet = byte_alphabet()
        return lambda token: (
            bytes(alphabet[character] for character in token)
            if all(character in alphabet for character in token)
            else token.encode()  # added tokens stand for themselves
        )
    if '"ByteFallback"' in decoder:
        return _spell_with_fallback
    raise LabError(f"the bytes of a token are not known for a tokenizer with decoder {decoder}")


def _spell_with_fallback(token: str) -> bytes:
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        return bytes([int(token[3:5], 16)])
    return token.replace("\u2581", " ").encode()


def refuse_surrogates(text: str, position: int) -> None:
    """Raises LabError for a str that is no Unicode text, naming its `position`."""
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise LabError(
            f"text {position} holds a lone surrogate at character {error.start}, which is no text"
        ) from error
