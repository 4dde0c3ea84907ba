"""Nuclear norm and logit sketch at other positions than the response's, through the learner."""

import numpy as np
import pytest
import torch

from farsighted.core.values import Example, Tokens
from farsighted.learners.adapters import Lora
from farsighted.learners.causal_lm import CausalLM, LearnerSettings
from farsighted.learners.optim import OptimizerSettings
from farsighted.models.folder import model_folder
from farsighted.models.loading import load_model


def text(name, ids, prompt_length):
    return Tokens(Example(name, "p", "r"), tuple(ids), prompt_length)


def test_non_pad_positions_take_the_logits_of_prompt_and_response():
    folder = model_folder("tiny")
    learner = CausalLM(load_model(folder, "float32"), "hash", Lora(r=2), LearnerSettings(OptimizerSettings(1e-3)), 0)
    batch = [text("long", range(60, 72), 7), text("short", range(80, 86), 2)]
    found = learner.signals(batch, frozenset({"nuclear_norm", "nuclear_norm:non_pad", "nll"}))
    lm = load_model(folder, "float32").eval()
    for row, tokens in enumerate(batch):
        with torch.no_grad():
            logits = lm(torch.tensor([tokens.ids], device=lm.device)).logits[0].double()
        whole = torch.linalg.svdvals(logits).sum().item()
        response = torch.linalg.svdvals(logits[tokens.prompt_length - 1 : -1]).sum().item()
        assert np.isclose(found["nuclear_norm:non_pad"][row], whole, rtol=1e-4)
        assert np.isclose(found["nuclear_norm"][row], response, rtol=1e-4)


@pytest.mark.parametrize("where", ["", ":non_pad"])
def test_the_limit_of_a_batch_changes_no_signal_of_uds(where):
    """What stands beside an example in a batch, and how long it is, follows from the limit."""
    names = frozenset({f"nuclear_norm{where}", f"logit_sketch{where}"})
    texts = [text(str(n), (np.arange(5 + 11 * (n % 5)) * 7 + n) % 200, 1 + n % 3) for n in range(12)]
    found = []
    for limit in (60, 100_000):
        settings = LearnerSettings(OptimizerSettings(1e-3), batch_tokens=limit)
        learner = CausalLM(load_model(model_folder("tiny"), "float32"), "hash", Lora(r=2), settings, 0)
        found.append(learner.signals(texts, names))
    for name in names:
        np.testing.assert_allclose(found[0][name], found[1][name], rtol=1e-5, atol=1e-4)
