import json
import shutil
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest

from farsighted.candidates.select import select_from_files
from farsighted.config.select import select_config
from farsighted.core.errors import ConfigError, DataError, ModelError, SelectorError
from farsighted.core.names import FAMILIES
from farsighted.learners.causal_lm import CausalLM
from farsighted.protocol.shared import load_known
from farsighted.protocol.tasks import run_clusters_task, run_stage_task
from farsighted.selectors import Scored
from farsighted.worlds.skills.suite import build_suite
from farsighted.worlds.tiny import TINY_PATH
from oracles.micro import desk_of, nano_config, row_of, without_labels, write_jsonl
from oracles.own_signals import KINDS


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A pool of 20, a history and a proxy."""
    folder = tmp_path_factory.mktemp("files")
    stages = build_suite(train=20, validation=0, ood=0, proxy=5, seed=3).stages
    write_jsonl(folder / "pool.jsonl", [row_of(example) for example in stages[1].train])
    write_jsonl(folder / "history.jsonl", [row_of(example) for example in stages[0].train])
    write_jsonl(folder / "proxy.jsonl", [row_of(example) for example in stages[2].proxy])
    write_jsonl(folder / "bare.jsonl", [{"prompt": e.prompt, "response": e.response} for e in stages[1].train])
    return folder


def selected(files, selector="loss", budget="25%", data="pool.jsonl", **more):
    """What is chosen of a file, by a selector that has a name or by one of these tests."""
    own = selector if isinstance(selector, Scored) else None
    settings = {"data": files / data, "selector": "own" if own else selector, "budget": budget, **more}
    return select_from_files(select_config(settings, "in a test"), own)


@dataclass(frozen=True)
class Length(Scored):
    """Prefers long responses."""

    needs: ClassVar[frozenset[str]] = frozenset({"tokens"})

    def score(self, signals, state):
        return signals["tokens"]


@dataclass(frozen=True)
class Difficulty(Scored):
    """Prefers what is hard."""

    needs: ClassVar[frozenset[str]] = frozenset({"difficulty"})

    def score(self, signals, state):
        return signals["difficulty"]


@pytest.mark.parametrize("unit", ["25%", "5 examples"])
def test_floors_are_shares_of_the_budget_and_a_single_stage_replays_nothing(files, unit):
    for name in ("coverage_floor", "proxy_floor", "replay"):
        floor = selected(files, {"name": name, "selector": "quality", "share": 0.5}, unit)
        assert set(floor.ranking.components[name]) <= {0.0, 1.0}
    inner = selected(files, "quality", unit)
    assert floor.ranking.order.tolist() == inner.ranking.order.tolist()


@pytest.mark.parametrize("selector", FAMILIES)
def test_every_selector_picks_within_one_example_of_the_budget(files, selector):
    chosen = selected(files, selector)
    lengths = np.array([tokens.response_length for tokens in chosen.pool.tokens])
    target = 0.25 * lengths.sum()
    assert target <= lengths[chosen.chosen].sum() < target + lengths.max()
    assert chosen.chosen.tolist() == chosen.ranking.order[: len(chosen.chosen)].tolist()
    assert len(chosen.reasons) == 20


@pytest.mark.parametrize(("budget", "count"), [("7 examples", 7), ("25% examples", 5), ("100%", 20), ("1 tokens", 1)])
def test_budgets_of_every_form_are_met(files, budget, count):
    assert len(selected(files, "random", budget).chosen) == count


def test_an_own_selector_decides_by_what_it_reads(files):
    chosen = selected(files, Length(), "3 examples")
    lengths = np.array([tokens.response_length for tokens in chosen.pool.tokens])
    assert chosen.chosen.tolist() == np.argsort(-lengths, kind="stable")[:3].tolist()


def test_the_same_request_picks_the_same_and_another_seed_draws_anew(files):
    first, second, other = (selected(files, "random", seed=seed).chosen.tolist() for seed in (0, 0, 1))
    assert first == second != other


def test_history_changes_what_lhas_picks(files):
    plain = selected(files, "lhas", proxy=files / "proxy.jsonl")
    after = selected(files, "lhas", proxy=files / "proxy.jsonl", history=files / "history.jsonl")
    # Without a history nothing is covered when the first pick is made; its concentration is 0 for the same reason.
    for part in ("coverage", "concentration"):
        assert plain.ranking.components[part][plain.ranking.order[0]] == 0
    assert after.ranking.components["concentration"][after.ranking.order[0]] > 0
    assert after.ranking.order.tolist() != plain.ranking.order.tolist()
    assert sorted(after.ranking.order) == list(range(20))


def test_a_missing_proxy_is_stood_in_for_by_the_pool_and_a_note_says_so(files):
    assert any("No --proxy was given: 20 random examples" in note for note in selected(files, "lhas").notes)
    given = selected(files, "lhas", proxy=files / "proxy.jsonl")
    assert given.notes == ()


def test_heuristic_quality_is_noted(files):
    notes = selected(files, "quality", data="bare.jsonl").notes
    assert notes == ("Quality comes from rule filters, because not every example carries it.",)


def test_a_history_without_quality_makes_the_pools_quality_heuristic_and_a_note_says_so(files):
    with_bare_history = selected(files, "quality", history=files / "bare.jsonl")
    assert "Quality comes from rule filters, because not every example carries it." in with_bare_history.notes
    assert selected(files, "quality").notes == ()


def test_every_example_knows_where_it_stands(files):
    chosen = selected(files)
    first = chosen.pool.tokens[0].example.id
    assert chosen.examples.places[first] == f"{files / 'pool.jsonl'}:1"


def test_a_budget_larger_than_the_pool_is_refused_before_a_model_is_loaded(files, monkeypatch):
    monkeypatch.setattr("farsighted.candidates.select.load_noted", None)
    with pytest.raises(ConfigError, match="21 examples is larger than the pool"):
        selected(files, budget="21 examples")


def test_a_token_without_an_embedding_is_refused_before_a_model_is_loaded(files, tmp_path, monkeypatch):
    monkeypatch.setattr("farsighted.candidates.select.load_noted", None)
    folder = shutil.copytree(TINY_PATH, tmp_path / "model")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    tokenizer["added_tokens"].append({"id": 259, "content": "<tool>", **flags})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    write_jsonl(tmp_path / "marked.jsonl", [{"prompt": "call", "response": "<tool>"}, {"prompt": "q", "response": "a"}])
    with pytest.raises(ModelError, match=r"the data has token 259 \('<tool>'\) .* has 259 rows: 1 are missing"):
        selected(tmp_path, data="marked.jsonl", model=str(folder))


def test_what_the_model_is_made_of_is_a_note(files, tmp_path):
    folder = shutil.copytree(TINY_PATH, tmp_path / "model")
    (folder / "adapter_config.json").write_text("{}")
    (note,) = selected(files, model=str(folder)).notes
    assert "(adapter_config.json) is not loaded, because full weights stand beside it" in note


def test_examples_longer_than_the_models_context_are_refused_skipped_or_cut(files, tmp_path):
    rows = [row_of(example) for example in build_suite(train=3, validation=0, ood=0, proxy=0, seed=3).stages[0].train]
    rows[1]["prompt"] = "x" * 5000
    write_jsonl(tmp_path / "long.jsonl", rows)
    with pytest.raises(DataError, match=f"but 1 of 3 are longer.*\n  '{rows[1]['id']}' .*long.jsonl:2. has 5,005"):
        selected(tmp_path, data="long.jsonl")
    skipped = selected(tmp_path, data="long.jsonl", on_long="skip")
    assert len(skipped.pool) == 2
    assert "1 examples do not fit into 1024 tokens: left out." in skipped.notes
    assert len(selected(tmp_path, data="long.jsonl", on_long="truncate_prompt").pool) == 3


def test_files_of_which_nothing_fits_are_refused(tmp_path):
    write_jsonl(tmp_path / "long.jsonl", [{"prompt": "x" * 5000, "response": "y"}])
    with pytest.raises(ConfigError, match=r"No example of .* fits into 1024 tokens"):
        selected(tmp_path, data="long.jsonl", on_long="skip")


@pytest.fixture
def passes(monkeypatch):
    """The signals of every pass of the model."""
    made = []
    plain = CausalLM.signals

    def counted(learner, batch, needs):
        made.append(sorted(needs))
        return plain(learner, batch, needs)

    monkeypatch.setattr(CausalLM, "signals", counted)
    return made


def test_another_budget_another_seed_and_another_selector_that_reads_the_same_take_no_pass(files, tmp_path, passes):
    scored = selected(files, "loss", "10%", cache=tmp_path)
    assert passes == [["nll"]]
    again = selected(files, "loss", "25%", cache=tmp_path, seed=1)
    selected(files, Difficulty(), data="bare.jsonl", cache=tmp_path)
    assert passes == [["nll"]]
    assert again.ranking.score.tobytes() == scored.ranking.score.tobytes()


def test_a_selector_that_reads_more_takes_a_pass_for_what_is_missing(files, tmp_path, passes):
    proxy = files / "proxy.jsonl"
    selected(files, "utility_diversity", cache=tmp_path)
    selected(files, "lhas", cache=tmp_path, proxy=proxy)
    before = len(passes)
    assert passes == [["logit_sketch", "nuclear_norm"], ["embedding", "head_sketch"], ["head_sketch"]]
    selected(files, "lhas", cache=tmp_path, proxy=proxy, history=files / "history.jsonl")
    # Of the history all is missing; of pool and proxy nothing.
    assert len(passes) == before + 1


@pytest.mark.parametrize("selector", ["gradient", "lhas"])
def test_a_cache_changes_no_bit_of_a_choice(files, tmp_path, selector):
    more = {"history": files / "history.jsonl"}
    plain = selected(files, selector, cache_megabytes=0, **more)
    for _ in range(2):
        cached = selected(files, selector, cache=tmp_path, **more)
        assert cached.chosen.tolist() == plain.chosen.tolist()
        assert cached.ranking.score.tobytes() == plain.ranking.score.tobytes()


def test_gradients_of_another_seeds_adapter_are_not_found(files, tmp_path, passes):
    for seed in (0, 1, 0):
        selected(files, "gradient", cache=tmp_path, seed=seed)
    assert passes == [["grad_norm"]] * 2


@dataclass(frozen=True)
class Keeper(Scored):
    """Ranks by nothing, and keeps what it was shown."""

    shown: dict = field(default_factory=dict)
    needs: ClassVar[frozenset[str]] = frozenset({"embedding", "cluster", "difficulty", "quality", "tokens"})

    def score(self, signals, state):
        self.shown.update(signals.rows)
        return np.zeros(len(signals))


@pytest.mark.parametrize("left_out", [(), ("quality", "difficulty", "cluster")], ids=["labels", "heuristics"])
def test_a_selection_knows_of_a_pool_what_an_audit_knows_to_the_last_bit(tmp_path, left_out):
    config = nano_config(tmp_path, data={"proxy_per_stage": 0})
    without_labels(tmp_path, *left_out)
    desk = desk_of({**config, "stages": config["stages"][:1]}, tmp_path / "out")
    (name,) = desk.inputs.stages
    run_stage_task(desk, name)
    run_clusters_task(desk)
    audited = load_known(desk.config, desk.inputs, desk.layout)[name].rows
    keeper = Keeper()
    selected(tmp_path, keeper, data=config["stages"][0]["train"])
    assert keeper.shown.keys() == audited.keys()
    for signal, array in audited.items():
        assert keeper.shown[signal].dtype == array.dtype, signal
        assert keeper.shown[signal].tobytes() == array.tobytes(), signal


def test_labels_spare_the_model_its_passes(files, passes):
    selected(files, Keeper())
    assert passes == [["embedding"]]
    selected(files, {"name": "coverage_floor", "selector": "quality"}, "5 examples")
    assert passes == [["embedding"]]


@pytest.mark.parametrize("kind", ["text", "forward", "backward", "reference"])
def test_a_signal_of_anyones_decides_a_selection_with_a_history_or_without(files, kind):
    reads = {"name": "oracles.own_signals:Reads", "signal": KINDS[kind]}
    plain = selected(files, reads, history=files / "history.jsonl")
    assert selected(files, reads, history=files / "history.jsonl").ids == plain.ids
    if kind == "text":
        share_N = [
            len(item.example.prompt) / len(item.example.prompt + item.example.response) for item in plain.pool.tokens
        ]
        np.testing.assert_allclose(plain.ranking.score, share_N)
    if kind == "reference":
        nll = selected(files, "loss").ranking.score
        np.testing.assert_array_equal(plain.ranking.score, nll)


def test_a_signal_of_a_warm_up_run_is_refused_before_a_model_is_loaded(files, monkeypatch):
    monkeypatch.setattr("farsighted.candidates.select.load_noted", None)
    with pytest.raises(SelectorError, match="must do without a warm-up run, but the selector needs 'learned'"):
        selected(files, {"name": "oracles.own_signals:Reads", "signal": KINDS["warm_up"]})
