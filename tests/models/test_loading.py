import importlib.util
import json
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from farsighted.core.errors import ModelError
from farsighted.models.loading import check_loadable, load_model, load_quantized
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
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be loaded as a causal language model"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 99), "cannot be loaded"),
        (lambda folder: cut(folder / "model.safetensors"), "cannot be loaded"),
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot be loaded"),
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
    next(folder.glob("model-00002-of-*.safetensors")).unlink()
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(folder, "float32")


@every_way
def test_a_missing_library_is_named(load, folder):
    edited(folder, quantization_config={"quant_method": "awq", "bits": 4})
    with pytest.raises(ModelError, match=r"needs a library that is not installed: .*Install it"):
        load(folder, "float32")


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


def test_without_bitsandbytes_the_error_names_the_extra(saved, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ModelError, match=r"`adaptations: qlora` needs .*farsighted\[qlora\]"):
        load_quantized(saved, "float32")
