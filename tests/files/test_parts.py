import pytest

from farsighted.files.fields import UnfitError
from farsighted.files.parts import parts_in


@pytest.mark.parametrize("name", ["text", "value", "content"])
def test_texts_are_joined_wherever_a_part_keeps_its_own(name):
    assert parts_in([{"type": "text", name: "a "}, {"type": "text", name: "b"}]).text == "a b"


def test_reasoning_and_calls_are_told_from_the_text():
    found = parts_in(
        [
            {"type": "thinking", "thinking": "hm"},
            {"type": "text", "text": "a"},
            {"type": "tool_use", "id": "1", "name": "look_up", "input": {"city": "Oslo"}},
            {"type": "tool_call", "value": '{"name": "now", "arguments": {}}'},
        ]
    )
    assert (found.text, found.reasoning) == ("a", "hm")
    assert [call["function"]["name"] for call in found.calls] == ["look_up", "now"]


def test_a_part_without_text_names_what_it_holds():
    with pytest.raises(UnfitError, match="a part that holds body, type; its text must be under `text`"):
        parts_in([{"type": "text", "body": "a"}])


def test_an_image_is_refused_by_its_type():
    with pytest.raises(UnfitError, match="a part of type 'image_url'"):
        parts_in([{"type": "image_url", "value": "x"}])
