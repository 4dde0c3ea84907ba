"""The house as its source says it: modules, and who imports whom. Read by `ast`; nothing is imported to find out.

python tests/oracles/house.py SOURCE > imports.json    # {module: [modules that it imports]}
"""

import ast
import json
import sys
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "farsighted"


def modules_below(source):
    """Dotted name within the package to file; the package itself is ''."""
    return {
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix("__init__").rstrip("."): path
        for path in sorted(source.rglob("*.py"))
    }


MODULES = modules_below(SOURCE)


@cache
def imports_of(path):
    """Everything that a file imports, with whether at its top level: {(dotted name, top)}."""
    tree = ast.parse(path.read_text())
    top = {id(node) for node in tree.body}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(alias.name, id(node) in top) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} must import by full name"
            found |= {(f"{node.module}.{alias.name}", id(node) in top) for alias in node.names}
    return found


def module_of(name, modules=MODULES):
    """The module of the package that a dotted name leads to, or None."""
    inside = name.removeprefix("farsighted").lstrip(".") if name.split(".")[0] == "farsighted" else None
    while inside and inside not in modules:
        inside = inside.rpartition(".")[0]
    return inside


def import_graph(source=SOURCE):
    """Each module's imports from the package, lazy ones too: {module: sorted modules}."""
    modules = modules_below(source)
    return {
        module: sorted({found for name, _ in imports_of(path) if (found := module_of(name, modules))} - {module})
        for module, path in modules.items()
    }


def longest_chain(graph):
    """The longest path along imports; raises `RecursionError` in a circle."""

    @cache
    def chain(module):
        return (module, *max(map(chain, graph[module]), key=len, default=()))

    return max(map(chain, graph), key=len)


def circles(graph):
    """Modules that lead back to themselves."""
    left = {module: set(found) for module, found in graph.items()}
    while free := [module for module, found in left.items() if not found & left.keys()]:
        for module in free:
            del left[module]
    return sorted(left)


if __name__ == "__main__":
    json.dump(import_graph(Path(sys.argv[1])), sys.stdout, indent=0)
