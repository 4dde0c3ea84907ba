import numpy as np
import pytest

from farsighted import register_signal
from farsighted.core.errors import SelectorError
from farsighted.signals.provided import once_signals, provided, text_signals
from farsighted.testing.signals import sample_texts
from oracles import own_signals  # noqa: F401 — it registers its signals

BATCH = sample_texts(3)
LENGTHS = [tokens.response_length for tokens in BATCH]


pytestmark = pytest.mark.usefixtures("signal_table")


def registered(provider, cost="forward", needs=("nll",), shape=("N",)):
    register_signal("tried", shape, cost, needs, provider)
    return frozenset({"tried"})


def test_a_built_in_signal_is_the_array_that_the_pass_left():
    nll_N = np.array([1.0, 2.0, 3.0])
    assert provided({"nll"}, BATCH, {"nll": nll_N, "hidden": np.zeros((3, 2))})["nll"] is nll_N


def test_a_provider_is_handed_the_tokens_of_each_example():
    token_nll_R = np.arange(sum(LENGTHS), dtype=np.float64)
    found = provided({"surprise"}, BATCH, {"token_nll": token_nll_R})
    assert found["surprise"].tolist() == (np.cumsum(LENGTHS) - 1).tolist()


def test_a_provider_reads_the_examples_and_what_it_needs_alone():
    def tried(seen):
        assert [example.id for example in seen.examples] == [tokens.example.id for tokens in BATCH]
        assert seen.rows.keys() == {"nll"}
        return seen.rows["nll"] * 2

    found = provided(registered(tried), BATCH, {"nll": np.arange(3.0), "entropy": np.arange(3.0)})
    assert found["tried"].tolist() == [0.0, 2.0, 4.0]


def test_what_a_provider_reads_cannot_be_written():
    def tried(seen):
        seen.rows["nll"][0] = 7.0
        return seen.rows["nll"]

    nll_N = np.arange(3.0)
    with pytest.raises(SelectorError, match="read-only"):
        provided(registered(tried), BATCH, {"nll": nll_N})
    assert nll_N.flags.writeable


def test_a_provider_that_fails_is_named_with_file_and_line():
    def tried(seen):
        return seen.rows["nil"]

    with pytest.raises(SelectorError, match=r"'tried' failed with KeyError: 'nil' \(.*test_provided\.py, line \d+\)"):
        provided(registered(tried), BATCH, {"nll": np.arange(3.0)})


@pytest.mark.parametrize("answer", [1.0, np.ones(2), np.ones((3, 2)), np.array(["a", "b", "c"])])
def test_an_answer_of_another_shape_or_kind_is_refused(answer):
    with pytest.raises(SelectorError, match="Return one row for each example"):
        provided(registered(lambda seen: answer), BATCH, {"nll": np.arange(3.0)})


def test_a_signal_that_is_computed_once_comes_from_no_pass():
    with pytest.raises(SelectorError, match="computed once for a pool"):
        provided({"prompt_share"}, BATCH, {})


def test_a_signal_of_the_text_reads_the_examples_alone():
    examples = [tokens.example for tokens in BATCH]
    wanted = [len(e.prompt) / (len(e.prompt) + len(e.response)) for e in examples]
    assert text_signals({"prompt_share"}, examples)["prompt_share"].tolist() == wanted


def test_what_a_run_left_goes_to_the_provider_one_column_an_epoch():
    left = {"nll": np.array([[3.0, 1.0], [2.0, 2.0], [1.0, 4.0]])}
    found = once_signals({"learned"}, [tokens.example for tokens in BATCH], left)
    assert found["learned"].tolist() == [2.0, 0.0, -3.0]


def test_what_no_model_in_training_decides_must_be_finite():
    left = {"nll": np.array([1.0, np.nan, np.inf])}
    with pytest.raises(SelectorError, match=r"2 of 3 examples .the first is 'example-1'"):
        once_signals({"irreducible"}, [tokens.example for tokens in BATCH], left)
