"""The scripts beside the configurations: a small model is made, and the study's audits are what they say."""

import gzip
import importlib.util
import json
from pathlib import Path

import pytest

from farsighted.config.load import load_config
from farsighted.data.model_folder import context_of, load_tokenizer
from farsighted.learners.loading import load_model

EXAMPLES = Path(__file__).parents[1] / "examples"


def script(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_model_is_pretrained_from_pools_and_can_be_audited(tmp_path):
    (tmp_path / "math").mkdir()
    rows = [{"prompt": f"What is {n} + {n}?", "response": f"It is {2 * n}."} for n in range(40)]
    with gzip.open(tmp_path / "math" / "sums.train.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    small = ["--hidden", "32", "--layers", "1", "--vocabulary", "300", "--steps", "2", "--threads", "1"]
    out = tmp_path / "model"
    script("pretrain").main([str(tmp_path), str(out), "--stages", "math", *small])
    tokenizer = load_tokenizer(out)
    assert tokenizer.decode(tokenizer.encode_text("It is 12.")) == "It is 12."
    assert load_model(out, "float32").config.vocab_size == tokenizer.vocabulary_size
    assert context_of(out) == 1024


@pytest.mark.parametrize("sequence", ["skill", "domain"])
def test_the_study_runs_seven_selectors_over_five_stages_and_three_seeds(sequence, tmp_path):
    study = script("study")
    config = load_config(study.study_config(sequence, tmp_path, tmp_path))
    assert (len(config.stages), len(config.selectors), config.seeds) == (5, 7, (0, 1, 2))
    assert {stage.max_train for stage in config.stages} == {study.SIZES["max_train"]}
