"""What a plan asks for and no cell could do."""

from collections.abc import Iterable
from typing import Final

from farsighted.config.audit import AuditConfig
from farsighted.core.errors import ConfigError
from farsighted.evaluation.generation import Generation
from farsighted.models.folder import learned_positions
from farsighted.protocol.inputs import AuditInputs, most_virtual_tokens
from farsighted.protocol.plan import Cell
from farsighted.signals.registry import signal_named

_OWN_SECTIONS: Final = frozenset({"lora", "full", "qlora"})
"""Adaptations whose settings are not under `peft`."""


def refuse_impossible(config: AuditConfig, inputs: AuditInputs, cells: Iterable[Cell]) -> None:
    """Raise now what the first cell would only find out at work: a missing library, proxy or kind of adapter.

    Raises:
        ConfigError: What cannot be carried out, and the key to change.
    """
    _refuse_adaptations(config)
    _refuse_beyond_positions(inputs, most_virtual_tokens(config))
    if inputs.sentence_model:
        from farsighted.models.sentence import require_sentence_transformers

        require_sentence_transformers()
    _refuse_signals(config, {name for cell in cells for name in cell.selector.needs})
    if not inputs.proxy and any("proxy_sketch" in selector.needs for selector in (cell.selector for cell in cells)):
        raise ConfigError(
            "A selector that looks ahead needs a proxy set, but there is none. Raise `data.proxy_per_stage` or "
            "`suite.proxy`, or set the selector's weight of the proxy (`eta`) to 0."
        )


def _refuse_beyond_positions(inputs: AuditInputs, virtual: int) -> None:
    """A table of positions ends: to write beyond it would be an index error after the training."""
    learned = None if inputs.folder is None else learned_positions(inputs.folder)
    if learned is None:
        return
    for stage in inputs.stages.values():
        for found in (stage.validation, *stage.ood):
            if found.generation is not None:
                _refuse_longer(found.name, found.generation, learned, virtual)


def _refuse_longer(name: str, generation: Generation, learned: int, virtual: int) -> None:
    positions = learned - virtual
    longest, most = max(map(len, generation.prompts), default=0), generation.max_new_tokens
    if longest + most <= positions:
        return
    ways = [f"`model.context` to at most {positions - most} with `data.on_long: skip`"] if positions > most else []
    if longest < positions:
        ways.insert(0, f"`evaluation.max_new_tokens` to at most {positions - longest}")
    taken = f", of which virtual tokens take {virtual}," if virtual else ""
    raise ConfigError(
        f"The model has learned {learned} positions{taken} and cannot write beyond them, but the longest prompt of "
        f"'{name}' has {longest} tokens and `evaluation.max_new_tokens` is {most}. Set "
        f"{', or '.join(ways) or 'it lower'}."
    )


def _refuse_signals(config: AuditConfig, needs: Iterable[str]) -> None:
    if config.quadratic is None:
        return
    for name in sorted(needs):
        if signal_named(name).cost == "text":
            raise ConfigError(
                f"Signal '{name}' reads the text of examples, but examples of the quadratic world have none. Choose a "
                "selector that does not read it, or an audit of a language model."
            )


def _refuse_adaptations(config: AuditConfig) -> None:
    if set(config.adaptations) - {"lora", "full"}:
        # Only here does a plan need the library that knows the adapters' names, and torch with it.
        from farsighted.learners.build import build_adaptation

        for mode in config.adaptations:
            build_adaptation(config, mode)
    if "qlora" in config.adaptations and len(config.adaptations) > 1:
        raise ConfigError(
            "`adaptations: qlora` must stand alone, because cells start from the same model, and its weights have 4 "
            "bits. Run the others as an audit of their own."
        )
    for mode in _OWN_SECTIONS & config.peft.keys():
        raise ConfigError(
            f"`peft` must hold adapters beside {', '.join(sorted(_OWN_SECTIONS))}, but holds '{mode}', which nothing "
            "reads. Write its rank, scale, dropout and targets under `lora`, or give the entry another name."
        )
    trained = "adaptations: full" if "full" in config.adaptations else "training.train_head: true"
    if config.model.dtype != "float32" and ("full" in config.adaptations or config.training.train_head):
        raise ConfigError(
            f"`{trained}` must train float32 weights, but `model.dtype` is {config.model.dtype}: small updates would "
            "be rounded away. Set `model.dtype: float32`, or train lora adapters alone."
        )
