"""Chat templates: what is context, what carries the loss, what closes an answer; the same tokens as transformers."""

import json

import pytest
from transformers import AutoTokenizer

from farsighted.core.errors import DataError, ModelError
from farsighted.core.values import Example
from farsighted.data.templates import encode
from farsighted.models.tokenizer import load_tokenizer, tokenizer_for, with_chat
from oracles.chat_folder import (
    ALTERNATE,
    CHATML,
    GEMMA,
    HARMONY,
    INST,
    LLAMA3,
    NO_QUESTION,
    OPEN_THINK,
    PARTS,
    PHI,
    STRICT,
    TOOLS,
    save_chat,
)
from oracles.tiny_folder import save_tiny

SINGLE = Example("a", "Hi", "Yo")
TALK = Example(
    "b", "-", "Four", turns=(("system", "Be brief"), ("user", "2+2?"), ("assistant", "4"), ("user", "word?"))
)
PLAIN_TALK = Example("c", "-", "Four", turns=(("user", "2+2?"), ("assistant", "4"), ("user", "word?")))


def parts(folder, example, context=400, on_long="error"):
    """Context and loss as text, and the tokens."""
    tokenizer = tokenizer_for(folder, "chat")
    tokens = encode(example, tokenizer, context, on_long)
    return *(
        tokenizer.shown(ids) for ids in (tokens.ids[: tokens.prompt_length], tokens.ids[tokens.prompt_length :])
    ), (tokens)


def test_the_loss_is_on_the_last_answer_and_on_what_closes_it(tmp_path):
    prompt, answer, _ = parts(save_chat(tmp_path, CHATML), SINGLE)
    assert (prompt, answer) == ("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "Yo<|im_end|>")


def test_earlier_turns_are_context(tmp_path):
    prompt, answer, _ = parts(save_chat(tmp_path, CHATML), TALK)
    assert prompt == (
        "<|im_start|>system\nBe brief<|im_end|>\n<|im_start|>user\n2+2?<|im_end|>\n"
        "<|im_start|>assistant\n4<|im_end|>\n<|im_start|>user\nword?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert answer == "Four<|im_end|>"


def test_a_tokenizer_that_knows_no_mark_of_its_template_reads_them_as_text_and_gets_its_end_token(tmp_path):
    folder = save_tiny(tmp_path / "model")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": CHATML}))
    tokenizer = tokenizer_for(folder, "chat")
    tokens = encode(SINGLE, tokenizer, 400)
    answer = tokens.ids[tokens.prompt_length :]
    assert tokenizer.shown(answer[:-1]) == "Yo<|im_end|>"
    assert answer[-1] == tokenizer.end_id


TEMPLATES = {
    "chatml": (CHATML, "Yo<|im_end|>"),
    "no question": (NO_QUESTION, "Yo<|im_end|>"),
    "strict": (STRICT, "Yo<|im_end|>"),
    "alternate": (ALTERNATE, "Yo<|im_end|>"),
    "tools": (TOOLS, "<think>\n\n</think>\n\nYo<|im_end|>"),
    "llama": (LLAMA3, "Yo<|eot_id|>"),
    "gemma": (GEMMA, "Yo<end_of_turn>"),
    "inst": (INST, " Yo</s>"),
    "phi": (PHI, "Yo<|end|>"),
    "harmony": (HARMONY, "<|channel|>final<|message|>Yo<|return|>"),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_tokens_are_those_of_transformers_up_to_what_closes_the_answer(tmp_path, name):
    template, expected = TEMPLATES[name]
    folder = save_chat(tmp_path, template)
    _, answer, tokens = parts(folder, SINGLE)
    theirs = AutoTokenizer.from_pretrained(folder).apply_chat_template(
        [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}], tokenize=True, return_dict=False
    )
    assert answer == expected
    # What a template writes after the token that closes a turn is never trained on.
    assert list(tokens.ids) == theirs[: len(tokens.ids)]


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_reads_several_turns(tmp_path, name):
    prompt, answer, _ = parts(save_chat(tmp_path, TEMPLATES[name][0]), PLAIN_TALK)
    assert [prompt.count(text) for text in ("2+2?", "word?")] == [1, 1]
    assert answer.count("Four") == 1


def test_a_template_that_writes_nothing_to_make_the_model_answer_heads_the_answer_in_the_context(tmp_path):
    prompt, answer, _ = parts(save_chat(tmp_path, NO_QUESTION), SINGLE)
    assert (prompt[-22:], answer) == ("<|im_start|>assistant\n", "Yo<|im_end|>")


def test_a_template_that_opens_the_thinking_has_the_rest_of_it_in_the_loss(tmp_path):
    folder = save_chat(tmp_path, OPEN_THINK)
    prompt, answer, _ = parts(folder, Example("a", "6*7?", "<think>\n6 times 7\n</think>\n\n42"))
    assert prompt.endswith("<|im_start|>assistant\n<think>\n")
    assert answer == "6 times 7\n</think>\n\n42<|im_end|>"
    with pytest.raises(DataError, match=r"'a' has an answer without the thinking .* begin with \('<think>'\)"):
        parts(folder, SINGLE)


MARKED = CHATML.replace(
    "{{ m['content'] }}<|im_end|>\n", "{% generation %}{{ m['content'] }}<|im_end|>\n{% endgeneration %}"
)


def test_marks_around_what_is_generated_change_nothing(tmp_path):
    marked, plain = (parts(save_chat(tmp_path / name, text), TALK) for name, text in (("a", MARKED), ("b", CHATML)))
    assert MARKED != CHATML
    assert marked[2] == plain[2]


def test_a_template_that_wants_parts_gets_them(tmp_path):
    assert parts(save_chat(tmp_path, PARTS), SINGLE)[:2] == (
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
        "Yo<|im_end|>",
    )


def test_a_role_that_the_template_knows_by_another_name_is_given_by_that_name(tmp_path):
    prompt, *_ = parts(save_chat(tmp_path, HARMONY), TALK)
    assert "<|start|>developer<|message|>Be brief<|end|>" in prompt


def test_a_turn_that_the_template_passes_over_is_refused_with_its_number(tmp_path):
    talk = Example("d", "-", "Rain.", turns=(("user", "Weather?"), ("assistant", "I look."), ("tool", "rain")))
    with pytest.raises(
        DataError, match=r"'d' has a text in turn 3 \(tool\) .* does not write: 'rain'.*template: plain"
    ):
        parts(save_chat(tmp_path, STRICT), talk)


@pytest.mark.parametrize("text", ["{{ 1 + 'a' }}", "{{ 1 / 0 }}", "{{ range(10 ** 9) | list }}", "{{ '%d' % 'a' }}"])
def test_a_template_that_fails_says_so_with_the_example(tmp_path, text):
    with pytest.raises(DataError, match=r"'a' is refused by the model's chat template: .*`data\.template: plain`"):
        parts(save_chat(tmp_path, text + CHATML), SINGLE)


def test_a_template_that_refuses_the_turns_says_so_with_the_example(tmp_path):
    with pytest.raises(DataError, match="'b' is refused by the model's chat template: 'Roles must take turns'"):
        parts(save_chat(tmp_path, ALTERNATE), TALK)


def test_a_template_that_writes_the_prompt_differently_with_an_answer_is_refused(tmp_path):
    changing = "{{ messages | length }}{% for message in messages %}{{ message['content'] }}{% endfor %}"
    with pytest.raises(DataError, match="in other words once the answer is there"):
        parts(save_chat(tmp_path, changing), SINGLE)


def test_a_mark_that_a_text_spells_is_text(tmp_path):
    folder = save_chat(tmp_path, CHATML)
    tokenizer = tokenizer_for(folder, "chat")
    example = Example("a", "Is <|im_start|>system a mark?", "Yes, <|im_end|> is.")
    prompt, answer, tokens = parts(folder, example)
    assert prompt == "<|im_start|>user\nIs <|im_start|>system a mark?<|im_end|>\n<|im_start|>assistant\n"
    assert answer == "Yes, <|im_end|> is.<|im_end|>"
    start, end = (tokenizer.chat.reader.marks[mark] for mark in ("<|im_start|>", "<|im_end|>"))
    assert [tokens.ids.count(mark) for mark in (start, end)] == [2, 2]
    assert tokenizer.chat.look(example).mark == "<|im_start|>"


def test_a_text_that_is_rendered_already_is_refused_and_one_that_speaks_of_marks_is_not(tmp_path):
    tokenizer = tokenizer_for(save_chat(tmp_path, CHATML), "chat")
    rendered = Example("a", "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n", "hello<|im_end|>")
    assert "rendered already" in tokenizer.chat.look(rendered).fault
    assert "template: rendered" in tokenizer.chat.look(Example("b", "", rendered.prompt + rendered.response)).fault
    assert not tokenizer.chat.look(Example("c", "What does <|im_start|>user mean?", "A turn.")).fault
    assert not tokenizer.chat.look(Example("d", "<s>old</s> new", "<s>x</s>")).fault


def test_a_text_that_begins_with_the_words_of_a_template_without_marks_is_not_refused(tmp_path):
    words = CHATML.replace("<|im_start|>{{ m['role'] }}\n", "{{ m['role'] }}: ").replace(
        "<|im_start|>assistant\n", "assistant: "
    )
    tokenizer = tokenizer_for(save_chat(tmp_path, words), "chat")
    assert not tokenizer.chat.look(Example("a", "user: who reads this?", "Nobody.")).fault


def test_thinking_of_earlier_turns_that_a_template_leaves_out_is_told(tmp_path):
    tokenizer = tokenizer_for(save_chat(tmp_path, TOOLS), "chat")
    turns = (("user", "6*7?"), ("assistant", "<think>\nsix\n</think>\n\n42"), ("user", "7*7?"))
    assert tokenizer.chat.look(Example("a", "-", "49", turns=turns)).notes == (
        "hold thinking in earlier turns, which the model's chat template leaves out",
    )
    assert tokenizer.chat.look(PLAIN_TALK).notes == ()


def cut_of(folder, example, room):
    whole = parts(folder, example)[2]
    return parts(folder, example, len(whole.ids) - room, "truncate_prompt")


def test_a_long_prompt_is_cut_inside_the_words_of_its_turns_the_oldest_first(tmp_path):
    folder = save_chat(tmp_path, CHATML)
    prompt, answer, _ = cut_of(folder, TALK, 3)
    assert prompt == parts(folder, TALK)[0].replace("2+2?", "?")
    assert answer == "Four<|im_end|>"
    prompt, *_ = cut_of(folder, TALK, 7)
    assert prompt == (
        "<|im_start|>system\nBe brief<|im_end|>\n<|im_start|>user\n<|im_end|>\n"
        "<|im_start|>assistant\n<|im_end|>\n<|im_start|>user\nrd?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_what_is_cut_fills_the_context_exactly_and_leaves_a_word_of_the_turns(tmp_path):
    folder = save_chat(tmp_path, LLAMA3)
    tokenizer = tokenizer_for(folder, "chat")
    length = len(encode(TALK, tokenizer, 400).ids)
    words = len("2+2?" + "4" + "word?")
    for over in range(1, words):
        assert len(encode(TALK, tokenizer, length - over, "truncate_prompt").ids) == length - over
    assert encode(TALK, tokenizer, length - words, "truncate_prompt") is None
    assert len(encode(TALK, tokenizer, length).ids) == length


def test_a_prompt_is_cut_in_the_right_place_where_its_text_spells_marks(tmp_path):
    example = Example("a", "<|im_end|> is what?", "A mark.")
    prompt, *_ = cut_of(save_chat(tmp_path, CHATML), example, 4)
    assert prompt == "<|im_start|>user\n_end|> is what?<|im_end|>\n<|im_start|>assistant\n"


def test_a_tokenizer_without_a_template_is_refused(tmp_path):
    folder = save_tiny(tmp_path / "model")
    with pytest.raises(ModelError, match="has no chat template"):
        with_chat(load_tokenizer(folder), folder)
