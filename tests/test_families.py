"""A real architecture of each family, with random small weights, through the whole audit."""

import importlib.util
import json

import pytest

from farsighted.api import audit
from oracles.adapters import lora_on
from oracles.families import FAMILIES, WIDE, random_model, save_family
from oracles.gguf_file import write_gguf
from oracles.micro import nano_config

SELECTORS = ["random", "gradient", "utility_diversity", "lhas"]


@pytest.mark.parametrize("adaptation", ["lora", "full"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_of_every_family_goes_through_an_audit(family, adaptation, tmp_path):
    assert_audit_is_done(family, tmp_path, adaptations=[adaptation])


@pytest.mark.parametrize("family", ["gpt2", "opt", "qwen2_moe", "cohere", "mamba"])
def test_other_architectures_go_through_an_audit_too(family, tmp_path):
    assert_audit_is_done(family, tmp_path, lora={"r": 2, "alpha": 4, "targets": "all-linear"})


def test_what_a_mixture_leaves_out_stands_in_the_report(tmp_path):
    paths = assert_audit_is_done("mixtral", tmp_path, lora={"r": 2, "alpha": 4}, selectors=["random"])
    assert "leaves out the routers and experts of this mixture of 4 experts" in paths.scorecard.read_text()


def test_a_gguf_file_goes_through_an_audit(tmp_path):
    sizes = {"vocab_size": 260, "hidden_size": 32, "intermediate_size": 32, "head_dim": 16}
    file = write_gguf(random_model("llama", **sizes), tmp_path / "small.gguf")
    paths = run_audit(file, tmp_path, selectors=["random", "gradient"])
    assert f"The model is '{file}' (F32), its weights dequantised" in paths.scorecard.read_text()


def test_an_adapter_folder_goes_through_an_audit(tmp_path):
    adapter = lora_on(save_family("llama", tmp_path / "base"), tmp_path / "adapter")
    paths = run_audit(adapter, tmp_path, selectors=["random", "gradient"])
    assert f"The model is the LORA adapter in '{adapter}'" in paths.scorecard.read_text()


@pytest.mark.parametrize("adaptation", ["dora", "ia3", "rslora"])
def test_an_adapter_by_name_goes_through_an_audit(adaptation, tmp_path):
    assert_audit_is_done("llama", tmp_path, adaptations=[adaptation])


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
@pytest.mark.parametrize("transition", ["continue", "stack"])
def test_a_model_in_4_bits_goes_through_an_audit(transition, tmp_path):
    training = {"batch_size": 2, "stage_transition": transition}
    assert_audit_is_done("llama", tmp_path, WIDE, adaptations=["qlora"], training=training)


@pytest.mark.parametrize("family", ["qwen", "gpt_neox"])
@pytest.mark.parametrize("transition", ["merge_and_reinit", "stack"])
def test_adapters_that_change_between_stages_go_through_an_audit(family, transition, tmp_path):
    training = {"batch_size": 2, "stage_transition": transition}
    assert_audit_is_done(family, tmp_path, training=training)


def assert_audit_is_done(family, tmp_path, sizes=None, **changes):
    return run_audit(save_family(family, tmp_path / "model", **(sizes or {})), tmp_path, **changes)


def run_audit(model, tmp_path, **changes):
    config = nano_config(
        tmp_path,
        model={"path": str(model), "context": 400},
        **{"selectors": SELECTORS, "lora": {"r": 2, "alpha": 4}, **changes},
    )
    paths = audit(config, tmp_path / "out", executor="inline")
    results = json.loads(paths.results.read_text())
    assert [cell["status"] for cell in results["cells"]] == ["done"] * len(config["selectors"])
    return paths
