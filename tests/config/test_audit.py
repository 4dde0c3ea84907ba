"""The whole tree."""

import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from farsighted.config.audit import AuditConfig
from farsighted.config.messages import all_keys
from farsighted.core.values import Budget

STAGES = [
    {"name": "math", "train": "m.jsonl", "validation": 10, "ood": {"svamp": "s.jsonl"}},
    {"name": "code", "train": "c/*.jsonl", "validation": ["v.jsonl"]},
]
FULL = {
    "title": "T",
    "stages": STAGES,
    "data_root": "/data",
    "orders": ["canonical", {"random": 1}, ["code", "math"]],
    "budgets": ["10%", 1 / 3, "5000 tokens"],
    "selectors": ["random", "loss", {"name": "lhas", "lambda_": 0.5}],
    "adaptations": ["lora", "full"],
    "lora": {"targets": ["q_proj", "v_proj"]},
    "model": {"context": None},
}


def models(root=AuditConfig):
    for field in root.model_fields.values():
        for part in re.findall(r"\w+Config", str(field.annotation)):
            model = next(found for found in BaseModel.__subclasses__() + all_models() if found.__name__ == part)
            yield model
    yield root


def all_models(root=BaseModel):
    return [below for model in root.__subclasses__() for below in (model, *all_models(model))]


@pytest.mark.parametrize("tree", [{"suite": {}}, FULL], ids=["defaults", "everything set"])
def test_a_configuration_comes_back_from_its_json_form(tree):
    config = AuditConfig.model_validate(tree)
    assert AuditConfig.model_validate(json.loads(json.dumps(config.model_dump(mode="json")))) == config


def test_the_defaults_are_the_documented_ones():
    config = AuditConfig.model_validate({"suite": {}})
    assert config.seeds == (0, 1, 2)
    assert config.budgets == (Budget(0.25),)
    assert config.orders == ("canonical",)
    assert [spec.label for spec in config.references] == ["random_matched"]
    assert (config.training.batch_size, config.training.learning_rate, config.lora.r) == (16, None, 16)
    assert config.learning_rate("lora") == 2e-3
    assert (config.probe.steps, config.probe.step_count, config.probe.points, config.signals.k) == (None, 8, 4, 8)
    assert config.cache.megabytes == 2048


def test_every_field_of_the_tree_is_described():
    for model in models():
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"


def test_keys_are_listed_as_paths():
    keys = all_keys(AuditConfig)
    assert {"title", "training.batch_size", "stages[].train", "suite.train", "lora.r"} <= set(keys)


def test_the_tree_is_frozen():
    config = AuditConfig.model_validate({"suite": {}})
    with pytest.raises(ValidationError, match="frozen"):
        config.training.batch_size = 3


@pytest.mark.parametrize("key", ["seeds", "budgets", "orders", "selectors", "adaptations"])
def test_a_lone_entry_stands_for_a_list_of_one(key):
    entry = {"seeds": 0, "budgets": "5%", "orders": {"random": 1}, "selectors": "random", "adaptations": "full"}[key]
    assert len(getattr(AuditConfig.model_validate({"suite": {}, key: entry}), key)) == 1


@pytest.mark.parametrize("tree", [{}, {"suite": {}, "stages": STAGES}])
def test_exactly_one_of_suite_and_stages_is_asked_for(tree):
    with pytest.raises(ValidationError, match="exactly one of `suite`, `stages` and `quadratic`"):
        AuditConfig.model_validate(tree)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"seeds": [1, 1]}, "without repetition, but is '1'"),
        ({"budgets": ["25%", 0.25]}, "without repetition, but is '25%'"),
        ({"adaptations": ["lora", "lora"]}, "without repetition"),
        ({"selectors": ["random", "random"]}, "distinct labels, but is 'random'"),
        ({"selectors": ["random", "random_matched"]}, "distinct labels, but is 'random_matched'"),
        ({"selectors": ["loss", "lhas"]}, "one of `selectors`, but is 'random'. Add it to `selectors`"),
        ({"statistics": {"reference": "random_matched"}}, "or choose one of: random, loss, gradient"),
        ({"statistics": {"reference": ["random", "nobody"]}}, "under `selectors` or `references`, but is 'nobody'"),
        ({"statistics": {"reference": ["random", "random"]}}, "without repetition"),
        ({"statistics": {"reference": []}}, "reference"),
        ({"statistics": {"correction": "bonferroni"}}, "correction"),
        ({"statistics": {"smallest_effect": {"now": -1}}}, "now"),
        ({"probe": {"steps": 2, "points": 3}}, r"at most `steps` \(2\), but is 3"),
        ({"long_horizon": dict.fromkeys(("final_average", "future_auc", "forgetting", "ood"), 0)}, "one above 0"),
        ({"model": {"context": 1}}, "context"),
        ({"model": {"dtype": "int8"}}, "dtype"),
        ({"training": {"grad_clip": 0}}, "grad_clip"),
        ({"training": {"warmup_share": 1.0}}, "warmup_share"),
        ({"u_long": {"alpha": -1}}, "alpha"),
        ({"statistics": {"resamples": 0}}, "resamples"),
        ({"evaluation": {"evaluate": "future"}}, "evaluate"),
        ({"signals": {"k": 1}}, "k"),
        ({"cache": {"megabytes": -1}}, "megabytes"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(part, message):
    with pytest.raises(ValidationError, match=message):
        AuditConfig.model_validate({"suite": {}, **part})


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([STAGES[0], STAGES[0]], "distinct, but is 'math'"),
        ([STAGES[0], {**STAGES[1], "ood": {"math": "x"}}], "named unlike every stage"),
        ([STAGES[0], {**STAGES[1], "ood": {"svamp": "other.jsonl"}}], "the same files, `max_ood`"),
        (
            [STAGES[0], {**STAGES[1], "ood": {"svamp": "s.jsonl"}, "max_ood": 5}],
            "the same files, `max_ood` and measure",
        ),
        ([], "stages"),
    ],
)
def test_names_of_stages_and_sets_stand_for_one_thing(stages, message):
    with pytest.raises(ValidationError, match=message):
        AuditConfig.model_validate({"stages": stages})


def test_stages_may_share_a_shifted_set():
    shared = [STAGES[0], {**STAGES[1], "ood": {"svamp": "s.jsonl"}}]
    assert len(AuditConfig.model_validate({"stages": shared}).stages) == 2


def test_an_explicit_order_of_files_is_checked_against_the_stages():
    with pytest.raises(ValidationError, match=r"every stage once.*There is no stage 'law'"):
        AuditConfig.model_validate({"stages": STAGES, "orders": [["math", "law"]]})


def test_a_path_may_be_given_as_one():
    assert AuditConfig.model_validate({"suite": {}, "data_root": Path("/d")}).data_root == Path("/d")


def test_a_lone_reference_is_a_list_of_one_and_further_ones_may_be_reference_rows():
    assert AuditConfig(suite={}, statistics={"reference": "loss"}).statistics.reference == ("loss",)
    several = AuditConfig(suite={}, statistics={"reference": ["random", "diversity", "random_matched"]})
    assert several.record()["statistics"]["reference"] == ["random", "diversity", "random_matched"]


def test_verdicts_are_corrected_and_small_effects_do_not_matter_unless_told():
    found = AuditConfig(suite={}).statistics
    assert (found.resamples, found.correction) == (10_000, "holm")
    assert (found.smallest_effect.now, found.smallest_effect.later) == (0.5, 0.005)
