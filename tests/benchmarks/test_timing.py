import time

import torch

from benchmarks.timing import race, threads


def test_every_contestant_has_one_turn_a_round_after_one_to_warm_up():
    turns = []
    times = race({"a": lambda: turns.append("a"), "b": lambda: turns.append("b")}, 4, "cpu")
    assert turns[:2] == ["a", "b"]
    rounds = [tuple(turns[start : start + 2]) for start in range(2, 10, 2)]
    assert {*rounds} == {("a", "b"), ("b", "a")}
    assert {name: len(taken) for name, taken in times.items()} == {"a": 4, "b": 4}


def test_a_time_is_what_passed_in_the_turn():
    times = race({"slow": lambda: time.sleep(0.02), "fast": lambda: None}, 2, "cpu")
    assert times["slow"].min() >= 0.02 > times["fast"].min()


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
