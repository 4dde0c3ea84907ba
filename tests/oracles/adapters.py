"""Adapters as PEFT saves them, with values that show."""

import warnings
from pathlib import Path

import torch
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from transformers import AutoModelForCausalLM


def lora_on(base, folder, **settings):
    """Save a LoRA adapter of the model in `base` that changes its logits, and return its folder."""
    return _saved(base, folder, LoraConfig(r=4, init_lora_weights=False, task_type="CAUSAL_LM", **settings))


def prompt_on(base, folder):
    """Save an adapter that works beside the weights."""
    return _saved(base, folder, PromptTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM"))


def _saved(base, folder, config):
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # PEFT asks the library by a name that is on its way out, and warns of embeddings that are tied.
        warnings.simplefilter("ignore")
        torch.random.default_generator.manual_seed(5)
        adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
        adapted.save_pretrained(folder)
    return Path(folder)


@torch.no_grad()
def logits_of(lm):
    """Logits of a text, in evaluation mode."""
    return lm.eval()(torch.arange(20)[None]).logits
