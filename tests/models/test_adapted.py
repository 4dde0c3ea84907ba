"""Adapter folders, from the path that a user writes to logits."""

import json

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from farsighted.core.errors import ModelError
from farsighted.models.folder import context_of, model_folder, model_hash
from farsighted.models.loading import check_loadable, load_model, load_noted
from farsighted.models.origin import model_notes
from farsighted.models.tokenizer import load_tokenizer
from farsighted.models.weights import embedding_rows
from oracles.adapters import logits_of, lora_on, prompt_on
from oracles.families import save_family

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")


@pytest.fixture
def adapter(saved, tmp_path):
    return lora_on(saved, tmp_path / "adapter")


def edited(folder, **fields):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_an_adapter_folder_is_its_base_with_the_adapter(saved, adapter):
    folder = model_folder(str(adapter))
    expected = logits_of(PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(saved), adapter))
    found = logits_of(load_model(folder, "float32", "cpu"))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert (found - logits_of(load_model(saved, "float32", "cpu"))).norm() > 0.1 * found.norm()
    assert context_of(folder) == context_of(saved)
    assert load_tokenizer(folder).end_id == load_tokenizer(saved).end_id


def test_both_are_said(saved, adapter):
    folder = model_folder(str(adapter))
    (note,) = load_noted(folder, "float32", "cpu").notes
    assert f"LORA adapter in '{adapter}', merged in float32 into its base '{saved}'" in note
    assert check_loadable(folder, "float32", "cpu") == model_notes(folder) == (note,)


def test_merging_is_rounded_once_to_half_precision(adapter):
    folder = model_folder(str(adapter))
    exact, rounded = load_model(folder, "float32", "cpu"), load_model(folder, "bfloat16", "cpu")
    for (name, weight), (_, half) in zip(exact.named_parameters(), rounded.named_parameters(), strict=True):
        assert torch.equal(weight.bfloat16(), half), name


def test_a_trainers_config_beside_the_adapter_makes_no_full_model_of_it(saved, adapter):
    (adapter / "config.json").write_bytes((saved / "config.json").read_bytes())
    assert model_folder(str(adapter)) != adapter


def test_every_part_counts_for_the_hash(saved, adapter, tmp_path):
    base = tmp_path / "base"
    save_family("llama", base, hidden_size=8, head_dim=4)
    hashes = {model_hash(saved), model_hash(model_folder(str(adapter)))}
    edited(adapter, lora_alpha=9)
    hashes.add(model_hash(model_folder(str(adapter))))
    weights = load_file(adapter / "adapter_model.safetensors")
    save_file({name: values * 2 for name, values in weights.items()}, adapter / "adapter_model.safetensors")
    hashes.add(model_hash(model_folder(str(adapter))))
    edited(adapter, base_model_name_or_path=str(base))
    hashes.add(model_hash(model_folder(str(adapter))))
    assert len(hashes) == 5


def test_the_base_may_be_beside_the_adapter_or_be_the_shipped_one(adapter, monkeypatch, tmp_path):
    monkeypatch.chdir("/")
    save_family("llama", tmp_path / "near")
    edited(adapter, base_model_name_or_path="../near")
    assert f"'{tmp_path}/adapter/../near'" in model_notes(model_folder(str(adapter)))[0]
    edited(adapter, base_model_name_or_path="tiny")
    assert "assets/tiny" in model_notes(model_folder(str(adapter)))[0]


@pytest.mark.parametrize(
    ("base", "sentence"),
    [
        (None, "does not name the model that it belongs to"),
        ("/nowhere/at/all", r"its base model '/nowhere/at/all' is loaded first, but cannot be: .*has no config\.json"),
        ("../adapter", "must not be put on itself"),
    ],
)
def test_a_base_that_cannot_be_found_is_named_with_the_place_to_mend(adapter, base, sentence):
    edited(adapter, base_model_name_or_path=base)
    with pytest.raises(ModelError, match=sentence):
        model_folder(str(adapter))


def test_an_adapter_of_another_model_is_refused(adapter, tmp_path):
    edited(adapter, base_model_name_or_path=str(save_family("gpt_neox", tmp_path / "other")))
    with pytest.raises(ModelError, match=r"cannot be put on its base model: .*the model that it was trained on"):
        load_model(model_folder(str(adapter)), "float32", "cpu")


def test_an_adapter_of_a_deeper_model_is_refused_not_put_on_in_part(adapter, tmp_path):
    shallow = save_family("llama", tmp_path / "shallow", num_hidden_layers=1)
    deep = lora_on(save_family("llama", tmp_path / "deep"), tmp_path / "of_deep")
    edited(deep, base_model_name_or_path=str(shallow))
    with pytest.raises(ModelError, match=r"of its weights have no place in the model \(the first is '.*layers\.1\."):
        load_model(model_folder(str(deep)), "float32", "cpu")


def test_an_adapter_without_some_of_its_weights_is_refused(adapter):
    weights = load_file(adapter / "adapter_model.safetensors")
    weights.pop(min(weights))
    save_file(weights, adapter / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="1 of its weights have no place"):
        load_model(model_folder(str(adapter)), "float32", "cpu")


def test_an_adapter_that_works_beside_the_weights_is_named_with_the_way_out(saved, tmp_path):
    folder = model_folder(str(prompt_on(saved, tmp_path / "prompt")))
    with pytest.raises(ModelError, match="of the kind PROMPT_TUNING, which works beside the weights"):
        load_model(folder, "float32", "cpu")


def test_pickled_adapters_are_refused(adapter):
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    with pytest.raises(ModelError, match=r"has pickled ones \('adapter_model\.bin'\), which may run code"):
        model_folder(str(adapter))


def test_an_adapter_that_brings_an_embedding_with_more_tokens_is_loaded_with_it(saved, tmp_path):
    adapter = lora_on(saved, tmp_path / "grown", target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"])
    weights = load_file(adapter / "adapter_model.safetensors")
    for name in [name for name in weights if ".lora_" not in name]:
        weights[name] = torch.cat([weights[name], weights[name][:3] + 1])
    save_file(weights, adapter / "adapter_model.safetensors")
    folder = model_folder(str(adapter))
    rows = embedding_rows(saved) + 3
    assert embedding_rows(folder) == rows
    lm = load_model(folder, "float32", "cpu")
    (expected,) = (values for name, values in weights.items() if "embed_tokens" in name)
    assert torch.equal(lm.get_input_embeddings().weight, expected)
    assert logits_of(lm).shape[-1] == rows


def test_an_adapter_of_a_tied_embedding_is_refused_where_merging_would_change_the_head_too(tmp_path):
    base = save_family("qwen", tmp_path / "base")
    adapter = lora_on(base, tmp_path / "adapter", target_modules=["embed_tokens", "q_proj"])
    with pytest.raises(ModelError, match="must compute the same merged into the weights as beside them"):
        load_model(model_folder(str(adapter)), "float32", "cpu")
