"""Templates as programs: what they are given, and that they run in a sandbox."""

import jinja2
import pytest

from farsighted.core.errors import ModelError
from farsighted.models.jinja import compile_program, compile_template
from oracles.chat_folder import CHATML, GEMMA, INST, NO_QUESTION

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}
TALK = ({"role": "user", "content": "Hi"},)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("{% if tools is none and documents is none %}none{% endif %}", "none"),
        ("{{ {'b': 'é', 'a': 1} | tojson(ensure_ascii=True, separators=(',', ':'), sort_keys=true) }}",
         '{"a":1,"b":"\\u00e9"}'),
        ("{{ {'a': 1} | tojson(indent=1) }}", '{\n "a": 1\n}'),
        ("{{ bos_token }}{{ messages[0].content }}", "<s>Hi"),
    ],
)  # fmt: skip
def test_templates_find_what_transformers_gives_them(text, written):
    assert compile_program(text, SPECIAL).write(TALK) == written


def test_templates_run_in_a_sandbox_and_broken_ones_are_refused():
    with pytest.raises(ModelError, match="chat template cannot be read"):
        compile_template("{% for %}")
    template = compile_template("{{ ''.__class__.__mro__[1].__subclasses__() }}")
    with pytest.raises(jinja2.TemplateError):
        template.render(messages=[])


def test_a_program_tells_the_roles_that_stand_in_it():
    assert {"system", "model", "assistant"} <= compile_program(GEMMA, SPECIAL).constants


@pytest.mark.parametrize(("text", "asks"), [(CHATML, True), (NO_QUESTION, False), (INST, False)])
def test_a_program_tells_whether_it_makes_the_model_answer(text, asks):
    assert compile_program(text, SPECIAL).asks is asks


def test_a_program_tells_what_stands_before_the_user_and_before_the_answer():
    assert compile_program(CHATML, SPECIAL).user_header == (
        "<|im_start|>user\n",
        "<|im_end|>\n<|im_start|>user\n",
    )
    assert compile_program(CHATML, SPECIAL).answer_header == (
        "<|im_start|>assistant\n",
        "<|im_end|>\n<|im_start|>assistant\n",
    )
    assert compile_program(INST, SPECIAL).answer_header == ("", " [/INST] ")
    assert compile_program("{{ raise_exception('no') }}", SPECIAL).answer_header == ("", "")
