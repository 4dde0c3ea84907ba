"""The scripts beside the configurations: a small model is made, and the study's audits are what they say."""

import gzip
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from farsighted import audit
from farsighted.config.load import load_config
from farsighted.models.folder import context_of
from farsighted.models.loading import load_model
from farsighted.models.tokenizer import load_tokenizer
from farsighted.paper.evidence import Evidence
from farsighted.protocol.plan import build_spec
from farsighted.results.audit import read_audit

EXAMPLES = Path(__file__).parents[1] / "examples"


def script(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_8b_recipe_is_counted_by_the_command_that_its_page_names():
    command = [sys.executable, "-m", "examples.measure_8b", "--count"]
    done = subprocess.run(command, cwd=EXAMPLES.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "python -m examples.measure_8b --count" in (EXAMPLES.parent / "docs" / "8b.md").read_text()


def test_a_model_is_pretrained_from_pools_and_can_be_audited(tmp_path):
    (tmp_path / "math").mkdir()
    rows = [{"prompt": f"What is {n} + {n}?", "response": f"It is {2 * n}."} for n in range(40)]
    with gzip.open(tmp_path / "math" / "sums.train.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    small = ["--hidden", "32", "--layers", "1", "--vocabulary", "300", "--steps", "2", "--threads", "1"]
    out = tmp_path / "model"
    script("pretrain").main([str(tmp_path), str(out), "--stages", "math", *small])
    tokenizer = load_tokenizer(out)
    assert tokenizer.decode(tokenizer.encode_text("It is 12.")) == "It is 12."
    assert load_model(out, "float32").config.vocab_size == tokenizer.vocabulary_size
    assert context_of(out) == 1024


@pytest.mark.parametrize("sequence", ["skill", "domain"])
def test_the_study_runs_seven_selectors_over_five_stages_and_three_seeds(sequence, tmp_path):
    study = script("study")
    config = load_config(study.study_config(sequence, tmp_path, tmp_path))
    assert (len(config.stages), len(config.selectors), config.seeds) == (5, 7, (0, 1, 2))
    assert {stage.max_train for stage in config.stages} == {study.SIZES["max_train"]}


TINY = ["--shape", "tiny", "--batch", "2", "--length", "16", "--micro-batch-tokens", "64", "--repeats", "1"]


@pytest.mark.parametrize("full", [[], ["--full"]], ids=["lora", "full"])
def test_the_8b_recipe_is_measured_pass_by_pass(full, tmp_path):
    out = tmp_path / "found.json"
    script("measure_8b").main([*TINY, "--device", "cpu", "--out", str(out), *full])
    found = json.loads(out.read_text())
    assert found["passes"][0]["of_plain"] == 1
    assert len(found["passes"]) == 5
    assert all(row["peak_gib"] > 0 and row["tokens_per_second"] > 0 for row in found["passes"])


def test_a_random_model_of_a_shape_is_saved_as_one_that_an_audit_can_start_from(tmp_path):
    script("measure_8b").main(["--shape", "tiny", "--device", "cpu", "--dtype", "float32", "--save", str(tmp_path)])
    assert load_model(tmp_path, "float32", "cpu").config.hidden_size == 64
    assert load_tokenizer(tmp_path).vocabulary_size == 259


def test_what_the_8b_shape_must_hold_is_counted_without_making_it():
    counted = script("measure_8b").counted("8b", full=False, dtype=torch.bfloat16, micro_batch_tokens=16384)
    # Llama 3.1 8B has 8.03 billion parameters; rank 16 on its 224 linear layers adds 41.9 million.
    assert counted["weights"] == pytest.approx(8.03e9 * 2 / 2**30, rel=1e-3)
    assert counted["trained parameters (millions)"] == pytest.approx(41.94, abs=0.01)


def test_hours_of_a_cell_follow_from_the_preset_and_the_speed():
    rows = [
        {"pass": "training, with sketches", "tokens_per_second": 1000.0},
        {"pass": "scoring by loss", "tokens_per_second": 4000.0},
        {"pass": "a round by gradient: score all, train on a quarter", "tokens_per_second": 500.0},
    ]
    # Five stages of 8,000 candidates of 90 tokens are a thousand seconds of training at 3,600 tokens a second.
    hours = script("measure_8b").cell_hours(rows, length=90)
    assert hours == pytest.approx({"random": 0.25, "loss": 0.5, "gradient": 2.0})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="the 8B shape needs a CUDA device")
def test_the_8b_shape_runs_on_a_gpu(tmp_path):
    out = tmp_path / "found.json"
    script("measure_8b").main(["--repeats", "1", "--out", str(out)])
    assert len(json.loads(out.read_text())["passes"]) == 5


@pytest.mark.parametrize(
    ("arguments", "way_out"),
    [(["--repeats", "1"], "--count needs none"), (["--full", "--dtype", "bfloat16"], "leave --dtype out")],
)
def test_what_cannot_be_measured_is_told_with_the_way_out(arguments, way_out, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit):
        script("measure_8b").main(arguments)
    assert way_out in capsys.readouterr().err


def test_the_study_of_lhas_compares_at_one_budget_and_writes_its_tables(tmp_path):
    study = script("lhas_study")
    small = ["quadratic.train=64", "quadratic.validation=20", "quadratic.ood=10", "statistics.resamples=20"]
    short = ["quadratic.stages=[a,b]", "probe={steps: 1, points: 1, items: 20}", *small]
    study.main([str(tmp_path), *short, "--seeds", "2", "--workers", "1", "--audits", "proxy_4"])
    page = (tmp_path / "tables.md").read_text()
    assert page.count("\n| ") == 1 + len(study.AUDITS["proxy_4"].selectors)
    assert "long horizon − random" in page


def test_what_lhas_adds_to_a_utility_is_its_difference_to_that_utility_alone(tmp_path):
    study = script("lhas_study")
    chosen = json.dumps(["random", "loss", study.lhas("utility loss", utility="loss"), "gradient"])
    sizes = "quadratic={train: 64, validation: 20, ood: 10, stages: [a, b]}"
    settings = ["seeds=[0, 1]", "references=[]", "probe={steps: 1, points: 1, items: 20}", "statistics.resamples=20"]
    paths = audit("quadratic", tmp_path, [f"selectors={chosen}", sizes, *settings], 1)
    _, _, row = study.inside_against_alone(tmp_path).splitlines()
    means = {entry["selector"]: entry["metrics"] for entry in json.loads(paths.results.read_text())["summary"]}
    added = means["utility loss"]["current"]["mean"] - means["loss"]["current"]["mean"]
    assert row.startswith(f"| loss | {added:+.1f} [")


def test_the_sensitivity_table_has_a_row_a_variant_and_a_column_of_agreement_for_each_of_the_papers(tmp_path):
    small = ["quadratic.train=64", "quadratic.validation=20", "quadratic.ood=10", "statistics.resamples=20"]
    short = ["quadratic.stages=[a,b]", "probe={steps: 1, points: 1, items: 20}", *small]
    named = ["--variants", "as stated", "rank 6"]
    script("sensitivity").main([str(tmp_path), *short, "--seeds", "1", "--workers", "1", *named])
    head, _, *rows = (tmp_path / "sensitivity.md").read_text().splitlines()
    assert [row.split(" | ")[0] for row in rows] == ["| as stated", "| rank 6"]
    assert all(column in head for column in ("Table 1: Current", "Table 2: Mean quality", "claims 1-7: holds"))


@pytest.mark.parametrize("name", ["ablation", "remedies", "proxy_1", "proxy_shuffled", "tiny_lm"])
def test_every_audit_of_the_study_is_a_valid_configuration(name):
    study = script("lhas_study").AUDITS[name]
    config = load_config(study.preset, [*study.changes, "selectors=" + json.dumps(study.selectors), "references=[]"])
    assert study.reference in {spec.label for spec in config.selectors}
    assert len({build_spec(spec) for spec in config.selectors}) == len(study.selectors)


def test_every_variant_of_the_sensitivity_table_is_a_valid_configuration():
    for overrides in script("sensitivity").VARIANTS.values():
        load_config("quadratic", overrides)


def test_the_design_is_balanced_and_its_knobs_are_told_apart():
    design = script("tiny_lm_design")
    signs = np.array(design.settings())
    assert len({tuple(row) for row in signs}) == 8
    # Orthogonal columns: no knob's effect holds another one's.
    assert (signs.T @ signs == 8 * np.eye(len(design.KNOBS))).all()
    rows = [(sign, {"decided": 0.5 + 0.1 * sign[1] - 0.05 * sign[3]}) for sign in signs]
    assert design.effects(rows, "decided") == pytest.approx(dict(zip(design.KNOBS, (0, 0.2, 0, -0.1), strict=True)))


def test_every_setting_of_the_design_is_a_valid_audit_of_the_seven_on_pilot_data():
    design = script("tiny_lm_design")
    for setting in design.settings():
        knobs = [f"{knob}={value:g}" for knob, value in design.values_of(setting).items()]
        config = load_config("skills", [*knobs, f"seeds={list(design.PILOT_SEEDS)}", *design.PILOT])
        assert (len(config.selectors), config.seeds, config.data.seed) == (7, (100, 101), 1)


def test_a_setting_is_judged_by_pairs_whoever_is_ahead(tmp_path):
    small = ["quadratic.train=64", "quadratic.validation=20", "quadratic.ood=10", "statistics.resamples=20"]
    short = ["quadratic.stages=[a,b]", "probe={steps: 1, points: 1, items: 20}", "seeds=[0]", "references=[]"]
    audit("quadratic", tmp_path, [*small, *short])
    design = script("tiny_lm_design")
    row = design.judged(tmp_path)
    later = ["future_auc", "forgetting", "ood", "worst_task"]
    assert list(row) == ["current", *later, "decided", "turned"]
    assert row["decided"] == pytest.approx(np.mean([row[key] for key in ("current", *later)]))
    evidence = Evidence(read_audit(tmp_path).groups)
    for key, sign in (("current", 1), ("forgetting", -1)):
        found = design.sides(evidence, key)
        assert row[key] == np.mean([side != 0 for side in found.values()])
        for (first, second), side in found.items():
            one, other = evidence.of(key, first, second)
            assert side in (0, sign * np.sign(one.value - other.value))
    settings = [(sign, row) for sign in design.settings()]
    lines = design.table(settings).splitlines()
    assert len(lines) == 2 + 8 + 1 + 2 + 2
