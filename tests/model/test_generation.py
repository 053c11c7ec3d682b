from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="needs labkit[train]")

from labkit.core.errors import LabError  # noqa: E402
from labkit.model.generation import filter_logits, generate, generate_batch  # noqa: E402
from labkit.model.transformer import Transformer  # noqa: E402
from tests.model.models import random_ids, random_model, tiny  # noqa: E402

POSITIONS = pytest.mark.parametrize("positions", ["learned", "rope", "alibi", "none"])


@POSITIONS
@pytest.mark.parametrize("kernel", ["fused", "written_out"])
def test_cached_logits_equal_those_of_all_at_once(positions, kernel):
    model = random_model(tiny(positions=positions, token_shift=True, qk_norm=True), kernel=kernel)
    ids_BT = random_ids(model.config, batch=2, length=16)
    cache = model.new_cache()
    parts = [(0, 6), (6, 9), *((t, t + 1) for t in range(9, 16))]
    with torch.no_grad():
        cached = torch.cat([model(ids_BT[:, start:end], cache) for start, end in parts], dim=1)
        torch.testing.assert_close(cached, model(ids_BT), atol=1e-5, rtol=0)


@pytest.mark.parametrize("num_kv_heads", [1, 2, 4])
def test_cache_holds_two_vectors_per_layer_head_and_token(num_kv_heads):
    model = random_model(tiny(num_kv_heads=num_kv_heads))
    cache = model.new_cache()
    with torch.no_grad():
        model(random_ids(model.config, batch=1, length=11), cache)
    assert cache.num_bytes == 2 * 2 * num_kv_heads * 10 * 11 * 4


@POSITIONS
@pytest.mark.parametrize("use_cache", [True, False])
def test_greedy_is_argmax_and_the_window_slides_to_half(positions, use_cache):
    model = random_model(tiny(positions=positions))
    prompt = random_ids(model.config, batch=1, length=20)[0].tolist()
    window, expected = prompt[-16:], []
    with torch.no_grad():
        for _ in range(25):
            expected.append(int(model(torch.tensor([window]))[0, -1].argmax()))
            window = [*window, expected[-1]]
            window = window[-8:] if len(window) == 17 else window
    assert generate(model, prompt, 25, seed=0, temperature=0, use_cache=use_cache) == expected


def kept(logits_V: torch.Tensor) -> list[int]:
    return logits_V.isfinite().nonzero().flatten().tolist()


def test_filters_by_hand():
    logits_V = torch.tensor([0.125, 0.5, 0.125, 0.25]).log()
    assert kept(filter_logits(logits_V, 1.0, 2, None)) == [1, 3]
    assert kept(filter_logits(logits_V, 1.0, 3, None)) == [0, 1, 3]
    assert kept(filter_logits(logits_V, 1.0, None, 0.4)) == [1]
    assert kept(filter_logits(logits_V, 1.0, None, 0.6)) == [1, 3]
    assert kept(filter_logits(logits_V, 1.0, None, 0.8)) == [0, 1, 3]
    assert kept(filter_logits(logits_V, 1.0, None, 1.0)) == [0, 1, 2, 3]
    assert kept(filter_logits(logits_V, 0, None, None)) == [1]
    # of the two most likely, one has mass 2/3: top-p counts what top-k left
    assert kept(filter_logits(logits_V, 1.0, 2, 0.6)) == [1]
    halved = filter_logits(logits_V, 0.5, None, None).softmax(-1)
    torch.testing.assert_close(halved, torch.tensor([1.0, 16.0, 1.0, 4.0]) / 22)


@pytest.mark.parametrize(("top_k", "top_p"), [(5, None), (None, 0.7), (20, 0.5)])
def test_filters_equal_transformers(top_k, top_p):
    warpers = pytest.importorskip("transformers", reason="needs labkit[dev]")
    logits_NV = torch.randn(20, 50, generator=torch.Generator().manual_seed(0)) * 2
    expected_NV = warpers.TemperatureLogitsWarper(0.7)(None, logits_NV)
    if top_k:
        expected_NV = warpers.TopKLogitsWarper(top_k)(None, expected_NV)
    if top_p:
        expected_NV = warpers.TopPLogitsWarper(top_p)(None, expected_NV)
    ours_NV = torch.stack([filter_logits(row_V, 0.7, top_k, top_p) for row_V in logits_NV])
    torch.testing.assert_close(ours_NV, expected_NV)


def fixed_logits(logits: list[float]) -> Transformer:
    """The final norm gives its shift alone, which an identity head passes on."""
    config = tiny(vocab_size=8, d_model=8, num_layers=1, tie_embeddings=False, dropout=0.5)
    model = random_model(config)
    state = model.state_dict()
    state["final_norm.weight"] *= 0
    state["final_norm.bias"].copy_(torch.tensor(logits))
    state["head.weight"].copy_(torch.eye(8))
    return model


def test_samples_follow_softmax():
    logits = [2.0, 1.0, 0.0, 0.0, -1.0, 1.5, 0.5, -2.0]
    draws = generate(fixed_logits(logits), [0], 4000, seed=0, temperature=2.0)
    probabilities = (torch.tensor(logits) / 2).softmax(-1).tolist()
    for token, p in enumerate(probabilities):
        sigma = math.sqrt(4000 * p * (1 - p))
        assert abs(draws.count(token) - 4000 * p) < 4 * sigma


def test_the_seed_alone_decides_and_nothing_else_changes():
    model = random_model(tiny(dropout=0.5)).train()
    model.blocks[0].eval()
    modes = [module.training for module in model.modules()]
    state = torch.random.get_rng_state()
    first = generate(model, [1, 2], 20, seed=5)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert [module.training for module in model.modules()] == modes
    torch.rand(3)
    assert generate(model, [1, 2], 20, seed=5, use_cache=False) == first
    assert generate(model, [1, 2], 20, seed=6) != first


def test_end_of_text_is_the_last_token():
    logits = [0.0] * 7 + [9.0]
    assert generate(fixed_logits(logits), [0], 5, seed=0, temperature=0, end_of_text=7) == [7]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt_ids": []}, "the prompt is empty"),
        ({"prompt_ids": [3, 61]}, "prompt id 61 at position 1.*0 to 60"),
        ({"num_tokens": -1}, "num_tokens=-1"),
        ({"seed": -1}, "seed=-1"),
        ({"temperature": -0.5}, "temperature=-0.5"),
        ({"temperature": math.nan}, "temperature=nan"),
        ({"top_k": 0}, "top_k=0"),
        ({"top_p": 0.0}, "top_p=0.0"),
        ({"top_p": 1.5}, "top_p=1.5"),
    ],
)
def test_nonsense_is_refused(changes, message):
    settings = {"prompt_ids": [0], "num_tokens": 1, "seed": 0} | changes
    with pytest.raises(LabError, match=message):
        generate(random_model(tiny()), **settings)


def test_a_diverged_model_is_named():
    model = random_model(tiny())
    model.embedding.weight.data[0] = math.nan
    with pytest.raises(LabError, match="NaN"):
        generate(model, [0], 1, seed=0)


@POSITIONS
@pytest.mark.parametrize("use_cache", [True, False])
def test_each_row_of_a_ragged_batch_gets_what_it_gets_alone(positions, use_cache):
    """Lengths, seeds and stop ids of their own, past the end of the context."""
    model = random_model(tiny(positions=positions, token_shift=True, num_layers=3))
    ids = random_ids(model.config, batch=4, length=20)
    prompts = [ids[row, :length].tolist() for row, length in enumerate((1, 20, 7, 7))]
    lengths, seeds = [30, 5, 12, 0], [3, 1, 4, 1]
    alone = [
        generate(model, prompt, length, seed=seed)
        for prompt, length, seed in zip(prompts, lengths, seeds, strict=True)
    ]
    stop = alone[0][6]
    alone[0] = alone[0][: alone[0].index(stop) + 1]
    stops = [(stop,), (), (), ()]
    found = generate_batch(
        model, prompts, lengths, seeds=seeds, stop_ids=stops, use_cache=use_cache
    )
    assert found == alone


def test_a_batch_whose_lists_differ_in_length_is_refused():
    with pytest.raises(LabError, match="2 prompts but 1 seeds; give one for each"):
        generate_batch(random_model(tiny()), [[1], [2]], [1, 1], seeds=[0])
