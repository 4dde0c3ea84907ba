"""The import law of the house, read from the source by `ast`: nothing is imported to find out."""

import ast

import pytest

from oracles.house import MODULES, imports_of
from oracles.house import module_of as ours

LAW = "core < store < metrics|sets|files|models < config < worlds|selectors|signals < data < learners \
    < candidates < training|evaluation < protocol < launch < results < report < testing < api < paper|phase_map < cli"
LEVEL = {name: level for level, group in enumerate(LAW.split("<")) for name in group.strip().split("|")}
TORCHLESS = ("core", "store", "config", "metrics", "sets", "files", "selectors", "data", "results", "report")
FOREIGN_HOMES = {
    "transformers": {
        "models.adapted",
        "models.gguf",
        "models.loading",
        "models.stretched",
        "learners.generate",
        "evaluation.harness_run",
        "learners.reward",
        "learners.targets",
        "learners.virtual_tokens",
        "worlds.tiny",
    },
    "peft": {
        "models.adapted",
        "learners.adapters",
        "learners.peft_by_name",
        "learners.transitions",
        "learners.virtual_tokens",
    },
    "sentence_transformers": {"models.sentence"},
    "tokenizers": {"models.ends", "models.marks", "models.tokenizer", "worlds.tiny"},
    "datasets": {"files.hub"},
    "gguf": {"models.gguf"},
    "lm_eval": {"evaluation.harness_run"},
}
DRAWERS = {"utils", "util", "common", "misc", "helpers", "helper"}


def foreign(module):
    return {name.split(".")[0] for name, _ in imports_of(MODULES[module])}


def reached_at_start(module):
    """Modules that are imported with `module`, itself included."""
    seen, waiting = set(), [module]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        parents = {".".join(one.split(".")[: depth + 1]) for depth in range(one.count("."))}
        waiting += [ours(name) for name, top in imports_of(MODULES[one]) if top and ours(name)] + sorted(parents)
    return seen


def layer(module):
    return module.split(".")[0]


def test_every_folder_has_its_place_in_the_law():
    assert {layer(module) for module in MODULES if module} <= LEVEL.keys()


@pytest.mark.parametrize("module", [module for module in MODULES if module])
def test_a_module_imports_only_its_own_folder_and_folders_to_its_left(module):
    for name, _ in imports_of(MODULES[module]):
        inside = ours(name)
        if name.split(".")[0] == "farsighted":
            assert inside, f"{module} must not import the package's root"
            assert layer(inside) == layer(module) or LEVEL[layer(inside)] < LEVEL[layer(module)], f"{module} <- {name}"


@pytest.mark.parametrize("folder", TORCHLESS)
def test_folders_that_read_and_report_never_lead_to_torch(folder):
    for module in MODULES:
        if layer(module) == folder:
            for reached in reached_at_start(module):
                assert not foreign(reached) & {"torch", "transformers", "peft"}, f"{module} leads to {reached}"


@pytest.mark.parametrize("entry", ["", "api", "cli.app"])
def test_the_package_and_the_command_line_start_without_torch(entry):
    heavy = {module for module in reached_at_start(entry) if foreign(module) & {"torch", "transformers", "peft"}}
    assert heavy == set()


@pytest.mark.parametrize("library", FOREIGN_HOMES)
def test_a_foreign_library_stays_in_the_files_that_know_it(library):
    assert {module for module in MODULES if library in foreign(module)} <= FOREIGN_HOMES[library]


def test_no_file_is_a_drawer():
    assert not {path.stem for path in MODULES.values()} & DRAWERS
    assert not {part for module in MODULES for part in module.split(".")} & DRAWERS


def test_no_module_is_longer_than_400_lines():
    assert {module: lines for module, path in MODULES.items() if (lines := path.read_text().count("\n")) > 400} == {}


def test_printing_is_the_command_lines_business():
    """`worlds.tiny` is itself a command: it trains the model that ships."""
    callers = {module for module, path in MODULES.items() if "rich" in foreign(module) or _prints(path)}
    assert {layer(module) for module in callers - {"worlds.tiny"}} <= {"cli"}


def _prints(path):
    calls = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return any(isinstance(call, ast.Name) and call.id == "print" for call in calls)


def test_nothing_is_pickled_and_no_random_state_is_global():
    for module, path in MODULES.items():
        assert not foreign(module) & {"pickle", "random", "shelve", "dill"}, module
        assert "torch.manual_seed" not in path.read_text(), module
