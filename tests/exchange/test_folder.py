"""A model that leaves in a folder and comes back; and folders that must not be read."""

from __future__ import annotations

import json
import pickle
import random
import shutil

import pytest

torch = pytest.importorskip("torch", reason="needs labkit[train]")
safetensors_torch = pytest.importorskip("safetensors.torch", reason="needs labkit[train]")

from labkit.cli import main  # noqa: E402
from labkit.core.artifacts import DamagedArtifact, read_manifest  # noqa: E402
from labkit.core.errors import LabError  # noqa: E402
from labkit.exchange.folder import (  # noqa: E402
    import_model,
    models_folder,
    read_model,
    write_model,
)
from tests.exchange.saved import CARD, weight_of, with_bytes  # noqa: E402
from tests.hostile import HOSTILE_TEXTS, active_elements  # noqa: E402
from tests.model.models import random_ids, random_model, tiny  # noqa: E402

NO_BIASES = {"qkv_bias": False, "attention_output_bias": False, "feed_forward_bias": False}
LLAMA = {"positions": "rope", "norm": "rmsnorm", "feed_forward": "swiglu", **NO_BIASES}
MODELS = {
    "gpt2 without biases": {"num_kv_heads": 4, "head_dim": 6, **NO_BIASES, "norm_bias": False},
    "gpt2 untied": {"num_kv_heads": 4, "head_dim": 6, "tie_embeddings": False},
    "llama": {**LLAMA, "tie_embeddings": False},
    "llama tied": {**LLAMA, "attention_output_bias": True},
    "modern": {**LLAMA, "token_shift": True, "tie_embeddings": False},
    "modern tied": {**LLAMA, "token_shift": True, "dropout": 0.1},
}


@pytest.fixture
def model():
    return random_model(tiny(vocab_size=257, **MODELS["gpt2 without biases"]))


def assert_bit_equal(one, other):
    assert one.config == other.config
    assert one.config.hash == other.config.hash
    weights = weight_of(other)
    assert [name for name, _ in one.named_parameters()] == [n for n, _ in other.named_parameters()]
    assert all(torch.equal(each, weights(name)) for name, each in one.named_parameters())


@pytest.mark.parametrize("choices", MODELS.values(), ids=MODELS)
def test_weights_config_and_hash_come_back_bit_for_bit(choices, tmp_path):
    ours = random_model(tiny(vocab_size=257, **choices))
    folder = write_model(tmp_path / "one", with_bytes(ours), inputs={"plan": "0" * 16}, seed=3)
    back = read_model(folder)
    assert_bit_equal(ours, back.model)
    assert back.end_of_text == back.tokenizer.end_of_text == 256
    taken = import_model(folder, "taken in")
    assert taken == models_folder() / "taken-in"
    assert_bit_equal(ours, read_model(taken).model)
    assert read_manifest(taken).content_hash == read_manifest(folder).content_hash
    assert (taken / "README.md").read_text() == CARD


def test_parts_come_back_as_the_whole_does(model, tmp_path):
    folder = write_model(tmp_path / "parts", with_bytes(model), part_bytes=20_000)
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    parts = sorted(path.name for path in folder.glob("*.safetensors"))
    assert len(parts) == 3
    assert parts[0] == "model-00001-of-00003.safetensors"
    assert sorted(set(index["weight_map"].values())) == parts
    sizes = [sum(t.nbytes for t in safetensors_torch.load_file(folder / p).values()) for p in parts]
    assert sum(sizes) == index["metadata"]["total_size"]
    assert max(sizes) == sizes[0] == 257 * 24 * 4  # one tensor may be larger than a part
    assert_bit_equal(model, read_model(folder).model)
    (folder / "manifest.json").unlink()
    (folder / parts[1]).unlink()
    with pytest.raises(LabError, match=r"lacks model-00002-of-00003.safetensors"):
        read_model(folder)


def test_a_flipped_bit_is_told(model, tmp_path):
    folder = write_model(tmp_path / "model", with_bytes(model))
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedArtifact, match=r"model.safetensors: SHA-256"):
        read_model(folder)
    with pytest.raises(DamagedArtifact, match=r"model.safetensors: SHA-256"):
        import_model(folder, "other")
    assert not models_folder().exists()


class Bomb:
    def __reduce__(self):
        return (open, ("fired", "w"))


def test_a_pickle_is_refused_and_never_read(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = write_model(tmp_path / "model", with_bytes(model))
    (folder / "model.safetensors").unlink()
    (folder / "manifest.json").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(LabError, match=r"as a pickle \(pytorch_model.bin\).*can run any code"):
        read_model(folder)
    assert main(["import", str(folder)]) == 2
    assert "as a pickle (pytorch_model.bin)" in capsys.readouterr().err
    assert not (tmp_path / "fired").exists()


def test_what_is_in_the_way_is_left_alone(model, tmp_path):
    taken = tmp_path / "thesis"
    taken.mkdir()
    (taken / "chapter.txt").write_text("years of work")
    with pytest.raises(LabError, match="thesis is there already and not empty"):
        write_model(taken, with_bytes(model))
    assert (taken / "chapter.txt").read_text() == "years of work"
    folder = write_model(tmp_path / "one", with_bytes(model))
    import_model(folder)
    with pytest.raises(LabError, match="one is there already.*another name"):
        import_model(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "no such folder"),
        (lambda folder: (folder / "config.json").unlink(), "no config.json of a model"),
        (lambda folder: (folder / "config.json").write_text("{"), "is damaged"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer.json; save"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no weights; a model folder has"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x"), "cannot be read"),
        (lambda folder: edit(folder, d_model=32), "it was edited: export the model again"),
        (lambda folder: edit(folder, feed_forward="maxout"), "feed_forward"),
    ],
)
def test_what_cannot_be_read_says_why(change, message, model, tmp_path):
    folder = write_model(tmp_path / "model", with_bytes(model))
    (folder / "manifest.json").unlink()
    change(folder)
    with pytest.raises(LabError, match=message):
        read_model(folder)


def edit(folder, **fields):
    path = folder / "config.json"
    config_json = json.loads(path.read_text())
    config_json["labkit"]["config"] |= fields
    path.write_text(json.dumps(config_json))


@pytest.mark.parametrize("has_key", [True, False])
def test_a_folder_of_transformers_comes_in_with_its_tokenizer(has_key, model, tmp_path):
    """What `save_pretrained` writes keeps our key where the model came from us."""
    transformers = pytest.importorskip("transformers", reason="needs labkit[dev]")
    folder = write_model(tmp_path / "ours", with_bytes(model))
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder)
    if not has_key:
        del theirs.config.labkit
    theirs.save_pretrained(tmp_path / "theirs")
    transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path / "theirs")
    back = read_model(import_model(tmp_path / "theirs"))
    if has_key:
        assert_bit_equal(model, back.model)
    assert back.config.qkv_bias == (not has_key)
    ids_BT = random_ids(model.config, batch=2, length=16)
    torch.testing.assert_close(back.model(ids_BT), model(ids_BT), atol=1e-5, rtol=0)
    assert back.end_of_text == 256


def test_ids_are_those_of_autotokenizer_on_1000_documents(model, tmp_path):
    """The name of a special token in a text is text to both."""
    transformers = pytest.importorskip("transformers", reason="needs labkit[dev]")
    folder = write_model(tmp_path / "model", with_bytes(model))
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    ours = read_model(folder).tokenizer
    rng = random.Random(0)
    pieces = [
        *"the cat <|endoftext|> ü 三国 \n\n\t 12,345 don't  <s> 👩‍🔬".split(" "),
        *HOSTILE_TEXTS,
    ]
    texts = [
        "".join(rng.choices([*pieces, " ", chr(rng.randrange(1, 0xD800))], k=30))
        for _ in range(1000)
    ]
    assert sum("<|endoftext|>" in text for text in texts) > 300
    ids = [one.tolist() for one in ours.encode_batch(texts)]
    assert theirs(texts)["input_ids"] == ids
    assert [theirs.decode(one) for one in ids] == texts
    assert 256 not in {token for one in ids for token in one}
    assert theirs("<|endoftext|>", split_special_tokens=False)["input_ids"] == [256]
    assert (theirs.eos_token_id, theirs.bos_token, theirs.model_max_length) == (
        256,
        "<|endoftext|>",
        16,
    )


def test_a_loaded_model_continues_a_text_and_shows_it_inert(model, tmp_path):
    back = read_model(write_model(tmp_path / "model", with_bytes(model)))
    text = back.generate(HOSTILE_TEXTS[0], 20, seed=4)
    assert str(text).startswith(HOSTILE_TEXTS[0])
    assert str(text) == str(back.generate(HOSTILE_TEXTS[0], 20, seed=4))
    assert str(text) != str(back.generate(HOSTILE_TEXTS[0], 20, seed=5))
    assert back.generate("", 5, temperature=0).prompt == ""
    assert active_elements(text._repr_html_()) == []
    back.name = HOSTILE_TEXTS[1]
    assert active_elements(back._repr_html_()) == []
    assert "257 ids" in back._repr_html_()
    assert "2 layers of 24" in repr(back)
