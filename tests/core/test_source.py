import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from farsighted.core.source import is_local, place_of, sources_of
from farsighted.selectors import Loss, Scored
from farsighted.testing.fake_learner import FakeLearner

FILES = {
    "shop/__init__.py": "SIGN = 1",
    "shop/rule.py": """
from dataclasses import dataclass
import numpy as np
from farsighted import Scored
from .near import helper
from . import beside
import elsewhere.deep.far

@dataclass(frozen=True)
class Rule(Scored):
    needs = frozenset({"tokens"})
    def score(self, signals, state):
        import late
        return signals["tokens"]
""",
    "shop/near.py": "from .second import CONSTANT\ndef helper(): pass",
    "shop/second.py": "CONSTANT = 1",
    "shop/beside.py": "import importlib\nnamed = lambda: importlib.import_module('by_name')",
    "shop/unrelated.py": "NOTHING = 0",
    "elsewhere/deep/far.py": "",
    "late.py": "LATE = 1",
    "by_name.py": "",
    "stranger.py": "NOTHING = 0",
}
READ = {
    "shop/__init__.py",
    "shop/rule.py",
    "shop/near.py",
    "shop/second.py",
    "shop/beside.py",
    "elsewhere/deep/far.py",
    "late.py",
    "by_name.py",
}


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A rule among other modules, in folders that Python imports from; forgotten again after the test."""
    for name, text in FILES.items():
        write(tmp_path / name, text)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def rule():
    from shop.rule import Rule

    return Rule


def test_every_local_module_that_a_rule_reaches_is_read_and_no_other(shop):
    names = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in READ}
    assert set(sources_of(rule()).modules) == names


@pytest.mark.parametrize("name", FILES)
def test_the_digest_changes_with_what_is_reached_and_with_nothing_else(shop, name):
    before = sources_of(rule()).digest
    write(shop / name, FILES[name] + "\n# changed")
    assert (sources_of(rule()).digest != before) == (name in READ)


def test_nothing_is_run_to_find_out_what_it_imports(shop):
    found = rule()
    write(shop / "late.py", "import elsewhere.never\nraise RuntimeError('this was run')")
    write(shop / "elsewhere/never.py", "raise RuntimeError('this was run')")
    assert "elsewhere.never" in sources_of(found).modules
    assert not {"late", "elsewhere.never"} & set(sys.modules)


def test_modules_that_import_each_other_are_read_once(shop):
    write(shop / "shop/second.py", "from shop import near")
    sys.modules.pop("shop.second", None)
    write(shop / "shop/near.py", "import shop.second\ndef helper(): pass")
    assert {"shop.near", "shop.second"} <= set(sources_of(rule()).modules)


def test_the_digest_is_the_same_wherever_the_project_lies(tmp_path):
    program = "from shop.rule import Rule; from farsighted.core.source import sources_of; print(sources_of(Rule)[0])"
    digests = set()
    for place in ("one", "two"):
        for name, text in FILES.items():
            write(tmp_path / place / name, text)
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path / place, capture_output=True, text=True, check=True
        )
        digests.add(done.stdout)
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("line", "followed"),
    [
        ("importlib.import_module('stranger')", True),
        ("importlib.import_module('.unrelated', __package__)", True),
        ("__import__('stranger')", True),
        ("importlib.import_module(name)", False),
        ("importlib.import_module(f'{name}.rule')", False),
        ("__import__(name)", False),
        ("importlib.util.spec_from_file_location('stranger', 'stranger.py')", False),
        ("runpy.run_path(name)", False),
        ("exec(name)", False),
        ("exec('x = 1')", True),
        ("exec('from stranger import rule')", True),
        ("exec('this is no Python')", False),
        ("importlib.import_module(name=which)", False),
        ("importlib.import_module(name='stranger')", True),
        ("model.eval()", True),
    ],
)
def test_what_is_named_when_the_code_runs_is_noted_with_its_line_or_followed(shop, line, followed):
    write(shop / "shop/second.py", f"CONSTANT = 1\ndef load(name, model):\n    return {line}")
    notes = sources_of(rule()).notes
    assert len(notes) == (0 if followed else 1)
    if not followed:
        assert "second.py, line 3" in notes[0]
        assert "cannot be followed" in notes[0]
    if followed and "import" in line:
        assert {"stranger", "shop.unrelated"} & set(sources_of(rule()).modules)


def test_a_module_that_is_no_python_is_noted(shop):
    write(shop / "late.py", "def (:")
    assert "late.py, line 1" in sources_of(rule()).notes[0]


def test_what_is_this_packages_own_has_no_digest():
    for thing in (Loss, FakeLearner, Scored, sources_of):
        assert sources_of(thing) == (None, (), ())


def test_what_is_installed_counts_by_its_version_and_its_module():
    found = sources_of(np.random.Generator)
    assert found.digest is not None
    assert found.modules == ()


def test_a_function_is_known_by_its_module_as_a_class_is(shop):
    rule()
    from shop.near import helper

    assert set(sources_of(helper).modules) == {"shop", "shop.near", "shop.second"}


PROMPT = """
LIMIT = {limit}
def helper(x):
    return x {sign} LIMIT
class Typed:
    names = frozenset({{"a", "b", "c", "d"}})
    @property
    def score(self):
        return helper(1) in {{"e", "f", "g"}}
class Apart:
    pass
"""


def typed(sign="+", limit=1):
    names = {"__name__": "a_prompt"}
    exec(compile(PROMPT.format(sign=sign, limit=limit), "<prompt>", "exec"), names)
    return names["Typed"]


def test_what_was_typed_at_a_prompt_is_known_by_its_code_and_by_what_that_names():
    digests = [sources_of(made).digest for made in (typed(), typed(), typed("-"), typed(limit=2))]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_what_was_typed_has_the_same_digest_in_every_process():
    program = "\n".join(
        [
            "from farsighted.core.source import sources_of",
            f"names = {{'__name__': 'a_prompt'}}; exec({PROMPT.format(sign='+', limit=1)!r}, names)",
            "print(sources_of(names['Typed']).digest)",
        ]
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(digests) == 1


def test_an_error_is_placed_at_the_innermost_line_of_local_code(tmp_path, monkeypatch):
    write(tmp_path / "faulty.py", "import json\n\ndef load():\n    return json.loads('{')\n")
    monkeypatch.syspath_prepend(tmp_path)
    import faulty

    with pytest.raises(json.JSONDecodeError) as raised:
        faulty.load()
    assert place_of(raised.value).endswith("faulty.py, line 4")
    monkeypatch.chdir(tmp_path)
    assert place_of(raised.value) == "faulty.py, line 4"
    assert place_of(SyntaxError("wrong", (str(tmp_path / "faulty.py"), 7, 1, "x"))) == "faulty.py, line 7"


def test_local_is_neither_installed_nor_standard_nor_this_package():
    assert is_local(Path(__file__))
    for module in (json, np, sys.modules["farsighted.core.source"]):
        assert not is_local(Path(module.__file__))
    assert not is_local(Path("<frozen importlib._bootstrap>"))
