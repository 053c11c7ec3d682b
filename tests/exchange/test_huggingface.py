from __future__ import annotations

import json
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs labkit[train]")
transformers = pytest.importorskip("transformers", reason="needs labkit[dev]")

from labkit.core.config import later_defaults  # noqa: E402
from labkit.core.errors import LabError  # noqa: E402
from labkit.exchange.config_json import (  # noqa: E402
    what_the_file_lacks,
    write_config_json,
)
from labkit.exchange.huggingface import (  # noqa: E402
    from_huggingface,
    from_labkit,
    outgoing,
    stored_tensors,
)
from labkit.exchange.huggingface_families import family_of, what_is_beyond  # noqa: E402
from labkit.exchange.modeling_labkit import DEFAULTS, LabkitForCausalLM  # noqa: E402
from labkit.exchange.weight_files import read_weights  # noqa: E402
from labkit.model.config import ModelConfig  # noqa: E402
from labkit.model.generation import generate  # noqa: E402
from tests.exchange.saved import save, weight_of  # noqa: E402
from tests.model.models import (  # noqa: E402
    SINGLE_CHOICES,
    every_choice,
    name_of,
    random_ids,
    random_model,
    randomize,
    tiny,
)

LATER = later_defaults(ModelConfig)
GPT2 = {"vocab_size": 61, "n_positions": 16, "n_embd": 24, "n_layer": 2, "n_head": 4}
LLAMA = {
    "vocab_size": 61,
    "max_position_embeddings": 16,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 10,
}
ROPE = {"rope_theta": 500.0, "rope_type": "default"}
THEIRS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("gpt2", GPT2),
    "gpt2-untied": ("gpt2", GPT2 | {"tie_word_embeddings": False, "n_inner": 40}),
    "llama": ("llama", LLAMA),
    "llama-tied": ("llama", LLAMA | {"tie_word_embeddings": True, "rope_parameters": ROPE}),
    "llama-attention-bias": ("llama", LLAMA | {"attention_bias": True}),
    "llama-mlp-bias": ("llama", LLAMA | {"mlp_bias": True, "num_key_value_heads": None}),
    "qwen3": ("qwen3", LLAMA | {"rope_parameters": ROPE, "num_key_value_heads": 1}),
    "qwen3-bias-tied": ("qwen3", LLAMA | {"attention_bias": True, "tie_word_embeddings": True}),
}


def theirs_of(kind: str, settings: dict[str, Any]):
    config = transformers.AutoConfig.for_model(
        kind, **settings, bos_token_id=None, eos_token_id=None
    )
    return randomize(transformers.AutoModelForCausalLM.from_config(config))


def config_json_of(theirs) -> dict[str, Any]:
    return json.loads(theirs.config.to_json_string(use_diff=False))


def assert_same_logits(ours, theirs):
    ids_BT = random_ids(ours.config, batch=2, length=16)
    with torch.no_grad():
        torch.testing.assert_close(ours(ids_BT), theirs(ids_BT).logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", THEIRS)
def test_their_model_gives_the_same_logits_here_and_comes_back_bit_for_bit(name):
    theirs = theirs_of(*THEIRS[name])
    config_json, state = config_json_of(theirs), theirs.state_dict()
    ours = from_huggingface(config_json, state).eval()
    assert_same_logits(ours, theirs)
    config_back = write_config_json(ours.config, None)
    state_back = dict(outgoing(ours.config, weight_of(ours)))
    is_tied = ours.config.tie_embeddings
    assert state_back.keys() == state.keys() - ({"lm_head.weight"} if is_tied else set())
    assert all(torch.equal(tensor, state[key]) for key, tensor in state_back.items())
    again = transformers.AutoConfig.for_model(**config_back).to_dict()
    before = theirs.config.to_dict() | {"architectures": [type(theirs).__name__]}
    before["n_inner"] = before.get("n_inner") or 96
    changed = {key for key, value in again.items() if before.get(key) != value}
    assert changed <= {"labkit", "dtype", "n_inner"} - set(THEIRS[name][1]), changed


def shrunk(preset: str) -> ModelConfig:
    """A preset's choices at a tiny size; other families are in test_families.py."""
    config = ModelConfig.from_preset(preset)
    is_grouped = config.num_kv_heads < config.num_heads
    size = {"vocab_size": 61, "context_length": 16, "d_model": 32, "num_layers": 2}
    heads = {"num_heads": 4, "num_kv_heads": 2 if is_grouped else 4, "head_dim": 8, "d_ff": 40}
    return ModelConfig.model_validate(config.model_dump() | size | heads)


LLAMA_CHOICES = {"positions": "rope", "norm": "rmsnorm", "feed_forward": "swiglu"}
UNUSUAL = {
    "no output bias": tiny(**LLAMA_CHOICES, attention_output_bias=False),
    "no qkv bias": tiny(**LLAMA_CHOICES, qkv_bias=False),
    "gpt2 with some biases": tiny(num_kv_heads=4, head_dim=6, feed_forward_bias=False),
    "gpt2 with another epsilon": tiny(num_kv_heads=4, head_dim=6, norm_epsilon=1e-2),
}
OURS = {preset: shrunk(preset) for preset in ("gpt2", "nanogpt-cpu", "llama-2-70b")} | UNUSUAL


def opened(folder):
    """As `AutoModelForCausalLM` opens it; with our class where config.json says so."""
    kind = json.loads((folder / "config.json").read_text())["model_type"]
    auto = LabkitForCausalLM if kind == "labkit" else transformers.AutoModelForCausalLM
    theirs, report = auto.from_pretrained(folder, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    return theirs


@pytest.mark.parametrize("name", OURS)
def test_our_model_gives_the_same_logits_there_and_comes_back_bit_for_bit(name, tmp_path):
    ours = random_model(OURS[name])
    folder = save(ours, tmp_path / "model")
    assert family_of(ours.config)
    assert_same_logits(ours, opened(folder))
    back = from_labkit(ours.config, read_weights(folder))
    weights = weight_of(back)
    assert all(torch.equal(each, weights(one)) for one, each in ours.named_parameters())


@pytest.mark.parametrize("config", every_choice(), ids=name_of)
def test_every_choice_gives_the_same_logits_there(config, tmp_path):
    ours = random_model(config)
    assert_same_logits(ours, opened(save(ours, tmp_path / "model")))


@pytest.mark.parametrize("name", SINGLE_CHOICES)
def test_each_value_of_each_choice_is_opened_there_or_by_labkit_alone(name, tmp_path):
    ours = random_model(tiny(**SINGLE_CHOICES[name]))
    folder = save(ours, tmp_path / "model")
    back = from_labkit(ours.config, read_weights(folder))
    assert all(
        torch.equal(*pair) for pair in zip(ours.parameters(), back.parameters(), strict=True)
    )
    config_json = json.loads((folder / "config.json").read_text())
    if config_json["model_type"] != "labkit" or "auto_map" in config_json:
        assert_same_logits(ours, opened(folder))
    else:
        assert what_the_file_lacks(ours.config)
        assert not (folder / "modeling_labkit.py").exists()


def test_the_file_that_travels_knows_every_default():
    own = {"experts_per_token", "shared_d_ff", "normalize_expert_weights", "num_experts"}
    own |= {"balance_loss", "router_z_loss"}
    renamed = {"rope_stretch" if n == "rope_scaling" else n: v for n, v in LATER.items()}
    assert {name: value for name, value in renamed.items() if name not in own} == DEFAULTS


OWN_CLASS = {"positions": "rope", "token_shift": True}


@pytest.mark.parametrize(
    "choices", [{}, {"tie_embeddings": False}, LLAMA_CHOICES, OWN_CLASS, {"token_shift": True}]
)
def test_greedy_equals_ours_with_and_without_their_cache(choices, tmp_path):
    ours = random_model(tiny(num_kv_heads=4, head_dim=6, **choices))
    theirs = opened(save(ours, tmp_path / "model"))
    prompt = random_ids(ours.config, batch=1, length=4)
    expected = generate(ours, prompt[0].tolist(), 12, seed=0, temperature=0)
    for use_cache in (True, False):
        settings = {"max_new_tokens": 12, "do_sample": False, "pad_token_id": 0}
        found = theirs.generate(prompt, use_cache=use_cache, **settings)
        assert prompt[0].tolist() + expected == found[0].tolist()


@pytest.mark.parametrize("positions", ["learned", "rope"])
def test_a_row_padded_on_the_left_continues_as_it_does_alone(positions, tmp_path):
    ours = random_model(tiny(positions=positions, token_shift=True, qk_norm=True))
    theirs = opened(save(ours, tmp_path / "model"))
    long, short = random_ids(ours.config, batch=2, length=8)
    ids_BT = torch.stack([long, torch.cat([torch.zeros(3, dtype=torch.long), short[:5]])])
    mask_BT = torch.ones_like(ids_BT)
    mask_BT[1, :3] = 0
    found = theirs.generate(
        ids_BT, attention_mask=mask_BT, max_new_tokens=6, do_sample=False, pad_token_id=0
    )
    for row, prompt in enumerate((long, short[:5])):
        alone = generate(ours, prompt.tolist(), 6, seed=0, temperature=0)
        assert found[row, 8:].tolist() == alone


def test_positions_beyond_the_context_are_refused_there(tmp_path):
    theirs = opened(save(random_model(tiny(positions="rope", token_shift=True)), tmp_path / "m"))
    with pytest.raises(ValueError, match="position 16, but the model was trained on 16"):
        theirs(torch.zeros(1, 17, dtype=torch.long))


def test_files_that_transformers_wrote_can_be_read(tmp_path):
    theirs = theirs_of(*THEIRS["llama-tied"])
    theirs.save_pretrained(tmp_path, max_shard_size="8KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    ours = from_huggingface(config_json_of(theirs), read_weights(tmp_path))
    assert_same_logits(ours.eval(), theirs)


def test_gpt2_as_openai_released_it_has_no_prefix_and_stores_its_masks():
    theirs = theirs_of("gpt2", GPT2)
    state = {name.removeprefix("transformer."): t for name, t in theirs.state_dict().items()}
    del state["lm_head.weight"]
    state |= {f"h.{layer}.attn.bias": torch.ones(1, 1, 16, 16).tril() for layer in range(2)}
    assert_same_logits(from_huggingface(config_json_of(theirs), state).eval(), theirs)


def test_rope_as_transformers_4_wrote_it():
    theirs = theirs_of(*THEIRS["llama-tied"])
    config_json = config_json_of(theirs) | {"rope_theta": 500.0, "rope_scaling": None}
    del config_json["rope_parameters"]
    assert_same_logits(from_huggingface(config_json, theirs.state_dict()).eval(), theirs)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("llama", {"model_type": "mamba"}, "model_type='mamba'.*known: gpt2,.*llama"),
        ("llama", {"rope_parameters": ROPE | {"rope_type": "longrope"}}, "rope scaling.*longrope"),
        (
            "llama",
            {"rope_parameters": None, "rope_scaling": {"type": "linear"}},
            "rope_factor=None",
        ),
        ("llama", {"hidden_act": "gelu"}, "hidden_act='gelu'.*allowed: 'silu'"),
        ("qwen3", {"layer_types": ["sliding_attention"] * 2}, "layer_types"),
        ("llama", {"layer_types": ["chunked_attention"] * 2}, "layer_types"),
        ("gpt2", {"activation_function": "relu"}, "activation_function='relu'"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
        ("gpt2", {"attn_pdrop": 0.2}, "resid_pdrop=0.1 but others"),
        ("gpt2", {"n_head": 5}, "n_embd=24, not a multiple of n_head=5"),
        ("gpt2", {"n_inner": 40}, "c_fc.weight is .*shape \\(24, 96\\).*\\(24, 40\\)"),
        ("llama", {"num_hidden_layers": 1}, "unknown.*model.layers.1.input_layernorm.weight"),
        ("llama", {"num_hidden_layers": 3}, "missing.*model.layers.2.input_layernorm.weight"),
        ("llama", {"tie_word_embeddings": True}, "lm_head.weight differs"),
        ("gpt2", {"vocab_size": "many"}, "vocab_size"),
    ],
)
def test_what_has_no_equal_here_is_refused(name, changes, message):
    theirs = theirs_of(*THEIRS[name])
    with pytest.raises(LabError, match=message):
        from_huggingface(config_json_of(theirs) | changes, theirs.state_dict())


QWEN3 = LLAMA_CHOICES | {"qk_norm": True}


@pytest.mark.parametrize(
    ("choices", "beyond"),
    [
        ({"token_shift": True}, "token_shift=True"),
        ({"norm_placement": "post"}, "norm_placement='post'"),
        ({"feed_forward": "relu_squared"}, "feed_forward='relu_squared'"),
        ({"num_kv_heads": 2}, "num_kv_heads=2"),
        ({"positions": "none"}, "positions='none'"),
        (QWEN3, "feed_forward_bias=True"),
        (LLAMA_CHOICES | {"d_model": 26}, "qk_norm=False, feed_forward_bias=True"),
    ],
)
def test_what_transformers_has_no_class_for_keeps_our_names(choices, beyond):
    config = tiny(**{"num_kv_heads": 4, "head_dim": 6} | choices)
    assert family_of(config) is None
    assert what_is_beyond(config) == beyond
    names = [one.name for one in stored_tensors(config)]
    assert names == [name for name, _ in random_model(config).named_parameters()]


def test_a_bias_that_our_config_lacks_comes_back_as_zeros_or_is_refused():
    ours = random_model(tiny(num_kv_heads=4, head_dim=6, qkv_bias=False))
    state = dict(outgoing(ours.config, weight_of(ours)))
    assert not state["transformer.h.0.attn.c_attn.bias"].any()
    assert from_labkit(ours.config, state).config == ours.config
    state["transformer.h.1.attn.c_attn.bias"][3] = 1e-9
    with pytest.raises(LabError, match="h.1.attn.c_attn.bias is not zero.*remove that key"):
        from_labkit(ours.config, state)
