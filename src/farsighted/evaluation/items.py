"""From examples to an evaluation set: which texts are put to the model, in which style.

Style `native` puts an item as the model was trained: prompt, line break, response, end token. Style `harness` puts it
as lm-evaluation-harness does: `Question: ...` and a line `Answer:` for numbers; `Q: ...` and `A:` for truths, after the
six of TruthfulQA's own prompt where no worked examples are given; for programs the prompt alone where it begins the
function (HumanEval), else the task, its tests and `[BEGIN]` (MBPP); for all others the prompt with a line `Answer:`
unless it ends in a colon. A space before each continuation, no end token, worked examples before the item, and first of
all what the tokenizer begins every text with. Under a chat template the same texts are turns of it, and no space comes
before a continuation.

*Reference:* definitions.md#harness-style.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from farsighted.config.fields import Style
from farsighted.core.errors import ConfigError
from farsighted.core.measures import GENERATED, MEASURES, Measure, Reads
from farsighted.core.values import Example, Tokens
from farsighted.data.templates import WIDEN, OnLong, TooLong, cut_note, encode, encode_pair, encode_pool, prompt_text
from farsighted.evaluation.generation import STOPS, Generation, completes_prompt
from farsighted.evaluation.primers import TRUTHS
from farsighted.evaluation.sets import EvaluationSet, chance_of
from farsighted.models.chat import ChatTemplate, Turn
from farsighted.models.messages import answered
from farsighted.models.tokenizer import TextTokenizer
from farsighted.store.token_table import ROWS, TokenTable

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class SetRules:
    """How one evaluation set is scored."""

    measure: Measure
    chance: float | None
    """None: what the measure and its options say."""
    ceiling: float
    style: Style = "native"
    shots: tuple[Example, ...] = ()
    """Worked examples, in the order shown."""


@dataclass
class SetBuilder:
    """Builds evaluation sets and keeps a sentence about everything that was left out or cut."""

    tokenizer: TextTokenizer
    context: int
    on_long: OnLong
    max_new_tokens: int
    widen: str = WIDEN
    """How an example that is too long would have more room."""
    notes: list[str] = field(default_factory=list)

    def build(self, name: str, examples: Sequence[Example], rules: SetRules) -> EvaluationSet:
        """Return the set of the examples that the measure can score.

        Raises:
            ConfigError: None is left, or chance and ceiling do not fit.
            DataError: An example is longer than the context, under `on_long: error`.
        """
        reads = MEASURES[rules.measure].reads
        if rules.style == "harness" and self.tokenizer.chat is not None and self._chat is None:
            raise ConfigError(
                f"'{name}' cannot have `style: harness` under `data.template: rendered`: rendered texts are not asked "
                "in other words. Write `style: native`."
            )
        pairs = [(item, self._options(item, reads, rules)) for item in self.tokens(f"evaluation set {name}", examples)]
        kept = [(item, options) for item, options in pairs if _scorable(item.example, options, reads)]
        if len(kept) < len(pairs):
            self.notes.append(f"'{name}': {len(pairs) - len(kept)} items {_LACKS[reads]} and were left out.")
        if not kept:
            raise ConfigError(
                f"The evaluation set '{name}' has no item that `{rules.measure}` can score. Give it other files, or "
                "change the stage's `measure`."
            )
        items, options = tuple(item for item, _ in kept), tuple(options for _, options in kept)
        chance = rules.chance
        if chance is None:
            chance = chance_of(items, options, rules.measure, self.tokenizer.vocabulary_size)
        if (chance >= rules.ceiling) != (rules.measure == "perplexity"):
            raise ConfigError(f"`ceiling` must be above chance, but in '{name}' chance is {chance:g}. Raise `ceiling`.")
        generation = self._generation(name, items, reads, rules) if reads in GENERATED else None
        return EvaluationSet(name, items, options, rules.measure, chance, rules.ceiling, generation)

    def tokens(self, what: str, examples: Sequence[Example]) -> tuple[Tokens, ...]:
        """Return examples as the model is trained on them; what does not fit is left out with a note, or raises."""
        encoded = encode_pool(examples, self.tokenizer, self.context, self.on_long, self.widen)
        self._note_fit(what, len(encoded.skipped), encoded.cut, len(examples))
        ends = frozenset(self.tokenizer.end_ids)
        self._note_ends(what, sum(not ends.isdisjoint(_inside(tokens)) for tokens in encoded.tokens))
        return encoded.tokens

    def table(self, what: str, examples: Sequence[Example]) -> TokenTable:
        """Return the same as columns: of a large pool, only a block's tokens are objects at a time."""
        skipped: list[TooLong] = []
        ends, ending, cut = frozenset(self.tokenizer.end_ids), 0, 0

        def kept() -> Iterator[Tokens]:
            for start in range(0, len(examples), ROWS):
                block = examples[start : start + ROWS]
                encoded = encode_pool(block, self.tokenizer, self.context, self.on_long, self.widen)
                skipped.extend(encoded.skipped)
                nonlocal ending, cut
                cut += encoded.cut
                ending += sum(not ends.isdisjoint(_inside(tokens)) for tokens in encoded.tokens)
                yield from encoded.tokens

        table = TokenTable.of(kept())
        self._note_fit(what, len(skipped), cut, len(examples))
        self._note_ends(what, ending)
        return table

    def _note_fit(self, what: str, skipped: int, cut: int, count: int) -> None:
        if cut:
            self.notes.append(f"'{what}': {cut_note(cut, count, self.context)}")
        if skipped:
            self.notes.append(
                f"'{what}': {skipped} of {count} examples were left out, because they do not fit into {self.context} "
                "tokens."
            )

    def _note_ends(self, what: str, count: int) -> None:
        if count:
            self.notes.append(
                f"'{what}': {count} responses hold a token that ends an answer before their own end, so a model that "
                "writes never writes them whole. The model's `generation_config.json` and chat template name such "
                "tokens."
            )

    def _options(self, item: Tokens, reads: Reads, rules: SetRules) -> tuple[Tokens, ...]:
        example = item.example
        texts = _OPTION_TEXTS.get(reads, _OPTION_TEXTS["choices"])(example)
        named = [answered(replace(example, id=f"{example.id}#{number}"), text) for number, text in enumerate(texts)]
        if rules.style == "harness":
            context, gap = self._context(example, reads, rules.shots), "" if self._chat else " "
            # The last token of a continuation is never read.
            return tuple(
                self._pair(option, context, gap + option.response, self._harness_ids, self.context + 1)
                for option in named
            )
        if reads == "letters" and self.tokenizer.chat is None:
            context = prompt_text(example.prompt)
            return tuple(
                self._pair(option, context, option.response, self._plain_ids, self.context) for option in named
            )
        on_long: OnLong = "truncate_prompt" if self.on_long == "truncate_prompt" else "skip"
        found = [encode(option, self.tokenizer, self.context, on_long) for option in named]
        # One option that does not fit leaves nothing to compare.
        fitting = tuple(tokens for tokens in found if tokens is not None) if all(found) else ()
        return tuple(self._unclosed(tokens) for tokens in fitting) if reads == "letters" else fitting

    def _unclosed(self, tokens: Tokens) -> Tokens:
        """Return a text without the token that ends it: a letter is the beginning of an answer."""
        ended = tokens.response_length > 1 and tokens.ids[-1] in self.tokenizer.end_ids
        return replace(tokens, ids=tokens.ids[:-1]) if ended else tokens

    @property
    def _chat(self) -> ChatTemplate | None:
        """The chat template that examples are written by."""
        return self.tokenizer.chat if isinstance(self.tokenizer.chat, ChatTemplate) else None

    def _context(self, example: Example, reads: Reads, shots: Sequence[Example]) -> str:
        """Return what the harness puts before a continuation, by the chat template where there is one."""
        if self._chat is None:
            return harness_context(example, reads, shots)
        return self._chat.written(example.id, harness_turns(example, reads, shots), asks=True)

    def _plain_ids(self, text: str) -> list[int]:
        return [*self.tokenizer.begin_ids, *self.tokenizer.encode_text(text)]

    def _harness_ids(self, text: str) -> list[int]:
        """Return ids with what the tokenizer begins a text with, once: a chat template may have written it."""
        if self._chat is None:
            return self._plain_ids(text)
        begin, ids = list(self.tokenizer.begin_ids), self._chat.read(text)
        return ids if ids[: len(begin)] == begin else begin + ids

    def _pair(
        self, option: Example, context: str, continuation: str, read: Callable[[str], list[int]], room: int
    ) -> Tokens:
        """Return a pair, cut on the left where it is longer than `room` tokens."""
        tokens = encode_pair(option, context, continuation, read)
        over = len(tokens.ids) - room
        if over <= 0:
            return tokens
        note = f"'{option.id.rpartition('#')[0]}' was cut on the left by {over} tokens to fit the context."
        if note not in self.notes:
            self.notes.append(note)
        return Tokens(option, tokens.ids[over:], max(1, tokens.prompt_length - over))

    def _generation(self, name: str, items: Sequence[Tokens], reads: Reads, rules: SetRules) -> Generation:
        kind: str = reads
        if reads == "program":
            completes = all(completes_prompt(item.example) for item in items)
            kind = "completion" if completes else "marked" if rules.style == "harness" else reads
        longest = max(1, self.context - self.max_new_tokens)
        prompts, cut = [], 0
        for item in items:
            if rules.style == "harness":
                ids = self._harness_ids(self._context(item.example, reads, rules.shots))
                cut += len(ids) > longest
                prompts.append(tuple(ids[-longest:]))
            else:
                prompts.append(item.ids[: item.prompt_length])
        if cut:
            self.notes.append(f"'{name}': {cut} prompts were cut on the left to leave room for an answer.")
        return Generation(tuple(prompts), self.max_new_tokens, STOPS[kind], self.tokenizer.decode)


def _inside(tokens: Tokens) -> Sequence[int]:
    """Return a response's ids but for its last, which closes it."""
    return tokens.ids[tokens.prompt_length : -1]


def harness_context(example: Example, reads: Reads, shots: Sequence[Example]) -> str:
    """Return what lm-evaluation-harness puts before a continuation: worked examples, then the item."""
    ask, gap = _ASK.get(reads, _ask_plainly), "" if reads == "program" else " "
    if reads == "truths":
        shots = shots or TRUTHS
    return "\n\n".join([*(f"{ask(shot)}{gap}{_shown(shot, reads)}" for shot in shots), ask(example)])


def harness_turns(example: Example, reads: Reads, shots: Sequence[Example]) -> tuple[Turn, ...]:
    """Return the same as turns, for a chat template: each worked example is a question and its answer."""
    ask = _ASK.get(reads, _ask_plainly)
    shown = [turn for shot in shots for turn in (("user", ask(shot)), ("assistant", _shown(shot, reads)))]
    # The six of TruthfulQA are part of the task's own text.
    return (*shown, ("user", ask(example) if shots else harness_context(example, reads, ())))


def _shown(shot: Example, reads: Reads) -> str:
    """The answer of a worked example."""
    if reads == "program":
        return shot.response if completes_prompt(shot) else f"{shot.response}\n[DONE]"
    return _LETTERS[shot.answer_index or 0] if reads == "letters" else shot.response


def _ask_plainly(example: Example) -> str:
    prompt = example.prompt.rstrip()
    return prompt if prompt.endswith(":") else f"{prompt}\nAnswer:"


def _ask_program(example: Example) -> str:
    if completes_prompt(example):
        return example.prompt
    # Prompts that list their tests already do so after the task, on lines of their own.
    task = example.prompt.partition("\nYour code should pass these tests:")[0]
    tests = "\n".join(example.gold.tests[:3])
    return (
        f"You are an expert Python programmer, and here is your task: {task} Your code should pass these tests:\n\n"
        f"{tests}\n[BEGIN]\n"
    )


_ASK: Final[dict[str, Callable[[Example], str]]] = {
    "number": lambda example: f"Question: {example.prompt}\nAnswer:",
    "truths": lambda example: f"Q: {example.prompt}\nA:",
    "program": _ask_program,
}

_OPTION_TEXTS: Final[dict[str, Callable[[Example], Sequence[str]]]] = {
    "choices": lambda example: example.choices,
    "letters": lambda example: _LETTERS[: len(example.choices)],
    "truths": lambda example: (*example.gold.true_answers, *example.gold.false_answers),
    "pair": lambda example: (example.response, example.gold.rejected) if example.gold.rejected else (),
}

_LACKS: Final[dict[str, str]] = {
    "choices": "are not multiple choice",
    "letters": "are not multiple choice",
    "truths": "have no true and false answers",
    "pair": "have no `rejected` response",
    "program": "have no `tests`",
}


def _scorable(example: Example, options: Sequence[Tokens], reads: Reads) -> bool:
    if reads == "truths":
        return bool(options and example.gold.true_answers and example.gold.false_answers)
    if reads == "program":
        return bool(example.gold.tests)
    return bool(options) or reads in GENERATED | {"response"}
