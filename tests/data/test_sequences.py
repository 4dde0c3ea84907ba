"""A configuration to stages."""

import itertools
import json
import math
import subprocess
import sys

import pytest

from farsighted.config.audit import RandomOrders
from farsighted.config.load import load_config
from farsighted.core.errors import ConfigError, DataError
from farsighted.data.leaks import find_overlap
from farsighted.data.sequences import load_sequence, resolve_orders
from farsighted.files.readers import find_files
from oracles.shared_data import needs_shared_data, shared_data

NAMES = ("a", "b", "c")


def write(folder, name, prompts):
    lines = [json.dumps({"prompt": prompt, "response": "r"}) for prompt in prompts]
    (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")


@pytest.fixture
def folder(tmp_path):
    for name, count in {"math": 60, "math_test": 12, "code": 50, "shifted": 20}.items():
        write(tmp_path, name, [f"{name} {n}" for n in range(count)])
    return tmp_path


def sequence(folder, *, math_stage=None, code_stage=None, **data):
    stages = [
        {"name": "math", "train": "math.jsonl", "validation": "math_test.jsonl", "ood": {"shifted": "shifted.jsonl"}},
        {"name": "code", "train": "code.jsonl", "validation": 10},
    ]
    stages[0] |= math_stage or {}
    stages[1] |= code_stage or {}
    data = {"proxy_per_stage": 4, **data}
    return load_sequence(load_config({"stages": stages, "data": data, "data_root": str(folder)}))


def ids(examples):
    return [example.id for example in examples]


def test_stages_come_in_order_with_all_their_sets(folder):
    math_stage, code_stage = sequence(folder).stages
    assert (math_stage.name, code_stage.name) == ("math", "code")
    assert [len(part) for part in (math_stage.train, math_stage.validation, math_stage.proxy)] == [56, 12, 4]
    assert [len(part) for part in (code_stage.train, code_stage.validation, code_stage.proxy)] == [36, 10, 4]
    assert ids(math_stage.ood["shifted"]) == [f"shifted:{n}" for n in range(1, 21)]
    assert code_stage.ood == {}


def test_nothing_is_said_where_nothing_was_left_out(folder):
    found = sequence(folder)
    assert (found.notes, found.bad_rows) == ((), ())


def test_held_out_examples_leave_the_pool_and_every_example_stands_on_one_side(folder):
    stage = sequence(folder).stages[1]
    parts = [set(ids(part)) for part in (stage.train, stage.validation, stage.proxy)]
    assert set.union(*parts) == {f"code:{n}" for n in range(1, 51)}
    assert sum(map(len, parts)) == 50


def test_the_same_configuration_gives_the_same_stages_and_another_seed_gives_others(folder):
    assert sequence(folder) == sequence(folder)
    assert sequence(folder).stages[1].validation != sequence(folder, seed=1).stages[1].validation


def test_measure_chance_and_ceiling_come_from_the_stage(folder):
    stage = sequence(folder, math_stage={"measure": "exact_match", "chance": 0.1, "ceiling": 0.9}).stages[0]
    assert (stage.measure, stage.chance, stage.ceiling) == ("exact_match", 0.1, 0.9)
    other = sequence(folder).stages[0]
    assert (other.measure, other.chance, other.ceiling) == ("token_accuracy", None, 1.0)


def test_sets_are_cut_to_the_sizes_asked_for(folder):
    stage = sequence(folder, math_stage={"max_train": 30, "max_validation": 5, "max_ood": 7}).stages[0]
    assert [len(part) for part in (stage.train, stage.validation, stage.ood["shifted"])] == [30, 5, 7]
    whole = sequence(folder).stages[0]
    assert set(stage.train) < set(whole.train)
    assert stage.proxy == whole.proxy


def test_stages_that_share_a_shifted_set_see_the_same_subsample(folder):
    shared = {"ood": {"shifted": "shifted.jsonl"}, "max_ood": 7}
    one, two = sequence(folder, math_stage=shared, code_stage=shared).stages
    assert one.ood == two.ood
    assert len(one.ood["shifted"]) == 7


def test_a_leak_into_an_evaluation_set_is_refused_with_files_and_lines(folder):
    write(folder, "math_test", ["MATH  3", "new"])
    with pytest.raises(DataError) as caught:
        sequence(folder)
    assert "'math:4' of the pool of math" in str(caught.value)
    assert f"{folder / 'math_test.jsonl'}:1" in str(caught.value)


def test_a_leak_into_a_set_of_another_stage_is_a_leak(folder):
    write(folder, "shifted", ["code 3"])
    with pytest.raises(DataError, match=r"'code:4' of the (pool|validation set) of code"):
        sequence(folder)


def test_under_drop_leaks_leave_the_pool_with_a_note(folder):
    write(folder, "math_test", ["MATH  3", "math 5", "new"])
    found = sequence(folder, on_overlap="drop")
    assert len(found.stages[0].train) == 60 - 2 - 4
    assert not {"math:4", "math:6"} & set(ids(found.stages[0].train + found.stages[0].proxy))
    assert found.notes == (
        "2 of 60 examples of the pool of math also stand in another set that is measured on, and were dropped.",
    )


def test_evaluation_sets_that_share_an_example_are_refused(folder):
    write(folder, "shifted", ["math_test 3", "new"])
    with pytest.raises(
        DataError, match=r"'shifted:1' of the shifted set shifted .* = 'math_test:4' of the validation set"
    ):
        sequence(folder)


def test_under_drop_the_validation_set_keeps_a_shared_example(folder):
    write(folder, "shifted", ["math_test 3", "new"])
    stage = sequence(folder, on_overlap="drop").stages[0]
    assert ids(stage.ood["shifted"]) == ["shifted:2"]
    assert len(stage.validation) == 12


def test_a_set_that_would_be_left_empty_is_refused(folder):
    write(folder, "shifted", ["math_test 3"])
    with pytest.raises(DataError, match="the shifted set shifted must hold at least one example, but all 1"):
        sequence(folder, on_overlap="drop")


def test_repeats_of_held_out_prompts_leave_the_pool_with_a_note(folder):
    write(folder, "code", [f"code {n // 2}" for n in range(40)])
    found = sequence(folder)
    stage = found.stages[1]
    assert [len(part) for part in (stage.validation, stage.proxy, stage.train)] == [10, 4, 40 - 20 - 8]
    assert not find_overlap(stage.train, {"held": stage.validation + stage.proxy})
    assert found.notes == (
        "20 of the 40 examples in the files of the pool of code repeat another one of it, turns and response alike, "
        "and can be selected as often. `farsighted select` leaves such repeats out.",
        "10 examples of the pool of code repeat the held-out validation set, and were dropped.",
        "4 examples of the pool of code repeat the proxy, and were dropped.",
    )


@pytest.mark.parametrize("part", [{"validation": 50}, {"validation": 46}])
def test_holding_out_the_whole_pool_is_refused(folder, part):
    with pytest.raises(DataError, match="must leave something to train on"):
        sequence(folder, code_stage=part)


def test_without_proxy_nothing_is_held_out_for_it(folder):
    assert sequence(folder, proxy_per_stage=0).stages[0].proxy == ()


def test_bad_rows_are_set_aside_once_with_a_note(folder):
    path = folder / "math.jsonl"
    path.write_text(path.read_text() + '{"prompt": \n')
    found = sequence(folder, on_bad_row="skip", max_bad_share=0.05)
    assert [(row.file, row.line) for row in found.bad_rows] == [(str(path), 61)]
    assert found.notes == ("1 bad rows were set aside.",)
    with pytest.raises(DataError, match="61 is no JSON object"):
        sequence(folder)


def test_what_is_said_of_a_file_is_said_once_also_where_two_sets_read_it(folder):
    path = folder / "shifted.jsonl"
    path.write_text('{"prompt": "new", "response": "r", "url": "x"}\n{"prompt": "n", "text": "r", "label": false}\n')
    found = sequence(folder, math_stage={"max_train": 3}, code_stage={"ood": {"shifted": "shifted.jsonl"}})
    assert [note.partition(": ")[2] for note in found.notes] == [
        "1 row was set aside: label false.",
        "fields not read: url.",
    ]


def test_ids_come_from_rows_where_asked(folder):
    path = folder / "math.jsonl"
    path.write_text("".join(json.dumps({"id": "x", "prompt": f"math {n}", "response": "r"}) + "\n" for n in range(60)))
    with pytest.raises(DataError, match=r"or write `data\.ids: row`"):
        sequence(folder)
    assert len(sequence(folder, ids="row").stages[0].train) == 56


def test_a_missing_file_is_refused_with_the_folder(folder):
    with pytest.raises(DataError, match=r"'gone\.jsonl' must lead to data files"):
        sequence(folder, math_stage={"train": "gone.jsonl"})


def test_a_stage_may_be_spread_over_files_and_folders(folder):
    (folder / "more").mkdir()
    write(folder, "more/extra", ["extra 1", "extra 2"])
    assert len(sequence(folder, math_stage={"train": ["math.jsonl", "more"]}).stages[0].train) == 58


def conversations(folder, count, name="talks"):
    rows = []
    for n in range(count):
        talk = [("user", f"first {n}"), ("assistant", f"one {n}"), ("user", f"then {n}"), ("assistant", f"two {n}")]
        rows.append(json.dumps({"messages": [{"role": role, "content": text} for role, text in talk]}))
    (folder / f"{name}.jsonl").write_text("\n".join(rows) + "\n")


def test_each_turn_of_the_assistant_is_trained_on_where_asked(folder):
    conversations(folder, 20)
    last, each = (
        sequence(folder, code_stage={"train": "talks.jsonl", "max_train": 5}, turns=turns).stages[1]
        for turns in ("last", "each")
    )
    assert len(last.train) == 5
    assert [(e.prompt, e.response) for e in each.train[:2]] == [
        (each.train[0].prompt, each.train[0].response),
        (last.train[0].prompt, last.train[0].response),
    ]
    assert len(each.train) == 10
    assert each.validation == last.validation


def test_a_first_turn_that_stands_in_an_evaluation_set_is_a_leak(folder):
    conversations(folder, 20)
    write(folder, "math_test", [f"first {n}" for n in range(20)])
    with pytest.raises(DataError, match="of the pool of code"):
        sequence(folder, code_stage={"train": "talks.jsonl"}, turns="each")
    sequence(folder, code_stage={"train": "talks.jsonl"}, turns="last")
    found = sequence(folder, code_stage={"train": "talks.jsonl"}, turns="each", on_overlap="drop")
    assert len(found.stages[1].train) == 6
    assert not any(e.prompt.startswith("first") for e in found.stages[1].train)
    assert any("also stand in another set" in note for note in found.notes)


def test_of_files_larger_than_asked_for_a_sample_is_kept_with_a_note(folder):
    found = sequence(folder, max_examples=30)
    assert len(found.stages[0].train) + len(found.stages[0].proxy) == 30
    assert "30 of the 60 examples in the files of the pool of math were kept" in found.notes[0]
    assert ids(found.stages[0].train) == ids(sequence(folder, max_examples=30).stages[0].train)


def test_the_suite_comes_with_exact_match_from_0_to_1():
    config = load_config({"suite": {"train": 30, "validation": 8, "ood": 6, "proxy": 4}})
    found = load_sequence(config)
    assert [stage.name for stage in found.stages] == ["general", "math", "code", "reasoning", "safety"]
    for stage in found.stages:
        assert (stage.measure, stage.chance, stage.ceiling) == ("exact_match", 0.0, 1.0)
        assert [len(part) for part in (stage.train, stage.validation, stage.proxy)] == [30, 8, 4]
        assert {len(examples) for examples in stage.ood.values()} == {6}
    assert load_sequence(config) == found


def test_orders_are_resolved_in_the_order_asked_for():
    orders = resolve_orders(("reversed", RandomOrders(random=2), "canonical", ("b", "a", "c")), NAMES, seed=0)
    assert list(orders) == ["reversed", "random-1", "random-2", "canonical", "b>a>c"]
    assert (orders["canonical"], orders["reversed"], orders["b>a>c"]) == (NAMES, NAMES[::-1], ("b", "a", "c"))


@pytest.mark.parametrize("seed", range(20))
def test_random_orders_are_all_orders_but_those_taken(seed):
    orders = resolve_orders(("reversed", RandomOrders(random=1), RandomOrders(random=3)), NAMES, seed)
    assert len(set(orders.values()) | {NAMES}) == math.factorial(3)
    assert all(sorted(order) == list(NAMES) for order in orders.values())


def test_random_orders_depend_on_the_seed_alone():
    drawn = [resolve_orders((RandomOrders(random=1),), tuple("abcdef"), seed)["random-1"] for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    ("orders", "message"),
    [
        ((RandomOrders(random=6),), "at most 5 random orders of 3 stages"),
        (("reversed", RandomOrders(random=5)), "at most 4 random orders"),
        (("canonical", NAMES), "holds a>b>c twice"),
        ((("a", "b"),), "Add the stage 'c'"),
        ((("a", "b", "x"),), "There is no stage 'x'"),
        ((("a", "b", "c", "a"),), "Remove one 'a'"),
    ],
)
def test_orders_that_cannot_be_carried_out_are_refused(orders, message):
    with pytest.raises(ConfigError, match=message):
        resolve_orders(orders, NAMES, seed=0)


def test_two_stages_have_one_order_beside_the_canonical_one():
    assert resolve_orders((RandomOrders(random=1),), ("a", "b"), seed=3) == {"random-1": ("b", "a")}


@needs_shared_data
def test_the_real_files_of_two_stages_are_disjoint():
    stages = [
        {"name": name, "train": f"{name}/*.train.jsonl.gz", "validation": f"{name}/*.test.jsonl.gz", "max_train": 200}
        for name in ("math", "science")
    ]
    found = load_sequence(load_config({"stages": stages, "data_root": str(shared_data())}))
    assert [len(stage.train) for stage in found.stages] == [200, 200]


def test_data_starts_without_torch():
    code = "import sys, farsighted.data.sequences; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@needs_shared_data
@pytest.mark.parametrize("preset", ["skill", "domain", "interleaved", "llama-8b-lora"])
def test_presets_over_folders_find_their_files(preset):
    config = load_config(preset, [f"data_root={shared_data()}"])
    for stage in config.stages:
        for paths in (stage.train, stage.validation, *stage.ood.values()):
            assert find_files(paths, shared_data())


def test_overlap_makes_neighbours_share_what_is_asked():
    config = load_config({"suite": {"name": "skills", "train": 20}, "data": {"overlap": 0.2}})
    pools = [{example.id for example in stage.train} for stage in load_sequence(config).stages]
    assert [len(a & b) for a, b in itertools.pairwise(pools)] == [4] * 4


def write_scored(folder):
    rows = [{"prompt": f"scored {n}", "response": "r", "meta": {"score": n}, "empty": None} for n in range(20)]
    (folder / "scored.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize(
    ("column", "nearest"),
    [({"quality": "scroe"}, "Did you mean 'score'?"), ({"cluster": "zzz"}, "Known: empty, meta,")],
)
def test_a_column_that_no_row_of_any_file_has_is_refused_with_the_nearest_field(folder, column, nearest):
    write_scored(folder)
    ((name, given),) = column.items()
    with pytest.raises(ConfigError) as caught:
        sequence(folder, math_stage={"train": "scored.jsonl"}, columns=column)
    assert f"`data.columns.{name}`" in str(caught.value)
    assert f"no row of any file has '{given}'. {nearest}" in str(caught.value)


def test_a_column_that_some_files_have_and_others_not_is_fine_and_so_is_one_of_nulls(folder):
    write_scored(folder)
    found = sequence(folder, math_stage={"train": "scored.jsonl"}, columns={"quality": "score", "cluster": "empty"})
    assert {example.quality for example in found.stages[0].train} < set(range(20))
    assert {example.quality for example in found.stages[1].train} == {None}
