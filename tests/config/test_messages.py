"""Sentences about errors."""

import pytest

from farsighted.config.audit import AuditConfig
from farsighted.config.load import load_config
from farsighted.config.messages import FOREIGN_NAMES, NO_COUNTERPART, all_keys, key_text, shown
from farsighted.core.errors import ConfigError


def message(**parts):
    with pytest.raises(ConfigError) as caught:
        load_config({"suite": {}, **parts})
    return str(caught.value)


def test_every_foreign_name_leads_to_a_key_that_exists_and_is_none_itself():
    keys = all_keys(AuditConfig)
    assert set(FOREIGN_NAMES.values()) <= set(keys)
    top = {key for key in keys if "." not in key}
    assert not top & (FOREIGN_NAMES.keys() | NO_COUNTERPART.keys())


@pytest.mark.parametrize(
    ("parts", "advice"),
    [
        ({"training": {"lr": 1}}, "`training.lr` must be a known key, but is none (in the mapping). Did you mean "
        "`training.learning_rate`?"),
        ({"train_batch_size": 4}, "Did you mean `training.batch_size`?"),
        ({"training": {"lora_r": 4}}, "Did you mean `lora.r`?"),
        ({"num_train_epochs": 3}, "A stage is one pass over its pool, cut by `budgets`; remove the key."),
        ({"batch_size": 4}, "Did you mean `training.batch_size`?"),
        ({"budgetts": ["5%"]}, "Did you mean 'budgets'?"),
        ({"lora": {"dropuot": 0}}, "Did you mean 'dropout'?"),
        ({"lora": {"zzz": 0}}, "Known: alpha, dropout, r, targets."),
    ],
)  # fmt: skip
def test_an_unknown_key_is_answered_with_the_nearest_one(parts, advice):
    assert advice in message(**parts)


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"training": {"batch_size": 0}}, "`training.batch_size` must be at least 1, but is 0 (in the mapping)."),
        ({"training": {"batch_size": 2.5}}, "must be a whole number, but is 2.5"),
        ({"training": {"batch_size": True}}, "must be a whole number, but is true"),
        ({"training": {"learning_rate": "fast"}}, "must be a number, but is 'fast'"),
        ({"training": {"learning_rate": float("nan")}}, "must be a finite number, but is nan"),
        ({"training": {"train_head": 1}}, "must be true or false, but is 1"),
        ({"training": {"schedule": "cosin"}}, "must be 'linear', 'cosine' or 'constant', but is 'cosin' "
        "(in the mapping). Did you mean 'cosine'?"),
        ({"training": 3}, "`training` must be a mapping of keys to values, but is 3"),
        ({"training": None}, "`training` must be a mapping of keys to values, but is empty"),
        ({"title": 3}, "`title` must be text, but is 3 (in the mapping). Put it in quotes"),
        ({"title": ""}, "`title` must be text of at least one character"),
        ({"seeds": []}, "`seeds` must be a list of at least 1"),
        ({"seeds": [-1]}, "`seeds[0]` must be at least 0, but is -1"),
        ({"statistics": {"confidence": 1}}, "must be less than 1, but is 1"),
        ({"data": {"max_bad_share": 2}}, "must be at most 1, but is 2"),
        ({"lora": {"alpha": 0}}, "must be greater than 0, but is 0"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_answered_with_what_must_be_and_what_is(parts, sentence):
    assert sentence in message(**parts)


def test_a_wrong_value_is_explained_by_the_text_and_default_of_its_field():
    assert "It is: Rank. Its default is 16." in message(lora={"r": 0})


def test_several_errors_are_told_at_once_and_no_more_than_ten():
    lines = message(seeds=[-1] * 14).splitlines()
    assert len(lines) == 11
    assert lines[-1] == "... and 4 more of this kind."


def test_a_list_whose_entries_are_refused_is_not_called_too_short():
    assert "at least 1" not in message(budgets=[25])


def test_paths_and_values_are_shown_as_written():
    assert key_text(("stages", 0, "ood", "x")) == "stages[0].ood.x"
    assert shown("x" * 90) == "'" + "x" * 56 + "..."
