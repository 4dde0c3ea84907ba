from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from farsighted.config.audit import parse_budget
from farsighted.core.errors import ConfigError, DataError
from farsighted.core.names import FAMILIES
from farsighted.core.values import Ranking
from farsighted.learners.causal_lm import CausalLM
from farsighted.protocol.select import PickRequest, pick, reasons_of
from farsighted.selectors import Scored, build_selector
from farsighted.store.cache import ArrayCache
from farsighted.worlds.skills.suite import build_suite
from oracles.micro import row_of, write_jsonl


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A pool of 20, a history and a proxy."""
    folder = tmp_path_factory.mktemp("files")
    stages = build_suite(train=20, validation=0, ood=0, proxy=5, seed=3).stages
    write_jsonl(folder / "pool.jsonl", [row_of(example) for example in stages[1].train])
    write_jsonl(folder / "history.jsonl", [row_of(example) for example in stages[0].train])
    write_jsonl(folder / "proxy.jsonl", [row_of(example) for example in stages[2].proxy])
    write_jsonl(folder / "bare.jsonl", [{"prompt": e.prompt, "response": e.response} for e in stages[1].train])
    return folder


def request(files, selector="loss", budget="25%", data="pool.jsonl", **more):
    return PickRequest([str(files / data)], build_selector(selector), parse_budget(budget), **more)


@dataclass(frozen=True)
class Length(Scored):
    """Prefers long responses."""

    needs: ClassVar[frozenset[str]] = frozenset({"tokens"})

    def score(self, signals, state):
        return signals["tokens"]


@dataclass(frozen=True)
class Difficulty(Scored):
    """Prefers what is hard."""

    needs: ClassVar[frozenset[str]] = frozenset({"difficulty"})

    def score(self, signals, state):
        return signals["difficulty"]


@pytest.mark.parametrize("unit", ["25%", "5 examples"])
def test_floors_are_shares_of_the_budget_and_a_single_stage_replays_nothing(files, unit):
    for name in ("coverage_floor", "proxy_floor", "replay"):
        floor = pick(request(files, {"name": name, "selector": "quality", "share": 0.5}, unit))
        assert set(floor.ranking.components[name]) <= {0.0, 1.0}
    inner = pick(request(files, "quality", unit))
    assert floor.ranking.order.tolist() == inner.ranking.order.tolist()


@pytest.mark.parametrize("selector", FAMILIES)
def test_every_selector_picks_within_one_example_of_the_budget(files, selector):
    picked = pick(request(files, selector))
    lengths = np.array([tokens.response_length for tokens in picked.pool.tokens])
    target = 0.25 * lengths.sum()
    assert target <= lengths[picked.chosen].sum() < target + lengths.max()
    assert picked.chosen.tolist() == picked.ranking.order[: len(picked.chosen)].tolist()
    assert len(picked.reasons) == 20


@pytest.mark.parametrize(("budget", "count"), [("7 examples", 7), ("25% examples", 5), ("100%", 20), ("1 tokens", 1)])
def test_budgets_of_every_form_are_met(files, budget, count):
    assert len(pick(request(files, "random", budget)).chosen) == count


def test_an_own_selector_decides_by_what_it_reads(files):
    picked = pick(request(files, Length(), "3 examples"))
    lengths = np.array([tokens.response_length for tokens in picked.pool.tokens])
    assert picked.chosen.tolist() == np.argsort(-lengths, kind="stable")[:3].tolist()


def test_the_same_request_picks_the_same_and_another_seed_draws_anew(files):
    first, second, other = (pick(request(files, "random", seed=seed)).chosen.tolist() for seed in (0, 0, 1))
    assert first == second != other


def test_history_changes_what_lhas_picks(files):
    plain = pick(request(files, "lhas", proxy=[str(files / "proxy.jsonl")]))
    after = pick(request(files, "lhas", proxy=[str(files / "proxy.jsonl")], history=[str(files / "history.jsonl")]))
    # Without a history nothing is covered when the first pick is made; its concentration is 0 for the same reason.
    for part in ("coverage", "concentration"):
        assert plain.ranking.components[part][plain.ranking.order[0]] == 0
    assert after.ranking.components["concentration"][after.ranking.order[0]] > 0
    assert after.ranking.order.tolist() != plain.ranking.order.tolist()
    assert sorted(after.ranking.order) == list(range(20))


def test_a_missing_proxy_is_stood_in_for_by_the_pool_and_a_note_says_so(files):
    assert any("No --proxy was given: 20 random examples" in note for note in pick(request(files, "lhas")).notes)
    given = pick(request(files, "lhas", proxy=[str(files / "proxy.jsonl")]))
    assert given.notes == ()


def test_heuristic_quality_is_noted(files):
    notes = pick(request(files, "quality", data="bare.jsonl")).notes
    assert notes == ("Quality comes from rule filters, because not every example carries it.",)


def test_a_history_without_quality_makes_the_pools_quality_heuristic_and_a_note_says_so(files):
    with_bare_history = request(files, "quality", history=[str(files / "bare.jsonl")])
    assert pick(with_bare_history).notes == ("Quality comes from rule filters, because not every example carries it.",)
    assert pick(request(files, "quality")).notes == ()


def test_every_example_knows_where_it_stands(files):
    picked = pick(request(files))
    first = picked.pool.tokens[0].example.id
    assert picked.places[first] == f"{files / 'pool.jsonl'}:1"


def test_a_budget_larger_than_the_pool_is_refused_before_a_model_is_loaded(files, monkeypatch):
    monkeypatch.setattr("farsighted.protocol.select.load_model", None)
    with pytest.raises(ConfigError, match="21 examples is larger than the pool"):
        pick(request(files, budget="21 examples"))


def test_examples_longer_than_the_models_context_are_refused_skipped_or_cut(files, tmp_path):
    rows = [row_of(example) for example in build_suite(train=3, validation=0, ood=0, proxy=0, seed=3).stages[0].train]
    rows[1]["prompt"] = "x" * 5000
    write_jsonl(tmp_path / "long.jsonl", rows)
    with pytest.raises(DataError, match=f"'{rows[1]['id']}' has"):
        pick(request(tmp_path, data="long.jsonl"))
    skipped = pick(request(tmp_path, data="long.jsonl", on_long="skip"))
    assert len(skipped.pool) == 2
    assert "1 examples do not fit into 1024 tokens: left out." in skipped.notes
    assert len(pick(request(tmp_path, data="long.jsonl", on_long="truncate_prompt")).pool) == 3


def test_files_of_which_nothing_fits_are_refused(tmp_path):
    write_jsonl(tmp_path / "long.jsonl", [{"prompt": "x" * 5000, "response": "y"}])
    with pytest.raises(ConfigError, match=r"No example of .* fits into 1024 tokens"):
        pick(request(tmp_path, data="long.jsonl", on_long="skip"))


def test_reasons_tell_rank_and_where_each_part_lies():
    """Of four candidates 0.5 is above the two smaller ones: half of the pool."""
    parts = {"utility": np.array([0.1, 0.5, 0.2, 0.9])}
    ranking = Ranking(np.array([3, 1, 2, 0]), np.array([1.0, 3.0, 2.0, 4.0]), parts)
    assert reasons_of(ranking)[1] == "rank 2 of 4: utility 0.5 (above 50 % of the pool)"


def test_reasons_of_a_plain_score_tell_the_score():
    ranking = Ranking(np.array([1, 0]), np.array([1.0, 3.0]))
    assert reasons_of(ranking) == (
        "rank 2 of 2: score 1 (above 0 % of the pool)",
        "rank 1 of 2: score 3 (above 50 % of the pool)",
    )


@pytest.fixture
def passes(monkeypatch):
    """The signals of every pass of the model."""
    made = []
    plain = CausalLM.signals

    def counted(learner, batch, needs):
        made.append(sorted(needs))
        return plain(learner, batch, needs)

    monkeypatch.setattr(CausalLM, "signals", counted)
    return made


def test_another_budget_another_seed_and_another_selector_that_reads_the_same_take_no_pass(files, tmp_path, passes):
    cache = ArrayCache(tmp_path, 10**8)
    scored = pick(request(files, "loss", "10%", cache=cache))
    assert passes == [["nll"]]
    again = pick(request(files, "loss", "25%", cache=cache, seed=1))
    pick(request(files, Difficulty(), data="bare.jsonl", cache=cache))
    assert passes == [["nll"]]
    assert again.ranking.score.tobytes() == scored.ranking.score.tobytes()


def test_a_selector_that_reads_more_takes_a_pass_for_what_is_missing(files, tmp_path, passes):
    cache = ArrayCache(tmp_path, 10**8)
    proxy = [str(files / "proxy.jsonl")]
    pick(request(files, "utility_diversity", cache=cache))
    pick(request(files, "lhas", cache=cache, proxy=proxy))
    before = len(passes)
    assert passes == [["logit_sketch", "nuclear_norm"], ["embedding", "head_sketch"], ["head_sketch"]]
    pick(request(files, "lhas", cache=cache, proxy=proxy, history=[str(files / "history.jsonl")]))
    # Of the history all is missing; of pool and proxy nothing.
    assert len(passes) == before + 1


@pytest.mark.parametrize("selector", ["gradient", "lhas"])
def test_a_cache_changes_no_bit_of_a_choice(files, tmp_path, selector):
    more = {"history": [str(files / "history.jsonl")]}
    plain = pick(request(files, selector, **more))
    for _ in range(2):
        cached = pick(request(files, selector, cache=ArrayCache(tmp_path, 10**8), **more))
        assert cached.chosen.tolist() == plain.chosen.tolist()
        assert cached.ranking.score.tobytes() == plain.ranking.score.tobytes()


def test_gradients_of_another_seeds_adapter_are_not_found(files, tmp_path, passes):
    for seed in (0, 1, 0):
        pick(request(files, "gradient", cache=ArrayCache(tmp_path, 10**8), seed=seed))
    assert passes == [["grad_norm"]] * 2
