import numpy as np
import pytest

from farsighted.candidates.grades import judge_cost_note, pool_quality
from farsighted.config.load import load_config
from farsighted.core.errors import ConfigError, DataError
from farsighted.core.values import Example, Tokens
from farsighted.signals.heuristics import rule_quality

NLL = np.array([1.0, 2.0])


class Alone:
    """Says what it is asked for, and 2.0 nats a token."""

    def __init__(self):
        self.texts = []

    def signals(self, batch, needs):
        self.texts = list(batch)
        return {"nll": np.full(len(batch), 2.0)}


def texts(*qualities):
    return [Tokens(Example(f"e{n}", "pp", "rr", quality=q), (1, 2, 3, 4, 5), 2) for n, q in enumerate(qualities)]


def quality(tmp_path, qualities, **fields):
    config = load_config({"suite": {"name": "skills"}, "quality": fields})
    learner = Alone()
    return pool_quality(learner, config.quality, texts(*qualities), NLL, tmp_path, 999)["quality"].tolist(), learner


def test_labels_go_before_rules_and_rules_stand_in_for_them(tmp_path):
    rules = rule_quality(Example("a", "pp", "rr"))
    assert quality(tmp_path, (0.1, 0.2))[0] == [0.1, 0.2]
    assert quality(tmp_path, (0.1, None))[0] == [rules, rules]
    assert quality(tmp_path, (0.1, 0.2), source="rules")[0] == [rules, rules]


def test_metadata_that_is_asked_for_must_be_there(tmp_path):
    with pytest.raises(DataError, match="needs a `quality` for every example, but 'e1' has none"):
        quality(tmp_path, (0.1, None), source="metadata")


def test_ifd_compares_with_the_response_alone(tmp_path):
    found, learner = quality(tmp_path, (None, None), source="ifd")
    # 1 of 2 nats are left; 2 of 2 nats are left: the prompt does not help.
    assert found == [0.5, 0.0]
    assert [(text.ids, text.prompt_length) for text in learner.texts] == [((2, 3, 4, 5), 1)] * 2


def test_rewards_of_any_size_become_a_quality_between_0_and_1(tmp_path, monkeypatch):
    folder = tmp_path / "reward"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    monkeypatch.setattr("farsighted.candidates.grades.kept_rewards", lambda *_: np.array([-5000.0, 0.0, 5000.0]))
    found, _ = quality(tmp_path, (None,) * 3, source="reward_model", reward_model=str(folder))
    assert found == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source": "reward_model"}, "`quality.reward_model` must be a folder or a hub name"),
        ({"source": "judge"}, "`quality.judge.model` must be the name of a model"),
        ({"judge": {"question": "Good?"}}, "must be a text with {prompt} in it"),
        ({"judge": {"lowest": 5}}, "must be above `lowest`"),
    ],
)
def test_a_source_that_is_not_told_apart_is_refused_at_once(tmp_path, fields, message):
    with pytest.raises(ConfigError, match=message):
        quality(tmp_path, (None,), **fields)


def test_what_a_judge_cost_is_told():
    prices = {"model": "m", "dollars_per_million_read": 2.0, "dollars_per_million_written": 10.0}
    config = load_config({"suite": {"name": "skills"}, "quality": {"source": "judge", "judge": prices}})
    note = judge_cost_note(config.quality.judge, "'math'", np.array([1_000_000, 50_000]))
    # 1 M at $2 and 0.05 M at $10.
    assert note == "'math': quality was judged by m, which read 1,000,000 tokens and wrote 50,000, for $2.50."
