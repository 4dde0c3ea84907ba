"""`farsighted select`."""

import datetime
import decimal
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import typer
import yaml

from farsighted.cli.console import error_console, output_console
from farsighted.config.audit import parse_budget
from farsighted.config.load import load_config
from farsighted.core.errors import ConfigError, DataError
from farsighted.data.turns import cut_row
from farsighted.files.columns import Columns
from farsighted.files.readers import find_files, read_rows, write_quarantine
from farsighted.files.rows import Row
from farsighted.selectors import build_selector
from farsighted.store import atomic
from farsighted.store.cache import ArrayCache
from farsighted.store.layout import user_cache
from farsighted.store.writer import table_bytes


def select_command(
    data: Annotated[list[str], typer.Argument(help="Files, globs or folders to select from.")],
    selector: Annotated[str, typer.Option("--selector", "-s", help="A name, or package.module:Name.")],
    budget: Annotated[str, typer.Option("--budget", "-b", help="25%, '25% examples', '5000 tokens', '200 examples'.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write: .jsonl or .parquet.")],
    model: Annotated[str, typer.Option("--model", "-m", help="'tiny' or a model's folder.")] = "tiny",
    parameter: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of the selector: score=similarity.")
    ] = None,
    history: Annotated[list[str] | None, typer.Option(help="What the model was trained on before.")] = None,
    proxy: Annotated[list[str] | None, typer.Option(help="Examples of the capabilities to keep.")] = None,
    quality: Annotated[
        str, typer.Option(help="Where quality comes from: auto, metadata, rules, ifd, reward_model, judge.")
    ] = "auto",
    quality_set: Annotated[
        list[str] | None,
        typer.Option(help="A key of `quality`: reward_model=FOLDER, judge.model=NAME, judge.url=ADDRESS."),
    ] = None,
    embedding: Annotated[
        str | None, typer.Option(help="A sentence-transformers model. Default: the model's own states.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="Our field and the files' name for it: prompt=ask, quality=score.")
    ] = None,
    template: Annotated[
        Literal["plain", "chat"], typer.Option(help="How examples are written; chat: by the tokenizer's template.")
    ] = "plain",
    turns: Annotated[
        Literal["last", "each"], typer.Option(help="Turns that are examples: the last of a conversation, or each.")
    ] = "last",
    max_examples: Annotated[
        int | None, typer.Option(min=1, help="Keep a uniform sample of so many: for files larger than memory.")
    ] = None,
    on_long: Annotated[
        Literal["error", "skip", "truncate_prompt"], typer.Option(help="Examples longer than the model's context.")
    ] = "error",
    on_bad_row: Annotated[
        Literal["error", "skip"], typer.Option(help="Rows that are no usable example; skip writes them beside OUT.")
    ] = "error",
    max_bad_share: Annotated[float, typer.Option(min=0, max=1, help="Share of the rows that may be skipped.")] = 0.01,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="Where scores are kept for the next command. Default: $FARSIGHTED_CACHE, ~/.cache/farsighted."
        ),
    ] = None,
    cache_megabytes: Annotated[
        int, typer.Option(min=0, help="Largest size of what is kept there; the least recently used go. 0 = nothing.")
    ] = 2048,
) -> None:
    """Rank the examples of files, cut at the budget, and write the chosen rows with scores and reasons.

    Beside OUT stands OUT.scores.parquet with every example, chosen or not, and OUT.bad_rows.jsonl with rows that were
    set aside. What the model says of each example is kept (--cache): another budget, or another selector that reads the
    same, takes no pass, and an interrupted command goes on where it stopped. Under --turns each, a chosen turn that is
    not its conversation's last is written as the conversation up to it, under `messages`.
    """
    # Scoring needs torch; everything before it must answer at once.
    from farsighted.protocol.select import PickRequest, pick

    if out.suffix not in {".jsonl", ".parquet"}:
        raise ConfigError(f"`--out` must end in .jsonl or .parquet, but is '{out}'. Rename it.")
    atomic.ensure_writable(out.parent)
    folder = cache or user_cache()
    request = PickRequest(
        data=data,
        selector=build_selector({"name": selector, **_parameters(parameter or [])}),
        budget=parse_budget(_number_or_text(budget)),
        model=model,
        seed=seed,
        on_long=on_long,
        on_bad_row=on_bad_row,
        max_bad_share=max_bad_share,
        columns=_columns(column or []),
        template=template,
        turns=turns,
        history=history or (),
        proxy=proxy or (),
        embedding=embedding,
        quality=_quality(quality, quality_set or []),
        # Answers that were paid for are kept, whatever else is.
        judge_folder=folder / "judge",
        max_examples=max_examples,
        cache=ArrayCache(folder, cache_megabytes * 1_000_000) if cache_megabytes else None,
    )
    picked = pick(request)
    rank = np.empty(len(picked.ranking.order), dtype=np.int32)
    rank[picked.ranking.order] = np.arange(len(rank), dtype=np.int32)
    encoded = _encoded(_chosen_rows(picked, rank, find_files(data, Path.cwd()), request.columns), out.suffix)
    atomic.write_bytes(out.with_name(out.name + ".scores.parquet"), table_bytes(_score_table(picked, rank)))
    if picked.bad_rows:
        write_quarantine(out.with_name(out.name + ".bad_rows.jsonl"), picked.bad_rows)
        error_console().print(
            f"Note: {len(picked.bad_rows)} bad rows were set aside: {out}.bad_rows.jsonl.", soft_wrap=True
        )
    atomic.write_bytes(out, encoded)
    for note in picked.notes:
        error_console().print(f"Note: {note}", soft_wrap=True)
    tokens = sum(picked.pool.tokens[row].response_length for row in picked.chosen)
    output_console().print(
        f"{len(picked.chosen)} of {len(picked.pool)} examples, {tokens} of {picked.pool.response_tokens} response "
        f"tokens: {out}",
        soft_wrap=True,
    )


def _parameters(pairs: list[str], option: str = "--set") -> dict[str, Any]:
    found = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign:
            raise ConfigError(f"`{option}` must be key=value, but is '{pair}'.")
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            reason = str(getattr(error, "problem", None) or error)
            raise ConfigError(f"`{option}` must give YAML, but '{pair}' is none: {reason}. Mend it.") from None
    return found


def _quality(source: str, pairs: list[str]) -> Any:
    """Return the settings of `quality`, checked as those of an audit are."""
    settings: dict[str, Any] = {"source": source}
    for key, value in _parameters(pairs, "--quality-set").items():
        *parts, last = key.split(".")
        inner = settings
        for part in parts:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"`--quality-set {key}` needs `{part}` to be keys and values, but it is {inner!r}.")
        inner[last] = value
    return load_config({"suite": {"name": "skills"}, "quality": settings}).quality


def _columns(pairs: list[str]) -> dict[str, str]:
    """Return the columns, checked as `data.columns` of an audit is."""
    named = {}
    for pair in pairs:
        name, sign, given = pair.partition("=")
        if not sign or not given or name in named:
            twice = f"; `{name}` is named twice" if name in named else ""
            raise ConfigError(
                f"`--column` must be our field=the files' field, but is '{pair}'{twice}. Write prompt=ask."
            )
        named[name] = given
    checked = load_config({"suite": {"name": "skills"}, "data": {"columns": named}}).data.columns
    return {str(name): given for name, given in checked.items()}


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _chosen_rows(picked: Any, rank: np.ndarray, files: Any, columns: Columns) -> list[dict[str, Any]]:
    """The chosen rows as they stand in the files, best first, each with a field `farsighted`."""
    examples = {row: picked.pool.tokens[row].example for row in picked.chosen}
    rows_at: dict[str, list[int]] = {}
    for row, example in examples.items():
        rows_at.setdefault(picked.places[example.id], []).append(row)
    found: dict[int, dict[str, Any]] = {}
    for item in read_rows(files):
        if not isinstance(item, Row):
            continue
        for row in rows_at.get(item.place, ()):
            example = examples[row]
            fields = cut_row(item.fields, example, columns) if example.id in picked.cut else item.fields
            found[row] = fields | {"farsighted": _told(picked, rank, row)}
    return [found[row] for row in picked.chosen]


def _told(picked: Any, rank: np.ndarray, row: int) -> dict[str, Any]:
    parts = {name: float(values[row]) for name, values in picked.ranking.components.items()}
    return {
        "rank": int(rank[row]),
        "score": float(picked.ranking.score[row]),
        # Parquet has no way to write that there are none.
        **({"components": parts} if parts else {}),
        "tokens": picked.pool.tokens[row].response_length,
        "reason": picked.reasons[row],
    }


def _score_table(picked: Any, rank: np.ndarray) -> Any:
    chosen = np.zeros(len(rank), dtype=bool)
    chosen[picked.chosen] = True
    columns = {
        "id": [tokens.example.id for tokens in picked.pool.tokens],
        "rank": rank,
        "score": np.asarray(picked.ranking.score, dtype=np.float64),
        "chosen": chosen,
        "tokens": [tokens.response_length for tokens in picked.pool.tokens],
        "reason": list(picked.reasons),
    }
    parts = {f"component_{name}": np.asarray(part, np.float64) for name, part in picked.ranking.components.items()}
    return pa.table(columns | parts)


def _encoded(rows: list[dict[str, Any]], suffix: str) -> bytes:
    if suffix == ".parquet":
        # Of its own accord Arrow keeps the fields of the first row only.
        names = dict.fromkeys(name for row in rows for name in row)
        try:
            return table_bytes(pa.table({name: [row.get(name) for row in rows] for name in names}))
        except (pa.ArrowException, OverflowError) as error:
            raise DataError(
                f"A Parquet column must hold one kind of value, but a field of the chosen rows does not: {error} End "
                "`--out` in .jsonl."
            ) from error
    return "".join(json.dumps(row, ensure_ascii=False, default=_as_json) + "\n" for row in rows).encode()


def _as_json(value: object) -> str:
    """Tables hold more kinds of values than JSON: dates and decimals become text, bytes have no text."""
    if isinstance(value, (datetime.date, datetime.time, datetime.timedelta, decimal.Decimal)):
        return str(value)
    raise DataError(
        f"JSON holds no {type(value).__name__}, but a field of the chosen rows does. End `--out` in .parquet."
    )
