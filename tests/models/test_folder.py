import json
from fnmatch import fnmatch

import pytest

from farsighted.core.errors import ModelError
from farsighted.models.folder import (
    TINY,
    context_of,
    hashed_model,
    learned_positions,
    model_folder,
    model_hash,
    positions_of,
    sentence_model,
)
from farsighted.models.origin import model_notes
from farsighted.worlds.tiny import TINY_PATH
from oracles.families import save_family
from oracles.tiny_folder import save_tiny


def change(path, **fields):
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_tiny_is_the_model_that_ships_with_the_package():
    assert model_folder(TINY) == TINY_PATH
    assert context_of(TINY_PATH) == 1024


def test_a_path_may_begin_at_home(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert model_folder("~/model") == folder


@pytest.mark.parametrize("path", ["nowhere", "no/where/at/all", "../nowhere"])
def test_what_is_no_folder_with_a_model_is_refused_and_nothing_is_downloaded(path):
    with pytest.raises(ModelError, match=rf"'{path}' has no config\.json\. Mend the path"):
        model_folder(path)


def test_the_hash_is_the_same_for_a_copy(saved, folder):
    assert model_hash(folder) == model_hash(saved)


DECIDING = ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json", "model.safetensors"]


@pytest.mark.parametrize("name", DECIDING)
def test_every_file_that_decides_a_result_counts_for_the_hash(saved, folder, name):
    with (folder / name).open("ab") as file:
        file.write(b" ")
    assert model_hash(folder) != model_hash(saved)


@pytest.mark.parametrize("name", ["generation_config.json", "chat_template.jinja"])
def test_a_file_that_need_not_be_there_counts_for_the_hash_where_it_is(folder, name):
    (folder / name).unlink(missing_ok=True)
    without = model_hash(folder)
    (folder / name).write_text("{}")
    assert model_hash(folder) != without


def test_every_shard_counts_for_the_hash(folder):
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    (folder / "model-2.safetensors").write_bytes(b"x")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    before = model_hash(folder)
    (folder / "model-2.safetensors").write_bytes(b"y")
    assert model_hash(folder) != before


def test_what_decides_nothing_does_not_count(saved, folder):
    (folder / "README.md").write_text("x")
    assert model_hash(folder) == model_hash(saved)


def test_a_model_that_is_named_is_hashed_anew_when_a_file_of_it_changes(folder):
    before = hashed_model(str(folder))
    assert before == (folder, model_hash(folder))
    with (folder / "tokenizer.json").open("ab") as file:
        file.write(b" ")
    assert hashed_model(str(folder)).content == model_hash(folder) != before.content


def test_other_weights_are_another_model(saved, tmp_path):
    assert model_hash(save_tiny(tmp_path / "other", seed=1)) != model_hash(saved)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("model.safetensors", r"no \*\.safetensors weights"),
        ("tokenizer.json", r"no tokenizer\.json.*`save_pretrained`"),
    ],
)
def test_a_model_without_weights_or_tokenizer_has_no_hash(folder, name, sentence):
    (folder / name).unlink()
    with pytest.raises(ModelError, match=sentence):
        model_hash(folder)


def test_pickled_weights_are_refused_by_name(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"has pickled ones \('pytorch_model\.bin'\), which may run code"):
        model_hash(folder)


@pytest.mark.parametrize("name", ["consolidated.safetensors", "model.fp16.safetensors", "adapter_config.json"])
def test_what_is_not_loaded_does_not_count_but_is_told(saved, folder, name):
    (folder / name).write_bytes(b"{}")
    assert model_hash(folder) == model_hash(saved)
    (note,) = model_notes(folder)
    assert name in note
    assert model_notes(saved) == ()


@pytest.mark.parametrize("text", ["{", "[1, 2]", "3"])
def test_a_configuration_that_is_no_json_object_names_its_file(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json' must hold a JSON object"):
        context_of(folder)


def test_the_context_is_the_models_number_of_positions(folder):
    assert context_of(folder) == 64
    change(folder / "config.json", max_position_embeddings=None)
    with pytest.raises(ModelError, match=r"Set `model\.context`"):
        context_of(folder)


@pytest.mark.parametrize("name", ["n_positions", "n_ctx", "max_seq_len", "seq_length", "context_length"])
def test_every_architectures_word_for_its_positions_is_understood(folder, name):
    change(folder / "config.json", max_position_embeddings=None, **{name: 48})
    assert context_of(folder) == 48
    change(folder / "config.json", **{name: None}, text_config={name: 32})
    assert context_of(folder) == 32


@pytest.mark.parametrize(("family", "learned"), [("gpt2", 512), ("opt", 512), ("llama", None), ("gpt_neox", None)])
def test_a_table_of_positions_is_seen_in_the_weights(family, learned, tmp_path):
    folder = save_family(family, tmp_path)
    assert learned_positions(folder) == learned
    assert positions_of(folder) == 512


def test_a_hub_name_is_downloaded_without_code_where_no_folder_has_it(tmp_path, monkeypatch):
    asked = []

    def download(name, allow_patterns):
        asked.append((name, allow_patterns))
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    (tmp_path / "config.json").write_text("{}")
    assert model_folder("owner/name") == tmp_path
    ((name, patterns),) = asked
    assert name == "owner/name"
    wanted = [
        "config.json",
        "adapter_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "model-00001-of-00002.safetensors",
    ]
    unwanted = ["modeling_own.py", "tokenizer_own.py", "tokenizer.py", "pytorch_model.bin", "training_args.bin"]
    taken = [name for name in wanted + unwanted if any(fnmatch(name, pattern) for pattern in patterns)]
    assert taken == wanted


def test_a_hub_name_that_cannot_be_had_says_so(monkeypatch):
    def refuse(name, allow_patterns):
        raise OSError("offline mode is on")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(ModelError, match="'owner/name' is no folder here and cannot be had from the hub: offline mode"):
        model_folder("owner/name")


def test_a_sentence_model_with_an_adapter_is_refused(folder):
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"must be a whole sentence-transformers model, but .* holds an adapter"):
        sentence_model(str(folder))


def test_a_folder_around_a_sentence_model_is_refused(folder):
    assert sentence_model(str(folder))[0] == folder
    with pytest.raises(ModelError, match=r"neither modules\.json nor config\.json\. Mend the path"):
        sentence_model(str(folder.parent))
