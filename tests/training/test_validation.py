from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from labkit.core.errors import LabError
from labkit.model.config import ModelConfig
from labkit.model.initialization import initialize
from labkit.model.transformer import Transformer
from labkit.plan.parts import EvaluationPlan
from labkit.tokens.kinds import KINDS
from labkit.tokens.shard_writing import write_shards
from labkit.tokens.shards import Shards
from labkit.training.batches import token_batch
from labkit.training.next_token import next_token_loss
from labkit.training.validation import Validator
from tests.training.tiny import tiny_plan, tiny_texts, write_tiny_corpus


def validator(tmp_path, texts, kind="bytes", length=16, **plan) -> Validator:
    tokenizer = KINDS[kind](tiny_texts(3, 0), 300)
    shards = Shards(write_shards(texts, tokenizer, tmp_path / "shards"))
    return Validator(shards, tokenizer, EvaluationPlan(**plan), length, batch_size=3)


def model_for(one: Validator, **changes) -> Transformer:
    base = tiny_plan({"batch_size": 4}).model.model_dump()
    vocab_size = one.tokenizer.vocab_size
    config = ModelConfig.model_validate(base | {"vocab_size": vocab_size} | changes)
    return initialize(Transformer(config), 0)


def test_a_uniform_model_knows_exactly_nothing(tmp_path):
    texts = ["三国演义" * 40, "水浒传" * 60]
    one = validator(tmp_path, texts, num_windows=10)
    uniform = model_for(one, initialization="zero_output", tie_embeddings=False)
    found = one.measure(uniform, next_token_loss)
    assert found.loss == pytest.approx(math.log(257), abs=1e-6)
    assert found.standard_error == pytest.approx(0, abs=1e-9)
    assert (found.num_windows, found.num_batches) == (10, 4)
    ends_of_text = int((one.windows_BT[:, 1:] == one.tokenizer.end_of_text).sum())
    num_bytes = 160 - ends_of_text
    assert found.bits_per_byte == pytest.approx(math.log2(257) * 160 / num_bytes)
    characters = num_bytes / 3  # windows may begin or end inside one
    assert found.bits_per_character == pytest.approx(math.log2(257) * 160 / characters, rel=0.1)


def test_a_chinese_character_is_three_bytes(tmp_path):
    one = validator(tmp_path, ["三国演义水浒传" * 90], length=15, num_windows=9)
    found = one.measure(model_for(one), next_token_loss)
    assert (one.num_bytes, one.num_characters) == (9 * 15, 9 * 5)
    assert found.bits_per_byte == pytest.approx(found.loss / math.log(2))
    assert found.bits_per_character == pytest.approx(3 * found.bits_per_byte)


def test_windows_without_a_whole_character_have_bits_per_byte_alone(tmp_path):
    one = validator(tmp_path, ["三" * 4], length=3, num_windows=2)
    one.num_characters = 0
    found = one.measure(model_for(one), next_token_loss)
    assert found.bits_per_character is None
    assert found.bits_per_byte


def test_a_model_with_more_ids_than_the_tokenizer_writes_what_can_be_read(tmp_path):
    one = validator(tmp_path, tiny_texts(4, 3), num_windows=4, num_samples=3)
    texts = one.sample_texts(model_for(one, vocab_size=1024), seed=0)
    assert len(texts) == 3
    assert all(len(text.encode()) <= 64 for text in texts)


def test_another_tokenizer_than_that_of_the_shards_is_refused(tmp_path):
    shards = Shards(write_shards(tiny_texts(4, 3), KINDS["bytes"]([], 300), tmp_path / "s"))
    words = KINDS["words"](tiny_texts(3, 0), 300)
    with pytest.raises(LabError, match=r"not written with tokenizer words.*give data\.tokenizer"):
        Validator(shards, words, EvaluationPlan(), 16, 4)


def test_mean_error_and_interval_by_hand(tmp_path):
    one = validator(tmp_path, tiny_texts(4, 3), num_windows=25)
    model = model_for(one)
    found = one.measure(model, next_token_loss)
    with torch.no_grad():
        losses = np.array(
            [
                functional.cross_entropy(model(window[None, :-1])[0], window[1:]).item()
                for window in one.windows_BT
            ]
        )
    assert found.loss == pytest.approx(losses.mean(), abs=1e-6)
    centred = losses - losses.mean()
    sums = [centred @ centred, *(2 * centred[lag:] @ centred[:-lag] for lag in range(1, 6))]
    weights = [1 - lag / 6 for lag in range(6)]  # five lags of 25 windows
    unbiased = 24 - 2 * sum((1 - lag / 6) * (25 - lag) / 25 for lag in range(1, 6))
    error = math.sqrt(np.dot(weights, sums) / 25 / unbiased)
    assert found.standard_error == pytest.approx(error, rel=1e-4)
    half = 3.00977 * found.standard_error  # t of 25 / 7.5 = 10/3 degrees
    assert (found.low, found.high) == pytest.approx((found.loss - half, found.loss + half))


def test_evaluating_and_sampling_disturb_nothing(tmp_path):
    one = validator(tmp_path, tiny_texts(4, 3), num_windows=8)
    model = model_for(one, dropout=0.5).train()
    before = torch.get_rng_state()
    assert one.measure(model, next_token_loss) == one.measure(model, next_token_loss)
    assert one.sample_texts(model, seed=1) == one.sample_texts(model, seed=1)
    assert model.training
    assert torch.equal(torch.get_rng_state(), before)


def test_unks_hide_what_was_to_be_predicted(tmp_path):
    one = validator(tmp_path, ["zebra quagga okapi " * 40], kind="words", length=8)
    found = one.measure(model_for(one), next_token_loss)
    assert found.bits_per_byte is None
    assert found.loss > 0


def test_too_little_text_is_refused(tmp_path):
    with pytest.raises(LabError, match="validation has 6 tokens: not two windows of 16; hold out"):
        validator(tmp_path, ["short"])


def test_windows_are_spread_over_the_whole_text(tmp_path, lab_home):
    data = write_tiny_corpus(lab_home)
    shards = Shards(lab_home / data["validation"])
    tokenizer = KINDS["bytes"](tiny_texts(1, 0), 300)
    few = Validator(shards, tokenizer, EvaluationPlan(num_windows=5), 16, 4).windows_BT
    available = shards.num_windows(16)
    expected = [shards.window(n * available // 5, 16).tolist() for n in range(5)]
    assert few.tolist() == expected


def test_what_training_hides_does_not_count_in_validation(tmp_path):
    """Each document is "ab" and its end: of each window's targets those after an end are left."""
    tokenizer = KINDS["bytes"](tiny_texts(3, 0), 300)
    shards = Shards(write_shards(["ab"] * 90, tokenizer, tmp_path / "shards"))
    arguments = (shards, tokenizer, EvaluationPlan(num_windows=9), 16, 3)
    plain, masked = Validator(*arguments), Validator(*arguments, tokenizer.end_of_text)
    counts = (plain.windows_BT[:, :-1] != tokenizer.end_of_text).sum(dim=1)
    assert masked.num_counted.tolist() == counts.tolist()
    model = model_for(plain)
    found = masked.measure(model, next_token_loss)
    with torch.no_grad():
        windows = plain.windows_BT
        nats_BT = next_token_loss(model, token_batch(windows)).units_BU
        nats_BT[windows[:, :-1] == tokenizer.end_of_text] = 0
    assert found.window_nats == pytest.approx((nats_BT.sum(1) / counts).tolist(), rel=1e-5)
    num_bytes = int((windows[:, 1:] == ord("b")).sum())  # an "a" is always the hidden one
    assert masked.num_bytes == num_bytes
    bits = float(nats_BT.sum()) / math.log(2)
    assert found.bits_per_byte == pytest.approx(bits / num_bytes, rel=1e-5)
