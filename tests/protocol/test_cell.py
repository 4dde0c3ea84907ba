import dataclasses
import json
import os
import shutil
from typing import ClassVar

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from farsighted.core.errors import InterruptedRunError
from farsighted.core.names import FAMILIES
from farsighted.core.rng import stream
from farsighted.core.values import Ranking
from farsighted.protocol.tasks import run_cell_task, run_clusters_task, run_stage_task
from farsighted.results.audit import measure_audit
from farsighted.results.build import build_results
from farsighted.selectors import Stateless
from farsighted.store.claims import ClaimLostError, Claims
from farsighted.store.layout import Layout
from farsighted.store.reader import read_cell
from farsighted.testing.fake_learner import FakeLearner
from oracles.fake_world import Hearing, fake_world, stop_at
from oracles.micro import assert_same_cell, desk_of, nano_config
from oracles.whole_records import plan_record

REMEMBERING = ("random", "utility_diversity", "lhas", "diversity")
ROUNDS = 3


def rows(world, label, **wanted):
    table = pq.read_table(world.folder(label) / "scores.parquet")
    for column, value in wanted.items():
        table = table.filter(pc.equal(table[column], value))
    return table


def meta(world, label):
    return json.loads((world.folder(label) / "cell.json").read_text())


@pytest.fixture
def world(tmp_path):
    return fake_world(tmp_path)


def test_every_set_is_scored_before_the_first_stage_and_after_each(world):
    assert world.run("random") == "done"
    for after in (0, 1, 2):
        for name in ("general", "math"):
            assert rows(world, "random", kind="validation", after_stage=after, set=name).num_rows == 4
    assert set(rows(world, "random", kind="ood")["after_stage"].to_pylist()) == {0, 2}


def test_under_past_only_stages_that_were_trained_are_scored(tmp_path):
    world = fake_world(tmp_path, evaluation={"evaluate": "past"})
    world.run("random")
    assert rows(world, "random", kind="validation", after_stage=1, set="math").num_rows == 0
    assert rows(world, "random", kind="validation", after_stage=2, set="math").num_rows == 4


@pytest.mark.parametrize("kind", ["probe_neutral", "probe_own"])
def test_both_probes_have_a_point_before_any_step_and_one_for_each_asked_for(world, kind):
    world.run("random")
    found = rows(world, "random", kind=kind)
    assert set(found["after_stage"].to_pylist()) == {1}
    assert set(found["set"].to_pylist()) == {"math"}
    assert sorted(found["point"].to_pylist()) == [0] * 3 + [1] * 3 + [2] * 3
    tokens = dict(zip(found["point"].to_pylist(), found["probe_tokens"].to_pylist(), strict=True))
    assert tokens[0] == 0 < tokens[1] < tokens[2]


def test_both_probes_start_from_the_model_that_the_stage_left(world):
    world.run("random")
    start = [rows(world, "random", kind=kind, point=0)["nll"].to_pylist() for kind in ("probe_neutral", "probe_own")]
    assert start[0] == start[1]


def test_probing_longer_changes_nothing_but_the_probes(tmp_path):
    short, long = (fake_world(tmp_path / str(n), probe={"steps": n, "points": 1, "items": 3}) for n in (1, 4))
    for world in (short, long):
        world.run("random")
    assert rows(short, "random", kind="validation").equals(rows(long, "random", kind="validation"))
    assert meta(short, "random")["selection_hash"] == meta(long, "random")["selection_hash"]


def test_the_own_probe_is_the_first_steps_of_the_next_stage(world):
    world.run("random")
    selections = pq.read_table(world.folder("random") / "selections.parquet")
    second = selections.filter(pc.equal(selections["stage_index"], 2))
    in_first_round = second.filter(pc.equal(second["round"], 0))
    tokens = rows(world, "random", kind="probe_own", point=1)["probe_tokens"][0].as_py()
    assert tokens == sum(in_first_round["trained_tokens"].to_pylist())


def test_progress_grows_to_1(world):
    hearing = Hearing()
    world.run("random", listener=hearing)
    shares = hearing.shares
    assert shares == sorted(shares)
    assert len(shares) == 2 * ROUNDS
    assert shares[-1] == 1


@pytest.mark.parametrize("selector", REMEMBERING)
def test_a_cell_stopped_at_any_round_or_step_goes_on_bit_for_bit(tmp_path, selector):
    whole = fake_world(tmp_path / "whole", selectors=list(REMEMBERING))
    asked = []
    whole.run(selector, should_stop=lambda: bool(asked.append(True)))
    assert len(asked) > 2 * ROUNDS
    for call in range(1, len(asked) + 1):
        broken = fake_world(tmp_path / str(call), selectors=list(REMEMBERING))
        assert broken.run(selector, should_stop=stop_at(call)) == "interrupted"
        assert not broken.desk.layout.finished(broken.cell(selector).id)
        assert broken.run(selector) == "done"
        assert_same_cell(broken.folder(selector), whole.folder(selector))
        assert not meta(broken, selector)["uninterrupted"]


@pytest.mark.parametrize("granularity", ["batch", "round", "stage"])
def test_a_cell_stopped_at_every_round_goes_on_bit_for_bit_at_every_granularity(tmp_path, granularity):
    training = {"batch_size": 2, "granularity": granularity, "rounds": 4}
    whole, broken = (
        fake_world(tmp_path / name, selectors=["random", "lhas"], training=training) for name in ("whole", "broken")
    )
    whole.run("lhas")
    status, tries = "interrupted", 0
    while status == "interrupted":
        status = broken.run("lhas", should_stop=stop_at(2))
        tries += 1
    assert tries > 1
    assert_same_cell(broken.folder("lhas"), whole.folder("lhas"))


@pytest.fixture(scope="module")
def language_model_world(tmp_path_factory):
    """The nano audit for the tiny model, with its shared work done."""
    folder = tmp_path_factory.mktemp("nano")
    return prepared_desk(nano_config(folder, selectors=list(REMEMBERING)), folder / "out")


def prepared_desk(config, root):
    desk = desk_of(config, root)
    for name in desk.inputs.stages:
        run_stage_task(desk, name)
    run_clusters_task(desk)
    return desk


@pytest.mark.parametrize(("seconds", "kept"), [(0, ["0001-000000"]), (1e6, [])])
def test_a_stages_end_is_written_down_where_enough_time_has_passed(tmp_path, seconds, kept):
    world = fake_world(tmp_path, checkpoint={"seconds": seconds})

    def die_in_the_second_stage(share):
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.run("random", listener=Hearing(at_progress=die_in_the_second_stage))
    folder = world.desk.layout.checkpoints(world.cell("random").id)
    assert sorted(path.name for path in folder.glob("*")) == kept
    whole = fake_world(tmp_path / "whole")
    assert (world.run("random"), whole.run("random")) == ("done", "done")
    assert_same_cell(world.folder("random"), whole.folder("random"))


@pytest.mark.parametrize("selector", REMEMBERING)
def test_a_language_model_stopped_at_every_round_goes_on_bit_for_bit(language_model_world, tmp_path, selector):
    cell = next(cell for cell in language_model_world.cells.values() if cell.label == selector)
    assert_stopping_changes_nothing(language_model_world, cell, tmp_path)


@pytest.mark.parametrize("transition", ["merge_and_reinit", "stack"])
def test_a_model_whose_adapters_are_folded_goes_on_bit_for_bit(tmp_path, transition):
    training = {"batch_size": 2, "learning_rate": 5.0e-3, "stage_transition": transition}
    whole = prepared_desk(nano_config(tmp_path, selectors=["random"], training=training), tmp_path / "whole")
    (cell,) = whole.cells.values()
    assert_stopping_changes_nothing(whole, cell, tmp_path / "parts")


@pytest.mark.parametrize("mode", ["prompt_tuning", "p_tuning_v2", "bottleneck"])
def test_an_adapter_beside_lora_goes_on_bit_for_bit(tmp_path, mode):
    config = nano_config(tmp_path, selectors=[{"name": "gradient"}, "random"], adaptations=[mode])
    whole = prepared_desk(config, tmp_path / "whole")
    cell = next(cell for cell in whole.cells.values() if cell.label == "gradient")
    assert_stopping_changes_nothing(whole, cell, tmp_path / "parts")


def assert_stopping_changes_nothing(whole, cell, tmp_path):
    shutil.copytree(whole.layout.shared, tmp_path / "shared")
    assert run_cell_task(whole, cell.id) == "done"
    broken, stops = Layout(tmp_path), 0
    while not broken.finished(cell.id):
        desk = dataclasses.replace(whole, layout=broken, should_stop=stop_at(2))
        try:
            run_cell_task(desk, cell.id)
        except InterruptedRunError:
            stops += 1
    assert stops >= 2 * ROUNDS - 1
    assert_same_cell(broken.cell(cell.id), whole.layout.cell(cell.id))


class CountingSteps(FakeLearner):
    """Counts its optimizer steps."""

    steps = 0

    def step(self, batch, rng):
        self.steps += 1
        return super().step(batch, rng)


def take_over(world, label):
    """What another process does when it finds a claim that was silent for too long."""
    (claim,) = world.desk.layout.claims.glob(f"{world.cell(label).id}/*/*")
    os.utime(claim, (0, 0))
    return Claims(world.desk.layout.claims).take(world.cell(label).id)


@pytest.mark.parametrize("asked_to_stop", [False, True])
def test_a_cell_that_another_process_has_taken_over_leaves_nothing(world, asked_to_stop):
    others = []

    def overtaken():
        if not others:
            others.append(take_over(world, "random"))
        return asked_to_stop

    with pytest.raises(ClaimLostError, match="was taken over by process"):
        world.run("random", should_stop=overtaken)
    assert not world.folder("random").exists()
    assert not world.desk.layout.checkpoints(world.cell("random").id).exists()
    others[0].check()


def test_a_cell_stops_at_its_next_step_when_a_heartbeat_finds_that_it_was_taken_over(world):
    learner, claim = CountingSteps(), Claims(world.desk.layout.claims).take(world.cell("random").id)
    take_over(world, "random")
    with pytest.raises(ClaimLostError):
        claim.check()
    with pytest.raises(ClaimLostError):
        world.run("random", learner=learner, claim=claim)
    assert learner.steps == 0


@dataclasses.dataclass(frozen=True)
class NanForThird(Stateless):
    """Scores everything 0 but what it ranks third."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def rank(self, signals, state, rng):
        score = np.zeros(len(signals))
        # It passes with the candidates that it is tried on before the audit.
        if not signals.ids[0].startswith("example-"):
            score[2] = np.nan
        return Ranking(np.arange(len(signals)), score)


def test_a_selector_that_answers_nan_diverges_before_it_trains_and_the_example_is_named(tmp_path):
    world = fake_world(tmp_path, selectors=["random", f"{__name__}:NanForThird"])
    assert world.run("NanForThird") == "diverged"
    told = meta(world, "NanForThird")
    third = world.desk.inputs.stages["general"].pool.tokens[stream(0, "data", 1).permutation(24)[2]]
    assert told["example_ids"] == [third.example.id]
    assert third.example.id in told["reason"]
    assert [stage["trained_examples"] for stage in told["per_stage"]] == [0]
    assert set(told["run"].values()) == {None}
    assert pq.read_table(world.folder("NanForThird") / "selections.parquet").num_rows == 0


class Exploding(FakeLearner):
    """Its weights leave the numbers at the fourth step: in the second stage's probe."""

    steps_left = 4

    def step(self, batch, dropout, weight=None):
        self.steps_left -= 1
        if self.steps_left == 0:
            self._weight_D = np.full_like(self._weight_D, np.nan)
        return super().step(batch, dropout, weight)


def test_a_model_that_leaves_the_numbers_ends_its_cell_with_what_was_done_until_then(world):
    assert world.run("random", learner=Exploding()) == "diverged"
    told = meta(world, "random")
    assert [len(stage["losses"]) for stage in told["per_stage"]] == [ROUNDS]
    assert told["example_ids"]
    assert rows(world, "random", kind="validation", after_stage=1).num_rows == 8


def test_a_huge_learning_rate_diverges_and_its_report_has_reasons_instead_of_numbers(tmp_path):
    config = nano_config(tmp_path, training={"batch_size": 2, "learning_rate": 1e30, "warmup_share": 0.0})
    desk = desk_of(config, tmp_path / "out")
    for name in desk.inputs.stages:
        run_stage_task(desk, name)
    run_clusters_task(desk)
    cell = next(iter(desk.cells.values()))
    assert run_cell_task(desk, cell.id) == "diverged"
    plan = plan_record([cell.row()], config=desk.config.record())
    entry = build_results(measure_audit([read_cell(desk.layout.cell(cell.id))], plan))["cells"][0]
    assert entry["status"] == "diverged"
    assert entry["stability"]["non_finite"] == 1
    pool = {tokens.example.id for stage in desk.inputs.stages.values() for tokens in stage.pool.tokens}
    assert set(entry["example_ids"]) <= pool
    assert entry["example_ids"]
    assert set(entry["metrics"].values()) | set(entry["diagnostics"].values()) == {None}
    assert set(entry["missing"]) == set(entry["metrics"]) | set(entry["diagnostics"])


# The rest is read from one real audit of all seven selectors.


def cells_of(micro, names=FAMILIES):
    ids = micro.cell_ids()
    return {name: micro.layout.cell(ids[name]) for name in names}


def test_all_selectors_start_from_the_same_adapter_and_see_the_same_pools(micro):
    metas = [json.loads((folder / "cell.json").read_text()) for folder in cells_of(micro).values()]
    assert len({told["adapter_hash"] for told in metas}) == 1
    assert len({json.dumps(told["pool_hashes"]) for told in metas}) == 1


def test_all_selectors_see_the_same_candidates_in_every_round(micro):
    arrivals = []
    for folder in cells_of(micro).values():
        table = pq.read_table(folder / "selections.parquet")
        arrivals.append(table.select(["stage_index", "round", "id"]).to_pylist())
    assert all(found == arrivals[0] for found in arrivals)


def test_trained_tokens_of_any_two_selectors_differ_by_less_than_one_example_after_every_round(micro):
    spent, longest = {}, 0
    for name, folder in cells_of(micro).items():
        table = pq.read_table(folder / "selections.parquet")
        longest = max(longest, pc.max(table["tokens"]).as_py())
        rounds = table.group_by(["stage_index", "round"]).aggregate([("trained_tokens", "sum")])
        tokens = {(row["stage_index"], row["round"]): row["trained_tokens_sum"] for row in rounds.to_pylist()}
        spent[name] = {key: sum(tokens[key[0], earlier] for earlier in range(key[1] + 1)) for key in tokens}
    for stage in range(1, 6):
        for number in range(3):
            after = [found[stage, number] for found in spent.values()]
            assert max(after) - min(after) < longest


def test_the_compute_matched_reference_trains_on_what_scoring_costs_beside_the_budget(micro):
    """Under LoRA a forward pass over everything buys half of the pool: 75 % instead of 25 %."""
    tokens = {}
    for name, folder in cells_of(micro, ("random", "random_matched")).items():
        table = pq.read_table(folder / "selections.parquet")
        tokens[name] = pc.sum(table["trained_tokens"]).as_py() / pc.sum(table["tokens"]).as_py()
    assert tokens["random"] == pytest.approx(0.25, abs=0.02)
    assert tokens["random_matched"] == pytest.approx(0.75, abs=0.02)


def test_all_cells_have_the_same_score_of_the_base_model(micro):
    base = []
    for folder in cells_of(micro).values():
        table = pq.read_table(folder / "scores.parquet")
        base.append(table.filter(pc.equal(table["after_stage"], 0)))
    assert all(found.equals(base[0]) for found in base)
