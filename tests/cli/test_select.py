import datetime
import decimal
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from farsighted.candidates import select as candidates_select
from farsighted.cli import select as select_verb
from farsighted.core.errors import StorageError
from farsighted.files.formats import read_examples
from farsighted.worlds.skills.suite import build_suite
from oracles.cli import run_cli
from oracles.judge_stub import Stub
from oracles.micro import row_of, write_jsonl
from oracles.sentence_model import save_sentence_model
from oracles.tiny_folder import save_tiny


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A pool whose rows have fields of their own, a history and a proxy."""
    folder = tmp_path_factory.mktemp("files")
    stages = build_suite(train=20, validation=0, ood=0, proxy=4, seed=3).stages
    pool = [row_of(example) | {"teacher": f"t{n}"} for n, example in enumerate(stages[1].train)]
    for number, row in enumerate(pool):
        if number % 2:
            row["rare"] = {"depth": number}
    write_jsonl(folder / "pool.jsonl", pool)
    write_jsonl(folder / "history.jsonl", [row_of(example) for example in stages[0].train])
    write_jsonl(folder / "proxy.jsonl", [row_of(example) for example in stages[2].proxy])
    return folder


UNREAD = "fields not read: rare (in 10 of 20 rows), teacher."


def others(said):
    """The notes but for the one about the fields of the pool that nothing reads."""
    return [line for line in said.err.splitlines() if not line.endswith(UNREAD)]


def selected(files, out, *more, selector="loss", budget="25%"):
    return run_cli("select", files / "pool.jsonl", "-s", selector, "-b", budget, "-o", out, *more)


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def check(files, out, chosen):
    """Original fields kept, told why, best first, and the scores beside it cover everything."""
    originals = {row["id"]: row for row in rows_of(files / "pool.jsonl")}
    scores = pq.read_table(out.with_name(out.name + ".scores.parquet")).to_pylist()
    assert [row["id"] for row in scores] == list(originals)
    assert [row["id"] for row in sorted(scores, key=lambda row: row["rank"]) if row["chosen"]] == [
        row["id"] for row in chosen
    ]
    assert sorted(row["rank"] for row in scores) == list(range(20))
    tokens = {row["id"]: row["tokens"] for row in scores}
    spent, target = sum(tokens[row["id"]] for row in chosen), 0.25 * sum(tokens.values())
    assert target <= spent < target + max(tokens.values())
    for number, row in enumerate(chosen):
        told = row.pop("farsighted")
        assert {key: value for key, value in row.items() if value is not None} == originals[row["id"]]
        assert told["rank"] == number
        assert told["tokens"] == tokens[row["id"]]
        assert told["reason"].startswith(f"rank {number + 1} of 20: ")
    assert all(row["reason"] for row in scores)
    return scores


@pytest.mark.parametrize("selector", ["loss", "diversity", "random"])
def test_a_selection_is_the_rows_as_they_were_with_rank_score_and_reason(files, tmp_path, selector):
    out = tmp_path / "chosen.jsonl"
    said = selected(files, out, selector=selector)
    assert said.code == 0
    chosen = rows_of(out)
    scores = check(files, out, chosen)
    spent = sum(row["tokens"] for row in scores if row["chosen"])
    whole = sum(row["tokens"] for row in scores)
    over = f" (budget: {whole / 4:g})" if spent > whole / 4 else ""
    assert said.out == f"{len(chosen)} of 20 examples, {spent} of {whole} response tokens{over}: {out}\n"


def test_lhas_looks_back_and_ahead_and_its_parts_are_told(files, tmp_path):
    out = tmp_path / "chosen.parquet"
    more = ("--history", files / "history.jsonl", "--proxy", files / "proxy.jsonl", "--set", "lambda_=1.0")
    said = selected(files, out, *more, selector="lhas")
    assert (said.code, others(said)) == (0, [])
    chosen = pq.read_table(out).to_pylist()
    assert chosen[0]["farsighted"]["components"].keys() == {"utility", "coverage", "proxy", "concentration"}
    scores = check(files, out, chosen)
    assert {f"component_{name}" for name in ("utility", "coverage", "proxy", "concentration")} <= scores[0].keys()


def test_fields_that_only_some_rows_have_are_kept_in_parquet(files, tmp_path):
    out = tmp_path / "chosen.parquet"
    selected(files, out, budget="100%")
    rare = [row["rare"] for row in pq.read_table(out).to_pylist()]
    assert sum(value is not None for value in rare) == 10


@pytest.mark.parametrize("value", [7, {}, 2**70], ids=["number among texts", "empty mapping", "huge"])
def test_fields_of_mixed_kinds_cannot_be_parquet_and_the_way_out_is_told(files, tmp_path, value):
    rows = rows_of(files / "pool.jsonl")
    rows[0]["teacher"] = value
    write_jsonl(tmp_path / "pool.jsonl", rows)
    said = selected(tmp_path, tmp_path / "chosen.parquet", budget="100%", selector="random")
    assert said.code == 2
    assert "End `--out` in .jsonl." in said.err


def table_with(folder, value):
    rows = [{"prompt": f"p{n}", "response": "r", "extra": value} for n in range(4)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "pool.parquet")
    return folder / "pool.parquet"


@pytest.mark.parametrize(
    ("value", "text"),
    [(datetime.datetime(2024, 5, 6), "2024-05-06 00:00:00"), (decimal.Decimal("1.50"), "1.50")],
    ids=["date", "decimal"],
)
def test_values_that_only_tables_know_become_text(tmp_path, value, text):
    data = table_with(tmp_path, value)
    assert run_cli("select", data, "-s", "random", "-b", "100%", "-o", tmp_path / "out.jsonl").code == 0
    assert {row["extra"] for row in rows_of(tmp_path / "out.jsonl")} == {text}


def test_bytes_cannot_be_json_and_the_way_out_is_told_before_anything_is_written(tmp_path):
    data = table_with(tmp_path, b"\xff")
    said = run_cli("select", data, "-s", "random", "-b", "100%", "-o", tmp_path / "out.jsonl")
    assert said.code == 2
    assert "End `--out` in .parquet." in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["pool.parquet"]


def test_a_note_says_what_stood_in_for_a_proxy(files, tmp_path):
    said = selected(files, tmp_path / "chosen.jsonl", selector="lhas")
    assert said.code == 0
    assert others(said) == ["Note: No --proxy was given: 20 random examples of the data stand in for it."]


@pytest.mark.parametrize("source", ["rules", "ifd", "metadata"])
def test_quality_comes_from_where_the_user_says(files, tmp_path, source):
    said = selected(files, tmp_path / "chosen.jsonl", "--quality", source, selector="quality")
    assert said.code == 0
    assert others(said) == []
    by_default = selected(files, tmp_path / "default.jsonl", selector="quality")
    assert by_default.code == 0
    same = (tmp_path / "chosen.jsonl").read_text() == (tmp_path / "default.jsonl").read_text()
    assert same == (source == "metadata")


def test_a_judge_grades_and_its_cost_is_told_and_its_answers_are_kept(files, tmp_path):
    stub = Stub()
    settings = [f"judge.url=http://127.0.0.1:{stub.server.server_port}/v1", "judge.model=m"]
    settings += ["judge.requests_per_minute=6000", "judge.dollars_per_million_read=1000"]
    told = [word for pair in settings for word in ("--quality-set", pair)]
    more = ["--quality", "judge", *told, "--cache", tmp_path / "kept"]
    said = selected(files, tmp_path / "chosen.jsonl", *more, selector="quality")
    assert said.code == 0
    assert "quality was judged by m, which read 200 tokens and wrote 40, for $0.20" in said.err
    asked = len(stub.asked)
    again = selected(files, tmp_path / "again.jsonl", *more, "--cache-megabytes", "0", selector="quality")
    assert again.code == 0
    assert len(stub.asked) == asked == 20


def test_a_setting_of_quality_is_checked_as_that_of_an_audit_is(files, tmp_path):
    said = selected(files, tmp_path / "chosen.jsonl", "--quality", "judge", selector="quality")
    assert said.code == 2
    assert "`quality.judge.model` must be the name of a model" in said.err
    twice = ["--quality-set", "judge=x", "--quality-set", "judge.model=m"]
    said = selected(files, tmp_path / "chosen.jsonl", *twice, selector="quality")
    assert said.code == 2
    assert "`--quality-set judge.model` needs `judge` to be keys and values, but it is 'x'" in said.err
    said = selected(files, tmp_path / "chosen.jsonl", "--quality-set", "judge", selector="quality")
    assert said.code == 2
    assert "`--quality-set` must be key=value" in said.err


def test_embeddings_come_from_a_sentence_model_where_one_is_named(files, tmp_path):
    model = save_sentence_model(tmp_path)
    own = selected(files, tmp_path / "own.jsonl", selector="diversity")
    told = selected(files, tmp_path / "told.jsonl", "--embedding", model, selector="diversity")
    assert (own.code, told.code) == (0, 0)
    assert (tmp_path / "own.jsonl").read_text() != (tmp_path / "told.jsonl").read_text()


def test_a_file_larger_than_memory_is_read_as_a_sample(files, tmp_path):
    said = selected(files, tmp_path / "chosen.jsonl", "--max-examples", "8", budget="25% examples")
    assert said.code == 0
    assert "Note: 8 of 20 examples were kept: a uniform sample." in said.err
    assert len(rows_of(tmp_path / "chosen.jsonl")) == 2


def renamed(folder):
    """Rows under names of their own."""
    rows = [{"ask": f"q{n}", "say": f"a{n}", "grade": n} for n in range(8)]
    write_jsonl(folder / "own.jsonl", rows)
    return folder / "own.jsonl"


def test_columns_are_read_under_the_names_that_the_files_have(tmp_path):
    columns = [f"--column={pair}" for pair in ("prompt=ask", "response=say", "quality=grade")]
    out = tmp_path / "out.jsonl"
    said = run_cli("select", renamed(tmp_path), "-s", "quality", "-b", "2 examples", "-o", out, *columns)
    assert (said.code, said.err) == (0, "")
    assert [row["grade"] for row in rows_of(out)] == [7, 6]


@pytest.mark.parametrize(
    ("columns", "part"),
    [
        (["prompt=ask", "response=say", "quality=grad"], "no row of any file has 'grad'. Did you mean 'grade'?"),
        (["prompt=aks", "response=say"], "`data.columns` says 'aks' for `prompt`"),
        (["prompt"], "`--column` must be our field=the files' field, but is 'prompt'"),
        (["prompt="], "but is 'prompt='"),
        (["prompt=ask", "prompt=say"], "`prompt` is named twice"),
        (["prmpt=ask"], "Did you mean 'prompt'?"),
    ],
)
def test_a_column_that_cannot_be_is_refused(tmp_path, no_model, columns, part):
    more = [f"--column={pair}" for pair in columns]
    said = run_cli("select", renamed(tmp_path), "-s", "quality", "-b", "50%", "-o", tmp_path / "out.jsonl", *more)
    assert said.code == 2
    assert part in said.err


def test_a_chat_template_decides_what_the_model_reads(files, tmp_path):
    model = save_tiny(tmp_path / "model")
    said = selected(files, tmp_path / "out.jsonl", "--model", model, "--template", "chat")
    assert said.code == 2
    assert "has no chat template" in said.err
    template = (
        "{% for m in messages %}{{ m.role }}: {{ m.content }};{% endfor %}{% if add_generation_prompt %}assistant: "
    )
    (model / "chat_template.jinja").write_text(template + "{% endif %}")
    scores = {}
    for name in ("plain", "chat"):
        said = selected(files, tmp_path / f"{name}.jsonl", "--model", model, "--template", name, "--on-long", "skip")
        assert said.code == 0, said.err
        scores[name] = [row["score"] for row in pq.read_table(tmp_path / f"{name}.jsonl.scores.parquet").to_pylist()]
    assert len(scores["plain"]) == len(scores["chat"])
    assert scores["plain"] != scores["chat"]


def test_each_turn_of_a_conversation_is_a_candidate_and_is_written_as_what_was_said_up_to_it(tmp_path):
    said = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d" * 9)]
    messages = [{"role": role, "content": content} for role, content in said]
    rows = [{"id": "t", "messages": messages, "teacher": "x"}, {"id": "s", "prompt": "e", "response": "ffff"}]
    write_jsonl(tmp_path / "pool.jsonl", rows)
    out = tmp_path / "out.jsonl"
    told = run_cli("select", tmp_path / "pool.jsonl", "-s", "random", "-b", "100%", "-o", out, "--turns", "each")
    assert told.code == 0, told.err
    found = {row["id"]: row for row in rows_of(out)}
    assert [found[name].pop("farsighted")["tokens"] for name in ("t#1", "t", "s")] == [2, 10, 5]
    assert found == {"t#1": {"id": "t#1", "messages": messages[:2], "teacher": "x"}, "t": rows[0], "s": rows[1]}
    again = read_examples([out])
    assert {(example.prompt, example.response) for example in again.examples} >= {("a", "b"), ("e", "ffff")}


def test_an_array_of_alpaca_rows_is_selected_from(tmp_path):
    rows = [{"instruction": f"q{n}", "input": "", "output": f"a{n}"} for n in range(6)]
    (tmp_path / "alpaca.json").write_text(json.dumps(rows, indent=2))
    out = tmp_path / "out.jsonl"
    assert run_cli("select", tmp_path / "alpaca.json", "-s", "random", "-b", "50% examples", "-o", out).code == 0
    chosen = rows_of(out)
    assert len(chosen) == 3
    assert all(row["farsighted"] and row | {"farsighted": 0} in [r | {"farsighted": 0} for r in rows] for row in chosen)


def test_an_own_selector_selects_from_the_current_folder(files, tmp_path, monkeypatch):
    (tmp_path / "mine_for_select.py").write_text(
        "from dataclasses import dataclass\nfrom farsighted import Scored\n@dataclass(frozen=True)\n"
        "class Longest(Scored):\n    needs = frozenset({'tokens'})\n"
        "    def score(self, signals, state):\n        return signals['tokens']\n"
    )
    monkeypatch.chdir(tmp_path)
    assert selected(files, "chosen.jsonl", selector="mine_for_select:Longest", budget="3 examples").code == 0
    tokens = [row["farsighted"]["tokens"] for row in rows_of(tmp_path / "chosen.jsonl")]
    assert tokens == sorted(tokens, reverse=True)
    assert len(tokens) == 3


def test_scores_are_kept_for_the_next_command_where_the_user_says(files, tmp_path):
    named, cache = ("--cache", tmp_path / "named"), Path(os.environ["FARSIGHTED_CACHE"])
    for folder, more in ((tmp_path / "named", named), (cache, ())):
        for number in range(2):
            out = tmp_path / f"{len(more)}-{number}.jsonl"
            assert selected(files, out, *more, budget=f"{10 + number}%").code == 0
            kept = {path.name: path.read_bytes() for path in folder.glob("*.arrays")}
            assert len(kept) == 1
    assert not others(selected(files, tmp_path / "other.jsonl", *named, selector="gradient"))
    assert len(list((tmp_path / "named").glob("*.arrays"))) == 2


def test_nothing_is_kept_where_the_user_says_so(files, tmp_path):
    more = ("--cache", tmp_path / "cache", "--cache-megabytes", "0")
    assert selected(files, tmp_path / "chosen.jsonl", *more).code == 0
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_used_is_said_and_the_selection_made(files, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    assert selected(files, tmp_path / "chosen.jsonl", "--cache", tmp_path / "file").code == 0
    assert "Nothing more is kept in" in caplog.text
    assert (tmp_path / "chosen.jsonl").exists()


# What cannot be done is said before a model is loaded.


@pytest.fixture
def no_model(monkeypatch):
    monkeypatch.setattr(candidates_select, "load_noted", None)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"budget": "25"}, ("`budget` must be a share", "is 25.0 (on the command line)", "25%")),
        ({"budget": "21 examples"}, ("21 examples is larger than the pool", "20 examples")),
        ({"budget": "lots"}, ("lots",)),
        ({"selector": "los"}, ("no selector 'los'", "'loss'")),
        ({"selector": "nobody.knows:It"}, ("nobody",)),
    ],
    ids=lambda value: next(iter(value.values())) if isinstance(value, dict) else "",
)
def test_a_bad_budget_or_selector_is_refused(files, tmp_path, no_model, changes, parts):
    said = selected(files, tmp_path / "chosen.jsonl", **changes)
    assert said.code == 2
    assert said.err.startswith("farsighted: ")
    assert all(part in said.err for part in parts)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (("--set", "score"), "`--set` must be key=value, but is 'score'"),
        (("--set", "score=median"), "median"),
        (("--set", "score=["), "`--set` must give YAML, but 'score=[' is none"),
        (("--set", "skore=norm"), "`skore`"),
        (("--history", "nowhere.jsonl"), "'nowhere.jsonl'"),
        (("--on-long", "cut"), "'cut'"),
        (("--model", "nowhere"), "'nowhere' has no config.json"),
    ],
    ids=["no sign", "value", "no YAML", "parameter", "history", "choice", "model"],
)
def test_a_bad_option_is_refused(files, tmp_path, no_model, more, part):
    said = selected(files, tmp_path / "chosen.jsonl", *more, selector="gradient")
    assert said.code == 2
    assert part in said.err


def test_an_output_of_another_kind_is_refused(files, tmp_path, no_model):
    said = selected(files, tmp_path / "chosen.csv")
    assert said.code == 2
    assert "`--out` must end in .jsonl or .parquet" in said.err


def test_an_output_below_a_file_ends_with_3(files, tmp_path, no_model):
    (tmp_path / "file").write_text("")
    said = selected(files, tmp_path / "file" / "chosen.jsonl")
    assert said.code == StorageError.exit_code == 3
    assert "cannot be written" in said.err


def test_a_malformed_line_is_refused_with_its_place(tmp_path, no_model):
    (tmp_path / "pool.jsonl").write_text('{"prompt": "a", "response": "b"}\n{"prompt"\n')
    said = selected(tmp_path, tmp_path / "chosen.jsonl")
    assert said.code == 2
    assert f"{tmp_path / 'pool.jsonl'}:2" in said.err


def test_bad_rows_are_set_aside_where_asked_and_kept_beside_the_selection(files, tmp_path):
    data = tmp_path / "data.jsonl"
    good = (files / "pool.jsonl").read_text()
    data.write_text(good + '{"prompt": "cut off\n')
    out = tmp_path / "out.jsonl"
    said = run_cli(
        "select", data, "-s", "random", "-b", "25%", "-o", out, "--on-bad-row", "skip", "--max-bad-share", "0.1"
    )
    assert said.code == 0, said.err
    assert "1 bad rows were set aside" in said.err
    (bad,) = rows_of(tmp_path / "out.jsonl.bad_rows.jsonl")
    assert bad["line"] == len(good.splitlines()) + 1
    assert {row["id"] for row in rows_of(out)} <= {row["id"] for row in rows_of(files / "pool.jsonl")}


def test_too_many_bad_rows_are_refused_with_the_option_that_allows_them(files, tmp_path, no_model):
    data = tmp_path / "data.jsonl"
    data.write_text((files / "pool.jsonl").read_text() + '{"prompt": "cut off\n')
    said = run_cli("select", data, "-s", "random", "-b", "25%", "-o", tmp_path / "out.jsonl", "--on-bad-row", "skip")
    assert said.code == 2
    assert "--max-bad-share" in said.err


def test_a_missing_option_is_a_usage_error(files):
    said = run_cli("select", files / "pool.jsonl", "-s", "loss")
    assert said.code == 2
    assert "--budget" in said.err


@pytest.mark.parametrize(("text", "value"), [("0.25", 0.25), ("25%", "25%"), ("5000 tokens", "5000 tokens")])
def test_a_bare_number_is_a_number(text, value):
    assert select_verb._number_or_text(text) == value


def test_parameters_are_read_as_yaml():
    read = select_verb._parameters(["a=1", "b=0.5", "c=x=y", "d=true", "e={name: loss}"])
    assert read == {"a": 1, "b": 0.5, "c": "x=y", "d": True, "e": {"name": "loss"}}


def test_what_is_not_read_and_what_is_set_aside_is_told_once_a_file(tmp_path):
    rows = [{"id": 1, "prompt": f"p{n}", "response": "yes", "label": n > 0, "url": "x"} for n in range(4)]
    pool = write_jsonl(tmp_path / "pool.jsonl", rows)
    out = tmp_path / "picked.jsonl"
    more = ("--ids", "row", "--proxy", pool, "--history", pool)
    done = run_cli("select", pool, "-s", "random", "-b", "2 examples", "-o", out, *more)
    assert done.code == 0
    for sentence in ("1 row was set aside: label false.", "fields not read: url."):
        assert " ".join(done.err.split()).count(sentence) == 1
    assert len(rows_of(out)) == 2


def test_a_label_that_the_selector_does_not_read_stops_nothing_and_one_that_it_reads_is_asked_for(tmp_path):
    rows = [{"prompt": f"p{n}", "response": "yes", "quality": quality} for n, quality in enumerate(["4.5", "N/A"])]
    pool = write_jsonl(tmp_path / "pool.jsonl", rows)
    out = tmp_path / "picked.jsonl"
    assert run_cli("select", pool, "-s", "random", "-b", "1 examples", "-o", out).code == 0
    refused = run_cli("select", pool, "-s", "quality", "-b", "1 examples", "-o", out, "--quality", "metadata")
    assert refused.code == 2
    assert "'pool:2' has none" in " ".join(refused.err.split())


def test_a_turn_with_calls_is_written_whole(tmp_path):
    call = {"type": "function", "function": {"name": "look_up", "arguments": {"city": "Oslo"}}}
    turns = [
        {"role": "user", "content": "Rain?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "yes", "name": "look_up"},
        {"role": "assistant", "content": "It rains."},
    ]
    tools = [{"type": "function", "function": {"name": "look_up"}}]
    pool = write_jsonl(tmp_path / "pool.jsonl", [{"id": "t", "messages": turns, "tools": tools, "system": "s"}])
    out = tmp_path / "picked.jsonl"
    done = run_cli("select", pool, "-s", "random", "-b", "2 examples", "-o", out, "--turns", "each")
    assert done.code == 0
    first = next(row for row in rows_of(out) if row["id"] == "t#1")
    assert [message["role"] for message in first["messages"]] == ["system", "user", "assistant"]
    assert first["messages"][2]["tool_calls"] == [call]
    assert first["tools"] == tools
    assert "system" not in first


SEA = {"prompt": "Tell me a long story about the sea and the old captain.", "response": "Zqxv jkwp vbnm qqzz."}
REPEATS = [SEA] * 5 + [{"prompt": f"Is {n} a number?", "response": "yes"} for n in range(5)]


def test_repeats_are_left_out_named_and_counted(tmp_path):
    write_jsonl(tmp_path / "pool.jsonl", REPEATS)
    out = tmp_path / "chosen.jsonl"
    said = selected(tmp_path, out, budget="4 examples")
    assert said.code == 0
    assert [row["prompt"] for row in rows_of(out)].count(SEA["prompt"]) == 1
    dropped = rows_of(tmp_path / "chosen.jsonl.dropped.jsonl")
    assert [row["id"] for row in dropped] == [f"pool:{n}" for n in (2, 3, 4, 5)]
    place = f"{tmp_path / 'pool.jsonl'}"
    assert dropped[0] == {
        "id": "pool:2",
        "place": f"{place}:2",
        "twin": "pool:1",
        "twin_place": f"{place}:1",
        "similarity": 1.0,
    }
    assert len(pq.read_table(tmp_path / "chosen.jsonl.scores.parquet")) == 6
    assert "4 of 10 examples repeat another one and were left out; the budget is of the 6 that remain." in said.err
    assert f"Which example repeats which: {out}.dropped.jsonl." in said.err


def test_none_keeps_repeats_and_near_leaves_out_more(tmp_path):
    longer = SEA | {"prompt": SEA["prompt"] + "!"}
    write_jsonl(tmp_path / "pool.jsonl", [SEA, SEA, longer, {"prompt": "q", "response": "a"}])
    counts = {}
    for dedup in ("none", "exact", "near"):
        said = selected(tmp_path, tmp_path / "out.jsonl", "--dedup", dedup, selector="random", budget="100%")
        assert said.code == 0
        counts[dedup] = len(rows_of(tmp_path / "out.jsonl"))
        assert (tmp_path / "out.jsonl.dropped.jsonl").exists() == (dedup != "none")
    assert counts == {"none": 4, "exact": 3, "near": 2}


def test_a_budget_that_repeats_would_have_filled_says_that_they_were_left_out(tmp_path):
    write_jsonl(tmp_path / "pool.jsonl", REPEATS)
    said = selected(tmp_path, tmp_path / "out.jsonl", budget="7 examples")
    assert said.code == 2
    assert "4 repeats were left out of it; `--dedup none` keeps them." in said.err


def test_rows_that_the_history_has_too_stay_and_are_counted(tmp_path):
    write_jsonl(tmp_path / "pool.jsonl", [SEA, {"prompt": "q", "response": "a"}])
    write_jsonl(tmp_path / "past.jsonl", [SEA])
    more = ("--history", tmp_path / "past.jsonl")
    said = selected(tmp_path, tmp_path / "out.jsonl", *more, selector="random", budget="100%")
    assert said.err == "Note: 1 of 2 examples also stand in the history; they stay.\n"
    assert len(rows_of(tmp_path / "out.jsonl")) == 2


def test_a_budget_that_is_exceeded_is_said_with_both_numbers(tmp_path):
    write_jsonl(tmp_path / "pool.jsonl", [{"prompt": f"p{n}", "response": "x" * 300} for n in range(3)])
    said = selected(tmp_path, tmp_path / "out.jsonl", "--dedup", "none", budget="20 tokens", selector="random")
    assert "1 of 3 examples, 301 of 903 response tokens (budget: 20): " in said.out
    assert "The budget is 20 response tokens, but 301 were taken: examples are taken whole" in said.err
    said = selected(tmp_path, tmp_path / "out.jsonl", "--dedup", "none", budget="50% examples", selector="random")
    assert "2 of 3 examples (budget: 1.5), 602 of 903 response tokens: " in said.out


@pytest.mark.parametrize("name", ["pool.jsonl", "picked.jsonl", "picked.parquet", "sub/picked.jsonl"])
def test_nothing_is_written_where_it_is_read(tmp_path, name):
    write_jsonl(tmp_path / "pool.jsonl", REPEATS)
    before = (tmp_path / "pool.jsonl").read_bytes()
    said = run_cli("select", tmp_path, "-s", "random", "-b", "20%", "-o", tmp_path / name)
    assert said.code == 2
    assert "must not be written" in said.err
    assert (tmp_path / "pool.jsonl").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["pool.jsonl"]


def test_a_second_call_reads_what_the_first_read(tmp_path):
    write_jsonl(tmp_path / "pool.jsonl", REPEATS)
    answers = [selected(tmp_path, tmp_path / "out" / "picked.jsonl", selector="random").out for _ in range(2)]
    assert answers[0] == answers[1]


def test_a_cache_in_the_data_is_refused(tmp_path):
    write_jsonl(tmp_path / "pool.jsonl", REPEATS)
    more = ("-s", "random", "-b", "20%", "-o", tmp_path.parent / "out.jsonl", "--cache", tmp_path / "kept")
    said = run_cli("select", tmp_path, *more)
    assert said.code == 2
    assert "Give another folder with `--cache`" in said.err
