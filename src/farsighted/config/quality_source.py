"""Where the quality of training examples comes from."""

from typing import Literal, Self

from pydantic import Field, model_validator

from farsighted.config.fields import Section
from farsighted.config.messages import expectation

DEFAULT_QUESTION = (
    "Rate how accurate and helpful the response is, from 0 (useless) to 5 (excellent). Answer with the number "
    "alone.\n\n"
    "Instruction:\n{prompt}\n\nResponse:\n{response}\n"
)


class JudgeConfig(Section):
    """A language model behind an OpenAI-compatible address that grades examples."""

    url: str = Field(default="http://localhost:8000/v1", min_length=1)
    """Address up to and including the version: `/chat/completions` is added."""
    model: str = Field(default="", max_length=200)
    """Name of the model there."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; it may be unset where none is needed."""
    question: str = DEFAULT_QUESTION
    """What is asked; {prompt} and {response} are filled in."""
    lowest: float = 0
    """The worst grade; it counts as quality 0."""
    highest: float = 5
    """The best grade; it counts as quality 1."""
    requests_per_minute: int = Field(default=60, ge=1)
    """The most requests that are started in a minute."""
    retries: int = Field(default=5, ge=0)
    """How often a request that failed is sent again, after longer and longer waits."""
    timeout_seconds: float = Field(default=60, gt=0)
    """How long an answer may take."""
    dollars_per_million_read: float = Field(default=0, ge=0)
    """Price of a million tokens that the judge reads, for the cost in the report."""
    dollars_per_million_written: float = Field(default=0, ge=0)
    """Price of a million tokens that it writes."""

    @model_validator(mode="after")
    def _grades_and_question_fit(self) -> Self:
        if self.highest <= self.lowest:
            raise expectation(f"above `lowest` ({self.lowest:g})", self.highest, "Raise it.", ("highest",))
        for part in ("{prompt}", "{response}"):
            if part not in self.question:
                raise expectation(f"a text with {part} in it", self.question[:40], "Put it in.", ("question",))
        return self


class QualityConfig(Section):
    """Where the quality of training examples comes from."""

    source: Literal["auto", "metadata", "rules", "ifd", "reward_model", "judge"] = "auto"
    """auto = metadata where every example of a stage has it, else rules; ifd = how much the prompt helps the base model
    to expect the response; reward_model and judge as below."""
    reward_model: str | None = None
    """Folder or hub name of a sequence classifier with one output."""
    judge: JudgeConfig = JudgeConfig()
    """The language model that grades."""

    @model_validator(mode="after")
    def _source_is_there(self) -> Self:
        if self.source == "reward_model" and not self.reward_model:
            raise expectation("a folder or a hub name", self.reward_model, "Name the model.", ("reward_model",))
        if self.source == "judge" and not self.judge.model:
            raise expectation("the name of a model", self.judge.model, "Name the judge.", ("judge", "model"))
        return self
