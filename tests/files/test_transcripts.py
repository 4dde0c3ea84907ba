import pytest

from farsighted.files.fields import UnfitError
from farsighted.files.transcripts import turns_of


def test_the_turns_of_a_transcript_are_told_by_the_speakers_names():
    text = "\n\nHuman: Is it cold?\nVery?\n\nAssistant: Yes.\n\nAnd: windy.\n\nHuman: Oh.\n\nAssistant: Quite."
    assert [(turn.role, turn.content) for turn in turns_of(text, "chosen")] == [
        ("user", "Is it cold?\nVery?"),
        ("assistant", "Yes.\n\nAnd: windy."),
        ("user", "Oh."),
        ("assistant", "Quite."),
    ]


def test_the_end_mark_of_an_answer_is_left_out():
    text = "USER: q\n\n\nASSISTANT: a <|endoftext|>\n\n\nFUNCTION RESPONSE: 3\n\n\nASSISTANT: b <|endoftext|>\n\n\n"
    assert [(turn.role, turn.content) for turn in turns_of(text, "chat")] == [
        ("user", "q"),
        ("assistant", "a"),
        ("tool", "3"),
        ("assistant", "b"),
    ]


def test_a_text_without_speakers_is_refused():
    with pytest.raises(UnfitError, match="has a `chosen` that is neither a list of turns nor a text of turns"):
        turns_of("Yes.", "chosen")
