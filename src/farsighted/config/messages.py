"""What is wrong with a configuration, said in sentences: what must be, what is, where, and what to do."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from farsighted.core.names import did_you_mean

KeyPath = tuple[str | int, ...]
"""The way to a key from the top of the configuration: ("stages", 0, "train")."""

FOREIGN_NAMES: Final[Mapping[str, str]] = {
    "base_model": "model.path",
    "model_name_or_path": "model.path",
    "model_name": "model.path",
    "torch_dtype": "model.dtype",
    "max_length": "model.context",
    "max_seq_length": "model.context",
    "cutoff_len": "model.context",
    "sequence_len": "model.context",
    "datasets": "stages",
    "tasks": "stages",
    "eval_dataset": "stages[].validation",
    "test_dataset": "stages[].ood",
    "max_samples": "stages[].max_train",
    "lora_r": "lora.r",
    "lora_rank": "lora.r",
    "rank": "lora.r",
    "lora_alpha": "lora.alpha",
    "lora_dropout": "lora.dropout",
    "lora_target": "lora.targets",
    "lora_target_modules": "lora.targets",
    "target_modules": "lora.targets",
    "finetuning_type": "adaptations",
    "lr": "training.learning_rate",
    "lr_scheduler_type": "training.schedule",
    "lr_scheduler": "training.schedule",
    "warmup_ratio": "training.warmup_share",
    "warmup_steps": "training.warmup_share",
    "max_grad_norm": "training.grad_clip",
    "gradient_clip_val": "training.grad_clip",
    "per_device_train_batch_size": "training.batch_size",
    "train_batch_size": "training.batch_size",
    "per_device_eval_batch_size": "evaluation.batch_tokens",
    "eval_batch_size": "evaluation.batch_tokens",
    "gradient_accumulation_steps": "training.micro_batch_tokens",
    "micro_batch_size": "training.micro_batch_tokens",
    "seed": "seeds",
    "random_seed": "seeds",
    "budget": "budgets",
    "selector": "selectors",
    "methods": "selectors",
    "order": "orders",
    "n_clusters": "signals.k",
}
"""Names that users of other trainers know, to the key that means the same (or the nearest thing) here."""

NO_COUNTERPART: Final[Mapping[str, str]] = {
    "sample_packing": "Packing would blur which example was selected; remove the key.",
    "bf16": "Write `model: {dtype: bfloat16}` instead.",
    "fp16": "Write `model: {dtype: float16}` instead.",
    "dataset": "Write `stages`, each with its files, instead.",
    "num_train_epochs": "A stage is one pass over its pool, cut by `budgets`; remove the key.",
    "num_epochs": "A stage is one pass over its pool, cut by `budgets`; remove the key.",
    "max_steps": "The length of a stage follows from `budgets`; remove the key.",
    "output_dir": "The folder of results is no part of the configuration: name it when the audit starts.",
    "overwrite_output_dir": "The folder of results is no part of the configuration; remove the key.",
    "save_strategy": "Cells write down how far they are by the clock: set `checkpoint.seconds`.",
    "save_steps": "Cells write down how far they are by the clock: set `checkpoint.seconds`.",
    "report_to": "Reporting is no part of the configuration; remove the key.",
    "packing": "Packing would blur which example was selected; remove the key.",
    "evaluation_strategy": "Every stage is followed by an evaluation (`evaluation.evaluate`); remove the key.",
    "eval_strategy": "Every stage is followed by an evaluation (`evaluation.evaluate`); remove the key.",
    "group_by_length": "Batches follow the order of arrival, the same for every selector; remove the key.",
    "no_cuda": "Write `model: {device: cpu}` instead.",
}
"""Names that users of other trainers know and that have no place here, with the reason."""

_EXPECTED: Final[Mapping[str, str]] = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "string_too_short": "text of at least one character",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "greater_than": "greater than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "too_short": "a list of at least {min_length}",
    "literal_error": "{expected}",
}


def expectation(must: str, value: object, advice: str, key: KeyPath = ()) -> PydanticCustomError:
    """Return the error of a validator: what must be, what is, what to do.

    Args:
        must: What follows "must be".
        value: What was found; it is shown in short form.
        advice: A sentence that says what to do.
        key: The way from the validated thing to the culprit, where a rule spans several keys.
    """
    context = {"must": must, "value": shown(value), "advice": advice, "key": list(key)}
    return PydanticCustomError("expectation", "must be {must}, but is {value}. {advice}", context)


def shown(value: object) -> str:
    """Return a value as a user wrote it, in at most 60 characters.

    >>> shown(None), shown(True), shown("abc")
    ('empty', 'true', "'abc'")
    """
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def key_text(path: KeyPath) -> str:
    """Return a key path as text.

    >>> key_text(("stages", 0, "train"))
    'stages[0].train'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def sentences(errors: Iterable[ErrorDetails], root: type[BaseModel], place: Callable[[KeyPath], str]) -> str:
    """Return one sentence (or two) an error, one a line, the ten first.

    Args:
        errors: What pydantic found.
        root: The top of the tree, for the nearest names and the defaults.
        place: Says where a key was written ("audit.yaml:14").
    """
    lines = [_sentence(error, root, place).rstrip() for error in errors if not _follows_from_another(error)]
    more = [f"... and {len(lines) - 10} more of this kind."] if len(lines) > 10 else []
    return "\n".join(lines[:10] + more)


def _follows_from_another(error: ErrorDetails) -> bool:
    """Tell whether a list only looks too short because its entries were refused one by one."""
    found = error["input"]
    return error["type"] == "too_short" and isinstance(found, (list, tuple)) and len(found) > 0


def _sentence(error: ErrorDetails, root: type[BaseModel], place: Callable[[KeyPath], str]) -> str:
    context = error.get("ctx", {})
    # Where a mapping has a wrong key, pydantic adds a step of its own to the way there.
    path: KeyPath = (*(part for part in error["loc"] if part != "[key]"), *context.get("key", ()))
    where = place(path)
    if error["type"] == "extra_forbidden":
        return f"`{key_text(path)}` must be a known key, but is none ({where}). {_nearest(path, root)}"
    if error["type"] == "missing":
        return f"`{key_text(path)}` must be given, but is missing ({where}). {_described(path, root)}"
    name = f"`{key_text(path)}`" if path else "The configuration"
    if error["type"] == "expectation":
        return f"{name} must be {context['must']}, but is {context['value']} ({where}). {context['advice']}"
    if error["type"] not in _EXPECTED:
        return f"{name} cannot be used as it is ({where}): {error['msg']}. {_described(path, root)}"
    must = _EXPECTED[error["type"]].format(**context)
    return f"{name} must be {must}, but is {shown(error['input'])} ({where}). {_advice(error, path, root)}"


def _advice(error: ErrorDetails, path: KeyPath, root: type[BaseModel]) -> str:
    found = error["input"]
    if error["type"] == "literal_error" and isinstance(found, str):
        return did_you_mean(found, re.findall("'([^']*)'", error["ctx"]["expected"]))
    if error["type"] == "string_type" and not isinstance(found, (list, tuple, dict)):
        return "Put it in quotes if it is meant as text."
    return _described(path, root)


def _described(path: KeyPath, root: type[BaseModel]) -> str:
    """Return what a key is for and its default, as far as the tree says so."""
    field = _field_at(path, root)
    if field is None:
        return ""
    text = " ".join((field.description or "").split())
    if not isinstance(field.default, (str, int, float)):
        return f"It is: {text}"
    return f"It is: {text} Its default is {shown(field.default)}."


def _nearest(path: KeyPath, root: type[BaseModel]) -> str:
    """Return what an unknown key may have meant: a foreign name, a key of another place, or a misspelling."""
    word = str(path[-1])
    if word in NO_COUNTERPART:
        return NO_COUNTERPART[word]
    keys = all_keys(root)
    if FOREIGN_NAMES.get(word) in keys:
        return f"Did you mean `{FOREIGN_NAMES[word]}`?"
    elsewhere = sorted(key for key in keys if key.split(".")[-1] == word)
    if elsewhere:
        return f"Did you mean `{elsewhere[0]}`?"
    model = _model_at(path[:-1], root)
    return did_you_mean(word, model.model_fields if model else [])


def all_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Return every key of a tree of models, as paths ("training.batch_size", "stages[].name")."""
    keys = []
    for name, field in model.model_fields.items():
        keys.append(prefix + name)
        inner = _model_in(field.annotation)
        if inner is not None:
            many = "[]" if "tuple" in str(field.annotation) else ""
            keys.extend(all_keys(inner, f"{prefix}{name}{many}."))
    return keys


def _field_at(path: KeyPath, root: type[BaseModel]) -> FieldInfo | None:
    named = [part for part in path if isinstance(part, str)]
    if not named:
        return None
    model = _model_at(tuple(named[:-1]), root)
    return model.model_fields.get(named[-1]) if model else None


def _model_at(path: KeyPath, root: type[BaseModel]) -> type[BaseModel] | None:
    model: type[BaseModel] | None = root
    for part in path:
        if isinstance(part, str) and model is not None:
            field = model.model_fields.get(part)
            model = _model_in(field.annotation) if field else None
    return model


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model that an annotation holds, however deep (`tuple[Model, ...] | None`)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)
