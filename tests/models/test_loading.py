import importlib.util
import json
import sys
from functools import partial

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from farsighted.core.errors import ModelError
from farsighted.models.folder import model_folder
from farsighted.models.loading import check_loadable, load_model, load_noted, load_quantized
from oracles.adapters import logits_of, lora_on
from oracles.families import FAMILIES, WIDE, save_family

INSTALLED = {name for name in ("bitsandbytes",) if importlib.util.find_spec(name)}


def test_a_model_is_loaded_from_its_folder_without_touching_torchs_generator(saved):
    before = torch.random.get_rng_state()
    lm = load_model(saved, "bfloat16")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert {p.dtype for p in lm.parameters()} == {torch.bfloat16}
    assert not lm.training
    assert not lm.config.use_cache


def edited(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def cut(file):
    file.write_bytes(file.read_bytes()[:-1])


def without_head(folder):
    tensors = load_file(folder / "model.safetensors")
    tensors.pop("lm_head.weight")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


every_way = pytest.mark.parametrize("load", [load_model, check_loadable], ids=["loaded", "only checked"])


@every_way
def test_a_model_that_needs_code_of_its_own_is_refused_and_the_code_not_run(load, folder):
    code = "raise SystemExit('it was run')"
    for name in ("configuration_own.py", "modeling_own.py"):
        (folder / name).write_text(code)
    own = {"AutoConfig": "configuration_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnModel"}
    edited(folder, model_type="own", architectures=["OwnModel"], auto_map=own)
    with pytest.raises(ModelError, match=r"needs code that comes with it, which is never run here\. Choose a model"):
        load(folder, "float32", "cpu")


@every_way
@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (without_head, r"but 1 are missing or of another shape \(the first is 'lm_head\.weight'\)"),
        (lambda folder: edited(folder, num_hidden_layers=3), r"but 9 are missing .* 'model\.layers\.2\."),
        (lambda folder: edited(folder, intermediate_size=32), r"another shape .*mlp.*Save the whole model"),
        (lambda folder: edited(folder, model_type="t5"), "cannot be loaded as a causal language model"),
        (lambda folder: edited(folder, model_type="unheard-of"), "cannot be loaded as a causal language model"),
        (lambda folder: (folder / "config.json").write_text("{"), "must hold a JSON object"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 99), "cannot be loaded"),
        (lambda folder: cut(folder / "model.safetensors"), "cannot be loaded"),
        (lambda folder: (folder / "model.safetensors").unlink(), "has no .*safetensors weights"),
    ],
    ids=[
        "no head",
        "no layer",
        "other shape",
        "no causal LM",
        "unknown",
        "broken json",
        "broken weights",
        "cut weights",
        "no weights",
    ],
)
def test_a_folder_that_does_not_hold_a_whole_causal_lm_is_refused(load, folder, spoil, sentence, caplog):
    spoil(folder)
    with pytest.raises(ModelError, match=sentence) as raised:
        load(folder, "float32")
    assert len(str(raised.value)) < 400
    assert caplog.text == ""


@every_way
def test_a_device_that_is_not_there_is_refused_with_what_to_do(load, saved):
    with pytest.raises(ModelError, match=r"must be a device of this machine, but 'cuda:9' is not.*Write auto or cpu"):
        load(saved, "float32", "cuda:9")
    with pytest.raises(ModelError, match="'gpu' is not"):
        load(saved, "float32", "gpu")


@every_way
def test_a_missing_shard_is_refused(load, folder):
    AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder, max_shard_size="8kB")
    (folder / "model.safetensors").unlink(missing_ok=True)
    load(folder, "float32")
    gone = next(folder.glob("model-00002-of-*.safetensors"))
    gone.unlink()
    with pytest.raises(ModelError, match=rf"names 1 of .* files that are not there: '{gone.name}'"):
        load(folder, "float32")


QUANTISED = {
    "gptq, 4 bits": {"quant_method": "gptq", "bits": 4},
    "awq, 4 bits": {"quant_method": "awq", "bits": 4, "group_size": 128},
    "bitsandbytes, 4 bits": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
    "mxfp4": {"quant_method": "mxfp4"},
}


@every_way
@pytest.mark.parametrize("said", QUANTISED)
@pytest.mark.parametrize("place", [lambda found: found, lambda found: {"text_config": found}], ids=["top", "text"])
def test_weights_that_are_quantised_are_named_as_what_they_are_with_the_way_out(load, folder, said, place):
    edited(folder, **place({"quantization_config": QUANTISED[said]}))
    with pytest.raises(
        ModelError, match=rf"are quantised \({said}, as its config.json says\).*original weights; `adap"
    ):
        load(folder, "float32")


@every_way
def test_packed_weights_without_a_word_in_the_configuration_are_named_too(load, folder):
    tensors = load_file(folder / "model.safetensors")
    name = "model.layers.0.mlp.up_proj.weight"
    tensors[name.replace(".weight", ".qweight")] = tensors.pop(name).to(torch.int32)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"are quantised \('model.layers.0.mlp.up_proj.qweight' is among them\)"):
        load(folder, "float32")


def test_an_adapter_beside_full_weights_is_not_put_on_them_and_that_is_said(saved, folder):
    lora_on(saved, folder)
    logits = logits_of(load_model(folder, "float32", "cpu"))
    assert torch.equal(logits, logits_of(load_model(saved, "float32", "cpu")))
    with_adapter = logits_of(AutoModelForCausalLM.from_pretrained(folder))
    assert (with_adapter - logits).norm() > 0.1 * logits.norm()
    for notes in (load_noted(folder, "float32", "cpu").notes, check_loadable(folder, "float32", "cpu")):
        (note,) = notes
        assert "(adapter_config.json) is not loaded, because full weights stand beside it" in note


@pytest.mark.parametrize("names", [("model.layers.7.mlp.up_proj.weight",), ("score.weight", "extra")])
def test_weights_that_have_no_place_in_the_model_are_told(folder, names):
    tensors = load_file(folder / "model.safetensors") | {name: torch.ones(2) for name in names}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    for notes in (load_noted(folder, "float32", "cpu").notes, check_loadable(folder, "float32", "cpu")):
        (note,) = notes
        assert f"{len(names)} of the weights" in note
        assert f"'{min(names)}'" in note


def test_buffers_that_older_versions_saved_are_nothing_to_tell(folder):
    harmless = {"model.rotary_emb.inv_freq": torch.ones(4)}
    save_file(
        load_file(folder / "model.safetensors") | harmless, folder / "model.safetensors", metadata={"format": "pt"}
    )
    assert load_noted(folder, "float32", "cpu").notes == ()


def test_a_head_that_differs_from_the_embedding_is_the_head_whatever_the_configuration_says(tmp_path):
    folder = save_family("qwen", tmp_path)
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] * 2
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    assert torch.equal(load_model(folder, "float32", "cpu").lm_head.weight, tensors["lm_head.weight"])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_whole_model_of_every_family_passes_the_check_which_draws_nothing(family, tmp_path):
    folder = save_family(family, tmp_path)
    before = torch.random.get_rng_state()
    check_loadable(folder, "bfloat16", "cpu")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_an_architecture_without_fused_attention_runs_all_the_same(tmp_path, caplog):
    lm = load_model(save_family("gemma", tmp_path), "float32", "cpu")
    assert lm.config._attn_implementation == "eager"
    assert "no fused attention" in caplog.text
    lm = load_model(save_family("llama", tmp_path / "llama"), "float32", "cpu")
    assert lm.config._attn_implementation == "sdpa"


# In 4 bits


@pytest.mark.skipif("bitsandbytes" not in INSTALLED, reason="bitsandbytes is not installed")
def test_linear_layers_but_the_head_are_loaded_in_4_bits_and_compute_nearly_the_same(tmp_path):
    folder = save_family("llama", tmp_path, **WIDE)
    exact, quantized = load_model(folder, "float32", "cpu"), load_quantized(folder, "float32", "cpu")
    kinds = {name: type(module).__name__ for name, module in quantized.named_modules()}
    layers = {name for name, kind in kinds.items() if kind == "Linear4bit"}
    assert layers == {name for name, m in exact.named_modules() if type(m).__name__ == "Linear"} - {"lm_head"}
    ids = torch.arange(40)[None]
    with torch.no_grad():
        gap = (quantized(ids).logits - exact(ids).logits).norm() / exact(ids).logits.norm()
    assert 0 < gap < 0.2


@pytest.mark.skipif("bitsandbytes" not in INSTALLED, reason="bitsandbytes is not installed")
def test_gradients_through_4_bit_layers_are_those_of_their_explicit_weights(tmp_path):
    """Also after passes without gradients, which let the library repack weights for products that have none."""
    lm = load_quantized(save_family("llama", tmp_path, **WIDE), "float32", "cpu").eval()
    layer = lm.model.layers[0].mlp.up_proj
    states = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        layer(states)
        weight = layer(torch.eye(64)).T
    states.requires_grad_(True)
    (gradient,) = torch.autograd.grad(layer(states).square().sum(), states)
    torch.testing.assert_close(gradient, 2 * (states @ weight.T) @ weight, rtol=1e-3, atol=1e-3)


@pytest.mark.skipif("bitsandbytes" not in INSTALLED, reason="bitsandbytes is not installed")
@pytest.mark.parametrize("load", [load_quantized, partial(check_loadable, in_4_bits=True)], ids=["loaded", "checked"])
def test_an_adapter_on_its_base_is_not_put_into_4_bits_but_the_way_out_is_said(load, saved, tmp_path):
    folder = model_folder(str(lora_on(saved, tmp_path / "adapter")))
    with pytest.raises(ModelError, match=r"is an adapter on its base\. Load it, save the whole model"):
        load(folder, "float32", "cpu")


def test_without_bitsandbytes_the_error_names_the_extra(saved, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ModelError, match=r"`adaptations: qlora` needs .*farsighted\[qlora\]"):
        load_quantized(saved, "float32")
