"""A real architecture of each family, with random small weights, through the whole audit."""

import json

import pytest

from farsighted import api
from farsighted.api import audit
from oracles.families import FAMILIES, save_family
from oracles.inline_pool import InlinePool
from oracles.micro import nano_config


@pytest.mark.parametrize("adaptation", ["lora", "full"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_of_every_family_goes_through_an_audit(family, adaptation, tmp_path, monkeypatch):
    monkeypatch.setattr(api, "LocalPool", InlinePool)
    folder = save_family(family, tmp_path / "model")
    config = nano_config(
        tmp_path,
        model={"path": str(folder), "context": 400},
        selectors=["random", "gradient", "utility_diversity", "lhas"],
        adaptations=[adaptation],
        lora={"r": 2, "alpha": 4},
    )
    paths = audit(config, tmp_path / "out")
    results = json.loads(paths.results.read_text())
    assert [cell["status"] for cell in results["cells"]] == ["done"] * 4
