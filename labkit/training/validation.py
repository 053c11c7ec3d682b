"""Loss on held-out windows, with how sure it is.

The same windows every time, spread evenly over the validation shards. The interval says what
another choice of windows would move, and nothing of another seed. Neighbouring windows share
documents, so that their error is Newey and West's.
"""

# B batch, T time

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from labkit.core.errors import LabError
from labkit.model.generation import NotFinite, generate
from labkit.model.transformer import Transformer
from labkit.plan.parts import EvaluationPlan
from labkit.statistics.newey_west import serial_mean
from labkit.tokens.bits_per_byte import bits_per_byte
from labkit.tokens.shards import Shards
from labkit.tokens.tokenizer import Tokenizer
from labkit.training.batches import IGNORED, token_batch
from labkit.training.objective import LossFunction
from labkit.training.sharding.processes import ALONE, Processes

NO_TEXT = "(no text: the model gives NaN)"
Context = Callable[[], contextlib.AbstractContextManager[Any]]


class ValidationLoss(NamedTuple):
    """`loss` in nats per token. Bits are None where UNKs hide what was to be predicted.

    `window_nats` are the losses of each window; `loss` is their mean.
    """

    loss: float
    standard_error: float
    low: float
    high: float
    num_windows: int
    num_batches: int
    bits_per_byte: float | None
    bits_per_character: float | None
    window_nats: list[float]


class Validator:
    """The validation windows of a plan, read once; what training hides does not count here either.

    Raises:
        LabError: fewer than two windows, or shards that another tokenizer wrote.
    """

    def __init__(
        self,
        shards: Shards,
        tokenizer: Tokenizer,
        plan: EvaluationPlan,
        sequence_length: int,
        batch_size: int,
        hidden_after: int | None = None,
    ):
        if shards.facts.tokenizer != tokenizer.fingerprint:
            raise LabError(
                f"validation was not written with tokenizer {tokenizer.name}; give data.tokenizer "
                "the one that wrote the shards"
            )
        available = shards.num_windows(sequence_length)
        if available < 2:
            raise LabError(
                f"validation has {shards.facts.num_tokens:,} tokens: not two windows of "
                f"{sequence_length}; hold out more text or use a shorter sequence"
            )
        count = min(plan.num_windows, available)
        numbers = np.arange(count) * available // count
        windows = [shards.window(int(n), sequence_length).astype(np.int64) for n in numbers]
        self.windows_BT = torch.from_numpy(np.stack(windows))
        self.hidden_after = hidden_after
        targets_BT = token_batch(self.windows_BT, hidden_after).targets_BT
        self.num_counted = (targets_BT != IGNORED).sum(dim=1).numpy()
        self.batch_size = batch_size
        self.tokenizer = tokenizer
        self.plan = plan
        self.num_bytes, self.num_characters = _spelled(
            tokenizer, targets_BT[targets_BT != IGNORED].numpy()
        )

    @torch.no_grad()
    def measure(
        self,
        model: Transformer,
        loss_of: LossFunction,
        context: Context = contextlib.nullcontext,
        processes: Processes = ALONE,
    ) -> ValidationLoss:
        """Mean loss of each window over its targets, by `loss_of` on its ids and those after them.

        The model is left in the mode it was in. Data ranks take turns at the batches; the last
        one is repeated where they don't divide evenly, since sharded models compute together.
        """
        batches = self.windows_BT.split(self.batch_size)
        device = model.embedding.weight.device
        own = []
        with _evaluating(model):
            for turn in range(0, len(batches), processes.layout.data_parallel):
                number = min(turn + processes.data_rank, len(batches) - 1)
                batch = token_batch(batches[number].to(device), self.hidden_after)
                with context():
                    units_BT, _ = loss_of(model, batch)
                nats_B = units_BT.mean(dim=1)  # hidden ones are 0
                own.append((number, nats_B.double().cpu().numpy()))
        parts = {number: nats for found in processes.from_all(own) for number, nats in found}
        means = np.concatenate([parts[number] for number in range(len(batches))])
        losses = means * ((self.windows_BT.shape[1] - 1) / np.maximum(self.num_counted, 1))
        return self._summarise(losses, len(batches))

    def sample_texts(
        self, model: Transformer, seed: int, context: Context = contextlib.nullcontext
    ) -> list[str]:
        """Texts drawn after an end of text, the same for the same weights and seed.

        All of one length and cut afterwards: processes that share a model must pass through it
        equally often, whatever each of them draws. From a model that gives NaN no text is drawn:
        that is said in its place.
        """
        start = self.tokenizer.end_of_text
        assert start is not None  # shards can't be written without one
        length = min(self.plan.sample_tokens, model.config.context_length - 1)
        num_ids = self.tokenizer.vocab_size  # a model may have more, for round numbers
        texts = []
        for number in range(self.plan.num_samples):
            try:
                with context():
                    ids = generate(
                        model,
                        [start],
                        length,
                        seed=seed + number,
                        temperature=self.plan.temperature,
                    )
            except NotFinite:  # on every process: all of them have the same logits
                return [NO_TEXT] * self.plan.num_samples
            written = itertools.takewhile(lambda token: token != start, ids)
            texts.append(self.tokenizer.decode([token for token in written if token < num_ids]))
        return texts

    def _summarise(self, losses: np.ndarray, num_batches: int) -> ValidationLoss:
        if not np.isfinite(losses).all():
            nan = math.nan
            return ValidationLoss(nan, nan, nan, nan, len(losses), num_batches, None, None, [])
        mean = serial_mean(losses)
        loss, low, high = mean.interval()
        nats = float((losses * self.num_counted).sum())
        bits = nats / math.log(2)
        return ValidationLoss(
            loss=loss,
            standard_error=mean.standard_error,
            low=low,
            high=high,
            num_windows=len(losses),
            num_batches=num_batches,
            bits_per_byte=bits_per_byte(nats, 0.0, self.num_bytes) if self.num_bytes else None,
            bits_per_character=bits / self.num_characters if self.num_characters else None,
            window_nats=losses.tolist(),
        )


@contextlib.contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def _spelled(tokenizer: Tokenizer, ids: np.ndarray) -> tuple[int, int]:
    """UTF-8 bytes and characters that the ids stand for; (0, 0) where an UNK hides them."""
    tokens, counts = np.unique(ids, return_counts=True)
    if tokenizer.unknown is not None and tokenizer.unknown in tokens:
        return 0, 0
    num_bytes = num_characters = 0
    for token, count in zip(tokens.tolist(), counts.tolist(), strict=True):
        spelling = tokenizer.token_bytes(token)
        num_bytes += len(spelling) * count
        num_characters += sum(byte & 0xC0 != 0x80 for byte in spelling) * count
    return num_bytes, num_characters
