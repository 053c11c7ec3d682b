from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="needs labkit[train]")

from torch.nn import functional  # noqa: E402

from labkit.model.initialization import initialize  # noqa: E402
from labkit.model.transformer import Transformer  # noqa: E402
from tests.model.models import SINGLE_CHOICES, random_ids, tiny  # noqa: E402


def initial_loss(model: Transformer) -> tuple[float, float]:
    """(mean cross entropy over every target, mean variance of a position's logits)."""
    with torch.no_grad():
        logits_TV = model(random_ids(model.config, batch=8, length=16)).flatten(0, 1)
    nats_T = logits_TV.logsumexp(-1) - logits_TV.mean(-1)
    return nats_T.mean().item(), logits_TV.var(-1).mean().item()


def test_gpt2_starts_at_ln_v_and_half_the_variance_of_its_logits():
    """A normed stream of rms 1 times weights of 0.02 gives logits of variance d * 0.02^2 = 0.2."""
    config = tiny(vocab_size=1000, d_model=500, num_kv_heads=4, tie_embeddings=False)
    loss, variance = initial_loss(initialize(Transformer(config), seed=0))
    assert variance == pytest.approx(0.2, rel=0.02)
    assert loss - math.log(1000) == pytest.approx(variance / 2, rel=0.01)


@pytest.mark.parametrize("name", SINGLE_CHOICES)
def test_every_choice_starts_at_ln_v_and_half_the_variance_of_its_logits(name):
    shape = {"vocab_size": 1000, "d_model": 160, "tie_embeddings": False}
    config = tiny(**(shape | SINGLE_CHOICES[name]))
    loss, variance = initial_loss(initialize(Transformer(config), seed=0))
    assert loss == pytest.approx(math.log(1000) + variance / 2, rel=0.01)
    assert loss - math.log(1000) == pytest.approx(variance / 2, rel=0.03)


@pytest.mark.parametrize("positions", ["learned", "rope"])
def test_zero_output_starts_at_exactly_ln_v(positions):
    config = tiny(initialization="zero_output", tie_embeddings=False, positions=positions)
    model = initialize(Transformer(config), seed=0)
    with torch.no_grad():
        logits_BTV = model(random_ids(config, batch=2, length=16))
    targets_BT = random_ids(config, batch=2, length=16, seed=2)
    loss = functional.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten())
    assert loss.item() == pytest.approx(math.log(61), abs=1e-6)


def final_residual_std(num_layers: int, *, is_scaled: bool) -> float:
    config = tiny(num_layers=num_layers, d_model=128, num_kv_heads=4, head_dim=32, d_ff=512)
    model = initialize(Transformer(config), seed=0)
    if not is_scaled:
        for name, parameter in model.named_parameters():
            if name.endswith(("attention.output.weight", "feed_forward.down.weight")):
                parameter.data *= math.sqrt(2 * num_layers)
    streams = []
    model.blocks[-1].register_forward_hook(lambda module, args, output: streams.append(output))
    with torch.no_grad():
        model(random_ids(config, batch=8, length=16))
    return streams[0].std().item()


def test_scaled_writers_keep_the_residual_stream_whatever_the_depth():
    stds = [final_residual_std(layers, is_scaled=True) for layers in (6, 12, 24, 48)]
    assert max(stds) / min(stds) < 1.2


def test_unscaled_writers_let_the_residual_stream_grow_as_the_root_of_depth():
    shallow, deep = (final_residual_std(layers, is_scaled=False) for layers in (6, 48))
    assert deep / shallow == pytest.approx(math.sqrt(48 / 6), rel=0.2)


def test_what_two_models_share_starts_equal():
    one = initialize(Transformer(tiny(positions="rope")), seed=3).state_dict()
    other = initialize(Transformer(tiny(feed_forward="swiglu", qk_norm=True)), seed=3).state_dict()
    shared = one.keys() & other.keys()
    assert "blocks.1.attention.query.weight" in shared
    assert "blocks.1.feed_forward.up.weight" in shared
    assert all(torch.equal(one[name], other[name]) for name in shared)


def test_another_seed_gives_other_weights():
    one, other = (initialize(Transformer(tiny()), seed=seed) for seed in (0, 1))
    assert not torch.equal(one.embedding.weight, other.embedding.weight)
