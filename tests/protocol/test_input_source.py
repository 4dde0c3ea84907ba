import pytest

from farsighted.core.errors import DataError
from farsighted.protocol import input_source, inputs
from farsighted.protocol.inputs import load_inputs
from oracles.mixed import mixed_config


@pytest.mark.parametrize(
    "changes",
    [
        {"data": {"proxy_per_stage": 3}},
        {"model": {"context": 200}},
        {"evaluation": {"max_new_tokens": 9}},
        {"data": {"proxy_per_stage": 2, "seed": 5}},
    ],
)
def test_whatever_decides_a_text_changes_the_key(tmp_path, changes):
    assert load_inputs(mixed_config(tmp_path, **changes)).key != load_inputs(mixed_config(tmp_path)).key


def test_the_content_of_a_file_changes_the_key_and_what_decides_no_text_does_not(tmp_path):
    before = load_inputs(mixed_config(tmp_path)).key
    other_grid = mixed_config(tmp_path, seeds=[1, 2], selectors=["random", "loss"], orders=["canonical"])
    assert load_inputs(other_grid).key == before
    config = mixed_config(tmp_path)
    path = tmp_path / "a.jsonl"
    path.write_text(path.read_text().replace("t3 odd", "t3 even"))
    assert load_inputs(config).key != before


def test_another_program_reads_anew(tmp_path, monkeypatch):
    config = mixed_config(tmp_path)
    before = load_inputs(config).key
    monkeypatch.setattr(input_source, "_program", lambda: "another")
    assert load_inputs(config).key != before


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    config = mixed_config(tmp_path)

    def write_and_load(*given):
        path = tmp_path / "a.jsonl"
        path.write_text(path.read_text() + "\n")
        return before(*given)

    before = inputs.load_sequence
    monkeypatch.setattr(inputs, "load_sequence", write_and_load)
    with pytest.raises(DataError, match=r"a.jsonl' must stay as it is while it is read, but was changed. Run"):
        load_inputs(config)
