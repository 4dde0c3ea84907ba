from pathlib import Path
from typing import get_type_hints

import pytest

from farsighted.config.audit import AuditConfig
from farsighted.config.select import SelectConfig, SelectOptions, select_config
from farsighted.core.errors import ConfigError
from farsighted.core.values import Budget

LEAST = {"data": "pool.jsonl", "selector": "loss", "budget": "25%"}


def test_a_selection_needs_data_a_selector_and_a_budget():
    options = select_config(LEAST, "in a test")
    assert options.data == ("pool.jsonl",)
    assert (options.selector.name, options.selector.parameters) == ("loss", {})
    assert options.budget == Budget(0.25)
    for key in LEAST:
        with pytest.raises(ConfigError, match=rf"`{key}` must be given, but is missing \(in a test\)"):
            select_config({name: value for name, value in LEAST.items() if name != key}, "in a test")


def test_paths_stand_for_their_text_alone_and_in_lists():
    options = select_config({**LEAST, "data": [Path("a"), "b"], "history": Path("c"), "model": Path("d")}, "in a test")
    assert (options.data, options.history, options.proxy, options.model) == (("a", "b"), ("c",), (), "d")


def test_what_python_may_be_given_is_what_the_tree_has():
    assert get_type_hints(SelectOptions).keys() | LEAST.keys() == SelectConfig.model_fields.keys()


@pytest.mark.parametrize(
    ("section", "keys"),
    [
        ("data", ("on_long", "on_bad_row", "max_bad_share", "columns", "ids", "max_examples", "turns", "template")),
        ("signals", ("embedding", "k")),
    ],
)
def test_keys_of_an_audit_have_the_same_default_here(section, keys):
    audit = AuditConfig.model_validate({"suite": {}})
    options = select_config(LEAST, "in a test")
    for key in keys:
        assert getattr(options, key) == getattr(getattr(audit, section), key), key
    assert options.quality == audit.quality
    assert options.cache_megabytes == audit.cache.megabytes
    assert options.model == audit.model.path


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"budget": 25}, "`budget` must be a share in (0, 1] or a number with its unit, but is 25 (in a test)."),
        ({"columns": {"prmpt": "ask"}}, "`columns.prmpt` must be 'id', 'prompt',"),
        ({"columns": {"prmpt": "ask"}}, "but is 'prmpt' (in a test). Did you mean 'prompt'?"),
        ({"quality": {"source": "judge"}}, "`quality.judge.model` must be the name of a model, but is '' (in a test)."),
        ({"quality": {"sauce": "ifd"}}, "`quality.sauce` must be a known key"),
        ({"bugdet": "10%"}, "`bugdet` must be a known key, but is none (in a test). Did you mean 'budget'?"),
        ({"max_length": 9}, "`max_length` must be a known key, but is none (in a test). Known: budget,"),
        ({"seed": -1}, "`seed` must be at least 0, but is -1"),
        ({"data": []}, "`data` must be a path, a glob, a folder, or a list of them"),
        ({"history": [1]}, "`history` must be a path, a glob, a folder, or a list of them"),
        ({"on_long": "cut"}, "`on_long` must be 'error', 'skip' or 'truncate_prompt', but is 'cut'"),
        ({"selector": {"a": 1}}, "a selector's name or a mapping that holds one under `name`"),
        ({"embedding": ""}, "`embedding` must be text of at least one character"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_carried_out_is_refused_with_key_and_place(settings, sentence):
    with pytest.raises(ConfigError) as caught:
        select_config({**LEAST, **settings}, "in a test")
    assert sentence in str(caught.value)


def test_scores_are_kept_where_told_or_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("FARSIGHTED_CACHE", str(tmp_path))
    assert select_config(LEAST, "in a test").kept_in == tmp_path
    assert select_config({**LEAST, "cache": "~/kept"}, "in a test").kept_in == Path.home() / "kept"
