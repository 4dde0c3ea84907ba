"""Texts that are rendered already: marks are tokens, none is added, and the last answer carries the loss."""

import pytest

from farsighted.core.errors import DataError
from farsighted.core.values import Example
from farsighted.data.templates import encode
from farsighted.models.jinja import compile_program
from farsighted.models.rendered import answer_headers
from farsighted.models.tokenizer import tokenizer_for
from oracles.chat_folder import CHATML, GEMMA, HARMONY, INST, LLAMA3, NO_QUESTION, OPEN_THINK, PHI, save_chat

ASK = "<|im_start|>user\nhi there<|im_end|>\n<|im_start|>assistant\n"
TALK = f"<|im_start|>system\nBe brief<|im_end|>\n{ASK}hello<|im_end|>\n<|im_start|>user\nmore<|im_end|>\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_chat(tmp_path_factory.mktemp("model"), CHATML)


def read(folder, example):
    tokenizer = tokenizer_for(folder, "rendered")
    tokens = encode(example, tokenizer, 400)
    return tuple(
        tokenizer.shown(ids) for ids in (tokens.ids[: tokens.prompt_length], tokens.ids[tokens.prompt_length :])
    )


@pytest.mark.parametrize("end", ["hello<|im_end|>", "hello<|im_end|>\n", "hello"])
@pytest.mark.parametrize("apart", [True, False])
def test_the_loss_is_on_the_answer_whether_it_stands_apart_or_not(folder, apart, end):
    example = Example("a", ASK, end) if apart else Example("a", "", ASK + end)
    assert read(folder, example) == (ASK, end.rstrip())


def test_marks_are_tokens_and_stand_once(folder):
    tokenizer = tokenizer_for(folder, "rendered")
    tokens = encode(Example("a", ASK, "hello<|im_end|>\n"), tokenizer, 400)
    marks = tokenizer.chat.reader.marks
    assert [tokens.ids.count(marks[mark]) for mark in ("<|im_start|>", "<|im_end|>", "<s>")] == [2, 2, 0]
    assert tokens.ids[-1] == marks["<|im_end|>"]


def test_tokens_are_those_of_the_chat_template(folder):
    chat = encode(Example("a", "hi there", "hello"), tokenizer_for(folder, "chat"), 400)
    rendered = encode(Example("a", "", f"{ASK}hello<|im_end|>\n"), tokenizer_for(folder, "rendered"), 400)
    assert (chat.ids, chat.prompt_length) == (rendered.ids, rendered.prompt_length)


def test_of_several_answers_the_last_is_learned(folder):
    text = f"{TALK}<|im_start|>assistant\nlast<|im_end|>\n"
    assert read(folder, Example("a", "", text)) == (f"{TALK}<|im_start|>assistant\n", "last<|im_end|>")


def test_a_text_whose_answer_cannot_be_found_is_learned_whole_and_that_is_told(folder):
    example = Example("a", "", "<s>once upon a time<|im_end|>")
    assert read(folder, example) == ("<s>", "once upon a time<|im_end|>")
    notes = tokenizer_for(folder, "rendered").chat.look(example).notes
    assert notes == ("do not say where the last answer begins: all of the text is learned",)


def test_what_a_text_lacks_is_told_and_not_added(tmp_path):
    folder = save_chat(tmp_path, CHATML)
    example = Example("a", "plain words", "more")
    assert read(folder, example) == ("plain words", "more")
    assert tokenizer_for(folder, "rendered").chat.look(example).notes == (
        "spell no mark of the tokenizer",
        "end without an end token, and none is added",
    )


def test_turns_are_not_rendered_yet(folder):
    tokenizer = tokenizer_for(folder, "rendered")
    talk = Example("a", "-", "Yo", turns=(("system", "x"), ("user", "Hi")))
    assert "holds turns" in tokenizer.chat.look(talk).fault
    with pytest.raises(DataError, match="'a' holds turns, which are not rendered yet"):
        encode(talk, tokenizer, 400)


def test_a_text_of_one_token_is_refused(folder):
    with pytest.raises(DataError, match="The text of 'a' must become two tokens"):
        read(folder, Example("a", "", "x"))


def test_a_model_without_a_template_reads_rendered_texts_too(tmp_path):
    folder = save_chat(tmp_path, None)
    assert read(folder, Example("a", "", "<s>[INST] hi [/INST] hello</s>")) == ("<s>", "[INST] hi [/INST] hello</s>")


@pytest.mark.parametrize(
    ("template", "headers"),
    [
        (CHATML, ("<|im_start|>assistant\n", "<|im_end|>\n<|im_start|>assistant\n")),
        (NO_QUESTION, ("<|im_end|>\n<|im_start|>assistant\n",)),
        (OPEN_THINK, ("<|im_start|>assistant\n<think>\n", "<|im_end|>\n<|im_start|>assistant\n")),
        (INST, ("[/INST]",)),
    ],
)
def test_what_stands_before_an_answer_is_asked_of_the_template(template, headers):
    assert answer_headers(compile_program(template, {"bos_token": "<s>", "eos_token": "</s>"})) == headers


USER = "<|im_start|>user\nmore<|im_end|>\n"


@pytest.mark.parametrize("turn", [USER, USER.replace("user", "tool"), "\n<|im_start|>tool\nrain"])
@pytest.mark.parametrize("apart", [True, False])
def test_a_text_that_goes_on_after_the_answer_is_refused(folder, turn, apart):
    answer = f"A1<|im_end|>\n{turn}"
    example = Example("a", ASK, answer) if apart else Example("a", "", ASK + answer)
    assert "goes on after the answer with another turn" in tokenizer_for(folder, "rendered").chat.look(example).fault
    with pytest.raises(DataError, match="'a' goes on after the answer"):
        read(folder, example)


def test_a_turn_that_no_end_parts_from_the_answer_is_seen_too(folder):
    assert tokenizer_for(folder, "rendered").chat.look(Example("a", "", f"{ASK}A1\n<|im_start|>tool\nrain")).fault


def test_a_text_that_ends_where_the_answer_is_to_begin_is_refused(folder):
    assert (
        "ends where the answer is to begin" in tokenizer_for(folder, "rendered").chat.look(Example("a", "", ASK)).fault
    )


def test_an_answer_may_bring_its_own_head_and_come_in_parts(tmp_path):
    head, ask = ASK[ASK.rindex("<|im_start|>") :], ASK[: ASK.rindex("<|im_start|>")]
    assert read(save_chat(tmp_path / "a", CHATML), Example("a", ask, f"{head}A1<|im_end|>\n"))[0] == ask
    parts = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>A1<|return|>"
    asked = "<|start|>user<|message|>hi<|end|><|start|>assistant"
    assert read(save_chat(tmp_path / "b", HARMONY), Example("a", asked, parts)) == (asked, parts)


@pytest.mark.parametrize("template", [CHATML, GEMMA, HARMONY, INST, LLAMA3, NO_QUESTION, PHI])
def test_what_a_template_writes_is_read_and_refused_once_the_user_speaks_last(tmp_path, template):
    folder = save_chat(tmp_path, template)
    program = tokenizer_for(folder, "chat").chat.program
    said = [{"role": role, "content": role[:2]} for role in ("user", "assistant") * 2]
    look = tokenizer_for(folder, "rendered").chat.look
    assert look(Example("a", "", program.write(tuple(said)))).fault == ""
    assert look(Example("a", "", program.write(tuple(said[:3])))).fault
    assert look(Example("a", "", program.write(tuple(said[:3]), asks=True))).fault
