import numpy as np
import pytest
from transformers import Gemma3TextConfig, LlamaConfig

from farsighted.models.stretched import restore


def factors(name, value):
    return {f"gemma3.rope.scaling.{name}": value}


@pytest.mark.parametrize("said", [{}, factors("factor", 1.0), factors("factor", 0.0), {"x.rope.scaling.type": "none"}])
@pytest.mark.parametrize("table", [None, np.ones(8, dtype=np.float32)])
def test_positions_that_nobody_stretches_stay(said, table):
    config = LlamaConfig()
    before = dict(config.rope_parameters)
    assert restore(config, said, table) is None
    assert config.rope_parameters == before


def test_gemma_stretches_its_layers_with_full_attention_alone():
    config = Gemma3TextConfig()
    local = dict(config.rope_parameters["sliding_attention"])
    assert restore(config, factors("factor", 8.0) | factors("type", "linear"), None) is None
    assert config.rope_parameters["full_attention"] == {"rope_type": "linear", "rope_theta": 1e6, "factor": 8.0}
    assert config.rope_parameters["sliding_attention"] == local


def test_what_the_configuration_says_already_is_left():
    rope = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0, "original_max_position_embeddings": 64}
    config = LlamaConfig(rope_parameters=rope)
    assert restore(config, factors("factor", 2.0) | factors("type", "yarn"), None) is None
    assert config.rope_parameters["rope_type"] == "yarn"
