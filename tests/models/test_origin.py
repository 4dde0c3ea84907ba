from farsighted.models.folder import model_folder
from farsighted.models.origin import ADAPTER, model_notes, origin_of
from oracles.adapters import lora_on


def test_a_folder_with_its_own_weights_has_no_other_origin(saved):
    assert origin_of(saved) is None
    assert model_notes(saved) == ()


def test_notes_of_the_base_are_told_with_those_of_the_adapter(folder, tmp_path):
    adapter = lora_on(folder, tmp_path / "adapter")
    (folder / "consolidated.safetensors").write_bytes(b"x")
    found = model_folder(str(adapter))
    origin = origin_of(found)
    assert (origin.kind, origin.path, origin.base) == (ADAPTER, adapter, folder)
    of_adapter, of_base = model_notes(found)
    assert "merged in float32" in of_adapter
    assert "'consolidated.safetensors'" in of_base
