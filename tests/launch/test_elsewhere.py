"""Tasks that others hold: every one ends once, here or there, whoever dies."""

import contextlib

import pytest

from farsighted.core.errors import InterruptedRunError
from farsighted.launch.elsewhere import SharedFolder, held_by
from farsighted.launch.inline import InlineExecutor
from farsighted.launch.work import Task, TaskResult
from farsighted.protocol.tasks import Unit
from farsighted.store.claims import Claims, Found

TASKS = [Task("cell", name) for name in ("a", "b", "c")]


class World:
    """Tasks whose result is a file, some of them held by another process, which does what it likes at each pause."""

    def __init__(self, folder, *at_pauses):
        self.root, self.claims, self.at_pauses = folder, Claims(folder / "claims"), list(at_pauses)
        self.tried, self.told = [], []
        self.others = {}

    def run(self):
        unit = lambda task: Unit(task.name, (self.root / task.name).exists)  # noqa: E731
        with InlineExecutor(lambda line: self.do, self.root / "logs") as executor:
            return SharedFolder(self.claims, unit, self.pause).run(executor, TASKS, self)

    def do(self, task):
        self.tried.append(task.name)
        taken = self.claims.take(task.name)
        if isinstance(taken, Found):
            return {"held_by": str(taken.holder)}
        with taken:
            (self.root / task.name).touch()
            return "done"

    def pause(self, seconds):
        assert seconds > 0
        self.at_pauses.pop(0)(self)

    def hold(self, name):
        """Another process takes a task."""
        self.others[name] = contextlib.ExitStack()
        self.others[name].enter_context(self.claims.take(name))

    def finish(self, name):
        (self.root / name).touch()
        self.others.pop(name).close()

    def die(self, name):
        self.others.pop(name).__exit__(InterruptedError, InterruptedError(), None)

    def started(self, task):
        self.told.append(("started", task.name))

    def ended(self, outcome):
        self.told.append((held_by(outcome) or outcome.result, outcome.task.name))


def ended(results):
    return {outcome.task.name: outcome.result for outcome in results}


def test_what_nobody_holds_is_done_here_without_a_pause(tmp_path):
    world = World(tmp_path)
    assert ended(world.run()) == {"a": "done", "b": "done", "c": "done"}
    assert world.tried == ["a", "b", "c"]


def test_what_another_process_holds_comes_last_and_is_not_done_twice(tmp_path):
    world = World(tmp_path, lambda world: None, lambda world: world.finish("a"))
    world.hold("a")
    who = str(world.claims.find("a").holder)
    assert ended(world.run()) == {"a": f"finished by {who}", "b": "done", "c": "done"}
    assert world.tried == ["a", "b", "c"]
    assert world.told[1] == (who, "a")
    assert world.told[-1] == (f"finished by {who}", "a")


def test_what_another_process_leaves_undone_is_done_here(tmp_path):
    world = World(tmp_path, lambda world: world.die("a"), lambda world: world.finish("c"))
    world.hold("a")
    world.hold("c")
    assert ended(world.run()).keys() == {"a", "b", "c"}
    assert world.tried == ["a", "b", "c", "a"]
    assert (tmp_path / "a").exists()


def test_what_a_third_process_takes_over_is_waited_for_again(tmp_path):
    class Thief:
        """Lets a third process be quicker, once the holder is seen to be dead."""

        def __init__(self, world):
            self.world, self.claims, self.stolen = world, world.claims, False

        def held(self, name):
            found = self.claims.held(name)
            if found is None and not self.stolen:
                self.stolen = True
                self.world.hold(name)
            return found

    world = World(tmp_path, lambda world: world.die("a"), lambda world: world.finish("a"))
    world.hold("a")
    thief = Thief(world)
    unit = lambda task: Unit(task.name, (tmp_path / task.name).exists)  # noqa: E731
    with InlineExecutor(lambda line: world.do, tmp_path / "logs") as executor:
        results = SharedFolder(thief, unit, world.pause).run(executor, TASKS, world)
    assert ended(results)["a"].startswith("finished by")
    assert world.tried == ["a", "b", "c", "a"]
    assert world.claims.find("a") is None


def test_a_failure_here_is_one_result_among_the_others(tmp_path):
    world = World(tmp_path, lambda world: world.die("a"))
    world.hold("a")
    do = world.do

    def failing(task):
        if task.name == "a" and "a" not in world.others:
            raise ValueError("the rule is wrong")
        return do(task)

    world.do = failing
    failures = {outcome.task.name: outcome.failure for outcome in world.run()}
    assert failures.pop("a").startswith("ValueError: the rule is wrong (")
    assert failures == {"b": None, "c": None}


def test_ctrl_c_ends_the_waiting_at_once(tmp_path):
    def interrupt(world):
        raise KeyboardInterrupt

    world = World(tmp_path, interrupt)
    world.hold("a")
    with pytest.raises(InterruptedRunError, match=r"Stopped while waiting for other processes.*goes on"):
        world.run()
    assert (tmp_path / "b").exists()


@pytest.mark.parametrize("result", [None, "done", {"rates": 1}, {}])
def test_other_results_are_no_word_of_a_holder(result):
    assert held_by(TaskResult(TASKS[0], result)) is None
