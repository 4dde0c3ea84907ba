import ast
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core import rng
from farsighted.core.rng import STREAM_NAMES, stream

addresses = st.tuples(
    st.integers(0, 5), st.sampled_from(STREAM_NAMES), st.lists(st.integers(0, 3), max_size=3).map(tuple)
)


def draws(address):
    seed, name, position = address
    return stream(seed, name, *position).integers(2**63, size=4).tolist()


@settings(max_examples=60)
@given(addresses, addresses)
def test_two_streams_are_equal_exactly_where_their_addresses_are(one, other):
    assert (draws(one) == draws(other)) == (one == other)


@settings(max_examples=20)
@given(st.integers(0, 2**40), st.sampled_from(STREAM_NAMES), st.integers(0, 4), st.integers(0, 4))
def test_a_stream_is_the_one_that_spawning_along_its_address_gives(seed, name, stage, round_):
    of_name = np.random.SeedSequence(seed).spawn(len(STREAM_NAMES))[STREAM_NAMES.index(name)]
    of_round = of_name.spawn(5)[stage].spawn(5)[round_]
    expected = np.random.Generator(np.random.PCG64(of_round)).integers(2**63, size=4)
    assert stream(seed, name, stage, round_).integers(2**63, size=4).tolist() == expected.tolist()


def test_a_stream_does_not_depend_on_how_far_another_was_drawn():
    first = stream(0, "data")
    untouched = stream(0, "selector").random(3)
    first.random(1000)
    assert stream(0, "selector").random(3).tolist() == untouched.tolist()


def test_numpys_global_generator_is_left_alone():
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 — it is the global generator that is looked at
    stream(3, "init").random(10)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002 — as above


def test_no_two_uses_of_a_stream_share_a_first_position_but_the_two_worlds_that_never_meet():
    beside_stages = [
        name for name, value in vars(rng).items() if name.isupper() and isinstance(value, int) and value > 1
    ]
    numbers = [getattr(rng, name) for name in beside_stages]
    shared = {name for name in beside_stages if numbers.count(getattr(rng, name)) > 1}
    assert shared == {"QUADRATIC_WORLD", "INTERLEAVING"}


def test_a_first_position_and_a_number_that_has_a_name_are_never_written_at_the_call():
    """It would be a second home for a position."""
    named = {value for name, value in vars(rng).items() if name.isupper() and isinstance(value, int) and value > 1}
    source = Path(rng.__file__).parents[1]
    written = [
        f"{path.name}:{call.lineno}"
        for path in source.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "stream"
        for place, number in enumerate(call.args[2:])
        if isinstance(number, ast.Constant) and (place == 0 or number.value in named)
    ]
    assert written == []
