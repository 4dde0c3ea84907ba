import dataclasses
import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.candidates.timed import TimedSignals
from farsighted.core.errors import ConfigError, DivergedError, SelectorError
from farsighted.core.rng import stream
from farsighted.core.values import Ranking
from farsighted.learners.base import KeptSignals
from farsighted.selectors import Scored, Stateless, build_selector, by_score
from farsighted.store.schema import SELECTIONS
from farsighted.testing.fake_learner import FakeLearner
from farsighted.training.budget import Round, RoundSettings, scaled
from farsighted.training.stage import StageProgress, arrival_order, run_stage
from oracles.stage_world import Diary, Stopped, make_stage, make_texts, run

LENGTHS = [1 + row * 7 % 11 for row in range(60)]
SETTINGS = {
    "batch": RoundSettings("batch", batch_size=4),
    "round": RoundSettings("round", rounds=3, batch_size=2),
    "stage": RoundSettings("stage", batch_size=4),
}
NAMES = ["random", "loss", "gradient", "diversity", "quality", "utility_diversity", "lhas"]

every_granularity = pytest.mark.parametrize("granularity", SETTINGS)


@dataclass(frozen=True)
class Counting(Stateless):
    """Ranks by length and remembers how often and how much it was shown."""

    name = "counting"
    needs = frozenset({"tokens"})

    def init(self):
        return {"picked": np.zeros(0)}

    def rank(self, signals, state, rng):
        return by_score(signals["tokens"])

    def observe(self, state, picked):
        return {"picked": np.append(state["picked"], len(picked))}


@dataclass(frozen=True)
class Lengths(Scored):
    """Ranks by length."""

    name = "lengths"
    needs = frozenset({"tokens"})

    def score(self, signals, state):
        return signals["tokens"]


@dataclass(frozen=True)
class Spoilt(Scored):
    """Gives one example no score."""

    name = "spoilt"
    needs = frozenset({"tokens"})

    def score(self, signals, state):
        return np.where([name == "e7" for name in signals.ids], np.nan, 1.0)


def outcome(progress, learner):
    """Everything that a stage decides, as plain values; seconds left out."""
    numbers = {name: value for name, value in progress.record.numbers().items() if "seconds" not in name}
    state = {name: (array.dtype.str, array.tolist()) for name, array in progress.state.items()}
    sample = (progress.record.sample.keys.tolist(), progress.record.sample.sketches.tolist())
    weights = {name: array.tolist() for name, array in learner.parameters().items()}
    return progress.record.table().to_pylist(), numbers, state, sample, progress.spent, progress.steps, weights


def finished(stage, name):
    learner = FakeLearner()
    return outcome(run(stage, build_selector(name), learner), learner)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_stage_and_another_seed_another_one(name):
    stage = make_stage(LENGTHS)
    assert finished(stage, name) == finished(stage, name)
    assert finished(make_stage(LENGTHS, seed=1), name)[0] != finished(stage, name)[0]


@pytest.mark.parametrize(("name", "granularity"), list(itertools.product(NAMES, ["batch", "round"])))
def test_a_stage_that_goes_on_from_any_round_equals_one_that_never_stopped(name, granularity):
    stage = make_stage(LENGTHS, SETTINGS[granularity], proxy_refresh=2)
    selector = build_selector(name)
    for stop_before in range(len(stage.rounds)):
        killed, diary = FakeLearner(), Diary(stop_before)
        with pytest.raises(Stopped):
            run(stage, selector, killed, watcher=diary)
        learner = FakeLearner()
        learner.load_parameters(killed.parameters())
        learner.begin_stage(stage.steps)
        learner.load_optimizer_state(killed.optimizer_state())
        resumed = run(stage, selector, learner, progress=diary.rounds[-1])
        assert outcome(resumed, learner) == finished(stage, name)


@pytest.mark.parametrize(("name", "granularity"), list(itertools.product(["random", "lhas"], SETTINGS)))
def test_a_stage_that_goes_on_from_any_step_equals_one_that_never_stopped(name, granularity):
    stage = make_stage(LENGTHS, SETTINGS[granularity], proxy_refresh=2)
    selector = build_selector(name)
    whole_learner = FakeLearner()
    whole_learner.begin_stage(stage.steps)
    whole = outcome(run(stage, selector, whole_learner), whole_learner)
    for stop_before_step in range(stage.steps):
        killed, diary = FakeLearner(), Diary(stop_before_step=stop_before_step)
        with pytest.raises(Stopped):
            run(stage, selector, killed, watcher=diary)
        stopped = diary.rounds[-1]
        assert stopped.steps == stop_before_step
        learner = FakeLearner()
        learner.load_parameters(killed.parameters())
        learner.begin_stage(stage.steps)
        learner.load_optimizer_state(killed.optimizer_state())
        again = Diary()
        assert outcome(run(stage, selector, learner, watcher=again, progress=stopped), learner) == whole
        assert all(progress.round > stopped.round for progress in again.rounds)  # its round is not begun again


class Keeping(FakeLearner):
    """A fake learner that can step from its scoring pass, and counts its passes."""

    def __init__(self, room=10**6, **options):
        super().__init__(dropout=0.0, **options)
        self.room, self.passes = room, []

    def can_keep(self, batch, needs):
        return "grad_norm" in needs and len(batch) <= self.room

    def signals_kept(self, batch, needs):
        self.passes.append("kept")
        return KeptSignals(super().signals(batch, needs), list(batch))

    def signals(self, batch, needs):
        self.passes.append("scored")
        return super().signals(batch, needs)

    def step(self, batch, dropout, weight=None):
        self.passes.append("trained")
        return super().step(batch, dropout, weight)

    def step_kept(self, kept, rows, weight=None):
        self.passes.append("from kept")
        return super().step([kept[row] for row in rows], np.random.default_rng(0), weight)


@pytest.mark.parametrize("name", ["gradient", "loss"])
def test_a_step_from_the_scoring_pass_makes_the_stage_that_two_passes_make(name):
    stage = make_stage(LENGTHS)
    one, two = Keeping(), Keeping(room=0)
    first, second = (outcome(run(stage, build_selector(name), learner), learner) for learner in (one, two))
    assert first == second
    kept = ["kept", "from kept"] if name == "gradient" else ["scored", "trained"]
    assert one.passes == kept * stage.steps
    assert two.passes == ["scored", "trained"] * stage.steps


def test_a_round_of_several_steps_keeps_nothing():
    learner = Keeping()
    run(make_stage(LENGTHS, SETTINGS["round"]), build_selector("gradient"), learner)
    assert {"kept", "from kept"}.isdisjoint(learner.passes)


def test_nothing_comes_between_a_kept_pass_and_its_step():
    diary = Diary(stop_before_step=2)
    progress = run(make_stage(LENGTHS), build_selector("gradient"), Keeping(), watcher=diary)
    assert progress.steps > 2
    with pytest.raises(Stopped):
        run(make_stage(LENGTHS), build_selector("loss"), Keeping(), watcher=diary)


def test_a_kept_step_that_diverges_is_recorded_as_one_without_a_loss():
    class Diverging(Keeping):
        def step_kept(self, kept, rows, weight=None):
            raise DivergedError("The training loss is not finite.", ("e1",))

    stage, selector, learner = make_stage(LENGTHS), build_selector("gradient"), Diverging()
    progress = StageProgress(state=selector.init())
    learner.begin_stage(stage.steps)
    with pytest.raises(DivergedError):
        run(stage, selector, learner, progress=progress)
    assert np.isnan(progress.record.losses).tolist() == [True]


@every_granularity
def test_every_candidate_is_recorded_once_a_round_and_picked_once_at_most(granularity):
    stage = make_stage(LENGTHS, SETTINGS[granularity])
    table = run(stage, build_selector("loss")).record.table()
    ids = {tokens.example.id for tokens in stage.pool.tokens}
    chosen = table.filter(table["chosen"])["id"].to_pylist()
    assert len(chosen) == len(set(chosen))
    taken = set()
    for number in range(len(stage.rounds)):
        rows = [row for row in table.to_pylist() if row["round"] == number]
        seen = [row["id"] for row in rows]
        assert len(seen) == len(set(seen)) == len(rows)
        assert sorted(row["rank"] for row in rows) == list(range(len(rows)))
        if granularity != "batch":
            assert set(seen) == ids - taken
        taken |= {row["id"] for row in rows if row["chosen"]}
    if granularity == "batch":
        assert sorted(table["id"].to_pylist()) == sorted(ids)


def test_candidate_batches_arrive_in_the_order_of_the_data_stream_for_every_selector():
    stage = make_stage(LENGTHS)
    arrival = [f"e{row}" for row in stream(0, "data", 1).permutation(len(LENGTHS))]
    assert [f"e{row}" for row in arrival_order(0, 1, len(LENGTHS))] == arrival
    for name in ("random", "loss"):
        assert run(stage, build_selector(name)).record.table()["id"].to_pylist() == arrival


@every_granularity
@pytest.mark.parametrize("unit", ["tokens", "examples"])
def test_all_selectors_are_trained_alike_round_by_round(granularity, unit):
    stage = make_stage(LENGTHS, SETTINGS[granularity], unit=unit)
    longest = max(LENGTHS) if unit == "tokens" else 1
    spent, steps = [], set()
    for name in NAMES:
        diary = Diary()
        steps.add(run(stage, build_selector(name), watcher=diary).steps)
        spent.append([progress.spent for progress in diary.rounds])
    assert (np.ptp(spent, axis=0) < longest).all()
    assert steps == {stage.steps}


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from([1, 2, 3, 80]), min_size=1, max_size=30),
    st.sampled_from([0.05, 0.3, 0.75, 1.0]),
    st.sampled_from([RoundSettings("batch", batch_size=1), RoundSettings("round", rounds=5, batch_size=2)]),
    st.sampled_from(["random", "loss", "utility_diversity"]),
)
def test_no_pool_however_uneven_or_small_stops_a_stage(lengths, share, plan, name):
    stage = make_stage(lengths, plan, share)
    progress = run(stage, build_selector(name))
    assert share * sum(lengths) - 1e-6 <= progress.spent < share * sum(lengths) + max(lengths)
    assert progress.round == len(stage.rounds)


def test_a_pool_used_up_before_the_last_round_ends_the_stage_in_peace():
    stage = make_stage([1, 1, 100], RoundSettings("round", rounds=5, batch_size=1), share=1.0)
    ranked_last = dataclasses.replace(stage, known={**stage.known, "quality": -stage.known["tokens"]})
    diary = Diary()
    progress = run(ranked_last, build_selector("quality"), watcher=diary)
    assert [before.spent for before in diary.rounds] == [0, 102, 102, 102, 102]
    assert progress.record.table().num_rows == 3


def test_an_overshoot_by_one_long_example_is_no_defect_in_the_rounds_after_it():
    # The long example arrives first and alone: 60 tokens against a target of 30, then five rounds of short ones.
    order = arrival_order(0, 1, 6)
    lengths = np.ones(6, dtype=int)
    lengths[order[0]] = 60
    progress = run(make_stage(lengths, RoundSettings("batch", batch_size=1), share=0.5), build_selector("random"))
    assert progress.spent >= 32.5


def test_what_was_trained_is_what_the_table_says():
    stage = make_stage(LENGTHS)
    diary = Diary()
    progress = run(stage, build_selector("loss"), watcher=diary)
    table = progress.record.table()
    trained = sum(table["trained_tokens"].to_pylist())
    assert progress.spent == progress.record.trained_tokens == trained == diary.steps[-1][1]
    assert [step for step, _ in diary.steps] == list(range(1, progress.steps + 1))
    assert len(progress.record.losses) == len(progress.record.grad_norms) == progress.steps
    assert [before.round for before in diary.rounds] == list(range(len(stage.rounds)))


def test_the_picks_of_a_round_are_trained_once_each_in_a_shuffled_order(monkeypatch):
    stage, learner, batches = make_stage(LENGTHS, SETTINGS["round"]), FakeLearner(), []
    original = learner.step

    def step(batch, dropout, weight):
        batches.append(([tokens.example.id for tokens in batch], dropout.random()))
        return original(batch, dropout, weight)

    monkeypatch.setattr(learner, "step", step)
    progress = run(stage, build_selector("loss"), learner)
    per_round = [
        batches[start : start + stage.rounds[0].steps] for start in range(0, len(batches), stage.rounds[0].steps)
    ]
    assert [draw for _, draw in batches] == [stream(0, "dropout", 1, step).random() for step in range(len(batches))]
    for number, parts in enumerate(per_round):
        picked = [
            row["id"]
            for row in progress.record.table().sort_by("rank").to_pylist()
            if row["chosen"] and row["round"] == number
        ]
        trained = [name for names, _ in parts for name in names]
        order = stream(0, "data", 1, number).permutation(len(picked))
        assert trained == [picked[place] for place in order]


@every_granularity
@pytest.mark.parametrize("name", ["random", "lhas"])
def test_the_columns_are_those_of_the_schema_and_one_for_each_component(granularity, name):
    table = run(make_stage(LENGTHS, SETTINGS[granularity]), build_selector(name)).record.table()
    assert table.select(SELECTIONS.names).schema.equals(SELECTIONS)
    parts = {"random": [], "lhas": ["utility", "coverage", "proxy", "concentration"]}[name]
    rest = table.drop_columns(SELECTIONS.names)
    assert sorted(rest.column_names) == sorted(f"component_{part}" for part in parts)
    assert all(str(kind) == "double" for kind in rest.schema.types)


def test_every_row_carries_its_stage_cluster_and_length():
    stage = make_stage(LENGTHS, index=2)
    for row in run(stage, build_selector("random")).record.table().to_pylist():
        number = int(row["id"][1:])
        assert (row["stage"], row["stage_index"]) == ("math", 2)
        assert (row["cluster"], row["tokens"]) == (number % 3, LENGTHS[number])
        assert row["trained_tokens"] == (LENGTHS[number] if row["chosen"] else 0)


@every_granularity
def test_every_row_carries_the_steps_that_were_taken_before_it_was_ranked(granularity):
    stage, diary = make_stage(LENGTHS, SETTINGS[granularity]), Diary()
    rows = run(stage, build_selector("loss"), watcher=diary).record.table().to_pylist()
    assert {(row["round"], row["step"]) for row in rows} == {(before.round, before.steps) for before in diary.rounds}


def test_a_score_that_is_not_finite_stops_the_stage_and_names_the_example():
    with pytest.raises(DivergedError, match="of selector 'spoilt' must be finite") as raised:
        run(make_stage(LENGTHS, SETTINGS["stage"]), Spoilt())
    assert raised.value.example_ids == ("e7",)


def test_a_signal_that_is_not_finite_stops_the_stage_before_anything_is_recorded():
    stage, selector, learner = make_stage(LENGTHS, SETTINGS["stage"]), build_selector("loss"), FakeLearner()
    before = learner.parameters()["weight"]

    def signals(batch, needs, round_):
        nll = [np.inf if tokens.example.id in {"e3", "e4"} else 1.0 for tokens in batch]
        return TimedSignals({"nll": np.array(nll)}, 0.0)

    progress = StageProgress(state=selector.init())
    with pytest.raises(DivergedError) as raised:
        run_stage(learner, selector, stage, progress, signals, Diary())
    assert set(raised.value.example_ids) == {"e3", "e4"}
    assert progress.record.tables == []
    assert np.array_equal(learner.parameters()["weight"], before)


@pytest.mark.parametrize(
    ("steps", "refresh", "due"),
    [
        ([1] * 8, 3, [0, 3, 6]),
        ([1] * 8, 1, [0, 1, 2, 3, 4, 5, 6, 7]),
        ([1] * 8, 100, [0]),
        ([4] * 5, 4, [0, 1, 2, 3, 4]),
        ([4] * 5, 6, [0, 2, 3]),
        ([4] * 5, 8, [0, 2, 4]),
    ],
)
def test_the_proxy_is_looked_at_anew_after_so_many_steps(monkeypatch, steps, refresh, due):
    stage = make_stage([3] * 40, SETTINGS["stage"])
    rounds = tuple(Round(None, 12.0 * (number + 1), count) for number, count in enumerate(steps))
    stage = dataclasses.replace(stage, rounds=rounds, proxy_refresh=refresh)
    learner, looked, diary = FakeLearner(), [], Diary()
    original = learner.signals

    def signals(batch, needs):
        if batch == stage.proxy:
            looked.append(diary.rounds[-1].round)
        return original(batch, needs)

    monkeypatch.setattr(learner, "signals", signals)
    run(stage, build_selector({"name": "lhas", "utility": "random"}), learner, watcher=diary)
    assert looked == due


def test_the_selector_is_shown_the_mean_head_sketch_of_the_proxy_under_the_current_model():
    seen = []

    @dataclass(frozen=True)
    class Looking(Stateless):
        name = "looking"
        needs = frozenset({"proxy_sketch"})

        def rank(self, signals, state, rng):
            seen.append(signals["proxy_sketch"])
            return by_score(np.zeros(len(signals)))

    stage, learner = make_stage(LENGTHS, proxy_refresh=1), FakeLearner()
    expected = learner.signals(stage.proxy, frozenset({"head_sketch"}))["head_sketch"].mean(axis=0)
    run(stage, Looking(), learner)
    np.testing.assert_allclose(seen[0], expected, rtol=1e-6)
    assert not np.allclose(seen[1], seen[0])


def test_a_selector_that_looks_at_a_proxy_set_needs_one():
    with pytest.raises(ConfigError, match=r"'lhas' looks at a proxy set, but there is none\. Set `suite.proxy`"):
        run(make_stage(LENGTHS, proxy=()), build_selector("lhas"))


def test_scored_tokens_are_those_that_a_model_had_to_read():
    stage = make_stage(LENGTHS, proxy_refresh=100)
    scored = {name: run(stage, build_selector(name)).record.scored_tokens for name in NAMES}
    assert scored["random"] == scored["quality"] == scored["diversity"] == 0
    assert scored["loss"] == scored["utility_diversity"] == sum(LENGTHS)
    assert scored["lhas"] == sum(LENGTHS) + 3 + 4 + 5


def test_ranking_again_scores_again_what_is_left():
    stage = make_stage(LENGTHS, SETTINGS["round"])
    record = run(stage, build_selector("loss")).record
    assert record.scored_tokens == sum(record.table()["tokens"].to_pylist()) > sum(LENGTHS)


def test_the_memory_is_shown_the_picks_of_every_round_and_outlives_the_stage():
    stage, diary = make_stage(LENGTHS, SETTINGS["round"]), Diary()
    first = run(stage, Counting(), watcher=diary)
    chosen = [sum(table["chosen"].to_pylist()) for table in first.record.tables]
    assert first.state["picked"].tolist() == chosen
    assert [len(before.state["picked"]) for before in diary.rounds] == [0, 1, 2]
    following = make_stage(LENGTHS, SETTINGS["round"], index=2)
    learner = FakeLearner()
    learner.begin_stage(following.steps)
    second = run(following, Counting(), learner, StageProgress(state=first.state))
    assert second.state["picked"][:3].tolist() == chosen
    assert len(second.state["picked"]) == 6


def test_known_signals_are_those_of_the_candidates_and_are_not_asked_of_the_model():
    stage = make_stage(LENGTHS)
    asked = []

    def signals(batch, needs, round_):
        asked.append(needs)
        return TimedSignals({}, 0.0)

    learner = FakeLearner()
    learner.begin_stage(stage.steps)
    progress = run_stage(learner, build_selector("quality"), stage, StageProgress(), signals, Diary())
    assert asked == []
    rows = progress.record.table().to_pylist()
    assert [row["score"] for row in rows] == [stage.known["quality"][int(row["id"][1:])] for row in rows]


def test_matched_random_trains_on_more_in_the_same_steps():
    stage = make_stage(LENGTHS)
    more = run(dataclasses.replace(stage, rounds=scaled(stage.rounds, 3.0)), build_selector("random_matched"))
    plain = run(stage, build_selector("random"))
    assert more.steps == plain.steps
    assert 0.75 * sum(LENGTHS) <= more.spent < 0.75 * sum(LENGTHS) + max(LENGTHS)


def test_the_gradient_sketches_of_all_trained_examples_are_sampled():
    progress = run(make_stage(LENGTHS), build_selector("loss"))
    assert len(progress.record.sample.keys) == len(progress.record.chosen_ids())
    assert progress.record.sample.sketches.shape == (len(progress.record.chosen_ids()), 16)


def test_texts_of_the_proxy_are_no_candidates():
    stage = make_stage(LENGTHS)
    assert not {tokens.example.id for tokens in make_texts("p", [3])} & set(
        run(stage, build_selector("lhas")).record.table()["id"].to_pylist()
    )


@dataclass(frozen=True)
class Weighed(Stateless):
    """Ranks by length; the weight of a candidate is what a table says of its name."""

    table: dict
    name = "weighed"
    needs = frozenset({"tokens"})

    def rank(self, signals, state, rng):
        ranking = by_score(signals["tokens"])
        return Ranking(ranking.order, ranking.score, weight=np.array([self.table[name] for name in signals.ids]))


def table_of(stage, seed=0):
    draws = np.random.default_rng(seed).gamma(1.0, size=len(stage.pool))
    return {tokens.example.id: weight for tokens, weight in zip(stage.pool.tokens, draws.tolist(), strict=True)}


@every_granularity
def test_equal_weights_train_as_none_do_to_the_last_bit(granularity):
    stage, learners = make_stage(LENGTHS, SETTINGS[granularity]), (FakeLearner(), FakeLearner())
    for selector, learner in zip((Weighed(dict.fromkeys(table_of(stage), 3.0)), Lengths()), learners, strict=True):
        run(stage, selector, learner)
    assert learners[0].parameters()["weight"].tobytes() == learners[1].parameters()["weight"].tobytes()


@every_granularity
def test_each_example_is_trained_with_its_own_weight_over_the_mean_of_its_step(granularity, monkeypatch):
    stage, learner, seen = make_stage(LENGTHS, SETTINGS[granularity]), FakeLearner(), []
    table, original = table_of(stage), learner.step

    def step(batch, dropout, weight):
        seen.append(([tokens.example.id for tokens in batch], weight))
        return original(batch, dropout, weight)

    monkeypatch.setattr(learner, "step", step)
    progress = run(stage, Weighed(table), learner)
    assert len(seen) == progress.steps > 0
    for names, weight in seen:
        given = np.array([table[name] for name in names])
        np.testing.assert_allclose(weight, given / given.mean())
    written = {row["id"]: row["weight"] for row in progress.record.table().to_pylist()}
    assert written == {name: table[name] for name in written}


def test_a_step_from_the_scoring_pass_weighs_as_two_passes_do():
    @dataclass(frozen=True)
    class ByNorm(Weighed):
        needs = frozenset({"tokens", "grad_norm"})

    stage, (one, two) = make_stage(LENGTHS), (Keeping(), Keeping(room=0))
    table = table_of(stage)
    assert outcome(run(stage, ByNorm(table), one), one) == outcome(run(stage, ByNorm(table), two), two)
    assert "from kept" in one.passes
    assert "trained" in two.passes


def test_examples_of_weight_zero_count_for_the_budget_and_are_neither_run_nor_sampled():
    stage = make_stage(LENGTHS, RoundSettings("stage", batch_size=8))
    table = {name: float(int(name[1:]) % 2) for name in table_of(stage)}
    progress = run(stage, Weighed(table))
    plain = run(stage, Lengths())
    chosen = progress.record.chosen_ids()
    assert chosen == plain.record.chosen_ids()
    assert progress.record.trained_tokens == plain.record.trained_tokens
    assert len(progress.record.sample.keys) == sum(table[name] for name in chosen) < len(chosen)


def test_a_step_whose_weights_are_all_zero_stops_the_stage_with_a_sentence():
    stage = make_stage(LENGTHS)
    longest = max(LENGTHS)
    table = {name: float(LENGTHS[int(name[1:])] < longest - 4) for name in table_of(stage)}
    with pytest.raises(SelectorError, match="An optimizer step must have an example with a weight above 0"):
        run(stage, Weighed(table))


@every_granularity
def test_a_weighted_stage_that_goes_on_from_any_step_equals_one_that_never_stopped(granularity):
    stage = make_stage(LENGTHS, SETTINGS[granularity])
    selector, whole_learner = Weighed(table_of(stage)), FakeLearner()
    whole = outcome(run(stage, selector, whole_learner), whole_learner)
    for stop_before_step in range(stage.steps):
        killed, diary = FakeLearner(), Diary(stop_before_step=stop_before_step)
        with pytest.raises(Stopped):
            run(stage, selector, killed, watcher=diary)
        learner = FakeLearner()
        learner.load_parameters(killed.parameters())
        learner.begin_stage(stage.steps)
        learner.load_optimizer_state(killed.optimizer_state())
        assert outcome(run(stage, selector, learner, progress=diary.rounds[-1]), learner) == whole
