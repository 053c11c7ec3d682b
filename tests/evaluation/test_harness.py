"""A labkit model as lm-evaluation-harness sees it."""

from __future__ import annotations

import pytest

lm_eval = pytest.importorskip("lm_eval", reason="needs labkit[harness]")

from labkit.evaluation.bits import document_nats  # noqa: E402
from labkit.evaluation.harness import harness_model  # noqa: E402
from tests.evaluation.asked import tiny_model  # noqa: E402
from tests.evaluation.test_scoring import whole_text  # noqa: E402


class Request:
    def __init__(self, *args):
        self.args = args


def test_likelihoods_and_texts_are_the_models_own():
    model = tiny_model()
    found = harness_model(model, begins_text=True)
    requests = [Request("one two", f" {word}") for word in ("three", "four")]
    requests.append(Request("another", " one"))
    likelihoods = found.loglikelihood(requests)
    for request, (value, _) in zip(requests, likelihoods, strict=True):
        assert value == pytest.approx(sum(whole_text(model, *request.args)), abs=1e-4)
    [rolling] = found.loglikelihood_rolling([Request("some text")])
    assert rolling == -document_nats(model, ["some text"])[0].nats
    settings = {"max_gen_toks": 8, "until": ["\n"]}
    [text] = found.generate_until([Request("ab", settings)])
    assert text == str(model.generate("ab", 8, temperature=0).continuation).split("\n")[0]
