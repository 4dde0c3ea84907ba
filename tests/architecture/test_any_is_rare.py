"""How often the type checker is told to look away, counted by `ast`; imports do not count."""

import ast
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"
MOST = 5
"""Uses of `Any` in 1,000 lines."""


def uses(path):
    return sum(isinstance(node, ast.Name) and node.id == "Any" for node in ast.walk(ast.parse(path.read_text())))


def test_any_stands_in_fewer_than_5_of_1000_lines():
    counts = {path.relative_to(SOURCE).as_posix(): uses(path) for path in SOURCE.rglob("*.py")}
    lines = sum(path.read_text().count("\n") for path in SOURCE.rglob("*.py"))
    rate = 1000 * sum(counts.values()) / lines
    most = sorted(((count, name) for name, count in counts.items() if count), reverse=True)[:5]
    print(f"Any: {sum(counts.values())} uses in {lines} lines, {rate:.2f} per 1,000; most in {most}")  # noqa: T201 — the rate is wanted, not only the verdict
    assert rate < MOST, most


def test_a_use_is_counted_wherever_it_stands(tmp_path):
    path = tmp_path / "one.py"
    path.write_text("from typing import Any\n\n\ndef f(a: Any, b: list[Any]) -> 'None':\n    c: Any = a\n")
    assert uses(path) == 3
