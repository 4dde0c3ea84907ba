import dataclasses
import json

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from farsighted.data.cut import budget_sizes
from farsighted.protocol.fairness import check_fair
from farsighted.protocol.replay import with_earlier
from farsighted.selectors import Random, Replay, build_selector
from farsighted.training.budget import RoundSettings
from farsighted.training.replay import replay_order
from farsighted.training.stage import StageProgress
from oracles import floor_loops
from oracles.fake_world import fake_world, stop_at
from oracles.micro import assert_same_cell
from oracles.stage_world import Diary, make_stage, run

LENGTHS = [1 + row * 7 % 11 for row in range(60)]
SETTINGS = {
    "batch": RoundSettings("batch", batch_size=4),
    "round": RoundSettings("round", rounds=3, batch_size=2),
    "stage": RoundSettings("stage", batch_size=4),
}
SELECTORS = [
    "random",
    {"name": "replay", "label": "loss again", "selector": "loss", "share": 0.5},
    {"name": "replay", "label": "memory again", "selector": "utility_diversity", "share": 0.3},
    {
        "name": "coverage_floor",
        "label": "covered again",
        "selector": {"name": "replay", "selector": "lhas", "share": 0.4},
    },
]
LABELS = ("loss again", "memory again", "covered again")


def stages(count, settings=SETTINGS["batch"], share=0.5, **changes):
    """Stages on pools of equal ids, and what random selection leaves of all but the last."""
    given = [
        make_stage(LENGTHS[index:], settings, index=index, replay_share=share, **changes)
        for index in range(1, count + 1)
    ]
    tables = [table for stage in given[:-1] for table in run(stage, Random()).record.tables]
    return given, tables


def chosen(tables, index):
    rows = [row for table in tables for row in table.to_pylist() if row["chosen"] and row["stage_index"] == index]
    return sorted(rows, key=lambda row: (row["round"], row["rank"]))


def test_a_pool_ends_with_what_was_selected_before_under_names_of_its_own():
    given, tables = stages(3)
    stage = with_earlier(given[2], given[:2], tables)
    own = len(given[2].pool)
    expected = [(index, row["id"]) for index in (1, 2) for row in chosen(tables, index)]
    assert stage.pool.tokens[:own] == given[2].pool.tokens
    assert stage.arriving == own
    names = [tokens.example.id for tokens in stage.pool.tokens]
    assert names[own:] == [f"{name} (replayed from stage {index})" for index, name in expected]
    assert len(set(names)) == len(names)
    for row, (index, name) in enumerate(expected, start=own):
        before, number = given[index - 1], int(name[1:])
        assert stage.pool.tokens[row].ids == before.pool.tokens[number].ids
        assert stage.known["origin"][row] == index
        for signal in ("embedding", "cluster", "quality", "tokens", "size"):
            np.testing.assert_array_equal(stage.known[signal][row], before.known[signal][number])
    assert not stage.known["origin"][:own].any()


def test_what_was_replayed_is_not_offered_a_second_time():
    given, tables = stages(3)
    second = with_earlier(given[1], given[:1], tables)
    again = run(second, Replay("random", 0.5)).record.tables
    assert any("replayed from stage 1" in row["id"] for row in chosen(again, 2))
    third = with_earlier(
        given[2], given[:2], [*(table for table in tables if table["stage_index"][0].as_py() == 1), *again]
    )
    own = [row for row in chosen(again, 2) if row.get("origin") is None]
    assert third.replayable == len(chosen(tables, 1)) + len(own)


def test_a_stage_without_replay_or_without_a_past_is_what_it_was():
    given, tables = stages(2)
    assert with_earlier(given[0], [], []) is given[0]
    plain = dataclasses.replace(given[1], replay_share=0.0)
    assert with_earlier(plain, given[:1], tables) is plain


@pytest.mark.parametrize("unit", ["tokens", "examples"])
@pytest.mark.parametrize("granularity", SETTINGS)
def test_each_round_offers_as_few_as_bring_what_was_replayed_to_its_share(granularity, unit):
    given, tables = stages(2, SETTINGS[granularity], 0.3, unit=unit)
    stage = with_earlier(given[1], given[:1], tables)
    sizes, replayed, diary = budget_sizes(stage.pool, unit), 0.0, Diary()
    row_of = {tokens.example.id: row for row, tokens in enumerate(stage.pool.tokens)}
    progress = run(stage, Replay("loss", 0.3), watcher=diary)
    for number, table in enumerate(progress.record.tables):
        assert diary.rounds[number].replayed == replayed
        order = (stage.arriving + replay_order(stage.seed, 2, number, stage.replayable)).tolist()
        wanted = floor_loops.drawn(order, sizes, replayed, 0.3 * stage.rounds[number].target)
        offered = [row_of[name] for name in table["id"].to_pylist()]
        assert [row for row in offered if row >= stage.arriving] == wanted
        replayed += sum(sizes[row_of[row["id"]]] for row in table.to_pylist() if row["chosen"] and row.get("origin"))
    assert progress.replayed == replayed
    longest = sizes.max()
    assert 0.3 * (stage.rounds[-1].target - longest) <= replayed < 0.3 * stage.rounds[-1].target + longest


def test_a_past_smaller_than_the_share_is_offered_whole():
    given, tables = stages(2, SETTINGS["stage"], 1.0)
    stage = with_earlier(given[1], given[:1], tables)
    short = dataclasses.replace(stage, rounds=tuple(dataclasses.replace(r, target=3 * r.target) for r in stage.rounds))
    rows = run(short, Replay("loss", 1.0)).record.table().to_pylist()
    assert sum(row["origin"] is not None and row["chosen"] for row in rows) == stage.replayable


def test_what_is_replayed_is_marked_with_the_stage_it_comes_from():
    given, tables = stages(3)
    stage = with_earlier(given[2], given[:2], tables)
    for row in run(stage, Replay("loss", 0.5)).record.table().to_pylist():
        told = row["id"].partition(" (replayed from stage ")[2].rstrip(")")
        assert row["origin"] == (int(told) if told else None)


def test_draws_are_uniform_and_independent_from_round_to_round():
    first = [int(replay_order(seed, 2, 0, 4)[0]) for seed in range(400)]
    # Each of four comes first with probability 1/4: 100 of 400, standard deviation 8.7.
    assert np.abs(np.bincount(first) - 100).max() < 5 * 8.7
    assert replay_order(0, 2, 0, 30).tolist() != replay_order(0, 2, 1, 30).tolist()
    assert replay_order(0, 2, 1, 30).tolist() == replay_order(0, 2, 1, 30).tolist()


@pytest.mark.parametrize("granularity", SETTINGS)
def test_all_selectors_are_trained_alike_round_by_round(granularity):
    given, tables = stages(2, SETTINGS[granularity])
    stage, spent = with_earlier(given[1], given[:1], tables), []
    for one, selector in ((given[1], Random()), (stage, Replay("loss", 0.5)), (stage, Replay("diversity", 0.5))):
        diary = Diary()
        spent.append([*[before.spent for before in diary.rounds], run(one, selector, watcher=diary).spent])
    assert (np.ptp(spent, axis=0) < max(LENGTHS)).all()


def meta(world, label):
    return json.loads((world.folder(label) / "cell.json").read_text())


def selections(world, label):
    return pq.read_table(world.folder(label) / "selections.parquet")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    ran = fake_world(tmp_path_factory.mktemp("replay"), selectors=[*SELECTORS, "loss"])
    assert {ran.run(label) for label in ("random", "loss", *LABELS)} == {"done"}
    return ran


@pytest.mark.parametrize("label", LABELS)
def test_a_cell_says_how_much_it_replayed(world, label):
    table = selections(world, label)
    again = table.filter(pc.and_(table["chosen"], pc.is_valid(table["origin"])))
    first, second = meta(world, label)["per_stage"]
    assert (first["replayed_examples"], first["replayed_tokens"]) == (0, 0)
    assert second["replayed_examples"] == again.num_rows > 0
    assert second["replayed_tokens"] == pc.sum(again["trained_tokens"]).as_py()
    assert set(again["origin"].to_pylist()) == {1}
    assert set(again["stage_index"].to_pylist()) == {2}


def test_diagnostics_count_what_is_replayed_like_the_rest(world):
    pools = [world.desk.inputs.stages[name].pool for name in ("general", "math")]
    difficulty = {tokens.example.id: tokens.example.difficulty for pool in pools for tokens in pool.tokens}
    rows = [row for row in selections(world, "loss again").to_pylist() if row["chosen"] and row["stage_index"] == 2]
    second = meta(world, "loss again")["per_stage"][1]
    told = [difficulty[row["id"].partition(" (replayed")[0]] for row in rows]
    assert second["mean_difficulty"] == pytest.approx(np.mean(told))
    assert second["trained_examples"] == len(rows)
    assert (
        second["clusters"] == np.bincount([row["cluster"] for row in rows], minlength=len(second["clusters"])).tolist()
    )


def test_the_first_stage_is_that_of_the_inner_selector(world):
    found = [
        [row["id"] for row in selections(world, label).to_pylist() if row["chosen"] and row["stage_index"] == 1]
        for label in ("loss", "loss again")
    ]
    assert found[0] == found[1]


def test_cells_that_replay_nothing_say_nothing_of_it(world):
    assert "origin" not in selections(world, "random").column_names
    assert not any(name.startswith("replayed") for stage in meta(world, "random")["per_stage"] for name in stage)


def test_cells_that_replay_are_compared_at_equal_budgets(world):
    check_fair([meta(world, label) for label in ("random", "loss", *LABELS)])


@pytest.mark.parametrize("label", LABELS)
def test_a_cell_that_replays_and_is_stopped_at_any_round_or_step_goes_on_bit_for_bit(world, tmp_path, label):
    asked = []
    fake_world(tmp_path / "whole", selectors=SELECTORS).run(label, should_stop=lambda: bool(asked.append(True)))
    for call in range(1, len(asked) + 1):
        broken = fake_world(tmp_path / str(call), selectors=SELECTORS)
        assert broken.run(label, should_stop=stop_at(call)) == "interrupted"
        assert broken.run(label) == "done"
        assert_same_cell(broken.folder(label), world.folder(label))


@pytest.mark.parametrize("granularity", ["round", "stage"])
def test_a_cell_that_replays_and_is_stopped_at_every_round_goes_on_bit_for_bit(tmp_path, granularity):
    training = {"batch_size": 2, "granularity": granularity, "rounds": 4}
    whole, broken = (
        fake_world(tmp_path / name, selectors=SELECTORS, training=training) for name in ("whole", "broken")
    )
    whole.run("memory again")
    status, tries = "interrupted", 0
    while status == "interrupted":
        status = broken.run("memory again", should_stop=stop_at(2))
        tries += 1
    assert tries > 1
    assert_same_cell(broken.folder("memory again"), whole.folder("memory again"))


def test_replay_is_built_from_names():
    assert build_selector({"name": "replay", "selector": "random"}) == Replay(Random(), 0.1)
    assert StageProgress().replayed == 0
