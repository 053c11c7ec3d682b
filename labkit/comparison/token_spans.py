"""Where the documents of a curation are among the tokens of their shards, for a life trace."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from labkit.comparison.tokenizers import TokenizerComparison
from labkit.core.errors import LabError
from labkit.data.pipeline.curated import Curated
from labkit.data.training_windows import TokenSpan
from labkit.tokens.shards import Shards
from labkit.tokens.tokenizer import Tokenizer

Spans = Callable[[int], TokenSpan | None]


def training_spans(
    comparison: TokenizerComparison, curated: Curated, sequence_length: int
) -> Spans:
    """Of the documents on the train side of a comparison of tokenizers on the curated corpus.

    Raises:
        LabError: the comparison is of another corpus.
    """
    if Path(comparison.config.corpus).resolve() != Path(curated.corpus).resolve():
        given = comparison.config.corpus
        raise LabError(f"the comparison is of {given}; make one with corpus={curated.corpus}")
    rows = curated.documents("row")["row"].to_pylist()
    trained = [row for row, side in zip(rows, comparison.sides, strict=True) if side == "train"]
    _, shards = comparison.save_choice()
    tokenizer = comparison.tokenizers[comparison.config.choice]
    return token_spans(Shards(shards["train"]), tokenizer, trained, sequence_length)


def token_spans(
    shards: Shards,
    tokenizer: Tokenizer,
    rows: Sequence[int],
    sequence_length: int,
) -> Spans:
    """The span of a row's document, None where it is not in the shards.

    Args:
        rows: of the documents in the order in which they were written to the shards.

    Raises:
        LabError: the shards are of another tokenizer or of another number of documents.
    """
    if shards.facts.tokenizer != tokenizer.fingerprint:
        raise LabError(f"the shards were made with another tokenizer than {tokenizer.name}")
    if shards.facts.num_documents != len(rows):
        raise LabError(
            f"{len(rows):,} rows for shards of {shards.facts.num_documents:,} documents; give "
            "those of the side that was encoded, in its order"
        )
    numbers = {int(row): number for number, row in enumerate(rows)}
    num_windows = shards.num_windows(sequence_length)

    def decode(first: int, size: int) -> bytes:
        return b"".join(map(tokenizer.token_bytes, shards.tokens(first, size).tolist()))

    def span(row: int) -> TokenSpan | None:
        if row not in numbers:
            return None
        start, stop = shards.span(numbers[row])
        return TokenSpan(start, stop - start - 1, sequence_length, num_windows, decode)

    return span
