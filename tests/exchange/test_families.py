"""Each family against its class in `transformers`: the same logits there, here and back again.

Weights are such that logits vary by one and more, so that 1e-5 means something. What this test
would not see is no proof: faults that are planted in our model must make it fail.
"""

from __future__ import annotations

import contextlib
import inspect
import json

import pytest

torch = pytest.importorskip("torch", reason="needs labkit[train]")
transformers = pytest.importorskip("transformers", reason="needs labkit[dev]")

from labkit.exchange.folder import write_model  # noqa: E402
from labkit.exchange.huggingface import from_huggingface  # noqa: E402
from labkit.exchange.huggingface_families import FAMILIES, family_of  # noqa: E402
from labkit.exchange.weight_files import read_weights  # noqa: E402
from labkit.model import block, positions, reading, rope  # noqa: E402
from tests.exchange.families import THEIRS  # noqa: E402
from tests.exchange.saved import bare  # noqa: E402
from tests.model.models import randomize  # noqa: E402

LENGTH, PADDING = 16, 5
WITHOUT_CACHE = {"openai-gpt"}


def theirs_of(name):
    kind, settings = THEIRS[name]
    tokens = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    config = transformers.AutoConfig.for_model(kind, **settings, **tokens)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    randomize(model)
    with torch.no_grad():
        model.get_input_embeddings().weight *= 1.5
        if model.get_output_embeddings().weight is not model.get_input_embeddings().weight:
            model.get_output_embeddings().weight *= 1.5
    return model


def assert_same(ours_TV, theirs_TV):
    assert theirs_TV.std() >= 1
    torch.testing.assert_close(ours_TV, theirs_TV, atol=1e-5, rtol=0)


def assert_same_logits(ours, theirs):
    """In rows alone, padded on the left, and through a cache."""
    takes_positions = "position_ids" in inspect.signature(theirs.forward).parameters
    generator = torch.Generator().manual_seed(1)
    ids_BT = torch.randint(61, (2, LENGTH), generator=generator)
    with torch.no_grad():
        expected_BTV = theirs(ids_BT).logits
        assert_same(ours(ids_BT), expected_BTV)
        mask_BT = torch.ones_like(ids_BT)
        mask_BT[1, :PADDING] = 0
        places_BT = (mask_BT.cumsum(-1) - 1).clamp(min=0)
        given = {"position_ids": places_BT} if takes_positions else {}
        padded_BTV = theirs(ids_BT, attention_mask=mask_BT, **given).logits
        found_BTV = ours(ids_BT, segments_BT=mask_BT - 1)
        assert_same(found_BTV[0], padded_BTV[0])
        assert_same(found_BTV[1, PADDING:], padded_BTV[1, PADDING:])
        if theirs.config.model_type not in WITHOUT_CACHE:
            cache, pieces, past = ours.new_cache(), [], None
            for start, end in ((0, 9), (9, 10), (10, LENGTH)):
                pieces.append(ours(ids_BT[:, start:end], cache))
                step = theirs(ids_BT[:, start:end], past_key_values=past, use_cache=True)
                past = step.past_key_values
                assert_same(pieces[-1], step.logits)


def check(name, folder):
    theirs = theirs_of(name)
    theirs.save_pretrained(folder / "theirs")
    config_json = json.loads((folder / "theirs" / "config.json").read_text())
    state = read_weights(folder / "theirs")
    ours = from_huggingface(config_json, state).eval()
    assert_same_logits(ours, theirs)

    assert family_of(ours.config) == THEIRS[name][0]
    written = write_model(folder / "ours", bare(ours))
    back = read_weights(written)
    head = f"{FAMILIES[THEIRS[name][0]].head}.weight"
    assert back.keys() - {head} == state.keys() - {head}
    assert all(torch.equal(tensor, state[key]) for key, tensor in back.items())
    auto = transformers.AutoModelForCausalLM
    opened, report = auto.from_pretrained(
        written, output_loading_info=True, attn_implementation="eager"
    )
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert_same_logits(ours, opened)


@pytest.mark.parametrize("name", THEIRS)
def test_logits_are_those_of_transformers_and_come_back(name, tmp_path):
    check(name, tmp_path)


def test_every_family_is_compared():
    assert {kind for kind, _ in THEIRS.values()} == set(FAMILIES)


def _swapped_layouts(patch):
    halves, interleaved = rope.LAYOUTS["halves"], rope.LAYOUTS["interleaved"]
    patch.setitem(rope.LAYOUTS, "halves", interleaved)
    patch.setitem(rope.LAYOUTS, "interleaved", halves)


def _dropped_windows(patch):
    sight = reading.Reading.sight
    patch.setattr(
        reading.Reading,
        "sight",
        lambda self, kind, bias: sight(self, kind._replace(window=None), bias),
    )


def _dropped_padding(patch):
    """Only where a row is a document of its own; positions stay."""
    sight = reading.Reading.sight
    patch.setattr(
        reading.Reading,
        "sight",
        lambda self, kind, bias: sight(self._replace(segments_BS=None), kind, bias),
    )


def _slopes_of_a_power(patch):
    patch.setattr(positions, "alibi_slopes", lambda n: [2 ** (-8 * i / n) for i in range(1, n + 1)])


def _one_norm_for_two(patch):
    patch.setitem(block.ARRANGEMENTS, ("parallel_two_norms", "pre"), block._parallel)


@pytest.mark.parametrize(
    ("plant", "name"),
    [
        (_swapped_layouts, "llama"),
        (_swapped_layouts, "gpt-j"),
        (_dropped_windows, "mistral"),
        (_dropped_windows, "gpt-neo"),
        (_dropped_padding, "llama"),
        (_slopes_of_a_power, "bloom-112-heads"),
        (_one_norm_for_two, "gpt-neox"),
        (_one_norm_for_two, "falcon-40b"),
    ],
)
def test_a_planted_fault_is_seen(plant, name, tmp_path, monkeypatch):
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(monkeypatch.context())
        plant(patch)
        with pytest.raises(AssertionError, match="not close"):
            check(name, tmp_path)
