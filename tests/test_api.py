import json
import math
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import farsighted
from farsighted import api
from farsighted.api import CellsFailedError, audit, estimate_prepared, prepare
from farsighted.config.load import load_config
from farsighted.core.errors import ConfigError, DataError, InterruptedRunError, SelectorError, StorageError
from farsighted.core.names import FAMILIES
from farsighted.launch.inline import InlineExecutor
from farsighted.launch.observers import Silent
from farsighted.launch.work import Launch
from farsighted.learners.causal_lm import CausalLM
from farsighted.results.columns import COSTS, STABILITY
from farsighted.results.metrics import DIAGNOSTICS, METRICS, VARIANTS
from farsighted.store.layout import MARKER, Layout
from farsighted.store.schema import SCORES, SELECTIONS
from farsighted.worlds.skills.suite import build_suite
from oracles.cli import run_cli
from oracles.executors import Interrupted, doing, none_may_start
from oracles.micro import nano_config, row_of, write_jsonl
from oracles.no_pages import no_pages

JUDGES = """
from dataclasses import dataclass
from pathlib import Path
from farsighted import Scored, register

@register("judge")
@dataclass(frozen=True)
class Judge(Scored):
    needs = frozenset({"tokens"})
    def score(self, signals, state):
        # It passes with the candidates that it is tried on before the audit.
        if Path("mended").exists() or signals.ids[0].startswith("example-"):
            return signals["tokens"]
        raise RuntimeError("the judge is out")
"""


PLACE = f"judges.py, line {next(line for line, text in enumerate(JUDGES.splitlines(), 1) if 'raise' in text)}"


@dataclass
class Telling:
    """An observer that keeps what it is told."""

    said: list = field(default_factory=list)

    def started(self, task):
        self.said.append(("started", task.kind, task.name))

    def progressed(self, task, share):
        pass

    def numbers(self, task, readings):
        pass

    def noted(self, sentence):
        self.said.append(("noted", sentence))

    def ended(self, outcome):
        self.said.append(("ended", outcome.task.kind, outcome.task.name))


@dataclass
class Failed:
    """An audit of two cells, one of which cannot be run until it is mended."""

    config: dict
    layout: Layout
    error: CellsFailedError
    plan: dict
    results: dict
    ids: dict


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("failed")
    (folder / "judges.py").write_text(JUDGES)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        __import__("judges")
        config = nano_config(folder, selectors=["random", "judge"])
        with pytest.raises(CellsFailedError) as caught:
            audit(config, "out", workers=1)
        layout = Layout(folder / "out")
        plan, results = (json.loads(path.read_text()) for path in (layout.audit, layout.results))
        ids = {cell["selector"]: cell["id"] for cell in plan["cells"]}
        yield Failed(config, layout, caught.value, plan, results, ids)
    del sys.modules["judges"]
    farsighted.selectors.table._TABLE.pop("judge")


@pytest.fixture
def inline(monkeypatch):
    """No pages."""
    reported = []

    def report(out):
        reported.append(out)
        return no_pages(out)

    monkeypatch.setattr(api, "write_results", report)
    return reported


def test_a_cell_whose_selector_raises_has_failed_and_the_message_names_it(failed):
    told = str(failed.error)
    assert failed.error.exit_code == 1
    assert told.startswith("1 of 2 cells failed, 'judge, seed 0, canonical, 25%, lora' first: ")
    assert f"RuntimeError: the judge is out ({PLACE}). The others are in " in told
    assert str(Path("out") / "logs") in told
    assert told.endswith("the same command tries again.")


def test_the_others_are_finished_and_reported(failed):
    assert failed.layout.finished(failed.ids["random"])
    status = {cell["selector"]: cell["status"] for cell in failed.results["cells"]}
    assert status == {"random": "done", "judge": "missing"}
    assert failed.plan["failures"] == {failed.ids["judge"]: f"RuntimeError: the judge is out ({PLACE})."}


def test_the_workers_log_has_the_traceback(failed):
    assert "raise RuntimeError" in (failed.layout.logs / "worker-1.log").read_text()


def test_the_same_call_tries_the_failed_cell_again_and_no_other(failed, inline):
    before = (failed.layout.cell(failed.ids["random"]) / MARKER).stat().st_mtime_ns
    Path("mended").touch()
    told = Telling()
    audit(failed.config, "out", observer=told, executor="inline")
    assert told.said == [("started", "cell", failed.ids["judge"]), ("ended", "cell", failed.ids["judge"])]
    assert (failed.layout.cell(failed.ids["random"]) / MARKER).stat().st_mtime_ns == before
    assert json.loads(failed.layout.audit.read_text())["failures"] == {}
    assert inline == [Path("out")]


def test_shared_work_comes_before_cells_and_a_finished_audit_starts_no_worker(tmp_path, inline):
    told = Telling()
    audit(nano_config(tmp_path), tmp_path / "out", observer=told, executor="inline")
    kinds = [kind for event, kind, _ in told.said if event == "started"]
    assert kinds == ["stage", "stage", "clusters", "cell", "cell"]
    audit(nano_config(tmp_path), tmp_path / "out", executor=none_may_start)
    assert len(inline) == 2


def test_another_grid_in_the_same_folder_shares_work_and_runs_what_is_new(tmp_path, inline):
    audit(nano_config(tmp_path), tmp_path / "out", executor="inline")
    told, more = Telling(), ["selectors=[random, diversity, loss]"]
    audit(nano_config(tmp_path), tmp_path / "out", more, observer=told, executor="inline")
    assert [kind for event, kind, _ in told.said if event == "started"] == ["cell"]


def test_overrides_apply_to_every_kind_of_source(tmp_path, inline):
    for number, source in enumerate((nano_config(tmp_path), load_config(nano_config(tmp_path)))):
        out = tmp_path / str(number)
        audit(source, out, ["selectors=[random]", "title=Mine"], executor="inline")
        plan = json.loads((out / "audit.json").read_text())
        assert plan["title"] == "Mine"
        assert [cell["selector"] for cell in plan["cells"]] == ["random"]


def test_the_plan_can_be_run_again_as_it_is_written(tmp_path, inline):
    audit(nano_config(tmp_path), tmp_path / "out", executor="inline")
    plan = json.loads((tmp_path / "out" / "audit.json").read_text())
    again = prepare(load_config(plan["config"]))
    assert [cell.row() for cell in again.cells] == plan["cells"]
    assert again.inputs.fingerprints == plan["fingerprints"]


def test_the_environment_of_a_run_is_kept(tmp_path, inline):
    audit(nano_config(tmp_path), tmp_path / "out", executor="inline")
    plan = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert {"python", "machine", "torch", "transformers", "peft", "numpy"} <= plan["environment"].keys()
    assert plan["farsighted"]
    assert len(plan["model_hash"]) == 64


def test_bad_rows_are_written_to_a_quarantine_file(tmp_path, inline):
    config = nano_config(tmp_path, data={"proxy_per_stage": 0, "on_bad_row": "skip", "max_bad_share": 0.2})
    with (tmp_path / "math.train.jsonl").open("a") as file:
        file.write("{broken\n")
    audit(config, tmp_path / "out", ["selectors=[random]"], executor="inline")
    rows = [json.loads(line) for line in (tmp_path / "out" / "bad_rows.jsonl").read_text().splitlines()]
    assert [(row["line"], row["excerpt"]) for row in rows] == [(27, "{broken")]
    assert "1 bad rows were set aside." in json.loads((tmp_path / "out" / "audit.json").read_text())["notes"]


def test_shared_work_that_fails_ends_the_audit_and_names_it(tmp_path, inline, monkeypatch):
    def fail(self, batch, needs):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(CausalLM, "signals", fail)
    with pytest.raises(
        CellsFailedError, match=r"'general' could not be prepared: RuntimeError: out of memory \(.*, line \d+\)\."
    ):
        audit(nano_config(tmp_path), tmp_path / "out", executor="inline")
    assert inline == []


def test_an_interrupt_is_no_report(tmp_path, inline):
    with pytest.raises(InterruptedRunError):
        audit(nano_config(tmp_path), tmp_path / "out", executor=Interrupted)
    assert inline == []
    assert (tmp_path / "out" / "audit.json").exists()


def test_too_few_workers_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigError, match="`--workers` must be at least 1, but is 0"):
        audit(nano_config(tmp_path), tmp_path / "out", workers=0)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_refused_before_a_worker_starts(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        audit(nano_config(tmp_path), tmp_path / "file" / "out", executor=none_may_start)


def test_bad_data_is_refused_before_a_worker_starts(tmp_path):
    config = nano_config(tmp_path)
    (tmp_path / "math.train.jsonl").write_text("{broken\n")
    with pytest.raises(DataError, match=r"math\.train\.jsonl:1"):
        audit(config, tmp_path / "out", executor=none_may_start)


def test_a_selector_of_the_running_script_is_refused_before_a_worker_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(farsighted.selectors.Diversity, "__module__", "__main__")
    with pytest.raises(SelectorError, match="Move its class into a file of its own"):
        audit(nano_config(tmp_path), tmp_path / "out", executor="inline")


def test_a_cell_that_failed_here_and_that_another_process_has_finished_since_has_not_failed(tmp_path, inline):
    def told_late(opening):
        class Late(InlineExecutor):
            def run(self, tasks, observer):
                return [replace(outcome, failure="It ran out of memory.") for outcome in super().run(tasks, observer)]

        return Late.of(opening)

    # Shared work first: its failure would end the audit.
    audit(nano_config(tmp_path, selectors=["random"]), tmp_path / "out", executor="inline")
    audit(nano_config(tmp_path), tmp_path / "out", executor=told_late)
    assert json.loads(Layout(tmp_path / "out").audit.read_text())["failures"] == {}


def test_a_tracker_is_left_with_the_cells_that_failed(tmp_path, inline):
    left = []

    class Left(Silent):
        def __enter__(self):
            return self

        def __exit__(self, kind, error, trace):
            left.append(kind)

    def fail_cells(task):
        if task.kind == "cell":
            raise MemoryError
        return "done"

    with pytest.raises(CellsFailedError, match="2 of 2 cells failed"):
        audit(nano_config(tmp_path), tmp_path / "out", executor=doing(fail_cells), trackers=[lambda *_: Left()])
    assert left == [CellsFailedError]


def test_an_estimate_times_each_kind_of_cell_once_and_leaves_no_trace(tmp_path):
    measured = []

    def counted(opening):
        class Counted(InlineExecutor):
            def run(self, tasks, observer):
                measured.extend(task.kind for task in tasks)
                return super().run(tasks, observer)

        return Counted.of(opening)

    prepared = prepare(load_config(nano_config(tmp_path, seeds=[0, 1])))
    cost = estimate_prepared(prepared, tmp_path / "out", Launch(2, counted))
    assert measured == ["measure", "measure"]
    assert cost.cells == 4
    assert cost.seconds > 0
    assert not (tmp_path / "out").exists()


def test_an_estimate_of_what_cannot_be_run_names_the_cell(tmp_path, inline, monkeypatch):
    def fail(self, batch, needs):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(CausalLM, "signals", fail)
    with pytest.raises(CellsFailedError, match=r"'random, seed 0, .*' could not be timed: RuntimeError"):
        estimate_prepared(prepare(load_config(nano_config(tmp_path))), tmp_path / "out", Launch(1, "inline"))


def test_nothing_missing_costs_nothing(tmp_path, inline):
    audit(nano_config(tmp_path), tmp_path / "out", executor="inline")
    launch = Launch(1, none_may_start)
    cost = estimate_prepared(prepare(load_config(nano_config(tmp_path))), tmp_path / "out", launch)
    assert (cost.cells, cost.seconds) == (0, 0.0)


# The rest is read from one real audit of all seven selectors, a user's own, and one that answers NaN.


def test_the_audit_ends_well_although_one_cell_diverged(micro):
    assert micro.code == 0, micro.stderr
    assert {cell["selector"]: cell["status"] for cell in micro.results()["cells"]} == dict.fromkeys(
        [*FAMILIES, "Longest", "random_matched"], "done"
    ) | {"Broken": "diverged"}


def test_every_number_of_every_cell_is_there_or_has_a_reason(micro):
    for cell in micro.results()["cells"]:
        for part, columns in (("metrics", METRICS), ("diagnostics", DIAGNOSTICS)):
            assert cell[part].keys() == columns.keys()
            for key, value in cell[part].items():
                assert (value is None) == (key in cell["missing"]), (cell["selector"], key)
                assert value is None or math.isfinite(value)
        assert all(isinstance(reason, str) and reason for reason in cell["missing"].values())


def test_a_done_cell_lacks_nothing_but_what_a_reference_cannot_have(micro):
    for cell in micro.results()["cells"]:
        if cell["status"] == "done" and not cell["reference"]:
            assert set(cell["missing"]) <= {"tokens_to_threshold"}, cell["selector"]


def test_a_diverged_cell_has_no_numbers_and_names_its_examples(micro):
    cell = next(cell for cell in micro.results()["cells"] if cell["selector"] == "Broken")
    assert set(cell["metrics"].values()) == {None}
    assert cell["example_ids"]
    assert cell["example_ids"][0] in cell["reason"]
    assert all("diverged" in reason for reason in cell["missing"].values())


def test_results_hold_every_part_of_the_contract(micro):
    results = micro.results()
    parts = {"schema", "farsighted", "title", "config", "command", "environment", "reference", "cells", "summary"}
    assert parts | {"myopia", "overlap", "notes"} <= results.keys()
    assert (results["schema"], results["reference"]) == (2, "random")
    cell = results["cells"][0]
    identity = {"id", "selector", "family", "reference", "seed", "order", "stages", "budget", "adaptation"}
    measured = {"score_matrix", "ood", "probes", "variants", "cost", "stability", "per_stage", "granularity"}
    assert identity | measured | {"status", "reason", "adapter_hash", "selection_hash"} <= cell.keys()
    assert cell["cost"].keys() == COSTS.keys()
    assert cell["stability"].keys() == set(STABILITY)
    assert cell["variants"].keys() == set(VARIANTS)


def test_the_score_matrix_has_a_row_for_the_base_model_and_one_for_each_stage(micro):
    for cell in micro.results()["cells"]:
        if cell["status"] == "done":
            assert [len(row) for row in cell["score_matrix"]] == [5] * 6
            assert all(score is not None for row in cell["score_matrix"] for score in row)
            assert [len(cell["probes"][kind]) for kind in ("neutral", "own")] == [4, 4]


def test_every_selector_is_judged_beside_each_reference_but_itself(micro):
    for row in micro.results()["summary"]:
        beside = [found["reference"] for found in row["verdicts"]]
        if row["reference"]:
            assert beside == []
        elif row["selector"] == "random":
            assert beside == ["random_matched"]
            assert row["difference"] is None
        else:
            assert beside == ["random", "random_matched"]


def test_one_seed_gives_no_verdict_and_says_why(micro):
    found = [found for row in micro.results()["summary"] for found in row["verdicts"]]
    assert {one["verdict"] for one in found} == {"no verdict"}
    loss = next(row for row in micro.results()["summary"] if row["selector"] == "loss")
    assert "Both have finished seed 0 alone" in loss["verdicts"][0]["why"]


def test_the_gap_ranks_the_selectors_but_neither_references_nor_diverged_ones(micro):
    ranked = micro.results()["myopia"][0]["selectors"]
    assert set(ranked) == {*FAMILIES, "Longest"}


def test_tables_of_the_audit_hold_all_cells_with_their_names_in_front(micro):
    for name, schema in (("scores", SCORES), ("selections", SELECTIONS)):
        table = pq.read_table(micro.out / f"{name}.parquet")
        front = ["cell", "selector", "seed", "order", "budget", "adaptation"]
        assert table.column_names[: 6 + len(schema.names)] == [*front, *schema.names]
        rows = sum(pq.read_metadata(path).num_rows for path in micro.layout.cells.glob(f"*/{name}.parquet"))
        assert table.num_rows == rows


def test_an_own_selector_from_the_current_folder_is_a_row_like_any_other(micro):
    cell = next(cell for cell in micro.results()["cells"] if cell["selector"] == "Longest")
    assert cell["status"] == "done"
    assert cell["family"] == "own"
    assert cell["metrics"]["current"] is not None


def test_the_scorecard_says_what_to_read_first(micro):
    page = micro.layout.scorecard.read_text()
    assert "# Micro" in page
    assert all(name in page for name in [*FAMILIES, "Longest", "Broken"])


def test_nothing_of_a_finished_audit_is_left_over(micro):
    assert not any(micro.layout.root.glob("checkpoints/*/*"))
    assert not any(path.name.startswith(".") for path in micro.layout.root.rglob("*"))


def test_python_selects_as_the_command_line_does(tmp_path):
    suite = build_suite(train=12, validation=0, ood=0, proxy=0, seed=3).stages
    data = write_jsonl(tmp_path / "pool.jsonl", [row_of(example) for example in suite[0].train])
    history = write_jsonl(tmp_path / "history.jsonl", [row_of(example) for example in suite[1].train])
    gradient = {"name": "gradient", "score": "similarity"}
    for selector, told in ((gradient, ["-s", "gradient", "--set", "score=similarity"]), ("lhas", ["-s", "lhas"])):
        chosen = farsighted.select(data, selector=selector, budget="4 examples", history=[history], seed=2)
        chosen.write(tmp_path / "python.jsonl")
        more = ["-b", "4 examples", "--history", history, "--seed", "2", "-o", tmp_path / "shell.jsonl"]
        assert run_cli("select", data, *told, *more).code == 0
        for ending in ("", ".scores.parquet"):
            shell, python = (tmp_path / f"{name}.jsonl{ending}" for name in ("shell", "python"))
            assert python.read_bytes() == shell.read_bytes()


def test_python_selects_with_a_selector_that_has_no_name(tmp_path):
    @dataclass(frozen=True)
    class Shortest(farsighted.Scored):
        needs = frozenset({"tokens"})

        def score(self, signals, state):
            return -signals["tokens"]

    rows = [{"id": word, "prompt": "p", "response": word} for word in ("long", "no", "longer", "yes")]
    data = write_jsonl(tmp_path / "pool.jsonl", rows)
    assert farsighted.select(data, Shortest(), 0.5).ids == ("no", "yes", "long")
    with pytest.raises(ConfigError, match=r"`bugdet` must be a known key, but is none \(in farsighted\.select\)"):
        farsighted.select(data, "random", 0.5, bugdet=1)
