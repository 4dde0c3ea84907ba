"""Where the texts of a conversation stand in what was written of it."""

import html
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.models.messages import Conversation
from farsighted.models.pieces import Marking, Piece, places_of


def talk(*contents):
    roles = ["user", "assistant"] * len(contents)
    return Conversation(tuple({"role": role, "content": text} for role, text in zip(roles, contents, strict=False)))


def joined(conversation):
    return "".join(f"<{message['role']}>{message['content']}</>\n" for message in conversation.messages)


def states(conversation, render):
    pieces, places = places_of(conversation, render(conversation), render)
    return [(piece.text, place.state) for piece, place in zip(pieces, places, strict=True)]


def test_a_text_is_found_where_it_was_put_and_not_where_it_also_stands():
    conversation = talk("user", "assistant")
    whole = joined(conversation)
    _, places = places_of(conversation, whole, joined)
    assert [place.span for place in places] == [(6, 10), (25, 34)]
    assert whole[6:10] == "user"


def test_a_text_that_is_dropped_is_absent_though_the_same_letters_stand_elsewhere():
    def drops(conversation):
        return joined(Conversation(conversation.messages[1:])) + "user"

    assert states(talk("user", "fine"), drops) == [("user", "absent"), ("fine", "whole")]


def test_a_text_that_is_written_twice_is_seen():
    assert states(talk("one", "two"), lambda found: joined(found) + found.messages[0]["content"])[0] == ("one", "twice")


@pytest.mark.parametrize("change", [str.strip, str, lambda text: f" {text}\n"])
def test_white_space_around_a_text_is_the_templates_business(change):
    def trims(conversation):
        return "|".join(change(message["content"]) for message in conversation.messages)

    assert {state for _, state in states(talk("  a b ", "c\n"), trims)} == {"whole"}


@pytest.mark.parametrize("change", [str.upper, lambda text: text.replace("b", "c"), lambda text: text[:3]])
def test_a_text_that_is_changed_is_not_whole(change):
    def changes(conversation):
        return "|".join(change(message["content"]) for message in conversation.messages)

    assert states(talk("a b a b"), changes)[0][1] != "whole"


@pytest.mark.parametrize(
    "escape",
    [lambda text: json.dumps(text, ensure_ascii=False), json.dumps, html.escape, lambda t: html.escape(t, False)],
)
def test_a_text_that_is_escaped_is_seen_as_that(escape):
    def escapes(conversation):
        return "|".join(escape(message["content"]) for message in conversation.messages)

    assert states(talk('"é" & <b>\n'), escapes) == [('"é" & <b>', "escaped")]


def test_thinking_is_a_piece_of_its_own_however_the_template_puts_it():
    def moves(conversation):
        text = conversation.messages[0]["content"]
        return f"[{text.split('</think>')[0].split('<think>')[-1].strip()}] {text.split('</think>')[-1].strip()}"

    pieces, places = places_of(talk("<think>\nsix\n</think>\n\n42"), "[six] 42", moves)
    assert [(piece.kind, piece.text) for piece in pieces] == [("thinking", "six"), ("text", "42")]
    assert [place.span for place in places] == [(1, 4), (6, 8)]


def test_a_template_that_looks_at_a_text_and_is_misled_by_the_signs_is_searched():
    def looks(conversation):
        return "".join(
            f"[{message['content']}]" if message["content"].startswith("a") else message["content"]
            for message in conversation.messages
        )

    conversation = talk("abc", "b", "zzz")
    _, places = places_of(conversation, looks(conversation), looks)
    assert [place.span for place in places] == [(1, 4), (5, 6), (6, 9)]


def test_calls_and_tools_are_pieces_too():
    call = {"function": {"name": "look", "arguments": {"city": "Oslo", "days": [1, "two"]}}}
    tool = {"type": "function", "function": {"name": "look", "description": "weather"}}
    marking = Marking(None)
    marking.marked(Conversation(({"role": "assistant", "content": "", "tool_calls": [call]},), (tool,)))
    assert marking.pieces == [
        Piece(0, "call", "look"),
        Piece(0, "call", "city"),
        Piece(0, "call", "Oslo"),
        Piece(0, "call", "days"),
        Piece(0, "call", "two"),
        Piece(-1, "tool", "look"),
        Piece(-1, "about", "weather"),
    ]


def test_what_is_given_stays_as_it_was():
    call = {"function": {"name": "look", "arguments": {"city": "Oslo"}}}
    message = {"role": "assistant", "content": [{"type": "text", "text": "x"}], "tool_calls": [call], "thinking": "y"}
    before = json.dumps(message)
    Marking().marked(Conversation((message,)))
    assert json.dumps(message) == before


@settings(max_examples=80)
@given(texts=st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=5), dropped=st.integers(0, 4))
def test_every_text_that_is_written_is_found_and_none_that_is_not(texts, dropped):
    def drops(conversation):
        return "".join(f"«{m['content']}»" for turn, m in enumerate(conversation.messages) if turn != dropped)

    conversation = talk(*texts)
    whole = drops(conversation)
    pieces, places = places_of(conversation, whole, drops)
    for piece, place in zip(pieces, places, strict=True):
        assert (place.state == "whole") is (piece.turn != dropped)
        assert place.span is None or whole[slice(*place.span)] == piece.text


@pytest.mark.parametrize("text", ["\U00100000 a", "\U00100000 a \U000f0001"])
def test_texts_with_the_signs_in_them_are_read_by_other_signs(text):
    assert states(talk(text, "b"), joined) == [(text, "whole"), ("b", "whole")]


def test_texts_with_every_sign_in_them_are_searched():
    text = "".join(chr(plane * 0x10000) for plane in range(4, 17))
    assert states(talk(text, "b"), joined) == [(text, "whole"), ("b", "whole")]
