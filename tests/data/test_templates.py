"""The template: prompt, separator, response, end token."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farsighted.core.errors import DataError
from farsighted.core.values import Example
from farsighted.data.templates import TooLong, encode, encode_pair, encode_pool, prompt_text


class Bytes:
    """One id a byte, the end token is 256."""

    end_id = 256
    begin_ids = ()
    chat = None

    def encode_text(self, text):
        return list(text.encode())


class Deaf(Bytes):
    """Knows no digit."""

    def encode_text(self, text):
        return [byte for byte in text.encode() if not chr(byte).isdigit() and byte != 10]


def example(prompt, response="rr"):
    return Example("x", prompt, response)


@pytest.mark.parametrize(
    ("prompt", "text"), [("a", "a\n"), ("a ", "a "), ("a\n", "a\n"), ("a\u2003", "a\u2003"), ("", "\n"), (" ", " ")]
)
def test_the_separator_follows_a_prompt_that_does_not_end_in_white_space(prompt, text):
    assert prompt_text(prompt) == text


def test_an_example_is_prompt_separator_response_end():
    tokens = encode(example("p"), Bytes(), 8)
    assert bytes(tokens.ids[:-1]) == b"p\nrr"
    assert (tokens.ids[-1], tokens.prompt_length, tokens.response_length) == (256, 2, 3)


def test_an_empty_prompt_still_leaves_a_token_before_the_response():
    assert encode(example(""), Bytes(), 8).prompt_length == 1


def test_an_example_of_just_the_context_fits():
    assert len(encode(example("p"), Bytes(), 5).ids) == 5


def test_a_longer_example_is_refused_with_its_id_its_length_and_the_options():
    with pytest.raises(
        DataError, match=r"fit into 4 tokens, but 'x' has 5\. Raise `model\.context`.*skip.*truncate_prompt"
    ):
        encode(example("p"), Bytes(), 4)


def test_a_longer_example_may_be_left_out():
    assert encode(example("p"), Bytes(), 4, "skip") is None


def test_a_longer_prompt_may_be_cut_on_the_left():
    tokens = encode(example("abcdef"), Bytes(), 6, "truncate_prompt")
    assert (bytes(tokens.ids[:-1]), tokens.prompt_length) == (b"ef\nrr", 3)


def test_a_response_that_leaves_no_room_for_a_prompt_token_is_left_out_not_cut():
    assert encode(example("abc"), Bytes(), 4, "truncate_prompt").prompt_length == 1
    assert encode(example("abc"), Bytes(), 3, "truncate_prompt") is None


@pytest.mark.parametrize(("prompt", "response", "part"), [("a", "12", "response"), ("1", "a", "prompt")])
def test_a_text_that_becomes_no_token_is_refused(prompt, response, part):
    with pytest.raises(DataError, match=f"The {part} of 'x' must become tokens"):
        encode(example(prompt, response), Deaf(), 8)


def test_a_pool_is_encoded_in_order_and_tells_what_was_left_out():
    pool = [Example("a", "p", "r"), Example("b", "p" * 9, "r"), Example("c", "q", "r")]
    found = encode_pool(pool, Bytes(), 5, "skip")
    assert [tokens.example.id for tokens in found.tokens] == ["a", "c"]
    assert found.skipped == (TooLong("b", 12, 5),)
    assert str(found.skipped[0]) == "'b' has 12 tokens, the context holds 5"


@settings(max_examples=60)
@given(prompt=st.text(max_size=30), response=st.text(min_size=1, max_size=10), context=st.integers(2, 60),
       on_long=st.sampled_from(["skip", "truncate_prompt"]))  # fmt: skip
def test_whatever_is_kept_ends_in_its_whole_response_and_fits(prompt, response, context, on_long):
    tokens = encode(example(prompt, response), Bytes(), context, on_long)
    if tokens is None:
        assert len(response.encode()) + 2 > context or on_long == "skip"
        return
    assert len(tokens.ids) <= context
    assert tokens.prompt_length >= 1
    assert bytes(tokens.ids[tokens.prompt_length : -1]) == response.encode()
    assert prompt_text(prompt).encode().endswith(bytes(tokens.ids[: tokens.prompt_length]))


class Beginning(Bytes):
    """Begins every text with 300."""

    begin_ids = (300,)


def test_what_a_tokenizer_begins_with_stands_before_the_prompt_and_is_never_cut():
    assert encode(example("abc"), Beginning(), 9).ids == (300, *b"abc\nrr", 256)
    cut = encode(example("abc"), Beginning(), 6, "truncate_prompt")
    assert (cut.ids, cut.prompt_length) == ((300, *b"c\nrr", 256), 3)
    assert encode(example("abc"), Beginning(), 4, "truncate_prompt") is None


def test_a_pair_is_parted_before_the_white_space_that_ends_the_context():
    tokens = encode_pair(example("p"), "Q: x\nA: ", "yes", Bytes().encode_text)
    assert (bytes(tokens.ids), tokens.prompt_length) == (b"Q: x\nA: yes", len(b"Q: x\nA:"))
    assert encode_pair(example("p"), "A", "b", lambda text: [300, *text.encode()]).ids == (300, *b"Ab")


@pytest.mark.parametrize(("context", "continuation", "part"), [("", "x", "context"), ("x", "", "continuation")])
def test_a_pair_with_an_empty_part_is_refused(context, continuation, part):
    with pytest.raises(DataError, match=f"The {part} of 'x' must become tokens"):
        encode_pair(example("p"), context, continuation, Bytes().encode_text)


TALK = Example("x", "system: SYS\n<tools>\nuser: abcdef", "rr", turns=(("system", "SYS\n<tools>"), ("user", "abcdef")))


def test_a_leading_system_turn_and_its_tools_are_not_cut():
    whole = len(encode(TALK, Bytes(), 99).ids)
    cut = encode(TALK, Bytes(), whole - 4, "truncate_prompt")
    assert bytes(cut.ids[: cut.prompt_length]) == b"system: SYS\n<tools>\nuser: ef\n"
    assert encode(TALK, Bytes(), whole - 7, "truncate_prompt") is None


def test_prompts_that_were_cut_are_counted():
    pool = [Example("a", "p", "r"), Example("b", "p" * 9, "r"), Example("c", "q", "r" * 9)]
    found = encode_pool(pool, Bytes(), 5, "truncate_prompt")
    assert (found.cut, len(found.tokens), len(found.skipped)) == (1, 2, 1)
