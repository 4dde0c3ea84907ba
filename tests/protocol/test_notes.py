from farsighted.protocol.notes import heuristics_note
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
