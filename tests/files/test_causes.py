from pathlib import Path

import pytest

from farsighted.core.errors import DataError
from farsighted.files.causes import no_header, other_encoding, other_separator
from farsighted.files.formats import read_examples


def test_a_letter_of_windows_is_told_from_utf_16_and_from_bytes_of_no_text():
    assert "Windows-1252 (cp1252)" in other_encoding("Café".encode("cp1252"))
    assert "UTF-16" in other_encoding("Café".encode("utf-16"))
    assert other_encoding(b"\x81\xff") == "; save the file again as UTF-8"


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_a_row_in_another_encoding_says_so(tmp_path, name):
    text = '{"prompt": "Café?", "response": "Drüben"}\n' if name == "a.jsonl" else "prompt,response\nCafé?,Drüben\n"
    (tmp_path / name).write_bytes(text.encode("cp1252"))
    with pytest.raises(DataError, match=r"is no valid UTF-8 \(byte 0xe9.*; the file may be in Windows-1252 \(cp1252\)"):
        read_examples([tmp_path / name])


def test_a_header_that_is_parted_rightly_has_no_other_separator():
    assert other_separator(["prompt", "response;x"], ",") == ""
    assert other_separator(["prompt\tresponse"], ",") == "\t"


def test_a_first_line_of_unknown_names_seems_to_be_a_row_in_csv_alone():
    data, named = ["What is 1 + 1?", "2"], ["Prompt", "reply"]
    assert "the first line of the file (What is 1 + 1?, 2) seems to be a row itself" in no_header(Path("a.csv"), data)
    assert no_header(Path("a.jsonl"), data) == ""
    assert no_header(Path("a.csv"), named) == ""
