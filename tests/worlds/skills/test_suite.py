import re
from itertools import combinations

import numpy as np
import pytest

from farsighted.core.errors import DataError
from farsighted.worlds.skills.noise import quality
from farsighted.worlds.skills.regions import normalised
from farsighted.worlds.skills.suite import SKILLS, Mixture, base_mixture, build_suite
from oracles.skill_answers import answer


@pytest.fixture(scope="module")
def suite():
    return build_suite(train=400, validation=60, ood=50, proxy=20, seed=3)


def held_out(stage):
    return [*stage.validation, *stage.proxy, *stage.ood[f"{stage.name}_shifted"]]


def test_stages_stand_in_canonical_order_with_the_sizes_asked_for(suite):
    assert [stage.name for stage in suite.stages] == ["general", "math", "code", "reasoning", "safety"]
    for stage in suite.stages:
        sizes = len(stage.train), len(stage.validation), len(stage.ood[f"{stage.name}_shifted"]), len(stage.proxy)
        assert sizes == (400, 60, 50, 20)


def test_ids_are_unique_and_name_stage_and_set(suite):
    ids = [e.id for stage in suite.stages for e in (*stage.train, *held_out(stage))]
    assert len(ids) == len(set(ids))
    assert suite.stages[1].train[12].id == "math.train.00012"
    assert all(re.fullmatch(r"[a-z]+\.(train|validation|ood|proxy)\.\d{5}", id_) for id_ in ids)


def test_no_prompt_stands_in_two_sets_of_any_stage(suite):
    sets = [{normalised(e.prompt) for e in part} for s in suite.stages for part in (s.train, held_out(s))]
    assert all(not left & right for left, right in combinations(sets, 2))


def test_pools_of_one_seed_and_evaluation_sets_of_another_are_disjoint(suite):
    other = build_suite(train=0, validation=60, ood=50, proxy=20, seed=4)
    trained = {normalised(e.prompt) for stage in suite.stages for e in stage.train}
    assert not trained & {normalised(e.prompt) for stage in other.stages for e in held_out(stage)}


def test_evaluation_sets_are_clean_exact_and_of_the_own_skill(suite):
    for stage in suite.stages:
        for example in held_out(stage):
            assert example.quality == 1.0
            assert example.source.startswith(f"{stage.name}/")
            assert example.response == answer(example.source, example.prompt)


def test_quality_in_pools_is_the_distance_to_the_exact_answer(suite):
    around = re.compile(r"^(please |q: )+|( thanks| now)+$")
    for example in suite.stages[0].train:
        exact = answer(example.source, around.sub("", example.prompt))
        assert example.quality == quality(example.response, exact)


def test_pools_hold_noise_and_all_difficulties(suite):
    for stage in suite.stages:
        qualities = np.array([e.quality for e in stage.train])
        assert 0.65 < np.mean(qualities == 1.0) < 0.9
        assert qualities.min() < 0.3
        assert np.ptp([e.difficulty for e in stage.train]) > 0.5


def test_pools_are_mostly_of_the_own_skill_and_hold_every_other(suite):
    # 400 draws, and near-repeats follow the mixture: five standard errors of a share of 0.7 with a tenth repeated
    for stage in suite.stages:
        skills = [e.source.split("/")[0] for e in stage.train]
        assert abs(skills.count(stage.name) / 400 - 0.7) < 5 * (0.21 * (1 + 0.1) / 400) ** 0.5
        assert set(skills) == set(SKILLS)


@pytest.mark.parametrize(("own", "least", "most"), [(0.0, 0, 0), (0.95, 0.89, 1), (1.0, 1, 1)])
def test_the_share_of_the_own_skill_is_what_the_mixture_says(own, least, most):
    for stage in build_suite(train=400, validation=0, ood=0, proxy=0, seed=3, mixture=Mixture(own=own)).stages:
        assert least <= np.mean([e.source.split("/")[0] == stage.name for e in stage.train]) <= most


def test_a_mixture_without_noise_has_exact_responses_alone_and_one_full_of_it_hardly_any():
    clean, damaged = (
        np.array(
            [e.quality for stage in build_suite(200, 0, 0, 0, 3, Mixture(noise=noise)).stages for e in stage.train]
        )
        for noise in (0.0, 1.0)
    )
    assert (clean == 1).all()
    assert np.mean(damaged == 1) < 0.4


def test_evaluation_sets_are_the_same_under_any_mixture(suite):
    other = build_suite(400, 60, 50, 20, 3, Mixture(own=0.2, repeats=0.5, noise=0.0))
    assert [held_out(stage) for stage in other.stages] == [held_out(stage) for stage in suite.stages]


def test_pools_hold_as_many_near_repeats_as_the_mixture_says():
    for share in (0.0, 0.6):
        for stage in build_suite(300, 0, 0, 0, 3, Mixture(repeats=share)).stages:
            prompts = [e.prompt for e in stage.train]
            shortest = [
                p for p in prompts if not any(q != p and q in p and len(p) - len(q) in (3, 4, 7) for q in prompts)
            ]
            assert abs(1 - len(shortest) / 300 - share) < 0.12


def test_pools_hold_near_repeats(suite):
    for stage in suite.stages:
        prompts = [e.prompt for e in stage.train]
        repeats = sum(any(p != q and q in p and len(p) - len(q) in (3, 4, 7) for q in prompts) for p in prompts)
        assert repeats > 0.5 * 0.1 * 400


def test_the_same_seed_gives_the_same_suite_and_another_seed_another():
    first, again, other = (build_suite(train=30, validation=10, ood=10, proxy=5, seed=s) for s in (0, 0, 1))
    assert first == again
    assert all(
        a.train != b.train and a.validation != b.validation for a, b in zip(first.stages, other.stages, strict=True)
    )


def test_evaluation_sets_do_not_depend_on_the_size_of_the_pools():
    small, large = (build_suite(train=n, validation=20, ood=20, proxy=5, seed=0) for n in (0, 200))
    assert [held_out(s) for s in small.stages] == [held_out(s) for s in large.stages]


def test_the_largest_promised_sizes_can_be_built():
    suite = build_suite(train=4000, validation=200, ood=200, proxy=50, seed=0)
    assert all(len(stage.train) == 4000 for stage in suite.stages)


def test_an_exhausted_template_is_named_with_what_to_do():
    with pytest.raises(DataError, match=r"Template '\w+' must give one more distinct prompt.*fewer examples"):
        build_suite(train=0, validation=0, ood=0, proxy=900, seed=0)


def test_a_negative_size_is_refused():
    with pytest.raises(DataError, match="`ood` must be a number of examples, 0 or more, but is -1"):
        build_suite(train=0, validation=0, ood=-1, proxy=0, seed=0)


def test_the_base_mixture_is_clean_mostly_general_and_disjoint_from_every_evaluation_set(suite):
    examples = base_mixture(np.random.default_rng(0), 3000)
    assert all(e.quality == 1.0 and e.response == answer(e.source, e.prompt) for e in examples)
    assert 0.45 < np.mean([e.source.startswith("general/") for e in examples]) < 0.65
    assert {e.source.split("/")[0] for e in examples} == set(SKILLS)
    kept = {normalised(e.prompt) for stage in suite.stages for e in held_out(stage)}
    assert not kept & {normalised(e.prompt) for e in examples}
