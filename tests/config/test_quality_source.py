import pytest

from farsighted.config.load import load_config
from farsighted.config.quality_source import DEFAULT_QUESTION, QualityConfig
from farsighted.core.errors import ConfigError


@pytest.mark.parametrize(
    ("quality", "sentence"),
    [
        ({"source": "reward_model"}, "`quality.reward_model` must be a folder or a hub name, but is empty"),
        ({"source": "judge"}, "`quality.judge.model` must be the name of a model, but is ''"),
        ({"judge": {"lowest": 5}}, "`quality.judge.highest` must be above `lowest` (5), but is 5"),
        ({"judge": {"question": "{prompt}?"}}, "`quality.judge.question` must be a text with {response} in it"),
        ({"judge": {"question": "{response}?"}}, "`quality.judge.question` must be a text with {prompt} in it"),
        (
            {"source": "nobody"},
            "`quality.source` must be 'auto', 'metadata', 'rules', 'ifd'",
        ),
        ({"judge": {"requests_per_minute": 0}}, "`quality.judge.requests_per_minute` must be at least 1, but is 0"),
    ],
)
def test_a_source_that_cannot_be_asked_is_refused_with_its_key(quality, sentence):
    with pytest.raises(ConfigError) as caught:
        load_config({"suite": {}, "quality": quality})
    assert sentence in str(caught.value)


def test_the_question_asked_by_default_fits_the_grades_of_the_default_judge():
    judge = QualityConfig().judge
    assert judge.question == DEFAULT_QUESTION
    assert f"from {judge.lowest:g} (useless) to {judge.highest:g} (excellent)" in judge.question


def test_a_source_that_is_named_whole_stands():
    assert QualityConfig.model_validate({"source": "reward_model", "reward_model": "owner/name"}).source
    assert QualityConfig.model_validate({"source": "judge", "judge": {"model": "m"}}).judge.model == "m"
