"""A small model in a folder whose tokenizer has a chat template and marks of its own."""

import json
import shutil

import torch
from safetensors.torch import load_file, save_file

from farsighted.models.folder import TINY, model_folder

LOOP = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] }}CLOSE\n{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
CHATML = LOOP.replace("CLOSE", "<|im_end|>")


def save_chat(folder, template=None, marks=("<|im_start|>", "<|im_end|>"), ends=None, begin=False):
    """Copy the model that ships to `folder`, with new marks (embedded at random), and return the folder.

    `ends`: marks that its generation settings name. `begin`: whether its tokenizer puts `<|begin|>` before every text.
    """
    shutil.copytree(model_folder(TINY), folder)
    tokenizer, config, settings = (
        json.loads((folder / name).read_text()) for name in ("tokenizer.json", "config.json", "tokenizer_config.json")
    )
    size = config["vocab_size"]
    for number, mark in enumerate(marks, start=size):
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        tokenizer["added_tokens"].append({"id": number, "content": mark, "special": True, **flags})
    if begin:
        tokenizer["post_processor"] = _begins({a["content"]: a["id"] for a in tokenizer["added_tokens"]})
    if template is not None:
        settings["chat_template"] = template
    if ends is not None:
        named = [next(a["id"] for a in tokenizer["added_tokens"] if a["content"] == mark) for mark in ends]
        (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": named}))
    weights = load_file(folder / "model.safetensors")
    noise = torch.Generator().manual_seed(0)
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        new = torch.randn(len(marks), weights[name].shape[1], generator=noise) * 0.02
        weights[name] = torch.cat([weights[name], new]).contiguous()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    for name, values in (
        ("tokenizer.json", tokenizer),
        ("config.json", config | {"vocab_size": size + len(marks)}),
        ("tokenizer_config.json", settings | {"split_special_tokens": False}),
    ):
        (folder / name).write_text(json.dumps(values))
    return folder


def _begins(ids):
    begin = {"SpecialToken": {"id": "<|begin|>", "type_id": 0}}
    first, second = ({"Sequence": {"id": name, "type_id": place}} for place, name in enumerate("AB"))
    known = {"<|begin|>": {"id": "<|begin|>", "ids": [ids["<|begin|>"]], "tokens": ["<|begin|>"]}}
    pair = [begin, first, second]
    return {"type": "TemplateProcessing", "single": [begin, first], "pair": pair, "special_tokens": known}
