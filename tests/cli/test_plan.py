import pytest

from farsighted import api
from oracles.cli import run_cli
from oracles.micro import nano_config, write_yaml
from oracles.no_pages import no_pages


@pytest.fixture
def nano(tmp_path):
    return write_yaml(tmp_path / "nano.yaml", nano_config(tmp_path))


def test_a_plan_says_pools_cells_tokens_time_and_disk_and_runs_nothing(nano, tmp_path):
    out = tmp_path / "out"
    said = run_cli("plan", "--executor", "inline", nano, "seeds=[0, 1]", "--out", out, "--workers", "2")
    assert (said.code, said.err) == (0, "")
    assert "general_shifted (3)" in said.out
    assert f"4 cells, 0 of them finished in {out}; to run: 4." in said.out
    assert "Candidates: 192, with " in said.out
    assert " with 2 workers, from timing a few rounds of each kind of cell on this machine, and " in said.out
    assert said.out.rstrip().endswith("kB on disk.")
    assert not out.exists()


def test_a_plan_counts_what_warm_up_runs_train_on(nano, tmp_path):
    own = "selectors=[random, {name: 'oracles.own_signals:Reads', signal: learned}]"
    said = run_cli("plan", "--executor", "inline", nano, own, "--out", tmp_path / "out")
    assert (said.code, said.err) == (0, "")
    assert " in warm-up runs." in said.out


def test_a_plan_counts_what_is_finished_and_leaves_the_folder_as_it_is(nano, tmp_path, monkeypatch):
    monkeypatch.setattr(api, "write_results", no_pages)
    out = tmp_path / "out"
    api.audit(nano, out, executor="inline")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    said = run_cli("plan", "--executor", "inline", nano, "seeds=[0, 1]", "--out", out, "-w", "1")
    assert f"4 cells, 2 of them finished in {out}; to run: 2." in said.out
    assert " with 1 worker, from" in said.out
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_a_plan_of_an_absolute_budget_is_possible(nano, tmp_path):
    said = run_cli("plan", "--executor", "inline", nano, "budgets=[60 tokens]", "--out", tmp_path / "out", "-w", "1")
    assert said.code == 0
    assert "trained: 240 response tokens" in said.out


def test_a_plan_names_learning_rates_and_the_length_of_the_probe(nano, tmp_path):
    settings = ["adaptations=[lora, p_tuning_v2]", "training={batch_size: 2}", "probe={items: 3}"]
    said = run_cli("plan", "--executor", "inline", nano, *settings, "--out", tmp_path / "out", "-w", "1")
    lines = [line for line in said.out.splitlines() if "trains" in line]
    assert lines == [
        "lora trains at a peak learning rate of 0.002 (the default of the model that ships with the package).",
        "p_tuning_v2 trains at a peak learning rate of 0.01 (the default of p_tuning_v2: "
        "Liu et al. 2022, P-tuning v2).",
        "The neutral probe trains 1 optimizer step (half of the shortest stage that is probed, at least one: "
        "'math' has 3 under a budget of 25%).",
    ]


def test_a_plan_shows_notes(nano, tmp_path):
    with (tmp_path / "math.train.jsonl").open("a") as file:
        file.write("{broken\n")
    said = run_cli(
        "plan",
        "--executor",
        "inline",
        nano,
        "data.on_bad_row=skip",
        "data.max_bad_share=0.2",
        "-w",
        "1",
        "-o",
        tmp_path / "out",
    )
    assert "Note: 1 bad rows were set aside." in said.out


def test_a_plan_refuses_what_an_audit_refuses(nano):
    said = run_cli("plan", "--executor", "inline", nano, "budgets=25")
    assert said.code == 2
    assert said.err.startswith("farsighted: `budgets")


def test_an_example_of_each_stage_is_shown_token_by_token_with_its_loss(nano, tmp_path):
    out = tmp_path / "out"
    said = run_cli("plan", "--executor", "inline", nano, "--show-example", "--out", out)
    assert said.code == 0
    first, second = said.out.split("tokens of context, ")[:2]
    assert "general" in first
    assert "math" in second
    # The byte of the line break between prompt and response is context, the end token is trained on.
    assert "'\\n'" in first.split("yes")[0]
    assert "<|end|>" in first
    assert "cells" not in said.out
    assert not out.exists()
