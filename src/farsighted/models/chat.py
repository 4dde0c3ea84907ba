"""Chat templates of tokenizers: turns to tokens, with the loss on the last assistant turn.

A template is a Jinja text that ships with the tokenizer, rendered in a sandbox with the settings that templates are
written for.
"""

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from farsighted.core.errors import DataError, ModelError
from farsighted.core.values import Example

Turn = tuple[str, str]

_ABSENT: Final = ("tools", "documents")
"""Names that templates may count on: nothing, where there are none."""
TEMPLATE_ERRORS: Final = (jinja2.TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""A template is a program, and can fail in as many ways."""


@dataclass(frozen=True)
class ChatTemplate:
    """A tokenizer's template, and the tokenizer as it reads rendered text: special tokens are tokens."""

    template: jinja2.Template
    """The compiled Jinja template."""
    tokenizer: Tokenizer
    end_id: int
    end_ids: frozenset[int]
    """Tokens that end an answer; see `models.ends`."""
    special: dict[str, str]
    """Names that templates use (`bos_token`, `eos_token`) to their texts."""

    def encode(self, example: Example) -> tuple[list[int], list[int]]:
        """Return ids of everything up to the answer, and of the answer with the token that closes it.

        Raises:
            DataError: The template refuses the turns, or writes an answer differently once it is there.
        """
        turns = example.turns or (("user", example.prompt),)
        prompt = self.written(example.id, turns, asks=True)
        whole = self.written(example.id, (*turns, ("assistant", example.response)), asks=False)
        if not whole.startswith(prompt):
            raise DataError(
                f"The chat template must write the turns of '{example.id}' alike with and without the answer, but does "
                "not: the answer's tokens cannot be told apart. Write `data.template: plain`."
            )
        answer_ids = self.read(whole[len(prompt) :])
        # The first end after the answer's own words is the one that ends it when the model writes it.
        words = example.response.strip()
        closing = whole[len(prompt) :]
        ids = self.read(closing.rpartition(words)[2] if words else closing)
        ends = [place for place, token in enumerate(ids) if token in self.end_ids]
        if not ends:
            return self.read(prompt), [*self.read(whole[len(prompt) :].rstrip()), self.end_id]
        return self.read(prompt), answer_ids[: len(answer_ids) - (len(ids) - ends[0] - 1)]

    def written(self, name: str, turns: Sequence[Turn], asks: bool) -> str:
        """Return turns as the template writes them; `asks`: with what makes the model answer.

        Raises `DataError`, naming the example, where the template refuses them.
        """
        messages = [{"role": role, "content": content} for role, content in turns]
        try:
            names = {**dict.fromkeys(_ABSENT), **self.special}
            text: str = self.template.render(messages=messages, add_generation_prompt=asks, **names)
        except TEMPLATE_ERRORS as error:
            raise DataError(
                f"The model's chat template refuses '{name}': {error}. Mend its turns, or write `data.template: plain`."
            ) from error
        return text

    def read(self, text: str) -> list[int]:
        """Return the ids of rendered text, in which the tokenizer's own marks are tokens."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def compile_template(text: str) -> jinja2.Template:
    """Return a compiled chat template; raises `ModelError` where it is no Jinja."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = _today
    try:
        return environment.from_string(text)
    except jinja2.TemplateError as error:
        raise ModelError(f"The tokenizer's chat template cannot be read: {error}. Mend it, or use another.") from error


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _today(form: str) -> str:
    # A date of the day would change the tokens, and the results, from one day to the next.
    return datetime.date(2024, 1, 1).strftime(form)


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


class _Generation(Extension):
    """Reads `{% generation %}`, which some templates put around the assistant's text, as that text alone."""

    def __init__(self, environment: jinja2.Environment) -> None:
        super().__init__(environment)
        self.tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)
