import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, LlamaConfig

from farsighted.candidates import rewards
from farsighted.candidates.rewards import kept_rewards
from farsighted.core.values import Example
from farsighted.learners.reward import RewardModel
from farsighted.worlds.tiny import byte_tokenizer

EXAMPLES = [Example(str(n), "p" * n, "r" * (3 * n % 7 + 1)) for n in range(1, 9)]


def save(folder, seed):
    config = LlamaConfig(
        vocab_size=259, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, num_labels=1,
        pad_token_id=256, bos_token_id=257, eos_token_id=258,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(torch.Generator().manual_seed(seed).get_state())
        model = AutoModelForSequenceClassification.from_config(config)
    model.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def scored(monkeypatch):
    """How many examples the model was asked for, call by call; three are kept at a time."""
    calls, right = [], RewardModel.scores
    monkeypatch.setattr(rewards, "_CHUNK", 3)
    monkeypatch.setattr(
        RewardModel, "scores", lambda self, chunk, size: calls.append(len(chunk)) or right(self, chunk, size)
    )
    return calls


def test_chunks_give_what_one_pass_gives(tmp_path, scored):
    folder = save(tmp_path / "model", 1)
    found = kept_rewards(EXAMPLES, folder, 400, tmp_path / "kept")
    assert np.allclose(found, RewardModel(folder).scores(EXAMPLES, 400), atol=1e-6)
    assert scored[:3] == [3, 3, 2]


def test_what_was_scored_before_an_interruption_is_not_scored_again(tmp_path, scored, monkeypatch):
    folder, kept = save(tmp_path / "model", 1), tmp_path / "kept"
    first = kept_rewards(EXAMPLES[:3], folder, 400, kept)
    found = kept_rewards(EXAMPLES, folder, 400, kept)
    assert scored == [3, 3, 2]
    assert np.array_equal(found[:3], first)
    # The third time needs no model at all.
    monkeypatch.setattr(RewardModel, "__init__", None)
    assert np.array_equal(kept_rewards(EXAMPLES, folder, 400, kept), found)


def test_another_model_in_the_same_folder_is_not_taken_for_the_first(tmp_path, scored):
    kept = tmp_path / "kept"
    first = kept_rewards(EXAMPLES, save(tmp_path / "model", 1), 400, kept)
    second = kept_rewards(EXAMPLES, save(tmp_path / "model", 2), 400, kept)
    assert not np.allclose(first, second)


def test_no_examples_have_no_scores(tmp_path):
    assert len(kept_rewards([], save(tmp_path / "model", 1), 400, tmp_path / "kept")) == 0
