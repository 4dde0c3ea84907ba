"""What the plan refuses before any cell runs."""

import re

import pytest

from farsighted.api import prepare
from farsighted.config.load import load_config
from farsighted.core.errors import ConfigError
from oracles.families import save_family

SUITE = {"name": "skills", "train": 20, "validation": 4, "ood": 2, "proxy": 2}


def test_a_selector_that_looks_ahead_without_a_proxy_is_refused():
    config = load_config({"suite": {**SUITE, "proxy": 0}, "selectors": ["random", "lhas"]})
    with pytest.raises(ConfigError, match="needs a proxy set"):
        prepare(config)


def test_lhas_without_its_proxy_term_needs_no_proxy():
    blind = {"name": "lhas", "eta": 0}
    config = load_config({"suite": {**SUITE, "proxy": 0}, "selectors": ["random", blind], "references": []})
    assert len(prepare(config).cells) == 6


def test_a_signal_of_the_text_is_refused_in_a_world_without_text():
    reads = {"name": "oracles.own_signals:Reads", "signal": "prompt_share"}
    config = load_config({"quadratic": {"train": 64}, "selectors": ["random", reads], "references": []})
    with pytest.raises(ConfigError, match="examples of the quadratic world have none"):
        prepare(config)


def test_full_fine_tuning_of_half_precision_weights_is_refused():
    source = {"suite": SUITE, "adaptations": ["full"], "model": {"dtype": "bfloat16"}}
    with pytest.raises(ConfigError, match="must train float32 weights"):
        prepare(load_config(source))


def test_a_head_of_half_precision_is_not_trained_beside_an_adapter():
    source = {"suite": SUITE, "model": {"dtype": "bfloat16"}, "training": {"train_head": True}}
    with pytest.raises(ConfigError, match=r"`training.train_head: true` must train float32 weights.*`model.dtype`"):
        prepare(load_config(source))


@pytest.mark.parametrize("mode", ["lora", "full", "qlora"])
def test_settings_under_peft_that_nothing_reads_are_refused(mode):
    source = {"suite": SUITE, "adaptations": [mode], "peft": {mode: {"r": 8}}}
    with pytest.raises(ConfigError, match=rf"`peft` must hold adapters beside .*'{mode}'.* under `lora`"):
        prepare(load_config(source))


def test_qlora_stands_alone_because_its_model_is_another_one():
    with pytest.raises(ConfigError, match="`adaptations: qlora` must stand alone"):
        prepare(load_config({"suite": SUITE, "adaptations": ["lora", "qlora"]}))


def test_an_unknown_adaptation_is_refused_before_any_cell():
    with pytest.raises(ConfigError, match="`adaptations` must name lora, full, qlora"):
        prepare(load_config({"suite": SUITE, "adaptations": ["lorra"]}))


def test_the_model_in_4_bits_has_a_hash_of_its_own():
    plain, quantized = (prepare(load_config({"suite": SUITE, "adaptations": [mode]})) for mode in ("lora", "qlora"))
    assert plain.inputs.model_hash != quantized.inputs.model_hash


def test_a_selector_that_needs_an_unknown_signal_is_refused_with_the_nearest_name(tmp_path, monkeypatch):
    code = """
from dataclasses import dataclass
from farsighted import Scored
@dataclass(frozen=True)
class Odd(Scored):
    needs = frozenset({"grad_nrm"})
    def score(self, signals, state):
        return signals["grad_nrm"]
"""
    (tmp_path / "odd_needs.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    source = {"suite": SUITE, "selectors": ["random", "odd_needs:Odd"], "references": []}
    with pytest.raises(Exception, match="Did you mean 'grad_norm'"):
        prepare(load_config(source))


def generating(tmp_path, family, adaptation="lora", **evaluation):
    rows = [f'{{"prompt": "{"p" * n}", "response": "#### {n}"}}\n' for n in range(30, 50)]
    (tmp_path / "rows.jsonl").write_text("".join(rows))
    stage = {"name": "math", "train": "rows.jsonl", "validation": 4, "measure": "gsm8k_strict"}
    config = {
        "model": {"path": str(save_family(family, tmp_path / "model")), "context": 480},
        "stages": [stage],
        "data_root": str(tmp_path),
        "evaluation": evaluation,
        "adaptations": adaptation,
        "selectors": ["random"],
        "references": [],
        "data": {"proxy_per_stage": 0},
    }
    return prepare(load_config(config))


@pytest.mark.parametrize("family", ["gpt2", "opt"])
def test_writing_beyond_learned_positions_is_refused_with_what_fits(family, tmp_path):
    with pytest.raises(ConfigError, match=r"learned 512 positions .* of 'math' has .* is 500\. Set `eval") as said:
        generating(tmp_path, family, max_new_tokens=500)
    longest, fits = numbers(str(said.value))
    assert longest + fits == 512


def test_virtual_tokens_take_positions_too(tmp_path):
    with pytest.raises(
        ConfigError, match=r"512 positions, of which virtual tokens take 20, and .* is 450\. Set"
    ) as said:
        generating(tmp_path, "gpt2", "prompt_tuning", max_new_tokens=450)
    longest, fits = numbers(str(said.value))
    assert longest + fits == 492


def numbers(text):
    return int(re.search(r"has (\d+) tokens", text)[1]), int(re.search(r"max_new_tokens` to at most (\d+)", text)[1])


def test_writing_up_to_the_last_learned_position_is_not(tmp_path):
    assert generating(tmp_path, "gpt2", max_new_tokens=400).cells


def test_positions_that_are_computed_have_no_such_end(tmp_path):
    assert generating(tmp_path, "llama", max_new_tokens=500).cells
