import pytest

from farsighted.models.folder import model_folder
from farsighted.models.origin import GGUF, Origin, Unpacked, origin_of
from farsighted.models.unpacked import unpacked
from farsighted.models.weights import read_json
from oracles.adapters import lora_on
from oracles.tiny_folder import save_tiny


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "x.gguf"
    path.write_bytes(b"x")
    return path


def read(times, text):
    def content():
        times.append(text)
        return Unpacked({"config.json": text.encode()}, (f"made of {text}",), learned_positions=True)

    return content


def test_a_model_is_unpacked_once_and_again_where_its_file_changes(file):
    times = []
    first = unpacked(Origin(GGUF, str(file)), [file], read(times, "{}"))
    assert unpacked(Origin(GGUF, str(file)), [file], read(times, "{}")) == first
    assert times == ["{}"]
    file.write_bytes(b"xy")
    assert unpacked(Origin(GGUF, str(file)), [file], read(times, "[]")) != first
    assert times == ["{}", "[]"]


def test_the_folder_says_where_the_weights_are(file):
    folder = unpacked(Origin(GGUF, str(file)), [file], read([], "{}"))
    assert origin_of(folder) == Origin(GGUF, str(file), "", ("made of {}",), learned_positions=True)
    assert read_json(folder / "config.json") == {}


def test_a_folder_that_nobody_unpacked_holds_its_own_weights(folder):
    (folder / "origin.json").write_text('{"kind": "gguf"}')
    assert origin_of(folder) is None


def test_the_tokenizer_is_the_adapters_where_it_has_one(tmp_path):
    base = save_tiny(tmp_path / "base")
    adapter = lora_on(base, tmp_path / "adapter")
    (base / "chat_template.jinja").write_text("of the base")
    plain = model_folder(str(adapter))
    assert (plain / "chat_template.jinja").read_text() == "of the base"
    (adapter / "tokenizer.json").write_bytes((base / "tokenizer.json").read_bytes())
    (adapter / "chat_template.jinja").write_text("of the adapter")
    own = model_folder(str(adapter))
    assert (own / "chat_template.jinja").read_text() == "of the adapter"
    assert not (own / "tokenizer_config.json").exists()
