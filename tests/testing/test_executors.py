import pytest

from farsighted.core.errors import FarsightedError
from farsighted.core.readings import Reading
from farsighted.launch.inline import InlineExecutor
from farsighted.launch.local import LocalExecutor
from farsighted.testing.executors import ExecutorConformanceError, check_executor


@pytest.mark.parametrize("make", [InlineExecutor.of, LocalExecutor])
def test_both_executors_keep_their_contract(make, tmp_path):
    check_executor(make, tmp_path)


class Wrapped:
    """An executor that is right, for tests that break one clause."""

    def __init__(self, opening):
        self.inner = InlineExecutor.of(opening)

    def __enter__(self):
        self.inner.__enter__()
        return self

    def __exit__(self, *ending):
        self.inner.__exit__(*ending)

    def run(self, tasks, observer):
        return self.inner.run(tasks, observer)


class LosesOne(Wrapped):
    def run(self, tasks, observer):
        return super().run(tasks, observer)[:-1]


class DoesTwice(Wrapped):
    def run(self, tasks, observer):
        super().run(tasks, InlineObserver())
        return super().run(tasks, observer)


class ReturnsTwice(Wrapped):
    def run(self, tasks, observer):
        return super().run(tasks, observer) * 2


class ForgetsResults(Wrapped):
    def run(self, tasks, observer):
        return [type(outcome)(outcome.task, failure=outcome.failure) for outcome in super().run(tasks, observer)]


class SwallowsErrors(Wrapped):
    def run(self, tasks, observer):
        try:
            return super().run(tasks, observer)
        except FarsightedError:
            return []


class RaisesStrangers(Wrapped):
    def run(self, tasks, observer):
        try:
            return super().run(tasks, observer)
        except FarsightedError as error:
            raise ValueError(str(error)) from error


class InlineObserver:
    """Passes on to an observer what it does not change; without one it is silent."""

    def __init__(self, inner=None):
        self.inner = inner

    def started(self, task):
        if self.inner:
            self.inner.started(task)

    def progressed(self, task, share):
        if self.inner:
            self.inner.progressed(task, share)

    def numbers(self, task, readings):
        if self.inner:
            self.inner.numbers(task, readings)

    def noted(self, sentence):
        if self.inner:
            self.inner.noted(sentence)

    def ended(self, outcome):
        if self.inner:
            self.inner.ended(outcome)


class NeverStarts(InlineObserver):
    def started(self, task):
        pass


class RoundsNumbers(InlineObserver):
    def numbers(self, task, readings):
        rounded = [
            Reading(r.what, r.value and round(r.value, 3), *r[2:]) if r.value != float("inf") else r for r in readings
        ]
        super().numbers(task, rounded)


class KeepsShares(InlineObserver):
    def progressed(self, task, share):
        pass


class StartsAllAtOnce(InlineObserver):
    """Tells of the ends when all is done."""

    def __init__(self, inner):
        super().__init__(inner)
        self.kept = []

    def ended(self, outcome):
        self.kept.append(outcome)


def telling(observer_class):
    class Telling(Wrapped):
        def run(self, tasks, observer):
            told = observer_class(observer)
            results = super().run(tasks, told)
            for outcome in getattr(told, "kept", ()):
                observer.ended(outcome)
            return results

    return Telling


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (LosesOne, r"one result a task, but lacks \['ok-3'\]"),
        (ReturnsTwice, r"has \['ok-1'.*too often"),
        (DoesTwice, "every task must be done exactly once"),
        (ForgetsResults, "'ok-1' must end with the result"),
        (SwallowsErrors, r"must raise ConfigError \(ConfigError\), but goes on"),
        (RaisesStrangers, "must raise ConfigError .* but raises ValueError"),
        (telling(NeverStarts), "must hear that 'ok-1' started"),
        (telling(RoundsNumbers), "every number of 'ok-1' once, in order and as it was"),
        (telling(KeepsShares), "how far 'ok-1' is"),
        (telling(StartsAllAtOnce), "with 1 workers .* must not start while 1 tasks run"),
    ],
)
def test_an_executor_that_breaks_a_clause_is_caught_by_its_name(make, words, tmp_path):
    with pytest.raises(ExecutorConformanceError, match=words):
        check_executor(make, tmp_path)
