import numpy as np
import pytest

from farsighted.worlds.skills.suite import SKILLS
from farsighted.worlds.skills.template import CLUSTERS, Fields, Template
from oracles.skill_answers import answer

ALL = [pytest.param(f"{skill}/{t.name}", t, id=f"{skill}-{t.name}") for skill, ts in SKILLS.items() for t in ts]


@pytest.mark.parametrize(("source", "template"), ALL)
def test_every_answer_equals_the_one_worked_out_from_the_prompt(source, template):
    rng = np.random.default_rng(0)
    for ask in (template.ask, template.ask_shifted):
        for _ in range(120):
            question = ask(rng)
            assert question.answer == answer(source, question.prompt), question


@pytest.mark.parametrize(("source", "template"), ALL)
def test_prompts_and_answers_are_short_and_difficulty_lies_in_the_unit_interval(source, template):
    rng = np.random.default_rng(1)
    for question in [template.ask(rng) for _ in range(80)] + [template.ask_shifted(rng) for _ in range(80)]:
        assert 1 <= len(question.prompt.encode()) <= 90
        assert 1 <= len(question.answer.encode()) <= 36
        assert 0.0 <= question.difficulty <= 1.0


@pytest.mark.parametrize(("source", "template"), ALL)
def test_the_shifted_set_uses_other_wordings_and_reaches_beyond_the_sizes_of_the_pools(source, template):
    assert not set(template.wordings) & set(template.shifted_wordings)
    assert max(template.shifted_sizes) > max(template.sizes)
    assert min(template.shifted_sizes) > min(template.sizes)


def test_every_skill_has_four_templates_or_more_and_all_eight_clusters_are_met():
    assert all(len(templates) >= 4 for templates in SKILLS.values())
    assert {template.cluster for templates in SKILLS.values() for template in templates} == set(CLUSTERS)
    assert len(CLUSTERS) == 8


def test_clusters_are_shared_by_skills():
    skills_of = {c: {s for s, ts in SKILLS.items() if any(t.cluster == c for t in ts)} for c in CLUSTERS}
    assert sum(len(skills) >= 3 for skills in skills_of.values()) >= 5


def test_difficulty_is_the_position_of_the_size_in_the_whole_range():
    template = Template("t", "copy", "x", lambda rng, size: Fields(("a",), "a"), (1, 2), ("{0}",), (3, 5), ("{0}!",))
    assert [template.difficulty(size) for size in (1, 2, 3, 5)] == [0.0, 0.25, 0.5, 1.0]


def test_known_questions_have_all_sizes_of_the_pools_in_the_first_wordings():
    def draw(rng, size):
        return Fields((str(size),), "a")

    template = Template("t", "copy", "x", draw, (1, 2), ("{0} a", "{0} b", "{0} c"), (3,), ("{0}",))
    rng = np.random.default_rng(0)
    assert {template.ask_known(rng, 2).prompt for _ in range(50)} == {"1 a", "1 b", "2 a", "2 b"}
