"""An audit over small files with every kind of set: options, answers to be written, plain likelihood."""

from farsighted.config.load import load_config
from oracles.micro import write_jsonl


def choices(name, count):
    return [
        {"id": f"{name}{n}", "prompt": f"Is {name}{n} odd?", "response": ("Yes", "No")[n % 2]}
        | {"choices": ["Yes", "No"], "answer_index": n % 2, "difficulty": n / 10, "cluster": f"c{n % 2}"}
        for n in range(count)
    ]


def numbers(name, count):
    return [
        {
            "id": f"{name}{n}",
            "prompt": f"{name}: {n} + 1?",
            "response": f"It is {n + 1} #### {n + 1}",
            "answer": str(n + 1),
        }
        for n in range(count)
    ]


def mixed_config(folder, **changes):
    """One stage of choices with a shifted set that the model writes answers to, the other measured by likelihood."""
    for name, rows in {
        "a": choices("t", 9),
        "b": choices("v", 5),
        "c": numbers("n", 6),
        "d": numbers("m", 12),
        "e": numbers("w", 4),
    }.items():
        write_jsonl(folder / f"{name}.jsonl", rows)
    quiz = {"name": "quiz", "train": "a.jsonl", "validation": ["b.jsonl"], "measure": "choice_accuracy"}
    quiz |= {"ood": {"sums": "c.jsonl"}, "ood_measure": {"sums": "gsm8k_strict"}, "style": "harness"}
    sums = {"name": "sums2", "train": "d.jsonl", "validation": ["e.jsonl"], "measure": "token_accuracy"}
    config = {"stages": [quiz, sums], "data_root": str(folder), "data": {"proxy_per_stage": 2}}
    return load_config(config | {"evaluation": {"max_new_tokens": 8}, "orders": ["canonical", "reversed"]} | changes)
