"""Chat templates as programs: Jinja texts that ship with tokenizers, run in a sandbox as they are written for it."""

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from farsighted.core.errors import ModelError
from farsighted.models.messages import Conversation, Message

TEMPLATE_ERRORS: Final = (jinja2.TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)
"""A template is a program, and can fail in as many ways."""


@dataclass(frozen=True)
class Program:
    """A compiled template with the texts that it uses."""

    template: jinja2.Template
    special: Mapping[str, str]
    """Names that templates use (`bos_token`, `eos_token`) to their texts."""
    constants: frozenset[str]
    """Every text that stands in the source: a role's name among them is one that the template knows."""

    def text(self, talk: Conversation, asks: bool, thinks: bool | None = None) -> str:
        """Return the messages as the template writes them; raises one of `TEMPLATE_ERRORS`.

        Args:
            talk: Messages and tools.
            asks: Whether to add what makes the model answer.
            thinks: Whether the model is to think first, where the template asks; None: as it likes.
        """
        return self.write(talk.messages, talk.tools, asks, {} if thinks is None else {"enable_thinking": thinks})

    def write(
        self,
        messages: tuple[Message, ...],
        tools: tuple[object, ...] = (),
        asks: bool = False,
        more: Mapping[str, object] = MappingProxyType({}),
    ) -> str:
        """Write messages, `more` being further names that the template may use."""
        found: str = self.template.render(
            messages=list(messages),
            tools=list(tools) or None,
            documents=None,
            add_generation_prompt=asks,
            **self.special,
            **more,
        )
        return found

    @cached_property
    def asks(self) -> bool:
        """Whether the template writes anything to make the model answer."""
        return self._probed("user") and self.write(_PROBE[:1], asks=True) != self.write(_PROBE[:1])

    @cached_property
    def user_header(self) -> tuple[str, str]:
        """What stands before the first words of the user, and before later ones; empty where that cannot be told."""
        if not self._probed("user", "assistant", "user"):
            return "", ""
        whole = self.write(_PROBE)
        first, _, rest = whole.partition(_FIRST)
        return first, rest.partition(_ANSWER)[2].partition(_SECOND)[0]

    @cached_property
    def answer_header(self) -> tuple[str, str]:
        """What makes the model answer, and all that stands between the user's words and the answer."""
        if not self._probed("user", "assistant"):
            return "", ""
        before, asking = self.write(_PROBE[:1]), self.write(_PROBE[:1], asks=True)
        between = self.write(_PROBE[:2]).partition(_FIRST)[2].partition(_ANSWER)[0]
        return asking[len(before) :] if asking.startswith(before) else "", between

    def _probed(self, *roles: str) -> bool:
        try:
            self.write(_PROBE[: len(roles)])
            self.write(_PROBE[:1], asks=True)
        except TEMPLATE_ERRORS:
            return False
        return True


_FIRST, _ANSWER, _SECOND = "qzxjkv", "wvkzqj", "jqvxzw"
"""Words that no template writes."""
_PROBE: Final[tuple[Message, ...]] = (
    {"role": "user", "content": _FIRST},
    {"role": "assistant", "content": _ANSWER},
    {"role": "user", "content": _SECOND},
)


def compile_program(text: str, special: Mapping[str, str]) -> Program:
    """Return a template ready to write; raises `ModelError` where it is no Jinja."""
    template = compile_template(text)
    parsed = template.environment.parse(text)
    constants = {node.value for node in parsed.find_all(nodes.Const) if isinstance(node.value, str)}
    return Program(template, special, frozenset(constants))


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
