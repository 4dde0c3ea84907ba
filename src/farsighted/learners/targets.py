"""Which linear layers "all-linear" means for LoRA: those that every token goes through."""

import contextlib
from collections.abc import Iterator
from typing import Final, NamedTuple

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from farsighted.models.loading import LanguageModel

_ALL: Final = "all-linear"
_EXPERTS: Final = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
_ROUTERS: Final = ("gate", "router", "shared_expert_gate")
_STATE_SPACE: Final = {"falcon_h1", "falcon_mamba", "mamba", "mamba2", "nemotron_h"}
"""Architectures whose fused kernels read the weights of `out_proj` past the layer, where an adapter has no effect."""


class Targets(NamedTuple):
    """What LoRA is put on."""

    modules: str | list[str]
    """As PEFT takes them."""
    note: str | None
    """What is left out of "all-linear", and why; None where nothing is."""


def lora_targets(lm: LanguageModel, targets: str | tuple[str, ...]) -> Targets:
    """Return the layers for LoRA; "all-linear" leaves out routers, experts and layers that no token goes through.

    A router's adapter would change which experts are asked, an expert's is trained by the tokens that happen to reach
    it, and a layer whose weight is read without calling it would ignore its adapter.
    """
    if targets != _ALL:
        return Targets(targets if isinstance(targets, str) else list(targets), None)
    linear = _linear_layers(lm)
    experts = _expert_count(lm)
    routed = {name for name in linear if experts and _is_routed(name, linear[name], experts)}
    uncalled = linear.keys() - routed - _called(lm, linear)
    if lm.config.model_type in _STATE_SPACE:
        uncalled |= {name for name in linear if name.endswith(".out_proj")}
    kept = sorted(linear.keys() - routed - uncalled)
    if not experts and not uncalled:
        return Targets(_ALL, None)
    return Targets(kept, _note(lm, experts, sorted(uncalled)))


@contextlib.contextmanager
def named_as_they_are(lm: LanguageModel, modules: str | list[str]) -> Iterator[None]:
    """Keep PEFT from renaming the layers that are named one by one.

    For mixtures of experts it takes names as those of an older version of the library, in which experts were layers:
    adapters would go onto experts and routers after all.
    """
    if isinstance(modules, str):
        yield
        return
    kept = lm.config.model_type
    lm.config.model_type = ""
    try:
        yield
    finally:
        lm.config.model_type = kept


def _linear_layers(lm: LanguageModel) -> dict[str, nn.Module]:
    head = lm.get_output_embeddings()
    kinds = (nn.Linear, Conv1D)
    return {name: module for name, module in lm.named_modules() if isinstance(module, kinds) and module is not head}


def _expert_count(lm: LanguageModel) -> int:
    config = lm.config.get_text_config()
    found = (getattr(config, name, None) for name in _EXPERTS)
    return max((number for number in found if isinstance(number, int)), default=0)


def _is_routed(name: str, layer: nn.Module, experts: int) -> bool:
    parts = name.split(".")
    return parts[-1] in _ROUTERS or "experts" in parts[:-1] or getattr(layer, "out_features", None) == experts


@torch.no_grad()
def _called(lm: LanguageModel, layers: dict[str, nn.Module]) -> set[str]:
    """Return the layers that a short text goes through; of a model without values, which reads no text, all."""
    if lm.device.type == "meta":
        return set(layers)
    called: set[str] = set()
    handles = [layer.register_forward_hook(lambda *_, name=name: called.add(name)) for name, layer in layers.items()]
    was_training = lm.training
    lm.eval()
    try:
        lm(torch.arange(min(4, lm.config.get_text_config().vocab_size), device=lm.device)[None], use_cache=False)
    finally:
        lm.train(was_training)
        for handle in handles:
            handle.remove()
    return called


def _note(lm: LanguageModel, experts: int, uncalled: list[str]) -> str:
    said = []
    if experts:
        said.append(f"the routers and experts of this mixture of {experts} experts")
    if uncalled:
        more = f" and {len(uncalled) - 1} more" if len(uncalled) > 1 else ""
        said.append(f"'{uncalled[0]}'{more}, whose weights are read without a call")
    return (
        f"LoRA on all-linear leaves out {', and '.join(said)} ({type(lm).__name__}). Name layers in `lora.targets` to "
        "choose others."
    )
