"""Bits per byte of documents: one pass where it fits, each token once where it doesn't."""

from __future__ import annotations

import math

import pytest
import torch

from labkit.core.errors import LabError
from labkit.evaluation.bits import document_nats, text_score
from tests.evaluation.asked import tiny_model


def test_a_short_document_costs_what_one_pass_says():
    model = tiny_model()
    ids = torch.tensor([[256, *b"some text", 256]])
    with torch.no_grad():
        logs = model.model(ids[:, :-1]).log_softmax(-1)
    expected = -float(logs.gather(-1, ids[:, 1:, None]).sum())
    [found] = document_nats(model, ["some text"])
    assert found.nats == pytest.approx(expected, rel=1e-5)
    assert found[1:] == (10, 9, 9)


def test_each_token_of_a_long_document_counts_once_whatever_the_stride():
    model = tiny_model(context_length=16)
    torch.nn.init.zeros_(model.model.head.weight)  # uniform: ln 257 for each token
    for stride in (1, 7, 16):
        [found] = document_nats(model, ["x" * 100], stride)
        assert found.nats == pytest.approx(101 * math.log(257), rel=1e-5)
    score = text_score(document_nats(model, ["x" * 100, "y" * 50]))
    assert score.bits_per_byte.estimate == pytest.approx(152 / 150 * math.log2(257), rel=1e-5)
    assert score.perplexity_per_token == pytest.approx(257, rel=1e-4)
    with pytest.raises(LabError, match="stride=17"):
        document_nats(model, ["x"], 17)


def test_more_context_never_hides_a_token_from_its_predecessors():
    """With a stride of one each token sees all the context it can: by hand for the last one."""
    model = tiny_model(context_length=16)
    text = "the cat sat on a mat and saw"
    ids = [256, *text.encode(), 256]
    with torch.no_grad():
        expected = 0.0
        for place in range(1, len(ids)):
            seen = ids[max(place - 16, 0) : place]
            expected -= float(model.model(torch.tensor([seen]))[0, -1].log_softmax(-1)[ids[place]])
    [found] = document_nats(model, [text], stride=1)
    assert found.nats == pytest.approx(expected, rel=1e-5)
