import dataclasses
import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core import fingerprint
from farsighted.core.values import Example, Gold

EXAMPLE = Example("a", "p", "r", "math", 0.5, 0.25, "file", ("r", "s"), 0)
CHANGED = {
    "id": "b",
    "prompt": "q",
    "response": "s",
    "cluster": None,
    "difficulty": None,
    "quality": 0.75,
    "source": "other",
    "choices": ("r",),
    "answer_index": 1,
    "gold": Gold(answers=("t",)),
    "turns": (("system", "s"),),
    "conversation": "{}",
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60)
@given(st.dictionaries(st.text(max_size=3), json_values, max_size=4))
def test_the_order_of_keys_decides_no_hash(value):
    assert fingerprint.of_json(value) == fingerprint.of_json(dict(reversed(value.items())))


def test_a_json_value_is_hashed_as_sorted_text_without_spaces():
    assert (
        fingerprint.of_json({"b": [1, "ä"], "a": None}) == hashlib.sha256('{"a":null,"b":[1,"ä"]}'.encode()).hexdigest()
    )


def test_nan_has_no_fingerprint():
    with pytest.raises(ValueError, match="JSON"):
        fingerprint.of_json({"score": float("nan")})


def test_the_order_in_which_arrays_are_named_decides_nothing():
    one, two = np.arange(3.0), np.ones((2, 2))
    assert fingerprint.of_arrays({"a": one, "b": two}) == fingerprint.of_arrays({"b": two, "a": one})


@pytest.mark.parametrize(
    "other",
    [
        {"b": np.arange(6.0)},
        {"a": np.arange(6.0).reshape(2, 3)},
        {"a": np.arange(6.0, dtype=np.float32)},
        {"a": np.arange(6.0)[::-1]},
        {"a": np.arange(6.0), "b": np.empty(0)},
    ],
    ids=["name", "shape", "type", "values", "one more"],
)
def test_name_shape_type_and_values_of_arrays_all_count(other):
    assert fingerprint.of_arrays({"a": np.arange(6.0)}) != fingerprint.of_arrays(other)


def test_how_an_array_lies_in_memory_does_not_count():
    values = np.arange(6.0).reshape(2, 3)
    assert fingerprint.of_arrays({"a": np.asfortranarray(values)}) == fingerprint.of_arrays({"a": values})


@pytest.mark.parametrize("name", [entry.name for entry in dataclasses.fields(Example)])
def test_every_field_of_an_example_counts(name):
    changed = dataclasses.replace(EXAMPLE, **{name: CHANGED[name]})
    assert fingerprint.of_examples([EXAMPLE]) != fingerprint.of_examples([changed])


def test_the_order_of_examples_counts():
    other = dataclasses.replace(EXAMPLE, id="b")
    assert fingerprint.of_examples([EXAMPLE, other]) != fingerprint.of_examples([other, EXAMPLE])


def test_files_count_by_name_and_content_and_in_no_order(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("x")
    two.write_text("y")
    before = fingerprint.of_files([one, two])
    assert fingerprint.of_files([two, one]) == before
    two.write_text("z")
    changed = fingerprint.of_files([one, two])
    two.write_text("y")
    assert before not in {changed, fingerprint.of_files([one, two.rename(tmp_path / "three")])}
    assert fingerprint.of_files([one, tmp_path / "three"]) != fingerprint.of_files([one])
