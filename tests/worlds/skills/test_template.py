import numpy as np
import pytest

from farsighted.worlds.skills.suite import SKILLS
from farsighted.worlds.skills.template import CLUSTERS, Fields, Template

DOUBLE = Template(
    name="double",
    cluster="arithmetic",
    counts="value",
    draw=lambda rng, size: Fields((str(size),), str(2 * size)),
    sizes=(2, 4),
    wordings=("twice {0}", "{0} doubled"),
    shifted_sizes=(4, 10),
    shifted_wordings=("2 x {0}",),
)


def asked(ask, draws=200):
    rng = np.random.default_rng(0)
    return {ask(rng) for _ in range(draws)}


def test_pools_see_every_size_in_every_wording_and_nothing_else():
    assert asked(DOUBLE.ask) == {
        ("twice 2", "4", 0.0),
        ("2 doubled", "4", 0.0),
        ("twice 4", "8", 0.25),
        ("4 doubled", "8", 0.25),
    }


def test_the_shifted_set_has_wordings_and_sizes_of_its_own():
    assert asked(DOUBLE.ask_shifted) == {("2 x 4", "8", 0.25), ("2 x 10", "20", 1.0)}


def test_the_base_model_meets_the_first_wordings_alone():
    assert asked(lambda rng: DOUBLE.ask_known(rng, 1)) == {("twice 2", "4", 0.0), ("twice 4", "8", 0.25)}


def test_difficulty_is_the_place_of_a_size_among_those_of_pools_and_shifted_set():
    assert [DOUBLE.difficulty(size) for size in (2, 4, 6, 10)] == [0.0, 0.25, 0.5, 1.0]


@pytest.mark.parametrize("skill", SKILLS)
def test_every_template_has_one_of_the_eight_capabilities_and_a_shift(skill):
    for template in SKILLS[skill]:
        assert template.cluster in CLUSTERS
        assert not set(template.wordings) & set(template.shifted_wordings)
        assert max(template.shifted_sizes) >= max(template.sizes)
