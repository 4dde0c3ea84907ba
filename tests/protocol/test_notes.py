import pytest

from farsighted.protocol.notes import heuristics_note, keep_model_notes, kept_model_notes, notes_of_modes
from oracles.micro import desk_of, nano_config, without_labels


def notes(folder, *left_out, **changes):
    config = nano_config(folder, **changes)
    without_labels(folder, *left_out)
    desk = desk_of(config, folder / "out")
    return heuristics_note(desk.config, desk.inputs)


def test_nothing_is_said_where_labels_are_there(tmp_path):
    assert notes(tmp_path) == ()


def test_each_stage_whose_labels_are_missing_is_named(tmp_path):
    found = notes(tmp_path, "quality", "difficulty")
    assert len(found) == 4
    assert found[2] == "'math': quality comes from rule filters, because not every example carries it."
    assert found[3] == "'math': difficulty is the rank of the base model's NLL: not every example carries it."


def test_a_chosen_source_of_quality_is_said_of_each_stage(tmp_path):
    found = notes(tmp_path, quality={"source": "rules"})
    assert found == ("'general': quality comes from rule filters.", "'math': quality comes from rule filters.")


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        ({"lora": ["a", "b"]}, ("a", "b")),
        ({"lora": ["a", "b"], "full": ["b"]}, ("Under lora: a", "b")),
        ({"lora": [], "full": []}, ()),
    ],
)
def test_what_all_adaptations_share_is_said_once(found, lines):
    assert notes_of_modes(found) == lines


def test_what_was_found_of_the_model_is_kept_for_whoever_writes_the_plan(tmp_path):
    desk = desk_of(nano_config(tmp_path), tmp_path / "out")
    place = (desk.config, desk.inputs, desk.layout)
    assert kept_model_notes(*place) == ()
    keep_model_notes(*place, ["one", "two"])
    keep_model_notes(*place, ["one", "two"])
    assert kept_model_notes(*place) == ("one", "two")
    other = desk_of(nano_config(tmp_path, adaptations=["full"]), tmp_path / "out")
    assert kept_model_notes(other.config, other.inputs, other.layout) == ()
