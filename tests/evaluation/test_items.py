import json
from dataclasses import replace

import pytest

from farsighted.core.errors import ConfigError
from farsighted.core.values import Example, Gold
from farsighted.evaluation.items import SetBuilder, SetRules, harness_context
from farsighted.models.folder import TINY, model_folder
from farsighted.models.tokenizer import load_tokenizer, tokenizer_for
from oracles.chat_folder import CHATML, TOOLS, save_chat

TOKENIZER = load_tokenizer(model_folder(TINY))
QUIZ = Example("q", "Is 3 odd?", "A. Yes", choices=("A. Yes", "B. No"), answer_index=0)
TRUTH = Example("t", "Who?", "I", gold=Gold(true_answers=("I", "me"), false_answers=("you",)))
PAIR = Example("r", "Hi", "Hello", gold=Gold(rejected="Go"))
SUM = Example("s", "2 + 2?", "It is\n#### 4")
FUNCTION = Example(
    "f", "def one():\n", "    return 1\n", gold=Gold(tests=("def check(c):\n    pass",), entry_point="one")
)


def build(examples, measure, context=200, tokenizer=TOKENIZER, **rules):
    builder = SetBuilder(tokenizer, context, "error", 16)
    return builder.build("quiz", examples, SetRules(measure, None, 1.0, **rules)), builder.notes


def read(tokens):
    return TOKENIZER.decode(tokens.ids[: tokens.prompt_length]), TOKENIZER.decode(tokens.ids[tokens.prompt_length :])


def options(example, measure, **rules):
    found, _ = build([example], measure, **rules)
    return [read(option) for option in found.options[0]]


def test_options_are_put_as_the_model_was_trained():
    assert options(QUIZ, "choice_accuracy") == [("Is 3 odd?\n", "A. Yes"), ("Is 3 odd?\n", "B. No")]
    assert options(TRUTH, "mc2") == [("Who?\n", "I"), ("Who?\n", "me"), ("Who?\n", "you")]
    assert options(PAIR, "preference") == [("Hi\n", "Hello"), ("Hi\n", "Go")]
    found, _ = build([QUIZ], "choice_accuracy")
    assert {option.ids[-1] for option in found.options[0]} == {TOKENIZER.end_id}


def test_a_letter_is_compared_without_what_follows_it():
    assert options(QUIZ, "letter_accuracy") == [("Is 3 odd?", "\nA"), ("Is 3 odd?", "\nB")]


def test_a_letter_is_asked_for_by_the_chat_template_and_not_closed(tmp_path):
    tokenizer = tokenizer_for(save_chat(tmp_path / "model", CHATML), "chat")
    found, _ = build([QUIZ], "letter_accuracy", tokenizer=tokenizer)
    asked = "<|im_start|>user\nIs 3 odd?<|im_end|>\n<|im_start|>assistant\n"
    for option, letter in zip(found.options[0], "AB", strict=True):
        assert tokenizer.shown(option.ids[: option.prompt_length]) == asked
        assert tokenizer.shown(option.ids[option.prompt_length :]) == letter


def test_the_better_one_of_a_pair_is_written_as_it_is_trained(tmp_path):
    """With the thinking that its message has apart, which a template may write in marks of its own."""
    tokenizer = tokenizer_for(save_chat(tmp_path / "model", TOOLS), "chat")
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello", "reasoning_content": "hm"}]
    thought = replace(PAIR, response="<think>\nhm\n</think>\n\nHello", conversation=json.dumps({"messages": said}))
    found, _ = build([thought], "preference", tokenizer=tokenizer)
    better, worse = found.options[0]
    assert (better.ids, better.prompt_length) == (found.items[0].ids, found.items[0].prompt_length)
    assert "Go" in tokenizer.shown(worse.ids)


def test_a_letter_goes_on_from_a_rendered_prompt(tmp_path):
    tokenizer = tokenizer_for(save_chat(tmp_path / "model", CHATML), "rendered")
    asked = "<|im_start|>user\nIs 3 odd?<|im_end|>\n<|im_start|>assistant\n"
    found, _ = build([replace(QUIZ, prompt=asked)], "letter_accuracy", tokenizer=tokenizer)
    assert [option.prompt_length for option in found.options[0]] == [found.items[0].prompt_length] * 2
    assert [tokenizer.shown(option.ids) for option in found.options[0]] == [f"{asked}A", f"{asked}B"]
    with pytest.raises(ConfigError, match=r"`style: harness` under `data.template: rendered`.*Write `style: native`"):
        build([QUIZ], "letter_accuracy", tokenizer=tokenizer, style="harness")


def test_the_harness_style_puts_options_after_a_space_and_without_an_end_token():
    assert options(QUIZ, "letter_accuracy", style="harness") == [
        ("Is 3 odd?\nAnswer:", " A"),
        ("Is 3 odd?\nAnswer:", " B"),
    ]
    found, _ = build([TRUTH], "mc1", context=900, style="harness")
    context, answer = read(found.options[0][0])
    assert (context.rpartition("\n\n")[2], answer) == ("Q: Who?\nA:", " I")
    assert context.count("Q: ") == 7
    assert harness_context(TRUTH, "truths", (SUM,)) == "Q: 2 + 2?\nA: It is\n#### 4\n\nQ: Who?\nA:"
    found, _ = build([QUIZ], "choice_accuracy", style="harness")
    assert TOKENIZER.end_id not in {token for option in found.options[0] for token in option.ids}


def test_worked_examples_stand_before_the_item():
    assert (
        harness_context(SUM, "number", (SUM,)) == "Question: 2 + 2?\nAnswer: It is\n#### 4\n\nQuestion: 2 + 2?\nAnswer:"
    )
    assert harness_context(QUIZ, "letters", (QUIZ,)) == "Is 3 odd?\nAnswer: A\n\nIs 3 odd?\nAnswer:"


def test_a_model_is_made_to_write_after_its_prompt():
    native, _ = build([SUM], "gsm8k_strict")
    assert TOKENIZER.decode(native.generation.prompts[0]) == "2 + 2?\n"
    assert "Question:" in native.generation.stops
    harness, _ = build([SUM], "gsm8k_strict", style="harness")
    assert TOKENIZER.decode(harness.generation.prompts[0]) == "Question: 2 + 2?\nAnswer:"
    programs, _ = build([FUNCTION], "pass_at_1", style="harness")
    assert TOKENIZER.decode(programs.generation.prompts[0]) == "def one():\n"
    assert "\ndef" in programs.generation.stops


def test_only_scores_that_read_what_is_written_make_the_model_write():
    assert build([QUIZ], "choice_accuracy")[0].generation is None
    assert build([SUM], "token_f1")[0].generation is not None


@pytest.mark.parametrize(
    ("measure", "lack"),
    [
        ("choice_accuracy", "are not multiple choice"),
        ("letter_accuracy", "are not multiple choice"),
        ("mc2", "have no true and false answers"),
        ("preference", "have no `rejected` response"),
        ("pass_at_1", "have no `tests`"),
    ],
)
def test_items_that_a_measure_cannot_score_are_left_out_with_a_note(measure, lack):
    every = [QUIZ, TRUTH, PAIR, FUNCTION]
    found, notes = build([*every, SUM], measure)
    assert len(found.items) == 1
    assert f"'quiz': 4 items {lack} and were left out." in notes
    with pytest.raises(ConfigError, match=f"no item that `{measure}` can score"):
        build([SUM], measure)


def test_what_is_too_long_for_the_harness_style_is_cut_on_the_left_with_a_note():
    # The last token of a continuation is never read: a text of 19 tokens fits into 18.
    assert build([QUIZ], "letter_accuracy", context=18, style="harness")[1] == []
    found, notes = build([QUIZ], "letter_accuracy", context=17, style="harness")
    assert read(found.options[0][0]) == ("is 3 odd?\nAnswer:"[1:], " A")
    assert notes == ["'q' was cut on the left by 1 tokens to fit the context."]


@pytest.mark.parametrize("measure", ["exact_match", "exact_answer"])
def test_a_response_that_no_model_writes_whole_is_noted(measure):
    builder = SetBuilder(replace(TOKENIZER, end_ids=(TOKENIZER.end_id, ord("4"))), 200, "error", 16)
    builder.build("sums", [SUM, QUIZ], SetRules(measure, None, 1.0))
    builder.table("pool", [SUM, SUM, QUIZ])
    one, two = builder.notes
    assert one.startswith("'evaluation set sums': 1 responses hold a token that ends an answer before their own end")
    assert two.startswith("'pool': 2 responses hold a token")


def test_chance_comes_from_the_options_unless_it_is_given():
    assert build([QUIZ], "choice_accuracy")[0].chance == 0.5
    assert build([SUM], "perplexity")[0].chance == TOKENIZER.vocabulary_size
