"""YAML that knows its lines, and overrides."""

import pytest

from farsighted.config.located import COMMAND_LINE, Located, override, parse_yaml
from farsighted.core.errors import ConfigError


def located(text):
    return parse_yaml(text, "a.yaml")


def overridden(text, *overrides):
    found = located(text)
    for entry in overrides:
        found = override(found, entry)
    return found


def test_every_key_knows_its_line():
    found = located("title: T\nstages:\n  - name: a\n    train: x\n  - {name: b,\n     train: y}\n")
    assert found.value == {"title": "T", "stages": [{"name": "a", "train": "x"}, {"name": "b", "train": "y"}]}
    assert found.place(("stages", 0, "train")) == "a.yaml:4"
    assert found.place(("stages", 1, "train")) == "a.yaml:6"


def test_an_absent_key_stands_where_the_key_above_it_stands():
    found = located("title: T\nmodel:\n  dtype: float32\n")
    assert found.place(("model", "context", 3)) == "a.yaml:2"
    assert found.place(("seeds",)) == "a.yaml"


@pytest.mark.parametrize(
    ("text", "number"), [("2e-3", 0.002), ("2.0e-3", 0.002), ("1E5", 1e5), (".5", 0.5), ("-1e2", -100)]
)
def test_numbers_with_an_exponent_are_numbers(text, number):
    assert located(f"x: {text}").value == {"x": number}


@pytest.mark.parametrize("text", ["e3", "1e", "2e-3x", "25%"])
def test_other_words_stay_words(text):
    assert located(f"x: {text}").value == {"x": text}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\nb: 2\n", r"a\.yaml:2 must be valid YAML"),
        ("a: 1\n\tb: 2\n", r"a\.yaml:2 must be valid YAML"),
        ("a: 1\n---\nb: 2\n", r"a\.yaml:2 must be valid YAML.*document"),
        ("a: 1\nb: 2\na: 3\n", r"`a` must be given once, but is given twice \(a\.yaml:1 and a\.yaml:3\)"),
        ("m:\n  a: 1\n  a: 3\n", r"`a` must be given once.*a\.yaml:2 and a\.yaml:3"),
        ("a: 1\non: 3\n", r"A key must be text, but is 'on' \(a\.yaml:2\)"),
        ("[1, 2]: 3\n", r"A key must be text"),
        ("", r"a\.yaml must hold a configuration, but is empty"),
        ("# nothing\n", r"is empty"),
        ("- a\n- b\n", r"must be a mapping of keys to values"),
        ("word", r"must be a mapping"),
        ("a: !!python/object/apply:os.getcwd []\n", r"a\.yaml:1 must be plain values"),
        ("a: !!set {x, y}\n", r"a\.yaml:1 must be plain values"),
        ("a: !!python/name:os.system x\n", r"a\.yaml:1 must be valid YAML"),
        ("t: 1\nday: 2024-13-45\n", r"a\.yaml:2 must be a valid value"),
        ("a: !!int word\n", r"a\.yaml:1 must be a valid value"),
        ("a: &x [*x]\n", r"a\.yaml:1 must stand for itself"),
        ("a: *nowhere\n", r"a\.yaml:1 must be valid YAML"),
        ("a: \x00\n", r"a\.yaml must be valid YAML"),
        ("a: " + "[" * 5000, r"nested too deeply"),
        ("a: '", r"a\.yaml:1 must be valid YAML"),
    ],
)
def test_text_that_is_no_plain_tree_is_refused_with_its_line(text, message):
    with pytest.raises(ConfigError, match=message):
        located(text)


def test_aliases_that_multiply_are_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with pytest.raises(ConfigError, match="aliases repeat without end"):
        located("\n".join(lines))


def test_an_alias_may_be_used_twice_and_a_merge_key_gives_way_to_own_keys():
    found = located("base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: {<<: *b}\nthree: *b\n")
    assert found.value["one"] == {"x": 1, "y": 3}
    assert found.value["two"] == found.value["three"] == {"x": 1, "y": 2}


def test_an_override_replaces_a_value_and_its_place():
    found = overridden("training: {rounds: 4, batch_size: 8}\n", "training.rounds=2")
    assert found.value == {"training": {"rounds": 2, "batch_size": 8}}
    assert found.place(("training", "rounds")) == COMMAND_LINE
    assert found.place(("training", "batch_size")) == "a.yaml:1"


def test_an_override_of_a_whole_part_hides_the_old_lines():
    found = overridden("seeds: [0, 1]\n", "seeds=[3]")
    assert found.place(("seeds", 0)) == COMMAND_LINE


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("b=5%", "5%"),
        ("b=[0, 1]", [0, 1]),
        ("b={random: 2}", {"random": 2}),
        ("b=1e-3", 0.001),
        ("b=", None),
        ("b=x=y", "x=y"),
        (" b =true", True),
        ("b.c.d=1", {"c": {"d": 1}}),
    ],
)
def test_the_value_of_an_override_is_yaml(entry, value):
    assert overridden("a: 1\n", entry).value == {"a": 1, "b": value}


@pytest.mark.parametrize("entry", ["stages.1.name=c", "stages[1].name=c"])
def test_an_override_reaches_into_a_list(entry):
    assert overridden("stages: [{name: a}, {name: b}]\n", entry).value == {"stages": [{"name": "a"}, {"name": "c"}]}


@pytest.mark.parametrize("entry", ["title", "=3", ".=3", ""])
def test_an_override_without_key_or_value_is_refused(entry):
    with pytest.raises(ConfigError, match=r"must be KEY=VALUE.*on the command line"):
        overridden("a: 1\n", entry)


@pytest.mark.parametrize("entry", ["title.x=1", "seeds.7=1", "seeds.x=1", "none.0=1"])
def test_an_override_through_something_that_has_no_keys_is_refused(entry):
    with pytest.raises(ConfigError, match=r"must lead to a key.*on the command line"):
        overridden("title: T\nseeds: [0]\nnone:\n", entry)


def test_an_override_with_broken_yaml_is_refused_as_one():
    with pytest.raises(ConfigError, match=r"'seeds=\[0' on the command line.* must be valid YAML"):
        overridden("a: 1\n", "seeds=[0")


def test_an_override_leaves_the_tree_before_it_alone():
    before = located("m: {x: 1}\n")
    override(before, "m.x=2")
    assert before == Located({"m": {"x": 1}}, before.places)
