"""Who sees whom, by gradient, for every mask on both kernels; through a cache, by perturbation."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs labkit[train]")

from labkit.model.attention import KERNELS, Attention  # noqa: E402
from labkit.model.masks import Causal, Prefix, Segments, Window, seen_by_all  # noqa: E402
from labkit.model.positions import alibi_slopes  # noqa: E402
from labkit.model.reading import Sight  # noqa: E402
from labkit.model.stack import visible_tokens  # noqa: E402
from tests.model.models import random_ids, random_model, randomize, tiny  # noqa: E402

LENGTH = 9
PREFIX = 4
SEGMENTS = [0, 0, 0, 1, 1, 1, 1, 2, 2]
PADDED = [-1, -1, -1, 0, 0, 0, 0, 0, 0]


def numbers(rule):
    return torch.tensor([[rule(t, s) for s in range(LENGTH)] for t in range(LENGTH)])


def of_segments(segments):
    return numbers(lambda t, s: s <= t and segments[s] == segments[t])


CASES = {
    "causal": ({}, {}, numbers(lambda t, s: s <= t)),
    "full": ({"mask": "full"}, {}, numbers(lambda t, s: True)),
    "prefix": (
        {"mask": "prefix"},
        {"prefix_B": torch.tensor([PREFIX])},
        numbers(lambda t, s: s <= t or s < PREFIX),
    ),
    "window": ({"window": 3}, {}, numbers(lambda t, s: 0 <= t - s < 3)),
    "full window": ({"window": 3, "mask": "full"}, {}, numbers(lambda t, s: abs(t - s) < 3)),
    "segments": ({}, {"segments_BT": torch.tensor([SEGMENTS])}, of_segments(SEGMENTS)),
    "padding": ({}, {"segments_BT": torch.tensor([PADDED])}, of_segments(PADDED)),
}
EVERY_MASK = pytest.mark.parametrize("case", CASES)
EVERY_KERNEL = pytest.mark.parametrize("kernel", KERNELS)


def one_block(case, kernel, **choices):
    """In one block what a token sees is what its logits depend on."""
    fields, given, seen_TS = CASES[case]
    model = random_model(tiny(num_layers=1, **fields, **choices), kernel=kernel)
    return model, given, seen_TS


@EVERY_MASK
@EVERY_KERNEL
@pytest.mark.parametrize("positions", ["rope", "alibi"])
def test_logits_depend_on_exactly_the_tokens_that_the_mask_shows(case, kernel, positions):
    model, given, seen_TS = one_block(case, kernel, positions=positions)
    embedded = []
    model.embedding.register_forward_hook(lambda module, args, output: embedded.append(output))
    logits_TV = model(random_ids(model.config, 1, LENGTH), **given)[0]
    for t in range(LENGTH):
        weights_V = torch.linspace(-1, 1, model.config.vocab_size)
        (gradient_BTD,) = torch.autograd.grad(logits_TV[t] @ weights_V, embedded, retain_graph=True)
        assert torch.equal(gradient_BTD[0].abs().sum(dim=-1) > 0, seen_TS[t])


@pytest.mark.parametrize("case", [name for name in CASES if not name.startswith("full")])
@EVERY_KERNEL
def test_through_a_cache_a_token_sees_the_same_and_nothing_else(case, kernel):
    model, given, seen_TS = one_block(case, kernel, positions="rope")
    ids_BT = random_ids(model.config, 1, LENGTH)
    with torch.no_grad():
        before_TV = read_in_pieces(model, ids_BT, given)
        torch.testing.assert_close(before_TV, model(ids_BT, **given)[0], atol=1e-5, rtol=0)
        for s in range(LENGTH):
            other_BT = ids_BT.clone()
            other_BT[0, s] = (ids_BT[0, s] + 1) % model.config.vocab_size
            changed_T = (read_in_pieces(model, other_BT, given) != before_TV).any(dim=-1)
            assert torch.equal(changed_T, seen_TS[:, s])


def read_in_pieces(model, ids_BT, given):
    cache, parts = model.new_cache(), []
    for start, end in ((0, 5), (5, 6), (6, 9)):
        now = {k: v[:, start:end] if k == "segments_BT" else v for k, v in given.items()}
        parts.append(model(ids_BT[:, start:end], cache, **now)[0])
    return torch.cat(parts)


@EVERY_KERNEL
@pytest.mark.parametrize("positions", ["learned", "rope", "alibi", "none"])
def test_documents_of_a_packed_row_get_the_logits_that_they_get_alone(kernel, positions):
    """Token shift, positions and windows start anew with each."""
    model = random_model(tiny(positions=positions, token_shift=True, window=4), kernel=kernel)
    ids_BT = random_ids(model.config, 2, 16)
    segments_BT = torch.tensor([[0] * 5 + [1] * 7 + [0] * 4, [3] * 16])
    packed_BTV = model(ids_BT, segments_BT=segments_BT)
    for row, start, end in ((0, 0, 5), (0, 5, 12), (0, 12, 16), (1, 0, 16)):
        alone_TV = model(ids_BT[row : row + 1, start:end])[0]
        torch.testing.assert_close(packed_BTV[row, start:end], alone_TV, atol=1e-5, rtol=0)


def test_masks_by_hand():
    positions_BT = torch.tensor([[0, 1, 2, 0, 1]])
    segments_BT = torch.tensor([[5, 5, 5, 6, 6]])
    seen_BTS = seen_by_all(
        [Causal(), Window(2), Segments(segments_BT, segments_BT)], positions_BT, positions_BT
    )
    assert seen_BTS[0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 1, 1, 0, 0],
        [0, 0, 0, 1, 0],
        [0, 0, 0, 1, 1],
    ]
    prefix_BTS = Prefix(torch.tensor([2])).sees(positions_BT[:, :3, None], positions_BT[:, None])
    assert prefix_BTS[0, 0].int().tolist() == [1, 1, 0, 1, 1]


def test_blocks_alternate_and_only_windows_cost_less():
    config = tiny(num_layers=4, window=3, whole_context_every=2, context_length=32)
    model = random_model(config)
    assert [kind.window for kind in model.kinds] == [3, None, 3, None]
    assert visible_tokens(config, 10) == 3 + 10 + 3 + 10


def test_windowed_blocks_may_turn_at_another_base():
    fields = {"window": 8, "whole_context_every": 2, "positions": "rope"}
    ids_BT = random_ids(tiny(), 1, LENGTH)
    same, other = (
        random_model(tiny(**fields, window_rope_theta=theta))(ids_BT) for theta in (10_000.0, 500.0)
    )
    assert torch.equal(same, random_model(tiny(**fields))(ids_BT))
    assert not torch.allclose(same, other)


@pytest.mark.parametrize("num_heads", [8, 12, 112])
def test_alibi_slopes_are_those_of_transformers_bloom(num_heads):
    bloom = pytest.importorskip(
        "transformers.models.bloom.modeling_bloom", reason="needs labkit[dev]"
    )
    theirs_HS = bloom.build_alibi_tensor(torch.ones(1, 2), num_heads, torch.float32)
    slopes = torch.tensor(alibi_slopes(num_heads))
    torch.testing.assert_close(theirs_HS[:, 0, 1], slopes, atol=1e-7, rtol=1e-6)


@EVERY_KERNEL
def test_queries_may_read_another_source_as_torchs_attention_does(kernel):
    config = tiny(num_kv_heads=4, head_dim=6, positions="none")
    ours = randomize(Attention(config, kernel))
    theirs = torch.nn.MultiheadAttention(24, 4, batch_first=True)
    parts = [getattr(ours, name) for name in ("query", "key", "value")]
    theirs.in_proj_weight.data = torch.cat([part.weight for part in parts])
    theirs.in_proj_bias.data = torch.cat([part.bias for part in parts])
    theirs.out_proj.load_state_dict(ours.output.state_dict())
    generator = torch.Generator().manual_seed(0)
    x_BTD, source_BSD = (torch.randn(2, n, 24, generator=generator) for n in (5, 7))
    expected_BTD, _ = theirs(x_BTD, source_BSD, source_BSD)
    found_BTD = ours(x_BTD, source_BSD, Sight(), None, None)
    torch.testing.assert_close(found_BTD, expected_BTD, atol=1e-5, rtol=0)
