"""Quality from a reward model: a sequence classifier with one output, in batches of like length."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from farsighted.core.errors import ModelError
from farsighted.core.values import Example
from farsighted.data.batches import length_sorted_batches
from farsighted.models.jinja import TEMPLATE_ERRORS
from farsighted.models.loading import without_adapter
from farsighted.models.origin import origin_of


class RewardModel:
    """A sequence classifier with one output, from a folder.

    Raises `ModelError` where the folder holds no such model, or one with several outputs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tokenizer, self._model = _loaded(folder)

    def scores(self, examples: Sequence[Example], batch_tokens: int) -> np.ndarray:
        """Return (N,) the model's output for each prompt and response, unbounded.

        The text is the tokenizer's chat template of the turns where it has one, else prompt, line break, response; one
        that is longer than the model reads loses its beginning. Raises `ModelError` where an example gets no score.
        """
        ids = [_ids(self._tokenizer, example, self._folder) for example in examples]
        scores = np.empty(len(ids))
        for rows in length_sorted_batches([len(row) for row in ids], batch_tokens):
            # A classifier reads its last token: rows of one length need no pad, whatever it knows of pads.
            for part in _of_one_length(rows, ids) if self._model.config.pad_token_id is None else [rows]:
                scores[part] = self._batch([ids[row] for row in part])
        if not np.isfinite(scores).all():
            row = int(np.argmin(np.isfinite(scores)))
            raise ModelError(
                f"A reward must be a finite number, but the model in '{self._folder}' gives '{examples[row].id}' "
                f"{scores[row]}. Name another, or take the example out."
            )
        return scores

    @torch.no_grad()
    def _batch(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        width = max(map(len, ids))
        batch = torch.full((len(ids), width), self._model.config.pad_token_id or 0)
        mask = torch.zeros((len(ids), width), dtype=torch.long)
        for place, row in enumerate(ids):
            batch[place, : len(row)] = torch.tensor(row)
            mask[place, : len(row)] = 1
        scores: np.ndarray = self._model(input_ids=batch, attention_mask=mask).logits[:, 0].float().numpy()
        return scores


def _loaded(folder: Path) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    if origin_of(folder) is not None:
        raise ModelError(
            f"A reward model must be a folder with its own safetensors weights, but '{folder}' stands for an adapter "
            "or a GGUF file. Save the whole classifier with `save_pretrained` and name that folder."
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        with without_adapter(folder) as place:
            model = AutoModelForSequenceClassification.from_pretrained(
                place, local_files_only=True, trust_remote_code=False, use_safetensors=True
            ).eval()
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ModelError(f"'{folder}' cannot be loaded as a reward model: {reason}. Name another.") from error
    if model.config.num_labels != 1:
        raise ModelError(
            f"A reward model must have one output, but the one in '{folder}' has {model.config.num_labels}. Name "
            "another."
        )
    return tokenizer, model


def _ids(tokenizer: PreTrainedTokenizerBase, example: Example, folder: Path) -> list[int]:
    turns = [*(example.turns or (("user", example.prompt),)), ("assistant", example.response)]
    if tokenizer.chat_template:
        messages = [{"role": role, "content": content} for role, content in turns]
        try:
            ids: list[int] = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False)
        except TEMPLATE_ERRORS as error:
            raise ModelError(
                f"The chat template of the reward model in '{folder}' refuses '{example.id}': {error}. Mend its turns, "
                "or name another model."
            ) from error
    else:
        ids = tokenizer(f"{example.prompt}\n{example.response}")["input_ids"]
    return ids[-min(tokenizer.model_max_length, 10**6) :]


def _of_one_length(rows: np.ndarray, ids: Sequence[Sequence[int]]) -> list[np.ndarray]:
    lengths = np.array([len(ids[row]) for row in rows])
    return [rows[lengths == length] for length in np.unique(lengths)]
