"""Laws that hold for each value of each choice, and the choices by hand."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="needs labkit[train]")

from torch.nn import functional  # noqa: E402

from labkit.core.config import ConfigError  # noqa: E402
from labkit.cost.kv_cache import cache_bytes_per_token  # noqa: E402
from labkit.model.attention import KERNELS  # noqa: E402
from labkit.model.config import ModelConfig  # noqa: E402
from labkit.model.feed_forward import ACTIVATIONS, GATES  # noqa: E402
from labkit.model.masks import Banded, seen_by_all  # noqa: E402
from labkit.model.positions import t5_buckets  # noqa: E402
from labkit.model.reading import Sight  # noqa: E402
from labkit.model.rope import LAYOUTS, SCALINGS, rope_tables  # noqa: E402
from labkit.model.stack import BlockKind  # noqa: E402
from labkit.model.transformer import Transformer  # noqa: E402
from labkit.model.waves import waves  # noqa: E402
from labkit.model.weights import all_weights  # noqa: E402
from tests.model.models import SINGLE_CHOICES, random_ids, random_model, tiny  # noqa: E402

EVERY_CHOICE = pytest.mark.parametrize("name", SINGLE_CHOICES)
LENGTH = 9


@EVERY_CHOICE
def test_its_weights_are_listed_and_its_defaults_not_written(name):
    config = tiny(**SINGLE_CHOICES[name])
    with torch.device("meta"):
        network = {n: tuple(w.shape) for n, w in Transformer(config).named_parameters()}
    assert network == {weight.name: weight.shape for weight in all_weights(config)}
    assert ModelConfig.model_validate(config.model_dump()) == config
    assert ModelConfig.from_parameters(config.to_parameters()) == config


@EVERY_CHOICE
def test_no_token_depends_on_a_later_one_and_kernels_agree(name):
    config = tiny(**SINGLE_CHOICES[name])
    ids_BT = random_ids(config, batch=2, length=LENGTH)
    model = random_model(config)
    embedded = []
    model.embedding.register_forward_hook(lambda module, args, output: embedded.append(output))
    logits_BTV = model(ids_BT)
    for t in (0, 4):
        (gradient_BTD,) = torch.autograd.grad(
            logits_BTV[0, t].square().sum(), embedded, retain_graph=True
        )
        assert gradient_BTD[0, t + 1 :].abs().sum() == 0
        assert gradient_BTD[1].abs().sum() == 0
        assert gradient_BTD[0, t].abs().sum() > 0
    other = random_model(config, kernel="written_out")(ids_BT)
    torch.testing.assert_close(logits_BTV, other, atol=1e-5, rtol=0)


@EVERY_CHOICE
def test_through_a_cache_and_in_a_packed_row_the_logits_are_the_same(name):
    model = random_model(tiny(**SINGLE_CHOICES[name]))
    ids_BT = random_ids(model.config, batch=2, length=LENGTH)
    with torch.no_grad():
        expected_BTV = model(ids_BT)
        cache = model.new_cache()
        pieces = [model(ids_BT[:, a:b], cache) for a, b in ((0, 5), (5, 6), (6, 9))]
        row_BT = torch.cat((ids_BT[:1], ids_BT[1:, :5]), dim=1)
        segments_BT = torch.tensor([[0] * LENGTH + [1] * 5])
        packed_BTV = model(row_BT, segments_BT=segments_BT)
    torch.testing.assert_close(torch.cat(pieces, dim=1), expected_BTV, atol=1e-5, rtol=0)
    torch.testing.assert_close(packed_BTV[0, :LENGTH], expected_BTV[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(packed_BTV[0, LENGTH:], expected_BTV[1, :5], atol=1e-5, rtol=0)
    assert cache.num_bytes == 2 * LENGTH * cache_bytes_per_token(model.config, element_bytes=4)


def test_transformer_xl_scores_by_hand():
    """(q + u) k + (q + v) W r_(t-s), pair by pair; heads of 6, 2 of them on each key head."""
    config = tiny(positions="transformer_xl", head_dim=6)
    part = random_model(config).blocks[0].attention.distances
    generator = torch.Generator().manual_seed(0)
    q_BHTK, k_BHSK = (torch.randn(1, 4, 5, 6, generator=generator) for _ in range(2))
    moved_BHTK, sight = part(q_BHTK, Sight(is_causal=True), 5)
    scores_BHTS = moved_BHTK @ k_BHSK.mT / math.sqrt(6) + sight.bias_BHTS
    u_HK, v_HK = (bias.view(4, 6) for bias in (part.content_bias, part.distance_bias))
    for head, t, s in ((0, 0, 0), (1, 3, 1), (3, 4, 0)):
        wave_D = waves(torch.tensor([t - s]), config.d_model)[0]
        r_K = (part.weight @ wave_D).view(4, 6)[head]
        q_K, k_K = q_BHTK[0, head, t], k_BHSK[0, head, s]
        expected = ((q_K + u_HK[head]) @ k_K + (q_K + v_HK[head]) @ r_K) / math.sqrt(6)
        torch.testing.assert_close(scores_BHTS[0, head, t, s], expected)


@pytest.mark.parametrize("positions", ["rope", "alibi", "t5", "shaw", "transformer_xl", "none"])
@pytest.mark.parametrize("num_kv_heads", [1, 2])
def test_grouped_heads_are_multi_head_with_repeated_weights(positions, num_kv_heads):
    grouped = random_model(tiny(num_kv_heads=num_kv_heads, positions=positions))
    full = random_model(tiny(num_kv_heads=4, positions=positions))
    state = grouped.state_dict()
    for name, tensor in state.items():
        if ".attention.key." in name or ".attention.value." in name:
            heads = tensor.unflatten(0, (num_kv_heads, 10))
            state[name] = heads.repeat_interleave(4 // num_kv_heads, dim=0).flatten(0, 1)
    full.load_state_dict(state)
    ids_BT = random_ids(full.config, batch=2, length=16)
    torch.testing.assert_close(grouped(ids_BT), full(ids_BT), atol=1e-5, rtol=0)


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("ratio", [0.5, 1.0])
def test_rope_scores_depend_on_distance_alone(scaling, layout, ratio):
    fields = {"rope_factor": 4.0, "rope_original_context": 8} if scaling != "none" else {}
    config = tiny(positions="rope", head_dim=8, rope_ratio=ratio, rope_scaling=scaling, **fields)
    tables = rope_tables(config, num_positions=32, theta=10_000.0)
    q_BHTK, k_BHTK = torch.randn(2, 1, 1, 1, 8, generator=torch.Generator().manual_seed(0))
    turned = (LAYOUTS[layout](x.expand(1, 1, 32, 8), *tables) for x in (q_BHTK, k_BHTK))
    q_BHTK, k_BHTK = turned
    scores_TS = (q_BHTK @ k_BHTK.transpose(-1, -2))[0, 0]
    torch.testing.assert_close(scores_TS[1:, 1:], scores_TS[:-1, :-1], atol=1e-5, rtol=0)
    assert scores_TS[0].std() > 0.1


def test_activations_by_hand():
    """At 2: 2 Phi(2) = 1.954500, 2 sigmoid(3.404) = 1.935659, 2 sigmoid(2) = 1.761594."""
    x = torch.tensor([-1.0, 2.0])
    found = {name: float(activate(x)[1]) for name, activate in (ACTIVATIONS | GATES).items()}
    expected = {
        "gelu": 1.954598,
        "gelu_exact": 1.954500,
        "gelu_quick": 1.935659,
        "relu": 2.0,
        "relu_squared": 4.0,
        "silu": 1.761594,
        "glu": 0.880797,
        "geglu": 1.954598,
    }
    assert found == pytest.approx(expected | {"swiglu": 1.761594}, abs=1e-6)
    assert float(ACTIVATIONS["relu"](x)[0]) == 0


def test_a_band_and_every_third_key_by_hand():
    positions_BT = torch.arange(7)[None]
    seen_TS = seen_by_all([Banded(3)], positions_BT, positions_BT)[0].int()
    assert seen_TS[6].tolist() == [1, 0, 0, 1, 1, 1, 1]
    assert BlockKind("causal", 3, 1e4, "banded").num_visible(7) == 5


def test_buckets_are_those_of_transformers_t5():
    t5 = pytest.importorskip("transformers.models.t5.modeling_t5", reason="needs labkit[dev]")
    back_N = torch.arange(300)
    theirs_N = t5.T5Attention._relative_position_bucket(-back_N, False, 32, 128)
    assert torch.equal(t5_buckets(back_N, 128), theirs_N)


def test_deep_norm_keeps_more_of_the_stream_by_hand():
    """Two layers: the stream counts (2 x 2)^(1/4) = 1.414 in deep, 2 in deep_glm."""
    models = [random_model(tiny(norm_placement=name)) for name in ("post", "deep", "deep_glm")]
    assert [model.blocks[0].stream_scale for model in models] == [1.0, math.sqrt(2), 2.0]
    x_BTD = torch.randn(1, 1, 24, generator=torch.Generator().manual_seed(0))
    block = models[2].blocks[0]
    view = models[2]._views(_alone())[models[2].kinds[0]]
    h_BTD = block.attention_norm(2 * x_BTD + block.attend(x_BTD, view, None))
    expected = block.feed_forward_norm(2 * h_BTD + block.feed(h_BTD))
    torch.testing.assert_close(block(x_BTD, view), expected)


def _alone():
    from labkit.model.reading import reading_of

    return reading_of(torch.zeros(1, 1, dtype=torch.long), None, None, None)


def test_capped_logits_stay_below_the_cap_and_scores_below_theirs():
    model = random_model(tiny(logit_soft_cap=0.5))
    logits_BTV = model(random_ids(model.config, 1, 8))
    plain_BTV = random_model(tiny())(random_ids(model.config, 1, 8))
    torch.testing.assert_close(logits_BTV, 0.5 * torch.tanh(plain_BTV / 0.5))
    q, k = torch.randn(2, 1, 1, 4, 6, generator=torch.Generator().manual_seed(0))
    attend = KERNELS["written_out"]
    from labkit.model.attention import Scoring

    found = attend(q, k, torch.eye(4)[None, None], Sight(), 0.0, Scoring(1.0, 2.0))
    torch.testing.assert_close(
        found[0, 0], functional.softmax(2 * torch.tanh(q @ k.mT / 2), -1)[0, 0]
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positions": "rope", "rope_ratio": 0.3}, r"rope_ratio=0.3.*is 3; try rope_ratio=4/10"),
        ({"rope_factor": 2.0}, "rope_factor.*give rope_scaling too"),
        ({"rope_scaling": "linear"}, "rope_scaling=linear needs positions=rope"),
        (
            {"positions": "rope", "rope_scaling": "yarn", "rope_factor": 2.0},
            "try rope_original_context=8",
        ),
        ({"block": "parallel_two_norms", "norm_placement": "after"}, "use norm_placement=pre"),
        ({"whole_context_first": True}, "whole_context_every blocks"),
        ({"window_pattern": "banded"}, "give window too"),
        ({"position_offset": 2, "positions": "rope"}, "position_offset=0"),
        ({"positions": "t5", "mask": "prefix"}, "give mask=causal"),
        ({"num_kv_heads": 3}, "try num_kv_heads=2"),
    ],
)
def test_choices_that_do_not_go_together_are_refused_with_what_to_give(changes, message):
    with pytest.raises((ConfigError, ValueError), match=message):
        tiny(**changes)
