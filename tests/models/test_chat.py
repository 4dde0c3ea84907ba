"""Golden texts and masks of chat templates, and the same tokens as transformers gives."""

import json

import pytest
from transformers import AutoTokenizer

from farsighted.core.errors import DataError, ModelError
from farsighted.core.values import Example
from farsighted.data.templates import encode
from farsighted.models.jinja import compile_template
from farsighted.models.tokenizer import load_tokenizer, with_chat
from oracles.tiny_folder import save_tiny

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
LLAMA = (
    "{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)
SINGLE = Example("a", "Hi", "Yo")
TALK = Example(
    "b", "-", "Four", turns=(("system", "Be brief"), ("user", "2+2?"), ("assistant", "4"), ("user", "word?"))
)


def folder_with(tmp_path, template, **tokens):
    folder = save_tiny(tmp_path / "model")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": template} | tokens))
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    return folder


def parts(folder, example):
    tokenizer = with_chat(load_tokenizer(folder), folder)
    tokens = encode(example, tokenizer, 400)
    read = tokenizer.chat.reader.tokenizer
    prompt, answer = tokens.ids[: tokens.prompt_length], tokens.ids[tokens.prompt_length :]
    return (*(read.decode(list(ids), skip_special_tokens=False) for ids in (prompt, answer)), tokens, tokenizer)


def test_the_loss_is_on_the_last_answer_and_on_what_closes_it(tmp_path):
    folder = folder_with(tmp_path, CHATML)
    prompt, answer, tokens, tokenizer = parts(folder, SINGLE)
    assert prompt == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    # This tokenizer knows no <|im_end|>: it is text, and the end token follows it.
    assert answer.startswith("Yo<|im_end|>")
    assert tokens.ids[-1] == tokenizer.end_id


def test_earlier_turns_are_context(tmp_path):
    prompt, answer, *_ = parts(folder_with(tmp_path, CHATML), TALK)
    assert prompt.startswith("<|im_start|>system\nBe brief<|im_end|>\n<|im_start|>user\n2+2?<|im_end|>\n")
    assert prompt.endswith(
        "<|im_start|>assistant\n4<|im_end|>\n<|im_start|>user\nword?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert answer.startswith("Four<|im_end|>")


def test_a_template_that_closes_turns_with_the_end_token_gets_no_second_one(tmp_path):
    folder = folder_with(tmp_path, LLAMA)
    prompt, answer, tokens, tokenizer = parts(folder, SINGLE)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    assert prompt == f"{settings.get('bos_token') or ''}[INST] Hi [/INST]"
    assert answer.startswith(" Yo")
    assert [token == tokenizer.end_id for token in tokens.ids[tokens.prompt_length :]] == [False] * 3 + [True]


@pytest.mark.parametrize("template", [CHATML, LLAMA], ids=["chatml", "llama"])
def test_tokens_are_those_of_transformers(tmp_path, template):
    folder = folder_with(tmp_path, template)
    _, _, tokens, tokenizer = parts(folder, SINGLE)
    theirs = AutoTokenizer.from_pretrained(folder, split_special_tokens=False).apply_chat_template(
        [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}], tokenize=True, return_dict=False
    )
    ours = list(tokens.ids)
    # What a template writes after the token that closes a turn is never trained on.
    assert ours == theirs or (ours[-1] == tokenizer.end_id and ours[:-1] == theirs[: len(ours) - 1])


MARKED = CHATML.replace("{{ '<|im_start|>'", "{% generation %}{{ '<|im_start|>'").replace(
    "{% endfor %}{% if add", "{% endgeneration %}{% endfor %}{% if add"
)


def test_marks_around_what_is_generated_change_nothing(tmp_path):
    marked, plain = (parts(folder_with(tmp_path / name, text), TALK) for name, text in (("a", MARKED), ("b", CHATML)))
    assert MARKED != CHATML
    assert marked[2] == plain[2]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("{% if tools is none and documents is none %}none{% endif %}", "none"),
        ("{{ {'b': 'é', 'a': 1} | tojson(ensure_ascii=True, separators=(',', ':'), sort_keys=true) }}",
         '{"a":1,"b":"\\u00e9"}'),
        ("{{ {'a': 1} | tojson(indent=1) }}", '{\n "a": 1\n}'),
    ],
)  # fmt: skip
def test_templates_find_what_transformers_gives_them(tmp_path, text, written):
    assert parts(folder_with(tmp_path, text + CHATML), SINGLE)[0].startswith(f"{written}<|im_start|>user")


@pytest.mark.parametrize("text", ["{{ 1 + 'a' }}", "{{ 1 / 0 }}", "{{ range(10 ** 9) | list }}", "{{ '%d' % 'a' }}"])
def test_a_template_that_fails_says_so_with_the_example(tmp_path, text):
    with pytest.raises(DataError, match=r"chat template refuses 'a': .*`data\.template: plain`"):
        parts(folder_with(tmp_path, text + CHATML), SINGLE)


def test_a_template_that_refuses_the_turns_says_so_with_the_example(tmp_path):
    with pytest.raises(DataError, match="refuses 'b': Only user and assistant roles are supported!"):
        parts(folder_with(tmp_path, LLAMA), TALK)


def test_a_template_that_writes_the_prompt_differently_with_an_answer_is_refused(tmp_path):
    changing = "{{ messages | length }}{% for message in messages %}{{ message['content'] }}{% endfor %}"
    with pytest.raises(DataError, match="alike with and without the answer"):
        parts(folder_with(tmp_path, changing), SINGLE)


def test_a_tokenizer_without_a_template_is_refused(tmp_path):
    folder = save_tiny(tmp_path / "model")
    with pytest.raises(ModelError, match="has no chat template"):
        with_chat(load_tokenizer(folder), folder)


def test_templates_run_in_a_sandbox_and_broken_ones_are_refused():
    with pytest.raises(ModelError, match="chat template cannot be read"):
        compile_template("{% for %}")
    template = compile_template("{{ ''.__class__.__mro__[1].__subclasses__() }}")
    import jinja2

    with pytest.raises(jinja2.TemplateError):
        template.render(messages=[])
