"""A tiny model's folder whose tokenizer has marks and a chat template; templates in the manner of known ones."""

import json

from oracles.tiny_folder import VOCABULARY, save_tiny

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_QUESTION = CHATML.partition("{% if add")[0]
"""Writes nothing to make the model answer."""
OPEN_THINK = CHATML.replace("assistant\n{% endif", "assistant\n<think>\n{% endif")
STRICT = (
    "{% for m in messages %}{% if m['role'] in ['user', 'assistant', 'system'] %}"
    "<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Passes over roles that it does not know."""
ALTERNATE = (
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must take turns') }}{% endif %}"
    "<|im_start|>{{ m['role'] }}\n{{ m['content'] | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
STRIPS_THINK = CHATML.replace("{{ m['content'] }}", "{{ m['content'].split('</think>')[-1] }}")
"""Keeps what follows the thinking."""
TOOLS = (
    "{% if tools %}<|im_start|>system\nTools: {{ tools | tojson }}<|im_end|>\n{% endif %}"
    "{% set last = messages | length - 1 %}"
    "{% for m in messages %}<|im_start|>{{ 'user' if m.role == 'tool' else m.role }}\n"
    "{% if m.role == 'assistant' %}{% set text = m.content or '' %}{% set thought = m.reasoning_content or '' %}"
    "{% if '</think>' in text %}{% set thought = text.split('</think>')[0].split('<think>')[-1].strip() %}"
    "{% set text = text.split('</think>')[-1].lstrip() %}{% endif %}"
    "{% if loop.index0 == last %}<think>\n{{ thought }}\n</think>\n\n{% endif %}{{ text }}"
    "{% for c in m.tool_calls or [] %}\n<tool_call>{{ c.function.name }} {{ c.function.arguments | tojson }}"
    "</tool_call>{% endfor %}{% elif m.role == 'tool' %}<tool_response>{{ m.content | tojson }}</tool_response>"
    "{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Knows tools and thinking; drops the thinking of earlier turns, as reasoning models' templates do."""
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{{ m.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ m.content | trim }}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
INST = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] "
    "{% if loop.index0 == 1 and messages[0].role == 'system' %}{{ messages[0].content }}\n\n{% endif %}"
    "{{ m.content }} [/INST]{% elif m.role == 'assistant' %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
)
"""Has no words that make the model answer, and puts the system's before the user's."""
PHI = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% else %}{{ eos_token }}{% endif %}"
)
"""Writes the end token after the token that closes the answer."""
PARTS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for part in m.content if part is mapping %}{{ part.text }}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Wants content in parts, and writes nothing of a text."""
HARMONY = (
    "<|start|>system<|message|>You are a model.<|end|>{% for m in messages %}{% if m.role == 'developer' %}"
    "<|start|>developer<|message|>{{ m.content }}<|end|>{% elif m.role == 'user' %}"
    "<|start|>user<|message|>{{ m.content }}<|end|>{% elif m.role == 'assistant' %}"
    "<|start|>assistant<|channel|>final<|message|>{{ m.content }}{{ '<|return|>' if loop.last else '<|end|>' }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)
"""Knows a developer and no system, and writes a default system."""

MARKS = ("<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<start_of_turn>",
         "<end_of_turn>", "<|user|>", "<|assistant|>", "<|end|>", "<|start|>", "<|message|>", "<|channel|>",
         "<|return|>", "<s>", "</s>")  # fmt: skip
ENDS = {LLAMA3: "<|eot_id|>", GEMMA: "<end_of_turn>", INST: "</s>", HARMONY: "<|return|>", PHI: "</s>"}


def save_chat(folder, template, **settings):
    """Write a tiny model whose tokenizer knows `MARKS` and has a template; return the folder."""
    marks = [mark for mark in MARKS if mark != "<|end|>"]
    save_tiny(folder, vocab_size=VOCABULARY + len(marks), max_position_embeddings=512)
    told = json.loads((folder / "tokenizer.json").read_text())
    there = {token["content"] for token in told["added_tokens"]}
    for number, mark in enumerate(mark for mark in marks if mark not in there):
        told["added_tokens"].append(
            {"id": VOCABULARY + number, "content": mark, "special": True, "normalized": False}
            | dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
        )
    (folder / "tokenizer.json").write_text(json.dumps(told))
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config |= {"chat_template": template, "bos_token": "<s>", "eos_token": ENDS.get(template, "<|im_end|>")}
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"split_special_tokens": False} | settings))
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    return folder
