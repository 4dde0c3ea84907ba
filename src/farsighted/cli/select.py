"""`farsighted select`."""

from pathlib import Path
from typing import Annotated, Literal

import typer
import yaml

from farsighted.cli.console import error_console, output_console
from farsighted.config.located import COMMAND_LINE
from farsighted.config.select import select_config
from farsighted.core.errors import ConfigError
from farsighted.data.chosen import Selected, beside, check_target
from farsighted.files.apart import refuse_folder_in_inputs


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
    ids: Annotated[
        Literal["field", "row"], typer.Option(help="Ids: the field id where a row has one, or always file and row.")
    ] = "field",
    template: Annotated[
        Literal["plain", "chat", "rendered"],
        typer.Option(help="How examples are written; chat: by the tokenizer's template; rendered: as they stand."),
    ] = "plain",
    turns: Annotated[
        Literal["last", "each"], typer.Option(help="Turns that are examples: the last of a conversation, or each.")
    ] = "last",
    max_examples: Annotated[
        int | None, typer.Option(min=1, help="Keep a uniform sample of this size: for files larger than memory.")
    ] = None,
    on_long: Annotated[
        Literal["error", "skip", "truncate_prompt"], typer.Option(help="Examples longer than the model's context.")
    ] = "error",
    on_bad_row: Annotated[
        Literal["error", "skip"], typer.Option(help="Rows that are no usable example; skip writes them beside OUT.")
    ] = "error",
    max_bad_share: Annotated[float, typer.Option(min=0, max=1, help="Share of the rows that may be skipped.")] = 0.01,
    dedup: Annotated[
        Literal["exact", "near", "none"],
        typer.Option(help="Repeats that are left out: equal ones, nearly equal ones too (MinHash), or none."),
    ] = "exact",
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

    OUT.scores.parquet has every candidate, chosen or not; OUT.bad_rows.jsonl the rows that were set aside;
    OUT.dropped.jsonl those that repeat another one, and which. What the model says of each example is kept (--cache):
    another budget, or another selector that reads the same, takes no pass, and an interrupted command goes on where it
    stopped. Under --turns each, a chosen turn that is not its conversation's last is written as the conversation up to
    it, under `messages`.
    """
    options = select_config(
        {
            "data": data,
            "selector": {"name": selector, "parameters": _parameters(parameter or [])},
            "budget": _number_or_text(budget),
            "model": model,
            "history": history,
            "proxy": proxy,
            "quality": _quality(quality, quality_set or []),
            "embedding": embedding,
            "columns": _columns(column or []),
            "ids": ids,
            "template": template,
            "turns": turns,
            "max_examples": max_examples,
            "on_long": on_long,
            "on_bad_row": on_bad_row,
            "max_bad_share": max_bad_share,
            "dedup": dedup,
            "seed": seed,
            "cache": cache,
            "cache_megabytes": cache_megabytes,
        },
        COMMAND_LINE,
    )
    check_target(out, options.inputs)
    refuse_folder_in_inputs(options.kept_in, ("judge",), options.inputs, "--cache")
    # Scoring needs torch; everything before it must answer at once.
    from farsighted.candidates.select import select_from_files

    selected = select_from_files(options)
    selected.write(out)
    _tell(selected, out)


def _tell(selected: Selected, out: Path) -> None:
    if selected.bad_rows:
        error_console().print(
            f"Note: {len(selected.bad_rows)} bad rows were set aside: {beside(out).bad_rows}.", soft_wrap=True
        )
    for note in selected.notes:
        error_console().print(f"Note: {note}", soft_wrap=True)
    if selected.dropped:
        error_console().print(f"Note: Which example repeats which: {beside(out).dropped}.", soft_wrap=True)
    pool = selected.pool
    tokens = int(pool.response_lengths[selected.chosen].sum())
    target = selected.target
    over = f" (budget: {target})" if target is not None and target.exceeded_by(selected.taken) else ""
    of_tokens = f"{tokens} of {pool.response_tokens} response tokens"
    output_console().print(
        f"{len(selected.chosen)} of {len(pool)} examples, {of_tokens}{over}: {out}"
        if target is None or target.unit == "tokens"
        else f"{len(selected.chosen)} of {len(pool)} examples{over}, {of_tokens}: {out}",
        soft_wrap=True,
    )


def _parameters(pairs: list[str], option: str = "--set") -> dict[str, object]:
    found: dict[str, object] = {}
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


def _quality(source: str, pairs: list[str]) -> dict[str, object]:
    """Return the keys of `quality`, those with dots nested."""
    settings: dict[str, object] = {"source": source}
    for key, value in _parameters(pairs, "--quality-set").items():
        *parts, last = key.split(".")
        inner = settings
        for part in parts:
            below = inner.setdefault(part, {})
            if not isinstance(below, dict):
                raise ConfigError(f"`--quality-set {key}` needs `{part}` to be keys and values, but it is {below!r}.")
            inner = below
        inner[last] = value
    return settings


def _columns(pairs: list[str]) -> dict[str, str]:
    """Return our field to the files' field."""
    named = {}
    for pair in pairs:
        name, sign, given = pair.partition("=")
        if not sign or not given or name in named:
            twice = f"; `{name}` is named twice" if name in named else ""
            raise ConfigError(
                f"`--column` must be our field=the files' field, but is '{pair}'{twice}. Write prompt=ask."
            )
        named[name] = given
    return named


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
