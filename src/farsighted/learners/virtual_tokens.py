"""Prompt learning: trained virtual tokens before every text, by PEFT's encoders, seen by nothing outside of the trunk.

Prompt tuning and P-tuning put embeddings before those of the text; prefix tuning puts keys and values before those of
every attention layer. Hooks on the trunk add them where a text begins and take their hidden states off again, so that
what is trained, scored, embedded and generated sees the text's own positions alone, with and without a cache.

Shape letters: B examples, L positions of a text, P virtual tokens.

*Reference:* definitions.md#adaptations.
"""

import contextlib
import inspect
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import torch
from peft import PeftModelForCausalLM, PrefixTuningConfig, PromptEncoderConfig, PromptTuningConfig
from peft.config import PromptLearningConfig
from torch import Tensor, nn
from transformers import Cache, PreTrainedModel
from transformers.modeling_outputs import ModelOutput

from farsighted.core.adaptations import PREFIX, VIRTUAL_TOKENS
from farsighted.core.errors import ConfigError, ModelError
from farsighted.learners.adapters import full_change
from farsighted.learners.base import ChangeInner
from farsighted.learners.start import logits_of, reason_of, seeded
from farsighted.models.loading import LanguageModel

Arrays = Mapping[str, np.ndarray]
_Call = dict[str, object]

_CONFIGS: Final[Mapping[str, type[PromptLearningConfig]]] = {
    PREFIX: PrefixTuningConfig,
    "prompt_tuning": PromptTuningConfig,
    "p_tuning": PromptEncoderConfig,
}
_ENCODER: Final = "virtual_tokens"
"""Name of the encoder in the trunk, and of its parameters with it."""


@dataclass(frozen=True)
class VirtualTokens:
    """Prompt tuning, P-tuning or prefix tuning; the base is frozen, but for the head under `train_head`.

    `name`: what the configuration calls it. `kind`: one of `core.adaptations.VIRTUAL`. The model computes something
    else than the base from step 0 on, the same in every cell.
    """

    name: str
    kind: str
    settings: Mapping[str, object]
    train_head: bool = False
    backward_cost: float = 1.0
    transition: None = None

    def __post_init__(self) -> None:
        count = self.virtual_tokens
        if not isinstance(count, int) or count < 1:
            raise ConfigError(
                f"`peft.{self.name}.num_virtual_tokens` must be a whole number from 1, but is {count!r}. Write 20."
            )
        self._config(None)

    @property
    def virtual_tokens(self) -> int:
        """P."""
        return cast("int", self.settings.get("num_virtual_tokens", VIRTUAL_TOKENS))

    def apply(self, model: LanguageModel, rng: np.random.Generator) -> LanguageModel:
        """Put the virtual tokens before every text that `model` reads, initialised by PEFT from a seed out of `rng`.

        Raises `ModelError` where PEFT refuses the model, and where the model does not read them.
        """
        before = logits_of(model)
        with seeded(rng), _translated(self.name), warnings.catch_warnings():
            # PEFT warns of what cannot happen here, and asks transformers by names that are on their way out.
            warnings.simplefilter("ignore")
            wrapped = PeftModelForCausalLM(model, self._config(model))
        entry = _entry(model)
        encoder = wrapped.prompt_encoder[wrapped.active_adapter]
        for parameter in encoder.parameters():
            parameter.data = parameter.data.to(torch.promote_types(parameter.dtype, torch.float32))
        entry.add_module(_ENCODER, encoder)
        inside = _KeysBefore(wrapped, self.virtual_tokens) if self.kind == PREFIX else None
        inserted = inside or _EmbeddingsBefore(wrapped, self.virtual_tokens)
        entry.register_forward_pre_hook(inserted.before, with_kwargs=True)
        entry.register_forward_hook(inserted.after)
        with _translated(self.name):
            after = logits_of(model)
        self._check_read(before, after)
        model.get_output_embeddings().weight.requires_grad_(self.train_head)
        return model

    def change_inner(self, a: Arrays, b: Arrays, c: Arrays) -> ChangeInner:
        """Inner products of changes of the parameters, in double precision."""
        return full_change(a, b, c, list(a))

    def restart(self, lm: LanguageModel, rng: np.random.Generator) -> None:
        """Never asked for: there is no transition."""
        raise RuntimeError("Virtual tokens are trained on from stage to stage.")

    def _config(self, model: LanguageModel | None) -> PromptLearningConfig:
        """Return PEFT's configuration; raises `ConfigError` for a field that it does not have."""
        settings: dict[str, object] = {"num_virtual_tokens": self.virtual_tokens, **self.settings}
        if self.kind == "prompt_tuning":
            # Tokens of the vocabulary lie where the model's embeddings lie; PEFT's own default is many times as long.
            settings.setdefault("prompt_tuning_init", "SAMPLE_VOCAB")
            if settings["prompt_tuning_init"] == "TEXT":
                settings.setdefault("tokenizer_name_or_path", "model" if model is None else model.name_or_path)
                settings["tokenizer_kwargs"] = {"local_files_only": True}
        if self.kind == PREFIX:
            # Keys and values drawn at random, as PEFT draws them, spoil what the model knows (definitions.md).
            settings.setdefault("init_weights", "zero")
        elif model is not None:
            # Where embeddings are projected, their width is not that of the hidden states.
            settings.setdefault("token_dim", model.get_input_embeddings().weight.shape[1])
        try:
            return _CONFIGS[self.kind](task_type="CAUSAL_LM", **settings)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"PEFT cannot read the settings of '{self.name}': {reason_of(error)}. Change `peft.{self.name}`."
            ) from error

    def _check_read(self, before: Tensor | None, after: Tensor | None) -> None:
        if before is None or after is None:
            return
        if not bool(torch.isfinite(after).all()) or torch.equal(before, after):
            raise ModelError(
                f"The model must read the virtual tokens of '{self.name}', but its logits are the same without them, "
                "or not finite. Use lora or bottleneck for this architecture."
            )


class _Before(ABC):
    """Hooks that lengthen masks and positions by the virtual tokens; where the tokens go is a subclass's business."""

    def __init__(self, wrapped: PeftModelForCausalLM, count: int) -> None:
        self._wrapped, self._count = wrapped, count

    def before(self, entry: nn.Module, args: tuple[object, ...], options: _Call) -> tuple[tuple[()], _Call]:
        """Return the call with the virtual tokens in it, where a text begins, or behind those that a cache holds."""
        given = dict(zip(inspect.signature(entry.forward).parameters, args, strict=False)) | options
        cache = given.get("past_key_values")
        begins = not isinstance(cache, Cache) or cache.get_seq_length() == 0
        self._lengthen_mask(entry, given)
        self._insert(entry, given, begins=begins)
        return (), given

    @abstractmethod
    def after(self, entry: nn.Module, args: tuple[object, ...], output: ModelOutput) -> ModelOutput:
        """Return the output without the virtual tokens' own positions."""

    @abstractmethod
    def _insert(self, entry: nn.Module, given: _Call, *, begins: bool) -> None:
        """Put the virtual tokens into a call that begins a text."""

    def _lengthen_mask(self, entry: nn.Module, given: _Call) -> None:
        """Let the mask and the positions count the virtual tokens.

        Positions are counted from the mask, so that padding on the left moves no text away from its virtual tokens.
        """
        mask_BL, positions = given.get("attention_mask"), given.get("position_ids")
        if mask_BL is None:
            if isinstance(positions, Tensor):
                given["position_ids"] = positions + self._count
            return
        if not isinstance(mask_BL, Tensor) or mask_BL.dim() != 2:
            raise ModelError("Virtual tokens need an attention mask of one number a position.")
        width = _length(given)
        if "position_ids" in inspect.signature(entry.forward).parameters:
            if not isinstance(positions, Tensor):
                positions = (mask_BL.long().cumsum(-1) - 1).clamp_min(0)[:, -width:]
            given["position_ids"] = positions + self._count
        given["attention_mask"] = torch.cat([mask_BL.new_ones(len(mask_BL), self._count), mask_BL], dim=1)


class _KeysBefore(_Before):
    """Keys and values of the virtual tokens, as a cache that is filled already."""

    def after(self, entry: nn.Module, args: tuple[object, ...], output: ModelOutput) -> ModelOutput:
        """Return the output: keys and values have no positions of their own."""
        return output

    def _insert(self, entry: nn.Module, given: _Call, *, begins: bool) -> None:
        if begins:
            given["past_key_values"] = self._wrapped.get_prompt(_rows(given))


class _EmbeddingsBefore(_Before):
    """Embeddings of the virtual tokens before those of the text."""

    _inserted = False

    def after(self, entry: nn.Module, args: tuple[object, ...], output: ModelOutput) -> ModelOutput:
        """Return the output without the virtual tokens' own positions."""
        if self._inserted:
            output.last_hidden_state = output.last_hidden_state[:, self._count :]
            if output.get("hidden_states") is not None:
                output.hidden_states = tuple(states[:, self._count :] for states in output.hidden_states)
        return output

    def _insert(self, entry: nn.Module, given: _Call, *, begins: bool) -> None:
        self._inserted = begins
        if not begins:
            return
        ids, text = given.pop("input_ids", None), given.get("inputs_embeds")
        if not isinstance(text, Tensor):
            text = cast("PreTrainedModel", entry).get_input_embeddings()(ids)
        prompt = self._embeddings(len(text), text.device)
        given["inputs_embeds"] = torch.cat([prompt.to(text.dtype), text], dim=1)
        positions = given.get("position_ids")
        if isinstance(positions, Tensor):
            own = torch.arange(self._count, device=positions.device).expand(len(positions), -1)
            given["position_ids"] = torch.cat([own, positions], dim=1)

    def _embeddings(self, rows: int, device: torch.device) -> Tensor:
        """Return (B, P, width), computed for each example by itself, so that each has a gradient of its own."""
        encoder = self._wrapped.prompt_encoder[self._wrapped.active_adapter]
        tokens_BP = torch.arange(self._count, device=device).expand(rows, -1)
        # On a GPU, cuDNN refuses the backward pass of a recurrent encoder in evaluation mode.
        with torch.backends.cudnn.flags(enabled=False):
            embeddings: Tensor = encoder(tokens_BP)
        return embeddings


def _length(given: _Call) -> int:
    return _text(given).shape[1]


def _rows(given: _Call) -> int:
    return len(_text(given))


def _text(given: _Call) -> Tensor:
    ids = given.get("input_ids")
    return cast("Tensor", given["inputs_embeds"] if ids is None else ids)


def _entry(lm: LanguageModel) -> PreTrainedModel:
    """Return the module that takes ids and gives hidden states, whichever way the model is called."""
    decoder = getattr(lm.base_model, "decoder", None)
    return decoder if isinstance(decoder, PreTrainedModel) else lm.base_model


@contextlib.contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except (TypeError, ValueError, KeyError, AttributeError, ImportError, RuntimeError, OSError) as error:
        raise ModelError(
            f"PEFT cannot put '{name}' on this model: {reason_of(error)}. Change `peft.{name}`, or use lora or "
            "bottleneck."
        ) from error
