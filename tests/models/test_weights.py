import json

import pytest
from safetensors.torch import load_file

from farsighted.core.errors import ModelError
from farsighted.models.weights import (
    beside_notes,
    embedding_rows,
    first_number,
    has_full_weights,
    has_learned_positions,
    tensor_shapes,
    weight_files,
)
from oracles.families import save_family


def named(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"x")
    return [file.name for file in weight_files(folder)]


def index(folder, *shards):
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": dict(enumerate(shards))}))


def test_the_weights_are_the_files_that_the_library_takes(tmp_path):
    index(tmp_path, "b.safetensors", "a.safetensors", "a.safetensors")
    assert named(tmp_path, "a.safetensors", "b.safetensors", "c.safetensors") == ["a.safetensors", "b.safetensors"]
    assert named(tmp_path, "model.safetensors") == ["model.safetensors"]
    (tmp_path / "config.json").write_text('{"transformers_weights": "c.safetensors"}')
    assert named(tmp_path) == ["c.safetensors"]


def test_a_second_set_of_weights_is_told_not_loaded_in_silence(tmp_path):
    index(tmp_path, "a.safetensors")
    named(tmp_path, "model.safetensors", "a.safetensors", "model.fp16.safetensors", "x.gguf")
    (note,) = beside_notes(tmp_path)
    assert "'a.safetensors', 'model.fp16.safetensors', 'x.gguf'. The model is 'model.safetensors'" in note


def test_an_index_without_its_files_is_refused_with_their_names(tmp_path):
    index(tmp_path, "a.safetensors", "b.safetensors")
    with pytest.raises(ModelError, match=r"names 1 of 2 files that are not there: 'b\.safetensors'\. Copy or download"):
        named(tmp_path, "a.safetensors")


def test_an_index_that_names_nothing_is_refused(tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(ModelError, match="must name the files of the weights"):
        weight_files(tmp_path)


def test_weights_under_another_name_are_named(tmp_path):
    with pytest.raises(ModelError, match=r"has 'consolidated\.safetensors', but no model\.safetensors"):
        named(tmp_path, "consolidated.safetensors")


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("adapter_model.safetensors", False),
        ("adapter_model.bin", False),
        ("model.safetensors", True),
        ("pytorch_model.bin", True),
        ("training_args.bin", False),
    ],
)
def test_an_adapters_weights_are_no_full_weights(tmp_path, name, full):
    (tmp_path / name).write_bytes(b"x")
    assert has_full_weights(tmp_path) == full


def test_shapes_come_from_the_header_alone(tmp_path):
    folder = save_family("llama", tmp_path)
    file = folder / "model.safetensors"
    assert tensor_shapes(file) == {name: tuple(values.shape) for name, values in load_file(file).items()}
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size // 2)
    assert tensor_shapes(file)
    file.write_bytes(b"x" * 99)
    with pytest.raises(ModelError, match="are damaged or no safetensors"):
        tensor_shapes(file)


@pytest.mark.parametrize(("family", "learned"), [("gpt2", True), ("opt", True), ("qwen2", False), ("bloom", False)])
def test_learned_positions_are_a_table_of_the_weights(family, learned, tmp_path):
    assert has_learned_positions(save_family(family, tmp_path)) == learned


def test_numbers_may_stand_in_the_part_about_text(folder):
    assert embedding_rows(folder) == 259
    assert first_number({"text_config": {"b": 7}}, ("a", "b")) == 7
    assert first_number({"a": 0, "b": "many", "text_config": None}, ("a", "b")) is None
