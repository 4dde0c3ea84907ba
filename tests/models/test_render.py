"""What a template wrote of an example: refused where a turn is lost, moved or changed, and only there."""

import json
import re

import pytest

from farsighted.core.values import Example
from farsighted.models.jinja import compile_program
from farsighted.models.render import RenderError, render
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
    STRIPS_THINK,
    TOOLS,
)

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}
TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "description": "of a city", "parameters": {"type": "object"}},
}
CALL = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Oslo"}}}
ASK = {"role": "user", "content": "Weather in Oslo?"}
RAIN = {"role": "tool", "tool_call_id": "c1", "name": "get_weather", "content": 'rain, "heavy"'}
ALL = (ALTERNATE, CHATML, GEMMA, HARMONY, INST, LLAMA3, NO_QUESTION, PARTS, PHI, STRICT, STRIPS_THINK, TOOLS)


def written(template, example):
    return render(example, compile_program(template, SPECIAL))


def whole(*messages, tools=()):
    """An example that is known by its conversation."""
    held = {"messages": list(messages)} | ({"tools": list(tools)} if tools else {})
    return Example("x", "-", "-", turns=(("user", "-"),), conversation=json.dumps(held))


def fault(template, example):
    with pytest.raises(RenderError) as caught:
        written(template, example)
    return str(caught.value)


CONTENTS = [
    "Yo",
    "  indented\n\tcode",
    'a "b" & <c>',
    "user",
    "assistant",
    "{{ m }}",
    "<think>",
    "é\u2028z",
    "4",
    "[x] </s>",
]


@pytest.mark.parametrize("template", ALL, ids=range(len(ALL)))
@pytest.mark.parametrize("content", CONTENTS)
def test_no_template_is_refused_what_it_writes(template, content):
    found = written(template, Example("x", content, "Fine."))
    assert content.strip() in found.text[: found.start]
    assert found.text[found.start : found.end].endswith("Fine.")
    if "<think>" not in content:
        found = written(template, Example("x", "Hi", content))
        assert content.strip() in found.text[found.start :]


@pytest.mark.parametrize("template", [CHATML, STRICT, LLAMA3, INST, PHI, TOOLS])
def test_a_system_turn_is_context_that_is_not_cut(template):
    found = written(template, Example("x", "-", "Yo", turns=(("system", "Be brief"), ("user", "Hi"))))
    assert "Be brief" in found.text[: found.start]
    assert [found.text[slice(*span)] for span in found.cuttable] == ["Hi"]


def test_calls_tools_and_answers_of_tools_are_given_whole():
    example = whole(ASK, {"role": "assistant", "content": None, "tool_calls": [CALL]}, RAIN,
                    {"role": "assistant", "content": "It rains in Oslo."}, tools=(TOOL,))  # fmt: skip
    found = written(TOOLS, example)
    context, loss = found.text[: found.start], found.text[found.start :]
    assert '"description": "of a city"' in context
    assert '<tool_call>get_weather {"city": "Oslo"}</tool_call>' in context
    assert '<tool_response>"rain, \\"heavy\\""</tool_response>' in context
    assert loss == "<think>\n\n</think>\n\nIt rains in Oslo.<|im_end|>\n"


@pytest.mark.parametrize("content", [None, "", "I look."])
def test_a_call_that_is_the_answer_is_in_the_loss(content):
    found = written(TOOLS, whole(ASK, {"role": "assistant", "content": content, "tool_calls": [CALL]}, tools=(TOOL,)))
    loss = found.text[found.start : found.end]
    assert (content or "") in loss
    assert 'get_weather {"city": "Oslo' in loss
    assert "None" not in found.text


def test_arguments_that_came_as_text_are_given_as_an_object():
    as_text = {"function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}
    found = written(TOOLS, whole(ASK, {"role": "assistant", "content": "", "tool_calls": [as_text]}))
    assert 'get_weather {"city": "Oslo"}' in found.text


def test_arguments_are_given_as_text_to_a_template_that_puts_them_out_as_they_are():
    template = CHATML.replace(
        "<|im_end|>\n{% endfor %}",
        "{% for c in m.tool_calls or [] %}{{ c.function.name }}: {{ c.function.arguments }}{% endfor %}<|im_end|>\n"
        "{% endfor %}",
    )
    found = written(template, whole(ASK, {"role": "assistant", "content": "", "tool_calls": [CALL]}))
    assert 'get_weather: {"city": "Oslo"}' in found.text


@pytest.mark.parametrize(
    ("template", "example", "said"),
    [
        (CHATML, whole(ASK, {"role": "assistant", "content": None, "tool_calls": [CALL]}, RAIN,
                       {"role": "assistant", "content": "It rains."}),
         "has a call in turn 2 (assistant) that the model's chat template does not write: 'get_weather'"),
        (CHATML, whole(ASK, {"role": "assistant", "content": "I look.", "tool_calls": [CALL]}),
         "has a call in turn 2 (assistant, the answer) that the model's chat template does not write: 'get_weather'"),
        (CHATML, whole(ASK, {"role": "assistant", "content": "It rains."}, tools=(TOOL,)),
         "has a tool that the model's chat template does not write: 'get_weather'"),
        (CHATML, whole(ASK, {"role": "assistant", "reasoning_content": "I saw clouds", "content": "It rains."}),
         "has thinking in turn 2 (assistant, the answer) that the model's chat template does not write: "
         "'I saw clouds'"),
        (STRIPS_THINK, Example("x", "6*7?", "<think>\n6 times 7\n</think>\n\n42"),
         "has thinking in turn 2 (assistant, the answer) that the model's chat template does not write: '6 times 7'"),
        (STRICT, Example("x", "-", "It rains", turns=(("user", "Hi"), ("critic", "rain " * 20))),
         "has a text in turn 2 (critic) that the model's chat template does not write: "
         "'rain rain rain rain rain rain rain rain ...'"),
        (GEMMA, Example("x", "-", "Yo", turns=(("system", "Be brief"), ("user", "Hi"))),
         "is refused by the model's chat template: 'System role not supported'"),
        (CHATML, whole({"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What?"}]},
                       {"role": "assistant", "content": "A cat."}),
         "has a part of type 'image' in turn 1; only text can be read"),
        (CHATML.replace("{{ m['content'] }}", "{{ m['content'] }}{{ m['content'] }}"), Example("x", "Hi", "Yo"),
         "has a text in turn 1 (user) that the model's chat template writes twice: 'Hi'"),
        (CHATML.replace("{{ m['content'] }}", "{{ m['content'] | e }}"), Example("x", "Hi", "a < b"),
         "has a text in turn 2 (assistant, the answer) that the model's chat template alters: 'a < b'"),
        (CHATML.replace("{{ m['content'] }}", "{{ m['content'] | upper }}"), Example("x", "Hi", "YO"),
         "has a text in turn 1 (user) that the model's chat template alters: 'Hi'"),
        (CHATML.replace("{{ m['content'] }}", "{{ m['content'][:3] }}"), Example("x", "Hi there", "Yo"),
         "has a text in turn 1 (user) that the model's chat template does not write: 'Hi there'"),
        ("{{ messages[-1].content }}|{% for m in messages[:-1] %}{{ m.content }}{% endfor %}", Example("x", "H", "Y"),
         "is written by the model's chat template in other words once the answer is there: they cannot be told apart"),
        ("{{ '' }}", whole(), "holds no messages"),
    ],
)  # fmt: skip
def test_what_a_template_loses_or_changes_is_refused_with_the_turn(template, example, said):
    assert fault(template, example) == said


def test_context_may_be_escaped():
    template = CHATML.replace("{{ m['content'] }}", "{{ m['content'] | e if m.role == 'user' else m['content'] }}")
    found = written(template, Example("x", "a < b?", "yes, a < b"))
    assert "a &lt; b?" in found.text[: found.start]
    assert [found.text[slice(*span)] for span in found.cuttable] == ["a &lt; b?"]


def test_reasoning_is_given_and_may_move():
    for answer in (
        {"role": "assistant", "reasoning_content": "6 times 7", "content": "42"},
        {"role": "assistant", "content": "<think>6 times 7</think>42"},
    ):
        found = written(TOOLS, whole({"role": "user", "content": "6*7?"}, answer))
        assert found.text[found.start : found.end] == "<think>\n6 times 7\n</think>\n\n42"
        assert not found.dropped


def test_thinking_of_earlier_turns_may_go_and_is_told():
    turns = (("user", "6*7?"), ("assistant", "<think>\nsix\n</think>\n\n42"), ("user", "7*7?"))
    found = written(TOOLS, Example("x", "-", "49", turns=turns))
    assert "42" in found.text[: found.start]
    assert found.dropped
    assert not written(CHATML, Example("x", "-", "49", turns=turns)).dropped


def test_lists_and_null_are_never_put_out_as_python_writes_them():
    # A template that prints what it is given: parts would come as "[{'type': ...", nothing as "None".
    found = written(CHATML, whole({"role": "user", "content": [{"type": "text", "text": "Hi"}]},
                                  {"role": "assistant", "content": "Yo"}))  # fmt: skip
    assert found.text.startswith("<|im_start|>user\nHi<|im_end|>")
    said = fault(STRIPS_THINK, Example("x", "6*7?", "<think>six</think>42"))
    assert said.startswith("has thinking in turn 2")


def test_the_head_that_a_template_gives_an_answer_is_context_and_its_thinking_is_not():
    found = written(NO_QUESTION, Example("x", "Hi", "Yo"))
    assert found.text[found.start :] == "Yo<|im_end|>\n"
    thinks = "{% if m.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}{{ m['content'] }}"
    found = written(NO_QUESTION.replace("{{ m['content'] }}", thinks), Example("x", "Hi", "Yo"))
    assert found.text[found.start :] == "<think>\n\n</think>\n\nYo<|im_end|>\n"
    # A space before the answer is the answer's.
    found = written(INST, Example("x", "Hi", "Yo"))
    assert found.text[found.start :] == " Yo</s>"


EMPTY = "{% if m.role == 'assistant' and '</think>' not in m.content %}<think></think>{% endif %}{{ m['content'] }}"
OPENS = "{{ '<think></think>' if enable_thinking is defined and not enable_thinking else '<think>\n' }}{% endif"
SWITCHED = CHATML.replace("{{ m['content'] }}", EMPTY).replace("assistant\n{% endif", "assistant\n" + OPENS)
"""Opens the thinking unless it is switched off, and closes it at once where an answer has none."""


def test_an_answer_without_thinking_is_read_as_where_thinking_is_switched_off():
    found = written(SWITCHED, Example("x", "Hi", "Yo"))
    assert found.text[: found.start].endswith("<|im_start|>assistant\n<think></think>")
    assert found.text[found.start :] == "Yo<|im_end|>\n"
    found = written(SWITCHED, Example("x", "6*7?", "<think>\nsix\n</think>\n\n42"))
    assert found.text[: found.start].endswith("<|im_start|>assistant\n<think>\n")
    assert found.text[found.start : found.end] == "six\n</think>\n\n42"


@pytest.mark.parametrize("template", [ALTERNATE, CHATML, GEMMA, HARMONY, INST, LLAMA3, NO_QUESTION, PARTS, PHI, TOOLS])
@pytest.mark.parametrize(
    ("given", "answer"), [("One, two,", " three."), ("One, ", "two"), (" One", "\ntwo"), ("a", "a")]
)
def test_a_prompt_that_begins_the_answer_is_continued_and_the_rest_is_the_loss(template, given, answer):
    found = written(template, Example("x", "-", answer, turns=(("user", "Count"), ("assistant", given))))
    assert found.continues
    assert found.text[: found.start].endswith(given.lstrip())
    assert found.text[found.start : found.end] == answer
    assert found.text[: found.start].count(given.strip()) == 1 or given == "a"
    assert [found.text[slice(*span)] for span in found.cuttable] == ["Count"]


def test_thinking_that_the_prompt_begins_is_continued_too():
    turns = (("user", "Count"), ("assistant", "<think>\nsix"))
    found = written(OPEN_THINK, Example("x", "-", " seven\n</think>\n\n42", turns=turns))
    assert found.text[: found.start].endswith("<think>\nsix")
    assert found.text[found.start : found.end] == " seven\n</think>\n\n42"


@pytest.mark.parametrize("template", [STRIPS_THINK, CHATML.replace("{{ m['content'] }}", "{{ m['content'] | upper }}")])
def test_a_template_that_does_not_write_both_as_one_text_is_refused(template):
    turns = (("user", "Count"), ("assistant", "<think>hm"))
    assert re.search("does not write|alters", fault(template, Example("x", "-", "</think>42", turns=turns)))


CALLED = CHATML.replace(
    "{{ m['content'] }}", "{{ m['content'] }}{% for c in m.tool_calls or [] %}<call>BODY</call>{% endfor %}"
)


@pytest.mark.parametrize(
    ("body", "lost"),
    [
        ("{{ c.function.name }}", "x"),
        ("{{ c.function.name }}{{ c.function.arguments.values() | list | tojson }}", "x"),
        ("{{ c.function.name }}{{ c.function.arguments.keys() | list | tojson }}", "5"),
        ("{{ c.function.name }}({% for k, v in c.function.arguments.items() if v is not boolean %}{{ k }}={{ v }} "
         "{% endfor %})", "flag"),
        ("{{ c.function.name }}(x={{ c.function.arguments.x }})", "flag"),
    ],
)  # fmt: skip
def test_names_numbers_and_truths_of_calls_must_be_written(body, lost):
    call = {"type": "function", "function": {"name": "add", "arguments": {"x": 5, "flag": True}}}
    example = whole(ASK, {"role": "assistant", "content": "", "tool_calls": [call]})
    assert fault(CALLED.replace("BODY", body), example) == (
        f"has a call in turn 2 (assistant, the answer) that the model's chat template does not write: '{lost}'"
    )


@pytest.mark.parametrize("body", [
    "{{ c.function | tojson }}",
    "{{ c.function.name }}(x={{ c.function.arguments.x }}, flag={{ c.function.arguments.flag }})",
    "{{ c.function.name }}(x={{ '%.2f' | format(c.function.arguments.x) }}, {{ 'yes' if c.function.arguments.flag }})",
    "{{ c.function.name }}{{ c.function.arguments if c.function.arguments is string else raise_exception('text') }}",
])  # fmt: skip
def test_calls_that_are_written_whole_are_kept_however_they_are_spelled(body):
    call = {"type": "function", "function": {"name": "add", "arguments": {"x": 5, "flag": True}}}
    assert written(CALLED.replace("BODY", body), whole(ASK, {"role": "assistant", "content": "", "tool_calls": [call]}))


@pytest.mark.parametrize("tag", ["thinking", "thought", "reasoning"])
def test_thinking_that_a_template_opens_is_known_under_every_name(tag):
    opened = OPEN_THINK.replace("<think>", f"<{tag}>")
    assert opened != OPEN_THINK
    assert "without the thinking" in fault(opened, Example("x", "Hi", "Yo"))


def test_thinking_that_begins_otherwise_is_not_called_missing():
    told = fault(OPEN_THINK, Example("x", "Hi", "<think>more</think>\n\na2"))
    assert "thinking begins otherwise" in told
    assert "'<think>\\n'" in told
    assert "without the thinking" in fault(OPEN_THINK, Example("x", "Hi", "Yo"))
