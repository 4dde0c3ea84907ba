"""GGUF files, from the path that a user writes to logits and tokens. CI installs the extra: without it these fail."""

import sys

import gguf
import numpy as np
import pytest
import torch

from farsighted.core.errors import ModelError
from farsighted.models.folder import context_of, learned_positions, model_folder, model_hash
from farsighted.models.loading import check_loadable, load_model, load_noted, load_quantized
from farsighted.models.origin import model_notes
from farsighted.models.tokenizer import load_tokenizer, with_chat
from oracles.adapters import logits_of, lora_on
from oracles.families import random_model
from oracles.gguf_file import write_gguf

SIZES = {"vocab_size": 260, "hidden_size": 32, "intermediate_size": 32, "head_dim": 16}
TEMPLATE = "{% for m in messages %}<|begin|>{{ m['content'] }}<|end|>{% endfor %}"


@pytest.fixture(scope="module")
def lm():
    return random_model("llama", **SIZES)


@pytest.fixture(scope="module")
def file(lm, tmp_path_factory):
    return write_gguf(lm, tmp_path_factory.mktemp("gguf") / "small.gguf", TEMPLATE)


def test_the_model_in_a_file_computes_what_it_was_made_from_computes(lm, file):
    loaded = load_model(model_folder(str(file)), "float32", "cpu")
    torch.testing.assert_close(logits_of(loaded), logits_of(lm), rtol=1e-5, atol=1e-6)
    assert not loaded.training
    assert not loaded.config.use_cache


def test_quantised_blocks_are_dequantised(lm, tmp_path):
    kinds = {"up_proj.weight": gguf.GGMLQuantizationType.Q8_0, "down_proj.weight": gguf.GGMLQuantizationType.F16}
    folder = model_folder(str(write_gguf(lm, tmp_path / "q8.gguf", kinds=kinds)))
    loaded = load_model(folder, "float32", "cpu")
    kind, values = kinds["up_proj.weight"], lm.model.layers[0].mlp.up_proj.weight.detach().numpy()
    expected = gguf.dequantize(gguf.quantize(values, kind), kind)
    found = loaded.model.layers[0].mlp.up_proj.weight.detach().numpy()
    assert np.array_equal(found, expected)
    assert 0 < np.abs(found - values).max() < 0.01
    assert "(F16, F32, Q8_0), its weights dequantised" in model_notes(folder)[0]


def test_the_type_of_numbers_is_the_one_that_is_asked_for(file):
    assert {p.dtype for p in load_model(model_folder(str(file)), "bfloat16", "cpu").parameters()} == {torch.bfloat16}


def test_the_tokenizer_is_the_files(file):
    folder = model_folder(str(file))
    tokenizer = load_tokenizer(folder)
    assert tokenizer.end_id == 258
    assert tokenizer.encode_text("né") == list("né".encode())
    assert tokenizer.encode_text("th") == [259]
    assert tokenizer.decode([*b"a b", 258]) == "a b"
    assert with_chat(tokenizer, folder).chat is not None
    assert context_of(folder) == 512
    assert learned_positions(folder) is None


def test_the_marks_of_the_file_are_tokens_of_their_own(file):
    reader = load_tokenizer(model_folder(str(file))).tokenizer
    reader.encode_special_tokens = False
    assert reader.encode("<|begin|>a<|end|>", add_special_tokens=False).ids == [257, ord("a"), 258]


@pytest.mark.parametrize(
    ("split", "begins", "ids"),
    [
        ("gpt-2", False, ()),
        ("gpt-2", True, (257,)),
        ("gpt-2", None, ()),
        ("llama-bpe", None, (257,)),
        ("llama-bpe", False, ()),
    ],
)
def test_texts_begin_as_the_file_says_or_else_as_its_kind_of_tokenizer_does(lm, tmp_path, split, begins, ids):
    folder = model_folder(str(write_gguf(lm, tmp_path / "a.gguf", split=split, begins=begins)))
    assert load_tokenizer(folder).begin_ids == ids


@pytest.mark.parametrize(("split", "known"), [("gpt-2", True), ("qwen2", True), ("smollm", False), ("default", False)])
def test_a_rule_for_words_that_the_library_lacks_is_told(lm, tmp_path, split, known):
    notes = model_notes(model_folder(str(write_gguf(lm, tmp_path / "a.gguf", split=split))))
    assert [f"by the rule '{split}'" in note for note in notes[1:]] == ([] if known else [True])


def test_a_folder_with_one_file_is_that_file_and_of_several_one_must_be_named(lm, file, tmp_path):
    one = write_gguf(lm, tmp_path / "one.gguf")
    assert model_folder(str(tmp_path)) == model_folder(str(one))
    write_gguf(lm, tmp_path / "two.gguf")
    with pytest.raises(ModelError, match=r"holds 2: 'one\.gguf', 'two\.gguf'\. Give the path of the one"):
        model_folder(str(tmp_path))


def test_the_file_counts_for_the_hash(lm, tmp_path):
    file = write_gguf(lm, tmp_path / "a.gguf")
    before = model_hash(model_folder(str(file)))
    assert model_hash(model_folder(str(file))) == before
    write_gguf(random_model("llama", **SIZES, rms_norm_eps=0.1), file)
    assert model_hash(model_folder(str(file))) != before


def test_what_is_loaded_is_said(file):
    folder = model_folder(str(file))
    (note,) = load_noted(folder, "float32", "cpu").notes
    assert note.startswith(f"The model is '{file}' (F32), its weights dequantised")
    assert check_loadable(folder, "float32", "cpu") == (note,)


LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
LINEAR = {"rope_type": "linear", "rope_theta": 500000.0, "factor": 4.0}


@pytest.mark.parametrize("rope", [LLAMA3, LINEAR], ids=["llama3", "linear"])
def test_stretched_positions_that_the_reader_loses_are_put_back(tmp_path, rope):
    stretched = random_model("llama", **SIZES, rope_parameters=rope)
    divisor = (500000.0 ** -(np.arange(8) / 8) / stretched.model.rotary_emb.inv_freq.numpy()).astype(np.float32)
    tables = {"rope_freqs.weight": divisor} if rope is LLAMA3 else {}
    extra = {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0} if rope is LINEAR else {}
    file = write_gguf(stretched, tmp_path / "a.gguf", extra=extra, tables=tables)
    loaded, plain = load_model(model_folder(str(file)), "float32", "cpu"), random_model("llama", **SIZES)
    frequencies = [model.model.rotary_emb.inv_freq for model in (loaded, stretched, plain)]
    torch.testing.assert_close(frequencies[0], frequencies[1])
    assert (frequencies[0] < 0.5 * frequencies[2]).any()
    torch.testing.assert_close(logits_of(loaded), logits_of(stretched), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("extra", "tables", "lost"),
    [
        ({"llama.rope.scaling.type": "yarn", "llama.rope.scaling.factor": 4.0}, (), "rope.scaling.type yarn"),
        ({}, ("rope_freqs.weight",), "rope_freqs.weight"),
        ({}, ("rope_factors_long.weight",), "rope_factors_long.weight"),
    ],
)
def test_stretched_positions_that_cannot_be_put_back_are_refused(lm, tmp_path, extra, tables, lost):
    odd = {name: np.arange(1, 9, dtype=np.float32) for name in tables}
    with pytest.raises(ModelError, match=rf"stretches its positions \({lost}\).*another model would be loaded"):
        model_folder(str(write_gguf(lm, tmp_path / "a.gguf", extra=extra, tables=odd)))


def test_an_architecture_that_the_library_cannot_read_is_refused(lm, tmp_path):
    with pytest.raises(ModelError, match=r"cannot be loaded as a GGUF model: .*plamo"):
        model_folder(str(write_gguf(lm, tmp_path / "a.gguf", architecture="plamo")))


def test_an_adapter_that_lies_beside_a_file_stays_off_it(lm, tmp_path):
    lm.save_pretrained(tmp_path / "base")
    file = write_gguf(lm, lora_on(tmp_path / "base", tmp_path / "mixed") / "small.gguf")
    loaded = load_model(model_folder(str(file)), "float32", "cpu")
    torch.testing.assert_close(logits_of(loaded), logits_of(lm), rtol=1e-5, atol=1e-6)


def test_damage_is_one_sentence(file, tmp_path):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF but no more")
    with pytest.raises(ModelError, match="cannot be loaded as a GGUF model"):
        model_folder(str(broken))
    broken.write_bytes(file.read_bytes()[:-5000])
    with pytest.raises(ModelError, match="cannot be loaded as a GGUF model"):
        load_model(model_folder(str(broken)), "float32", "cpu")


def test_a_file_is_not_put_into_4_bits_but_the_way_out_is_said(file):
    with pytest.raises(ModelError, match=r"is a GGUF file\. Load it, save the whole model with `save_pretrained`"):
        load_quantized(model_folder(str(file)), "float32", "cpu")


def test_without_the_library_the_error_names_the_extra(lm, tmp_path, monkeypatch):
    file = write_gguf(lm, tmp_path / "a.gguf")
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(ModelError, match=r"needs the library gguf\. Run `pip install 'farsighted\[gguf\]'`"):
        model_folder(str(file))
