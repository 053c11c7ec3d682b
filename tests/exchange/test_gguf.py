"""A GGUF file written by llama.cpp's own writer, with queries and keys permuted as it has them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

gguf = pytest.importorskip("gguf", reason="needs labkit[gguf]")

from labkit.core.errors import LabError  # noqa: E402
from labkit.exchange.folder import import_model, models_folder, read_model  # noqa: E402
from labkit.exchange.gguf_files import read_gguf  # noqa: E402
from labkit.tokens.tokenizer import byte_alphabet  # noqa: E402
from tests.model.models import random_model, tiny  # noqa: E402

LLAMA = {
    "vocab_size": 257,
    "context_length": 64,
    "d_model": 32,
    "num_heads": 4,
    "num_kv_heads": 2,
    "head_dim": 8,
    "d_ff": 64,
    "positions": "rope",
    "norm": "rmsnorm",
    "feed_forward": "swiglu",
    "qkv_bias": False,
    "attention_output_bias": False,
    "feed_forward_bias": False,
    "tie_embeddings": False,
    "rope_theta": 5000.0,
}
THEIRS = {
    "attention_norm": "attn_norm",
    "attention.query": "attn_q",
    "attention.key": "attn_k",
    "attention.value": "attn_v",
    "attention.output": "attn_output",
    "feed_forward_norm": "ffn_norm",
    "feed_forward.gate": "ffn_gate",
    "feed_forward.up": "ffn_up",
    "feed_forward.down": "ffn_down",
    "embedding": "token_embd",
    "final_norm": "output_norm",
    "head": "output",
}


def permuted(rows: np.ndarray, num_heads: int) -> np.ndarray:
    """As llama.cpp's converter does it to a Llama of `transformers`."""
    halves = rows.reshape(num_heads, 2, rows.shape[0] // num_heads // 2, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)


def write(model, path, kind="llama", quantised=None):
    config = model.config
    writer = gguf.GGUFWriter(path, kind)
    writer.add_block_count(config.num_layers)
    writer.add_context_length(config.context_length)
    writer.add_embedding_length(config.d_model)
    writer.add_feed_forward_length(config.d_ff)
    writer.add_head_count(config.num_heads)
    writer.add_head_count_kv(config.num_kv_heads)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_layer_norm_rms_eps(config.norm_epsilon)
    letters = {value: key for key, value in byte_alphabet().items()}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([*(letters[byte] for byte in range(256)), "<|endoftext|>"])
    writer.add_token_types([1] * 256 + [3])
    writer.add_token_merges([])
    writer.add_eos_token_id(256)
    for name, weight in model.named_parameters():
        module, _, last = name.rpartition(".")
        prefix, _, inside = module.partition(".") if module.startswith("blocks.") else ("", "", "")
        layer, _, module = inside.partition(".") if prefix else ("", "", module)
        value = weight.detach().numpy()
        for part, heads in (("query", config.num_heads), ("key", config.num_kv_heads)):
            if module == f"attention.{part}":
                value = permuted(value, heads)
        called = f"blk.{layer}.{THEIRS[module]}.{last}" if layer else f"{THEIRS[module]}.{last}"
        is_packed = quantised is not None and value.ndim == 2
        packed = gguf.quantize(value, quantised) if is_packed else np.ascontiguousarray(value)
        writer.add_tensor(called, packed, raw_dtype=quantised if is_packed else None)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_file_gives_the_model_and_its_tokenizer(tmp_path):
    model = random_model(tiny(**LLAMA)).eval()
    found = read_gguf(write(model, tmp_path / "one.gguf"))
    ids = torch.randint(0, 257, (2, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(found.model(ids), model(ids))
    assert found.end_of_text == 256
    assert found.tokenizer.encode("né").tolist() == list("né".encode())
    taken = import_model(tmp_path / "one.gguf")
    assert taken == models_folder() / "one"
    with torch.no_grad():
        assert torch.equal(read_model(taken).model(ids), model(ids))


def test_quantised_tensors_come_back_as_llama_cpps_own_reader_has_them(tmp_path):
    model = random_model(tiny(**LLAMA))
    kind = gguf.GGMLQuantizationType.Q8_0
    found = read_gguf(write(model, tmp_path / "q.gguf", quantised=kind))
    up = model.blocks[0].feed_forward.up.weight.detach().numpy()
    expected = gguf.dequantize(gguf.quantize(up, kind), kind)
    assert np.array_equal(found.model.blocks[0].feed_forward.up.weight.detach().numpy(), expected)
    assert 0 < np.abs(expected - up).max() < np.abs(up).max() / 100


def test_what_is_no_llama_or_no_file_is_refused_in_a_line(tmp_path):
    model = random_model(tiny(**LLAMA))
    with pytest.raises(LabError, match="architecture 'gptneox'"):
        read_gguf(write(model, tmp_path / "x.gguf", kind="gptneox"))
    whole = write(model, tmp_path / "whole.gguf").read_bytes()
    for size in (0, 3, 100, len(whole) // 3):
        (tmp_path / "cut.gguf").write_bytes(whole[:size])
        with pytest.raises(LabError, match=r"cut\.gguf"):
            read_gguf(tmp_path / "cut.gguf")
