"""`validate` reads and checks as `audit` and `plan` do, so what each of them refuses is proved here."""

import json
import shutil
import sys

import pytest
from safetensors.torch import load_file, save_file

from farsighted import audit
from farsighted.store.layout import Layout
from farsighted.worlds.tiny import TINY_PATH
from oracles.adapters import lora_on
from oracles.cli import run_cli
from oracles.families import MIXTURES, OTHERS, save_family
from oracles.micro import micro_config, nano_config, write_yaml


@pytest.fixture
def micro_file(tmp_path):
    return write_yaml(tmp_path / "micro.yaml", micro_config())


@pytest.fixture
def nano(tmp_path):
    """A configuration over files that a test may damage, and the command on it."""

    class Nano:
        folder = tmp_path
        config = nano_config(tmp_path)

        def append(self, name, row):
            with (tmp_path / name).open("a") as file:
                file.write((row if isinstance(row, str) else json.dumps(row)) + "\n")

        def validate(self, *more):
            return run_cli("validate", write_yaml(tmp_path / "nano.yaml", self.config), *more)

    return Nano()


SHORT_PROBE = "probe={steps: 1, points: 1, items: 3}"
"""Not longer than half a stage, of which nothing need be said."""


def refused(said, *parts, code=2):
    """One message, no traceback, and every part of it."""
    assert said.code == code
    assert said.out == ""
    assert said.err.startswith("farsighted: ")
    assert "Traceback" not in said.err
    for part in parts:
        assert part in said.err


def test_what_is_valid_is_said_in_a_sentence(micro_file):
    said = run_cli("validate", micro_file, "probe.steps=1")
    assert (said.code, said.err) == (0, "")
    assert said.out == "Valid: 8 cells over the stages general, math, code, reasoning, safety.\n"


def test_notes_come_first(nano):
    nano.append("math.train.jsonl", "{broken")
    said = nano.validate("data.on_bad_row=skip", "data.max_bad_share=0.2", SHORT_PROBE)
    assert said.out.splitlines() == [
        "Note: 1 bad rows were set aside.",
        "Valid: 2 cells over the stages general, math.",
    ]


def test_an_adapter_that_does_not_fit_the_model_is_refused(nano):
    refused(nano.validate("adaptations=[vera]"), "PEFT cannot put 'vera' on this model", "Change `peft.vera`")
    wrong = "peft={p_tuning: {num_virtual_token: 4}}"
    refused(nano.validate("adaptations=[p_tuning]", wrong), "unexpected keyword argument 'num_virtual_token'")
    refused(nano.validate("adaptations=[p_tuning_v2]", "training.gradient_checkpointing=true"), "or use prompt_tuning")


def test_adapters_of_prompt_learning_are_valid(nano):
    kinds = "adaptations=[prompt_tuning, p_tuning, prefix_tuning, p_tuning_v2, bottleneck]"
    assert nano.validate(kinds).out.splitlines()[-1] == "Valid: 10 cells over the stages general, math."


def test_fields_that_nothing_reads_and_rows_set_aside_are_told(nano):
    nano.append("math.train.jsonl", '{"prompt": "p", "response": "r", "url": "x"}')
    nano.append("math.train.jsonl", '{"prompt": "q", "response": "r", "label": false}')
    notes = [line.partition("': ")[2] for line in nano.validate().out.splitlines() if line.startswith("Note: ")]
    assert notes[0] == "1 row was set aside: label false."
    assert notes[1].startswith("fields not read: ")
    assert "url (in 1 of " in notes[1]


def test_added_selectors_are_checked_too(micro_file):
    assert "Valid: 8 cells" in run_cli("validate", micro_file, "-s", "loss").out
    refused(run_cli("validate", micro_file, "-s", "los"), "no selector 'los'", "'loss'")


def test_an_unknown_key_is_refused_with_its_line_and_the_nearest_name(micro_file):
    text = micro_file.read_text().replace("seeds:", "sedes:")
    micro_file.write_text(text)
    line = text.splitlines().index("sedes:") + 1
    refused(run_cli("validate", micro_file), "`sedes`", "Did you mean 'seeds'?", f"micro.yaml:{line}")


def test_an_unknown_key_inside_a_section_is_refused_with_its_line(micro_file):
    text = micro_file.read_text().replace("learning_rate:", "lr:")
    micro_file.write_text(text)
    line = text.splitlines().index("  lr: 0.005") + 1
    refused(run_cli("validate", micro_file), "lr", f"micro.yaml:{line}")


def test_an_unknown_key_on_the_command_line_is_told_to_be_there(micro_file):
    refused(run_cli("validate", micro_file, "training.batchsize=4"), "batchsize", "batch_size", "on the command line")


def test_an_override_without_a_sign_is_refused(micro_file):
    refused(run_cli("validate", micro_file, "seeds"), "seeds", "=")


def test_a_misspelt_preset_is_refused_with_the_nearest_name():
    refused(run_cli("validate", "skils"), "'skils'", "skills")


def test_a_misspelt_file_is_refused_with_the_nearest_one(micro_file):
    refused(run_cli("validate", micro_file.with_name("mikro.yaml")), "mikro.yaml", "micro.yaml")


def test_a_misspelt_selector_is_refused_with_the_nearest_name(micro_file):
    refused(run_cli("validate", micro_file, "selectors=[random, graident]"), "'graident'", "'gradient'")


def test_a_misspelt_parameter_is_refused_with_the_nearest_name(micro_file):
    refused(run_cli("validate", micro_file, "selectors=[random, {name: lhas, lamda_: 1}]"), "`lamda_`", "'lambda_'")


def test_an_own_selector_that_is_not_there_is_refused_with_where_was_looked(micro_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(run_cli("validate", micro_file, "-s", "nobody.knows:It"), "nobody", str(tmp_path))


@pytest.mark.parametrize(
    ("budget", "parts"),
    [
        ("25", ("is 25", "25%", "25 tokens", "25 examples")),
        ("0", ("is 0", "25%")),
        ("-0.5", ("is -0.5",)),
        ("120%", ("120%",)),
        ("much", ("much", "25%")),
    ],
)
def test_a_budget_that_could_mean_two_things_or_none_is_refused(micro_file, budget, parts):
    refused(run_cli("validate", micro_file, f"budgets={budget}"), "budgets", *parts)


def test_an_absolute_budget_larger_than_a_pool_is_refused_with_the_pools_size(nano):
    refused(nano.validate("budgets=[9000 tokens]"), "9000 tokens is larger than the pool of stage 'general', which has")


def test_a_malformed_line_is_refused_with_file_line_and_excerpt(nano):
    nano.append("math.train.jsonl", '{"prompt": "1+1", "response"')
    refused(nano.validate(), f"{nano.folder / 'math.train.jsonl'}:27", '{"prompt": "1+1", "response"', "on_bad_row")


def test_a_missing_response_is_refused_with_file_and_line(nano):
    nano.append("math.train.jsonl", {"prompt": "What is 1+1?"})
    refused(nano.validate(), f"{nano.folder / 'math.train.jsonl'}:27", "response")


def test_an_empty_response_is_refused_with_file_and_line(nano):
    nano.append("math.train.jsonl", {"prompt": "What is 1+1?", "response": ""})
    refused(nano.validate(), f"{nano.folder / 'math.train.jsonl'}:27", "response")


def test_a_duplicate_id_is_refused_with_both_places(nano):
    first = json.loads((nano.folder / "math.train.jsonl").read_text().splitlines()[0])
    nano.append("math.train.jsonl", {**first, "prompt": "Another?"})
    place = nano.folder / "math.train.jsonl"
    refused(nano.validate(), first["id"], f"{place}:1", f"{place}:27")


def test_a_missing_file_is_refused_with_where_was_looked(nano):
    (nano.folder / "math.test.jsonl").unlink()
    refused(nano.validate(), "'math.test.jsonl'", str(nano.folder))


def test_an_example_longer_than_the_context_is_refused_with_both_lengths(nano):
    nano.append("math.train.jsonl", {"id": "giant", "prompt": "x" * 600, "response": "y"})
    refused(nano.validate(), "512 tokens", "'giant' has 603", "model.context", "on_long")


def test_a_training_example_that_is_measured_on_is_refused_with_both_places(nano):
    row = json.loads((nano.folder / "general.test.jsonl").read_text().splitlines()[1])
    nano.append("math.train.jsonl", {**row, "id": "leak"})
    refused(nano.validate(), "math", "the validation set of general", "leak", "on_overlap")
    dropped = nano.validate("data.on_overlap=drop")
    assert dropped.code == 0
    assert "1 of 27 examples" in dropped.out


def test_a_model_without_weights_is_refused(micro_file, tmp_path):
    refused(run_cli("validate", micro_file, f"model.path={tmp_path}"), "config.json", str(tmp_path))


def test_text_that_is_no_yaml_is_refused_with_its_line(tmp_path):
    (tmp_path / "bad.yaml").write_text("title: x\nseeds: [0, 1\nbudgets: 5%\n")
    refused(run_cli("validate", tmp_path / "bad.yaml"), "bad.yaml")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save_family("llama", tmp_path_factory.mktemp("model"))


def without_a_layer(folder):
    tensors = load_file(folder / "model.safetensors")
    tensors.pop("model.layers.0.mlp.up_proj.weight")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def of_another_width(folder):
    change(folder, intermediate_size=20)


def with_own_code(folder):
    (folder / "own.py").write_text("raise SystemExit('it was run')")
    change(folder, model_type="own", auto_map={"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"})


def pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def change(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize("verb", ["validate", "plan"])
@pytest.mark.parametrize(
    ("spoil", "parts"),
    [
        (without_a_layer, ("1 are missing", "'model.layers.0.mlp.up_proj.weight'")),
        (of_another_width, ("of another shape", "Save the whole model")),
        (with_own_code, ("needs code that comes with it", "never run here")),
        (pickled, ("pytorch_model.bin", "safetensors")),
    ],
)
def test_a_model_that_an_audit_could_not_load_is_refused(verb, spoil, parts, saved, nano):
    folder = shutil.copytree(saved, nano.folder / "model")
    spoil(folder)
    file = write_yaml(nano.folder / "nano.yaml", {**nano.config, "model": {"path": str(folder), "context": 400}})
    refused(run_cli(verb, file), *parts)


@pytest.mark.parametrize("verb", ["validate", "plan"])
def test_a_device_that_is_not_there_is_refused(verb, nano):
    file = write_yaml(nano.folder / "nano.yaml", nano.config)
    refused(run_cli(verb, file, "model.device=cuda:99"), "`model.device`", "'cuda:99' is not", "Write auto or cpu")


def test_quantisation_without_its_library_is_refused(nano, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    refused(nano.validate("adaptations=[qlora]"), "bitsandbytes", "farsighted[qlora]")


def test_a_whole_model_is_valid(saved, nano):
    nano.config["model"] = {"path": str(saved), "context": 400}
    assert nano.validate().code == 0


# What a model can read, and what it is


@pytest.fixture
def with_marks(nano):
    """The shipped model with a tokenizer that was given two tokens more, as fine-tuning guides have it."""
    folder = shutil.copytree(TINY_PATH, nano.folder / "model")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    for number, text in enumerate(("<|im_start|>", "<|im_end|>")):
        tokenizer["added_tokens"].append({"id": 259 + number, "content": text, "special": True, **flags})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    chatml = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    asked = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": chatml + asked}))
    nano.config["model"] = {"path": str(folder)}
    return nano


@pytest.mark.parametrize("verb", ["validate", "plan", "audit"])
def test_marks_of_a_chat_template_without_embeddings_are_refused(verb, with_marks):
    file = write_yaml(with_marks.folder / "nano.yaml", with_marks.config)
    more = ("--out", with_marks.folder / "out") if verb == "audit" else ()
    said = run_cli(verb, file, "data.template=chat", *more)
    refused(said, "token 260 ('<|im_end|>')", "has 259 rows: 2 are missing", "resize_token_embeddings(261)")


def test_marks_that_no_text_uses_are_a_note(with_marks):
    *notes, last = with_marks.validate().out.splitlines()
    assert "has 2 tokens beyond the model's 259 embeddings; no text here uses them." in "".join(notes)
    assert last.startswith("Valid")


def test_what_the_model_is_made_of_is_said(nano, saved):
    adapter = lora_on(saved, nano.folder / "adapter")
    nano.config["model"] = {"path": str(adapter), "context": 400}
    *notes, last = nano.validate().out.splitlines()
    said = f"Note: The model is the LORA adapter in '{adapter}', merged in float32 into its base '{saved}'"
    assert said in "".join(notes)
    assert last.startswith("Valid")


@pytest.mark.parametrize("family", sorted(OTHERS))
def test_every_architecture_is_tried_under_every_adaptation(nano, family):
    folder = save_family(family, nano.folder / "model")
    nano.config["model"] = {"path": str(folder), "context": 400}
    nano.config |= {"adaptations": ["lora", "full"], "lora": {"r": 2}}
    said = nano.validate()
    assert said.code == 0, said.err
    assert ("leaves out the routers and experts of this mixture of 4 experts" in said.out) == (family in MIXTURES)
    assert "hook" not in said.out + said.err


def test_signals_that_are_wrong_are_found_by_validate(nano, monkeypatch, saved):
    nano.config["model"] = {"path": str(saved), "context": 400}
    monkeypatch.setattr("farsighted.learners.passes._LOGIT_TOLERANCE", -1.0)
    refused(nano.validate(), "Logits must be hidden states times the output head")


SMALL_WORLD = {
    "title": "Own",
    "quadratic": {"stages": ["a", "b"], "train": 64, "validation": 12, "ood": 6, "proxy": 4},
    "seeds": [0],
    "references": [],
    "lora": {"r": 4},
    "probe": {"steps": 2, "points": 1, "items": 6},
    "statistics": {"resamples": 20},
}

OWN = """
from dataclasses import dataclass
from farsighted import Scored
import helper_{name}

@dataclass(frozen=True)
class Own(Scored):
    needs = frozenset({{"tokens", "nll"}})
    def score(self, signals, state):
        return {score}
"""


def own(nano, score, helper=""):
    """A selector of the user's own beside a helper; returns how it is named."""
    name = nano.folder.name
    (nano.folder / f"own_{name}.py").write_text(OWN.format(name=name, score=score))
    (nano.folder / f"helper_{name}.py").write_text(helper)
    return f"own_{name}:Own"


@pytest.mark.parametrize("verb", ["validate", "plan", "audit"])
def test_a_selector_that_crashes_is_refused_with_its_line_before_anything_is_trained(nano, monkeypatch, verb):
    monkeypatch.chdir(nano.folder)
    selector = own(nano, "signals['tokens'] * tokns")
    file = write_yaml(nano.folder / "nano.yaml", nano.config)
    more = ("--out", nano.folder / "out") if verb == "audit" else ()
    said = run_cli(verb, file, "-s", selector, *more)
    place = f"(own_{nano.folder.name}.py, line 10)"
    refused(said, f"'{selector}' fails on made-up candidates with NameError: name 'tokns' is not defined {place}")
    assert not (nano.folder / "out").exists()


def test_a_crash_in_what_a_selector_calls_is_placed_there(nano, monkeypatch):
    monkeypatch.chdir(nano.folder)
    name = nano.folder.name
    selector = own(nano, f"helper_{name}.of(signals)", "def of(signals):\n    return signals['tokens'] / None\n")
    refused(nano.validate("-s", selector), "TypeError", f"(helper_{name}.py, line 2)")


@pytest.mark.parametrize(
    ("lines", "parts"),
    [
        ("    def __post_init__(self):\n        missing()\n", ("cannot be built: NameError", "line 12")),
        ("    @property\n    def needs(self):\n        return nothing\n", ("cannot be built: NameError", "line 13")),
        ("import not_there\n", ("importing", "ModuleNotFoundError", "line 11")),
        ("    def init(self):\n        return {'seen': [1]}\n", ("a state must map names to numeric numpy arrays",)),
    ],
)
def test_a_class_that_crashes_or_breaks_its_contract_is_refused_too(nano, monkeypatch, lines, parts):
    monkeypatch.chdir(nano.folder)
    selector = own(nano, "signals['tokens']")
    with (nano.folder / f"own_{nano.folder.name}.py").open("a") as file:
        file.write(lines)
    refused(nano.validate("-s", selector), *parts)


def test_a_crash_inside_a_wrapper_is_found(nano, monkeypatch):
    monkeypatch.chdir(nano.folder)
    nano.config["selectors"] = ["random", {"name": "replay", "selector": own(nano, "nobody")}]
    refused(nano.validate(), "'replay' fails on made-up candidates with NameError", "line 10")


def test_an_own_selector_that_is_sound_is_valid_and_an_import_that_cannot_be_followed_is_noted(nano, monkeypatch):
    monkeypatch.chdir(nano.folder)
    name = nano.folder.name
    said = nano.validate("-s", own(nano, "signals['tokens']"), SHORT_PROBE)
    assert said.out == "Valid: 3 cells over the stages general, math.\n"
    (nano.folder / f"helper_{name}.py").write_text("def load(name):\n    return __import__(name)\n")
    note, last = nano.validate("-s", f"own_{name}:Own", SHORT_PROBE).out.splitlines()
    assert note.startswith(f"Note: helper_{name}.py, line 2: what `__import__` loads is known only when it runs")
    assert last == "Valid: 3 cells over the stages general, math."


def test_an_edit_in_a_helper_runs_the_cells_of_its_selector_again_and_an_edit_elsewhere_none(nano, monkeypatch):
    monkeypatch.chdir(nano.folder)
    name, out = nano.folder.name, Layout(nano.folder / "out")
    selector = own(nano, f"helper_{name}.signed(signals['nll'])", f"from deep_{name} import SIGN\n")
    with (nano.folder / f"helper_{name}.py").open("a") as file:
        file.write("def signed(x): return SIGN * x\n")
    deep, other = nano.folder / f"deep_{name}.py", nano.folder / f"other_{name}.py"
    config = {**SMALL_WORLD, "selectors": ["random", selector]}
    finished = []
    for sign, unrelated in ((1, 1), (1, 2), (-1, 2)):
        deep.write_text(f"SIGN = {sign}\n")
        other.write_text(f"NOTHING = {unrelated}\n")
        audit(config, out.root)
        finished.append({folder.name: folder.stat().st_mtime_ns for folder in (out.root / "cells").iterdir()})
    first, unrelated, edited = finished
    assert first == unrelated
    assert len(first) == 2
    assert len(edited) == 3
    assert first.items() < edited.items()
    chosen = {cell["selector"]: cell["id"] for cell in json.loads(out.audit.read_text())["cells"]}
    assert chosen[selector.partition(":")[2]] not in first
    old, new = (selection_of(out, cell) for cell in ({*first} - {chosen["random"]}, {*edited} - {*first}))
    assert old != new


def selection_of(layout, cells):
    (cell,) = cells
    return json.loads((layout.cell(cell) / "cell.json").read_text())["selection_hash"]
