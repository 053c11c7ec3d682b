"""The fastest way to encode with a tokenizer that gives exactly its ids."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np

from labkit.tokens.bpe_kernel import BpeKernel
from labkit.tokens.tokenizer import Tokenizer

Encode = Callable[[Sequence[str]], list[np.ndarray]]


def fast_encode(tokenizer: Tokenizer) -> Encode:
    """The compiled kernel for byte-level BPE with GPT-2's split, else `tokenizers` itself.

    The kernel is compared with the tokenizer on hard texts when it is made; should a version of
    `tokenizers` split otherwise, a warning says so and the tokenizer is used.
    """
    try:
        kernel = BpeKernel.from_tokenizer(tokenizer.backend)
    except RuntimeError as error:
        warnings.warn(f"encoding without the compiled kernel: {error}", stacklevel=2)
        kernel = None
    return kernel.encode_batch if kernel else tokenizer.encode_batch
