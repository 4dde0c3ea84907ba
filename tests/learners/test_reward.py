import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, LlamaConfig

from farsighted.core.errors import ModelError
from farsighted.core.values import Example
from farsighted.learners.reward import RewardModel
from farsighted.models.folder import model_folder
from farsighted.worlds.tiny import byte_tokenizer
from oracles.adapters import lora_on
from oracles.tiny_folder import save_tiny

EXAMPLES = [Example(str(n), "p" * n, "r" * (3 * n % 7 + 1)) for n in range(1, 9)]


def save(folder, labels=1, pad=256):
    config = LlamaConfig(
        vocab_size=259, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        num_labels=labels, pad_token_id=pad, bos_token_id=257, eos_token_id=258,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        model = AutoModelForSequenceClassification.from_config(config)
    model.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder, model.eval()


@pytest.mark.parametrize("pad", [256, None])
def test_batches_give_what_one_text_at_a_time_gives(tmp_path, pad):
    folder, model = save(tmp_path, pad=pad)
    found = RewardModel(folder).scores(EXAMPLES, 40)
    for example, score in zip(EXAMPLES, found, strict=True):
        ids = torch.tensor([[*f"{example.prompt}\n{example.response}".encode()]])
        with torch.no_grad():
            assert score == pytest.approx(float(model(ids).logits[0, 0]), abs=1e-5)
    assert np.ptp(found) > 0


def test_a_model_with_several_outputs_or_none_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"must have one output, but the one in .* has 3"):
        RewardModel(save(tmp_path / "three", labels=3)[0])
    with pytest.raises(ModelError, match="cannot be loaded as a reward model"):
        RewardModel(tmp_path / "none")


def test_an_adapter_beside_its_weights_is_not_put_on_them(tmp_path):
    folder, _ = save(tmp_path / "reward")
    before = RewardModel(folder).scores(EXAMPLES, 40)
    lora_on(save_tiny(tmp_path / "base"), folder)
    assert (folder / "adapter_config.json").is_file()
    np.testing.assert_array_equal(RewardModel(folder).scores(EXAMPLES, 40), before)


def test_an_adapter_alone_is_no_reward_model_and_the_way_out_is_said(tmp_path):
    folder = model_folder(str(lora_on(save_tiny(tmp_path / "base"), tmp_path / "adapter")))
    with pytest.raises(ModelError, match="must be a folder with its own safetensors weights"):
        RewardModel(folder)


def test_a_template_that_refuses_the_turns_says_so_with_the_example(tmp_path):
    folder, _ = save(tmp_path)
    (folder / "chat_template.jinja").write_text("{{ raise_exception('no system') }}")
    with pytest.raises(ModelError, match=r"chat template of the reward model in .* refuses '1': no system"):
        RewardModel(folder).scores(EXAMPLES, 40)


def test_a_reward_that_is_no_number_is_refused_with_the_example(tmp_path):
    folder, model = save(tmp_path)
    with torch.no_grad():
        model.score.weight.fill_(float("nan"))
    model.save_pretrained(folder)
    with pytest.raises(ModelError, match=r"must be a finite number, but .* gives '1' nan"):
        RewardModel(folder).scores(EXAMPLES, 40)
