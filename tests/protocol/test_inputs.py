import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farsighted.api import prepare
from farsighted.config.load import load_config
from farsighted.core import fingerprint
from farsighted.core.errors import ConfigError, DataError, ModelError
from farsighted.core.values import Example
from farsighted.data.templates import encode
from farsighted.evaluation.items import SetBuilder, SetRules
from farsighted.models.folder import model_folder
from farsighted.models.tokenizer import load_tokenizer, tokenizer_for
from farsighted.protocol.inputs import _most_tokens, load_inputs
from oracles.chat_folder import STRICT, save_chat
from oracles.micro import micro_config, nano_config, write_jsonl

TINY = load_tokenizer(model_folder("tiny"))


def inputs(config):
    return load_inputs(load_config(config))


def quiz(answers=("Yes", "No"), count=6, prefix="q"):
    """Multiple-choice rows in the prompt + response shape."""
    return [
        {"id": f"{prefix}{n}", "prompt": f"Is {prefix}{n} odd?", "response": answers[n % 2]}
        | {"choices": list(answers), "answer_index": n % 2}
        for n in range(count)
    ]


def quiz_config(folder, rows, **stage):
    write_jsonl(folder / "train.jsonl", quiz(prefix="t"))
    write_jsonl(folder / "test.jsonl", rows)
    files = {"name": "quiz", "train": "train.jsonl", "validation": ["test.jsonl"], "measure": "choice_accuracy"}
    return {"stages": [files | stage], "data_root": str(folder), "data": {"proxy_per_stage": 0}}


def test_a_suite_becomes_pools_sets_and_proxy():
    found = inputs(micro_config())
    assert list(found.stages) == ["general", "math", "code", "reasoning", "safety"]
    assert {len(stage.pool) for stage in found.stages.values()} == {48}
    assert {len(stage.validation.items) for stage in found.stages.values()} == {6}
    assert {len(shifted.items) for shifted in found.ood_sets} == {4}
    assert len(found.proxy) == 5 * 4
    assert found.orders == {"canonical": tuple(found.stages)}


def test_reading_twice_gives_equal_inputs(tmp_path):
    assert inputs(nano_config(tmp_path)) == inputs(nano_config(tmp_path))


def test_a_fingerprint_covers_pool_sets_and_normalisation(tmp_path):
    config = nano_config(tmp_path)
    before = inputs(config).fingerprints
    config["stages"][1]["ceiling"] = 0.9
    after = inputs(config).fingerprints
    assert before["general"] == after["general"]
    assert before["math"] != after["math"]
    assert before.keys() == {"general", "math", "(proxy)"}
    assert before["(proxy)"] == fingerprint.of_examples(tokens.example for tokens in inputs(config).proxy)


def test_a_shifted_set_that_two_stages_name_is_one_set(tmp_path):
    config = nano_config(tmp_path)
    config["stages"][1]["ood"] |= config["stages"][0]["ood"]
    assert len(inputs(config).ood_sets) == 2


def test_items_without_choices_are_left_out_of_choice_accuracy_with_a_note(tmp_path):
    rows = [*quiz(), {"id": "plain", "prompt": "And?", "response": "So."}]
    found = inputs(quiz_config(tmp_path, rows))
    assert [item.example.id for item in found.stages["quiz"].validation.items] == [f"q{n}" for n in range(6)]
    assert "'quiz': 1 items are not multiple choice and were left out." in found.notes


def test_chance_of_multiple_choice_is_the_mean_of_one_over_the_options(tmp_path):
    """Two items of two options and two of four: (1/2 + 1/4) / 2."""
    rows = [*quiz(count=2), *quiz(("a", "b", "c", "d"), count=2, prefix="r")]
    assert inputs(quiz_config(tmp_path, rows)).stages["quiz"].validation.chance == pytest.approx(0.375)


def test_a_given_chance_goes_before_the_derived_one(tmp_path):
    assert inputs(quiz_config(tmp_path, quiz(), chance=0.1)).stages["quiz"].validation.chance == 0.1


def test_a_ceiling_that_is_not_above_the_derived_chance_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"'quiz' chance is 0.5. Raise `ceiling`"):
        inputs(quiz_config(tmp_path, quiz(), ceiling=0.5))


def test_a_set_without_an_item_that_its_measure_can_score_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="'quiz' has no item that `choice_accuracy` can score"):
        inputs(quiz_config(tmp_path, [{"prompt": "And?", "response": "So."}]))


def long_row(config, folder, name):
    path = folder / f"math.{name}.jsonl"
    write = path.read_text() + '{"id": "giant", "prompt": "' + "x" * 600 + '", "response": "y"}\n'
    path.write_text(write)
    return config


def test_an_example_that_does_not_fit_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match="'giant' has 603"):
        inputs(long_row(nano_config(tmp_path), tmp_path, "train"))


@pytest.mark.parametrize("name", ["train", "test"])
def test_an_example_that_does_not_fit_is_left_out_with_a_note_where_asked(tmp_path, name):
    config = long_row(nano_config(tmp_path), tmp_path, name)
    found = inputs({**config, "data": {"proxy_per_stage": 0, "on_long": "skip"}})
    assert any("1 of the" in note and "longer than the model's context" in note for note in found.notes)
    texts = [*found.stages["math"].pool.tokens, *found.stages["math"].validation.items]
    assert "giant" not in {tokens.example.id for tokens in texts}


@given(prompt=st.text(max_size=40), response=st.text(min_size=1, max_size=40), begin=st.integers(0, 2))
def test_an_example_never_has_more_tokens_than_the_bound_says(prompt, response, begin):
    example = Example("x", prompt, response)
    tokenizer = dataclasses.replace(TINY, begin_ids=(1,) * begin)
    found = encode(example, tokenizer, 10_000, "skip")
    assert found is None or len(found.ids) <= _most_tokens(example, begin)


def test_only_examples_near_the_limit_are_turned_into_tokens_to_see_whether_they_fit(tmp_path, monkeypatch):
    config = long_row(nano_config(tmp_path), tmp_path, "train")
    asked = []
    monkeypatch.setattr(
        "farsighted.protocol.inputs.encode", lambda example, *rest: asked.append(example.id) or encode(example, *rest)
    )
    inputs({**config, "data": {"proxy_per_stage": 0, "on_long": "skip"}})
    assert asked == ["giant"]


def test_a_pool_of_which_nothing_is_left_is_refused(tmp_path):
    config = nano_config(tmp_path, model={"context": 8}, data={"proxy_per_stage": 0, "on_long": "skip"})
    with pytest.raises(DataError, match="No example of the pool of general fits"):
        inputs(config)


def test_a_context_beyond_the_models_positions_is_refused():
    with pytest.raises(ConfigError, match="at most the model's 1024 positions, but is 1025"):
        inputs(micro_config(model={"context": 1025}))


@pytest.mark.parametrize(("mode", "most"), [("lora", 1024), ("prompt_tuning", 1004), ("p_tuning_v2", 1004)])
def test_virtual_tokens_take_positions_from_the_context(mode, most):
    assert inputs(micro_config(model={"context": most}, adaptations=["full", mode])).stages
    with pytest.raises(ConfigError, match=f"`model.context` must be at most .*, but is {most + 1}"):
        inputs(micro_config(model={"context": most + 1}, adaptations=["full", mode]))


def test_no_context_leaves_the_virtual_tokens_their_positions(tmp_path):
    """One row of 1,000 tokens fits into 1,024 positions, and not beside 100 virtual tokens."""
    config = nano_config(tmp_path, model={"context": None}, data={"proxy_per_stage": 0, "on_long": "skip"})
    path = tmp_path / "math.train.jsonl"
    rows = path.read_text()
    path.write_text(rows + json.dumps({"id": "long", "prompt": "a" * 990, "response": "b"}) + "\n")
    whole = inputs(config).stages["math"].pool
    less = inputs({**config, "adaptations": ["p_tuning"], "peft": {"p_tuning": {"num_virtual_tokens": 100}}})
    assert len(whole) - len(less.stages["math"].pool) == 1


def test_prompts_that_were_cut_are_noted_for_each_set(tmp_path):
    config = long_row(nano_config(tmp_path, model={"context": 100}), tmp_path, "train")
    config["data"] = {"proxy_per_stage": 0, "on_long": "truncate_prompt"}
    told = [note for note in inputs(config).notes if "cut on the left" in note]
    assert told == [
        "'math': the prompts of 1 of 27 examples were cut on the left to fit into 100 tokens "
        "(`on_long: truncate_prompt`)."
    ]


@pytest.mark.parametrize(("context", "cause"), [
    (None, "The model reads 1024 tokens at most, of which virtual tokens take 100 (fewer: `num_virtual_tokens`"),
    (20, "Raise `model.context`, "),
])  # fmt: skip
def test_how_a_long_example_would_have_room_is_said_as_it_is(tmp_path, context, cause):
    config = nano_config(tmp_path, model={"context": context})
    peft = {"adaptations": ["p_tuning"], "peft": {"p_tuning": {"num_virtual_tokens": 100}}}
    path = tmp_path / "math.train.jsonl"
    path.write_text(path.read_text() + json.dumps({"id": "long", "prompt": "a" * 990, "response": "b"}) + "\n")
    with pytest.raises(DataError) as caught:
        inputs({**config, **peft})
    assert cause in str(caught.value)


def test_no_context_means_as_many_positions_as_the_model_has(tmp_path):
    config = long_row(nano_config(tmp_path, model={"context": None}), tmp_path, "train")
    assert len(inputs(config).stages["math"].pool) == 25


def test_a_model_that_is_not_there_is_refused_before_any_data_is_read(tmp_path):
    with pytest.raises(ModelError, match=r"has no config.json"):
        inputs({"suite": {"name": "skills"}, "model": {"path": str(tmp_path)}})


def test_rows_that_were_set_aside_are_kept_for_the_quarantine(tmp_path):
    config = nano_config(tmp_path, data={"proxy_per_stage": 0, "on_bad_row": "skip", "max_bad_share": 0.2})
    path = tmp_path / "math.train.jsonl"
    path.write_text(path.read_text() + "{broken\n")
    found = inputs(config)
    assert [(row.file, row.line) for row in found.bad_rows] == [(str(path), 27)]
    assert "1 bad rows were set aside." in found.notes


def test_inputs_do_not_depend_on_the_grid(tmp_path):
    plain = prepare(load_config(nano_config(tmp_path))).inputs
    wide = prepare(load_config(nano_config(tmp_path, seeds=[3, 4], orders=["canonical", "reversed"]))).inputs
    assert dataclasses.replace(wide, orders=plain.orders) == plain


def program_config(folder, **changes):
    rows = [
        {"prompt": f"Write f{n}().", "response": f"def f{n}(): return {n}", "tests": [f"assert f{n}() == {n}"]}
        for n in range(4)
    ]
    write_jsonl(folder / "programs.jsonl", rows)
    config = quiz_config(folder, quiz())
    config["stages"][0] |= {"ood": {"programs": "programs.jsonl"}, "ood_measure": {"programs": "pass_at_1"}}
    return config | changes


def test_programs_are_not_run_unless_allowed_and_the_set_says_so(tmp_path):
    found = inputs(program_config(tmp_path))
    assert found.ood_sets == ()
    assert any(note.startswith("'programs' was not run") and "--allow-code-execution" in note for note in found.notes)
    allowed = inputs(program_config(tmp_path, evaluation={"allow_code_execution": True}))
    assert [(shifted.name, shifted.measure) for shifted in allowed.ood_sets] == [("programs", "pass_at_1")]
    assert found.fingerprints != allowed.fingerprints


def test_a_stage_that_is_measured_by_programs_is_refused_unless_they_may_be_run(tmp_path):
    config = program_config(tmp_path)
    config["stages"][0] |= {"validation": ["programs.jsonl"], "measure": "pass_at_1", "ood": {}, "ood_measure": {}}
    with pytest.raises(ConfigError, match=r"'quiz' is measured by running programs.*--allow-code-execution"):
        inputs(config)
    assert inputs(config | {"evaluation": {"allow_code_execution": True}}).stages["quiz"].validation.chance == 0


def test_worked_examples_are_the_first_of_the_pool_and_count_in_the_fingerprint(tmp_path):
    config = quiz_config(tmp_path, quiz(), style="harness", few_shot=2)
    validation = inputs(config).stages["quiz"].validation
    text = bytes(token for token in validation.options[0][0].ids if token < 256).decode()
    assert text == "Is t0 odd?\nAnswer: Yes\n\nIs t1 odd?\nAnswer: No\n\nIs q0 odd?\nAnswer: Yes"
    other = quiz_config(tmp_path, quiz(), style="harness", few_shot=1)
    assert inputs(config).fingerprints != inputs(other).fingerprints


def chat_config(folder, template="chat", **data):
    talk = [{"role": role, "content": role} for role in ("user", "assistant", "tool", "assistant")]
    write_jsonl(folder / "train.jsonl", [*quiz(prefix="t"), {"id": "talk", "messages": talk}])
    write_jsonl(folder / "test.jsonl", quiz())
    stage = {"name": "quiz", "train": "train.jsonl", "validation": ["test.jsonl"], "measure": "choice_accuracy"}
    return {
        "stages": [stage],
        "data_root": str(folder),
        "model": {"path": str(save_chat(folder / "model", STRICT))},
        "data": {"proxy_per_stage": 0, "template": template, **data},
    }


def test_what_a_chat_template_does_not_write_is_set_aside_before_anything_is_held_out(tmp_path):
    with pytest.raises(DataError, match=r"train\.jsonl:7 has a text in turn 3 \(tool\)"):
        inputs(chat_config(tmp_path))
    found = inputs(chat_config(tmp_path, on_bad_row="skip", max_bad_share=0.2))
    assert [row.line for row in found.bad_rows] == [7]
    assert "1 bad rows were set aside." in found.notes
    assert len(found.stages["quiz"].pool) == 6


def test_tasks_of_the_harness_are_asked_by_the_chat_template_under_it_alone(tmp_path):
    (tmp_path / "mine.yaml").write_text("task: mine\n")
    for template, chat in (("chat", True), ("plain", False), ("rendered", False)):
        (tmp_path / template).mkdir()
        config = chat_config(tmp_path / template, template, on_bad_row="skip", max_bad_share=0.5)
        config["stages"][0] |= {"ood": {"theirs": "lm_eval:mine"}, "measure": "token_accuracy"}
        config["evaluation"] = {"tasks_folder": str(tmp_path)}
        (shifted,) = inputs(config).stages["quiz"].ood
        assert shifted.task.chat == chat


def test_every_option_of_a_choice_is_written_by_the_template_with_its_own_text(tmp_path):
    found = inputs(chat_config(tmp_path, on_bad_row="skip", max_bad_share=0.2)).stages["quiz"].validation
    texts = [[TINY.shown(option.ids) for option in options] for options in found.options]
    assert all("Yes" in first and "No" in second for first, second in texts)


def test_an_option_takes_the_answers_place_in_a_whole_conversation(tmp_path):
    tokenizer = tokenizer_for(save_chat(tmp_path, STRICT), "chat")
    said = [{"role": "user", "content": "Odd?"}, {"role": "assistant", "content": "Yes"}]
    item = Example("q", "Odd?", "Yes", choices=("Yes", "No"), answer_index=0,
                   conversation=json.dumps({"messages": said}))  # fmt: skip
    rules = SetRules("choice_accuracy", None, 1.0)
    found = SetBuilder(tokenizer, 200, "error", 8).build("quiz", [item], rules)
    assert [tokenizer.shown(option.ids[option.prompt_length :]) for option in found.options[0]] == [
        "Yes<|im_end|>",
        "No<|im_end|>",
    ]
