"""A signal of each kind through whole audits: what selectors are given, and what it is said to cost."""

import dataclasses
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from farsighted import audit
from farsighted.candidates import warm_up as runs
from farsighted.core.errors import ConfigError, DataError, DivergedError, InterruptedRunError
from farsighted.data.templates import encode_pool
from farsighted.learners.build import TextModel, build_language_model
from farsighted.models.loading import load_model
from farsighted.models.tokenizer import load_tokenizer
from farsighted.protocol import pool_signals
from farsighted.protocol.pool_signals import PoolSignals, StartModel
from farsighted.protocol.tasks import run_cell_task, run_clusters_task, run_stage_task
from farsighted.store.layout import Layout
from farsighted.store.reader import read_meta
from farsighted.testing.fake_learner import FakeLearner
from oracles.micro import desk_of, nano_config
from oracles.own_signals import KINDS
from oracles.signal_autograd import mean_nll
from oracles.tiny_folder import save_tiny

READS = "oracles.own_signals:Reads"
RUN = {"epochs": 2, "share": 0.5}


def reads(*signals):
    return [{"name": READS, "label": name, "signal": name} for name in signals]


def told(out):
    """Selector to its cell.json."""
    metas = [read_meta(path) for path in sorted(Layout(out).cells.iterdir())]
    return {meta["selector"]: meta for meta in metas}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """All five kinds and a built-in signal, in worker processes that know them by their modules alone."""
    folder = tmp_path_factory.mktemp("kinds")
    config = nano_config(folder, selectors=["random", "loss", *reads(*KINDS.values())], signals={"warm_up": RUN})
    audit(config, folder / "out", workers=2)
    return desk_of(config, folder / "out")


def scores(run, signal):
    """Example id to score, of all candidates of the first stage."""
    cell = next(cell for cell in run.cells.values() if cell.label == signal)
    rows = pq.read_table(run.layout.cell(cell.id) / "selections.parquet").to_pylist()
    return {row["id"]: row["score"] for row in rows if row["stage_index"] == 1}


def start_model(run):
    model = TextModel(run.inputs.folder, run.inputs.model_hash, run.inputs.end_ids)
    return build_language_model(run.config, model, "lora", 0)


def first_pool(run):
    return next(iter(run.inputs.stages.values())).pool


def test_each_kind_of_signal_reaches_its_selector_in_another_process(run):
    found = told(run.layout.root)
    assert found.keys() == {"random", "loss", *KINDS.values()}
    assert {meta["status"] for meta in found.values()} == {"done"}


def test_a_selector_is_given_the_text_of_each_example(run):
    for tokens in first_pool(run).tokens:
        text = tokens.example
        share = len(text.prompt) / len(text.prompt + text.response)
        assert scores(run, "prompt_share")[text.id] == pytest.approx(share, rel=1e-12)


def test_a_selector_is_given_the_nll_under_the_start_model(run):
    pool = first_pool(run).tokens
    nll_N = start_model(run).signals(pool, frozenset({"nll"}))["nll"]
    assert scores(run, "irreducible") == {t.example.id: float(nll) for t, nll in zip(pool, nll_N, strict=True)}


def test_a_selector_is_given_what_a_run_of_two_epochs_over_half_of_the_pool_tells(run):
    pool, plan = first_pool(run).tokens, runs.WarmUpRun(2, 0.5, run.config.training.batch_size)
    nll_NE = runs.warm_up(start_model(run), pool, frozenset({"nll"}), plan, (0, 1), lambda: None).rows["nll"]
    gain_N = nll_NE[:, 0] - nll_NE[:, 1]
    assert scores(run, "learned") == {t.example.id: float(gain) for t, gain in zip(pool, gain_N, strict=True)}


def test_what_a_signal_takes_is_counted_in_each_stage(run):
    found = told(run.layout.root)
    costs = {
        name: [(row["scored_tokens"], row.get("warm_up_tokens", 0)) for row in meta["per_stage"]]
        for name, meta in found.items()
    }
    whole = [stage.pool.response_tokens for stage in run.inputs.stages.values()]
    assert costs["random"] == costs["prompt_share"] == [(0, 0)] * 2
    assert costs["surprise"] == costs["pull"] == costs["loss"]
    assert costs["irreducible"] == [(tokens, 0) for tokens in whole]
    assert [scored for scored, _ in costs["learned"]] == [2 * tokens for tokens in whole]
    for (_, trained), stage in zip(costs["learned"], run.inputs.stages.values(), strict=True):
        lengths = sorted(stage.pool.response_lengths)
        half = len(lengths) // 2
        assert 2 * sum(lengths[:half]) <= trained <= 2 * sum(lengths[-half:])


def test_seconds_of_a_warm_up_run_are_part_of_scoring(run):
    found = told(run.layout.root)
    seconds = {name: sum(row["scoring_seconds"] for row in meta["per_stage"]) for name, meta in found.items()}
    assert seconds["learned"] > seconds["loss"] > seconds["random"]


def test_the_report_has_a_column_for_warm_up_runs(run):
    page = run.layout.scorecard.read_text()
    assert "Warm-up tokens" in page


def test_signals_of_the_start_model_and_of_the_text_are_kept_once_for_a_pool(run):
    """Of two stages: text, warm-up run and reference."""
    assert len(list(run.layout.shared.glob("signals-*"))) == 6


def desk_with(tmp_path, *signals, **changes):
    """An audit whose shared work is done; its own cells are those that read the signals."""
    desk = desk_of(nano_config(tmp_path, selectors=["random", *reads(*signals)], **changes), tmp_path / "out")
    for name in desk.inputs.stages:
        run_stage_task(desk, name)
    run_clusters_task(desk)
    return dataclasses.replace(desk, cells={key: cell for key, cell in desk.cells.items() if cell.label != "random"})


def test_cells_of_a_seed_share_a_warm_up_run_and_seeds_have_their_own(tmp_path, monkeypatch):
    calls, real = [], pool_signals.warm_up
    monkeypatch.setattr(pool_signals, "warm_up", lambda *args: calls.append(args[4]) or real(*args))
    desk = desk_with(tmp_path, "learned", seeds=[0, 1], budgets=["25%", "50%"], signals={"warm_up": {"epochs": 1}})
    for cell in desk.cells:
        run_cell_task(desk, cell)
    assert sorted(calls) == [(0, 1), (0, 2), (1, 1), (1, 2)]


def test_a_warm_up_run_leaves_the_cell_as_it_would_be_without(tmp_path, monkeypatch):
    """A cell that finds the run in the shared folder trains as the one that made it."""
    desk = desk_with(tmp_path, "learned", signals={"warm_up": {"epochs": 2}})
    (cell,) = desk.cells
    run_cell_task(desk, cell)
    made = read_meta(desk.layout.cell(cell))
    shutil.rmtree(desk.layout.cells)
    monkeypatch.setattr(pool_signals, "warm_up", None)
    run_cell_task(desk, cell)
    found = read_meta(desk.layout.cell(cell))
    assert found["selection_hash"] == made["selection_hash"]
    for name in ("losses", "grad_norms", "adapter_drift", "warm_up_tokens", "scored_tokens"):
        assert [row[name] for row in found["per_stage"]] == [row[name] for row in made["per_stage"]]


def test_a_cell_that_is_stopped_in_its_warm_up_run_does_it_again(tmp_path):
    desk = desk_with(tmp_path, "learned", signals={"warm_up": {"epochs": 1}})
    (cell,) = desk.cells
    asked = iter([False, False, True])
    with pytest.raises(InterruptedRunError):
        run_cell_task(dataclasses.replace(desk, should_stop=lambda: next(asked)), cell)
    assert not list(desk.layout.shared.glob("signals-*"))
    assert run_cell_task(desk, cell) == "done"


def test_a_warm_up_run_that_diverges_ends_its_cell_as_any_divergence_does(tmp_path, monkeypatch):
    def diverge(*args):
        raise DivergedError.naming("The training loss is not finite", ["general-1"])

    monkeypatch.setattr(pool_signals, "warm_up", diverge)
    desk = desk_with(tmp_path, "learned")
    (cell,) = desk.cells
    assert run_cell_task(desk, cell) == "diverged"
    assert "general-1" in read_meta(desk.layout.cell(cell))["reason"]


def test_another_model_may_be_the_reference_and_reads_by_its_own_tokenizer(tmp_path):
    other = save_tiny(tmp_path / "other", seed=5, max_position_embeddings=512)
    desk = desk_with(tmp_path, "irreducible", signals={"reference": str(other)})
    (cell,) = desk.cells
    run_cell_task(desk, cell)
    found, lm = scores(desk, "irreducible"), load_model(other, "float32")
    examples = [tokens.example for tokens in first_pool(desk).tokens]
    for tokens in encode_pool(examples, load_tokenizer(other), 512).tokens[:5]:
        assert found[tokens.example.id] == pytest.approx(mean_nll(lm, tokens).item(), rel=1e-5)


def test_a_response_that_the_reference_model_cannot_read_whole_is_refused(tmp_path):
    other = save_tiny(tmp_path / "other", max_position_embeddings=12)
    desk = desk_with(tmp_path, "irreducible", signals={"reference": str(other)})
    with pytest.raises(DataError, match="must fit into 12 tokens"):
        run_cell_task(desk, next(iter(desk.cells)))


def test_cells_are_named_by_the_settings_of_the_signals_that_they_read_and_by_no_others(tmp_path):
    def ids(**settings):
        signals = ["surprise", "learned", "irreducible"]
        found = desk_of(nano_config(tmp_path, selectors=["random", *reads(*signals)], signals=settings), tmp_path)
        return {cell.label: cell.id for cell in found.cells.values()}

    plain, other = ids(), str(save_tiny(tmp_path / "other"))
    changed = {"learned": ids(warm_up={"epochs": 9}), "irreducible": ids(reference=other)}
    for label, found in changed.items():
        assert {name for name in plain if plain[name] != found[name]} == {label}


QUADRATIC = [
    "quadratic={stages: [a, b], train: 64, validation: 10, ood: 0, proxy: 4}",
    "seeds=[0]",
    "references=[]",
    "probe={steps: 2, points: 2, items: 10}",
    "statistics.resamples=20",
    "signals.warm_up.epochs=2",
]


def quadratic(*signals):
    rows = ", ".join(f"{{name: '{READS}', label: {name}, signal: {name}}}" for name in signals)
    return [*QUADRATIC, f"selectors=[random, loss, {rows}]"]


def test_the_quadratic_world_has_each_kind_but_text(tmp_path):
    audit("quadratic", tmp_path, quadratic("surprise", "pull", "learned", "irreducible"), executor="inline")
    found = told(tmp_path)
    assert {meta["status"] for meta in found.values()} == {"done"}
    costs = {
        name: [(row["scored_tokens"], row.get("warm_up_tokens", 0)) for row in meta["per_stage"]]
        for name, meta in found.items()
    }
    assert costs["surprise"] == costs["pull"] == costs["loss"]
    assert costs["irreducible"] == [(64, 0)] * 2
    assert costs["learned"] == [(128, 128)] * 2
    assert found["surprise"]["selection_hash"] == found["loss"]["selection_hash"], "a text has one token"


def test_the_quadratic_world_has_no_text_and_no_reference_model(tmp_path):
    with pytest.raises(ConfigError, match="'prompt_share' reads the text of examples, but examples of the quadratic"):
        audit("quadratic", tmp_path, quadratic("prompt_share"), executor="inline")
    with pytest.raises(ConfigError, match=r"signals\.reference.*None in the quadratic world"):
        audit("quadratic", tmp_path, [*QUADRATIC, "signals.reference=tiny"], executor="inline")


def test_work_without_a_folder_is_kept_nowhere(tmp_path):
    desk = desk_of(nano_config(tmp_path), tmp_path / "out")
    learner = FakeLearner()
    finder = PoolSignals(desk.config, desk.inputs, StartModel(learner, "lora", 0), None, lambda: None)
    name, stage = next(iter(desk.inputs.stages.items()))
    work = finder.of_pool(KINDS.values(), name, stage.pool)
    assert work.rows.keys() == {"prompt_share", "learned", "irreducible"}
    assert work.scored_tokens == (3 + 1) * stage.pool.response_tokens
    assert work.trained_tokens == 3 * stage.pool.response_tokens
    assert not (tmp_path / "out").exists()
    assert not np.any(learner.parameters()["weight"])
