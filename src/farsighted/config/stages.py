"""Where examples come from: the controlled suite, or stages from files."""

from typing import Literal, Self

from pydantic import Field, model_validator

from farsighted.config.fields import Name, Paths, Section, Style, Validation
from farsighted.config.messages import expectation
from farsighted.core.measures import Measure

Column = Literal[
    "id",
    "prompt",
    "response",
    "messages",
    "conversations",
    "text",
    "chosen",
    "rejected",
    "system",
    "history",
    "input",
    "context",
    "options",
    "tools",
    "reasoning",
    "label",
    "weight",
    "cluster",
    "difficulty",
    "quality",
    "source",
    "choices",
    "answer_index",
    "answer",
    "answers",
    "tests",
    "entry_point",
]


class SuiteConfig(Section):
    """A controlled suite, made on the fly; sizes are per stage."""

    name: Literal["skills"] = "skills"
    """Which suite."""
    train: int = Field(default=2000, ge=1)
    """Training examples per stage."""
    validation: int = Field(default=100, ge=1)
    """Validation examples per stage."""
    ood: int = Field(default=60, ge=0)
    """Examples of each shifted set."""
    proxy: int = Field(default=20, ge=0)
    """Proxy examples per stage, for selectors that look ahead."""
    own: float = Field(default=0.7, ge=0, le=1)
    """Share of a pool that is about the stage's own skill; the rest is spread evenly over the other skills."""
    repeats: float = Field(default=0.1, ge=0, le=0.9)
    """Share of a pool that asks an earlier question of it again, with a word or two around it; in large pools a little
    less of it, as what was asked in these words already is drawn anew."""
    noise: float = Field(default=0.3, ge=0, le=1)
    """Share of responses in a pool that are put at risk of damage."""


class StageConfig(Section):
    """One stage from files; paths are relative to `data_root`."""

    name: Name
    """Name of the stage, distinct within the audit."""
    train: Paths
    """Path, glob or folder of the pool, or a list of them."""
    validation: Validation
    """Paths of the validation set, or how many examples to hold out of `train`."""
    ood: dict[Name, Paths] = Field(default_factory=dict)
    """Shifted sets: name to paths, or to lm_eval:TASK; a set may be shared by stages under one name."""
    max_train: int | None = Field(default=None, ge=1)
    """Size of a uniform subsample of the pool, drawn once all of it is read and what is held out or leaks is
    taken away, so it bounds training, not memory (`data.max_examples` does); null = all."""
    max_validation: int | None = Field(default=None, ge=1)
    """Uniform subsample of the validation set; null = all."""
    max_ood: int | None = Field(default=None, ge=1)
    """Uniform subsample of each shifted set; null = all."""
    measure: Measure = "token_accuracy"
    """Which measure is the score of the stage."""
    ood_measure: dict[Name, Measure] = Field(default_factory=dict)
    """Measures of shifted sets that have one of their own: name to measure."""
    style: Style = "native"
    """How evaluation items are put to the model: as it was trained, or as lm-evaluation-harness does."""
    few_shot: int = Field(default=0, ge=0)
    """Under style harness: worked examples before each item, the first ones of the pool."""
    chance: float | None = None
    """Raw score of guessing, 0 points; null = what the measure and its options say (perplexity: the vocabulary)."""
    ceiling: float = 1.0
    """Raw score that counts 100 points; above `chance` (below it for perplexity)."""

    @model_validator(mode="after")
    def _ceiling_above_chance(self) -> Self:
        lower = self.measure == "perplexity"
        if self.chance is not None and (self.ceiling <= self.chance) != lower:
            side = "below" if lower else "above"
            raise expectation(f"{side} `chance` ({self.chance:g})", self.ceiling, "Write 1.0.", ("ceiling",))
        return self

    @property
    def ood_files(self) -> dict[str, tuple[str, ...]]:
        """Shifted sets from files."""
        return {name: paths for name, paths in self.ood.items() if not _is_task(paths)}

    @property
    def ood_tasks(self) -> dict[str, tuple[str, int | None]]:
        """Shifted sets that are tasks of lm-evaluation-harness: name to task and the most items of it."""
        return {name: (paths[0], self.max_ood) for name, paths in self.ood.items() if _is_task(paths)}

    @model_validator(mode="after")
    def _measures_have_sets(self) -> Self:
        for name in self.ood_measure:
            if name not in self.ood:
                raise expectation("the name of a set in `ood`", name, "Mend the name.", ("ood_measure", name))
        if self.few_shot and self.style != "harness":
            raise expectation("0 under style native", self.few_shot, "Write `style: harness`.", ("few_shot",))
        return self


def _is_task(paths: tuple[str, ...]) -> bool:
    return len(paths) == 1 and paths[0].startswith("lm_eval:")


class DataConfig(Section):
    """How files are read."""

    on_bad_row: Literal["error", "skip"] = "error"
    """What to do with a malformed row: stop, or set it aside in a quarantine file."""
    max_bad_share: float = Field(default=0.01, ge=0, le=1)
    """Under skip: the largest share of bad rows in a set that is tolerated, 0 to 1."""
    on_long: Literal["error", "skip", "truncate_prompt"] = "error"
    """What to do with an example longer than `model.context`; a response is never cut."""
    on_overlap: Literal["error", "drop"] = "error"
    """What to do about a training example that is also in an evaluation set: stop, or drop it from training."""
    proxy_per_stage: int = Field(default=16, ge=0)
    """Examples held out of each stage's training files for selectors that look ahead."""
    overlap: float = Field(default=0.0, ge=0, le=0.5)
    """Share of its pool that a stage has in common with each neighbour in canonical order, 0 to 0.5."""
    columns: dict[Column, str] = Field(default_factory=dict)
    """Our field to the name that the files have for it: {prompt: ask, cluster: topic, quality: score}."""
    ids: Literal["field", "row"] = "field"
    """Where ids come from: the field `id` where a row has one, or always the file's name and the row's number."""
    max_examples: int | None = Field(default=None, ge=1)
    """The most examples that are kept of any set of files: a uniform sample, drawn while reading, so that files larger
    than memory can be read; null = all."""
    turns: Literal["last", "each"] = "last"
    """Which turns of the assistant are trained on: the last of a conversation, or each as an example of its own."""
    template: Literal["plain", "chat", "rendered"] = "plain"
    """How an example is written: prompt, line break, response; by the tokenizer's chat template; or it is rendered
    already: the marks in it are tokens, and none is added."""
    seed: int = Field(default=0, ge=0)
    """Seed of subsampling, held-out splits, suites and random orders; the same for every cell."""

    @model_validator(mode="after")
    def _rendered_is_not_cut(self) -> Self:
        refuse_parting_rendered(self.template, self.on_long, self.turns)
        return self


def refuse_parting_rendered(template: str, on_long: str, turns: str) -> None:
    """Raise where texts are to be cut, or told apart in turns, that nobody knows the parts of."""
    if template == "rendered" and on_long == "truncate_prompt":
        must = "error or skip under `template: rendered`, whose texts cannot be told from the marks around them"
        raise expectation(must, on_long, "Write skip.", ("on_long",))
    if template == "rendered" and turns == "each":
        must = "last under `template: rendered`, of whose texts only the last answer is learned"
        raise expectation(must, turns, "Write last.", ("turns",))
