"""Arguments that several verbs take."""

from pathlib import Path
from typing import Annotated

import typer

from farsighted.config.audit import AuditConfig
from farsighted.config.load import load_config
from farsighted.core.errors import ConfigError
from farsighted.core.machine import core_count

Source = Annotated[str, typer.Argument(metavar="CONFIG|PRESET", help="A preset's name or a YAML file.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Settings to override: seeds=[0,1] budgets=10%.")
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Folder to write to. Default: runs/NAME.")]
Workers = Annotated[int, typer.Option("--workers", "-w", help="Cells that run at the same time. 0 = one a core.")]
ExecutorName = Annotated[
    str,
    typer.Option(
        "--executor",
        help="Who runs the cells: local = processes on this machine, inline = this process, a name that an installed "
        "package offers, or package.module:Name.",
    ),
]
TrackerNames = Annotated[
    list[str] | None,
    typer.Option(
        "--tracker",
        help="Who else is told of every loss, score and verdict: a name that an installed package offers, or "
        "package.module:Name. May be repeated.",
    ),
]
Selector = Annotated[
    list[str] | None,
    typer.Option("--selector", "-s", help="A selector to add: a name or package.module:Name. May be repeated."),
]
AllowCode = Annotated[
    bool, typer.Option("--allow-code-execution", help="Let programs that the model writes be run, in a sandbox.")
]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of an audit.")]


def load(
    source: str, overrides: list[str] | None, selectors: list[str] | None = None, allow_code: bool = False
) -> AuditConfig:
    """Return the configuration with overrides and added selectors, and with leave to run programs."""
    allowed = ["evaluation.allow_code_execution=true"] if allow_code else []
    config = load_config(source, [*(overrides or ()), *allowed])
    known = {name for spec in config.selectors for name in (spec.label, spec.name)}
    added = [name for name in dict.fromkeys(selectors or ()) if name not in known]
    if not added:
        return config
    dumped = config.model_dump(mode="json")
    dumped["selectors"] = [*dumped["selectors"], *added]
    return load_config(dumped)


def out_folder(source: str, out: Path | None) -> Path:
    """Return where an audit writes by default: runs/ and the name of the configuration."""
    return out or Path("runs") / Path(source).stem


def worker_count(workers: int) -> int:
    """Return the number of workers meant: 0 stands for one a core; raises `ConfigError` for a negative number."""
    if workers < 0:
        raise ConfigError(f"`--workers` must be at least 0, but is {workers}. Write 0 for one worker a core.")
    return workers or core_count()
