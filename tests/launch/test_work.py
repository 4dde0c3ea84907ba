import pytest

from farsighted.core.errors import (
    ConfigError,
    DataError,
    FarsightedError,
    ModelError,
    SelectorError,
    StorageError,
)
from farsighted.launch.work import Failure, Launch


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConfigError("It must be 1. Write 1."), "It must be 1. Write 1."),
        (RuntimeError("the judge is out"), "RuntimeError: the judge is out."),
        (RuntimeError("Done."), "RuntimeError: Done."),
        (KeyError("x"), "KeyError: 'x'."),
        (ValueError(), "ValueError."),
    ],
)
def test_messages_are_sentences(error, message):
    assert Failure.of(error).message == message


@pytest.mark.parametrize("kind", [ConfigError, DataError, ModelError, StorageError])
def test_what_no_task_would_get_around_ends_everything_and_comes_out_as_it_went_in(kind):
    failure = Failure.of(kind("It went wrong."))
    assert failure.ends_everything
    assert type(failure.error()) is kind
    assert str(failure.error()) == "It went wrong."


class Stranger:
    """A library of somebody's, with an error of the name of one of ours."""

    class DataError(Exception):
        pass


@pytest.mark.parametrize(
    "error", [SelectorError("It ranks nothing."), RuntimeError("boom"), MemoryError(), Stranger.DataError("no table")]
)
def test_a_selectors_mistake_and_a_strangers_are_their_own(error):
    assert not Failure.of(error).ends_everything
    assert isinstance(Failure.of(error).error(), FarsightedError)


def test_no_workers_are_refused():
    with pytest.raises(ConfigError, match="`--workers` must be at least 1, but is 0"):
        Launch(0)
