import datasets
import pytest

from farsighted.core.errors import DataError
from farsighted.files.formats import read_examples
from farsighted.files.readers import find_files
from oracles.micro import write_jsonl


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A data set as a hub's repository holds it, on this machine."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "sums"
    folder.mkdir()
    for split, count in (("train", 3), ("test", 2)):
        write_jsonl(folder / f"{split}.jsonl", [{"question": f"{n}+0?", "answer": str(n)} for n in range(count)])
    return folder


@pytest.mark.parametrize(("ending", "count"), [("", 3), (":train", 3), (":test", 2)])
def test_a_data_set_is_read_by_name_and_split(stored, tmp_path, ending, count):
    found = read_examples(find_files(f"hub:{stored}{ending}", tmp_path))
    assert [example.response for example in found.examples] == [str(n) for n in range(count)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hub:", "must be written hub:NAME"),
        ("hub:a:b:c", "must be written hub:NAME"),
        ("hub:{stored}:validation", "cannot be loaded"),
        ("hub:{stored}/none", "cannot be loaded"),
    ],
)
def test_a_data_set_that_is_not_there_says_so(stored, tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        find_files(text.format(stored=stored), tmp_path)
