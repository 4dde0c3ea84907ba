"""A real architecture of each family, with random small weights, through the whole audit."""

import importlib.util
import json

import pytest

from farsighted.api import audit
from oracles.families import FAMILIES, WIDE, save_family
from oracles.micro import nano_config

SELECTORS = ["random", "gradient", "utility_diversity", "lhas"]


@pytest.mark.parametrize("adaptation", ["lora", "full"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_of_every_family_goes_through_an_audit(family, adaptation, tmp_path):
    assert_audit_is_done(family, tmp_path, adaptations=[adaptation])


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
    folder = save_family(family, tmp_path / "model", **(sizes or {}))
    config = nano_config(
        tmp_path,
        model={"path": str(folder), "context": 400},
        **{"selectors": SELECTORS, "lora": {"r": 2, "alpha": 4}, **changes},
    )
    paths = audit(config, tmp_path / "out", executor="inline")
    results = json.loads(paths.results.read_text())
    assert [cell["status"] for cell in results["cells"]] == ["done"] * 4
